"""What breaks the policies about Secrets Manager."""

from __future__ import annotations

import json
from typing import Any

from resource_graph import Resource
from resource_types import SECRET, SECRET_POLICY, SECRET_ROTATION
from tests.unit.policies.casework import Case, resource

IT = resource(SECRET)
READER = "arn:aws:iam::123456789012:role/reader"


def rotation(**inputs: Any) -> Resource:
    return resource(SECRET_ROTATION, comes_from={"secretId": [IT]}, **inputs)


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def policy(**statement: Any) -> Resource:
    return resource(
        SECRET_POLICY, comes_from={"secretArn": [IT]}, policy=document(**statement)
    )


def denies(condition: dict[str, Any]) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:*",
        "Resource": "*",
        "Condition": condition,
    }


PUBLIC = {
    "Sid": "All",
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "*",
}

CASES = (
    Case(
        id="SecretsManager.1",
        good=[IT, rotation(rotationRules={"automaticallyAfterDays": 30})],
        bad={
            "none": ([IT], "it has no rotation"),
            "of another": (
                [
                    IT,
                    resource(
                        SECRET_ROTATION,
                        comes_from={"secretId": [resource(SECRET, "another")]},
                    ),
                ],
                "it has no rotation",
            ),
            "off": ([IT, rotation(rotationEnabled=False)], "rotationEnabled"),
        },
    ),
    Case(
        id="SecretsManager.4",
        good=[
            rotation(rotationRules={"automaticallyAfterDays": 90}),
            resource(
                SECRET_ROTATION,
                "b",
                rotationRules={"scheduleExpression": "rate(1 day)"},
            ),
        ],
        bad={
            "a year": (
                [rotation(rotationRules={"automaticallyAfterDays": 365})],
                "automaticallyAfterDays is 365, more than 90",
            ),
            "by schedule": (
                [rotation(rotationRules={"scheduleExpression": "rate(100 days)"})],
                "scheduleExpression is rate(100 days)",
            ),
        },
    ),
    Case(
        id="secretsmanager_has_restrictive_resource_policy",
        good=[
            IT,
            policy(**denies({"StringNotEquals": {"aws:PrincipalArn": READER}})),
            resource(
                SECRET,
                "inline",
                policy=document(
                    **denies(
                        {
                            "StringNotEqualsIfExists": {
                                "aws:PrincipalArn": [READER],
                                "aws:PrincipalServiceName": "rds.amazonaws.com",
                            },
                            "Null": {
                                "aws:PrincipalArn": "true",
                                "aws:PrincipalServiceName": "true",
                            },
                        }
                    )
                ),
            ),
        ],
        bad={
            "none": ([IT], "no resource policy"),
            "the account": (
                [
                    IT,
                    policy(
                        **denies({"StringNotEquals": {"aws:PrincipalAccount": "1"}})
                    ),
                ],
                "does not deny everybody but named principals",
            ),
            "everybody excepted": (
                [IT, policy(**denies({"ArnNotLike": {"aws:PrincipalArn": "*"}}))],
                "does not deny everybody",
            ),
            "only some of the others": (
                [
                    IT,
                    policy(
                        **denies(
                            {
                                "StringNotEquals": {"aws:PrincipalArn": READER},
                                "Bool": {"aws:SecureTransport": "false"},
                            }
                        )
                    ),
                ],
                "does not deny everybody",
            ),
            "only an allowance": ([IT, policy(**PUBLIC)], "does not deny everybody"),
        },
    ),
    Case(
        id="secretsmanager_not_publicly_accessible",
        good=[
            IT,
            policy(**{**PUBLIC, "Principal": {"AWS": READER}}),
            (BLOCKED := resource(SECRET, "blocked")),
            resource(
                SECRET_POLICY,
                "blocked",
                comes_from={"secretArn": [BLOCKED]},
                policy=document(**PUBLIC),
                blockPublicPolicy=True,
            ),
        ],
        bad={
            "public": ([IT, policy(**PUBLIC)], "policy (All) allows everybody"),
            "public in the secret": (
                [resource(SECRET, policy=document(**PUBLIC))],
                "secretsmanager:GetSecretValue",
            ),
        },
    ),
)
