"""Which table needs care, and by which rules."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import ops.platforms
import ops.stack
from ops.audit import acts
from ops.cli import app
from ops.database import maintenance, maintenance_sql
from ops.database.maintenance import Outcome, Piece, Rules, Work
from ops.db_care import _summary, _told
from ops.lock import Lock
from ops.sizes import MIB
from tests.servers import APP
from tests.unit.ops.fakes import FakePlatform, FakeStack

JOB = (APP / "src" / "jobs" / "maintain.ts").read_text()
QUERIES = (APP / "src" / "jobs" / "maintain-sql.ts").read_text()
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

SOUND = {
    "name": "public.t",
    "partitioned": False,
    "size": 8192,
    "live": 100_000,
    "dead": 0,
    "changed": 0,
    "vacuumed": LONG_AGO,
    "analyzed": LONG_AGO,
    "age": 1000,
    "old": 100_000_000,
}


def query_of_the_app(name: str) -> str:
    """A query of the weekly job, without what only lays it out."""
    texts = dict(re.findall(r"const (\w+) = `(.*?)`;", QUERIES, re.DOTALL))
    return normal(texts[name].replace("${OURS}", texts["OURS"]))


def normal(query: str) -> str:
    return re.sub(r"\s*([()])\s*", r"\1", " ".join(query.split()))


@pytest.mark.parametrize("name", ["TABLES", "INVALID_LEFTOVERS", "BLOATED_INDEXES"])
def test_the_catalogue_is_asked_as_by_the_weekly_job(name):
    assert normal(getattr(maintenance_sql, name)) == query_of_the_app(name)


def test_the_rules_are_those_of_the_weekly_job():
    numbers = {
        name: value.replace("_", "")
        for name, value in re.findall(r"const ([A-Z_]+) = ([^;]+);", JOB)
    }
    assert int(numbers["LOCK"]) == maintenance.LOCK
    assert int(numbers["LOCK_PATIENCE"]) == maintenance.LOCK_SECONDS * 1000
    assert int(numbers["STATEMENT_LIMIT"]) == maintenance.STATEMENT_SECONDS * 1000
    assert float(numbers["BLOAT"]) == maintenance.BLOAT
    assert numbers["WORTHWHILE"] == "4 * 1024 ** 2"
    assert maintenance.WORTHWHILE == 4 * 1024**2
    assert numbers["PRESENCE_CHECK"] == f"'{maintenance.PRESENCE_CHECK}'"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dead": 5_000}, "5,000 dead of 100,000 rows"),
        ({"dead": 999, "live": 1}, None),
        ({"dead": 4_999}, None),
        ({"changed": 5_000}, "5,000 rows changed since ANALYZE"),
        ({"vacuumed": None}, "never vacuumed"),
        ({"analyzed": None}, "never analyzed"),
        ({"vacuumed": None, "analyzed": None, "size": 0}, None),
        ({"age": 100_000_001}, "100,000,001 transactions old"),
    ],
)
def test_a_table_is_vacuumed_when_there_is_a_reason(changes, why):
    piece = maintenance._care(SimpleNamespace(**{**SOUND, **changes}), Rules())
    assert piece.work is Work.VACUUM
    if why:
        assert (piece.outcome, piece.why) == (Outcome.PLANNED, why)
    else:
        assert piece.outcome is Outcome.SKIPPED
        assert piece.why.startswith(("needs nothing: ", "needs nothing: empty"))


def test_all_are_vacuumed_when_told():
    piece = maintenance._care(SimpleNamespace(**SOUND), Rules(everything=True))
    assert piece.outcome is Outcome.PLANNED


def test_of_a_partitioned_table_only_statistics_are_made():
    row = {**SOUND, "partitioned": True, "size": 0, "vacuumed": None, "age": 2**31}
    sound = maintenance._care(SimpleNamespace(**row), Rules())
    assert (sound.work, sound.outcome) == (Work.ANALYZE, Outcome.SKIPPED)
    never = maintenance._care(SimpleNamespace(**{**row, "analyzed": None}), Rules())
    assert (never.work, never.why) == (Work.ANALYZE, "never analyzed")


def test_a_piece_and_the_end_are_told_with_what_was_given_back():
    index = Piece(
        Work.REINDEX, "public.i", "80% air", Outcome.DONE, 2.34, 10 * MIB, 2 * MIB
    )
    left = Piece(Work.VACUUM, "public.t", "left out", Outcome.SKIPPED)
    assert _told(index) == "✓ reindex  public.i: 80% air, 10.0 MiB → 2.0 MiB, 2.3 s"
    assert _told(left) == "· vacuum   public.t: left out"
    assert _summary([index, left], 3) == (
        "Vacuumed or analyzed 0, rebuilt 1 (gave back 8.0 MiB), dropped 0, left out 1, "
        "failed 0; 3.0 s."
    )


@pytest.fixture
def stack(tmp_path, monkeypatch):
    platform = FakePlatform(FakeStack(tmp_path))
    platform.database = lambda admin=False: nullcontext("the app's")
    monkeypatch.setattr(ops.stack, "Stack", lambda name: platform.stack)
    monkeypatch.setattr(ops.platforms, "platform_of", lambda stack: platform)
    return platform.stack


def maintain_by(monkeypatch, work, *options: str):
    """Run the command, with other work."""
    monkeypatch.setattr(maintenance, "maintain", work)
    command = ["db", "maintain", "--stack", "staging", *options]
    return CliRunner().invoke(app, command)


def test_a_run_is_audited_and_takes_the_rules_of_the_command_line(stack, monkeypatch):
    rules = []

    def work(address, given, report, progress):
        rules.append((address, given))

    options = ("--bloat", "30%", "--at-least", "1", "--wait", "5", "--all")
    assert maintain_by(monkeypatch, work, *options).exit_code == 0
    wanted = Rules(bloat=0.3, worthwhile=MIB, lock_seconds=5, everything=True)
    assert rules == [("the app's", wanted)]
    (act,) = acts(stack.records, 5)
    assert (act.command, act.outcome) == ("db maintain", "done")


def test_without_options_the_rules_are_those_of_the_weekly_job(stack, monkeypatch):
    rules = []
    done = maintain_by(monkeypatch, lambda _, given, *__: rules.append(given))
    assert (done.exit_code, rules) == (0, [Rules()])


def test_an_interrupted_run_tells_what_was_done(stack, monkeypatch):
    def work(address, given, report, progress):
        report(Piece(Work.VACUUM, "public.t", "5 dead", Outcome.DONE, 1.0))
        raise KeyboardInterrupt

    done = maintain_by(monkeypatch, work)
    assert done.exit_code == 130
    assert "✓ vacuum   public.t: 5 dead, 1.0 s" in done.stderr
    assert "Vacuumed or analyzed 1," in done.stderr
    (act,) = acts(stack.records, 5)
    assert act.outcome == "interrupted"


def test_a_stack_that_somebody_changes_is_left_alone(stack, monkeypatch):
    with Lock(stack.records).held("deploy"):
        done = maintain_by(monkeypatch, lambda *_: pytest.fail("not now"))
    assert done.exit_code == 2
