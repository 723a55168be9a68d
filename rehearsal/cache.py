"""The cache: what was installed or built once, outside the clone."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.commands import ToolError, checked
from rehearsal.progress import Progress


def cache_root() -> Path:
    """Where things are kept between runs and clones.

    `$STROMHALTIG_CACHE`, else `stromhaltig` in `$XDG_CACHE_HOME` or in `~/.cache`.
    """
    if own := os.environ.get("STROMHALTIG_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared, "stromhaltig")
    return Path.home() / ".cache" / "stromhaltig"


@contextmanager
def sole_maker(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the right to make a cache folder; wait for whoever is making it now.

    Raises ToolError when the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise ToolError(
            f"the cache cannot be written ({error}). Name another folder in "
            "STROMHALTIG_CACHE"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.busy(f"Another process is making {folder.name}; waiting"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder to work in that becomes `folder` at the end, whole or not at all.

    Raises ToolError when it cannot be written, as on a full disk.
    """
    prefix = f"{folder.name}.part-"
    for abandoned in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield staging
        staging.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    except OSError as error:
        raise ToolError(f"{folder} cannot be made: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def install_from_pypi(failure: str, distribution: str, folder: Path) -> None:
    """Unpack a Python package, `NAME==VERSION`, into a folder of its own.

    failure: what to say when that fails.

    Raises ToolError when it fails.
    """
    checked(failure, [*_pip(), "--no-deps", "--target", folder, distribution])


def _pip() -> list[str]:
    """The command that installs packages here, whichever of uv and pip there is."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--quiet"]
