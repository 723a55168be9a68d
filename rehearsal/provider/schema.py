"""What a resource may say, read from the Python SDK's own types.

Every Pulumi SDK carries the complete schema of its package: the `XxxArgs` class lists
the inputs with their kinds, the resource class its outputs. No schema file, and no
plugin that would have to be downloaded, is needed to find a misspelt property.
"""

from __future__ import annotations

import difflib
import enum
import importlib
import inspect
import json
import keyword
import typing
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pulumi
from pulumi import _types as sdk_types
from pulumi.runtime import rpc

PROVIDERS = "pulumi:providers:"
"""What the type of an explicit provider begins with; its package follows."""

PLAIN_KINDS: Mapping[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
}


class UnknownTypeError(Exception):
    """The type token belongs to no installed SDK."""


@dataclass(frozen=True)
class ResourceSchema:
    """One resource type: its inputs and outputs by their wire (camelCase) names.

    inputs, outputs: property name -> Python type.
    required: inputs without which the resource cannot be created.
    """

    token: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    required: frozenset[str]


@cache
def resource(token: str) -> ResourceSchema:
    """The schema of a type such as `aws:ec2/vpc:Vpc`.

    Raises UnknownTypeError, with the nearest name, when no installed SDK has it.
    """
    package, module_name, name = _split(token)
    module = _module(token, package, module_name)
    resource_class = getattr(module, name, None)
    if resource_class is None:
        hint = _nearest(name, vars(module))
        raise UnknownTypeError(f"{token}: {module.__name__} has no {name}.{hint}")
    args_class = _args_class(importlib.import_module(resource_class.__module__), name)
    return ResourceSchema(
        token=token,
        inputs=sdk_types.input_type_types(args_class),
        outputs=sdk_types.resource_types(resource_class),
        required=_required(args_class),
    )


def check_inputs(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """Problems of a resource's inputs, one sentence each; unknown values pass."""
    schema = resource(token)
    if token.startswith(PROVIDERS):
        inputs = {name: parsed(value) for name, value in inputs.items()}
    return _object_problems(schema.inputs, schema.required, inputs, at="")


def is_unknown(value: object) -> bool:
    """Whether a value is not known before the resource it comes from exists."""
    return value == rpc.UNKNOWN or isinstance(value, pulumi.output.Unknown)


def parsed(value: Any) -> Any:
    """What a provider's configuration says: nested values come as JSON text."""
    return json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value


def _split(token: str) -> tuple[str, str, str]:
    if token.startswith(PROVIDERS):
        return token.removeprefix(PROVIDERS), "index", "Provider"
    try:
        package, module, name = token.split(":")
    except ValueError:
        raise UnknownTypeError(
            f"{token}: not of the form package:module:Type"
        ) from None
    return package, module.split("/")[0], name


def _module(token: str, package: str, module_name: str) -> Any:
    path = f"pulumi_{package.replace('-', '_')}"
    if module_name != "index":
        suffix = "_" if keyword.iskeyword(module_name) else ""
        path = f"{path}.{module_name}{suffix}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        raise UnknownTypeError(f"{token}: no SDK module {path} is installed") from None


def _args_class(module: Any, name: str) -> Any:
    """The SDK says InitArgs where a nested type of the same name has taken Args."""
    return getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")


@cache
def _required(args_class: Any) -> frozenset[str]:
    names = sdk_types.input_type_py_to_pulumi_names(args_class)
    parameters = inspect.signature(args_class.__init__).parameters.values()
    return frozenset(
        names[parameter.name]
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.name in names
    )


def _object_problems(
    types: Mapping[str, Any],
    required: frozenset[str],
    value: Mapping[str, Any],
    at: str,
) -> list[str]:
    problems = []
    for key, item in value.items():
        if key in types:
            problems += _problems(types[key], item, _join(at, key))
        elif not key.startswith("__"):  # bookkeeping of older SDKs, such as __defaults
            problems.append(
                f"{_join(at, key)}: unknown property.{_nearest(key, types)}"
            )
    missing = [key for key in required if value.get(key) is None]
    return problems + [
        f"{_join(at, key)}: missing, and it is required" for key in sorted(missing)
    ]


def _problems(expected: Any, value: Any, at: str) -> list[str]:
    if value is None or is_unknown(value) or expected is Any:
        return []
    origin = typing.get_origin(expected)
    if origin is typing.Union:
        return _union_problems(typing.get_args(expected), value, at)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return [_wrong_kind(at, value, "an object")]
        item_type = typing.get_args(expected)[1]
        return _all(
            _problems(item_type, item, _join(at, k)) for k, item in value.items()
        )
    if isinstance(origin, type) and issubclass(origin, Sequence):
        if not isinstance(value, list | tuple):
            return [_wrong_kind(at, value, "a list")]
        item_type = typing.get_args(expected)[0]
        return _all(
            _problems(item_type, item, f"{at}[{i}]") for i, item in enumerate(value)
        )
    if isinstance(expected, type) and sdk_types.is_input_type(expected):
        if not isinstance(value, Mapping):
            return [_wrong_kind(at, value, "an object")]
        types = sdk_types.input_type_types(expected)
        return _object_problems(types, _required(expected), value, at)
    if isinstance(expected, type) and issubclass(expected, enum.Enum):
        allowed = [member.value for member in expected]
        return [] if value in allowed else [f"{at}: {value!r} is not one of {allowed}"]
    if expected in PLAIN_KINDS and not _is_plain(expected, value):
        return [_wrong_kind(at, value, PLAIN_KINDS[expected])]
    return []


def _union_problems(members: Iterable[Any], value: Any, at: str) -> list[str]:
    """An input is also allowed to be awaitable or an output: only its values count."""
    attempts = [
        _problems(member, value, at)
        for member in members
        if typing.get_origin(member) not in (Awaitable, pulumi.Output)
        and member is not type(None)
    ]
    return min(attempts, key=len, default=[])


def _is_plain(expected: type, value: Any) -> bool:
    if isinstance(value, bool):
        return expected is bool
    if expected is int:
        return isinstance(value, int) or (
            isinstance(value, float) and value.is_integer()
        )
    if expected is float:
        return isinstance(value, int | float)
    return isinstance(value, expected)


def _all(problems: Iterable[list[str]]) -> list[str]:
    return [problem for group in problems for problem in group]


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _wrong_kind(at: str, value: Any, wanted: str) -> str:
    kind = "an object" if isinstance(value, Mapping) else "a list"
    if not isinstance(value, Mapping | list | tuple):
        kind = PLAIN_KINDS.get(type(value), type(value).__name__)
    return f"{at}: is {kind}, must be {wanted}"


def _nearest(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{match[0]}"?' if match else ""
