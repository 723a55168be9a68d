"""Uploads: a file system on EFS that all tasks share and that outlives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pulumi
import pulumi_aws as aws

from components import iam
from components.shared_directory import SharedDirectory

INFREQUENT_ACCESS_DAYS = (1, 7, 14, 30, 60, 90, 180, 270, 365)
"""Days without access after which EFS moves a file to cheaper storage.

https://docs.aws.amazon.com/efs/latest/ug/API_LifecyclePolicy.html
"""

_HIGHEST_ID = 2**32 - 1
"""https://docs.aws.amazon.com/efs/latest/ug/API_PosixUser.html"""

_MOST_GROUPS = 5
"""https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html"""

_DIRECTORY = "/uploads"
"""Where the files lie in the file system, wherever a task mounts them."""

_CLIENT_ACTIONS = [
    "elasticfilesystem:ClientMount",
    "elasticfilesystem:ClientRootAccess",
    "elasticfilesystem:ClientWrite",
]
"""All that a client can do by NFS.

https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
"""


@dataclass(frozen=True, kw_only=True)
class UploadsArgs:
    """What uploads need to know.

    subnet_ids: private subnets, one in each zone that tasks run in; new ones are
        added at the end.
    security_group_ids: who may connect is decided there (1 to 5).
    kms_key_arn: customer key that encrypts the files.
    path: absolute directory in the containers.
    uid, gid: who owns the directory and every file (not root). Fixed from the first
        mount on: EFS gives a directory that exists to nobody else.
    infrequent_access_days: days without access until a file moves to cheaper storage,
        one of `INFREQUENT_ACCESS_DAYS`; None for never.
    automatic_backups: EFS's own daily backup, kept for 35 days (EFS.7); not needed
        where a backup plan includes the file system (EFS.2).
    """

    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    path: str
    uid: int
    gid: int
    infrequent_access_days: int | None = 30
    automatic_backups: bool

    def __post_init__(self) -> None:
        if not self.subnet_ids:
            raise ValueError("subnet_ids: without one no task reaches the files")
        if not 1 <= len(self.security_group_ids) <= _MOST_GROUPS:
            raise ValueError(
                f"security_group_ids: {len(self.security_group_ids)} groups; a mount "
                f"target has 1 to {_MOST_GROUPS}"
            )
        path = PurePosixPath(self.path)
        if not path.is_absolute() or len(path.parts) < 2 or ".." in path.parts:
            raise ValueError(f'path: "{self.path}" is no absolute path below /')
        for key, number in (("uid", self.uid), ("gid", self.gid)):
            if not 1 <= number <= _HIGHEST_ID:
                raise ValueError(
                    f"{key}: {number} is not between 1 and {_HIGHEST_ID}; files do "
                    f"not belong to root (0)"
                )
        if self.infrequent_access_days not in (None, *INFREQUENT_ACCESS_DAYS):
            raise ValueError(
                f"infrequent_access_days: {self.infrequent_access_days} is not one of "
                f"{', '.join(map(str, INFREQUENT_ACCESS_DAYS))}"
            )


