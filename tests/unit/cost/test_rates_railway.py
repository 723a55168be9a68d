"""What Railway asks for, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cost.book import load_provider
from cost.estimate import book_for
from resource_graph import Resource, ResourceGraph
from tests.unit.cost.pricing import priced
from tests.unit.policies.casework import resource

BOOK = load_provider("railway")
SECONDS = 730 * 3600


def made(kind: str, name: str, /, **inputs: Any) -> Resource:
    return resource(f"pulumi-python:dynamic/railway:{kind}", name, **inputs)


def test_its_resources_are_priced_by_its_own_book():
    assert book_for(ResourceGraph([made("Project", "it")])) == BOOK


@pytest.mark.parametrize(
    ("price", "a_second"),
    [("vcpu", 0.00000772), ("memory", 0.00000386), ("volume", 0.00000006)],
)
def test_a_month_is_what_railway_asks_for_a_second(price, a_second):
    assert BOOK.price(price).usd == pytest.approx(a_second * SECONDS, rel=1e-3)


def test_a_service_costs_what_its_replicas_use():
    service = made("Service", "shop", replicas="2")
    found = priced([service], BOOK, service_vcpu={"*": 0.5}, service_memory_gb={"*": 1})
    assert found.usd == pytest.approx(2 * (0.5 * 20.288 + 10.144))


def test_traffic_is_that_of_the_app_and_of_nothing_else():
    shop = made("Service", "shop", replicas="1", healthcheck_path="/api/health")
    database = made("Service", "shop-database", replicas="1")
    found = priced([shop, database], BOOK, egress_gb=60)
    assert found.groups["Traffic"] == pytest.approx(60 * 0.05)


def test_volumes_cost_what_is_on_them():
    volumes = [made("Volume", f"shop-{what}") for what in ("uploads", "database")]
    found = priced(volumes, BOOK, uploads_gb=20, database_used_gb=10)
    assert found.usd == pytest.approx(30 * 0.1577)


@pytest.mark.parametrize("kind", ["Project", "Variables", "Domain", "Deployment"])
def test_the_rest_costs_nothing_and_says_why(kind):
    found = priced([made(kind, "it")], BOOK)
    assert (found.usd, found.unknown) == (0, [])
    assert set(found.free.values()) == {"what services use is paid for"}
