"""One CloudWatch alarm, as all of ours are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

Missing = Literal["breaching", "notBreaching", "missing"]
"""What a minute without data counts as: bad, good, or neither."""

Comparison = Literal[
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
]

_DESCRIPTION_LIMIT = 1024
_RESULT = "result"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of CloudWatch.

    statistic: `Average`, `Sum`, `Minimum`, `Maximum`, or a percentile such as `p95`.
    period: seconds that one data point sums up (60 or a multiple).
    """

    namespace: pulumi.Input[str]
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str
    period: int = 60


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A value computed of several metrics; each of them costs like an alarm.

    expression: metric math over the names in `metrics`.
    label: what the value is, as charts and messages call it.
    metrics: name (lower case first) to metric; all have one period.
    """

    expression: str
    label: str
    metrics: Mapping[str, Metric]


def highest(label: str, metrics: Sequence[Metric]) -> Metric | Formula:
    """The highest of several metrics, as one thing to watch.

    One that has no data counts as 0, or the others would not be looked at.
    """
    if len(metrics) == 1:
        return metrics[0]
    named = {f"m{number}": metric for number, metric in enumerate(metrics)}
    filled = ", ".join(f"FILL({name}, 0)" for name in named)
    return Formula(expression=f"MAX([{filled}])", label=label, metrics=named)


def alarm(
    name: str,
    *,
    parent: pulumi.Resource,
    topic_arn: pulumi.Input[str],
    watches: Metric | Formula,
    threshold: pulumi.Input[float],
    comparison: Comparison = "GreaterThanThreshold",
    bad: int,
    of: int,
    missing: Missing,
    description: str,
) -> aws.cloudwatch.MetricAlarm:
    """An alarm that tells when something gets bad and when it is good again.

    bad, of: data points that must be bad among the latest: one outlier wakes nobody.
    missing: chosen per alarm. `notBreaching` where no data means no events,
        `breaching` where what is watched must always report.
    description: what it means and what to do first; it is part of the message.

    Insufficient data has no action: `missing` has judged it already (CloudWatch.15,
    CloudWatch.17: an alarm has an action, and it is on).

    Raises:
        ValueError: for what CloudWatch would refuse.
    """
    if not 1 <= bad <= of:
        raise ValueError(f"{name}: {bad} of {of} data points can never be bad")
    if len(description) > _DESCRIPTION_LIMIT:
        raise ValueError(
            f"{name}: the description has {len(description)} characters; CloudWatch "
            f"takes {_DESCRIPTION_LIMIT}"
        )
    return aws.cloudwatch.MetricAlarm(
        name,
        **_watched(watches),
        comparison_operator=comparison,
        threshold=threshold,
        datapoints_to_alarm=bad,
        evaluation_periods=of,
        treat_missing_data=missing,
        alarm_description=description,
        actions_enabled=True,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _watched(watches: Metric | Formula) -> dict[str, Any]:
    if isinstance(watches, Metric):
        percentile = watches.statistic.startswith("p")
        return {
            "namespace": watches.namespace,
            "metric_name": watches.name,
            "dimensions": watches.dimensions,
            "period": watches.period,
            "extended_statistic" if percentile else "statistic": watches.statistic,
        }
    return {
        "metric_queries": [
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=_RESULT,
                expression=watches.expression,
                label=watches.label,
                return_data=True,
            ),
            *(_query(id, metric) for id, metric in sorted(watches.metrics.items())),
        ]
    }


def _query(id: str, metric: Metric) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
    return aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id=id,
        metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
            namespace=metric.namespace,
            metric_name=metric.name,
            dimensions=metric.dimensions,
            period=metric.period,
            stat=metric.statistic,
        ),
        return_data=False,
    )
