"""Rows for EFS: file system, access point, mount target.

Recorded only, because moto cannot take them back or lacks them: the file-system policy
(no delete) and the backup policy (no put).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, refusal, within
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties


class EfsRow(Row):
    """What EFS's resources share."""

    service: ClassVar[str] = "efs"

    def found(self, aws: Aws, call: str, answer: str, **id: str) -> dict[str, Any]:
        """The one thing that a describe call gives; empty when it is gone."""
        try:
            found = getattr(aws.client("efs"), call)(**id)[answer]
        except ClientError as error:
            if is_gone(error):
                return {}
            raise
        return dict(found[0]) if found else {}

    def retag(self, aws: Aws, id: str, old: Properties, new: Properties) -> None:
        """Bring the tags of an id in line."""
        wanted, unwanted = tag_changes(old, new)
        efs = aws.client("efs")
        if wanted:
            efs.tag_resource(ResourceId=id, Tags=tag_list(wanted))
        if unwanted:
            efs.untag_resource(ResourceId=id, TagKeys=unwanted)

    def refuse_missing(self, aws: Aws, operation: str, id: str) -> None:
        """Without its file system AWS makes nothing; moto does not always look."""
        call = "describe_file_systems"
        if not self.found(aws, call, "FileSystems", FileSystemId=id):
            raise refusal(
                operation, "FileSystemNotFound", f"File system '{id}' does not exist."
            )


_IA = tuple(
    f"AFTER_{days}_DAY{'' if days == 1 else 'S'}"
    for days in (1, 7, 14, 30, 60, 90, 180, 270, 365)
)
# Each rule of the lifecycle with its field and the values that AWS knows.
_TRANSITIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "transitionToIa": ("TransitionToIA", _IA),
    "transitionToArchive": ("TransitionToArchive", _IA),
    "transitionToPrimaryStorageClass": (
        "TransitionToPrimaryStorageClass",
        ("AFTER_1_ACCESS",),
    ),
}


