"""What the firewall lets through, judged by a small model of how WAF reads rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from components.firewall import Firewall, FirewallArgs
from tests.graph import UNKNOWN, Graph

ACL = "aws:wafv2/webAcl:WebAcl"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PERMISSION = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"

BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/a/1"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
BIG_BODY = "awswaf:managed:aws:core-rule-set:SizeRestrictions_Body"
SQL_IN_BODY = "awswaf:managed:aws:sql-database:SQLi_Body"


def args(**changes: Any) -> FirewallArgs:
    return FirewallArgs(
        **{
            "scope": "REGIONAL",
            "load_balancer_arn": BALANCER,
            "log_retention_days": 30,
            "kms_key_arn": KEY,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Firewall("app", args(**changes)))


def rules(graph: Graph) -> list[Mapping[str, Any]]:
    return sorted(graph.one(ACL)["rules"], key=lambda rule: rule["priority"])


def rule(graph: Graph, name: str) -> Mapping[str, Any]:
    (found,) = (one for one in rules(graph) if one["name"] == name)
    return found


def matches(
    statement: Mapping[str, Any], path: str, method: str, labels: Iterable[str]
) -> bool:
    """Whether a request meets a statement, as the WAF guide says."""
    ((kind, body),) = statement.items()
    parts = [
        matches(one, path, method, labels)
        for one in body.get("statements", [body.get("statement")])
        if one
    ]
    match kind:
        case "andStatement":
            return all(parts)
        case "orStatement":
            return any(parts)
        case "notStatement":
            return not parts[0]
        case "labelMatchStatement":
            return body["key"] in labels
        case "byteMatchStatement":
            assert body["fieldToMatch"] == {"method": {}}
            return bool(body["searchString"] == method)
        case "regexMatchStatement":
            assert body["fieldToMatch"] == {"uriPath": {}}
            transformed = _transformed(path, body["textTransformations"])
            return re.search(body["regexString"], transformed) is not None
    raise AssertionError(kind)


def _transformed(path: str, transformations: list[Mapping[str, Any]]) -> str:
    for one in sorted(transformations, key=lambda one: one["priority"]):
        match one["type"]:
            case "URL_DECODE":
                path = unquote(path)
            case "LOWERCASE":
                path = path.lower()
            case "NORMALIZE_PATH":
                path = re.sub(r"/(\./)*/*", "/", path)
                while (shorter := re.sub(r"/[^/]+/\.\./", "/", path)) != path:
                    path = shorter
    return path


def limited(graph: Graph, path: str, method: str = "GET") -> list[str]:
    """Which limits count a request."""
    return [
        one["name"]
        for one in rules(graph)
        if (rate := one["statement"].get("rateBasedStatement"))
        and matches(rate["scopeDownStatement"], path, method, ())
    ]


def test_one_address_may_ask_the_api_600_times_a_minute(graph):
    build(graph)
    rate = rule(graph, "api-limit")["statement"]["rateBasedStatement"]
    assert rate["aggregateKeyType"] == "IP"
    assert (rate["limit"], rate["evaluationWindowSec"]) == (600, 60)


def test_one_address_may_try_25_logins_in_five_minutes(graph):
    build(graph)
    rate = rule(graph, "login-limit")["statement"]["rateBasedStatement"]
    assert rate["aggregateKeyType"] == "IP"
    assert (rate["limit"], rate["evaluationWindowSec"]) == (25, 300)


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/login",
        "/api/auth/login/",
        "/API/Auth/Login",
        "/api/auth/%6cogin",
        "/api//auth/./login",
        "/api/x/../auth/login",
    ],
)
def test_a_login_counts_in_any_spelling(graph, path):
    build(graph)
    assert limited(graph, path, "POST") == ["login-limit", "api-limit"]


@pytest.mark.parametrize(
    ("path", "method", "by"),
    [
        ("/api/auth/login", "GET", ["api-limit"]),
        ("/api/auth/login/help", "POST", ["api-limit"]),
        ("/x/api/auth/login", "POST", []),
        ("/api/documents", "GET", ["api-limit"]),
        ("/apiary", "GET", []),
        ("/assets/app.js", "GET", []),
        ("/", "GET", []),
    ],
)
def test_the_limits_are_about_nothing_else(graph, path, method, by):
    build(graph)
    assert limited(graph, path, method) == by


@pytest.mark.parametrize(
    ("name", "seconds"), [("api-limit", "60"), ("login-limit", "300")]
)
def test_who_asks_too_often_learns_when_to_come_back(graph, name, seconds):
    build(graph)
    answer = rule(graph, name)["action"]["block"]["customResponse"]
    assert answer["responseCode"] == 429
    assert answer["responseHeaders"] == [{"name": "Retry-After", "value": seconds}]
    (body,) = graph.one(ACL)["customResponseBodies"]
    assert body["key"] == answer["customResponseBodyKey"]
    assert body["contentType"] == "APPLICATION_JSON"


def test_limits_and_paths_are_those_that_are_asked_for(graph):
    build(
        graph,
        api_path="/v1/",
        api_requests_per_minute=10,
        login_path="/v1/log-in",
        login_attempts_per_5_minutes=10,
    )
    assert limited(graph, "/v1/log-in", "POST") == ["login-limit", "api-limit"]
    assert limited(graph, "/v1/logXin", "POST") == ["api-limit"]
    for name in ("api-limit", "login-limit"):
        assert rule(graph, name)["statement"]["rateBasedStatement"]["limit"] == 10


def test_aws_judges_addresses_first_and_attacks_last(graph):
    build(graph)
    groups = [
        one["statement"]["managedRuleGroupStatement"]["name"]
        if "managedRuleGroupStatement" in one["statement"]
        else one["name"]
        for one in rules(graph)
    ]
    assert groups == [
        "AWSManagedRulesAmazonIpReputationList",
        "login-limit",
        "api-limit",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesSQLiRuleSet",
        "bodies",
    ]
    priorities = [one["priority"] for one in rules(graph)]
    assert len(set(priorities)) == len(priorities)


def test_aws_itself_blocks_everything_but_bodies(graph):
    build(graph)
    for one in rules(graph):
        group = one["statement"].get("managedRuleGroupStatement")
        if group:
            assert one["overrideAction"] == {"none": {}}
            for override in group.get("ruleActionOverrides", []):
                assert override["name"].endswith("_BODY")
                assert override["actionToUse"] == {"count": {}}


def refused_for_its_body(graph: Graph, path: str, *labels: str) -> bool:
    return matches(rule(graph, "bodies")["statement"], path, "POST", labels)


@pytest.mark.parametrize("label", [BIG_BODY, SQL_IN_BODY])
@pytest.mark.parametrize(
    "path", ["/api/documents/upload", "/api/documents/upload/", "/API/documents/Upload"]
)
def test_a_file_may_be_large_and_hold_anything(graph, path, label):
    build(graph)
    assert not refused_for_its_body(graph, path, label)


@pytest.mark.parametrize(
    "path", ["/api/quizzes", "/api/documents/upload/x", "/x/api/documents/upload"]
)
def test_other_bodies_are_refused_for_what_aws_found_in_them(graph, path):
    build(graph)
    for label in (BIG_BODY, SQL_IN_BODY):
        assert refused_for_its_body(graph, path, label)
    assert not refused_for_its_body(graph, path)
    assert rule(graph, "bodies")["action"] == {"block": {}}


def test_each_rule_that_only_labels_is_made_up_for(graph):
    """A label is spelled like its rule, but for the case of the last word."""
    build(graph)
    counted = {
        override["name"].lower()
        for one in rules(graph)
        for override in one["statement"]
        .get("managedRuleGroupStatement", {})
        .get("ruleActionOverrides", [])
    }
    either, _ = rule(graph, "bodies")["statement"]["andStatement"]["statements"]
    labels = {
        one["labelMatchStatement"]["key"].rpartition(":")[2].lower()
        for one in either["orStatement"]["statements"]
    }
    assert labels == counted


def test_counting_blocks_nothing(graph):
    build(graph, mode="count")
    for one in rules(graph):
        assert (one.get("action") or one.get("overrideAction")) == {"count": {}}


def test_what_no_rule_is_about_passes(graph):
    build(graph)
    assert graph.one(ACL)["defaultAction"] == {"allow": {}}


def test_every_rule_has_a_metric_of_its_own(graph):
    outputs = build(graph)
    metrics = [one["visibilityConfig"] for one in rules(graph)]
    metrics.append(graph.one(ACL)["visibilityConfig"])
    names = [metric["metricName"] for metric in metrics]
    assert len(set(names)) == len(names)
    assert all(metric["cloudwatchMetricsEnabled"] for metric in metrics)
    assert not any(metric["sampledRequestsEnabled"] for metric in metrics)
    assert outputs["name"] == "app"


def test_the_log_keeps_what_was_blocked_or_counted_and_no_credentials(graph):
    outputs = build(graph)
    logging = graph.one(LOGGING)
    assert logging["resourceArn"] == outputs["arn"]
    assert logging["loggingFilter"]["defaultBehavior"] == "DROP"
    (kept,) = logging["loggingFilter"]["filters"]
    assert kept["behavior"] == "KEEP"
    assert [one["actionCondition"]["action"] for one in kept["conditions"]] == [
        "BLOCK",
        "COUNT",
    ]
    assert logging["redactedFields"] == [
        {"singleHeader": {"name": "authorization"}},
        {"singleHeader": {"name": "cookie"}},
        {"queryString": {}},
    ]


def test_the_log_is_named_as_waf_wants_it_bounded_and_encrypted(graph):
    outputs = build(graph, log_retention_days=7)
    log = graph.one(LOG_GROUP)
    assert log["name"] == "aws-waf-logs-app"
    assert log["retentionInDays"] == 7
    assert log["kmsKeyId"] == KEY
    assert outputs["log_group_name"] == "aws-waf-logs-app"
    assert graph.one(LOGGING)["logDestinationConfigs"] == [log.outputs["arn"]]


def test_only_waf_of_this_account_may_write_the_log(graph):
    build(graph)
    log = graph.one(LOG_GROUP).outputs["arn"]
    (statement,) = graph.policy(PERMISSION, key="policyDocument")["Statement"]
    assert statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    assert statement["Resource"] == f"{log}:*"
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:logs:eu-central-1:123456789012:*"},
    }
    assert graph.one(PERMISSION).urn in graph.one(LOGGING).dependencies


def test_a_load_balancer_is_put_behind_it(graph):
    outputs = build(graph)
    association = graph.one(ASSOCIATION)
    assert association["resourceArn"] == BALANCER
    assert association["webAclArn"] == outputs["arn"]
    assert graph.one(ACL)["scope"] == "REGIONAL"


def test_an_attachment_that_is_replaced_is_there_afterwards(graph):
    build(graph)
    for type_ in (ASSOCIATION, LOGGING):
        assert graph.one(type_).delete_before_replace


def test_a_distribution_names_it_by_itself(graph):
    build(graph, scope="CLOUDFRONT", load_balancer_arn=None, kms_key_arn=None)
    assert graph.all(ASSOCIATION) == []
    assert graph.one(ACL)["scope"] == "CLOUDFRONT"
    assert graph.one(LOG_GROUP).get("kmsKeyId") is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"load_balancer_arn": None}, "load_balancer_arn"),
        ({"scope": "CLOUDFRONT"}, "load_balancer_arn"),
        ({"api_requests_per_minute": 9}, "api_requests_per_minute: 10 to"),
        ({"api_requests_per_minute": 2_000_000_001}, "2,000,000,000"),
        ({"login_attempts_per_5_minutes": 9}, "login_attempts_per_5_minutes"),
        ({"api_path": "api/"}, "api_path"),
        ({"login_path": "/log in"}, "login_path"),
        ({"upload_path": "/up?x=1"}, "upload_path"),
    ],
)
def test_what_waf_would_refuse_is_refused_at_once(wrong, words):
    with pytest.raises(ValueError, match=words):
        args(**wrong)


def test_a_preview_knows_the_rules_and_the_names(graph):
    outputs = graph.build(lambda: Firewall("app", args()), preview=True)
    assert len(rules(graph)) == 7
    assert outputs["log_group_name"] == "aws-waf-logs-app"
    assert outputs["arn"] == UNKNOWN
