"""Rows for databases: subnet group, parameter group, instance, event subscription."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import (
    arn,
    matching,
    one_of,
    refusal,
    value_at,
    within,
    zones_of,
)
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties

_DESCRIPTION = "Managed by Pulumi"
_GROUP_NAME = r"[a-z](-?[a-z0-9_. ])*"
_IDENTIFIER = r"(?=.{1,63}$)[a-z](-?[a-z0-9])*"
_EVENT_SOURCES = (
    *("db-instance", "db-parameter-group", "db-security-group", "db-snapshot"),
    *("db-cluster", "db-cluster-snapshot", "custom-engine-version", "db-proxy"),
    *("blue-green-deployment", "zero-etl", "db-shard-group"),
)
_SNAPSHOT = r"(?=.{1,255}$)[A-Za-z](-?[A-Za-z0-9])*"


class RdsRow(Row):
    """What RDS's resources share: tags by ARN."""

    service: ClassVar[str] = "rds"
    tagged: ClassVar[bool] = True

    def tags(self, aws: Aws, resource: str) -> dict[str, str]:
        """The live tags of an ARN."""
        found = aws.client("rds").list_tags_for_resource(ResourceName=resource)
        return tag_map(found["TagList"])

    def retag(self, aws: Aws, resource: str, old: Properties, new: Properties) -> None:
        """Bring the tags of an ARN in line."""
        wanted, unwanted = tag_changes(old, new)
        rds = aws.client("rds")
        if wanted:
            rds.add_tags_to_resource(ResourceName=resource, Tags=tag_list(wanted))
        if unwanted:
            rds.remove_tags_from_resource(ResourceName=resource, TagKeys=unwanted)


