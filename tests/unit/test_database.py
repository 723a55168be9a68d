from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pulumi
import pytest

from components.database import Database, DatabaseArgs
from components.login import Login
from tests.graph import UNKNOWN, Graph

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234"
INSTANCE = "aws:rds/instance:Instance"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
PASSWORD = "random:index/randomPassword:RandomPassword"
RANDOM_ID = "random:index/randomId:RandomId"


def args(**changes: Any) -> DatabaseArgs:
    return DatabaseArgs(
        **{
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "kms_key_arn": KEY,
            "instance_class": "db.t4g.medium",
            "allocated_storage": 100,
            "max_allocated_storage": 500,
            "multi_az": True,
            "backup_retention_days": 7,
            "deletion_protection": True,
            "final_snapshot": True,
        }
        | changes
    )


def build(
    graph: Graph, opts: pulumi.ResourceOptions | None = None, **changes: Any
) -> Any:
    return graph.build(lambda: Database("app", args(**changes), opts))


def parameters(graph: Graph) -> dict[str, tuple[str, str]]:
    return {
        p["name"]: (p["value"], p["applyMethod"])
        for p in graph.one(PARAMETERS)["parameters"]
    }


def test_instance_has_the_size_that_was_asked_for(graph):
    build(graph, port=15432)
    instance = graph.one(INSTANCE)
    assert instance["engine"] == "postgres"
    assert instance["instanceClass"] == "db.t4g.medium"
    assert (instance["storageType"], instance["allocatedStorage"]) == ("gp3", 100)
    assert instance["maxAllocatedStorage"] == 500
    assert instance["multiAz"] is True
    assert instance["port"] == 15432


def test_only_the_major_version_is_pinned_and_aws_patches_the_rest(graph):
    build(graph)
    assert graph.one(INSTANCE)["engineVersion"] == "15"
    assert graph.one(INSTANCE)["autoMinorVersionUpgrade"] is True
    assert graph.one(PARAMETERS)["family"] == "postgres15"


def test_aws_does_not_move_past_a_minor_version_that_is_pinned(graph):
    build(graph, engine_version="16.4")
    assert graph.one(INSTANCE)["engineVersion"] == "16.4"
    assert graph.one(INSTANCE)["autoMinorVersionUpgrade"] is False
    assert graph.one(PARAMETERS)["family"] == "postgres16"


def test_instance_is_out_of_reach_from_the_internet(graph):
    build(graph)
    instance = graph.one(INSTANCE)
    subnets = graph.one("aws:rds/subnetGroup:SubnetGroup")
    assert instance["publiclyAccessible"] is False
    assert instance["vpcSecurityGroupIds"] == ["sg-1"]
    assert instance["dbSubnetGroupName"] == subnets.outputs["name"]
    assert subnets["subnetIds"] == ["subnet-1", "subnet-2"]


def test_everything_at_rest_is_encrypted_with_the_customer_key(graph):
    build(graph)
    instance = graph.one(INSTANCE)
    assert instance["storageEncrypted"] is True
    assert instance["kmsKeyId"] == KEY
    assert instance["performanceInsightsKmsKeyId"] == KEY
    assert {group["kmsKeyId"] for group in graph.all(LOG_GROUP)} == {KEY}


def test_tls_is_forced_from_the_first_start(graph):
    build(graph)
    assert parameters(graph)["rds.force_ssl"] == ("1", "pending-reboot")
    assert graph.one(INSTANCE)["caCertIdentifier"] == "rds-ca-rsa2048-g1"


def test_slow_statements_and_connections_are_logged(graph):
    build(graph, slow_query_ms=250)
    found = parameters(graph)
    assert found["log_min_duration_statement"] == ("250", "immediate")
    assert found["log_connections"] == found["log_disconnections"] == ("1", "immediate")
    assert found["shared_preload_libraries"] == ("pg_stat_statements", "pending-reboot")
    assert found["pg_stat_statements.track"] == ("ALL", "immediate")


def test_log_groups_exist_before_rds_would_make_its_own(graph):
    build(graph, log_retention_days=90)
    instance = graph.one(INSTANCE)
    identifier = instance["identifier"]
    groups = graph.all(LOG_GROUP)
    assert {group["name"] for group in groups} == {
        f"/aws/rds/instance/{identifier}/postgresql",
        f"/aws/rds/instance/{identifier}/upgrade",
    }
    assert set(instance["enabledCloudwatchLogsExports"]) == {"postgresql", "upgrade"}
    assert {group.urn for group in groups} <= instance.dependencies
    assert {group["retentionInDays"] for group in groups} == {90}


def test_identifier_and_snapshot_are_renewed_with_the_instance(graph):
    outputs = build(graph)
    life = graph.one(RANDOM_ID)
    instance = graph.one(INSTANCE)
    assert life["keepers"] == {
        "kms_key": KEY,
        "database_name": "stromhaltig",
        "username": "stromhaltig",
    }
    assert instance["identifier"] == f"app-database-{life.outputs['hex']}"
    assert instance["finalSnapshotIdentifier"] == f"{instance['identifier']}-final"
    assert outputs["final_snapshot_identifier"] == instance["finalSnapshotIdentifier"]


def test_identifier_stays_within_the_63_characters_of_rds(graph):
    graph.build(lambda: Database("a" * 80, args()))
    assert len(graph.one(INSTANCE)["identifier"]) <= 63


