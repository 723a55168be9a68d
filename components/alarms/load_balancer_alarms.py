"""Alarms of a load balancer: does the app answer, fast enough, and from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Formula, Metric, alarm, highest

_NAMESPACE = "AWS/ApplicationELB"


@dataclass(frozen=True, kw_only=True)
class LoadBalancerAlarmsArgs:
    """What the alarms of a load balancer need to know.

    topic_arn: who is told.
    load_balancer_arn_suffix: `app/NAME/ID`.
    target_group_arn_suffixes: `targetgroup/NAME/ID`; two with blue/green.
    error_percent: of a minute's requests that may fail (0-100).
    least_errors: fewer in a minute are no rate: at night one of three is 33 %.
    slow_seconds: response time from which on a request is slow (guide: 5).
    """

    topic_arn: pulumi.Input[str]
    load_balancer_arn_suffix: pulumi.Input[str]
    target_group_arn_suffixes: Sequence[pulumi.Input[str]]
    error_percent: float = 5
    least_errors: int = 3
    slow_seconds: float = 5

    def __post_init__(self) -> None:
        """Refuse thresholds that would never or always alarm.

        Raises:
            ValueError: for them, and for a number of target groups other than 1 or 2.
        """
        if len(self.target_group_arn_suffixes) not in (1, 2):
            raise ValueError("target_group_arn_suffixes: give one, or blue and green")
        if not 0 < self.error_percent < 100:
            raise ValueError(
                f"error_percent: {self.error_percent} is not between 0 and 100"
            )
        if self.least_errors < 1 or self.slow_seconds <= 0:
            raise ValueError("least_errors and slow_seconds: must be more than 0")


class LoadBalancerAlarms(pulumi.ComponentResource):
    """What users notice: errors, slowness, and targets that do not answer.

    Made before the service, so that they can stop a bad deployment. Errors are a
    share of requests for each target group by itself, and the worse one counts: a
    canary that fails must not hide behind the version that still serves the rest.
    """

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms, for a deployment that they turn back."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: LoadBalancerAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:LoadBalancerAlarms", name, None, opts)

        balancer = {"LoadBalancer": args.load_balancer_arn_suffix}
        groups = [
            {**balancer, "TargetGroup": suffix}
            for suffix in args.target_group_arn_suffixes
        ]
        alarms = [
            alarm(
                f"{name}-app-errors",
                parent=self,
                topic_arn=args.topic_arn,
                watches=_app_errors(groups, args.least_errors),
                threshold=args.error_percent,
                bad=2,
                of=3,
                missing="notBreaching",  # no requests, no errors
                description=(
                    f"The app answers more than {args.error_percent:g} % of the "
                    "requests with 5xx. Look for errors in its log group, and whether "
                    "a deployment has just begun: if so, roll it back."
                ),
            ),
            alarm(
                f"{name}-balancer-errors",
                parent=self,
                topic_arn=args.topic_arn,
                watches=_balancer_errors(balancer, args.least_errors),
                threshold=args.error_percent,
                bad=2,
                of=3,
                missing="notBreaching",
                description=(
                    f"The load balancer itself answers more than "
                    f"{args.error_percent:g} % of the requests with 5xx: 503 when no "
                    "task is healthy, 502 when one hangs up, 504 when one is too slow. "
                    "Look at the service's tasks and why the last ones stopped."
                ),
            ),
            alarm(
                f"{name}-slow",
                parent=self,
                topic_arn=args.topic_arn,
                watches=Metric(
                    namespace=_NAMESPACE,
                    name="TargetResponseTime",
                    dimensions=balancer,
                    statistic="p95",
                ),
                threshold=args.slow_seconds,
                bad=3,
                of=5,
                missing="notBreaching",
                description=(
                    f"One request in twenty takes more than {args.slow_seconds:g} s. "
                    "Look at the database first (CPU, slow queries, connections), then "
                    "at the CPU of the service's tasks."
                ),
            ),
            alarm(
                f"{name}-unhealthy",
                parent=self,
                topic_arn=args.topic_arn,
                watches=highest(
                    "unhealthy targets",
                    [
                        Metric(
                            namespace=_NAMESPACE,
                            name="UnHealthyHostCount",
                            dimensions=group,
                            statistic="Maximum",
                        )
                        for group in groups
                    ],
                ),
                threshold=0,
                bad=3,
                of=5,
                # A group without targets reports nothing: the idle one of two.
                missing="notBreaching",
                description=(
                    "A task fails the load balancer's health check and gets no "
                    "requests. Look at the log of the newest tasks, and at their CPU: "
                    "the check asks the app alone, not its database."
                ),
            ),
        ]

        self.names = [made.name for made in alarms]
        self.arns = [made.arn for made in alarms]
        self.register_outputs({"names": self.names, "arns": self.arns})


def _app_errors(
    groups: Sequence[Mapping[str, pulumi.Input[str]]], least: int
) -> Formula:
    metrics: dict[str, Metric] = {}
    rates = []
    for number, group in enumerate(groups):
        errors, requests = f"e{number}", f"r{number}"
        metrics[errors] = _sum("HTTPCode_Target_5XX_Count", group)
        metrics[requests] = _sum("RequestCount", group)
        rates.append(_rate(errors, f"FILL({requests}, 1)", least))
    worst = rates[0] if len(rates) == 1 else f"MAX([{', '.join(rates)}])"
    return Formula(expression=worst, label="errors of the app, %", metrics=metrics)


def _balancer_errors(balancer: Mapping[str, pulumi.Input[str]], least: int) -> Formula:
    """A request for which there is no target is not in the count of requests."""
    return Formula(
        expression=_rate("e", "(FILL(r, 0) + FILL(e, 1))", least),
        label="errors of the load balancer, %",
        metrics={
            "e": _sum("HTTPCode_ELB_5XX_Count", balancer),
            "r": _sum("RequestCount", balancer),
        },
    )


def _rate(errors: str, requests: str, least: int) -> str:
    """Percent; counters have no data point for a minute in which nothing happened."""
    return f"IF(FILL({errors}, 0) >= {least}, 100 * FILL({errors}, 0) / {requests}, 0)"


def _sum(name: str, dimensions: Mapping[str, pulumi.Input[str]]) -> Metric:
    return Metric(
        namespace=_NAMESPACE, name=name, dimensions=dimensions, statistic="Sum"
    )