class SubnetGroup(RdsRow):
    """aws.rds.SubnetGroup; its id is its name."""

    token = "aws:rds/subnetGroup:SubnetGroup"
    autoname = "name"
    updates = frozenset({"description", "subnetIds"})
    defaults: ClassVar[Mapping[str, Any]] = {"description": _DESCRIPTION}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return matching(
            inputs, "name", _GROUP_NAME, "small letters, digits, hyphens and dots"
        )

    def create(self, aws: Aws, inputs: Properties) -> str:
        name = str(inputs["name"])
        if self._live(aws, name):
            raise refusal(
                "CreateDBSubnetGroup",
                "DBSubnetGroupAlreadyExists",
                f"The DB subnet group '{name}' already exists.",
            )
        self._make(aws, name, inputs)
        return name

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self._live(aws, id)
        if live is None:
            return None
        return {
            "arn": live["DBSubnetGroupArn"],
            "description": live["DBSubnetGroupDescription"],
            "name": live["DBSubnetGroupName"],
            "subnetIds": [one["SubnetIdentifier"] for one in live["Subnets"]],
            "supportedNetworkTypes": ["IPV4"],
            "tagsAll": self.tags(aws, live["DBSubnetGroupArn"]),
            "vpcId": live["VpcId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed & self.updates:
            self._refuse_one_zone(aws, "ModifyDBSubnetGroup", new)
            aws.client("rds").modify_db_subnet_group(
                DBSubnetGroupName=id,
                DBSubnetGroupDescription=new["description"],
                SubnetIds=new["subnetIds"],
            )
            if self._live(aws, id) is None:  # moto loses a group that it changes
                self._make(aws, id, new)
        self.retag(aws, old["arn"], old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        live = self._live(aws, id)
        if live is None:
            return
        used = [
            one["DBInstanceIdentifier"]
            for one in _instances(aws)
            if one.get("DBSubnetGroup", {}).get("DBSubnetGroupName") == id
        ]
        _refuse_used("DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault", id, used)
        deleted(aws.client("rds").delete_db_subnet_group, DBSubnetGroupName=id)

    def _make(self, aws: Aws, name: str, inputs: Properties) -> None:
        self._refuse_one_zone(aws, "CreateDBSubnetGroup", inputs)
        aws.client("rds").create_db_subnet_group(
            DBSubnetGroupName=name,
            DBSubnetGroupDescription=inputs["description"],
            SubnetIds=inputs["subnetIds"],
            Tags=tag_list(inputs.get("tagsAll")),
        )

    def _refuse_one_zone(self, aws: Aws, operation: str, inputs: Properties) -> None:
        if len(zones_of(aws, inputs["subnetIds"])) < 2:
            raise refusal(
                operation,
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage "
                "requirement. Add subnets to cover at least 2 AZs.",
            )

    def _live(self, aws: Aws, name: str) -> dict[str, Any] | None:
        try:
            found = aws.client("rds").describe_db_subnet_groups(DBSubnetGroupName=name)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return dict(found["DBSubnetGroups"][0])


_AT_MOST = 20
"""Parameters that RDS takes in one call."""


class ParameterGroup(RdsRow):
    """aws.rds.ParameterGroup; its id is its name."""

    token = "aws:rds/parameterGroup:ParameterGroup"
    autoname = "name"
    replaces = frozenset({"description", "family"})
    updates = frozenset({"parameters"})
    unverified = frozenset({"skipDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {"description": _DESCRIPTION}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = matching(
            inputs, "name", r"[a-z](-?[a-z0-9.])*", "small letters, digits and hyphens"
        )
        parameters = inputs.get("parameters")
        names = set()
        for index, one in enumerate(parameters if isinstance(parameters, list) else []):
            if not isinstance(one, Mapping):
                continue
            at = f"parameters[{index}]"
            problems += [
                f"{at}.{problem}"
                for problem in one_of(
                    one, "applyMethod", ("immediate", "pending-reboot")
                )
            ]
            name = value_at(one, "name")
            if name is not None and name in names:
                problems.append(f"{at}.name: {name} is set twice")
            names.add(name)
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("rds").create_db_parameter_group(
            DBParameterGroupName=inputs["name"],
            DBParameterGroupFamily=inputs["family"],
            Description=inputs["description"],
            Tags=tag_list(inputs.get("tagsAll")),
        )
        return str(inputs["name"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._set(aws, id, inputs.get("parameters") or [])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _parameter_group(aws, id)
        if live is None:
            return None
        pages = aws.client("rds").get_paginator("describe_db_parameters")
        return {
            "arn": live["DBParameterGroupArn"],
            "description": live["Description"],
            "family": live["DBParameterGroupFamily"],
            "name": live["DBParameterGroupName"],
            "parameters": [
                {
                    "name": one["ParameterName"],
                    "value": one.get("ParameterValue", ""),
                    "applyMethod": one["ApplyMethod"],
                }
                for page in pages.paginate(DBParameterGroupName=id)
                for one in page["Parameters"]
                if one.get("Source") != _DEFAULT
            ],
            "tagsAll": self.tags(aws, live["DBParameterGroupArn"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        wanted = new.get("parameters") or []
        named = {one["name"] for one in wanted}
        dropped = [
            {**one, "source": _DEFAULT}
            for one in old.get("parameters") or []
            if one["name"] not in named
        ]
        self._set(aws, id, [*wanted, *dropped])
        self.retag(aws, old["arn"], old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if state.get("skipDestroy"):
            return
        used = [
            one["DBInstanceIdentifier"]
            for one in _instances(aws)
            if id
            in [group["DBParameterGroupName"] for group in one["DBParameterGroups"]]
        ]
        _refuse_used("DeleteDBParameterGroup", "InvalidDBParameterGroupState", id, used)
        deleted(aws.client("rds").delete_db_parameter_group, DBParameterGroupName=id)

    def _set(self, aws: Aws, id: str, parameters: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(parameters), _AT_MOST):
            aws.client("rds").modify_db_parameter_group(
                DBParameterGroupName=id,
                Parameters=[
                    {
                        "ParameterName": one["name"],
                        "ParameterValue": one["value"],
                        "ApplyMethod": one.get("applyMethod", "immediate"),
                        "Source": one.get("source", "user"),
                    }
                    for one in parameters[start : start + _AT_MOST]
                ],
            )


_DEFAULT = "engine-default"
"""Where a parameter's value comes from that nobody set.

moto cannot reset a parameter; but it keeps whatever it is told of one, the source too.
"""

HOSTED_ZONES: Mapping[str, str] = {"eu-central-1": "Z1RLNUO7B9Q6NB"}
"""Hosted zones of RDS's names, which moto leaves out of its answers."""

_ENGINES = ("postgres", "mysql", "mariadb")
_LOGS = {
    "postgres": ("postgresql", "upgrade", "iam-db-auth-error"),
    "mysql": ("audit", "error", "general", "iam-db-auth-error", "slowquery"),
    "mariadb": ("audit", "error", "general", "iam-db-auth-error", "slowquery"),
}
_INTERVALS = (0, 1, 5, 10, 15, 30, 60)
_INSIGHTS_DAYS = (7, 731, *(31 * months for months in range(1, 24)))

# What create and modify call alike.
_FIELDS: Mapping[str, str] = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "databaseInsightsMode": "DatabaseInsightsMode",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "deletionProtection": "DeletionProtection",
    "engineVersion": "EngineVersion",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "instanceClass": "DBInstanceClass",
    "iops": "Iops",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "monitoringInterval": "MonitoringInterval",
    "monitoringRoleArn": "MonitoringRoleArn",
    "multiAz": "MultiAZ",
    "networkType": "NetworkType",
    "parameterGroupName": "DBParameterGroupName",
    "password": "MasterUserPassword",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "publiclyAccessible": "PubliclyAccessible",
    "storageThroughput": "StorageThroughput",
    "storageType": "StorageType",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}
_MODIFIED: Mapping[str, str] = {
    **_FIELDS,
    "identifier": "NewDBInstanceIdentifier",
    "port": "DBPortNumber",
}
_CREATED: Mapping[str, str] = {
    **_FIELDS,
    "availabilityZone": "AvailabilityZone",
    "dbName": "DBName",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "engine": "Engine",
    "engineLifecycleSupport": "EngineLifecycleSupport",
    "identifier": "DBInstanceIdentifier",
    "kmsKeyId": "KmsKeyId",
    "port": "Port",
    "storageEncrypted": "StorageEncrypted",
    "username": "MasterUsername",
}
# What moto keeps of a change, but not of a creation.
_LATE = (
    "databaseInsightsMode",
    "networkType",
    "performanceInsightsKmsKeyId",
    "performanceInsightsRetentionPeriod",
)


class Instance(RdsRow):
    """aws.rds.Instance, made from nothing; its id is the name it began with.

    moto has no server behind it: whatever happens at the next maintenance window or
    reboot happens at once.
    """

    token = "aws:rds/instance:Instance"
    autoname = "identifier"
    name_limit = 63
    replaces = frozenset(
        {
            "availabilityZone",
            "dbName",
            "engine",
            "engineLifecycleSupport",
            "kmsKeyId",
            "storageEncrypted",
            "username",
        }
    )
    updates = frozenset({*_MODIFIED, "enabledCloudwatchLogsExports"})
    unverified = frozenset(
        {
            # The provider's own: what it does at changes and at the end.
            "allowMajorVersionUpgrade",
            "applyImmediately",
            "deleteAutomatedBackups",
            "finalSnapshotIdentifier",
            "skipFinalSnapshot",
            # No cloud tells a password; moto tells none of the others.
            "engineLifecycleSupport",
            "password",
            "performanceInsightsEnabled",
            "port",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "autoMinorVersionUpgrade": True,
        "copyTagsToSnapshot": False,
        "deleteAutomatedBackups": True,
        "deletionProtection": False,
        "iamDatabaseAuthenticationEnabled": False,
        "manageMasterUserPassword": False,
        "monitoringInterval": 0,
        "performanceInsightsEnabled": False,
        "publiclyAccessible": False,
        "skipFinalSnapshot": False,
        "storageEncrypted": False,
    }

    def canonical(self, key: str, value: Any) -> Any:
        return value.lower() if key == "maintenanceWindow" else value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *_naming_problems(inputs),
            *_credential_problems(inputs),
            *_storage_problems(inputs),
            *_backup_problems(inputs),
            *_monitoring_problems(inputs),
            *matching(
                inputs,
                "instanceClass",
                r"db\.[a-z0-9-]+\.[a-z0-9]+",
                "like db.t4g.micro",
            ),
            *matching(inputs, "engineVersion", r"\d+(\.\d+){0,3}", "like 15 or 15.4"),
            *one_of(inputs, "networkType", ("IPV4", "DUAL")),
            *one_of(inputs, "databaseInsightsMode", ("standard", "advanced")),
            *one_of(
                inputs,
                "engineLifecycleSupport",
                (
                    "open-source-rds-extended-support",
                    "open-source-rds-extended-support-disabled",
                ),
            ),
            *within(inputs, "port", 1150, 65535),
            *_placement_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        _refuse_other_family(aws, "CreateDBInstance", inputs)
        made = aws.client("rds").create_db_instance(
            Tags=tag_list(inputs.get("tagsAll")),
            **{
                "BackupRetentionPeriod": 0,
                **given(inputs, **_CREATED),
            },
        )
        return str(made["DBInstance"]["DBInstanceIdentifier"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        late = given(inputs, **{key: _FIELDS[key] for key in _LATE})
        if late:
            aws.client("rds").modify_db_instance(
                DBInstanceIdentifier=id, ApplyImmediately=True, **late
            )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _instance(aws, _name(id, known))
        if live is None:
            return None
        port = known.get("port", live["Endpoint"]["Port"])
        address = live["Endpoint"]["Address"]
        secret = live.get("MasterUserSecret")
        groups = live["DBParameterGroups"]
        return {
            "address": address,
            "allocatedStorage": _grown(live, known),
            "arn": live["DBInstanceArn"],
            "autoMinorVersionUpgrade": live["AutoMinorVersionUpgrade"],
            "availabilityZone": live["AvailabilityZone"],
            "backupRetentionPeriod": live["BackupRetentionPeriod"],
            "backupWindow": live["PreferredBackupWindow"],
            "caCertIdentifier": live["CACertificateIdentifier"],
            "copyTagsToSnapshot": live["CopyTagsToSnapshot"],
            "databaseInsightsMode": live.get("DatabaseInsightsMode", "standard"),
            "dbName": live.get("DBName"),
            "dbSubnetGroupName": live.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
            "deletionProtection": live["DeletionProtection"],
            "enabledCloudwatchLogsExports": live["EnabledCloudwatchLogsExports"],
            "endpoint": f"{address}:{port}",
            "engine": live["Engine"],
            "engineVersion": _version(live, known),
            "engineVersionActual": live["EngineVersion"],
            "hostedZoneId": HOSTED_ZONES.get(aws.region),
            "iamDatabaseAuthenticationEnabled": live[
                "IAMDatabaseAuthenticationEnabled"
            ],
            "identifier": live["DBInstanceIdentifier"],
            "instanceClass": live["DBInstanceClass"],
            "iops": live.get("Iops"),
            "kmsKeyId": live.get("KmsKeyId"),
            "licenseModel": live["LicenseModel"],
            "maintenanceWindow": live["PreferredMaintenanceWindow"],
            "manageMasterUserPassword": secret is not None,
            "masterUserSecrets": [_secret(secret)] if secret else [],
            "maxAllocatedStorage": live.get("MaxAllocatedStorage"),
            "monitoringInterval": live["MonitoringInterval"],
            "monitoringRoleArn": live.get("MonitoringRoleArn"),
            "multiAz": live["MultiAZ"],
            "networkType": live.get("NetworkType", "IPV4"),
            "optionGroupName": live["OptionGroupMemberships"][0]["OptionGroupName"],
            "parameterGroupName": groups[0]["DBParameterGroupName"],
            "performanceInsightsKmsKeyId": live.get("PerformanceInsightsKMSKeyId"),
            "performanceInsightsRetentionPeriod": live.get(
                "PerformanceInsightsRetentionPeriod"
            ),
            "port": port,
            "publiclyAccessible": live["PubliclyAccessible"],
            "replicas": live["ReadReplicaDBInstanceIdentifiers"],
            "resourceId": live["DbiResourceId"],
            "status": live["DBInstanceStatus"],
            "storageEncrypted": live["StorageEncrypted"],
            "storageThroughput": live.get("StorageThroughput"),
            "storageType": live["StorageType"],
            "tagsAll": tag_map(live["TagList"]),
            "username": live["MasterUsername"],
            "vpcSecurityGroupIds": [
                one["VpcSecurityGroupId"] for one in live["VpcSecurityGroups"]
            ],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        live = _instance(aws, _name(id, old)) or {}
        _refuse_change(live, new)
        if changed & {"engineVersion", "parameterGroupName"}:
            _refuse_other_family(aws, "ModifyDBInstance", new)
        call = given(new, **{key: _MODIFIED[key] for key in changed & {*_MODIFIED}})
        if "maxAllocatedStorage" in changed and not new.get("maxAllocatedStorage"):
            # Equal to what there is means off.
            call["MaxAllocatedStorage"] = live["AllocatedStorage"]
        if "enabledCloudwatchLogsExports" in changed:
            before = set(live["EnabledCloudwatchLogsExports"])
            after = set(new.get("enabledCloudwatchLogsExports") or [])
            call["CloudwatchLogsExportConfiguration"] = {
                "EnableLogTypes": sorted(after - before),
                "DisableLogTypes": sorted(before - after),
            }
        if call:
            aws.client("rds").modify_db_instance(
                DBInstanceIdentifier=live["DBInstanceIdentifier"],
                ApplyImmediately=True,
                **given(new, allowMajorVersionUpgrade="AllowMajorVersionUpgrade"),
                **call,
            )
        self.retag(aws, _instance_arn(live, new), old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        name = _name(id, state)
        if _instance(aws, name) is None:
            return
        final = state.get("finalSnapshotIdentifier")
        if state.get("skipFinalSnapshot"):
            snapshot: dict[str, Any] = {"SkipFinalSnapshot": True}
        elif final:
            snapshot = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": final}
        else:
            raise refusal(
                "DeleteDBInstance",
                "InvalidParameterCombination",
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is "
                "specified.",
            )
        aws.client("rds").delete_db_instance(
            DBInstanceIdentifier=name,
            DeleteAutomatedBackups=state.get("deleteAutomatedBackups", True),
            **snapshot,
        )


def _instances(aws: Aws) -> Iterable[dict[str, Any]]:
    for page in aws.client("rds").get_paginator("describe_db_instances").paginate():
        yield from page["DBInstances"]


def _instance(aws: Aws, name: str) -> dict[str, Any] | None:
    try:
        found = aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return dict(found["DBInstances"][0])


def _parameter_group(aws: Aws, name: str) -> dict[str, Any] | None:
    try:
        found = aws.client("rds").describe_db_parameter_groups(
            DBParameterGroupName=name
        )
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    groups = found["DBParameterGroups"]
    return dict(groups[0]) if groups else None


def _name(id: str, known: Properties) -> str:
    """The instance's name now: it may have got another than it began with."""
    by_arn = known.get("arn", f":{id}").rsplit(":", 1)[1]
    return str(known.get("identifier") or by_arn)


def _instance_arn(live: Mapping[str, Any], new: Properties) -> str:
    """The ARN after a change, which may have been one of the name."""
    before: str = live["DBInstanceArn"]
    return f"{before.rsplit(':', 1)[0]}:{new['identifier']}"


def _version(live: Mapping[str, Any], known: Properties) -> str:
    """`15` and `15.4` are the same to a program that leaves the rest to AWS."""
    actual = str(live["EngineVersion"])
    said = str(known.get("engineVersion", actual))
    return said if f"{actual}.".startswith(f"{said}.") else actual


def _grown(live: Mapping[str, Any], known: Properties) -> int:
    """Storage that grew by itself is no drift."""
    size = int(live["AllocatedStorage"])
    said = known.get("allocatedStorage") or size
    limit = known.get("maxAllocatedStorage") or 0
    return int(said) if said < size <= limit else size


def _secret(live: Mapping[str, Any]) -> Properties:
    return {
        "kmsKeyId": live["KmsKeyId"],
        "secretArn": live["SecretArn"],
        "secretStatus": live["SecretStatus"],
    }


def _major(engine: str, version: str) -> str:
    """The part of a version that a parameter group's family is made for."""
    parts = version.split(".")
    return parts[0] if engine == "postgres" else ".".join(parts[:2])


def _refuse_used(operation: str, code: str, name: str, used: Sequence[str]) -> None:
    if used:
        raise refusal(
            operation, code, f"{name} is still used by {', '.join(sorted(used))}"
        )


def _refuse_other_family(aws: Aws, operation: str, inputs: Properties) -> None:
    """A parameter group serves one major version of one engine; moto does not look."""
    name, version = inputs.get("parameterGroupName"), inputs.get("engineVersion")
    if not name or not version or (group := _parameter_group(aws, name)) is None:
        return
    wanted = f"{inputs['engine']}{_major(inputs['engine'], version)}"
    family = group["DBParameterGroupFamily"]
    if family != wanted:
        raise refusal(
            operation,
            "InvalidParameterCombination",
            f"The parameter group {name} with DBParameterGroupFamily {family} can't be "
            f"used for this instance. Please use a parameter group with "
            f"DBParameterGroupFamily {wanted}",
        )


def _refuse_change(live: Mapping[str, Any], new: Properties) -> None:
    """What AWS does not do to an instance that exists; moto does anything."""
    operation, code = "ModifyDBInstance", "InvalidParameterCombination"
    size, wanted = live["AllocatedStorage"], new.get("allocatedStorage")
    if wanted and wanted < size and _grown(live, new) == size:
        raise refusal(
            operation,
            code,
            f"Requested storage size ({wanted}) cannot be less than the current "
            f"storage size ({size})",
        )
    key, other = live.get("PerformanceInsightsKMSKeyId"), _insights_key(new)
    if key and other and key != other:
        raise refusal(operation, code, "You can't change the Performance Insights key")
    before, after = live["EngineVersion"], new.get("engineVersion")
    if after is None:
        return
    if _numbers(after) < _numbers(before)[: len(_numbers(after))]:
        raise refusal(operation, code, f"Cannot upgrade from {before} to {after}")
    if _major(live["Engine"], before) != _major(live["Engine"], after) and not new.get(
        "allowMajorVersionUpgrade"
    ):
        raise refusal(
            operation,
            code,
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new "
            "major version.",
        )


def _insights_key(inputs: Properties) -> str | None:
    return inputs.get("performanceInsightsKmsKeyId")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _naming_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        *one_of(inputs, "engine", _ENGINES),
        *matching(
            inputs,
            "identifier",
            _IDENTIFIER,
            "small letters, digits and single hyphens, beginning with a letter, at "
            "most 63",
        ),
        *matching(
            inputs,
            "dbName",
            r"(?!(?i:db)$)[A-Za-z_][A-Za-z0-9_]{0,62}",
            "letters, digits and underscores, at most 63, and no reserved word",
        ),
    ]
    if inputs.get("engine") is None:
        problems.append("engine: missing, and a new database needs it")
    logs = inputs.get("enabledCloudwatchLogsExports")
    allowed = _LOGS.get(str(value_at(inputs, "engine")), ())
    for log in logs if isinstance(logs, list) and allowed else []:
        problems += one_of(
            {"enabledCloudwatchLogsExports": log},
            "enabledCloudwatchLogsExports",
            allowed,
        )
    return problems


def _credential_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = matching(
        inputs,
        "username",
        r"(?!(?i:admin|rdsadmin|rdsrepladmin|rds_superuser)$)[A-Za-z_][A-Za-z0-9_]{0,62}",
        "letters, digits and underscores, at most 63, and no reserved word",
    )
    password, managed = inputs.get("password"), inputs.get("manageMasterUserPassword")
    if inputs.get("username") is None:
        problems.append("username: missing, and a new database needs it")
    if password is None and not managed:
        problems.append(
            "password: missing; set it, or manageMasterUserPassword to true"
        )
    if password is not None and managed is True:
        problems.append("password: RDS makes its own with manageMasterUserPassword")
    if isinstance(password, str) and not is_unknown(password):
        problems += _password_problems(password)
    return problems


def _password_problems(password: str) -> list[str]:
    """The value stays out of the message."""
    if not re.fullmatch(r"[!-~]{8,128}", password):
        return ["password: must be 8 to 128 printable characters, no spaces"]
    if re.search(r'[/"@]', password):
        return ['password: must not contain /, " or @']
    return []


def _storage_problems(inputs: Mapping[str, Any]) -> list[str]:
    kind, size = value_at(inputs, "storageType"), value_at(inputs, "allocatedStorage")
    limit = value_at(inputs, "maxAllocatedStorage")
    smallest = 100 if kind in ("io1", "io2") else 20
    problems = [
        *one_of(inputs, "storageType", ("standard", "gp2", "gp3", "io1", "io2")),
        *within(inputs, "allocatedStorage", smallest, 65536),
        *arn(inputs, "kmsKeyId"),
    ]
    if inputs.get("allocatedStorage") is None:
        problems.append("allocatedStorage: missing, and a new database needs it")
    if size and limit and limit < size:
        problems.append(
            f"maxAllocatedStorage: {limit} is less than allocatedStorage, {size}"
        )
    if inputs.get("kmsKeyId") is not None and not inputs.get("storageEncrypted"):
        problems.append("kmsKeyId: needs storageEncrypted")
    for key in ("iops", "storageThroughput"):
        if inputs.get(key) is not None and kind == "gp3" and size and size < 400:
            problems.append(
                f"{key}: gp3 storage of less than 400 GiB has a fixed value"
            )
    return problems


_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)"


def _backup_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        *within(inputs, "backupRetentionPeriod", 0, 35),
        *matching(inputs, "backupWindow", f"{_TIME}-{_TIME}", "like 01:30-02:30"),
        *matching(
            inputs,
            "maintenanceWindow",
            f"{_DAY}:{_TIME}-{_DAY}:{_TIME}",
            "like sun:03:00-sun:04:00",
        ),
        *matching(
            inputs,
            "finalSnapshotIdentifier",
            _SNAPSHOT,
            "letters, digits and single hyphens, beginning with a letter",
        ),
    ]
    skipped = inputs.get("skipFinalSnapshot")
    if not skipped and inputs.get("finalSnapshotIdentifier") is None:
        problems.append(
            "finalSnapshotIdentifier: missing; name the snapshot that a deletion "
            "leaves, or set skipFinalSnapshot to true"
        )
    return problems


def _monitoring_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        *one_of(inputs, "monitoringInterval", _INTERVALS),
        *arn(inputs, "monitoringRoleArn"),
        *arn(inputs, "performanceInsightsKmsKeyId"),
        *one_of(inputs, "performanceInsightsRetentionPeriod", _INSIGHTS_DAYS),
    ]
    interval, role = inputs.get("monitoringInterval"), inputs.get("monitoringRoleArn")
    if interval and role is None:
        problems.append("monitoringRoleArn: missing, and monitoringInterval needs it")
    if role is not None and not interval:
        problems.append("monitoringInterval: missing, and monitoringRoleArn needs it")
    for key in ("performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod"):
        if inputs.get(key) and not inputs.get("performanceInsightsEnabled"):
            problems.append(f"{key}: needs performanceInsightsEnabled")
    return problems


def _placement_problems(inputs: Mapping[str, Any]) -> list[str]:
    if inputs.get("availabilityZone") is not None and inputs.get("multiAz") is True:
        return ["availabilityZone: RDS chooses the zones of a Multi-AZ instance"]
    return []


class EventSubscription(RdsRow):
    """aws.rds.EventSubscription; its id is its name."""

    token = "aws:rds/eventSubscription:EventSubscription"
    autoname = "name"
    updates = frozenset(
        {"enabled", "eventCategories", "snsTopic", "sourceIds", "sourceType"}
    )
    defaults: ClassVar[Mapping[str, Any]] = {"enabled": True}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *arn(inputs, "snsTopic"),
            *one_of(inputs, "sourceType", _EVENT_SOURCES),
            *matching(
                inputs,
                "name",
                r"[0-9A-Za-z-]{1,255}",
                "1 to 255 letters, digits and hyphens",
            ),
        ]
        if inputs.get("sourceIds") and inputs.get("sourceType") is None:
            problems.append("sourceType: missing, and sourceIds need it")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("rds").create_event_subscription(
            Tags=tag_list(inputs.get("tagsAll")),
            **given(
                inputs,
                enabled="Enabled",
                eventCategories="EventCategories",
                name="SubscriptionName",
                snsTopic="SnsTopicArn",
                sourceIds="SourceIds",
                sourceType="SourceType",
            ),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            found = aws.client("rds").describe_event_subscriptions(SubscriptionName=id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        live = found["EventSubscriptionsList"][0]
        resource = f"arn:aws:rds:{aws.region}:{aws.account_id}:es:{id}"
        return {
            "arn": resource,
            "customerAwsId": aws.account_id,
            "enabled": live["Enabled"],
            "eventCategories": live.get("EventCategoriesList") or None,
            "name": live["CustSubscriptionId"],
            "snsTopic": live["SnsTopicArn"],
            "sourceIds": live.get("SourceIdsList") or None,
            "sourceType": live.get("SourceType"),
            "tagsAll": self.tags(aws, resource),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed & self.updates:  # moto lacks ModifyEventSubscription
            self.delete(aws, id, old)
            self.create(aws, new)
        else:
            self.retag(aws, old["arn"], old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("rds").delete_event_subscription, SubscriptionName=id)


ROWS: tuple[type[Row], ...] = (
    SubnetGroup,
    ParameterGroup,
    Instance,
    EventSubscription,
)
INVOKES: Mapping[str, Any] = {}
