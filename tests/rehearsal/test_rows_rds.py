"""The rows of RDS: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.wire import Properties
from tests.rehearsal.conformance import (
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
)
from tests.rehearsal.surroundings import key, network

SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"
PARAMETER_GROUP = "aws:rds/parameterGroup:ParameterGroup"
INSTANCE = "aws:rds/instance:Instance"

EVENT_SUBSCRIPTION = "aws:rds/eventSubscription:EventSubscription"

ROLE = "arn:aws:iam::123456789012:role/monitoring"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


def subnet_group(site: Site) -> Case:
    rds, subnets = site.client("rds"), network(site.aws).subnets

    def elsewhere(id: str) -> None:
        # moto loses a group that it changes, so somebody makes another of its name.
        rds.delete_db_subnet_group(DBSubnetGroupName=id)
        rds.create_db_subnet_group(
            DBSubnetGroupName=id,
            DBSubnetGroupDescription="Managed by Pulumi",
            SubnetIds=subnets[1:],
        )

    return Case(
        inputs={"subnetIds": subnets[:2]},
        listing=lambda: [
            one["DBSubnetGroupName"]
            for one in rds.describe_db_subnet_groups()["DBSubnetGroups"]
        ],
        updates={"description": "Isolated", "subnetIds": subnets},
        drift=[Drift(act=elsewhere, seen="subnetIds")],
        refused=[({"name": "Upper"}, "small letters")],
    )


def parameter_group(site: Site) -> Case:
    rds = site.client("rds")
    tls = {"name": "rds.force_ssl", "value": "1", "applyMethod": "pending-reboot"}
    slow = {"name": "log_min_duration_statement", "value": "1000"}
    return Case(
        inputs={"family": "postgres15", "parameters": [tls, slow]},
        listing=lambda: [
            one["DBParameterGroupName"]
            for one in rds.describe_db_parameter_groups()["DBParameterGroups"]
        ],
        updates={
            "parameters": [
                {**slow, "value": "500"},
                *({"name": f"parameter_{n}", "value": str(n)} for n in range(25)),
            ]
        },
        replaces={"family": "postgres16", "description": "TLS forced"},
        unverified={"skipDestroy": False},
        drift=[
            Drift(
                act=lambda id: rds.modify_db_parameter_group(
                    DBParameterGroupName=id,
                    Parameters=[
                        {
                            "ParameterName": "rds.force_ssl",
                            "ParameterValue": "0",
                            "ApplyMethod": "pending-reboot",
                        }
                    ],
                ),
                seen="parameters",
            )
        ],
        refused=[
            ({"name": "Upper"}, "small letters"),
            ({"parameters": [tls, tls]}, "set twice"),
            ({"parameters": [{**tls, "applyMethod": "reboot"}]}, "[0].applyMethod"),
        ],
    )


def event_subscription(site: Site) -> Case:
    rds = site.client("rds")

    def silenced(id: str) -> None:
        # moto changes no subscription, so somebody makes another of its name.
        rds.delete_event_subscription(SubscriptionName=id)
        rds.create_event_subscription(
            SubscriptionName=id,
            SnsTopicArn=TOPIC,
            SourceType="db-instance",
            EventCategories=["failure", "maintenance"],
            Enabled=False,
        )

    return Case(
        inputs={
            "snsTopic": TOPIC,
            "sourceType": "db-instance",
            "eventCategories": ["failure", "maintenance"],
        },
        listing=lambda: [
            one["CustSubscriptionId"]
            for one in rds.describe_event_subscriptions()["EventSubscriptionsList"]
        ],
        updates={
            "enabled": False,
            "eventCategories": ["failure"],
            "snsTopic": f"{TOPIC}-other",
            "sourceIds": ["app-1", "app-2"],
            "sourceType": "db-parameter-group",
        },
        drift=[Drift(act=silenced, seen="enabled")],
        refused=[
            ({"snsTopic": "alarms"}, "an ARN"),
            ({"sourceType": "db-instances"}, 'Did you mean "db-instance"?'),
            ({"sourceType": None, "sourceIds": ["app"]}, "sourceType: missing"),
            ({"name": "a b"}, "hyphens"),
        ],
    )


def groups(site: Site, number: int = 0, family: str = "postgres15") -> tuple[str, str]:
    """A subnet group and a parameter group."""
    subnets = network(site.aws, number).subnets
    return (
        site.make(SUBNET_GROUP, subnetIds=subnets)["name"],
        site.make(PARAMETER_GROUP, family=family)["name"],
    )


def postgres(site: Site, **changes: Any) -> Properties:
    """A small database."""
    program = {
        "engine": "postgres",
        "engineVersion": "15",
        "instanceClass": "db.t4g.micro",
        "allocatedStorage": 20,
        "storageType": "gp3",
        "username": "stromhaltig",
        "password": "correct-horse",
        "skipFinalSnapshot": True,
        "vpcSecurityGroupIds": network(site.aws).groups[:1],
        **changes,
    }
    return {name: value for name, value in program.items() if value is not None}


def instance(site: Site) -> Case:
    rds = site.client("rds")
    subnets, parameters = groups(site)
    other_subnets, other_parameters = groups(site, 1)
    home, other = key(site.aws), key(site.aws, 1)
    insights = {"performanceInsightsEnabled": True}
    return Case(
        inputs=postgres(
            site,
            dbName="stromhaltig",
            storageEncrypted=True,
            kmsKeyId=home,
            dbSubnetGroupName=subnets,
            parameterGroupName=parameters,
            backupRetentionPeriod=7,
            backupWindow="01:30-02:30",
            maintenanceWindow="sun:03:00-sun:04:00",
            enabledCloudwatchLogsExports=["postgresql", "upgrade"],
            caCertIdentifier="rds-ca-rsa2048-g1",
        ),
        listing=lambda: [
            one["DBInstanceIdentifier"]
            for one in rds.describe_db_instances()["DBInstances"]
        ],
        updates={
            "allocatedStorage": To(400, back=False),
            "autoMinorVersionUpgrade": False,
            "backupRetentionPeriod": 0,
            "backupWindow": "00:30-01:00",
            "caCertIdentifier": "rds-ca-ecc384-g1",
            "copyTagsToSnapshot": True,
            "databaseInsightsMode": "advanced",
            "dbSubnetGroupName": other_subnets,
            "deletionProtection": True,
            "enabledCloudwatchLogsExports": ["postgresql"],
            "engineVersion": To("15.4", back=False),
            "iamDatabaseAuthenticationEnabled": True,
            "identifier": site.name("renamed"),
            "instanceClass": "db.m7g.large",
            "iops": To(12000, allocatedStorage=400, back=False),
            "maintenanceWindow": "mon:05:00-mon:06:00",
            "manageMasterUserPassword": To(True, password=None),
            "maxAllocatedStorage": 100,
            "monitoringInterval": To(60, monitoringRoleArn=ROLE),
            "monitoringRoleArn": To(ROLE, monitoringInterval=30),
            "multiAz": True,
            "networkType": "DUAL",
            "parameterGroupName": other_parameters,
            "password": "battery-staple",
            "performanceInsightsEnabled": True,
            "performanceInsightsKmsKeyId": To(home, **insights),
            "performanceInsightsRetentionPeriod": To(731, **insights),
            "port": 5433,
            "publiclyAccessible": True,
            "storageThroughput": To(500, allocatedStorage=400, back=False),
            "storageType": "gp2",
            "vpcSecurityGroupIds": network(site.aws).groups,
        },
        replaces={
            "availabilityZone": "eu-central-1b",
            "dbName": "other",
            "engine": To("mysql", **NO_POSTGRES),
            "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "kmsKeyId": other,
            "storageEncrypted": To(False, kmsKeyId=None),
            "username": "owner",
        },
        unverified={
            "allowMajorVersionUpgrade": True,
            "applyImmediately": True,
            "deleteAutomatedBackups": False,
            "finalSnapshotIdentifier": "final",
            "skipFinalSnapshot": To(False, finalSnapshotIdentifier="final"),
        },
        drift=[
            Drift(
                act=lambda id: rds.modify_db_instance(
                    DBInstanceIdentifier=id, PubliclyAccessible=True
                ),
                seen="publiclyAccessible",
            ),
            Drift(
                act=lambda id: rds.modify_db_instance(
                    DBInstanceIdentifier=id,
                    CloudwatchLogsExportConfiguration={"DisableLogTypes": ["upgrade"]},
                ),
                seen="enabledCloudwatchLogsExports",
            ),
            Drift(
                act=lambda id: rds.modify_db_instance(
                    DBInstanceIdentifier=id, BackupRetentionPeriod=1
                ),
                seen="backupRetentionPeriod",
            ),
        ],
        refused=[
            ({"identifier": "double--hyphen"}, "single hyphens"),
            ({"identifier": "Upper"}, "small letters"),
            ({"engine": "postgresql"}, 'Did you mean "postgres"?'),
            ({"engine": None}, "engine: missing"),
            ({"engineVersion": "fifteen"}, "like 15"),
            ({"instanceClass": "t4g.micro"}, "like db.t4g.micro"),
            ({"dbName": "1st"}, "letters, digits and underscores"),
            ({"dbName": "DB"}, "no reserved word"),
            ({"username": "admin"}, "no reserved word"),
            ({"username": None}, "username: missing"),
            ({"password": "short"}, "8 to 128"),
            ({"password": "with/slash"}, "must not contain"),
            ({"password": None}, "password: missing"),
            ({"manageMasterUserPassword": True}, "RDS makes its own"),
            ({"allocatedStorage": 19}, "between 20 and 65536"),
            ({"allocatedStorage": 20, "storageType": "io1"}, "between 100"),
            ({"allocatedStorage": None}, "allocatedStorage: missing"),
            ({"maxAllocatedStorage": 19}, "less than allocatedStorage"),
            ({"storageType": "gp4"}, "gp3"),
            ({"iops": 3000}, "less than 400 GiB"),
            ({"storageEncrypted": False}, "needs storageEncrypted"),
            ({"kmsKeyId": "alias/app"}, "an ARN"),
            ({"backupRetentionPeriod": 36}, "between 0 and 35"),
            ({"backupWindow": "1:30-2:30"}, "like 01:30-02:30"),
            ({"maintenanceWindow": "03:00-04:00"}, "like sun:03:00-sun:04:00"),
            ({"skipFinalSnapshot": False}, "finalSnapshotIdentifier: missing"),
            ({"finalSnapshotIdentifier": "ends-"}, "single hyphens"),
            ({"monitoringInterval": 20}, "not one of 0, 1, 5"),
            ({"monitoringInterval": 60}, "monitoringRoleArn: missing"),
            ({"monitoringRoleArn": ROLE}, "monitoringInterval: missing"),
            ({"performanceInsightsRetentionPeriod": 7}, "performanceInsightsEnabled"),
            (
                {
                    "performanceInsightsRetentionPeriod": 30,
                    "performanceInsightsEnabled": True,
                },
                "31",
            ),
            ({"enabledCloudwatchLogsExports": ["slowquery"]}, "postgresql"),
            ({"port": 80}, "between 1150 and 65535"),
            ({"availabilityZone": "eu-central-1a", "multiAz": True}, "RDS chooses"),
        ],
        unlock=lambda state: rds.modify_db_instance(
            DBInstanceIdentifier=state["identifier"], DeletionProtection=False
        ),
    )


NO_POSTGRES = {
    "engineVersion": "8.0",
    "parameterGroupName": None,
    "enabledCloudwatchLogsExports": None,
}


class TestRdsRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        SUBNET_GROUP: subnet_group,
        PARAMETER_GROUP: parameter_group,
        EVENT_SUBSCRIPTION: event_subscription,
        INSTANCE: instance,
    }


def test_a_subnet_group_spans_two_zones_and_outlives_no_instance(site: Site):
    subnets = network(site.aws).subnets
    resource = Resource(SUBNET_GROUP, site.aws)
    with pytest.raises(ClientError, match="at least 2 AZs"):
        resource.up({"subnetIds": subnets[:1]})
    resource.up({"subnetIds": subnets})
    database = Resource(INSTANCE, site.aws)
    database.up(postgres(site, dbSubnetGroupName=resource.id))
    with pytest.raises(ClientError, match=f"still used by {database.id}"):
        resource.destroy()
    database.destroy()
    resource.destroy()
    assert not resource.refresh()


def test_a_subnet_group_has_a_name_of_its_own(site: Site):
    program = {"subnetIds": network(site.aws).subnets, "name": site.name()}
    site.make(SUBNET_GROUP, **program)
    with pytest.raises(ClientError, match="already exists"):
        site.make(SUBNET_GROUP, **program)


def test_a_parameter_that_is_taken_away_is_nobodys_again(site: Site):
    one, two = ({"name": name, "value": "1"} for name in ("log_connections", "jit"))
    resource = Resource(PARAMETER_GROUP, site.aws)
    program = {"family": "postgres15", "parameters": [one, two]}
    resource.up(program)
    resource.up({**program, "parameters": [two]})
    assert [found["name"] for found in resource.live("parameters")] == ["jit"]
    resource.up(program)
    assert len(resource.live("parameters")) == 2


def test_a_parameter_group_stays_while_used_or_wanted(site: Site):
    resource = Resource(PARAMETER_GROUP, site.aws)
    resource.up({"family": "postgres15", "skipDestroy": True})
    database = Resource(INSTANCE, site.aws)
    database.up(postgres(site, parameterGroupName=resource.id))
    resource.destroy()
    assert resource.refresh()
    resource.up({"family": "postgres15"})
    with pytest.raises(ClientError, match=f"still used by {database.id}"):
        resource.destroy()
    database.destroy()
    resource.destroy()
    assert not resource.refresh()


def test_a_database_says_where_it_is(site: Site):
    made = site.make(INSTANCE, **postgres(site, identifier=site.name()))
    assert made["address"].startswith(f"{made['identifier']}.")
    assert made["port"] == 5432
    assert made["endpoint"] == f"{made['address']}:5432"
    assert made["arn"].endswith(f":db:{made['identifier']}")
    assert made["status"] == "available"
    assert made["hostedZoneId"] == "Z1RLNUO7B9Q6NB"
    assert made["resourceId"].startswith("db-")


def test_a_minor_version_that_aws_chose_is_no_drift(site: Site):
    program = postgres(site, allowMajorVersionUpgrade=True)
    resource = Resource(INSTANCE, site.aws)
    resource.up(program)
    rds = site.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=resource.id, EngineVersion="15.10")
    assert resource.refresh()
    assert resource.outputs["engineVersionActual"] == "15.10"
    assert not resource.preview(program).changed
    rds.modify_db_instance(DBInstanceIdentifier=resource.id, EngineVersion="16.1")
    assert resource.refresh()
    assert resource.preview(program).changed == {"engineVersion"}


def test_a_database_changes_its_major_version_only_when_told(site: Site):
    _, parameters = groups(site, family="postgres15")
    _, newer = groups(site, family="postgres16")
    program = postgres(site, parameterGroupName=parameters)
    resource = Resource(INSTANCE, site.aws)
    with pytest.raises(ClientError, match="DBParameterGroupFamily postgres14"):
        Resource(INSTANCE, site.aws).up({**program, "engineVersion": "14"})
    resource.up(program)
    upgraded = {**program, "engineVersion": "16", "parameterGroupName": newer}
    with pytest.raises(ClientError, match="AllowMajorVersionUpgrade"):
        resource.up(upgraded)
    upgraded["allowMajorVersionUpgrade"] = True
    with pytest.raises(ClientError, match="DBParameterGroupFamily postgres16"):
        resource.up({**upgraded, "parameterGroupName": parameters})
    assert not resource.up(upgraded).replaces
    with pytest.raises(ClientError, match="Cannot upgrade from 16 to 15"):
        resource.up(program)


def test_storage_grows_by_itself_and_never_shrinks(site: Site):
    program = postgres(site, allocatedStorage=50, maxAllocatedStorage=100)
    resource = Resource(INSTANCE, site.aws)
    resource.up(program)
    site.client("rds").modify_db_instance(
        DBInstanceIdentifier=resource.id, AllocatedStorage=80
    )
    assert resource.refresh()
    assert not resource.preview(program).changed
    with pytest.raises(ClientError, match="cannot be less than the current"):
        resource.up({**program, "allocatedStorage": 20, "maxAllocatedStorage": None})


def test_the_key_of_performance_insights_stays(site: Site):
    program = postgres(
        site,
        performanceInsightsEnabled=True,
        performanceInsightsKmsKeyId=key(site.aws),
    )
    resource = Resource(INSTANCE, site.aws)
    resource.up(program)
    with pytest.raises(ClientError, match="Performance Insights key"):
        resource.up({**program, "performanceInsightsKmsKeyId": key(site.aws, 1)})


def test_a_new_password_reaches_the_database(site: Site):
    sent: list[Mapping[str, Any]] = []
    events = site.client("rds").meta.events
    event = "provide-client-params.rds.ModifyDBInstance"

    def note(params: Mapping[str, Any], **_: object) -> None:
        sent.append(params)

    resource = Resource(INSTANCE, site.aws)
    program = postgres(site)
    resource.up(program)
    events.register(event, note)
    try:
        resource.up({**program, "password": "battery-staple"})
        resource.up({**program, "password": "battery-staple", "multiAz": True})
    finally:
        events.unregister(event, note)
    passwords = [params.get("MasterUserPassword") for params in sent]
    assert passwords == ["battery-staple", None]


def test_a_password_is_never_shown_in_a_problem(site: Site):
    for password in ("s3cret", "s3cret/and/long", "s3cret with spaces"):
        problems = Resource(INSTANCE, site.aws).problems(
            postgres(site, password=password)
        )
        assert problems
        assert "s3cret" not in str(problems)


def test_a_password_of_rds_itself_is_kept_in_a_secret(site: Site):
    resource = Resource(INSTANCE, site.aws)
    program = postgres(site, password=None, manageMasterUserPassword=True)
    resource.up(program)
    [secret] = resource.outputs["masterUserSecrets"]
    found = site.client("secretsmanager").describe_secret(SecretId=secret["secretArn"])
    assert found["Name"].startswith("rds!db-")
    resource.destroy()


def test_deletion_protection_keeps_a_database(site: Site):
    resource = Resource(INSTANCE, site.aws)
    program = postgres(site, deletionProtection=True)
    resource.up(program)
    with pytest.raises(ClientError, match="disable deletion protection"):
        resource.destroy()
    assert resource.refresh()
    resource.up({**program, "deletionProtection": False})
    resource.destroy()
    assert not resource.refresh()


def test_a_database_leaves_the_final_snapshot_and_backups_asked_for(site: Site):
    rds, name = site.client("rds"), site.name()

    def snapshots(resource: Resource) -> list[str]:
        found = rds.describe_db_snapshots(DBInstanceIdentifier=resource.id)
        return [one["SnapshotType"] for one in found["DBSnapshots"]]

    keeping, leaving = (Resource(INSTANCE, site.aws) for _ in range(2))
    keeping.up(
        postgres(
            site,
            backupRetentionPeriod=7,
            skipFinalSnapshot=False,
            finalSnapshotIdentifier=f"{name}-final",
            deleteAutomatedBackups=False,
        )
    )
    leaving.up(postgres(site, backupRetentionPeriod=7))
    for resource in (keeping, leaving):
        resource.destroy()
        resource.destroy()
    assert sorted(snapshots(keeping)) == ["automated", "manual"]
    assert snapshots(leaving) == []
    [final] = rds.describe_db_snapshots(DBSnapshotIdentifier=f"{name}-final")[
        "DBSnapshots"
    ]
    assert final["DBInstanceIdentifier"] == keeping.id


def test_a_database_without_a_word_on_snapshots_is_not_deleted(site: Site):
    resource = Resource(INSTANCE, site.aws)
    resource.up(postgres(site))
    resource.inputs.pop("skipFinalSnapshot")
    resource.outputs.pop("skipFinalSnapshot")
    with pytest.raises(ClientError, match="FinalDBSnapshotIdentifier is required"):
        resource.destroy()
    assert resource.refresh()


def test_a_renamed_database_is_still_known(site: Site):
    resource = Resource(INSTANCE, site.aws)
    program = postgres(site, identifier=site.name())
    resource.up(program)
    renamed = site.name()
    resource.up({**program, "identifier": renamed})
    assert resource.outputs["identifier"] == renamed
    assert resource.outputs["address"].startswith(f"{renamed}.")
    resource.up({**program, "identifier": renamed, "tags": {"Name": "new"}})
    assert resource.live("tagsAll")["Name"] == "new"
    resource.destroy()
    assert not resource.refresh()


def test_windows_are_the_same_in_any_letters(site: Site):
    program = postgres(site, maintenanceWindow="Sun:03:00-Sun:04:00")
    resource = Resource(INSTANCE, site.aws)
    resource.up(program)
    assert resource.refresh()
    assert not resource.preview(program).changed
