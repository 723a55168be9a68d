"""One screen, without gaps, and with nothing on it that the stack does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Any

import pulumi_aws as aws
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dashboard import COLUMNS, Dashboard, DashboardArgs
from tests.graph import UNKNOWN, Graph

DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
PLACE = "eu-central-1:123456789012"
BALANCER = "app/app/0123456789abcdef"
GROUPS = ("targetgroup/app/1111111111111111", "targetgroup/app-b/2222222222222222")

DIMENSIONS: Mapping[tuple[str, str], set[str]] = {
    ("AWS/ApplicationELB", "RequestCount"): {"LoadBalancer"},
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"): {"LoadBalancer"},
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"): {"LoadBalancer"},
    ("AWS/ApplicationELB", "TargetResponseTime"): {"LoadBalancer"},
    ("AWS/ApplicationELB", "HealthyHostCount"): {"LoadBalancer", "TargetGroup"},
    ("AWS/ApplicationELB", "UnHealthyHostCount"): {"LoadBalancer", "TargetGroup"},
    ("AWS/Billing", "EstimatedCharges"): {"Currency"},
    ("AWS/ECS", "CPUUtilization"): {"ClusterName", "ServiceName"},
    ("AWS/ECS", "MemoryUtilization"): {"ClusterName", "ServiceName"},
    ("AWS/ElastiCache", "CurrConnections"): {"CacheClusterId"},
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage"): {"CacheClusterId"},
    ("AWS/ElastiCache", "EngineCPUUtilization"): {"CacheClusterId"},
    ("AWS/ElastiCache", "Evictions"): {"CacheClusterId"},
    ("AWS/RDS", "CPUUtilization"): {"DBInstanceIdentifier"},
    ("AWS/RDS", "DatabaseConnections"): {"DBInstanceIdentifier"},
    ("AWS/RDS", "FreeStorageSpace"): {"DBInstanceIdentifier"},
    ("AWS/RDS", "FreeableMemory"): {"DBInstanceIdentifier"},
    ("AWS/RDS", "ReadLatency"): {"DBInstanceIdentifier"},
    ("AWS/RDS", "WriteLatency"): {"DBInstanceIdentifier"},
    ("AWS/Route53", "HealthCheckStatus"): {"HealthCheckId"},
    ("AWS/WAFV2", "AllowedRequests"): {"WebACL", "Region", "Rule"},
    ("AWS/WAFV2", "BlockedRequests"): {"WebACL", "Region", "Rule"},
    ("ECS/ContainerInsights", "DesiredTaskCount"): {"ClusterName", "ServiceName"},
    ("ECS/ContainerInsights", "PendingTaskCount"): {"ClusterName", "ServiceName"},
    ("ECS/ContainerInsights", "RunningTaskCount"): {"ClusterName", "ServiceName"},
    ("Stromhaltig/app", "Errors"): set(),
    ("Stromhaltig/app", "SlowRequests"): set(),
}
"""Each metric with the dimensions that AWS's guides give it."""

PROPERTIES: Mapping[str, set[str]] = {
    "alarm": {"alarms", "sortBy", "states", "title"},
    "log": {"query", "region", "title", "view"},
    "metric": {
        *("annotations", "legend", "liveData", "metrics", "period", "region"),
        *("sparkline", "stacked", "stat", "timezone", "title", "view", "yAxis"),
    },
    "text": {"background", "markdown"},
}
"""What CloudWatch knows of each type of widget (Dashboard body structure)."""

OPTIONS: Mapping[str, Any] = {
    "target_group_arn_suffixes": GROUPS,
    "cache_member_ids": ["app-001", "app-002"],
    "web_acl_name": "app",
    "health_check_id": "0f8bb1f2-1c7e-4c6c-9a55-3c2a3c7a6f4e",
    "alarm_arns": [f"arn:aws:cloudwatch:{PLACE}:alarm:app-{n}" for n in range(20)],
    "budget_name": "app-budget",
}


