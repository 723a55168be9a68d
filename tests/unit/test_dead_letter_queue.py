from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.dead_letter_queue import DeadLetterQueue, DeadLetterQueueArgs
from tests.graph import UNKNOWN

QUEUE = "aws:sqs/queue:Queue"
POLICY = "aws:sqs/queuePolicy:QueuePolicy"


def test_messages_are_encrypted_and_kept_for_as_long_as_sqs_keeps_any(graph):
    graph.build(lambda: DeadLetterQueue("app"))
    queue = graph.one(QUEUE)
    assert queue["sqsManagedSseEnabled"] is True
    assert queue["messageRetentionSeconds"] == 14 * 24 * 60 * 60


def test_messages_can_be_kept_for_less_long(graph):
    args = DeadLetterQueueArgs(retention_days=3)
    graph.build(lambda: DeadLetterQueue("app", args))
    assert graph.one(QUEUE)["messageRetentionSeconds"] == 3 * 24 * 60 * 60


@pytest.mark.parametrize("days", [0, 15])
def test_a_retention_that_sqs_does_not_offer_is_refused(days):
    with pytest.raises(ValueError, match=f"{days} must be between 1 and 14"):
        DeadLetterQueueArgs(retention_days=days)


def test_its_policy_lets_nobody_in_and_refuses_what_has_no_tls(graph):
    graph.build(lambda: DeadLetterQueue("app"))
    queue = graph.one(QUEUE)
    assert graph.one(POLICY)["queueUrl"] == queue.outputs["url"]
    assert graph.policy(POLICY)["Statement"] == [
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue.outputs["arn"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_who_uses_it_waits_for_its_policy(graph):
    def program() -> None:
        queue = DeadLetterQueue("app")
        pulumi.CustomResource("aws:sns/topic:Topic", "user", {"displayName": queue.arn})

    graph.build(program)
    assert graph.one(POLICY).urn in graph.named("user").dependencies


def test_the_outputs_lead_to_the_queue(graph):
    outputs = graph.build(lambda: DeadLetterQueue("app"))
    queue = graph.one(QUEUE)
    assert outputs == {key: queue.outputs[key] for key in ("arn", "name", "url")}


def test_physical_name_leaves_room_for_the_random_part(graph):
    graph.build(lambda: DeadLetterQueue("a" * 100))
    assert len(graph.one(QUEUE).name) <= 80 - 8


def test_a_preview_is_complete(graph):
    outputs: Any = graph.build(lambda: DeadLetterQueue("app"), preview=True)
    assert outputs == {"arn": UNKNOWN, "name": UNKNOWN, "url": UNKNOWN}
    assert graph.one(POLICY)["policy"] == UNKNOWN
