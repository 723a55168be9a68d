"""Files in volumes of a Docker host, read and written as streams."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from ops.errors import FailedError, OpsError
from ops.platforms.docker_host.engine import Engine, ExitError
from ops.store import Entry

_LONGEST = 12 * 3600  # seconds that a copy of all uploads may take
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")

# Each gets its values as arguments. What was left by a writer that was killed goes a
# day later. Names that begin with a dot are no files yet, or none of ours.
_LIST = """
cd "$1" && find . -type f ! -name '.*' -exec stat -c '%s %Y %n' {} +
"""
_WRITE = """
set -eu
umask 077
mkdir -p "$(dirname "$1")"
find "$(dirname "$1")" -maxdepth 1 -name '.incoming.*' -mmin +1440 -exec rm -f {} +
cat >"$1"
sync "$1"
stat -c %s "$1"
"""
_READ = """
[ -f "$1" ] || exit 44 # _MISSING
exec cat "$1"
"""
_MISSING = 44

_COPIED = ".uploaded"
"""What upload.sh ends the mark of a backup with that it has copied."""


class VolumeStore:
    """The files below a directory of a running container, as a `Store`.

    container: mounts the volume there and runs; it has a shell and coreutils.
    """

    def __init__(self, engine: Engine, container: str, folder: str) -> None:
        self._engine = engine
        self._container = container
        self._folder = folder

    def where(self, name: str = "") -> str:
        """Host, container and path, for people."""
        return f"{self._engine.address} {self._container}:{self._folder}/{name}"

    def put(self, name: str, chunks: Iterable[bytes]) -> int:
        """Write beside the place, compare the size, then move there."""
        path = self._path(name)
        with self._beside(path) as partial:
            size = self._write(partial, chunks)
            self._run("mv", "-f", partial, path)
        return size

    def create(self, name: str, content: bytes) -> bool:
        """Write beside the place, then link: of several one succeeds."""
        path = self._path(name)
        with self._beside(path) as partial:
            self._write(partial, [content])
            try:
                self._run("ln", partial, path)
            except ExitError:
                if self._exists(path):
                    return False
                raise
        return True

    def read(self, name: str) -> Iterator[bytes]:
        """Yield what there is as it comes."""
        command = ["sh", "-c", _READ, "read", self._path(name)]
        try:
            yield from self._engine.stream(self._container, command)
        except ExitError as error:
            if error.code == _MISSING:
                raise FileNotFoundError(self.where(name)) from None
            raise

    def entries(self, prefix: str = "") -> list[Entry]:
        """Every whole file below the directory."""
        found = []
        for line in self._run("sh", "-c", _LIST, "list", self._folder).splitlines():
            size, modified, name = line.split(" ", 2)
            name = name.removeprefix("./")
            if name.startswith(prefix):
                moment = datetime.fromtimestamp(int(modified), UTC)
                found.append(Entry(name, int(size), moment))
        return sorted(found)

    def delete(self, name: str) -> None:
        """Remove a file, and the mark that a copy of it is elsewhere."""
        path = self._path(name)
        self._run("rm", "-f", path, f"{path}{_COPIED}")

    @contextmanager
    def _beside(self, path: str) -> Iterator[str]:
        """A hidden name beside another; a file of it is gone after the block."""
        folder, _, name = path.rpartition("/")
        partial = f"{folder}/.incoming.{secrets.token_hex(4)}.{name}"
        try:
            yield partial
        finally:
            # If it stays, the next writer removes it; another error is worth more.
            with suppress(OpsError):
                self._run("rm", "-f", partial)

    def _write(self, path: str, chunks: Iterable[bytes]) -> int:
        sent = 0

        def counted() -> Iterator[bytes]:
            nonlocal sent
            for chunk in chunks:
                sent += len(chunk)
                yield chunk

        command = ["sh", "-c", _WRITE, "write", path]
        told = self._engine.stream(self._container, command, stdin=counted())
        arrived = int(b"".join(told))
        if arrived != sent:
            raise FailedError(
                f"{self._container}:{path} has {arrived} bytes instead of {sent}: the "
                "connection broke. It was removed; try again"
            )
        return sent

    def _exists(self, path: str) -> bool:
        try:
            self._run("test", "-e", path)
        except ExitError:
            return False
        return True

    def _run(self, *command: str) -> str:
        return self._engine.output(self._container, command)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise OpsError(f'"{name}" is no name of a file in {self.where()}')
        return f"{self._folder}/{name}"


# As root of a container that mounts nothing else: files keep their owners.
_UPLOADS = "/uploads"
_TAR = """
cd "$1" && exec tar --exclude='./.incoming.*' --exclude='./.replaced.*' -cf - .
"""
_CHANGED = 1  # tar: a file changed meanwhile. Somebody is uploading.

# What is there stays until everything has arrived. Then names are moved: the app
# misses files for a moment, and none for long. Whatever ends that, they come back: at
# once, or when the next one begins.
_UNPACK = """
set -eu
cd "$1"
for left in .replaced.*; do
  [ -d "$left" ] || continue
  cp -alf "$left/." .
  rm -rf "$left"
