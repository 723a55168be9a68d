"""What tasks, jobs, functions and images cost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from cost.assumptions import HOURS
from cost.meter import Line, Meter, MissingError, Rate, elements
from resource_graph import Resource, names
from resource_types import (
    EC2_INSTANCE,
    FUNCTION,
    REPOSITORY,
    SERVICE,
    TASK_DEFINITION,
)

_SCHEDULE = "aws:scheduler/schedule:Schedule"
_TASKS = "Tasks"
_JOBS = "Jobs"

_DAYS = 365 / 12
_NAMES = {
    name: number
    for listed in (
        "SUN MON TUE WED THU FRI SAT",
        "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC",
    )
    for number, name in enumerate(listed.split(), 1)
}
"""Of days and months in cron expressions."""

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
    runs = _runs(resource.get("scheduleExpression"))
    tasks = resource.get("target.ecsParameters.taskCount", 1)
    hours = runs * tasks * meter.assume.job_minutes / 60
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
    architecture = resource.get("architectures.0", "x86_64")
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
    if task.get("runtimePlatform.operatingSystemFamily", "LINUX") != "LINUX":
        # Paid for with the processors, by other prices.
        processor = "windows"
    vcpu = _size(task.get("cpu", 256), "vcpu")
    gb = _size(task.get("memory", 512), "gb")
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
    strategies = [
        (
            resource.get(f"{path}.capacityProvider"),
            resource.get(f"{path}.base", 0),
            resource.get(f"{path}.weight", 0),
        )
        for path in elements(resource, "capacityProviderStrategies")
    ]
    rest = max(count - sum(base for _, base, _ in strategies), 0)
    weights = sum(weight for _, _, weight in strategies)
    return float(
        sum(
            min(base, count) + rest * weight / (weights or 1)
            for provider, base, weight in strategies
            if provider == "FARGATE_SPOT"
        )
    )


def _size(given: object, unit: str) -> float:
    """vCPU or GB of a task: 1024 units make one, unless the unit is given."""
    number, its_unit, _ = str(given).lower().partition(unit)
    return float(number) if its_unit else float(number) / 1024


def _runs(expression: str) -> float:
    """Runs a month of a schedule of EventBridge, on average."""
    if expression.startswith("at("):
        return 0.0
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        a_day = {"minute": 24 * 60, "hour": 24, "day": 1}[rate[2]]
        return _DAYS * a_day / int(rate[1])
    cron = re.fullmatch(r"cron\((.+)\)", expression)
    fields = cron[1].split() if cron else []
    if len(fields) != 6:
        raise MissingError(f"it is not known how often {expression} is")
    minute, hour, day, month, weekday, _ = fields
    if weekday not in ("?", "*"):
        # `2#1` and `6L` are one day of a month.
        days = 1.0 if weekday[-1] == "L" or "#" in weekday else _DAYS / 7
        days *= _values(weekday, 1, 7)
    elif day not in ("?", "*"):
        days = _values(day, 1, 31)
    else:
        days = _DAYS
    a_day = _values(minute, 0, 59) * _values(hour, 0, 23)
    return a_day * days * _values(month, 1, 12) / 12


def _values(field: str, low: int, high: int) -> int:
    """How many values from low to high a field of a cron expression has."""
    count = 0
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            values = high - low + 1
        elif last:
            values = (_number(last) - _number(first)) % (high - low + 1) + 1
        else:
            values = high - _number(first) + 1 if step else 1
        count += math.ceil(values / int(step or 1))
    return count


def _number(name: str) -> int:
    return _NAMES[name.upper()] if name.isalpha() else int(name)
