# SPDX-License-Identifier: Apache-2.0
"""`lupex run --live`."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lupex_nodes.cli import BAD_INPUT, COMPLETE, main


@pytest.fixture
def short(tmp_path: Path) -> str:
    path = tmp_path / "short.yaml"
    path.write_text(
        "extends: sortie\nname: short\nduration_s: 60\nplan: [{activity: rest, wait_s: 5}]\n"
    )
    return str(path)


def test_a_page_sees_the_flight_to_its_end_and_the_server_ends_with_it(
    short: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    updates: list[dict] = []

    def watch() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/updates")
                for line in connection.getresponse():
                    if line.startswith(b"data: {\""):
                        updates.append(json.loads(line[6:]))
                return
            except OSError:
                time.sleep(0.05)

    page = threading.Thread(target=watch)
    page.start()
    out = tmp_path / "out"
    options = ("--bus", "memory", "--live", "--live-port", str(port), "--out", str(out))
    assert main(["run", short, *options]) == COMPLETE
    page.join(20)
    assert updates[0]["begin"]["name"] == "short"
    mission = updates[-1]["mission"]
    assert (mission["outcome"], mission["time_s"]) == ("complete", 60.0)
    assert any("report.html" in line for line in mission["results"])
    assert (out / "report.html").exists()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1.0)


def test_a_flight_is_the_same_with_a_page_and_without(short: str, tmp_path: Path) -> None:
    bags = []
    for name, options in (("plain", []), ("live", ["--live"])):
        out = tmp_path / name
        assert main(["run", short, "--bus", "memory", "--out", str(out), *options]) == COMPLETE
        bags.append(sorted((p.name, p.read_bytes()) for p in (out / "bag").iterdir()))
    assert bags[0] == bags[1]


def test_a_taken_port_is_said_in_one_sentence(
    short: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--bus", "memory", "--live", "--live-port", port, "--out", str(tmp_path / "o"))
        assert main(["run", short, *options]) == BAD_INPUT
    assert capsys.readouterr().err == (
        f"port {port} cannot be used for the live view (Address already in use): give another "
        "with --live-port, or leave it out for one that is free\n"
    )


def test_a_page_stays_until_it_is_told_to_go(short: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lupex_nodes", "run", short, "--bus", "memory"]
    with subprocess.Popen(
        [*command, "--live", "--live-stay", "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        said = ""
        while "stays until Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", said)[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/updates")
        update = json.loads(connection.getresponse().readline()[6:])
        assert update["mission"]["outcome"] == "complete"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == COMPLETE
