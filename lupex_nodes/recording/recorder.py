# SPDX-License-Identifier: Apache-2.0
"""The recorder: an observer that writes what a profile selects, and keeps the black box."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.messages import ERROR, OK, status_message
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.records import view
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models import neutron
from lupex_nodes.recording.bag_writer import WHOLE, BagWriter, RecordingError, Split
from lupex_nodes.recording.black_box import FAULTS, BlackBox, Kept
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.frames import FrameRecorder
from lupex_nodes.recording.profiles import BlackBoxLimits, Profile

TRUTH = "world/truth"
ODOMETRY = "rover/odometry"
#: Mission time between two tries to go on after the disk refused.
RETRY_S = 60.0


class RecorderSettings(NamedTuple):
    """How a flight is recorded, apart from which topics; no black box unless it has limits."""

    split: Split = WHOLE
    black_box: BlackBoxLimits | None = None


PLAIN = RecorderSettings()


class _Route:
    """Where the messages of one topic go."""

    __slots__ = ("in_bag", "kept", "name", "type_name")

    def __init__(self, name: str, type_name: str, in_bag: bool, kept: Kept | None) -> None:
        self.name = name
        self.type_name = type_name
        self.in_bag = in_bag
        self.kept = kept


class Recorder:
    """Writes ``folder``/bag with the frame tree, and ``folder``/black_box/NAME for each fault.

    When the disk refuses, the event RECORDING_FAILED says why, the flight goes on, and every
    ``RETRY_S`` of mission time the bag is tried again, in a new file; RECORDING_RESUMED says how
    much it lacks. Unless ``required``, so it is with a bag that cannot be begun; else that raises
    RecordingError. ``tell`` is how events leave, set by the host.
    """

    def __init__(
        self,
        folder: Path,
        custom_data: Mapping[str, str],
        chosen: Profile,
        root: str = "",
        settings: RecorderSettings = PLAIN,
        *,
        flush: bool = False,
        required: bool = True,
    ) -> None:
        self.tell: Callable[[DiagnosticArray], None] = lambda message: None
        self.custom_data = dict(custom_data)
        self.writer: BagWriter | None = None
        self._folder = folder
        self._profile = chosen
        self._root = root
        self._split = settings.split
        self._flush = flush
        self._routes: dict[str, _Route | None] = {}
        self._derived: dict[str, _Route] = {}
        self._says: list[tuple[str, bytes, str, dict[str, Any]]] = []
        self._stopped_ns: int | None = None
        self._retry_ns = 0
        self._missed = 0
        self._black_box: BlackBox | None = None
        if settings.black_box is not None:
            self._black_box = BlackBox(
                folder / "black_box", settings.black_box, self.custom_data, self._say, flush=flush
            )
        try:
            self._begin()
        except RecordingError as error:
            if required:
                raise
            self._stop(0, error)
        self._frames = FrameRecorder(self)

    @property
    def sees_everything(self) -> bool:
        """Whether topics are of use that the profile does not select."""
        return self._black_box is not None

    # --- an observer -------------------------------------------------------------------------

    def message(self, now: int, emission: Emission) -> None:
        """Record the message if the profile selects its topic, and keep it for the black box."""
        topic = emission.topic
        try:
            route = self._routes[topic]
        except KeyError:
            route = self._routes[topic] = self._route(emission)
        if topic == TRUTH:
            with suppress(ValueError, LookupError):  # what is no truth is not noted
                self._note({"truth": truth(emission.message)})
        if route is None:
            return
        # observers on ROS 2 are shown messages as they came, already serialized
        data = getattr(emission, "data", None) or to_cdr(emission.message)
        self._put(route, data, now)
        if topic == ODOMETRY:
            self._frames.observe(emission.message, now)
        elif topic in (EVENTS, FAULTS) and self._black_box is not None:
            self._black_box.watch(emission.message, now)

    def tick(self, now: int) -> None:
        """Put what a wall second brought on the disk, and tell what there is to tell."""
        if self._stopped_ns is None:
            try:
                if self.writer is not None:
                    self.writer.maybe_flush()
            except RecordingError as error:
                self._stop(now, error)
        elif now >= self._retry_ns:
            self._try_again(now)
        if self._black_box is not None:
            self._black_box.tick(now)
        says, self._says = self._says, []
        for event_id, level, sentence, values in says:
            self.tell(status_message(now, "recorder", event_id, level, sentence, values))

    def close(self, ended: Mapping[str, str]) -> None:
        """Finish the bags and say in them how the run ended."""
        self._note(ended)
        if self._black_box is not None:
            self._black_box.close()
        if self.writer is not None:
            self.writer.close()

    # --- what derived messages go through ----------------------------------------------------

    def topic(self, name: str, type_name: str, qos: str) -> None:
        """Register a topic that no unit publishes."""
        kept = self._black_box.keep(name, type_name, qos) if self._black_box else None
        self._derived[name] = _Route(name, type_name, True, kept)
        if self.writer is not None:
            self.writer.topic(name, type_name, qos)

    def write(self, name: str, type_name: str, data: bytes, log_time_ns: int) -> None:
        """Record a message that no unit published."""
        self._put(self._derived[name], data, log_time_ns)

    # --- the bag -----------------------------------------------------------------------------

    def _put(self, route: _Route, data: bytes, now: int) -> None:
        if route.kept is not None:
            assert self._black_box is not None
            self._black_box.take(route.kept, data, now)
        if not route.in_bag:
            return
        if self._stopped_ns is not None:
            self._missed += 1
            return
        try:
            assert self.writer is not None
            self.writer.write(route.name, route.type_name, data, now)
        except RecordingError as error:
            self._stop(now, error)

    def _route(self, emission: Emission) -> _Route | None:
        name = absolute_name(emission.topic, self._root)
        kind = type_name(emission.message_type)
        qos = emission.qos.name.lower()
        if self._profile.refuses(name, self._root):
            return None
        in_bag = self._profile.selects(name, self._root)
        if in_bag and self.writer is not None:
            try:
                self.writer.topic(name, kind, qos)
            except RecordingError as error:
                in_bag = False
                self._say("RECORDING_FAILED", ERROR, f"{error}.", {"reason": str(error)})
        kept = self._black_box.keep(name, kind, qos) if self._black_box else None
        return _Route(name, kind, in_bag, kept) if in_bag or kept else None

    def _begin(self) -> None:
        self.writer = BagWriter(
            self._folder / "bag", self.custom_data, self._flush, self._split
        )

    def _stop(self, now: int, error: RecordingError) -> None:
        self._stopped_ns = now
        self._retry_ns = now + round(RETRY_S * SECOND)
        self._missed = 0
        self._say(
            "RECORDING_FAILED",
            ERROR,
            f"The flight goes on without being recorded: {error}.",
            {"reason": str(error)},
        )

    def _try_again(self, now: int) -> None:
        self._retry_ns = now + round(RETRY_S * SECOND)
        assert self._stopped_ns is not None
        try:
            if self.writer is None:
                self._begin()
            else:
                self.writer.resume()
        except RecordingError:
            return
        stopped_ns, self._stopped_ns = self._stopped_ns, None
        gap_s = (now - stopped_ns) / SECOND if stopped_ns else 0.0
        gap = f"{self._missed} messages before {now} ns"
        gaps = filter(None, (self.custom_data.get("recording_gaps", ""), gap))
        self._note({"recording_gaps": "; ".join(gaps)})
        self._say(
            "RECORDING_RESUMED",
            OK,
            f"The flight is recorded again; the bag lacks {self._missed} messages.",
            {"missed_messages": self._missed, "gap_s": gap_s},
        )

    def _note(self, custom_data: Mapping[str, str]) -> None:
        self.custom_data |= custom_data
        if self.writer is not None:
            self.writer.custom_data |= custom_data

    def _say(self, event_id: str, level: bytes, sentence: str, values: dict[str, Any]) -> None:
        self._says.append((event_id, level, sentence, values))


def absolute_name(topic: str, root: str = "") -> str:
    """Return a topic's name in the ROS graph of a system at ``root``."""
    if topic.startswith("/"):
        return topic
    return "/" + "/".join(part for part in (root.strip("/"), topic) if part)


def type_name(message_type: type) -> str:
    """Return ``package/msg/Type`` of a message class."""
    return f"{message_type.__module__.partition('.')[0]}/msg/{message_type.__name__}"


def truth(message: Any) -> str:
    """Write the drawn patch of world/truth as JSON, and all deposits where there are others."""
    first, *others = (_row_of_truth(row) for row in view(message))
    if others:
        first["deposits"] = [row for row in (first.copy(), *others) if row["patch_present"]]
    return json.dumps(first)


def _row_of_truth(row: Any) -> dict[str, Any]:
    """Return a row of world/truth with the apparent water over its patch (wt%)."""
    known = {name: row[name].item() for name in row.dtype.names or ()}
    ratio = neutron.epithermal_ratio(
        known["content_wt_percent"], known["cover_g_cm2"], known["k_e"], known["lambda_e_g_cm2"]
    )
    present = known["patch_present"]
    known["apparent_water_wt_percent"] = (
        float(neutron.apparent_water(ratio, known["k_e"])) if present else 0.0
    )
    return known
