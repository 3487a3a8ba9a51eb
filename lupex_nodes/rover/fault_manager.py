# SPDX-License-Identifier: Apache-2.0
"""The rover's fault manager: it looks for faults, names them, and does what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState, Imu, JointState, PointCloud2, Range

from lupex_nodes.bus.commands import CommandFailed, command
from lupex_nodes.bus.messages import ERROR, OK, WARN, status_message
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, iso, seconds
from lupex_nodes.bus.unit import Kind, Unit, ports
from lupex_nodes.lander.records import LINK
from lupex_nodes.payload.ems_l_records import CONDITIONS
from lupex_nodes.payload.gpr_records import SECTION
from lupex_nodes.payload.records import COUNTS
from lupex_nodes.rover.fault_table import Fault, load_faults, matching
from lupex_nodes.rover.monitors import Mode, Told, monitor
from lupex_nodes.rover.records import (
    BUS,
    CURRENTS,
    MOBILITY,
    SKY,
    TEMPERATURES,
    VISUAL_ODOMETRY,
    WATCHDOG,
)
from lupex_nodes.rover.residuals import RESIDUALS
from lupex_nodes.rover.responses import (
    PAYLOAD,
    SLEEP,
    Order,
    Response,
    ignore,
    orders,
    switch,
)
from lupex_nodes.rover.telemetry import Source, Telemetry
from lupex_nodes.world.records import LOAD

#: Between looks: driving, each sample of the joints is one more; both are less than the watchdog's.
_LOOK, _LOOK_PARKED = 10 * SECOND, 20 * SECOND
_SWEEP = 5 * SECOND
_SETTLE = 60 * SECOND
_QUIET_AGAIN_S = 3600.0
#: Data younger than this still come.
_DATA_S = 15.0
#: A safe rover that lives on its battery goes to sleep below this state of charge.
_SLEEP_BELOW = 0.25
_SLEEP_AFTER_S = 600.0
_PLACE = attrgetter("place")
_NOTHING_KEPT = {"attempts": 0, "out": False, "first": None, "muted_by": "", "healed_at": 0}
#: The row that tells of solar particles; rows with `quiet` wait until it is over.
_PARTICLES = "PARTICLE_EVENT"


#: What other units must not compute with is here what is looked for.
_unchecked = partial(Input, finite=False)


class Watch:
    """A row of the table: its detection, whether it is confirmed, and what was done."""

    def __init__(self, fault: Fault, residuals: Any, kept: dict[str, Any]) -> None:
        self.fault = fault
        self.monitor = monitor(fault, residuals)
        self.up = seconds(fault.detection.persistence.up_s)
        self.down = seconds(fault.detection.persistence.down_s)
        self.first: int | None = kept["first"]
        self.confirmed = self.first is not None
        self.since: int | None = None  # present while not confirmed, away while it is
        self.muted_by: str = kept["muted_by"]
        self.respond_at: int | None = None
        self.looked_at = -1
        self.place = 0
        self.inhibited_by: list[Watch] = []
        #: Attempts made, whether a sensor is left out, since when the fault is confirmed and what
        #: mutes it; outlives the power.
        self.kept = kept

    @property
    def active(self) -> bool:
        """Whether time alone can change the row, or something is to be done about it."""
        return self.confirmed or self.since is not None or self.respond_at is not None

    @property
    def pending(self) -> bool:
        """Whether the symptom is there but has not lasted long enough."""
        return self.since is not None and not self.confirmed

    def look(self, now: int, seen: Telemetry) -> bool:
        """Sample; return whether the state changed."""
        watch = self.monitor
        present = watch.sample(now, seen, self.confirmed)
        if (
            present is None
            or present is self.confirmed
            or any(other.confirmed for other in self.inhibited_by)
            or watch.judged_since(now, seen) is None
        ):
            self.since = None
            return False
        if self.since is None:
            self.since = now
        if now - self.since < (self.down if self.confirmed else self.up):
            return False
        if self.confirmed and self.fault.latched:
            return False
        self.confirmed = not self.confirmed
        self.first = self.since if self.confirmed else self.first
        self.since = None
        if isinstance(watch, Told):
            watch.forget()
        return True

    def due(self) -> int | None:
        """Return when a symptom that lasts will change the state."""
        if self.since is None:
            return None
        return self.since + (self.down if self.confirmed else self.up)


class Clear(Parameters):
    """Which row."""

    id: str = parameter("all", "of the row whose fault is over, or all")


class FaultManager(Unit):
    """Watches all units against the table in config/fault_responses.yaml.

    A symptom that lasts is a confirmed fault and told on `faults`; one that another confirmed
    fault explains is told as muted by it and left alone. A confirmed fault starts its row's
    response: so many attempts, then what they escalate to. One response at a time works on a unit,
    and start, end and failure of each are events. Passive it only says what it would do.

    In safe mode the plan is held, the rover stands, the payload is off; warmth, power and receiver
    go on, and the array follows the Sun by itself. A rover whose battery then runs low goes to
    sleep. Only `resume` ends safe mode. What is not over with power-off is kept: safe mode, the
    attempts made, sensors left out.

    It sees the bus alone, with numbers that are none too. Nothing counts while the rover sleeps, in
    the first minute, of units without power, or outside the conditions that a row names.
    """

    class Parameters(Parameters):
        """Whether it acts."""

        passive: bool = parameter(False, "says what it would do and does nothing")
        fault_responses: str = parameter("", "path of another table than the package's", live=False)

    kind = Kind.SOFTWARE
    modes = {"watching": ("safe",), "safe": ("watching",)}
    period_s = 10.0
    diagnostics = Input(DIAGNOSTICS, DiagnosticArray, queue=1000)
    events = Input(EVENTS, DiagnosticArray, Qos.COMMAND, queue=500, wake=True)
    reports = Input(COMMANDS, DiagnosticArray, Qos.COMMAND, queue=500)
    channels = Input("rover/power/channels", PointCloud2, Qos.STATE)
    lander_channels = Input("lander/lander_power/channels", PointCloud2, Qos.STATE)
    battery = _unchecked("rover/power/battery", BatteryState)
    radar = _unchecked("payload/gpr/section", PointCloud2, schema=SECTION)
    mass_spectra = _unchecked("payload/ems_l/conditions", PointCloud2, schema=CONDITIONS)
    bus = _unchecked("rover/power/bus", PointCloud2, schema=BUS)
    temperatures = _unchecked("rover/thermal/temperatures", PointCloud2, schema=TEMPERATURES)
    lander_battery = _unchecked("lander/lander_power/battery", BatteryState)
    lander_bus = _unchecked("lander/lander_power/bus", PointCloud2, schema=BUS)
    link = _unchecked("lander/relay/link", PointCloud2, schema=LINK)
    map_fix = _unchecked("ground/map_fix", PoseWithCovarianceStamped)
    rover_loads = _unchecked("rover/*/load", PointCloud2, schema=LOAD)
    payload_loads = _unchecked("payload/*/load", PointCloud2, schema=LOAD)
    imu = _unchecked("rover/imu/data", Imu)
    stars = _unchecked("rover/star_tracker/attitude", Imu)
    frames = _unchecked("rover/stereo_camera/visual_odometry", PointCloud2, schema=VISUAL_ODOMETRY)
    range = _unchecked("rover/ranging/range", Range)
    joints = _unchecked("rover/joint_states", JointState, wake=True)
    currents = _unchecked("rover/mobility/currents", PointCloud2, schema=CURRENTS)
    drive = _unchecked("rover/mobility/state", PointCloud2, schema=MOBILITY)
    cmd_vel = _unchecked("rover/cmd_vel", TwistStamped)
    odometry = _unchecked("rover/odometry", Odometry)
    sky = _unchecked("rover/navigation/sky", PointCloud2, Qos.STATE, schema=SKY)
    counts = _unchecked(
        "payload/neutron_spectrometer/counts", PointCloud2, schema=COUNTS, queue=200
    )
    faults = Output("faults", DiagnosticArray, Qos.COMMAND)
    watchdog = Output("rover/watchdog", PointCloud2, schema=WATCHDOG)

    def setup(self) -> None:
        """Read the table; go on with what was kept over power-off."""
        said = (DIAGNOSTICS, EVENTS, COMMANDS)
        names = [name for name, port in ports(type(self), Input) if port.topic not in said]
        sources = {getattr(self, name).spec.topic: Source(getattr(self, name)) for name in names}
        path = self.parameters.fault_responses
        table = load_faults(
            Path(path) if path else None,
            signals={*sources, DIAGNOSTICS}, residuals=RESIDUALS,
        )  # fmt: skip
        memory = self.context.memory
        kept = memory.setdefault("rows", {})
        self._body: dict[str, Any] = memory.setdefault("body", {"safe": False, "off": []})
        used = {f.detection.signal for f in table if f.detection.kind == "residual"}
        self._residuals = {name: RESIDUALS[name]() for name in sorted(used)}
        self._readers = [
            (source, [r for r in self._residuals.values() if topic in r.topics])
            for topic, source in sources.items()
        ]
        self._watches = {
            fault.id: Watch(fault, self._residuals, kept.setdefault(fault.id, dict(_NOTHING_KEPT)))
            for fault in table
        }
        self._rows = list(self._watches.values())
        for place, watch in enumerate(self._rows):
            watch.place = place
        self._told_rows = [watch for watch in self._rows if isinstance(watch.monitor, Told)]
        # a row is looked at when there is something new for it; these are by the clock
        self._timed_rows = [w for w in self._rows if w.fault.detection.kind == "silence"
                            or w.fault.detection.signal.startswith(DIAGNOSTICS)]  # fmt: skip
        self._mode_rows = [(w, w.monitor) for w in self._rows if isinstance(w.monitor, Mode)]
        self._rows_of: list[tuple[Source, list[Watch]]] = []
        for topic, source in sources.items():
            found = [w for w in self._rows if topic in _topics_of(w.fault)]
            if found:
                self._rows_of.append((source, found))
        self._active = [watch for watch in self._rows if watch.confirmed]
        self._swept = 0
        self._explained: dict[str, list[str]] = {}
        for fault in table:
            for symptom in matching(table, fault, fault.explains):
                self._explained.setdefault(symptom, []).append(fault.id)
            for other in matching(table, fault, fault.inhibits):
                self._watches[other].inhibited_by.append(self._watches[fault.id])
        self._sources = sources
        self._seen: Telemetry | None = None
        self._running: dict[str, Response] = {}
        self._orders: list[Response] = []
        self._stroked: int | None = None
        self._strokes = 0
        self._drained_since: int | None = None
        self._mended: set[str] = set()
        if self._body["safe"]:
            self.mode = "safe"

    @command("enters safe mode")
    def safe(self, now: int, arguments: None) -> None:
        """Enter; in safe mode already, all is ordered again."""
        self._enter_safe_mode("by command")

    @command("ends safe mode: the plan goes on, the payload that was on is switched on")
    def resume(self, now: int, arguments: None) -> None:
        """End safe mode."""
        if not self._body["safe"]:
            raise CommandFailed("the rover is not in safe mode")
        self._body["safe"] = False
        self.set_mode("watching")
        again = [switch(name, True, vital=False) for name in self._body["off"]]
        self._body["off"] = []
        self.event("SAFE_MODE_LEFT", "Safe mode was left by command.", level=OK)
        self._order("resume", iter([*again, Order("executive", "resume", vital=False)]))

    @command("takes a fault, or all, as over: attempts are counted anew", Clear)
    def clear(self, now: int, arguments: Clear) -> None:
        """Forget; a fault that is still there is confirmed again."""
        if arguments.id != "all" and arguments.id not in self._watches:
            raise CommandFailed(f"there is no row {arguments.id} in the table of faults")
        for watch in self._rows:
            if arguments.id not in ("all", watch.fault.id):
                continue
            watch.kept["attempts"] = 0
            if watch.confirmed:
                watch.confirmed, watch.since = False, None
                self._heal(now, watch)

    @command("only says what it would do (true), or acts again (false)", bool)
    def set_passive(self, now: int, passive: bool) -> None:
        """Change until the next power-off; the parameter says what is then."""
        self._body["passive"] = passive
        state = "passive" if passive else "active"
        self.event("PASSIVE" if passive else "ACTIVE", f"Responses are {state}.", level=OK)

    @property
    def passive(self) -> bool:
        """Whether it only says what it would do."""
        return self._body.get("passive", self.parameters.passive)

    def parameters_changed(self) -> None:
        """Follow the parameter again."""
        self._body.pop("passive", None)

    def step(self, now: int) -> int | None:
        """Look, judge every row, go on with responses, stroke the watchdog."""
        seen = self._seen
        if seen is None:
            seen = self._seen = Telemetry(self._sources, self.context.name, now)
            for watch in self._active:
                # confirmed before the power went: answered further if it is still there
                if not watch.muted_by:
                    watch.respond_at = now + _SETTLE + seconds(watch.fault.response.cooldown_s)
        particles = self._watches.get(_PARTICLES)
        quiet = particles is None or not (particles.confirmed or particles.pending)
        seen.condition("quiet", quiet, now)
        # the reset that ended a response is told one tick later
        seen.mended = self._mended | set(self._running)
        self._mended = set(self._running)
        seen.look(now, self.diagnostics.drain(), self.events.drain())
        reports = self.reports.drain()
        for source, residuals in self._readers:
            if not source.fresh or source.row is None:
                continue
            for residual in residuals:
                if residual.updated_at == now:
                    continue
                residual.updated_at = now
                try:
                    residual.update(now, seen)
                except (ArithmeticError, ValueError):
                    residual.value = None  # of numbers that no sensor tells; other rows say so
        looked = self._rows_to_look_at(now, seen)
        for watch in looked:
            if watch.look(now, seen):
                (self._confirm if watch.confirmed else self._heal)(now, watch)
        self._active = [watch for watch in looked if watch.active]
        self._respond(now, reports)
        if self._body["safe"]:
            self._keep_safe(now, seen)
        self._say_health()
        self._stroke(now)
        return self._next(now)

    def _rows_to_look_at(self, now: int, seen: Telemetry) -> list[Watch]:
        """Return what has something new, is under way, or whose time has come; table's order."""
        chosen = list(self._active)
        for source, rows in self._rows_of:
            if source.fresh:
                chosen += rows
        if seen.events:
            for watch in self._told_rows:
                watch.monitor.take(now, seen)  # type: ignore[attr-defined]
            chosen += self._told_rows
        if now - self._swept >= _SWEEP:
            self._swept = now
            chosen += [watch for watch in self._timed_rows if watch.monitor.quiet_until < now]
            chosen += [watch for watch, mode in self._mode_rows if mode.there(seen)]
        looked = []
        for watch in chosen:
            if watch.looked_at != now:
                watch.looked_at = now
                looked.append(watch)
        looked.sort(key=_PLACE)
        return looked

    def housekeeping(self) -> dict[str, Any]:
        """Say what is wrong."""
        confirmed = [watch for watch in self._active if watch.confirmed]
        open_ones = [watch.fault.id for watch in confirmed if not watch.muted_by]
        return {
            "faults": len(open_ones),
            "muted": len(confirmed) - len(open_ones),
            "first": open_ones[0] if open_ones else "none",
            "responses": len(self._running) + len(self._orders),
            "passive": self.passive,
            "strokes": self._strokes,
        }

    # --- faults ------------------------------------------------------------------------------

    def _confirm(self, now: int, watch: Watch) -> None:
        if now - watch.kept["healed_at"] > seconds(_QUIET_AGAIN_S) and not watch.kept["out"]:
            watch.kept["attempts"] = 0
        watch.muted_by = next(
            (root for root in self._explained.get(watch.fault.id, ())
             if self._watches[root].confirmed and not self._watches[root].muted_by), ""
        )  # fmt: skip
        watch.respond_at = None if watch.muted_by else now
        self._tell(now, watch)
        for symptom in self._symptoms(watch):
            if symptom.confirmed and not symptom.muted_by:
                symptom.muted_by, symptom.respond_at = watch.fault.id, None
                self._tell(now, symptom)

    def _heal(self, now: int, watch: Watch) -> None:
        watch.kept["healed_at"], watch.respond_at, watch.muted_by = now, None, ""
        self._tell(now, watch)
        if watch.kept["out"]:
            watch.kept["out"] = False
            self._order("take the sensor in again", iter([ignore(watch.fault, False)]))
        for symptom in self._symptoms(watch):
            if symptom.confirmed and symptom.muted_by == watch.fault.id:
                # most are over as soon as their cause is: they get the time to show it
                symptom.muted_by = ""
                symptom.respond_at = now + max(
                    symptom.down, seconds(symptom.fault.response.cooldown_s)
                )
                self._tell(now, symptom)

    def _symptoms(self, watch: Watch) -> Iterator[Watch]:
        for symptom, roots in self._explained.items():
            if watch.fault.id in roots:
                yield self._watches[symptom]

    def _tell(self, now: int, watch: Watch) -> None:
        fault, value = watch.fault, watch.monitor.value
        watch.kept["first"] = watch.first if watch.confirmed else None
        watch.kept["muted_by"] = watch.muted_by
        state = "confirmed" if watch.confirmed else "healed"
        level = OK if not watch.confirmed else ERROR if fault.severity == "error" else WARN
        ladder = fault.response.ladder
        sentence = fault.meaning or f"{fault.detection.signal} tells {fault.id}."
        self.faults.publish(status_message(
            now, fault.unit, fault.id, level, sentence, {
                "state": state,
                "level": fault.level,
                "severity": fault.severity,
                "signal": fault.detection.signal,
                "value": value,
                "limit": "none" if fault.detection.limit is None else fault.detection.limit,
                "response": ladder[0] if ladder else "none",
                "attempt": watch.kept["attempts"],
                "muted_by": watch.muted_by or "none",
                "first_time": iso(watch.first) if watch.first is not None else "none",
            },
        ))  # fmt: skip

    def _say_health(self) -> None:
        open_ones = [w for w in self._active if w.confirmed and not w.muted_by]
        if self._body["safe"]:
            self.health = (WARN, "the rover is in safe mode")
        elif open_ones:
            ids = ", ".join(watch.fault.id for watch in open_ones[:3])
            self.health = (WARN, f"{len(open_ones)} faults: {ids}")
        else:
            self.health = (OK, "ok")

    # --- responses -----------------------------------------------------------------------------

    def _respond(self, now: int, reports: list[DiagnosticArray]) -> None:
        for unit, response in list(self._running.items()):
            ended = response.step(now, reports)
            if ended is not None:
                del self._running[unit]
                self._end(now, response, *ended)
        for response in list(self._orders):
            ended = response.step(now, reports)
            if ended is not None:
                self._orders.remove(response)
                self._report(response, *ended)
        for watch in self._active:
            at = watch.respond_at
            if at is None or now < at or watch.fault.unit in self._running:
                continue
            if any(self._watches[r].pending for r in self._explained.get(watch.fault.id, ())):
                continue  # its cause may be about to be confirmed
            self._begin(now, watch)

    def _begin(self, now: int, watch: Watch) -> None:
        """Take the next rung of the row's ladder, if there is one left."""
        fault, made = watch.fault, watch.kept["attempts"]
        ladder = fault.response.ladder
        watch.respond_at = None
        if made >= len(ladder):
            if ladder:
                self.event(
                    "RESPONSE_EXHAUSTED",
                    f"{fault.id} of {fault.unit} is still there after {made} responses: it is "
                    "left to the ground.", level=WARN, fault=fault.id, unit=fault.unit,
                )  # fmt: skip
            return
        deed = ladder[made]
        if self.passive:
            self.event(
                "RESPONSE_WITHHELD",
                f"{fault.id} of {fault.unit} would be answered by {deed}, but responses are "
                "passive.", level=WARN, fault=fault.id, unit=fault.unit, response=deed,
            )  # fmt: skip
            return
        if self._works(now, fault):
            self.event(
                "RESPONSE_WITHHELD",
                f"{fault.id} of {fault.unit} is not answered by {deed}, because its data still "
                "come.", level=WARN, fault=fault.id, unit=fault.unit, response=deed,
            )  # fmt: skip
            watch.respond_at = now + seconds(_QUIET_AGAIN_S)
            return
        watch.kept["attempts"] = made + 1
        if deed == "safe_mode":
            self._enter_safe_mode(f"because of {fault.id} of {fault.unit}")
            watch.respond_at = now + seconds(fault.response.cooldown_s)
            return
        if deed == "ignore_sensor":
            watch.kept["out"] = True
        assert self._seen is not None
        steps = iter(orders(deed, fault, self._seen.channels))
        self._running[fault.unit] = self._start(Response(fault, deed, made + 1, steps, self.call))

    def _works(self, now: int, fault: Fault) -> bool:
        source = self._sources.get(fault.response.data)
        return source is not None and source.age_s(now) < _DATA_S

    def _start(self, response: Response) -> Response:
        fault = response.fault
        self.event(
            "RESPONSE_STARTED",
            f"{fault.id} of {fault.unit} is answered by {response.deed}, attempt "
            f"{response.attempt}.", level=WARN, fault=fault.id, unit=fault.unit,
            response=response.deed, attempt=response.attempt,
        )  # fmt: skip
        return response

    def _end(self, now: int, response: Response, success: bool, why: str) -> None:
        self._report(response, success, why)
        watch = self._watches[response.fault.id]
        if watch.confirmed and not watch.muted_by:
            watch.respond_at = now + seconds(response.fault.response.cooldown_s)

    def _report(self, response: Response, success: bool, why: str) -> None:
        fault = response.fault
        ended = "is done" if success else "failed"
        self.event(
            "RESPONSE_DONE" if success else "RESPONSE_FAILED",
            f"The response {response.deed} to {fault.id} {ended}{': ' if why else ''}{why}.",
            level=OK if success else ERROR, fault=fault.id, unit=fault.unit,
            response=response.deed, attempt=response.attempt,
        )  # fmt: skip

    def _order(self, deed: str, steps: Iterator[Order]) -> None:
        """Carry out what no row asked for."""
        by_hand = Fault.model_validate({
            "id": "COMMANDED", "unit": self.context.name,
            "detection": {"kind": "event", "signal": "none"},
        })  # fmt: skip
        self._orders.append(self._start(Response(by_hand, deed, 1, steps, self.call)))

    # --- safe mode -----------------------------------------------------------------------------

    def _enter_safe_mode(self, why: str) -> None:
        body, on = self._body, self._seen.channels if self._seen else {}
        if not body["safe"]:
            body["safe"] = True
            self.set_mode("safe")
            self.event("SAFE_MODE", f"The rover enters safe mode {why}.", level=ERROR)
        body["off"] += [name for name in PAYLOAD if on.get(name) and name not in body["off"]]
        if any(response.deed == "safe_mode" for response in self._orders):
            return
        self._order("safe_mode", iter(orders("safe_mode", self._rows[0].fault, on)))

    def _keep_safe(self, now: int, seen: Telemetry) -> None:
        """Let a safe rover sleep before its battery is empty."""
        battery, bus = seen.row("rover/power/battery"), seen.row("rover/power/bus")
        drains = bus is not None and bus.battery_w > 0.0
        if not drains or battery is None or battery.percentage > _SLEEP_BELOW:
            self._drained_since = None
            return
        if self._drained_since is None:
            self._drained_since = now
        if now - self._drained_since >= seconds(_SLEEP_AFTER_S):
            self._drained_since = now
            self._order("hibernate", iter([SLEEP]))

    # --- when ----------------------------------------------------------------------------------

    def _stroke(self, now: int) -> None:
        if self._stroked is None or now - self._stroked >= _LOOK:
            self._stroked = now
            self._strokes += 1
            self.watchdog.publish_rows(now, [(self._strokes, int(self._body["safe"]))])

    def _next(self, now: int) -> int:
        if self._running or self._orders:
            return now + SECOND
        moving = self._seen is not None and self._seen.conditions.get("standing") is None
        look = _LOOK if moving else _LOOK_PARKED
        due = now - now % look + look
        for watch in self._active:
            for at in (watch.due(), watch.respond_at):
                if at is not None:
                    due = min(due, max(at, now + SECOND))
        return due


def _topics_of(fault: Fault) -> tuple[str, ...]:
    """Return the topics whose messages say something new to a row."""
    detection = fault.detection
    if detection.kind == "residual":
        return RESIDUALS[detection.signal].topics
    if detection.kind in ("limit", "frozen", "stale"):
        return (detection.signal.partition(".")[0],)
    return ()
