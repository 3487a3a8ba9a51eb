# SPDX-License-Identifier: Apache-2.0
"""How the bus looks on ROS 2: names, QoS profiles, service types, parameter descriptors."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
)
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool, Trigger

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.parameters import bounds, how_to_write, is_live
from lupex_nodes.bus.ports import Qos

#: A reader of a topic with many publishers holds one message of each and more.
READER_DEPTH = 1000
_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}
_ARRAYS = {
    bool: ParameterType.PARAMETER_BOOL_ARRAY,
    int: ParameterType.PARAMETER_INTEGER_ARRAY,
    float: ParameterType.PARAMETER_DOUBLE_ARRAY,
    str: ParameterType.PARAMETER_STRING_ARRAY,
}


def ros_name(root: str, name: str) -> str:
    """Return the absolute ROS name of a topic or service written from the system root."""
    return name if name.startswith("/") else "/" + "/".join(filter(None, (root.strip("/"), name)))


def qos_profile(qos: Qos, *, reader: bool = False) -> QoSProfile:
    """Return the ROS profile of a QoS class; readers keep more than the class asks for."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=READER_DEPTH if reader and qos.reliable else qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else DurabilityPolicy.VOLATILE
        ),
    )


def service_type(command: Command) -> Any:
    """Return the service type that carries a command's arguments."""
    if command.arguments is None:
        return Trigger
    return SetBool if command.arguments is bool else SetParametersAtomically


def read_request(request: Any) -> dict[str, Any]:
    """Read a command's arguments from its service request."""
    if isinstance(request, SetParametersAtomically.Request):
        return {p.name: parameter_value_to_python(p.value) for p in request.parameters}
    return {"data": request.data} if isinstance(request, SetBool.Request) else {}


def write_request(command: Command, values: dict[str, Any]) -> Any:
    """Write a command's arguments into a service request."""
    request = service_type(command).Request()
    if isinstance(request, SetParametersAtomically.Request):
        request.parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
    elif isinstance(request, SetBool.Request):
        request.data = values["data"]
    return request


def write_reply(response: Any, accepted: bool, text: str) -> Any:
    """Write whether a command was accepted, with its id or the reason, into a response."""
    target = response.result if hasattr(response, "result") else response
    if hasattr(target, "successful"):
        target.successful, target.reason = accepted, text
    else:
        target.success, target.message = accepted, text
    return response


def read_reply(response: Any) -> tuple[bool, str]:
    """Read whether a command was accepted, with its id or the reason."""
    target = response.result if hasattr(response, "result") else response
    if hasattr(target, "successful"):
        return target.successful, target.reason
    return target.success, target.message


def descriptor(name: str, field: FieldInfo) -> ParameterDescriptor:
    """Describe a parameter as `ros2 param describe` shows it."""
    kind: Any = field.annotation
    low, high = bounds(field)
    described = ParameterDescriptor(
        name=name,
        description=field.description or "",
        additional_constraints=(
            f"{how_to_write(field)}; {'live' if is_live(field) else 'structural: only inactive'}"
        ),
    )
    if get_origin(kind) is list:
        # a list of names out of a choice is a list of strings
        described.type = _ARRAYS.get(get_args(kind)[0], ParameterType.PARAMETER_STRING_ARRAY)
        return described
    described.type = _TYPES.get(kind, ParameterType.PARAMETER_STRING)
    if low is not None or high is not None:
        if kind is int:
            described.integer_range = [
                IntegerRange(
                    from_value=-(2**63) if low is None else int(low),
                    to_value=2**63 - 1 if high is None else int(high),
                )
            ]
        elif kind is float:
            described.floating_point_range = [
                FloatingPointRange(
                    from_value=-1.7e308 if low is None else float(low),
                    to_value=1.7e308 if high is None else float(high),
                )
            ]
    return described
