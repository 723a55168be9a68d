"""PostgreSQL's programs: which one is taken, and how they are run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.database.programs import feed, output, program
from ops.errors import FailedError, OpsError


def install(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version} (Debian)'\n")
    path.chmod(0o755)
    return path


def test_the_first_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    install(tmp_path / "14", "14.9")
    fitting = install(tmp_path / "15", "15.18")
    install(tmp_path / "17", "17.0")
    places = [tmp_path / "none", *(tmp_path / name for name in ("14", "15", "17"))]
    assert program("pg_dump", least=15, places=places) == fitting


def test_one_that_is_too_old_is_told_with_the_remedy(tmp_path: Path) -> None:
    old = install(tmp_path / "14", "14.9")
    with pytest.raises(OpsError) as refusal:
        program("pg_dump", least=16, places=[old.parent])
    assert f"too old for a server or dump of version 16: {old}" in str(refusal.value)
    assert "postgresql-client-16" in str(refusal.value)


def test_one_that_is_missing_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"no pg_dump on this machine.*client-15"):
        program("pg_dump", least=15, places=[tmp_path])


def test_nothing_of_this_machines_leads_them_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    printed = b"".join(output(["env"], {"PGHOST": "here"})).decode().splitlines()
    assert [line for line in printed if line.startswith("PG")] == ["PGHOST=here"]


def test_what_a_program_says_is_told_when_it_fails() -> None:
    script = "import sys; print('half', flush=True); sys.exit('out of order')"
    chunks = output([sys.executable, "-c", script], {})
    assert next(chunks) == b"half\n"
    with pytest.raises(FailedError, match="failed: out of order"):
        next(chunks)


def test_whoever_stops_reading_ends_it(tmp_path: Path) -> None:
    script = (
        "import os\n"
        f"open('{tmp_path}/pid', 'w').write(str(os.getpid()))\n"
        "while True: os.write(1, bytes(2**20))"
    )
    chunks = output([sys.executable, "-c", script], {})
    assert isinstance(chunks, Iterator)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_program_is_fed_to_the_end(tmp_path: Path) -> None:
    script = f"import sys; open('{tmp_path}/got', 'wb').write(sys.stdin.buffer.read())"
    feed([sys.executable, "-c", script], {}, [b"x" * 300_000, b"y"])
    assert (tmp_path / "got").read_bytes() == b"x" * 300_000 + b"y"


def test_a_program_that_ends_early_says_why() -> None:
    script = "import sys; sys.exit('enough')"
    endless = (bytes(2**20) for _ in range(1000))
    with pytest.raises(FailedError, match="failed: enough"):
        feed([sys.executable, "-c", script], {}, endless)


def test_of_chunks_that_fail_it_does_not_take_the_rest_for_the_whole(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, pathlib; sys.stdin.buffer.read(); "
        f"pathlib.Path('{tmp_path}/whole').touch()"
    )

    def chunks() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        feed([sys.executable, "-c", script], {}, chunks())
    assert not (tmp_path / "whole").exists()
