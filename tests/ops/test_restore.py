"""Restores of a real database: identical, swapped at once, and safe when they fail."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ops.common import Steps
from ops.database import backup as backups
from ops.database import restore as restores
from ops.database import swap as swaps
from ops.database.address import Address
from ops.database.databases import Destination
from ops.database.exclusive import exclusive
from ops.errors import FailedError, OpsError
from ops.store import FolderStore
from tests.ops.command import Command
from tests.ops.conftest import Server, contents, rows
from tests.servers import NOBODY, eventually


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "backups")


@pytest.fixture
def of_small(server: Server, small: Address, tmp_path: Path) -> Command:
    """The command for a small database with a backup."""
    command = Command(small, server.admin, tmp_path / "backups")
    command.run("backup")
    return command


@pytest.fixture
def of_filled(server: Server, filled: Address, tmp_path: Path) -> Command:
    """The command for a big database with a backup."""
    command = Command(filled, server.admin, tmp_path / "backups")
    command.run("backup")
    return command


def replacing(command: Command) -> tuple[str, str]:
    return "--yes-replace", command.database.database


def kin(server: Server, database: Address) -> dict[str, str]:
    """Databases made of one, by what they are."""
    prefix = f"{database.database}_"
    made = (name for name in server.names() if name.startswith(prefix))
    return {name.removeprefix(prefix).partition("_")[0]: name for name in made}


def test_what_was_backed_up_comes_back_identical(
    server: Server, of_filled: Command, filled: Address
) -> None:
    before = contents(filled)
    with filled.connect() as connection:
        connection.execute("DELETE FROM event_log WHERE id % 2 = 0")
        connection.execute("DROP TABLE quiz_results")
    after = contents(filled)
    ran = of_filled.run("restore", "latest", *replacing(of_filled))
    assert contents(filled) == before
    kept = kin(server, filled)
    assert set(kept) == {"before"}
    assert kept["before"] in ran.out
    assert contents(filled.to(kept["before"])) == after
    # The app goes on where it was: its role owns all, and numbers count on.
    with filled.connect() as connection:
        new = connection.execute(
            "INSERT INTO event_log (kind) VALUES ('after') RETURNING id"
        ).fetchone()
        connection.execute("ALTER TABLE users ADD COLUMN more text")
    assert new == (1_000_001,)


def test_what_a_dump_leaves_out_is_taken_over(
    server: Server, of_small: Command, small: Address
) -> None:
    name = small.database
    with server.admin.connect() as connection:
        for statement in (
            "DROP ROLE IF EXISTS reader",
            "CREATE ROLE reader",
            f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
            f'GRANT CONNECT ON DATABASE "{name}" TO reader',
            f'ALTER DATABASE "{name}" CONNECTION LIMIT 50',
            f'ALTER DATABASE "{name}" SET search_path TO public, "$user"',
            f"ALTER ROLE app IN DATABASE \"{name}\" SET work_mem TO '7MB'",
        ):
            connection.execute(statement)
    about = (
        "SELECT d.datacl::text, d.datconnlimit, d.datdba::regrole::text, "
        "pg_encoding_to_char(d.encoding), d.datcollate, (SELECT "
        "array_agg((s.setrole, s.setconfig)::text ORDER BY 1) FROM "
        "pg_db_role_setting s WHERE s.setdatabase = d.oid) "
        "FROM pg_database d WHERE datname = current_database()"
    )
    before = rows(server.as_admin(small), about)
    of_small.run("restore", "latest", *replacing(of_small))
    assert kin(server, small)
    assert rows(server.as_admin(small), about) == before


def test_a_login_that_acts_as_the_owner_restores_as_the_owner(
    server: Server, of_small: Command, small: Address
) -> None:
    """As after a rotation of the password: logins take turns, and own nothing."""
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS app_a")
        connection.execute("CREATE ROLE app_a LOGIN PASSWORD 'rotated' IN ROLE app")
        connection.execute("ALTER ROLE app_a SET role = app")
        connection.execute(
            f'ALTER ROLE app_a IN DATABASE "{small.database}" SET role = app'
        )
    owners = (
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace UNION "
        "SELECT pg_get_userbyid(datdba) FROM pg_database "
        "WHERE datname = current_database()"
    )
    rotated = Command(small.login("app_a", "rotated"), server.admin, of_small.store)
    rotated.run("backup")
    rotated.run("restore", "latest", *replacing(rotated))
    assert rows(server.as_admin(small), owners) == [("app",)]
    server.drop(small.database)
    rotated.run("restore", "latest")
    assert rows(server.as_admin(small), owners) == [("app",)]


def test_privileges_of_others_come_back(
    server: Server, small: Address, tmp_path: Path
) -> None:
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS reporting")
        connection.execute("CREATE ROLE reporting")
    with small.connect() as connection:
        connection.execute("GRANT SELECT ON users TO reporting")
    command = Command(small, server.admin, tmp_path)
    command.run("backup")
    command.run("restore", "latest", *replacing(command))
    granted = "SELECT has_table_privilege('reporting', 'users', 'SELECT')"
    assert rows(small, granted) == [(True,)]
    with small.connect() as connection:
        connection.execute("REVOKE ALL ON users FROM reporting")
    with small.to(kin(server, small)["before"]).connect() as connection:
        connection.execute("REVOKE ALL ON users FROM reporting")
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE reporting")
    ran = command.run("restore", "latest", *replacing(command), code=2)
    assert 'CREATE ROLE "reporting" NOLOGIN' in ran.err


def test_without_a_terminal_it_wants_the_name_in_advance(
    server: Server, of_small: Command, small: Address
) -> None:
    ran = of_small.run("restore", "latest", code=2)
    assert f"--yes-replace {small.database}" in ran.err
    ran = of_small.run("restore", "latest", "--yes-replace", "another", code=2)
    assert "Nothing was done" in ran.err
    assert kin(server, small) == {}


def test_at_a_terminal_the_name_is_typed(
    server: Server, of_small: Command, small: Address
) -> None:
    assert of_small.answer("yes", "restore", "latest").code == 2
    assert kin(server, small) == {}
    assert of_small.answer(small.database, "restore", "latest").code == 0
    assert set(kin(server, small)) == {"before"}


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def other(content: bytes) -> bytes:
    """A whole dump, but not the one of the manifest."""
    return gzip.compress(gzip.decompress(content).replace(b"60 Hz", b"61 Hz"))


def unfinished(content: bytes) -> bytes:
    """Of a pg_dump that was killed, packed well."""
    return gzip.compress(gzip.decompress(content)[:5000])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "cut off"),
        (flipped, "is damaged"),
        (other, "SHA-256"),
        (unfinished, "does not come to its end"),
        (lambda _: b"", "it is empty"),
        (lambda _: b"no gzip at all", "cannot be unpacked"),
        (lambda _: gzip.compress(b""), "it is empty"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    server: Server,
    of_small: Command,
    small: Address,
    store: FolderStore,
    damage: Callable[[bytes], bytes],
    says: str,
) -> None:
    (made,) = backups.dumps(store).all()
    store.put(made.name, [damage(b"".join(store.read(made.name)))])
    ran = of_small.run("restore", made.name, *replacing(of_small), code=2)
    assert says in ran.err
    assert kin(server, small) == {}


def test_a_backup_that_changes_after_it_was_examined_is_not_swapped_in(
    server: Server, of_small: Command, small: Address, store: FolderStore
) -> None:
    (made,) = backups.dumps(store).all()
    to = Destination(small, server.admin)
    planned = restores.plan(restores.StoredDump(store, made), to, Steps())
    store.put(made.name, [other(b"".join(store.read(made.name)))])
    with pytest.raises(OpsError, match="SHA-256"), restores.loaded(planned, Steps()):
        pytest.fail("it was loaded")
    assert kin(server, small) == {}


def test_an_unknown_backup_is_told_with_those_that_there_are(of_small: Command) -> None:
    ran = of_small.run("restore", "dumps/2026", "--dry-run")
    assert "Nothing was done" in ran.err
    ran = of_small.run("restore", "yesterday", code=2)
    assert "There are these backups: dumps/2" in ran.err


def test_a_newer_schema_is_refused_unless_it_may_be(
    server: Server, of_small: Command, small: Address
) -> None:
    with small.connect() as connection:
        connection.execute("DELETE FROM schema_migrations WHERE version = 3")
    ran = of_small.run("restore", "latest", *replacing(of_small), code=2)
    assert "has schema 003, and the app that runs knows 002" in ran.err
    assert kin(server, small) == {}
    of_small.run("restore", "latest", *replacing(of_small), "--allow-newer-schema")
    assert rows(small, "SELECT max(version) FROM schema_migrations") == [(3,)]


def test_an_older_schema_is_restored_with_advice(
    server: Server, of_small: Command, small: Address
) -> None:
    with small.connect() as connection:
        connection.execute(
            "INSERT INTO schema_migrations VALUES (4, '004_more', 'x', now(), 1)"
        )
    ran = of_small.run("restore", "latest", *replacing(of_small))
    assert "run `stromhaltig db migrate`" in ran.err


def test_after_a_kill_the_live_one_is_as_it_was_and_the_next_run_cleans_up(
    server: Server, of_filled: Command, filled: Address
) -> None:
    before = contents(filled)
    process = of_filled.start("restore", "latest", *replacing(of_filled))
    eventually("it is loading", lambda: "loading" in kin(server, filled))
    left = kin(server, filled)["loading"]
    eventually(
        "tables are there",
        lambda: rows(filled.to(left), "SELECT to_regclass('documents')") != [(None,)],
    )
    process.kill()
    process.communicate()
    assert set(kin(server, filled)) == {"loading"}
    assert contents(filled) == before
    ran = of_filled.run("restore", "latest", *replacing(of_filled))
    assert f"{left} was left by a run that was killed" in ran.err
    assert set(kin(server, filled)) == {"before"}
    assert contents(filled) == before


def test_a_restart_of_the_server_leaves_the_live_one(
    server: Server, of_filled: Command, filled: Address
) -> None:
    before = contents(filled)
    process = of_filled.start("restore", "latest", *replacing(of_filled))
    eventually("it is loading", lambda: "loading" in kin(server, filled))
    server.process.restart()
    _, said = process.communicate()
    assert process.returncode == 1, said
    assert contents(filled) == before
    assert "before" not in kin(server, filled)


def test_of_two_at_once_one_is_refused(
    server: Server, of_small: Command, small: Address
) -> None:
    with exclusive(server.admin, f"restore of {small.database}"):
        ran = of_small.run("restore", "latest", *replacing(of_small), code=2)
    assert "Somebody else is at it" in ran.err
    assert kin(server, small) == {}


def test_who_may_not_create_databases_is_told_of_the_option(
    server: Server, small: Address, of_small: Command, tmp_path: Path
) -> None:
    own = Command(small, small, tmp_path / "backups")
    ran = own.run("restore", "latest", *replacing(own), code=2)
    assert "--admin-env" in ran.err


def test_who_may_not_read_the_live_one_is_told_whose_login_it_takes(
    server: Server, of_small: Command, guest: Address, tmp_path: Path
) -> None:
    own = Command(guest, server.admin, tmp_path / "backups")
    ran = own.run("restore", "latest", *replacing(own), code=2)
    assert f"guest may not read {guest.database}" in ran.err
    assert "Use the app's login" in ran.err
    assert kin(server, guest) == {}


def test_beside_the_live_one_then_in_its_place_then_back(
    server: Server, of_small: Command, small: Address
) -> None:
    with small.connect() as connection:
        connection.execute("UPDATE quizzes SET title = 'newer'")
    title = "SELECT title FROM quizzes"
    kept = of_small.run("restore", "latest", "--no-swap").out.strip()
    assert kin(server, small) == {"restored": kept}
    assert rows(small, title) == [("newer",)]
    assert rows(small.to(kept), title) == [("Dynamische Stromtarife",)]
    of_small.run("restore", kept, *replacing(of_small))
    assert rows(small, title) == [("Dynamische Stromtarife",)]
    of_small.run("restore", "--undo", *replacing(of_small))
    assert rows(small, title) == [("newer",)]
    of_small.run("restore", "--drop-kept", code=2)
    of_small.run("restore", "--drop-kept", *replacing(of_small))
    assert kin(server, small) == {}


def test_swaps_within_a_second_keep_each_database_and_the_last_is_the_newest(
    small: Address, server: Server
) -> None:
    to = Destination(small, server.admin)
    kept = []
    for number in range(3):
        server.database(name=(new := f"{small.database}_new_{number}"))
        kept.append(swaps.swap(to, new))
        assert swaps.newest_before(to) == kept[-1]
    assert set(kept) <= server.names()
    assert len(set(kept)) == len(kept)


def test_databases_of_others_are_left_alone(
    server: Server, of_small: Command, small: Address
) -> None:
    """Whatever they are called."""
    others = "loading_bay", "before_2026", "before_99999999_999999"
    names = {f"{small.database}_{end}" for end in others}
    for name in names:
        server.database(name=name)
    of_small.run("restore", "latest", *replacing(of_small))
    of_small.run("restore", "--drop-kept", *replacing(of_small))
    assert names < server.names()


def test_a_database_that_is_lost_comes_back(
    server: Server, of_small: Command, small: Address
) -> None:
    server.drop(small.database)
    of_small.run("restore", "latest")
    assert contents(small)["public.quiz_questions"][0] == 3
    assert kin(server, small) == {}


def test_into_another_database(
    server: Server, of_small: Command, small: Address
) -> None:
    name = f"{small.database}_copy"
    of_small.run("restore", "latest", "--into", name)
    assert contents(small.to(name)) == contents(small)
    of_small.run("restore", "latest", "--into", name, code=2)


def test_a_dump_of_the_apps_own_job_is_restored(
    server: Server, small: Address, store: FolderStore, tmp_path: Path
) -> None:
    sql = subprocess.run(
        ["pg_dump", "--no-password"],
        env=os.environ | small.environment(),
        check=True,
        capture_output=True,
    ).stdout
    store.put("dumps/20260301T020000Z-app.sql.gz", [gzip.compress(sql)])
    before = contents(small)
    with small.connect() as connection:
        connection.execute("DELETE FROM quizzes")
    command = Command(small, server.admin, tmp_path / "backups")
    ran = command.run("restore", "latest", *replacing(command), code=2)
    assert "db backups --verify dumps/20260301T020000Z-app.sql.gz" in ran.err
    command.run("restore", "20260301", *replacing(command))
    assert contents(small) == before


@pytest.fixture
def busy(small: Address) -> Iterator[list[str]]:
    """Somebody who asks the database all the time, and comes again when thrown out.

    What went wrong is in the list.
    """
    over = threading.Event()
    errors: list[str] = []

    def ask() -> None:
        while not over.is_set():
            try:
                with small.connect() as connection:
                    while not over.is_set():
                        connection.execute("SELECT count(*) FROM quizzes")
            except (OpsError, psycopg.Error) as error:
                errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    yield errors
    over.set()
    for thread in threads:
        thread.join()


def test_it_swaps_under_load(
    server: Server, of_small: Command, small: Address, busy: list[str]
) -> None:
    of_small.run("restore", "latest", *replacing(of_small))
    of_small.run("restore", "--undo", *replacing(of_small))
    assert busy  # they were thrown out
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'"
    eventually(
        "all came back",
        lambda: rows(server.admin, asked.format(small.database)) == [(4,)],
    )


def test_a_swap_that_cannot_have_the_database_alone_changes_nothing(
    server: Server, of_small: Command, small: Address
) -> None:
    """Its sessions are a superuser's: a mere administrator cannot end those."""
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS manager")
        connection.execute("CREATE ROLE manager LOGIN CREATEDB PASSWORD 'managing'")
        connection.execute("GRANT app TO manager")
    manager = server.admin.login("manager", "managing")
    command = Command(small, manager, of_small.store)
    with server.as_admin(small).connect():
        ran = command.run("restore", "latest", *replacing(command), code=1)
    assert "is being accessed by other users" in ran.err
    assert "It is as it was" in ran.err
    assert kin(server, small) == {}
    command.run("restore", "latest", *replacing(command))


