# SPDX-License-Identifier: Apache-2.0
"""What a fault can do to one unit: the six acts, and which of them a unit can suffer.

An act is read from plain settings, of a file or of the command ``inject``, and refused with one
sentence when it would do nothing. A fault of a port is in ``bus/faults.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ValidationError

from lupex_nodes.bus.commands import INJECTION
from lupex_nodes.bus.faults import KINDS, DelaySettings, NoSettings
from lupex_nodes.bus.message_fields import has_header, numeric_fields
from lupex_nodes.bus.parameters import Parameters, Refused, build, explain, parameter
from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit import Kind

if TYPE_CHECKING:
    from lupex_nodes.bus.place import Place

RAMP = "ramp_s"


@dataclass(frozen=True)
class PortAct:
    """A fault of one output; see ``bus/faults.py`` for the kinds."""

    output: str
    kind: str
    settings: Parameters

    name: ClassVar[str] = "port"

    @property
    def where(self) -> tuple[str, str]:
        """What no two faults can have at once."""
        return self.name, self.output


@dataclass(frozen=True)
class CommandAct:
    """A command that is lost, or that arrives ``delay_s`` later; neither answers in time."""

    command: str
    delay_s: float | None

    name: ClassVar[str] = "command"

    @property
    def where(self) -> tuple[str, str]:
        """What no two faults can have at once."""
        return self.name, self.command


@dataclass(frozen=True)
class DegradationAct:
    """Values of the unit's Degradation model, reached at once or linearly within ``ramp_s``."""

    values: Mapping[str, Any]
    ramp_s: float

    name: ClassVar[str] = "degradation"
    where: ClassVar[None] = None

    def at(self, elapsed_s: float, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values so long after the start of the fault, coming from ``before``."""
        part = min(elapsed_s / self.ramp_s, 1.0) if self.ramp_s else 1.0
        return {
            name: before[name] + part * (value - before[name])
            if isinstance(value, float) and part < 1.0
            else value
            for name, value in self.values.items()
        }


class ProcessAct(Parameters):
    """The unit's code raises, or neither steps nor beats nor answers, or resets itself."""

    name: ClassVar[str] = "process"

    kind: Literal["crash", "hang", "reset_loop"] = parameter(..., "what the code does")
    resets: int = parameter(
        1, "crash, hang: so many resets until the unit works again; 0: never by resets", ge=0
    )
    period_s: float = parameter(60.0, "reset_loop: between two resets", "s", ge=1.0)

    @property
    def where(self) -> tuple[str, str]:
        """What no two faults can have at once."""
        return self.name, ""


class MemoryAct(Parameters):
    """What the unit keeps in non-volatile memory is gone, or has flipped bits; then a reset."""

    name: ClassVar[str] = "memory"

    kind: Literal["lost", "corrupt"] = parameter(..., "what becomes of the memory")

    @property
    def where(self) -> tuple[str, str]:
        """What no two faults can have at once."""
        return self.name, ""


class ClockAct(Parameters):
    """The stamps of what the unit publishes are off."""

    name: ClassVar[str] = "clock"

    offset_s: float = parameter(0.0, "error at once", "s", ge=-1e6, le=1e6)
    drift_s_per_s: float = parameter(0.0, "growth of the error", "s/s", ge=-1.0, le=1.0)

    @property
    def where(self) -> tuple[str, str]:
        """What no two faults can have at once."""
        return self.name, ""

    def error_ns(self, elapsed: int) -> int:
        """Return the stamps' error so many ns after the start of the fault."""
        return round(self.offset_s * SECOND + self.drift_s_per_s * elapsed)


Act = PortAct | CommandAct | DegradationAct | ProcessAct | MemoryAct | ClockAct
ACTS = ("port", "command", "degradation", "process", "memory", "clock")


@dataclass(frozen=True)
class Support:
    """What of the acts a unit can suffer, generated from its class and its place."""

    place: Place

    @property
    def outputs(self) -> dict[str, Output]:
        """The outputs that can be faulted, the unit's heartbeat included."""
        return self.place.fault_outputs()

    @property
    def commands(self) -> list[str]:
        """The commands that can be lost or late: all but those that inject."""
        return sorted(name for name in self.place.commands() if name not in INJECTION)

    @property
    def degradation(self) -> dict[str, Any]:
        """The fields of the unit's Degradation model."""
        return dict(self.place.unit_class.Degradation.model_fields)

    @property
    def process(self) -> bool:
        """Whether the unit runs on a processor that can fail: nature does not."""
        return self.place.unit_class.kind is not Kind.NATURE

    @property
    def memory(self) -> bool:
        """Whether the unit keeps something that it could lose; what hardware keeps is physics."""
        return self.place.unit_class.remembers

    @property
    def clock(self) -> bool:
        """Whether the unit stamps what it publishes by a clock of its own."""
        return self.process and any(
            has_header(port.message_type) for port in self.place.outputs().values()
        )

    def acts(self) -> Iterator[tuple[str, str]]:
        """Yield every supported (act, target)."""
        for topic in self.outputs:
            for kind in KINDS:
                yield "port", f"{topic} {kind}"
        for command in self.commands:
            for kind in ("off", "delayed"):
                yield "command", f"{command} {kind}"
        for field in self.degradation:
            yield "degradation", field
        if self.process:
            for kind in ("crash", "hang", "reset_loop"):
                yield "process", kind
        if self.memory:
            for kind in ("lost", "corrupt"):
                yield "memory", kind
        if self.clock:
            yield from (("clock", "offset_s"), ("clock", "drift_s_per_s"))


def read_act(place: Place, name: str, settings: Mapping[str, Any]) -> Act:
    """Make the act ``name`` of a unit from its settings; raise Refused when it would do nothing.

    Values may be texts, as in ``lupex command UNIT inject``.
    """
    if place.injects:
        raise Refused(f"{place.name} injects faults and suffers none: choose another unit")
    if name not in ACTS:
        raise Refused(f"there is no act {name}: write one of {', '.join(ACTS)}")
    return _READERS[name](Support(place), dict(settings))


def _port(support: Support, settings: dict[str, Any]) -> PortAct:
    name = support.place.name
    output = _pop(settings, "output", support.outputs, f"output of {name}")
    kind = _pop(settings, "kind", KINDS, "kind of fault of a port")
    found = _build(KINDS[kind].settings, settings)
    if kind == "wrong":
        if found.gain == 1.0 and found.offset == 0.0:
            raise Refused("wrong with gain 1 and offset 0 changes nothing: give one of them")
        port = support.outputs[output]
        known = numeric_fields(port.message_type, port.schema)
        plain = ".".join(part for part in found.field.split(".") if not part.isdecimal())
        if known is not None and plain not in known:
            raise Refused(f"{output} has no number {found.field}; it has {', '.join(known)}")
    return PortAct(output, kind, found)


def _command(support: Support, settings: dict[str, Any]) -> CommandAct:
    command = _pop(settings, "name", support.commands, f"command of {support.place.name}")
    kind = _pop(settings, "kind", ("off", "delayed"), "kind of fault of a command")
    if kind == "off":
        _build(NoSettings, settings)
        return CommandAct(command, None)
    return CommandAct(command, _build(DelaySettings, settings).delay_s)


def _degradation(support: Support, settings: dict[str, Any]) -> DegradationAct:
    name, model = support.place.name, support.place.unit_class.Degradation
    if not model.model_fields:
        raise Refused(f"no physical fault changes anything in {name}: choose another act")
    ramp = _build(_Ramp, {key: settings.pop(key) for key in (RAMP,) if key in settings})
    found = _build(model, settings)
    default = model()
    values = {
        field: getattr(found, field)
        for field in settings
        if getattr(found, field) != getattr(default, field)
    }
    if not values:
        known = ", ".join(model.model_fields)
        raise Refused(
            f"this degradation changes nothing in {name}: give another value than the default "
            f"to one of {known}"
        )
    if ramp.ramp_s and not any(isinstance(value, float) for value in values.values()):
        raise Refused(f"{RAMP} needs a number that can grow: leave it out")
    return DegradationAct(values, ramp.ramp_s)


class _Ramp(Parameters):
    """How fast a degradation grows."""

    ramp_s: float = parameter(0.0, "time to the full value", "s", ge=0.0)


def _process(support: Support, settings: dict[str, Any]) -> ProcessAct:
    if not support.process:
        raise Refused(
            f"{support.place.name} is nature, which no processor runs: choose another act"
        )
    return _build(ProcessAct, settings)


def _memory(support: Support, settings: dict[str, Any]) -> MemoryAct:
    if not support.memory:
        raise Refused(
            f"{support.place.name} keeps nothing in memory that it could lose: choose another act"
        )
    return _build(MemoryAct, settings)


def _clock(support: Support, settings: dict[str, Any]) -> ClockAct:
    if not support.clock:
        raise Refused(f"{support.place.name} stamps nothing by a clock of its own")
    act = _build(ClockAct, settings)
    if act.offset_s == 0.0 and act.drift_s_per_s == 0.0:
        raise Refused("a clock without offset_s and drift_s_per_s is right: give one of them")
    return act


_READERS: dict[str, Callable[[Support, dict[str, Any]], Act]] = {
    "port": _port,
    "command": _command,
    "degradation": _degradation,
    "process": _process,
    "memory": _memory,
    "clock": _clock,
}


def _word(key: str, value: Any) -> Any:
    """Return ``off`` for what YAML 1.1 made of ``kind: off``."""
    return "off" if key == "kind" and value is False else value


def _pop(settings: dict[str, Any], key: str, known: Any, what: str) -> str:
    value = settings.pop(key, None)
    value = _word(key, value)
    if not isinstance(value, str) or value not in known:
        raise Refused(f"{value!r} is no {what}: {key} is one of {', '.join(known)}")
    return value


def _build(model: type[Parameters], settings: Mapping[str, Any]) -> Any:
    """Make a model; all settings are texts when they come from a command."""
    if settings and all(isinstance(value, str) for value in settings.values()):
        try:
            return model.model_validate_strings(settings)
        except ValidationError as error:
            raise Refused("; ".join(explain(error, model))) from None
    return build(model, dict(settings))


def written(name: str, value: Any) -> str:
    """Write a setting as the command ``inject`` takes it."""
    value = _word(name, value)
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"
