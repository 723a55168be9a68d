"""What a person sees while something takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import rich.progress
from rich.console import Console
from rich.text import Text


class Step(Protocol):
    """A long step under way."""

    def update(self, note: str, done: int = 0, total: int | None = None) -> None:
        """Say what is being done now, and how much of it is done when that is known."""


class Progress(Protocol):
    """Where the long-running parts of a rehearsal talk to."""

    def say(self, text: str) -> None:
        """Tell one thing, on a line of its own."""

    def busy(self, text: str) -> AbstractContextManager[Step]:
        """Show that something takes long, from entering to leaving."""


class ConsoleProgress:
    """Progress on a terminal as a moving line; elsewhere as a line now and then.

    heartbeat: seconds between two signs of life where nothing can move, as in a CI log.
    """

    def __init__(self, console: Console, heartbeat: float = 20.0) -> None:
        self._console = console
        self._heartbeat = heartbeat

    def say(self, text: str) -> None:
        """Print one line."""
        # A text, not markup: paths and messages may hold square brackets.
        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[Step]:
        """Show the step until it ends, then say how long it took."""
        began = time.monotonic()
        outcome = "failed"
        try:
            with (
                self._moving(text)
                if self._console.is_terminal
                else (self._beating(text, began)) as step
            ):
                yield step
            outcome = "done"
        finally:
            self.say(f"{text}: {outcome} after {_elapsed(began)}")

    @contextmanager
    def _moving(self, text: str) -> Iterator[Step]:
        columns = (
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.TimeElapsedColumn(),
        )
        with rich.progress.Progress(
            *columns, console=self._console, transient=True
        ) as bar:
            yield _Bar(bar, bar.add_task(text, total=None), text)

    @contextmanager
    def _beating(self, text: str, began: float) -> Iterator[Step]:
        self.say(f"{text} …")
        note, over = _Note(), threading.Event()

        def beat() -> None:
            while not over.wait(self._heartbeat):
                self.say(f"{text}: {note.text or 'working'}, {_elapsed(began)}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield note
        finally:
            over.set()
            thread.join()


class _Bar:
    def __init__(
        self, bar: rich.progress.Progress, task: rich.progress.TaskID, text: str
    ) -> None:
        self._bar, self._task, self._text = bar, task, text

    def update(self, note: str, done: int = 0, total: int | None = None) -> None:
        self._bar.update(
            self._task,
            description=f"{self._text}: {_counted(note, done, total)}",
            completed=done,
            total=total,
        )


class _Note:
    text = ""

    def update(self, note: str, done: int = 0, total: int | None = None) -> None:
        self.text = _counted(note, done, total)


def _counted(note: str, done: int, total: int | None) -> str:
    if total:
        return f"{done} of {total} {note}"
    return f"{done} {note}" if done else note


def _elapsed(began: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
