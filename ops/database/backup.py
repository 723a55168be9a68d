"""Backups of a database in a store: made, verified, listed, found, and expired.

A dump counts once it was read back from where it is kept, to its end, and found to
hold what was sent. Its manifest says so, and is written last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from ops.common import Steps
from ops.database.address import Address
from ops.database.dump import (
    Contents,
    Inspector,
    dump,
    server_major,
)
from ops.database.exclusive import exclusive
from ops.errors import FailedError, OpsError
from ops.packing import packed, unpacked
from ops.shelf import (
    NO_BACKUP,
    DamagedError,
    Kept,
    Shelf,
    Sums,
    own_version,
    read_manifest,
    told,
    written,
)
from ops.sizes import size
from ops.store import Store

_TABLES: Final = """
SELECT n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
"""Ordinary tables; those of extensions come with these."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of a verified dump.

    database: its name. at: the moment whose data it holds, or shortly before.
    sha256, size: of the file. database_size: bytes on the server; 0 when not known.
    release: of the app, as it is recorded; empty when not known.
    verified: when it was last read to its end.
    """

    database: str
    at: datetime
    sha256: str
    size: int
    contents: Contents
    verified: datetime
    database_size: int = 0
    release: str = ""
    tool: str = ""

    def written(self) -> bytes:
        """As JSON."""
        return written(self)

    @classmethod
    def read(cls, text: bytes) -> Manifest:
        """Read what `written` wrote.

        Raises ValueError when it is none.
        """
        return read_manifest(text, cls, contents=_contents)


def _contents(data: dict[str, Any]) -> Contents:
    lists = {key: tuple(data[key]) for key in ("migrations", "roles")}
    return Contents(**{**data, **lists})


Backup = Kept[Manifest]
"""A dump in a store."""


def dumps(store: Store) -> Shelf[Manifest]:
    """The dumps of a store; those of the Docker host's backup.sh are in `database/`."""
    return Shelf(
        store=store,
        places=("dumps/", "database/"),
        suffix=".sql.gz",
        read=Manifest.read,
        kind="backups",
        made_by="stromhaltig db backup",
        verified_by="stromhaltig db backups --verify",
    )


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was found by reading a dump to its end."""

    sha256: str
    size: int
    contents: Contents

    def __str__(self) -> str:
        held = self.contents
        return (
            f"{held.rows:,} rows of {len(held.tables)} tables, {held.schema_says}; "
            f"{size(held.size)} of SQL, packed {size(self.size)}"
        )


def back_up(
    database: Address, store: Store, steps: Steps | None = None, *, release: str = ""
) -> Backup:
    """Dump a database into a store, and verify it there.

    release: of the app, to be noted.

    Raises OpsError when it cannot begin, FailedError when it does not succeed; then no
    backup is listed that is none.
    """
    steps = steps or Steps()
    with exclusive(database, f"backup of {database.database}") as connection:
        tables = {name for (name,) in connection.execute(_TABLES)}
        if not tables:
            raise OpsError(
                f"{database} holds no table, so there is nothing to back up. Is it the "
                "right database, and did the migrations run? stromhaltig db migrate"
            )
        size = connection.execute(
            "SELECT pg_database_size(current_database())"
        ).fetchone()
        at = datetime.now(UTC)
        name = dumps(store).new_name(database.database, at)
        with steps.step("dump") as facts:
            sql = dump(database, server_major(connection))
            sent = _Sent(sql, tables)
            with told(store.where(name), NO_BACKUP):
                store.put(name, sent)
            facts += [store.where(name), str(sent.read)]
    manifest = Manifest(
        database=database.database,
        at=at,
        sha256=sent.read.sha256,
        size=sent.read.size,
        contents=sent.read.contents,
        verified=at,
        database_size=size[0] if size else 0,
        release=release,
        tool=own_version(),
    )
    made = Backup(name=name, at=at, size=sent.read.size, where=store.where(name))
    try:
        return verify(store, made, steps, manifest)
    except DamagedError as error:
        store.delete(name)
        raise FailedError(f"The store gives back another file: {error}") from None


class _Sent:
    """A dump on its way into a store; what it held is known once it has passed."""

    read: Read

    def __init__(self, sql: Iterator[bytes], tables: set[str]) -> None:
        self._sql = sql
        self._tables = tables

    def __iter__(self) -> Iterator[bytes]:
        inspector = Inspector()
        sums = Sums()
        yield from sums.watch(packed(inspector.watch(self._sql)))
        # Before the store takes it for whole.
        try:
            contents = inspector.contents()
        except DamagedError as error:
            raise FailedError(f"The dump is no good: {error}. Try again") from None
        if missing := self._tables - set(map(plain, contents.tables)):
            raise FailedError(
                f"The dump lacks {', '.join(sorted(missing))}: somebody changed the "
                "tables meanwhile. Try again when no migration runs"
            )
        self.read = Read(sha256=sums.sha256, size=sums.size, contents=contents)


class Reading:
    """A dump as it comes from a store: SQL, with all that is known at its end."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._sums = Sums()
        self._inspector = Inspector()

    def sql(self) -> Iterator[bytes]:
        """The SQL, unpacked.

        Raises DamagedError when it is cut off or otherwise no dump.
        """
        try:
            chunks = self._sums.watch(self._store.read(self._name))
            yield from self._inspector.watch(unpacked(chunks))
            self._inspector.contents()
        except DamagedError as error:
            where = self._store.where(self._name)
            raise DamagedError(f"{where} is damaged: {error}") from None

    def read(self) -> Read:
        """What was found, once all of it has passed."""
        return Read(
            sha256=self._sums.sha256,
            size=self._sums.size,
            contents=self._inspector.contents(),
        )


