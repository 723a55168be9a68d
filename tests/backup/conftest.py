"""A real PostgreSQL, and the scripts of the backup containers as they run there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.backup.postgres import Database, Postgres, postgres
from tools.servers import ServerMissingError, provide, which

SCRIPTS = Path(__file__).parents[2] / "components" / "docker"
PASSWORD = "b4ckup-p4ssw0rd"

TABLES = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, made timestamptz);
INSERT INTO users (email, made)
  SELECT 'user' || n || '@example.org', '2026-01-01'::timestamptz + n * interval '1 h'
  FROM generate_series(1, 5000) n;
CREATE TABLE "Odd ""name"" (x)" (key text, value bytea, note text);
INSERT INTO "Odd ""name"" (x)" VALUES
  (E'tab\\tline\\nend', '\\x00ff10', 'Größe ⚡'),
  ('NULL', NULL, '\\N'), ('', '', '\\.');
CREATE SCHEMA quiz;
CREATE TABLE quiz.answers (user_id int REFERENCES users, score numeric(5, 2));
INSERT INTO quiz.answers SELECT id, id % 100 / 7.0 FROM users;
CREATE TABLE empty (id int);
CREATE VIEW best AS SELECT * FROM quiz.answers WHERE score > 10;
"""


@dataclass(frozen=True)
class Running:
    """A script that is running."""

    process: subprocess.Popen[bytes]
    output: IO[str]

    def said(self) -> str:
        """What it wrote until now."""
        self.output.seek(0)
        return self.output.read()

    def stop(self) -> int:
        """Ask it to stop, as `docker stop` does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=5)


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script, the shell and the environment that it runs in."""

    command: tuple[str, ...]
    environment: dict[str, str]

    def __call__(
        self, *arguments: str, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        done = subprocess.run(
            [*self.command, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment | changes,
        )
        assert PASSWORD not in done.stdout + done.stderr
        return done

    @contextmanager
    def started(self, *arguments: str, **changes: str) -> Iterator[Running]:
        """Run it in the background, and end it."""
        # A descriptor each, or reading would move where the script writes.
        with (
            tempfile.NamedTemporaryFile("r") as output,
            Path(output.name).open("wb") as written,
        ):
            process = subprocess.Popen(
                [*self.command, *arguments],
                stdout=written,
                stderr=subprocess.STDOUT,
                env=self.environment | changes,
            )
            try:
                yield Running(process, output)
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(timeout=10)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests."""
    try:
        provide("postgres")
    except ServerMissingError as reason:
        pytest.skip(str(reason))
    with postgres(PASSWORD) as running:
        yield running


@pytest.fixture(scope="session")
def filled(server: Postgres) -> Database:
    """A database with all kinds of tables, which no test changes."""
    database = server.database()
    database.sql(TABLES)
    return database


@pytest.fixture(scope="session", params=["Debian", "Alpine"])
def tools(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """PATH with the tools of a variant of the image: GNU's, or busybox's."""
    directory = tmp_path_factory.mktemp("tools")
    for program in ("bash", "flock"):
        (directory / program).symlink_to(shutil.which(program) or "/nowhere")
    for program in ("pg_dump", "psql"):
        (directory / program).symlink_to(which(program))
    if request.param == "Debian":
        return f"{directory}:{os.defpath}"
    request.getfixturevalue("busybox")(directory)
    return str(directory)


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Puts busybox's tools into a directory, beside those that are there."""
    program = _busybox(tmp_path_factory)
    applets = subprocess.run(
        [program, "--list"], check=True, capture_output=True, text=True
    ).stdout.split()

    def fill(directory: Path) -> None:
        for applet in applets:
            if not (directory / applet).exists():
                (directory / applet).symlink_to(program)

    return fill


def _busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one of this machine, or Debian's, unpacked."""
    if found := shutil.which("busybox"):
        return Path(found)
    directory = tmp_path_factory.mktemp("busybox")
    try:
        subprocess.run(
            ["apt-get", "download", "-qq", "busybox"],
            check=True,
            capture_output=True,
            cwd=directory,
            timeout=120,
        )
        (package,) = directory.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"no busybox, and none to download: {problem}")
    return next(path for path in directory.glob("**/bin/busybox") if path.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Holds `uploads` and `backups`."""
    for name in ("uploads", "backups"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def uploads(place: Path) -> Path:
    """Uploaded files, of every kind that can trip a shell script."""
    directory = place / "uploads"
    (directory / "2026" / "empty").mkdir(parents=True)
    (directory / "2026" / "report.pdf").write_bytes(os.urandom(300_000))
    for name in ("-rf", "two\nlines", "a 'b' \"c\" $d", "Größe ⚡.txt", ".hidden"):
        (directory / name).write_text(name)
    (directory / "link").symlink_to("2026/report.pdf")
    return directory


@pytest.fixture
def make_backup(place: Path, tools: str) -> Callable[[Database], Script]:
    """Make the backup script for a database, as its container would run it."""

    def make(database: Database) -> Script:
        return Script(
            command=("bash", str(SCRIPTS / "backup.sh")),
            environment={
                **database.environment,
                "PATH": tools,
                "BACKUP_DIR": str(place / "backups"),
                "UPLOAD_DIR": str(place / "uploads"),
            },
        )

    return make


@pytest.fixture
def backup(make_backup: Callable[[Database], Script], filled: Database) -> Script:
    """The backup script, for the database that is filled."""
    return make_backup(filled)
