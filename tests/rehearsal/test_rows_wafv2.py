"""The rows of WAF: cases put through `tests.rehearsal.conformance`, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.aws.wafv2 import WINDOWS
from rehearsal.provider.row import Aws
from tests.rehearsal.conformance import (
    DEFAULT_TAGS,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    Uncarried,
)
from tests.rehearsal.surroundings import load_balancer

ACL = "aws:wafv2/webAcl:WebAcl"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"

DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
LOG_GROUP = "arn:aws:logs:eu-central-1:123456789012:log-group:aws-waf-logs-app"
METRIC = {
    "cloudwatchMetricsEnabled": True,
    "metricName": "app",
    "sampledRequestsEnabled": False,
}
POST = {
    "byteMatchStatement": {
        "searchString": "POST",
        "positionalConstraint": "EXACTLY",
        "fieldToMatch": {"method": {}},
        "textTransformations": [{"priority": 0, "type": "NONE"}],
    }
}
MANAGED = {
    "name": "common",
    "priority": 0,
    "overrideAction": {"none": {}},
    "statement": {
        "managedRuleGroupStatement": {
            "vendorName": "AWS",
            "name": "AWSManagedRulesCommonRuleSet",
            "ruleActionOverrides": [
                {"name": "SizeRestrictions_BODY", "actionToUse": {"count": {}}}
            ],
        }
    },
    "visibilityConfig": METRIC,
}
LIMIT = {
    "name": "limit",
    "priority": 1,
    "action": {
        "block": {
            "customResponse": {
                "responseCode": 429,
                "customResponseBodyKey": "slow",
                "responseHeaders": [{"name": "Retry-After", "value": "60"}],
            }
        }
    },
    "statement": {
        "rateBasedStatement": {
            "aggregateKeyType": "IP",
            "limit": 600,
            "evaluationWindowSec": 60,
            "scopeDownStatement": POST,
        }
    },
    "visibilityConfig": METRIC,
}
LABELLED = {
    "name": "labelled",
    "priority": 2,
    "action": {"block": {}},
    "statement": {
        "andStatement": {
            "statements": [
                {"labelMatchStatement": {"scope": "LABEL", "key": "awswaf:x:y"}},
                {
                    "notStatement": {
                        "statement": {
                            "regexMatchStatement": {
                                "regexString": "^/up/?$",
                                "fieldToMatch": {"uriPath": {}},
                                "textTransformations": [
                                    {"priority": 0, "type": "URL_DECODE"},
                                    {"priority": 1, "type": "LOWERCASE"},
                                ],
                            }
                        }
                    }
                },
            ]
        }
    },
    "visibilityConfig": METRIC,
}
SLOW = [{"key": "slow", "content": "{}", "contentType": "APPLICATION_JSON"}]


def changed(rule: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    return {**rule, **values}


def limit_of(requests: int, seconds: int = 60) -> dict[str, Any]:
    rate = {**LIMIT["statement"]["rateBasedStatement"]}
    rate |= {"limit": requests, "evaluationWindowSec": seconds}
    return changed(LIMIT, statement={"rateBasedStatement": rate})


def web_acl(site: Site) -> Case:
    waf = site.client("wafv2")

    def stop_blocking(id: str) -> None:
        (one,) = (
            a for a in waf.list_web_acls(Scope="REGIONAL")["WebACLs"] if a["Id"] == id
        )
        place = {"Id": id, "Name": one["Name"], "Scope": "REGIONAL"}
        live = waf.get_web_acl(**place)
        rules = live["WebACL"]["Rules"]
        for rule in rules:
            if "OverrideAction" in rule:
                rule["OverrideAction"] = {"Count": {}}
        waf.update_web_acl(
            **place,
            LockToken=live["LockToken"],
            DefaultAction=live["WebACL"]["DefaultAction"],
            VisibilityConfig=live["WebACL"]["VisibilityConfig"],
            Rules=rules,
        )

    return Case(
        inputs={
            "scope": "REGIONAL",
            "description": "Keeps out what is bad",
            "defaultAction": {"allow": {}},
            "rules": [MANAGED, LIMIT, LABELLED],
            "customResponseBodies": SLOW,
            "visibilityConfig": METRIC,
        },
        listing=lambda: [
            one["Id"] for one in waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
        ],
        updates={
            "customResponseBodies": [{**SLOW[0], "content": '{"error":"slow"}'}],
            "defaultAction": {"block": {}},
            "description": "Keeps out more",
            "rules": [changed(MANAGED, overrideAction={"count": {}}), limit_of(10)],
            "visibilityConfig": {**METRIC, "sampledRequestsEnabled": True},
        },
        replaces={"scope": Uncarried("CLOUDFRONT")},
        drift=[Drift(act=stop_blocking, seen="rules")],
        refused=[
            ({"scope": "GLOBAL"}, "CLOUDFRONT, REGIONAL"),
            ({"name": "my acl"}, "128 letters"),
            ({"name": "n" * 129}, "128 letters"),
            ({"description": "it's bad"}, "description"),
            ({"visibilityConfig": {**METRIC, "metricName": "my app"}}, "metricName"),
            ({"rules": [limit_of(9)]}, "between 10 and"),
            ({"rules": [limit_of(10, 90)]}, "60, 120, 300, 600"),
            ({"rules": [MANAGED, MANAGED]}, "the name common"),
            ({"rules": [MANAGED, changed(LIMIT, priority=0)]}, "the priority 0"),
            (
                {
                    "rules": [
                        changed(MANAGED, overrideAction=None, action={"count": {}})
                    ]
                },
                "takes overrideAction",
            ),
            (
                {
                    "rules": [
                        changed(LABELLED, action=None, overrideAction={"none": {}})
                    ]
                },
                "takes action",
            ),
        ],
        import_id=lambda state: f"{state['id']}/{state['name']}/{state['scope']}",
    )


def association(site: Site) -> Case:
    waf = site.client("wafv2")
    balancers = [load_balancer(site.aws, number) for number in (90, 91)]
    acls = [make_acl(site)["arn"] for _ in range(2)]

    def listing() -> list[str]:
        found = (waf.get_web_acl_for_resource(ResourceArn=one) for one in balancers)
        return [one["WebACL"]["ARN"] for one in found if one.get("WebACL")]

    return Case(
        inputs={"resourceArn": balancers[0], "webAclArn": acls[0]},
        listing=listing,
        replaces={"resourceArn": balancers[1], "webAclArn": acls[1]},
        refused=[
            ({"resourceArn": "app/my-balancer"}, "an ARN"),
            ({"webAclArn": "my-acl"}, "an ARN"),
        ],
    )


def logging(site: Site) -> Case:
    waf = site.client("wafv2")
    acls = [make_acl(site)["arn"] for _ in range(2)]
    blocked = {"actionCondition": {"action": "BLOCK"}}
    counted = {"actionCondition": {"action": "COUNT"}}

    def keep(*conditions: Mapping[str, Any]) -> dict[str, Any]:
        kept = {
            "behavior": "KEEP",
            "requirement": "MEETS_ANY",
            "conditions": list(conditions),
        }
        return {"defaultBehavior": "DROP", "filters": [kept]}

    def listing() -> list[str]:
        found = waf.list_logging_configurations(Scope="REGIONAL")
        return [one["ResourceArn"] for one in found["LoggingConfigurations"]]

    return Case(
        inputs={
            "resourceArn": acls[0],
            "logDestinationConfigs": [LOG_GROUP],
            "loggingFilter": keep(blocked, counted),
            "redactedFields": [
                {"singleHeader": {"name": "cookie"}},
                {"queryString": {}},
            ],
        },
        listing=listing,
        updates={
            "loggingFilter": keep(blocked),
            "redactedFields": [
                {"singleHeader": {"name": "cookie"}},
                {"uriPath": {}},
            ],
        },
        replaces={
            "resourceArn": acls[1],
            "logDestinationConfigs": [f"{LOG_GROUP}-2"],
        },
        drift=[
            Drift(
                act=lambda id: waf.put_logging_configuration(
                    LoggingConfiguration={
                        "ResourceArn": id,
                        "LogDestinationConfigs": [LOG_GROUP],
                    }
                ),
                seen="redactedFields",
            )
        ],
        refused=[
            ({"resourceArn": "my-acl"}, "an ARN"),
            (
                {"logDestinationConfigs": [LOG_GROUP.replace("aws-waf-logs-", "")]},
                "aws-waf-logs-",
            ),
        ],
    )


def make_acl(site: Site, **inputs: Any) -> Mapping[str, Any]:
    return site.make(
        ACL,
        **{
            "scope": "REGIONAL",
            "defaultAction": {"allow": {}},
            "visibilityConfig": METRIC,
        }
        | inputs,
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    ACL: web_acl,
    ASSOCIATION: association,
    LOGGING: logging,
}


class TestWafRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("seconds", WINDOWS)
def test_whatever_waf_can_look_back_is_taken(site: Site, seconds: int) -> None:
    made = make_acl(site, rules=[limit_of(10, seconds)])
    rate = made["rules"][0]["statement"]["rateBasedStatement"]
    assert rate["evaluationWindowSec"] == seconds


def test_counting_instead_of_blocking_is_a_change(site: Site) -> None:
    """Both are an empty object, under another name."""
    resource = Resource(ACL, site.aws)
    program = {
        "scope": "REGIONAL",
        "defaultAction": {"allow": {}},
        "visibilityConfig": METRIC,
        "rules": [MANAGED],
    }
    resource.up(program)
    count = changed(MANAGED, overrideAction={"count": {}})
    assert resource.up({**program, "rules": [count]}).changed == {"rules"}
    assert resource.live("rules")[0]["overrideAction"] == {"count": {}}
    resource.destroy()


@pytest.fixture
def edge(aws: Aws) -> Site:
    """The embedded AWS in the region that CloudFront is ruled from."""
    return Site(Aws(aws.endpoint, "us-east-1", DEFAULT_TAGS))


def test_a_distributions_web_acl_is_made_in_us_east_1(edge: Site) -> None:
    resource = Resource(ACL, edge.aws)
    resource.up(
        {
            "scope": "CLOUDFRONT",
            "defaultAction": {"allow": {}},
            "visibilityConfig": METRIC,
        }
    )
    assert ":global/webacl/" in resource.outputs["arn"]
    assert resource.refresh()
    resource.destroy()
    assert not resource.refresh()


def test_a_distributions_web_acl_is_made_nowhere_else(site: Site) -> None:
    with pytest.raises(ClientError, match="us-east-1"):
        make_acl(site, scope="CLOUDFRONT")


def test_another_scope_is_another_web_acl(site: Site, edge: Site) -> None:
    resource = Resource(ACL, edge.aws)
    program = {"defaultAction": {"allow": {}}, "visibilityConfig": METRIC}
    resource.up({**program, "scope": "REGIONAL"})
    assert resource.up({**program, "scope": "CLOUDFRONT"}).replaces
    resource.destroy()


def test_a_web_acl_that_protects_something_is_not_deleted(site: Site) -> None:
    resource = Resource(ACL, site.aws)
    resource.up(
        {
            "scope": "REGIONAL",
            "defaultAction": {"allow": {}},
            "visibilityConfig": METRIC,
        }
    )
    association = Resource(ASSOCIATION, site.aws)
    association.up(
        {
            "resourceArn": load_balancer(site.aws, 92),
            "webAclArn": resource.outputs["arn"],
        }
    )
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        resource.destroy()
    association.destroy()
    resource.destroy()
    assert not resource.refresh()


def test_a_web_acl_that_a_distribution_names_is_not_deleted(edge: Site) -> None:
    acl = Resource(ACL, edge.aws)
    acl.up(
        {
            "scope": "CLOUDFRONT",
            "defaultAction": {"allow": {}},
            "visibilityConfig": METRIC,
        }
    )
    distribution = Resource(DISTRIBUTION, edge.aws)
    distribution.up(
        {
            "enabled": True,
            "origins": [{"originId": "app", "domainName": "app.example.org"}],
            "defaultCacheBehavior": {
                "targetOriginId": "app",
                "viewerProtocolPolicy": "https-only",
                "allowedMethods": ["GET", "HEAD"],
                "cachedMethods": ["GET", "HEAD"],
            },
            "restrictions": {"geoRestriction": {"restrictionType": "none"}},
            "viewerCertificate": {"cloudfrontDefaultCertificate": True},
            "webAclId": acl.outputs["arn"],
        }
    )
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        acl.destroy()
    distribution.destroy()
    acl.destroy()
    assert not acl.refresh()


def test_a_load_balancer_has_one_web_acl(site: Site) -> None:
    balancer = load_balancer(site.aws, 93)
    first, second = (make_acl(site)["arn"] for _ in range(2))
    old = Resource(ASSOCIATION, site.aws)
    old.up({"resourceArn": balancer, "webAclArn": first})
    new = Resource(ASSOCIATION, site.aws)
    new.up({"resourceArn": balancer, "webAclArn": second})
    assert not old.refresh()
    assert new.refresh()
    old.destroy()
    assert not new.refresh()