def test_a_swap_that_is_cut_off_between_the_names_changes_nothing(
    server: Server, small: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = Destination(small, server.admin)
    server.database("schema", name=f"{small.database}_restored_20260101_000000")
    rename, calls = swaps._rename, []

    def once(connection: psycopg.Connection[object], old: str, new: str) -> None:
        if calls:
            connection.close()  # as when this process is gone
        calls.append(old)
        rename(connection, old, new)

    monkeypatch.setattr(swaps, "_rename", once)
    with pytest.raises(FailedError, match="It is as it was"):
        swaps.swap(to, kin(server, small)["restored"])
    assert len(calls) == 2
    assert set(kin(server, small)) == {"restored"}


def test_a_server_without_room_is_not_even_begun_with(
    server: Server, of_small: Command, small: Address, store: FolderStore
) -> None:
    (made,) = backups.dumps(store).all()
    to = Destination(small, server.admin)
    source = restores.StoredDump(store, made)
    with pytest.raises(OpsError, match="Make room"):
        restores.plan(source, to, Steps(), size=10**15)


def test_what_the_platform_says_of_its_room_counts_where_nobody_else_sees_it(
    server: Server,
    of_small: Command,
    small: Address,
    store: FolderStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (made,) = backups.dumps(store).all()
    monkeypatch.setattr(restores, "_free", lambda *_: None)
    source = restores.StoredDump(store, made)
    full = Destination(small, server.admin, free=600 * 1024**2)
    with pytest.raises(OpsError, match="Make room"):
        restores.plan(source, full, Steps(), size=10**9)
    restores.plan(source, full, Steps())


@pytest.fixture
def cramped(server: Server, tmp_path: Path) -> Iterator[Address]:
    """A small database on a disk that has no room for a big one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = Path(f"/tmp/{tmp_path.name}-{server.admin.port}")  # noqa: S108 - PostgreSQL's user must reach it
    folder.mkdir()
    options = f"size=64m,uid={NOBODY},mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("no file system can be mounted here")
    database = server.database("schema")
    with server.admin.connect() as connection:
        connection.execute(f"CREATE TABLESPACE cramped LOCATION '{folder}'")
        connection.execute(
            f'ALTER DATABASE "{database.database}" SET TABLESPACE cramped'
        )
    yield database
    server.drop(*kin(server, database).values(), database.database)
    with server.admin.connect() as connection:
        connection.execute("DROP TABLESPACE cramped")
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_when_the_disk_gets_full_the_live_one_is_as_it_was(
    server: Server, cramped: Address, of_filled: Command
) -> None:
    before = contents(cramped)
    command = Command(cramped, server.admin, of_filled.store)
    ran = command.run("restore", "latest", *replacing(command), code=1)
    assert "No space left on device" in ran.err
    assert contents(cramped) == before
    assert kin(server, cramped) == {}
