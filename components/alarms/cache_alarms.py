"""Alarms of an ElastiCache replication group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Metric, alarm, highest


@dataclass(frozen=True, kw_only=True)
class CacheAlarmsArgs:
    """What the alarms of a cache need to know.

    topic_arn: who is told.
    member_ids: cache cluster of each node.
    nodes: how many there are (1-6): the alarms must be known before the cache is.
    memory_percent, cpu_percent: that may be used.
    """

    topic_arn: pulumi.Input[str]
    member_ids: pulumi.Input[Sequence[str]]
    nodes: int
    memory_percent: float = 80
    cpu_percent: float = 80

    def __post_init__(self) -> None:
        """Refuse a cache without nodes.

        Raises:
            ValueError: for fewer than one node or more than a group can have.
        """
        if not 1 <= self.nodes <= 6:
            raise ValueError(f"nodes: {self.nodes} is not between 1 and 6")


class CacheAlarms(pulumi.ComponentResource):
    """Memory, evictions and the engine's CPU; the worst node counts.

    One alarm over all nodes costs what one alarm each would, and is one message. A
    cache that is down reports nothing: the app's own errors tell of that.
    """

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: CacheAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:CacheAlarms", name, None, opts)

        members = [_member(args.member_ids, number) for number in range(args.nodes)]

        def worst(metric: str, statistic: str) -> list[Metric]:
            return [
                Metric(
                    namespace="AWS/ElastiCache",
                    name=metric,
                    dimensions={"CacheClusterId": member},
                    statistic=statistic,
                    period=300,
                )
                for member in members
            ]

        alarms = [
            alarm(
                f"{name}-memory",
                parent=self,
                topic_arn=args.topic_arn,
                watches=highest(
                    "memory used, %", worst("DatabaseMemoryUsagePercentage", "Maximum")
                ),
                threshold=args.memory_percent,
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"The cache uses more than {args.memory_percent:g} % of its "
                    "memory. At 100 % it evicts what may expire, then refuses writes. "
                    "Look for keys without expiry, else take a larger node."
                ),
            ),
            alarm(
                f"{name}-evictions",
                parent=self,
                topic_arn=args.topic_arn,
                watches=highest("evictions", worst("Evictions", "Sum")),
                threshold=0,
                bad=3,
                of=3,
                missing="notBreaching",
                description=(
                    "The cache has thrown keys away for want of memory for 15 minutes: "
                    "cached answers and rate limits. Take a larger node."
                ),
            ),
            alarm(
                f"{name}-cpu",
                parent=self,
                topic_arn=args.topic_arn,
                # The engine's thread, not the node: it is the one that is short.
                watches=highest("CPU, %", worst("EngineCPUUtilization", "Average")),
                threshold=args.cpu_percent,
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"The cache's engine uses more than {args.cpu_percent:g} % of its "
                    "core, for ten minutes. Look for slow commands (KEYS, large "
                    "ranges) in its slow log."
                ),
            ),
        ]

        self.names = [made.name for made in alarms]
        self.arns = [made.arn for made in alarms]
        self.register_outputs({"names": self.names, "arns": self.arns})


def _member(ids: pulumi.Input[Sequence[str]], number: int) -> pulumi.Output[str]:
    return pulumi.Output.from_input(ids).apply(lambda known: sorted(known)[number])
