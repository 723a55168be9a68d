"""The databases of a server: found, made like another, and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ops.database.address import Address
from ops.errors import OpsError

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composable, Composed

    Connection = psycopg.Connection[Any]

LOADING: Final = "loading"
"""A database that is being filled; nobody's, once its run is gone."""

RESTORED: Final = "restored"
"""A database that was found good, and waits to be swapped in."""

BEFORE: Final = "before"
"""The live database of before a swap, kept to go back to."""

_NAME_BYTES: Final = 63
"""Length of a name in PostgreSQL; longer ones are cut off without a word."""

_STAMP: Final = "%Y%m%d_%H%M%S"
_STAMP_LENGTH: Final = len("20260131_235959")
_MAINTENANCE: Final = ("postgres", "defaultdb", "template1")


@dataclass(frozen=True)
class Destination:
    """Where to restore to.

    login: as the app connects; its database is the live one, and it will own what is
    restored. admin: who may create and rename databases on the server. free: bytes
    that are free there, if its platform says so.
    """

    login: Address
    admin: Address
    free: int | None = None

    @property
    def live(self) -> str:
        """Name of the live database."""
        return self.login.database


@contextmanager
def maintenance(admin: Address) -> Iterator[Address]:
    """A database of a server that is no app's, to work from.

    Always the same of a server: there, runs see each other's locks.

    Raises OpsError when there is none that lets us in.
    """
    refusal: OpsError | None = None
    for name in _MAINTENANCE:
        try:
            with admin.to(name).connect():
                pass
        except OpsError as error:
            refusal = refusal or error
            continue
        yield admin.to(name)
        return
    raise refusal or OpsError(f"{admin}: no database to work from")


@contextmanager
def maintained(admin: Address) -> Iterator[Connection]:
    """A connection to such a database."""
    with maintenance(admin) as server, server.connect() as connection:
        yield connection


def named(connection: Connection, live: str, kind: str) -> list[str]:
    """Databases that a run made of a live one, the oldest first.

    Only what is named just as `new_name` does: another may be somebody's own.
    """
    prefix = _prefix(live, kind)
    names = connection.execute(
        "SELECT datname FROM pg_database WHERE left(datname, %s) = %s "
        "AND substr(datname, %s) ~ '^[0-9]{8}_[0-9]{6}$' ORDER BY 1",
        (len(prefix), prefix, len(prefix) + 1),
    )
    return [name for (name,) in names if _made_at(name)]


def _made_at(name: str) -> datetime | None:
    """The time that a name ends in, if it is one."""
    try:
        return datetime.strptime(name[-_STAMP_LENGTH:], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def exists(connection: Connection, name: str) -> bool:
    """Whether a server has a database."""
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
    return found.fetchone() is not None


def drop(connection: Connection, name: str) -> None:
    """Remove a database, whoever uses it."""
    connection.execute(statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))


def database_size(connection: Connection, name: str) -> int:
    """Bytes that a database takes on its server."""
    row = connection.execute("SELECT pg_database_size(%s)", (name,)).fetchone()
    return int(row[0]) if row else 0


def _prefix(live: str, kind: str) -> str:
    """What comes before the stamp, with as much of a name as there is room for."""
    added = len(f"_{kind}_") + _STAMP_LENGTH
    shortened = live.encode()[: _NAME_BYTES - added].decode(errors="ignore")
    return f"{shortened}_{kind}_"


def new_name(connection: Connection, live: str, kind: str) -> str:
    """A free name for a database that is made of a live one now.

    It sorts after those that there are, also within their second or when the clock
    has gone back: the last one is the newest.
    """
    at = datetime.now(UTC)
    known = named(connection, live, kind)
    if known and (last := _made_at(known[-1])):
        at = max(at, last + timedelta(seconds=1))
    return f"{_prefix(live, kind)}{at:{_STAMP}}"


def statement(text: str, *names: str) -> Composed:
    """SQL with names in it, quoted."""
    from psycopg.sql import SQL, Identifier

    return SQL(text).format(*map(Identifier, names))


