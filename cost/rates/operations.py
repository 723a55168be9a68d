"""What it costs to watch a stack, and to keep its secrets."""

from __future__ import annotations

from collections.abc import Iterator

from cost.meter import Line, Meter, MissingError, Rate, elements
from resource_graph import Resource, names
from resource_types import (
    ALARM,
    CLUSTER,
    KEY,
    LOG_GROUP,
    QUEUE,
    SECRET,
    TASK_DEFINITION,
    TOPIC,
)

_WATCH = "Logs and alarms"
_SECRETS = "Keys and secrets"

_COMPRESSED = 0.15
"""GB that a GB of logs takes in the archive (CloudWatch's pricing page)."""

_ENDLESS_MONTHS = 12
"""Of logs that are kept for ever, a year's worth is counted."""

_HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"


def log_group(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What comes in, and what is kept of it."""
    app = any(
        names(task, "containerDefinitions", resource)
        for task in meter.graph.of(TASK_DEFINITION)
    )
    assumed = "app_log_gb" if app else "log_gb"
    assume = meter.assume
    gb = assume.app_log_gb if app else assume.log_group_gb(resource.name)
    yield meter.item(
        resource, _WATCH, "logs in", "cloudwatch.logs.ingested", gb, assumed
    )
    days = resource.get("retentionInDays", 0)
    months = days / (365 / 12) if days else _ENDLESS_MONTHS
    yield meter.item(
        resource,
        _WATCH,
        "logs kept",
        "cloudwatch.logs.stored",
        gb * _COMPRESSED * months,
        assumed,
    )


def alarm(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Each metric that it looks at."""
    queries = elements(resource, "metricQueries")
    metrics = sum(resource.has(f"{query}.metric") for query in queries) or 1
    fast = resource.get("period", 60) < 60
    price = "cloudwatch.alarm.high_resolution" if fast else "cloudwatch.alarm"
    yield meter.item(resource, _WATCH, "alarm", price, metrics)


def scaling_policy(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The two alarms that AWS makes to follow a target."""
    if resource.get("policyType", "StepScaling") == "TargetTrackingScaling":
        yield meter.item(resource, _WATCH, "its alarms", "cloudwatch.alarm", 2)


def metric_filter(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The metric that it makes."""
    yield meter.item(resource, _WATCH, "metric", "cloudwatch.metric", 1)


def dashboard(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Itself."""
    yield meter.item(resource, _WATCH, "dashboard", "cloudwatch.dashboard", 1)


def cluster(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The metrics of Container Insights, where it is on."""
    settings = elements(resource, "settings")
    values = [resource.get(f"{setting}.value") for setting in settings]
    if "enhanced" in values:
        raise MissingError("no price is known for enhanced Container Insights")
    if "enabled" in values:
        yield meter.item(
            resource,
            _WATCH,
            "Container Insights",
            "cloudwatch.metric",
            meter.assume.container_insights_metrics,
            "container_insights_metrics",
        )


def health_check(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Itself, of something in AWS, and each option of it."""
    yield meter.item(resource, _WATCH, "health check", "route53.health_check", 1)
    type_ = resource.get("type", "HTTP")
    options = (
        type_.startswith("HTTPS"),
        type_.endswith("STR_MATCH"),
        resource.get("measureLatency", False),
        resource.get("requestInterval", 30) < 30,
    )
    if any(options):
        yield meter.item(
            resource,
            _WATCH,
            "options of the health check",
            "route53.health_check.option",
            sum(options),
        )


def secret(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Itself; the calls of all are counted with the first."""
    yield meter.item(resource, _SECRETS, "secret", "secretsmanager.secret", 1)
    if meter.is_first(resource):
        calls = meter.assume.secret_calls / 10_000
        yield meter.item(
            resource,
            _SECRETS,
            "calls",
            "secretsmanager.calls",
            calls,
            "secret_calls",
        )


def key(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Itself; a rotated one costs as much again, for the first two rotations."""
    yield meter.item(resource, _SECRETS, "key", "kms.key", 1)
    if meter.is_first(resource):
        requests = meter.assume.key_requests / 10_000
        yield meter.item(
            resource,
            _SECRETS,
            "requests",
            "kms.requests",
            requests,
            "key_requests",
        )


def topic(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What is published, counted with the first."""
    if meter.is_first(resource):
        millions = meter.assume.events / 1e6
        yield meter.item(
            resource, _WATCH, "notifications", "sns.requests", millions, "events"
        )


def queue(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What is sent and received, counted with the first."""
    if meter.is_first(resource):
        millions = meter.assume.events / 1e6
        yield meter.item(
            resource, _WATCH, "messages", "sqs.requests", millions, "events"
        )


RATES: dict[str, Rate] = {
    "aws:appautoscaling/policy:Policy": scaling_policy,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": metric_filter,
    ALARM: alarm,
    CLUSTER: cluster,
    KEY: key,
    LOG_GROUP: log_group,
    QUEUE: queue,
    SECRET: secret,
    TOPIC: topic,
    _HEALTH_CHECK: health_check,
}
