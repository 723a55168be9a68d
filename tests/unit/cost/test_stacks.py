"""The committed stacks: what they may cost, and that nothing of them is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any

import pytest
import yaml

from cost.assumptions import Assumptions, assumptions, profile_for
from cost.book import PriceBook
from cost.estimate import Estimate, book_for, difference, estimate
from cost.meter import Gap, Meter, MissingError
from cost.rates import RATES
from resource_graph import UNKNOWN, Resource, ResourceGraph, UndecidedError, region_of
from resource_types import REPLICATION_GROUP
from tests import stacks
from tests.unit import test_digitalocean_stack as digitalocean
from tests.unit import test_railway_stack as railway
from tests.unit.cost.pricing import FRANKFURT, TODAY

pytestmark = pytest.mark.sweep

LIMITS = {"production": 420, "staging": 60, "review": 4}
"""USD a month."""

EVERYTHING = "everything"
NAMES = (*LIMITS, EVERYTHING)

ELSEWHERE = {
    "digitalocean": lambda: digitalocean.deploy(registry={"name": "stromhaltig"}),
    "railway": railway.deploy,
    "machine": digitalocean.machine,
}
"""Stacks of other platforms, priced by books of their own."""


@cache
def graph_of(name: str, *, preview: bool = False) -> ResourceGraph:
    """A stack as its committed file has it; everything: production with all options."""
    if name in ELSEWHERE:
        graph = ELSEWHERE[name]()
    elif name == EVERYTHING:
        graph = stacks.everything(preview=preview)
    elif name == "review":
        graph = stacks.review(preview=preview, secrets={})
    elif name == "staging":
        # Its file sets none of the four secrets that are optional there.
        graph = stacks.deploy(name, preview=preview, secrets={})
    else:
        graph = stacks.deploy(name, preview=preview)
    return graph.as_resources()


@cache
def book_of(graph: ResourceGraph) -> PriceBook:
    return book_for(graph)


def priced(graph: ResourceGraph, used: Assumptions | None = None) -> Estimate:
    used = used or assumptions(profile_for(graph.stack))
    return estimate(graph, book_of(graph), used, today=TODAY)


@pytest.mark.parametrize("name", LIMITS)
def test_a_stack_costs_no_more_than_it_may(name):
    assert 0.8 * LIMITS[name] < priced(graph_of(name)).usd <= LIMITS[name]


@pytest.mark.parametrize("name", stacks.STACKS)
def test_a_stack_costs_less_than_the_budget_that_it_sets_itself(name):
    text = (stacks.ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8")
    budget = yaml.safe_load(text)["config"]["stromhaltig:budget"]["monthly_usd"]
    assert priced(graph_of(name)).usd <= budget


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_stack_is_unknown(name, preview):
    made = priced(graph_of(name, preview=preview))
    assert [f"{u.type} {u.name}: {u.why}" for u in made.unknown] == []
    assert made.warnings == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_nothing_is_unknown_on_other_platforms(name):
    made = priced(graph_of(name))
    assert [f"{u.type} {u.name}: {u.why}" for u in made.unknown] == []
    assert made.usd > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_preview_costs_what_the_stack_does(name):
    before = priced(graph_of(name, preview=True))
    after = priced(graph_of(name))
    assert difference(before, after) == []
    assert before.usd == pytest.approx(after.usd)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_says_itself_where_it_is(name):
    assert region_of(graph_of(name)) == FRANKFURT.region


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_worth_what_it_says(name):
    made = priced(graph_of(name))
    for item in made.items:
        assert item.quantity >= 0
        # Nothing here reaches the end of a first tier.
        assert item.usd == pytest.approx(
            item.quantity * FRANKFURT.price(item.price).usd
        )
    assert sum(made.groups.values()) == pytest.approx(made.usd)


def test_the_options_are_what_everything_costs_more():
    before, after = priced(graph_of("production")), priced(graph_of(EVERYTHING))
    changes = difference(before, after)
    # Lines of less than half a cent are left out.
    assert sum(change.usd for change in changes) == pytest.approx(
        after.usd - before.usd, abs=0.05
    )
    added = {change.what for change in changes if not change.before}
    assert {"to Europe", "restore tests", "copies elsewhere"} <= added


def with_more(graph: ResourceGraph) -> ResourceGraph:
    """The graph with more snapshots of the cache than the one that is free."""
    return ResourceGraph(
        replace(found, inputs={**found.inputs, "snapshotRetentionLimit": 7})
        if found.type == REPLICATION_GROUP
        else found
        for found in graph
    )


def changed(used: Assumptions, name: str) -> Assumptions:
    """Another use: ten times as much, half as many percent, fewer in a connection."""
    value = getattr(used, name)
    other: Any
    if isinstance(value, Mapping):
        other = {pattern: 10 * gb for pattern, gb in value.items()}
    elif name.endswith("_percent"):
        other = value / 2 or 50
    elif name == "requests_per_connection":
        other = 0.01
    else:
        other = 10 * value or 5
    return used.model_copy(update={name: other})


@pytest.mark.parametrize("name", Assumptions.model_fields)
def test_no_assumption_is_without_effect(name):
    on_railway = name.startswith("service_")
    graph = with_more(graph_of("railway" if on_railway else EVERYTHING))
    used = assumptions("production")
    before, after = priced(graph, used), priced(graph, changed(used, name))
    differing = [
        (was, now)
        for was, now in zip(before.items, after.items, strict=True)
        if was.usd != pytest.approx(now.usd)
    ]
    assert differing
    # What depends on it says so; allowances are used up by whatever comes first.
    if name != "free_allowances_percent":
        assert [now.what for _, now in differing if name not in now.assumed] == []


def marked(value: Any) -> Iterator[Any]:
    """The value with one thing in it unknown, for each thing in it."""
    yield UNKNOWN
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from ({**value, key: other} for other in marked(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from (
                [*value[:index], other, *value[index + 1 :]] for other in marked(item)
            )


def with_unknowns(found: Resource) -> Iterator[Resource]:
    for inputs in marked(found.inputs):
        if inputs is UNKNOWN:
            inputs = dict.fromkeys(found.inputs, UNKNOWN)
        yield replace(found, inputs=inputs)


@pytest.mark.parametrize("type_", RATES)
def test_what_is_unknown_makes_nothing_cheaper_without_being_named(type_):
    # Staging has a server where the others have gateways.
    graph = next(
        g
        for name in (EVERYTHING, "staging", *ELSEWHERE)
        if (g := graph_of(name)).of(type_)
    )

    used = assumptions("production")

    def usd(found: Resource) -> float:
        meter = Meter(graph, book_of(graph), used)
        lines = list(RATES[type_](found, meter))
        return sum(inf if isinstance(line, Gap) else line.usd for line in lines)

    # Many are made alike: five of a type are enough.
    for found in graph.of(type_)[:5]:
        whole = usd(found)
        for less in with_unknowns(found):
            with suppress(MissingError, UndecidedError):
                assert usd(less) >= whole, less.inputs
