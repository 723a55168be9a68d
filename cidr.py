"""Address plan of a virtual network: which subnet gets which range.

Pure arithmetic, no cloud. The plan reserves room for more zones than are in
use, so that adding a zone never moves a subnet that exists: a subnet whose range
changes is a subnet that is replaced, with everything in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

MIN_ZONES = 2
"""A load balancer and an RDS subnet group need two zones (AWS ELB, RDS guides)."""

MAX_ZONES = 3
"""More zones cost more NAT and cross-zone traffic and buy no further safety."""

LARGEST_PREFIX = 16
"""AWS: a VPC and a subnet are at most a /16."""

SMALLEST_SUBNET = 27
"""Longest prefix we accept for a subnet: 32 addresses, 27 of them usable.

AWS keeps five addresses of every subnet for itself and asks for at least a /27
with eight free addresses for a load balancer.
"""

RESERVED_ADDRESSES = 5
"""Addresses AWS keeps in every subnet: network, router, DNS, future, broadcast."""

_SLOT_BITS = 2  # four slots a tier: MAX_ZONES and one that stays free
_TIER_BITS = 2  # the private tier takes two quarters, the others one each
_SMALLEST_NETWORK = SMALLEST_SUBNET - _TIER_BITS - _SLOT_BITS
_PRIVATE_RANGES = tuple(
    IPv4Network(range_)
    for range_ in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The ranges of a network's subnets, one per zone and tier.

    public: load balancer and NAT; reachable from the internet.
    private: tasks; they reach the internet, nothing there reaches them.
    isolated: databases; no route to the internet in either direction.
    """

    public: tuple[str, ...]
    private: tuple[str, ...]
    isolated: tuple[str, ...]


def layout(cidr: str, zones: int) -> Layout:
    """Divide a network into one public, private and isolated subnet per zone.

    The first half goes to the private tier, where tasks take one address each; the
    third quarter to the public, the fourth to the isolated tier. Of a /16 that is
    /19 private and /20 public and isolated, each with a fourth slot left free.

    Args:
        cidr: the network, /16 to /23, from a private range (RFC 1918 or 6598).
        zones: availability zones in use, 2 or 3.

    Raises:
        ValueError: with the remedy, when the network or the zones do not fit.
    """
    if not MIN_ZONES <= zones <= MAX_ZONES:
        raise ValueError(f"{zones} zones: choose {MIN_ZONES} to {MAX_ZONES}")
    private_half, other_half = parse(cidr).subnets()
    public_quarter, isolated_quarter = other_half.subnets()
    return Layout(
        public=_first(public_quarter, zones),
        private=_first(private_half, zones),
        isolated=_first(isolated_quarter, zones),
    )


def parse(cidr: str) -> IPv4Network:
    """Read a network that is private, aligned, and of a size that `layout` divides.

    Raises:
        ValueError: with the remedy.
    """
    try:
        network = IPv4Network(cidr, strict=False)
    except ValueError:
        raise ValueError(
            f'"{cidr}" is not an IPv4 network. Write it like 10.0.0.0/16'
        ) from None
    if "/" not in cidr:
        raise ValueError(f'"{cidr}" has no size. Write it like {cidr}/16')
    if str(network) != cidr:
        raise ValueError(f'"{cidr}" has bits outside its mask. Did you mean {network}?')
    if not LARGEST_PREFIX <= network.prefixlen <= _SMALLEST_NETWORK:
        size = "large" if network.prefixlen < LARGEST_PREFIX else "small"
        raise ValueError(
            f'"{cidr}" is too {size}: choose /{LARGEST_PREFIX} to '
            f"/{_SMALLEST_NETWORK}, so that each subnet has at least "
            f"{2 ** (32 - SMALLEST_SUBNET) - RESERVED_ADDRESSES} usable addresses"
        )
    if not any(network.subnet_of(range_) for range_ in _PRIVATE_RANGES):
        raise ValueError(
            f'"{cidr}" is a public range. Choose one within '
            + ", ".join(str(range_) for range_ in _PRIVATE_RANGES)
        )
    return network


def _first(tier: IPv4Network, zones: int) -> tuple[str, ...]:
    return tuple(str(s) for s in tier.subnets(prefixlen_diff=_SLOT_BITS))[:zones]