def create_alike(connection: Connection, to: Destination, new: str) -> None:
    """Make an empty database like the live one, or a plain one where that is lost.

    Raises OpsError when the administrator may not.
    """
    from psycopg.errors import InsufficientPrivilege
    from psycopg.sql import SQL, Identifier, Literal

    row = connection.execute(_DATABASE, (to.live,)).fetchone()
    live: dict[str, Any] = row[0] if row else {"encoding_name": "UTF8"}
    options: dict[str, Composable] = {
        "ENCODING": Literal(live["encoding_name"]),
        "LC_COLLATE": Literal(live.get("datcollate")),
        "LC_CTYPE": Literal(live.get("datctype")),
    }
    if live.get("tablespace", _DEFAULT_TABLESPACE) != _DEFAULT_TABLESPACE:
        # To name even the default one takes a right of its own.
        options["TABLESPACE"] = Identifier(live["tablespace"])
    if live.get("datlocprovider") == "i":
        options["LOCALE_PROVIDER"] = SQL("icu")
        # PostgreSQL 17 gave it another name.
        locale = live.get("daticulocale") or live.get("datlocale")
        options["ICU_LOCALE"] = Literal(locale)
    owner = _acting(connection, to.login.user)
    create = SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {} {}").format(
        Identifier(new),
        Identifier(owner),
        SQL(" ").join(
            SQL("{} {}").format(SQL(key), value)
            for key, value in options.items()
            if value != Literal(None)
        ),
    )
    try:
        connection.execute(create)
    except InsufficientPrivilege as error:
        raise OpsError(
            f"{to.admin.user} may not make databases for {owner} on {to.admin.host}: "
            f"{str(error).strip()}. Somebody who manages roles there can let it: "
            f'GRANT "{owner}" TO "{to.admin.user}"'
        ) from None
    if row:
        _copy_rights(connection, to.live, new, live["datconnlimit"])
        _copy_settings(connection, to.live, new)


def _acting(connection: Connection, login: str) -> str:
    """The role that a login acts as from its first statement on: itself, or another.

    What it makes belongs to that one.
    """
    row = connection.execute(
        "SELECT substr(c, 6) FROM pg_roles, unnest(rolconfig) c "
        "WHERE rolname = %s AND c LIKE %s",
        (login, "role=%"),
    ).fetchone()
    return str(row[0]) if row else login


_DEFAULT_TABLESPACE: Final = "pg_default"

_DATABASE: Final = """
SELECT to_jsonb(d) || jsonb_build_object(
    'encoding_name', pg_encoding_to_char(d.encoding), 'tablespace', t.spcname)
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = %s
"""


_GRANTS: Final = """
SELECT format('GRANT %%s ON DATABASE %%I TO %%s%%s', a.privilege_type, %(new)s::text,
    CASE a.grantee WHEN 0 THEN 'PUBLIC'
        ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d, aclexplode(d.datacl) a
WHERE d.datname = %(live)s AND a.grantee <> d.datdba
"""

_SETTINGS: Final = """
SELECT s.setrole, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1),
    pg_get_userbyid(s.setrole)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
    unnest(s.setconfig) c
WHERE d.datname = %s
"""


def _copy_rights(connection: Connection, live: str, new: str, limit: int) -> None:
    """Give a database the limit and the grants of another: no dump has them."""
    from psycopg.sql import SQL

    if limit != -1:
        connection.execute(
            statement("ALTER DATABASE {} CONNECTION LIMIT ", new) + SQL(str(limit))
        )
    changed = connection.execute(
        "SELECT datacl IS NOT NULL FROM pg_database WHERE datname = %s", (live,)
    ).fetchone()
    if changed and changed[0]:
        connection.execute(statement("REVOKE ALL ON DATABASE {} FROM PUBLIC", new))
        granted = connection.execute(_GRANTS, {"new": new, "live": live}).fetchall()
        for (grant,) in granted:
            connection.execute(grant)


def _copy_settings(connection: Connection, live: str, new: str) -> None:
    """Give a database the settings of another, those of single roles included."""
    from psycopg.sql import SQL, Literal

    for role, key, value, name in connection.execute(_SETTINGS, (live,)).fetchall():
        change = (
            statement("ALTER ROLE {} IN DATABASE {} SET ", name, new)
            if role
            else statement("ALTER DATABASE {} SET ", new)
        )
        change += SQL(".").join(statement("{}", part) for part in key.split("."))
        if key == "role":
            # To take it on would take away the right to go on.
            connection.execute(change + SQL(" = ") + Literal(value))
            continue
        with connection.transaction():
            # The server knows how the value of each is quoted.
            connection.execute("SELECT set_config(%s, %s, true)", (key, value))
            connection.execute(change + SQL(" FROM CURRENT"))
