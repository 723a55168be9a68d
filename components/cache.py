"""Cache: Valkey on ElastiCache, reached by TLS and a token only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.generated_secrets import keepers
from names import CACHE_LIMIT, bounded

MaxMemoryPolicy = Literal[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
]
"""What Valkey forgets when its memory is full."""

_MOST_NODES = 6
"""A primary with five replicas, the most that one shard takes.

https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/quota-limits.html
"""

_ENGINE_VERSION = r"(7\.2|8\.\d|9\.\d)"

_LOGS = ("slow-log", "engine-log")

PORT = 6379
"""Where the cache listens."""


@dataclass(frozen=True, kw_only=True)
class CacheArgs:
    """What a cache needs to know.

    subnet_ids: subnets without a route to the internet; of two zones or more where
        there are several nodes.
    security_group_ids: who may connect is decided there.
    kms_key_arn: customer key for memory on disk, snapshots and logs.
    engine_version: of Valkey, major and minor as AWS asks for: 7.2, 8.x or 9.x. Where
        AWS has moved to a newer minor version, it belongs here too: an older one is
        a downgrade, which empties the cache.
    node_type: such as `cache.t4g.micro`.
    nodes: 1 to 6. From 2 on a replica in another zone takes over by itself
        (ElastiCache.3).
    snapshot_retention_days: days that a daily snapshot is kept (0-35; ElastiCache.1
        asks for 1).
    final_snapshot: leave a snapshot behind on deletion.
    max_memory_policy: what is forgotten when the memory is full; `volatile-…` are
        keys with an expiry only.
    log_retention_days: a value that CloudWatch Logs offers.
    generation: how often the token was made up anew.
    snapshot_window: daily, maintenance_window: weekly; UTC, an hour or more, and best
        apart from each other and from the database's.
    """

    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    engine_version: str = "8.0"
    node_type: str = "cache.t4g.micro"
    nodes: int = 1
    snapshot_retention_days: int = 1
    final_snapshot: bool = False
    max_memory_policy: MaxMemoryPolicy = "volatile-lru"
    log_retention_days: int = 30
    snapshot_window: str = "00:00-01:00"
    maintenance_window: str = "sun:04:30-sun:05:30"
    generation: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= _MOST_NODES:
            raise ValueError(f"nodes: {self.nodes} is not between 1 and {_MOST_NODES}")
        needed = min(self.nodes, 2)
        if len(self.subnet_ids) < needed:
            raise ValueError(
                f"subnet_ids: {self.nodes} nodes need {needed} or more, each in a "
                f"zone of its own; there are {len(self.subnet_ids)}"
            )
        if not self.security_group_ids:
            raise ValueError("security_group_ids: at least one group is needed")
        if not re.fullmatch(_ENGINE_VERSION, self.engine_version):
            raise ValueError(
                f'engine_version: "{self.engine_version}" is not 7.2, 8.x or 9.x'
            )
        if not 0 <= self.snapshot_retention_days <= 35:
            raise ValueError(
                f"snapshot_retention_days: {self.snapshot_retention_days} is not "
                f"between 0 and 35"
            )
        if self.max_memory_policy not in get_args(MaxMemoryPolicy):
            raise ValueError(
                f'max_memory_policy: "{self.max_memory_policy}" is not one of '
                f"{', '.join(get_args(MaxMemoryPolicy))}"
            )


class Cache(pulumi.ComponentResource):
    """A replication group of Valkey with its network, parameters, logs and token.

    Encrypted at rest (ElastiCache.4) and, without exception, in transit
    (ElastiCache.5); asks for a token (ElastiCache.6); in a subnet group of its own
    (ElastiCache.7); patched by AWS (ElastiCache.2). One shard, so that any client of
    Redis can use it: `url` leads to whichever node is the primary.

    Changes are made at once. Otherwise AWS puts most of them off until the next
    maintenance window while the stack already calls them done; and those of logs and
    of the token it takes no other way. A change of node type or version therefore
    interrupts connections, for seconds where there is a replica, so it belongs into a
    quiet hour.

    Another `generation` is another token. With the strategy `ROTATE` the
    cache then takes the new token and the last one, so that running tasks go on until
    the new ones have taken over; the old one ends with the next rotation, so rotate
    twice to take back a token that leaked.
    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html

    The key, the port and the subnet group of a replication group are fixed, and its
    engine cannot go back (Terraform's aws_elasticache_replication_group); nodes, their
    type, parameters and newer versions change in place. The identifier ends in a
    random part that is renewed with the group: a replacement never meets its
    predecessor's name, and no final snapshot that of an earlier life. Parameter and
    subnet group hold no data and stay replaceable when the component is protected.
    """

    replication_group_id: pulumi.Output[str]
    """Name of the group, for `aws elasticache` commands."""

    member_ids: pulumi.Output[Sequence[str]]
    """Cache cluster of each node: the dimension `CacheClusterId` of its metrics."""

    address: pulumi.Output[str]
    """Host name of the primary, reachable inside the network only."""

    port: pulumi.Output[int]
    """Port of every node."""

    url: pulumi.Output[str]
    """Secret: `rediss://:TOKEN@HOST:PORT`."""

    final_snapshot_identifier: pulumi.Output[str | None]
    """Snapshot that a deletion leaves behind; None when it leaves none."""

    def __init__(
        self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Cache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        replaceable = pulumi.ResourceOptions(parent=self, protect=False)
        name = f"{name}-cache"

        life = random.RandomId(
            name,
            byte_length=3,
            # What ElastiCache cannot change on a group that exists.
            keepers={"kms_key": args.kms_key_arn},
            opts=child,
        )
        identifier = pulumi.Output.concat(bounded(name, CACHE_LIMIT), "-", life.hex)
        # ElastiCache takes 16 to 128 characters; these need no escaping in a URL.
        token = random.RandomPassword(
            name,
            length=64,
            special=False,
            keepers=keepers(args.generation),
            opts=child,
        )
        subnets = aws.elasticache.SubnetGroup(
            name,
            description="Subnets of the cache",
            subnet_ids=args.subnet_ids,
            opts=replaceable,
        )
        parameters = aws.elasticache.ParameterGroup(
            name,
            family=f"valkey{args.engine_version.partition('.')[0]}",
            description="What is forgotten first, and how many slow commands are kept",
            parameters=_parameters(args),
            opts=replaceable,
        )
        snapshot = (
            pulumi.Output.concat(identifier, "-final") if args.final_snapshot else None
        )
        replicated = args.nodes > 1
        group = aws.elasticache.ReplicationGroup(
            name,
            replication_group_id=identifier,
            description=f"Cache {name}",
            engine="valkey",
            engine_version=args.engine_version,
            auto_minor_version_upgrade=True,
            node_type=args.node_type,
            num_cache_clusters=args.nodes,
            automatic_failover_enabled=replicated,
            multi_az_enabled=replicated,
            port=PORT,
            subnet_group_name=subnets.name,
            security_group_ids=args.security_group_ids,
            parameter_group_name=parameters.name,
            at_rest_encryption_enabled=True,
            kms_key_id=args.kms_key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=token.result,
            auth_token_update_strategy="ROTATE",  # noqa: S106 (a word, no secret)
            snapshot_retention_limit=args.snapshot_retention_days,
            snapshot_window=args.snapshot_window,
            maintenance_window=args.maintenance_window,
            final_snapshot_identifier=snapshot,
            log_delivery_configurations=[
                _delivery(name, log, identifier, args, child) for log in _LOGS
            ],
            apply_immediately=True,
            opts=child,
        )

        self.replication_group_id = group.replication_group_id
        self.member_ids = group.member_clusters
        self.address = group.primary_endpoint_address
        self.port = pulumi.Output.from_input(PORT)
        self.url = pulumi.Output.secret(
            pulumi.Output.format(
                "rediss://:{0}@{1}:{2}", token.result, self.address, self.port
            )
        )
        self.final_snapshot_identifier = pulumi.Output.from_input(snapshot)
        self.register_outputs(
            {
                "replication_group_id": self.replication_group_id,
                "member_ids": self.member_ids,
                "address": self.address,
                "port": self.port,
                "url": self.url,
                "final_snapshot_identifier": self.final_snapshot_identifier,
            }
        )


def _parameters(args: CacheArgs) -> list[aws.elasticache.ParameterGroupParameterArgs]:
    """Those that differ from AWS's, or that somebody looks for.

    The slow log is fetched from the node's memory now and then; of its 128 entries
    a burst would push out the first.
    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html
    """
    values = {"maxmemory-policy": args.max_memory_policy, "slowlog-max-len": "1024"}
    return [
        aws.elasticache.ParameterGroupParameterArgs(name=parameter, value=value)
        for parameter, value in values.items()
    ]


def _delivery(
    name: str,
    log: str,
    identifier: pulumi.Output[str],
    args: CacheArgs,
    opts: pulumi.ResourceOptions,
) -> aws.elasticache.ReplicationGroupLogDeliveryConfigurationArgs:
    """Delivery of one of the logs into a log group of its own.

    AWS allows deliveries in a resource policy that holds 5,120 characters for the
    whole account; groups below `/aws/vendedlogs/` share one entry.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
    """
    group = aws.cloudwatch.LogGroup(
        f"{name}-{log}",
        name=pulumi.Output.concat("/aws/vendedlogs/elasticache/", identifier, "/", log),
        retention_in_days=args.log_retention_days,
        kms_key_id=args.kms_key_arn,
        opts=opts,
    )
    return aws.elasticache.ReplicationGroupLogDeliveryConfigurationArgs(
        destination=group.name,
        destination_type="cloudwatch-logs",
        log_format="json",
        log_type=log,
    )
