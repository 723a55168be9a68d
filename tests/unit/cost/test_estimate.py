"""Whole graphs: what is counted, what is unknown, and what differs between two."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from cost.estimate import difference, estimate
from resource_graph import SECRET, UNKNOWN, ResourceGraph
from tests.unit.cost.pricing import (
    FRANKFURT,
    MONTH,
    TODAY,
    book_of,
    database,
    priced,
    service,
    task,
    unknowns,
    use,
)
from tests.unit.policies.casework import resource

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
KEY = "aws:kms/key:Key"
NAT = "aws:ec2/natGateway:NatGateway"

PRICES = {
    "alb.hour": 0.027,
    "alb.lcu": 0.008,
    "kms.key": 1,
    "kms.requests": 0.03,
    "nat.gb": 0.052,
    "nat.hour": 0.052,
    "rds.backup": 0.103,
    "rds.postgres.db.t4g.micro.single": 0.019,
    "rds.postgres.db.t4g.small.single": 0.037,
    "rds.storage.gp2.single": 0.137,
    "rds.storage.gp3.single": 0.137,
    "transfer.zones": 0.01,
}


def balancer(name="balancer"):
    return resource(BALANCER, name, internal=True)


def test_a_small_stack_is_the_sum_of_its_parts():
    made = priced(
        [
            resource("aws:ec2/vpc:Vpc"),
            balancer(),
            resource(NAT),
            database(allocatedStorage=20),
            resource(KEY),
        ],
        PRICES,
        nat_gb=100,
        egress_gb=73,
        cross_zone_gb=10,
        key_requests=50_000,
    )
    assert made.unknown == []
    assert made.groups == pytest.approx(
        {
            "Network": 730 * 0.052 + 100 * 0.052,  # 43.16
            "Load balancer": 730 * 0.027 + 73 * 0.008,  # 20.29
            "Database": 730 * 0.019 + 20 * 0.137,  # 16.61
            "Keys and secrets": 1 + 5 * 0.03,  # 1.15
            "Traffic": 2 * 10 * 0.01,  # 0.20
            "Backups": 0,
        }
    )
    assert list(made.groups)[:3] == ["Network", "Load balancer", "Database"]
    assert made.usd == pytest.approx(43.16 + 20.294 + 16.61 + 1.15 + 0.20)
    assert made.free == {"aws:ec2/vpc:Vpc": "a network itself is free"}
    assert (made.project, made.stack) == ("stromhaltig", "test")


def test_every_line_says_what_it_costs_and_why():
    made = priced([resource(NAT, "way-out")], PRICES, nat_gb=100)
    hours, data = made.items
    assert (hours.name, hours.type, hours.group) == ("way-out", NAT, "Network")
    assert (hours.quantity, hours.price, hours.assumed) == (MONTH, "nat.hour", ())
    assert (data.quantity, data.price, data.assumed) == (100, "nat.gb", ("nat_gb",))


def test_nothing_costs_nothing():
    made = priced([], PRICES)
    assert (made.usd, made.groups, made.items, made.unknown) == (0, {}, [], [])


@pytest.mark.parametrize(
    ("older", "inputs"),
    [
        ("aws:alb/loadBalancer:LoadBalancer", {"internal": True}),
        ("aws:elasticloadbalancingv2/loadBalancer:LoadBalancer", {"internal": True}),
        ("aws:s3/bucketV2:BucketV2", {}),
    ],
)
def test_older_names_of_a_type_have_its_price(older, inputs):
    made = priced([resource(older, **inputs)], bucket_gb={"*": 10})
    assert made.unknown == []
    assert made.usd > 0


# What nobody knows is named, never taken for nothing; the rest has its price.

KNOWN = balancer("known")
OF_WHICH = 730 * 0.027

_, SERVICE = service(task())
MARKED = [
    (resource("aws:redshift/cluster:Cluster"), "no price is known for this type"),
    (SERVICE, "its task definition is not in this stack (taskDefinition)"),
    (
        resource(BALANCER, loadBalancerType="network"),
        "no price is known for a load balancer of type network",
    ),
    (resource(BALANCER, loadBalancerType=UNKNOWN), "loadBalancerType is unknown"),
    (database(instanceClass=UNKNOWN), "instanceClass is unknown"),
    (database(instanceClass=SECRET), "instanceClass is secret"),
    (database(multiAz=UNKNOWN), "multiAz is unknown"),
    (
        resource("aws:ec2/instance:Instance", instanceType=UNKNOWN),
        "instanceType is unknown",
    ),
    (
        resource("aws:scheduler/schedule:Schedule", target=SECRET),
        "target is secret",
    ),
]


@pytest.mark.parametrize(("found", "why"), MARKED, ids=lambda value: str(value)[-60:])
def test_what_nobody_knows_is_named_and_the_rest_is_priced(found, why):
    made = priced([found, KNOWN], PRICES)
    assert [(u.urn, u.name, u.type, u.why) for u in made.unknown] == [
        (found.urn, found.name, found.type, why)
    ]
    assert made.usd == pytest.approx(OF_WHICH)


def test_what_is_known_of_a_resource_is_counted_whatever_else_is_not():
    made = priced([database(allocatedStorage=UNKNOWN)], PRICES)
    assert unknowns(made) == ["database: allocatedStorage is unknown"]
    assert made.usd == pytest.approx(730 * 0.019)


def test_a_class_without_a_price_names_the_nearest_that_has_one():
    made = priced([database(instanceClass="db.t4g.smal", allocatedStorage=20)])
    assert unknowns(made) == [
        "database: the price book has no rds.postgres.db.t4g.smal.single "
        "(the nearest there is: rds.postgres.db.t4g.small.single)"
    ]
    assert made.usd == pytest.approx(20 * FRANKFURT.price("rds.storage.gp3.single").usd)


def test_tasks_and_jobs_whose_size_nobody_knows_are_unknown():
    made = priced(service(task(cpu=UNKNOWN)))
    assert unknowns(made) == ["service: cpu is unknown"]


STRATEGIES = [
    UNKNOWN,
    [UNKNOWN],
    [{"capacityProvider": UNKNOWN}],
    [{"capacityProvider": "FARGATE_SPOT", "weight": UNKNOWN}],
    [{"capacityProvider": "FARGATE_SPOT", "base": UNKNOWN, "weight": 1}],
]


@pytest.mark.parametrize("strategies", STRATEGIES, ids=str)
def test_tasks_that_may_be_on_spot_are_unknown(strategies):
    made = priced(service(task(), capacityProviderStrategies=strategies))
    assert made.usd == 0
    (said,) = unknowns(made)
    assert said.startswith("service: capacityProviderStrategies")
    assert said.endswith("is unknown")


def test_several_gaps_of_one_resource_are_all_named():
    made = priced([database(allocatedStorage=20)], {"rds.backup": 0.103})
    assert [why.partition(" (")[0] for why in unknowns(made)] == [
        "database: the price book has no rds.postgres.db.t4g.micro.single",
        "database: the price book has no rds.storage.gp3.single",
    ]


def test_old_prices_are_warned_of_on_the_day_of_the_estimate():
    prices = book_of({"kms.key": 1, "kms.requests": 0.03})
    graph = ResourceGraph([resource(KEY)])
    later = TODAY + datetime.timedelta(days=400)
    assert estimate(graph, prices, use(), today=TODAY).warnings == []
    (warning,) = estimate(graph, prices, use(), today=later).warnings
    assert warning.startswith("2 of 2 prices of eu-central-1 are older than a year")


def test_the_day_of_an_estimate_is_today_unless_it_is_said():
    ancient = book_of({"kms.key": {"usd": 1, "as_of": "2001-01-01"}})
    assert len(estimate(ResourceGraph([]), ancient, use()).warnings) == 1


# Differences.


def lines(changes):
    return [
        (change.name, change.what, round(change.before, 2), round(change.after, 2))
        for change in changes
    ]


def test_what_is_added_and_removed_is_a_line_each_and_what_stays_is_none():
    before = priced([balancer(), resource(NAT, "old")], PRICES)
    after = priced([balancer(), resource(KEY, "new")], PRICES)
    changes = difference(before, after)
    assert lines(changes) == [
        ("old", "hours", 37.96, 0),
        ("new", "key", 0, 1),
    ]
    assert [change.type for change in changes] == [NAT, KEY]
    assert [round(change.usd, 2) for change in changes] == [-37.96, 1]


def test_a_class_that_changes_is_one_line():
    before = priced([database(allocatedStorage=20)], PRICES)
    after = priced(
        [database(instanceClass="db.t4g.small", allocatedStorage=20)], PRICES
    )
    # 730 h x 0.019 and x 0.037; what it is called now is what it says.
    assert lines(difference(before, after)) == [
        ("database", "hours, db.t4g.small", 13.87, 27.01)
    ]


def test_another_kind_of_disk_that_costs_the_same_is_no_difference():
    before = priced([database(storageType="gp2", allocatedStorage=20)], PRICES)
    after = priced([database(storageType="gp3", allocatedStorage=20)], PRICES)
    assert difference(before, after) == []


def test_the_largest_difference_comes_first_whichever_way_it_goes():
    before = priced([resource(KEY), resource(NAT)], PRICES, key_requests=0)
    after = priced(
        [resource(KEY), database(allocatedStorage=20)], PRICES, key_requests=1e6
    )
    assert [change.what for change in difference(before, after)] == [
        "hours",  # 37.96 less
        "hours, db.t4g.micro",  # 13.87 more
        "requests",  # 100 x 0.03 = 3.00 more
        "disk, gp3",  # 2.74 more
    ]


def test_less_than_half_a_cent_is_no_difference():
    before = priced([resource(KEY)], PRICES, key_requests=1_000)
    after = priced([resource(KEY)], PRICES, key_requests=2_000)  # 0.003 more
    assert difference(before, after) == []


def test_a_stack_does_not_differ_from_itself():
    made = priced([balancer(), database(allocatedStorage=20)], PRICES)
    assert difference(made, made) == []


def test_nothing_before_makes_everything_new():
    after = priced([database(allocatedStorage=20)], PRICES)
    changes = difference(priced([], PRICES), after)
    assert sum(change.usd for change in changes) == pytest.approx(after.usd)


def test_the_databases_that_a_test_restores_are_counted_together():
    # Two lines of one resource that are called the same: a change of one is not lost.
    prices = {**PRICES, "backup.restore_test": 1.5}
    restored = resource(
        "aws:backup/restoreTestingSelection:RestoreTestingSelection",
        "tests",
        protectedResourceType="RDS",
    )
    one, two = database("one"), database("two")
    before = priced([one, two, restored], prices, restore_test_hours=100)
    bigger = replace(one, inputs={**one.inputs, "instanceClass": "db.t4g.small"})
    after = priced([bigger, two, restored], prices, restore_test_hours=100)
    hours = 365 / 12 / 7 * 100
    assert lines(difference(before, after)) == [
        ("one", "hours, db.t4g.small", 13.87, 27.01),
        (
            "tests",
            "restored database",
            round(hours * 2 * 0.019, 2),
            round(hours * (0.037 + 0.019), 2),
        ),
    ]
