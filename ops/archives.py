"""Archives of uploaded files: made, verified, and unpacked without leaving the place.

Everything streams; an archive is never as a whole in memory.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final, Protocol

from ops.common import Steps
from ops.errors import FailedError, NotOfferedError, OpsError
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
from ops.store import CHUNK, Store

_UNFINISHED: Final = ".part"
"""Ending of uploads that are still being written, as the app has it."""

_END: Final = 2 * tarfile.BLOCKSIZE
"""Bytes of zeros that end an archive. Without them it was cut off between two files."""

_STAMP: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class ArchiveManifest:
    """What is known of a verified archive.

    sha256, size: of the file. files, plain: how many files, and their bytes together.
    """

    at: datetime
    sha256: str
    size: int
    files: int
    plain: int
    verified: datetime
    tool: str = ""

    def written(self) -> bytes:
        """As JSON."""
        return written(self)

    @classmethod
    def read(cls, text: bytes) -> ArchiveManifest:
        """Read what `written` wrote.

        Raises ValueError when it is none.
        """
        return read_manifest(text, cls)


Archive = Kept[ArchiveManifest]
"""An archive in a store."""


def archives(store: Store) -> Shelf[ArchiveManifest]:
    """The archives of a store; those of the Docker host's backup.sh are in `files/`."""
    return Shelf(
        store=store,
        places=("uploads/", "files/"),
        suffix=".tar.gz",
        read=ArchiveManifest.read,
        kind="archives",
        made_by="stromhaltig files backup",
        verified_by="stromhaltig files list --verify",
    )


class Uploads(Protocol):
    """Uploaded files, wherever they are: a folder, or a platform's."""

    def read_uploads(self) -> Iterator[bytes]:
        """The files, as a tar archive that is not packed."""

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Unpack such an archive, once all of it has arrived.

        replace: whether files that are not in it go.

        An error of `chunks` is raised as it is; then nothing was changed.
        """


class Unarchiver(Protocol):
    """Who puts the files of an archive back without us: a platform, by a job."""

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """As `Platform.unarchive`."""


@dataclass(frozen=True)
class Inspected:
    """What was found by reading an archive to its end."""

    sha256: str
    size: int
    files: int
    plain: int

    def __str__(self) -> str:
        return f"{self.files:,} files of {size(self.plain)}, packed {size(self.size)}"


def back_up(uploads: Uploads, store: Store, steps: Steps) -> Archive:
    """Archive uploads into a store, and verify them there.

    Raises FailedError when it does not succeed; then no archive is listed that is none.
    """
    at = datetime.now(UTC)
    name = archives(store).new_name("uploads", at)
    with steps.step("archive") as facts, told(store.where(name), NO_BACKUP):
        size = store.put(name, packed(uploads.read_uploads()))
        facts.append(store.where(name))
    made = Archive(name=name, at=at, size=size, where=store.where(name))
    try:
        return verify(store, made, steps)
    except DamagedError as error:
        store.delete(name)
        raise FailedError(f"The archive is no good: {error}. Try again") from None


def verify(store: Store, archive: Archive, steps: Steps) -> Archive:
    """Read an archive back from its store; from then on it is listed as verified.

    Raises DamagedError when it is not what it should be.
    """
    with steps.step("verify") as facts:
        found = examine(store, archive)
        facts.append(str(found))
        now = datetime.now(UTC)
        known = archive.manifest or ArchiveManifest(
            at=archive.at,
            sha256=found.sha256,
            size=found.size,
            files=found.files,
            plain=found.plain,
            verified=now,
            tool=own_version(),
        )
        proven = replace(known, verified=now)
        archives(store).prove(archive.name, proven)
    return replace(archive, manifest=proven)


def examine(store: Store, archive: Archive) -> Inspected:
    """Read an archive to its end, with all that is in it.

    Raises DamagedError when it is not what it should be, or holds what would leave the
    place that it is unpacked to.
    """
    sums = Sums()
    stream = _Stream(unpacked(sums.watch(store.read(archive.name))))
    files = plain = 0
    with _damage(archive.where):
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                _demand_inside(member)
                if member.isfile():
                    files += 1
                    plain += member.size
        stream.finish()
        if len(stream.tail) < _END or stream.tail.strip(b"\0"):
            raise DamagedError("it does not come to its end: it is cut off")
    archives(store).demand_checksum(archive, sums.sha256)
    return Inspected(sums.sha256, sums.size, files, plain)


def restore(
    store: Store,
    archive: Archive,
    uploads: Uploads,
    steps: Steps,
    *,
    replace: bool,
    platform: Unarchiver | None = None,
) -> Inspected:
    """Put the files of an archive back.

    replace: whether files that are not in it go.
    platform: does it where it has a job for that; else it is done from here.

    Raises DamagedError before anything is touched when the archive is no good.
    """
    with steps.step("examine archive") as facts:
        found = examine(store, archive)
        facts.append(str(found))
    with steps.step("restore") as facts:
        if platform:
            with suppress(NotOfferedError):
                kept = platform.unarchive(archive.name, found.sha256, replace=replace)
                if kept:
                    facts.append(f"what was replaced is kept there: {kept}")
                return found
        uploads.write_uploads(_again(store, archive, found), replace)
    return found


def _again(store: Store, archive: Archive, found: Inspected) -> Iterator[bytes]:
    """The archive once more, unpacked: it must be what was examined."""
    sums = Sums()
    yield from unpacked(sums.watch(store.read(archive.name)))
    if sums.sha256 != found.sha256:
        raise DamagedError(
            f"{archive.where} changed while it was restored. Nothing was replaced; see "
            "who writes there, and try again"
        )


class _Stream(io.RawIOBase):
    """Chunks as a file to read from; remembers its last bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        """As many bytes as there are before the end."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size and (chunk := next(self._chunks, b"")):
            self.tail = (self.tail + chunk[-_END:])[-_END:]
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def finish(self) -> None:
        """Read all that is left."""
        while self.read(CHUNK):
            pass


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Tell what is wrong with an archive, and with which."""
    try:
        yield
    except (tarfile.TarError, DamagedError) as error:
        raise DamagedError(f"{where} is damaged: {error}") from None


