"""The maintenance page where the emulator cannot go: both strategies, and trouble."""

from __future__ import annotations

from typing import Any

import pytest

from ops.errors import FailedError, OpsError
from ops.platforms.aws import Aws
from ops.platforms.aws.maintenance import PAGE, TAG
from tests.ops.aws_stack import OUTPUTS, PLACE, DeployedStack
from tests.ops.recorded import Recorded, error

HTTP = {"ListenerArn": "http", "Port": 80}
PULUMI = {"Key": "ManagedBy", "Value": "pulumi"}
HTTPS = {"ListenerArn": "https", "Port": 443}


class Listener:
    """Rules of a listener, as the load balancer keeps them."""

    def __init__(self, *rules: dict[str, Any]) -> None:
        self.rules = {rule["RuleArn"]: rule for rule in rules}
        self.tags: dict[str, list[dict[str, str]]] = {}

    def serve(self, aws: Recorded, *listeners: dict[str, Any]) -> None:
        aws.on("elbv2.DescribeListeners", {"Listeners": list(listeners)})
        aws.on("elbv2.DescribeRules", lambda _: {"Rules": [*self.rules.values()]})
        aws.on("elbv2.DescribeTags", self.describe_tags)
        aws.on("elbv2.CreateRule", self.create)
        aws.on("elbv2.ModifyRule", self.modify)
        aws.on("elbv2.DeleteRule", self.delete)

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        arn = f"rule {params['Priority']}"
        self.rules[arn] = {
            "RuleArn": arn,
            "Priority": str(params["Priority"]),
            "IsDefault": False,
            "Conditions": params["Conditions"],
            "Actions": params["Actions"],
        }
        self.tags[arn] = params["Tags"]
        return {"Rules": [self.rules[arn]]}

    def modify(self, params: dict[str, Any]) -> dict[str, Any]:
        rule = self.rules[params["RuleArn"]]
        rule["Actions"], rule["Conditions"] = params["Actions"], params["Conditions"]
        return {"Rules": [rule]}

    def delete(self, params: dict[str, Any]) -> dict[str, Any]:
        del self.rules[params["RuleArn"]]
        return {}

    def describe_tags(self, params: dict[str, Any]) -> dict[str, Any]:
        assert len(params["ResourceArns"]) <= 20
        return {
            "TagDescriptions": [
                {"ResourceArn": arn, "Tags": self.tags.get(arn, [PULUMI])}
                for arn in params["ResourceArns"]
            ]
        }


def default(*actions: dict[str, Any]) -> dict[str, Any]:
    return {
        "RuleArn": "default",
        "Priority": "default",
        "IsDefault": True,
        "Conditions": [],
        "Actions": list(actions) or [{"Type": "forward", "TargetGroupArn": "blue"}],
    }


def shift(blue: int, green: int, priority: int = 10) -> dict[str, Any]:
    """The rule by which ECS moves the traffic."""
    groups = [
        {"TargetGroupArn": "blue", "Weight": blue},
        {"TargetGroupArn": "green", "Weight": green},
    ]
    return {
        "RuleArn": "shift",
        "Priority": str(priority),
        "IsDefault": False,
        "Conditions": [
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}
        ],
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    }


def review(number: int, **instead: Any) -> dict[str, Any]:
    """The rule of a pull request's stack."""
    host = f"pr-{number}.test.stromhaltig.de"
    return {
        "RuleArn": f"review {number}",
        "Priority": str(100 + number),
        "IsDefault": False,
        "Conditions": [named(host)],
        "Actions": [{"Type": "forward", "TargetGroupArn": f"pr-{number}"}],
        **instead,
    }


def named(*hosts: str) -> dict[str, Any]:
    return {"Field": "host-header", "HostHeaderConfig": {"Values": list(hosts)}}


OWN = named("test.stromhaltig.de", "www.test.stromhaltig.de")

FORBIDDEN = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "403"},
}


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    return recorded


@pytest.fixture
def platform(aws):
    return Aws(DeployedStack())


def test_the_page_fits_and_speaks_both_languages():
    assert len(PAGE.encode()) <= 1024
    assert "Wartung" in PAGE
    assert "maintained" in PAGE


