"""Rotation of a password on a real server: under load, killed, and refused."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from ops.database import roles
from ops.database.address import Address
from ops.errors import FailedError, OpsError
from tests.ops.conftest import Server, migrate, rows
from tests.ops.load import Load
from tests.servers import eventually

OLD = "the 'old' one"
NEW = "the new: ö/@%"


@dataclass(frozen=True)
class Estate:
    """A database, who owns it, and who manages its roles."""

    admin: Address
    app: Address

    @property
    def owner(self) -> str:
        return self.app.user

    def login(self, turn: str, password: str) -> Address:
        return self.app.login(self.owner + turn, password)

    def prepare(self, turn: str, password: str) -> Address:
        """A login that was prepared."""
        login = self.login(turn, password)
        roles.prepare(self.admin, self.owner, login.user, password)
        return login

    def execute(self, statement: str) -> None:
        """As the superuser, with `{owner}` for its name."""
        with self.admin.connect() as connection:
            connection.execute(statement.replace("{owner}", self.owner))


@contextmanager
def _estate(server: Server, attributes: str, groups: str) -> Iterator[Estate]:
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    with server.admin.connect() as connection:
        connection.execute(
            sql.SQL(f"CREATE ROLE {owner} LOGIN {attributes} PASSWORD {{}}").format(OLD)
        )
        if groups:
            connection.execute(f"GRANT {groups} TO {owner}")
        connection.execute(f"CREATE DATABASE {owner} OWNER {owner}")
    app = server.admin.to(owner).login(owner, OLD)
    migrate(app)
    try:
        yield Estate(server.admin.to(owner), app)
    finally:
        server.drop(owner)
        with server.admin.connect() as connection:
            for role in (owner + "_a", owner + "_b", owner):
                connection.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def host(server: Server) -> Iterator[Estate]:
    """As on a Docker host: a plain role owns the database, `postgres` manages it."""
    with _estate(server, "", "") as estate:
        yield estate


@pytest.fixture
def rds(server: Server) -> Iterator[Estate]:
    """As on RDS: the master user is the owner; no superuser, but CREATEROLE."""
    with _estate(server, "CREATEROLE CREATEDB", "pg_monitor, pg_signal_backend") as is_:
        yield Estate(is_.app, is_.app)


@pytest.fixture(params=["host", "rds"])
def estate(request: pytest.FixtureRequest) -> Estate:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Estate)
    return found


def lets_in(database: Address) -> bool:
    """Whether somebody can sign in."""
    with suppress(OpsError), database.connect():
        return True
    return False


def test_whoever_signs_in_is_the_owner_and_so_is_what_they_make(estate):
    first, second = estate.prepare("_a", OLD), estate.prepare("_b", NEW)
    for login, table in ((first, "made_by_a"), (second, "made_by_b")):
        roles.check(login, estate.owner)
        with login.connect() as connection:
            connection.execute(f"CREATE TABLE {table} (id int)")
    with second.connect() as connection:
        connection.execute("DROP TABLE made_by_a")
    owners = rows(
        estate.app,
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
    )
    assert owners == [(estate.owner,)]


def test_both_passwords_are_valid_until_the_old_login_retires(estate):
    old, new = estate.prepare("_a", OLD), estate.prepare("_b", NEW)
    assert lets_in(old)
    assert lets_in(new)
    roles.retire(estate.admin, old.user)
    assert not lets_in(old)
    assert lets_in(new)
    again = estate.prepare("_a", "a third")
    assert lets_in(again)
    assert not lets_in(old)


def test_a_wrong_password_is_refused_and_not_shown(estate):
    estate.prepare("_a", NEW)
    with pytest.raises(OpsError, match="password authentication failed") as refusal:
        roles.check(estate.login("_a", "wr0ng"), estate.owner)
    assert "wr0ng" not in str(refusal.value)


def test_steps_may_be_repeated(estate):
    for _ in range(2):
        login = estate.prepare("_a", NEW)
        roles.check(login, estate.owner)
    for _ in range(2):
        roles.retire(estate.admin, login.user)
    roles.retire(estate.admin, "nobody_of_that_name")
    assert not lets_in(login)


def test_a_login_in_use_does_not_retire_unless_told(estate):
    login = estate.prepare("_a", OLD)
    with login.connect(application_name="the app") as session:
        with pytest.raises(FailedError, match=r"the app on 127\.0\.0\.1"):
            roles.retire(estate.admin, login.user)
        assert lets_in(login), "it was left as it is"
        assert [found.application for found in roles.sessions(estate.admin, login.user)]
        roles.retire(estate.admin, login.user, terminate=True)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not lets_in(login)
    assert roles.sessions(estate.admin, login.user) == []


def test_the_server_learns_no_password(host):
    marked = "the-server-must-not-see-this"
    host.execute("ALTER SYSTEM SET log_statement = 'all'")
    host.execute("SELECT pg_reload_conf()")
    try:
        time.sleep(0.2)
        login = host.prepare("_a", marked)
    finally:
        host.execute("ALTER SYSTEM RESET log_statement")
        host.execute("SELECT pg_reload_conf()")
    log = rows(host.admin, "SELECT pg_read_file('../log')")[0][0]
    assert "SCRAM-SHA-256$" in log
    assert marked not in log
    assert lets_in(login)


def test_a_login_gets_the_limits_and_settings_of_the_owner(host):
    host.execute("ALTER ROLE {owner} CONNECTION LIMIT 7")
    host.execute("ALTER ROLE {owner} SET statement_timeout = '31s'")
    host.execute(
        'ALTER ROLE {owner} IN DATABASE {owner} SET search_path = "$user", public'
    )
    login = host.prepare("_a", NEW)
    assert rows(
        login,
        "SELECT rolconnlimit, current_setting('statement_timeout'), "
        "current_setting('search_path') FROM pg_roles WHERE rolname = session_user",
    ) == [(7, "31s", '"$user", public')]


def test_a_database_that_is_closed_to_all_is_opened_to_the_login(host):
    host.execute("REVOKE CONNECT ON DATABASE {owner} FROM PUBLIC, {owner}")
    roles.check(host.prepare("_a", NEW), host.owner)


def test_a_session_that_is_not_the_owners_is_found(host):
    login = host.prepare("_a", NEW)
    host.execute("ALTER ROLE {owner}_a RESET role")
    with pytest.raises(FailedError, match=f'as "{login.user}" and not as'):
        roles.check(login, host.owner)


def test_a_table_that_is_closed_to_the_owner_is_found(host):
    login = host.prepare("_a", NEW)
    host.execute("CREATE TABLE theirs (id int)")
    with pytest.raises(FailedError, match=r"may not read and write public\.theirs\."):
        roles.check(login, host.owner)


def test_a_database_that_takes_no_writes_is_found(host):
    login = host.prepare("_a", NEW)
    host.execute("ALTER DATABASE {owner} SET default_transaction_read_only = on")
    with pytest.raises(FailedError, match="takes no writes"):
        roles.check(login, host.owner)


def test_an_owner_that_is_not_there_is_refused(host):
    with pytest.raises(OpsError, match='there is no role "nobody"'):
        roles.prepare(host.admin, "nobody", "nobody_a", NEW)


def test_a_superuser_of_the_logins_name_is_left_alone(host):
    host.execute("CREATE ROLE {owner}_a SUPERUSER")
    with pytest.raises(OpsError, match="somebody else's"):
        host.prepare("_a", NEW)


def test_somebody_who_may_not_make_roles_is_refused_with_a_remedy(host):
    with pytest.raises(OpsError, match="CREATEROLE, or a superuser"):
        roles.prepare(host.app, host.owner, host.owner + "_a", NEW)


def _prepare(estate: Estate, turn: str, password: str) -> None:
    estate.prepare(turn, password)


@contextmanager
def _child(
    estate: Estate, password: str
) -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that prepares the login `_b`."""
    process = multiprocessing.get_context("spawn").Process(
        target=_prepare, args=(estate, "_b", password)
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def test_killed_in_the_middle_nothing_is_half_done_and_it_runs_again(estate, server):
    current = estate.prepare("_b", OLD)
    superuser = server.as_admin(estate.app)
    with (
        superuser.connect() as blocker,
        blocker.transaction(force_rollback=True),
    ):
        # What the child changes is locked, so that it is killed in its transaction.
        blocker.execute(f"ALTER ROLE {current.user} CONNECTION LIMIT 3")
        with _child(estate, NEW) as child:
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
            eventually("the child waits", lambda: bool(rows(superuser, waits)))
            os.kill(int(child.pid or 0), signal.SIGKILL)
    assert lets_in(current), "the old password is as valid as before"
    assert not lets_in(estate.login("_b", NEW))
    roles.check(estate.prepare("_b", NEW), estate.owner)
    roles.retire(estate.admin, current.user)


def test_a_restart_of_the_server_between_the_steps_changes_nothing(estate, server):
    old, new = estate.prepare("_a", OLD), estate.prepare("_b", NEW)
    server.process.restart()
    roles.check(old, estate.owner)
    roles.check(new, estate.owner)
    roles.retire(estate.admin, old.user)
    server.process.restart()
    assert not lets_in(old)
    assert lets_in(new)


def test_two_operators_at_once_both_succeed(estate):
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                estate.prepare("_a", NEW)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    roles.check(estate.login("_a", NEW), estate.owner)


def test_rotations_under_load_cost_no_request(estate):
    current = estate.app
    with Load(current).running(workers=6) as load:
        load.until(current.user, 100)
        for password in ("first", "second", "third"):
            login = roles.other(current.user, estate.owner)
            roles.prepare(estate.admin, estate.owner, login, password)
            load.address = estate.app.login(login, password)
            roles.check(load.address, estate.owner)
            load.until(login, 100)
            if current.user != estate.admin.user:
                eventually(
                    "nobody uses the old login",
                    lambda old=current.user: not roles.sessions(estate.admin, old),
                )
                roles.retire(estate.admin, current.user)
            current = load.address
    assert load.errors == []
    assert set(load.done) == {estate.owner, f"{estate.owner}_a", f"{estate.owner}_b"}
    written = rows(load.address, "SELECT count(*) FROM event_log WHERE kind = 'load'")
    assert written == [(sum(load.done.values()),)]
