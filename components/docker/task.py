"""One command that runs to its end, and must succeed before others go on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
import pulumi_docker as docker

from components.docker.confinement import LogRotation, beside_the_old, confined

_T = TypeVar("_T")

_TAIL = 20
"""Lines of output that explain a failure."""

# Docker puts eight bytes before each piece of output: the stream and the length.
_FRAME = re.compile(r"[\x00-\x02]\x00{3}[\s\S]{4}")


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """What is run.

    image: as the app's containers run it. Another image runs the command again.
    command: program and arguments.
    entrypoint: what stands before the command; None means the image's own.
    environment: `NAME=value`.
    networks: names of the networks that it needs.
    network_mode: where there are none: no network, or `container:ID` for another's.
    volumes: what it mounts.
    user: `UID:GID`; None means the image's own.
    memory: MiB that it may use.
    temp_dir: directory in memory that it may write to.
    starts_after: what must be there before, and appears in no other argument.
    logs: how much of its output is kept.
    """

    image: pulumi.Input[str]
    command: Sequence[pulumi.Input[str]]
    logs: LogRotation
    entrypoint: Sequence[str] | None = None
    environment: Sequence[pulumi.Input[str]] = ()
    networks: Sequence[pulumi.Input[str]] = ()
    network_mode: pulumi.Input[str] = "none"
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    user: str | None = None
    memory: int = 512
    temp_dir: str = "/tmp"  # noqa: S108 - the container's own
    starts_after: Sequence[pulumi.Resource] = ()


class Task(pulumi.ComponentResource):
    """A container that runs once for each image, and is waited for.

    What needs its work takes its inputs through `gate`. When the command fails, they
    never resolve, and the engine leaves what runs as it is.
    """

    container: pulumi.Output[str]
    """Name of the container, which stays for its logs."""

    def __init__(
        self, name: str, args: TaskArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Task", name, None, opts)

        container = docker.Container(
            name,
            image=args.image,
            entrypoints=args.entrypoint,
            command=args.command,
            envs=args.environment,
            user=args.user,
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=network)
                for network in args.networks
            ],
            network_mode=None if args.networks else args.network_mode,
            volumes=args.volumes,
            attach=True,
            logs=True,
            must_run=False,
            **confined(
                logs=args.logs, memory=args.memory, tmpfs={args.temp_dir: "size=64m"}
            ),
            opts=beside_the_old(self, depends_on=list(args.starts_after)),
        )

        self._succeeded: pulumi.Output[Any] = pulumi.Output.all(
            name, container.exit_code, container.container_logs, container.urn
        ).apply(lambda ended: _succeeded(*ended))
        self.container = container.name
        self.register_outputs({"container": self.container})

    def gate(self, value: pulumi.Input[_T]) -> pulumi.Output[_T]:
        """Return the value, known only once the command has succeeded."""
        return pulumi.Output.all(value, self._succeeded).apply(lambda both: both[0])


def _succeeded(name: str, exit_code: int | None, logs: str | None, urn: str) -> bool:
    """Return true, or raise RunError with the reason and the way out."""
    if not exit_code:
        return True
    lines = _FRAME.sub("", logs or "").strip().splitlines()[-_TAIL:]
    said = "".join(f"\n    {line}" for line in lines) or " nothing"
    raise pulumi.RunError(
        f"{name} failed with exit code {exit_code}, so what runs was left as it is. "
        f"It said:{said}\n"
        "  Mend the cause and deploy another image, or run this one again:\n"
        f"    pulumi up --replace '{urn}'"
    )
