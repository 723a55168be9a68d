"""Interrupts: nothing half-done is left, and a child process ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ops.common import say


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Take a pipeline's SIGTERM for Ctrl-C: locks are freed, children are ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def child_first(what: str) -> Iterator[None]:
    """Wait for the child when somebody interrupts; only then be interrupted oneself.

    Ctrl-C reaches the child by itself, for it is in the terminal's group: the engine
    then finishes the steps that are under way. A pipeline's SIGTERM reaches this
    process alone, and is handed on as an interrupt.

    Raises KeyboardInterrupt after the block when there was one during it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def wait(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:
            say(f"Interrupted: waiting for {what} to end in order …")
        interrupted = True
        if number == signal.SIGTERM:
            for child in _children():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGINT)

    before = {n: signal.signal(n, wait) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if interrupted:
            raise KeyboardInterrupt


@contextmanager
def left_to_the_child() -> Iterator[None]:
    """Let Ctrl-C be the affair of a child at this terminal: psql ends a query by it."""
    # A function, and not SIG_IGN, which a child would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _children() -> list[int]:
    """Processes that this one started."""
    try:
        found = subprocess.run(
            ["pgrep", "-P", str(os.getpid())], capture_output=True, text=True
        )
    except FileNotFoundError:
        return []
    return [int(pid) for pid in found.stdout.split()]
