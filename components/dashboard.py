"""One screen that answers: is it healthy, is it slow, what does it cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from components.log_metrics import ERRORS, SLOW_REQUESTS

COLUMNS = 24
"""Units that the screen is wide (CloudWatch, "Dashboard body structure")."""

MOST_ALARMS = 100
"""Alarms that one widget shows (the same page)."""

_GLOBAL = "us-east-1"
"""Where Route 53, CloudFront's firewall and the bill have their metrics."""

_RED = "#d62728"

_RECENT_ERRORS = """SOURCE '{group}'
| fields @timestamp, level, msg, err.message, requestId
| filter level in ["error", "fatal"]
| sort @timestamp desc
| limit 20"""

_COSTS = """### What it costs
Charges of the **whole account** this month, in USD. They stay empty until *Receive \
CloudWatch billing alerts* is on in the \
[billing preferences](https://console.aws.amazon.com/billing/home#/preferences), and \
are hours old.

{budget}[By service](https://console.aws.amazon.com/costmanagement/home#/cost-explorer)
"""

_BUDGET = (
    "[Budget {name}](https://console.aws.amazon.com/costmanagement/home#/budgets) · "
)


@dataclass(frozen=True, kw_only=True)
class DashboardArgs:
    """What a dashboard needs to know; what is None or empty gets no place on it.

    region: where everything is but what AWS has in us-east-1 only.
    load_balancer_arn_suffix, target_group_arn_suffixes: names in the load balancer's
        metrics; two target groups where two versions can stand side by side.
    cluster_name, service_name: the ECS service.
    container_insights: whether the cluster counts its tasks.
    database_identifier: the RDS instance.
    cache_member_ids: cache clusters of the replication group.
    web_acl_name: dimension `WebACL` of the firewall's metrics.
    web_acl_scope: `CLOUDFRONT` has its metrics in us-east-1.
    log_group_name: of the app's JSON lines.
    log_namespace: of the metrics that `LogMetrics` makes.
    health_check_id: health check of Route 53.
    alarm_arns: alarms of any region, at most 100.
    budget_name: AWS budget that the text leads to.
    """

    region: str
    load_balancer_arn_suffix: pulumi.Input[str]
    target_group_arn_suffixes: Sequence[pulumi.Input[str]]
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]
    container_insights: bool = True
    database_identifier: pulumi.Input[str]
    cache_member_ids: pulumi.Input[Sequence[str]] | None = None
    web_acl_name: pulumi.Input[str] | None = None
    web_acl_scope: Literal["REGIONAL", "CLOUDFRONT"] = "REGIONAL"
    log_group_name: pulumi.Input[str]
    log_namespace: str
    health_check_id: pulumi.Input[str] | None = None
    alarm_arns: Sequence[pulumi.Input[str]] = ()
    budget_name: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what CloudWatch would refuse late.

        Raises:
            ValueError: for more alarms than a widget shows, and no target group.
        """
        if len(self.alarm_arns) > MOST_ALARMS:
            raise ValueError(
                f"alarm_arns: {len(self.alarm_arns)} are more than the {MOST_ALARMS} "
                "that a widget shows"
            )
        if not self.target_group_arn_suffixes:
            raise ValueError("target_group_arn_suffixes: at least one is needed")


class Dashboard(pulumi.ComponentResource):
    """A CloudWatch dashboard, from the top: alarms, requests, app, data, money, errors.

    24 units wide and at most 30 high, which is one screen. Each row is divided among
    the widgets that there are, so that an option that is off leaves no gap. The text
    of the body is the same for the same arguments.

    Three dashboards of up to 50 metrics are free; each further one, and this one with
    more metrics than that, costs 3 USD a month. Reading the errors scans the log
    group for the time that is shown, at 0.0063 USD a GB.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """

    name: pulumi.Output[str]
    """Name of the dashboard: that of the component."""

    url: pulumi.Output[str]
    """Where the console shows it."""

    def __init__(
        self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
            raise ValueError(
                f'name: "{name}" has other characters than a-z A-Z 0-9 - _'
            )
        super().__init__("stromhaltig:aws:Dashboard", name, None, opts)

        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=name,
            dashboard_body=pulumi.Output.all(**vars(args)).apply(
                lambda known: _canonical(_body(_Known(**known)))
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

        self.name = dashboard.dashboard_name
        self.url = self.name.apply(
            lambda name: (
                f"https://{args.region}.console.aws.amazon.com/cloudwatch/home"
                f"?region={args.region}#dashboards/dashboard/{name}"
            )
        )
        self.register_outputs({"name": self.name, "url": self.url})


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The arguments, all of them known."""

    region: str
    load_balancer_arn_suffix: str
    target_group_arn_suffixes: Sequence[str]
    cluster_name: str
    service_name: str
    container_insights: bool
    database_identifier: str
    cache_member_ids: Sequence[str] | None
    web_acl_name: str | None
    web_acl_scope: str
    log_group_name: str
    log_namespace: str
    health_check_id: str | None
    alarm_arns: Sequence[str]
    budget_name: str | None


