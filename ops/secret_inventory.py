"""Which secrets a stack has, where they are and how old; never what they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contract import APP, Kind
from ops.audit import acts
from ops.rotation import made_at, made_with, platform_name, secrets_of

if TYPE_CHECKING:
    from ops.stack import Stack

COMMANDS = ("secrets set", "secrets rotate")
"""Of the audit log: what changes a secret."""

AUDITED = 500
"""Acts of the audit log that are looked through."""


@dataclass(frozen=True)
class Secret:
    """A secret of a stack.

    kind: `generated`, `yours`, `the platform's`, or `with` the one that it changes
    with. where: the place that holds the value; empty when nothing does. changed: None
    when nobody knows.
    given: whether the app gets it, and which value.
    """

    name: str
    kind: str
    where: str
    changed: datetime | None
    given: str


_KINDS = {
    Kind.GENERATED: "generated",
    Kind.OPERATOR: "yours",
    Kind.PLATFORM: "the platform's",
}
_PLACES = {
    "docker": "file {name} in a volume of the app",
    "digitalocean": "encrypted variable of the app",
    "railway": "variable of the service",
}
NOT_GIVEN = "no"
GIVEN = "yes"
OLDER = "an older value, until the next roll-out"


def inventory(stack: Stack) -> list[Secret]:
    """Every secret that the stack has or could have."""
    audited, generated = _audited(stack), made_at(stack)
    there = stack.outputs.get("secrets") or ()
    kinds = {variable.name: variable.kind for variable in secrets_of(stack)}
    # Beside those the owner's address, which is for who administers the database.
    every = [*kinds, *(name for name in there if name not in kinds)]
    found = [
        Secret(
            name=name,
            kind=_kind(name, kinds.get(name, Kind.PLATFORM)),
            where=_where(stack, name, there),
            changed=_latest(audited.get(name), generated.get(name)),
            given=GIVEN if name in there and APP.variable(name) else NOT_GIVEN,
        )
        for name in every
    ]
    if platform_name(stack) != "aws" or not there:
        return found
    return _with_secrets_manager(stack, found, there)


def _kind(name: str, kind: Kind) -> str:
    other = made_with(name)
    return f"with {other}" if other else _KINDS[kind]


def _where(stack: Stack, name: str, there: Any) -> str:
    if name not in there:
        is_set = stack.get(f"secrets.{name}") is not None
        return "the stack file" if is_set else ""
    platform = platform_name(stack)
    if platform == "aws":
        return f"Secrets Manager, {there[name]}"
    return _PLACES[platform].format(name=name)


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at), default=None)


def _audited(stack: Stack) -> dict[str, datetime]:
    """When our own commands changed a secret last."""
    return {
        act.details["name"]: datetime.fromisoformat(act.at)
        for act in reversed(acts(stack.records, AUDITED))
        if act.command in COMMANDS and act.outcome == "done" and "name" in act.details
    }


def _with_secrets_manager(
    stack: Stack, secrets: list[Secret], there: Any
) -> list[Secret]:
    """What AWS knows better: when the value was written, and which one tasks read."""
    from ops.platforms.aws.account import Account

    account = Account(stack)
    read = _pinned(account)
    return [
        _as_kept(account, secret, read) if secret.name in there else secret
        for secret in secrets
    ]


def _as_kept(account: Any, secret: Secret, read: dict[str, str]) -> Secret:
    arn = account["secret_arns"][secret.name]
    # Those that have a stage: three of them at most, and so one page.
    found = account.client("secretsmanager").list_secret_version_ids(SecretId=arn)
    current = next(
        v for v in found["Versions"] if "AWSCURRENT" in v.get("VersionStages", ())
    )
    pinned = read.get(secret.name)
    if pinned is None:
        given = NOT_GIVEN
    else:
        given = GIVEN if pinned == current["VersionId"] else OLDER
    return replace(secret, changed=current["CreatedDate"], given=given)


def _pinned(account: Any) -> dict[str, str]:
    """Variable to the version that the app's containers read."""
    definition = account.client("ecs").describe_task_definition(
        taskDefinition=account["task_definition"]
    )["taskDefinition"]
    return {
        secret["name"]: secret["valueFrom"].rpartition(":")[2]
        for container in definition["containerDefinitions"]
        for secret in container.get("secrets", ())
    }
