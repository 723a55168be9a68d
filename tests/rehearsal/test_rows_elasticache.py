"""The row of ElastiCache: its case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.wire import Properties
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To
from tests.rehearsal.surroundings import key, network

GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"

TOKEN = "Correct1Horse2Battery3Staple4"
LOG = {
    "destination": "/aws/vendedlogs/elasticache/cache/slow-log",
    "destinationType": "cloudwatch-logs",
    "logFormat": "json",
    "logType": "slow-log",
}


def groups(site: Site) -> list[str]:
    """The replication groups that AWS would still list."""
    found = site.client("elasticache").describe_replication_groups()
    return [
        one["ReplicationGroupId"]
        for one in found["ReplicationGroups"]
        if one["Status"] != "deleting"
    ]


def valkey(site: Site) -> Properties:
    """A small cache."""
    return {
        "description": "Cache",
        "engine": "valkey",
        "engineVersion": "8.0",
        "nodeType": "cache.t4g.micro",
        "atRestEncryptionEnabled": True,
        "kmsKeyId": key(site.aws),
        "transitEncryptionEnabled": True,
        "transitEncryptionMode": "required",
        "authToken": TOKEN,
    }


def replication_group(site: Site) -> Case:
    elasticache = site.client("elasticache")
    redis = {"engine": "redis", "engineVersion": "7.1"}
    return Case(
        inputs={**valkey(site), **redis, "numCacheClusters": 2},
        listing=lambda: groups(site),
        updates={
            "automaticFailoverEnabled": True,
            "description": "Other",
            "engine": To("valkey", back=False, engineVersion="8.0"),
            "multiAzEnabled": To(True, automaticFailoverEnabled=True),
            "nodeType": "cache.t4g.small",
            "snapshotRetentionLimit": 7,
        },
        replaces={
            "atRestEncryptionEnabled": To(False, kmsKeyId=None),
            "kmsKeyId": key(site.aws, 1),
            "port": 6380,
            "subnetGroupName": "cache",
        },
        unverified={
            "applyImmediately": True,
            "authToken": f"{TOKEN}5",
            "authTokenUpdateStrategy": "ROTATE",
            "autoMinorVersionUpgrade": False,
            "engineVersion": "7.2",
            "finalSnapshotIdentifier": site.name("final"),
            "logDeliveryConfigurations": [LOG, {**LOG, "logType": "engine-log"}],
            "maintenanceWindow": "sun:04:00-sun:05:00",
            "notificationTopicArn": "arn:aws:sns:eu-central-1:123456789012:cache",
            "numCacheClusters": 3,
            "parameterGroupName": "cache",
            "securityGroupIds": network(site.aws).groups,
            "snapshotWindow": "01:00-02:00",
            "transitEncryptionMode": "preferred",
            "transitEncryptionEnabled": To(
                False,
                transitEncryptionMode=None,
                authToken=None,
            ),
        },
        drift=[
            Drift(
                act=lambda id: elasticache.modify_replication_group(
                    ReplicationGroupId=id, CacheNodeType="cache.m7g.large"
                ),
                seen="nodeType",
            )
        ],
        refused=[
            ({"replicationGroupId": "n" * 41}, "at most 40"),
            ({"replicationGroupId": "a--b"}, "single hyphens"),
            ({"replicationGroupId": "1a"}, "beginning with a letter"),
            ({"description": ""}, "some text"),
            ({"engine": "valky"}, 'Did you mean "valkey"'),
            ({"engineVersion": "8"}, "MAJOR.MINOR"),
            ({"nodeType": "t4g.micro"}, "cache.t4g.micro"),
            ({"multiAzEnabled": True}, "automaticFailoverEnabled: must be true"),
            (
                {"automaticFailoverEnabled": True, "numCacheClusters": 1},
                "numCacheClusters: 1",
            ),
            ({"snapshotRetentionLimit": 36}, "between 0 and 35"),
            ({"snapshotWindow": "1:00-2:00"}, "01:00-02:00"),
            ({"maintenanceWindow": "04:00-05:00"}, "sun:04:00-sun:05:00"),
            ({"transitEncryptionMode": "require"}, 'Did you mean "required"'),
            ({"authToken": "short"}, "16 to 128"),
            ({"authToken": f"{TOKEN}/"}, "without /"),
            ({"authTokenUpdateStrategy": "KEEP"}, "SET, ROTATE, DELETE"),
            ({"authTokenUpdateStrategy": "DELETE"}, "must not be set"),
            (
                {"authTokenUpdateStrategy": "ROTATE", "authToken": None},
                "authToken: missing",
            ),
            ({"logDeliveryConfigurations": [LOG] * 3}, "one of each"),
            (
                {"logDeliveryConfigurations": [{**LOG, "logType": "slowlog"}]},
                "logDeliveryConfigurations[0].logType",
            ),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {GROUP: replication_group}


class TestElastiCacheRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("nodes", [1, 3])
def test_each_node_is_a_member(site: Site, nodes: int) -> None:
    made = site.make(GROUP, **valkey(site), numCacheClusters=nodes)
    name = made["replicationGroupId"]
    assert made["memberClusters"] == [
        f"{name}-{number:03}" for number in range(1, nodes + 1)
    ]


def test_the_address_is_that_of_the_primary(site: Site) -> None:
    made = site.make(GROUP, **valkey(site), port=6380)
    assert made["primaryEndpointAddress"].startswith(
        f"master.{made['replicationGroupId']}."
    )
    assert made["port"] == 6380


@pytest.mark.parametrize(
    "older", [{"engineVersion": "7.2"}, {"engine": "redis", "engineVersion": "7.1"}]
)
def test_an_engine_that_goes_back_replaces(site: Site, older: Properties) -> None:
    resource = Resource(GROUP, site.aws)
    resource.up(valkey(site))
    assert set(resource.preview({**valkey(site), **older}).replaces) == set(older)
    assert not resource.preview({**valkey(site), "engineVersion": "9.0"}).replaces
    resource.destroy()


def test_a_deletion_may_leave_a_snapshot(site: Site) -> None:
    resource, final = Resource(GROUP, site.aws), site.name("final")
    resource.up({**valkey(site), "finalSnapshotIdentifier": final})
    name = resource.id
    resource.destroy()
    [snapshot] = site.client("elasticache").describe_snapshots(SnapshotName=final)[
        "Snapshots"
    ]
    assert snapshot["ReplicationGroupId"] == name


def test_a_token_without_tls_is_refused(site: Site) -> None:
    plain = {**valkey(site), "transitEncryptionEnabled": False}
    del plain["transitEncryptionMode"]
    with pytest.raises(ClientError, match="encryption-in-transit"):
        Resource(GROUP, site.aws).up(plain)


def test_logs_are_delivered_where_the_program_says(site: Site) -> None:
    made = site.make(GROUP, **valkey(site), logDeliveryConfigurations=[LOG])
    [live] = site.client("elasticache").describe_replication_groups(
        ReplicationGroupId=made["id"]
    )["ReplicationGroups"]
    [delivery] = live["LogDeliveryConfigurations"]
    assert delivery["LogType"] == "slow-log"
    assert delivery["DestinationDetails"]["CloudWatchLogsDetails"] == {
        "LogGroup": LOG["destination"]
    }
