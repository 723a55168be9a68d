"""Amazon ElastiCache: caches that are closed, encrypted, and outlive a node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import CACHE_CLUSTER, REPLICATION_GROUP


@policy(
    "ElastiCache.1",
    REPLICATION_GROUP,
    CACHE_CLUSTER,
    title="Caches are backed up every day",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set snapshot_retention_limit to 1 or more days.",
)
def backed_up(cache: Resource) -> Iterator[str]:
    """A cache that is lost is filled again from its last snapshot."""
    if _is_member(cache) or cache.get("engine") == "memcached":
        return
    # Text in some programs.
    if str(cache.get("snapshotRetentionLimit", 0)) == "0":
        yield "snapshotRetentionLimit is 0, which is no backup"


@policy(
    "ElastiCache.2",
    REPLICATION_GROUP,
    CACHE_CLUSTER,
    title="Caches get minor upgrades by themselves",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set auto_minor_version_upgrade=True.",
)
def upgraded_by_aws(cache: Resource) -> Iterator[str]:
    """Known holes are closed without anybody remembering."""
    # On by default; the provider takes it as text for a cluster.
    if not _is_member(cache) and _is_false(cache.get("autoMinorVersionUpgrade")):
        yield "autoMinorVersionUpgrade is false"


@policy(
    "ElastiCache.3",
    REPLICATION_GROUP,
    title="A replica takes over by itself",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set automatic_failover_enabled=True, which takes num_cache_clusters=2 or "
    "more.",
)
def fails_over(group: Resource) -> Iterator[str]:
    """A lost node is no outage."""
    if group.get("automaticFailoverEnabled") is not True:
        yield "automaticFailoverEnabled is not true"


@policy(
    "ElastiCache.4",
    REPLICATION_GROUP,
    title="Caches are encrypted at rest",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set at_rest_encryption_enabled=True. A group that exists is replaced.",
)
def encrypted_at_rest(group: Resource) -> Iterator[str]:
    """What is swapped or saved to disk is of no use to its finder."""
    if _is_secondary(group):
        return
    given = group.get("atRestEncryptionEnabled")
    if given is None and group.get("engine") == "valkey":
        # Valkey is, unless told otherwise.
        return
    if not _is_true(given):
        yield "atRestEncryptionEnabled is not true"


@policy(
    "ElastiCache.5",
    REPLICATION_GROUP,
    title="Caches are reached by TLS",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set transit_encryption_enabled=True, and have clients connect to rediss://.",
)
def encrypted_in_transit(group: Resource) -> Iterator[str]:
    """Nobody in the network reads along."""
    if not _is_secondary(group) and group.get("transitEncryptionEnabled") is not True:
        yield "transitEncryptionEnabled is not true"


@policy(
    "ElastiCache.6",
    REPLICATION_GROUP,
    title="Caches of Redis before version 6 ask for a token",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set auth_token, or move to a version that has users: engine_version 6 or "
    "newer.",
)
def old_ones_ask_for_a_token(group: Resource) -> Iterator[str]:
    """Being in the network is not enough to read and write."""
    if group.has("authToken") or _is_secondary(group):
        return
    version = str(group.get("engineVersion", ""))
    major = re.match(r"\d+", version)
    # Without one AWS takes a newer one.
    if major and int(major[0]) < 6:
        yield f"engineVersion is {version}, and authToken is not set"


@policy(
    "ElastiCache.7",
    REPLICATION_GROUP,
    CACHE_CLUSTER,
    title="Caches are in a subnet group of their own",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set subnet_group_name to an aws.elasticache.SubnetGroup of private "
    "subnets.",
)
def own_subnet_group(cache: Resource) -> Iterator[str]:
    """The default group is of all subnets of the default network, which are public."""
    if _is_member(cache) or cache.comes_from("subnetGroupName"):
        # What a program makes is not the default one, whatever its name will be.
        return
    if not cache.has("subnetGroupName"):
        yield "subnetGroupName is not set, which is the default group"
    elif cache.get("subnetGroupName") == "default":
        yield "subnetGroupName is default"


def _is_member(cache: Resource) -> bool:
    """Whether a cluster is a replica that takes its settings from its group."""
    return cache.type == CACHE_CLUSTER and cache.has("replicationGroupId")


def _is_secondary(group: Resource) -> bool:
    """Whether a group takes its encryption and engine from a primary elsewhere."""
    return group.has("globalReplicationGroupId")


def _is_true(value: object) -> bool:
    return value is True or value == "true"


def _is_false(value: object) -> bool:
    return value is False or value == "false"
