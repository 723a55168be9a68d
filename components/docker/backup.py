"""Daily backups of database and uploads, checked, kept for a while, copied away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.docker.confinement import (
    LogRotation,
    after_the_old,
    confined,
    duration,
    mount,
)
from components.docker.files import Files, FilesArgs

_BACKUP = Path(__file__).with_name("backup.sh")
_UPLOAD = Path(__file__).with_name("upload.sh")
_FILES = "/run/backup"
_PGPASS = "pgpass"
_RCLONE = "rclone.conf"
_BACKUPS = "/backups"
_REMOTE = "offsite"


@dataclass(frozen=True, kw_only=True)
class Offsite:
    """An S3-compatible bucket that a copy of each backup goes to.

    endpoint: https address of the service. bucket, region: as the service calls them.
    prefix: folder in the bucket.
    access_key, secret_key: of somebody who may list, read and write there.
    image: official rclone image.
    """

    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]
    image: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    """What is backed up, when, and for how long it is kept.

    image: PostgreSQL image of the database's major version.
    network: the database's network.
    database_host, database_name: where the database is; its role has the same name.
    database_password: of that role.
    uploads: name of the volume with uploaded files; upload_dir: where it is mounted.
    time: HH:MM in UTC.
    database_days, uploads_days: how long backups are kept.
    offsite: where copies go; None keeps backups on this host alone.
    edge: network with a way out, for the copies.
    protect: whether Pulumi refuses to delete the backups.
    keep: whether they stay on the host when the stack is destroyed.
    starts_after: what must be there before: the migration, for without a table there
        is nothing to dump.
    logs: how much of the output is kept.
    """

    image: pulumi.Input[str]
    network: pulumi.Input[str]
    database_host: str
    database_name: str
    database_password: pulumi.Input[str]
    uploads: pulumi.Input[str]
    upload_dir: str
    time: str
    database_days: int
    uploads_days: int
    offsite: Offsite | None
    edge: pulumi.Input[str]
    protect: bool
    keep: bool
    logs: LogRotation
    starts_after: Sequence[pulumi.Resource] = ()


class Backup(pulumi.ComponentResource):
    """A container that dumps and archives every day, and one that copies it away.

    A backup counts once it was read back; an old one goes only when newer ones exist,
    and, with an offsite bucket, only when its copy was compared. The health of the
    containers tells when the last day has no backup.
    """

    container: pulumi.Output[str]
    """Name of the container that makes backups."""

    volume: pulumi.Output[str]
    """Name of the volume that holds them."""

    def __init__(
        self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Backup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = docker.RemoteImage(
            f"{name}-backup", name=args.image, keep_locally=True, opts=child
        )
        volume = docker.Volume(
            f"{name}-backups",
            name=f"{name}-backups",
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, retain_on_delete=args.keep
            ),
        )
        files = Files(
            f"{name}-backup-files",
            FilesArgs(
                image=image.image_id,
                files={
                    _BACKUP.name: _BACKUP.read_text(encoding="utf-8"),
                    _PGPASS: _pgpass(args),
                },
                mode="0500",  # libpq takes no password that others could read
            ),
            opts=child,
        )
        container = docker.Container(
            f"{name}-backup",
            name=f"{name}-backup",
            image=image.image_id,
            user="0:0",
            entrypoints=["bash", f"{_FILES}/{_BACKUP.name}"],
            command=["run"],
            envs=[
                f"PGHOST={args.database_host}",
                f"PGUSER={args.database_name}",
                f"PGDATABASE={args.database_name}",
                f"PGPASSFILE={_FILES}/{_PGPASS}",
                f"BACKUP_DIR={_BACKUPS}",
                f"UPLOAD_DIR={args.upload_dir}",
                f"BACKUP_TIME={args.time}",
                f"DATABASE_DAYS={args.database_days}",
                f"UPLOADS_DAYS={args.uploads_days}",
                f"OFFSITE={'true' if args.offsite else 'false'}",
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network)],
            volumes=[
                mount(volume.name, _BACKUPS),
                mount(args.uploads, args.upload_dir, read_only=True),
                mount(files.volume, _FILES, read_only=True),
            ],
            healthcheck=_health("bash", _BACKUP),
            restart="unless-stopped",
            destroy_grace_seconds=10,
            **confined(
                logs=args.logs,
                memory=512,
                # Uploads belong to the app's user.
                capabilities=["DAC_READ_SEARCH"],
                tmpfs={"/tmp": "size=64m"},  # noqa: S108
            ),
            opts=after_the_old(self, depends_on=list(args.starts_after)),
        )
        if args.offsite:
            self._copy_away(name, args, args.offsite, volume)

        self.container = container.name
        self.volume = volume.name
        self.register_outputs({"container": self.container, "volume": self.volume})

    def _copy_away(
        self, name: str, args: BackupArgs, offsite: Offsite, volume: docker.Volume
    ) -> None:
        child = pulumi.ResourceOptions(parent=self)
        image = docker.RemoteImage(
            f"{name}-backup-upload", name=offsite.image, keep_locally=True, opts=child
        )
        files = Files(
            f"{name}-backup-upload-files",
            FilesArgs(
                image=image.image_id,
                files={
                    _UPLOAD.name: _UPLOAD.read_text(encoding="utf-8"),
                    _RCLONE: _rclone_config(offsite),
                },
                mode="0500",
            ),
            opts=child,
        )
        docker.Container(
            f"{name}-backup-upload",
            name=f"{name}-backup-upload",
            image=image.image_id,
            user="0:0",
            entrypoints=["sh", f"{_FILES}/{_UPLOAD.name}"],
            command=["run"],
            envs=[
                f"RCLONE_CONFIG={_FILES}/{_RCLONE}",
                f"REMOTE={_REMOTE}:{offsite.bucket}/{offsite.prefix}",
                f"BACKUP_DIR={_BACKUPS}",
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.edge)],
            volumes=[
                mount(volume.name, _BACKUPS),
                mount(files.volume, _FILES, read_only=True),
            ],
            healthcheck=_health("sh", _UPLOAD),
            restart="unless-stopped",
            destroy_grace_seconds=10,
            **confined(
                logs=args.logs,
                memory=256,
                tmpfs={"/tmp": "size=64m"},  # noqa: S108
            ),
            opts=after_the_old(self),
        )


def _health(shell: str, script: Path) -> docker.ContainerHealthcheckArgs:
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", shell, f"{_FILES}/{script.name}", "status"],
        interval=duration(300),
        timeout="30s",
        retries=1,
    )


def _pgpass(args: BackupArgs) -> pulumi.Output[str]:
    login = f"{args.database_host}:5432:{args.database_name}:{args.database_name}:"
    line = pulumi.Output.concat(login, args.database_password, "\n")
    return pulumi.Output.secret(line)


def _rclone_config(offsite: Offsite) -> pulumi.Output[str]:
    config = pulumi.Output.concat(
        f"[{_REMOTE}]\ntype = s3\nprovider = Other\nendpoint = {offsite.endpoint}\n",
        f"region = {offsite.region}\nno_check_bucket = true\n",
        "access_key_id = ",
        offsite.access_key,
        "\nsecret_access_key = ",
        offsite.secret_key,
        "\n",
    )
    return pulumi.Output.secret(config)
