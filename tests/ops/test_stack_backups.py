"""Backups of a stack: what its platform does, its lock and its audit log."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import ops.platforms
import ops.stack
from ops.archives import Directory, archives
from ops.audit import acts
from ops.cli import app
from ops.database import restore as restores
from ops.database.address import Address
from ops.database.backup import dumps
from ops.errors import NotOfferedError
from ops.lock import Lock
from ops.platforms.platform import Snapshot
from ops.releases import Release, record
from tests.ops.conftest import Server, contents, rows
from tests.unit.ops.fakes import FakePlatform, FakeStack

TAKEN = datetime(2026, 11, 29, 2, 30, tzinfo=UTC)


@dataclass
class Platform(FakePlatform):
    """One with a real database, and jobs if it has any."""

    login: Address | None = None
    admin: Address | None = None
    has_jobs: bool = False
    asked_for: list[object] = field(default_factory=list)
    snapshot_of: Address | None = None

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        address = self.admin if admin else self.login
        assert address
        yield address

    def dump(self) -> str:
        self._demand_jobs()
        assert self.login
        sql = subprocess.run(
            ["pg_dump", "--no-password"],
            env=os.environ | self.login.environment(),
            check=True,
            capture_output=True,
        ).stdout
        self.backups().put("dumps/20261129T023000Z-app.sql.gz", [gzip.compress(sql)])
        return "dumps/20261129T023000Z-app.sql.gz"

    def archive(self) -> str:
        self._demand_jobs()
        packed = subprocess.run(
            ["tar", "-cz", "-C", self.uploads, "."], check=True, capture_output=True
        ).stdout
        self.backups().put("uploads/20261129T023000Z-uploads.tar.gz", [packed])
        return "uploads/20261129T023000Z-uploads.tar.gz"

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        self._demand_jobs()
        packed = b"".join(self.backups().read(name))
        assert hashlib.sha256(packed).hexdigest() == sha256
        Directory(self.uploads).write_uploads([gzip.decompress(packed)], replace)
        return "/app/uploads/.before-20261129T023000Z"

    def _demand_jobs(self) -> None:
        if not self.has_jobs:
            raise NotOfferedError("No jobs here.")

    @property
    def uploads(self) -> Path:
        return self.stack.folder / "uploads"

    def read_uploads(self) -> Iterator[bytes]:
        return Directory(self.uploads).read_uploads()

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        assert not self.has_jobs
        Directory(self.uploads).write_uploads(chunks, replace)

    def snapshots(self) -> list[Snapshot]:
        return [Snapshot("nightly", TAKEN, 20, "available")]

    @contextmanager
    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> Iterator[Address]:
        self.asked_for.append(snapshot or at)
        assert self.snapshot_of
        yield self.snapshot_of


@pytest.fixture
def platform(
    server: Server, small: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    stack = FakeStack(tmp_path)
    platform = Platform(stack, login=small, admin=server.admin)
    monkeypatch.setattr(ops.stack, "Stack", lambda _: stack)
    monkeypatch.setattr(ops.platforms, "platform_of", lambda _: platform)
    monkeypatch.setenv("STROMHALTIG_STACK", "staging")
    return platform


def run(*arguments: str, code: int = 0) -> Result:
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == code, ran.output
    return ran


def release(schema: str) -> Release:
    return Release(
        number=1,
        at="2026-11-29T02:00:00+00:00",
        who="tests",
        image="registry/app@sha256:abc",
        revision="1",
        deployment="1",
        schema=schema,
    )


def test_a_dump_is_made_from_here_and_noted(platform: Platform) -> None:
    record(platform.stack.records, release("003"))
    name = run("db", "backup").stdout.strip()
    (made,) = dumps(platform.backups()).all()
    assert made.name == name
    assert made.manifest
    assert made.manifest.release == "r1 registry/app@sha256:abc"
    (act,) = acts(platform.stack.records, 10)
    assert (act.command, act.outcome) == ("db backup", "done")
    assert Lock(platform.stack.records).holder() is None


def test_the_platforms_own_job_makes_it_and_it_is_read_back(platform: Platform) -> None:
    platform.has_jobs = True
    name = run("db", "backup").stdout.strip()
    assert name == "dumps/20261129T023000Z-app.sql.gz"
    (made,) = dumps(platform.backups()).all()
    assert made.manifest
    assert made.manifest.contents.schema == 3
    assert run("db", "backup", "--here").stdout.strip() != name


def test_a_snapshot_instead_and_both(platform: Platform) -> None:
    name = run("db", "backup", "--snapshot").stdout.strip()
    assert name == f"snapshot-{platform.snapshots_taken[0]}"
    assert dumps(platform.backups()).all() == []
    run("db", "backup", "--snapshot", "--dump")
    assert len(dumps(platform.backups()).all()) == 1


def test_dumps_and_snapshots_are_listed_together(platform: Platform) -> None:
    run("db", "backup")
    listed = json.loads(run("db", "backups", "--json").stdout)
    assert [line["kind"] for line in listed] == ["dump", "snapshot"]
    assert [line["rows"] for line in listed] == [7, None]


def test_who_has_the_lock_goes_first(platform: Platform) -> None:
    with Lock(platform.stack.records).held("deploy"):
        ran = run("db", "backup", code=2)
    assert "locked by" in ran.stderr


def test_a_restore_wants_the_name_of_the_stack(
    platform: Platform, small: Address
) -> None:
    run("db", "backup")
    with small.connect() as connection:
        connection.execute("DELETE FROM quizzes")
    assert "--yes-replace staging" in run("db", "restore", "latest", code=2).stderr
    run("db", "restore", "latest", "--yes-replace", small.database, code=2)
    ran = run("db", "restore", "latest", "--yes-replace", "staging")
    assert "db restore --undo --stack staging" in ran.stderr
    assert contents(small)["public.quizzes"][0] == 1
    assert acts(platform.stack.records, 1)[0].details["into"] == small.database


def test_who_lost_the_lock_does_not_swap(
    server: Server,
    platform: Platform,
    small: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("db", "backup")
    before = server.names()
    load: Callable[..., None] = restores._load

    def unlocked(*arguments: object) -> None:
        load(*arguments)
        platform.stack.records.delete("lock.json")

    monkeypatch.setattr(restores, "_load", unlocked)
    ran = run("db", "restore", "latest", "--yes-replace", "staging", code=1)
    assert "Somebody took the lock away" in ran.stderr
    assert server.names() == before


def test_the_release_that_runs_says_what_schema_is_too_new(platform: Platform) -> None:
    run("db", "backup")
    record(platform.stack.records, release("002"))
    ran = run("db", "restore", "latest", "--yes-replace", "staging", code=2)
    assert "knows 002" in ran.stderr


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        (("--snapshot", "nightly"), "nightly"),
        (("--at", "2026-11-29T02:00:00"), datetime(2026, 11, 29, 2, tzinfo=UTC)),
    ],
)
def test_from_a_server_that_the_platform_makes(
    server: Server,
    platform: Platform,
    small: Address,
    filled: Address,
    option: tuple[str, str],
    asked: object,
) -> None:
    platform.snapshot_of = server.as_admin(filled)
    run("db", "restore", *option, "--yes-replace", "staging")
    assert platform.asked_for == [asked]
    assert contents(small) == contents(filled)
    owner = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert rows(small, owner) == [("app",)]


def test_a_drill_of_a_snapshot(platform: Platform, small: Address) -> None:
    platform.snapshot_of = small
    told = json.loads(run("db", "drill", "--snapshot", "latest", "--json").stdout)
    assert told["backup"] == "nightly"
    assert told["at"] == TAKEN.isoformat()
    assert told["problems"] == []
    unknown = run("db", "drill", "--snapshot", "nightli", code=2)
    assert 'Did you mean "nightly"?' in unknown.stderr


def test_the_latest_snapshot_is_one_that_is_ready(
    platform: Platform, small: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Snapshot("being made", datetime.now(UTC), 20, "creating")
    ready = platform.snapshots()
    monkeypatch.setattr(platform, "snapshots", lambda: [made, *ready])
    platform.snapshot_of = small
    run("db", "restore", "--snapshot", "latest", "--yes-replace", "staging")
    assert platform.asked_for == ["nightly"]


def test_an_unknown_snapshot_is_told_before_a_way_to_the_database_is_opened(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "database", None)
    ran = run("db", "restore", "--snapshot", "nightli", code=2)
    assert 'Did you mean "nightly"?' in ran.stderr


@pytest.mark.parametrize("has_jobs", [False, True])
def test_uploads_of_a_stack(platform: Platform, has_jobs: bool) -> None:
    platform.has_jobs = has_jobs
    platform.uploads.mkdir()
    (platform.uploads / "report").write_text("first")
    name = run("files", "backup").stdout.strip()
    (archive,) = archives(platform.backups()).all()
    assert (archive.name, bool(archive.manifest)) == (name, True)
    (platform.uploads / "report").write_text("second")
    ran = run(
        "files", "restore", name, "--replace", "--yes-replace", "staging", "--no-safety"
    )
    assert ("kept there: /app/uploads/.before-20261129" in ran.stderr) is has_jobs
    assert (platform.uploads / "report").read_text() == "first"
    commands = [act.command for act in acts(platform.stack.records, 10)]
    assert commands == ["files restore", "files backup"]
