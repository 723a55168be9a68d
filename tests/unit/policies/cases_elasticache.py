"""What breaks the policies about ElastiCache."""

from __future__ import annotations

from typing import Any

from resource_graph import SECRET, Resource
from resource_types import CACHE_CLUSTER, REPLICATION_GROUP
from tests.unit.policies.casework import Case, resource


def group(name: str = "it", **inputs: Any) -> Resource:
    return resource(REPLICATION_GROUP, name, **inputs)


SUBNETS = resource("aws:elasticache/subnetGroup:SubnetGroup")
MEMBER = resource(
    CACHE_CLUSTER,
    "member",
    comes_from={"replicationGroupId": [group()]},
)
SECONDARY = group("secondary", globalReplicationGroupId="global")

CASES = (
    Case(
        id="ElastiCache.1",
        good=[
            group(snapshotRetentionLimit=1),
            MEMBER,
            resource(CACHE_CLUSTER, "memcached", engine="memcached"),
        ],
        bad={
            "none": ([group(snapshotRetentionLimit=0)], "snapshotRetentionLimit is 0"),
            "left to its default": ([group()], "snapshotRetentionLimit is 0"),
            "a single node": (
                [resource(CACHE_CLUSTER, engine="redis")],
                "snapshotRetentionLimit is 0",
            ),
        },
    ),
    Case(
        id="ElastiCache.2",
        good=[group(), group("b", autoMinorVersionUpgrade=True), MEMBER],
        bad={
            "off": ([group(autoMinorVersionUpgrade=False)], "is false"),
            "off for a single node": (
                [resource(CACHE_CLUSTER, autoMinorVersionUpgrade="false")],
                "autoMinorVersionUpgrade is false",
            ),
        },
    ),
    Case(
        id="ElastiCache.3",
        good=[group(automaticFailoverEnabled=True)],
        bad={
            "off": ([group(automaticFailoverEnabled=False)], "is not true"),
            "left to its default": ([group()], "automaticFailoverEnabled"),
        },
    ),
    Case(
        id="ElastiCache.4",
        good=[
            group(atRestEncryptionEnabled=True),
            group("valkey", engine="valkey"),
            SECONDARY,
        ],
        bad={
            "off": (
                [group(engine="valkey", atRestEncryptionEnabled=False)],
                "atRestEncryptionEnabled is not true",
            ),
            "left to its default": ([group()], "atRestEncryptionEnabled"),
        },
    ),
    Case(
        id="ElastiCache.5",
        good=[group(transitEncryptionEnabled=True), SECONDARY],
        bad={
            "off": ([group(transitEncryptionEnabled=False)], "is not true"),
            "left to its default": (
                [group(engine="valkey")],
                "transitEncryptionEnabled",
            ),
        },
    ),
    Case(
        id="ElastiCache.6",
        good=[
            group(engineVersion="5.0.6", authToken=SECRET),
            group("newer", engineVersion="7.1"),
            group("newest"),
            SECONDARY,
        ],
        bad={
            "no token": (
                [group(engineVersion="5.0.6")],
                "engineVersion is 5.0.6, and authToken is not set",
            )
        },
    ),
    Case(
        id="ElastiCache.7",
        good=[
            group(comes_from={"subnetGroupName": [SUBNETS]}),
            group("elsewhere", subnetGroupName="isolated"),
            MEMBER,
        ],
        bad={
            "the default one": (
                [group(subnetGroupName="default")],
                "subnetGroupName is default",
            ),
            "left to its default": ([group()], "subnetGroupName is not set"),
            "a single node": ([resource(CACHE_CLUSTER)], "subnetGroupName is not set"),
        },
    ),
)
