"""Uploads: one directory, one user, one way in, and files that outlive every task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.uploads import Uploads, UploadsArgs
from tests.graph import UNKNOWN, Graph

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234"
FILES = "aws:efs/fileSystem:FileSystem"
ENTRANCE = "aws:efs/accessPoint:AccessPoint"
TARGET = "aws:efs/mountTarget:MountTarget"
POLICY = "aws:efs/fileSystemPolicy:FileSystemPolicy"
BACKUP = "aws:efs/backupPolicy:BackupPolicy"

MOUNT = "elasticfilesystem:ClientMount"
WRITE = "elasticfilesystem:ClientWrite"
ROOT = "elasticfilesystem:ClientRootAccess"


def args(**changes: Any) -> UploadsArgs:
    return UploadsArgs(
        **{
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "kms_key_arn": KEY,
            "path": "/app/uploads",
            "uid": 1001,
            "gid": 1002,
            "automatic_backups": True,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Uploads("app", args(**changes)))


def allowed(
    graph: Graph, action: str, *, tls: bool, access_point: str | None = None
) -> bool:
    """Whether the file-system policy lets a client pass whose role may do the action.

    As IAM evaluates it: a negated condition holds where the key is missing.
    """
    return not any(
        action in statement["Action"]
        and _holds(statement["Condition"], tls, access_point)
        for statement in graph.policy(POLICY)["Statement"]
        if statement["Effect"] == "Deny"
    )


def _holds(condition: Mapping[str, Any], tls: bool, access_point: str | None) -> bool:
    match condition:
        case {"Bool": {"aws:SecureTransport": wanted}}:
            return str(tls).lower() == wanted
        case {"StringNotEquals": {"elasticfilesystem:AccessPointArn": arn}}:
            return access_point != arn
        case _:
            raise AssertionError(condition)


def test_files_are_encrypted_with_the_customer_key(graph):
    build(graph)
    files = graph.one(FILES)
    assert files["encrypted"] is True
    assert files["kmsKeyId"] == KEY


def test_throughput_follows_demand(graph):
    build(graph)
    assert graph.one(FILES)["throughputMode"] == "elastic"


def test_files_that_nobody_reads_move_away_and_come_back(graph):
    build(graph)
    assert graph.one(FILES)["lifecyclePolicies"] == [
        {"transitionToIa": "AFTER_30_DAYS"},
        {"transitionToPrimaryStorageClass": "AFTER_1_ACCESS"},
    ]
    build(graph, infrequent_access_days=1)
    assert graph.one(FILES)["lifecyclePolicies"][0] == {"transitionToIa": "AFTER_1_DAY"}


def test_files_may_stay_where_they_are(graph):
    build(graph, infrequent_access_days=None)
    assert "lifecyclePolicies" not in graph.one(FILES).inputs


def test_every_file_belongs_to_the_app_whoever_writes(graph):
    build(graph)
    entrance = graph.one(ENTRANCE)
    assert entrance["posixUser"] == {"uid": 1001, "gid": 1002}
    assert entrance["rootDirectory"]["creationInfo"] == {
        "ownerUid": 1001,
        "ownerGid": 1002,
        "permissions": "0750",
    }


def test_the_access_point_shows_one_directory_wherever_it_is_mounted(graph):
    build(graph, path="/app/uploads")
    first = graph.one(ENTRANCE)["rootDirectory"]["path"]
    build(graph, path="/srv/files")
    assert graph.one(ENTRANCE)["rootDirectory"]["path"] == first != "/"


def test_each_subnet_has_a_mount_target(graph):
    build(graph, subnet_ids=["subnet-1", "subnet-2", "subnet-3"])
    targets = graph.all(TARGET)
    assert [target["subnetId"] for target in targets] == [
        "subnet-1",
        "subnet-2",
        "subnet-3",
    ]
    assert {tuple(target["securityGroups"]) for target in targets} == {("sg-1",)}
    assert {target["fileSystemId"] for target in targets} == {graph.one(FILES).id}
    # EFS refuses a second one in the same zone.
    assert all(target.delete_before_replace for target in targets)


def test_one_way_in_by_tls_through_the_access_point(graph):
    build(graph)
    entrance = graph.one(ENTRANCE).outputs["arn"]
    assert allowed(graph, MOUNT, tls=True, access_point=entrance)
    assert allowed(graph, WRITE, tls=True, access_point=entrance)


@pytest.mark.parametrize("action", [MOUNT, WRITE, ROOT])
def test_every_other_way_is_closed(graph, action):
    build(graph)
    entrance = graph.one(ENTRANCE).outputs["arn"]
    assert not allowed(graph, action, tls=False, access_point=entrance)
    assert not allowed(graph, action, tls=True, access_point=None)
    assert not allowed(graph, action, tls=True, access_point=f"{entrance}0")


def test_the_policy_grants_nothing_and_concerns_clients_of_this_file_system_only(graph):
    build(graph)
    statements = graph.policy(POLICY)["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Deny"}
    assert {statement["Resource"] for statement in statements} == {
        graph.one(FILES).outputs["arn"]
    }
    # A denial of everything would lock out administration and backups as well.
    assert {action for one in statements for action in one["Action"]} == {
        MOUNT,
        WRITE,
        ROOT,
    }


@pytest.mark.parametrize(("wanted", "status"), [(True, "ENABLED"), (False, "DISABLED")])
def test_efs_backs_up_unless_a_plan_does(graph, wanted, status):
    build(graph, automatic_backups=wanted)
    assert graph.one(BACKUP)["backupPolicy"] == {"status": status}


def test_tasks_get_what_they_need_to_mount_the_directory(graph):
    outputs = build(graph)
    files, entrance = graph.one(FILES), graph.one(ENTRANCE)
    assert outputs == {
        "directory": {
            "path": "/app/uploads",
            "file_system_id": files.id,
            "file_system_arn": files.outputs["arn"],
            "access_point_id": entrance.id,
            "access_point_arn": entrance.outputs["arn"],
        },
        "file_system_id": files.id,
        "file_system_arn": files.outputs["arn"],
    }


def test_tasks_start_once_the_directory_can_be_mounted(graph):
    def program() -> None:
        uploads = Uploads("app", args())
        pulumi.CustomResource(
            "aws:ssm/parameter:Parameter",
            "task",
            {"type": "String", "value": uploads.directory.access_point_id},
        )

    graph.build(program)
    needed = {one.type for one in graph.dependencies(graph.named("task"))}
    assert needed == {ENTRANCE, POLICY, TARGET}
    waited_for = [
        one for one in graph.dependencies(graph.named("task")) if one.type == TARGET
    ]
    assert waited_for == graph.all(TARGET)


def test_only_what_holds_files_is_protected_with_the_component(graph):
    protected = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: Uploads("app", args(), protected))
    assert [one.type for one in graph.resources if one.protect] == [FILES]


def test_all_children_belong_to_the_uploads(graph):
    build(graph)
    uploads = graph.one("stromhaltig:aws:Uploads")
    assert {resource.parent for resource in graph.resources} == {uploads.urn}


def test_a_preview_knows_the_path_only(graph):
    outputs = graph.build(lambda: Uploads("app", args()), preview=True)
    assert outputs["directory"]["path"] == "/app/uploads"
    assert outputs["directory"]["access_point_id"] == UNKNOWN
    assert outputs["file_system_id"] == UNKNOWN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subnet_ids": []}, "subnet_ids: without one"),
        ({"security_group_ids": []}, "security_group_ids: 0 groups"),
        ({"security_group_ids": ["sg"] * 6}, "security_group_ids: 6 groups"),
        ({"path": "uploads"}, 'path: "uploads" is no absolute path'),
        ({"path": "/"}, 'path: "/" is no absolute path below'),
        ({"path": "/app/../etc"}, "no absolute path"),
        ({"uid": 0}, r"uid: 0 is not between 1 .* root"),
        ({"gid": 0}, r"gid: 0 is not between 1 .* root"),
        ({"uid": 2**32}, "uid: 4294967296 is not between"),
        ({"infrequent_access_days": 31}, "31 is not one of 1, 7, 14, 30"),
    ],
)
def test_what_efs_would_refuse_late_is_refused_at_once(changes, words):
    with pytest.raises(ValueError, match=words):
        args(**changes)
