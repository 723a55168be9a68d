"""AWS KMS: keys that rotate, and that only few may decrypt with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.documents import Statement, as_list, is_public, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import (
    GROUP_POLICY,
    INLINE_POLICY,
    KEY,
    KEY_POLICY,
    MANAGED_POLICY,
    ROLE,
    USER_POLICY,
)

_DECRYPTING = ("kms:Decrypt", "kms:ReEncryptFrom")

_EVERY_KEY = re.compile(r"\*+|arn:[^:]*:(kms|\*):[^:]*:[^:]*:(key/)?\*+")

_CHOOSING = ("aws:resourcetag/", "kms:requestalias", "kms:resourcealiases")
"""Beginnings of condition keys that say which key."""

_REMEDY = "Name the keys in Resource, or choose them with kms:ResourceAliases."


@policy(
    "KMS.1",
    MANAGED_POLICY,
    title="Managed policies allow decryption with named keys only",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy=_REMEDY,
)
def managed_policies_name_keys(document: Resource) -> Iterator[str]:
    """Whoever is given the policy reads what it is meant for, not everything."""
    yield from _decrypting_everything(document, "policy")


@policy(
    "KMS.2",
    INLINE_POLICY,
    GROUP_POLICY,
    USER_POLICY,
    ROLE,
    title="Inline policies allow decryption with named keys only",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy=_REMEDY,
)
def inline_policies_name_keys(holder: Resource) -> Iterator[str]:
    """Whoever is taken over reads what it was meant for, not everything."""
    if holder.type != ROLE:
        yield from _decrypting_everything(holder, "policy")
        return
    for index, _ in enumerate(as_list(holder.get("inlinePolicies"))):
        yield from _decrypting_everything(holder, f"inlinePolicies.{index}.policy")


@policy(
    "KMS.4",
    KEY,
    title="Keys rotate every year",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Set enable_key_rotation=True.",
)
def rotated(key: Resource) -> Iterator[str]:
    """Old key material is not asked to protect new data for ever."""
    if key.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        # KMS rotates neither key pairs nor HMAC keys,
        return
    if key.has("customKeyStoreId"):
        # nor what it does not keep itself.
        return
    if key.get("enableKeyRotation") is not True:
        yield "enableKeyRotation is not true"


@policy(
    "KMS.5",
    KEY,
    KEY_POLICY,
    title="Keys are not public",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy='Name the principals in the key policy, or bind "*" by a condition such as '
    "kms:CallerAccount.",
)
def not_public(holder: Resource) -> Iterator[str]:
    """What strangers can use protects from nobody."""
    for statement in statements_of(holder, "policy"):
        if is_public(statement):
            yield f"policy{_which(statement)} allows everybody {_actions(statement)}"


def _decrypting_everything(holder: Resource, path: str) -> Iterator[str]:
    for statement in statements_of(holder, path):
        actions = [a for a in _DECRYPTING if statement.covers_action(a)]
        if statement.allows and actions and _is_every_key(statement):
            yield f"{path}{_which(statement)} allows {actions[0]} with every key"


def _is_every_key(statement: Statement) -> bool:
    if any(
        key.startswith(_CHOOSING)
        for keys in statement.conditions.values()
        for key in keys
    ):
        return False
    return bool(statement.not_resources) or any(
        _EVERY_KEY.fullmatch(resource) for resource in statement.resources
    )


def _which(statement: Statement) -> str:
    return f" ({statement.sid})" if statement.sid else ""


def _actions(statement: Statement) -> str:
    return ", ".join(statement.actions) or "all but a few actions"
