"""AWS WAF: access control lists that do something, and say what."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import as_list
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import (
    RULE_GROUP,
    WEB_ACL,
    WEB_ACL_LOGGING,
    WEB_ACL_RULE,
    WEB_ACL_RULE_GROUP,
)


@policy(
    "WAF.10",
    WEB_ACL,
    title="A web ACL has a rule or a rule group",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Give rules, such as a managed rule group of AWS.",
)
def has_rules(acl: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Without any it lets everything through and still costs its fee."""
    inline = acl.has("rules") or acl.has("ruleJson")
    separate = graph.referring(acl, WEB_ACL_RULE, "webAclArn") or graph.referring(
        acl, WEB_ACL_RULE_GROUP, "webAclArn"
    )
    if not inline and not separate:
        yield "rules is empty"


@policy(
    "WAF.11",
    WEB_ACL,
    title="What a web ACL blocks is logged",
    severity=Severity.LOW,
    source=Source.SECURITY_HUB,
    remedy="Add aws.wafv2.WebAclLoggingConfiguration with the ACL's ARN.",
)
def logged(acl: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Whoever was blocked by mistake will ask why."""
    if not graph.referring(acl, WEB_ACL_LOGGING, "resourceArn"):
        yield "no logging configuration names it"


@policy(
    "WAF.12",
    WEB_ACL,
    RULE_GROUP,
    WEB_ACL_RULE,
    title="Web ACLs and their rules have metrics",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set visibility_config={'cloudwatch_metrics_enabled': True, ...} on it and "
    "on each rule.",
)
def has_metrics(resource: Resource) -> Iterator[str]:
    """A rule that suddenly blocks everybody is seen in its metric first."""
    yield from _without_metrics(resource, "")
    for index in range(len(as_list(resource.get("rules")))):
        yield from _without_metrics(resource, f"rules.{index}.")


def _without_metrics(resource: Resource, path: str) -> Iterator[str]:
    enabled = f"{path}visibilityConfig.cloudwatchMetricsEnabled"
    if resource.get(enabled) is not True:
        yield f"{enabled} is not true"