class FileSystem(EfsRow):
    """aws.efs.FileSystem."""

    token = "aws:efs/fileSystem:FileSystem"
    tagged = True
    replaces = frozenset(
        {
            "availabilityZoneName",
            "creationToken",
            "encrypted",
            "kmsKeyId",
            "performanceMode",
        }
    )
    updates = frozenset({"lifecyclePolicies"})
    # moto takes them at creation, and has no call that changes them.
    unverified = frozenset({"provisionedThroughputInMibps", "throughputMode"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "encrypted": False,
        "performanceMode": "generalPurpose",
        "throughputMode": "bursting",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *one_of(inputs, "performanceMode", ("generalPurpose", "maxIO")),
            *one_of(inputs, "throughputMode", ("bursting", "provisioned", "elastic")),
            *matching(inputs, "creationToken", r".{0,64}", "at most 64 characters"),
            *arn(inputs, "kmsKeyId"),
        ]
        if inputs.get("kmsKeyId") is not None and not inputs.get("encrypted"):
            problems.append("encrypted: must be true where kmsKeyId is set")
        policies = inputs.get("lifecyclePolicies")
        rules = policies if isinstance(policies, list) else []
        if len(rules) > len(_TRANSITIONS):
            problems.append(f"lifecyclePolicies: {len(rules)} rules; EFS takes 3")
        for index, rule in enumerate(rules):
            for key, (_, allowed) in _TRANSITIONS.items():
                problems += [
                    f"lifecyclePolicies[{index}].{problem}"
                    for problem in one_of(rule, key, allowed)
                ]
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("efs").create_file_system(
            CreationToken=inputs.get("creationToken") or uuid.uuid4().hex,
            Tags=tag_list(inputs.get("tagsAll")),
            **given(
                inputs,
                availabilityZoneName="AvailabilityZoneName",
                encrypted="Encrypted",
                kmsKeyId="KmsKeyId",
                performanceMode="PerformanceMode",
                provisionedThroughputInMibps="ProvisionedThroughputInMibps",
                throughputMode="ThroughputMode",
            ),
        )
        return str(made["FileSystemId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs.get("lifecyclePolicies"):
            self._move(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.found(aws, "describe_file_systems", "FileSystems", FileSystemId=id)
        if not live:
            return None
        rules = aws.client("efs").describe_lifecycle_configuration(FileSystemId=id)
        return {
            "arn": live["FileSystemArn"],
            "availabilityZoneId": live.get("AvailabilityZoneId"),
            "availabilityZoneName": live.get("AvailabilityZoneName"),
            "creationToken": live["CreationToken"],
            "dnsName": f"{id}.efs.{aws.region}.amazonaws.com",
            "encrypted": live["Encrypted"],
            "kmsKeyId": live.get("KmsKeyId"),
            "lifecyclePolicies": [
                {
                    key: rule[field]
                    for key, (field, _) in _TRANSITIONS.items()
                    if field in rule
                }
                for rule in rules["LifecyclePolicies"]
            ],
            "name": live.get("Name") or "",
            "numberOfMountTargets": live["NumberOfMountTargets"],
            "ownerId": live["OwnerId"],
            "performanceMode": live["PerformanceMode"],
            "tagsAll": tag_map(live["Tags"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if "lifecyclePolicies" in changed:
            self._move(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("efs").delete_file_system, FileSystemId=id)

    def _move(self, aws: Aws, id: str, inputs: Properties) -> None:
        fields = {key: field for key, (field, _) in _TRANSITIONS.items()}
        aws.client("efs").put_lifecycle_configuration(
            FileSystemId=id,
            LifecyclePolicies=[
                given(rule, **fields) for rule in inputs.get("lifecyclePolicies") or []
            ],
        )


_USER: Mapping[str, str] = {
    "gid": "Gid",
    "secondaryGids": "SecondaryGids",
    "uid": "Uid",
}
_OWNER: Mapping[str, str] = {
    "ownerGid": "OwnerGid",
    "ownerUid": "OwnerUid",
    "permissions": "Permissions",
}
_HIGHEST_ID = 2**32 - 1


class AccessPoint(EfsRow):
    """aws.efs.AccessPoint: nothing of it changes but the tags."""

    token = "aws:efs/accessPoint:AccessPoint"
    tagged = True
    replaces = frozenset({"fileSystemId", "posixUser", "rootDirectory"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        owner = "rootDirectory.creationInfo"
        ids = ("posixUser.gid", "posixUser.uid", f"{owner}.ownerGid")
        return [
            *(
                problem
                for path in (*ids, f"{owner}.ownerUid")
                for problem in within(inputs, path, 0, _HIGHEST_ID)
            ),
            *matching(
                inputs, f"{owner}.permissions", r"[0-7]{3,4}", "3 or 4 octal digits"
            ),
            *matching(
                inputs,
                "rootDirectory.path",
                r"(?=.{1,100}$)(/|(/[^/$#<>;`|&?{}^*\n]+){1,4})",
                "an absolute path of at most four directories",
            ),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self.refuse_missing(aws, "CreateAccessPoint", inputs["fileSystemId"])
        root = dict(inputs.get("rootDirectory") or {})
        directory = given(root, path="Path")
        if root.get("creationInfo"):
            directory["CreationInfo"] = given(root["creationInfo"], **_OWNER)
        user = given(inputs.get("posixUser") or {}, **_USER)
        made = aws.client("efs").create_access_point(
            ClientToken=uuid.uuid4().hex,
            FileSystemId=inputs["fileSystemId"],
            Tags=tag_list(inputs.get("tagsAll")),
            **({"PosixUser": user} if user else {}),
            **({"RootDirectory": directory} if directory else {}),
        )
        return str(made["AccessPointId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.found(
            aws, "describe_access_points", "AccessPoints", AccessPointId=id
        )
        if not live:
            return None
        root = live["RootDirectory"]
        user = live.get("PosixUser")
        owner = root.get("CreationInfo")
        return {
            "arn": live["AccessPointArn"],
            "fileSystemArn": _file_system_arn(aws, live["FileSystemId"]),
            "fileSystemId": live["FileSystemId"],
            "ownerId": live["OwnerId"],
            "posixUser": _said(user, _USER) if user else None,
            "rootDirectory": {
                "path": root["Path"],
                **({"creationInfo": _said(owner, _OWNER)} if owner else {}),
            },
            "tagsAll": tag_map(live["Tags"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("efs").delete_access_point, AccessPointId=id)


_MOST_GROUPS = 5


class MountTarget(EfsRow):
    """aws.efs.MountTarget: one in a zone, so one that is replaced there goes first.

    As with the real provider, that is up to the program: `delete_before_replace`.
    """

    token = "aws:efs/mountTarget:MountTarget"
    replaces = frozenset({"fileSystemId", "ipAddress", "subnetId"})
    updates = frozenset({"securityGroups"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = matching(
            inputs, "ipAddress", r"\d{1,3}(\.\d{1,3}){3}", "an IPv4 address"
        )
        groups = inputs.get("securityGroups")
        if not is_unknown(groups) and len(groups or []) > _MOST_GROUPS:
            problems.append(f"securityGroups: at most {_MOST_GROUPS}")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("efs").create_mount_target(
            **given(
                inputs,
                fileSystemId="FileSystemId",
                ipAddress="IpAddress",
                securityGroups="SecurityGroups",
                subnetId="SubnetId",
            )
        )
        return str(made["MountTargetId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.found(
            aws, "describe_mount_targets", "MountTargets", MountTargetId=id
        )
        if not live:
            return None
        groups = aws.client("efs").describe_mount_target_security_groups(
            MountTargetId=id
        )
        files, zone = live["FileSystemId"], live["AvailabilityZoneName"]
        name = f"{files}.efs.{aws.region}.amazonaws.com"
        return {
            "availabilityZoneId": live["AvailabilityZoneId"],
            "availabilityZoneName": zone,
            "dnsName": name,
            "fileSystemArn": _file_system_arn(aws, files),
            "fileSystemId": files,
            "ipAddress": live["IpAddress"],
            "mountTargetDnsName": f"{zone}.{name}",
            "networkInterfaceId": live["NetworkInterfaceId"],
            "ownerId": live["OwnerId"],
            "securityGroups": groups.get("SecurityGroups") or [],
            "subnetId": live["SubnetId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        aws.client("efs").modify_mount_target_security_groups(
            MountTargetId=id, SecurityGroups=new.get("securityGroups") or []
        )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("efs").delete_mount_target, MountTargetId=id)


def _said(live: Mapping[str, Any], fields: Mapping[str, str]) -> Properties:
    """An object of the API under the names of the program."""
    return {key: live[field] for key, field in fields.items() if field in live}


def _file_system_arn(aws: Aws, id: str) -> str:
    return f"arn:aws:elasticfilesystem:{aws.region}:{aws.account_id}:file-system/{id}"


ROWS: tuple[type[Row], ...] = (FileSystem, AccessPoint, MountTarget)
INVOKES: Mapping[str, Invoke] = {}
