"""The audit log: who changed what on a stack, when, and how it ended."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from ops.common import of_a_library
from ops.lock import Held, Lock, pipeline_run, who_am_i
from ops.records import read
from ops.store import Store

if TYPE_CHECKING:
    from ops.stack import Stack

PREFIX = "audit/"


@dataclass
class Act:
    """One changing command.

    details: what it was told, and what it did; never a secret.
    outcome: `begun`, `done`, `refused`, `failed` or `interrupted`.
    """

    command: str
    at: str
    who: str
    run: str
    details: dict[str, str] = field(default_factory=dict)
    outcome: str = "begun"
    message: str = ""
    seconds: float = 0.0


@contextmanager
def audited(
    records: Store, command: str, details: Mapping[str, str] | None = None
) -> Iterator[Act]:
    """Record a command: that it began, and how it ended.

    What is added to the act's `details` during the block is recorded too. An entry
    that stays `begun` is of a command that was killed.
    """
    now = datetime.now(UTC)
    act = Act(command, now.isoformat(), who_am_i(), pipeline_run(), dict(details or {}))
    name = f"{PREFIX}{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.json"
    began = time.monotonic()

    def note(outcome: str) -> None:
        act.outcome = outcome
        act.seconds = round(time.monotonic() - began, 1)
        records.put(name, [_written(act)])

    note("begun")
    try:
        yield act
    except BaseException as error:
        act.message = _message(error)
        with suppress(Exception):  # the first error is the one to tell
            note(_outcome(error))
        raise
    note("done")


@contextmanager
def operation(
    stack: Stack, command: str, details: Mapping[str, str] | None = None
) -> Iterator[tuple[Held, Act]]:
    """Hold the lock of a stack, and have the audit log know it.

    Every command that changes something does its work inside.

    Raises OpsError when somebody else has the lock.
    """
    with (
        Lock(stack.records).held(command) as held,
        audited(stack.records, command, details) as act,
    ):
        yield held, act


def acts(records: Store, last: int) -> list[Act]:
    """The newest acts, the newest first."""
    newest = records.entries(PREFIX)[: -last - 1 : -1]
    return [read(records, entry.name, Act) for entry in newest]


def _outcome(error: BaseException) -> str:
    from ops.errors import FailedError, OpsError

    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OpsError) and not isinstance(error, FailedError):
        return "refused"
    return "failed"


def _message(error: BaseException) -> str:
    """As the terminal shows it: what else a library's error says may be a secret."""
    if isinstance(error, typer.Exit):
        return ""
    told = of_a_library(error) if isinstance(error, Exception) else None
    return told or str(error)


def _written(act: Act) -> bytes:
    return json.dumps(asdict(act)).encode()
