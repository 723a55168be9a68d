"""`stromhaltig status`, `health`, `logs`, `exec`, `maintenance`, `monitor`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.common import (
    FAILED,
    JsonOption,
    OfStackOption,
    YesOption,
    confirm,
    of_a_library,
    print_json,
    say,
)
from ops.errors import FailedError, OpsError
from ops.health import HealthUrlOption

if TYPE_CHECKING:
    from ops.platforms.platform import Fact, Measure, Platform
    from ops.stack import Stack

_STYLES = {"ok": "green", "warning": "yellow", "error": "red", "unknown": "dim"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Switch(StrEnum):
    """What `maintenance` does."""

    on = "on"
    off = "off"
    show = "show"


def status(stack: OfStackOption, as_json: JsonOption = False) -> None:
    """Show a stack on one screen.

    Version, tasks, health, alarms, database, last backup, cost. Ends with 1 when
    something is in error.
    """
    from ops.platforms import platform_of
    from ops.platforms.platform import State
    from ops.stack import Stack

    opened = Stack(stack)
    platform = platform_of(opened)
    facts = [
        *_release(opened),
        *_platform(platform),
        *_health(opened),
        *_lock(opened),
        *_cost(opened),
    ]
    if as_json:
        print_json({"stack": stack, "facts": facts})
    else:
        show_facts(facts)
    if any(fact.state is State.ERROR for fact in facts):
        raise typer.Exit(FAILED)


def health(
    stack: OfStackOption,
    as_json: JsonOption = False,
    health_url: HealthUrlOption = None,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Ask again until it is well, at most for so long.",
        ),
    ] = 0.0,
) -> None:
    """Ask the app from outside whether it is well; ends with 1 when it is not.

    With the token in HEALTH_CHECK_TOKEN the app tells details.
    """
    import os

    from ops.health import TOKEN, until_well, url_of
    from ops.stack import Stack

    address = health_url or url_of(Stack(stack).outputs)
    found = until_well(address, token=os.environ.get(TOKEN), patience=wait, times=1)
    if as_json:
        print_json(found)
    else:
        print(f"{found.url}: {found}")
    if not found.well:
        raise typer.Exit(FAILED)


def logs(
    stack: OfStackOption,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines.")
    ] = False,
    errors: Annotated[bool, typer.Option("--errors", help="Errors only.")] = False,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="From then on: 30m, 2h or 1d ago, or 2026-11-29T20:00."
        ),
    ] = "15m",
    grep: Annotated[
        str | None,
        typer.Option(
            metavar="EXPRESSION",
            help="Only lines that contain this regular expression.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the app's log, the oldest line first."""
    from ops.platforms import platform_of
    from ops.platforms.platform import LogQuery
    from ops.stack import Stack

    query = LogQuery(moment(since), follow, errors, _expression(grep))
    for line in platform_of(Stack(stack)).logs(query):
        if as_json:
            told = {"at": line.at.isoformat(), "source": line.source}
            print(json.dumps({**told, "text": line.text}), flush=True)
        else:
            print(f"{line.at:%m-%d %H:%M:%S} {line.source} {line.text}", flush=True)


