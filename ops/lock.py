"""One changing command at a time on a stack, whoever runs it and from where."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.errors import FailedError, OpsError
from ops.records import read
from ops.repeating import repeating
from ops.store import Store

FILE = "lock.json"

RENEWAL = timedelta(seconds=15)
"""How often a holder shows that it is alive."""

LEASE = timedelta(seconds=90)
"""How long a holder counts as alive that shows nothing: six renewals."""


@dataclass(frozen=True)
class Holder:
    """Who has the lock.

    run: address of the pipeline's run, where there is one. since, seen: when it took
    the lock, and when it last showed that it is alive. started: when its process did,
    as `started` says it; empty where nobody could tell.
    """

    id: str
    who: str
    host: str
    pid: int
    command: str
    run: str
    since: datetime
    seen: datetime
    started: str = ""

    @property
    def age(self) -> timedelta:
        """How long it has had the lock."""
        return datetime.now(UTC) - self.since

    def alive(self, now: datetime | None = None) -> bool:
        """Whether it still works, as far as can be seen from here."""
        if self.host == socket.gethostname():
            return runs(self.pid, self.started)
        return (now or datetime.now(UTC)) - self.seen < LEASE

    def __str__(self) -> str:
        where = self.run or f"process {self.pid} on {self.host}"
        return f"{self.who} ({where}), `{self.command}`, for {words(self.age)}"


def who_am_i() -> str:
    """Who runs this: the pipeline's actor, or the user of this machine."""
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a container may run as who has no name
        return f"user {os.getuid()}"


def pipeline_run() -> str:
    """Address of the pipeline's run; empty outside of one."""
    env = os.environ
    if "GITHUB_RUN_ID" not in env:
        return ""
    server = env.get("GITHUB_SERVER_URL", "https://github.com")
    repository = env.get("GITHUB_REPOSITORY", "")
    return f"{server}/{repository}/actions/runs/{env['GITHUB_RUN_ID']}"


class Lock:
    """The lock of a stack, in its records."""

    def __init__(
        self,
        records: Store,
        *,
        renewal: timedelta = RENEWAL,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._records = records
        self._renewal = renewal
        self._now = now

    def holder(self) -> Holder | None:
        """Who has it; None when it is free.

        Raises OpsError when the record cannot be read.
        """
        times = dict.fromkeys(_TIMES, datetime.fromisoformat)
        try:
            return read(self._records, FILE, Holder, **times)
        except FileNotFoundError:
            return None

    @contextmanager
    def held(self, command: str) -> Iterator[Held]:
        """Have the lock during the block.

        Raises OpsError when somebody else has it.
        """
        mine = Holder(
            id=secrets.token_hex(8),
            who=who_am_i(),
            host=socket.gethostname(),
            pid=os.getpid(),
            command=command,
            run=pipeline_run(),
            since=self._now(),
            seen=self._now(),
            started=started(os.getpid()),
        )
        if not self._records.create(FILE, _written(mine)) and not self._has(mine):
            raise OpsError(self._refusal())
        held = Held(self, mine)
        try:
            with held.renewing(self._renewal.total_seconds()):
                yield held
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                self._release(mine)
            raise
        # Not before the last renewal, which would bring the lock back.
        self._release(mine)

    def release_dead(self) -> Holder | None:
        """Free the lock of somebody who is gone; who it was, or None when it was free.

        Raises OpsError while the holder is alive.
        """
        self.demand_dead()
        holder = self.holder()
        if holder:
            self._release(holder)
        return holder

    def demand_dead(self) -> None:
        """Refuse while somebody who is alive has the lock.

        Raises OpsError, naming who it is.
        """
        holder = self.holder()
        if holder and holder.alive():
            raise OpsError(
                f"The lock is held by {holder}, who is alive. Wait, or end that first"
            )

    def renew(self, mine: Holder) -> bool:
        """Show that a holder is alive; False when the lock is not its any more."""
        if not self._has(mine):
            return False
        self._records.put(FILE, [_written(replace(mine, seen=self._now()))])
        return True

    def _release(self, holder: Holder) -> None:
        if self._has(holder):
            self._records.delete(FILE)

    def _has(self, holder: Holder) -> bool:
        """Whether the lock is a holder's.

        It may be after a refusal: the answer to a first try got lost, and a second one
        found what that had written.
        """
        found = self.holder()
        return found is not None and found.id == holder.id

    def _refusal(self) -> str:
        holder = self.holder()
        if holder is None:
            return "Somebody else had the lock a moment ago. Try again"
        remedy = (
            "Wait for it"
            if holder.alive()
            else "It seems to be gone. Look at what it left, then: stromhaltig unlock"
        )
        return f"The stack is locked by {holder}. {remedy}"


class Held:
    """A lock that is held, as its holder sees it."""

    def __init__(self, lock: Lock, mine: Holder) -> None:
        self._lock = lock
        self._mine = mine
        self._lost = threading.Event()

    def check(self) -> None:
        """Ask before a step that cannot be undone.

        Raises FailedError when somebody took the lock away meanwhile.
        """
        if self._lost.is_set() or not self._lock.renew(self._mine):
            raise FailedError(
                "Somebody took the lock away (`unlock`). Stopped before the next step; "
                "look at who works on the stack"
            )

    def renewing(self, seconds: float) -> AbstractContextManager[None]:
        """Renew the lock in the background, until it is lost."""
        return repeating(self._renew, seconds, "lock")

    def _renew(self) -> None:
        if self._lost.is_set():
            return
        # Unreachable for a while is no loss: the lease outlasts it.
        with suppress(Exception):
            if not self._lock.renew(self._mine):
                self._lost.set()


_TIMES = ("since", "seen")


def _written(holder: Holder) -> bytes:
    data = asdict(holder) | {key: getattr(holder, key).isoformat() for key in _TIMES}
    return json.dumps(data).encode()


def runs(pid: int, since: str = "") -> bool:
    """Whether a process of this machine is there.

    since: when it has `started`, for another may have got its number; empty where that
    is not known.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        pass
    now = started(pid) if since else ""
    return not now or now == since


def started(pid: int) -> str:
    """When a process of this machine started, in the system's own words.

    To be compared, and nothing else: Linux counts ticks from when it came up, which no
    setting of the clock changes; others tell the time. Empty where nobody can tell.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _started_by_ps(pid)
    # What comes after the program's name, in which there may be spaces and brackets,
    # begins with the third field; the 22nd is meant: proc_pid_stat(5).
    return stat.rpartition(")")[2].split()[22 - 3]


def _started_by_ps(pid: int) -> str:
    try:
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
        )
    except OSError:
        return ""
    return done.stdout.strip()


def words(age: timedelta) -> str:
    """A duration in its largest unit."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return f"{int(age.total_seconds())} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
