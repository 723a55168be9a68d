"""Restores: into a new database beside the live one, checked, then swapped.

The live database is not touched before everything else has succeeded. What is being
filled is called `NAME_loading_STAMP` until it is found good, so that what a killed run
left is known by its name, and removed by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ops.common import Steps
from ops.database.address import Address
from ops.database.backup import Backup, Reading, examine, expect
from ops.database.check import applied, check, rows
from ops.database.databases import (
    LOADING,
    Destination,
    create_alike,
    database_size,
    drop,
    exists,
    maintained,
    maintenance,
    named,
    new_name,
    statement,
)
from ops.database.dump import (
    Contents,
    Inspector,
    dump,
    major,
    server_major,
    version,
)
from ops.database.exclusive import exclusive
from ops.database.programs import feed, program
from ops.errors import OpsError
from ops.sizes import size as size_of
from ops.store import Store

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_RESERVE: Final = 512 * 1024**2
"""Bytes that a restore leaves free, for the live database to work on."""


class Source(Protocol):
    """Where the data of a restore comes from."""

    name: str

    def examine(self) -> Contents:
        """Find out what is in it, before anything is touched.

        Raises OpsError when it is no good.
        """

    def sql(self) -> Iterator[bytes]:
        """The SQL that makes the database; fails before its end if it is no good."""


class StoredDump:
    """A dump in a store."""

    def __init__(self, store: Store, backup: Backup) -> None:
        self.name = backup.name
        self._store = store
        self._backup = backup

    def examine(self) -> Contents:
        """Read it to its end."""
        return examine(self._store, self._backup).contents

    def sql(self) -> Iterator[bytes]:
        """Read it again: between the two it may have changed."""
        reading = Reading(self._store, self._backup.name)
        yield from reading.sql()
        expect(self._store, self._backup, reading.read())


class ScratchServer:
    """A database server with the data of a snapshot or a moment, which nobody uses."""

    def __init__(self, name: str, database: Address) -> None:
        self.name = name
        self._database = database

    def examine(self) -> Contents:
        """Count its rows."""
        with self._database.connect() as connection:
            return Contents(
                tables=rows(connection),
                migrations=applied(connection),
                server=str(connection.info.server_version // 10_000),
                size=database_size(connection, self._database.database),
            )

    def sql(self) -> Iterator[bytes]:
        """Dump it."""
        with self._database.connect() as connection:
            server = server_major(connection)
        inspector = Inspector()
        yield from inspector.watch(dump(self._database, server))
        inspector.contents()


@dataclass(frozen=True)
class Plan:
    """What a restore would do: the source was found good, and fits.

    schema: of the live database; None when there is none. notes: what to know.
    """

    source: Source
    contents: Contents
    to: Destination
    schema: int | None
    notes: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether there is a live database."""
        return self.schema is not None


def plan(
    source: Source,
    to: Destination,
    steps: Steps,
    *,
    allowed_schema: int | None = None,
    any_schema: bool = False,
    create_roles: bool = False,
    size: int = 0,
) -> Plan:
    """Look at source and destination; no database is touched.

    allowed_schema: newest version of the schema that the app knows which runs; by
    default that of the live database. any_schema: whether it is of no account.
    create_roles: whether roles that the server lacks are made there; they may not log
    in. size: bytes that the database had, if known.

    Raises OpsError when the source is no good, or does not fit.
    """
    with steps.step("examine backup") as facts:
        contents = source.examine()
        facts.append(f"{source.name}: {contents.rows:,} rows, {contents.schema_says}")
    with steps.step("examine server") as facts, maintained(to.admin) as connection:
        live = exists(connection, to.live)
        schema = _live_schema(to) if live else None
        known = schema if allowed_schema is None else allowed_schema
        notes = [] if any_schema else _demand_schema(source, contents, known)
        _demand_server(connection, contents)
        if create_roles:
            for role in _lacking(connection, contents):
                connection.execute(statement("CREATE ROLE {} NOLOGIN", role))
        _demand_roles(connection, contents, to)
        needed = max(size, contents.size)
        facts.append(_demand_space(connection, to, needed))
    return Plan(source, contents, to, schema, tuple(notes))


