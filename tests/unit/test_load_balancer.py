from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.load_balancer import HttpsArgs, LoadBalancer, LoadBalancerArgs
from components.origin import ORIGIN_HEADER
from tests.graph import UNKNOWN, Graph

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1234"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RECORD = "aws:route53/record:Record"
RULE = "aws:lb/listenerRule:ListenerRule"

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


def users_of(graph: Graph, **changes: Any) -> Any:
    """What depends on both target groups: whoever is told their ARNs."""

    def program() -> LoadBalancer:
        balancer = LoadBalancer("app", args(**changes))
        for name in ("target_group_arn", "alternate_target_group_arn"):
            value = getattr(balancer, name)
            if value is not None:
                inputs = {"displayName": value}
                pulumi.CustomResource("aws:sns/topic:Topic", name, inputs)
        return balancer

    return graph.build(program)


def test_without_an_alternate_there_is_one_target_group_and_no_rule(graph):
    outputs = build(graph)
    assert len(graph.all(TARGETS)) == 1
    assert graph.all(RULE) == []
    assert len(graph.all(LISTENER)) == 2
    for output in (
        "alternate_target_group_arn",
        "alternate_target_group_arn_suffix",
        "production_rule_arn",
        "test_rule_arn",
    ):
        assert outputs[output] is None


def test_both_target_groups_judge_health_alike(graph):
    build(graph, alternate=True)
    first, second = graph.all(TARGETS)
    assert first.name != second.name
    assert first.inputs == second.inputs


@pytest.mark.parametrize(
    ("https", "production", "test", "port"),
    [(HTTPS, "app-https", "HTTPS", 8443), (None, "app-http", "HTTP", 8080)],
)
def test_ecs_moves_the_traffic_of_a_rule_and_shows_the_new_version_on_another_port(
    graph, https, production, test, port
):
    outputs = build(graph, https=https, alternate=True)
    listener = graph.one(LISTENER, "app-test")
    assert (listener["protocol"], listener["port"]) == (test, port)
    if https:
        assert listener["certificateArn"] == CERTIFICATE
        assert listener["sslPolicy"] == graph.one(LISTENER, production)["sslPolicy"]
    moved = graph.one(RULE, "app-production")
    shown = graph.one(RULE, "app-test")
    assert moved["listenerArn"] == graph.one(LISTENER, production).outputs["arn"]
    assert shown["listenerArn"] == listener.outputs["arn"]
    assert outputs["production_rule_arn"] == moved.outputs["arn"]
    assert outputs["test_rule_arn"] == shown.outputs["arn"]


def test_rules_begin_with_the_first_group_and_are_ecs_own_from_then_on(graph):
    outputs = build(graph, alternate=True)
    for name in ("app-production", "app-test"):
        rule = graph.one(RULE, name)
        assert rule.ignore_changes == ("actions",)
        assert rule["conditions"] == [{"pathPattern": {"values": ["/*"]}}]
        (action,) = rule["actions"]
        assert action["forward"]["targetGroups"] == [
            {"arn": outputs["target_group_arn"], "weight": 100},
            {"arn": outputs["alternate_target_group_arn"], "weight": 0},
        ]


def test_ecs_gets_target_groups_that_a_rule_uses(graph):
    users_of(graph, alternate=True)
    rule = graph.one(RULE, "app-production")
    for topic in graph.all("aws:sns/topic:Topic"):
        assert rule.urn in topic.dependencies


def test_an_alternate_touches_nothing_that_was_there(graph):
    build(graph)
    before = {resource.urn: resource.inputs for resource in graph.resources}
    build(graph, alternate=True)
    after = {resource.urn: resource.inputs for resource in graph.resources}
    assert before.items() <= after.items()


def test_the_test_port_can_be_another(graph):
    build(graph, alternate=True, test_port=9443)
    assert graph.one(LISTENER, "app-test")["port"] == 9443


@pytest.mark.parametrize("alternate", [False, True])
def test_only_requests_with_the_secret_of_the_origin_are_forwarded(graph, alternate):
    build(graph, origin_secret="s3cret", alternate=alternate)
    open_to_all = {"app-http"}  # where everything is redirected
    for listener in graph.all(LISTENER):
        (action,) = listener["defaultActions"]
        if listener.name in open_to_all:
            assert action["type"] == "redirect"
        else:
            assert action["type"] == "fixed-response"
            assert action["fixedResponse"]["statusCode"] == "403"
    rules = graph.all(RULE)
    assert {rule.name for rule in rules} == (
        {"app-production", "app-test"} if alternate else {"app-origin"}
    )
    for rule in rules:
        assert rule["conditions"] == [
            {"httpHeader": {"httpHeaderName": ORIGIN_HEADER, "values": ["s3cret"]}}
        ]
        assert rule["actions"][0]["type"] == "forward"


def test_the_secret_of_the_origin_stays_one(graph):
    build(graph, origin_secret="s3cret")
    (path,) = graph.one(RULE).secrets
    assert path.startswith("conditions.0.httpHeader.values")


def test_without_a_certificate_the_secret_is_asked_for_on_port_80(graph):
    build(graph, https=None, origin_secret="s3cret")
    (listener,) = graph.all(LISTENER)
    assert listener["defaultActions"][0]["type"] == "fixed-response"
    assert graph.one(RULE)["listenerArn"] == listener.outputs["arn"]


def test_one_rule_can_take_over_from_the_other(graph):
    build(graph, origin_secret="s3cret")
    before = graph.one(RULE)
    build(graph, origin_secret="s3cret", alternate=True)
    after = graph.one(RULE, "app-production")
    assert before["listenerArn"] == after["listenerArn"]
    assert before["priority"] != after["priority"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_port": 8443}, "shows nothing without alternate"),
        ({"test_port": 443, "alternate": True}, "443 is not a free port"),
        ({"test_port": 70000, "alternate": True}, "70000 is not a free port"),
    ],
)
def test_a_test_port_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_physical_names_fit_the_32_characters_of_elb(graph):
    name = "stromhaltig-a-long-stack-name"
    graph.build(lambda: LoadBalancer(name, args(alternate=True)))
    assert len(graph.one(BALANCER).name) <= 32 - 8
    names = {targets.name for targets in graph.all(TARGETS)}
    assert len(names) == 2
    assert all(len(name) <= 32 - 8 for name in names)


def test_a_preview_knows_the_url_of_ones_own_domain(graph):
    outputs = graph.build(lambda: LoadBalancer("app", args()), preview=True)
    assert outputs["url"] == "https://example.org"
    assert outputs["target_group_arn"] == UNKNOWN


def test_a_preview_with_an_alternate_is_complete(graph):
    outputs = graph.build(
        lambda: LoadBalancer("app", args(alternate=True, origin_secret="s3cret")),
        preview=True,
    )
    assert len(graph.all(RULE)) == len(graph.all(TARGETS)) == 2
    assert outputs["production_rule_arn"] == UNKNOWN
