"""Elastic Load Balancing: encrypted, logged, guarded, and in more than one place."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import as_list
from policies.model import Severity, Source, policy
from policies.parts import parts
from resource_graph import Resource, ResourceGraph, names
from resource_types import (
    DISTRIBUTION,
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    WEB_ACL_ASSOCIATION,
    WEB_ACL_ASSOCIATION_CLASSIC,
)


@policy(
    "ELB.1",
    LISTENER,
    title="HTTP listeners redirect to HTTPS",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set default_actions to one of type "redirect" with '
    'redirect={"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"}.',
)
def redirects_to_https(listener: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Passwords do not travel in plain, whatever somebody types."""
    if _protocol(listener, graph) != "HTTP" or _redirects(listener, "defaultActions"):
        return
    forwards = any(
        action.get("type") == "forward" for action in parts(listener, "defaultActions")
    )
    if not forwards and any(
        _redirects(rule, "actions")
        for rule in graph.referring(listener, LISTENER_RULE, "listenerArn")
    ):
        return
    yield "protocol is HTTP and defaultActions do not redirect to HTTPS"


@policy(
    "ELB.4",
    LOAD_BALANCER,
    title="Load balancers drop invalid headers",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set drop_invalid_header_fields=True.",
)
def drops_invalid_headers(balancer: Resource) -> Iterator[str]:
    """Such headers are how one request is smuggled inside another."""
    if _type(balancer) != "application":
        return
    if balancer.get("dropInvalidHeaderFields") is not True:
        yield "dropInvalidHeaderFields is not true"


@policy(
    "ELB.5",
    LOAD_BALANCER,
    title="Load balancers write access logs",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set access_logs={"bucket": …, "enabled": True}.',
)
def logs_access(balancer: Resource) -> Iterator[str]:
    """Who asked for what is the first question after an incident."""
    if _type(balancer) != "application":
        return
    # A bucket alone does not do: the provider leaves logging off.
    if balancer.get("accessLogs.enabled") is not True:
        yield "accessLogs.enabled is not true"


@policy(
    "ELB.6",
    LOAD_BALANCER,
    title="Load balancers are protected from deletion",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set enable_deletion_protection=True.",
)
def protected(balancer: Resource) -> Iterator[str]:
    """With the load balancer goes the name that the world's DNS points to."""
    if balancer.get("enableDeletionProtection") is not True:
        yield "enableDeletionProtection is not true"


@policy(
    "ELB.12",
    LOAD_BALANCER,
    title="Load balancers fend off request smuggling",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set desync_mitigation_mode="defensive" or "strictest".',
)
def mitigates_desync(balancer: Resource) -> Iterator[str]:
    """A request that two servers read differently is two requests."""
    if _type(balancer) != "application":
        return
    mode = balancer.get("desyncMitigationMode", "defensive")
    if mode not in ("defensive", "strictest"):
        yield f"desyncMitigationMode is {mode}"


@policy(
    "ELB.13",
    LOAD_BALANCER,
    title="Load balancers are in two availability zones or more",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set subnets to subnets of at least two availability zones.",
)
def spans_zones(balancer: Resource) -> Iterator[str]:
    """A load balancer takes one subnet of a zone, so subnets count as zones."""
    places = [
        *as_list(balancer.get("subnets")),
        *as_list(balancer.get("subnetMappings")),
    ]
    if len(places) < 2:
        yield f"subnets has {len(places)}, less than 2"


