"""What breaks the policies about WAF."""

from __future__ import annotations

from resource_types import (
    RULE_GROUP,
    WEB_ACL,
    WEB_ACL_LOGGING,
    WEB_ACL_RULE,
    WEB_ACL_RULE_GROUP,
)
from tests.unit.policies.casework import Case, resource

METRICS = {"cloudwatchMetricsEnabled": True}
NO_METRICS = {"cloudwatchMetricsEnabled": False}
ACL = resource(WEB_ACL, "acl")

CASES = (
    Case(
        id="WAF.10",
        good=[
            resource(WEB_ACL, rules=[{"name": "limit"}]),
            resource(WEB_ACL, ruleJson="[]"),
            ACL,
            resource(WEB_ACL_RULE, comes_from={"webAclArn": [ACL]}),
        ],
        bad={
            "none": ([resource(WEB_ACL, rules=[])], "rules is empty"),
            "left to its default": ([ACL], "rules is empty"),
            "those of another": (
                [
                    ACL,
                    resource(WEB_ACL, "other", rules=[{"name": "limit"}]),
                    resource(WEB_ACL_RULE_GROUP, webAclArn="arn:aws:wafv2:other"),
                ],
                "rules is empty",
            ),
        },
    ),
    Case(
        id="WAF.11",
        good=[ACL, resource(WEB_ACL_LOGGING, comes_from={"resourceArn": [ACL]})],
        bad={
            "not logged": ([ACL], "no logging configuration"),
            "another is": (
                [ACL, resource(WEB_ACL_LOGGING, resourceArn="arn:aws:wafv2:other")],
                "no logging configuration",
            ),
        },
    ),
    Case(
        id="WAF.12",
        good=[
            resource(
                WEB_ACL, visibilityConfig=METRICS, rules=[{"visibilityConfig": METRICS}]
            ),
            resource(RULE_GROUP, visibilityConfig=METRICS),
            resource(WEB_ACL_RULE, visibilityConfig=METRICS),
        ],
        bad={
            "the ACL": (
                [resource(WEB_ACL, visibilityConfig=NO_METRICS)],
                "visibilityConfig.cloudwatchMetricsEnabled is not true",
            ),
            "a rule": (
                [
                    resource(
                        WEB_ACL,
                        visibilityConfig=METRICS,
                        rules=[
                            {"visibilityConfig": METRICS},
                            {"visibilityConfig": NO_METRICS},
                        ],
                    )
                ],
                "rules.1.visibilityConfig",
            ),
            "a rule of a group": (
                [resource(RULE_GROUP, visibilityConfig=METRICS, rules=[{}])],
                "rules.0.visibilityConfig",
            ),
            "a rule of its own": ([resource(WEB_ACL_RULE)], "is not true"),
        },
    ),
)
