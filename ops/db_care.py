"""`stromhaltig db maintain`: care for a database in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ops.common import DryRunOption, say
from ops.db_target import AddressEnvOption, Target, TargetStackOption
from ops.errors import FailedError
from ops.sizes import MIB, percent, size

if TYPE_CHECKING:
    from rich.status import Status

    from ops.database.maintenance import Piece, Report, Rules


def maintain(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    bloat: Annotated[
        float,
        typer.Option(
            parser=percent,
            metavar="PERCENT",
            help="Rebuild indexes of which this share or more is air, that is, unused.",
        ),
    ] = 50,
    at_least: Annotated[
        int,
        typer.Option(metavar="MIB", min=0, help="Leave indexes with less air alone."),
    ] = 4,
    wait: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Leave out what somebody else has locked for longer.",
        ),
    ] = 30,
    everything: Annotated[
        bool, typer.Option("--all", help="Vacuum tables that do not need it, too.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Vacuum and analyze tables that need it, and rebuild bloated indexes.

    The app reads and writes meanwhile. Interrupt it at any time: what is done stays
    done, and nothing is left half-done.
    """
    from ops.database import maintenance

    rules = maintenance.Rules(
        bloat=bloat / 100,
        worthwhile=at_least * MIB,
        lock_seconds=wait,
        everything=everything,
    )
    target = Target(stack, address_env)
    if dry_run:
        with target.database() as address:
            for piece in maintenance.plan(address, rules):
                say(_planned(piece))
        say("Nothing was done.")
        return
    with target.operation("db maintain"):
        _maintain(target, rules)


def _maintain(target: Target, rules: Rules) -> None:
    from ops.database import maintenance

    began = time.monotonic()
    done: list[Piece] = []
    console = Console(stderr=True)
    try:
        with target.database() as address, console.status("") as status:
            maintenance.maintain(
                address, rules, _reporting(done, console), _showing(console, status)
            )
    finally:
        # Interrupted or not: what is done is done.
        say(_summary(done, time.monotonic() - began))
    failed = [piece for piece in done if piece.outcome is maintenance.Outcome.FAILED]
    if failed:
        names = ", ".join(piece.name for piece in failed)
        raise FailedError(f"Not maintained: {names}. The reasons stand above.")


def _reporting(done: list[Piece], console: Console) -> Report:
    def report(piece: Piece) -> None:
        done.append(piece)
        # On the console of the progress, which makes room for it.
        console.print(_told(piece), markup=False, highlight=False, soft_wrap=True)

    return report


def _showing(console: Console, status: Status) -> Callable[[str], None]:
    """Progress, where somebody watches."""

    def progress(text: str) -> None:
        if console.is_terminal:
            status.update(text)

    return progress


def _planned(piece: Piece) -> str:
    from ops.database.maintenance import Outcome

    if piece.outcome is Outcome.SKIPPED:
        return _told(piece)
    bytes_now = f", {size(piece.before)}" if piece.before else ""
    return f"→ {piece.work:<8} {piece.name}: {piece.why}{bytes_now}"


def _told(piece: Piece) -> str:
    from ops.database.maintenance import Outcome

    marks = {Outcome.DONE: "✓", Outcome.SKIPPED: "·", Outcome.FAILED: "✗"}
    shrunk = ""
    if piece.before and piece.after:
        shrunk = f", {size(piece.before)} → {size(piece.after)}"
    took = f", {piece.seconds:.1f} s" if piece.outcome is not Outcome.SKIPPED else ""
    mark = marks[piece.outcome]
    return f"{mark} {piece.work:<8} {piece.name}: {piece.why}{shrunk}{took}"


def _summary(done: Sequence[Piece], seconds: float) -> str:
    from ops.database.maintenance import Outcome, Work

    def count(*works: Work) -> int:
        return sum(p.outcome is Outcome.DONE and p.work in works for p in done)

    skipped = sum(piece.outcome is Outcome.SKIPPED for piece in done)
    failed = sum(piece.outcome is Outcome.FAILED for piece in done)
    return (
        f"Vacuumed or analyzed {count(Work.VACUUM, Work.ANALYZE)}, rebuilt "
        f"{count(Work.REINDEX)} (gave back {size(sum(p.freed for p in done))}), "
        f"dropped {count(Work.DROP)}, left out {skipped}, failed {failed}; "
        f"{seconds:.1f} s."
    )