Widget = dict[str, Any]
"""Type and properties of a widget; its place comes later."""


def _canonical(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _body(known: _Known) -> dict[str, Any]:
    """Half a day: the bill is told every few hours, and has to have a place in it."""
    return {
        "start": "-PT12H",
        "periodOverride": "inherit",
        "widgets": _placed(
            (4, [_alarms(known)]),
            (5, [_requests(known), _latency(known), _log(known), _outside(known)]),
            (5, [_load(known), _tasks(known), _targets(known), _firewall(known)]),
            (5, _database(known)),
            (5, [*_cache(known), _charges(), _costs(known)]),
            (6, [_errors(known)]),
        ),
    }


def _placed(*rows: tuple[int, Sequence[Widget | None]]) -> list[Widget]:
    """The widgets that there are: rows from the top, each as wide as the screen."""
    widgets: list[Widget] = []
    top = 0
    for height, row in rows:
        there = [widget for widget in row if widget is not None]
        if not there:
            continue
        width = COLUMNS // len(there)
        widgets += [
            {**widget, "x": place * width, "y": top, "width": width, "height": height}
            for place, widget in enumerate(there)
        ]
        top += height
    return widgets


def _metric(
    namespace: str, name: str, dimensions: Mapping[str, str], **rendering: Any
) -> list[Any]:
    pairs = [text for pair in dimensions.items() for text in pair]
    return [namespace, name, *pairs, rendering]


def _graph(
    title: str,
    region: str,
    *metrics: list[Any],
    stat: str = "Average",
    most: int | None = None,
    **more: Any,
) -> Widget:
    """A widget of metrics; `most` is the upper end of the left axis."""
    left = {"min": 0} if most is None else {"min": 0, "max": most}
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": region,
            "metrics": list(metrics),
            "stat": stat,
            "period": 300,
            "view": "timeSeries",
            "yAxis": {"left": left, "right": {"min": 0}},
            **more,
        },
    }


def _alarms(known: _Known) -> Widget | None:
    if not known.alarm_arns:
        return None
    return {
        "type": "alarm",
        "properties": {
            "title": "Alarms",
            "alarms": list(known.alarm_arns),
            "sortBy": "stateUpdatedTimestamp",
        },
    }


def _requests(known: _Known) -> Widget:
    balancer = {"LoadBalancer": known.load_balancer_arn_suffix}
    elb = "AWS/ApplicationELB"
    return _graph(
        "Requests and errors in 5 minutes",
        known.region,
        _metric(elb, "RequestCount", balancer, label="Requests"),
        _metric(
            elb,
            "HTTPCode_Target_5XX_Count",
            balancer,
            label="5xx of the app",
            yAxis="right",
            color=_RED,
        ),
        _metric(
            elb,
            "HTTPCode_ELB_5XX_Count",
            balancer,
            label="5xx of the load balancer",
            yAxis="right",
        ),
        stat="Sum",
    )


def _latency(known: _Known) -> Widget:
    return _graph(
        "Seconds to an answer",
        known.region,
        *(
            _metric(
                "AWS/ApplicationELB",
                "TargetResponseTime",
                {"LoadBalancer": known.load_balancer_arn_suffix},
                label=stat,
                stat=stat,
            )
            for stat in ("p50", "p95", "p99")
        ),
    )


def _log(known: _Known) -> Widget:
    return _graph(
        "In the log, in 5 minutes",
        known.region,
        _metric(known.log_namespace, ERRORS, {}, label="Errors", color=_RED),
        _metric(known.log_namespace, SLOW_REQUESTS, {}, label="Slow requests"),
        stat="Sum",
    )


def _outside(known: _Known) -> Widget | None:
    if known.health_check_id is None:
        return None
    return _graph(
        "Answers from outside (1 is yes)",
        _GLOBAL,
        _metric(
            "AWS/Route53",
            "HealthCheckStatus",
            {"HealthCheckId": known.health_check_id},
            label="Reachable",
        ),
        stat="Minimum",
        most=1,
    )


def _load(known: _Known) -> Widget:
    service = {"ClusterName": known.cluster_name, "ServiceName": known.service_name}
    return _graph(
        "Service: load, %",
        known.region,
        _metric("AWS/ECS", "CPUUtilization", service, label="CPU"),
        _metric("AWS/ECS", "MemoryUtilization", service, label="Memory"),
        _metric(
            "AWS/ECS", "CPUUtilization", service, label="CPU, highest", stat="Maximum"
        ),
        most=100,
    )


