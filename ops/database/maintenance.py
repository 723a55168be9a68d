"""Care for a database in use: VACUUM, statistics, and new indexes for bloated ones.

By the rules of the app's weekly job (`app/src/jobs/maintain.ts`), and never beside it.
Nothing here stops reads or writes; what is locked is left out after a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from ops.database.address import Address
from ops.database.maintenance_sql import (
    BLOATED_INDEXES,
    INVALID_LEFTOVERS,
    TABLES,
    demand_ours,
)
from ops.errors import FailedError, OpsError

LOCK = 7_305_119
"""Advisory lock: the app's job and we meet on it."""

LOCK_SECONDS = 30
"""How long to wait for a table. What waits here stops neither reads nor writes."""

STATEMENT_SECONDS = 3600
"""How long one statement may take: VACUUM or REINDEX of the largest table."""

BLOAT = 0.5
"""Share of an index that may be air. One fresh from REINDEX has 10 %, one long in use
about 30 %."""

WORTHWHILE = 4 * 1024**2
"""Bytes of air that are worth the work."""

CHANGED = 0.05
"""Share of rows that are dead, or changed since ANALYZE, from which a table needs care.

A quarter of what autovacuum waits for (autovacuum_vacuum_scale_factor 0.2): what it
would do at the busiest time is done now."""

CHANGED_ROWS = 1000
"""As many at least: small tables are autovacuum's."""

PRESENCE_CHECK = "5s"
"""How often PostgreSQL looks, during a statement, whether we are still there."""

LOOK_SECONDS = 0.5
"""How often we look how far a statement is."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is done.

    bloat: share of an index, and worthwhile: bytes, from which its air is too much.
    lock_seconds: to wait for a table. everything: VACUUM tables that do not need it.
    """

    bloat: float = BLOAT
    worthwhile: int = WORTHWHILE
    lock_seconds: int = LOCK_SECONDS
    everything: bool = False


class Work(StrEnum):
    """What is done to a table or an index."""

    DROP = "drop"
    VACUUM = "vacuum"
    ANALYZE = "analyze"
    REINDEX = "reindex"


class Outcome(StrEnum):
    """How it ended."""

    PLANNED = "planned"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Piece:
    """One piece of work.

    why: why it is done, or was not. before, after: bytes of the index, where it is one.
    """

    work: Work
    name: str
    why: str
    outcome: Outcome = Outcome.PLANNED
    seconds: float = 0.0
    before: int | None = None
    after: int | None = None

    @property
    def freed(self) -> int:
        """Bytes given back to the file system."""
        if self.before is None or self.after is None:
            return 0
        return self.before - self.after


Report = Callable[[Piece], None]
Progress = Callable[[str], None]


def plan(address: Address, rules: Rules) -> list[Piece]:
    """What would be done, by the statistics as they are. Nothing is changed.

    Raises OpsError for a login that looks after none of the tables.
    """
    with address.connect() as connection:
        demand_ours(connection)
        return [
            *_leftovers(connection),
            *_tables(connection, rules),
            *_bloated(connection, rules),
        ]


def maintain(
    address: Address, rules: Rules, report: Report, progress: Progress
) -> None:
    """Do it, one piece after the other.

    address: of the tables' owner, or somebody who may act as it.
    report: called with each piece when it is over. progress: called with how far the
    present one is, from another thread.

    Interrupted, the statement that runs is ended and what it leaves is removed.

    Raises OpsError when another run is at work, or for a login that looks after none
    of the tables; FailedError when the connection is lost. The next run removes what
    is left then.
    """
    with address.connect(application_name="stromhaltig-maintain") as connection:
        demand_ours(connection)
        for name, value in {
            "client_connection_check_interval": PRESENCE_CHECK,
            "lock_timeout": f"{rules.lock_seconds}s",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
        }.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        _demand_lock(connection)
        watch = _Watch(address, connection.info.backend_pid, progress)
        with watch.looking():
            run = _Run(connection, rules, report, watch)
            try:
                run.everything()
            except psycopg.Error as error:
                if not connection.closed:
                    raise
                raise FailedError(
                    f"{address}: lost the connection: {str(error).strip()}. What was "
                    "reported is done; run it again for the rest"
                ) from None


