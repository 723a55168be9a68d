"""What the way in and out costs, worked by hand."""

from __future__ import annotations

import pytest

from resource_graph import UNKNOWN
from tests.unit.cost.pricing import MONTH, costs, priced, unknowns
from tests.unit.policies.casework import resource

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NAT = "aws:ec2/natGateway:NatGateway"
SUBNET = "aws:ec2/subnet:Subnet"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"

OUT = {
    "usd": 0.09,
    "tiers": [
        {"up_to": 10_240, "usd": 0.09},
        {"up_to": 51_200, "usd": 0.085},
        {"usd": 0.07},
    ],
    "free": 100,
}
PRICES = {
    "alb.hour": 0.027,
    "alb.lcu": 0.008,
    "ipv4.hour": 0.005,
    "transfer.out": OUT,
    "transfer.zones": 0.01,
}
FREE = {"alb.hour": 0, "alb.lcu": 0, "ipv4.hour": 0, "transfer.zones": 0}
CDN_PRICES = {"cloudfront.out": 0.085, "cloudfront.requests": 0.012}


def test_a_load_balancer_pays_for_hours_capacity_addresses_and_traffic():
    # 60 GB in 730 hours take 0.08 units of capacity; 3 million requests, of which 5
    # share a connection, are 0.23 connections a second, less than 0.01 units.
    found = resource(BALANCER, subnets=["a", "b"])
    used = {"requests": 3_000_000, "requests_per_connection": 5}
    assert costs(
        [found], PRICES, egress_gb=60, cross_zone_gb=20, **used
    ) == pytest.approx(
        {
            "hours": 730 * 0.027,  # 19.71
            "capacity": 60 * 0.008,  # 0.48
            "public addresses": 2 * 730 * 0.005,  # 7.30
            "to the internet": 60 * 0.09,  # 5.40
            "between zones": 2 * 20 * 0.01,  # 0.40
        }
    )


def test_many_connections_take_more_capacity_than_their_traffic():
    # 100 new connections a second are 4 units, at 25 each; the traffic is 1 GB an hour.
    found = resource(BALANCER, internal=True)
    paid = costs(
        [found],
        PRICES,
        requests=100 * 3600 * MONTH * 5,
        requests_per_connection=5,
        egress_gb=MONTH,
    )
    assert paid["capacity"] == pytest.approx(4 * 730 * 0.008)  # 23.36


def test_an_internal_load_balancer_has_no_address_and_no_way_to_the_internet():
    paid = costs([resource(BALANCER, internal=True)], PRICES, egress_gb=730)
    assert paid == pytest.approx({"hours": 730 * 0.027, "capacity": 730 * 0.008})


@pytest.mark.parametrize(
    "inputs",
    [
        {"subnets": ["a", "b", "c"]},
        {"subnets": [UNKNOWN, UNKNOWN, UNKNOWN]},
        {"subnetMappings": [{"subnetId": "a"}, {"subnetId": "b"}, {"subnetId": "c"}]},
        {"comes_from": {"subnets": [resource(SUBNET, name) for name in "abc"]}},
    ],
)
def test_a_load_balancer_has_an_address_in_each_of_its_subnets(inputs):
    paid = costs([resource(BALANCER, **inputs)], PRICES)
    assert paid["public addresses"] == pytest.approx(3 * 730 * 0.005)


def test_addresses_in_subnets_that_nobody_knows_are_unknown_and_the_rest_is_not():
    made = priced([resource(BALANCER, subnets=UNKNOWN)], PRICES, egress_gb=60)
    assert unknowns(made) == ["it: subnets is unknown"]
    # Hours, capacity, and the traffic.
    assert made.usd == pytest.approx(730 * 0.027 + 60 * 0.008 + 60 * 0.09)


@pytest.mark.parametrize("type_", ["network", "gateway"])
def test_another_type_of_load_balancer_is_unknown(type_):
    made = priced([resource(BALANCER, loadBalancerType=type_)], PRICES)
    assert made.usd == 0
    assert unknowns(made) == [
        f"it: no price is known for a load balancer of type {type_}"
    ]


