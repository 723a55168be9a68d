"""AWS as operations see it: ECS on Fargate, RDS, an application load balancer.

It asks for what the stack's outputs name, and guesses no name. Calls that were
throttled or got lost are tried again by botocore, slower and slower.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from contract import JOBS
from ops.common import say
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms.aws import database, logs, measures, sessions, status, tasks
from ops.platforms.aws.account import Account, seconds
from ops.platforms.aws.maintenance import Maintenance
from ops.platforms.aws.rollout import Rollout
from ops.platforms.aws.status import DUMPS
from ops.platforms.platform import (
    Ended,
    Fact,
    LogLine,
    LogQuery,
    Measure,
    Running,
    Snapshot,
    Verdict,
)
from ops.store import S3Store, Store

if TYPE_CHECKING:
    from ops.database.address import Address
    from ops.stack import Stack

__all__ = ["Aws"]

ARCHIVES = "uploads/"
"""Where the job `archive` puts what it makes, in the bucket of backups."""

_AWS_BACKUP = (
    "use AWS Backup, which restores single files, too: https://docs.aws.amazon.com/"
    "aws-backup/latest/devguide/restoring-efs.html"
)
"""What else there is for uploads."""


_PATIENCE = tuple(
    f"STROMHALTIG_{what}_SECONDS" for what in ("ROLLOUT", "TASK", "SNAPSHOT", "RESTORE")
)


class Aws:
    """A stack on AWS; each method as `Platform` says."""

    def __init__(self, stack: Stack) -> None:
        # Here, and not in the middle of what was begun.
        for variable in _PATIENCE:
            seconds(variable, 0)
        self._account = Account(stack)
        self._rollout = Rollout(self._account)

    def running(self) -> Running | None:
        """The service's primary deployment, or the last that moved the traffic."""
        return self._rollout.running()

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """By deployment and its state; three times the time by design is the limit.

        The variable STROMHALTIG_ROLLOUT_SECONDS sets another.
        """
        verdict = self._rollout.verdict(before, finished=finished)
        if self._account["strategy"] != "rolling":
            self._follow()
        return verdict

    def switch(self, to: Running) -> None:
        """Give the service a former task definition."""
        self._rollout.switch(to)

    def status(self) -> list[Fact]:
        """What may not be looked at is unknown, and keeps nothing else from view."""
        return status.status(self._account)

    def checks(self) -> list[Fact]:
        """As `status`."""
        return status.checks(self._account)

    def measures(self) -> list[Measure]:
        """The newest figures of CloudWatch, of the last 15 minutes."""
        return measures.measures(self._account)

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Of all containers; `source` is the container and the begin of the task's id.

        Followed, a line may come two minutes late, and is shown once.
        """
        return logs.lines(self._account, query)

    def shell(self, command: Sequence[str]) -> int:
        """Over ECS Exec, which does not tell the command's exit code: 0 if it began."""
        return sessions.shell(self._account, command)

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """In a Fargate task of its own; STROMHALTIG_TASK_SECONDS is its time."""
        return tasks.one_off(self._account, command, image)

    def maintenance(self) -> bool:
        """Whether our rule is before all others."""
        return self._maintenance.on()

    def closed(self) -> bool:
        """Never: the health path goes to the app."""
        return False

    def set_maintenance(self, on: bool) -> None:
        """Two rules of the listener; the health path goes on to the app."""
        self._maintenance.set(on)

    def database(self, *, admin: bool = False) -> AbstractContextManager[Address]:
        """Directly from inside the network, and else by a tunnel of ECS Exec."""
        return database.live(self._account, admin=admin)

    def room(self) -> int | None:
        """As CloudWatch measured it in the last 15 minutes."""
        return measures.room(self._account)

    def backups(self) -> Store:
        """The bucket of the jobs."""
        bucket = self._account["backups"]
        if bucket is None:
            raise NotOfferedError(
                f"Stack {self._account.stack} has no bucket for backups: set "
                "`stromhaltig:jobs: {}` and deploy, or take a snapshot"
            )
        return S3Store(self._account.client("s3"), bucket)

    def dump(self) -> str:
        """Run the job `dump`; what is new in the bucket afterwards is the dump."""
        snapshot = "take a snapshot: stromhaltig db backup --snapshot"
        return self._made_by("dump", DUMPS, snapshot)

    def archive(self) -> str:
        """Run the job `archive`, likewise."""
        return self._made_by("archive", ARCHIVES, _AWS_BACKUP)

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """Run the job `unpack`, of which there is one at a time."""
        definition = tasks.job(self._account, "unpack", _AWS_BACKUP)
        if not name.startswith(ARCHIVES):
            where = self.backups().where
            raise OpsError(
                f"The job `unpack` reads {where(ARCHIVES)} only, and the archive is "
                f"{where(name)}: copy it there"
            )
        tasks.demand_none(self._account, definition)
        (own,) = (job.command for job in JOBS if job.name == "unpack")
        options = [f"--sha256={sha256}", *(["--replace"] if replace else [])]
        return _kept(
            self._run(
                "unpack", definition, [*own, name.removeprefix(ARCHIVES), *options]
            )
        )

    def _made_by(self, job: str, prefix: str, alternative: str) -> str:
        definition = tasks.job(self._account, job, alternative)
        before = {entry.name for entry in self.backups().entries(prefix)}
        lines = self._run(job, definition)
        made = [e for e in self.backups().entries(prefix) if e.name not in before]
        if not made:
            raise FailedError(
                f"The job `{job}` ended well, but nothing new is in "
                f"{self.backups().where(prefix)}:\n{_end_of(lines)}"
            )
        return max(made, key=lambda entry: entry.modified).name

    def _run(
        self, job: str, definition: str, command: Sequence[str] = ()
    ) -> Sequence[str]:
        """Run a job to its good end; what it printed."""
        ended = tasks.run(self._account, definition, command=command)
        if ended.code:
            raise FailedError(
                f"The job `{job}` ended with exit code {ended.code}:\n"
                f"{_end_of(ended.lines)}"
            )
        return ended.lines

    def read_uploads(self) -> Iterator[bytes]:
        """Refused: they are on a file system that only tasks reach."""
        tasks.job(self._account, "archive", _AWS_BACKUP)
        raise NotOfferedError(
            "On AWS the job `archive` reads the uploads, for the stack's own bucket: "
            "leave out --store"
        )

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Refused, likewise."""
        tasks.job(self._account, "unpack", _AWS_BACKUP)
        raise NotOfferedError(
            "On AWS the job `unpack` writes the uploads, from the stack's own bucket: "
            f"copy the archive to {self.backups().where(ARCHIVES)} and leave out "
            "--store"
        )

    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> AbstractContextManager[Address]:
        """An RDS instance beside the stack's, with its class, network and key.

        STROMHALTIG_RESTORE_SECONDS is the time that it may take.
        """
        return database.scratch(self._account, snapshot=snapshot, at=at)

    def snapshot(self, name: str) -> str:
        """A manual one: RDS never deletes it by itself."""
        return database.snapshot(self._account, name)

    def snapshots(self) -> list[Snapshot]:
        """Manual, automatic, and those of AWS Backup."""
        return database.snapshots(self._account)

    def _follow(self) -> None:
        """Lead the health path to where the traffic is now; no verdict is lost by it.

        A deployment that moves the traffic leaves our rule behind.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._maintenance.follow()
        except (BotoCoreError, ClientError) as error:
            say(
                f"The health path may lead to the version before ({error}). Turn "
                "maintenance off and on again: stromhaltig maintenance off --stack "
                f"{self._account.stack}"
            )

    @property
    def _maintenance(self) -> Maintenance:
        return Maintenance(self._account)


def _end_of(lines: Sequence[str]) -> str:
    return "\n".join(lines[-20:])


def _kept(lines: Sequence[str]) -> str | None:
    """Where the job `unpack` says that it keeps what it replaced."""
    for line in lines:
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and record.get("kept"):
                return str(record["kept"])
    return None
