"""Container definitions: when two texts mean the same, and what ECS refuses of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
import botocore.validate

from rehearsal.provider.aws.checks import one_of, value_at, within

_INPUT = "containerDefinitions"
_HEALTH_CHECK_DEFAULTS: Mapping[str, Any] = {"interval": 30, "timeout": 5, "retries": 3}

# Not the settings' table, so that each checks the other.
_FARGATE_MEMORY: Mapping[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""MiB that Fargate offers for CPU units (AWS ECS guide, "Task CPU and memory")."""

_STOP_SECONDS = 120
"""The longest that Fargate waits between SIGTERM and SIGKILL."""


def canonical(text: str) -> str:
    """The text without what AWS fills in, and without an order where there is none.

    Text that is no JSON list of objects is left as it is.
    """
    containers = _parsed(text)
    if containers is None:
        return text
    return json.dumps(_sorted([_bare(one) for one in containers]), sort_keys=True)


def container_problems(inputs: Mapping[str, Any]) -> list[str]:
    """What ECS refuses of a task definition's containers, and Fargate of the task."""
    text = value_at(inputs, _INPUT)
    if text is None:
        return _fargate_problems(inputs, [])
    containers = _parsed(text)
    if not containers:
        return [f"{_INPUT}: must be a JSON list of one container or more"]
    malformed = _shape_problems(containers)
    if malformed:
        return malformed
    return [
        *_together_problems(containers),
        *(
            f"{_INPUT}.{container.get('name')}.{problem}"
            for container in containers
            for problem in _single_problems(container, containers, inputs)
        ),
        *_fargate_problems(inputs, containers),
    ]


def _parsed(text: str) -> list[dict[str, Any]] | None:
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    if not isinstance(parsed, list) or not all(isinstance(one, dict) for one in parsed):
        return None
    return parsed


def _bare(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container without its usual values."""
    bare: dict[str, Any] = _filled(container)
    bare.pop("essential", None)
    for mapping in bare.get("portMappings", []):
        if mapping.get("hostPort") == mapping.get("containerPort"):
            mapping.pop("hostPort", None)
        if mapping.get("protocol") == "tcp":
            del mapping["protocol"]
    if "healthCheck" in bare:
        bare["healthCheck"] = {**_HEALTH_CHECK_DEFAULTS, **bare["healthCheck"]}
    # The one switch that is on unless turned off.
    return bare if container.get("essential", True) else {**bare, "essential": False}


def _filled(value: Any) -> Any:
    """A copy without empty parts; false and 0 are what ECS takes for nothing."""
    if isinstance(value, Mapping):
        parts = {key: _filled(part) for key, part in value.items()}
        return {k: v for k, v in parts.items() if v not in (None, "", [], {}, False)}
    if isinstance(value, list):
        return [_filled(part) for part in value]
    return value


def _sorted(value: Any) -> Any:
    """Lists of objects are sets to ECS; those of words, such as commands, are not."""
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in value.items()}
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return sorted(
            map(_sorted, value), key=lambda part: json.dumps(part, sort_keys=True)
        )
    return value


@cache
def _request_shape() -> Any:
    model = botocore.session.get_session().get_service_model("ecs")
    return model.shape_for("RegisterTaskDefinitionRequest")


def _shape_problems(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys and kinds that the API does not know."""
    report = botocore.validate.ParamValidator().validate(
        {"family": "any", _INPUT: containers}, _request_shape()
    )
    lines = report.generate_report().splitlines() if report.has_errors() else []
    return [f"{_INPUT}: {line}" for line in lines]


def _together_problems(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    names = [container.get("name") for container in containers]
    if not any(container.get("essential", True) for container in containers):
        problems.append(f"{_INPUT}: at least one container must be essential")
    return problems + [
        f'{_INPUT}: two are named "{name}"'
        for name in sorted({str(name) for name in names if names.count(name) > 1})
    ]


def _single_problems(
    container: Mapping[str, Any],
    containers: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Any],
) -> list[str]:
    names = [one.get("name") for one in containers]
    volumes = _volume_names(inputs)
    problems = [
        f"{key}: missing, and every container needs it"
        for key in ("name", "image")
        if not container.get(key)
    ]
    problems += [
        f'dependsOn: there is no container "{one["containerName"]}"'
        for one in container.get("dependsOn", [])
        if one["containerName"] not in names
    ]
    problems += [
        f'mountPoints: the task has no volume "{mount.get("sourceVolume")}"'
        for mount in container.get("mountPoints", [])
        if volumes is not None and mount.get("sourceVolume") not in volumes
    ]
    return [
        *problems,
        *within(container, "healthCheck.interval", 5, 300),
        *within(container, "healthCheck.timeout", 2, 60),
        *within(container, "healthCheck.retries", 1, 10),
        *within(container, "healthCheck.startPeriod", 0, 300),
    ]


def _volume_names(inputs: Mapping[str, Any]) -> set[Any] | None:
    """The task's volumes; None while one of them is not known yet."""
    volumes = inputs.get("volumes") or []
    if not isinstance(volumes, list):
        return None
    names = {value_at(volume, "name") for volume in volumes}
    return None if None in names else names


def _fargate_problems(
    inputs: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]
) -> list[str]:
    kinds = inputs.get("requiresCompatibilities")
    if not isinstance(kinds, list) or "FARGATE" not in kinds:
        return []
    problems = [
        f"{key}: missing, and Fargate needs it"
        for key in ("cpu", "memory", "networkMode")
        if inputs.get(key) is None
    ]
    problems += one_of(inputs, "networkMode", ("awsvpc",))
    cpu, memory = value_at(inputs, "cpu"), value_at(inputs, "memory")
    if cpu and memory:
        problems += _size_problems(str(cpu), str(memory))
    for container in containers:
        at = f"{_INPUT}.{container.get('name')}"
        if _needs_role(container) and inputs.get("executionRoleArn") is None:
            problems.append(f"executionRoleArn: missing, and {at} needs it")
        if container.get("privileged"):
            problems.append(f"{at}.privileged: Fargate does not offer it")
        found = within(container, "stopTimeout", 0, _STOP_SECONDS)
        problems += [f"{at}.{problem}" for problem in found]
    return problems


def _size_problems(cpu: str, memory: str) -> list[str]:
    """Words such as `1 vCPU` and `2 GB` are AWS's to judge."""
    if not (cpu.isdigit() and memory.isdigit()):
        return []
    offered = _FARGATE_MEMORY.get(int(cpu))
    if offered is None:
        choices = ", ".join(map(str, _FARGATE_MEMORY))
        return [f"cpu: Fargate does not offer {cpu} units; it offers {choices}"]
    if int(memory) not in offered:
        choices = ", ".join(map(str, offered))
        return [
            f"memory: Fargate does not offer {memory} MiB with {cpu} CPU units; it "
            f"offers {choices}"
        ]
    return []


def _needs_role(container: Mapping[str, Any]) -> bool:
    """Whether ECS itself must pull, log or read secrets for the container."""
    driver = container.get("logConfiguration", {}).get("logDriver")
    private = ".dkr.ecr." in str(container.get("image"))
    return bool(private or driver == "awslogs" or container.get("secrets"))
