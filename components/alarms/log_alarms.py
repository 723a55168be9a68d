"""Alarms of what the app writes into its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Metric, alarm
from components.log_metrics import ERRORS, SLOW_REQUESTS


@dataclass(frozen=True, kw_only=True)
class LogAlarmsArgs:
    """What the alarms of a log need to know.

    topic_arn: who is told.
    namespace: of the metrics `Errors` and `SlowRequests` that are made of the log.
    errors_per_5_minutes, slow_per_5_minutes: lines from which on it is an alarm.
    """

    topic_arn: pulumi.Input[str]
    namespace: pulumi.Input[str]
    errors_per_5_minutes: int = 10
    slow_per_5_minutes: int = 10

    def __post_init__(self) -> None:
        """Refuse thresholds that always alarm.

        Raises:
            ValueError: for fewer than one line.
        """
        if min(self.errors_per_5_minutes, self.slow_per_5_minutes) < 1:
            raise ValueError(
                "errors_per_5_minutes and slow_per_5_minutes: must be 1 or more"
            )


class LogAlarms(pulumi.ComponentResource):
    """Errors and slow requests, as the app itself tells them."""

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: LogAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:LogAlarms", name, None, opts)

        def lines(metric: str) -> Metric:
            return Metric(
                namespace=args.namespace,
                name=metric,
                dimensions={},
                statistic="Sum",
                period=300,
            )

        alarms = [
            alarm(
                f"{name}-log-errors",
                parent=self,
                topic_arn=args.topic_arn,
                watches=lines(ERRORS),
                threshold=args.errors_per_5_minutes,
                comparison="GreaterThanOrEqualToThreshold",
                bad=1,
                of=1,
                missing="notBreaching",  # no such line was written
                description=(
                    f"The app has logged {args.errors_per_5_minutes} errors or more in "
                    "5 minutes. Read them in its log group: the message that repeats "
                    "is the cause."
                ),
            ),
            alarm(
                f"{name}-log-slow",
                parent=self,
                topic_arn=args.topic_arn,
                watches=lines(SLOW_REQUESTS),
                threshold=args.slow_per_5_minutes,
                comparison="GreaterThanOrEqualToThreshold",
                bad=1,
                of=1,
                missing="notBreaching",
                description=(
                    f"The app has logged {args.slow_per_5_minutes} slow requests or "
                    "more in 5 minutes. See in its log group which paths, then look at "
                    "the database's slow queries."
                ),
            ),
        ]

        self.names = [made.name for made in alarms]
        self.arns = [made.arn for made in alarms]
        self.register_outputs({"names": self.names, "arns": self.arns})
