from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.load_balancer import HttpsArgs, LoadBalancer, LoadBalancerArgs
from tests.graph import UNKNOWN, Graph

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1234"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RECORD = "aws:route53/record:Record"

HTTPS = HttpsArgs(domain="example.org", certificate_arn=CERTIFICATE)


def args(**changes: Any) -> LoadBalancerArgs:
    return LoadBalancerArgs(
        **{
            "vpc_id": "vpc-1",
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "target_port": 3001,
            "health_path": "/api/health",
            "access_log_bucket": "logs",
            "https": HTTPS,
            "deletion_protection": True,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: LoadBalancer("app", args(**changes)))


def test_it_faces_the_internet_from_the_given_subnets(graph):
    build(graph)
    balancer = graph.one(BALANCER)
    assert balancer["internal"] is False
    assert balancer["loadBalancerType"] == "application"
    assert balancer["subnets"] == ["subnet-1", "subnet-2"]
    assert balancer["securityGroups"] == ["sg-1"]
    assert balancer["enableDeletionProtection"] is True


def test_malformed_requests_do_not_reach_the_app(graph):
    build(graph)
    balancer = graph.one(BALANCER)
    assert balancer["dropInvalidHeaderFields"] is True
    assert balancer["desyncMitigationMode"] == "defensive"


def test_every_request_is_logged(graph):
    build(graph)
    logs = graph.one(BALANCER)["accessLogs"]
    assert logs == {"bucket": "logs", "enabled": True}


def test_health_is_judged_within_ten_seconds(graph):
    build(graph)
    check = graph.one(TARGETS)["healthCheck"]
    assert check["path"] == "/api/health"
    assert check["matcher"] == "200"
    assert check["interval"] * check["healthyThreshold"] == 10
    assert check["interval"] * check["unhealthyThreshold"] == 10
    assert check["timeout"] < check["interval"]


def test_leaving_targets_finish_their_requests(graph):
    build(graph)
    assert graph.one(TARGETS)["deregistrationDelay"] == 30


def test_targets_are_tasks_with_addresses_of_their_own(graph):
    build(graph)
    targets = graph.one(TARGETS)
    assert (targets["targetType"], targets["port"]) == ("ip", 3001)
    assert targets["vpcId"] == "vpc-1"


def test_https_uses_the_certificate_and_a_policy_that_elb_17_accepts(graph):
    build(graph)
    https = graph.one(LISTENER, "app-https")
    assert (https["port"], https["protocol"]) == (443, "HTTPS")
    assert https["certificateArn"] == CERTIFICATE
    assert https["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
    (action,) = https["defaultActions"]
    assert action["targetGroupArn"] == graph.one(TARGETS).outputs["arn"]


def test_plain_http_only_leads_to_https(graph):
    build(graph)
    (action,) = graph.one(LISTENER, "app-http")["defaultActions"]
    assert action["type"] == "redirect"
    assert action["redirect"] == {
        "protocol": "HTTPS",
        "port": "443",
        "host": "#{host}",
        "path": "/#{path}",
        "query": "#{query}",
        "statusCode": "HTTP_301",
    }


def test_the_domain_is_the_url_and_its_records_are_another_components(graph):
    outputs = build(graph)
    assert outputs["url"] == "https://example.org"
    assert outputs["insecure"] is False
    assert graph.all(RECORD) == []


def test_without_a_certificate_it_serves_plain_http_and_says_so(graph):
    outputs = build(graph, https=None)
    (action,) = graph.one(LISTENER)["defaultActions"]
    assert action["type"] == "forward"
    assert action["targetGroupArn"] == graph.one(TARGETS).outputs["arn"]
    assert outputs["url"] == f"http://{outputs['dns_name']}"
    assert outputs["https_listener_arn"] is None
    assert outputs["insecure"] is True


@pytest.mark.parametrize(
    ("https", "listener"), [(HTTPS, "app-https"), (None, "app-http")]
)
def test_targets_are_handed_out_once_a_listener_uses_them(graph, https, listener):
    def program() -> None:
        balancer = LoadBalancer("app", args(https=https))
        pulumi.CustomResource(
            "aws:sns/topic:Topic", "user", {"displayName": balancer.target_group_arn}
        )

    graph.build(program)
    user = graph.one("aws:sns/topic:Topic")
    assert user["displayName"] == graph.one(TARGETS).outputs["arn"]
    assert graph.one(LISTENER, listener).urn in user.dependencies


def test_physical_names_fit_the_32_characters_of_elb(graph):
    graph.build(lambda: LoadBalancer("stromhaltig-a-long-stack-name", args()))
    assert len(graph.one(BALANCER).name) <= 32 - 8
    assert len(graph.one(TARGETS).name) <= 32 - 8


def test_a_preview_knows_the_url_of_ones_own_domain(graph):
    outputs = graph.build(lambda: LoadBalancer("app", args()), preview=True)
    assert outputs["url"] == "https://example.org"
    assert outputs["target_group_arn"] == UNKNOWN
