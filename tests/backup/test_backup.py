"""backup.sh against a real PostgreSQL: what it makes can be restored, and stays."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.backup.conftest import Script
from tests.backup.postgres import Database, Postgres

pytestmark = pytest.mark.slow

DUMP = re.compile(r"stromhaltig_\d{8}_\d{6}\.sql\.gz")
ARCHIVE = re.compile(r"uploads_\d{8}_\d{6}\.tar\.gz")


def _dumps(place: Path) -> list[Path]:
    return _finished(place / "backups" / "database")


def _archives(place: Path) -> list[Path]:
    return _finished(place / "backups" / "files")


def _finished(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.gz"))


def _leftovers(place: Path) -> list[Path]:
    """What is neither a backup nor what belongs to one."""
    return [
        path
        for path in (place / "backups").glob("*/*")
        if not re.fullmatch(r"[a-z]+_\d{8}_\d{6}\.(sql|tar)\.gz(\.sha256)?", path.name)
    ]


def _aged(path: Path, days: float) -> Path:
    """A copy of a backup, as if it had been made days ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    name = re.sub(r"\d{8}_\d{6}", moment.strftime("%Y%m%d_%H%M%S"), path.name)
    copy = path.with_name(name)
    shutil.copy(path, copy)
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    copy.with_name(f"{name}.sha256").write_text(f"{digest}  {name}\n")
    for file in (copy, copy.with_name(f"{name}.sha256")):
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    return copy


def _tree(directory: Path) -> dict[str, bytes | str | None]:
    """Every path with its bytes, a link's target, or nothing for a directory."""

    def content(path: Path) -> bytes | str | None:
        if path.is_symlink():
            return str(path.readlink())
        return path.read_bytes() if path.is_file() else None

    return {
        str(path.relative_to(directory)): content(path) for path in directory.rglob("*")
    }


def _pretend(place: Path, tools: str, program: str, script: str) -> str:
    """PATH on which a program is another; `{real}` is the true one."""
    directory = place / "bin"
    directory.mkdir()
    liar = directory / program
    real = shutil.which(program, path=tools)
    liar.write_text(f"#!/bin/sh\n{script.format(real=real)}\n")
    liar.chmod(0o755)
    return f"{directory}:{tools}"


def _eventually(true: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def reachable(server: Postgres, filled: Database) -> Iterator[Callable[[bool], None]]:
    """Lets the filled database be reached, or not."""

    def allow(yes: bool) -> None:
        word = "true" if yes else "false"
        Database(server, "postgres").sql(
            f"ALTER DATABASE {filled.name} ALLOW_CONNECTIONS {word}"
        )

    yield allow
    allow(True)


def test_it_makes_a_dump_and_an_archive_that_nobody_else_reads(
    backup: Script, place: Path, uploads: Path
) -> None:
    done = backup("once")
    assert done.returncode == 0, done.stderr
    (dump,), (archive,) = _dumps(place), _archives(place)
    assert DUMP.fullmatch(dump.name)
    assert ARCHIVE.fullmatch(archive.name)
    for file in (dump, archive):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        checksum = file.with_name(f"{file.name}.sha256").read_text()
        assert checksum == f"{digest}  {file.name}\n"
        assert f"made {file.name}, {file.stat().st_size} bytes" in done.stdout
    assert _leftovers(place) == []


def test_a_dump_restores_into_a_fresh_database_row_by_row(
    backup: Script, place: Path, filled: Database, server: Postgres
) -> None:
    assert backup("once").returncode == 0
    (dump,) = _dumps(place)
    fresh = server.database()
    subprocess.run(
        fresh.psql(),
        check=True,
        input=gzip.decompress(dump.read_bytes()),
        stdout=subprocess.DEVNULL,
        env=os.environ | fresh.environment,
    )
    assert fresh.contents() == filled.contents()
    assert len(fresh.contents()["public.users"].splitlines()) == 5000
    # Sequences go on where they were.
    assert fresh.sql("INSERT INTO users DEFAULT VALUES RETURNING id") == "5001"


def test_an_archive_unpacks_to_the_same_bytes(
    backup: Script, place: Path, uploads: Path
) -> None:
    assert backup("once").returncode == 0
    (archive,) = _archives(place)
    restored = place / "restored"
    restored.mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", restored], check=True)
    assert _tree(restored) == _tree(uploads)
    assert len(_tree(restored)) == 9


def test_no_uploads_yet_is_no_failure(backup: Script, place: Path) -> None:
    assert backup("once").returncode == 0
    assert backup("verify", f"files/{_archives(place)[0].name}").returncode == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"PGDATABASE": "nowhere"}, 'database "nowhere" does not exist'),
        ({"PGPORT": "1"}, "does not answer"),
        ({"PGPASSFILE": "/dev/null"}, "does not answer"),
    ],
)
def test_a_database_that_does_not_answer_leaves_nothing_half_done(
    backup: Script, place: Path, change: dict[str, str], says: str
) -> None:
    done = backup("once", **change)
    assert done.returncode == 1
    assert says in done.stderr
    assert _dumps(place) == []
    assert _leftovers(place) == []
    # One failure does not cost the other backup.
    assert len(_archives(place)) == 1


