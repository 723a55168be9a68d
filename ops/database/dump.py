"""Dumps of a database, as SQL: made, packed, unpacked, and looked into as they pass.

Everything streams: a dump is never as a whole in memory or on this machine's disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ops.database.address import Address
from ops.database.programs import output, program
from ops.shelf import DamagedError

LOCK_PATIENCE: Final = 300_000
"""Milliseconds that pg_dump waits for a migration's locks, as in the app's own job."""

MIGRATIONS: Final = "schema_migrations"

_LINE: Final = 64 * 1024
"""Bytes of a statement's line that are looked at; those of large objects are longer."""

_END: Final = b"\n\\.\n"
"""What ends the rows of a table, the end of the last one included."""

_SERVER: Final = b"-- Dumped from database version "
_TOOL: Final = b"-- Dumped by pg_dump version "
_NAME: Final = rb'(?:"(?:[^"]|"")+"|[^\s".]+)'
_COPY: Final = re.compile(
    rb"COPY (" + _NAME + rb"\." + _NAME + rb") (?:\((.*)\))? ?FROM stdin;"
)
_ROLE: Final = re.compile(
    rb"(?:ALTER .* OWNER TO|GRANT .* TO) (" + _NAME + rb")(?: WITH GRANT OPTION)?;"
)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in a dump.

    tables: rows of each table, as `schema.name`, quoted where need be.
    migrations: names of the app's migrations that were applied, in order.
    server, tool: versions of the server, and of the pg_dump that made it.
    roles: who owns something, or was granted something.
    unchecked: constraints that hold for new rows only (`NOT VALID`).
    size: bytes of SQL; 0 when it was not read as SQL.
    """

    tables: dict[str, int]
    migrations: tuple[str, ...] = ()
    server: str = ""
    tool: str = ""
    roles: tuple[str, ...] = ()
    unchecked: int = 0
    size: int = 0

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(self.tables.values())

    @property
    def schema(self) -> int:
        """Version of the newest migration; 0 without any."""
        return max((version(name) for name in self.migrations), default=0)

    @property
    def schema_says(self) -> str:
        """The schema in words."""
        return f"schema {self.schema:03}" if self.migrations else "no migrations"


def version(migration: str) -> int:
    """The number that the name of a migration begins with, such as 3 of `003_logs`."""
    found = re.match(r"\d+", migration)
    return int(found[0]) if found else 0


def major(version: str) -> int:
    """15 of `15.18 (Debian 15.18-0+deb12u1)`; 0 when it is not known."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def server_major(connection: Any) -> int:
    """The major version of the server at the other end of a connection."""
    return int(connection.info.server_version) // 10_000


def dump(database: Address, server: int) -> Iterator[bytes]:
    """Have pg_dump write a database as SQL, all of it as of one moment.

    Without owners: whoever restores it owns it, so that it also goes into a server
    with other roles. What was granted to others is kept.

    server: its major version.

    Raises OpsError when there is no pg_dump that knows the server, FailedError with
    what it says when it fails.
    """
    command: list[str | Path] = [
        program("pg_dump", least=server),
        *("--no-password", "--format=plain", "--encoding=UTF8", "--no-owner"),
        f"--lock-wait-timeout={LOCK_PATIENCE}",
    ]
    return output(command, database.environment())


@dataclass
class Inspector:
    """Looks into a dump as it passes.

    Rows are counted where pg_dump wrote them, so that the numbers are those of the
    dump's own moment, whatever happened to the database since.
    """

    tables: dict[str, int] = field(default_factory=dict)
    _rest: bytes = b""
    _table: str | None = None
    _rows: int = 0
    _kept: bytearray | None = None
    _columns: tuple[str, ...] = ()
    _migrations: tuple[str, ...] = ()
    _announced: bool = False
    _long: bool = False
    _complete: bool = False
    _server: str = ""
    _tool: str = ""
    _roles: set[str] = field(default_factory=set)
    _unchecked: int = 0
    _size: int = 0

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what passes."""
        for chunk in chunks:
            self.see(chunk)
            yield chunk

    def see(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        self._size += len(chunk)
        data = self._rest + chunk
        at = 0
        while True:
            was = self._table
            at = self._statements(data, at) if was is None else self._data(data, at)
            if self._table == was:
                break
        self._rest = data[at:]

    def contents(self) -> Contents:
        """What was seen.

        Raises DamagedError when the dump did not come to its end.
        """
        if self._size == 0:
            raise DamagedError("it is empty")
        if self._table is not None or not self._complete:
            raise DamagedError("it does not come to its end: it is cut off")
        return Contents(
            tables=dict(self.tables),
            migrations=self._migrations,
            server=self._server,
            tool=self._tool,
            roles=tuple(sorted(self._roles)),
            unchecked=self._unchecked,
            size=self._size,
        )

    def _statements(self, data: bytes, at: int) -> int:
        """Go through lines until rows begin; the index from which to go on."""
        while (end := data.find(b"\n", at)) >= 0:
            if self._long:
                self._long = False
            else:
                self._line(data[at:end])
            if self._table is not None:
                # The line's own end is taken for that of a row before the first.
                self._rows = -1
                return end
            at = end + 1
        if len(data) - at > _LINE:
            if not self._long:
                self._line(data[at:])
            self._long = True
            return len(data)
        return at

    def _data(self, data: bytes, at: int) -> int:
        """Count rows until they end; the index from which to go on."""
        end = data.find(_END, at)
        found = end >= 0
        # What may be the beginning of the end stays for the next time.
        stop = end + 1 if found else max(at, len(data) - len(_END) + 1)
        self._rows += data.count(b"\n", at, stop)
        if self._kept is not None:
            self._kept += data[at:stop]
        if not found:
            return stop
        self._finish_table()
        return end + len(_END)

    def _finish_table(self) -> None:
        table = str(self._table)
        self.tables[table] = self._rows
        if self._kept is not None:
            lines = self._kept.decode(errors="replace").strip("\n").splitlines()
            column = self._columns.index("name") if "name" in self._columns else 0
            self._migrations = tuple(
                sorted((line.split("\t")[column] for line in lines), key=version)
            )
        self._table, self._kept = None, None

    def _line(self, line: bytes) -> None:
        if not line or line == b"--":
            return
        if line.startswith(b"--"):
            self._comment(line)
            return
        if line.startswith(b"\\unrestrict "):
            return
        # Without the announcement it may be text, in the body of a function.
        if self._announced and (found := _COPY.fullmatch(line)):
            self._begin_table(_text(found[1]), _text(found[2] or b""))
        elif found := _ROLE.fullmatch(line):
            self._roles.add(_unquoted(_text(found[1])))
        elif line.endswith(b" NOT VALID;"):
            self._unchecked += 1
        self._announced = self._complete = False

    def _comment(self, line: bytes) -> None:
        if line.startswith(b"-- Data for Name: "):
            self._announced = True
        elif line == b"-- PostgreSQL database dump complete":
            self._complete = True
        elif line.startswith(_SERVER):
            self._server = _text(line.removeprefix(_SERVER))
        elif line.startswith(_TOOL):
            self._tool = _text(line.removeprefix(_TOOL))

    def _begin_table(self, table: str, columns: str) -> None:
        self._table = table
        self._columns = tuple(map(_unquoted, columns.split(", ")))
        if table.rpartition(".")[2] == MIGRATIONS:
            self._kept = bytearray()


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _unquoted(name: str) -> str:
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    return name
