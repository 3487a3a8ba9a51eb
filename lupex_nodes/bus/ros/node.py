# SPDX-License-Identifier: Apache-2.0
"""A unit as a ROS 2 lifecycle node: the slot holds the rules, the node carries the messages.

ROS entities are made once, when the node is configured, and live until the process ends; a unit
without power is silent because its slot publishes nothing. Callbacks only queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State as LifecycleStates
from rcl_interfaces.msg import SetParametersResult
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from lupex_nodes.bus.commands import Call
from lupex_nodes.bus.messages import OK, WARN
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS, Place
from lupex_nodes.bus.ports import Input, Qos
from lupex_nodes.bus.ros.interfaces import (
    descriptor,
    qos_profile,
    read_reply,
    read_request,
    ros_name,
    service_type,
    write_reply,
    write_request,
)
from lupex_nodes.bus.ros.spinning import guarded
from lupex_nodes.bus.ros.wire import decode, encode
from lupex_nodes.bus.slot import Slot, State
from lupex_nodes.bus.stamps import from_stamp

SHARED = {DIAGNOSTICS: Qos.TELEMETRY, EVENTS: Qos.COMMAND, COMMANDS: Qos.COMMAND}


@dataclass
class _Unanswered:
    """In place of the response to a request that a fault lets wait, with what sends it late."""

    send: Callable[[Any, Any], None]
    header: Any = None


#: Clock and recorder have events of their own.
HOSTS_THAT_TELL = 2


class Arrivals:
    """Messages of one topic that wait for the tick that may see them.

    ``publishers`` are the units that publish on it. Beside them ``hosts`` do, whose messages are
    counted as the units' are.
    """

    def __init__(self, port: Input, publishers: list[str], hosts: int = 0) -> None:
        self.port = port
        self.publishers = publishers
        self.hosts = hosts
        self.queue: deque[Any] = deque()
        self.announced = 0
        self.taken = 0
        self.in_step = False
        self.subscription: Any = None

    def missing(self) -> int:
        """Return how many announced messages have not come."""
        if not self.port.qos.reliable:
            return 0
        return self.due() - len(self.queue)

    def due(self) -> int:
        """Return how many messages units have announced that were not taken."""
        return self.announced - self.taken

    def has_strangers(self) -> bool:
        """Return whether somebody outside the system publishes here, too."""
        return (
            self.in_step
            and self.port.qos.reliable
            and self.subscription.get_publisher_count() > len(self.publishers) + self.hosts
        )

    def take(self) -> list[Any]:
        """Take what was published before this tick; the rest belongs to later ticks."""
        count = self.due()
        if count < len(self.queue) and self._counted():
            messages = [self.queue.popleft() for _ in range(count)]
        else:
            messages = list(self.queue)
            self.queue.clear()
        self.taken = self.announced
        if len(self.publishers) > 1 and len(messages) > 1:
            # several units: in the order in which the host in memory runs them
            messages.sort(key=_unit_of)
        return messages

    def give_up(self) -> int:
        """Count as taken what was announced and has not come; return how many messages."""
        lost = self.missing()
        self.taken += lost
        return lost

    def start_over(self) -> None:
        """Count from zero: what has come so far is all there is from earlier ticks."""
        self.in_step = True
        self.announced = 0
        self.taken = -len(self.queue)

    def _counted(self) -> bool:
        """Whether only units of the barrier publish here, so that counts tell the tick."""
        return bool(
            self.in_step
            and self.publishers
            and self.port.qos.reliable
            and not self.has_strangers()
        )


def _unit_of(message: Any) -> str:
    status = getattr(message, "status", None)
    return status[0].hardware_id if status else ""


def _stamped(message: Any, time: int) -> bool:
    header = getattr(message, "header", None)
    return header is not None and from_stamp(header.stamp) == time


class UnitNode(LifecycleNode):
    """One unit on ROS 2."""

    def __init__(
        self,
        place: Place,
        values: dict[str, Any],
        *,
        seed: int,
        root: str,
        housekeeping_period_s: float,
        publishers: dict[str, list[str]],
        use_sim_time: bool,
    ) -> None:
        # rclpy checks its own parameters by our rules while it makes the node
        self._model = place.unit_class.Parameters
        super().__init__(
            place.name,
            namespace=ros_name(root, place.namespace),
            # else the command line's word stands
            parameter_overrides=[Parameter("use_sim_time", value=True)] if use_sim_time else [],
        )
        self.place = place
        self.root = root
        self._publishers_of = publishers
        self.slot = Slot(place, seed, self._overridden(values), housekeeping_period_s)
        self._declare(self.slot.parameters.model_dump())
        self.arrivals: dict[str, Arrivals] = {}
        self.on_arrival: Callable[[], None] = lambda: None
        self._outlets: dict[str, Any] = {}
        self._command_clients: dict[str, Any] = {}
        self._following = False
        self._now = 0
        self.add_pre_set_parameters_callback(self._widen)
        self.add_post_set_parameters_callback(self._apply)

    # --- parameters ------------------------------------------------------------------------

    def _declare(self, values: dict[str, Any]) -> None:
        for name, field in self._model.model_fields.items():
            described = descriptor(name, field)
            value = values[name]
            if value == []:
                # rclpy takes an empty list for bytes unless it is told the type first
                kind = Parameter.Type(described.type)
                self.declare_parameter(name, kind, described, ignore_override=True)
                self.set_parameters([Parameter(name, kind, value)])
            else:
                self.declare_parameter(name, value, described, ignore_override=True)

    def _overridden(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return ``values`` with what command line and parameter files say in their place."""
        given = [p for n, p in self._parameter_overrides.items() if n in self._model.model_fields]
        return {**values, **self._own(self._widen(given))}

    def _widen(self, parameters: list[Parameter]) -> list[Parameter]:
        """Take 3 for 3.0 where a number is wanted, as people type it."""
        widened = []
        for each in parameters:
            field = self._model.model_fields.get(each.name)
            if field is not None and field.annotation is float and type(each.value) is int:
                each = Parameter(each.name, value=float(each.value))
            widened.append(each)
        return widened

    def _apply_descriptors(
        self, parameter_list: list[Parameter], *args: Any, **kwargs: Any
    ) -> SetParametersResult:
        """Check all parameters as one with our reasons, before rclpy's own descriptors."""
        changes = self._own(parameter_list)
        if changes:
            try:
                self.slot.set_parameters(changes, check_only=True)
            except Refused as reason:
                return SetParametersResult(successful=False, reason=str(reason))
        return super()._apply_descriptors(parameter_list, *args, **kwargs)

    def _apply(self, parameters: list[Parameter]) -> None:
        changes = self._own(parameters)
        if changes:
            self.slot.set_parameters(changes)

    def _own(self, parameters: list[Parameter]) -> dict[str, Any]:
        return {
            p.name: list(p.value) if hasattr(p.value, "tolist") else p.value
            for p in parameters
            if p.name in self._model.model_fields and p.type_ is not Parameter.Type.NOT_SET
        }

    # --- lifecycle -------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make every ROS entity, once."""
        if not self._outlets:
            self._make_entities()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bring the unit up, or refuse with the reason when its channel is off."""
        if not self._following:
            try:
                self.slot.activate(self._now)
            except Refused as reason:
                self.get_logger().error(f"{self.place.name} cannot activate: {reason}")
                return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the unit; the entities stay."""
        if not self._following:
            self.slot.deactivate()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Keep the entities: this rclpy crashes when they are destroyed while it spins."""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the unit for good."""
        self.slot.deactivate()
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:  # noqa: N802
        """Answer a transition that is illegal in the current state instead of dying of it."""
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except _rclpy.RCLError:
            wanted = request.transition.label or request.transition.id
            self.get_logger().error(
                f"{self.place.name} cannot do transition {wanted} in state {self.lifecycle_label}; "
                "see the available transitions with `ros2 lifecycle list`"
            )
            response.success = False
            return response

    @property
    def lifecycle_label(self) -> str:
        """The label of the current lifecycle state."""
        return self._state_machine.current_state[1]

    def follow_slot(self) -> None:
        """Let the lifecycle state show what power did to the unit."""
        active = self._state_machine.current_state[0] == LifecycleStates.PRIMARY_STATE_ACTIVE
        wanted = self.slot.state is State.ACTIVE
        if active != wanted:
            self._following = True
            try:
                (self.trigger_activate if wanted else self.trigger_deactivate)()
            except _rclpy.RCLError as error:
                self.get_logger().warn(f"{self.place.name}: {error}")
            finally:
                self._following = False

    # --- messages --------------------------------------------------------------------------

    def _make_entities(self) -> None:
        for topic, output in self.place.outputs().items():
            self._outlets[topic] = self.create_publisher(
                output.message_type, ros_name(self.root, topic), qos_profile(output.qos)
            )
        for topic, qos in SHARED.items():
            self._outlets[topic] = self.create_publisher(
                DiagnosticArray, ros_name(self.root, topic), qos_profile(qos)
            )
        for topic, port in self.place.subscriptions().items():
            hosts = HOSTS_THAT_TELL if topic == EVENTS else 0
            arrivals = Arrivals(port, self._publishers_of.get(topic, []), hosts)
            arrivals.subscription = self.create_subscription(
                port.message_type,
                ros_name(self.root, topic),
                guarded(self._receiver(arrivals)),
                qos_profile(port.qos, reader=True),
                raw=True,
            )
            self.arrivals[topic] = arrivals
        for name, command in self.slot.commands.items():
            self._serve(name, service_type(command))

    def _receiver(self, arrivals: Arrivals) -> Callable[[Any], None]:
        def receive(data: bytes) -> None:
            arrivals.queue.append(decode(data, arrivals.port.message_type))
            self.on_arrival()

        return receive

    def _serve(self, name: str, kind: Any) -> None:
        """Make the service of a command, which may answer late or not at all."""

        def serve(request: Any, response: Any) -> Any:
            def answer(accepted: bool, text: str) -> None:
                if silent.header is not None:
                    silent.send(write_reply(kind.Response(), accepted, text), silent.header)

            silent = _Unanswered(send)
            reply = self.slot.request(name, read_request(request), "service", answer)
            return silent if reply is None else write_reply(response, *reply)

        def respond(response: Any, header: Any) -> None:
            if isinstance(response, _Unanswered):
                response.header = header
            else:
                send(response, header)

        service = self.create_service(kind, f"~/{name}", guarded(serve))
        send = service.send_response
        # the executor sends whatever a callback returns, so silence begins here
        service.send_response = respond

    def matched(self, subscribers: Callable[[str], int]) -> bool:
        """Return whether every expected peer of every topic has been found."""
        return all(
            outlet.get_subscription_count() >= subscribers(topic)
            for topic, outlet in self._outlets.items()
        ) and all(
            each.subscription.get_publisher_count() >= len(each.publishers)
            for each in self.arrivals.values()
        )

    def deliver(self, published: int) -> None:
        """Hand the slot what was published at ``published`` (ns), the tick before this one."""
        for topic, arrivals in self.arrivals.items():
            if not arrivals.queue:
                continue
            single = arrivals.publishers[0] if len(arrivals.publishers) == 1 else ""
            announced = arrivals.due()
            strangers = single and len(arrivals.queue) > announced and arrivals.has_strangers()
            for message in arrivals.take():
                source = single or _unit_of(message) or "outside"
                # units announce what they publish and stamp it with their tick
                if strangers and not (announced and _stamped(message, published)):
                    source = "outside"
                self.slot.deliver(topic, arrivals.port.qos, message, published, source)

    def step(self, now: int) -> None:
        """Run the slot's tick when it is due and let the lifecycle follow."""
        self._now = now
        slot = self.slot
        if slot.woken or slot.due <= now:
            slot.tick(now)
            self.follow_slot()

    def flush(self, counts: dict[str, int]) -> None:
        """Publish what the slot emitted; count the reliable messages."""
        outbox, self.slot.outbox = self.slot.outbox, []
        for emission in outbox:
            self._outlets[emission.topic].publish(encode(emission.message))
            if emission.qos.reliable:
                counts[emission.topic] = counts.get(emission.topic, 0) + 1
            if emission.topic == EVENTS:
                self._log(emission.message.status[0])

    def _log(self, status: Any) -> None:
        logger = self.get_logger()
        line = f"{status.name}: {status.message}"
        # rclpy ties a severity to the line that logs, so each has its own
        if status.level == OK:
            logger.info(line)
        elif status.level == WARN:
            logger.warn(line)
        else:
            logger.error(line)

    def send(self, call: Call, place: Place, answered: Callable[[Call], None]) -> None:
        """Send a call to another unit; ``answered`` is told when the reply is there."""
        command = place.commands()[call.command]
        name = ros_name(self.root, f"{place.namespace}/{place.name}/{call.command}")
        client = self._command_clients.get(name)
        if client is None:
            client = self.create_client(service_type(command), name)
            self._command_clients[name] = client
            client.wait_for_service(timeout_sec=1.0)

        def reply(future: Any) -> None:
            if not call.done:
                call.reply(*read_reply(future.result()))
                answered(call)

        client.call_async(write_request(command, call.arguments)).add_done_callback(guarded(reply))
