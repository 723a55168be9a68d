"""Alarms of an ECS service: is it working at its limit, does it run at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Formula, Metric, alarm


@dataclass(frozen=True, kw_only=True)
class ServiceAlarmsArgs:
    """What the alarms of a service need to know.

    topic_arn: who is told.
    cluster_name, service_name: as ECS calls them.
    cpu_percent, memory_percent: of what the tasks have (guide: 80 and 85).
    container_insights: whether the cluster reports how many tasks run; without it
        nothing here tells that some are missing.
    """

    topic_arn: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]
    cpu_percent: float = 80
    memory_percent: float = 85
    container_insights: bool = True


class ServiceAlarms(pulumi.ComponentResource):
    """CPU and memory of the tasks together, and tasks that are missing.

    Ten minutes of load are left to autoscaling: it needs three to begin, and a task
    one or two to start. A service without tasks reports neither CPU nor memory, which
    is the third alarm's matter.
    """

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: ServiceAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:ServiceAlarms", name, None, opts)

        service = {"ClusterName": args.cluster_name, "ServiceName": args.service_name}

        def used(metric: str) -> Metric:
            return Metric(
                namespace="AWS/ECS",
                name=metric,
                dimensions=service,
                statistic="Average",
                period=300,
            )

        def reported(metric: str) -> Metric:
            return Metric(
                namespace="ECS/ContainerInsights",
                name=metric,
                dimensions=service,
                statistic="Minimum",
            )

        alarms = [
            alarm(
                f"{name}-cpu",
                parent=self,
                topic_arn=args.topic_arn,
                watches=used("CPUUtilization"),
                threshold=args.cpu_percent,
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"The tasks use more than {args.cpu_percent:g} % of their CPU, for "
                    "ten minutes. See whether autoscaling is at its maximum; if so, "
                    "raise it, or give the tasks more CPU. Without more requests than "
                    "usual, suspect the last release."
                ),
            ),
            alarm(
                f"{name}-memory",
                parent=self,
                topic_arn=args.topic_arn,
                watches=used("MemoryUtilization"),
                threshold=args.memory_percent,
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"The tasks use more than {args.memory_percent:g} % of their "
                    "memory; at 100 % ECS kills them. If it has grown since the last "
                    "release, roll back; else give the tasks more memory."
                ),
            ),
        ]
        if args.container_insights:
            alarms.append(
                alarm(
                    f"{name}-tasks",
                    parent=self,
                    topic_arn=args.topic_arn,
                    watches=Formula(
                        expression="desired - running",
                        label="missing tasks",
                        metrics={
                            "desired": reported("DesiredTaskCount"),
                            "running": reported("RunningTaskCount"),
                        },
                    ),
                    threshold=0,
                    bad=5,
                    of=5,
                    # A service reports these for as long as it exists.
                    missing="breaching",
                    description=(
                        "Fewer tasks run than are wanted, for five minutes. Look at "
                        "the service's events and at why the last tasks stopped: image "
                        "not found, migration failed, secret not readable, no Spot "
                        "capacity."
                    ),
                )
            )

        self.names = [made.name for made in alarms]
        self.arns = [made.arn for made in alarms]
        self.register_outputs({"names": self.names, "arns": self.arns})
