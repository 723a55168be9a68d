"""What breaks the policies about SQS."""

from __future__ import annotations

from typing import Any

from resource_graph import UNKNOWN
from resource_types import QUEUE, QUEUE_POLICY
from tests.unit.policies.casework import Case, resource


def document(**more: Any) -> dict[str, Any]:
    """A policy that lets everybody send, with its one statement not in a list."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}
    return {"Statement": {**statement, **more}}


RULE = {"ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-central-1:1:rule/x"}}

CASES = (
    Case(
        id="SQS.1",
        good=[
            resource(QUEUE),
            resource(QUEUE, sqsManagedSseEnabled=True),
            resource(QUEUE, kmsMasterKeyId=UNKNOWN),
        ],
        bad={
            "switched off": (
                [resource(QUEUE, sqsManagedSseEnabled=False)],
                "sqsManagedSseEnabled is false",
            )
        },
    ),
    Case(
        id="SQS.3",
        good=[resource(QUEUE), resource(QUEUE_POLICY, policy=document(Condition=RULE))],
        bad={
            "everybody": (
                [resource(QUEUE_POLICY, policy=document())],
                "policy allows everybody sqs:SendMessage",
            ),
            "from anywhere": (
                [
                    resource(
                        QUEUE_POLICY,
                        policy=document(
                            Condition={"ArnLike": {"aws:SourceArn": "arn:aws:*:*:*:*"}}
                        ),
                    )
                ],
                "everybody",
            ),
            "on the queue itself": ([resource(QUEUE, policy=document())], "everybody"),
        },
    ),
)
