"""What CloudWatch measured in the last minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.platforms.aws import database
from ops.platforms.aws.account import DENIED, Account, code
from ops.platforms.platform import Measure

CPU_PERCENT = 80.0
"""Limit of the app's and the database's CPU (deployment guide)."""

MEMORY_PERCENT = 85.0
"""Limit of the app's memory (deployment guide)."""

DISK_PERCENT = 85.0
"""Limit of the database's storage, of what is allocated now."""

CONNECTIONS_SHARE = 0.8
"""Limit of the database's connections, of those that it takes."""

ERRORS_PERCENT = 1.0
"""Limit of the answers with 5xx, of all."""

_WINDOW = timedelta(minutes=15)
"""How old a figure may be. RDS reports each minute, and late."""

_MINUTES = _WINDOW.seconds // 60
_PERIOD = 60
_GIB = 1024**3


@dataclass(frozen=True)
class _Metric:
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Average"


def room(account: Account) -> int | None:
    """As `Platform.room`; None, too, for a role that may not look."""
    from botocore.exceptions import ClientError

    try:
        (found,) = _series(account, {"free": _free(account)}).values()
    except ClientError as error:
        if code(error) in DENIED:
            return None
        raise
    return int(found[0]) if found else None


def measures(account: Account) -> list[Measure]:
    """As `Platform.measures`; what CloudWatch has no figure for has no value.

    Without a running task there is none of the app; without requests, none of them.
    """
    service = {
        "ClusterName": account["cluster"],
        "ServiceName": account["service"],
    }
    instance = {"DBInstanceIdentifier": account["database"]}
    balancer = {"LoadBalancer": account["load_balancer_metric"]}
    series = _series(
        account,
        {
            "cpu": _Metric("AWS/ECS", "CPUUtilization", service),
            "memory": _Metric("AWS/ECS", "MemoryUtilization", service),
            "db_cpu": _Metric("AWS/RDS", "CPUUtilization", instance),
            "db_free": _free(account),
            "db_connections": _Metric(
                "AWS/RDS", "DatabaseConnections", instance, "Maximum"
            ),
            "requests": _Metric(_ALB, "RequestCount", balancer, "Sum"),
            "app_5xx": _Metric(_ALB, "HTTPCode_Target_5XX_Count", balancer, "Sum"),
            "lb_5xx": _Metric(_ALB, "HTTPCode_ELB_5XX_Count", balancer, "Sum"),
        },
    )
    newest = {name: values[0] if values else None for name, values in series.items()}
    live = database.server(account)
    most = connections(live["DBInstanceClass"])
    share, requests = _share(
        series["requests"], [*series["app_5xx"], *series["lb_5xx"]]
    )
    found = [
        Measure("app CPU", newest["cpu"], "%", CPU_PERCENT),
        Measure("app memory", newest["memory"], "%", MEMORY_PERCENT),
        Measure("database CPU", newest["db_cpu"], "%", CPU_PERCENT),
        Measure(
            "database disk",
            _used(newest["db_free"], live["AllocatedStorage"]),
            "%",
            DISK_PERCENT,
            note=f"of {live['AllocatedStorage']} GiB",
        ),
        Measure(
            "database connections",
            newest["db_connections"],
            "connections",
            most * CONNECTIONS_SHARE if most else None,
            note=f"of about {most}" if most else "how many it takes is not known",
        ),
        Measure(
            "answers with 5xx",
            share,
            "%",
            ERRORS_PERCENT,
            note=f"of {requests:.0f} in {_MINUTES} minutes",
        ),
    ]
    missing = f"CloudWatch has no figure of the last {_MINUTES} minutes"
    return [replace(one, note=missing) if one.value is None else one for one in found]


_ALB = "AWS/ApplicationELB"


def _free(account: Account) -> _Metric:
    instance = {"DBInstanceIdentifier": account["database"]}
    return _Metric("AWS/RDS", "FreeStorageSpace", instance, "Minimum")


def connections(instance_class: str) -> int | None:
    """About how many connections a database of a class takes; None if not known."""
    from components.alarms.database_alarms import default_connections, memory_gib

    try:
        return default_connections(memory_gib(instance_class))
    except ValueError:
        return None


def _series(account: Account, metrics: Mapping[str, _Metric]) -> dict[str, list[float]]:
    """Values of the window, the newest first."""
    now = datetime.now(UTC)
    found: dict[str, list[float]] = {name: [] for name in metrics}
    results = account.pages(
        "cloudwatch",
        "get_metric_data",
        "MetricDataResults",
        StartTime=now - _WINDOW,
        EndTime=now,
        ScanBy="TimestampDescending",
        MetricDataQueries=[_query(name, metric) for name, metric in metrics.items()],
    )
    for result in results:
        found[result["Id"]] += result["Values"]
    return found


def _query(name: str, metric: _Metric) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [
                    {"Name": key, "Value": value}
                    for key, value in metric.dimensions.items()
                ],
            },
            "Period": _PERIOD,
            "Stat": metric.statistic,
        },
    }


def _used(free: float | None, allocated: int) -> float | None:
    """Percent of the storage. free: bytes; allocated: GiB."""
    return None if free is None else round(100 * (1 - free / (allocated * _GIB)), 1)


def _share(requests: list[float], errors: list[float]) -> tuple[float, float]:
    """Percent, and of how many; what the load balancer refused counts as one.

    A minute without requests has no figure, so at night it is 0 of none.
    """
    # Its own errors are no requests to a target.
    total = max(sum(requests), sum(errors))
    return (round(100 * sum(errors) / total, 2) if total else 0.0), total
