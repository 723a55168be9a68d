"""Managed Valkey, which only the app reaches."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class ManagedCacheArgs:
    """What the cache needs to know.

    region: datacenter, such as `fra1`.
    size: such as `db-s-1vcpu-1gb`.
    nodes: 1, or more with a standby.
    version: of Valkey.
    eviction: what goes when the memory is full, such as `volatile_lru`.
    maintenance_day: `monday` to `sunday`.
    maintenance_hour: `HH:00` in UTC.
    vpc_id: as the database's.
    """

    region: str
    size: str
    nodes: int = 1
    version: str = "8"
    eviction: str = "volatile_lru"
    maintenance_day: str = "sunday"
    maintenance_hour: str = "04:00"
    vpc_id: pulumi.Input[str] | None = None


class ManagedCache(pulumi.ComponentResource):
    """A Valkey cluster: TLS, a password, evicting. Nothing in it needs to last."""

    cluster_id: pulumi.Output[str]
    """UUID."""

    project_urn: pulumi.Output[str]
    """`do:dbaas:UUID`, as a project lists it."""

    url: pulumi.Output[str]
    """REDIS_URL, `rediss://`; secret."""

    def __init__(
        self,
        name: str,
        args: ManagedCacheArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:digitalocean:ManagedCache", name, None, opts)

        cluster = digitalocean.DatabaseCluster(
            f"{name}-cache",
            engine="valkey",
            version=args.version,
            region=args.region,
            size=args.size,
            node_count=args.nodes,
            eviction_policy=args.eviction,
            private_network_uuid=args.vpc_id,
            maintenance_windows=[
                {"day": args.maintenance_day, "hour": args.maintenance_hour}
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

        self._name = name
        host = cluster.host if args.vpc_id is None else cluster.private_host
        self.url = pulumi.Output.secret(
            pulumi.Output.all(cluster.user, cluster.password, host, cluster.port).apply(
                lambda part: (
                    f"rediss://{quote(part[0], safe='')}:{quote(part[1], safe='')}"
                    f"@{part[2]}:{int(part[3])}"
                )
            )
        )
        self.cluster_id = cluster.id
        self.project_urn = cluster.cluster_urn
        self.register_outputs({"cluster_id": self.cluster_id})

    def admit(self, app_id: pulumi.Input[str]) -> None:
        """Close the cluster to everybody but the app. Called once the app is known."""
        digitalocean.DatabaseFirewall(
            f"{self._name}-cache",
            cluster_id=self.cluster_id,
            rules=[{"type": "app", "value": app_id}],
            opts=pulumi.ResourceOptions(parent=self),
        )
