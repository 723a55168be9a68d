"""The address plan: sizes, stability, and what it refuses."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cidr

SIZES = "choose /16 to /23, so that each subnet has at least 27 usable addresses"
PRIVATE = "Choose one within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10"

networks = st.builds(
    lambda address, prefix: str(
        IPv4Network((0x0A000000 | address & 0xFFFFFF, prefix), strict=False)
    ),
    address=st.integers(min_value=0, max_value=0xFFFFFF),
    prefix=st.integers(min_value=16, max_value=23),
)
zones = st.integers(min_value=cidr.MIN_ZONES, max_value=cidr.MAX_ZONES)


def ranges(plan: cidr.Layout) -> list[IPv4Network]:
    return [IPv4Network(r) for r in plan.public + plan.private + plan.isolated]


def test_a_16_is_divided_into_large_private_and_small_other_subnets():
    assert cidr.layout("10.0.0.0/16", 2) == cidr.Layout(
        public=("10.0.128.0/20", "10.0.144.0/20"),
        private=("10.0.0.0/19", "10.0.32.0/19"),
        isolated=("10.0.192.0/20", "10.0.208.0/20"),
    )


def test_the_smallest_network_still_gives_27_usable_addresses_a_subnet():
    plan = cidr.layout("192.168.2.0/23", 3)

    usable = [r.num_addresses - cidr.RESERVED_ADDRESSES for r in ranges(plan)]
    assert min(usable) == 27


@settings(max_examples=40)
@given(networks, zones)
def test_subnets_lie_inside_the_network_and_never_overlap(network, count):
    subnets = ranges(cidr.layout(network, count))

    assert len(subnets) == 3 * count
    assert all(subnet.subnet_of(IPv4Network(network)) for subnet in subnets)
    assert not any(a.overlaps(b) for a, b in combinations(subnets, 2))


@settings(max_examples=40)
@given(networks, zones)
def test_subnets_have_sizes_that_aws_accepts(network, count):
    plan = cidr.layout(network, count)

    assert all(16 <= subnet.prefixlen <= 28 for subnet in ranges(plan))
    private, other = IPv4Network(plan.private[0]), IPv4Network(plan.public[0])
    assert private.num_addresses == 2 * other.num_addresses


@settings(max_examples=40)
@given(networks)
def test_a_third_zone_moves_no_subnet(network):
    two, three = cidr.layout(network, 2), cidr.layout(network, 3)

    assert three.public[:2] == two.public
    assert three.private[:2] == two.private
    assert three.isolated[:2] == two.isolated


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("10.0.0.0/24", f'"10.0.0.0/24" is too small: {SIZES}'),
        ("10.0.0.0/8", f'"10.0.0.0/8" is too large: {SIZES}'),
        (
            "10.0.1.0/16",
            '"10.0.1.0/16" has bits outside its mask. Did you mean 10.0.0.0/16?',
        ),
        ("10.0.0.0", '"10.0.0.0" has no size. Write it like 10.0.0.0/16'),
        ("10.0.0/16", '"10.0.0/16" is not an IPv4 network. Write it like 10.0.0.0/16'),
        ("fd00::/16", '"fd00::/16" is not an IPv4 network. Write it like 10.0.0.0/16'),
        ("8.8.0.0/16", f'"8.8.0.0/16" is a public range. {PRIVATE}'),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_the_remedy(network, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cidr.layout(network, 2)


@pytest.mark.parametrize("count", [-1, 0, 1, 4])
def test_only_two_or_three_zones_are_planned(count):
    with pytest.raises(ValueError, match=f"{count} zones: choose 2 to 3"):
        cidr.layout("10.0.0.0/16", count)
