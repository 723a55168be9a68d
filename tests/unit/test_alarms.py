"""Alarms: each tells somebody, says what to do, and wakes nobody for an outlier."""

from __future__ import annotations

import pulumi
import pytest

from components.alarms.alarm import Metric, alarm
from components.alarms.cache_alarms import CacheAlarms, CacheAlarmsArgs
from components.alarms.database_alarms import (
    DatabaseAlarms,
    DatabaseAlarmsArgs,
    default_connections,
    memory_gib,
)
from components.alarms.firewall_alarms import (
    CLOUDFRONT,
    FirewallAlarms,
    FirewallAlarmsArgs,
)
from components.alarms.load_balancer_alarms import (
    LoadBalancerAlarms,
    LoadBalancerAlarmsArgs,
)
from components.alarms.log_alarms import LogAlarms, LogAlarmsArgs
from components.alarms.queue_alarm import QueueAlarm, QueueAlarmArgs
from components.alarms.service_alarms import ServiceAlarms, ServiceAlarmsArgs

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:app"
BALANCER = "app/app/50dc6c495c0c9188"
BLUE = "targetgroup/blue/73e2d6bc24d8a067"
GREEN = "targetgroup/green/943f017f100becff"


def balancer_alarms(*groups, **args):
    return LoadBalancerAlarms(
        "app",
        LoadBalancerAlarmsArgs(
            topic_arn=TOPIC,
            load_balancer_arn_suffix=BALANCER,
            target_group_arn_suffixes=groups or (BLUE,),
            **args,
        ),
    )


def service_alarms(**args):
    return ServiceAlarms(
        "app-service",
        ServiceAlarmsArgs(
            topic_arn=TOPIC, cluster_name="app", service_name="web", **args
        ),
    )


def database_alarms(**args):
    known = {
        "identifier": "app-1",
        "instance_class": "db.t4g.medium",
        "allocated_storage": 100,
    }
    return DatabaseAlarms(
        "app-database", DatabaseAlarmsArgs(topic_arn=TOPIC, **{**known, **args})
    )


def cache_alarms(*members):
    return CacheAlarms(
        "app-cache",
        CacheAlarmsArgs(
            topic_arn=TOPIC,
            member_ids=pulumi.Output.from_input(members),
            nodes=len(members),
        ),
    )


def firewall_alarms(region="eu-central-1"):
    return FirewallAlarms(
        "app-firewall",
        FirewallAlarmsArgs(topic_arn=TOPIC, web_acl="app", region=region),
    )


def queue_alarm():
    return QueueAlarm("app-queue", QueueAlarmArgs(topic_arn=TOPIC, queue_name="dead"))


def log_alarms():
    return LogAlarms("app", LogAlarmsArgs(topic_arn=TOPIC, namespace="Stromhaltig/app"))


def everything():
    return [
        balancer_alarms(BLUE, GREEN),
        service_alarms(),
        database_alarms(),
        cache_alarms("app-001", "app-002"),
        firewall_alarms(),
        queue_alarm(),
        log_alarms(),
    ]


def metrics_of(recorded):
    """Name, dimensions and statistic of each metric that an alarm watches."""
    queries = [
        query["metric"]
        for query in recorded.get("metricQueries", [])
        if "metric" in query
    ]
    if queries:
        return [(one["metricName"], one["dimensions"], one["stat"]) for one in queries]
    statistic = recorded.get("statistic") or recorded["extendedStatistic"]
    return [(recorded["metricName"], recorded.get("dimensions") or {}, statistic)]


def expression_of(recorded):
    [result] = [one for one in recorded["metricQueries"] if one.get("returnData")]
    return result["expression"]


def test_each_alarm_tells_when_it_is_bad_and_when_it_is_good_again(graph):
    graph.build(everything)
    for recorded in graph.all(ALARM):
        assert recorded["alarmActions"] == recorded["okActions"] == [TOPIC]
        assert recorded["actionsEnabled"] is True
        assert "insufficientDataActions" not in recorded.inputs


def test_each_alarm_says_what_it_means_and_what_to_do(graph):
    graph.build(everything)
    descriptions = [recorded["alarmDescription"] for recorded in graph.all(ALARM)]
    assert len(set(descriptions)) == len(descriptions) == 19
    assert all(text.count(".") >= 2 and len(text) <= 1024 for text in descriptions)


def test_no_two_alarms_watch_the_same(graph):
    graph.build(everything)
    watched = [
        str((recorded.get("namespace"), sorted(map(str, metrics_of(recorded)))))
        for recorded in graph.all(ALARM)
    ]
    assert len(set(watched)) == len(watched)


