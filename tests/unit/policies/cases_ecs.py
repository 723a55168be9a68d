"""What breaks the policies about ECS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from resource_graph import Resource
from resource_types import (
    CLUSTER,
    ECS_ACCOUNT_SETTING,
    SERVICE,
    TASK_DEFINITION,
    TASK_SET,
)
from tests.unit.policies.casework import Case, resource

CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "app",
    "user": "1001:1001",
    "readonlyRootFilesystem": True,
    "logConfiguration": {"logDriver": "awslogs", "options": {"mode": "non-blocking"}},
    "environment": [{"name": "LOG_LEVEL", "value": "info"}],
}
WINDOWS = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}


def task(*, inputs: dict[str, Any] | None = None, **container: Any) -> Resource:
    """A task definition; of its container, None takes away what is right."""
    merged = {**CONTAINER, **container}
    definition = {key: value for key, value in merged.items() if value is not None}
    return resource(
        TASK_DEFINITION,
        **{"containerDefinitions": json.dumps([definition]), **(inputs or {})},
    )


def account_setting(name: str, value: str) -> Resource:
    found = resource(ECS_ACCOUNT_SETTING, value=value)
    return replace(found, inputs={**found.inputs, "name": name})


def environment(name: str, value: str) -> Resource:
    return task(environment=[{"name": name, "value": value}])


def log_mode(mode: str | None) -> Resource:
    options = {} if mode is None else {"mode": mode}
    return task(logConfiguration={"logDriver": "awslogs", "options": options})


def public(type_: str, *, assigned: bool) -> Resource:
    return resource(type_, networkConfiguration={"assignPublicIp": assigned})


def efs(**configuration: Any) -> Resource:
    volume = {"name": "uploads", "efsVolumeConfiguration": configuration}
    return task(inputs={"volumes": [{"name": "tmp"}, volume]})


def insights(value: str) -> Resource:
    return resource(CLUSTER, settings=[{"name": "containerInsights", "value": value}])


CASES = (
    Case(
        id="ECS.1",
        good=[
            task(inputs={"networkMode": "host"}),
            task(user=None, inputs={"networkMode": "awsvpc"}),
            # Reported by ECS.4 and ECS.17.
            task(user="root", privileged=True, inputs={"networkMode": "host"}),
        ],
        bad={
            "root": (
                [task(user="root", inputs={"networkMode": "host"})],
                "app runs as root",
            ),
            "root by default": (
                [task(user=None, inputs={"networkMode": "host"})],
                "networkMode is host",
            ),
        },
    ),
    Case(
        id="ECS.2",
        good=[public(SERVICE, assigned=False), resource(SERVICE)],
        bad={
            "public": ([public(SERVICE, assigned=True)], "assignPublicIp is true"),
        },
    ),
    Case(
        id="ECS.16",
        good=[public(TASK_SET, assigned=False), resource(TASK_SET)],
        bad={
            "public": ([public(TASK_SET, assigned=True)], "assignPublicIp is true"),
        },
    ),
    Case(
        id="ECS.3",
        good=[task(), task(inputs={"pidMode": "task"})],
        bad={"host": ([task(inputs={"pidMode": "host"})], "pidMode is host")},
    ),
    Case(
        id="ECS.4",
        good=[task(), task(privileged=False)],
        bad={"privileged": ([task(privileged=True)], "privileged is true in app")},
    ),
    Case(
        id="ECS.5",
        good=[
            task(),
            task(
                readonlyRootFilesystem=False,
                inputs={"runtimePlatform": WINDOWS},
            ),
        ],
        bad={
            "writable": ([task(readonlyRootFilesystem=False)], "in app"),
            "left to its default": (
                [task(readonlyRootFilesystem=None)],
                "readonlyRootFilesystem is not true",
            ),
            "as an object": (
                [resource(TASK_DEFINITION, containerDefinitions={"name": "app"})],
                "in app",
            ),
        },
    ),
    Case(
        id="ECS.8",
        good=[
            task(),
            task(environment=None),
            environment("DB_SECRET", "arn:aws:secretsmanager:eu-central-1:1:secret:db"),
            environment("TLS_PRIVATE_KEY", "/run/secrets/key"),
            environment("REQUIRE_TOKEN", "true"),
            environment("DB_PASSWORD", ""),
            environment("TOKEN_LIFETIME", "24h"),
            environment("DATABASE_URL", "postgres://database.internal:5432/app"),
            resource(TASK_DEFINITION, containerDefinitions="no JSON"),
        ],
        bad={
            "access key": (
                [environment("AWS_ACCESS_KEY_ID", "")],
                "app has AWS_ACCESS_KEY_ID in plain",
            ),
            "by name": ([environment("JWT_SECRET", "hunter2")], "JWT_SECRET"),
            "by name, in lower case": ([environment("api_key", "abc")], "api_key"),
            "password in a URL": (
                [environment("DATABASE_URL", "postgres://app:hunter2@db:5432/app")],
                "DATABASE_URL in plain",
            ),
            "private key": (
                [environment("CERT", "-----BEGIN RSA PRIVATE KEY-----\nMII")],
                "CERT",
            ),
            "key of AWS in another variable": (
                [environment("UPLOADER", "AKIAIOSFODNN7EXAMPLE")],
                "UPLOADER",
            ),
        },
    ),
    Case(
        id="ECS.9",
        good=[task()],
        bad={
            "none": ([task(logConfiguration=None)], "no logDriver in app"),
            "without driver": (
                [task(logConfiguration={"options": {}})],
                "no logDriver",
            ),
        },
    ),
    Case(
        id="ecs_task_definitions_logging_block_mode",
        good=[
            task(),
            # Not blocking is what AWS does by default.
            log_mode(None),
            task(logConfiguration=None),
        ],
        bad={
            "blocking": ([log_mode("blocking")], "mode is blocking in app"),
            "blocking by default of the account": (
                [
                    log_mode(None),
                    account_setting("defaultLogDriverMode", "blocking"),
                ],
                "defaultLogDriverMode",
            ),
        },
    ),
    Case(
        id="ECS.10",
        good=[
            resource(SERVICE),
            resource(SERVICE, platformVersion="LATEST"),
            resource(SERVICE, platformVersion="1.4.0"),
            resource(
                SERVICE,
                platformVersion="1.0.0",
                comes_from={
                    "taskDefinition": [
                        windows := task(inputs={"runtimePlatform": WINDOWS})
                    ]
                },
            ),
            windows,
        ],
        bad={
            "old": (
                [resource(SERVICE, platformVersion="1.3.0")],
                "platformVersion is 1.3.0",
            ),
            "the latest of Windows, on Linux": (
                [
                    resource(
                        SERVICE,
                        platformVersion="1.0.0",
                        comes_from={"taskDefinition": [task()]},
                    ),
                    task(),
                ],
                "platformVersion is 1.0.0",
            ),
        },
    ),
    Case(
        id="ECS.12",
        good=[insights("enabled"), insights("enhanced")],
        bad={
            "off": ([insights("disabled")], "containerInsights is disabled"),
            "left to its default": ([resource(CLUSTER)], "is not set"),
            "left to the account": (
                [
                    resource(CLUSTER),
                    account_setting("containerInsights", "disabled"),
                ],
                "containerInsights is disabled",
            ),
        },
    ),
    Case(
        id="ECS.17",
        good=[task(), task(inputs={"networkMode": "awsvpc"})],
        bad={"host": ([task(inputs={"networkMode": "host"})], "networkMode is host")},
    ),
    Case(
        id="ECS.18",
        good=[
            efs(transitEncryption="ENABLED"),
            task(),
            task(inputs={"volumes": [{"name": "tmp"}]}),
        ],
        bad={
            "off": (
                [efs(transitEncryption="DISABLED")],
                "transitEncryption of volume uploads is DISABLED",
            ),
            "left to its default": ([efs(fileSystemId="fs-1")], "is DISABLED"),
        },
    ),
    Case(
        id="ECS.20",
        good=[
            task(),
            task(user="node"),
            task(user=None, inputs={"runtimePlatform": WINDOWS}),
        ],
        bad={
            "root": ([task(user="root")], "user is root in app"),
            "root with a group": ([task(user="0:1001")], "user is 0:1001"),
            "left to the image": ([task(user=None)], "user is not set in app"),
        },
    ),
)