def dashboard_args(**args: Any) -> DashboardArgs:
    return DashboardArgs(
        **{
            "region": "eu-central-1",
            "load_balancer_arn_suffix": BALANCER,
            "target_group_arn_suffixes": GROUPS[:1],
            "cluster_name": "app",
            "service_name": "web",
            "database_identifier": "app-1234567",
            "log_group_name": "/ecs/app",
            "log_namespace": "Stromhaltig/app",
        }
        | args
    )


def dashboard(**args: Any) -> Dashboard:
    return Dashboard("app", dashboard_args(**args))


def body(**args: Any) -> dict[str, Any]:
    graph = Graph()
    graph.build(lambda: dashboard(**args))
    return dict(graph.policy(DASHBOARD, key="dashboardBody"))


@cache
def widgets(*options: str, container_insights: bool = True) -> list[dict[str, Any]]:
    """The widgets with these options on."""
    args = {key: OPTIONS[key] for key in options}
    return list(body(container_insights=container_insights, **args)["widgets"])


def everything() -> list[dict[str, Any]]:
    return widgets(*OPTIONS)


def metrics(shown: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        metric for widget in shown for metric in widget["properties"].get("metrics", ())
    ]


def names(shown: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(metric[0], metric[1]) for metric in metrics(shown)}


def dimensions(metric: list[Any]) -> dict[str, str]:
    pairs = metric[2:-1] if isinstance(metric[-1], dict) else metric[2:]
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def cells(widget: Mapping[str, Any]) -> set[tuple[int, int]]:
    return {
        (x, y)
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    }


@given(st.sets(st.sampled_from(sorted(OPTIONS))), st.booleans())
def test_any_choice_of_options_fills_one_screen_without_gap(options, insights):
    shown = widgets(*sorted(options), container_insights=insights)
    for one, other in combinations(shown, 2):
        assert not cells(one) & cells(other)
    height = max(widget["y"] + widget["height"] for widget in shown)
    covered = set().union(*map(cells, shown))
    assert covered == {(x, y) for x in range(COLUMNS) for y in range(height)}
    assert height <= 30


def test_each_widget_is_one_that_cloudwatch_knows():
    for widget in everything():
        properties = widget["properties"]
        assert properties.keys() <= PROPERTIES[widget["type"]]
        if widget["type"] in ("metric", "log"):
            assert properties["region"]
        if widget["type"] == "metric":
            assert properties["period"] % 60 == 0
            assert properties["view"] in ("timeSeries", "singleValue")


def test_each_metric_has_the_dimensions_that_aws_gives_it():
    assert names(everything()) == set(DIMENSIONS)
    for metric in metrics(everything()):
        assert set(dimensions(metric)) == DIMENSIONS[metric[0], metric[1]]


def test_what_is_global_is_read_where_aws_writes_it():
    for widget in everything():
        for metric in widget["properties"].get("metrics", ()):
            there = metric[0] in ("AWS/Route53", "AWS/Billing")
            region = "us-east-1" if there else "eu-central-1"
            assert widget["properties"]["region"] == region


def test_a_firewall_at_the_edge_has_its_metrics_in_us_east_1():
    shown = body(web_acl_name="app", web_acl_scope="CLOUDFRONT")["widgets"]
    [firewall] = [
        one for one in shown if ("AWS/WAFV2", "AllowedRequests") in names([one])
    ]
    assert firewall["properties"]["region"] == "us-east-1"
    for metric in metrics([firewall]):
        assert dimensions(metric) == {"WebACL": "app", "Rule": "ALL"}


@pytest.mark.parametrize(
    ("option", "namespace"),
    [
        ("cache_member_ids", "AWS/ElastiCache"),
        ("web_acl_name", "AWS/WAFV2"),
        ("health_check_id", "AWS/Route53"),
    ],
)
def test_what_the_stack_lacks_is_not_asked_for(option, namespace):
    assert namespace not in {one for one, _ in names(widgets())}
    assert namespace in {one for one, _ in names(widgets(option))}


