"""Backups of a real database: what they hold, and what is left when they fail."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.common import Steps
from ops.database import backup as backups
from ops.database.address import Address
from ops.database.exclusive import exclusive
from ops.errors import FailedError
from ops.shelf import DamagedError
from ops.store import FolderStore
from tests.ops.command import Command
from tests.ops.conftest import Server, contents, migrate
from tests.servers import ROOT, eventually

MOST_MIB = 40
"""What a backup of 230 MB may add to the memory of the process that makes it."""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "backups")


@pytest.fixture
def of_small(server: Server, small: Address, tmp_path: Path) -> Command:
    return Command(small, server.admin, tmp_path / "backups")


@pytest.fixture
def of_filled(server: Server, filled: Address, tmp_path: Path) -> Command:
    return Command(filled, server.admin, tmp_path / "backups")


def files(store: FolderStore) -> list[str]:
    return [entry.name for entry in store.entries()]


def leftovers(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.partial"))


def test_a_backup_of_a_million_rows_says_what_it_holds(
    of_filled: Command, filled: Address, store: FolderStore
) -> None:
    ran = of_filled.run("backup")
    (made,) = backups.dumps(store).all()
    assert made.manifest
    assert ran.out.strip() == made.name
    counted = {table: count for table, (count, _) in contents(filled).items()}
    assert made.manifest.contents.tables == counted
    assert sum(counted.values()) > 1_000_000
    assert made.manifest.contents.migrations[-1] == "003_enhanced_logging"
    packed = b"".join(store.read(made.name))
    assert made.manifest.sha256 == hashlib.sha256(packed).hexdigest()
    sql = gzip.decompress(packed)
    assert made.manifest.contents.size == len(sql)
    assert b"\n-- PostgreSQL database dump complete\n" in sql[-300:]
    assert b" OWNER TO " not in sql


def test_a_database_without_an_encoding_is_backed_up_like_any_other(
    server: Server, store: FolderStore
) -> None:
    """SQL_ASCII, where the server's image has no locale: text is bytes to it."""
    without = server.app.to("without_encoding")
    with server.admin.connect() as connection:
        connection.execute(
            f"CREATE DATABASE {without.database} TEMPLATE template0 OWNER "
            f"{without.user} ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    try:
        migrate(without)
        made = backups.back_up(without, store, Steps())
    finally:
        server.drop(without.database)
    assert made.manifest
    assert made.manifest.contents.tables["public.schema_migrations"] == 3


def test_counts_are_of_the_moment_of_the_dump(
    filled: Address, server: Server, store: FolderStore
) -> None:
    """Rows that come meanwhile are neither in the dump nor in its manifest."""
    over = threading.Event()

    def write() -> None:
        with filled.connect() as connection:
            while not over.is_set():
                connection.execute("INSERT INTO event_log (kind) VALUES ('meanwhile')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = backups.back_up(filled, store, Steps())
    finally:
        over.set()
        writer.join()
    assert made.manifest
    sql = gzip.decompress(b"".join(store.read(made.name))).decode()
    rows = sql.partition("COPY public.event_log ")[2].partition("\n\\.\n")[0]
    assert made.manifest.contents.tables["public.event_log"] == rows.count("\n")
    assert contents(filled)["public.event_log"][0] > rows.count("\n")


def test_memory_does_not_grow_with_the_dump(
    filled: Address, tmp_path: Path, server: Server
) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from isal import isal_zlib\n"
        "from ops.database.address import Address\n"
        "from ops.database.backup import back_up\n"
        "from ops.store import FolderStore\n"
        "address = Address.parse(os.environ['DB'])\n"
        "with address.connect(): pass\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "peak = lambda: int(status.read_text().split('VmHWM:')[1].split()[0]) // 1024\n"
        "before = peak()\n"
        "back_up(address, FolderStore(pathlib.Path(sys.argv[1])))\n"
        "print(peak() - before)\n"
    )
    grown = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env={**os.environ, "DB": filled.url, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert int(grown) < MOST_MIB


def test_an_empty_database_is_no_backup(
    server: Server, empty: Address, tmp_path: Path
) -> None:
    ran = Command(empty, server.admin, tmp_path).run("backup", code=2)
    assert "holds no table" in ran.err
    assert files(FolderStore(tmp_path)) == []


def test_a_wrong_password_is_told_without_it(
    server: Server, small: Address, tmp_path: Path
) -> None:
    wrong = replace(small, password="not the password")
    ran = Command(wrong, server.admin, tmp_path).run("backup", code=2)
    assert "password authentication failed" in ran.err
    assert files(FolderStore(tmp_path)) == []


def test_after_a_kill_nothing_is_listed_and_the_next_run_cleans_up(
    of_filled: Command, store: FolderStore, tmp_path: Path
) -> None:
    process = of_filled.start("backup")
    eventually(
        "something was written",
        lambda: any(path.stat().st_size > 10**6 for path in leftovers(tmp_path)),
    )
    process.kill()
    process.communicate()
    assert files(store) == []
    assert leftovers(tmp_path)
    of_filled.run("backup")
    assert len(backups.dumps(store).all()) == 1
    assert leftovers(tmp_path) == []


def test_a_kill_while_it_is_read_back_leaves_a_dump_that_counts_for_nothing(
    of_small: Command, small: Address, store: FolderStore, monkeypatch: Any
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backups, "examine", killed)
        with pytest.raises(KeyboardInterrupt):
            backups.back_up(small, store, Steps())
    (left,) = backups.dumps(store).all()
    assert left.manifest is None
    listed = json.loads(of_small.run("backups", "--json").out)
    assert listed[0]["note"] == "not verified here"
    of_small.run("backups", "--verify", left.name)
    assert backups.dumps(store).find("latest").name == left.name


def test_a_full_disk_leaves_the_old_backups(
    server: Server, filled: Address, small_disk: Path
) -> None:
    store = FolderStore(small_disk)
    store.put("dumps/20260101T000000Z-old.sql.gz", [b"old"])
    ran = Command(filled, server.admin, small_disk).run("backup", code=1)
    assert "No space left on device" in ran.err
    assert files(store) == ["dumps/20260101T000000Z-old.sql.gz"]
    assert leftovers(small_disk) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 16 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_restart_of_the_server_fails_it(
    server: Server, of_filled: Command, store: FolderStore, tmp_path: Path
) -> None:
    process = of_filled.start("backup")
    eventually("it began to write", lambda: bool(leftovers(tmp_path)))
    server.process.restart()
    _, said = process.communicate()
    assert process.returncode == 1, said
    assert "pg_dump failed" in said
    assert files(store) == []


def test_of_two_at_once_one_is_refused(of_small: Command, small: Address) -> None:
    with exclusive(small, f"backup of {small.database}"):
        ran = of_small.run("backup", code=2)
    assert "Somebody else is at it" in ran.err
    of_small.run("backup")


def test_a_place_that_cannot_be_written_to(
    server: Server, small: Address, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = Command(small, server.admin, tmp_path / "file").run("backup", code=1)
    assert "could not be written: Not a directory" in ran.err


def test_what_the_store_gives_back_is_what_counts(
    small: Address, tmp_path: Path
) -> None:
    class Faulty(FolderStore):
        def read(self, name: str) -> Iterator[bytes]:
            content = b"".join(super().read(name))
            yield content[:-20] + bytes(20)

    store = Faulty(tmp_path)
    with pytest.raises(FailedError, match="gives back another file"):
        backups.back_up(small, store, Steps())
    assert files(store) == []


@pytest.mark.parametrize(
    "place", ["dumps/20260301T020000Z-app", "database/app_20260301_020000"]
)
def test_a_dump_of_somebody_else_counts_once_it_was_read(
    small: Address, store: FolderStore, place: str
) -> None:
    sql = subprocess.run(
        ["pg_dump", "--no-password"],
        env=os.environ | small.environment(),
        check=True,
        capture_output=True,
    ).stdout
    store.put(f"{place}.sql.gz", [gzip.compress(sql)])
    (found,) = backups.dumps(store).all()
    assert (found.manifest, found.subject) == (None, "app")
    assert f"{found.at:%Y-%m-%d %H}" == "2026-03-01 02"
    proven = backups.verify(store, found, Steps())
    assert proven.manifest
    assert proven.manifest.contents.schema == 3
    assert proven.manifest.contents.roles == ("app",)
    assert backups.dumps(store).all() == [proven]


def test_the_checksum_of_the_docker_hosts_script_counts(
    of_small: Command, store: FolderStore
) -> None:
    name = of_small.run("backup").out.strip()
    other = "database/stromhaltig_20260301_020000.sql.gz"
    store.put(other, store.read(name))
    store.put(f"{other}.sha256", [f"{'0' * 64}  {other}\n".encode()])
    with pytest.raises(DamagedError, match="SHA-256"):
        backups.verify(store, backups.dumps(store).find(other), Steps())
