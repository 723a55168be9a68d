"""Backups of a database in a store: made, verified, listed, found, and expired.

A dump counts once it was read back from where it is kept, to its end, and found to
hold what was sent. Its manifest says so, and is written last.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops.common import Steps
from ops.database.address import Address
from ops.database.dump import (
    Contents,
    DamagedError,
    Inspector,
    dump,
    packed,
    server_major,
    unpacked,
)
from ops.database.exclusive import exclusive
from ops.errors import FailedError, OpsError, nearest
from ops.store import Entry, Store

PREFIX: Final = "dumps/"
"""Where dumps are in the store; the app's own job puts its there, too."""

_PLACES: Final = (PREFIX, "database/")
"""`database/` is where the Docker host's backup.sh puts its."""

_DUMP: Final = ".sql.gz"
_MANIFEST: Final = ".manifest.json"
_CHECKSUM: Final = ".sha256"
"""Of backup.sh, beside its dumps: as `sha256sum` writes it."""

_STAMP: Final = re.compile(r"(\d{8})[T_](\d{6})")

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
        times = {"at": self.at.isoformat(), "verified": self.verified.isoformat()}
        return json.dumps(asdict(self) | times, indent=2).encode()

    @classmethod
    def read(cls, text: bytes) -> Manifest:
        """Read what `written` wrote.

        Raises ValueError when it is none.
        """
        try:
            data = json.loads(text)
            contents = data["contents"]
            for key in ("migrations", "roles"):
                contents[key] = tuple(contents[key])
            data["contents"] = Contents(**contents)
            for key in ("at", "verified"):
                data[key] = datetime.fromisoformat(data[key])
            return cls(**data)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no manifest: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A dump in a store.

    at: the moment whose data it holds, as far as is known. manifest: None for what was
    not verified from here, such as a dump of the app's own job.
    """

    name: str
    at: datetime
    size: int
    where: str
    manifest: Manifest | None = None

    @property
    def database(self) -> str:
        """Name of the database, by the manifest or by the file's name."""
        if self.manifest:
            return self.manifest.database
        name = self.name.rpartition("/")[2].removesuffix(_DUMP)
        return _STAMP.sub("", name).strip("-_Z")


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
            f"{megabytes(held.size)} of SQL, packed {megabytes(self.size)}"
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
        name = f"{PREFIX}{at:%Y%m%dT%H%M%SZ}-{_plain(database.database)}{_DUMP}"
        with steps.step("dump") as facts:
            sql = dump(database, server_major(connection))
            sent = _Sent(sql, tables)
            with _telling(store.where(name)):
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
        tool=_own_version(),
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
        sums = _Sums()
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


@dataclass
class _Sums:
    """Checksum and size of what passes."""

    size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return str(self._hash.hexdigest())


