"""What breaks the policies about Elastic Load Balancing."""

from __future__ import annotations

from typing import Any

from resource_graph import Resource
from resource_types import (
    DISTRIBUTION,
    LISTENER,
    LISTENER_RULE,
    LOAD_BALANCER,
    WEB_ACL_ASSOCIATION,
    WEB_ACL_ASSOCIATION_CLASSIC,
)
from tests.unit.policies.casework import Case, resource

BALANCER = resource(LOAD_BALANCER, "app")
NETWORK = resource(LOAD_BALANCER, "network", loadBalancerType="network")
GATEWAY = resource(LOAD_BALANCER, "gateway", loadBalancerType="gateway")

REDIRECT = {"type": "redirect", "redirect": {"protocol": "HTTPS", "port": "443"}}
FORWARD = {"type": "forward", "targetGroupArn": "arn:aws:…:targetgroup/app/1"}
NOT_FOUND = {"type": "fixed-response", "fixedResponse": {"statusCode": "404"}}

RECOMMENDED = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


def listener(
    action: dict[str, Any], of: Resource = BALANCER, **inputs: Any
) -> Resource:
    return resource(
        LISTENER,
        comes_from={"loadBalancerArn": [of]},
        defaultActions=[action],
        **inputs,
    )


def rule(action: dict[str, Any], of: Resource) -> Resource:
    return resource(LISTENER_RULE, comes_from={"listenerArn": [of]}, actions=[action])


def balancer(**inputs: Any) -> Resource:
    return resource(LOAD_BALANCER, **inputs)


def association(of: Resource, type_: str = WEB_ACL_ASSOCIATION) -> Resource:
    return resource(type_, comes_from={"resourceArn": [of]})


def distribution(origin: Resource, **inputs: Any) -> Resource:
    return resource(DISTRIBUTION, comes_from={"origins": [origin]}, **inputs)


