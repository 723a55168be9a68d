"""What it costs to watch a stack and to keep its secrets, worked by hand."""

from __future__ import annotations

import pytest

from resource_graph import UNKNOWN
from tests.unit.cost.pricing import costs, priced, unknowns
from tests.unit.policies.casework import resource

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
CLUSTER = "aws:ecs/cluster:Cluster"
HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"
KEY = "aws:kms/key:Key"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
POLICY = "aws:appautoscaling/policy:Policy"
QUEUE = "aws:sqs/queue:Queue"
SECRET = "aws:secretsmanager/secret:Secret"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
TOPIC = "aws:sns/topic:Topic"

LOG_PRICES = {"cloudwatch.logs.ingested": 0.63, "cloudwatch.logs.stored": 0.0324}
ALARM_PRICES = {"cloudwatch.alarm": 0.1, "cloudwatch.alarm.high_resolution": 0.3}

A_MONTH = 365 / 12
"""Days."""


def test_logs_are_paid_for_as_they_come_in_and_as_long_as_they_are_kept():
    # 5 GB a month, kept for 30 days: at any time 4.93 GB, which take 15 % of it.
    logs = resource(LOGS, "app", retentionInDays=30)
    writer = resource(TASK, comes_from={"containerDefinitions": [logs]})
    assert costs([logs, writer], LOG_PRICES, app_log_gb=5) == pytest.approx(
        {
            "logs in": 5 * 0.63,  # 3.15
            "logs kept": 5 * 30 / A_MONTH * 0.15 * 0.0324,  # 0.02
        }
    )


@pytest.mark.parametrize("retention", [{}, {"retentionInDays": 0}])
def test_of_logs_that_are_kept_for_ever_a_years_worth_is_counted(retention):
    paid = costs([resource(LOGS, **retention)], LOG_PRICES, log_gb={"*": 10})
    assert paid["logs kept"] == pytest.approx(12 * 10 * 0.15 * 0.0324)  # 0.58


def test_logs_that_no_task_writes_take_in_what_their_name_says():
    used = {"app_log_gb": 100, "log_gb": {"*-flow-logs": 3, "*": 0.05}}
    flows = resource(LOGS, "app-flow-logs", retentionInDays=7)
    other = resource(LOGS, "app-database", retentionInDays=7)
    made = priced([flows, other], LOG_PRICES, **used)
    taken = {item.name: item.usd for item in made.items if item.what == "logs in"}
    assert taken == pytest.approx(
        {"app-flow-logs": 3 * 0.63, "app-database": 0.05 * 0.63}
    )


def metric(id_: str) -> dict[str, object]:
    return {"id": id_, "metric": {"metricName": id_, "namespace": "AWS/RDS"}}


@pytest.mark.parametrize(
    ("inputs", "usd"),
    [
        pytest.param({"metricName": "CPUUtilization"}, 0.1, id="one metric"),
        pytest.param({"metricName": "CPU", "period": 60}, 0.1, id="a minute"),
        pytest.param({"metricName": "CPU", "period": 10}, 0.3, id="ten seconds"),
        pytest.param(
            {
                "metricQueries": [
                    {"id": "share", "expression": "100 * a / b"},
                    metric("a"),
                    metric("b"),
                ]
            },
            2 * 0.1,
            id="two metrics and what is computed of them",
        ),
        pytest.param(
            {"metricQueries": [{"id": "a", "metric": UNKNOWN}]},
            0.1,
            id="a metric that is not known yet",
        ),
        pytest.param(
            {"metricQueries": [{"id": "a", "expression": "SELECT 1"}]},
            0.1,
            id="no metric of its own",
        ),
    ],
)
def test_an_alarm_is_paid_for_by_the_metric(inputs, usd):
    paid = costs([resource(ALARM, **inputs)], ALARM_PRICES)
    assert paid == pytest.approx({"alarm": usd})


