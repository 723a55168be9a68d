"""Logins that take turns: a password changes while the one before still works.

The tables belong to an owner. Who signs in is one of two login roles, `OWNER_a` or
`OWNER_b`, both members of the owner whose sessions act as the owner from their first
statement on: what they make belongs to the owner, whichever of them made it. A
rotation is

    login = roles.other(current, owner)
    roles.prepare(admin, owner, login, password)     # both passwords are valid
    roles.check(address.login(login, password), owner)
    ...the app is rolled out with the new address...
    roles.retire(admin, current)                     # the old one is not

Each step takes effect as a whole or not at all, and may be repeated.

Passwords leave this process only as SCRAM-SHA-256 verifiers: no statement, and so no
log of the server, holds one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from ops.database.address import Address
from ops.errors import FailedError, OpsError

TURNS = ("_a", "_b")
"""Endings of the two logins."""

NAME_BYTES = 63
"""PostgreSQL cuts longer names off."""

LOCK = 7_305_120
"""Advisory lock: two rotations at once meet on it."""

LOCK_SECONDS = 10
"""How long a statement waits for somebody else's."""

GONE_SECONDS = 10.0
"""How long sessions that were told to end may take."""


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in."""

    pid: int
    application: str
    client: str

    def __str__(self) -> str:
        return f"{self.application or 'unnamed'} on {self.client} (pid {self.pid})"


def other(login: str, owner: str) -> str:
    """The login whose turn is next; the first turn follows the owner's own login.

    Raises OpsError for a login that is neither the owner nor takes turns for it, and
    for an owner's name that is too long to get an ending.
    """
    first, second = (owner + turn for turn in TURNS)
    if len(first.encode()) > NAME_BYTES:
        raise OpsError(
            f'"{owner}" is too long for a role whose logins take turns: '
            f"{NAME_BYTES - len(TURNS[0])} bytes at most"
        )
    turns = {owner: first, first: second, second: first}
    if login not in turns:
        raise OpsError(
            f'"{login}" does not take turns for "{owner}": that are {first}, {second} '
            "and, before the first rotation, the owner. Look at the user in the app's "
            "DATABASE_URL"
        )
    return turns[login]


def prepare(admin: Address, owner: str, login: str, password: str) -> None:
    """Let a login in with a password, as the owner; make it where there is none.

    admin: somebody who may create roles, in the owner's database. The login gets the
    owner's connection limit and settings, for the server takes those of who signs in.

    Raises OpsError, with nothing done, when the owner does not exist, the admin may
    not do that, or a role of the login's name is more than a login.
    """
    with _changing(admin) as connection:
        owning, present = _role(connection, owner), _role(connection, login)
        if owning is None:
            raise OpsError(f'{admin}: there is no role "{owner}"')
        if present and present.is_more_than_a_login:
            raise OpsError(
                f'{admin}: the role "{login}" has privileges that no login of the app '
                "has. It is somebody else's; rename it"
            )
        names = {"login": sql.Identifier(login), "owner": sql.Identifier(owner)}
        if present is None:
            connection.execute(sql.SQL("CREATE ROLE {login} INHERIT").format(**names))
        connection.execute(
            sql.SQL(
                "ALTER ROLE {login} LOGIN CONNECTION LIMIT {limit} PASSWORD {verifier}"
            ).format(
                **names,
                limit=sql.Literal(owning.connection_limit),
                verifier=sql.Literal(_verifier(connection, login, password)),
            )
        )
        with _self_grant_explained(admin, owner):
            connection.execute(sql.SQL("GRANT {owner} TO {login}").format(**names))
        _grant_connect(connection, login)
        connection.execute(
            sql.SQL("ALTER ROLE {login} SET role = {owner}").format(**names)
        )
        _copy_settings(connection, owner, login)


def sessions(admin: Address, login: str) -> list[Session]:
    """Who is signed in with a login, the oldest first."""
    with admin.connect() as connection:
        return _sessions(connection, login)


def retire(admin: Address, login: str, *, terminate: bool = False) -> None:
    """Let nobody in with a login any more; its password is forgotten.

    terminate: end the sessions that it has. A login that is not there is no error.

    Raises OpsError for the admin's own login, FailedError when somebody is signed in
    (nothing was changed then), or does not go.
    """
    if login == admin.user:
        raise OpsError(
            f'"{login}" is who manages the roles here: without it nobody could. Give '
            "it another password instead"
        )
    with _changing(admin) as connection:
        if _role(connection, login) is None:
            return
        connection.execute(
            sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(login))
        )
        if not terminate and (found := _sessions(connection, login)):
            raise FailedError(
                f'"{login}" is still in use, so it was left as it is: {_listed(found)}.'
                " Roll the app out with the new login first, or end the sessions"
            )
    if terminate:
        _end_sessions(admin, login)


def check(address: Address, owner: str) -> None:
    """Sign in, and see that the session is the owner's in all that it does.

    Raises OpsError when the login is refused, FailedError when its session is not the
    owner's, the database takes no writes, or a table cannot be read or written.
    """
    with address.connect() as connection:
        user, read_only = connection.execute(
            "SELECT current_user, current_setting('transaction_read_only')::bool"
        ).fetchone() or ("", True)
        if user != owner:
            raise FailedError(
                f'{address}: signed in, but as "{user}" and not as "{owner}". '
                "Prepare the login again"
            )
        if read_only:
            raise FailedError(
                f"{address}: takes no writes: it is a standby, or read-only"
            )
        closed = [name for (name,) in connection.execute(_CLOSED_TABLES)]
    if closed:
        raise FailedError(
            f'{address}: "{owner}" may not read and write {", ".join(closed)}. '
            "Let it own them, or grant it the rights"
        )


_CLOSED_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    AND NOT (has_schema_privilege(n.oid, 'USAGE')
        AND has_table_privilege(c.oid, 'SELECT')
        AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE')
        AND has_table_privilege(c.oid, 'DELETE'))
ORDER BY 1
"""