class Uploads(pulumi.ComponentResource):
    """An encrypted file system (EFS.1) with one way in: TLS and its access point.

    The access point shows one directory (EFS.3) and replaces whoever writes by the
    app's user (EFS.4), so a file belongs to the app whichever task made it. Throughput
    follows demand and storage follows use: nothing has to be sized. Mount targets have
    no public address (EFS.6).

    The file-system policy only denies. Having one takes the place of EFS's default,
    which lets in everybody who reaches a mount target; who may mount is said in the
    policy of the task's own role, so the two need not know each other. It concerns
    NFS clients only: administration and backups go by the API.

    Only the file system holds data: the rest stays replaceable when the component is
    protected.
    """

    directory: SharedDirectory
    """What a task mounts; known only once it can be mounted."""

    file_system_id: pulumi.Output[str]
    """File system, the dimension `FileSystemId` of its metrics."""

    file_system_arn: pulumi.Output[str]
    """ARN of the file system, for backup plans."""

    def __init__(
        self, name: str, args: UploadsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Uploads", name, None, opts)
        replaceable = pulumi.ResourceOptions(parent=self, protect=False)
        name = f"{name}-uploads"

        files = aws.efs.FileSystem(
            name,
            encrypted=True,
            kms_key_id=args.kms_key_arn,
            throughput_mode="elastic",
            lifecycle_policies=_lifecycle(args.infrequent_access_days),
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        entrance = aws.efs.AccessPoint(
            name,
            file_system_id=files.id,
            posix_user=aws.efs.AccessPointPosixUserArgs(uid=args.uid, gid=args.gid),
            root_directory=aws.efs.AccessPointRootDirectoryArgs(
                path=_DIRECTORY,
                creation_info=aws.efs.AccessPointRootDirectoryCreationInfoArgs(
                    owner_uid=args.uid, owner_gid=args.gid, permissions="0750"
                ),
            ),
            tags={"Name": name},
            opts=replaceable,
        )
        policy = aws.efs.FileSystemPolicy(
            name,
            file_system_id=files.id,
            policy=pulumi.Output.all(files.arn, entrance.arn).apply(
                lambda arns: _policy(*arns)
            ),
            opts=replaceable,
        )
        aws.efs.BackupPolicy(
            name,
            file_system_id=files.id,
            backup_policy=aws.efs.BackupPolicyBackupPolicyArgs(
                status="ENABLED" if args.automatic_backups else "DISABLED"
            ),
            opts=replaceable,
        )
        targets = [
            aws.efs.MountTarget(
                f"{name}-{index}",
                file_system_id=files.id,
                subnet_id=subnet,
                security_groups=args.security_group_ids,
                # There is one in a zone: the old one makes room for the new one.
                opts=pulumi.ResourceOptions(
                    parent=self, protect=False, delete_before_replace=True
                ),
            )
            for index, subnet in enumerate(args.subnet_ids)
        ]

        self.file_system_id = files.id
        self.file_system_arn = files.arn
        self.directory = SharedDirectory(
            path=args.path,
            file_system_id=files.id,
            file_system_arn=files.arn,
            # A task that starts before all of them exist cannot mount, and fails.
            access_point_id=pulumi.Output.all(
                entrance.id, policy.id, *(target.id for target in targets)
            ).apply(lambda ids: str(ids[0])),
            access_point_arn=entrance.arn,
        )
        self.register_outputs(
            {
                "file_system_id": self.file_system_id,
                "file_system_arn": self.file_system_arn,
                "access_point_id": self.directory.access_point_id,
                "access_point_arn": self.directory.access_point_arn,
            }
        )


def _lifecycle(
    days: int | None,
) -> list[aws.efs.FileSystemLifecyclePolicyArgs] | None:
    """Away after so many days, and back with the next access; one rule an object."""
    if days is None:
        return None
    return [
        aws.efs.FileSystemLifecyclePolicyArgs(
            transition_to_ia=f"AFTER_{days}_DAY{'' if days == 1 else 'S'}"
        ),
        aws.efs.FileSystemLifecyclePolicyArgs(
            transition_to_primary_storage_class="AFTER_1_ACCESS"
        ),
    ]


def _policy(file_system_arn: str, access_point_arn: str) -> str:
    everybody: dict[str, object] = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": _CLIENT_ACTIONS,
        "Resource": file_system_arn,
    }
    return iam.document(
        {
            "Sid": "OnlyByTls",
            **everybody,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            # Also true of a client that uses no access point at all.
            "Sid": "OnlyThroughTheAccessPoint",
            **everybody,
            "Condition": {
                "StringNotEquals": {
                    "elasticfilesystem:AccessPointArn": access_point_arn
                }
            },
        },
    )
