"""What the rows' checks have in common: values that are refused, and how it is said."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.provider.row import Aws
from rehearsal.provider.schema import is_unknown


def refusal(operation: str, code: str, message: str) -> ClientError:
    """What AWS answers to a call that the emulator would let through."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def value_at(inputs: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None when it is absent or not known yet."""
    value: Any = inputs
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if is_unknown(value) else value


def one_of(inputs: Mapping[str, Any], path: str, allowed: Collection[Any]) -> list[str]:
    """The value is among those that AWS knows."""
    value = value_at(inputs, path)
    if value is None or value in allowed:
        return []
    near = difflib.get_close_matches(str(value), [str(one) for one in allowed], n=1)
    hint = f'. Did you mean "{near[0]}"?' if near else ""
    choices = ", ".join(str(one) for one in allowed)
    return [f'{path}: "{value}" is not one of {choices}{hint}']


def within(inputs: Mapping[str, Any], path: str, low: int, high: int) -> list[str]:
    """The number is inside the range that AWS allows, both ends included."""
    value = value_at(inputs, path)
    if value is None or low <= int(value) <= high:
        return []
    return [f"{path}: {value} must be between {low} and {high}"]


def matching(
    inputs: Mapping[str, Any], path: str, pattern: str, says: str
) -> list[str]:
    """The text matches from end to end; `says` completes "must be"."""
    value = value_at(inputs, path)
    if value is None or re.fullmatch(pattern, str(value)):
        return []
    return [f'{path}: "{value}" must be {says}']


def arn(inputs: Mapping[str, Any], path: str) -> list[str]:
    """The value has the form of an ARN."""
    return matching(inputs, path, r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+", "an ARN")


def zones_of(aws: Aws, subnets: Collection[str]) -> set[str]:
    """The availability zones that subnets lie in."""
    found = aws.client("ec2").describe_subnets(SubnetIds=sorted(subnets))["Subnets"]
    return {subnet["AvailabilityZone"] for subnet in found}