def execute(
    stack: OfStackOption,
    command: Annotated[
        list[str] | None, typer.Argument(help="Default a shell.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Run a command in a running container of the app, at this terminal."""
    from ops.audit import audited
    from ops.platforms import platform_of
    from ops.stack import Stack

    opened = Stack(stack)
    words = command or ["sh"]
    if opened.production:
        confirm(f"Run `{words[0]}` in {stack}, where visitors are?", yes=yes)
    # No lock: looking around must be possible while a deployment hangs.
    with audited(opened.records, "exec", {"program": words[0]}):
        code = platform_of(opened).shell(words)
    raise typer.Exit(code)


def maintenance(
    stack: OfStackOption,
    switch: Annotated[Switch, typer.Argument(help="on, off, or show.")] = Switch.show,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give visitors a maintenance page instead of the app, or the app again."""
    from ops.audit import operation
    from ops.platforms import platform_of
    from ops.stack import Stack

    opened = Stack(stack)
    platform = platform_of(opened)
    now = platform.maintenance()
    if switch is Switch.show:
        if as_json:
            print_json({"stack": stack, "maintenance": now})
        else:
            print(f"Maintenance of {stack} is {'on' if now else 'off'}.")
        return
    wanted = switch is Switch.on
    if now == wanted:
        say(f"Maintenance of {stack} is {switch} already.")
        return
    if wanted:
        confirm(f"Show visitors of {stack} the maintenance page?", yes=yes)
    with operation(opened, f"maintenance {switch}"):
        platform.set_maintenance(wanted)
        if platform.maintenance() != wanted:
            raise FailedError(
                f"The platform took it, and maintenance is not {switch}. Look again: "
                f"stromhaltig maintenance --stack {stack}"
            )
    say(f"Maintenance of {stack} is {switch}.")


def monitor(
    stack: OfStackOption,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again and again, until interrupted.")
    ] = False,
    every: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=5, help="Pause between two, with --watch."),
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Measure CPU, memory, disk and database connections against their limits.

    Ends with 1 when one is beyond its limit or not known, for cron and the like: what
    does not run has no figure. What the platform does not measure does not count.
    """
    from ops.platforms import platform_of
    from ops.stack import Stack

    platform = platform_of(Stack(stack))
    while True:
        measures = platform.measures()
        if as_json:
            # A line each, for whoever reads them as they come.
            at = datetime.now(UTC).isoformat(timespec="seconds")
            told = {"stack": stack, "at": at, "measures": _plain(measures)}
            print(json.dumps(told), flush=True)
        else:
            _show_measures(measures)
        if not watch:
            break
        time.sleep(every)
    if not _well(measures):
        raise typer.Exit(FAILED)


def show_facts(facts: Iterable[Fact]) -> None:
    """Print facts as a table, each with its remedy where it is not well."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        says = fact.says
        if fact.remedy and fact.state != "ok":
            says = f"{says}\n{fact.remedy}"
        style = _STYLES[fact.state]
        table.add_row(Text(fact.state, style), Text(fact.name), Text(says))
    Console().print(table)


def moment(text: str, now: datetime | None = None) -> datetime:
    """A time: some minutes, hours or days ago, or as ISO 8601 has it.

    Raises OpsError for anything else.
    """
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if ago:
        seconds = int(ago[1]) * _UNITS[ago[2]]
        return (now or datetime.now(UTC)) - timedelta(seconds=seconds)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OpsError(
            f'"{text}" is no time. Say how long ago, such as 30m, 2h or 1d, or when: '
            "2026-11-29T20:00"
        ) from None
    return at if at.tzinfo else at.astimezone(UTC)


def _expression(grep: str | None) -> str | None:
    if grep is not None:
        try:
            re.compile(grep)
        except re.error as error:
            raise OpsError(
                f'--grep "{grep}" is no regular expression: {error}'
            ) from None
    return grep


def _well(measures: Iterable[Measure]) -> bool:
    """Whether something is measured, and all of that is known and within its limit."""
    from ops.platforms.platform import State

    states = [measure.state for measure in measures if measure.offered]
    return bool(states) and all(state is State.OK for state in states)


def _plain(measures: Iterable[Measure]) -> list[dict[str, object]]:
    return [
        {
            "name": measure.name,
            "value": measure.value,
            "unit": measure.unit,
            "limit": measure.limit,
            "offered": measure.offered,
            "state": measure.state,
            "note": measure.note,
        }
        for measure in measures
    ]


def _show_measures(measures: Iterable[Measure]) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    table = Table(box=None, show_header=False, pad_edge=False)
    for measure in measures:
        unknown = "not known" if measure.offered else "not offered"
        value = unknown if measure.value is None else f"{measure.value:g}"
        unit = "" if measure.value is None else measure.unit
        side = "at least" if measure.least else "at most"
        table.add_row(
            Text(measure.state, _STYLES[measure.state]),
            Text(measure.name),
            Text(f"{value} {unit}".strip(), justify="right"),
            Text("" if measure.limit is None else f"{side} {measure.limit:g}"),
            Text(measure.note),
        )
    Console().print(table)


def _release(stack: Stack) -> list[Fact]:
    from ops import releases
    from ops.platforms.platform import Fact, State

    known = releases.releases(stack.records)
    if not known:
        return [
            Fact(
                "release",
                State.UNKNOWN,
                "none is recorded",
                f"Deploy with: stromhaltig deploy --stack {stack.name}",
            )
        ]
    newest = known[0]
    says = f"{newest.label} of {newest.at} by {newest.who}: {newest.image}"
    return [Fact("release", State.OK, says)]


def _platform(platform: Platform) -> list[Fact]:
    """What the platform says; that it says nothing hides nothing else."""
    from ops.platforms.platform import Fact, State

    try:
        return platform.status()
    except Exception as error:
        told = str(error) if isinstance(error, OpsError) else of_a_library(error)
        if told is None:
            raise
        return [Fact("platform", State.ERROR, told)]


def _health(stack: Stack) -> list[Fact]:
    import os

    from ops import health as asked
    from ops.platforms.platform import Fact, State

    url = os.environ.get(asked.URL) or stack.outputs.get("health_url")
    if not url:
        return []
    found = asked.ask(str(url), os.environ.get(asked.TOKEN))
    state = State.OK if found.well else State.ERROR
    if found.well and found.status == "degraded":
        state = State.WARNING
    remedy = f"Look at its log: stromhaltig logs --errors --stack {stack.name}"
    return [Fact("health", state, f"{found}", remedy)]


def _lock(stack: Stack) -> list[Fact]:
    from ops.lock import Lock
    from ops.platforms.platform import Fact, State

    holder = Lock(stack.records).holder()
    if holder is None:
        return []
    if holder.alive():
        return [Fact("lock", State.WARNING, f"held by {holder}")]
    remedy = f"Look at what it left, then: stromhaltig unlock --stack {stack.name}"
    return [Fact("lock", State.ERROR, f"left behind by {holder}", remedy)]


def _cost(stack: Stack) -> list[Fact]:
    """By list price; nothing for a Docker host, whose price nobody lists."""
    from cost import assumptions
    from cost.book import BookError
    from cost.estimate import book_for, estimate
    from ops.platforms.platform import Fact, State
    from ops.stack_graph import graph_of
    from resource_graph import GraphError

    if stack.outputs.get("platform") == "docker":
        return []
    try:
        graph = graph_of(stack.name, None, preview=False)
        profile = assumptions.profile_for(graph.stack)
        priced = estimate(
            graph, book_for(graph, None), assumptions.assumptions(profile, [])
        )
    except (GraphError, BookError, assumptions.AssumptionError) as error:
        return [Fact("cost", State.UNKNOWN, str(error))]
    says = f"{priced.usd:,.2f} USD a month, by list price"
    if priced.unknown:
        says += f"; {len(priced.unknown)} of unknown price not counted"
    return [Fact("cost", State.OK, says)]
