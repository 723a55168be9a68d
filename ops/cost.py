"""`stromhaltig cost`: what a stack costs a month, and what a change makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ops.common import (
    FileOption,
    JsonOption,
    PreviewOption,
    StackOption,
    refuse,
)

if TYPE_CHECKING:
    from cost.estimate import Estimate
    from resource_graph import ResourceGraph

OVER = 1
"""Exit code when the price is above `--limit`."""

app = typer.Typer(help="What a stack costs a month, by list price.")


@app.callback(invoke_without_command=True)
def cost(
    context: typer.Context,
    stack: StackOption = None,
    file: FileOption = None,
    preview: PreviewOption = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Show the difference from this state or preview."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Assumptions about use; default the profile called like the stack.",
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Change an assumption; may be repeated."
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="Region of AWS whose prices count; default the stack's own."),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            metavar="USD",
            help="Exit with 1 when a month costs more than this, or part of it is of "
            "unknown price.",
        ),
    ] = None,
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="For pull requests: Markdown.")
    ] = False,
) -> None:
    """Itemise a month of a stack, without tax and discounts.

    What is assumed is marked, and set with --assume. Nothing of unknown price is
    counted; each is named.
    """
    if context.invoked_subcommand is not None:
        return
    if as_json and markdown:
        refuse("Say which: --json or --markdown.")
    # Only now: what other commands do without takes half a second.
    from cost import assumptions, book, show
    from ops.stack_graph import graph_of
    from resource_graph import GraphError, read

    try:
        graph = graph_of(stack, file, preview=preview)
        after = _priced(graph, profile, assume or [], region)
        before = (
            _priced(read(against), profile, assume or [], region) if against else None
        )
    except (GraphError, book.BookError, assumptions.AssumptionError) as error:
        refuse(str(error))
    if as_json:
        print(show.as_json(before, after))
    elif markdown:
        print(show.markdown(before, after))
    elif before is not None:
        show.show_changes(before, after, Console())
    else:
        show.show(after, Console())
    if limit is not None:
        _hold(after, limit)


@app.command()
def refresh(
    region: Annotated[
        str, typer.Option(help="Region whose book it is.")
    ] = "eu-central-1",
) -> None:
    """Read the prices of a book again, from the AWS Price List API.

    Takes credentials that may call pricing:GetProducts. A region without a book gets
    one with the entries of eu-central-1's.
    """
    from cost import book
    from ops import price_list

    try:
        report = price_list.refresh(region)
    except (book.BookError, price_list.PriceListError) as error:
        refuse(str(error))
    for line in report.lines():
        print(line)


def _hold(priced: Estimate, limit: float) -> None:
    """End with OVER unless all of it is known, and within the limit by the cent."""
    over = f"{priced.usd:,.2f} USD a month are more than the limit of {limit:,.2f}."
    if priced.unknown and round(priced.usd, 2) <= limit:
        over = (
            f"{len(priced.unknown)} of unknown price: nobody knows whether a month "
            f"stays within the limit of {limit:,.2f}."
        )
    elif round(priced.usd, 2) <= limit:
        return
    Console(stderr=True).print(over, style="red")
    raise typer.Exit(OVER)


def _priced(
    graph: ResourceGraph, profile: str | None, changes: list[str], region: str | None
) -> Estimate:
    from cost import assumptions
    from cost.estimate import book_for, estimate

    return estimate(
        graph,
        book_for(graph, region),
        assumptions.assumptions(
            profile or assumptions.profile_for(graph.stack), changes
        ),
    )
