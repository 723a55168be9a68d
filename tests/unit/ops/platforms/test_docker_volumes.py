"""What the scripts of a volume do, by the shell of this machine."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from ops.platforms.docker_host.volumes import _SWAP, _UNPACK


@pytest.fixture
def uploads(tmp_path):
    folder = tmp_path / "uploads"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_text("old")
    (folder / "b.txt").write_text("old")
    return folder


def archive(**files: str) -> bytes:
    """A tar archive of files by their names, with `__` for a slash."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return held.getvalue()


def sh(script: str, *arguments: str, given: bytes = b"", path: str = "") -> int:
    return subprocess.run(
        ["sh", "-c", script, "sh", *arguments],
        input=given,
        env={"PATH": f"{path}{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
    ).returncode


def found(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def unpack(folder: Path, mark: str = "1") -> None:
    given = archive(photos__a="new", photos__c="new")
    assert sh(_UNPACK, str(folder), mark, given=given) == 0


def clean(folder: Path) -> None:
    """As who calls the scripts does."""
    shutil.rmtree(folder / ".incoming.1")


OLD = {"photos/a.jpg": "old", "b.txt": "old"}
NEW = {"photos/a": "new", "photos/c": "new"}


@pytest.mark.parametrize(("mode", "left"), [("replace", NEW), ("add", OLD | NEW)])
def test_files_come_back(uploads, mode, left):
    unpack(uploads)
    assert sh(_SWAP, str(uploads), "1", mode) == 0
    clean(uploads)
    assert found(uploads) == left


def test_what_was_there_comes_back_at_once_when_the_new_cannot(uploads, tmp_path):
    unpack(uploads)
    failing = tmp_path / "bin" / "cp"
    failing.parent.mkdir()
    failing.write_text(
        '#!/bin/sh\ncase "$2" in .incoming*) exit 1; esac\nexec /bin/cp "$@"\n'
    )
    failing.chmod(0o755)
    path = f"{failing.parent}{os.pathsep}"
    assert sh(_SWAP, str(uploads), "1", "replace", path=path) != 0
    clean(uploads)
    assert found(uploads) == OLD


def test_what_a_killed_one_put_aside_comes_back_with_the_next(uploads):
    aside = uploads / ".replaced.0"
    aside.mkdir()
    for name in ("photos", "b.txt"):
        (uploads / name).rename(aside / name)
    unpack(uploads)
    assert sh(_SWAP, str(uploads), "1", "add") == 0
    clean(uploads)
    assert found(uploads) == OLD | NEW