done
rm -rf .incoming.*
mkdir ".incoming.$2"
tar --numeric-owner -xpf - -C ".incoming.$2"
"""
_SWAP = """
set -eu
cd "$1"
if [ "$3" = replace ]; then
  mkdir ".replaced.$2"
  trap 'cp -alf ".replaced.$2/." . && rm -rf ".replaced.$2"' EXIT
  find . -mindepth 1 -maxdepth 1 ! -name '.incoming.*' ! -name '.replaced.*' \\
    -exec mv -t ".replaced.$2" {} +
fi
cp -alf ".incoming.$2/." .
if [ "$3" = replace ]; then
  trap - EXIT
  mv ".replaced.$2" ".incoming.$2.old"
  rm -rf ".incoming.$2.old"
fi
"""
_TAR_END = bytes(1024)
"""What a tar archive ends with; without it, it may have been cut off anywhere."""


def read_uploads(engine: Engine, image: str, volume: str) -> Iterator[bytes]:
    """Yield the files of a volume as a tar archive, uncompressed.

    image: one that the host has, with a shell and GNU tar.
    """
    with workshop(engine, image, volume, _UPLOADS, ["DAC_READ_SEARCH"]) as container:
        command = ["sh", "-c", _TAR, "tar", _UPLOADS]
        yield from engine.stream(container, command, accepted=(0, _CHANGED))


def write_uploads(
    engine: Engine, image: str, volume: str, chunks: Iterable[bytes], *, replace: bool
) -> None:
    """Unpack a tar archive into a volume, once all of it has arrived.

    chunks: of the archive, uncompressed; an error of theirs is raised as it is.
    replace: whether files that are not in it go.

    Raises FailedError when the archive is not whole, or there is no room: then the
    volume is as it was.
    """
    ending = b""

    def watched() -> Iterator[bytes]:
        nonlocal ending
        for chunk in chunks:
            ending = (ending + chunk[-len(_TAR_END) :])[-len(_TAR_END) :]
            yield chunk

    mark, mode = secrets.token_hex(4), "replace" if replace else "add"
    rights = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    with workshop(engine, image, volume, _UPLOADS, rights) as container:
        command = ["sh", "-c", _UNPACK, "unpack", _UPLOADS, mark]
        try:
            for _ in engine.stream(container, command, stdin=watched()):
                pass
            _demand_end(ending)
            command = ["sh", "-c", _SWAP, "swap", _UPLOADS, mark, mode]
            engine.output(container, command)
        finally:
            # The next one removes it, too; another error is worth more.
            with suppress(OpsError):
                left = f"{_UPLOADS}/.incoming.{mark}"
                engine.output(container, ["rm", "-rf", left])


def _demand_end(ending: bytes) -> None:
    if ending != _TAR_END:
        raise FailedError("The archive breaks off. Nothing was changed")


@contextmanager
def workshop(
    engine: Engine,
    image: str,
    volume: str,
    path: str,
    capabilities: Sequence[str] = (),
) -> Iterator[str]:
    """A container that mounts a volume at a path, and is gone after the block.

    image: one that the host has, with `sleep`. capabilities: of Linux, that root has in
    it. Its ID.
    """
    container = engine.client.containers.run(
        image,
        entrypoint=["sleep", str(_LONGEST)],
        command=[],
        user="0:0",
        volumes={volume: {"bind": path, "mode": "rw"}},
        network_mode="none",
        read_only=True,
        init=True,
        cap_drop=["ALL"],
        cap_add=[*capabilities],
        security_opt=["no-new-privileges:true"],
        mem_limit="512m",
        # Gone by itself, too, if nobody is left to remove it.
        auto_remove=True,
        detach=True,
    )
    try:
        yield container.id
    finally:
        container.kill()
