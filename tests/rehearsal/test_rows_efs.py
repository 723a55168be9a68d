"""The rows of EFS: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To
from tests.rehearsal.surroundings import ZONES, key, network

FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
ACCESS_POINT = "aws:efs/accessPoint:AccessPoint"
MOUNT_TARGET = "aws:efs/mountTarget:MountTarget"

AWAY = {"transitionToIa": "AFTER_30_DAYS"}
BACK = {"transitionToPrimaryStorageClass": "AFTER_1_ACCESS"}


def file_systems(site: Site) -> list[str]:
    pages = site.client("efs").get_paginator("describe_file_systems").paginate()
    return [one["FileSystemId"] for page in pages for one in page["FileSystems"]]


def file_system(site: Site) -> Case:
    efs = site.client("efs")
    return Case(
        inputs={
            "encrypted": True,
            "kmsKeyId": key(site.aws),
            "lifecyclePolicies": [AWAY, BACK],
        },
        listing=lambda: file_systems(site),
        updates={"lifecyclePolicies": [{"transitionToIa": "AFTER_1_DAY"}]},
        replaces={
            "availabilityZoneName": ZONES[0],
            "creationToken": site.name(),
            "encrypted": To(False, kmsKeyId=None),
            "kmsKeyId": key(site.aws, 1),
            "performanceMode": "maxIO",
        },
        unverified={
            "throughputMode": "elastic",
            "provisionedThroughputInMibps": To(16, throughputMode="provisioned"),
        },
        drift=[
            Drift(
                act=lambda id: efs.put_lifecycle_configuration(
                    FileSystemId=id, LifecyclePolicies=[]
                ),
                seen="lifecyclePolicies",
            )
        ],
        refused=[
            ({"encrypted": None}, "encrypted: must be true"),
            ({"kmsKeyId": "0a1b"}, "an ARN"),
            ({"performanceMode": "maxIo"}, 'Did you mean "maxIO"'),
            ({"throughputMode": "elastik"}, 'Did you mean "elastic"'),
            ({"creationToken": "t" * 65}, "64 characters"),
            (
                {"lifecyclePolicies": [{"transitionToIa": "AFTER_31_DAYS"}]},
                "lifecyclePolicies[0].transitionToIa",
            ),
            ({"lifecyclePolicies": [AWAY] * 4}, "4 rules; EFS takes 3"),
        ],
    )


def access_point(site: Site) -> Case:
    efs = site.client("efs")
    one, other = (str(site.make(FILE_SYSTEM)["id"]) for _ in range(2))
    owner = {"ownerUid": 1001, "ownerGid": 1001, "permissions": "0750"}
    root = {"path": "/uploads", "creationInfo": owner}
    return Case(
        inputs={
            "fileSystemId": one,
            "posixUser": {"uid": 1001, "gid": 1001},
            "rootDirectory": root,
        },
        listing=lambda: [
            found["AccessPointId"]
            for found in efs.describe_access_points()["AccessPoints"]
        ],
        replaces={
            "fileSystemId": other,
            "posixUser": {"uid": 1001, "gid": 1002, "secondaryGids": [1003]},
            "rootDirectory": {**root, "path": "/other"},
        },
        refused=[
            ({"posixUser": {"uid": -1, "gid": 1}}, "posixUser.uid: -1"),
            ({"rootDirectory": {"path": "uploads"}}, "an absolute path"),
            ({"rootDirectory": {"path": "/a/b/c/d/e"}}, "four directories"),
            (
                {"rootDirectory": {**root, "creationInfo": {**owner, "ownerGid": -1}}},
                "ownerGid: -1",
            ),
            (
                {
                    "rootDirectory": {
                        **root,
                        "creationInfo": {**owner, "permissions": "u+w"},
                    }
                },
                "octal",
            ),
        ],
    )


def mount_target(site: Site) -> Case:
    efs, home = site.client("efs"), network(site.aws)
    one, other = (str(site.make(FILE_SYSTEM)["id"]) for _ in range(2))
    return Case(
        inputs={
            "fileSystemId": one,
            "subnetId": home.subnets[0],
            "securityGroups": home.groups[:1],
        },
        listing=lambda: [
            target["MountTargetId"]
            for id in (one, other)
            for target in efs.describe_mount_targets(FileSystemId=id)["MountTargets"]
        ],
        updates={"securityGroups": home.groups},
        replaces={
            "fileSystemId": other,
            "subnetId": home.subnets[1],
            # Two in one zone cannot be: the new address is in another.
            "ipAddress": To("10.0.1.77", subnetId=home.subnets[1]),
        },
        drift=[
            Drift(
                act=lambda id: efs.modify_mount_target_security_groups(
                    MountTargetId=id, SecurityGroups=home.groups[1:]
                ),
                seen="securityGroups",
            )
        ],
        refused=[
            ({"ipAddress": "10.0.1"}, "an IPv4 address"),
            ({"securityGroups": ["sg"] * 6}, "at most 5"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    FILE_SYSTEM: file_system,
    ACCESS_POINT: access_point,
    MOUNT_TARGET: mount_target,
}


class TestEfsRows(Conformance):
    cases = CASES


def test_throughput_is_asked_for_at_creation(site: Site) -> None:
    made = site.make(FILE_SYSTEM, throughputMode="elastic")
    [live] = site.client("efs").describe_file_systems(FileSystemId=made["id"])[
        "FileSystems"
    ]
    assert live["ThroughputMode"] == "elastic"


def test_a_file_system_with_mount_targets_stays(site: Site) -> None:
    files = Resource(FILE_SYSTEM, site.aws)
    files.up({})
    target = Resource(MOUNT_TARGET, site.aws)
    target.up({"fileSystemId": files.id, "subnetId": network(site.aws).subnets[0]})
    with pytest.raises(ClientError, match="mount targets"):
        files.destroy()
    target.destroy()
    files.destroy()
    assert not files.refresh()


def test_a_zone_has_one_mount_target(site: Site) -> None:
    inputs: dict[str, Any] = {
        "fileSystemId": site.make(FILE_SYSTEM)["id"],
        "subnetId": network(site.aws).subnets[0],
    }
    target = Resource(MOUNT_TARGET, site.aws)
    target.up(inputs)
    with pytest.raises(ClientError, match="already exists in this AZ"):
        Resource(MOUNT_TARGET, site.aws).up(inputs)
    target.destroy()


def test_an_access_point_needs_its_file_system(site: Site) -> None:
    with pytest.raises(ClientError, match="FileSystemNotFound"):
        Resource(ACCESS_POINT, site.aws).up({"fileSystemId": "fs-0123"})