@contextmanager
def loaded(plan: Plan, steps: Steps, *, purpose: str = "restore") -> Iterator[str]:
    """Fill a new database beside the live one, and check it; yields its name.

    What killed runs of before left is removed first. If the block fails, the new
    database is gone after it, unless it was renamed meanwhile.

    purpose: `restore` or `drill`, which may be under way at once.

    Raises OpsError when somebody else is at it, FailedError when what was loaded is not
    what was sent.
    """
    from psycopg import Error

    to = plan.to
    with (
        maintenance(to.admin) as server,
        exclusive(server, f"{purpose} of {to.live}") as connection,
    ):
        kind = LOADING if purpose == "restore" else purpose
        for name in named(connection, to.live, kind):
            with steps.step("clean up") as facts:
                drop(connection, name)
                facts.append(f"{name} was left by a run that was killed; it is gone")
        new = new_name(connection, to.live, kind)
        try:
            create_alike(connection, to, new)
            with steps.step("load") as facts:
                _load(plan, new)
                facts.append(f"{plan.source.name} into {new}")
            with steps.step("check") as facts:
                facts += check(to.login.to(new), plan.contents)
            yield new
        finally:
            # With a server that is gone, it is left to the next run.
            with suppress(OpsError, Error), server.connect() as fresh:
                drop(fresh, new)


def _live_schema(to: Destination) -> int:
    from psycopg.errors import InsufficientPrivilege

    with to.login.connect() as connection:
        try:
            return max(map(version, applied(connection)), default=0)
        except InsufficientPrivilege as error:
            raise OpsError(
                f"{to.login.user} may not read {to.live} ({error.diag.message_primary})"
                ", and what is restored belongs to who restores it. Use the app's "
                "login. Nothing was done"
            ) from None


def _demand_schema(source: Source, contents: Contents, known: int | None) -> list[str]:
    if not known:
        return []
    if contents.schema > known:
        raise OpsError(
            f"{source.name} has schema {contents.schema:03}, and the app that runs "
            f"knows {known:03}. Deploy the release that it belongs to first, or say "
            "that it may be: --allow-newer-schema"
        )
    if contents.schema < known:
        return [
            f"The backup has schema {contents.schema:03} and the app knows "
            f"{known:03}: afterwards, run `stromhaltig db migrate`."
        ]
    return []


def _demand_server(connection: Connection, contents: Contents) -> None:
    server = server_major(connection)
    program("psql", least=max(server, major(contents.tool)))
    if major(contents.server) > server:
        raise OpsError(
            f"The backup is of PostgreSQL {major(contents.server)}, and the server has "
            f"{server}, which may not understand it. Upgrade the server first"
        )


def _lacking(connection: Connection, contents: Contents) -> list[str]:
    """Roles that a backup names and a server has not."""
    known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    return [role for role in contents.roles if role not in known | {"PUBLIC"}]


def _demand_roles(connection: Connection, contents: Contents, to: Destination) -> None:
    if lacking := _lacking(connection, contents):
        statements = "; ".join(f'CREATE ROLE "{role}" NOLOGIN' for role in lacking)
        raise OpsError(
            f"The backup names roles that {to.admin.host} has not: "
            f"{', '.join(lacking)}. Create them first: {statements}"
        )
    creates = connection.execute(
        "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if creates is None or not creates[0]:
        raise OpsError(
            f"{to.admin.user} may not create databases on {to.admin.host}, and "
            "a restore goes into a new one. Name the address of somebody who may: "
            "--admin-env VARIABLE"
        )


def _demand_space(connection: Connection, to: Destination, needed: int) -> str:
    seen = _free(connection, to.admin)
    free = to.free if seen is None else seen
    if free is None:
        return f"needs about {size_of(needed)}; free space there is not known"
    if free < needed + _RESERVE:
        raise OpsError(
            f"The restore needs about {size_of(needed)} beside the live database and "
            f"leaves {size_of(_RESERVE)} free, and {to.admin.host} has "
            f"{size_of(free)}. Make room: `stromhaltig db restore --drop-kept`, or a "
            "bigger disk"
        )
    return f"needs about {size_of(needed)} of {size_of(free)} that are free"


def _free(connection: Connection, admin: Address) -> int | None:
    """Bytes that are free where the server keeps its data, if that is this machine."""
    import shutil

    from psycopg.errors import InsufficientPrivilege

    if admin.host not in _LOOPBACK or admin.reach:
        return None
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except InsufficientPrivilege:
        return None
    folder = Path(row[0]) if row else Path("/nowhere")
    try:
        # The server of a tunnel or a container has a folder that is not here.
        sees = (folder / "postmaster.pid").is_file()
        return shutil.disk_usage(folder).free if sees else None
    except OSError:
        return None


def _load(plan: Plan, new: str) -> None:
    """Let psql run the dump as who will own it; stop at the first error."""
    database = plan.to.login.to(new)
    environment = database.environment()
    # A crash of the server loses the new database then, which is nobody's yet.
    options = f"{environment.get('PGOPTIONS', '')} -c synchronous_commit=off"
    feed(
        [
            program("psql", least=major(plan.contents.tool)),
            *("--no-psqlrc", "--no-password", "--quiet"),
            # Its context would show rows: they are nobody's business here.
            *("--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"),
        ],
        environment | {"PGOPTIONS": options.strip()},
        plan.source.sql(),
    )
