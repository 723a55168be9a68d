"""Redis as a service on Railway, reached in the private network only."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.generated_secrets import keepers
from components.railway.access import Place
from components.railway.service import Deploy, Image, Mount, Service, ServiceArgs

_MOUNT = "/data"


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """What the cache needs to know.

    place: where it is made.
    service_name: unique in the project, and its name in the private network.
    image: official Redis image, major version 7.
    region: where it runs; None leaves it to the workspace.
    memory: MiB of data.
    eviction: Redis' `maxmemory-policy`.
    volume: whether it keeps an append-only file, on a volume.
    generation: how often the password was made up anew.
    """

    place: Place
    service_name: str = "cache"
    image: str = "redis:7-bookworm"
    region: str | None = None
    memory: int = 128
    eviction: str = "volatile-lru"
    volume: bool = True
    generation: int = 0


class Cache(pulumi.ComponentResource):
    """Redis 7 with a password and a bound on its memory, and no address outside.

    What it holds can be made again: its volume is never protected.
    """

    url: pulumi.Output[str]
    """REDIS_URL of the app; secret."""

    host: pulumi.Output[str]
    """Its name in the private network."""

    service_id: pulumi.Output[str]
    """Id of the service."""

    def __init__(
        self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:railway:Cache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        password = random.RandomPassword(
            f"{name}-cache",
            length=32,
            special=False,
            keepers=keepers(args.generation),
            opts=child,
        ).result
        service = Service(
            f"{name}-cache",
            ServiceArgs(
                place=args.place,
                service_name=args.service_name,
                source=Image(ref=args.image),
                deploy=Deploy(
                    start_command=_start_command(args),
                    restart_policy="ALWAYS",
                    region=args.region,
                    draining_seconds=30,
                ),
                secrets={"REDIS_PASSWORD": password},
                volume=(
                    Mount(name=f"{name}-cache", path=_MOUNT, protect=False)
                    if args.volume
                    else None
                ),
            ),
            child,
        )

        self.url = pulumi.Output.secret(
            pulumi.Output.concat(
                "redis://default:", password, "@", service.host, ":6379/0"
            )
        )
        self.host = service.host
        self.service_id = service.id
        self.register_outputs({"host": self.host})


def _start_command(args: CacheArgs) -> str:
    """Return a command that Railway starts without a shell, and so brings its own.

    The entry point gives the folder to Redis' user and changes to it.
    """
    keep = f"--dir {_MOUNT} --appendonly yes" if args.volume else "--save ''"
    return (
        '/bin/sh -c "exec docker-entrypoint.sh redis-server '
        f"--requirepass $REDIS_PASSWORD {keep} --maxmemory {args.memory}mb "
        f'--maxmemory-policy {args.eviction}"'
    )
