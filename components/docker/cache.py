"""Redis in a container: rate limits and cached answers, reached by nobody outside."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.confinement import (
    LogRotation,
    after_the_old,
    confined,
    mount,
)
from components.docker.files import Files, FilesArgs
from components.generated_secrets import keepers

HOST = "cache"
"""Name that other containers find it by."""

_CONFIG = "/usr/local/etc/redis"
_PASSWORD = "password"  # noqa: S105 - a file name
_OVERHEAD = 64  # MiB of the server itself, with buffers of clients


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """What the cache needs to know.

    image: official Redis image, major version 7.
    network: name of an internal network.
    memory: MiB of data. The container may use twice as much: while Redis rewrites its
        log, changed pages exist twice.
    eviction: Redis' `maxmemory-policy`.
    logs: how much of its output is kept.
    generation: how often the password was made up anew.
    """

    image: pulumi.Input[str]
    network: pulumi.Input[str]
    logs: LogRotation
    memory: int = 128
    eviction: str = "volatile-lru"
    generation: int = 0


class Cache(pulumi.ComponentResource):
    """Redis 7 with a password, an append-only file and a bound on its memory.

    Never published. The password is in a file, for a command line and an environment
    can be read by everybody who may talk to Docker.
    """

    url: pulumi.Output[str]
    """REDIS_URL of the app; secret."""

    container: pulumi.Output[str]
    """Name of the container."""

    volume: pulumi.Output[str]
    """Name of the volume that holds the append-only file."""

    def __init__(
        self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Cache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = docker.RemoteImage(
            f"{name}-cache", name=args.image, keep_locally=True, opts=child
        )
        password = random.RandomPassword(
            f"{name}-cache",
            length=32,
            special=False,
            keepers=keepers(args.generation),
            opts=child,
        ).result
        config = Files(
            f"{name}-cache-config",
            FilesArgs(
                image=image.image_id,
                files={"redis.conf": _config(args, password), _PASSWORD: password},
                mode="0444",
            ),
            opts=child,
        )
        volume = docker.Volume(
            f"{name}-cache",
            name=f"{name}-cache",
            opts=child,
        )
        container = docker.Container(
            f"{name}-cache",
            name=f"{name}-cache",
            image=image.image_id,
            user="redis",
            command=["redis-server", f"{_CONFIG}/redis.conf"],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.network, aliases=[HOST])
            ],
            volumes=[
                mount(volume.name, "/data"),
                mount(config.volume, _CONFIG, read_only=True),
            ],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=[
                    "CMD-SHELL",
                    f'REDISCLI_AUTH="$(cat {_CONFIG}/{_PASSWORD})" redis-cli ping '
                    "| grep -q PONG",
                ],
                interval="5s",
                timeout="4s",
                retries=5,
                start_period="30s",
            ),
            wait=True,
            wait_timeout=90,
            restart="unless-stopped",
            stop_timeout=30,
            destroy_grace_seconds=30,
            **confined(
                logs=args.logs,
                memory=2 * args.memory + _OVERHEAD,
                tmpfs={"/tmp": "size=16m"},  # noqa: S108
            ),
            opts=after_the_old(self),
        )

        self.url = pulumi.Output.secret(
            pulumi.Output.concat("redis://:", password, f"@{HOST}:6379/0")
        )
        self.container = container.name
        self.volume = volume.name
        self.register_outputs({"container": self.container, "volume": self.volume})


def _config(args: CacheArgs, password: pulumi.Input[str]) -> pulumi.Output[str]:
    lines = (
        "bind * -::*",
        "dir /data",
        "appendonly yes",
        "appendfsync everysec",
        f"maxmemory {args.memory}mb",
        f"maxmemory-policy {args.eviction}",
        "tcp-keepalive 60",
        "",
    )
    return pulumi.Output.concat("requirepass ", password, "\n", "\n".join(lines))
