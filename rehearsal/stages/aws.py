"""The embedded AWS as the stage of a rehearsal: what it supplies, spoils and checks."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.cloud import EmbeddedCloud
from rehearsal.provider.row import Aws
from rehearsal.pulumi_cli import Event
from rehearsal.stages import aws_inventory
from rehearsal.stages.stage import (
    Drift,
    StageError,
    Stromhaltig,
    Supplies,
    Thing,
    supply_release,
)
from resource_types import DATA

_NOBODY = "rehearsal@stromhaltig.invalid"


class AwsStage:
    """AWS, emulated by moto.

    cloud: the running emulator. config: the stack file's `config` section.
    """

    unproven = (
        "that containers start, pass their health checks and serve (no task ever runs)",
        "that a roll-out rolls back by itself (the circuit breaker is only "
        "configuration)",
        "that the database migrates, fails over or restores (no server stands behind "
        "it)",
        "that IAM permissions suffice, or that they refuse (the emulator checks none)",
        "anything of the types that are recorded only, but that their inputs fit "
        "(docs/rehearsal.md says why each is)",
        "that the certificate is issued, the domain delegated (validation is on a "
        "timer)",
        "how long AWS takes (the emulator answers at once)",
    )

    data_types = DATA["aws"]

    options: Mapping[str, str] = {
        "autoscaling": "stromhaltig:aws:Autoscaling",
        "budget": "stromhaltig:aws:Budget",
        "cache": "stromhaltig:aws:Cache",
        "cdn": "stromhaltig:aws:Cdn",
        "deployment": "aws:lb/listenerRule:ListenerRule",
        "firewall": "stromhaltig:aws:Firewall",
        "github": "stromhaltig:aws:DeployRole",
        "monitoring": "stromhaltig:aws:Notifications",
        "backups": "stromhaltig:aws:BackupPlan",
        "jobs": "stromhaltig:aws:ScheduledTask",
        "reviews": "stromhaltig:aws:ReviewHost",
        "uploads": "stromhaltig:aws:Uploads",
    }

    data_options = frozenset({"backups", "jobs", "uploads"})

    troubles = (BotoCoreError, ClientError)

    hints = ("aws ecs list-clusters          # boto3 finds the same endpoint",)

    def __init__(self, cloud: EmbeddedCloud, config: Mapping[str, Any]) -> None:
        region = str(config.get("aws:region", "eu-central-1"))
        self._cloud = cloud
        self._aws = Aws(cloud.addresses.aws, region, {})
        backups = config.get("stromhaltig:backups") or {}
        # CloudFront and Route 53 have theirs in us-east-1, copies are elsewhere.
        abroad = {"us-east-1", backups.get("copy_region") or region} - {region}
        self._abroad = [Aws(cloud.addresses.aws, other, {}) for other in abroad]
        # The number of tasks is then the scaling's, and nobody's drift.
        self._autoscaled = "stromhaltig:autoscaling" in config

    @property
    def client_environment(self) -> Mapping[str, str]:
        """Variables that point `aws` and boto3 at the emulator."""
        return self._cloud.addresses.for_aws_clients(self._aws.region)

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        """The hosted zone is always the emulator's own."""
        supplies = Supplies()
        domain = config.get("stromhaltig:domain") or {}
        if domain.get("name"):
            created = self._aws.client("route53").create_hosted_zone(
                Name=domain["name"], CallerReference=secrets.token_hex(8)
            )
            zone = created["HostedZone"]["Id"].rsplit("/", 1)[-1]
            supplies.config["domain"] = {**domain, "zone_id": zone}
            supplies.said["domain.zone_id"] = f"{zone}, a zone made in the emulator"
        supply_release(config, supplies)
        monitoring = config.get("stromhaltig:monitoring")
        if monitoring is not None and not monitoring.get("emails"):
            supplies.config["monitoring"] = {**monitoring, "emails": [_NOBODY]}
            supplies.said["monitoring.emails"] = _NOBODY
        if monitoring and monitoring.get("slack"):
            webhook = f"https://hooks.slack.com/services/{secrets.token_hex(12)}"
            supplies.secrets["secrets.SLACK_WEBHOOK_URL"] = webhook
            supplies.said["secrets.SLACK_WEBHOOK_URL"] = "a random value"
        return supplies

    def inventory(self) -> set[Thing]:
        """Everything that a stack of ours can make, AWS's own things included."""
        return aws_inventory.take(self._aws, self._abroad)

    def secret_values(self) -> list[str]:
        """Every value in Secrets Manager."""
        manager = self._aws.client("secretsmanager")
        listed = manager.list_secrets()["SecretList"]
        return [
            manager.get_secret_value(SecretId=secret["ARN"])["SecretString"]
            for secret in listed
        ]

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        """The image of the task definition that the service asks for."""
        ecs = self._aws.client("ecs")
        described = ecs.describe_services(
            cluster=outputs["cluster"], services=[outputs["service"]]
        )
        wanted = described["services"][0]["taskDefinition"]
        found = ecs.describe_task_definition(taskDefinition=wanted)
        containers = found["taskDefinition"]["containerDefinitions"]
        return ", ".join(sorted({container["image"] for container in containers}))

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        """The service runs the release that the outputs name."""
        image = self.deployed_image(outputs)
        if image != outputs["release"]:
            raise StageError(f"the service does not run the release, but {image}")
        return ["the service was told to run the release"]

    def check_change(self, events: Sequence[Event]) -> list[str]:
        """A release is a new revision of the task definition."""
        del events
        return ["new image and LOG_LEVEL rolled out by one new revision"]

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        """What somebody in a hurry does in the console, one for each layer."""
        cluster, service = outputs["cluster"], outputs["service"]
        return [
            _short_backups(self._aws, outputs["database"]),
            _endless_logs(self._aws, outputs["log_group"]),
            _fewer_tasks(self._aws, cluster, service)
            if self._autoscaled
            else _stopped_service(self._aws, cluster, service),
        ]

    @contextmanager
    def refusing(self, message: str) -> Iterator[None]:
        """ECS refuses to update the service."""
        self._cloud.fail("UpdateService", message)
        try:
            yield
        finally:
            self._cloud.heal()

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        """The service goes on with the revision that it has."""
        if self.deployed_image(outputs) != image:
            raise StageError(f"the service no longer runs {image}")
        return ["the service still runs the release before"]

    def operate(self, stromhaltig: Stromhaltig) -> list[str]:
        """Looking around, a snapshot, and the maintenance page on and off again."""
        # 1: nobody answers for the app's health, and nothing is behind the targets.
        status = stromhaltig.data("status", accepted=(0, 1))["facts"]
        found = {fact["name"]: fact for fact in status}
        if found["database"]["state"] != "ok":
            raise StageError(f"status does not see the database: {found['database']}")
        snapshot = stromhaltig("db", "backup", "--snapshot").strip()
        self._aws.client("rds").delete_db_snapshot(DBSnapshotIdentifier=snapshot)
        for switch in ("on", "off"):
            # It looks itself whether that took effect.
            stromhaltig("maintenance", switch, "--yes")
        acts = [act["command"] for act in stromhaltig.data("audit")]
        if acts != ["maintenance off", "maintenance on", "db backup"]:
            raise StageError(f"the audit log has other acts: {acts}")
        return [
            f"status knows {len(found)} facts; the database is "
            f"{found['database']['says']}",
            f"a snapshot was taken: {snapshot}",
            "the maintenance page was turned on and off again",
            "the audit log has all three, nothing is locked",
        ]

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        """What the program leaves, and what AWS deletes after a waiting period.

        Snapshots and vaults bring the data back; task definitions cost nothing, and a
        rollback goes back to them.
        """
        meant = ("backup vault", "cache snapshot", "database snapshot")
        kept = {
            thing
            for thing in left
            if thing.ending or thing.kind in (*meant, "task definition")
        }
        return kept | _keys_of_snapshots(left) | _roles_of_vaults(left)


