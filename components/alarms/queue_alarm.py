"""Alarm of a dead-letter queue: something was given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Metric, alarm


@dataclass(frozen=True, kw_only=True)
class QueueAlarmArgs:
    """What the alarm of a queue needs to know.

    topic_arn: who is told.
    queue_name: of the dead-letter queue.
    """

    topic_arn: pulumi.Input[str]
    queue_name: pulumi.Input[str]


class QueueAlarm(pulumi.ComponentResource):
    """A message lies in a dead-letter queue; it is good again when all are gone."""

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: QueueAlarmArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:QueueAlarm", name, None, opts)

        lying = alarm(
            f"{name}-dead-letters",
            parent=self,
            topic_arn=args.topic_arn,
            watches=Metric(
                namespace="AWS/SQS",
                name="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": args.queue_name},
                statistic="Maximum",
                period=300,
            ),
            threshold=0,
            bad=1,
            of=1,
            # SQS reports no longer than six hours after the last message was there.
            missing="notBreaching",
            description=(
                "A scheduled task could not be started, or a notification not be "
                "delivered, after all retries. Read the messages: they say which and "
                "why. Fix the cause, run it again by hand, purge the queue."
            ),
        )

        self.names, self.arns = [lying.name], [lying.arn]
        self.register_outputs({"names": self.names, "arns": self.arns})