def test_one_bad_minute_wakes_nobody(graph):
    graph.build(everything)
    for recorded in graph.all(ALARM):
        queries = recorded.get("metricQueries", [])
        period = recorded.get("period") or next(
            one["metric"]["period"] for one in queries if "metric" in one
        )
        assert period * recorded["datapointsToAlarm"] >= 120
        assert recorded["datapointsToAlarm"] <= recorded["evaluationPeriods"]


def test_only_what_must_always_report_is_missed(graph):
    graph.build(everything)
    missed = {
        recorded.name
        for recorded in graph.all(ALARM)
        if recorded["treatMissingData"] == "breaching"
    }
    assert missed == {"app-service-tasks", "app-database-storage"}


def test_the_names_of_all_alarms_come_out(graph):
    components = graph.build(everything)
    names = [name for component in components for name in component["names"]]
    arns = [arn for component in components for arn in component["arns"]]
    recorded = graph.all(ALARM)
    assert sorted(names) == sorted(one.outputs["name"] for one in recorded)
    assert sorted(arns) == sorted(one.outputs["arn"] for one in recorded)


def test_all_are_known_before_anything_exists(graph):
    graph.build(everything, preview=True)
    assert len(graph.all(ALARM)) == 19


def test_errors_are_a_share_of_the_requests(graph):
    graph.build(balancer_alarms)
    recorded = graph.named("app-app-errors")
    assert expression_of(recorded) == (
        "IF(FILL(e0, 0) >= 3, 100 * FILL(e0, 0) / FILL(r0, 1), 0)"
    )
    group = {"LoadBalancer": BALANCER, "TargetGroup": BLUE}
    assert metrics_of(recorded) == [
        ("HTTPCode_Target_5XX_Count", group, "Sum"),
        ("RequestCount", group, "Sum"),
    ]
    assert recorded["threshold"] == 5


def test_a_failing_canary_does_not_hide_behind_the_old_version(graph):
    graph.build(lambda: balancer_alarms(BLUE, GREEN))
    recorded = graph.named("app-app-errors")
    expression = expression_of(recorded)
    assert expression.startswith("MAX([IF(FILL(e0")
    assert "100 * FILL(e1, 0) / FILL(r1, 1)" in expression
    groups = {one["TargetGroup"] for _, one, _ in metrics_of(recorded)}
    assert groups == {BLUE, GREEN}


def test_requests_without_a_target_count_as_requests(graph):
    graph.build(balancer_alarms)
    assert expression_of(graph.named("app-balancer-errors")) == (
        "IF(FILL(e, 0) >= 3, 100 * FILL(e, 0) / (FILL(r, 0) + FILL(e, 1)), 0)"
    )


def test_one_slow_request_in_twenty_is_slow(graph):
    graph.build(lambda: balancer_alarms(slow_seconds=2.5))
    recorded = graph.named("app-slow")
    assert metrics_of(recorded) == [
        ("TargetResponseTime", {"LoadBalancer": BALANCER}, "p95")
    ]
    assert recorded["threshold"] == 2.5
    assert "statistic" not in recorded.inputs


def test_one_target_group_needs_no_formula(graph):
    graph.build(balancer_alarms)
    assert "metricQueries" not in graph.named("app-unhealthy").inputs
    graph.build(lambda: balancer_alarms(BLUE, GREEN))
    unhealthy = graph.named("app-unhealthy")
    assert expression_of(unhealthy) == "MAX([FILL(m0, 0), FILL(m1, 0)])"


@pytest.mark.parametrize(
    ("groups", "args", "words"),
    [
        ((BLUE, GREEN, BLUE), {}, "blue and green"),
        ((BLUE,), {"error_percent": 0}, "between 0 and 100"),
        ((BLUE,), {"error_percent": 100}, "between 0 and 100"),
        ((BLUE,), {"least_errors": 0}, "more than 0"),
        ((BLUE,), {"slow_seconds": 0}, "more than 0"),
    ],
)
def test_thresholds_without_sense_are_refused(groups, args, words):
    with pytest.raises(ValueError, match=words):
        balancer_alarms(*groups, **args)


def test_missing_tasks_are_counted_where_the_cluster_reports_them(graph):
    graph.build(service_alarms)
    tasks = graph.named("app-service-tasks")
    assert expression_of(tasks) == "desired - running"
    service = {"ClusterName": "app", "ServiceName": "web"}
    assert metrics_of(tasks) == [
        ("DesiredTaskCount", service, "Minimum"),
        ("RunningTaskCount", service, "Minimum"),
    ]
    graph.build(lambda: service_alarms(container_insights=False))
    assert [one.name for one in graph.all(ALARM)] == [
        "app-service-cpu",
        "app-service-memory",
    ]


def test_the_guide_gives_the_limits_of_a_service(graph):
    graph.build(service_alarms)
    assert graph.named("app-service-cpu")["threshold"] == 80
    assert graph.named("app-service-memory")["threshold"] == 85


