"""What the way in and out costs: load balancer, addresses, NAT, firewall, CDN."""

from __future__ import annotations

from collections.abc import Iterator

from cost.assumptions import HOURS
from cost.meter import Line, Meter, MissingError, Rate
from resource_graph import Mark, Resource
from resource_types import (
    DISTRIBUTION,
    LOAD_BALANCER,
    NAT_GATEWAY,
    VPC_ENDPOINT,
    WEB_ACL,
)

_IN = "Load balancer"
_NETWORK = "Network"

_CONNECTIONS = 25
"""New connections a second that a capacity unit (LCU) of a load balancer has."""

_SECONDS = HOURS * 3600


def load_balancer(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its hours, its units of capacity, its addresses, and what leaves through it."""
    type_ = resource.get("loadBalancerType", "application")
    if type_ != "application":
        raise MissingError(f"no price is known for a load balancer of type {type_}")
    assume = meter.assume
    yield meter.item(resource, _IN, "hours", "alb.hour", HOURS)
    # Of its four dimensions the largest counts; the other two stay far below these.
    connections = assume.requests / assume.requests_per_connection / _SECONDS
    units = max(connections / _CONNECTIONS, assume.egress_gb / HOURS)
    yield meter.item(
        resource,
        _IN,
        "capacity",
        "alb.lcu",
        units * HOURS,
        "requests",
        "requests_per_connection",
        "egress_gb",
    )
    yield meter.item(
        resource,
        "Traffic",
        "between zones",
        "transfer.zones",
        2 * assume.cross_zone_gb,
        "cross_zone_gb",
    )
    if not resource.get("internal", False):
        if not meter.has_cdn:
            yield meter.item(
                resource,
                "Traffic",
                "to the internet",
                "transfer.out",
                assume.egress_gb,
                "egress_gb",
            )
        addresses = _count(resource, "subnets") or _count(resource, "subnetMappings")
        yield meter.item(
            resource, _IN, "public addresses", "ipv4.hour", addresses * HOURS
        )


def address(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its hours, in use or not."""
    yield meter.item(resource, _NETWORK, "public address", "ipv4.hour", HOURS)


def nat_gateway(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its hours, and its share of what passes."""
    yield meter.item(resource, _NETWORK, "hours", "nat.hour", HOURS)
    share = meter.assume.nat_gb / len(meter.graph.of(NAT_GATEWAY))
    yield meter.item(resource, _NETWORK, "data", "nat.gb", share, "nat_gb")


def vpc_endpoint(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Hours in each of its zones; one for a gateway is free."""
    type_ = resource.get("vpcEndpointType", "Gateway")
    if type_ == "Gateway":
        return
    if type_ != "Interface":
        raise MissingError(f"no price is known for an endpoint of type {type_}")
    zones = max(_count(resource, "subnetIds"), 1)
    yield meter.item(resource, _NETWORK, "hours", "endpoint.hour", zones * HOURS)


def distribution(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What it answers, in Europe; what it fetches from the load balancer is free."""
    assume = meter.assume
    yield meter.item(
        resource, "CDN", "to Europe", "cloudfront.out", assume.egress_gb, "egress_gb"
    )
    yield meter.item(
        resource,
        "CDN",
        "requests",
        "cloudfront.requests",
        assume.requests / 10_000,
        "requests",
    )


def web_acl(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The list, each rule or managed group in it, and what it looks at."""
    yield meter.item(resource, "Firewall", "web ACL", "waf.acl", 1)
    rules = len(resource.get("rules") or [])
    yield meter.item(resource, "Firewall", "rules", "waf.rule", rules)
    yield meter.item(
        resource,
        "Firewall",
        "requests",
        "waf.requests",
        meter.assume.requests / 1e6,
        "requests",
    )


RATES: dict[str, Rate] = {
    "aws:ec2/eip:Eip": address,
    DISTRIBUTION: distribution,
    LOAD_BALANCER: load_balancer,
    NAT_GATEWAY: nat_gateway,
    VPC_ENDPOINT: vpc_endpoint,
    WEB_ACL: web_acl,
}


def _count(resource: Resource, key: str) -> int:
    """How many there are of what an input lists, also where they are not known yet."""
    if isinstance(resource.inputs.get(key), Mark) and resource.comes_from(key):
        return len(resource.comes_from(key))
    return len(resource.get(key) or ())
