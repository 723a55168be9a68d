"""Rows for WAF: web ACLs, what they protect, and their logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, refusal, within
from rehearsal.provider.aws.cloudfront import distributions
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

SCOPES = ("CLOUDFRONT", "REGIONAL")
WINDOWS = (60, 120, 300, 600)
"""Seconds that a rate-based rule can look back."""

_GONE = "WAFNonexistentItemException"
_LOGS = (
    r"(arn:[^:]+:logs:[^:]+:\d+:log-group:|arn:[^:]+:firehose:[^:]+:\d+:deliverystream/"
    r"|arn:[^:]+:s3:::)aws-waf-logs-.+"
)
_METRIC = r"[\w#:.\-/]{1,128}"
_NAMES: Mapping[str, str] = {
    "arn": "ARN",
    "cloudwatchMetricsEnabled": "CloudWatchMetricsEnabled",
    "forwardedIpConfig": "ForwardedIPConfig",
    "ipSetForwardedIpConfig": "IPSetForwardedIPConfig",
    "ipSetReferenceStatement": "IPSetReferenceStatement",
    "ja3Fingerprint": "JA3Fingerprint",
    "ja4Fingerprint": "JA4Fingerprint",
}
"""Where the API does not just begin a word with a capital letter."""
_PROPERTIES = {name: key for key, name in _NAMES.items()}


class WebAcl(Row):
    """aws.wafv2.WebAcl."""

    token = "aws:wafv2/webAcl:WebAcl"
    service = "wafv2"
    tagged = True
    autoname = "name"
    name_limit = 128
    replaces = frozenset({"scope"})
    updates = frozenset(
        {
            *("customResponseBodies", "defaultAction", "description", "rules"),
            "visibilityConfig",
        }
    )

    def canonical(self, key: str, value: Any) -> Any:
        """An action and a field are chosen by an empty object under their name."""
        return _chosen(value)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *one_of(inputs, "scope", SCOPES),
            *matching(
                inputs, "name", r"[\w-]{1,128}", "1 to 128 letters, digits, _ and -"
            ),
            *matching(
                inputs,
                "description",
                r"[\w+=:#@/\-,.][\w+=:#@/\-,.\s]{1,254}[\w+=:#@/\-,.]",
                "3 to 256 letters, digits, spaces and +=:#@/-,.",
            ),
            *matching(
                inputs,
                "visibilityConfig.metricName",
                _METRIC,
                "1 to 128 letters, digits and #:.-/_",
            ),
        ]
        rules = inputs.get("rules")
        known = [one for one in _list(rules) if isinstance(one, Mapping)]
        for key in ("name", "priority"):
            for value, count in Counter(str(one.get(key)) for one in known).items():
                if count > 1:
                    problems.append(f"rules: {count} of them have the {key} {value}")
        return [*problems, *(problem for one in known for problem in _wrong(one))]

    def create(self, aws: Aws, inputs: Properties) -> str:
        if inputs["scope"] == "CLOUDFRONT" and aws.region != "us-east-1":
            raise refusal(
                "CreateWebACL",
                "WAFInvalidParameterException",
                "The scope is not valid: CLOUDFRONT is served in us-east-1 only",
            )
        made = aws.client("wafv2").create_web_acl(
            Name=inputs["name"],
            Scope=inputs["scope"],
            **_settings(inputs),
            **({"Tags": tag_list(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )
        return str(made["Summary"]["Id"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        place = _place(id, known)
        live = _live(aws, place)
        if live is None:
            return None
        acl = live["WebACL"]
        tags = aws.client("wafv2").list_tags_for_resource(ResourceARN=acl["ARN"])
        bodies = acl.get("CustomResponseBodies") or {}
        return {
            "id": acl["Id"],
            "applicationIntegrationUrl": "",
            "arn": acl["ARN"],
            "capacity": acl["Capacity"],
            "customResponseBodies": [
                {"key": key, **_to_properties(body)} for key, body in bodies.items()
            ],
            "defaultAction": _to_properties(acl["DefaultAction"]),
            "description": acl.get("Description", ""),
            "lockToken": live["LockToken"],
            "name": acl["Name"],
            "rules": _to_properties(acl["Rules"]),
            "scope": place["Scope"],
            "tagsAll": tag_map(tags["TagInfoForResource"]["TagList"]),
            "visibilityConfig": _to_properties(acl["VisibilityConfig"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        waf = aws.client("wafv2")
        place = {"Id": id, "Name": new["name"], "Scope": new["scope"]}
        live = waf.get_web_acl(**place)
        waf.update_web_acl(**place, LockToken=live["LockToken"], **_settings(new))
        wanted, unwanted = tag_changes(old, new)
        acl = live["WebACL"]["ARN"]
        if wanted:
            waf.tag_resource(ResourceARN=acl, Tags=tag_list(wanted))
        if unwanted:
            waf.untag_resource(ResourceARN=acl, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        place = {"Id": id, "Name": state["name"], "Scope": state["scope"]}
        live = _live(aws, place)
        if live is None:
            return
        # moto deletes it all the same.
        if any(_protected(aws, live["WebACL"]["ARN"])):
            raise refusal(
                "DeleteWebACL",
                "WAFAssociatedItemException",
                f"{id} still protects something",
            )
        deleted(
            aws.client("wafv2").delete_web_acl, **place, LockToken=live["LockToken"]
        )


class WebAclAssociation(Row):
    """aws.wafv2.WebAclAssociation.

    AWS knows one web ACL of a resource: the new association takes the old one's
    place, and whoever then deletes the old one ends both.
    """

    token = "aws:wafv2/webAclAssociation:WebAclAssociation"
    service = "wafv2"
    replaces = frozenset({"resourceArn", "webAclArn"})
    delete_first = True

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*arn(inputs, "resourceArn"), *arn(inputs, "webAclArn")]

    def create(self, aws: Aws, inputs: Properties) -> str:
        waf = aws.client("wafv2")
        # moto adds to what is there.
        waf.disassociate_web_acl(ResourceArn=inputs["resourceArn"])
        waf.associate_web_acl(
            WebACLArn=inputs["webAclArn"], ResourceArn=inputs["resourceArn"]
        )
        return f"{inputs['webAclArn']},{inputs['resourceArn']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        acl, _, resource = id.partition(",")
        if _acl_of(aws, resource) != acl:
            return None
        return {"resourceArn": resource, "webAclArn": acl}

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("wafv2").disassociate_web_acl, ResourceArn=id.partition(",")[2]
        )


class WebAclLoggingConfiguration(Row):
    """aws.wafv2.WebAclLoggingConfiguration: one for each web ACL, by whose ARN."""

    token = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    service = "wafv2"
    replaces = frozenset({"logDestinationConfigs", "resourceArn"})
    updates = frozenset({"loggingFilter", "redactedFields"})
    delete_first = True

    def canonical(self, key: str, value: Any) -> Any:
        return _chosen(value)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = arn(inputs, "resourceArn")
        for index, one in enumerate(_list(inputs.get("logDestinationConfigs"))):
            at = f"logDestinationConfigs[{index}]"
            says = (
                'a log group, stream or bucket whose name begins with "aws-waf-logs-"'
            )
            problems += matching({at: one}, at, _LOGS, says)
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("wafv2").put_logging_configuration(
            LoggingConfiguration={
                "ResourceArn": inputs["resourceArn"],
                "LogDestinationConfigs": inputs["logDestinationConfigs"],
                **given(
                    {key: _to_api(inputs.get(key)) for key in self.updates},
                    loggingFilter="LoggingFilter",
                    redactedFields="RedactedFields",
                ),
            }
        )
        return str(inputs["resourceArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            found = aws.client("wafv2").get_logging_configuration(ResourceArn=id)
        except ClientError as error:
            if _is_gone(error):
                return None
            raise
        live = found["LoggingConfiguration"]
        return {
            "logDestinationConfigs": live["LogDestinationConfigs"],
            "loggingFilter": _to_properties(live.get("LoggingFilter")),
            "redactedFields": _to_properties(live.get("RedactedFields") or []),
            "resourceArn": id,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.create(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("wafv2").delete_logging_configuration,
            also={_GONE},
            ResourceArn=id,
        )


def _settings(inputs: Properties) -> dict[str, Any]:
    """What creating and updating a web ACL have in common."""
    bodies = inputs.get("customResponseBodies") or []
    return {
        "DefaultAction": _to_api(inputs["defaultAction"]),
        "Rules": _to_api(inputs.get("rules") or []),
        "VisibilityConfig": _to_api(inputs["visibilityConfig"]),
        **given(inputs, description="Description"),
        **(
            {
                "CustomResponseBodies": {
                    body["key"]: {
                        "Content": body["content"],
                        "ContentType": body["contentType"],
                    }
                    for body in bodies
                }
            }
            if bodies
            else {}
        ),
    }


def _wrong(rule: Mapping[str, Any]) -> Iterator[str]:
    """What AWS refuses of one rule."""
    at = f'rules: "{rule.get("name")}": '
    statement = rule.get("statement")
    if not isinstance(statement, Mapping):
        return
    wanted, other = "action", "overrideAction"
    if statement.keys() & {"managedRuleGroupStatement", "ruleGroupReferenceStatement"}:
        wanted, other = other, wanted
    if rule.get(wanted) is None or rule.get(other) is not None:
        yield f"{at}this statement takes {wanted}, and no {other}"
    for problem in (
        *matching(
            rule,
            "visibilityConfig.metricName",
            _METRIC,
            "1 to 128 letters, digits and #:.-/_",
        ),
        *within(rule, "statement.rateBasedStatement.limit", 10, 2_000_000_000),
        *one_of(rule, "statement.rateBasedStatement.evaluationWindowSec", WINDOWS),
        *within(rule, "action.block.customResponse.responseCode", 200, 599),
    ):
        yield f"{at}{problem}"


def _protected(aws: Aws, acl: str) -> Iterator[str]:
    """What a web ACL protects: load balancers, and distributions that name it."""
    balancers = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    for balancer in balancers:
        if _acl_of(aws, balancer["LoadBalancerArn"]) == acl:
            yield balancer["LoadBalancerArn"]
    for distribution in distributions(aws):
        if distribution["WebACLId"] == acl:
            yield distribution["ARN"]


def _acl_of(aws: Aws, resource: str) -> str | None:
    found = aws.client("wafv2").get_web_acl_for_resource(ResourceArn=resource)
    return (found.get("WebACL") or {}).get("ARN")


def _place(id: str, known: Properties) -> dict[str, str]:
    """What the API finds a web ACL by; it is imported as ID/NAME/SCOPE."""
    id, name, scope = (*id.split("/"), "", "")[:3]
    if "arn" in known:
        kind, _, name, _ = known["arn"].rpartition(":")[2].split("/")
        scope = "CLOUDFRONT" if kind == "global" else "REGIONAL"
    return {
        "Id": id,
        "Name": name or known["name"],
        "Scope": scope or known["scope"],
    }


def _live(aws: Aws, place: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        return dict(aws.client("wafv2").get_web_acl(**place))
    except ClientError as error:
        if _is_gone(error):
            return None
        raise


def _is_gone(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == _GONE)


def _to_api(value: Any) -> Any:
    """Properties as the API takes them."""
    if isinstance(value, Mapping):
        return {
            _NAMES.get(key, f"{key[0].upper()}{key[1:]}"): _to_api(item)
            for key, item in value.items()
        }
    return [_to_api(item) for item in value] if isinstance(value, list) else value


def _to_properties(value: Any) -> Any:
    """The API's answer as properties."""
    if isinstance(value, Mapping):
        return {
            _PROPERTIES.get(name, f"{name[0].lower()}{name[1:]}"): _to_properties(item)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, bytes):
        return value.decode()
    return (
        [_to_properties(item) for item in value] if isinstance(value, list) else value
    )


def _chosen(value: Any) -> Any:
    """The value with its empty objects made distinct from nothing at all."""
    if isinstance(value, Mapping):
        return {key: _chosen(item) for key, item in value.items()} or "chosen"
    return [_chosen(item) for item in value] if isinstance(value, list) else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


ROWS: tuple[type[Row], ...] = (WebAcl, WebAclAssociation, WebAclLoggingConfiguration)
INVOKES: Mapping[str, Invoke] = {}