def _roles_of_vaults(left: Collection[Thing]) -> set[Thing]:
    """The roles with which a vault's backups expire, or they would stay for ever."""
    if not any(thing.kind == "backup vault" for thing in left):
        return set()
    return {thing for thing in left if thing.kind == "role" and "-backup" in thing.name}


def _keys_of_snapshots(left: Collection[Thing]) -> set[Thing]:
    """The keys that a destroyed stack leaves for its final snapshot to be read.

    Raises StageError when they are on their way out: so is the snapshot then.
    """
    if not any(thing.kind == "database snapshot" for thing in left):
        return set()
    keys = {thing for thing in left if thing.kind == "KMS key"}
    going = sorted(str(key) for key in keys if key.ending)
    if going or not keys:
        raise StageError(
            f"the final snapshot cannot be read without its key: {going or 'gone'}"
        )
    return keys


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


def _fewer_tasks(aws: Aws, cluster: str, service: str) -> Drift:
    scaling = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{cluster}/{service}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }

    def most() -> int:
        found = scaling.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[target["ResourceId"]]
        )
        return int(found["ScalableTargets"][0]["MaxCapacity"])

    before = most()
    fewer = max(before - 1, 1)
    return Drift(
        f"at most {fewer} tasks instead of {before}",
        "aws:appautoscaling/target:Target",
        lambda: scaling.register_scalable_target(**target, MaxCapacity=fewer),
        lambda: most() == before,
    )


def _days(count: int | None) -> str:
    return "1 day" if count == 1 else f"{count} days"
