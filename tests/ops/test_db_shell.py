"""psql through `stromhaltig db shell`, as a process and at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ops.database.address import Address
from tests.ops.conftest import rows
from tests.servers import ROOT, eventually

COMMAND = (
    *(sys.executable, "-m", "ops.cli", "db", "shell"),
    *("--address-env", "TEST_DATABASE"),
)


def environment(database: Address, **more: str) -> dict[str, str]:
    return {**os.environ, "TEST_DATABASE": database.url, **more}


def run(database: Address, text: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(database, **more),
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_sql_of_standard_input_is_run(small):
    done = run(small, "SELECT title FROM quizzes;\n")
    assert done.returncode == 0
    assert "Dynamische Stromtarife" in done.stdout


def test_the_first_error_of_a_script_stops_it(small):
    done = run(small, "SELECT 1 / 0;\nDROP TABLE event_log;\n")
    assert done.returncode == 3
    assert "division by zero" in done.stderr
    assert rows(small, "SELECT to_regclass('event_log') IS NOT NULL") == [(True,)]


def test_it_is_not_led_to_another_server_by_what_else_is_set(small):
    done = run(
        small, "SELECT 1;", PGHOSTADDR="192.0.2.1", PGSERVICE="none", PGOPTIONS="-x"
    )
    assert done.returncode == 0, done.stderr


def test_a_wrong_password_is_refused_and_not_shown(small):
    done = run(small.login(small.user, "wr0ng"), "SELECT 1;")
    assert done.returncode == 2
    assert "password authentication failed" in done.stderr
    assert "wr0ng" not in done.stdout + done.stderr


class Terminal:
    """The command at a terminal of its own."""

    def __init__(self, database: Address) -> None:
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            env = environment(database, PAGER="cat", TERM="dumb")
            os.execve(COMMAND[0], COMMAND, env)  # noqa: S606 - as meant
        os.set_blocking(self._handle, False)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._handle, text.encode())

    def shows(self, text: str) -> bool:
        # Nothing new, or the end.
        with suppress(OSError):
            self.seen += os.read(self._handle, 65536).decode(errors="replace")
        return text in self.seen

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Hang up: whoever still runs there is ended by that."""
        os.close(self._handle)


@pytest.fixture
def terminal(small: Address) -> Iterator[Terminal]:
    terminal = Terminal(small)
    prompt = f"{small.database}=>"
    eventually("psql is ready", lambda: terminal.shows(prompt))
    yield terminal
    terminal.close()


def test_ctrl_c_ends_the_query_and_not_the_shell(small, terminal):
    terminal.type("SELECT pg_sleep(60);\n")
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60);'"
    eventually("the query runs", lambda: bool(rows(small, sleeping)))
    arguments = [
        path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for path in Path("/proc").glob("[0-9]*/cmdline")
    ]
    assert any("psql" in line for line in arguments)
    assert not any(small.password in line for line in arguments)
    terminal.type("\x03")
    eventually("it is cancelled", lambda: terminal.shows("canceling statement due"))
    terminal.type("SELECT 'still ' || 'here';\n")
    eventually("it goes on", lambda: terminal.shows("still here"))
    terminal.type("\\q\n")
    assert terminal.wait() == 0
