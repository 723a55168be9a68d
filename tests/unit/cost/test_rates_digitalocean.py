"""What DigitalOcean asks for, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cost.book import load_provider
from cost.estimate import book_for
from resource_graph import Resource, ResourceGraph
from tests.unit.cost.pricing import priced
from tests.unit.policies.casework import resource

BOOK = load_provider("digitalocean")


def made(kind: str, /, **inputs: Any) -> Resource:
    name = kind[0].lower() + kind[1:]
    return resource(f"digitalocean:index/{name}:{kind}", **inputs)


def app(**spec: Any) -> Resource:
    return made("App", spec={"services": [], **spec})


def usd(*resources: Resource, **quantities: Any) -> float:
    found = priced(resources, BOOK, **quantities)
    assert found.unknown == []
    return found.usd


def test_its_resources_are_priced_by_its_own_book():
    assert book_for(ResourceGraph([made("Volume", size=1)])) == BOOK


def test_an_app_costs_its_instances():
    service = {"instanceSizeSlug": "apps-s-1vcpu-2gb", "instanceCount": 2}
    assert usd(app(services=[service])) == pytest.approx(2 * 25)


def test_one_that_scales_costs_its_fewest_unless_more_are_assumed():
    service = {
        "instanceSizeSlug": "apps-d-1vcpu-2gb",
        "instanceCount": 9,
        "autoscaling": {"minInstanceCount": 2, "maxInstanceCount": 6},
    }
    assert usd(app(services=[service])) == pytest.approx(2 * 39)
    assert usd(app(services=[service]), tasks=3) == pytest.approx(3 * 39)


def test_what_is_beside_the_service_is_counted():
    spec = {
        "staticSites": [{"name": "client"}],
        "databases": [{"name": "db"}],
        "egresses": [{"type": "DEDICATED_IP"}],
    }
    assert usd(app(**spec)) == pytest.approx(3 + 7 + 25)


def test_static_sites_can_be_free():
    site = app(staticSites=[{"name": "client"}])
    assert usd(site, free_allowances_percent=100) == 0


def test_a_cluster_costs_each_of_its_nodes():
    size = "db-s-1vcpu-2gb"
    cluster = made("DatabaseCluster", engine="pg", size=size, nodeCount=2)
    assert usd(cluster) == pytest.approx(2 * 30.45)


def test_storage_beyond_the_size_is_not_taken_for_nothing():
    cluster = made(
        "DatabaseCluster",
        engine="pg",
        size="db-s-1vcpu-2gb",
        nodeCount=1,
        storageSizeMib="61440",
    )
    found = priced([cluster], BOOK)
    assert found.usd == pytest.approx(30.45)
    assert [u.why for u in found.unknown] == [
        "it is not known how much of storageSizeMib comes with the size"
    ]


def test_a_size_without_a_price_is_named_with_the_nearest():
    cluster = made("DatabaseCluster", engine="pg", size="db-s-1vcpu-3gb", nodeCount=1)
    (unknown,) = priced([cluster], BOOK).unknown
    assert "pg.db-s-1vcpu-3gb" in unknown.why
    assert "pg.db-s-1vcpu-" in unknown.why.partition("nearest")[2]


def test_spaces_are_paid_once_an_account():
    first, second = (resource(made("SpacesBucket").type, name) for name in ("a", "b"))
    assert usd(first, second) == pytest.approx(5)


def test_a_registry_costs_its_tier():
    registry = made("ContainerRegistry", subscriptionTierSlug="basic")
    assert usd(registry) == pytest.approx(5)


def test_a_check_costs_a_dollar():
    assert usd(made("UptimeCheck")) == pytest.approx(1)


@pytest.mark.parametrize(
    ("backups", "wanted"),
    [
        ({}, 24),
        ({"backups": True}, 24 * 1.2),
        ({"backups": True, "backupPolicy": {"plan": "daily"}}, 24 * 1.3),
    ],
)
def test_a_droplet_costs_its_size_and_its_backups_a_share(backups, wanted):
    assert usd(made("Droplet", size="s-2vcpu-4gb", **backups)) == pytest.approx(wanted)


def test_a_volume_costs_its_size():
    assert usd(made("Volume", size=50)) == pytest.approx(5)