def _tasks(known: _Known) -> Widget | None:
    if not known.container_insights:
        return None
    service = {"ClusterName": known.cluster_name, "ServiceName": known.service_name}
    insights = "ECS/ContainerInsights"
    return _graph(
        "Service: tasks",
        known.region,
        _metric(insights, "RunningTaskCount", service, label="Running"),
        _metric(insights, "DesiredTaskCount", service, label="Desired"),
        _metric(insights, "PendingTaskCount", service, label="Starting"),
    )


def _targets(known: _Known) -> Widget:
    """Of two target groups, one is empty but during a deployment."""
    metrics = [
        _metric(
            "AWS/ApplicationELB",
            metric,
            {
                "TargetGroup": group,
                "LoadBalancer": known.load_balancer_arn_suffix,
            },
            stat=stat,
            label=f"{label}, {group.split('/')[1]}",
            **rendering,
        )
        for group in known.target_group_arn_suffixes
        for metric, stat, label, rendering in (
            ("HealthyHostCount", "Minimum", "Healthy", {}),
            ("UnHealthyHostCount", "Maximum", "Unhealthy", {"color": _RED}),
        )
    ]
    return _graph("Load balancer: targets", known.region, *metrics)


def _firewall(known: _Known) -> Widget | None:
    if known.web_acl_name is None:
        return None
    regional = known.web_acl_scope == "REGIONAL"
    rules = {"WebACL": known.web_acl_name, "Rule": "ALL"}
    if regional:
        rules["Region"] = known.region
    return _graph(
        "Firewall: requests in 5 minutes",
        known.region if regional else _GLOBAL,
        _metric("AWS/WAFV2", "AllowedRequests", rules, label="Allowed"),
        _metric(
            "AWS/WAFV2",
            "BlockedRequests",
            rules,
            label="Blocked",
            color=_RED,
            yAxis="right",
        ),
        stat="Sum",
    )


def _database(known: _Known) -> list[Widget]:
    def graph(title: str, *metrics: tuple[str, str, str], **more: Any) -> Widget:
        instance = {"DBInstanceIdentifier": known.database_identifier}
        return _graph(
            f"Database: {title}",
            known.region,
            *(
                _metric("AWS/RDS", metric, instance, label=label, yAxis=axis)
                for metric, label, axis in metrics
            ),
            **more,
        )

    return [
        graph("CPU, %", ("CPUUtilization", "CPU", "left"), most=100),
        graph("connections", ("DatabaseConnections", "Connections", "left")),
        graph(
            "free, bytes",
            ("FreeStorageSpace", "Storage", "left"),
            ("FreeableMemory", "Memory", "right"),
        ),
        graph(
            "seconds for an operation",
            ("ReadLatency", "Read", "left"),
            ("WriteLatency", "Write", "left"),
        ),
    ]


def _cache(known: _Known) -> list[Widget]:
    if not known.cache_member_ids:
        return []

    def metrics(name: str, label: str, **rendering: Any) -> list[list[Any]]:
        return [
            _metric(
                "AWS/ElastiCache",
                name,
                {"CacheClusterId": member},
                label=f"{label}, {member}",
                **rendering,
            )
            for member in known.cache_member_ids or ()
        ]

    return [
        _graph(
            "Cache: load, %",
            known.region,
            *metrics("EngineCPUUtilization", "CPU"),
            *metrics("DatabaseMemoryUsagePercentage", "Memory"),
            most=100,
        ),
        _graph(
            "Cache: connections and evictions",
            known.region,
            *metrics("CurrConnections", "Connections"),
            *metrics("Evictions", "Evictions", stat="Sum", yAxis="right"),
        ),
    ]


def _charges() -> Widget:
    return _graph(
        "Charges so far this month, USD",
        _GLOBAL,
        _metric("AWS/Billing", "EstimatedCharges", {"Currency": "USD"}, label="USD"),
        stat="Maximum",
        period=21600,
        view="singleValue",
    )


def _costs(known: _Known) -> Widget:
    budget = _BUDGET.format(name=known.budget_name) if known.budget_name else ""
    return {"type": "text", "properties": {"markdown": _COSTS.format(budget=budget)}}


def _errors(known: _Known) -> Widget:
    return {
        "type": "log",
        "properties": {
            "title": "Latest errors",
            "region": known.region,
            "query": _RECENT_ERRORS.format(group=known.log_group_name),
            "view": "table",
        },
    }