class Reading:
    """A dump as it comes from a store: SQL, with all that is known at its end."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._sums = _Sums()
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
    expect(backup, read, _checksum(store, backup))
    return read


def expect(backup: Backup, read: Read, sha256: str | None = None) -> None:
    """Hold what was read to what the manifest says.

    sha256: what it should be where there is no manifest; None when nobody knows.

    Raises DamagedError when they differ.
    """
    manifest = backup.manifest
    wanted = manifest.sha256 if manifest else sha256
    if wanted and wanted != read.sha256:
        raise DamagedError(
            f"{backup.where} is damaged: its SHA-256 is {read.sha256} instead of "
            f"{wanted}. Take another backup: stromhaltig db backups"
        )
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
    known_backup = Backup(
        name=backup.name,
        at=backup.at,
        size=backup.size,
        where=store.where(backup.name),
        manifest=known,
    )
    with steps.step("verify") as facts:
        read = examine(store, known_backup)
        facts.append(str(read))
        now = datetime.now(UTC)
        if known is None:
            known = Manifest(
                database=backup.database,
                at=backup.at,
                sha256=read.sha256,
                size=read.size,
                contents=read.contents,
                verified=now,
                tool=_own_version(),
            )
        proven = replace(known, verified=now)
        with _telling(store.where(backup.name + _MANIFEST)):
            store.put(backup.name + _MANIFEST, [proven.written()])
    return replace(known_backup, size=read.size, manifest=proven)


def backups(store: Store) -> list[Backup]:
    """All dumps of a store, the newest first."""
    found = []
    for place in _PLACES:
        entries = {entry.name: entry for entry in store.entries(place)}
        for name, entry in entries.items():
            if name.endswith(_DUMP):
                known = entries.get(name + _MANIFEST)
                found.append(_listed(store, entry, known))
    return sorted(found, key=lambda backup: (backup.at, backup.name), reverse=True)


def find(store: Store, wanted: str) -> Backup:
    """The backup that is meant: by name, by part of it, or `latest`.

    `latest` is the newest one that is verified.

    Raises OpsError, naming the nearest, when there is none or several.
    """
    known = backups(store)
    if wanted == "latest":
        return latest(store, known)
    meant = [b for b in known if wanted in {b.name, b.name.rpartition("/")[2]}]
    meant = meant or [b for b in known if wanted in b.name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(b.name for b in meant[:5])
        raise OpsError(f'"{wanted}" may be one of {names}. Say which')
    hint = nearest(wanted, [b.name for b in known], kind="backups")
    raise OpsError(f'There is no backup "{wanted}" in {store.where()}. {hint}')


def latest(store: Store, known: list[Backup] | None = None) -> Backup:
    """The newest backup that is verified.

    Raises OpsError when there is none.
    """
    listed = backups(store) if known is None else known
    verified = [backup for backup in listed if backup.manifest]
    if verified:
        return verified[0]
    unverified = (
        f" The newest that was not verified is {listed[0].name}; verify it: "
        f"stromhaltig db backups --verify {listed[0].name}"
        if listed
        else " Make one: stromhaltig db backup"
    )
    raise OpsError(f"There is no verified backup in {store.where()}.{unverified}")


def expire(
    store: Store, keep: timedelta, now: Callable[[], datetime] | None = None
) -> list[str]:
    """Remove dumps that are older than so long; the names of those removed.

    Nothing goes unless there is a verified dump that is younger, and those of the
    Docker host are left to its own rules.
    """
    moment = now() if now else datetime.now(UTC)
    known = [b for b in backups(store) if b.name.startswith(PREFIX)]
    if not any(b.manifest and moment - b.at <= keep for b in known):
        return []
    old = [b.name for b in known if moment - b.at > keep]
    for name in old:
        # In this order: what is left when this is interrupted is not listed as good.
        store.delete(name + _MANIFEST)
        store.delete(name)
    return old


def plain(table: str) -> str:
    """A table's name without the quotes that SQL needs."""
    parts = re.findall(r'"((?:[^"]|"")+)"|([^".]+)', table)
    return ".".join(
        quoted.replace('""', '"') if quoted else bare for quoted, bare in parts
    )


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB"


def _listed(store: Store, entry: Entry, manifest: Entry | None) -> Backup:
    known = None
    if manifest:
        try:
            known = Manifest.read(b"".join(store.read(manifest.name)))
        except (ValueError, FileNotFoundError):
            known = None  # it counts for nothing then: the dump can be verified again
    return Backup(
        name=entry.name,
        at=known.at if known else _moment(entry),
        size=entry.size,
        where=store.where(entry.name),
        manifest=known,
    )


def _moment(entry: Entry) -> datetime:
    """When a dump was made: by its name, or else when it was stored."""
    found = _STAMP.search(entry.name)
    if not found:
        return entry.modified
    text = "".join(found.groups())
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _checksum(store: Store, backup: Backup) -> str | None:
    try:
        text = b"".join(store.read(backup.name + _CHECKSUM)).decode(errors="replace")
    except FileNotFoundError:
        return None
    return text.split(" ")[0].strip()


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Tell what an error of this machine's files means."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise  # of a client of S3, which are told as what they are
        raise FailedError(
            f"{where} could not be written: {error.strerror}. There is no new backup, "
            "and the old ones are as they were"
        ) from error


def _plain(name: str) -> str:
    """A name as it may stand in one of a file, as the app's own job has it."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"stromhaltig-infra {version('stromhaltig-infra')}"
    except PackageNotFoundError:
        return "stromhaltig-infra"
