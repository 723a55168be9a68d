"""What commands ask of a platform, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ops.database.address import Address
from ops.store import Store


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Fact:
    """One line of `status`, `doctor` or `monitor`.

    name: what is looked at. says: what was found. remedy: what to do when not ok.
    """

    name: str
    state: State
    says: str
    remedy: str = ""


@dataclass(frozen=True)
class Measure:
    """A figure that `monitor` watches.

    value: None when it is not known, for the reason in `note`, which is not well: what
    does not run tells no figure. unit: `%`, `connections`, `GiB`.
    limit: it is too much above this, or, with `least`, too little below; None when
    nobody knows it, so that nothing is too much.
    offered: False where this platform has no such figure; then there is no value, and
    nothing is wrong.
    """

    name: str
    value: float | None
    unit: str
    limit: float | None
    least: bool = False
    note: str = ""
    offered: bool = True

    @property
    def state(self) -> State:
        """Whether it is within its limit."""
        if self.value is None:
            return State.UNKNOWN
        if self.limit is None:
            return State.OK
        beyond = self.value < self.limit if self.least else self.value > self.limit
        return State.WARNING if beyond else State.OK


@dataclass(frozen=True)
class LogQuery:
    """Which lines of the app's logs.

    since: the oldest. follow: go on with new ones until interrupted. errors: only of
    level error or worse. grep: regular expression that a line must contain.
    """

    since: datetime
    follow: bool = False
    errors: bool = False
    grep: str | None = None


@dataclass(frozen=True)
class LogLine:
    """A line, and where it comes from (task or container)."""

    at: datetime
    source: str
    text: str


@dataclass(frozen=True)
class Ended:
    """A one-off container that has ended, and what it printed."""

    code: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """What the platform was last told to run.

    deployment: how the platform calls this attempt: a new one has another.
    revision: what exactly: a task definition, image id or spec; what `switch` takes.
    image: reference, by digest where known.
    """

    deployment: str
    revision: str
    image: str


@dataclass(frozen=True)
class Verdict:
    """Whether what was asked for is what serves.

    rolled_back: the platform went back to the version before by itself.
    reasons: why not: stop reasons, failed checks. log: the new version's last lines.
    """

    serves: bool
    says: str
    rolled_back: bool = False
    reasons: tuple[str, ...] = ()
    log: tuple[str, ...] = field(default=(), repr=False)


class Platform(Protocol):
    """A deployed stack, as operations see it.

    Every method raises NotOfferedError, with the alternative, for what the platform
    cannot do.
    """

    def running(self) -> Running | None:
        """What runs now; None before the first deployment."""

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """Wait for the roll-out that the last update began, and judge it.

        before: what ran before the update; the same deployment again means that the
        update rolled nothing out. finished: whether the update came to its end; else
        the stack's outputs are still those of the one before.
        """

    def switch(self, to: Running) -> None:
        """Let the service run a former revision at once, past Pulumi."""

    def status(self) -> list[Fact]:
        """Version, tasks, health of targets, alarms, database, last backup."""

    def checks(self) -> list[Fact]:
        """What `doctor` looks at here: credentials, certificate, quotas, engine."""

    def measures(self) -> list[Measure]:
        """CPU, memory, disk and database connections, with their limits."""

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines of the app, the oldest first."""

    def shell(self, command: Sequence[str]) -> int:
        """Run a command in a running container, at this terminal; its exit code."""

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Run a command to its end in a container like the app's, with its secrets.

        image: another than the one that runs.

        Raises FailedError when it does not start or takes too long.
        """

    def maintenance(self) -> bool:
        """Whether visitors get the maintenance page."""

    def closed(self) -> bool:
        """Whether the maintenance page answers at the health path, too."""

    def set_maintenance(self, on: bool) -> None:
        """Give visitors the maintenance page, or the app again."""

    def database(self, *, admin: bool = False) -> AbstractContextManager[Address]:
        """A way to the database, for as long as the block.

        admin: as somebody who may create databases and roles.
        """

    def room(self) -> int | None:
        """Bytes that are free on the database's disk; None when nobody knows."""

    def backups(self) -> Store:
        """Where dumps and archives are."""

    def dump(self) -> str:
        """Have the platform's own job dump the database; its name in `backups()`.

        NotOfferedError where dumps are made from here, over `database()`.
        """

    def archive(self) -> str:
        """Have the platform's own job archive the uploads; its name in `backups()`.

        NotOfferedError where archives are made from here, of `read_uploads()`.
        """

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """Have the platform's own job put the files of an archive back.

        name: in `backups()`. sha256: what it must be. replace: whether files that are
        not in it go.

        Returns where, on the platform, what was replaced is kept, if anything was.
        NotOfferedError where it is done from here, by `write_uploads()`.
        """

    def read_uploads(self) -> Iterator[bytes]:
        """The uploaded files, as a tar archive that is not packed."""

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Unpack such an archive into the uploads, once all of it has arrived.

        replace: whether files that are not in it go.

        An error of `chunks` is raised as it is; then nothing was changed.
        """

    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> AbstractContextManager[Address]:
        """A database server of its own with the data of a snapshot or a moment.

        It is gone after the block. Login as of an administrator.
        """

    def snapshot(self, name: str) -> str:
        """Take a snapshot of the database server by the platform; its name."""

    def snapshots(self) -> list[Snapshot]:
        """Snapshots of the database server, the newest first."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the database server, kept by the platform."""

    name: str
    at: datetime
    gib: int
    state: str
