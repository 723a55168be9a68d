"""AWS Secrets Manager: secrets that change, and that only few may read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.documents import EVERYBODY, Statement, is_public, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import SECRET, SECRET_POLICY, SECRET_ROTATION

_MOST_DAYS = 90
"""What Security Hub asks for."""

_RATE = re.compile(r"rate\((\d+) days?\)")

_EVERY_ACTION = frozenset({"*", "secretsmanager:*"})

_EXCEPT = frozenset({"arnnotequals", "arnnotlike", "stringnotequals", "stringnotlike"})
"""Operators that leave out the ones that they name."""

_WHO = frozenset({"aws:principalarn", "aws:principalservicename"})
"""Condition keys that name a principal, not only where it belongs."""


@policy(
    "SecretsManager.1",
    SECRET,
    title="Secrets are rotated by themselves",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Make an aws.secretsmanager.SecretRotation with a function that changes the "
    "secret at both ends.",
)
def rotated(secret: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What leaked is worth nothing after a while."""
    rotations = graph.referring(secret, SECRET_ROTATION, "secretId")
    if not rotations:
        yield "it has no rotation"
    elif all(rotation.get("rotationEnabled") is False for rotation in rotations):
        yield "rotationEnabled of its rotation is false"


@policy(
    "SecretsManager.4",
    SECRET_ROTATION,
    title="Rotation changes a secret every 90 days or more often",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set automatically_after_days of rotation_rules to 90 or less.",
)
def rotated_often(rotation: Resource) -> Iterator[str]:
    """The sooner it changes, the less a leak is worth."""
    days = str(rotation.get("rotationRules.automaticallyAfterDays"))
    if days.isdecimal() and int(days) > _MOST_DAYS:
        yield f"automaticallyAfterDays is {days}, more than {_MOST_DAYS}"
    schedule = str(rotation.get("rotationRules.scheduleExpression", ""))
    rate = _RATE.fullmatch(schedule.strip())
    if rate and int(rate[1]) > _MOST_DAYS:
        yield f"scheduleExpression is {schedule}, more than {_MOST_DAYS} days"


@policy(
    "secretsmanager_has_restrictive_resource_policy",
    SECRET,
    title="Resource policies of secrets deny everybody but those they name",
    severity=Severity.HIGH,
    source=Source.PROWLER,
    remedy="Make an aws.secretsmanager.SecretPolicy that denies secretsmanager:* to "
    "every principal whose aws:PrincipalArn is not one of those that need the secret.",
)
def policy_names_readers(secret: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Wide rights in IAM do not open the secret."""
    if not secret.has("policy") and not _policies(secret, graph):
        yield "it has no resource policy"
    elif not any(map(_denies_all_others, _statements(secret, graph))):
        yield "its resource policy does not deny everybody but named principals"


@policy(
    "secretsmanager_not_publicly_accessible",
    SECRET,
    title="Secrets are not public",
    severity=Severity.HIGH,
    source=Source.PROWLER,
    remedy='Name the principals in the resource policy instead of "*".',
)
def not_public(secret: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A secret that everybody may read is none."""
    policies = _policies(secret, graph)
    if not secret.has("policy") and all(p.get("blockPublicPolicy") for p in policies):
        # Secrets Manager refuses public ones by itself then.
        return
    for statement in _statements(secret, graph):
        if is_public(statement):
            which = f" ({statement.sid})" if statement.sid else ""
            yield f"policy{which} allows everybody {', '.join(statement.actions)}"


def _policies(secret: Resource, graph: ResourceGraph) -> list[Resource]:
    return graph.referring(secret, SECRET_POLICY, "secretArn")


def _statements(secret: Resource, graph: ResourceGraph) -> Iterator[Statement]:
    for holder in (secret, *_policies(secret, graph)):
        yield from statements_of(holder, "policy")


def _denies_all_others(statement: Statement) -> bool:
    """Whether it denies everything to everybody whom no condition leaves out.

    Each other condition would let more through than those that are named.
    """
    exceptions = [
        (operator.removesuffix("ifexists"), key, values)
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
        if operator != "null"
    ]
    return (
        statement.effect == "Deny"
        and bool(EVERYBODY.intersection(statement.principals))
        and bool(_EVERY_ACTION.intersection(statement.actions))
        and any(key == "aws:principalarn" for _, key, _ in exceptions)
        and all(
            operator in _EXCEPT and key in _WHO and "*" not in values
            for operator, key, values in exceptions
        )
    )
