"""`stromhaltig db slow`, `connections` and the others, of a stack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import ops.database.connections
import ops.database.indexes
import ops.database.statements
import ops.platforms
import ops.stack
from ops.cli import app
from ops.database.address import Address
from ops.database.connections import Connections
from ops.database.indexes import Finding, Findings
from ops.database.statements import Slowness, Statement
from settings.parsing import PLATFORMS
from tests.unit.ops.fakes import FakePlatform, FakeStack

ADDRESS = Address(host="h", port=1, user="u", password="secret", database="d")
INSERT = Statement(3, 2.0, 6.0, 0.5, 1.0, None, "INSERT INTO t VALUES ($1[1])")


class Lent:
    """Whoever asks gets a database; remembers as whom."""

    def __init__(self) -> None:
        self.admin: list[bool] = []

    def __call__(self, *, admin: bool = False) -> Lent:
        self.admin.append(admin)
        return self

    def __enter__(self) -> Address:
        return ADDRESS

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    platform = FakePlatform(FakeStack(tmp_path))
    platform.database = Lent()
    monkeypatch.setattr(ops.stack, "Stack", lambda name: platform.stack)
    monkeypatch.setattr(ops.platforms, "platform_of", lambda stack: platform)
    return platform


def run(*arguments: str):
    return CliRunner().invoke(app, ["db", *arguments, "--stack", "staging"])


@pytest.mark.parametrize("name", [p for p in PLATFORMS if p != "aws-review"])
def test_every_platform_has_its_own_way_to_count(platform, monkeypatch, name):
    platform.stack.outputs["platform"] = name
    found = Slowness([], missing="it is not there")
    monkeypatch.setattr(ops.database.statements, "slow", lambda *_: found)
    done = run("slow")
    assert done.exit_code == 0
    assert "it is not there. " in done.stderr
    assert "--stack staging" in done.stderr
    assert platform.database.admin == [True]


def test_statements_are_shown_as_they_are_and_cut_off(platform, monkeypatch):
    long = Statement(1, 9.0, 9.0, 0.5, 0.0, 0.99, "SELECT " + "x, " * 500)
    found = Slowness([], [INSERT, long], datetime(2026, 11, 1, tzinfo=UTC))
    monkeypatch.setattr(ops.database.statements, "slow", lambda *_: found)
    done = run("slow")
    assert "INSERT INTO t VALUES ($1[1])" in done.stdout
    assert "Statements since 2026-11-01 00:00" in done.stdout
    assert done.stdout.count("x,") < 100


@pytest.mark.parametrize(
    ("used", "limit", "code"), [(80, "80%", 0), (81, "80%", 1), (81, "90", 0)]
)
def test_connections_above_the_limit_are_exit_code_1(
    platform, monkeypatch, used, limit, code
):
    found = Connections(used, 100, [], [], [])
    monkeypatch.setattr(ops.database.connections, "connections", lambda *_: found)
    done = run("connections", "--limit", limit)
    assert done.exit_code == code
    assert f"{used} of 100 connections" in done.stdout


@pytest.mark.parametrize(("days", "young"), [(1, True), (30, False)])
def test_uses_that_were_not_counted_for_long_say_little(
    platform, monkeypatch, days, young
):
    since = datetime.now(UTC) - timedelta(days=days)
    unused = Finding("t", "i", 8192, "never used", "DROP INDEX CONCURRENTLY i;")
    found = Findings(since, [unused], [], [], [])
    monkeypatch.setattr(ops.database.indexes, "findings", lambda _: found)
    done = run("indexes")
    assert ("too short to say" in done.stdout) is young
    assert "DROP INDEX CONCURRENTLY i;" in done.stdout
    assert platform.database.admin == [False]