def test_an_empty_database_is_no_backup(
    make_backup: Callable[[Database], Script], server: Postgres, place: Path
) -> None:
    done = make_backup(server.database())("once")
    assert done.returncode == 1
    assert "holds no table. Did the migrations run?" in done.stderr
    assert _dumps(place) == []


@pytest.mark.parametrize(
    ("pretend", "says"),
    [
        ('{real} "$@" --exclude-table=users', "it lacks the table public.users"),
        ('{real} "$@" | head -c 20000', "it does not come to an end"),
        ('{real} "$@" --schema-only', "it lacks the table"),
        ("true", "it does not come to an end"),
        ('{real} "$@"; exit 1', "pg_dump failed"),
    ],
)
def test_a_dump_that_is_not_whole_never_gets_its_name(
    backup: Script, place: Path, tools: str, pretend: str, says: str
) -> None:
    done = backup("once", PATH=_pretend(place, tools, "pg_dump", pretend))
    assert done.returncode == 1
    assert says in done.stderr
    assert _dumps(place) == []
    assert _leftovers(place) == []


def test_a_database_lost_in_the_middle_keeps_the_old_dump(
    backup: Script, place: Path, filled: Database
) -> None:
    assert backup("once").returncode == 0
    old = _dumps(place)
    with filled.locked("users"), backup.started("once") as running:
        waiting = "FROM pg_stat_activity WHERE application_name = 'pg_dump'"
        _eventually(lambda: filled.sql(f"SELECT 1 {waiting}"))
        filled.sql(f"SELECT pg_terminate_backend(pid) {waiting}")
        assert running.process.wait(timeout=15) == 1
    assert _dumps(place) == old
    assert _leftovers(place) == []


def test_uploads_that_cannot_be_read_are_no_backup(
    backup: Script, place: Path, uploads: Path
) -> None:
    done = backup("once", UPLOAD_DIR=str(place / "nowhere"))
    assert done.returncode == 1
    assert f"UPLOAD_DIR: there is no directory {place}/nowhere" in done.stderr
    assert _archives(place) == []


def test_files_that_are_left_out_of_the_archive_are_missed(
    backup: Script, place: Path, tools: str, uploads: Path
) -> None:
    less = '[ "$1" = -tvf ] || set -- "$1" "$2" "$3" "$4" ./2026; {real} "$@"'
    done = backup("once", PATH=_pretend(place, tools, "tar", less))
    assert done.returncode == 1
    assert f"the archive holds 1 files, and {uploads} 7" in done.stderr
    assert _archives(place) == []
    assert _leftovers(place) == []


def test_old_backups_go_once_there_is_a_newer_one(
    backup: Script, place: Path, uploads: Path
) -> None:
    assert backup("once").returncode == 0
    (dump,), (archive,) = _dumps(place), _archives(place)
    kept = [dump, archive, _aged(dump, 29.9), _aged(archive, 6.9)]
    gone = [_aged(dump, 30.1), _aged(dump, 400), _aged(archive, 7.1)]
    foreign = dump.with_name("stromhaltig_20200101_000000.sql.gz")
    foreign.write_text("never finished: it has no checksum")
    time.sleep(1.1)  # the next backup's name is another
    done = backup("once")
    assert done.returncode == 0, done.stderr
    for file in (*kept, foreign):
        assert file.exists(), file
    for file in gone:
        assert not file.exists()
        assert not file.with_name(f"{file.name}.sha256").exists()
        assert f"removed {file.name}" in done.stdout


