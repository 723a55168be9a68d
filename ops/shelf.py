"""Backups of one kind in a store, each with a manifest once it was verified."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from ops.errors import FailedError, OpsError, nearest
from ops.store import Entry, Store

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MANIFEST: Final = ".manifest.json"
_CHECKSUM: Final = ".sha256"
"""Of the Docker host's script, beside its backups: as `sha256sum` writes it."""

NO_BACKUP: Final = "There is no new backup, and the old ones are as they were"

_STAMP: Final = re.compile(r"(\d{8})[T_](\d{6})Z?")


class DamagedError(OpsError):
    """A backup is not what it should be: cut off, changed, or no backup at all."""


class Manifest(Protocol):
    """What is known of a verified backup."""

    @property
    def at(self) -> datetime:
        """The moment whose data it holds, or shortly before."""

    @property
    def sha256(self) -> str:
        """Of the file."""

    def written(self) -> bytes:
        """As JSON."""


M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, kw_only=True)
class Kept(Generic[M]):
    """A backup in a store.

    at: the moment whose data it holds, as far as is known. manifest: None for what was
    not verified from here, such as what the app's own job made.
    """

    name: str
    at: datetime
    size: int
    where: str
    manifest: M | None = None

    @property
    def subject(self) -> str:
        """What it is of, by the file's name: without stamp and ending."""
        name = self.name.rpartition("/")[2].partition(".")[0]
        return _STAMP.sub("", name).strip("-_")


@dataclass(frozen=True)
class Shelf(Generic[M]):
    """The backups of one kind in a store.

    places: prefixes in the store; the first is ours, the others' rules are their own.
    suffix: of the files. read: reads a manifest, or raises ValueError.
    kind: what they are called, in the plural. made_by, verified_by: commands.
    """

    store: Store
    places: tuple[str, ...]
    suffix: str
    read: Callable[[bytes], M]
    kind: str
    made_by: str
    verified_by: str

    def new_name(self, subject: str, at: datetime) -> str:
        """A free name for what is made now; in the order of time, as the app's jobs do.

        at: taken a second later where that has a backup already.
        """
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", subject)
        name = f"{self.places[0]}{at:%Y%m%dT%H%M%SZ}-{plain}{self.suffix}"
        if self.store.entries(name):
            return self.new_name(subject, at + timedelta(seconds=1))
        return name

    def all(self) -> list[Kept[M]]:
        """All of them, the newest first."""
        found = []
        for place in self.places:
            entries = {entry.name: entry for entry in self.store.entries(place)}
            for name, entry in entries.items():
                if name.endswith(self.suffix):
                    found.append(self._kept(entry, name + _MANIFEST in entries))
        return sorted(found, key=lambda kept: (kept.at, kept.name), reverse=True)

    def find(self, wanted: str) -> Kept[M]:
        """The one that is meant: by name, by part of it, or `latest`.

        `latest` is the newest one that is verified.

        Raises OpsError, naming the nearest, when there is none or several.
        """
        known = self.all()
        if wanted == "latest":
            return self._latest(known)
        meant = [k for k in known if wanted in {k.name, k.name.rpartition("/")[2]}]
        meant = meant or [k for k in known if wanted in k.name]
        if len(meant) == 1:
            return meant[0]
        if meant:
            names = ", ".join(kept.name for kept in meant[:5])
            raise OpsError(f'"{wanted}" may be one of {names}. Say which')
        hint = nearest(wanted, [kept.name for kept in known], kind=self.kind)
        raise OpsError(f'There is no "{wanted}" in {self.store.where()}. {hint}')

    def checksum(self, kept: Kept[M]) -> str | None:
        """The SHA-256 that it should have; None when nobody has written it down."""
        if kept.manifest:
            return kept.manifest.sha256
        try:
            text = b"".join(self.store.read(kept.name + _CHECKSUM))
        except FileNotFoundError:
            return None
        return text.decode(errors="replace").split(" ")[0].strip()

    def demand_checksum(self, kept: Kept[M], found: str) -> None:
        """Raise DamagedError when a file has another checksum than it should have."""
        wanted = self.checksum(kept)
        if wanted and wanted != found:
            raise DamagedError(
                f"{kept.where} is damaged: its SHA-256 is {found} instead of {wanted}. "
                f"Take another one of the {self.kind}"
            )

    def prove(self, name: str, manifest: M) -> None:
        """Let a backup count as verified from now on."""
        with told(self.store.where(name), NO_BACKUP):
            self.store.put(name + _MANIFEST, [manifest.written()])

    def expire(self, keep: timedelta, now: datetime | None = None) -> list[str]:
        """Remove what is older than so long; the names of what is gone.

        Nothing goes unless there is a verified one that is younger, and what others
        look after is left to them.
        """
        moment = now or datetime.now(UTC)
        ours = [kept for kept in self.all() if kept.name.startswith(self.places[0])]
        if not any(kept.manifest and moment - kept.at <= keep for kept in ours):
            return []
        old = [kept.name for kept in ours if moment - kept.at > keep]
        for name in old:
            # In this order: what is left when this is interrupted counts for nothing.
            self.store.delete(name + _MANIFEST)
            self.store.delete(name)
        return old

    def expire_after_backup(self, keep: timedelta) -> list[str]:
        """As `expire`, when a new one was just verified.

        Raises FailedError, which says so, when old ones cannot be removed.
        """
        try:
            return self.expire(keep)
        except Exception as error:
            raise FailedError(
                "The new backup is made and verified, but old ones could not be "
                f"removed: {error}"
            ) from error

    def _latest(self, known: list[Kept[M]]) -> Kept[M]:
        verified = [kept for kept in known if kept.manifest]
        if verified:
            return verified[0]
        remedy = (
            f"The newest that was not verified is {known[0].name}; verify it: "
            f"{self.verified_by} {known[0].name}"
            if known
            else f"Make one: {self.made_by}"
        )
        where = self.store.where()
        raise OpsError(f"There are no verified {self.kind} in {where}. {remedy}")

    def _kept(self, entry: Entry, has_manifest: bool) -> Kept[M]:
        manifest = None
        if has_manifest:
            try:
                manifest = self.read(b"".join(self.store.read(entry.name + _MANIFEST)))
            except (ValueError, FileNotFoundError):
                manifest = None  # it counts for nothing: it can be verified again
        return Kept(
            name=entry.name,
            at=manifest.at if manifest else _moment(entry),
            size=entry.size,
            where=self.store.where(entry.name),
            manifest=manifest,
        )


