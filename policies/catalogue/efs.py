"""Amazon EFS: file systems that are encrypted, backed up, and entered by one door."""

from __future__ import annotations

from collections.abc import Iterator

from policies.backups import is_backed_up
from policies.model import Severity, Source, policy
from resource_graph import Mark, Resource, ResourceGraph, UndecidedError, names
from resource_types import (
    ACCESS_POINT,
    BACKUP_POLICY,
    FILE_SYSTEM,
    MOUNT_TARGET,
    SUBNET,
)


@policy(
    "EFS.1",
    FILE_SYSTEM,
    title="File systems are encrypted at rest with a KMS key",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set encrypted=True, and kms_key_id for a key of your own. A file system "
    "that exists has to be replaced: copy its files to the new one.",
)
def encrypted_with_kms(files: Resource) -> Iterator[str]:
    """Who gets at the disks does not get at the files."""
    if files.get("encrypted") is not True:
        yield "encrypted is not true"


@policy(
    "EFS.2",
    FILE_SYSTEM,
    title="File systems are in a backup plan",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Name the file system in the resources of an aws.backup.Selection, or make "
    'an aws.efs.BackupPolicy with the status "ENABLED".',
)
def in_a_backup_plan(files: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What was deleted or overwritten can be had back."""
    if not is_backed_up(files, graph) and not _backs_itself_up(files, graph):
        yield "no backup plan of the stack selects it"


@policy(
    "EFS.3",
    ACCESS_POINT,
    title="Access points lead to a directory of their own",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set root_directory with a path below the root, such as "
    '{"path": "/uploads", …}.',
)
def own_root_directory(entrance: Resource) -> Iterator[str]:
    """An application sees its own files, not those of all others."""
    path = entrance.get("rootDirectory.path", "/")
    if path == "/":
        yield "rootDirectory.path is /, the whole file system"


@policy(
    "EFS.4",
    ACCESS_POINT,
    title="Access points enforce a user",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set posix_user with the uid and gid that files are accessed as.",
)
def enforced_user(entrance: Resource) -> Iterator[str]:
    """A client cannot say that it is somebody else, such as root."""
    if not entrance.has("posixUser"):
        yield "posixUser is not set"


@policy(
    "EFS.6",
    MOUNT_TARGET,
    title="Mount targets are in subnets that give out no public addresses",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Put the mount target into a private subnet: set subnet_id to one without "
    "map_public_ip_on_launch.",
)
def in_private_subnets(target: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Files are reached from inside the network only."""
    subnets = [s for s in graph.of(SUBNET) if names(target, "subnetId", s)]
    if not subnets:
        # A subnet of another stack: nothing here says what it is like.
        raise UndecidedError("subnetId", Mark.UNKNOWN)
    for subnet in subnets:
        if subnet.get("mapPublicIpOnLaunch") is True:
            yield f"mapPublicIpOnLaunch of its subnet {subnet.name} is true"


@policy(
    "EFS.7",
    FILE_SYSTEM,
    title="File systems have automatic backups",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Make an aws.efs.BackupPolicy with the status "ENABLED".',
)
def automatic_backups(files: Resource, graph: ResourceGraph) -> Iterator[str]:
    """AWS backs up daily, whatever else does."""
    if not _backs_itself_up(files, graph):
        yield "its backup policy is not ENABLED"


@policy(
    "EFS.8",
    FILE_SYSTEM,
    title="File systems are encrypted at rest",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set encrypted=True. A file system that exists has to be replaced: copy its "
    "files to the new one.",
)
def encrypted(files: Resource) -> Iterator[str]:
    """Security Hub asks twice: EFS.1 is the older of the two."""
    if files.get("encrypted") is not True:
        yield "encrypted is not true"


def _backs_itself_up(files: Resource, graph: ResourceGraph) -> bool:
    """Whether automatic backups are on.

    They are by default in one case: a file system in a single zone.
    """
    policies = graph.referring(files, BACKUP_POLICY, "fileSystemId")
    if not policies:
        return files.has("availabilityZoneName")
    return any(found.get("backupPolicy.status") == "ENABLED" for found in policies)
