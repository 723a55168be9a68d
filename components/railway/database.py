"""PostgreSQL as a service on Railway, reached in the private network only."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.railway.access import Place
from components.railway.service import Deploy, Image, Mount, Service, ServiceArgs

ROLE = "stromhaltig"
"""The app's role, which the image makes a superuser, and its database."""

_MOUNT = "/var/lib/postgresql/data"
_STOP_SECONDS = 60  # to end sessions and write everything down


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What the database needs to know.

    place: where it is made.
    service_name: unique in the project, and its name in the private network.
    image: PostgreSQL 15, the official image or one that is made from it.
    region: where it runs; None leaves it to the workspace.
    protect: whether Pulumi refuses to delete the data.
    """

    place: Place
    service_name: str = "database"
    image: str = "postgres:15-bookworm"
    region: str | None = None
    protect: bool = True


class Database(pulumi.ComponentResource):
    """PostgreSQL 15 with a volume, checksums and a generated password.

    It has no address on the internet. The private network is encrypted by WireGuard,
    which is why connections are not. A deployment of it means a moment without a
    database: Railway mounts no volume twice.
    """

    url: pulumi.Output[str]
    """DATABASE_URL of the app; secret."""

    password: pulumi.Output[str]
    """Password of the app's role; secret."""

    name: str
    """Database, and the app's role in it."""

    host: pulumi.Output[str]
    """Its name in the private network."""

    service_id: pulumi.Output[str]
    """Id of the service."""

    volume_id: pulumi.Output[str]
    """Id of the volume that holds the data."""

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:railway:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        self.password = random.RandomPassword(
            f"{name}-database",
            length=32,
            special=False,  # the password is part of a URL
            opts=child,
        ).result
        service = Service(
            f"{name}-database",
            ServiceArgs(
                place=args.place,
                service_name=args.service_name,
                source=Image(ref=args.image),
                deploy=Deploy(
                    restart_policy="ALWAYS",
                    region=args.region,
                    draining_seconds=_STOP_SECONDS,
                ),
                variables={
                    # A folder of the volume: its top holds lost+found.
                    "PGDATA": f"{_MOUNT}/pgdata",
                    "POSTGRES_DB": ROLE,
                    "POSTGRES_INITDB_ARGS": "--data-checksums "
                    "--auth-host=scram-sha-256",
                    "POSTGRES_USER": ROLE,
                },
                secrets={"POSTGRES_PASSWORD": self.password},
                volume=Mount(
                    name=f"{name}-database", path=_MOUNT, protect=args.protect
                ),
            ),
            child,
        )
        if service.volume_id is None:
            raise AssertionError("the service has a volume")

        self.url = pulumi.Output.secret(
            pulumi.Output.concat(
                f"postgresql://{ROLE}:",
                self.password,
                "@",
                service.host,
                f":5432/{ROLE}?sslmode=disable",
            )
        )
        self.name = ROLE
        self.host = service.host
        self.service_id = service.id
        self.volume_id = service.volume_id
        self.register_outputs({"host": self.host, "volume_id": self.volume_id})
