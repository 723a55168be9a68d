"""What breaks the policies about SNS."""

from __future__ import annotations

import json
from typing import Any

from resource_graph import UNKNOWN
from resource_types import TOPIC, TOPIC_POLICY
from tests.unit.policies.casework import Case, resource


def document(**more: Any) -> str:
    """A policy that lets everybody publish."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish"}
    return json.dumps({"Statement": [{**statement, **more}]})


MINE = {"StringEquals": {"AWS:SourceOwner": "123456789012"}}

CASES = (
    Case(
        id="SNS.1",
        good=[
            resource(TOPIC, kmsMasterKeyId="alias/topics"),
            resource(TOPIC, kmsMasterKeyId=UNKNOWN),
        ],
        bad={"left to its default": ([resource(TOPIC)], "kmsMasterKeyId is not set")},
    ),
    Case(
        id="SNS.4",
        good=[
            resource(TOPIC),
            resource(TOPIC_POLICY, policy=document(Condition=MINE)),
            resource(
                TOPIC_POLICY,
                policy=document(Principal={"Service": "cloudwatch.amazonaws.com"}),
            ),
        ],
        bad={
            "everybody": (
                [resource(TOPIC_POLICY, policy=document())],
                "policy allows everybody sns:Publish",
            ),
            "everybody with an account": (
                [resource(TOPIC_POLICY, policy=document(Principal={"AWS": "*"}))],
                "everybody",
            ),
            "on the topic itself": ([resource(TOPIC, policy=document())], "everybody"),
        },
    ),
)
