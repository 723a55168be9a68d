"""Interrupts: nothing half-done is left, and a child process ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ops.common import say

_ENDS = (signal.SIGTERM, signal.SIGHUP)
"""How a pipeline, and a terminal that is closed or gone, end a command."""


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Take such an end for Ctrl-C: locks are freed, what was started is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handled(_ENDS, signal.default_int_handler):
        yield


@contextmanager
def child_first(what: str) -> Iterator[None]:
    """Wait for the child when somebody interrupts; only then be interrupted oneself.

    Ctrl-C reaches the child by itself, for it is in the terminal's group: the engine
    then finishes the steps that are under way. Another end, or an interrupt where
    there is no terminal, such as a runner's, may have reached this process alone. It is
    handed on as an interrupt, once: at a second one the engine drops what it is doing.

    Raises KeyboardInterrupt after the block when there was one during it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = told = False

    def wait(number: int, _: FrameType | None) -> None:
        nonlocal interrupted, told
        if not interrupted:
            with suppress(OSError):  # nobody reads what a terminal shows that is gone
                say(f"Interrupted: waiting for {what} to end in order …")
        interrupted = True
        if not told and (number != signal.SIGINT or not _at_terminal()):
            told = True
            for child in _children():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGINT)

    try:
        with _handled((signal.SIGINT, *_ENDS), wait):
            yield
    finally:
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


@contextmanager
def _handled(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handle signals during the block; what nohup lets nobody hear stays unheard."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        if number != signal.SIGHUP or before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _at_terminal() -> bool:
    """Whether there is a terminal whose Ctrl-C reaches this process's group."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY))
    except OSError:
        return False
    return True


def _children() -> list[int]:
    """Processes that this one started."""
    try:
        found = subprocess.run(
            ["pgrep", "-P", str(os.getpid())], capture_output=True, text=True
        )
    except FileNotFoundError:
        return []
    return [int(pid) for pid in found.stdout.split()]
