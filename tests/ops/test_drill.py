"""Drills on a real database: what they find, how they end, and what they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.common import Steps
from ops.database import backup as backups
from ops.database.address import Address
from ops.database.drill import drill_server
from ops.store import FolderStore
from tests.ops.command import Command
from tests.ops.conftest import Server
from tests.servers import APP, eventually, node

WELL = """
import http.server, os, sys
assert os.environ["DATABASE_URL"].startswith("postgresql://")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Health).serve_forever()
"""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "backups")


@pytest.fixture
def of_small(server: Server, small: Address, tmp_path: Path) -> Iterator[Command]:
    """The command for a small database with a backup; a drill leaves nothing."""
    command = Command(small, server.admin, tmp_path / "backups")
    command.run("backup")
    before = server.names()
    yield command
    assert server.names() == before


def result(command: Command, *arguments: str, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        command.run("drill", "--json", *arguments, code=code).out
    )
    return told


def test_a_drill_of_a_million_rows_tells_time_and_age(
    server: Server, filled: Address, tmp_path: Path
) -> None:
    command = Command(filled, server.admin, tmp_path)
    name = command.run("backup").out.strip()
    before = server.names()
    told = result(command, "--max-age", "1", "--max-seconds", "100")
    assert told["backup"] == name
    assert told["rows"] > 1_000_000
    assert (told["tables"], told["schema"]) == (7, 3)
    assert 0 < told["seconds"] < 100
    assert 0 < told["age"] < 3600
    assert told["problems"] == []
    assert server.names() == before


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (("--max-age", "0.000001"), "h old, and may be"),
        (("--max-seconds", "0.001"), "it took"),
    ],
)
def test_beyond_a_limit_it_fails(
    of_small: Command, limit: tuple[str, str], says: str
) -> None:
    told = result(of_small, *limit, code=1)
    assert says in told["problems"][0]


def test_a_damaged_backup_fails_it(of_small: Command, store: FolderStore) -> None:
    (made,) = backups.dumps(store).all()
    store.put(made.name, [b"".join(store.read(made.name))[:-100]])
    told = result(of_small, code=1)
    assert "is damaged" in told["problems"][0]


def test_without_a_backup_it_cannot_begin(
    server: Server, small: Address, tmp_path: Path
) -> None:
    ran = Command(small, server.admin, tmp_path).run("drill", code=2)
    assert "stromhaltig db backup" in ran.err


def test_rows_that_do_not_come_back_fail_it(
    server: Server, small: Address, tmp_path: Path
) -> None:
    """A trigger that makes rows while a dump is loaded: it restores something else."""
    with small.connect() as connection:
        connection.execute("CREATE TABLE marks (id int)")
        connection.execute(
            "CREATE FUNCTION quiz_answer(integer) RETURNS integer LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO public.marks VALUES ($1); RETURN $1; END $$"
        )
        connection.execute("CREATE INDEX marking ON quizzes (id) WHERE id IS NOT NULL")
        connection.execute(
            "ALTER TABLE users ADD CHECK (quiz_answer(length(email)) > 0)"
        )
        connection.execute("INSERT INTO users (email, password_hash) VALUES ('a', 'b')")
    command = Command(small, server.admin, tmp_path)
    command.run("backup")
    told = result(command, code=1)
    assert "public.marks" in told["problems"][0]


def test_on_a_server_of_this_machine_that_is_gone_afterwards(
    of_small: Command, small: Address, server: Server
) -> None:
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS auditor")
        connection.execute("CREATE ROLE auditor")
    try:
        with small.connect() as connection:
            connection.execute("GRANT SELECT ON users TO auditor")
        of_small.run("backup")
        told = result(of_small, "--scratch", "local")
    finally:
        with server.as_admin(small).connect() as connection:
            connection.execute("DROP OWNED BY auditor")
            connection.execute("DROP ROLE auditor")
    assert told["problems"] == []
    listed = subprocess.run(["ps", "-ef"], capture_output=True, text=True).stdout
    assert "stromhaltig-drill-" not in listed


def test_on_another_server_by_its_address(
    server: Server, of_small: Command, empty: Address
) -> None:
    command = Command(
        of_small.database,
        of_small.admin,
        of_small.store,
        {"SCRATCH": server.as_admin(empty).url},
    )
    assert result(command, "--scratch-env", "SCRATCH")["problems"] == []


def test_what_a_killed_drill_left_goes_with_the_next(
    server: Server, filled: Address, tmp_path: Path
) -> None:
    command = Command(filled, server.admin, tmp_path)
    command.run("backup")

    def left() -> list[str]:
        prefix = f"{filled.database}_drill_"
        return [name for name in server.names() if name.startswith(prefix)]

    process = command.start("drill")
    eventually("it is loading", lambda: bool(left()))
    process.kill()
    process.communicate()
    assert left()
    ran = command.run("drill")
    assert "was left by a run that was killed" in ran.err
    assert left() == []


def test_the_app_is_asked_for_its_health(of_small: Command, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(WELL)
    told = result(of_small, "--app", f"{sys.executable} {script}")
    assert told["checks"][-1] == "the app is well with it: /api/health HTTP 200"


def test_an_app_that_ends_fails_it_with_its_last_words(
    of_small: Command, tmp_path: Path
) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import os, sys; sys.exit('no table users at ' + os.environ['DATABASE_URL'])"
    )
    told = result(of_small, "--app", f"{sys.executable} {script}", code=1)
    assert "no table users at [secret]" in told["problems"][0]


def test_an_app_that_cannot_be_started(of_small: Command) -> None:
    ran = of_small.run("drill", "--app", "/no/such/app", code=2)
    assert "it cannot be started" in ran.err


def test_the_reference_app_is_well_with_it(of_small: Command) -> None:
    told = result(of_small, "--app", f"{node()} {APP / 'dist' / 'main.js'}")
    assert told["problems"] == []
    assert told["checks"][-1].endswith("/api/health HTTP 200")


def test_a_server_that_the_platform_made_is_looked_at(small: Address) -> None:
    at = datetime.now(UTC) - timedelta(hours=2)
    told = drill_server("snapshot-1", at, small, 600.0, Steps())
    assert told.passed
    assert told.seconds > 600
    assert told.age > 7199


def test_a_server_without_the_apps_tables_fails_it(empty: Address) -> None:
    told = drill_server("snapshot-1", datetime.now(UTC), empty, 1.0, Steps())
    assert not told.passed
    assert "is it the app's database?" in told.problems[0]
