"""The rows of ELB: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.row import Aws
from tests.rehearsal.conformance import (
    REGION,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
    Uncarried,
)
from tests.rehearsal.surroundings import forwarding_to, issued_certificate, network
from tests.rehearsal.surroundings import load_balancer as balancer_of
from tests.rehearsal.surroundings import target_group as targets_of

LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RULE = "aws:lb/listenerRule:ListenerRule"


def load_balancer(site: Site) -> Case:
    elb = site.client("elbv2")
    around = network(site.aws)
    group, other = around.groups
    logs = {"bucket": "logs", "prefix": "app", "enabled": True}
    return Case(
        inputs={
            "subnets": around.subnets[:2],
            "securityGroups": [group],
            "idleTimeout": 60,
            "dropInvalidHeaderFields": True,
            "enableDeletionProtection": False,
            "accessLogs": {"bucket": "logs", "enabled": True},
        },
        listing=lambda: [
            one["LoadBalancerArn"]
            for one in elb.describe_load_balancers()["LoadBalancers"]
        ],
        updates={
            "accessLogs": logs,
            "clientKeepAlive": 120,
            "connectionLogs": logs,
            "desyncMitigationMode": "strictest",
            "dropInvalidHeaderFields": False,
            "enableDeletionProtection": True,
            "enableHttp2": False,
            "enableTlsVersionAndCipherSuiteHeaders": True,
            "enableWafFailOpen": True,
            "enableXffClientPort": True,
            "enableZonalShift": True,
            "idleTimeout": 120,
            "ipAddressType": "dualstack",
            "preserveHostHeader": True,
            "securityGroups": [group, other],
            "subnets": around.subnets,
            "xffHeaderProcessingMode": "preserve",
        },
        replaces={"internal": True, "loadBalancerType": Uncarried("network")},
        drift=[
            Drift(
                act=lambda id: elb.modify_load_balancer_attributes(
                    LoadBalancerArn=id,
                    Attributes=[
                        {"Key": "idle_timeout.timeout_seconds", "Value": "4000"}
                    ],
                ),
                seen="idleTimeout",
            ),
            Drift(
                act=lambda id: elb.set_security_groups(
                    LoadBalancerArn=id, SecurityGroups=[other]
                ),
                seen="securityGroups",
            ),
            Drift(
                act=lambda id: elb.modify_load_balancer_attributes(
                    LoadBalancerArn=id,
                    Attributes=[{"Key": "access_logs.s3.enabled", "Value": "false"}],
                ),
                seen="accessLogs",
            ),
        ],
        refused=[
            ({"name": "internal-app"}, 'not "internal-" first'),
            ({"name": "under_score"}, "letters, digits and hyphens"),
            ({"name": "a" * 33}, "at most 32"),
            ({"subnets": []}, "two zones"),
            ({"idleTimeout": 4001}, "between 1 and 4000"),
            ({"clientKeepAlive": 59}, "between 60 and 604800"),
            ({"desyncMitigationMode": "strict"}, 'Did you mean "strictest"?'),
            ({"loadBalancerType": "network"}, "application load balancers"),
        ],
        unlock=lambda state: elb.modify_load_balancer_attributes(
            LoadBalancerArn=state["id"],
            Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}],
        ),
    )


def target_group(site: Site) -> Case:
    elb = site.client("elbv2")
    check = {
        "path": "/api/health",
        "matcher": "200",
        "interval": 5,
        "timeout": 4,
        "healthyThreshold": 2,
        "unhealthyThreshold": 2,
    }
    return Case(
        inputs={
            "vpcId": network(site.aws).vpc,
            "port": 3001,
            "protocol": "HTTP",
            "targetType": "ip",
            "deregistrationDelay": 30,
            "healthCheck": check,
        },
        listing=lambda: [
            one["TargetGroupArn"]
            for one in elb.describe_target_groups()["TargetGroups"]
        ],
        updates={
            "deregistrationDelay": 60,
            "healthCheck": {**check, "path": "/", "matcher": "200-299", "interval": 30},
            "loadBalancingAlgorithmType": "weighted_random",
            "loadBalancingAnomalyMitigation": "on",
            "loadBalancingCrossZoneEnabled": "true",
            "slowStart": 30,
            "stickiness": {
                "type": "app_cookie",
                "cookieName": "session",
                "cookieDuration": 3600,
                "enabled": True,
            },
        },
        replaces={
            "ipAddressType": "ipv6",
            "port": 8080,
            "protocol": "HTTPS",
            "protocolVersion": "HTTP2",
            "targetType": "instance",
            "vpcId": network(site.aws, 1).vpc,
        },
        drift=[
            Drift(
                act=lambda id: elb.modify_target_group(
                    TargetGroupArn=id, HealthCheckPath="/elsewhere"
                ),
                seen="healthCheck",
            ),
            Drift(
                act=lambda id: elb.modify_target_group_attributes(
                    TargetGroupArn=id,
                    Attributes=[
                        {
                            "Key": "deregistration_delay.timeout_seconds",
                            "Value": "300",
                        }
                    ],
                ),
                seen="deregistrationDelay",
            ),
        ],
        refused=[
            ({"name": "ends-in-"}, "letters, digits and hyphens"),
            ({"port": None}, "port: missing"),
            ({"port": 65536}, "between 1 and 65535"),
            ({"protocol": "TCP"}, "HTTP, HTTPS"),
            ({"slowStart": 10}, "between 30 and 900"),
            ({"deregistrationDelay": 3601}, "between 0 and 3600"),
            ({"healthCheck": {**check, "interval": 4}}, "between 5 and 300"),
            ({"healthCheck": {**check, "timeout": 5}}, "smaller than the interval"),
            ({"healthCheck": {"interval": 5}}, "smaller than the interval"),
            ({"healthCheck": {**check, "healthyThreshold": 1}}, "between 2 and 10"),
            ({"healthCheck": {**check, "path": "api"}}, "a path from /"),
            ({"healthCheck": {**check, "matcher": "2xx"}}, "200-299"),
            ({"healthCheck": {**check, "port": "http"}}, "traffic-port"),
            ({"stickiness": {"type": "app_cookie"}}, "cookieName"),
            ({"stickiness": {"type": "source_ip"}}, "lb_cookie, app_cookie"),
        ],
    )


def listener(site: Site) -> Case:
    elb = site.client("elbv2")
    balancer, other = (
        site.make(LOAD_BALANCER, subnets=network(site.aws).subnets)["arn"]
        for _ in range(2)
    )
    targets, beside = (targets_of(site.aws, number) for number in range(2))
    certificate, renewed = (issued_certificate(site.aws, number) for number in range(2))
    https = {
        "protocol": "HTTPS",
        "certificateArn": certificate,
        "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    }
    return Case(
        inputs={
            "loadBalancerArn": balancer,
            "port": 443,
            **https,
            "defaultActions": forwarding_to(targets),
        },
        listing=lambda: [
            one["ListenerArn"]
            for each in elb.describe_load_balancers()["LoadBalancers"]
            for one in elb.describe_listeners(LoadBalancerArn=each["LoadBalancerArn"])[
                "Listeners"
            ]
        ],
        updates={
            "certificateArn": renewed,
            "defaultActions": [
                {
                    "type": "forward",
                    "forward": {
                        "targetGroups": [
                            {"arn": targets, "weight": 90},
                            {"arn": beside, "weight": 10},
                        ],
                        "stickiness": {"duration": 600, "enabled": True},
                    },
                }
            ],
            "port": 8443,
            "protocol": To(
                "HTTP",
                certificateArn=None,
                sslPolicy=None,
                defaultActions=[
                    {
                        "type": "redirect",
                        "redirect": {
                            "protocol": "HTTPS",
                            "port": "443",
                            "host": "#{host}",
                            "path": "/#{path}",
                            "query": "#{query}",
                            "statusCode": "HTTP_301",
                        },
                    }
                ],
            ),
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
        },
        replaces={"loadBalancerArn": other},
        drift=[
            Drift(
                act=lambda id: elb.modify_listener(
                    ListenerArn=id,
                    DefaultActions=[
                        {
                            "Type": "fixed-response",
                            "FixedResponseConfig": {"StatusCode": "503"},
                        }
                    ],
                ),
                seen="defaultActions",
            ),
            Drift(
                act=lambda id: elb.modify_listener(
                    ListenerArn=id, SslPolicy="ELBSecurityPolicy-2016-08"
                ),
                seen="sslPolicy",
            ),
        ],
        refused=[
            ({"port": 0}, "between 1 and 65535"),
            ({"protocol": "TLS"}, "HTTP, HTTPS"),
            ({"protocol": "HTTP"}, "only HTTPS"),
            ({"certificateArn": None}, "HTTPS needs it"),
            ({"certificateArn": "example.org"}, "an ARN"),
            (
                {"sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-6"},
                'Did you mean "ELBSecurityPolicy-TLS13-1-2-2021-06"?',
            ),
            ({"defaultActions": [{"type": "forwards"}]}, 'Did you mean "forward"?'),
            ({"defaultActions": [{"type": "redirect"}]}, "[0].redirect: missing"),
            (
                {
                    "defaultActions": [
                        {
                            "type": "fixed-response",
                            "fixedResponse": {
                                "contentType": "text/plain",
                                "statusCode": "301",
                            },
                        }
                    ]
                },
                "2xx, 4xx or 5xx",
            ),
        ],
    )


def shared_between(first: str, second: str, weights: tuple[int, int]) -> list[Any]:
    groups = [
        {"arn": arn, "weight": weight}
        for arn, weight in zip((first, second), weights, strict=True)
    ]
    return [{"type": "forward", "forward": {"targetGroups": groups}}]


def listener_rule(site: Site) -> Case:
    elb = site.client("elbv2")
    targets, beside = (targets_of(site.aws, number) for number in range(2))
    here, there = (
        site.make(
            LISTENER,
            loadBalancerArn=balancer_of(site.aws),
            port=port,
            defaultActions=forwarding_to(targets),
        )["arn"]
        for port in (8100, 8101)
    )
    header = {"httpHeaderName": "X-Origin-Verify", "values": ["s3cret"]}
    return Case(
        inputs={
            "listenerArn": here,
            "priority": 10,
            "conditions": [{"pathPattern": {"values": ["/*"]}}],
            "actions": shared_between(targets, beside, (100, 0)),
        },
        listing=lambda: [
            rule["RuleArn"]
            for listener in (here, there)
            for rule in elb.describe_rules(ListenerArn=listener)["Rules"]
            if not rule["IsDefault"]
        ],
        updates={
            "actions": [
                {
                    "type": "fixed-response",
                    "fixedResponse": {
                        "contentType": "text/plain",
                        "messageBody": "Forbidden",
                        "statusCode": "403",
                    },
                }
            ],
            "conditions": [
                {"httpHeader": header},
                {"hostHeader": {"values": ["example.org"]}},
                {"httpRequestMethod": {"values": ["GET"]}},
                {"sourceIp": {"values": ["10.0.0.0/8"]}},
            ],
            "priority": 20,
        },
        replaces={"listenerArn": there},
        drift=[
            Drift(
                act=lambda id: elb.modify_rule(
                    RuleArn=id,
                    Actions=[
                        {
                            "Type": "forward",
                            "ForwardConfig": {
                                "TargetGroups": [
                                    {"TargetGroupArn": targets, "Weight": 0},
                                    {"TargetGroupArn": beside, "Weight": 100},
                                ]
                            },
                        }
                    ],
                ),
                seen="actions",
            ),
            Drift(
                act=lambda id: elb.set_rule_priorities(
                    RulePriorities=[{"RuleArn": id, "Priority": 30}]
                ),
                seen="priority",
            ),
        ],
        refused=[
            ({"priority": 0}, "between 1 and 50000"),
            ({"listenerArn": "app"}, "an ARN"),
            ({"actions": [{"type": "forward"}]}, "actions[0].targetGroupArn: missing"),
            ({"actions": [{"type": "forwards"}]}, 'Did you mean "forward"?'),
            ({"conditions": []}, "name one or more"),
            ({"conditions": [{}]}, "one kind, not 0"),
            (
                {
                    "conditions": [
                        {"httpHeader": header, "pathPattern": {"values": ["/"]}}
                    ]
                },
                "one kind, not 2",
            ),
            (
                {"conditions": [{"queryStrings": [{"value": "x"}]}]},
                "queryStrings: the rehearsal does not carry",
            ),
            (
                {"conditions": [{"pathPattern": {"regexValues": ["/a+"]}}]},
                "regexValues: the rehearsal carries values only",
            ),
            (
                {"conditions": [{"httpHeader": {**header, "httpHeaderName": "a b"}}]},
                "a header's name",
            ),
        ],
    )


class TestElbv2Rows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        LOAD_BALANCER: load_balancer,
        TARGET_GROUP: target_group,
        LISTENER: listener,
        RULE: listener_rule,
    }


def test_deletion_protection_keeps_a_load_balancer(site: Site):
    subnets = network(site.aws).subnets
    resource = Resource(LOAD_BALANCER, site.aws)
    program = {"subnets": subnets, "enableDeletionProtection": True}
    resource.up(program)
    with pytest.raises(ClientError, match="deletion protection is enabled"):
        resource.destroy()
    assert resource.refresh()
    resource.up({**program, "enableDeletionProtection": False})
    resource.destroy()
    assert not resource.refresh()


def test_a_load_balancer_needs_two_zones_and_a_name_of_its_own(site: Site):
    subnets = network(site.aws).subnets
    resource = Resource(LOAD_BALANCER, site.aws)
    with pytest.raises(ClientError, match="two different Availability Zones"):
        resource.up({"subnets": subnets[:1]})
    name = site.name()
    resource.up({"subnets": subnets, "name": name})
    with pytest.raises(ClientError, match="already exists"):
        Resource(LOAD_BALANCER, site.aws).up({"subnets": subnets, "name": name})


def test_a_load_balancer_has_the_hosted_zone_of_its_region(site: Site):
    subnets = network(site.aws).subnets
    made = site.make(LOAD_BALANCER, subnets=subnets)
    assert made["zoneId"] == "Z215JYRZR1TBD5"
    assert made["arn"].endswith(f"loadbalancer/{made['arnSuffix']}")
    assert made["arnSuffix"].startswith(f"app/{made['name']}/")


def test_a_port_of_a_load_balancer_has_one_listener(site: Site):
    program = {
        "loadBalancerArn": balancer_of(site.aws),
        "port": 8001,
        "defaultActions": forwarding_to(targets_of(site.aws)),
    }
    resource = Resource(LISTENER, site.aws)
    resource.up(program)
    other = Resource(LISTENER, site.aws)
    with pytest.raises(ClientError, match="DuplicateListener"):
        other.up(program)
    other.up({**program, "port": 8002})
    with pytest.raises(ClientError, match="DuplicateListener"):
        other.up(program)


def test_https_waits_for_the_certificate(site: Site):
    pending = site.client("acm").request_certificate(
        DomainName="example.org", ValidationMethod="DNS"
    )
    with pytest.raises(ClientError, match="not issued yet"):
        Resource(LISTENER, site.aws).up(
            {
                "loadBalancerArn": balancer_of(site.aws),
                "port": 8003,
                "protocol": "HTTPS",
                "certificateArn": pending["CertificateArn"],
                "defaultActions": forwarding_to(targets_of(site.aws)),
            }
        )


def test_a_target_group_knows_its_load_balancers_and_outlives_none(site: Site):
    balancer = balancer_of(site.aws)
    first, second = (Resource(TARGET_GROUP, site.aws) for _ in range(2))
    for resource in (first, second):
        program = {"vpcId": network(site.aws).vpc, "port": 80, "protocol": "HTTP"}
        resource.up(program)
    listener = Resource(LISTENER, site.aws)
    program = {
        "loadBalancerArn": balancer,
        "port": 8004,
        "defaultActions": forwarding_to(first.id),
    }
    listener.up(program)
    listener.up({**program, "defaultActions": forwarding_to(second.id)})
    assert first.live("loadBalancerArns") == []
    assert second.live("loadBalancerArns") == [balancer]
    first.destroy()
    with pytest.raises(ClientError, match="in use"):
        second.destroy()
    listener.destroy()
    second.destroy()


def test_a_priority_of_a_listener_has_one_rule_and_the_next_is_free(site: Site):
    listener = site.make(
        LISTENER,
        loadBalancerArn=balancer_of(site.aws),
        port=8110,
        defaultActions=forwarding_to(targets_of(site.aws)),
    )["arn"]
    program = {
        "listenerArn": listener,
        "conditions": [{"pathPattern": {"values": ["/a"]}}],
        "actions": forwarding_to(targets_of(site.aws)),
    }
    first, second = (Resource(RULE, site.aws) for _ in range(2))
    first.up({**program, "priority": 7})
    with pytest.raises(ClientError, match="PriorityInUse"):
        second.up({**program, "priority": 7})
    second.up(program)
    assert second.live("priority") == 8


def test_a_target_group_behind_a_rule_is_in_use(site: Site):
    balancer = balancer_of(site.aws)
    behind = Resource(TARGET_GROUP, site.aws)
    behind.up({"vpcId": network(site.aws).vpc, "port": 80, "protocol": "HTTP"})
    listener = site.make(
        LISTENER,
        loadBalancerArn=balancer,
        port=8111,
        defaultActions=forwarding_to(targets_of(site.aws)),
    )["arn"]
    rule = Resource(RULE, site.aws)
    program = {
        "listenerArn": listener,
        "priority": 1,
        "conditions": [{"pathPattern": {"values": ["/*"]}}],
        "actions": shared_between(targets_of(site.aws), behind.id, (100, 0)),
    }
    rule.up(program)
    assert behind.live("loadBalancerArns") == [balancer]
    with pytest.raises(ClientError, match="in use"):
        behind.destroy()
    rule.destroy()
    behind.destroy()


def test_nothing_needs_tags(site: Site):
    untagged = Site(Aws(site.aws.endpoint, REGION, {}))
    made = untagged.make(
        TARGET_GROUP, vpcId=network(site.aws).vpc, port=80, protocol="HTTP"
    )
    assert made["tagsAll"] == {}
    listener = untagged.make(
        LISTENER,
        loadBalancerArn=untagged.make(LOAD_BALANCER, subnets=network(site.aws).subnets)[
            "arn"
        ],
        port=80,
        defaultActions=forwarding_to(made["arn"]),
    )
    rule = untagged.make(
        RULE,
        listenerArn=listener["arn"],
        conditions=[{"pathPattern": {"values": ["/*"]}}],
        actions=forwarding_to(made["arn"]),
    )
    assert rule["tagsAll"] == {}
