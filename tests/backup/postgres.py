"""A PostgreSQL server of its own for a test run, on loopback, with a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tools.servers import which

NOBODY = 65534
"""PostgreSQL does not run as root."""

ROLE = "stromhaltig"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running server. Its superuser has the password that `passfile` holds.

    control: pg_ctl with what it needs to start and stop this one.
    """

    port: int
    passfile: Path
    control: tuple[str | Path, ...]

    def environment(self, database: str) -> dict[str, str]:
        """Variables that lead every PostgreSQL program to a database."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": ROLE,
            "PGDATABASE": database,
            "PGPASSFILE": str(self.passfile),
        }

    def database(self) -> Database:
        """Make an empty database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        Database(self, "postgres").sql(f"CREATE DATABASE {name}")
        return Database(self, name)

    def restart(self) -> None:
        """Stop as a crash would, and start again."""
        _run(_user(), *self.control, "-m", "immediate", "restart")


@dataclass(frozen=True)
class Database:
    """One database of the server."""

    server: Postgres
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead every PostgreSQL program here."""
        return self.server.environment(self.name)

    def sql(self, statements: str) -> str:
        """Run statements; return what they say, a line for each row."""
        done = subprocess.run(
            [*self.psql(), "--tuples-only", "--no-align"],
            check=False,
            input=statements,
            capture_output=True,
            text=True,
            timeout=30,
            env=os.environ | self.environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def psql(self) -> list[str]:
        """The command line of psql, which stops at the first error."""
        return [str(which("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1"]

    def contents(self) -> dict[str, str]:
        """Every row of every table, by table."""
        tables = self.sql(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        ).splitlines()
        return {
            table: self.sql(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
            for table in tables
        }

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let nobody read a table."""
        with subprocess.Popen(
            self.psql(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | self.environment,
        ) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            try:
                lock = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
                session.stdin.write(f"BEGIN;\n{lock};\n\\echo locked\n")
                session.stdin.flush()
                assert session.stdout.readline() == "locked\n"
                yield
            finally:
                session.stdin.close()


@contextmanager
def postgres(
    password: str, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Postgres]:
    """Start a server in a directory of its own; stop and remove it afterwards.

    settings: of postgresql.conf, beside those that tests need.
    """
    user = _user()
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        passfile = directory / "pgpass"
        passfile.write_text(f"127.0.0.1:*:*:{ROLE}:{password}\n")
        passfile.chmod(0o600)
        first = directory / "password"
        first.write_text(password)
        for path in (directory, first):
            os.chown(path, user, -1)
        data = directory / "data"
        _run(
            user,
            *(which("initdb"), "-D", data, "-U", ROLE, "--pwfile", first),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
            "--no-sync",
        )
        port = _free_port()
        all_settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "fsync": "off",
            "unix_socket_directories": str(directory),
            **settings,
        }
        options = " ".join(f"-c {key}={value}" for key, value in all_settings.items())
        control = (
            *(which("pg_ctl"), "-D", data, "-w", "-t", "30"),
            *("-l", directory / "log", "-o", options),
        )
        _run(user, *control, "start")
        try:
            yield Postgres(port=port, passfile=passfile, control=control)
        finally:
            _run(user, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def _user() -> int:
    return NOBODY if os.geteuid() == 0 else os.geteuid()


def _run(user: int, *command: str | Path) -> None:
    subprocess.run(
        command,
        check=True,
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        timeout=60,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
