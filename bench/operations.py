"""Backup, restore and drill against PostgreSQL's own programs in the same run.

All work on one database of more than a million rows, in turns, on one machine: server,
programs and store share its cores and disk. Ours verify what they made; the plain
programs do not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ops.common import Steps
from ops.database.address import Address
from ops.database.backup import back_up, dumps
from ops.database.databases import Destination
from ops.database.drill import drill
from ops.database.restore import StoredDump, loaded, plan
from ops.store import FolderStore
from tests.ops.conftest import Server, serving

ROUNDS = 5

_MEGA = 1_000_000
_MEBI = 1024**2


class _Quiet(Steps):
    """Steps that are not shown, but timed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def _show(self, _: str, name: str, began: float, __: list[str]) -> None:
        self.seconds[name] = time.monotonic() - began


@dataclass
class _Series:
    """What was measured of one thing, in seconds."""

    name: str
    times: list[float] = field(default_factory=list)

    def row(self, size: int) -> str:
        """A row of the table; size: bytes of SQL that passed."""
        median = statistics.median(self.times)
        low, high = min(self.times), max(self.times)
        return (
            f"| {self.name} | {median:.1f} s | {low:.1f} to {high:.1f} s "
            f"| {size / median / _MEGA:.0f} MB/s |"
        )


def measure() -> str:
    """Run all in turns, and return a Markdown table of medians."""
    plain_backup = _Series("`pg_dump \\| gzip`")
    made = _Series("`db backup`: dump and pack")
    verified = _Series("`db backup`, read back and verified")
    plain_restore = _Series("`gunzip \\| psql`")
    load = _Series("`db restore`: load")
    restored = _Series("`db restore`: examine, load, check, analyze")
    drilled = _Series("`db drill`")
    with serving() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = FolderStore(folder / "store")
        database = server.database("filled")
        to = Destination(database, server.admin)
        for _ in range(ROUNDS):
            plain_backup.times.append(_timed(lambda: _dump(database, folder / "x.gz")))
            steps = _Quiet()
            began = time.monotonic()
            kept = back_up(database, store, steps)
            verified.times.append(time.monotonic() - began)
            made.times.append(steps.seconds["dump"])
            plain_restore.times.append(_load(server, folder / "x.gz"))
            steps = _Quiet()
            began = time.monotonic()
            _restore(StoredDump(store, kept), to, steps)
            restored.times.append(time.monotonic() - began)
            load.times.append(steps.seconds["load"])
            told = drill(StoredDump(store, kept), kept.at, to, _Quiet())
            drilled.times.append(told.seconds)
        known = kept.manifest
        assert known is not None  # noqa: S101 - `back_up` verifies
        sql = known.contents.size
        rows = [
            series.row(sql)
            for series in (
                *(plain_backup, made, verified),
                *(plain_restore, load, restored, drilled),
            )
        ]
        grown = {
            "db backup": _growth("backup", database, server, store),
            "db restore": _growth("restore", database, server, store),
        }
        packed = (folder / "x.gz").stat().st_size
    memory = ", ".join(f"{name} {mib} MiB" for name, mib in grown.items())
    return "\n".join(
        [
            f"{known.contents.rows:,} rows, {sql / _MEGA:.0f} MB of SQL; {ROUNDS} "
            "rounds in turns, median and range",
            "",
            "| | median | range | of SQL |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Packed: {known.size / _MEGA:.0f} MB, by gzip {packed / _MEGA:.0f} MB. "
            f"Peak memory over the imported command: {memory}.",
        ]
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _restore(source: StoredDump, to: Destination, steps: Steps) -> None:
    with loaded(plan(source, to, steps), steps):
        pass


def _dump(database: Address, file: Path) -> None:
    with file.open("wb") as out:
        _pipe(["pg_dump", "--no-password"], ["gzip"], database, stdout=out.fileno())


def _load(server: Server, file: Path) -> float:
    database = server.database()
    psql = ["psql", "--no-psqlrc", "--quiet", "--output=/dev/null"]
    took = _timed(lambda: _pipe(["gzip", "-dc", str(file)], psql, database))
    server.drop(database.database)
    return took


def _pipe(
    first: list[str], second: list[str], database: Address, stdout: int | None = None
) -> None:
    environment = os.environ | database.environment()
    with subprocess.Popen(first, env=environment, stdout=subprocess.PIPE) as source:
        subprocess.run(
            second, env=environment, stdin=source.stdout, stdout=stdout, check=True
        )
    if source.returncode:
        raise subprocess.CalledProcessError(source.returncode, first)


def _growth(work: str, database: Address, server: Server, store: FolderStore) -> int:
    """MiB that a piece of work adds to the peak of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.operations", work, store.where()],
        env={**os.environ, "DB": database.url, "ADMIN": server.admin.url},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout)


def _alone(work: str, folder: str) -> int:
    """What `_growth` runs."""
    database, admin = (Address.parse(os.environ[name]) for name in ("DB", "ADMIN"))
    store = FolderStore(Path(folder))
    from isal import isal_zlib  # noqa: F401 - imported before, not counted as work

    with database.connect():
        before = _peak()
    if work == "backup":
        back_up(database, store, _Quiet())
    else:
        source = StoredDump(store, dumps(store).find("latest"))
        _restore(source, Destination(database, admin), _Quiet())
    return (_peak() - before) // _MEBI


def _peak() -> int:
    """Bytes of memory that this process had at most, as Linux counts them.

    Not what `getrusage` says: that is the parent's peak, if it had more.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    print(_alone(*sys.argv[1:]))
