"""Web application firewall: limits by address, and AWS's managed rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pulumi
import pulumi_aws as aws

from components import iam

Mode = Literal["block", "count"]

LEAST_LIMIT: Final = 10
MOST_LIMIT: Final = 2_000_000_000
"""Requests that a rate-based rule can limit to (WAFv2 API, RateBasedStatement)."""

_ATTACKS: Final[Mapping[str, Mapping[str, str]]] = {
    "AWSManagedRulesCommonRuleSet": {
        "CrossSiteScripting_BODY": "core-rule-set:CrossSiteScripting_Body",
        "EC2MetaDataSSRF_BODY": "core-rule-set:EC2MetaDataSSRF_Body",
        "GenericLFI_BODY": "core-rule-set:GenericLFI_Body",
        "GenericRFI_BODY": "core-rule-set:GenericRFI_Body",
        "SizeRestrictions_BODY": "core-rule-set:SizeRestrictions_Body",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {
        "JavaDeserializationRCE_BODY": "known-bad-inputs:JavaDeserializationRCE_Body",
        "Log4JRCE_BODY": "known-bad-inputs:Log4JRCE_Body",
        "ReactJSRCE_BODY": "known-bad-inputs:ReactJSRCE_Body",
    },
    "AWSManagedRulesSQLiRuleSet": {
        "SQLi_BODY": "sql-database:SQLi_Body",
        "SQLiExtendedPatterns_BODY": "sql-database:SQLiExtendedPatterns_Body",
    },
}
"""AWS's groups, and of each the rules about bodies with their labels.

