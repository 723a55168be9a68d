"""What breaks the policies about RDS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resource_graph import Resource
from resource_types import (
    BACKUP_SELECTION,
    DATABASE,
    DATABASE_EVENTS,
    DATABASE_PARAMETERS,
    DATABASE_SUBNETS,
    INTERNET_GATEWAY,
    NAT_GATEWAY,
    ROUTE,
    ROUTE_TABLE,
    ROUTE_TABLE_ASSOCIATION,
    SUBNET,
)
from tests.unit.policies.casework import Case, resource

SOURCE = resource(DATABASE, "source", storageEncrypted=True, backupRetentionPeriod=7)
REPLICA = resource(DATABASE, "replica", comes_from={"replicateSourceDb": [SOURCE]})


def postgres(name: str = "it", **inputs: Any) -> Resource:
    return resource(DATABASE, name, engine="postgres", **inputs)


def events(source: str, *categories: str, name: str = "it", **inputs: Any) -> Resource:
    return resource(
        DATABASE_EVENTS,
        name,
        sourceType=source,
        eventCategories=list(categories),
        **inputs,
    )


ABOUT_INSTANCES = events(
    "db-instance", "maintenance", "configuration change", "failure", name="instances"
)
ABOUT_ALL = resource(DATABASE_EVENTS, "all", snsTopic="topic")


def with_parameters(
    version: str | None, *parameters: tuple[str, str]
) -> list[Resource]:
    """A database of a version, and its group of parameters."""
    group = resource(
        DATABASE_PARAMETERS,
        parameters=[{"name": name, "value": value} for name, value in parameters],
    )
    database = postgres(
        comes_from={"parameterGroupName": [group]},
        **({"engineVersion": version} if version else {}),
    )
    return [group, database]


def placed(*more: Resource, **table: Any) -> list[Resource]:
    """A database in a subnet with a route table.

    more: routes. table: inputs of the route table.
    """
    return [
        SUBNET_A,
        GATEWAY,
        resource(ROUTE_TABLE, **table),
        ASSOCIATION,
        SUBNETS,
        resource(DATABASE, comes_from={"dbSubnetGroupName": [SUBNETS]}),
        *more,
    ]


SUBNET_A = resource(SUBNET, "a")
GATEWAY = resource(INTERNET_GATEWAY, "gateway")
NAT = resource(NAT_GATEWAY, "nat")
TABLE = resource(ROUTE_TABLE)
ASSOCIATION = resource(
    ROUTE_TABLE_ASSOCIATION,
    comes_from={"subnetId": [SUBNET_A], "routeTableId": [TABLE]},
)
SUBNETS = resource(DATABASE_SUBNETS, comes_from={"subnetIds": [SUBNET_A]})
TO_NAT = resource(
    ROUTE,
    comes_from={"routeTableId": [TABLE], "natGatewayId": [NAT]},
    destinationCidrBlock="0.0.0.0/0",
)


def to_gateway(**destination: Any) -> Resource:
    return resource(
        ROUTE,
        comes_from={"routeTableId": [TABLE], "gatewayId": [GATEWAY]},
        **destination,
    )


SAVED = resource(DATABASE, identifier="saved", tags={"backup": "daily"})

CASES = (
    Case(
        id="RDS.2",
        good=[resource(DATABASE), resource(DATABASE, "b", publiclyAccessible=False)],
        bad={
            "public": (
                [resource(DATABASE, publiclyAccessible=True)],
                "publiclyAccessible is true",
            )
        },
    ),
    Case(
        id="RDS.3",
        good=[SOURCE, REPLICA],
        bad={
            "not encrypted": (
                [resource(DATABASE, storageEncrypted=False)],
                "storageEncrypted is not true",
            ),
            "left to its default": ([resource(DATABASE)], "storageEncrypted"),
        },
    ),
    Case(
        id="RDS.5",
        good=[resource(DATABASE, multiAz=True)],
        bad={
            "one zone": ([resource(DATABASE, multiAz=False)], "multiAz is not true"),
            "left to its default": ([resource(DATABASE)], "multiAz"),
        },
    ),
    Case(
        id="RDS.6",
        good=[resource(DATABASE, monitoringInterval=60)],
        bad={
            "off": (
                [resource(DATABASE, monitoringInterval=0)],
                "monitoringInterval is 0",
            ),
            "left to its default": ([resource(DATABASE)], "monitoringInterval is 0"),
        },
    ),
    Case(
        id="RDS.8",
        good=[resource(DATABASE, deletionProtection=True)],
        bad={
            "off": ([resource(DATABASE, deletionProtection=False)], "not true"),
            "left to its default": ([resource(DATABASE)], "deletionProtection"),
        },
    ),
    Case(
        id="RDS.9",
        good=[
            postgres(enabledCloudwatchLogsExports=["upgrade", "postgresql"]),
            resource(
                DATABASE,
                "mysql",
                engine="mysql",
                enabledCloudwatchLogsExports=["audit", "error", "general", "slowquery"],
            ),
            resource(DATABASE, "other", engine="db2-se"),
            REPLICA,
        ],
        bad={
            "one of two": (
                [postgres(enabledCloudwatchLogsExports=["postgresql"])],
                "lacks upgrade",
            ),
            "left to its default": ([postgres()], "lacks postgresql, upgrade"),
            "of an edition": (
                [
                    resource(
                        DATABASE,
                        engine="sqlserver-se",
                        enabledCloudwatchLogsExports=["error"],
                    )
                ],
                "lacks agent",
            ),
        },
    ),
    Case(
        id="RDS.10",
        good=[
            postgres(iamDatabaseAuthenticationEnabled=True),
            resource(DATABASE, "oracle", engine="oracle-ee"),
        ],
        bad={
            "off": (
                [postgres(iamDatabaseAuthenticationEnabled=False)],
                "iamDatabaseAuthenticationEnabled is not true",
            ),
            "left to its default": ([postgres()], "iamDatabaseAuthenticationEnabled"),
        },
    ),
    Case(
        id="RDS.11",
        good=[SOURCE, REPLICA],
        bad={
            "a day": (
                [resource(DATABASE, backupRetentionPeriod=1)],
                "backupRetentionPeriod is 1, less than 7",
            ),
            "left to its default": (
                [resource(DATABASE)],
                "backupRetentionPeriod is 0, less than 7",
            ),
        },
    ),
    Case(
        id="RDS.13",
        good=[
            resource(DATABASE),
            resource(DATABASE, "b", autoMinorVersionUpgrade=True),
        ],
        bad={
            "off": (
                [resource(DATABASE, autoMinorVersionUpgrade=False)],
                "autoMinorVersionUpgrade is false",
            )
        },
    ),
    Case(
        id="RDS.17",
        good=[resource(DATABASE, copyTagsToSnapshot=True)],
        bad={
            "off": ([resource(DATABASE, copyTagsToSnapshot=False)], "not true"),
            "left to its default": ([resource(DATABASE)], "copyTagsToSnapshot"),
        },
    ),
    Case(
        id="RDS.20",
        good=[
            events("db-instance", "failure", "maintenance", name="one"),
            events("db-instance", "configuration change", name="another"),
            events("db-snapshot", "deletion", name="of others"),
        ],
        bad={
            "not of failures": (
                [events("db-instance", "maintenance", "configuration change")],
                "lack failure",
            ),
            "not enabled": (
                [events("db-instance", enabled=False)],
                "no subscription that is enabled has the sourceType db-instance",
            ),
        },
    ),
    Case(
        id="RDS.21",
        good=[ABOUT_INSTANCES, events("db-parameter-group")],
        bad={
            "of instances only": (
                [ABOUT_INSTANCES, events("db-snapshot", name="snapshots")],
                "sourceType db-parameter-group",
            ),
            "not of changes": (
                [events("db-parameter-group", "deletion")],
                "lack configuration change",
            ),
        },
    ),
    Case(
        id="RDS.22",
        good=[ABOUT_INSTANCES, ABOUT_ALL],
        bad={
            "of instances only": ([ABOUT_INSTANCES], "sourceType db-security-group"),
            "not of failures": (
                [events("db-security-group", "configuration change")],
                "lack failure",
            ),
        },
    ),
    Case(
        id="RDS.23",
        good=[postgres(port=5433), resource(DATABASE, "other", engine="custom-x")],
        bad={
            "the usual one": ([postgres(port=5432)], "port is 5432"),
            "left to its default": (
                [resource(DATABASE, engine="oracle-se2")],
                "port is not set, which is 1521",
            ),
        },
    ),
    Case(
        id="RDS.25",
        good=[resource(DATABASE, username="stromhaltig"), REPLICA],
        bad={
            "postgres": (
                [resource(DATABASE, username="postgres")],
                "username is postgres",
            ),
            "with a capital": (
                [resource(DATABASE, username="Admin")],
                "username is Admin",
            ),
        },
    ),
    Case(
        id="RDS.26",
        good=[
            SAVED,
            resource(BACKUP_SELECTION, comes_from={"resources": [SAVED]}),
            resource(DATABASE, "by pattern", identifier="daily-1"),
            resource(
                BACKUP_SELECTION, "by pattern", resources=["arn:aws:rds:*:*:db:daily-*"]
            ),
            replace(
                resource(DATABASE, "by ARN"),
                outputs={"arn": "arn:aws:rds:eu-central-1:123456789012:db:known"},
            ),
            resource(
                BACKUP_SELECTION,
                "by ARN",
                resources=["arn:aws:rds:eu-central-1:*:db:known"],
            ),
            resource(DATABASE, "by condition", tagsAll={"plan": "a"}),
            resource(
                BACKUP_SELECTION,
                "by condition",
                resources=["*"],
                conditions=[
                    {"stringEquals": [{"key": "aws:ResourceTag/plan", "value": "a"}]}
                ],
            ),
        ],
        bad={
            "no plan": ([SAVED], "no backup plan"),
            "another one": (
                [
                    SAVED,
                    resource(BACKUP_SELECTION, comes_from={"resources": [SOURCE]}),
                ],
                "no backup plan",
            ),
            "left out": (
                [
                    SAVED,
                    resource(
                        BACKUP_SELECTION,
                        comes_from={"notResources": [SAVED]},
                        resources=["*"],
                    ),
                ],
                "no backup plan",
            ),
            "left out by pattern": (
                [
                    SAVED,
                    resource(
                        BACKUP_SELECTION,
                        resources=["*"],
                        notResources=["arn:aws:rds:*:*:db:*"],
                    ),
                ],
                "no backup plan",
            ),
            "another kind": (
                [
                    SAVED,
                    resource(BACKUP_SELECTION, resources=["arn:aws:ec2:*:*:volume/*"]),
                ],
                "no backup plan",
            ),
            "another tag": (
                [
                    SAVED,
                    resource(
                        BACKUP_SELECTION,
                        selectionTags=[
                            {"type": "STRINGEQUALS", "key": "backup", "value": "no"}
                        ],
                    ),
                ],
                "no backup plan",
            ),
            "a condition that it does not meet": (
                [
                    SAVED,
                    resource(
                        BACKUP_SELECTION,
                        resources=["*"],
                        conditions=[
                            {
                                "stringEquals": [
                                    {"key": "aws:ResourceTag/backup", "value": "no"}
                                ]
                            }
                        ],
                    ),
                ],
                "no backup plan",
            ),
            "an empty selection": (
                [SAVED, resource(BACKUP_SELECTION)],
                "no backup plan",
            ),
        },
    ),
    Case(
        id="RDS.36",
        good=[
            postgres(enabledCloudwatchLogsExports=["postgresql"]),
            resource(DATABASE, "mysql", engine="mysql"),
        ],
        bad={
            "another log": (
                [postgres(enabledCloudwatchLogsExports=["upgrade"])],
                "lacks postgresql",
            ),
            "left to its default": ([postgres()], "lacks postgresql"),
        },
    ),
    Case(
        id="RDS.38",
        good=[
            *with_parameters("14", ("log_connections", "1"), ("rds.force_ssl", "1")),
            postgres("default", engineVersion="15.4"),
            postgres("newest", parameterGroupName="default.postgres17"),
            resource(DATABASE, "mysql", engine="mysql", engineVersion="8.4"),
        ],
        bad={
            "not forced": (
                with_parameters("17", ("rds.force_ssl", "0")),
                "rds.force_ssl is 0",
            ),
            "left to the group's default": (
                with_parameters("14.9", ("log_connections", "1")),
                "rds.force_ssl is not set, which is 0 before version 15",
            ),
            "left to the default group": (
                [postgres(engineVersion="13", parameterGroupName="default.postgres13")],
                "rds.force_ssl is not set",
            ),
        },
    ),
    Case(
        id="RDS.46",
        good=[
            *placed(
                TO_NAT,
                to_gateway(destinationCidrBlock="192.0.2.0/24"),
                routes=[{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}],
            ),
            resource(
                DATABASE,
                "replica",
                comes_from={"replicateSourceDb": [resource(DATABASE)]},
            ),
        ],
        bad={
            "a route outside": (
                placed(to_gateway(destinationCidrBlock="0.0.0.0/0")),
                "internet gateway leaves subnet a",
            ),
            "a route outside for IPv6": (
                placed(to_gateway(destinationIpv6CidrBlock="::/0")),
                "internet gateway leaves subnet a",
            ),
            "a route in the table": (
                placed(
                    comes_from={"routes": [GATEWAY]},
                    routes=[{"cidrBlock": "0.0.0.0/0", "gatewayId": "known later"}],
                ),
                "internet gateway leaves subnet a",
            ),
            "a gateway of another stack": (
                placed(routes=[{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}]),
                "internet gateway leaves subnet a",
            ),
            "the default network": (
                [resource(DATABASE)],
                "dbSubnetGroupName is not set",
            ),
        },
    ),
    Case(
        id="rds_instance_deprecated_engine_version",
        good=[
            postgres(engineVersion="99"),
            postgres("latest"),
            resource(DATABASE, "oracle", engine="oracle-ee", engineVersion="19"),
            REPLICA,
        ],
        bad={
            "a major version": (
                [postgres(engineVersion="12")],
                "engineVersion 12 ended on 2025-02-28",
            ),
            "a minor version": (
                [postgres(engineVersion="11.22")],
                "engineVersion 11.22 ended on 2024-02-29",
            ),
            "long ago": ([postgres(engineVersion="9.6")], "9.6 has ended"),
            "MySQL": (
                [resource(DATABASE, engine="mysql", engineVersion="5.7.44")],
                "engineVersion 5.7.44 ended on 2024-02-29",
            ),
        },
    ),
    Case(
        id="rds_instance_extended_support",
        good=[
            postgres(
                engineLifecycleSupport="open-source-rds-extended-support-disabled"
            ),
            resource(DATABASE, "oracle", engine="oracle-ee"),
        ],
        bad={
            "left to its default": ([postgres()], "engineLifecycleSupport is open-"),
            "enabled": (
                [postgres(engineLifecycleSupport="open-source-rds-extended-support")],
                "open-source-rds-extended-support",
            ),
        },
    ),
    Case(
        id="rds_instance_certificate_expiration",
        good=[
            resource(DATABASE),
            resource(DATABASE, "b", caCertIdentifier="rds-ca-rsa2048-g1"),
        ],
        bad={
            "expired": (
                [resource(DATABASE, caCertIdentifier="rds-ca-2019")],
                "caCertIdentifier is rds-ca-2019, which expired on 2024-08-22",
            )
        },
    ),
)
