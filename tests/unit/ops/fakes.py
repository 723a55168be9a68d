"""A stack and a platform in memory, for commands that need both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.database.address import Address
from ops.database.migrations import Migration, MigrationStatus, State
from ops.errors import NotOfferedError
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
from ops.stack import Change
from ops.store import FolderStore

REPOSITORY = "ghcr.io/stromdao/stromhaltig"


def image(letter: str) -> str:
    return f"{REPOSITORY}@sha256:{letter * 64}"


def migration_status(
    applied: Sequence[str] = (),
    pending: Sequence[str] = (),
    unknown: Sequence[str] = (),
    irreversible: Sequence[str] = (),
) -> MigrationStatus:
    """Migrations by their names, in order, applied in the night."""
    found = [
        *((name, State.APPLIED) for name in applied),
        *((name, State.PENDING) for name in pending),
        *((name, State.UNKNOWN) for name in unknown),
    ]
    night = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
    return MigrationStatus(
        tuple(
            Migration(
                version=int(name.partition("_")[0]),
                name=name,
                state=state,
                applied_at=None if state is State.PENDING else night,
                reversible=name not in irreversible and state is not State.UNKNOWN,
            )
            for name, state in found
        )
    )


@dataclass
class FakeStack:
    """What `ops.stack.Stack` is, without an engine.

    on_up: called by `up` before the outputs name what the configuration asks for.
    """

    folder: Path
    name: str = "staging"
    config: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    planned: list[Change] = field(default_factory=list)
    on_up: Callable[[FakeStack], None] = lambda _: None
    ups: list[dict[str, str]] = field(default_factory=list)
    secrets_set: dict[str, str] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / f"Pulumi.{self.name}.yaml"

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        before = dict(self.config)
        try:
            yield
        finally:
            self.config = before

    @property
    def records(self) -> FolderStore:
        return FolderStore(self.folder / "records")

    @property
    def backend_url(self) -> str:
        return f"file://{self.folder}"

    project_name = "stromhaltig"

    @property
    def production(self) -> bool:
        return self.get("environment", "production") == "production"

    def get(self, path: str, default: str | None = None) -> str | None:
        return self.config.get(path, self.secrets_set.get(path, default))

    def set(self, path: str, value: str) -> None:
        self.config[path] = value

    def set_secret(self, path: str, value: str) -> None:
        self.secrets_set[path] = value

    def unset(self, path: str) -> None:
        self.config.pop(path, None)
        self.secrets_set.pop(path, None)

    def export(self) -> dict[str, Any]:
        return {"deployment": {"resources": self.resources}}

    def preview(self, on_event: object = None) -> list[Change]:
        return self.planned

    def up(self, on_event: object = None) -> list[Change]:
        self.ups.append(dict(self.config))
        self.on_up(self)
        self.outputs["release"] = self.config.get("image.ref")
        return self.planned


@dataclass
class FakePlatform:
    """Runs what the stack asks for at once, unless told otherwise.

    verdicts: the next ones, in order; then it serves. finished: what each was asked of.
    """

    stack: FakeStack
    verdicts: list[Verdict] = field(default_factory=list)
    in_maintenance: bool = False
    covers_health: bool = False
    facts: list[Fact] = field(default_factory=list)
    figures: list[Measure] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    asked: list[LogQuery] = field(default_factory=list)
    switched: list[str] = field(default_factory=list)
    snapshots_taken: list[str] = field(default_factory=list)
    has_snapshots: bool = True
    free: int | None = None
    finished: list[bool] = field(default_factory=list)
    run: list[tuple[tuple[str, ...], str | None]] = field(default_factory=list)
    answers: dict[tuple[str, ...], Ended] = field(default_factory=dict)

    def running(self) -> Running | None:
        ups = len(self.stack.ups)
        release = self.stack.outputs.get("release")
        return Running(f"deployment/{ups}", f"revision:{release}", str(release))

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        self.finished.append(finished)
        if self.verdicts:
            return self.verdicts.pop(0)
        return Verdict(True, "2 of 2 tasks run it")

    def switch(self, to: Running) -> None:
        self.switched.append(to.revision)

    def status(self) -> list[Fact]:
        return self.facts

    def checks(self) -> list[Fact]:
        return self.facts

    def measures(self) -> list[Measure]:
        return self.figures

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        self.asked.append(query)
        yield from self.lines

    def shell(self, command: Sequence[str]) -> int:
        self.run.append((tuple(command), None))
        return 7

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        self.run.append((tuple(command), image))
        try:
            return self.answers[tuple(command)]
        except KeyError:
            raise NotOfferedError("No containers of its own here.") from None

    def maintenance(self) -> bool:
        return self.in_maintenance

    def closed(self) -> bool:
        return self.covers_health and self.in_maintenance

    def set_maintenance(self, on: bool) -> None:
        self.in_maintenance = on

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        raise NotOfferedError("There is no database here.")
        yield

    def room(self) -> int | None:
        return self.free

    def backups(self) -> FolderStore:
        return FolderStore(self.stack.folder / "backups")

    def snapshot(self, name: str) -> str:
        if not self.has_snapshots:
            raise NotOfferedError("No snapshots here.")
        self.snapshots_taken.append(name)
        return f"snapshot-{name}"

    def snapshots(self) -> list[Snapshot]:
        return []