@contextmanager
def _changing(admin: Address) -> Iterator[psycopg.Connection[Any]]:
    """A transaction in which nobody else changes logins."""
    try:
        with admin.connect() as connection, connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise OpsError(
            f"{admin}: {error.diag.message_primary}. Changing logins takes somebody "
            "with CREATEROLE, or a superuser. Nothing was changed"
        ) from None
    except psycopg.errors.LockNotAvailable:
        raise OpsError(
            f"{admin}: somebody else has been changing logins for {LOCK_SECONDS} s. "
            "Nothing was changed; try again"
        ) from None


@contextmanager
def _self_grant_explained(admin: Address, owner: str) -> Iterator[None]:
    """Since PostgreSQL 16 not even the owner may let others be the owner."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        remedy = (
            "Let the tables belong to a role that is no login, and rotate for that: "
            f'CREATE ROLE "{owner}_tables"; GRANT "{owner}_tables" TO "{owner}"; '
            f'REASSIGN OWNED BY "{owner}" TO "{owner}_tables"'
            if admin.user == owner
            else "Ask a superuser for: "
            f'GRANT "{owner}" TO "{admin.user}" WITH ADMIN OPTION'
        )
        raise OpsError(
            f"{admin}: {error.diag.message_primary}: from PostgreSQL 16 on CREATEROLE "
            f"is not enough for that. {remedy}. Nothing was changed"
        ) from None


@dataclass(frozen=True)
class _Role:
    """What the catalogue says of a role."""

    connection_limit: int
    is_more_than_a_login: bool


def _role(connection: psycopg.Connection[Any], name: str) -> _Role | None:
    row = connection.execute(
        "SELECT rolconnlimit, rolsuper OR rolreplication OR rolbypassrls "
        "FROM pg_roles WHERE rolname = %s",
        [name],
    ).fetchone()
    return _Role(*row) if row else None


def _verifier(connection: psycopg.Connection[Any], login: str, password: str) -> str:
    """What the server keeps in place of a password, and nobody can turn back."""
    verifier = connection.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    )
    return verifier.decode()


def _grant_connect(connection: psycopg.Connection[Any], login: str) -> None:
    """Open the database to a login, where it is open to neither owner nor all."""
    name = connection.info.dbname
    row = connection.execute(
        "SELECT has_database_privilege(%s, %s, 'CONNECT')", [login, name]
    ).fetchone()
    if row != (True,):
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(name), sql.Identifier(login)
            )
        )


def _copy_settings(connection: psycopg.Connection[Any], owner: str, login: str) -> None:
    """Give a login what `ALTER ROLE ... SET` gave the owner."""
    settings = connection.execute(
        """
        SELECT datname, split_part(setting, '=', 1),
            substr(setting, strpos(setting, '=') + 1)
        FROM pg_db_role_setting
        CROSS JOIN unnest(setconfig) AS setting
        LEFT JOIN pg_database ON pg_database.oid = setdatabase
        WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = %s)
        """,
        [owner],
    ).fetchall()
    for database, name, value in settings:
        where = (
            sql.SQL(" IN DATABASE {}").format(sql.Identifier(database))
            if database
            else sql.SQL("")
        )
        # From the current value, and not as a literal: a list stays a list.
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])
        connection.execute(
            sql.SQL("ALTER ROLE {}{} SET {} FROM CURRENT").format(
                sql.Identifier(login), where, sql.Identifier(name)
            )
        )


def _sessions(connection: psycopg.Connection[Any], login: str) -> list[Session]:
    rows = connection.execute(
        """
        SELECT pid, coalesce(application_name, ''),
            coalesce(host(client_addr), 'the server itself')
        FROM pg_stat_activity WHERE usename = %s ORDER BY backend_start
        """,
        [login],
    )
    return [Session(*row) for row in rows]


def _end_sessions(admin: Address, login: str) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    with admin.connect() as connection:
        while found := _sessions(connection, login):
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = %s",
                    [login],
                )
            except psycopg.errors.InsufficientPrivilege:
                raise FailedError(
                    f'"{login}" lets nobody in any more, but {admin.user} may not end '
                    f"its sessions: {_listed(found)}. It takes pg_signal_backend. "
                    "Restart the app's old tasks instead"
                ) from None
            if time.monotonic() > deadline:
                raise FailedError(
                    f'"{login}" lets nobody in any more, but after '
                    f"{GONE_SECONDS:.0f} s it still has sessions: {_listed(found)}"
                )
            time.sleep(0.1)


def _listed(found: list[Session]) -> str:
    shown = ", ".join(map(str, found[:5]))
    return shown + (f" and {len(found) - 5} more" if len(found) > 5 else "")