def test_an_alarm_whose_queries_nobody_knows_is_unknown():
    found = [
        resource(ALARM, "all", metricQueries=UNKNOWN),
        resource(ALARM, "one", metricQueries=[UNKNOWN]),
    ]
    made = priced(found, ALARM_PRICES)
    assert unknowns(made) == [
        "all: metricQueries is unknown",
        "one: metricQueries.0 is unknown",
    ]


def test_what_follows_a_target_has_two_alarms_of_aws():
    tracking = resource(POLICY, "cpu", policyType="TargetTrackingScaling")
    assert costs([tracking], ALARM_PRICES) == pytest.approx({"its alarms": 0.2})
    assert costs([resource(POLICY, "steps")], ALARM_PRICES) == {}


def test_a_metric_filter_is_paid_for_as_its_metric():
    found = resource("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    assert costs([found], {"cloudwatch.metric": 0.3}) == {"metric": 0.3}


def test_a_dashboard_has_a_price_of_its_own():
    found = resource("aws:cloudwatch/dashboard:Dashboard")
    assert costs([found], {"cloudwatch.dashboard": 3}) == {"dashboard": 3}


def insights(value: object) -> object:
    return resource(CLUSTER, settings=[{"name": "containerInsights", "value": value}])


def test_container_insights_are_paid_for_by_the_metric_where_they_are_on():
    prices, used = {"cloudwatch.metric": 0.3}, {"container_insights_metrics": 26}
    assert costs([insights("enabled")], prices, **used) == pytest.approx(
        {"Container Insights": 26 * 0.3}  # 7.80
    )
    assert costs([insights("disabled")], prices, **used) == {}
    assert costs([resource(CLUSTER)], prices, **used) == {}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("enhanced", "no price is known for enhanced Container Insights"),
        (UNKNOWN, "settings.0.value is unknown"),
    ],
)
def test_container_insights_of_another_kind_are_unknown(value, why):
    made = priced([insights(value)], container_insights_metrics=26)
    assert made.usd == 0
    assert unknowns(made) == [f"it: {why}"]


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"type": "HTTP"}, 0),
        ({"type": "HTTPS"}, 1),
        ({"type": "HTTP_STR_MATCH"}, 1),
        ({"type": "HTTPS_STR_MATCH"}, 2),
        ({"type": "HTTPS", "measureLatency": True, "requestInterval": 10}, 3),
        ({"type": "HTTP", "measureLatency": False, "requestInterval": 30}, 0),
    ],
)
def test_a_health_check_is_paid_for_with_each_of_its_options(inputs, options):
    prices = {"route53.health_check": 0.5, "route53.health_check.option": 1}
    paid = costs([resource(HEALTH_CHECK, **inputs)], prices)
    assert paid.pop("health check") == 0.5
    assert paid == ({"options of the health check": options} if options else {})


def test_secrets_are_paid_for_each_and_their_calls_together():
    found = [resource(SECRET, name) for name in ("one", "two", "three")]
    prices = {"secretsmanager.secret": 0.4, "secretsmanager.calls": 0.05}
    assert costs(found, prices, secret_calls=20_000) == pytest.approx(
        {"secret": 3 * 0.4, "calls": 2 * 0.05}
    )


def test_keys_are_paid_for_each_and_their_requests_together():
    found = [resource(KEY, "one"), resource(KEY, "two")]
    prices = {"kms.key": 1, "kms.requests": 0.03}
    assert costs(found, prices, key_requests=100_000) == pytest.approx(
        {"key": 2, "requests": 10 * 0.03}
    )


@pytest.mark.parametrize(
    ("type_", "price", "what"),
    [(TOPIC, "sns.requests", "notifications"), (QUEUE, "sqs.requests", "messages")],
)
def test_what_is_told_is_counted_once_however_many_are_told(type_, price, what):
    found = [resource(type_, "one"), resource(type_, "two")]
    assert costs(found, {price: 0.5}, events=4_000_000) == pytest.approx(
        {what: 4 * 0.5}
    )
