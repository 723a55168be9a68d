"""Programs that stand in for real ones, and what is heard of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.processes import identity


def program(path: Path, body: str) -> Path:
    """A shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def ends(pid: int, within: float = 5.0) -> bool:
    """Whether a process ends in time."""
    return comes_true(lambda: identity(pid) is None, within)


def comes_true(condition, within: float = 5.0) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class Heard:
    """Progress that is remembered instead of shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[tuple[str, int, int | None]] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def say(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def busy(self, text: str) -> Iterator[Heard]:
        self.lines.append(text)
        yield self

    def update(self, note: str, done: int = 0, total: int | None = None) -> None:
        self.notes.append((note, done, total))


def only_these_on_path(monkeypatch, folder: Path, *names: str) -> Path:
    """A PATH that leads to nothing but `folder`, with links to some real programs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        places = ("/bin", "/usr/bin")
        real = next(p for p in places if Path(p, name).exists())
        (folder / name).symlink_to(Path(real, name))
    monkeypatch.setenv("PATH", os.fspath(folder))
    return folder
