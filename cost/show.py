"""Estimates for people, for pull requests and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cost.assumptions import Assumptions
from cost.estimate import Change, Estimate, difference
from cost.meter import Item

_CENT = 0.005


def headline(estimate: Estimate) -> str:
    """The sum in one sentence, with what is not in it."""
    text = (
        f"{estimate.usd:,.2f} USD a month, list price in {estimate.book.region}, "
        "without tax"
    )
    if estimate.unknown:
        text += f"; {len(estimate.unknown)} of unknown price not counted"
    return text


def show(estimate: Estimate, console: Console, *, detailed: bool = True) -> None:
    """Print an estimate: each group with its items, assumptions, what is unknown."""
    table = Table(box=None, pad_edge=False, show_header=detailed)
    for title in ("", "what"):
        table.add_column(title, overflow="fold")
    table.add_column("quantity", justify="right")
    table.add_column("")
    table.add_column("USD", justify="right")
    for group, usd in estimate.groups.items():
        table.add_row(Text(group, "bold"), "", "", "", Text(f"{usd:,.2f}", "bold"))
        for item in _of(estimate.items, group) if detailed else ():
            name = Text(f"  {_short(item, estimate)}")
            table.add_row(name, item.what, *_quantity(item), f"{item.usd:,.2f}")
    console.print(table)
    console.print(Text(f"\n{headline(estimate)}", "bold"), soft_wrap=True)
    for note in notes(estimate):
        console.print(Text(note, "dim"), soft_wrap=True)
    _show_caveats(estimate, console)


def show_changes(before: Estimate, after: Estimate, console: Console) -> None:
    """Print what differs between two estimates."""
    table = Table(box=None, pad_edge=False)
    for title in ("", "what"):
        table.add_column(title, overflow="fold")
    for title in ("before", "after", "difference"):
        table.add_column(title, justify="right")
    changes = difference(before, after)
    for change in changes:
        table.add_row(
            Text(change.name),
            change.what,
            f"{change.before:,.2f}",
            f"{change.after:,.2f}",
            f"{change.usd:+,.2f}",
        )
    if changes:
        console.print(table)
    console.print(Text(f"\n{_sentence(before, after)}", "bold"), soft_wrap=True)
    _show_caveats(after, console)


def markdown(before: Estimate | None, after: Estimate) -> str:
    """An estimate, or what it changes, as a comment of a pull request has it."""
    if before is None:
        sums = [(group, f"{usd:,.2f}") for group, usd in after.groups.items()]
        return "\n".join(
            [f"**{headline(after)}**", "", *_table(("", "USD"), sums), *_caveats(after)]
        )
    changes = difference(before, after)
    rows = [
        (f"{c.name}: {c.what}", f"{c.before:,.2f}", f"{c.after:,.2f}", f"{c.usd:+,.2f}")
        for c in changes
    ]
    table = _table(("", "before", "after", "difference"), rows) if rows else []
    return "\n".join(
        [f"**{_sentence(before, after)}**", "", *table, *_caveats(after)]
    ).rstrip()


def as_json(before: Estimate | None, after: Estimate) -> str:
    """Estimate and changes for programs."""
    changes = difference(before, after) if before else None
    return json.dumps(as_data(after, changes), indent=2)


def as_data(
    estimate: Estimate, changes: Sequence[Change] | None = None
) -> dict[str, Any]:
    """An estimate as plain data."""
    return {
        "project": estimate.project,
        "stack": estimate.stack,
        "region": estimate.book.region,
        "currency": estimate.book.currency,
        "prices_of": estimate.book.date.isoformat(),
        "usd": round(estimate.usd, 2),
        "groups": {group: round(usd, 2) for group, usd in estimate.groups.items()},
        "items": [asdict(item) for item in estimate.items],
        "unknown": [asdict(unknown) for unknown in estimate.unknown],
        "assumptions": estimate.assumptions.model_dump(),
        "warnings": list(estimate.warnings),
        **(
            {"changes": [{**asdict(c), "usd": c.usd} for c in changes]}
            if changes is not None
            else {}
        ),
    }


def notes(estimate: Estimate) -> list[str]:
    """What the sum rests on."""
    used = {name for item in estimate.items for name in item.assumed}
    if estimate.assumptions.free_allowances_percent:
        used.add("free_allowances_percent")
    paid = {item.price for item in estimate.items if item.usd >= _CENT}
    unsure = sorted(paid & estimate.book.unconfirmed)
    lines = [f"~ assumed: {assumed(estimate.assumptions, used)}"] if used else []
    if unsure:
        lines.append(f"prices confirmed nowhere: {', '.join(unsure)}")
    return lines


def assumed(assumptions: Assumptions, names: Iterable[str]) -> str:
    """Assumptions with their values, as `--assume` takes them."""
    values = assumptions.model_dump()
    return ", ".join(
        f"{name}={value:.12g}" if isinstance(value, float) else f"{name} (by name)"
        for name, value in values.items()
        if name in names
    )


def _show_caveats(estimate: Estimate, console: Console) -> None:
    for unknown in estimate.unknown:
        console.print(
            Text(f"unknown: {unknown.type} {unknown.name}: {unknown.why}", "yellow"),
            soft_wrap=True,
        )
    for warning in estimate.warnings:
        console.print(Text(f"warning: {warning}", "yellow"), soft_wrap=True)


def _of(items: Iterable[Item], group: str) -> list[Item]:
    found = [item for item in items if item.group == group and item.usd >= _CENT]
    return sorted(found, key=lambda item: -item.usd)


def _short(item: Item, estimate: Estimate) -> str:
    """A resource without what all names of its stack begin with."""
    name = item.name.removeprefix(f"{estimate.project}-{estimate.stack}").lstrip("-")
    return name or item.type.rpartition(":")[2]


def _quantity(item: Item) -> tuple[str, str]:
    mark = "~" if item.assumed else ""
    return f"{mark}{item.quantity:,.2f}".rstrip("0").rstrip("."), item.per


def _sentence(before: Estimate, after: Estimate) -> str:
    change = after.usd - before.usd
    unknown = f" and {len(before.unknown)} unknown" if before.unknown else ""
    if abs(change) < _CENT and not unknown:
        return f"The price stays as it is: {headline(after)}"
    return (
        f"{change:+,.2f} USD a month: from {before.usd:,.2f}{unknown} "
        f"to {headline(after)}"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |"]
    lines.append("|---|" + "---:|" * (len(heads) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return lines


def _caveats(estimate: Estimate) -> list[str]:
    lines = [f"- {u.type} `{u.name}`: {u.why}" for u in estimate.unknown]
    if lines:
        lines = ["", "Of unknown price, and not counted:", *lines]
    if estimate.warnings:
        lines += ["", *estimate.warnings]
    return lines
