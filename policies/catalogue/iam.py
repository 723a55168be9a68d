"""AWS IAM: policies that allow what is needed, by name."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import Statement, as_list, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import (
    GROUP_POLICY,
    INLINE_POLICY,
    MANAGED_POLICY,
    ROLE,
    USER_POLICY,
)

_IDENTITY_POLICIES = (
    GROUP_POLICY,
    INLINE_POLICY,
    MANAGED_POLICY,
    ROLE,
    USER_POLICY,
)

_EVERYTHING = frozenset({"*", "*:*"})


@policy(
    "IAM.1",
    *_IDENTITY_POLICIES,
    title="No policy of IAM allows everything on everything",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Name the actions and the resources in the policy document.",
)
def no_administrator(resource: Resource) -> Iterator[str]:
    """Who takes over such a role has taken over the account."""
    for name, statement in _allowed(resource):
        if _EVERYTHING.intersection(statement.actions) and "*" in statement.resources:
            yield f"{name} allows Action * on Resource *"


@policy(
    "IAM.21",
    *_IDENTITY_POLICIES,
    title="No policy of IAM allows every action of a service",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Name the actions in the policy document, such as s3:GetObject in place of "
    "s3:*, and do not allow by NotAction.",
)
def no_service_wildcard(resource: Resource) -> Iterator[str]:
    """A wildcard also allows what AWS adds next year."""
    for name, statement in _allowed(resource):
        wild = [
            action
            for action in statement.actions
            if action in _EVERYTHING or action.endswith(":*")
        ]
        if wild:
            yield f"{name} allows Action {', '.join(wild)}"
        if statement.not_actions:
            yield f"{name} allows all but NotAction {', '.join(statement.not_actions)}"


def _allowed(resource: Resource) -> Iterator[tuple[str, Statement]]:
    """Allowing statements of identity policies, with the input or the Sid as name."""
    for path in _documents(resource):
        for statement in statements_of(resource, path):
            if statement.allows:
                yield f"{path} {statement.sid}".strip(), statement


def _documents(resource: Resource) -> Iterator[str]:
    if resource.type == ROLE:
        for index in range(len(as_list(resource.get("inlinePolicies")))):
            yield f"inlinePolicies.{index}.policy"
    else:
        yield "policy"
