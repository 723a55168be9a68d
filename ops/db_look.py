"""`stromhaltig db slow|indexes|bloat|connections`: what a database suffers from."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import FAILED, JsonOption, print_json, print_table, say
from ops.db_target import AddressEnvOption, Target, TargetStackOption
from ops.sizes import MIB, percent, size

if TYPE_CHECKING:
    from ops.database.connections import Connections
    from ops.database.indexes import Findings
    from ops.database.statements import Slowness

WIDTH = 240
"""How much of a statement is shown; --json has it whole."""

YOUNG_DAYS = 7
"""What was not used for so few days may be used next week."""


class Order(StrEnum):
    """What comes first in `slow`."""

    TOTAL = "total"
    MEAN = "mean"


def slow(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many statements.")] = 10,
    by: Annotated[
        Order, typer.Option(help="First what took longest in all, or at each call.")
    ] = Order.TOTAL,
    json: JsonOption = False,
) -> None:
    """Show the statements that take longest, and those that run for over a second."""
    from ops.database import statements

    target = Target(stack, address_env)
    with target.database(admin=True) as address:
        found = statements.slow(address, top, statements.Order(by.value))
    if json:
        print_json(found)
    else:
        _show_slow(found)
    if found.missing:
        say(f"{found.missing}. {_how_to_count(target)}")


def indexes(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    json: JsonOption = False,
) -> None:
    """Show unused, duplicate and missing indexes, with the SQL that mends each.

    Nothing is changed: put the SQL into `stromhaltig db shell`, or a migration.
    """
    from ops.database.indexes import findings

    with Target(stack, address_env).database() as address:
        found = findings(address)
    if json:
        print_json(found)
    else:
        _show_indexes(found)


def bloat(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    at_least: Annotated[
        int, typer.Option(metavar="MIB", min=0, help="Leave out what has less air.")
    ] = 1,
    json: JsonOption = False,
) -> None:
    """Show how much of tables and indexes is air, that is, unused, by estimate.

    `stromhaltig db maintain` rebuilds indexes, and makes air in tables usable again.
    """
    from ops.database.bloat import bloat as bloated

    with Target(stack, address_env).database() as address:
        found = bloated(address, at_least * MIB)
    if json:
        print_json(found)
        return
    _show(
        ["", "name", "size", "air", ""],
        [[b.kind, b.name, size(b.size), size(b.air), f"{b.share:.0%}"] for b in found],
        sql=[b.sql for b in found],
        nothing=f"Nothing holds {at_least} MiB of air.",
    )


def connections(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    limit: Annotated[
        float,
        typer.Option(
            parser=percent,
            metavar="PERCENT",
            help="Exit with 1 when more of the connections are in use.",
        ),
    ] = 80,
    idle: Annotated[
        float,
        typer.Option(
            metavar="MINUTES",
            min=0,
            help="Name who has idled in a transaction for longer.",
        ),
    ] = 5,
    json: JsonOption = False,
) -> None:
    """Show who is connected, who blocks whom, and who holds a transaction open."""
    from ops.database import connections as looked_at

    with Target(stack, address_env).database(admin=True) as address:
        found = looked_at.connections(address, 60 * idle)
    if json:
        print_json(found)
    else:
        _show_connections(found)
    if found.percent > limit:
        say(
            f"That is more than {limit:g} %. End what is idle, lower DB_POOL_MAX or "
            "the number of tasks, or take a bigger database."
        )
        raise typer.Exit(FAILED)


_CREATE = (
    "create it where no dump carries it along: "
    "echo 'CREATE EXTENSION pg_stat_statements' | stromhaltig db shell --admin "
    "--stack {stack}"
)

_REMEDIES = {
    "aws": "On RDS, the parameter group loads it; reboot the instance if that is "
    "pending (stromhaltig doctor), and " + _CREATE,
    "docker": "Every deployment creates it: stromhaltig deploy --stack {stack}",
    "digitalocean": "DigitalOcean loads it: " + _CREATE,
    "railway": "Railway's image does not load it: ALTER SYSTEM SET "
    "shared_preload_libraries = 'pg_stat_statements', restart the service, and "
    + _CREATE,
}
"""What to do where nobody counts, by platform."""

_ANYWHERE = (
    "Put it into shared_preload_libraries, restart the server, and as a superuser: "
    "CREATE EXTENSION pg_stat_statements"
)


def _how_to_count(target: Target) -> str:
    if target.stack is None:
        return _ANYWHERE
    remedy = _REMEDIES.get(str(target.stack.outputs.get("platform")), _ANYWHERE)
    return remedy.format(stack=target.stack.name)


def _show_slow(found: Slowness) -> None:
    if found.statements is not None:
        since = f"{found.since:%Y-%m-%d %H:%M}" if found.since else "the server's start"
        _show(
            ["share", "total", "mean", "calls", "rows", "cached", "statement"],
            [
                [
                    f"{s.share or 0:.0%}",
                    f"{s.total_ms / 1000:.1f} s",
                    f"{s.mean_ms:.1f} ms",
                    f"{s.calls:,}",
                    f"{s.rows:.1f}",
                    "" if s.cached is None else f"{s.cached:.0%}",
                    shorten(s.query, WIDTH, placeholder=" …"),
                ]
                for s in found.statements
            ],
            title=f"Statements since {since}",
            nothing="No statement was counted.",
        )
    _show(
        ["pid", "user", "application", "for", "waits for", "statement"],
        [
            [
                str(r.pid),
                r.user,
                r.application,
                f"{r.seconds:.0f} s",
                r.waits_for,
                shorten(r.query, WIDTH, placeholder=" …"),
            ]
            for r in found.running
        ],
        title="Running now",
        nothing="Nothing runs for over a second now.",
    )


def _show_indexes(found: Findings) -> None:
    for title, findings, nothing in (
        ("Missing", found.missing, "Every foreign key has its index."),
        ("Duplicate", found.duplicate, "No index does the work of another."),
        (f"Unused {_since(found)}", found.unused, "Every index is used."),
    ):
        _show(
            ["table", "index or key", "size", "why"],
            [[f.table, f.name, size(f.size), f.why] for f in findings],
            sql=[f.sql for f in findings],
            title=title,
            nothing=nothing,
        )
    _show(
        ["table", "size", "times", "rows each", "by index"],
        [
            [
                s.table,
                size(s.size),
                f"{s.times:,}",
                f"{s.rows:,}",
                f"{s.index_scans:,}",
            ]
            for s in found.scanned
        ],
        title="Read whole (look for the statement: stromhaltig db slow)",
        nothing="No big table is read whole again and again.",
    )


def _since(found: Findings) -> str:
    from datetime import UTC, datetime

    if found.since is None:
        return "since counting began"
    young = (datetime.now(UTC) - found.since).days < YOUNG_DAYS
    note = " (too short to say)" if young else ""
    return f"since {found.since:%Y-%m-%d %H:%M}{note}"


def _show_connections(found: Connections) -> None:
    _show(
        ["count", "state", "user", "application", "client"],
        [
            [str(g.count), g.state, g.user, g.application, g.client]
            for g in found.groups
        ],
        nothing="Nobody is connected.",
    )
    _show(
        ["pid", "user", "application", "client", "for", "last statement"],
        [
            [
                str(i.pid),
                i.user,
                i.application,
                i.client,
                f"{i.seconds / 60:.0f} min",
                i.query,
            ]
            for i in found.idle_in_transaction
        ],
        title="Idle in a transaction",
        nothing="Nobody is idle in a transaction for that long.",
    )
    _show(
        ["pid", "waits", "statement", "for pid", "who", "state", "its statement"],
        [
            [
                str(b.pid),
                f"{b.seconds:.0f} s",
                b.query,
                str(b.by_pid),
                b.by,
                b.by_state,
                b.by_query,
            ]
            for b in found.blocked
        ],
        title="Blocked (end who is in the way: SELECT pg_terminate_backend(PID))",
        nothing="Nobody waits for another's lock.",
    )
    print(f"{found.used} of {found.allowed} connections, {found.percent:.0f} %.")


def _show(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    sql: Sequence[str] = (),
    nothing: str,
) -> None:
    """Print a table, or that there is nothing to show.

    sql: what mends it, printed below, where lines are not broken: it is to be copied.
    """
    if not rows:
        print(nothing)
        return
    if title:
        # Not the table's own, which is broken where a small table ends.
        print(f"{title}:")
    print_table(columns, rows)
    for statement in sql:
        print(statement)