@dataclass
class Sums:
    """Checksum and size of what passes."""

    size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what passes."""
        for chunk in chunks:
            self.size += len(chunk)
            self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        """Of all that has passed."""
        return str(self._hash.hexdigest())


def written(manifest: DataclassInstance) -> bytes:
    """A manifest as JSON."""
    return json.dumps(
        asdict(manifest), indent=2, default=lambda at: at.isoformat()
    ).encode()


def read_manifest(text: bytes, kind: type[M], **parts: Callable[[Any], Any]) -> M:
    """Read what `written` wrote.

    kind: its dataclass, with the times `at` and `verified`. parts: name of a field to
    what makes its value, where JSON has no such type.

    Raises ValueError when it is none.
    """
    makers = {
        "at": datetime.fromisoformat,
        "verified": datetime.fromisoformat,
        **parts,
    }
    try:
        data = json.loads(text)
        return kind(
            **{**data, **{key: make(data[key]) for key, make in makers.items()}}
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"no manifest: {error}") from error


@contextmanager
def told(where: str, true_now: str) -> Iterator[None]:
    """Tell of an error of this machine's files.

    where: what was written. true_now: what that means for who reads it.

    Raises FailedError instead of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise  # of a client of S3, which are told as what they are
        raise FailedError(
            f"{where} could not be written: {error.strerror}. {true_now}"
        ) from error


def own_version() -> str:
    """What made a backup, for its manifest."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"stromhaltig-infra {version('stromhaltig-infra')}"
    except PackageNotFoundError:
        return "stromhaltig-infra"


def _moment(entry: Entry) -> datetime:
    """When it was made: by its name, or else when it was stored."""
    found = _STAMP.search(entry.name)
    if not found:
        return entry.modified
    text = "".join(found.groups())
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