def test_traffic_to_the_internet_gets_cheaper_by_the_tier():
    prices = {**FREE, "transfer.out": OUT}
    found = [resource(BALANCER, subnets=["a"])]
    # 10,240 GB at 9 ct, the next 40,960 at 8.5, the 8,800 beyond at 7.
    assert costs(found, prices, egress_gb=60_000) == pytest.approx(
        {"to the internet": 10_240 * 0.09 + 40_960 * 0.085 + 8_800 * 0.07}  # 5,019.20
    )


def test_tiers_are_used_up_by_all_that_is_sent_together():
    prices = {**FREE, "transfer.out": OUT}
    found = [resource(BALANCER, name, subnets=["a"]) for name in ("one", "two")]
    made = priced(found, prices, egress_gb=8_000)
    sent = [item.usd for item in made.items if item.what == "to the internet"]
    # The second one finds 2,240 GB left of the first tier.
    assert sent == pytest.approx([8_000 * 0.09, 2_240 * 0.09 + 5_760 * 0.085])


def test_behind_a_cdn_visitors_are_answered_by_it_and_pay_its_price():
    found = [resource(BALANCER, subnets=["a"]), resource(DISTRIBUTION)]
    paid = costs(found, {**PRICES, **CDN_PRICES}, egress_gb=60, requests=3_000_000)
    assert "to the internet" not in paid
    assert paid["to Europe"] == pytest.approx(60 * 0.085)  # 5.10
    assert paid["requests"] == pytest.approx(300 * 0.012)  # 3.60


def test_an_address_is_paid_for_by_the_hour():
    assert costs([resource("aws:ec2/eip:Eip")], PRICES) == pytest.approx(
        {"public address": 730 * 0.005}
    )


def test_nat_gateways_pay_by_the_hour_each_and_share_what_passes():
    found = [resource(NAT, "a"), resource(NAT, "b")]
    made = priced(found, {"nat.hour": 0.052, "nat.gb": 0.052}, nat_gb=20)
    assert [(item.what, item.usd) for item in made.items] == [
        ("hours", pytest.approx(730 * 0.052)),  # 37.96
        ("data", pytest.approx(10 * 0.052)),  # 0.52
    ] * 2


@pytest.mark.parametrize(
    ("inputs", "zones"),
    [
        ({"subnetIds": ["a", "b"]}, 2),
        ({"comes_from": {"subnetIds": [resource(SUBNET, n) for n in "ab"]}}, 2),
        ({}, 1),
    ],
)
def test_an_interface_endpoint_is_paid_for_in_each_zone(inputs, zones):
    found = resource(ENDPOINT, vpcEndpointType="Interface", **inputs)
    assert costs([found], {"endpoint.hour": 0.012}) == pytest.approx(
        {"hours": zones * 730 * 0.012}
    )


def test_a_gateway_endpoint_is_free():
    found = [resource(ENDPOINT, "s3"), resource(ENDPOINT, vpcEndpointType="Gateway")]
    assert costs(found, {}) == {}


def test_another_type_of_endpoint_is_unknown():
    made = priced([resource(ENDPOINT, vpcEndpointType="GatewayLoadBalancer")], {})
    assert unknowns(made) == [
        "it: no price is known for an endpoint of type GatewayLoadBalancer"
    ]


def test_a_web_acl_pays_for_itself_its_rules_and_what_it_looks_at():
    rules = [{"name": name, "priority": n} for n, name in enumerate("abcdefg")]
    prices = {"waf.acl": 5, "waf.rule": 1, "waf.requests": 0.6}
    found = resource(WEB_ACL, rules=rules)
    assert costs([found], prices, requests=3_000_000) == pytest.approx(
        {"web ACL": 5, "rules": 7, "requests": 3 * 0.6}  # 13.80 together
    )
    assert costs([resource(WEB_ACL)], prices) == {"web ACL": 5}
