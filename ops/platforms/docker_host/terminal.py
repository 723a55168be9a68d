"""A command in a container at this terminal, as `docker exec -it` has it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ops.platforms.docker_host.engine import STDERR, Engine, Process

_CHUNK = 4096


def interact(engine: Engine, container: str, command: Sequence[str]) -> int:
    """Run a command with our input and output, and return its exit code.

    With a terminal, keys and Ctrl-C go to the command; without one, pipes do.

    Raises OpsError when the container does not run.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with engine.process(container, command, tty=terminal) as process:
        if terminal:
            with _raw(process):
                _pass_on(process)
        else:
            _pipe(process)
    return process.code()


def _pass_on(process: Process) -> None:
    """Carry keys there and output here until the command ends."""
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    sources = [process.fileno(), keyboard]
    while True:
        ready = [process.fileno()]
        if not process.pending():
            ready, _, _ = select.select(sources, [], [])
        if keyboard in ready:
            if typed := os.read(keyboard, _CHUNK):
                process.write(typed)
            else:
                process.end_input()
                sources.remove(keyboard)
        if process.fileno() in ready:
            shown = process.read()
            if not shown:
                return
            os.write(screen, shown)


def _pipe(process: Process) -> None:
    """Hand over what is on standard input, and show both outputs."""
    process.feed(iter(lambda: os.read(sys.stdin.fileno(), 64 * 1024), b""))
    for stream, data in process.output():
        out = sys.stderr if stream == STDERR else sys.stdout
        out.buffer.write(data)
        out.flush()


@contextmanager
def _raw(process: Process) -> Iterator[None]:
    """A terminal that gives every key away, of the size that it has here."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        # One that has just ended has no size.
        with contextlib.suppress(Exception):
            process.resize(size.lines, size.columns)

    handler = signal.signal(signal.SIGWINCH, resize)
    try:
        # What was typed meanwhile is kept.
        tty.setraw(keyboard, termios.TCSADRAIN)
        resize()
        yield
    finally:
        signal.signal(signal.SIGWINCH, handler)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