https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-use-case.html
"""

_TOO_MANY: Final = "too-many-requests"
_PATH: Final = re.compile(r"/([A-Za-z0-9._~-]+/?)*")


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """What a firewall needs to know.

    scope: `REGIONAL` for a load balancer; `CLOUDFRONT` for a distribution, which
        names the web ACL itself. The latter is made with a provider of us-east-1.
    load_balancer_arn: what is protected; None with `CLOUDFRONT`.
    mode: `count` lets everything pass and tells what `block` would have refused.
    api_path: beginning of the addresses that `api_requests_per_minute` is about.
    api_requests_per_minute: what one address may ask for (10-2,000,000,000).
    login_path: where clients log in, by POST.
    login_attempts_per_5_minutes: what one address may try (10-2,000,000,000).
    upload_path: takes files: bodies of any size and content.
    log_retention_days: days that the log is kept, as CloudWatch offers them.
    kms_key_arn: customer key of the same region, which encrypts the log.
    """

    scope: Literal["REGIONAL", "CLOUDFRONT"]
    load_balancer_arn: pulumi.Input[str] | None = None
    mode: Mode = "block"
    api_path: str = "/api/"
    api_requests_per_minute: int = 600
    login_path: str = "/api/auth/login"
    login_attempts_per_5_minutes: int = 25
    upload_path: str = "/api/documents/upload"
    log_retention_days: int
    kms_key_arn: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        if (self.scope == "REGIONAL") == (self.load_balancer_arn is None):
            raise ValueError(
                "load_balancer_arn: needed with the scope REGIONAL, and only there"
            )
        for name in ("api_requests_per_minute", "login_attempts_per_5_minutes"):
            if not LEAST_LIMIT <= getattr(self, name) <= MOST_LIMIT:
                raise ValueError(f"{name}: {LEAST_LIMIT} to {MOST_LIMIT:,}")
        for name in ("api_path", "login_path", "upload_path"):
            if not _PATH.fullmatch(getattr(self, name)):
                raise ValueError(f"{name}: a path from / on, of letters, digits, ._~-")


class Firewall(pulumi.ComponentResource):
    """A web ACL of WAFv2 that refuses what is known to be bad, and too much of it.

    First come addresses of ill repute; then those that exceed a limit, who get 429
    and a `Retry-After`; then what AWS's managed rules take for an attack: the common
    rules, inputs known to be bad, SQL (WAF.10). WAF counts every few seconds and by
    estimate, so a burst passes before a limit holds.

    AWS's rules about bodies only label a request; one of ours blocks the labels
    everywhere but at `upload_path`. There a body is a file: larger than the 8 KB of
    the common rules, and a document about SQL or HTML reads like an attack. WAF sees
    8 KB of a body behind a load balancer and 16 KB behind CloudFront; as larger ones
    are refused, nothing hides behind padding.

    A path is compared after decoding and in lower case, with or without a slash at
    its end: in any spelling that an app like Express takes for the same.

    Every rule has a metric (WAF.12). The log (WAF.11) tells what was blocked or
    counted, without credentials and query. Samples would show both, and are off.
    """

    arn: pulumi.Output[str]
    """ARN of the web ACL, for a distribution."""

    name: pulumi.Output[str]
    """Its name in CloudWatch metrics: the dimension `WebACL`."""

    log_group_name: pulumi.Output[str]
    """Log group of what was blocked or counted."""

    def __init__(
        self,
        name: str,
        args: FirewallArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # AWS knows these by what they are attached to: to delete the old one after
        # the new one was made would take the new one away.
        sole = pulumi.ResourceOptions(parent=self, delete_before_replace=True)

        acl = aws.wafv2.WebAcl(
            name,
            scope=args.scope,
            default_action={"allow": {}},
            rules=_rules(args),
            custom_response_bodies=[
                {
                    "key": _TOO_MANY,
                    "content": '{"error":"Too many requests; see Retry-After"}',
                    "content_type": "APPLICATION_JSON",
                }
            ],
            visibility_config=_metric(name),
            opts=child,
        )
        if args.load_balancer_arn is not None:
            aws.wafv2.WebAclAssociation(
                name,
                resource_arn=args.load_balancer_arn,
                web_acl_arn=acl.arn,
                opts=sole,
            )
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-firewall",
            # WAF takes no other beginning.
            name=f"aws-waf-logs-{name}",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.kms_key_arn,
            opts=child,
        )
        permission = aws.cloudwatch.LogResourcePolicy(
            f"{name}-firewall",
            policy_name=f"{name}-firewall",
            policy_document=log_group.arn.apply(_delivery_policy),
            opts=child,
        )
        aws.wafv2.WebAclLoggingConfiguration(
            name,
            resource_arn=acl.arn,
            log_destination_configs=[log_group.arn],
            redacted_fields=[
                {"single_header": {"name": "authorization"}},
                {"single_header": {"name": "cookie"}},
                {"query_string": {}},
            ],
            logging_filter=_keep("BLOCK", "COUNT"),
            # AWS would add the permission by itself, and nobody would own it.
            opts=pulumi.ResourceOptions.merge(
                sole, pulumi.ResourceOptions(depends_on=[permission])
            ),
        )

        self.arn = acl.arn
        self.name = acl.visibility_config.metric_name
        self.log_group_name = log_group.name
        self.register_outputs(
            {
                "arn": self.arn,
                "name": self.name,
                "log_group_name": self.log_group_name,
            }
        )


def _rules(args: FirewallArgs) -> list[aws.wafv2.WebAclRuleArgsDict]:
    """In the order in which they are asked."""
    login = _both(_path(f"^{_spelled(args.login_path)}$"), _method("POST"))
    api = _path(f"^{re.escape(args.api_path.lower())}")
    upload = _path(f"^{_spelled(args.upload_path)}$")
    return [
        _managed(0, "AWSManagedRulesAmazonIpReputationList", (), args.mode),
        _limit(
            1, "login-limit", args.login_attempts_per_5_minutes, 300, login, args.mode
        ),
        _limit(2, "api-limit", args.api_requests_per_minute, 60, api, args.mode),
        *(
            _managed(priority, group, bodies, args.mode)
            for priority, (group, bodies) in enumerate(_ATTACKS.items(), start=3)
        ),
        _bodies(3 + len(_ATTACKS), upload, args.mode),
    ]


def _managed(
    priority: int, group: str, counted: Iterable[str], mode: Mode
) -> aws.wafv2.WebAclRuleArgsDict:
    """A group of AWS's; those of its rules in `counted` only label a request."""
    name = group.removeprefix("AWSManagedRules")
    return {
        "name": name,
        "priority": priority,
        "override_action": {"none": {}} if mode == "block" else {"count": {}},
        "statement": {
            "managed_rule_group_statement": {
                "vendor_name": "AWS",
                "name": group,
                "rule_action_overrides": [
                    {"name": rule, "action_to_use": {"count": {}}} for rule in counted
                ],
            }
        },
        "visibility_config": _metric(name),
    }


