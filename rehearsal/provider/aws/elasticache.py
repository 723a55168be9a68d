"""Rows for ElastiCache: replication group.

Recorded only: subnet groups, which moto makes but cannot change or delete, and
parameter groups, which it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import (
    matching,
    one_of,
    refusal,
    value_at,
    within,
)
from rehearsal.provider.row import (
    Aws,
    Row,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_DAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)"

# What create and modify call alike.
_FIELDS: Mapping[str, str] = {
    "authToken": "AuthToken",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "automaticFailoverEnabled": "AutomaticFailoverEnabled",
    "description": "ReplicationGroupDescription",
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "multiAzEnabled": "MultiAZEnabled",
    "nodeType": "CacheNodeType",
    "notificationTopicArn": "NotificationTopicArn",
    "parameterGroupName": "CacheParameterGroupName",
    "securityGroupIds": "SecurityGroupIds",
    "snapshotRetentionLimit": "SnapshotRetentionLimit",
    "snapshotWindow": "SnapshotWindow",
    "transitEncryptionEnabled": "TransitEncryptionEnabled",
    "transitEncryptionMode": "TransitEncryptionMode",
}
_MODIFIED: Mapping[str, str] = {
    **_FIELDS,
    "authTokenUpdateStrategy": "AuthTokenUpdateStrategy",
}
_CREATED: Mapping[str, str] = {
    **_FIELDS,
    "atRestEncryptionEnabled": "AtRestEncryptionEnabled",
    "kmsKeyId": "KmsKeyId",
    "port": "Port",
    "replicationGroupId": "ReplicationGroupId",
    "subnetGroupName": "CacheSubnetGroupName",
}


class ReplicationGroup(Row):
    """aws.elasticache.ReplicationGroup of one shard; its id is its name.

    moto has no server behind it, and keeps no name of a group that is gone: such a
    group stays `deleting` for ever, and reads as gone, as with the real provider.
    """

    token = "aws:elasticache/replicationGroup:ReplicationGroup"
    service = "elasticache"
    tagged = True
    autoname = "replicationGroupId"
    name_limit = 40
    replaces = frozenset(
        {"atRestEncryptionEnabled", "kmsKeyId", "port", "subnetGroupName"}
    )
    updates = frozenset(
        {
            "automaticFailoverEnabled",
            "description",
            "engine",
            "multiAzEnabled",
            "nodeType",
            "snapshotRetentionLimit",
        }
    )
    unverified = frozenset(
        {
            # The provider's own: what it does at changes and at the end.
            "applyImmediately",
            "authTokenUpdateStrategy",
            "finalSnapshotIdentifier",
            # No cloud tells a token.
            "authToken",
            # moto takes them at creation, and changes none of them.
            "autoMinorVersionUpgrade",
            "logDeliveryConfigurations",
            "numCacheClusters",
            "snapshotWindow",
            "transitEncryptionEnabled",
            "transitEncryptionMode",
            # moto tells none of them.
            "engineVersion",
            "maintenanceWindow",
            "notificationTopicArn",
            "parameterGroupName",
            "securityGroupIds",
            "subnetGroupName",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "autoMinorVersionUpgrade": True,
        "automaticFailoverEnabled": False,
        "engine": "redis",
        "multiAzEnabled": False,
        "numCacheClusters": 1,
        "port": 6379,
        "snapshotRetentionLimit": 0,
    }

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """An engine goes forward only: from Redis to Valkey, and to newer versions."""
        forced = super().replacing(changed, old, new)
        back = (old.get("engine"), new.get("engine")) == ("valkey", "redis")
        if "engine" in changed and back:
            forced |= {"engine"}
        versions = [_numbers(one.get("engineVersion")) for one in (old, new)]
        if "engineVersion" in changed and versions[1] < versions[0]:
            forced |= {"engineVersion"}
        return forced

    def canonical(self, key: str, value: Any) -> Any:
        return value.lower() if key in ("maintenanceWindow", self.autoname) else value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(
                inputs,
                "replicationGroupId",
                r"(?=.{1,40}$)[A-Za-z](-?[A-Za-z0-9])*",
                "letters, digits and single hyphens, beginning with a letter, at "
                "most 40",
            ),
            *matching(inputs, "description", r"[\s\S]+", "some text"),
            *one_of(inputs, "engine", ("redis", "valkey")),
            *matching(
                inputs,
                "engineVersion",
                r"[6-9]\.\d+|6\.x|[1-5](\.\d+){2}",
                "MAJOR.MINOR, like 8.0",
            ),
            *matching(
                inputs,
                "nodeType",
                r"cache\.[a-z0-9]+\.[a-z0-9]+",
                "like cache.t4g.micro",
            ),
            *one_of(inputs, "transitEncryptionMode", ("preferred", "required")),
            *within(inputs, "snapshotRetentionLimit", 0, 35),
            *matching(
                inputs, "snapshotWindow", rf"{_TIME}-{_TIME}", "like 01:00-02:00"
            ),
            *matching(
                inputs,
                "maintenanceWindow",
                rf"{_DAY}:{_TIME}-{_DAY}:{_TIME}",
                "like sun:04:00-sun:05:00",
            ),
            *_failover_problems(inputs),
            *_token_problems(inputs),
            *_log_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        if inputs.get("authToken") and not inputs.get("transitEncryptionEnabled"):
            raise refusal(
                "CreateReplicationGroup",
                "InvalidParameterCombination",
                "The AUTH token is only supported when encryption-in-transit is "
                "enabled",
            )
        made = aws.client("elasticache").create_replication_group(
            # moto counts replicas so only; to AWS it is the same.
            NumNodeGroups=1,
            ReplicasPerNodeGroup=inputs["numCacheClusters"] - 1,
            LogDeliveryConfigurations=_deliveries(inputs),
            Tags=tag_list(inputs.get("tagsAll")),
            **given(inputs, **_CREATED),
        )
        return str(made["ReplicationGroup"]["ReplicationGroupId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _live(aws, id)
        if live is None:
            return None
        endpoint = live["NodeGroups"][0]["PrimaryEndpoint"]
        tags = aws.client("elasticache").list_tags_for_resource(
            ResourceName=live["ARN"]
        )
        return {
            "arn": live["ARN"],
            "atRestEncryptionEnabled": live["AtRestEncryptionEnabled"],
            "automaticFailoverEnabled": live["AutomaticFailover"] == "enabled",
            "clusterEnabled": live["ClusterEnabled"],
            "description": live["Description"],
            "engine": live["Engine"],
            "kmsKeyId": live.get("KmsKeyId"),
            "memberClusters": live["MemberClusters"],
            "multiAzEnabled": live["MultiAZ"] == "enabled",
            "nodeType": live["CacheNodeType"],
            "port": endpoint["Port"],
            "primaryEndpointAddress": endpoint["Address"],
            "replicationGroupId": live["ReplicationGroupId"],
            "snapshotRetentionLimit": live["SnapshotRetentionLimit"],
            "tagsAll": tag_map(tags["TagList"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        elasticache = aws.client("elasticache")
        call = given(new, **{key: _MODIFIED[key] for key in changed & {*_MODIFIED}})
        if call:
            elasticache.modify_replication_group(
                ReplicationGroupId=id, ApplyImmediately=True, **call
            )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            elasticache.add_tags_to_resource(
                ResourceName=old["arn"], Tags=tag_list(wanted)
            )
        if unwanted:
            elasticache.remove_tags_from_resource(
                ResourceName=old["arn"], TagKeys=unwanted
            )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _live(aws, id) is None:
            return
        elasticache = aws.client("elasticache")
        if final := state.get("finalSnapshotIdentifier"):
            # moto's deletion takes no snapshot.
            elasticache.create_snapshot(SnapshotName=final, ReplicationGroupId=id)
        elasticache.delete_replication_group(ReplicationGroupId=id)


def _live(aws: Aws, id: str) -> dict[str, Any] | None:
    call = aws.client("elasticache").describe_replication_groups
    try:
        live = dict(call(ReplicationGroupId=id)["ReplicationGroups"][0])
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return None if live["Status"] == "deleting" else live


def _deliveries(inputs: Properties) -> list[dict[str, Any]]:
    """Deliveries of logs as the API takes them."""
    return [
        {
            "LogType": one["logType"],
            "LogFormat": one["logFormat"],
            "DestinationType": one["destinationType"],
            "DestinationDetails": (
                {"CloudWatchLogsDetails": {"LogGroup": one["destination"]}}
                if one["destinationType"] == "cloudwatch-logs"
                else {"KinesisFirehoseDetails": {"DeliveryStream": one["destination"]}}
            ),
        }
        for one in inputs.get("logDeliveryConfigurations") or []
    ]


def _numbers(version: Any) -> list[int]:
    """A version in the order of versions; one that is not known is none."""
    if not isinstance(version, str) or is_unknown(version):
        return []
    return [int(part) for part in re.findall(r"\d+", version)]


def _failover_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = []
    failover = inputs.get("automaticFailoverEnabled")
    if value_at(inputs, "multiAzEnabled") and not failover:
        problems.append(
            "automaticFailoverEnabled: must be true where multiAzEnabled is"
        )
    nodes = value_at(inputs, "numCacheClusters")
    if failover is True and nodes is not None and nodes < 2:
        problems.append(
            f"numCacheClusters: {nodes}; must be 2 or more where "
            f"automaticFailoverEnabled is true"
        )
    return problems


def _token_problems(inputs: Mapping[str, Any]) -> list[str]:
    """The value stays out of the message."""
    problems = one_of(inputs, "authTokenUpdateStrategy", ("SET", "ROTATE", "DELETE"))
    strategy, token = value_at(inputs, "authTokenUpdateStrategy"), "authToken"
    if strategy == "DELETE" and inputs.get(token) is not None:
        problems.append("authToken: must not be set with the update strategy DELETE")
    if strategy in ("SET", "ROTATE") and inputs.get(token) is None:
        problems.append(f"authToken: missing; the update strategy {strategy} needs it")
    value = value_at(inputs, token)
    if value is not None and not re.fullmatch(r"[!#$%&'()*+,\-.0-?A-~]{16,128}", value):
        problems.append('authToken: must be 16 to 128 characters, without /, " or @')
    return problems


_CHOICES: Mapping[str, Sequence[str]] = {
    "destinationType": ("cloudwatch-logs", "kinesis-firehose"),
    "logFormat": ("json", "text"),
    "logType": ("slow-log", "engine-log"),
}


def _log_problems(inputs: Mapping[str, Any]) -> list[str]:
    logs = inputs.get("logDeliveryConfigurations")
    configured = logs if isinstance(logs, list) else []
    problems = [
        f"logDeliveryConfigurations[{index}].{problem}"
        for index, one in enumerate(configured)
        for key, allowed in _CHOICES.items()
        for problem in one_of(one, key, allowed)
    ]
    if len(configured) > len(_CHOICES["logType"]):
        problems.append("logDeliveryConfigurations: at most one of each log")
    return problems


ROWS: tuple[type[Row], ...] = (ReplicationGroup,)
INVOKES: Mapping[str, Invoke] = {}
