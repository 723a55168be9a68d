"""Property maps as they travel between engine and provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

Properties = dict[str, Any]
"""A resource's inputs or outputs by their camelCase names."""

UNKNOWN: str = rpc.UNKNOWN
"""Stands for a value that is not known before the resource it comes from exists."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker of the protocol)


def decode(struct: struct_pb2.Struct) -> Properties:
    """Plain Python values; whole numbers become integers, secrets are unwrapped."""
    decoded: Properties = _plain(json_format.MessageToDict(struct))
    return decoded


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The wire form; properties that are None are left out."""
    struct = struct_pb2.Struct()
    struct.update({k: v for k, v in properties.items() if v is not None})
    return struct


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