CASES = (
    Case(
        id="ELB.1",
        good=[
            BALANCER,
            NETWORK,
            GATEWAY,
            listener(REDIRECT, protocol="HTTP", port=80),
            listener(FORWARD, protocol="HTTPS", port=443),
            listener(FORWARD, NETWORK, protocol="TCP", port=443),
            listener(FORWARD, GATEWAY),
        ],
        bad={
            "serves": ([listener(FORWARD, protocol="HTTP")], "protocol is HTTP"),
            "serves, its protocol left to its default": (
                [BALANCER, listener(FORWARD, port=80)],
                "do not redirect to HTTPS",
            ),
            "redirects to HTTP": (
                [
                    listener(
                        {"type": "redirect", "redirect": {"host": "www.example.org"}},
                        protocol="HTTP",
                    )
                ],
                "do not redirect",
            ),
            "serves all but some": (
                [
                    plain := listener(FORWARD, protocol="HTTP"),
                    rule(REDIRECT, plain),
                ],
                "do not redirect",
            ),
            "answers itself": (
                [
                    refusing := listener(NOT_FOUND, protocol="HTTP"),
                    rule(FORWARD, refusing),
                ],
                "do not redirect",
            ),
            "has no actions": (
                [resource(LISTENER, protocol="HTTP")],
                "do not redirect",
            ),
        },
    ),
    Case(
        id="ELB.4",
        good=[balancer(dropInvalidHeaderFields=True), NETWORK],
        bad={
            "off": ([balancer(dropInvalidHeaderFields=False)], "is not true"),
            "left to its default": ([balancer()], "dropInvalidHeaderFields"),
        },
    ),
    Case(
        id="ELB.5",
        good=[balancer(accessLogs={"bucket": "logs", "enabled": True}), NETWORK],
        bad={
            "off": (
                [balancer(accessLogs={"bucket": "logs", "enabled": False})],
                "accessLogs.enabled is not true",
            ),
            "a bucket alone": ([balancer(accessLogs={"bucket": "logs"})], "enabled"),
            "left to its default": ([balancer()], "accessLogs.enabled"),
        },
    ),
    Case(
        id="ELB.6",
        good=[balancer(enableDeletionProtection=True)],
        bad={
            "off": ([balancer(enableDeletionProtection=False)], "is not true"),
            "left to its default": ([balancer()], "enableDeletionProtection"),
            "of a network load balancer": ([NETWORK], "enableDeletionProtection"),
        },
    ),
    Case(
        id="ELB.12",
        good=[
            balancer(desyncMitigationMode="strictest"),
            balancer(),
            resource(
                LOAD_BALANCER,
                loadBalancerType="network",
                desyncMitigationMode="monitor",
            ),
        ],
        bad={
            "only watched": (
                [balancer(desyncMitigationMode="monitor")],
                "desyncMitigationMode is monitor",
            ),
        },
    ),
    Case(
        id="ELB.13",
        good=[
            balancer(subnets=["subnet-a", "subnet-b"]),
            balancer(subnetMappings=[{"subnetId": "a"}, {"subnetId": "b"}]),
        ],
        bad={
            "one": ([balancer(subnets=["subnet-a"])], "subnets has 1, less than 2"),
            "one, by a mapping": (
                [balancer(subnetMappings=[{"subnetId": "a"}])],
                "subnets has 1",
            ),
        },
    ),
    Case(
        id="ELB.16",
        good=[
            BALANCER,
            association(BALANCER),
            other := resource(LOAD_BALANCER, "other"),
            association(other, WEB_ACL_ASSOCIATION_CLASSIC),
            NETWORK,
            hidden := resource(LOAD_BALANCER, "hidden"),
            distribution(hidden, webAclId="arn:aws:wafv2:…:global/webacl/app/1"),
            listener(NOT_FOUND, hidden, protocol="HTTPS"),
        ],
        bad={
            "none": ([BALANCER], "no aws.wafv2.WebAclAssociation"),
            "behind a CDN without one": (
                [BALANCER, distribution(BALANCER), listener(NOT_FOUND)],
                "no aws.wafv2.WebAclAssociation",
            ),
            "beside a CDN that has one": (
                [
                    BALANCER,
                    distribution(BALANCER, webAclId="arn:aws:wafv2:…:global/webacl/1"),
                    listener(FORWARD),
                ],
                "no aws.wafv2.WebAclAssociation",
            ),
            "of another": (
                [BALANCER, association(NETWORK)],
                "names the load balancer",
            ),
        },
    ),
    Case(
        id="ELB.17",
        good=[
            listener(FORWARD, protocol="HTTPS", sslPolicy=RECOMMENDED),
            listener(FORWARD, NETWORK, protocol="TLS", sslPolicy=RECOMMENDED),
            listener(REDIRECT, protocol="HTTP"),
            listener(FORWARD, GATEWAY),
        ],
        bad={
            "weak ciphers": (
                [
                    listener(
                        FORWARD,
                        protocol="HTTPS",
                        sslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
                    )
                ],
                "sslPolicy is ELBSecurityPolicy-TLS13-1-2-2021-06",
            ),
            "left to its default": (
                [listener(FORWARD, protocol="HTTPS")],
                "ELBSecurityPolicy-2016-08",
            ),
            "of a network load balancer": (
                [listener(FORWARD, NETWORK, protocol="TLS")],
                "ELBSecurityPolicy-2016-08",
            ),
        },
    ),
    Case(
        id="ELB.18",
        good=[
            BALANCER,
            NETWORK,
            GATEWAY,
            listener(FORWARD, protocol="HTTPS"),
            listener(FORWARD, NETWORK, protocol="TLS"),
            listener(FORWARD, GATEWAY),
            listener(REDIRECT, protocol="HTTP"),
        ],
        bad={
            "HTTP": ([listener(FORWARD, protocol="HTTP")], "protocol is HTTP"),
            "left to its default": ([BALANCER, listener(FORWARD)], "protocol is HTTP"),
            "TCP": (
                [NETWORK, listener(FORWARD, NETWORK, protocol="TCP")],
                "protocol is TCP",
            ),
            "redirects all but some": (
                [
                    redirecting := listener(REDIRECT, protocol="HTTP"),
                    rule(FORWARD, redirecting),
                ],
                "protocol is HTTP",
            ),
        },
    ),
    Case(
        id="elbv2_listener_pqc_tls_enabled",
        good=[
            listener(FORWARD, protocol="HTTPS", sslPolicy=RECOMMENDED),
            listener(
                FORWARD,
                protocol="HTTPS",
                sslPolicy="ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
            ),
            listener(REDIRECT, protocol="HTTP"),
        ],
        bad={
            "before the quantum": (
                [
                    listener(
                        FORWARD,
                        protocol="HTTPS",
                        sslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06",
                    )
                ],
                "no post-quantum key exchange",
            ),
            "left to its default": (
                [listener(FORWARD, protocol="HTTPS")],
                "ELBSecurityPolicy-2016-08",
            ),
        },
    ),
)