def test_visitors_get_the_page_and_monitoring_the_app(aws, platform):
    listener = Listener(default())
    listener.serve(aws, HTTP, HTTPS)
    platform.set_maintenance(True)
    assert platform.maintenance()
    asked = aws.asked("elbv2.DescribeListeners")[0]["LoadBalancerArn"]
    assert asked == (
        f"arn:aws:elasticloadbalancing:{PLACE}:loadbalancer/app/stromhaltig-test/1234"
    )
    health, page = listener.rules["rule 1"], listener.rules["rule 2"]
    assert health["Conditions"][0]["PathPatternConfig"] == {"Values": ["/api/health"]}
    assert health["Actions"] == [{"Type": "forward", "TargetGroupArn": "blue"}]
    assert page["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "503"
    # As the listener is, so that roles that may touch the stack may touch it.
    assert listener.tags["rule 2"] == [
        PULUMI,
        {"Key": "stromhaltig:stack", "Value": "test"},
        {"Key": TAG, "Value": "page"},
    ]
    assert aws.asked("elbv2.CreateRule")[0]["ListenerArn"] == "https"


def test_on_and_off_may_be_said_twice(aws, platform):
    listener = Listener(default())
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    platform.set_maintenance(True)
    assert len(listener.rules) == 3
    platform.set_maintenance(False)
    platform.set_maintenance(False)
    assert list(listener.rules) == ["default"]
    assert not platform.maintenance()


def test_the_page_goes_before_the_way_past_it(aws, platform):
    listener = Listener(default())
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    platform.set_maintenance(False)
    deleted = [one["RuleArn"] for one in aws.asked("elbv2.DeleteRule")]
    assert deleted == ["rule 2", "rule 1"]


def test_without_a_certificate_it_is_the_plain_listener(aws, platform):
    Listener(default()).serve(aws, HTTP)
    platform.set_maintenance(True)
    assert aws.asked("elbv2.CreateRule")[0]["ListenerArn"] == "http"


def test_the_health_path_goes_where_the_traffic_goes(aws, platform):
    listener = Listener(default(), shift(0, 100))
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    weights = listener.rules["rule 1"]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [group["Weight"] for group in weights] == [0, 100]


def test_the_health_path_follows_when_a_deployment_moved_the_traffic(aws, platform):
    listener = Listener(default(), shift(0, 100))
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    listener.rules["shift"] = shift(100, 0)
    platform.set_maintenance(True)
    weights = listener.rules["rule 1"]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert [group["Weight"] for group in weights] == [100, 0]


def test_reviews_neither_get_the_page_nor_answer_for_the_app(aws, platform):
    listener = Listener(default(), review(7), review(8))
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    health, page = listener.rules["rule 1"], listener.rules["rule 2"]
    assert health["Actions"] == [{"Type": "forward", "TargetGroupArn": "blue"}]
    assert OWN in health["Conditions"]
    assert OWN in page["Conditions"]
    platform.set_maintenance(False)
    assert list(listener.rules) == ["default", "review 7", "review 8"]


@pytest.mark.parametrize(
    "conditions",
    [
        [named("*.stromhaltig.de"), {"Field": "source-ip", "SourceIpConfig": {}}],
        [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta"}}],
        [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/grafana/*"]}}],
        [named("pr-?.test.stromhaltig.de")],
        [named("test.stromhaltig.de.example.org")],
        [{"Field": "host-header", "HostHeaderConfig": {"RegexValues": [".*"]}}],
    ],
)
def test_a_rule_for_others_than_visitors_is_not_the_apps(aws, platform, conditions):
    listener = Listener(default(), review(7, Conditions=conditions))
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    assert listener.rules["rule 1"]["Actions"][0]["TargetGroupArn"] == "blue"


def test_a_rule_for_the_apps_name_is_the_apps(aws, platform):
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}
    rule = review(7, Conditions=[named("*.stromhaltig.de"), path])
    listener = Listener(default(FORBIDDEN), rule)
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    assert listener.rules["rule 1"]["Actions"][0]["TargetGroupArn"] == "pr-7"


def test_without_a_domain_the_page_is_for_every_name(aws, platform):
    name = "stromhaltig-test-1.eu-central-1.elb.amazonaws.com"
    outputs = {**OUTPUTS, "health_url": f"http://{name}/api/health"}
    listener = Listener(default())
    listener.serve(aws, HTTP)
    Aws(DeployedStack(outputs=outputs)).set_maintenance(True)
    fields = {
        one["Field"]
        for rule in ("rule 1", "rule 2")
        for one in listener.rules[rule]["Conditions"]
    }
    assert fields == {"path-pattern"}


def test_a_page_for_every_name_of_before_is_made_the_stacks_or_removed(aws, platform):
    listener = Listener(default(), review(7))
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    for kind, rule in (("health", "rule 1"), ("page", "rule 2")):
        old = listener.rules[rule]
        old["Conditions"] = [one for one in old["Conditions"] if one != OWN]
        listener.tags[rule] = [{"Key": TAG, "Value": kind}]
    listener.rules["rule 1"]["Actions"] = review(7)["Actions"]
    assert platform.maintenance()
    platform.set_maintenance(True)
    assert OWN in listener.rules["rule 1"]["Conditions"]
    assert OWN in listener.rules["rule 2"]["Conditions"]
    assert listener.rules["rule 1"]["Actions"] == default()["Actions"]
    listener.rules["rule 2"]["Conditions"].remove(OWN)
    platform.set_maintenance(False)
    assert list(listener.rules) == ["default", "review 7"]


def test_behind_cloudfront_the_health_path_asks_for_its_header_too(aws, platform):
    header = {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": "X-Origin-Verify", "Values": ["s3cret"]},
    }
    rule = {**shift(100, 0, priority=20), "Conditions": [header]}
    listener = Listener(default(FORBIDDEN), rule)
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    assert header in listener.rules["rule 1"]["Conditions"]
    assert header not in listener.rules["rule 2"]["Conditions"]
    # CloudFront passes on the name that it was asked for.
    assert OWN in listener.rules["rule 2"]["Conditions"]
    values = [
        value
        for condition in listener.rules["rule 1"]["Conditions"]
        for config in condition.values()
        if isinstance(config, dict)
        for value in config["Values"]
    ]
    assert len(values) <= 5, "AWS takes no more for the conditions of a rule"


def test_a_rule_in_the_way_is_named(aws, platform):
    Listener(default(), shift(100, 0, priority=2)).serve(aws, HTTPS)
    with pytest.raises(OpsError, match="has priority 2"):
        platform.set_maintenance(True)
    assert not aws.asked("elbv2.CreateRule")


def test_half_a_maintenance_page_is_taken_back(aws, platform):
    listener = Listener(default())
    listener.serve(aws, HTTPS)
    aws.on("elbv2.CreateRule", listener.create, error("TooManyRules"))
    with pytest.raises(Exception, match="TooManyRules"):
        platform.set_maintenance(True)
    assert list(listener.rules) == ["default"]


def test_half_a_maintenance_page_of_a_killed_command_is_completed(aws, platform):
    listener = Listener(default())
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    del listener.rules["rule 2"]
    assert not platform.maintenance()
    platform.set_maintenance(True)
    assert platform.maintenance()
    assert len(listener.rules) == 3


def test_a_listener_that_leads_nowhere_is_told(aws, platform):
    Listener(default(FORBIDDEN)).serve(aws, HTTPS)
    with pytest.raises(FailedError, match="leads to the app"):
        platform.set_maintenance(True)


def test_a_load_balancer_without_listeners_is_told(aws, platform):
    Listener(default()).serve(aws)
    with pytest.raises(FailedError, match="no listener on 443 or 80"):
        platform.maintenance()


def test_rules_of_others_are_left_alone(aws, platform):
    others = [
        {**shift(100, 0, priority=100 + n), "RuleArn": f"other {n}"} for n in range(45)
    ]
    listener = Listener(default(), *others)
    listener.serve(aws, HTTPS)
    platform.set_maintenance(True)
    platform.set_maintenance(False)
    assert len(listener.rules) == 46
    assert all(
        TAG not in str(tags) for arn, tags in listener.tags.items() if "o" in arn
    )
