"""Files that a container reads: configuration and secrets, in a volume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.confinement import (
    beside_the_old,
    mount,
)

_MOUNT = "/files"


@dataclass(frozen=True, kw_only=True)
class FilesArgs:
    """What goes into the volume.

    image: any image that is on the host; its container carries the files in and is
        never started.
    files: file name to content. Secret content stays a Pulumi secret.
    owner: numeric user of the files; with `mode` who can read them.
    mode: permissions, octal. Files are mounted into the containers that need them
        and nowhere else; on the host only root reaches a volume.
    versioned: other content makes another volume, so that a container that mounts it
        is replaced, while its predecessor keeps what it started with. Without it the
        files change in place, for a container that watches them.
    """

    image: pulumi.Input[str]
    files: Mapping[str, pulumi.Input[str]]
    owner: int = 0
    mode: str = "0400"
    versioned: bool = True


class Files(pulumi.ComponentResource):
    """A volume with files that neither an image nor `docker inspect` shows.

    Docker refuses to upload into a container whose root file system is read-only, and
    a bind mount would need the file on a host that may be reached over SSH only. A
    container that is created but never started takes the upload instead.
    """

    volume: pulumi.Output[str]
    """Name of the volume. Of a version it resolves once the files are in it; of files
    that change in place at once, or each change would seem to replace who watches."""

    def __init__(
        self, name: str, args: FilesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Files", name, None, opts)
        _check_names(args.files)

        volume = docker.Volume(
            name,
            name=self._volume_name(name, args.files) if args.versioned else name,
            # The provider's own default is to delete first, and with it, before their
            # successors are there, the containers that mount it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        )
        carrier = docker.Container(
            name,
            image=args.image,
            entrypoints=["/never-started"],
            start=False,
            must_run=False,
            network_mode="none",
            volumes=[mount(volume.name, _MOUNT)],
            uploads=[
                docker.ContainerUploadArgs(
                    file=f"{_MOUNT}/{file}",
                    content=content,
                    permissions=args.mode,
                    owner=str(args.owner),
                    group=str(args.owner),
                )
                for file, content in sorted(args.files.items())
            ],
            # Any image does: another one is no reason to carry the files in again.
            opts=beside_the_old(self, ignore_changes=["image"]),
        )

        self.volume = volume.name
        if args.versioned:
            self.volume = pulumi.Output.all(volume.name, carrier.id).apply(
                lambda created: str(created[0])
            )
        self.register_outputs({"volume": self.volume})

    def _volume_name(
        self, name: str, files: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Output[str]:
        """Return a name for exactly this content, which tells nothing about it."""
        version = random.RandomId(
            name,
            byte_length=4,
            keepers={"content": pulumi.Output.all(**files).apply(_digest)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.concat(name, "-", version.hex)


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _check_names(files: Mapping[str, pulumi.Input[str]]) -> None:
    for file in files:
        if not file or "/" in file or file.startswith("."):
            raise ValueError(f'"{file}" is not a plain file name')