def _limit(
    priority: int, name: str, requests: int, seconds: int, of: Any, mode: Mode
) -> aws.wafv2.WebAclRuleArgsDict:
    """What one address may send, as far as the statement `of` is about it."""
    refuse: aws.wafv2.WebAclRuleActionArgsDict = {
        "block": {
            "custom_response": {
                "response_code": 429,
                "custom_response_body_key": _TOO_MANY,
                # As long as WAF looks back: whoever keeps still so long is let in.
                "response_headers": [{"name": "Retry-After", "value": str(seconds)}],
            }
        }
    }
    return {
        "name": name,
        "priority": priority,
        "action": refuse if mode == "block" else {"count": {}},
        "statement": {
            "rate_based_statement": {
                "aggregate_key_type": "IP",
                "limit": requests,
                "evaluation_window_sec": seconds,
                "scope_down_statement": of,
            }
        },
        "visibility_config": _metric(name),
    }


def _bodies(priority: int, upload: Any, mode: Mode) -> aws.wafv2.WebAclRuleArgsDict:
    """Refuses what was labelled for its body, but for uploads."""
    labels = [label for bodies in _ATTACKS.values() for label in bodies.values()]
    return {
        "name": "bodies",
        "priority": priority,
        "action": {"block": {}} if mode == "block" else {"count": {}},
        "statement": {
            "and_statement": {
                "statements": [
                    {
                        "or_statement": {
                            "statements": [
                                {
                                    "label_match_statement": {
                                        "scope": "LABEL",
                                        "key": f"awswaf:managed:aws:{label}",
                                    }
                                }
                                for label in labels
                            ]
                        }
                    },
                    {"not_statement": {"statement": upload}},
                ]
            }
        },
        "visibility_config": _metric("bodies"),
    }


def _metric(name: str) -> aws.wafv2.WebAclVisibilityConfigArgsDict:
    return {
        "cloudwatch_metrics_enabled": True,
        "metric_name": name,
        "sampled_requests_enabled": False,
    }


def _spelled(path: str) -> str:
    return f"{re.escape(path.lower().rstrip('/'))}/?"


# The SDK has a type of its own for a statement in each place that it can have.


def _path(pattern: str) -> Any:
    return {
        "regex_match_statement": {
            "regex_string": pattern,
            "field_to_match": {"uri_path": {}},
            "text_transformations": [
                {"priority": priority, "type": transformation}
                for priority, transformation in enumerate(
                    ("URL_DECODE", "NORMALIZE_PATH", "LOWERCASE")
                )
            ],
        }
    }


def _method(method: str) -> Any:
    return {
        "byte_match_statement": {
            "search_string": method,
            "positional_constraint": "EXACTLY",
            "field_to_match": {"method": {}},
            "text_transformations": [{"priority": 0, "type": "NONE"}],
        }
    }


def _both(*statements: Any) -> Any:
    return {"and_statement": {"statements": list(statements)}}


def _keep(
    *actions: str,
) -> aws.wafv2.WebAclLoggingConfigurationLoggingFilterArgsDict:
    """Only requests that met one of these actions are logged."""
    return {
        "default_behavior": "DROP",
        "filters": [
            {
                "behavior": "KEEP",
                "requirement": "MEETS_ANY",
                "conditions": [
                    {"action_condition": {"action": action}} for action in actions
                ],
            }
        ],
    }


def _delivery_policy(log_group_arn: str) -> str:
    partition, region, account_id = iam.place_of(log_group_arn)
    return iam.document(
        {
            "Sid": "FirewallDelivers",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account_id},
                "ArnLike": {
                    "aws:SourceArn": f"arn:{partition}:logs:{region}:{account_id}:*"
                },
            },
        }
    )
