"""What breaks the policies about IAM."""

from __future__ import annotations

import json
from typing import Any

from resource_graph import Resource
from resource_types import (
    GROUP_POLICY,
    INLINE_POLICY,
    MANAGED_POLICY,
    ROLE,
    USER_POLICY,
)
from tests.unit.policies.casework import Case, resource


def document(action: Any = "s3:GetObject", on: Any = "*", **more: Any) -> str:
    """A policy document that allows one thing."""
    statement = {"Effect": "Allow", "Action": action, "Resource": on, **more}
    return json.dumps({"Statement": [statement]})


def inline(action: Any, on: Any = "*", **more: Any) -> Resource:
    """A policy of a role."""
    return resource(INLINE_POLICY, policy=document(action, on, **more))


HARMLESS = (
    inline(["s3:GetObject", "s3:List*"], "arn:aws:s3:::bucket/*"),
    inline("*", Effect="Deny"),
    inline([], NotAction="iam:*", Effect="Deny"),
    resource(ROLE, "without-policies"),
    resource(ROLE, inlinePolicies=[{"name": "one", "policy": document()}]),
)

CASES = (
    Case(
        id="IAM.1",
        good=(*HARMLESS, inline("*", "arn:aws:s3:::bucket"), inline("s3:*")),
        bad={
            "everything": ([inline("*")], "policy allows Action * on Resource *"),
            "everything, by name": ([inline("*", Sid="Root")], "policy Root allows"),
            "everything, in another way": ([inline(["*:*"], ["*"])], "Action *"),
            "a managed policy": (
                [resource(MANAGED_POLICY, policy=document("*"))],
                "Action *",
            ),
            "a user's": ([resource(USER_POLICY, policy=document("*"))], "Action *"),
            "a group's": ([resource(GROUP_POLICY, policy=document("*"))], "Action *"),
            "inside a role": (
                [resource(ROLE, inlinePolicies=[{"policy": document("*")}])],
                "inlinePolicies.0.policy allows",
            ),
            "an object, and a statement alone": (
                [
                    resource(
                        INLINE_POLICY,
                        policy={
                            "Statement": {
                                "Effect": "Allow",
                                "Action": "*",
                                "Resource": "*",
                            }
                        },
                    )
                ],
                "Action *",
            ),
        },
    ),
    Case(
        id="IAM.21",
        good=HARMLESS,
        bad={
            "a service": ([inline("s3:*")], "policy allows Action s3:*"),
            "among others": (
                [inline(["ecs:*", "s3:GetObject", "ecr:*"])],
                "Action ecs:*, ecr:*",
            ),
            "everything": ([inline("*", "arn:aws:s3:::bucket")], "Action *"),
            "all but some": (
                [inline([], NotAction=["iam:*"])],
                "all but NotAction iam:*",
            ),
        },
    ),
)