def examine(store: Store, backup: Backup) -> Read:
    """Read a dump to its end, and hold it to its manifest or checksum if it has one.

    Raises DamagedError when it is not what it should be.
    """
    reading = Reading(store, backup.name)
    for _ in reading.sql():
        pass
    read = reading.read()
    expect(store, backup, read)
    return read


def expect(store: Store, backup: Backup, read: Read) -> None:
    """Hold what was read to what the manifest says.

    Raises DamagedError when they differ.
    """
    dumps(store).demand_checksum(backup, read.sha256)
    manifest = backup.manifest
    if manifest and manifest.contents != read.contents:
        raise DamagedError(
            f"{backup.where} does not hold what its manifest says: "
            f"{read.contents.rows} rows instead of {manifest.contents.rows}, of "
            f"{len(read.contents.tables)} tables instead of "
            f"{len(manifest.contents.tables)}"
        )


def verify(
    store: Store, backup: Backup, steps: Steps, manifest: Manifest | None = None
) -> Backup:
    """Read a dump back from its store; from then on it is listed as verified.

    manifest: what it is known to be; by default what its own says, and for a dump of
    somebody else what is found.

    Raises DamagedError when it is not what it should be.
    """
    known = manifest or backup.manifest
    expected = replace(backup, manifest=known)
    with steps.step("verify") as facts:
        read = examine(store, expected)
        facts.append(str(read))
        now = datetime.now(UTC)
        known = known or Manifest(
            database=backup.subject,
            at=backup.at,
            sha256=read.sha256,
            size=read.size,
            contents=read.contents,
            verified=now,
            tool=own_version(),
        )
        proven = replace(known, verified=now)
        dumps(store).prove(backup.name, proven)
    return replace(backup, size=read.size, manifest=proven)


def plain(table: str) -> str:
    """A table's name without the quotes that SQL needs."""
    parts = re.findall(r'"((?:[^"]|"")+)"|([^".]+)', table)
    return ".".join(
        quoted.replace('""', '"') if quoted else bare for quoted, bare in parts
    )
