"""The embedded AWS as the stage of a rehearsal: what it supplies, spoils and checks."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contract import VARIABLES, Kind, Variable
from rehearsal.provider.row import Aws

STAND_IN_REPOSITORY = "ghcr.io/stromdao/stromhaltig"

DATA_TYPES = frozenset(
    {
        "aws:ecr/repository:Repository",
        "aws:kms/key:Key",
        "aws:rds/instance:Instance",
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
    }
)
"""Types whose replacement or deletion loses something."""


@dataclass(frozen=True)
class Supplies:
    """Config values that stand in for what the stack file lacks.

    config, secrets: what to set; said: key -> why, for the report.
    """

    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """A change made behind the program's back.

    says: what somebody did; spoil: does it; mended: whether it is undone.
    resource: the type that a refresh must report.
    """

    says: str
    resource: str
    spoil: Callable[[], object]
    mended: Callable[[], bool]


def region_of(config: Mapping[str, Any]) -> str:
    """The region that a stack file names."""
    return str(config.get("aws:region", "eu-central-1"))


def image_ref(of: str, repository: str = STAND_IN_REPOSITORY) -> str:
    """A made-up image reference by digest."""
    return f"{repository}@sha256:{hashlib.sha256(of.encode()).hexdigest()}"


def supply(config: Mapping[str, Any], aws: Aws) -> Supplies:
    """Values for what a stack file leaves to its operator.

    config: the stack file's `config` section. The hosted zone is always the emulator's
    own, and so are the operator's secrets, which only their own key could decrypt.
    """
    supplies = Supplies()
    domain = config.get("stromhaltig:domain") or {}
    if domain.get("name"):
        created = aws.client("route53").create_hosted_zone(
            Name=domain["name"], CallerReference=secrets.token_hex(8)
        )
        zone = created["HostedZone"]["Id"].rsplit("/", 1)[-1]
        supplies.config["domain"] = {**domain, "zone_id": zone}
        supplies.said["domain.zone_id"] = f"{zone}, a zone made in the emulator"
    image = config.get("stromhaltig:image") or {}
    if not image.get("ref"):
        supplies.config["image"] = {"ref": image_ref("first release")}
        supplies.said["image.ref"] = "a made-up digest"
    for variable in VARIABLES:
        if variable.kind is Kind.OPERATOR:
            key = f"secrets.{variable.name}"
            supplies.secrets[key] = _stand_in(variable)
            supplies.said[key] = "a random value"
    return supplies


def _stand_in(variable: Variable) -> str:
    """A random value that the app would take."""
    word = f"rehearsal-{secrets.token_hex(24)}"
    candidates = (word, f"https://{word}@sentry.invalid/1")
    return next(value for value in candidates if variable.rule.accepts(value))


def secret_values(aws: Aws) -> list[str]:
    """Every value in Secrets Manager, for looking where they must not be."""
    manager = aws.client("secretsmanager")
    listed = manager.list_secrets()["SecretList"]
    return [
        manager.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        for secret in listed
    ]


def deployed_image(aws: Aws, outputs: Mapping[str, Any]) -> str:
    """The image of the task definition that the service asks for."""
    ecs = aws.client("ecs")
    described = ecs.describe_services(
        cluster=outputs["cluster"], services=[outputs["service"]]
    )
    wanted = described["services"][0]["taskDefinition"]
    containers = ecs.describe_task_definition(taskDefinition=wanted)["taskDefinition"][
        "containerDefinitions"
    ]
    images = {container["image"] for container in containers}
    return ", ".join(sorted(images))


def drifts(aws: Aws, outputs: Mapping[str, Any]) -> list[Drift]:
    """What somebody in a hurry does in the console, one for each layer."""
    return [
        _short_backups(aws, outputs["database"]),
        _endless_logs(aws, outputs["log_group"]),
        _stopped_service(aws, outputs["cluster"], outputs["service"]),
    ]


def _short_backups(aws: Aws, database: str) -> Drift:
    rds = aws.client("rds")

    def retention() -> int:
        found = rds.describe_db_instances(DBInstanceIdentifier=database)
        return int(found["DBInstances"][0]["BackupRetentionPeriod"])

    before = retention()
    shortened = 1 if before != 1 else 2
    return Drift(
        f"database backups kept {_days(shortened)} instead of {_days(before)}",
        "aws:rds/instance:Instance",
        lambda: rds.modify_db_instance(
            DBInstanceIdentifier=database,
            BackupRetentionPeriod=shortened,
            ApplyImmediately=True,
        ),
        lambda: retention() == before,
    )


def _endless_logs(aws: Aws, group: str) -> Drift:
    logs = aws.client("logs")

    def retention() -> int | None:
        found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        value: int | None = found[0].get("retentionInDays")
        return value

    before = retention()
    return Drift(
        f"logs kept for ever instead of {_days(before)}",
        "aws:cloudwatch/logGroup:LogGroup",
        lambda: logs.delete_retention_policy(logGroupName=group),
        lambda: retention() == before,
    )


def _stopped_service(aws: Aws, cluster: str, service: str) -> Drift:
    ecs = aws.client("ecs")

    def wanted() -> int:
        described = ecs.describe_services(cluster=cluster, services=[service])
        return int(described["services"][0]["desiredCount"])

    before = wanted()
    return Drift(
        f"service scaled down from {before} to 0",
        "aws:ecs/service:Service",
        lambda: ecs.update_service(cluster=cluster, service=service, desiredCount=0),
        lambda: wanted() == before,
    )


def _days(count: int | None) -> str:
    return "1 day" if count == 1 else f"{count} days"
