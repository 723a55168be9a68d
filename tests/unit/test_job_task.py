"""A job that somebody starts by hand: its container, its rights, and no schedule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.job_task import NAME_LIMIT, JobTask, JobTaskArgs
from tests.graph import UNKNOWN, Graph

ACCOUNT = "123456789012"
HERE = f"eu-central-1:{ACCOUNT}"

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


def args(**changes: Any) -> JobTaskArgs:
    return JobTaskArgs(
        **{
            "command": ["npm", "run", "job:unpack", "--"],
            "image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:1",
            "repository_arn": f"arn:aws:ecr:{HERE}:repository/app",
            "environment": {"NODE_ENV": "production"},
            "secrets": {},
            "writable_paths": ["/scratch"],
            "cpu": 256,
            "memory": 512,
            "kms_key_arn": f"arn:aws:kms:{HERE}:key/1234",
            "log_group_name": "/ecs/app",
            "log_group_arn": f"arn:aws:logs:{HERE}:log-group:/ecs/app",
        }
        | changes
    )


def build(graph: Graph, *, preview: bool = False, **changes: Any) -> Any:
    return graph.build(lambda: JobTask("app-unpack", args(**changes)), preview=preview)


def test_it_is_a_task_and_nothing_that_starts_one(graph):
    outputs = build(graph)
    assert outputs == {"task_definition_arn": graph.one(TASK).outputs["arn"]}
    assert {r.type for r in graph if r.custom} == {ROLE, ROLE_POLICY, TASK}
    (container,) = json.loads(graph.one(TASK)["containerDefinitions"])
    assert container["command"] == ["npm", "run", "job:unpack", "--"]
    assert container["readonlyRootFilesystem"] is True


def test_it_may_do_what_is_said_and_without_a_word_nothing(graph):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:x/*"}
    build(graph, statements=[statement])
    assert graph.policy(ROLE_POLICY, "app-unpack-job")["Statement"] == [statement]
    build(graph)
    assert [one.name for one in graph.all(ROLE_POLICY)] == ["app-unpack-execution"]


def test_no_command_is_refused():
    with pytest.raises(ValueError, match="command: empty"):
        args(command=[])


def test_a_long_name_is_cut_to_what_iam_takes(graph):
    graph.build(lambda: JobTask("n" * 80, args()))
    assert {len(one.name) for one in graph.all(TASK)} == {NAME_LIMIT}


def test_a_preview_is_complete(graph):
    assert build(graph, preview=True) == {"task_definition_arn": UNKNOWN}
