"""What tasks, jobs, functions and images cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cost.assumptions import HOURS
from cost.meter import Line, Meter, MissingError, Rate
from policies.types import (
    EC2_INSTANCE,
    FUNCTION,
    REPOSITORY,
    SERVICE,
    TASK_DEFINITION,
)
from resource_graph import Resource, names

_SCHEDULE = "aws:scheduler/schedule:Schedule"
_TASKS = "Tasks"
_JOBS = "Jobs"

_DAYS = 365 / 12
_FREE_DISK = 20
"""GB of ephemeral storage that each task has without paying for it."""


def service(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its tasks, for every second that they run, by processor and memory."""
    task = _task_definition(resource, "taskDefinition", meter)
    assumed = meter.assume.tasks
    count = float(assumed or resource.get("desiredCount", 1))
    spot = _spot(resource, count)
    for label, tasks, kind in (
        ("on demand", count - spot, "fargate"),
        ("on Spot", spot, "fargate.spot"),
    ):
        if tasks:
            yield from _task_hours(
                resource, task, meter, _TASKS, label, kind, tasks * HOURS, "tasks"
            )
    if resource.get("networkConfiguration.assignPublicIp", False):
        yield meter.item(
            resource, _TASKS, "public addresses", "ipv4.hour", count * HOURS, "tasks"
        )


def schedule(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The task that it starts, for the minutes of a run."""
    if not resource.has("target.ecsParameters"):
        return
    task = _task_definition(resource, "target", meter)
    hours = _runs(resource.get("scheduleExpression")) * meter.assume.job_minutes / 60
    yield from _task_hours(
        resource, task, meter, _JOBS, "of runs", "fargate", hours, "job_minutes"
    )


def repository(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What its images hold."""
    gb = meter.assume.image_gb / len(meter.graph.of(REPOSITORY))
    yield meter.item(resource, "Images", "images", "ecr.gb", gb, "image_gb")


def function(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its requests, and memory for as long as it runs: a second each."""
    requests = meter.assume.events
    architecture = (resource.get("architectures") or ["x86_64"])[0]
    gb = resource.get("memorySize", 128) / 1024
    yield meter.item(
        resource, _JOBS, "requests", "lambda.requests", requests / 1e6, "events"
    )
    yield meter.item(
        resource,
        _JOBS,
        "memory",
        f"lambda.{architecture}.gb_second",
        requests * gb,
        "events",
    )


def instance(resource: Resource, meter: Meter) -> Iterator[Line]:
    """A server, its disk, and an address of its own if it has one."""
    type_ = resource.get("instanceType")
    yield meter.item(resource, "Servers", f"hours, {type_}", f"ec2.{type_}", HOURS)
    disk = resource.get("rootBlockDevice.volumeType", "gp2")
    # The size of Amazon Linux's and Debian's images, where none is asked for.
    size = resource.get("rootBlockDevice.volumeSize", 8)
    yield meter.item(resource, "Servers", "disk", f"ebs.{disk}", size)
    if resource.get("associatePublicIpAddress", False):
        yield meter.item(resource, "Servers", "public address", "ipv4.hour", HOURS)


RATES: dict[str, Rate] = {
    EC2_INSTANCE: instance,
    FUNCTION: function,
    REPOSITORY: repository,
    _SCHEDULE: schedule,
    SERVICE: service,
}


def _task_hours(
    resource: Resource,
    task: Resource,
    meter: Meter,
    group: str,
    label: str,
    kind: str,
    hours: float,
    assumed: str,
) -> Iterator[Line]:
    processor = task.get("runtimePlatform.cpuArchitecture", "X86_64").lower()
    vcpu = int(task.get("cpu", 256)) / 1024
    gb = int(task.get("memory", 512)) / 1024
    yield meter.item(
        resource,
        group,
        f"processors {label}",
        f"{kind}.{processor}.vcpu",
        vcpu * hours,
        assumed,
    )
    yield meter.item(
        resource,
        group,
        f"memory {label}",
        f"{kind}.{processor}.gb",
        gb * hours,
        assumed,
    )
    disk = task.get("ephemeralStorage.sizeInGib", _FREE_DISK) - _FREE_DISK
    if disk > 0:
        yield meter.item(
            resource,
            group,
            f"disk {label}",
            "fargate.ephemeral",
            disk * hours,
            assumed,
        )


def _task_definition(resource: Resource, key: str, meter: Meter) -> Resource:
    for task in meter.graph.of(TASK_DEFINITION):
        if names(resource, key, task):
            return task
    raise MissingError(f"its task definition is not in this stack ({key})")


def _spot(resource: Resource, count: float) -> float:
    """How many of the tasks are on Spot: base first, then by weight (ECS guide)."""
    strategies: list[dict[str, Any]] = resource.get("capacityProviderStrategies") or []
    base = sum(s.get("base", 0) for s in strategies)
    weights = sum(s.get("weight", 0) for s in strategies)
    rest = max(count - base, 0)
    return float(
        sum(
            min(s.get("base", 0), count) + rest * s.get("weight", 0) / (weights or 1)
            for s in strategies
            if s.get("capacityProvider") == "FARGATE_SPOT"
        )
    )


def _runs(expression: str) -> float:
    """Runs a month of a schedule of EventBridge."""
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        a_day = {"minute": 24 * 60, "hour": 24, "day": 1}[rate[2]]
        return _DAYS * a_day / int(rate[1])
    if cron := re.fullmatch(r"cron\((.+)\)", expression):
        _, hour, day, _, weekday, _ = cron[1].split()
        if weekday not in ("?", "*"):
            return _DAYS / 7 * len(weekday.split(","))
        if day not in ("?", "*"):
            return float(len(day.split(",")))
        return _DAYS * (24 if hour == "*" else len(hour.split(",")))
    return 0.0
