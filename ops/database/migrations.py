"""Migrations: run by the app's own commands, in the image that brings them.

What is applied, what is pending and what can be undone is known to the image only, so
each question is a one-off container: on the platform, or here for an address.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from contract import APP
from ops.errors import FailedError, OpsError
from ops.platforms.platform import Ended
from ops.stack import ROOT

STATUS = ("npm", "run", "--silent", "migrate:status", "--", "--json")
ROLLBACK = ("npm", "run", "--silent", "migrate:rollback")

PENDING = 2
"""Exit code of the app's status when something is pending."""

LINES = 20
"""How much of what a command printed is told when it fails."""

APP_FOLDER = ROOT / "app"
"""The reference app."""


class Runner(Protocol):
    """Something that runs the app's commands: a platform, or this machine."""

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Run a command to its end, with the app's secrets."""


class State(StrEnum):
    """How a migration stands to the database; unknown: a newer release applied it."""

    APPLIED = "applied"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Migration:
    """One migration.

    reversible: whether the image has a script that undoes it.
    """

    version: int
    name: str
    state: State
    applied_at: datetime | None
    reversible: bool


@dataclass(frozen=True)
class MigrationStatus:
    """How an image and the database stand to each other, the oldest first."""

    migrations: tuple[Migration, ...]

    @property
    def version(self) -> str:
        """What the database is at, as file names have it; 000 before the first."""
        return padded(max((m.version for m in self._applied()), default=0))

    @property
    def newest(self) -> str:
        """The newest version that the image knows; 000 for an image without any."""
        known = (m for m in self.migrations if m.state is not State.UNKNOWN)
        return padded(max((m.version for m in known), default=0))

    @property
    def pending(self) -> tuple[str, ...]:
        """What the image would apply."""
        return self._names(State.PENDING)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What a newer release than the image has applied."""
        return self._names(State.UNKNOWN)

    @property
    def irreversible(self) -> tuple[str, ...]:
        """What is pending, and cannot be undone once it is applied."""
        return tuple(m.name for m in self.brought() if not m.reversible)

    def brought(self, since: str | None = None) -> tuple[Migration, ...]:
        """What comes with the image.

        since: the version before it; what is above is counted in, though a deployment
        that failed has applied it already. None: what is pending only.
        """
        return tuple(
            m
            for m in self.migrations
            if m.state is State.PENDING
            or (m.state is State.APPLIED and since and m.version > int(since))
        )

    def undone_by(self, to: str) -> tuple[Migration, ...]:
        """What going back to a version undoes, the newest first."""
        applied = self._applied()
        return tuple(m for m in reversed(applied) if m.version > int(to))

    def _applied(self) -> list[Migration]:
        return [m for m in self.migrations if m.state is not State.PENDING]

    def _names(self, state: State) -> tuple[str, ...]:
        return tuple(m.name for m in self.migrations if m.state is state)


def padded(version: int) -> str:
    """A version as in the names of files: 3 is 003."""
    return f"{version:03}"


def status(runner: Runner, image: str | None = None) -> MigrationStatus:
    """How an image and the database stand to each other. Nothing is changed.

    image: None for the one that runs.

    Raises FailedError with what the app says when it finds migrations that do not
    belong together, such as one that was changed after it was applied.
    """
    ended = runner.one_off(STATUS, image=image)
    if ended.code not in {0, PENDING}:
        raise _failure("ask for the migrations", ended)
    return parse(ended.lines)


def parse(lines: Sequence[str]) -> MigrationStatus:
    """Read what the app's `migrate:status -- --json` printed.

    Raises FailedError when no line of it is that.
    """
    for line in lines:
        try:
            found = json.loads(line)["migrations"]
            return MigrationStatus(tuple(map(_migration, found)))
        except (ValueError, TypeError, KeyError):
            continue  # something else that the container printed
    raise FailedError(
        f"`{' '.join(STATUS)}` did not answer with migrations, so nobody knows what is "
        "pending. An image of the app must have that command; it printed:\n"
        + "\n".join(lines[-LINES:])
    )


def migrate(runner: Runner, image: str | None = None) -> Ended:
    """Apply what is pending; what the app printed.

    Raises FailedError with the file, the place in it, and the version that the
    database is at: a migration is applied as a whole or not at all.
    """
    return _changed(runner, "migrate", APP.migrate_command, image)


def rollback(runner: Runner, to: str, image: str | None = None) -> Ended:
    """Undo what was applied above a version, such as 002, the newest first.

    Raises FailedError like `migrate`; before anything is undone when a script is
    missing.
    """
    return _changed(runner, "roll back", (*ROLLBACK, "--", "--to", to), image)


def _changed(
    runner: Runner, what: str, command: Sequence[str], image: str | None
) -> Ended:
    ended = runner.one_off(command, image=image)
    if ended.code != 0:
        raise _failure(what, ended)
    return replace(ended, lines=tuple(filter(_is_the_apps, ended.lines)))


def _is_the_apps(line: str) -> bool:
    """Whether the app printed a line, and not npm, to tell what it runs."""
    return bool(line.strip()) and not line.startswith("> ")


def _failure(what: str, ended: Ended) -> FailedError:
    said = "\n".join(ended.lines[-LINES:]) or "It printed nothing"
    return FailedError(f"Could not {what} (exit code {ended.code}):\n{said}")


def _migration(data: dict[str, object]) -> Migration:
    at = data["appliedAt"]
    return Migration(
        version=int(str(data["version"])),
        name=str(data["name"]),
        state=State(str(data["state"])),
        applied_at=datetime.fromisoformat(str(at)) if at else None,
        reversible=bool(data["reversible"]),
    )


@dataclass(frozen=True)
class LocalApp:
    """The reference app of this clone, for a database by its address.

    url: with the password: a secret. It goes into the environment of the app only.
    """

    url: str
    folder: Path = APP_FOLDER

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Run one of the app's commands here.

        Raises OpsError for another image, and when the app is not built.
        """
        if image:
            raise OpsError(
                f"An address is migrated by the app in {self.folder}; an image is run "
                "on a platform only: give --stack instead"
            )
        if not shutil.which(command[0]):
            raise OpsError(f"There is no {command[0]} on PATH. Install Node.js 20")
        if not (self.folder / "dist" / "migrate.js").is_file():
            raise OpsError(
                f"The app in {self.folder} is not built. Build it: "
                f"npm --prefix {self.folder} ci && "
                f"npm --prefix {self.folder} run build:server"
            )
        done = subprocess.run(
            list(command),
            cwd=self.folder,
            env={**os.environ, "NODE_ENV": "production", "DATABASE_URL": self.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        return Ended(done.returncode, tuple(done.stdout.splitlines()))
