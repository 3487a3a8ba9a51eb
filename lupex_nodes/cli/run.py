# SPDX-License-Identifier: Apache-2.0
"""``lupex run``: fly a scenario."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lupex_nodes import flight
from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.cli import COMPLETE, ENDED_OTHERWISE, BadInput, inputs, live
from lupex_nodes.flight import RunFacts, Stop, finish, fly_memory
from lupex_nodes.models import ephemeris
from lupex_nodes.progress import Progress
from lupex_nodes.recording.bag_reader import BagError
from lupex_nodes.recording.bag_writer import RecordingError, Split
from lupex_nodes.recording.profiles import Profile, ProfileError, black_box_limits, profile
from lupex_nodes.recording.recorder import RecorderSettings
from lupex_nodes.scenario import CheckedScenario

RESULTS = ("bag", "black_box", "report.html", "summary.json")


def run(options: argparse.Namespace) -> int:
    """Fly, leave the results and say how it ended."""
    if options.units or options.source:
        from lupex_nodes.cli.rerun import rerun

        return rerun(options)
    if options.bus == "memory" and options.composition:
        raise BadInput("--composition is for --bus ros: in memory all units are in this process")
    if not options.live and (options.live_port is not None or options.live_stay):
        raise BadInput("--live-port and --live-stay are for --live: add it")
    checked = inputs.scenario(
        options.scenario or "sortie",
        inputs.system(),
        _overrides(options),
        Path(options.params_file) if options.params_file else None,
        [Path(name) for name in options.faults],
        options.fault,
    )
    chosen, settings = _recording(options)
    folder = _folder(options, checked)
    print("\n".join(heading(checked)), flush=True)
    stop = Stop()
    with ExitStack() as stack:
        page = stack.enter_context(live.flight_page(options, checked)) if options.live else None
        observers = [page] if page else []
        try:
            with _signals(stop.ask), Progress(checked, sys.stdout) as progress:
                facts = _fly(
                    options, checked, folder, chosen, settings, [progress, *observers], stop
                )
            summary = _finish(folder, facts)
        except (RecordingError, Refused) as error:
            if page:
                page.end("failed", str(error), [])
            print(error, file=sys.stderr)
            return ENDED_OTHERWISE
        said = list(closing(folder, facts, summary))
        print("\n".join(said))
        if page:
            page.end(facts.outcome, facts.cause, said)
            if options.live_stay and facts.outcome != flight.INTERRUPTED:
                told = threading.Event()
                with _signals(lambda _: told.set()):
                    print("live     the page stays until Ctrl-C", flush=True)
                    told.wait()
    # a run that ended because it was told to has done as told
    return COMPLETE if facts.outcome in (flight.COMPLETE, flight.INTERRUPTED) else ENDED_OTHERWISE


def heading(checked: CheckedScenario) -> Iterator[str]:
    """Yield what is flown and where: site, Sun, Earth, ground."""
    scenario = checked.scenario
    site = checked.site
    place = (scenario.start_ns, site.latitude_deg, site.longitude_deg)
    sun, earth = ephemeris.sun(*place), ephemeris.earth(*place)
    ground = (
        f"{checked.geotiff} (measured)"
        if checked.geotiff
        else f"synthetic, drawn from seed {scenario.seed}"
    )
    yield f"{scenario.name}: {scenario.description}".rstrip(": ")
    yield f"start    {scenario.start:%Y-%m-%dT%H:%M:%S} UTC, {scenario.duration_s:g} s"
    yield f"site     {_latitude(site.latitude_deg)} {site.longitude_deg % 360:g} E"
    yield f"Sun      elevation {sun.elevation_deg:+.2f} deg, azimuth {sun.azimuth_deg:.1f} deg"
    yield f"Earth    elevation {earth.elevation_deg:+.2f} deg, azimuth {earth.azimuth_deg:.1f} deg"
    yield f"terrain  {ground}"


def closing(folder: Path, facts: RunFacts, summary: dict[str, Any]) -> Iterator[str]:
    """Yield how the run ended and where its results are."""
    cause = f" ({facts.cause})" if facts.cause else ""
    yield (
        f"{facts.outcome}{cause}: {facts.mission_time_s:.0f} s flown in {facts.wall_time_s:.1f} s, "
        f"{facts.real_time_factor:.0f} times real time; {facts.messages} messages, "
        f"{facts.messages_per_s:.0f} a second"
    )
    water = summary.get("water") or {}
    if water.get("detected"):
        yield (
            f"water    {water['estimate_wt_percent']:.2f} +/- "
            f"{water['standard_error']:.2f} wt%"
        )
    elif water.get("upper_limit_wt_percent") is not None:
        yield f"water    none found; below {water['upper_limit_wt_percent']:.2f} wt%"
    if facts.outcome == flight.INTERRUPTED:
        yield f"report   lupex analyze {folder / 'bag'} --out {folder}"
    results = [folder / name for name in RESULTS if (folder / name).exists()]
    yield f"results  {', '.join(map(str, results))}"


def _fly(
    options: argparse.Namespace,
    checked: CheckedScenario,
    folder: Path,
    chosen: Profile,
    settings: RecorderSettings,
    observers: list[Observer],
    stop: Stop,
) -> RunFacts:
    if options.bus == "memory":
        return fly_memory(
            *(checked, folder, chosen),
            rate=options.rate,
            observers=observers,
            stop=stop,
            settings=settings,
        )
    with inputs.needs_ros(", or fly with --bus memory"):
        from lupex_nodes.bus.ros.supervisor import fly
    return fly(
        checked,
        folder,
        chosen,
        composition=options.composition or "all",
        rate=options.rate,
        respawn=True,
        observers=observers,
        stop=stop,
        settings=settings,
    )


def _finish(folder: Path, facts: RunFacts) -> dict[str, Any]:
    try:
        return finish(folder, facts)
    except (BagError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(
            f"{facts.outcome}, but the report cannot be made: {reason}; free space or name another "
            f"folder, and `lupex analyze {folder / 'bag'} --out DIR` makes it of what was recorded"
        ) from None


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.seed is not None:
        found["seed"] = options.seed
    if options.duration is not None:
        found["duration_s"] = options.duration
    if options.terrain is not None:
        found["terrain"] = {"geotiff": str(Path(options.terrain).absolute())}
    return found


def _recording(options: argparse.Namespace) -> tuple[Profile, RecorderSettings]:
    split = Split(options.split_size * 1e6, options.split_duration)
    try:
        black_box = None if options.no_black_box else black_box_limits()
        return profile(options.record), RecorderSettings(split, black_box)
    except (ProfileError, FileNotFoundError) as error:
        raise BadInput(str(error)) from None


def _folder(options: argparse.Namespace, checked: CheckedScenario) -> Path:
    """Return the folder of the results; what is there stays unless --overwrite."""
    if options.out is None:
        return _free_folder(Path("runs", f"{checked.scenario.name}-{checked.scenario.seed}"))
    folder = Path(options.out)
    taken = [folder / name for name in RESULTS if (folder / name).exists()]
    if taken and not options.overwrite:
        raise BadInput(
            f"{taken[0]} is there already: name another folder with --out, or add --overwrite"
        )
    try:
        for path in taken:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}): name another folder with --out"
        ) from None
    return folder


def _free_folder(wanted: Path) -> Path:
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _latitude(degrees: float) -> str:
    return f"{abs(degrees):g} {'S' if degrees < 0 else 'N'}"


@contextmanager
def _signals(ask: Callable[[str], None]) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run between two ticks, a second one at once."""

    def handle(number: int, _: Any) -> None:
        signal.signal(number, before[number])
        ask(f"by {signal.Signals(number).name}")

    before: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