def test_tasks_are_counted_where_the_cluster_counts_them():
    assert ("ECS/ContainerInsights", "RunningTaskCount") in names(widgets())
    without = names(widgets(container_insights=False))
    assert ("ECS/ContainerInsights", "RunningTaskCount") not in without


def test_every_member_and_every_target_group_is_shown():
    of = [(metric[1], dimensions(metric)) for metric in metrics(everything())]
    assert {d["CacheClusterId"] for name, d in of if name == "Evictions"} == {
        "app-001",
        "app-002",
    }
    assert {d["TargetGroup"] for name, d in of if name == "HealthyHostCount"} == {
        *GROUPS
    }


def test_it_is_slow_is_answered_by_percentiles():
    [latency] = [
        [metric[-1]["stat"] for metric in metrics([widget])]
        for widget in everything()
        if ("AWS/ApplicationELB", "TargetResponseTime") in names([widget])
    ]
    assert latency == ["p50", "p95", "p99"]


def test_the_alarms_that_ring_come_first():
    alarms = everything()[0]
    assert (alarms["type"], alarms["y"]) == ("alarm", 0)
    assert alarms["properties"]["alarms"] == OPTIONS["alarm_arns"]
    assert alarms["properties"]["sortBy"] == "stateUpdatedTimestamp"
    assert "alarm" not in {widget["type"] for widget in widgets()}


def test_the_latest_errors_are_read_from_the_apps_log():
    [log] = [widget for widget in everything() if widget["type"] == "log"]
    query = log["properties"]["query"]
    assert query.startswith("SOURCE '/ecs/app'\n| ")
    assert '| filter level in ["error", "fatal"]\n' in query


def test_the_text_says_what_the_charges_need_and_leads_to_the_budget():
    [text] = [
        one["properties"]["markdown"] for one in everything() if one["type"] == "text"
    ]
    assert "Receive CloudWatch billing alerts" in text
    assert "[Budget app-budget]" in text
    [without] = [
        one["properties"]["markdown"] for one in widgets() if one["type"] == "text"
    ]
    assert "Budget" not in without


def test_a_bill_that_is_told_every_few_hours_has_a_point_on_the_screen():
    assert body()["start"] == "-PT12H"
    [charges] = [
        widget["properties"]
        for widget in everything()
        if ("AWS/Billing", "EstimatedCharges") in names([widget])
    ]
    assert charges["period"] <= 12 * 3600


def test_the_body_is_the_same_text_each_time(graph):
    texts = set()
    for _ in range(2):
        graph.build(lambda: dashboard(**OPTIONS))
        texts.add(graph.one(DASHBOARD)["dashboardBody"])
    [text] = texts
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert len(text) < 50_000


def test_the_console_shows_it_at_the_url(graph):
    outputs = graph.build(dashboard)
    assert graph.one(DASHBOARD)["dashboardName"] == outputs["name"] == "app"
    assert outputs["url"] == (
        "https://eu-central-1.console.aws.amazon.com/cloudwatch/home"
        "?region=eu-central-1#dashboards/dashboard/app"
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"alarm_arns": ["arn"] * 101}, "101 are more than the 100"),
        ({"target_group_arn_suffixes": ()}, "at least one"),
    ],
)
def test_what_cloudwatch_would_refuse_is_said_at_once(args, words):
    with pytest.raises(ValueError, match=words):
        dashboard_args(**args)


def test_a_name_that_cloudwatch_does_not_take_is_said_at_once():
    with pytest.raises(ValueError, match="other characters"):
        Dashboard("app.example", dashboard_args())


def test_a_preview_leaves_the_body_open_until_all_of_it_is_known(graph):
    def program() -> Dashboard:
        database = aws.rds.Instance("app", instance_class="db.t4g.micro")
        return dashboard(database_identifier=database.identifier)

    graph.build(program, preview=True)
    assert graph.one(DASHBOARD)["dashboardBody"] == UNKNOWN
