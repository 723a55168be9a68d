"""What breaks the policies about KMS."""

from __future__ import annotations

import json
from typing import Any

from resource_types import (
    GROUP_POLICY,
    INLINE_POLICY,
    KEY,
    KEY_POLICY,
    MANAGED_POLICY,
    ROLE,
    USER_POLICY,
)
from tests.unit.policies.casework import Case, resource

ONE_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allows(action: str | list[str], on: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": on, **more}


NARROW = document(
    allows("kms:Decrypt", ONE_KEY),
    allows("kms:Encrypt", "*"),
    allows(
        "kms:Decrypt",
        "*",
        Condition={"StringEquals": {"kms:ResourceAliases": "alias/it"}},
    ),
    {"Effect": "Deny", "Action": "kms:*", "Resource": "*"},
)
WIDE = {
    "all keys": document(allows("kms:Decrypt", "*")),
    "all keys of an account": document(
        allows(["kms:ReEncrypt*"], "arn:aws:kms:*:123456789012:key/*")
    ),
    "by a service": document(
        allows(
            "kms:*",
            "*",
            Sid="All",
            Condition={"StringEquals": {"kms:ViaService": "s3.eu-central-1"}},
        )
    ),
    "all actions but some": document(
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    ),
    "all keys but one": document(
        {"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": ONE_KEY}
    ),
}


def key_policy(principal: Any, **more: Any) -> str:
    return document(allows("kms:Decrypt", "*", Principal=principal, **more))


CASES = (
    Case(
        id="KMS.1",
        good=[resource(MANAGED_POLICY, policy=NARROW)],
        bad={
            what: ([resource(MANAGED_POLICY, policy=text)], "with every key")
            for what, text in WIDE.items()
        },
    ),
    Case(
        id="KMS.2",
        good=[
            resource(INLINE_POLICY, policy=NARROW),
            resource(ROLE, inlinePolicies=[{"name": "a", "policy": NARROW}]),
        ],
        bad={
            **{
                what: ([resource(INLINE_POLICY, policy=text)], "with every key")
                for what, text in WIDE.items()
            },
            "in a role": (
                [
                    resource(
                        ROLE,
                        inlinePolicies=[
                            {"name": "a", "policy": NARROW},
                            {"name": "b", "policy": WIDE["all keys"]},
                        ],
                    )
                ],
                "inlinePolicies.1.policy allows kms:Decrypt",
            ),
            "of a user": (
                [resource(USER_POLICY, policy=WIDE["by a service"])],
                "policy (All) allows kms:Decrypt with every key",
            ),
            "of a group": (
                [resource(GROUP_POLICY, policy=WIDE["all keys of an account"])],
                "policy allows kms:ReEncryptFrom with every key",
            ),
        },
    ),
    Case(
        id="KMS.4",
        good=[
            resource(KEY, enableKeyRotation=True),
            resource(KEY, "pair", customerMasterKeySpec="RSA_4096"),
            resource(KEY, "elsewhere", customKeyStoreId="cks-1"),
        ],
        bad={
            "off": ([resource(KEY, enableKeyRotation=False)], "is not true"),
            "left to its default": ([resource(KEY)], "enableKeyRotation"),
        },
    ),
    Case(
        id="KMS.5",
        good=[
            resource(KEY),
            resource(
                KEY,
                "account",
                policy=key_policy({"AWS": "arn:aws:iam::123456789012:root"}),
            ),
            resource(
                KEY,
                "service",
                policy=key_policy(
                    {"AWS": "*"},
                    Condition={"StringEquals": {"kms:CallerAccount": "123456789012"}},
                ),
            ),
        ],
        bad={
            "public": (
                [resource(KEY, policy=key_policy("*"))],
                "policy allows everybody kms:Decrypt",
            ),
            "public by a policy of its own": (
                [resource(KEY_POLICY, policy=key_policy({"AWS": ["*"]}, Sid="All"))],
                "policy (All) allows everybody kms:Decrypt",
            ),
        },
    ),
)
