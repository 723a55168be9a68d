"""Rows for SQS: queues and their policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import matching, within
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import Aws, Row, deleted, tag_changes
from rehearsal.provider.wire import Properties

_GONE = "AWS.SimpleQueueService.NonExistentQueue"

_NUMBERS: Mapping[str, tuple[str, int, int, int]] = {
    "delaySeconds": ("DelaySeconds", 0, 900, 0),
    "maxMessageSize": ("MaximumMessageSize", 1024, 1_048_576, 262_144),
    "messageRetentionSeconds": ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    "receiveWaitTimeSeconds": ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    "visibilityTimeoutSeconds": ("VisibilityTimeout", 0, 43_200, 30),
}
"""Input to attribute, the range that AWS takes, and what it is when left out."""


class Queue(Row):
    """aws.sqs.Queue, a standard one; its policy is a resource of its own."""

    token = "aws:sqs/queue:Queue"
    service = "sqs"
    tagged = True
    autoname = "name"
    name_limit = 80
    updates = frozenset({*_NUMBERS, "kmsMasterKeyId", "sqsManagedSseEnabled"})
    defaults: ClassVar[Mapping[str, Any]] = {
        key: usual for key, (_, _, _, usual) in _NUMBERS.items()
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = matching(
            inputs,
            "name",
            r"[A-Za-z0-9_-]{1,80}",
            "1 to 80 letters, digits, hyphens and underscores",
        )
        for key, (_, low, high, _) in _NUMBERS.items():
            problems += within(inputs, key, low, high)
        if inputs.get("kmsMasterKeyId") and "sqsManagedSseEnabled" in inputs:
            problems.append("kmsMasterKeyId: conflicts with sqsManagedSseEnabled")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("sqs").create_queue(
            QueueName=inputs["name"],
            Attributes=_attributes(inputs),
            tags=inputs.get("tagsAll") or {},
        )
        return str(made["QueueUrl"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _live(aws, id)
        if live is None:
            return None
        tags = aws.client("sqs").list_queue_tags(QueueUrl=id)
        return {
            "arn": live["QueueArn"],
            "kmsMasterKeyId": live.get("KmsMasterKeyId"),
            "name": live["QueueArn"].rsplit(":", 1)[-1],
            "policy": live.get("Policy", ""),
            "sqsManagedSseEnabled": live["SqsManagedSseEnabled"] == "true",
            "tagsAll": tags.get("Tags", {}),
            "url": id,
            **{key: int(live[field]) for key, (field, *_) in _NUMBERS.items()},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        sqs = aws.client("sqs")
        if changed & self.updates:
            _set(aws, id, _attributes(new))
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            sqs.tag_queue(QueueUrl=id, Tags=wanted)
        if unwanted:
            sqs.untag_queue(QueueUrl=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("sqs").delete_queue, {_GONE}, QueueUrl=id)


class QueuePolicy(Row):
    """aws.sqs.QueuePolicy; its id is the queue's URL."""

    token = "aws:sqs/queuePolicy:QueuePolicy"
    service = "sqs"
    updates = frozenset({"policy"})
    replaces = frozenset({"queueUrl"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return document(inputs, "policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        _set(aws, inputs["queueUrl"], {"Policy": inputs["policy"]})
        return str(inputs["queueUrl"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _live(aws, id)
        if live is None or not live.get("Policy"):
            return None
        return {"policy": live["Policy"], "queueUrl": id}

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        _set(aws, id, {"Policy": new["policy"]})

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _live(aws, id) is not None:
            _set(aws, id, {"Policy": ""})


def _live(aws: Aws, url: str) -> dict[str, str] | None:
    try:
        answer = aws.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["All"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == _GONE:
            return None
        raise
    return dict(answer["Attributes"])


def _attributes(inputs: Properties) -> dict[str, str]:
    """All that an input of a queue speaks of; without a word, SQS encrypts itself."""
    key = inputs.get("kmsMasterKeyId") or ""
    managed = inputs.get("sqsManagedSseEnabled", not key)
    return {
        **{field: str(inputs[name]) for name, (field, *_) in _NUMBERS.items()},
        "KmsMasterKeyId": key,
        "SqsManagedSseEnabled": str(bool(managed)).lower(),
    }


def _set(aws: Aws, url: str, attributes: Mapping[str, str]) -> None:
    """Set some attributes; moto drops the policy unless it is among them."""
    policy = (_live(aws, url) or {}).get("Policy", "")
    aws.client("sqs").set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": policy, **attributes}
    )


ROWS: tuple[type[Row], ...] = (Queue, QueuePolicy)
INVOKES: Mapping[str, Any] = {}
