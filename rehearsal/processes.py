"""Processes that never outlive the rehearsal, however it ends.

The engine puts each plugin into a process group of its own, and a plugin goes on for
minutes after its engine was killed. So every process is started as the leader of a
session, and it is the session, with all that was started in it, that is ended.

Nothing but the standard library is imported: the guard runs this very file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

GRACE = 10.0
"""Seconds between being asked to end and being killed."""

POLL = 0.05
"""Seconds between two looks at a running process."""

_PATIENCE = 5.0
"""Seconds to wait for a killed process, which the kernel may be holding up."""

_PROC = Path("/proc")


def identity(pid: int) -> str | None:
    """What tells a process from a later one with its number; None once it has ended."""
    if (_PROC / "self").exists():
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        try:
            stat = (_PROC / str(pid) / "stat").read_text(
                encoding="utf-8", errors="replace"
            )
        except OSError:
            return None
        # The command in parentheses may itself hold spaces and parentheses.
        state, *fields = stat.rpartition(")")[2].split()
        started = fields[18]
        return None if state in "ZX" else f"{boot}/{started}"
    listed = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, started = listed.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def end_sessions(leaders: Iterable[int], grace: float = GRACE) -> None:
    """End sessions with all their processes: asked first, killed after `grace` seconds.

    A leader is interrupted, as by Ctrl-C, so that an engine can cancel in order. What
    a leader leaves behind when it ends is killed at once.
    """
    sessions = set(leaders)
    members = _members(sessions)
    for leader in sessions & members.keys():
        _signal(leader, signal.SIGINT)
    began = time.monotonic()
    while members and (waited := time.monotonic() - began) < grace + _PATIENCE:
        for pid, session in members.items():
            if session not in members or waited > grace:
                _signal(pid, signal.SIGKILL)
        time.sleep(POLL)
        members = _members(sessions)


def _members(sessions: set[int]) -> dict[int, int]:
    """The living processes of the sessions: process -> its session."""
    members = {}
    for pid in _pids():
        try:
            session = os.getsid(pid)
        except OSError:
            continue
        if session in sessions and identity(pid) is not None:
            members[pid] = session
    return members


def _pids() -> list[int]:
    if (_PROC / "self").exists():
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    listed = subprocess.run(
        ["ps", "-axo", "pid="], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in listed.stdout.split()]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


class Guard:
    """Ends the sessions it holds as soon as this process is gone, `kill -9` included.

    A process of its own waits on a pipe whose other end only we have: the kernel
    closes it for us when we cannot do so any more.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def hold(self, leader: int) -> None:
        """From now on this session ends with us."""
        self._tell(f"+{leader}")

    def let_go(self, leader: int) -> None:
        """This session has ended, or may outlive us."""
        self._tell(f"-{leader}")

    def close(self) -> None:
        """End the sessions that are still held, and the guard."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            return
        # A guard that somebody killed cannot guard; the work itself goes on.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def _guard() -> None:
    held: set[int] = set()
    for line in sys.stdin:
        change, leader = held.add if line[0] == "+" else held.discard, int(line[1:])
        change(leader)
    end_sessions(held)


class Tail:
    """A file that somebody else is still writing, read line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def lines(self) -> list[str]:
        """The lines completed since the last call; none while there is no file yet."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                text, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._position += len(text) + len(newline)
        return text.decode(errors="replace").splitlines() if newline else []


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that has ended, with what it wrote and how long it took."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    grace: float = GRACE,
    on_start: Callable[[int], None] = lambda _: None,
    on_poll: Callable[[], None] = lambda: None,
    on_stderr: Callable[[str], None] = lambda _: None,
) -> Completed:
    """Run a command in a session of its own, which ends with this call in any case.

    timeout: seconds it may run; grace: seconds it then has to end in order.
    on_start gets the process id, on_poll is called about 20 times a second, on_stderr
    gets each line of the standard error as it appears.

    Raises subprocess.TimeoutExpired, OSError when the command cannot be started, and
    whatever interrupts it, KeyboardInterrupt above all, once the session has ended.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stromhaltig-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        errors = Tail(err)
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        try:
            on_start(process.pid)
            if process.stdin is not None and stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(stdin.encode())
            running = True
            while running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL)
                    running = False
                on_poll()
                for line in errors.lines():
                    on_stderr(line)
                if running and timeout and time.monotonic() - began > timeout:
                    raise subprocess.TimeoutExpired(list(command), timeout)
        finally:
            end_sessions([process.pid], grace)
            process.wait()
        return Completed(
            returncode=process.returncode,
            stdout=out.read_text(encoding="utf-8", errors="replace"),
            stderr=err.read_text(encoding="utf-8", errors="replace"),
            seconds=time.monotonic() - began,
        )


if __name__ == "__main__":
    _guard()
