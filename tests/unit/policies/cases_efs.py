"""What breaks the policies about EFS."""

from __future__ import annotations

from resource_graph import Resource
from resource_types import (
    ACCESS_POINT,
    BACKUP_POLICY,
    BACKUP_SELECTION,
    FILE_SYSTEM,
    MOUNT_TARGET,
    SUBNET,
)
from tests.unit.policies.casework import Case, resource

FILES = resource(FILE_SYSTEM, encrypted=True)
IN_ONE_ZONE = resource(FILE_SYSTEM, "zone", availabilityZoneName="eu-central-1a")
PLAIN = resource(FILE_SYSTEM)
PUBLIC = resource(SUBNET, "public", mapPublicIpOnLaunch=True)
PRIVATE = resource(SUBNET, "private")


def backups(status: str) -> Resource:
    return resource(
        BACKUP_POLICY,
        comes_from={"fileSystemId": [FILES]},
        backupPolicy={"status": status},
    )


CASES = (
    *(
        Case(
            id=id_,
            good=[FILES],
            bad={
                "not encrypted": (
                    [resource(FILE_SYSTEM, encrypted=False)],
                    "encrypted is not true",
                ),
                "left to its default": ([PLAIN], "encrypted is not true"),
            },
        )
        for id_ in ("EFS.1", "EFS.8")
    ),
    Case(
        id="EFS.2",
        good=[FILES, resource(BACKUP_SELECTION, comes_from={"resources": [FILES]})],
        bad={
            "in no plan": ([FILES], "no backup plan"),
            "not by itself either": ([FILES, backups("DISABLED")], "no backup plan"),
            "a selection of others": (
                [FILES, resource(BACKUP_SELECTION, comes_from={"resources": [PUBLIC]})],
                "no backup plan",
            ),
        },
    ),
    Case(
        id="EFS.3",
        good=[resource(ACCESS_POINT, rootDirectory={"path": "/uploads"})],
        bad={
            "the root": (
                [resource(ACCESS_POINT, rootDirectory={"path": "/"})],
                "rootDirectory.path is /",
            ),
            "left to its default": (
                [resource(ACCESS_POINT)],
                "rootDirectory.path is /",
            ),
        },
    ),
    Case(
        id="EFS.4",
        good=[resource(ACCESS_POINT, posixUser={"uid": 1001, "gid": 1001})],
        bad={"nobody in particular": ([resource(ACCESS_POINT)], "posixUser")},
    ),
    Case(
        id="EFS.6",
        good=[PRIVATE, resource(MOUNT_TARGET, comes_from={"subnetId": [PRIVATE]})],
        bad={
            "a public subnet": (
                [PUBLIC, resource(MOUNT_TARGET, comes_from={"subnetId": [PUBLIC]})],
                "mapPublicIpOnLaunch of its subnet public is true",
            )
        },
    ),
    Case(
        id="EFS.7",
        good=[FILES, backups("ENABLED"), IN_ONE_ZONE],
        bad={
            "off": ([FILES, backups("DISABLED")], "backup policy is not ENABLED"),
            "left to its default": ([FILES], "backup policy is not ENABLED"),
        },
    ),
)
