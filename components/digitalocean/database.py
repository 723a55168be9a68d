"""Managed PostgreSQL, which only the app reaches."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pulumi
import pulumi_digitalocean as digitalocean

NAME = "stromhaltig"
"""The app's user, and its database."""

# The user owns nothing, and PostgreSQL 15 lets nobody else create tables in `public`.
# Only the administrator can change that, and only from where the firewall lets it: the
# app's own containers.
_GRANT = """
const { Client } = require("pg");
const url = new URL(process.env.DATABASE_URL);
const admin = new Client({ connectionString: process.env.ADMIN_DATABASE_URL });
const user = admin.escapeIdentifier(decodeURIComponent(url.username));
const database = admin.escapeIdentifier(decodeURIComponent(url.pathname.slice(1)));
admin.connect()
  .then(() => admin.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${user}`))
  .then(() => admin.query(`GRANT CREATE ON DATABASE ${database} TO ${user}`))
  .then(() => admin.end())
  .catch((error) => { console.error(`grant: ${error.message}`); process.exit(1); });
"""


@dataclass(frozen=True, kw_only=True)
class ManagedDatabaseArgs:
    """What the cluster needs to know.

    region: datacenter, such as `fra1`.
    size: such as `db-s-1vcpu-2gb`.
    nodes: 1, or with standby nodes 2 or 3.
    version: major version of PostgreSQL.
    storage_gib: None for what comes with the size.
    maintenance_day: `monday` to `sunday`.
    maintenance_hour: `HH:00` in UTC.
    vpc_id: network of the cluster; None for the region's default one. With it the
        addresses are the private ones, so the app must be in it too.
    slow_query_ms: milliseconds from which a statement is logged.
    protect: whether Pulumi refuses to delete it.
    """

    region: str
    size: str
    nodes: int = 1
    version: str = "15"
    storage_gib: int | None = None
    maintenance_day: str = "sunday"
    maintenance_hour: str = "03:00"
    vpc_id: pulumi.Input[str] | None = None
    slow_query_ms: int = 1000
    protect: bool = True


class ManagedDatabase(pulumi.ComponentResource):
    """PostgreSQL with daily backups, TLS, and an own user of an own database.

    A new cluster answers everybody who has a password, until `admit` closes it. That
    cannot be sooner: the rule names the app, and the app's first deployment already
    migrates.
    """

    cluster_id: pulumi.Output[str]
    """UUID."""

    project_urn: pulumi.Output[str]
    """`do:dbaas:UUID`, as a project lists it."""

    url: pulumi.Output[str]
    """DATABASE_URL of the app's own user, with `sslmode`; secret."""

    admin_url: pulumi.Output[str]
    """Same database as the cluster's administrator; secret. For `granting`."""

    ca_certificate: pulumi.Output[str]
    """PEM of the authority that signed the server's certificate."""

    database: str
    """Name of the database."""

    user: str
    """Name of the app's user."""

    def __init__(
        self,
        name: str,
        args: ManagedDatabaseArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:digitalocean:ManagedDatabase", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)

        cluster = digitalocean.DatabaseCluster(
            f"{name}-database",
            engine="pg",
            version=args.version,
            region=args.region,
            size=args.size,
            node_count=args.nodes,
            storage_size_mib=(
                str(args.storage_gib * 1024) if args.storage_gib else None
            ),
            private_network_uuid=args.vpc_id,
            maintenance_windows=[
                {"day": args.maintenance_day, "hour": args.maintenance_hour}
            ],
            opts=kept,
        )
        digitalocean.DatabasePostgresqlConfig(
            f"{name}-database",
            cluster_id=cluster.id,
            log_min_duration_statement=args.slow_query_ms,
            opts=child,
        )
        database = digitalocean.DatabaseDb(
            f"{name}-database", cluster_id=cluster.id, name=NAME, opts=kept
        )
        # Without its user the data is nobody's.
        user = digitalocean.DatabaseUser(
            f"{name}-database", cluster_id=cluster.id, name=NAME, opts=kept
        )

        self._name = name
        self._protect = args.protect
        host = cluster.host if args.vpc_id is None else cluster.private_host
        self.url = _url(user.name, user.password, host, cluster.port, database.name)
        self.admin_url = _url(
            cluster.user, cluster.password, host, cluster.port, database.name
        )
        self.ca_certificate = digitalocean.get_database_ca_output(
            cluster_id=cluster.id, opts=pulumi.InvokeOutputOptions(parent=self)
        ).certificate
        self.cluster_id = cluster.id
        self.project_urn = cluster.cluster_urn
        self.database = NAME
        self.user = NAME
        self.register_outputs({"cluster_id": self.cluster_id})

    def admit(self, app_id: pulumi.Input[str]) -> None:
        """Close the cluster to everybody but the app. Called once the app is known."""
        digitalocean.DatabaseFirewall(
            f"{self._name}-database",
            cluster_id=self.cluster_id,
            rules=[{"type": "app", "value": app_id}],
            # Deleted alone, it would open a cluster that stays.
            opts=pulumi.ResourceOptions(parent=self, protect=self._protect),
        )


def granting(command: Sequence[str]) -> tuple[str, ...]:
    """Return a migrate command that first gives the app's user the right to migrate.

    Runs where node and its `pg` are: in the app's image. Reads DATABASE_URL and
    ADMIN_DATABASE_URL.
    """
    grant = shlex.join(("node", "-e", " ".join(_GRANT.split())))
    return ("sh", "-c", f"{grant} && exec {shlex.join(command)}")


def _url(
    user: pulumi.Output[str],
    password: pulumi.Output[str],
    host: pulumi.Output[str],
    port: pulumi.Output[int],
    database: pulumi.Output[str],
) -> pulumi.Output[str]:
    address = pulumi.Output.all(user, password, host, port, database).apply(
        lambda part: (
            f"postgresql://{quote(part[0], safe='')}:{quote(part[1], safe='')}"
            f"@{part[2]}:{int(part[3])}/{part[4]}?sslmode=require"
        )
    )
    return pulumi.Output.secret(address)
