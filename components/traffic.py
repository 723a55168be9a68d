"""What ECS needs to move traffic between two versions: rules, and a role to do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam

_ECS = "ecs.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class TrafficArgs:
    """Between what the traffic moves, and how.

    alternate_target_group_arn: second target group, in use by a rule.
    production_rule_arn: listener rule whose weights decide who serves; not a default
        rule of a listener.
    test_rule_arn: listener rule that shows the new version first; None for none.
    """

    alternate_target_group_arn: pulumi.Input[str]
    production_rule_arn: pulumi.Input[str]
    test_rule_arn: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class InfrastructureRole:
    """The role with which ECS moves traffic, once its `policy` exists."""

    role: aws.iam.Role
    policy: aws.iam.RolePolicy


def infrastructure_role(
    name: str,
    traffic: TrafficArgs,
    target_group_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> InfrastructureRole:
    """Make the role with which ECS moves traffic between two target groups.

    What AWS's managed policy `AmazonECSInfrastructureRolePolicyForLoadBalancers`
    allows for everything in the account, for these rules, their listeners and these
    target groups only. The calls that describe know no resource and stand on `*`.
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSInfrastructureRolePolicyForLoadBalancers.html

    target_group_arn: the first target group.
    """
    child = pulumi.ResourceOptions(parent=parent)
    rules = pulumi.Output.all(traffic.production_rule_arn, traffic.test_rule_arn).apply(
        lambda arns: [arn for arn in arns if arn is not None]
    )
    groups = pulumi.Output.all(target_group_arn, traffic.alternate_target_group_arn)
    role = aws.iam.Role(
        f"{name}-infrastructure",
        description="Lets ECS move traffic between two versions",
        assume_role_policy=rules.apply(lambda arns: _trust(arns[0])),
        opts=child,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-infrastructure",
        role=role.name,
        policy=pulumi.Output.all(rules, groups).apply(lambda known: _policy(*known)),
        opts=child,
    )
    return InfrastructureRole(role=role, policy=policy)


def _trust(rule_arn: str) -> str:
    """Not `iam.service_trust`: AWS documents the role without a condition.

    Where ECS tells for whom it acts, it must be this account; a role cannot be passed
    from one account to another in any case.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AmazonECSInfrastructureRolePolicyForLoadBalancers.html
    """
    account_id = iam.place_of(rule_arn).account_id
    return iam.document(
        {
            "Effect": "Allow",
            "Principal": {"Service": _ECS},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account_id}},
        }
    )


def _policy(rules: Sequence[str], groups: Sequence[str]) -> str:
    return iam.document(
        {
            "Sid": "LookAtLoadBalancers",
            "Effect": "Allow",
            "Action": [
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            # None of them names a resource (AWS service authorization reference).
            "Resource": "*",
        },
        {
            "Sid": "MoveTasks",
            "Effect": "Allow",
            "Action": [
                "elasticloadbalancing:DeregisterTargets",
                "elasticloadbalancing:RegisterTargets",
            ],
            "Resource": sorted(groups),
        },
        {
            "Sid": "MoveTraffic",
            "Effect": "Allow",
            "Action": [
                "elasticloadbalancing:ModifyListener",
                "elasticloadbalancing:ModifyRule",
            ],
            "Resource": sorted({*rules, *map(_listener_of, rules)}),
        },
    )


def _listener_of(rule_arn: str) -> str:
    """…:listener/app/NAME/ID/ID of a rule …:listener-rule/app/NAME/ID/ID/ID."""
    listener = rule_arn.replace(":listener-rule/", ":listener/", 1)
    return listener.rpartition("/")[0]