def test_without_a_newer_one_the_last_good_backup_stays(
    backup: Script, place: Path, uploads: Path
) -> None:
    assert backup("once").returncode == 0
    (dump,) = _dumps(place)
    old = _aged(dump, 100)
    dump.unlink()
    assert backup("once", PGDATABASE="nowhere").returncode == 1
    assert old.exists()


def test_what_was_not_copied_elsewhere_stays(backup: Script, place: Path) -> None:
    assert backup("once", OFFSITE="true").returncode == 0
    (dump,) = _dumps(place)
    copied, only_here = _aged(dump, 40), _aged(dump, 50)
    # `stromhaltig db backups --verify` has left a manifest.
    for ending in ("uploaded", "manifest.json"):
        copied.with_name(f"{copied.name}.{ending}").touch()
    time.sleep(1.1)
    done = backup("once", OFFSITE="true")
    assert done.returncode == 0
    assert list(copied.parent.glob(f"{copied.name}*")) == []
    assert only_here.exists()
    assert f"kept {only_here.name}, which is older than 30 days" in done.stdout


def test_too_little_room_is_refused_and_old_backups_stay(
    backup: Script, place: Path
) -> None:
    assert backup("once").returncode == 0
    old = _aged(_dumps(place)[0], 100)
    before = _dumps(place)
    done = backup("once", RESERVE_MB="900000000")
    assert done.returncode == 1
    assert "no room for a backup of database" in done.stderr
    assert "no room for a backup of files" in done.stderr
    assert _dumps(place) == before
    assert old in before


def test_a_backup_that_was_damaged_later_does_not_verify(
    backup: Script, place: Path, uploads: Path
) -> None:
    assert backup("once").returncode == 0
    for file in (*_dumps(place), *_archives(place)):
        name = f"{file.parent.name}/{file.name}"
        whole = backup("verify", name)
        assert (whole.returncode, whole.stdout) == (0, f"backup: {name} is whole\n")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        damaged = backup("verify", name)
        assert damaged.returncode == 1
        assert "it is damaged" in damaged.stderr
        # Even with a checksum that fits: the content is read to its end.
        checksum = file.with_name(f"{file.name}.sha256")
        short = file.read_bytes()[:1000]
        file.write_bytes(short)
        checksum.write_text(f"{hashlib.sha256(short).hexdigest()}  {file.name}\n")
        assert backup("verify", name).returncode == 1
        checksum.unlink()
        assert "it was never finished" in backup("verify", name).stderr
    assert "there is no such file" in backup("verify", "files/nothing").stderr
    assert "which file?" in backup("verify").stderr


def test_the_list_tells_what_is_where(backup: Script, place: Path) -> None:
    assert backup("list").stdout == ""
    assert backup("once").returncode == 0
    (dump,), (archive,) = _dumps(place), _archives(place)
    dump.with_name(f"{dump.name}.uploaded").touch()
    assert backup("list").stdout.splitlines() == [
        f"database/{dump.name}\t{dump.stat().st_size} bytes\tuploaded",
        f"files/{archive.name}\t{archive.stat().st_size} bytes\there",
    ]


def test_health_needs_a_backup_of_the_last_day_or_a_young_container(
    backup: Script, place: Path
) -> None:
    status = backup("status")
    assert status.returncode == 1
    assert "no backup of the last 26 hours: database files" in status.stderr
    started = place / "backups" / ".started"
    started.touch()
    assert backup("status").returncode == 0
    os.utime(started, (time.time() - 3700,) * 2)
    assert backup("status").returncode == 1
    assert backup("once").returncode == 0
    assert backup("status").returncode == 0
    (archive,) = _archives(place)
    os.utime(archive, (time.time() - 27 * 3600,) * 2)
    status = backup("status")
    assert status.returncode == 1
    assert status.stderr == "backup: no backup of the last 26 hours: files\n"


