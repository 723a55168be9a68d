"""Rows for CloudWatch: alarms on metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.provider.aws.checks import matching, one_of, value_at, within
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_FIELDS: Mapping[str, str] = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}
"""Inputs that the API takes as they are."""

_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_COMPARISONS = (
    *("GreaterThanOrEqualToThreshold", "GreaterThanThreshold"),
    *("LessThanThreshold", "LessThanOrEqualToThreshold"),
)
_MISSING = ("breaching", "ignore", "missing", "notBreaching")


class MetricAlarm(Row):
    """aws.cloudwatch.MetricAlarm, on one metric or on metric math.

    moto keeps alarms and never evaluates them.
    """

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service = "cloudwatch"
    tagged = True
    autoname = "name"
    updates = frozenset({*_FIELDS, "dimensions", "metricQueries"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "actionsEnabled": True,
        "treatMissingData": "missing",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(inputs, "name", r"(?s).{1,255}", "1 to 255 characters"),
            *matching(
                inputs, "alarmDescription", r"(?s).{0,1024}", "at most 1024 characters"
            ),
            *one_of(inputs, "comparisonOperator", _COMPARISONS),
            *one_of(inputs, "statistic", _STATISTICS),
            *one_of(inputs, "treatMissingData", _MISSING),
            *one_of(
                inputs, "evaluateLowSampleCountPercentiles", ("evaluate", "ignore")
            ),
            *matching(
                inputs,
                "extendedStatistic",
                r"p(\d{1,2}(\.\d{1,2})?|100)|(tm|wm|tc|ts|pr|iqm).*",
                "a percentile such as p95",
            ),
            *within(inputs, "evaluationPeriods", 1, 2**31),
            *within(inputs, "datapointsToAlarm", 1, 2**31),
            *_period(inputs),
            *_one_thing_watched(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("cloudwatch").put_metric_alarm(
            **_request(inputs), Tags=tag_list(inputs.get("tagsAll"))
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        cloudwatch = aws.client("cloudwatch")
        found = cloudwatch.describe_alarms(AlarmNames=[id])["MetricAlarms"]
        if not found:
            return None
        [live] = found
        tags = cloudwatch.list_tags_for_resource(ResourceARN=live["AlarmArn"])["Tags"]
        return {
            "arn": live["AlarmArn"],
            "name": id,
            "dimensions": _named(live.get("Dimensions")),
            "metricQueries": [_query(one) for one in live.get("Metrics", [])],
            "tagsAll": tag_map(tags),
            **{key: _plain(live.get(field)) for key, field in _FIELDS.items()},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        cloudwatch = aws.client("cloudwatch")
        if changed & self.updates:
            cloudwatch.put_metric_alarm(**_request(new))
        wanted, unwanted = tag_changes(old, new)
        arn = f"arn:aws:cloudwatch:{aws.region}:{aws.account_id}:alarm:{id}"
        if wanted:
            cloudwatch.tag_resource(ResourceARN=arn, Tags=tag_list(wanted))
        if unwanted:
            cloudwatch.untag_resource(ResourceARN=arn, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("cloudwatch").delete_alarms, AlarmNames=[id])


def _period(inputs: Mapping[str, Any]) -> list[str]:
    """10, 30, or whole minutes."""
    period = value_at(inputs, "period")
    if period is None or period in (10, 30) or (period > 0 and period % 60 == 0):
        return []
    return [f"period: {period} must be 10, 30 or a multiple of 60"]


def _one_thing_watched(inputs: Mapping[str, Any]) -> list[str]:
    problems = []
    if "metricQueries" in inputs:
        problems += [
            f"metricQueries: conflicts with {key}"
            for key in ("dimensions", "metricName", "namespace", "period", "statistic")
            if inputs.get(key)
        ]
    elif "metricName" not in inputs:
        problems.append("metricName: one of metricName and metricQueries must be set")
    elif not {"statistic", "extendedStatistic"} & set(inputs):
        problems.append("statistic: one of statistic and extendedStatistic must be set")
    if {"statistic", "extendedStatistic"} <= set(inputs):
        problems.append("extendedStatistic: conflicts with statistic")
    return problems


def _request(inputs: Properties) -> dict[str, Any]:
    request = {
        "AlarmName": inputs["name"],
        **{
            field: inputs[key]
            for key, field in _FIELDS.items()
            if inputs.get(key) not in (None, "", [])
        },
    }
    if inputs.get("dimensions"):
        request["Dimensions"] = _pairs(inputs["dimensions"])
    if inputs.get("metricQueries"):
        request["Metrics"] = [_asked(query) for query in inputs["metricQueries"]]
    return request


def _asked(query: Mapping[str, Any]) -> dict[str, Any]:
    """A metric query as the API takes it."""
    asked = given(query, id="Id", expression="Expression", label="Label")
    asked |= given(query, accountId="AccountId", period="Period")
    asked["ReturnData"] = bool(query.get("returnData", False))
    metric = query.get("metric")
    if metric:
        asked["MetricStat"] = {
            "Metric": {
                **given(metric, namespace="Namespace", metricName="MetricName"),
                "Dimensions": _pairs(metric.get("dimensions") or {}),
            },
            **given(metric, period="Period", stat="Stat", unit="Unit"),
        }
    return asked


def _query(live: Mapping[str, Any]) -> dict[str, Any]:
    """A metric query as Pulumi shows it."""
    query = {
        "accountId": live.get("AccountId"),
        "expression": live.get("Expression"),
        "id": live["Id"],
        "label": live.get("Label"),
        "period": live.get("Period"),
        "returnData": live.get("ReturnData", False),
    }
    if "MetricStat" in live:
        stat = live["MetricStat"]
        query["metric"] = {
            "dimensions": _named(stat["Metric"].get("Dimensions")),
            "metricName": stat["Metric"]["MetricName"],
            "namespace": stat["Metric"].get("Namespace"),
            "period": stat["Period"],
            "stat": stat["Stat"],
            "unit": stat.get("Unit"),
        }
    return {key: value for key, value in query.items() if value is not None}


def _plain(value: Any) -> Any:
    """A whole number as a program writes it."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _pairs(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _named(pairs: list[dict[str, str]] | None) -> dict[str, str]:
    return {pair["Name"]: pair["Value"] for pair in pairs or []}


ROWS: tuple[type[Row], ...] = (MetricAlarm,)
INVOKES: Mapping[str, Invoke] = {}
