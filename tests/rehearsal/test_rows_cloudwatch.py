"""The row of CloudWatch's alarms: put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"

TOPIC = "arn:aws:sns:eu-central-1:123456789012:app"


def _metric(name: str) -> dict[str, object]:
    return {
        "dimensions": {"LoadBalancer": "app/app/50dc6c495c0c9188"},
        "metricName": name,
        "namespace": "AWS/ApplicationELB",
        "period": 60,
        "stat": "Sum",
    }


QUERIES = [
    {
        "expression": "100 * FILL(e, 0) / r",
        "id": "result",
        "label": "errors, %",
        "returnData": True,
    },
    {"id": "e", "metric": _metric("HTTPCode_ELB_5XX_Count"), "returnData": False},
    {"id": "r", "metric": _metric("RequestCount"), "returnData": False},
]


def alarm(site: Site) -> Case:
    cloudwatch = site.client("cloudwatch")
    inputs = {
        "alarmActions": [TOPIC],
        "alarmDescription": "Look at the tasks.",
        "comparisonOperator": "GreaterThanThreshold",
        "dimensions": {"ClusterName": "app", "ServiceName": "web"},
        "evaluationPeriods": 3,
        "metricName": "CPUUtilization",
        "namespace": "AWS/ECS",
        "period": 300,
        "statistic": "Average",
        "threshold": 80,
    }
    no_metric = dict.fromkeys(
        ("dimensions", "metricName", "namespace", "period", "statistic")
    )

    def raise_the_threshold(id: str) -> None:
        [live] = cloudwatch.describe_alarms(AlarmNames=[id])["MetricAlarms"]
        kept = {
            key: value
            for key, value in live.items()
            if key.startswith(
                ("AlarmN", "Comp", "Dim", "Eval", "Metric", "Name", "Per")
            )
        }
        cloudwatch.put_metric_alarm(**kept, Statistic="Average", Threshold=99)

    return Case(
        inputs=inputs,
        listing=lambda: [
            one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"]
        ],
        updates={
            "actionsEnabled": False,
            "alarmActions": [TOPIC, f"{TOPIC}-too"],
            "alarmDescription": "Look at the log.",
            "comparisonOperator": "LessThanThreshold",
            "datapointsToAlarm": 2,
            "dimensions": {"ClusterName": "other"},
            "evaluateLowSampleCountPercentiles": "ignore",
            "evaluationPeriods": 5,
            "extendedStatistic": To("p95", statistic=None),
            "insufficientDataActions": [TOPIC],
            "metricName": "MemoryUtilization",
            "metricQueries": To(QUERIES, **no_metric),
            "namespace": "AWS/RDS",
            "okActions": [TOPIC],
            "period": 60,
            "statistic": "Maximum",
            "threshold": 85.5,
            "treatMissingData": "breaching",
            "unit": "Percent",
        },
        drift=[Drift(act=raise_the_threshold, seen="threshold")],
        refused=[
            ({"name": "n" * 256}, "255"),
            ({"alarmDescription": "d" * 1025}, "1024"),
            ({"comparisonOperator": "GreaterThan"}, "GreaterThanThreshold"),
            ({"statistic": "Mean"}, "Average"),
            ({"treatMissingData": "bad"}, "breaching"),
            ({"evaluateLowSampleCountPercentiles": "no"}, "ignore"),
            ({"extendedStatistic": "95", "statistic": None}, "p95"),
            ({"extendedStatistic": "p95"}, "conflicts with statistic"),
            ({"statistic": None}, "one of statistic and extendedStatistic"),
            ({"metricName": None}, "one of metricName and metricQueries"),
            ({"metricQueries": QUERIES}, "conflicts with metricName"),
            ({"evaluationPeriods": 0}, "between 1"),
            ({"datapointsToAlarm": 0}, "between 1"),
            ({"period": 45}, "multiple of 60"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {ALARM: alarm}


class TestCloudWatchRows(Conformance):
    cases = CASES


def test_a_formula_may_change_its_metrics(site: Site) -> None:
    resource = Resource(ALARM, site.aws)
    program = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 3,
        "metricQueries": QUERIES,
        "threshold": 5,
    }
    resource.up(program)
    result, errors, requests = QUERIES
    other = {**errors, "metric": _metric("HTTPCode_Target_5XX_Count")}
    program = {**program, "metricQueries": [result, other, requests]}
    assert resource.up(program).changed == {"metricQueries"}
    metrics = {one["id"]: one.get("metric") for one in resource.live("metricQueries")}
    assert metrics["e"]["metricName"] == "HTTPCode_Target_5XX_Count"
    resource.destroy()
