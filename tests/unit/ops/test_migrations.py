"""What an image says of its migrations, as commands understand it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from contract import APP
from ops.database import migrations
from ops.database.migrations import LocalApp
from ops.errors import FailedError, OpsError
from ops.platforms.platform import Ended
from tests.unit.ops.fakes import migration_status

ANSWER = json.dumps(
    {
        "migrations": [
            {
                "version": 1,
                "name": "001_initial_schema",
                "state": "applied",
                "appliedAt": "2026-11-29T20:00:00.123Z",
                "reversible": True,
            },
            {
                "version": 2,
                "name": "002_quiz_system",
                "state": "pending",
                "appliedAt": None,
                "reversible": False,
            },
        ]
    }
)


@dataclass
class Container:
    """Runs every command to the same end."""

    ended: Ended
    ran: list[tuple[tuple[str, ...], str | None]] = field(default_factory=list)

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        self.ran.append((tuple(command), image))
        return self.ended


def test_the_status_is_read_among_other_lines():
    container = Container(Ended(2, ("> npm", "[1]", ANSWER, '{"level":"warn"}')))
    found = migrations.status(container, image="app@sha256:b")
    assert container.ran == [(migrations.STATUS, "app@sha256:b")]
    assert (found.version, found.newest) == ("001", "002")
    assert found.pending == ("002_quiz_system",)
    assert found.irreversible == ("002_quiz_system",)
    assert found.migrations[0].applied_at is not None


@pytest.mark.parametrize(
    "lines",
    [(), ("Usage: migrate up",), ('{"migrations": [{}]}',), ('{"migrations": 1}',)],
)
def test_an_answer_that_is_none_is_shown(lines):
    with pytest.raises(FailedError, match="did not answer with migrations") as failure:
        migrations.status(Container(Ended(0, lines)))
    assert all(line in str(failure.value) for line in lines)


def test_what_the_app_finds_wrong_is_told():
    container = Container(Ended(1, ("002.sql: was changed after it was applied",)))
    with pytest.raises(FailedError, match="was changed after it was applied"):
        migrations.status(container)


def test_what_is_known_and_applied_are_apart():
    ahead = migration_status(applied=["001_a", "002_b"], unknown=["003_newer"])
    assert (ahead.version, ahead.newest) == ("003", "002")
    assert (ahead.pending, ahead.unknown) == ((), ("003_newer",))
    empty = migration_status()
    assert (empty.version, empty.newest) == ("000", "000")


def test_what_a_rollback_undoes_is_the_newest_first():
    found = migration_status(applied=["001_a", "002_b", "003_c"], pending=["004_d"])
    assert [m.name for m in found.undone_by("001")] == ["003_c", "002_b"]
    assert found.undone_by("003") == ()


def test_commands_are_those_of_the_app():
    container = Container(Ended(0, ("The database is at version 003",)))
    assert migrations.migrate(container, "app@sha256:b").lines
    migrations.rollback(container, "002")
    assert container.ran == [
        (APP.migrate_command, "app@sha256:b"),
        ((*migrations.ROLLBACK, "--", "--to", "002"), None),
    ]


def test_a_migration_that_fails_tells_the_place_and_what_is_true():
    said = ("004.sql:3:13: no such table", "Rolled back; still at version 003")
    with pytest.raises(FailedError) as failure:
        migrations.migrate(Container(Ended(1, said)))
    assert "exit code 1" in str(failure.value)
    assert all(line in str(failure.value) for line in said)


def test_an_image_needs_a_platform():
    with pytest.raises(OpsError, match="give --stack instead"):
        LocalApp("postgresql://h/d").one_off(["npm"], image="app@sha256:b")


def test_an_app_that_is_not_built_says_how(tmp_path):
    with pytest.raises(OpsError, match="run build:server"):
        LocalApp("postgresql://h/d", tmp_path).one_off(["sh"])


def test_a_machine_without_node_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match=r"no npm on PATH\. Install Node"):
        LocalApp("postgresql://h/d").one_off(["npm"])