@policy(
    "ELB.16",
    LOAD_BALANCER,
    title="Load balancers have a web application firewall",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Add an aws.wafv2.WebAclAssociation with the load balancer's ARN.",
)
def has_firewall(balancer: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Common attacks end before they reach the app.

    One of its own is not needed where a guarded CloudFront is the only way in: it then
    forwards by rule only, to who knows the origin's secret, and nothing by default.
    """
    if _type(balancer) != "application":
        return
    if not any(
        graph.referring(balancer, association, "resourceArn")
        for association in (WEB_ACL_ASSOCIATION, WEB_ACL_ASSOCIATION_CLASSIC)
    ) and not _is_behind_guarded_cdn(balancer, graph):
        yield "no aws.wafv2.WebAclAssociation names the load balancer"


def _is_behind_guarded_cdn(balancer: Resource, graph: ResourceGraph) -> bool:
    return any(
        distribution.has("webAclId")
        for distribution in graph.referring(balancer, DISTRIBUTION, "origins")
    ) and not any(
        action.get("type") == "forward"
        for listener in graph.referring(balancer, LISTENER, "loadBalancerArn")
        for action in parts(listener, "defaultActions")
    )


@policy(
    "ELB.17",
    LISTENER,
    title="Listeners use a TLS policy that AWS recommends",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set ssl_policy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09".',
)
def recommended_tls(listener: Resource) -> Iterator[str]:
    """Left out, it is one of 2016, with TLS 1.0."""
    tls = _tls_policy(listener)
    if tls and tls not in _RECOMMENDED:
        yield f"sslPolicy is {tls}, which AWS does not recommend"


@policy(
    "ELB.18",
    LISTENER,
    title="Listeners speak HTTPS or TLS",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set protocol="HTTPS" (a network load balancer: "TLS") and certificate_arn.',
)
def encrypted_in_transit(listener: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Nobody on the way can read or change what is said.

    A listener that only redirects to HTTPS passes, for ELB.1 asks for it. Security Hub
    itself reports that one, too.
    """
    protocol = _protocol(listener, graph)
    if not protocol or protocol in _ENCRYPTED:
        return
    if protocol == "HTTP" and _only_redirects(listener, graph):
        return
    yield f"protocol is {protocol}, not HTTPS or TLS"


@policy(
    "elbv2_listener_pqc_tls_enabled",
    LISTENER,
    title="Listeners offer a key exchange that quantum computers do not break",
    severity=Severity.LOW,
    source=Source.PROWLER,
    remedy='Set ssl_policy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09".',
)
def post_quantum_tls(listener: Resource) -> Iterator[str]:
    """What is recorded today is not read in ten years."""
    tls = _tls_policy(listener)
    if tls and tls not in _POST_QUANTUM:
        yield f"sslPolicy is {tls}, which has no post-quantum key exchange"


_ENCRYPTED = ("HTTPS", "TLS")

_DEFAULT_TLS_POLICY = "ELBSecurityPolicy-2016-08"

_RECOMMENDED = frozenset(
    f"ELBSecurityPolicy-TLS13-1-{name}"
    for name in (
        "2-Res-2021-06",
        "2-Res-FIPS-2023-04",
        "2-Res-FIPS-PQ-2025-09",
        "2-Res-PQ-2025-09",
        "3-2021-06",
        "3-FIPS-2023-04",
        "3-FIPS-PQ-2025-09",
        "3-PQ-2025-09",
    )
)
"""https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-17"""

_POST_QUANTUM = frozenset(
    f"ELBSecurityPolicy-TLS13-1-{name}PQ-2025-09"
    for name in (
        "2-",
        "2-Ext0-FIPS-",
        "2-Ext1-",
        "2-Ext1-FIPS-",
        "2-Ext2-",
        "2-Ext2-FIPS-",
        "2-FIPS-",
        "2-Res-",
        "2-Res-FIPS-",
        "3-",
        "3-FIPS-",
    )
)


def _type(balancer: Resource) -> str:
    return str(balancer.get("loadBalancerType", "application"))


def _protocol(listener: Resource, graph: ResourceGraph) -> str:
    """What a listener speaks; empty for that of a gateway load balancer."""
    protocol = str(listener.get("protocol", ""))
    if protocol:
        return protocol.upper()
    gateway = any(
        names(listener, "loadBalancerArn", balancer) and _type(balancer) == "gateway"
        for balancer in graph.of(LOAD_BALANCER)
    )
    return "" if gateway else "HTTP"


def _tls_policy(listener: Resource) -> str:
    """The TLS policy of a listener; empty where it has no TLS."""
    if str(listener.get("protocol", "")).upper() not in _ENCRYPTED:
        return ""
    return str(listener.get("sslPolicy", _DEFAULT_TLS_POLICY))


def _redirects(rule: Resource, path: str) -> bool:
    """Whether one of the actions sends to HTTPS."""
    return any(
        action.get("type") == "redirect" and action.get("redirect.protocol") == "HTTPS"
        for action in parts(rule, path)
    )


def _only_redirects(listener: Resource, graph: ResourceGraph) -> bool:
    return _redirects(listener, "defaultActions") and all(
        _redirects(rule, "actions")
        for rule in graph.referring(listener, LISTENER_RULE, "listenerArn")
    )
