"""Policy documents of AWS: their statements in one shape, however they are written."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from resource_graph import Mark, Resource, UndecidedError

EVERYBODY = frozenset({"*", "AWS:*"})
"""Principals that stand for everyone, with or without an AWS account."""

_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "elasticfilesystem:accessedviamounttarget",
        "kms:calleraccount",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)
"""Condition keys that say who, in lower case."""

_POSITIVE = frozenset(
    {
        "arnequals",
        "arnlike",
        "bool",
        "ipaddress",
        "stringequals",
        "stringequalsignorecase",
        "stringlike",
    }
)
"""Operators that hold only for a key that is there and has one of the values."""

_WIDEST_NETWORKS = {4: 8, 6: 32}
"""Shortest prefix of a network that is not the whole internet, as S3 sees it."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of an identity's or a resource's policy.

    principals, not_principals: `*`, `AWS:arn:…`, `Service:…`, `Federated:…`.
    conditions: operator to key to values, operators and keys in lower case.
    """

    effect: str = ""
    sid: str = ""
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=dict
    )

    @property
    def allows(self) -> bool:
        """Whether it allows; otherwise it denies."""
        return self.effect == "Allow"

    def covers_action(self, action: str) -> bool:
        """Whether it is about an action such as `kms:Decrypt`, by name or wildcard."""
        if self.not_actions:
            return not _matches(action, self.not_actions)
        return _matches(action, self.actions)


def statements(document: Any) -> list[Statement]:
    """The statements of a parsed document; none where there is none.

    Raises UndecidedError when it holds a value that is unknown or secret.
    """
    found = as_list(_known(document, "policy"))
    return [
        _statement(item)
        for part in found
        if isinstance(part, Mapping)
        for item in as_list(_known(part.get("Statement"), "Statement"))
        if isinstance(_known(item, "Statement"), Mapping)
    ]


def statements_of(resource: Resource, path: str) -> list[Statement]:
    """The statements of the document in an input.

    Text that is no JSON has none: AWS refuses it.

    Raises UndecidedError when it, or a value in it, is unknown or secret.
    """
    try:
        return statements(resource.document(path))
    except ValueError:
        return []


def as_list(value: Any) -> list[Any]:
    """A value that may stand alone or in a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def is_public(statement: Statement) -> bool:
    """Whether it allows something to everybody, and no condition says to whom."""
    if not statement.allows:
        return False
    # Everybody except a few is everybody.
    everybody = EVERYBODY.intersection(statement.principals) or statement.not_principals
    return bool(everybody) and not any(
        _narrows(operator, key, values)
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    )


def denies_plain_transport(statement: Statement) -> bool:
    """Whether it denies everybody everything that does not come by TLS."""
    every_action = any(
        action == "*" or action.endswith(":*") for action in statement.actions
    )
    conditions = [
        (operator, key, values)
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    ]
    return (
        statement.effect == "Deny"
        and every_action
        and bool(EVERYBODY.intersection(statement.principals))
        and conditions
        in (
            [("bool", "aws:securetransport", ("false",))],
            [("boolifexists", "aws:securetransport", ("false",))],
        )
    )


def _statement(item: Mapping[str, Any]) -> Statement:
    def texts(key: str) -> tuple[str, ...]:
        return tuple(_texts(item.get(key), key))

    return Statement(
        effect="".join(texts("Effect")),
        sid="".join(texts("Sid")),
        actions=texts("Action"),
        not_actions=texts("NotAction"),
        resources=texts("Resource"),
        not_resources=texts("NotResource"),
        principals=tuple(_principals(item, "Principal")),
        not_principals=tuple(_principals(item, "NotPrincipal")),
        conditions=_conditions(_known(item.get("Condition"), "Condition")),
    )


def _principals(item: Mapping[str, Any], key: str) -> Iterator[str]:
    principal = _known(item.get(key), key)
    if isinstance(principal, Mapping):
        for kind, names in principal.items():
            yield from (f"{kind}:{name}" for name in _texts(names, key))
    else:
        yield from _texts(principal, key)


def _conditions(block: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    if not isinstance(block, Mapping):
        return {}
    return {
        operator.lower(): {
            key.lower(): tuple(_texts(values, key)) for key, values in keys.items()
        }
        for operator, keys in block.items()
        if isinstance(_known(keys, operator), Mapping)
    }


def _texts(value: Any, key: str) -> Iterator[str]:
    """The values as text; a bool and a number the way JSON writes them."""
    for item in as_list(value):
        known = _known(item, key)
        yield str(known).lower() if isinstance(known, bool) else str(known)


def _known(value: Any, key: str) -> Any:
    if isinstance(value, Mark):
        raise UndecidedError(key, value)
    return value


def _matches(action: str, patterns: tuple[str, ...]) -> bool:
    # Brackets mean nothing to IAM.
    return any(
        fnmatchcase(action.lower(), pattern.lower().replace("[", "[[]"))
        for pattern in patterns
    )


def _narrows(operator: str, key: str, values: tuple[str, ...]) -> bool:
    """Whether a condition says who; one that may be absent or anything does not."""
    return (
        operator.removeprefix("foranyvalue:") in _POSITIVE
        and key in _NARROWING
        and bool(values)
        and not any(_is_anyone(key, value) for value in values)
    )


def _is_anyone(key: str, value: str) -> bool:
    if key == "aws:sourceip":
        return _is_internet(value)
    if key == "elasticfilesystem:accessedviamounttarget":
        return value != "true"
    if value.startswith("arn:"):
        account, _, rest = value.split(":", 4)[-1].partition(":")
        return not account.strip("*?") and not rest.strip("*?:/")
    return not value.strip("*?")


def _is_internet(value: str) -> bool:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return True
    return network.prefixlen < _WIDEST_NETWORKS[network.version]
