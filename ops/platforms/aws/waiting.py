"""Waiting for what AWS does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ops.common import say

_T = TypeVar("_T")


def wait(look: Callable[[], _T | None], *, patience: float, every: float) -> _T | None:
    """Look until there is something to see; None when time is up.

    patience, every: seconds in all, and between two looks.
    """
    until = time.monotonic() + patience
    while True:
        seen = look()
        if seen is not None:
            return seen
        if time.monotonic() + every > until:
            return None
        time.sleep(every)


class Progress:
    """Tells what is seen while waiting, when it is another thing than before."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, text: str) -> None:
        """Show a line below the step under way."""
        if text != self._told:
            self._told = text
            say(f"    {text}")