def _demand_lock(connection: psycopg.Connection[Any]) -> None:
    """Take the advisory lock, which goes with the connection.

    Raises OpsError with who has it.
    """
    got = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    if got == (True,):
        return
    holder = connection.execute(
        """
        SELECT format('%%s from %%s, since %%s', application_name,
            coalesce(host(client_addr), 'the server itself'),
            to_char(backend_start AT TIME ZONE 'UTC', 'HH24:MI UTC'))
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND classid = 0 AND objid = %s
            AND pg_locks.database = (
                SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        [LOCK],
    ).fetchone()
    raise OpsError(
        "Another run maintains this database: "
        f"{holder[0] if holder else 'it has just ended'}. Nothing was done"
    )


@dataclass
class _Run:
    """A run of maintenance."""

    connection: psycopg.Connection[Any]
    rules: Rules
    report: Report
    watch: _Watch

    def everything(self) -> None:
        for piece in _leftovers(self.connection):
            self._do(piece, "DROP INDEX CONCURRENTLY IF EXISTS {}")
        for piece in _tables(self.connection, self.rules):
            # The partitions are in the list themselves; of the whole, autovacuum never
            # makes statistics.
            analyze = piece.work is Work.ANALYZE
            self._do(piece, "ANALYZE {}" if analyze else "VACUUM (ANALYZE) {}")
        # Only now: the estimate takes the statistics that were just made.
        for piece in _bloated(self.connection, self.rules):
            self._rebuild(piece)

    def _rebuild(self, piece: Piece) -> None:
        try:
            done = self._do(piece, "REINDEX INDEX CONCURRENTLY {}")
        except KeyboardInterrupt:
            # A second interrupt comes through: the next run does it then.
            with suppress(psycopg.Error):
                self._drop_what_it_left(piece)
            raise
        if not done:
            self._drop_what_it_left(piece)

    def _drop_what_it_left(self, piece: Piece) -> None:
        query = "SELECT indrelid::regclass::text FROM pg_index WHERE indexrelid = "
        table = self.connection.execute(
            query + "to_regclass(%s)", [piece.name]
        ).fetchone()
        if table:
            for left in _leftovers(self.connection, *table):
                self._do(left, "DROP INDEX CONCURRENTLY IF EXISTS {}")

    def _do(self, piece: Piece, statement: str) -> bool:
        """Run a statement, unless there is nothing to do; whether it was done."""
        if piece.outcome is Outcome.SKIPPED:
            self.report(piece)
            return True
        began = time.monotonic()
        try:
            with self.watch.at(f"{piece.work} {piece.name}"):
                # A name that the server quoted.
                name = sql.SQL(piece.name)
                self.connection.execute(sql.SQL(statement).format(name))
        except psycopg.errors.LockNotAvailable:
            whose = self.watch.blocker or "somebody else's lock"
            why = f"left out after waiting {self.rules.lock_seconds} s for {whose}"
            piece = replace(piece, outcome=Outcome.SKIPPED, why=why)
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            why = f"failed: {error.diag.message_primary or error}"
            piece = replace(piece, outcome=Outcome.FAILED, why=why)
        else:
            piece = replace(
                piece, outcome=Outcome.DONE, after=_size(self.connection, piece)
            )
        self.report(replace(piece, seconds=round(time.monotonic() - began, 1)))
        return piece.outcome is Outcome.DONE


def _size(connection: psycopg.Connection[Any], piece: Piece) -> int | None:
    """Bytes of an index after it was rebuilt."""
    if piece.work is not Work.REINDEX:
        return None
    query = "SELECT pg_relation_size(%s::regclass)"
    row = connection.execute(query, [piece.name]).fetchone()
    return int(row[0]) if row else None


def _leftovers(
    connection: psycopg.Connection[Any], table: str | None = None
) -> list[Piece]:
    rows = _raw(connection, INVALID_LEFTOVERS, [table])
    return [Piece(Work.DROP, row.name, "left by an interrupted run") for row in rows]


_CARE = f"""
SELECT tables.name, tables.partitioned, pg_relation_size(tables.name::regclass) AS size,
    coalesce(n_live_tup, 0) AS live, coalesce(n_dead_tup, 0) AS dead,
    coalesce(n_mod_since_analyze, 0) AS changed,
    greatest(last_vacuum, last_autovacuum) AS vacuumed,
    greatest(last_analyze, last_autoanalyze) AS analyzed,
    age(relfrozenxid) AS age,
    current_setting('autovacuum_freeze_max_age')::int / 2 AS old
FROM ({TABLES}) AS tables
JOIN pg_class ON pg_class.oid = tables.name::regclass
LEFT JOIN pg_stat_all_tables AS stats ON stats.relid = pg_class.oid
ORDER BY 1
"""  # noqa: S608


def _tables(connection: psycopg.Connection[Any], rules: Rules) -> list[Piece]:
    return [_care(row, rules) for row in _raw(connection, _CARE, [])]


def _care(row: Any, rules: Rules) -> Piece:
    """What a table needs, and why."""
    work = Work.ANALYZE if row.partitioned else Work.VACUUM
    many = max(CHANGED_ROWS, CHANGED * row.live)
    reasons = [
        reason
        for holds, reason in (
            (row.dead >= many, f"{row.dead:,} dead of {row.live:,} rows"),
            (row.changed >= many, f"{row.changed:,} rows changed since ANALYZE"),
            (row.size and not row.vacuumed, "never vacuumed"),
            (not row.analyzed and (row.size or row.partitioned), "never analyzed"),
            (
                not row.partitioned and row.age > row.old,
                f"{row.age:,} transactions old",
            ),
            (rules.everything, "all of them"),
        )
        if holds
    ]
    if reasons:
        return Piece(work, row.name, reasons[0])
    why = f"{row.dead:,} dead of {row.live:,} rows" if row.size else "empty"
    return Piece(work, row.name, f"needs nothing: {why}", Outcome.SKIPPED)


def _bloated(connection: psycopg.Connection[Any], rules: Rules) -> list[Piece]:
    rows = _raw(connection, BLOATED_INDEXES, [rules.bloat, rules.worthwhile])
    return [
        Piece(
            Work.REINDEX,
            row.name,
            f"{row.air / row.bytes:.0%} air",
            before=int(row.bytes),
        )
        for row in rows
    ]


def _raw(
    connection: psycopg.Connection[Any], query: str, parameters: Sequence[object]
) -> list[Any]:
    with psycopg.RawCursor(connection, row_factory=namedtuple_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


_HOW_FAR = """
SELECT coalesce(
    (SELECT format('%%s, %%s %%%%', phase, 100 * heap_blks_scanned
            / greatest(1, heap_blks_total))
        FROM pg_stat_progress_vacuum WHERE pid = %(pid)s),
    (SELECT format('%%s, %%s %%%%', phase, 100 * sample_blks_scanned
            / greatest(1, sample_blks_total))
        FROM pg_stat_progress_analyze WHERE pid = %(pid)s),
    (SELECT format('%%s, %%s %%%%', phase, 100 * greatest(blocks_done, tuples_done)
            / greatest(1, CASE WHEN blocks_done > 0 THEN blocks_total
                ELSE tuples_total END))
        FROM pg_stat_progress_create_index WHERE pid = %(pid)s),
    '') AS far,
    (SELECT string_agg(format('%%s of %%s, %%s since %%s (pid %%s)',
            coalesce(nullif(application_name, ''), 'a session'), usename, state,
            to_char(coalesce(state_change, backend_start) AT TIME ZONE 'UTC',
                'HH24:MI UTC'), pid), ', ')
        FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%(pid)s))) AS blocker
"""


class _Watch:
    """Looks from a connection of its own how far a statement is, and who is in its way.

    Good to know, and no more: when that connection fails, the work goes on without.
    """

    def __init__(self, address: Address, pid: int, progress: Progress) -> None:
        self._address = address
        self._pid = pid
        self._progress = progress
        self._present: str | None = None
        self._stop = threading.Event()
        self.blocker: str | None = None
        """Who was in the way when last looked."""

    @contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        self.blocker = None
        self._present = what
        self._progress(what)
        try:
            yield
        finally:
            self._present = None

    def _look(self) -> None:
        with suppress(psycopg.Error, OpsError), self._address.connect() as connection:
            while not self._stop.wait(LOOK_SECONDS):
                present = self._present
                if present is None:
                    continue
                far, blocker = connection.execute(
                    _HOW_FAR, {"pid": self._pid}
                ).fetchone() or ("", None)
                if self._present != present:
                    continue
                self.blocker = blocker or self.blocker
                waits = f"waits for {blocker}" if blocker else far
                self._progress(f"{present}: {waits}" if waits else present)
