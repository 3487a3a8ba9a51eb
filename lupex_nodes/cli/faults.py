# SPDX-License-Identifier: Apache-2.0
"""``lupex faults``: the catalogue, and what each unit can suffer, from the code itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from lupex_nodes.bus.fault_acts import ProcessAct, Support
from lupex_nodes.bus.faults import KINDS
from lupex_nodes.bus.parameters import how_to_write
from lupex_nodes.bus.place import Place
from lupex_nodes.cli import COMPLETE, BadInput, inputs
from lupex_nodes.cli.table import table
from lupex_nodes.fault_catalogue import FILE, Fault, read_catalogue
from lupex_nodes.located_yaml import BadFile, suggestion
from lupex_nodes.recording.recorder import absolute_name
from lupex_nodes.share import share_file


def faults(options: argparse.Namespace) -> int:
    """Print the catalogue with the support table, or everything about one fault."""
    places = inputs.system().places
    try:
        known = read_catalogue(share_file(FILE), places)
    except (BadFile, FileNotFoundError) as error:
        raise BadInput(str(error)) from None
    if options.id is None:
        print("\n".join([*_catalogue(known), "", *_support(places)]))
    elif options.id in known:
        print("\n".join(_about(known[options.id], places)))
    else:
        raise BadInput(f"there is no fault {options.id}: {suggestion(options.id, known)}")
    return COMPLETE


def _catalogue(known: Mapping[str, Fault]) -> Iterator[str]:
    rows = [
        (each.id, each.unit, " ".join([each.act_name, *_first(each)]), _within(each),
         each.magnitude)
        for each in known.values()
    ]  # fmt: skip
    yield from table(rows, ("FAULT", "UNIT", "ACT", "DETECTED", "MAGNITUDE"))


def _first(fault: Fault) -> Iterator[str]:
    """Yield what tells a fault from others of the same unit, in a word or two."""
    settings = fault.settings()
    for key in ("name", "kind"):
        if key in settings:
            yield str(settings[key])
    if fault.act_name == "degradation":
        yield next(iter(settings))


def _within(fault: Fault) -> str:
    return f"{fault.detect_within_s:g} s" if fault.detect_within_s else "never"


def _support(places: Mapping[str, Place]) -> Iterator[str]:
    yield "What can be injected"
    yield "  port: any output below, one of"
    yield from table([(name, kind.description) for name, kind in KINDS.items()], (), 4)
    yield "  command: any command below, off (no answer) or delayed (later than callers wait)"
    yield "  degradation: any field below, to its value at once or within ramp_s"
    kinds = ProcessAct.model_fields["kind"]
    yield f"  process: {how_to_write(kinds)}"
    yield "  memory: 'lost' or 'corrupt'"
    yield "  clock: offset_s and drift_s_per_s of the stamps"
    for name, place in places.items():
        if place.injects:
            continue
        support = Support(place)
        whole = [act for act in ("process", "memory", "clock") if getattr(support, act)]
        yield f"\n{name}{': ' if whole else ''}{', '.join(whole)}"
        yield from table([
            ("port", ", ".join(map(absolute_name, support.outputs))),
            ("command", ", ".join(support.commands)),
            ("degradation", ", ".join(support.degradation) or "-"),
        ], (), 2)  # fmt: skip


def _about(fault: Fault, places: Mapping[str, Place]) -> Iterator[str]:
    yield f"{fault.id}: {fault.signature}"
    yield ""
    settings = ", ".join(f"{key}: {value}" for key, value in fault.settings().items())
    yield from table([
        ("unit", fault.unit),
        ("act", f"{fault.act_name}: {{{settings}}}"),
        ("magnitude", fault.magnitude),
        ("resembles", fault.resembles),
        ("isolates to", fault.blamed),
        ("detected", ": ".join(filter(None, [_within(fault), fault.not_observable]))),
    ])
    fields = Support(places[fault.unit]).degradation
    if fault.act_name == "degradation":
        yield "\nDegradation"
        yield from table([
            (key, how_to_write(fields[key]), fields[key].description or "")
            for key in fault.settings() if key in fields
        ], (), 2)  # fmt: skip
    yield f"\nInject it with: lupex run --fault {fault.id}@600+300"
