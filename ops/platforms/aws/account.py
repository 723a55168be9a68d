"""The stack's place in AWS: its outputs, and clients for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from ops.errors import OpsError

CONNECT_SECONDS = 5
"""How long an endpoint of AWS may take to answer the telephone."""

READ_SECONDS = 30
"""How long it may then think."""

ATTEMPTS = 6
"""How often a call is tried that was throttled or got lost."""

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
    }
)
"""Codes with which services of AWS say that a permission is missing."""


class Deployed(Protocol):
    """A stack, of which this is asked."""

    name: str

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Name of an output to its value, as of the last update."""


class Account:
    """What a stack made in AWS, and how to ask for it.

    deployed: the stack; `stacks/aws/outputs.py` explains its outputs.
    """

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self.stack = deployed.name
        self.client: Callable[[str], Any] = cache(self._client)

    def __getitem__(self, output: str) -> Any:
        """An output of now; None when it is off, or the stack too old to have it."""
        return self._deployed.outputs.get(output)

    @property
    def region(self) -> str:
        """Region of everything."""
        return str(self["region"])

    @property
    def service(self) -> dict[str, str]:
        """The service, as most calls of ECS want it named."""
        return {"cluster": self["cluster"], "service": self["service"]}

    def pages(self, service: str, call: str, key: str, **wanted: Any) -> Iterator[Any]:
        """Yield the items of all pages of a call.

        call: as in Python, `describe_alarms`. key: where the items are in the answer.
        """
        pages = self.client(service).get_paginator(call).paginate(**wanted)
        for page in pages:
            yield from page[key]

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
            ),
        )


def code(error: Exception) -> str:
    """What AWS calls an error, or else its type."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", type(error).__name__))


def tagged(like: Iterable[Mapping[str, str]], **own: str) -> list[dict[str, str]]:
    """Tags for what stands beside a thing of the stack: that one's, and more.

    So costs are told apart, and roles that may touch the stack may touch this too.
    own: without the prefix `stromhaltig:`.
    """
    # Those of AWS itself cannot be given.
    kept = {t["Key"]: t["Value"] for t in like if not t["Key"].startswith("aws:")}
    kept |= {f"stromhaltig:{key}": value for key, value in own.items()}
    return [{"Key": key, "Value": value} for key, value in kept.items()]


def chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Split names into as many as a call takes at once."""
    known = list(items)
    for start in range(0, len(known), size):
        yield known[start : start + size]


def short(arn: str) -> str:
    """The last part of an ARN: `stromhaltig-staging:7`, or the id of a task."""
    return arn.rpartition("/")[2]


def seconds(variable: str, default: float) -> float:
    """A time from the environment.

    Raises OpsError when what is there is no number above 0.
    """
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        given = float(text)
    except ValueError:
        given = 0
    if not given > 0:  # so that what is not a number ("nan") is refused, too
        raise OpsError(f'{variable}="{text}" is no number of seconds')
    return given
