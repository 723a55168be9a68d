"""The cache: encrypted on every way, asking for a token, and never in its own way."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pulumi
import pytest

from components.cache import Cache, CacheArgs
from contract import APP
from tests.graph import UNKNOWN, Graph

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234"
GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
SUBNETS = "aws:elasticache/subnetGroup:SubnetGroup"
PARAMETERS = "aws:elasticache/parameterGroup:ParameterGroup"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
RANDOM_ID = "random:index/randomId:RandomId"


def args(**changes: Any) -> CacheArgs:
    return CacheArgs(
        **{
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "kms_key_arn": KEY,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Cache("app", args(**changes)))


def parameters(graph: Graph) -> dict[str, str]:
    return {p["name"]: p["value"] for p in graph.one(PARAMETERS)["parameters"]}


def test_one_node_has_no_failover_and_stays_in_one_zone(graph):
    build(graph)
    group = graph.one(GROUP)
    assert group["numCacheClusters"] == 1
    assert group["automaticFailoverEnabled"] is False
    assert group["multiAzEnabled"] is False


@pytest.mark.parametrize("nodes", [2, 6])
def test_replicas_take_over_and_stand_in_other_zones(graph, nodes):
    outputs = build(graph, nodes=nodes)
    group = graph.one(GROUP)
    assert group["numCacheClusters"] == nodes
    assert group["automaticFailoverEnabled"] is True
    assert group["multiAzEnabled"] is True
    assert len(outputs["member_ids"]) == nodes


@pytest.mark.parametrize(
    ("version", "family"), [("7.2", "valkey7"), ("8.1", "valkey8"), ("9.0", "valkey9")]
)
def test_parameters_are_of_the_family_of_the_engine(graph, version, family):
    build(graph, engine_version=version)
    group = graph.one(GROUP)
    assert (group["engine"], group["engineVersion"]) == ("valkey", version)
    assert graph.one(PARAMETERS)["family"] == family
    assert group["parameterGroupName"] == graph.one(PARAMETERS).outputs["name"]


def test_what_is_forgotten_first_can_be_chosen(graph):
    build(graph)
    assert parameters(graph)["maxmemory-policy"] == "volatile-lru"
    build(graph, max_memory_policy="allkeys-lfu")
    assert parameters(graph)["maxmemory-policy"] == "allkeys-lfu"


def test_everything_at_rest_is_encrypted_with_the_customer_key(graph):
    build(graph)
    group = graph.one(GROUP)
    assert group["atRestEncryptionEnabled"] is True
    assert group["kmsKeyId"] == KEY
    assert {log["kmsKeyId"] for log in graph.all(LOG_GROUP)} == {KEY}


def test_nobody_connects_without_tls_and_the_token(graph):
    build(graph)
    group = graph.one(GROUP)
    assert group["transitEncryptionEnabled"] is True
    assert group["transitEncryptionMode"] == "required"
    assert 40 <= len(group["authToken"]) <= 128
    assert group["authToken"].isalnum()


def test_running_tasks_keep_their_token_while_it_changes(graph):
    build(graph)
    assert graph.one(GROUP)["authTokenUpdateStrategy"] == "ROTATE"


def test_the_token_appears_in_secrets_only(graph):
    build(graph)
    assert "authToken" in graph.one(GROUP).secrets
    assert graph.secret_outputs == {"url"}


def test_the_url_leads_to_the_primary_by_tls(graph):
    outputs = build(graph)
    group = graph.one(GROUP)
    url = urlsplit(outputs["url"])
    assert url.scheme == "rediss"
    assert (url.username, url.password) == ("", group["authToken"])
    assert url.hostname == outputs["address"] == group.outputs["primaryEndpointAddress"]
    assert url.port == outputs["port"] == group["port"]


def test_the_app_takes_the_url(graph):
    url = build(graph)["url"]
    variable = next(one for one in APP.variables if one.name == "REDIS_URL")
    assert variable.rule.accepts(url)


def test_it_is_out_of_reach_but_for_its_own_subnets_and_groups(graph):
    build(graph)
    group = graph.one(GROUP)
    subnets = graph.one(SUBNETS)
    assert subnets["subnetIds"] == ["subnet-1", "subnet-2"]
    assert group["subnetGroupName"] == subnets.outputs["name"] != "default"
    assert group["securityGroupIds"] == ["sg-1"]


def test_slow_commands_and_the_engines_words_are_kept(graph):
    outputs = build(graph, log_retention_days=90)
    deliveries = graph.one(GROUP)["logDeliveryConfigurations"]
    beginning = f"/aws/vendedlogs/elasticache/{outputs['replication_group_id']}"
    assert {d["logType"]: d["destination"] for d in deliveries} == {
        "slow-log": f"{beginning}/slow-log",
        "engine-log": f"{beginning}/engine-log",
    }
    groups = graph.all(LOG_GROUP)
    assert {d["destination"] for d in deliveries} == {log["name"] for log in groups}
    assert {d["destinationType"] for d in deliveries} == {"cloudwatch-logs"}
    assert {log.urn for log in groups} <= graph.one(GROUP).dependencies
    assert {log["retentionInDays"] for log in groups} == {90}


def test_aws_patches_it_and_takes_snapshots_in_quiet_hours(graph):
    build(
        graph,
        snapshot_retention_days=7,
        snapshot_window="02:00-03:00",
        maintenance_window="mon:01:00-mon:02:00",
    )
    group = graph.one(GROUP)
    assert group["autoMinorVersionUpgrade"] is True
    assert group["snapshotRetentionLimit"] == 7
    assert group["snapshotWindow"] == "02:00-03:00"
    assert group["maintenanceWindow"] == "mon:01:00-mon:02:00"


def test_changes_are_made_when_the_stack_says_so(graph):
    build(graph)
    assert graph.one(GROUP)["applyImmediately"] is True


def test_identifier_and_snapshot_are_renewed_with_the_group(graph):
    first = build(graph, final_snapshot=True)
    group = graph.one(GROUP)
    assert group["replicationGroupId"] == (
        f"app-cache-{graph.one(RANDOM_ID).outputs['hex']}"
    )
    assert group["finalSnapshotIdentifier"] == f"{group['replicationGroupId']}-final"
    assert first["final_snapshot_identifier"] == group["finalSnapshotIdentifier"]
    second = build(graph, final_snapshot=True, kms_key_arn=f"{KEY}5")
    assert second["replication_group_id"] != first["replication_group_id"]
    assert second["final_snapshot_identifier"] != first["final_snapshot_identifier"]


def test_a_throw_away_cache_leaves_nothing(graph):
    outputs = build(graph)
    assert "finalSnapshotIdentifier" not in graph.one(GROUP).inputs
    assert outputs["final_snapshot_identifier"] is None


def test_identifier_stays_within_the_40_characters_of_elasticache(graph):
    graph.build(lambda: Cache("a" * 36, args()))
    assert len(graph.one(GROUP)["replicationGroupId"]) <= 40


def test_only_what_holds_data_is_protected_with_the_component(graph):
    protected = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: Cache("app", args(), protected))
    assert graph.one(GROUP).protect
    assert not graph.one(PARAMETERS).protect
    assert not graph.one(SUBNETS).protect


def test_all_children_belong_to_the_cache(graph):
    build(graph)
    cache = graph.one("stromhaltig:aws:Cache")
    assert {resource.parent for resource in graph.resources} == {cache.urn}


def test_a_preview_knows_what_does_not_come_from_aws(graph):
    outputs = graph.build(lambda: Cache("app", args(nodes=2)), preview=True)
    assert outputs["port"] == 6379
    assert outputs["address"] == outputs["url"] == UNKNOWN
    assert outputs["member_ids"] == UNKNOWN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes": 0}, "nodes: 0 is not between 1 and 6"),
        ({"nodes": 7}, "nodes: 7 is not between 1 and 6"),
        ({"subnet_ids": []}, "subnet_ids: 1 nodes need 1"),
        ({"nodes": 2, "subnet_ids": ["subnet-1"]}, "subnet_ids: 2 nodes need 2"),
        ({"security_group_ids": []}, "security_group_ids"),
        ({"engine_version": "8"}, '"8" is not 7.2, 8.x or 9.x'),
        ({"engine_version": "6.2"}, '"6.2" is not'),
        ({"engine_version": "8.0.1"}, '"8.0.1" is not'),
        ({"snapshot_retention_days": -1}, "-1 is not between 0 and 35"),
        ({"snapshot_retention_days": 36}, "36 is not between 0 and 35"),
        ({"max_memory_policy": "lru"}, '"lru" is not one of volatile-lru'),
    ],
)
def test_what_elasticache_would_refuse_late_is_refused_at_once(changes, words):
    with pytest.raises(ValueError, match=words):
        args(**changes)