def test_a_database_alarms_before_it_is_full(graph):
    graph.build(database_alarms)
    storage = graph.named("app-database-storage")
    assert storage["threshold"] == 15 * 1024**3
    assert storage["comparisonOperator"] == "LessThanThreshold"
    memory = graph.named("app-database-memory")
    assert memory["threshold"] == int(0.4 * 1024**3)
    assert memory["comparisonOperator"] == "LessThanThreshold"
    assert graph.named("app-database-cpu")["threshold"] == 80


def test_connections_are_measured_by_what_the_instance_takes(graph):
    graph.build(lambda: database_alarms(max_connections=200))
    assert graph.named("app-database-connections")["threshold"] == 160
    graph.build(database_alarms)
    default = graph.named("app-database-connections")["threshold"]
    assert default == int(default_connections(4) * 0.8)


@pytest.mark.parametrize(
    ("instance_class", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t3.small", 2),
        ("db.t4g.medium", 4),
        ("db.m7g.large", 8),
        ("db.m6gd.xlarge", 16),
        ("db.r6g.2xlarge", 64),
        ("db.x2g.16xlarge", 1024),
    ],
)
def test_a_class_tells_its_memory(instance_class, gib):
    assert memory_gib(instance_class) == gib


@pytest.mark.parametrize("wrong", ["t4g.micro", "db.t4g.tiny", "db.z1d.large", ""])
def test_a_class_whose_memory_is_not_known_is_refused(wrong):
    with pytest.raises(ValueError, match="no class whose memory is known"):
        database_alarms(instance_class=wrong)


def test_the_limit_of_connections_is_never_guessed_too_high():
    for gib in (1, 2, 4, 8, 16, 32):
        of_all_memory = gib * 1024**3 / 9_531_392
        assert 0.55 * of_all_memory < default_connections(gib) < of_all_memory
    assert default_connections(1024) == 5000


def test_the_worst_node_of_a_cache_counts(graph):
    graph.build(lambda: cache_alarms("app-002", "app-001"))
    memory = graph.named("app-cache-memory")
    assert [one["CacheClusterId"] for _, one, _ in metrics_of(memory)] == [
        "app-001",
        "app-002",
    ]
    graph.build(lambda: cache_alarms("app-001"))
    assert graph.named("app-cache-cpu")["metricName"] == "EngineCPUUtilization"


@pytest.mark.parametrize("nodes", [0, 7])
def test_a_cache_has_one_to_six_nodes(nodes):
    with pytest.raises(ValueError, match="between 1 and 6"):
        CacheAlarmsArgs(topic_arn=TOPIC, member_ids=[], nodes=nodes)


def test_a_firewall_of_cloudfront_names_no_region(graph):
    graph.build(firewall_alarms)
    recorded = graph.one(ALARM)
    assert recorded["dimensions"] == {
        "WebACL": "app",
        "Rule": "ALL",
        "Region": "eu-central-1",
    }
    graph.build(lambda: firewall_alarms(CLOUDFRONT))
    assert graph.one(ALARM)["dimensions"] == {"WebACL": "app", "Rule": "ALL"}


def test_a_single_dead_letter_is_told(graph):
    graph.build(queue_alarm)
    recorded = graph.one(ALARM)
    assert metrics_of(recorded) == [
        ("ApproximateNumberOfMessagesVisible", {"QueueName": "dead"}, "Maximum")
    ]
    assert (recorded["threshold"], recorded["datapointsToAlarm"]) == (0, 1)


def test_lines_of_the_log_alarm_from_their_limit_on(graph):
    graph.build(log_alarms)
    for metric in ("Errors", "SlowRequests"):
        [recorded] = [one for one in graph.all(ALARM) if one["metricName"] == metric]
        assert recorded["namespace"] == "Stromhaltig/app"
        assert recorded["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert recorded["threshold"] == 10


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: FirewallAlarmsArgs(
            topic_arn=TOPIC, web_acl="a", region="r", blocked_per_5_minutes=0
        ),
        lambda: LogAlarmsArgs(topic_arn=TOPIC, namespace="n", slow_per_5_minutes=0),
    ],
)
def test_a_limit_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="1 or more"):
        wrong()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bad": 3, "of": 2}, "3 of 2 data points"),
        ({"bad": 0, "of": 2}, "0 of 2 data points"),
        ({"description": "d" * 1025}, "CloudWatch takes 1024"),
    ],
)
def test_what_cloudwatch_would_refuse_is_refused(change, words):
    known = {"bad": 1, "of": 1, "description": "What to do."}
    metric = Metric(namespace="n", name="m", dimensions={}, statistic="Sum")
    with pytest.raises(ValueError, match=words):
        alarm(
            "app",
            parent=pulumi.Resource.__new__(pulumi.Resource),
            topic_arn=TOPIC,
            watches=metric,
            threshold=0,
            missing="missing",
            **{**known, **change},
        )
