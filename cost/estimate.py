"""From a graph of resources to what it costs a month."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cost.assumptions import Assumptions
from cost.book import PriceBook, load, load_provider
from cost.meter import Gap, Item, Meter, MissingError
from cost.rates import RATES, free
from resource_graph import Resource, ResourceGraph, UndecidedError, region_of
from resource_types import current


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A resource, or a part of one, whose price nobody knows here."""

    urn: str
    name: str
    type: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a stack costs a month by list price, without tax.

    free: type -> why resources of it cost nothing. warnings: what to know about it.
    """

    project: str
    stack: str
    book: PriceBook
    assumptions: Assumptions
    items: Sequence[Item]
    unknown: Sequence[Unknown]
    free: Mapping[str, str]
    warnings: Sequence[str]

    @property
    def usd(self) -> float:
        """The sum of what is known."""
        return sum(item.usd for item in self.items)

    @property
    def groups(self) -> dict[str, float]:
        """Group -> USD, the most expensive first."""
        sums: defaultdict[str, float] = defaultdict(float)
        for item in self.items:
            sums[item.group] += item.usd
        return dict(sorted(sums.items(), key=lambda entry: -entry[1]))


@dataclass(frozen=True, kw_only=True)
class Change:
    """A line that costs more or less than before; nothing where it is not there."""

    name: str
    type: str
    what: str
    before: float
    after: float

    @property
    def usd(self) -> float:
        """By how much a month changes."""
        return self.after - self.before


_PROVIDERS: Mapping[str, str] = {
    "digitalocean:": "digitalocean",
    "pulumi-python:dynamic/railway:": "railway",
}
"""Beginning of a type -> the provider whose book prices a graph with such."""


def book_for(graph: ResourceGraph, region: str | None = None) -> PriceBook:
    """The book that prices a graph: by what is in it, on AWS by its region.

    region: of AWS, where the graph does not say it.

    Raises GraphError when neither says which, and BookError when there is no such book.
    """
    for start, provider in _PROVIDERS.items():
        if any(resource.type.startswith(start) for resource in graph):
            return load_provider(provider)
    return load(region or region_of(graph))


def estimate(
    graph: ResourceGraph,
    book: PriceBook,
    assumptions: Assumptions,
    *,
    today: datetime.date | None = None,
) -> Estimate:
    """Price every resource of a graph.

    today: decides which prices are old; default the day it is.

    What has no rate and is not free, or lacks a price or a value, is unknown.
    """
    graph = ResourceGraph(replace(r, type=current(r.type)) for r in graph)
    meter = Meter(graph, book, assumptions)
    items: list[Item] = []
    unknown: list[Unknown] = []
    gratis: dict[str, str] = {}
    for resource in graph:
        rate = RATES.get(resource.type)
        if rate is None:
            if why := free(resource.type):
                gratis[resource.type] = why
            else:
                unknown.append(_unknown(resource, "no price is known for this type"))
            continue
        try:
            # One by one: what is known of a resource counts, whatever else is not.
            for line in rate(resource, meter):
                if isinstance(line, Gap):
                    unknown.append(_unknown(resource, line.why))
                else:
                    items.append(line)
        except (MissingError, UndecidedError) as error:
            unknown.append(_unknown(resource, str(error)))
    return Estimate(
        project=graph.project,
        stack=graph.stack,
        book=book,
        assumptions=assumptions,
        items=items,
        unknown=unknown,
        free=gratis,
        warnings=book.warnings(today or datetime.date.today()),
    )


def difference(before: Estimate, after: Estimate) -> list[Change]:
    """Lines whose cost differs by a cent or more, the largest difference first."""
    old, new = _lines(before), _lines(after)
    changes = []
    for key in old | new:
        was, is_ = old.get(key, []), new.get(key, [])
        item = (is_ or was)[0]
        changes.append(
            Change(
                name=item.name,
                type=item.type,
                what=item.what,
                before=sum(item.usd for item in was),
                after=sum(item.usd for item in is_),
            )
        )
    changed = [change for change in changes if abs(change.usd) >= 0.005]
    return sorted(changed, key=lambda change: -abs(change.usd))


def _lines(estimate: Estimate) -> dict[tuple[str, str], list[Item]]:
    """Items by what makes them the same line: a test restores several databases."""
    lines: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in estimate.items:
        lines[item.key].append(item)
    return lines


def _unknown(resource: Resource, why: str) -> Unknown:
    return Unknown(urn=resource.urn, name=resource.name, type=resource.type, why=why)
