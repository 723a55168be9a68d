"""Prices a few resources by a few prices, so that a test can be worked by hand."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cost import book
from cost.assumptions import Assumptions
from cost.book import PriceBook
from cost.estimate import Estimate, estimate
from resource_graph import Mark, Resource, ResourceGraph
from tests.unit.policies.casework import resource

TODAY = datetime.date(2026, 11, 29)
"""The day of every test book, and of every test estimate."""

MONTH = 730
"""Hours."""

FRANKFURT = book.load("eu-central-1")

_BY_NAME = ("log_gb", "bucket_gb", "service_memory_gb", "service_vcpu")


def book_of(prices: Mapping[str, Any], region: str = "eu-central-1") -> PriceBook:
    """A book of these: id -> USD, or fields of an entry."""
    return PriceBook.model_validate(
        {
            "provider": "aws",
            "region": region,
            "currency": "USD",
            "usage_prefix": "EUC1",
            "date": TODAY,
            "prices": {id_: _entry(given) for id_, given in prices.items()},
        }
    )


def _entry(given: Any) -> dict[str, Any]:
    fields = given if isinstance(given, Mapping) else {"usd": given}
    return {"per": "unit", "basis": "quoted", "as_of": TODAY, **fields}


def use(**quantities: Any) -> Assumptions:
    """Use of these quantities, and of nothing else."""
    nothing: dict[str, Any] = dict.fromkeys(Assumptions.model_fields, 0)
    return Assumptions.model_validate(
        nothing
        | {key: {} for key in _BY_NAME}
        | {"requests_per_connection": 1}
        | quantities
    )


def priced(
    resources: Iterable[Resource],
    prices: PriceBook | Mapping[str, Any] = FRANKFURT,
    **quantities: Any,
) -> Estimate:
    """The estimate of a stack of these resources."""
    made = prices if isinstance(prices, PriceBook) else book_of(prices)
    graph = ResourceGraph(resources)
    return estimate(graph, made, use(**quantities), today=TODAY)


def costs(
    resources: Iterable[Resource],
    prices: PriceBook | Mapping[str, Any] = FRANKFURT,
    **quantities: Any,
) -> dict[str, float]:
    """What is paid for -> USD a month; of which nothing may be unknown.

    What costs nothing, because nothing of it is used, is left out.
    """
    made = priced(resources, prices, **quantities)
    assert made.unknown == []
    found: dict[str, float] = {}
    for item in made.items:
        if item.usd:
            found[item.what] = found.get(item.what, 0) + item.usd
    return found


def unknowns(made: Estimate) -> list[str]:
    """What is not counted, each with the reason."""
    return [f"{found.name}: {found.why}" for found in made.unknown]


def task(**inputs: Any) -> Resource:
    """A task definition."""
    return resource("aws:ecs/taskDefinition:TaskDefinition", "task", **inputs)


def service(definition: Resource, **inputs: Any) -> list[Resource]:
    """A service, with the definition of its tasks."""
    return [
        definition,
        resource(
            "aws:ecs/service:Service",
            "service",
            comes_from={"taskDefinition": [definition]},
            **inputs,
        ),
    ]


def database(name: str = "database", **inputs: Any) -> Resource:
    """A PostgreSQL database."""
    given = {"instanceClass": "db.t4g.micro", "storageType": "gp3", **inputs}
    return resource("aws:rds/instance:Instance", name, engine="postgres", **given)


def state(resources: Sequence[Resource], **more: Any) -> dict[str, Any]:
    """These resources as `pulumi stack export` writes them."""
    return {
        "version": 3,
        "deployment": {"resources": [_as_state(found) for found in resources], **more},
    }


def preview(resources: Sequence[Resource], **more: Any) -> dict[str, Any]:
    """These resources as `pulumi preview --json --show-sames` prints them."""
    steps = [
        {"op": "create", "urn": found.urn, "newState": _as_state(found)}
        for found in resources
    ]
    return {"steps": steps, "changeSummary": {"create": len(steps)}, **more}


def _as_state(found: Resource) -> dict[str, Any]:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    return {
        "urn": found.urn,
        "custom": True,
        "id": found.id,
        "type": found.type,
        "inputs": {
            key: unknown if isinstance(value, Mark) else value
            for key, value in found.inputs.items()
        },
        "outputs": dict(found.outputs),
        "dependencies": sorted(found.dependencies),
        "propertyDependencies": {
            key: sorted(urns) for key, urns in found.property_dependencies.items()
        },
    }