def test_deletion_leaves_a_snapshot_and_the_backups(graph):
    build(graph)
    instance = graph.one(INSTANCE)
    assert instance["deletionProtection"] is True
    assert instance["skipFinalSnapshot"] is False
    assert instance["deleteAutomatedBackups"] is False
    assert instance["copyTagsToSnapshot"] is True
    assert instance["backupRetentionPeriod"] == 7


def test_a_throw_away_database_leaves_nothing(graph):
    outputs = build(graph, final_snapshot=False, deletion_protection=False)
    instance = graph.one(INSTANCE)
    assert instance["skipFinalSnapshot"] is True
    assert instance["deleteAutomatedBackups"] is True
    assert "finalSnapshotIdentifier" not in instance.inputs
    assert outputs["final_snapshot_identifier"] is None


def test_url_connects_as_the_administrator_and_asks_for_tls(graph):
    outputs = build(graph, username="ad:min", ssl_mode="verify-full")
    url = urlsplit(outputs["url"])
    instance = graph.one(INSTANCE)
    assert url.scheme == "postgresql"
    assert unquote(url.username or "") == "ad:min" == instance["username"]
    assert unquote(url.password or "") == instance["password"]
    assert url.hostname == outputs["address"]
    assert url.port == 5432
    assert url.path == "/stromhaltig" == f"/{instance['dbName']}"
    assert url.query == "sslmode=verify-full"


def test_password_appears_in_secrets_only(graph):
    build(graph)
    password = graph.one(INSTANCE)["password"]
    assert len(password) == 40
    assert password.isalnum()
    assert "password" in graph.one(INSTANCE).secrets
    assert graph.secret_outputs == {"url", "admin_url"}


def test_the_app_is_the_administrator_until_its_password_was_rotated(graph):
    outputs = build(graph)
    assert outputs["url"] == outputs["admin_url"]
    assert outputs["user"] == "stromhaltig"
    assert not graph.one(PASSWORD).get("keepers")


def test_another_login_is_the_apps_and_the_administrators_stays(graph):
    before = build(graph)["url"]
    outputs = build(graph, login=Login(user="stromhaltig_a", password="other"))
    assert outputs["admin_url"] == before
    assert outputs["url"] == re.sub("//[^@]+@", "//stromhaltig_a:other@", before)
    assert outputs["user"] == "stromhaltig_a"
    assert graph.one(INSTANCE)["username"] == "stromhaltig"


def test_the_administrators_password_is_made_up_anew_in_place(graph):
    opts = pulumi.ResourceOptions(protect=True)
    build(graph, opts)
    first = graph.one(PASSWORD)
    build(graph, opts, generation=1)
    second = graph.one(PASSWORD)

    assert (first.name, first.protect) == (second.name, True)
    assert second["keepers"] == {"generation": "1"}
    # The engine replaces nothing that is protected.
    assert not second.protect


def test_operating_system_metrics_come_with_a_role_of_their_own(graph):
    build(graph, monitoring_interval=30)
    instance = graph.one(INSTANCE)
    role = graph.one(ROLE)
    assert instance["monitoringInterval"] == 30
    assert instance["monitoringRoleArn"] == role.outputs["arn"]
    assert graph.one(ROLE_POLICY).urn in instance.dependencies
    (statement,) = graph.policy(ROLE, key="assumeRolePolicy")["Statement"]
    assert statement["Principal"] == {"Service": "monitoring.rds.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"}
    }


def test_the_monitoring_role_writes_one_log_group(graph):
    build(graph)
    group = "arn:aws:logs:eu-central-1:123456789012:log-group:RDSOSMetrics"
    create, write = graph.policy(ROLE_POLICY)["Statement"]
    assert create["Resource"] == [group, f"{group}:*"]
    assert write["Resource"] == f"{group}:log-stream:*"


def test_without_metrics_there_is_no_role(graph):
    build(graph, monitoring_interval=0)
    assert graph.all(ROLE) == graph.all(ROLE_POLICY) == []
    assert "monitoringRoleArn" not in graph.one(INSTANCE).inputs


@pytest.mark.parametrize(("on", "days", "key"), [(True, 7, KEY), (False, None, None)])
def test_performance_insights_are_kept_for_the_free_week(graph, on, days, key):
    build(graph, performance_insights=on)
    instance = graph.one(INSTANCE)
    assert instance["performanceInsightsEnabled"] is on
    assert instance.get("performanceInsightsRetentionPeriod") == days
    assert instance.get("performanceInsightsKmsKeyId") == key


def test_protection_covers_the_data_and_spares_what_must_be_replaceable(graph):
    opts = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: Database("app", args(), opts))
    spared = {r.type for r in graph.resources if not r.protect}
    assert spared == {
        PARAMETERS,
        "aws:rds/subnetGroup:SubnetGroup",
        ROLE,
        ROLE_POLICY,
    }


def test_a_preview_knows_everything_but_what_aws_makes_up(graph):
    outputs = graph.build(lambda: Database("app", args()), preview=True)
    instance = graph.one(INSTANCE)
    assert instance["identifier"] == UNKNOWN
    assert instance["instanceClass"] == "db.t4g.medium"
    assert outputs["url"] == UNKNOWN
    assert "url" in graph.secret_outputs


def test_children_belong_to_the_component(graph):
    build(graph)
    owners = {graph.parent(r).type for r in graph.resources}
    assert owners == {"stromhaltig:aws:Database"}
