"""What the tasks of services and of schedules have in common: shared directories.

The rest of a task is looked at through `tests/unit/test_service.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.shared_directory import SharedDirectory
from components.task_definition import TaskArgs, TaskContainer, define_task
from tests.graph import UNKNOWN, Graph

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"
LOGS = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/ecs/app"
EFS = f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}"

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


def directory(path: str, number: int = 1) -> SharedDirectory:
    return SharedDirectory(
        path=path,
        file_system_id=f"fs-{number}",
        file_system_arn=f"{EFS}:file-system/fs-{number}",
        access_point_id=f"fsap-{number}",
        access_point_arn=f"{EFS}:access-point/fsap-{number}",
    )


def args(**changes: Any) -> TaskArgs:
    return TaskArgs(
        **{
            "image": "public.ecr.aws/app@sha256:1",
            "repository_arn": None,
            "environment": {},
            "secrets": {},
            "writable_paths": ["/scratch"],
            "shared": [directory("/app/uploads")],
            "cpu": 256,
            "memory": 512,
            "kms_key_arn": KEY,
        }
        | changes
    )


def program(given: TaskArgs, **changes: Any) -> None:
    define_task(
        "app",
        given,
        [TaskContainer(name="app"), TaskContainer(name="beside", essential=False)],
        **{
            "log_group_name": "/ecs/app",
            "log_group_arn": LOGS,
            "policies": {},
            "parent": pulumi.ComponentResource("stromhaltig:aws:Owner", "owner"),
        }
        | changes,
    )


def build(graph: Graph, **changes: Any) -> None:
    graph.build(lambda: program(args(**changes)))


def test_a_shared_directory_is_mounted_by_tls_and_iam_through_its_access_point(graph):
    build(graph)
    volumes = {volume["name"]: volume for volume in graph.one(TASK)["volumes"]}
    assert volumes == {
        "scratch": {"name": "scratch"},
        "app-uploads": {
            "name": "app-uploads",
            "efsVolumeConfiguration": {
                "fileSystemId": "fs-1",
                "transitEncryption": "ENABLED",
                "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
            },
        },
    }


def test_every_container_of_the_task_sees_it(graph):
    build(graph)
    containers = json.loads(graph.one(TASK)["containerDefinitions"])
    assert [container["name"] for container in containers] == ["app", "beside"]
    for container in containers:
        assert {
            mount["sourceVolume"]: mount["containerPath"]
            for mount in container["mountPoints"]
        } == {"app-uploads": "/app/uploads", "scratch": "/scratch"}


def test_the_task_role_writes_through_the_access_points_only_and_not_as_root(graph):
    build(graph, shared=[directory("/app/uploads"), directory("/app/more", 2)])
    assert graph.policy(ROLE_POLICY, "app-shared")["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "elasticfilesystem:ClientMount",
                "elasticfilesystem:ClientWrite",
            ],
            "Resource": f"{EFS}:file-system/fs-{number}",
            "Condition": {
                "StringEquals": {
                    "elasticfilesystem:AccessPointArn": (
                        f"{EFS}:access-point/fsap-{number}"
                    )
                }
            },
        }
        for number in (1, 2)
    ]
    role = graph.one(ROLE, "app-task").outputs["name"]
    assert graph.one(ROLE_POLICY, "app-shared")["role"] == role


def test_a_task_that_only_reads_may_not_write(graph):
    build(graph, shared_writable=False)
    (mount,) = graph.policy(ROLE_POLICY, "app-shared")["Statement"]
    assert mount["Action"] == ["elasticfilesystem:ClientMount"]


def test_without_shared_directories_the_task_role_may_do_nothing(graph):
    build(graph, shared=[])
    assert [policy.name for policy in graph.all(ROLE_POLICY)] == ["app-execution"]


def test_the_order_of_directories_makes_no_new_revision(graph):
    some = [directory("/app/uploads"), directory("/app/more", 2)]
    build(graph, shared=some)
    first = graph.one(TASK)["containerDefinitions"]
    build(graph, shared=some[::-1])
    assert graph.one(TASK)["containerDefinitions"] == first


def test_all_of_it_belongs_to_who_asked_for_it(graph):
    build(graph)
    owner = graph.one("stromhaltig:aws:Owner").urn
    assert {resource.parent for resource in graph.resources} == {owner}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uid": 0}, "0 is root"),
        ({"shared": [directory("uploads")]}, 'shared: "uploads" is no absolute'),
        ({"writable_paths": ["/"]}, 'writable_paths: "/" is no absolute'),
        (
            {"writable_paths": ["/app/uploads"]},
            "/app/uploads, /app/uploads give one volume name",
        ),
        (
            {"environment": {"KEY": "x"}, "secrets": {"KEY": "y"}},
            "KEY: in environment and in secrets",
        ),
    ],
)
def test_what_no_task_can_have_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_a_preview_without_a_known_file_system_is_complete(graph):
    def preview() -> None:
        unknown = pulumi.CustomResource("aws:sns/topic:Topic", "u", {"arn": None}).id
        some = SharedDirectory(
            path="/app/uploads",
            file_system_id=unknown,
            file_system_arn=unknown,
            access_point_id=unknown,
            access_point_arn=unknown,
        )
        program(args(shared=[some]), log_group_arn=unknown)

    graph.build(preview, preview=True)
    assert graph.one(ROLE_POLICY, "app-shared")["policy"] == UNKNOWN
    assert graph.one(ROLE, "app-task")["assumeRolePolicy"] == UNKNOWN
    _, shared = graph.one(TASK)["volumes"]
    assert shared["efsVolumeConfiguration"]["fileSystemId"] == UNKNOWN
