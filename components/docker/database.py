"""PostgreSQL in a container, its data in a volume, reached by nobody outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_random as random

from components.docker.confinement import (
    LogRotation,
    after_the_old,
    confined,
    duration,
    mount,
)
from components.docker.files import Files, FilesArgs
from components.docker.task import Task, TaskArgs
from components.generated_secrets import keepers
from components.login import Login

HOST = "database"
"""Name that other containers find it by."""

ROLE = "stromhaltig"
"""The app's role, and its database. It owns the one and is no superuser."""

_CREATE_ROLE = Path(__file__).with_name("create_role.sh")
_ADMIN_PASSWORD = "admin_password"  # noqa: S105 - file names
_ROLE_PASSWORD = "role_password"  # noqa: S105
_SECRETS = "/run/secrets"
_STOP_SECONDS = 300  # to write everything down, which spares a recovery
_DATA = "/var/lib/postgresql/data"


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What the database needs to know.

    image: official PostgreSQL image, major version 15.
    network: name of an internal network.
    memory: MiB that it may use.
    max_connections: connections at once.
    slow_query_ms: milliseconds from which a statement is logged.
    protect: whether Pulumi refuses to delete the data.
    logs: how much of its output is kept.
    login: who the app is; None for the owner, ROLE.
    generation: how often the owner's password was made up anew.
    """

    image: pulumi.Input[str]
    network: pulumi.Input[str]
    memory: int
    logs: LogRotation
    max_connections: int = 100
    slow_query_ms: int = 1000
    protect: bool = True
    login: Login | None = None
    generation: int = 0


class Database(pulumi.ComponentResource):
    """PostgreSQL 15, tuned to its memory, with checksums and SCRAM passwords.

    Never published: containers of its network reach it, and nothing else does. The
    passwords are generated, and come as files. A task makes the app's role and its
    database, and gives the role another password when there is one. The server is
    replaced only after the old one has ended: two on one volume would destroy it.
    """

    url: pulumi.Output[str]
    """DATABASE_URL of the app; secret."""

    password: pulumi.Output[str]
    """Password of the role that owns the database; secret."""

    name: str
    """Database, and the role that owns it."""

    user: str
    """Who the app is."""

    image: pulumi.Output[str]
    """ID of the image."""

    container: pulumi.Output[str]
    """Name of the container."""

    volume: pulumi.Output[str]
    """Name of the volume that holds the data."""

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = docker.RemoteImage(
            f"{name}-database", name=args.image, keep_locally=True, opts=child
        )
        admin = self._password(f"{name}-database-admin")
        password = self._password(f"{name}-database", args.generation)
        secrets = Files(
            f"{name}-database-secrets",
            FilesArgs(
                image=image.image_id,
                files={_ADMIN_PASSWORD: admin},
                # The image's user has another number in each variant of the image.
                mode="0444",
            ),
            opts=child,
        )
        volume = docker.Volume(
            f"{name}-database",
            name=f"{name}-database",
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        container = docker.Container(
            f"{name}-database",
            name=f"{name}-database",
            image=image.image_id,
            user="postgres",
            command=["postgres", *_flags(args)],
            envs=[
                f"POSTGRES_PASSWORD_FILE={_SECRETS}/{_ADMIN_PASSWORD}",
                # An image without a locale of its own would make it SQL_ASCII.
                "POSTGRES_INITDB_ARGS=--encoding=UTF8 --data-checksums "
                "--auth-host=scram-sha-256",
            ],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.network, aliases=[HOST])
            ],
            volumes=[
                mount(volume.name, _DATA),
                mount(secrets.volume, _SECRETS, read_only=True),
            ],
            # Over TCP: while it sets itself up, the server answers on its socket only.
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-d", "postgres"],
                interval="5s",
                timeout="4s",
                retries=5,
                start_period=duration(60),
            ),
            wait=True,
            # After a crash it may have to read much of its log again.
            wait_timeout=900,
            restart="unless-stopped",
            stop_signal="SIGINT",  # "fast shutdown": ends sessions, keeps what is done
            stop_timeout=_STOP_SECONDS,
            destroy_grace_seconds=_STOP_SECONDS,
            shm_size=max(64, args.memory // 4),
            **confined(
                logs=args.logs,
                memory=args.memory,
                tmpfs={"/tmp": "size=64m", "/var/run/postgresql": "mode=1777"},  # noqa: S108
            ),
            opts=after_the_old(self),
        )

        login = args.login or Login(user=ROLE, password=password)
        self.password = password
        self.user = login.user
        self.url = pulumi.Output.secret(
            # A bridge within one host: nothing to encrypt, nobody to listen.
            pulumi.Output.concat(
                f"postgresql://{login.user}:",
                login.password,
                f"@{HOST}:5432/{ROLE}?sslmode=disable",
            )
        )
        role = self._role(name, args, image.image_id, admin, password, container)

        self.name = ROLE
        self.image = image.image_id
        self.container = container.name
        self.volume = volume.name
        self.register_outputs({"role": role.gate(ROLE), "volume": self.volume})

    def _role(
        self,
        name: str,
        args: DatabaseArgs,
        image: pulumi.Input[str],
        admin: pulumi.Output[str],
        password: pulumi.Output[str],
        server: docker.Container,
    ) -> Task:
        """See to the app's role and database, and to the role's password."""
        child = pulumi.ResourceOptions(parent=self)
        secrets = Files(
            f"{name}-database-role-secrets",
            FilesArgs(
                image=image,
                files={_ADMIN_PASSWORD: admin, _ROLE_PASSWORD: password},
                mode="0444",
            ),
            opts=child,
        )
        return Task(
            f"{name}-database-role",
            TaskArgs(
                image=image,
                user="postgres",
                entrypoint=["sh", "-c", _CREATE_ROLE.read_text(encoding="utf-8")],
                command=[_CREATE_ROLE.name],
                environment=[
                    f"PGHOST={HOST}",
                    f"ADMIN_PASSWORD_FILE={_SECRETS}/{_ADMIN_PASSWORD}",
                    f"ROLE={ROLE}",
                    f"ROLE_PASSWORD_FILE={_SECRETS}/{_ROLE_PASSWORD}",
                ],
                networks=[args.network],
                volumes=[mount(secrets.volume, _SECRETS, read_only=True)],
                memory=128,
                starts_after=[server],
                logs=args.logs,
            ),
            opts=child,
        )

    def _password(self, name: str, generation: int = 0) -> pulumi.Output[str]:
        generated = random.RandomPassword(
            name,
            length=32,
            special=False,  # the password is part of a URL
            keepers=keepers(generation),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return generated.result


def _flags(args: DatabaseArgs) -> Iterator[str]:
    for key, value in _tuning(args).items():
        yield from ("-c", f"{key}={value}")


def _tuning(args: DatabaseArgs) -> dict[str, str | int]:
    """Return settings in proportion to the memory.

    PostgreSQL 15, "Resource Consumption": a quarter of the memory for the buffers.
    The other shares are those that PGTune gives a web application.
    """
    return {
        "max_connections": args.max_connections,
        "shared_buffers": f"{args.memory // 4}MB",
        "effective_cache_size": f"{args.memory * 3 // 4}MB",
        "maintenance_work_mem": f"{max(16, args.memory // 16)}MB",
        "work_mem": f"{max(1024, args.memory * 256 // args.max_connections)}kB",
        "random_page_cost": "1.1",
        "effective_io_concurrency": 200,
        "wal_compression": "on",
        "password_encryption": "scram-sha-256",
        "shared_preload_libraries": "pg_stat_statements",
        "log_min_duration_statement": args.slow_query_ms,
        "log_lock_waits": "on",
        "log_checkpoints": "on",
        "timezone": "UTC",
    }
