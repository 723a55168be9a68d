from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from components.container_definitions import (
    Container,
    HealthCheck,
    Logging,
    canonical,
)

LOGGING = Logging(group="/ecs/app", region="eu-central-1")
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/KEY-AbCdEf"
HEALTH = HealthCheck(command=["CMD", "node", "-e", "0"])


def container(**changes: Any) -> Container:
    return Container(
        **{"name": "app", "image": "app@sha256:1", "logging": LOGGING, "user": "1:1"}
        | changes
    )


def only(**changes: Any) -> dict[str, Any]:
    (definition,) = json.loads(canonical([container(**changes)]))
    return definition


variables = st.dictionaries(
    st.from_regex(r"[A-Z][A-Z_]{0,12}", fullmatch=True),
    st.text(max_size=20),
    max_size=8,
)
volumes = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.from_regex(r"/[a-z/]{1,8}", fullmatch=True),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(variables, variables, volumes, st.randoms(use_true_random=False))
def test_order_of_what_is_given_never_shows(environment, secrets, paths, chance):
    def shuffled(items: Iterable[Any]) -> list[Any]:
        items = list(items)
        chance.shuffle(items)
        return items

    def text(order: Callable[[Iterable[Any]], list[Any]]) -> str:
        containers = [
            container(
                name=name,
                environment=dict(order(environment.items())),
                secrets=dict(order(secrets.items())),
                volumes=dict(order(paths.items())),
                health_check=HEALTH,
                after=order(after),
                ports=order(ports),
            )
            for name, after, ports in (
                ("b", ["x", "y", "z"], [80, 22, 443]),
                ("a", [], []),
            )
        ]
        return canonical(order(containers))

    first, second = text(list), text(shuffled)
    assert first.encode() == second.encode()
    assert [definition["name"] for definition in json.loads(first)] == ["a", "b"]


@settings(max_examples=50, deadline=None)
@given(variables, variables)
def test_every_variable_comes_through_unchanged(environment, secrets):
    definition = only(environment=environment, secrets=secrets)
    assert {e["name"]: e["value"] for e in definition["environment"]} == environment
    assert {e["name"]: e["valueFrom"] for e in definition["secrets"]} == secrets


def test_secrets_are_references_and_nothing_else():
    definition = only(environment={"PORT": "3001"}, secrets={"KEY": ARN})
    assert definition["secrets"] == [{"name": "KEY", "valueFrom": ARN}]
    assert ARN not in json.dumps(definition["environment"])


def test_what_aws_would_fill_in_is_spelt_out():
    definition = only(ports=[3001])
    assert definition["portMappings"] == [
        {"containerPort": 3001, "hostPort": 3001, "protocol": "tcp"}
    ]
    assert definition["cpu"] == 0
    for key in (
        "dependsOn",
        "environment",
        "mountPoints",
        "secrets",
        "systemControls",
        "volumesFrom",
    ):
        assert definition[key] == []
    assert definition["logConfiguration"]["secretOptions"] == []


def test_the_image_decides_what_is_not_said():
    definition = only()
    assert "command" not in definition
    assert "healthCheck" not in definition
    assert "entryPoint" not in definition


def test_a_container_writes_only_where_it_was_told():
    definition = only(volumes={"tmp": "/scratch"}, user="1001:1001")
    assert definition["readonlyRootFilesystem"] is True
    assert definition["user"] == "1001:1001"
    assert definition["mountPoints"] == [
        {"sourceVolume": "tmp", "containerPath": "/scratch", "readOnly": False}
    ]


def test_signals_reach_the_app_and_it_gets_time():
    definition = only(stop_timeout=45)
    assert definition["linuxParameters"] == {"initProcessEnabled": True}
    assert definition["stopTimeout"] == 45


def test_slow_logging_does_not_block_the_app():
    log = only()["logConfiguration"]
    assert log["logDriver"] == "awslogs"
    assert log["options"] == {
        "awslogs-group": "/ecs/app",
        "awslogs-region": "eu-central-1",
        "awslogs-stream-prefix": "ecs",
        "mode": "non-blocking",
        "max-buffer-size": "25m",
    }


def test_health_is_asked_inside_the_container():
    check = HealthCheck(
        command=["CMD", "node"], interval=7, timeout=3, retries=2, start_period=9
    )
    assert only(health_check=check)["healthCheck"] == {
        "command": ["CMD", "node"],
        "interval": 7,
        "timeout": 3,
        "retries": 2,
        "startPeriod": 9,
    }


def test_a_container_waits_for_the_success_of_others():
    assert only(after=["migrate"])["dependsOn"] == [
        {"containerName": "migrate", "condition": "SUCCESS"}
    ]


def test_the_text_has_one_form_only():
    text = canonical([container(name=name) for name in ("c", "a", "b")])
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
