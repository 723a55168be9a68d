"""What breaks the policies about Lambda."""

from __future__ import annotations

from resource_graph import UNKNOWN
from resource_types import (
    FUNCTION,
    FUNCTION_PERMISSION,
    FUNCTION_POLICY,
    FUNCTION_URL,
)
from tests.unit.policies.casework import Case, resource

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction"}

CASES = (
    Case(
        id="Lambda.1",
        good=[
            resource(FUNCTION_PERMISSION, principal="sns.amazonaws.com"),
            resource(FUNCTION_PERMISSION, principal="*", principalOrgId="o-1"),
            resource(
                FUNCTION_PERMISSION, principal="s3.amazonaws.com", sourceAccount=UNKNOWN
            ),
            resource(FUNCTION_URL, authorizationType="AWS_IAM"),
            resource(
                FUNCTION_POLICY,
                policy={"Statement": {**PUBLIC, "Principal": {"AWS": "123456789012"}}},
            ),
        ],
        bad={
            "everybody": (
                [resource(FUNCTION_PERMISSION, principal="*")],
                "principal is *",
            ),
            "everybody by URL": (
                [
                    resource(
                        FUNCTION_PERMISSION, principal="*", functionUrlAuthType="NONE"
                    )
                ],
                "principal is *",
            ),
            "anybody's bucket": (
                [resource(FUNCTION_PERMISSION, principal="s3.amazonaws.com")],
                "principal is s3.amazonaws.com",
            ),
            "from anywhere": (
                [resource(FUNCTION_PERMISSION, principal="*", sourceArn="*")],
                "principal is *",
            ),
            "an open URL": (
                [resource(FUNCTION_URL, authorizationType="NONE")],
                "authorizationType is NONE",
            ),
            "a policy": (
                [resource(FUNCTION_POLICY, policy={"Statement": [PUBLIC]})],
                "policy allows everybody lambda:InvokeFunction",
            ),
        },
    ),
    Case(
        id="Lambda.2",
        good=[
            resource(FUNCTION, runtime="python3.13"),
            resource(FUNCTION, runtime="provided.al2023"),
            resource(FUNCTION, packageType="Image"),
        ],
        bad={
            "an old one": ([resource(FUNCTION, runtime="python3.9")], "python3.9"),
            "an old base": ([resource(FUNCTION, runtime="provided.al2")], "al2"),
        },
    ),
)
