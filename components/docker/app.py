"""The app's containers, replaced without losing a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.confinement import (
    LogRotation,
    beside_the_old,
    confined,
    duration,
    mount,
)
from components.docker.names import APP

_CPU_UNITS = 1024  # of one core, as AWS counts


@dataclass(frozen=True, kw_only=True)
class AppArgs:
    """What the containers need to know.

    image: image ID, or a reference that the host has.
    replicas: containers that run.
    environment: `NAME=value`; nothing secret, for `docker inspect` shows it.
    secrets: name of a volume with one file for each secret, mounted at `secret_dir`.
    edge, internal: names of the networks: to the proxy and the world, and to the data.
    health_command: health check in Docker's form. A container that fails it never
        takes over; Docker does not restart one for it.
    cpu: units, of which 1024 are a core; memory: MiB.
    upload_dir: where the uploads' volume is mounted.
    log_dir: where each container gets a volume of its own, which goes with it.
    temp_dir: directory in memory.
    start_timeout: seconds to become healthy in; stop_timeout: seconds to finish in.
    protect: whether Pulumi refuses to delete the uploads.
    logs: how much of a container's output is kept.
    """

    image: pulumi.Input[str]
    replicas: int
    environment: Sequence[str]
    secrets: pulumi.Input[str]
    secret_dir: str
    edge: pulumi.Input[str]
    internal: pulumi.Input[str]
    health_command: Sequence[str]
    cpu: int
    memory: int
    upload_dir: str
    log_dir: str
    temp_dir: str
    start_timeout: int
    stop_timeout: int
    protect: bool
    logs: LogRotation


class App(pulumi.ComponentResource):
    """Identical containers of the app, each release behind a name of its own.

    A new release starts beside the old one. Its name is told once all of it is healthy:
    until then nobody who asks for it can reach it, for Docker's DNS does not look at
    health. One that does not become healthy fails the update, and the old one serves
    on. The old containers get SIGTERM at the end of the update and finish what they are
    at. Nothing is published: only the proxy reaches them.
    """

    host: pulumi.Output[str]
    """Name of this release on the edge network; resolves once it is healthy."""

    containers: list[pulumi.Output[str]]
    """Names of the containers."""

    uploads: pulumi.Output[str]
    """Name of the volume with uploaded files."""

    def __init__(
        self, name: str, args: AppArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:App", name, None, opts)

        uploads = docker.Volume(
            f"{name}-uploads",
            name=f"{name}-uploads",
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        host = pulumi.Output.concat(APP, "-", self._release(name, args))
        containers = [
            self._container(f"{name}-app-{number}", args, uploads, host)
            for number in range(args.replicas)
        ]

        self.host = pulumi.Output.all(host, *(each.id for each in containers)).apply(
            lambda started: str(started[0])
        )
        self.containers = [each.name for each in containers]
        self.uploads = uploads.name
        self.register_outputs({"containers": self.containers, "uploads": self.uploads})

    def _release(self, name: str, args: AppArgs) -> pulumi.Output[str]:
        """Return a name for what runs: image, environment and secrets."""
        release = random.RandomId(
            f"{name}-release",
            byte_length=4,
            keepers={
                "image": args.image,
                "environment": "\n".join(args.environment),
                "secrets": args.secrets,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return release.hex

    def _container(
        self,
        name: str,
        args: AppArgs,
        uploads: docker.Volume,
        host: pulumi.Output[str],
    ) -> docker.Container:
        return docker.Container(
            name,
            image=args.image,
            envs=args.environment,
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=args.edge, aliases=[APP, host]
                ),
                docker.ContainerNetworksAdvancedArgs(name=args.internal),
            ],
            volumes=[
                mount(uploads.name, args.upload_dir),
                docker.ContainerVolumeArgs(container_path=args.log_dir),
                mount(args.secrets, args.secret_dir, read_only=True),
            ],
            cpus=_cores(args.cpu),
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=args.health_command,
                # Also how long a release waits for the first look; `start_interval`
                # would shorten that alone, but engines before Docker 25 refuse it.
                interval="3s",
                timeout="5s",
                retries=5,
                start_period=duration(args.start_timeout),
            ),
            wait=True,
            wait_timeout=args.start_timeout,
            restart="unless-stopped",
            stop_timeout=args.stop_timeout,
            destroy_grace_seconds=args.stop_timeout,
            **confined(
                logs=args.logs, memory=args.memory, tmpfs={args.temp_dir: "size=64m"}
            ),
            opts=beside_the_old(self),
        )


def _cores(units: int) -> str:
    """Return cores as Docker gives them back: 1.0 for 1024; 0.098 for 100."""
    return str(round(units / _CPU_UNITS, 3))
