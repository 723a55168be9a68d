"""Where jobs that could not be started are written down: a dead-letter queue."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam
from names import AUTO_NAME_LENGTH, bounded

_QUEUE_LIMIT = 80 - AUTO_NAME_LENGTH
"""Logical name of a queue (AWS SQS: 80)."""

_DAY = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class DeadLetterQueueArgs:
    """What a dead-letter queue needs to know.

    retention_days: days until a message is deleted (1-14, all that SQS offers).
    """

    retention_days: int = 14

    def __post_init__(self) -> None:
        """Refuse what SQS would refuse late.

        Raises:
            ValueError: for a retention that SQS does not offer.
        """
        if not 1 <= self.retention_days <= 14:
            raise ValueError(
                f"retention_days: {self.retention_days} must be between 1 and 14"
            )


class DeadLetterQueue(pulumi.ComponentResource):
    """An encrypted SQS queue (SQS.1) for what EventBridge Scheduler gave up.

    A message holds the call that failed and why, in its attributes; nothing reads the
    queue, an alarm on its length does. Encrypted with SQS's own keys: a call that
    starts a task holds no secret.

    Its policy lets nobody in (SQS.3) and refuses what comes without TLS. EventBridge
    Scheduler delivers with the execution role of the schedule, which has the
    permission, and not as a service: no statement for it is needed.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """

    arn: pulumi.Output[str]
    """ARN of the queue; known only once its policy is in place."""

    name: pulumi.Output[str]
    """Name of the queue, by which CloudWatch counts its messages."""

    url: pulumi.Output[str]
    """URL of the queue, as `aws sqs` takes it."""

    def __init__(
        self,
        name: str,
        args: DeadLetterQueueArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:DeadLetterQueue", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        args = args or DeadLetterQueueArgs()
        name = bounded(f"{name}-dead-letters", _QUEUE_LIMIT)

        queue = aws.sqs.Queue(
            name,
            message_retention_seconds=args.retention_days * _DAY,
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        policy = aws.sqs.QueuePolicy(
            name, queue_url=queue.url, policy=queue.arn.apply(_policy), opts=child
        )

        self.arn = pulumi.Output.all(queue.arn, policy.id).apply(lambda known: known[0])
        self.name = queue.name
        self.url = queue.url
        self.register_outputs({"arn": self.arn, "name": self.name, "url": self.url})


def _policy(queue_arn: str) -> str:
    return iam.document(
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue_arn,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
