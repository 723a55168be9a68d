"""Looks at many things at once, none of which keeps another from being seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ops.common import of_a_library
from ops.errors import OpsError
from ops.platforms.platform import Fact, State

SECONDS = 20.0
"""How long a check may take that says nothing else."""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    name: what `--only` calls it. look: yields what is found. seconds: its time limit.
    remote: it asks something other than this machine; `--offline` leaves it out.
    """

    name: str
    look: Callable[[], Iterable[Fact]]
    seconds: float = SECONDS
    remote: bool = True


def run(checks: Sequence[Check]) -> list[Fact]:
    """Carry checks out side by side; what they find, in their order.

    One that raises or takes too long is a fact of its own, of state UNKNOWN.
    """
    runs = [_Run(check) for check in checks]
    return [fact for each in runs for fact in each.facts()]


class _Run:
    """A check under way, in a thread that may be left behind.

    A pool would wait at the end of the program for a call that never returns.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: list[Fact] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._look, name=f"check {check.name}", daemon=True
        )
        self._thread.start()

    def _look(self) -> None:
        try:
            self._found = list(self._check.look())
        except BaseException as error:
            self._error = error

    def facts(self) -> list[Fact]:
        self._thread.join(self._check.seconds)
        name = self._check.name
        if self._thread.is_alive():
            says = f"no answer within {self._check.seconds:.0f} s"
            return [Fact(name, State.UNKNOWN, says, "Look at the way there.")]
        if self._error:
            return [Fact(name, State.UNKNOWN, _told(self._error))]
        return self._found


def _told(error: BaseException) -> str:
    known = of_a_library(error) if isinstance(error, Exception) else None
    if known or isinstance(error, OpsError):
        return known or str(error)
    return f"{type(error).__name__}: {error}"
