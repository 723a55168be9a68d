"""Container definitions of a Fargate task as canonical JSON.

ECS registers a new revision whenever the text differs, and rolls it out. So equal
containers give equal text: everything sorted, and every default spelt out that AWS
would fill in and then report as a difference (pulumi-aws #1985, #4576).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How ECS asks a container whether it is well.

    command: `CMD`, program and arguments, run inside the container; 0 is well.
    interval, timeout: seconds (5-300 and 2-60).
    retries: failures in a row until the container counts as unwell (1-10).
    start_period: seconds at the beginning in which failures do not count (0-300).
    """

    command: Sequence[str]
    interval: int = 10
    timeout: int = 5
    retries: int = 3
    start_period: int = 30


@dataclass(frozen=True, kw_only=True)
class Logging:
    """Where the output of a container goes: a CloudWatch log group of a region."""

    group: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container, in plain data.

    image: reference by digest.
    command: instead of the image's own; empty leaves that.
    essential: whether the task ends with it.
    after: containers that must have exited with 0 before this one starts.
    ports: TCP ports it listens on.
    environment: variables in plain text, readable by everybody who may describe tasks.
    secrets: variable to reference (an ARN); ECS looks the value up at start.
    user: `UID:GID`.
    volumes: name of a volume of the task to the path that it is mounted on.
    stop_timeout: seconds between SIGTERM and SIGKILL (2-120 on Fargate).
    """

    name: str
    image: str
    logging: Logging
    user: str
    command: Sequence[str] = ()
    essential: bool = True
    after: Sequence[str] = ()
    ports: Sequence[int] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    health_check: HealthCheck | None = None
    stop_timeout: int = 30


def canonical(containers: Iterable[Container]) -> str:
    """Return the JSON of a task's containers; equal containers, equal text.

    The root file system is read-only (ECS.5); an init process reaps zombies and
    passes signals on. Logging never blocks the app: when CloudWatch is slow, 25 MiB
    are held back and the oldest lines are lost first (ECS.9).
    """
    definitions = [_definition(container) for container in containers]
    return json.dumps(
        sorted(definitions, key=lambda definition: str(definition["name"])),
        sort_keys=True,
        separators=(",", ":"),
    )


def _definition(container: Container) -> dict[str, object]:
    definition: dict[str, object] = {
        "name": container.name,
        "image": container.image,
        "essential": container.essential,
        "cpu": 0,
        "user": container.user,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True},
        "stopTimeout": container.stop_timeout,
        "dependsOn": [
            {"containerName": name, "condition": "SUCCESS"}
            for name in sorted(container.after)
        ],
        "portMappings": [
            {"containerPort": port, "hostPort": port, "protocol": "tcp"}
            for port in sorted(container.ports)
        ],
        "environment": [
            {"name": variable, "value": value}
            for variable, value in sorted(container.environment.items())
        ],
        "secrets": [
            {"name": variable, "valueFrom": reference}
            for variable, reference in sorted(container.secrets.items())
        ],
        "mountPoints": [
            {"sourceVolume": volume, "containerPath": path, "readOnly": False}
            for volume, path in sorted(container.volumes.items())
        ],
        "volumesFrom": [],
        "systemControls": [],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": container.logging.group,
                "awslogs-region": container.logging.region,
                "awslogs-stream-prefix": "ecs",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
            "secretOptions": [],
        },
    }
    if container.command:
        definition["command"] = list(container.command)
    if container.health_check:
        definition["healthCheck"] = _health_check(container.health_check)
    return definition


def _health_check(check: HealthCheck) -> dict[str, object]:
    return {
        "command": list(check.command),
        "interval": check.interval,
        "timeout": check.timeout,
        "retries": check.retries,
        "startPeriod": check.start_period,
    }