def test_it_starts_with_a_backup_waits_for_the_next_and_ends_when_told(
    backup: Script, place: Path
) -> None:
    due = datetime.now(UTC) + timedelta(hours=5)
    at = due.strftime("%H:%M")
    with backup.started("run", BACKUP_TIME=at) as running:
        _eventually(lambda: "next backup in" in running.said())
        seconds = int(re.findall(r"next backup in (\d+) s", running.said())[0])
        until = due.replace(second=0) - datetime.now(UTC)
        assert abs(seconds - until.total_seconds()) < 20
        began = time.monotonic()
        assert running.stop() == 143
        assert time.monotonic() - began < 2
    made = _dumps(place)
    assert len(made) == 1
    # Started again it has nothing to make up for.
    with backup.started("run", BACKUP_TIME=at) as running:
        _eventually(lambda: "next backup in" in running.said())
    assert _dumps(place) == made


def test_it_makes_a_backup_when_its_time_has_come(
    backup: Script, place: Path, tools: str
) -> None:
    assert backup("once").returncode == 0
    now = datetime.now(UTC)
    due = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    ahead = max(0, int((due - now).total_seconds()) - 2)
    path = _pretend(
        place, tools, "date", f'{{real}} -d "@$(($({{real}} +%s) + {ahead}))" "$@"'
    )
    with backup.started("run", PATH=path, BACKUP_TIME=due.strftime("%H:%M")) as running:
        _eventually(lambda: len(_dumps(place)) == 2)
        _eventually(lambda: re.search(r"next backup in 86[34]\d\d s", running.said()))


def test_told_to_end_in_the_middle_of_a_dump_it_leaves_nothing(
    backup: Script, place: Path, filled: Database
) -> None:
    with filled.locked("users"), backup.started("run") as running:
        _eventually(lambda: list((place / "backups").glob("*/.partial*")))
        began = time.monotonic()
        assert running.stop() == 143
        assert time.monotonic() - began < 3
    assert _dumps(place) == []
    assert _leftovers(place) == []
    _eventually(
        lambda: (
            not filled.sql(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_dump'"
            )
        )
    )


def test_it_survives_a_failure_and_repeats_only_what_failed(
    backup: Script, place: Path, reachable: Callable[[bool], None]
) -> None:
    reachable(False)
    with backup.started("run", RETRY_SECONDS="1") as running:
        _eventually(lambda: running.said().count("failed: database") >= 2)
        assert _dumps(place) == []
        reachable(True)
        _eventually(lambda: _dumps(place))
        _eventually(lambda: re.search(r"next backup in \d{2,} s", running.said()))
    assert len(_archives(place)) == 1


def test_two_at_once_do_not_get_into_each_others_way(
    backup: Script, place: Path, filled: Database
) -> None:
    with filled.locked("users"), backup.started("once") as running:
        _eventually(lambda: list((place / "backups").glob("*/.partial*")))
        second = backup("once")
        assert second.returncode == 1
        assert "another backup is being made" in second.stderr
        assert running.process.poll() is None
        assert list((place / "backups").glob("*/.partial*"))


def test_what_a_killed_backup_left_is_cleared_away(backup: Script, place: Path) -> None:
    with_rest = place / "backups" / "database" / ".partial.data"
    with_rest.parent.mkdir()
    with_rest.write_bytes(b"half a dump")
    assert backup("once").returncode == 0
    assert _leftovers(place) == []


def test_every_bad_setting_is_named_at_once(backup: Script, place: Path) -> None:
    done = backup(
        "run",
        PGHOST="",
        BACKUP_TIME="24:00",
        DATABASE_DAYS="0",
        UPLOADS_DAYS="a week",
        OFFSITE="yes",
        PGPASSFILE="/nowhere",
        BACKUP_DIR="/proc/backups",
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "backup: cannot start:",
        "PGHOST is not set",
        'DATABASE_DAYS: "0" is no number from 1',
        'UPLOADS_DAYS: "a week" is no number from 1',
        'BACKUP_TIME: "24:00" is no time of day like 02:30',
        'OFFSITE: "yes" is neither true nor false',
        "PGPASSFILE: /nowhere cannot be read",
        "BACKUP_DIR: /proc/backups cannot be written to",
    ]


@pytest.mark.parametrize("arguments", [(), ("restore",)])
def test_an_unknown_command_is_refused(
    backup: Script, arguments: tuple[str, ...]
) -> None:
    done = backup(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: backup.sh ")
