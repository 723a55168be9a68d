"""As many tasks as the load asks for: Application Auto Scaling of an ECS service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

SCALE_OUT_COOLDOWN = 60
"""Seconds after tasks were added in which only more than those are added.

About what a new task takes to serve: until then the metric still shows the load
without it. AWS's default for ECS, 300 s, makes a growing crowd wait.
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

SCALE_IN_COOLDOWN = 300
"""Seconds between two removals: AWS's default for ECS. Taking away may be slow."""

_CRON = re.compile(r"cron\(\S+( \S+){5}\)")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Other bounds from a time on, until another schedule changes them.

    name: unique among the schedules (1-50 letters, digits, hyphens).
    cron: `cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR)`, and one of the
        days `?`.
        https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
    minimum, maximum: tasks from then on (0 or more); 0 and 0 stop the service.
    timezone: IANA name of the zone that the times are meant in; it knows about summer.
    """

    name: str
    cron: str
    minimum: int
    maximum: int
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse late.

        Raises:
            ValueError: for a name or time of another form, and bounds without room.
        """
        if not re.fullmatch(r"[A-Za-z0-9-]{1,50}", self.name):
            raise ValueError(
                f'name: "{self.name}" must be 1 to 50 letters, digits and hyphens'
            )
        if not _CRON.fullmatch(self.cron):
            raise ValueError(
                f'cron: "{self.cron}" must have six fields: cron(0 7 ? * MON-FRI *)'
            )
        _check_bounds(self.minimum, self.maximum, least=0)


@dataclass(frozen=True, kw_only=True)
class AutoscalingArgs:
    """What autoscaling needs to know.

    cluster_name, service_name: ECS service whose desired count is left to this; the
        program that makes the service must ignore changes of it.
    minimum, maximum: tasks (1 or more).
    cpu_percent: mean CPU of the tasks that is aimed at (1-100); None looks elsewhere.
    memory_percent: the same for memory.
    requests_per_target: requests a minute for each task that are aimed at (1 or more).
        AWS supports it for rolling deployments only: the others move the traffic to a
        second target group, and this counts that of one.
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
    load_balancer_arn_suffix, target_group_arn_suffix: whose requests are counted;
        with `requests_per_target` only.
    schedules: bounds that change with the time of day.
    """

    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]
    minimum: int
    maximum: int
    cpu_percent: int | None = None
    memory_percent: int | None = None
    requests_per_target: int | None = None
    load_balancer_arn_suffix: pulumi.Input[str] | None = None
    target_group_arn_suffix: pulumi.Input[str] | None = None
    schedules: Sequence[Schedule] = ()

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse late, or what would never scale.

        Raises:
            ValueError: for bounds without room, an aim out of range, requests of
                nobody knows what, nothing to go by, and two schedules of one name.
        """
        _check_bounds(self.minimum, self.maximum, least=1)
        for key in ("cpu_percent", "memory_percent"):
            percent = getattr(self, key)
            if percent is not None and not 1 <= percent <= 100:
                raise ValueError(f"{key}: {percent} must be between 1 and 100")
        if self.requests_per_target is not None:
            if self.requests_per_target < 1:
                raise ValueError(
                    f"requests_per_target: {self.requests_per_target} must be 1 or more"
                )
            if (
                self.load_balancer_arn_suffix is None
                or self.target_group_arn_suffix is None
            ):
                raise ValueError(
                    "requests_per_target: needs load_balancer_arn_suffix and "
                    "target_group_arn_suffix"
                )
        aims = (self.cpu_percent, self.memory_percent, self.requests_per_target)
        if all(aim is None for aim in aims) and not self.schedules:
            raise ValueError(
                "nothing to go by: give cpu_percent, memory_percent, "
                "requests_per_target or schedules"
            )
        names = [schedule.name for schedule in self.schedules]
        if len(set(names)) < len(names):
            raise ValueError(f"schedules: two have one name: {', '.join(names)}")


class Autoscaling(pulumi.ComponentResource):
    """Target tracking for each aim, and bounds that follow the clock.

    The highest of the aims decides: tasks are added when one of them asks for it, and
    taken away when all of them agree. AWS makes the alarms behind it, adds tasks after
    3 minutes above an aim, and takes them away after 15 below; during a deployment it
    takes none away.

    The bounds in the program hold from an update until the next schedule is due.
    """

    resource_id: pulumi.Output[str]
    """The service, as Application Auto Scaling names it: `service/CLUSTER/SERVICE`."""

    def __init__(
        self,
        name: str,
        args: AutoscalingArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:Autoscaling", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        target = aws.appautoscaling.Target(
            name,
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat(
                "service/", args.cluster_name, "/", args.service_name
            ),
            min_capacity=args.minimum,
            max_capacity=args.maximum,
            opts=child,
        )
        # One after the other: AWS refuses what comes while an update of the target is
        # pending, and the provider gives up (terraform-provider-aws #17915).
        latest: pulumi.Resource = target
        for aim in _aims(args):
            latest = aws.appautoscaling.Policy(
                f"{name}-{aim.suffix}",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                policy_type="TargetTrackingScaling",
                target_tracking_scaling_policy_configuration=_tracking(aim),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[latest]),
            )
        for schedule in args.schedules:
            latest = aws.appautoscaling.ScheduledAction(
                f"{name}-{schedule.name}",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                schedule=schedule.cron,
                timezone=schedule.timezone,
                scalable_target_action=(
                    aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                        min_capacity=schedule.minimum, max_capacity=schedule.maximum
                    )
                ),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[latest]),
            )

        self.resource_id = target.resource_id
        self.register_outputs({"resource_id": self.resource_id})


class _Aim(NamedTuple):
    """A metric and the value that it is kept at.

    suffix: last part of the policy's name.
    label: which load balancer and target group the metric is of.
    """

    suffix: str
    metric: str
    value: int
    label: pulumi.Output[str] | None = None


def _aims(args: AutoscalingArgs) -> Iterator[_Aim]:
    if args.cpu_percent is not None:
        yield _Aim("cpu", "ECSServiceAverageCPUUtilization", args.cpu_percent)
    if args.memory_percent is not None:
        yield _Aim("memory", "ECSServiceAverageMemoryUtilization", args.memory_percent)
    if args.requests_per_target is not None:
        yield _Aim(
            "requests",
            "ALBRequestCountPerTarget",
            args.requests_per_target,
            pulumi.Output.all(
                args.load_balancer_arn_suffix, args.target_group_arn_suffix
            ).apply("/".join),
        )


def _tracking(
    aim: _Aim,
) -> aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs:
    return aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
        target_value=aim.value,
        predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
            predefined_metric_type=aim.metric, resource_label=aim.label
        ),
        scale_out_cooldown=SCALE_OUT_COOLDOWN,
        scale_in_cooldown=SCALE_IN_COOLDOWN,
    )


def _check_bounds(minimum: int, maximum: int, *, least: int) -> None:
    if minimum < least:
        raise ValueError(f"minimum: {minimum} must be {least} or more")
    if minimum > maximum:
        raise ValueError(f"minimum: {minimum} is more than maximum, {maximum}")