def _demand_inside(member: tarfile.TarInfo) -> None:
    """Refuse what would be written, or lead, out of the place; and what is no file."""
    if _leaves(member.name):
        raise DamagedError(f'"{member.name}" in it leads out of the folder')
    if member.issym():
        target = posixpath.join(posixpath.dirname(member.name), member.linkname)
        if _leaves(target):
            raise DamagedError(
                f'the link "{member.name}" in it leads out of the folder, to '
                f'"{member.linkname}"'
            )
    elif member.islnk():
        if _leaves(member.linkname):
            raise DamagedError(f'"{member.name}" in it is a link out of the folder')
    elif not (member.isfile() or member.isdir()):
        raise DamagedError(f'"{member.name}" in it is neither file nor folder')


def _leaves(path: str) -> bool:
    normal = posixpath.normpath(path)
    return normal.startswith(("/", "../")) or normal == ".."


class Directory:
    """Uploads in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def read_uploads(self) -> Iterator[bytes]:
        """All files but those that are being uploaded; links as links.

        Raises OpsError when there is no such folder, FailedError for a file that may
        not be read.
        """
        if not self._folder.is_dir():
            self._clean_up()
        if not self._folder.is_dir():
            raise OpsError(f"There is no folder {self._folder}")
        for path in self._paths():
            # What goes while we look was deleted in the app: nobody looks for it.
            with suppress(FileNotFoundError):
                yield from _member(path, path.relative_to(self._folder).as_posix())
        yield bytes(_END)

    def _paths(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self._folder):
            folders.sort()
            names = [n for n in sorted(files) if not n.endswith(_UNFINISHED)]
            yield from (Path(folder, name) for name in (*folders, *names))

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Unpack beside the folder; then change places, or move file by file.

        What is replaced is kept beside it, as `FOLDER.before-STAMP`.

        Raises FailedError when there is no room or no right; then nothing was changed.
        """
        now = datetime.now(UTC)
        loading = self._beside(f"loading-{now:{_STAMP}}")
        self._clean_up()
        try:
            with told(str(self._folder), "The files are as they were"):
                loading.mkdir(mode=0o700, parents=True)
                self._unpack(chunks, loading)
                before = self._before(now)
                if not self._folder.exists():
                    loading.rename(self._folder)
                elif replace:
                    _exchange(self._folder, loading, before)
                else:
                    _merge(loading, self._folder, before)
        finally:
            shutil.rmtree(loading, ignore_errors=True)

    def _clean_up(self) -> None:
        """Remove what a killed run has left; if it had begun to exchange, go back."""
        for left in self._all_beside("loading-"):
            aside = [
                path
                for path in self._all_beside("before-")
                if _stamp(path) >= _stamp(left)
            ]
            if aside and not self._folder.exists():
                aside[0].rename(self._folder)
            shutil.rmtree(left)

    def _all_beside(self, what: str) -> list[Path]:
        return sorted(self._folder.parent.glob(f"{self._folder.name}.{what}*"))

    def _before(self, at: datetime) -> Path:
        """A free name for what is replaced now."""
        path = self._beside(f"before-{at:{_STAMP}}")
        return self._before(at + timedelta(seconds=1)) if path.exists() else path

    def _beside(self, what: str) -> Path:
        return self._folder.with_name(f"{self._folder.name}.{what}")

    def _unpack(self, chunks: Iterable[bytes], loading: Path) -> None:
        stream = _Stream(chunks)
        with (
            _damage("the archive"),
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for member in tar:
                tar.extract(member, loading, filter="data")
        # Its end is where a changed archive is noticed.
        stream.finish()
        if self._folder.exists():
            _belong_alike(loading, self._folder.stat())


def _stamp(path: Path) -> str:
    return path.name.rpartition("-")[2]


def _exchange(folder: Path, new: Path, before: Path) -> None:
    """Let a folder take another's place: both names change, or none."""
    folder.rename(before)
    try:
        new.rename(folder)
    except BaseException:
        before.rename(folder)
        raise


def _merge(new: Path, folder: Path, before: Path) -> None:
    """Move files into a folder; what they replace goes aside first."""
    paths = sorted(new.rglob("*"))
    for path in paths:
        target = folder / path.relative_to(new)
        if target.exists() and target.is_dir() != path.is_dir():
            raise FailedError(
                f"{target} is a {'folder' if target.is_dir() else 'file'} now, and the "
                "archive has the other. Nothing was changed; restore with --replace"
            )
    for path in paths:
        relative = path.relative_to(new)
        target = folder / relative
        if path.is_dir() and not path.is_symlink():
            if not target.is_dir():
                target.mkdir()
                _belong_alike(target, path.stat())
            continue
        if target.is_symlink() or target.exists():
            aside = before / relative
            aside.parent.mkdir(parents=True, exist_ok=True)
            # A second name: the app never misses the file.
            os.link(target, aside, follow_symlinks=False)
        path.replace(target)


def _belong_alike(folder: Path, like: os.stat_result) -> None:
    """Give a folder, and all in it, to whom another belongs, if we may."""
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, like.st_uid, like.st_gid, follow_symlinks=False)
    folder.chmod(stat.S_IMODE(like.st_mode))


def _readable(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except PermissionError:
        raise FailedError(f"{path} may not be read: run it as who may") from None


def _member(path: Path, name: str) -> Iterator[bytes]:
    """A file, link or folder as it stands in an archive.

    It has the size of the moment when it was opened: what is written to it meanwhile is
    left out, and what is cut off is made up for with zeros.
    """
    found = path.lstat()
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(found.st_mode)
    info.mtime = int(found.st_mtime)
    info.uid, info.gid = found.st_uid, found.st_gid
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
        yield info.tobuf()
    elif stat.S_ISLNK(found.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = str(path.readlink())
        yield info.tobuf()
    elif stat.S_ISREG(found.st_mode):
        with _readable(path) as file:
            info.size = left = os.fstat(file.fileno()).st_size
            yield info.tobuf()
            while left:
                chunk = file.read(min(left, CHUNK)) or bytes(min(left, CHUNK))
                left -= len(chunk)
                yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)
