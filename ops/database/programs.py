"""PostgreSQL's own programs on this machine: found, fitting, and run as streams."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from ops.errors import FailedError, OpsError
from ops.store import CHUNK

_PLACES: Final = (
    "usr/lib/postgresql/*/bin",  # Debian
    "usr/pgsql-*/bin",  # Red Hat
    "opt/homebrew/opt/libpq/bin",  # macOS
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/libpq/bin",
    "usr/local/opt/postgresql@*/bin",
)
"""Where packages put the programs, beside PATH, relative to the root."""

_INHERITED: Final = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")
"""Nothing of libpq: another server's PGHOSTADDR or PGSERVICE would lead astray."""

_LINES: Final = 5
"""How much of what a program says on standard error is told."""


def program(name: str, *, least: int, places: Iterable[Path] | None = None) -> Path:
    """Find one of PostgreSQL's programs.

    name: such as `pg_dump`. least: its major version, or a newer one.
    places: folders to look in, by preference; PATH and the packages' by default.

    Raises OpsError when there is none, or only older ones.
    """
    versions = []
    for folder in _folders() if places is None else places:
        found = shutil.which(name, path=folder)
        major = _major(found) if found else None
        if found and major and major >= least:
            return Path(found)
        if found and major:
            versions.append(f"{found} (version {major})")
    wanted = (
        f"Install PostgreSQL's client programs of version {least} or newer: Debian: "
        f"postgresql-client-{least} (of apt.postgresql.org, if Debian has it not); "
        f"macOS: brew install postgresql@{least}"
    )
    if versions:
        raise OpsError(
            f"{name} is too old for a server or dump of version {least}: "
            f"{', '.join(versions)}. {wanted}"
        )
    raise OpsError(f"There is no {name} on this machine. {wanted}")


def output(
    command: list[str | Path], environment: Mapping[str, str]
) -> Iterator[bytes]:
    """Run a program and yield what it prints, in chunks of a megabyte.

    Raises FailedError when it fails, with what it said.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            # It goes on while we pack and store what it printed before.
            pipesize=CHUNK,
        )
        assert process.stdout is not None  # noqa: S101 - told above
        with _ended(process):
            while chunk := process.stdout.read(CHUNK):
                yield chunk
        _demand_success(command, process.returncode, said)


def feed(
    command: list[str | Path], environment: Mapping[str, str], chunks: Iterable[bytes]
) -> None:
    """Run a program that reads chunks on its standard input.

    Raises FailedError when it fails, with what it said. An error of `chunks` is raised
    as it is, once the program is gone: it does not take what it got for the whole.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env=_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            bufsize=0,
            pipesize=CHUNK,
        )
        assert process.stdin is not None  # noqa: S101 - told above
        with _ended(process):
            try:
                for chunk in chunks:
                    _write(process.stdin, chunk)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended early; its exit code says why
            process.wait()
        _demand_success(command, process.returncode, said)


def _write(pipe: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[pipe.write(view) :]


class _ended:  # noqa: N801 - reads as the word it is
    """After the block the process is gone, by force if the block failed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()


def _demand_success(command: list[str | Path], code: int, said: IO[bytes]) -> None:
    if code == 0:
        return
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    told = "\n".join(lines[-_LINES:]) or f"exit code {code}"
    raise FailedError(f"{Path(command[0]).name} failed: {told}")


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
    return {**inherited, "LC_ALL": "C", **own}


def _folders() -> Iterator[Path]:
    yield from map(Path, os.get_exec_path())
    for pattern in _PLACES:
        yield from sorted(Path("/").glob(pattern), key=_number, reverse=True)


def _number(folder: Path) -> int:
    return int((re.findall(r"\d+", str(folder)) or ["0"])[0])


def _major(path: str) -> int | None:
    """The major version that a program says it has; None when it does not run."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else None
