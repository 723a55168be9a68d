"""Which events become a message, and what it says.

The events are AWS's own examples, in the guides of ECS, AWS Backup and ACM; the names
in them are ours. Patterns are matched by the emulator's EventBridge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from moto.events.models import EventPattern

from components.events import EventNotifications, EventNotificationsArgs
from tests.graph import Graph

RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
SUBSCRIPTION = "aws:rds/eventSubscription:EventSubscription"

PLACE = "eu-central-1:123456789012"
TOPIC = f"arn:aws:sns:{PLACE}:app-alarms"
CLUSTER = f"arn:aws:ecs:{PLACE}:cluster/app"
SERVICE = f"arn:aws:ecs:{PLACE}:service/app/web"
TASK = f"arn:aws:ecs:{PLACE}:task/app/c13b4cb40f1f4fe4a2971f76ae5a47ad"
VAULT = f"arn:aws:backup:{PLACE}:backup-vault:app"
CERTIFICATE = f"arn:aws:acm:{PLACE}:certificate/61f50cd4-45b9-4259-b049-d0a53682fa4b"

Event = dict[str, Any]


def notifications(**args: Any) -> EventNotifications:
    return EventNotifications(
        "app",
        EventNotificationsArgs(
            **{
                "topic_arn": TOPIC,
                "cluster_arn": CLUSTER,
                "service_name": "web",
                "database_identifier": "app-1234567",
                "backup_vault_name": "app",
                "certificate_arns": [CERTIFICATE],
            }
            | args
        ),
    )


def event(source: str, type_: str, resource: str, detail: Mapping[str, Any]) -> Event:
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": type_,
        "source": source,
        "account": "123456789012",
        "time": "2026-01-23T17:57:58Z",
        "region": "eu-central-1",
        "resources": [resource],
        "detail": dict(detail),
    }


def task(stop_code: str, reason: str, **detail: Any) -> Event:
    return event(
        "aws.ecs",
        "ECS Task State Change",
        TASK,
        {
            "availabilityZone": "eu-central-1c",
            "clusterArn": CLUSTER,
            "containers": [
                {
                    "containerArn": f"arn:aws:ecs:{PLACE}:container/cf159fd6",
                    "exitCode": 137,
                    "lastStatus": "STOPPED",
                    "name": "app",
                    "reason": "OutOfMemoryError: Container killed due to memory usage",
                }
            ],
            "createdAt": "2026-01-23T17:57:34.402Z",
            "launchType": "FARGATE",
            "desiredStatus": "STOPPED",
            "group": "service:web",
            "lastStatus": "STOPPED",
            "stopCode": stop_code,
            "stoppedReason": reason,
            "taskArn": TASK,
            "taskDefinitionArn": f"arn:aws:ecs:{PLACE}:task-definition/app:1",
            "version": 4,
        }
        | detail,
    )


def deployment(name: str, type_: str = "ECS Deployment State Change") -> Event:
    return event(
        "aws.ecs",
        type_,
        SERVICE,
        {
            "eventType": "ERROR" if name.endswith("FAILED") else "INFO",
            "eventName": name,
            "deploymentId": "ecs-svc/123",
            "updatedAt": "2026-05-23T11:11:11Z",
            "reason": "ECS deployment circuit breaker: task failed to start.",
        },
    )


def action(event_type: str, name: str, resource: str = SERVICE) -> Event:
    return event(
        "aws.ecs",
        "ECS Service Action",
        resource,
        {
            "eventType": event_type,
            "eventName": name,
            "clusterArn": CLUSTER,
            "createdAt": "2026-11-19T19:55:38.725Z",
        },
    )


def backup(state: str, vault: str = "app") -> Event:
    return event(
        "aws.backup",
        "Backup Job State Change",
        f"arn:aws:rds:{PLACE}:db:app-1234567",
        {
            "backupJobId": "34176239-e96d-4e1d-9fad-529dbb3c3556",
            "backupVaultArn": f"arn:aws:backup:{PLACE}:backup-vault:{vault}",
            "backupVaultName": vault,
            "bytesTransferred": "0",
            "creationDate": "2026-07-29T20:13:07.392Z",
            "resourceType": "RDS",
            "state": state,
            "statusMessage": '"Backup job failed because of a \\"reason\\"."',
            "percentDone": 0,
        },
    )


def copy(state: str, vault: str = VAULT) -> Event:
    return event(
        "aws.backup",
        "Copy Job State Change",
        f"arn:aws:backup:{PLACE}:recovery-point:1",
        {
            "copyJobId": "47C8EF56-74D8-059D-1301-C5BE1D5C926E",
            "backupSizeInBytes": 22548578304,
            "resourceType": "EFS",
            "sourceBackupVaultArn": vault,
            "state": state,
            "statusMessage": "Access denied exception while trying to list tags",
            "destinationBackupVaultArn": VAULT.replace("central", "west"),
            "destinationRecoveryPointArn": {},
        },
    )


def restore(status: str) -> Event:
    return event(
        "aws.backup",
        "Restore Job State Change",
        f"arn:aws:rds:{PLACE}:snapshot:awsbackup:job-1",
        {
            "restoreJobId": "1B234A56-789B-01CD-2A34-4567A08901FD",
            "backupSizeInBytes": "22548578304",
            "percentDone": 0,
            "resourceType": "RDS",
            "status": status,
            "statusMessage": "AWS Backup does not permit it.",
        },
    )


def certificate(what: str, arn: str = CERTIFICATE) -> Event:
    detail = {"DaysToExpiry": 31, "CommonName": "example.org"}
    return event("aws.acm", f"ACM Certificate {what}", arn, detail)


PLACEMENT = "SERVICE_TASK_PLACEMENT_FAILURE"
FAILED = "SERVICE_DEPLOYMENT_FAILED"

TOLD: list[tuple[Event, str]] = [
    (deployment(FAILED), "deployment-failed"),
    (deployment(FAILED, "ECS Service Action"), "deployment-failed"),
    (
        task("EssentialContainerExited", "Essential container in task exited"),
        "task-stopped",
    ),
    (task("TaskFailedToStart", "CannotPullContainerError: …"), "task-stopped"),
    (
        task(
            "ServiceSchedulerInitiated",
            f"Task failed ELB health checks in (target-group arn:aws:…:{PLACE}:app)",
        ),
        "task-unhealthy",
    ),
    (
        task(
            "ServiceSchedulerInitiated",
            "task failed ELB health checks in (target-group arn:aws:…:app)",
        ),
        "task-unhealthy",
    ),
    (
        task("ServiceSchedulerInitiated", "Task failed container health checks"),
        "task-unhealthy",
    ),
    (action("ERROR", PLACEMENT), "service-impaired"),
    (action("ERROR", "SERVICE_TASK_CONFIGURATION_FAILURE"), "service-impaired"),
    (action("WARN", "SERVICE_TASK_START_IMPAIRED"), "service-impaired"),
    (backup("FAILED"), "backup-failed"),
    (backup("ABORTED"), "backup-failed"),
    (backup("EXPIRED"), "backup-failed"),
    (copy("FAILED"), "copy-failed"),
    (restore("FAILED"), "restore-failed"),
    (restore("ABORTED"), "restore-failed"),
    (certificate("Approaching Expiration"), "certificate-expiry"),
    (certificate("Expired"), "certificate-expiry"),
    (certificate("Renewal Action Required"), "certificate-expiry"),
]

SCALED = "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)"
OTHER_SERVICE = SERVICE.replace("/web", "/web-2")
OTHER_CLUSTER = CLUSTER.replace("/app", "/app-2")

NOT_TOLD: list[Event] = [
    deployment("SERVICE_DEPLOYMENT_IN_PROGRESS"),
    deployment("SERVICE_DEPLOYMENT_COMPLETED"),
    task("ServiceSchedulerInitiated", SCALED),
    task("SpotInterruption", "Your Spot Task was interrupted."),
    task("TerminationNotice", "ECS is performing maintenance on the hardware"),
    task("UserInitiated", "Task stopped by user"),
    task("EssentialContainerExited", "Essential …", group="family:app-migrate"),
    task("EssentialContainerExited", "Essential …", group="service:web-2"),
    task("EssentialContainerExited", "Essential …", clusterArn=OTHER_CLUSTER),
    task("EssentialContainerExited", "Essential …", lastStatus="DEPROVISIONING"),
    action("INFO", "SERVICE_STEADY_STATE"),
    action("ERROR", PLACEMENT, OTHER_SERVICE),
    backup("COMPLETED"),
    backup("RUNNING"),
    backup("FAILED", "other"),
    copy("COMPLETED"),
    copy("FAILED", f"{VAULT}-of-another"),
    copy("FAILED", VAULT.replace(":app", ":other")),
    restore("COMPLETED"),
    certificate("Available"),
    certificate("Approaching Expiration", f"{CERTIFICATE[:-1]}a"),
]


def told(graph: Graph, happened: Event) -> list[str]:
    """Names of the rules that the event matches."""
    return [
        rule.name.removeprefix("app-")
        for rule in graph.all(RULE)
        if EventPattern.load(rule["eventPattern"]).matches_event(happened)
    ]


def value(happened: Event, path: str) -> Any:
    """What a JSON path of the few kinds that EventBridge knows leads to."""
    found: Any = happened
    for key in re.findall(r"[\w-]+|\[\d+\]", path.removeprefix("$")):
        found = found[int(key[1:-1])] if key.startswith("[") else found[key]
    return found


def message(graph: Graph, name: str, happened: Event) -> list[str]:
    """The lines that EventBridge writes: values are put in as they are."""
    transformer = graph.one(TARGET, f"app-{name}")["inputTransformer"]
    text = transformer["inputTemplate"]
    for key, path in transformer["inputPaths"].items():
        text = text.replace(f"<{key}>", str(value(happened, path)))
    return [json.loads(line) for line in text.split("\n")]


@pytest.fixture(scope="module")
def everything() -> Graph:
    graph = Graph()
    graph.build(notifications)
    return graph


@pytest.mark.parametrize(("happened", "rule"), TOLD)
def test_what_needs_a_human_matches_one_rule(everything, happened, rule):
    assert told(everything, happened) == [rule]


@pytest.mark.parametrize("happened", NOT_TOLD)
def test_what_is_normal_or_of_others_matches_none(everything, happened):
    assert told(everything, happened) == []


@pytest.mark.parametrize(("happened", "rule"), TOLD)
def test_a_message_is_whole_and_shows_the_way_to_the_reason(everything, happened, rule):
    first, second = message(everything, rule, happened)
    assert happened["time"] in first
    assert "aws " in second
    assert "--region eu-central-1" in second
    for line in (first, second):
        assert not re.search(r"<[\w-]+>", line), "a variable that nothing fills"


def test_a_message_reads_like_a_sentence(everything):
    stopped = task("EssentialContainerExited", "Essential container in task exited")
    first, second = message(everything, "task-stopped", stopped)
    assert (
        first
        == "A task of web stopped at 2026-01-23T17:57:58Z: EssentialContainerExited."
    )
    assert f"--cluster {CLUSTER} --tasks {TASK}" in second
    first, _ = message(everything, "backup-failed", backup("EXPIRED"))
    assert first == "AWS Backup: a backup (RDS) ended as EXPIRED at " + (
        "2026-01-23T17:57:58Z."
    )


def test_stop_codes_and_states_are_those_of_the_api(everything):
    session = botocore.session.get_session()

    def known(service: str, shape: str) -> set[str]:
        model: Any = session.get_service_model(service)
        return set(model.shape_for(shape).enum)

    def named(rule: str, key: str) -> set[str]:
        pattern = everything.policy(RULE, f"app-{rule}", "eventPattern")
        return set(pattern["detail"][key])

    codes = named("task-stopped", "stopCode") | named("task-unhealthy", "stopCode")
    assert codes < known("ecs", "TaskStopCode")
    assert named("backup-failed", "state") < known("backup", "BackupJobState")
    assert named("copy-failed", "state") < known("backup", "CopyJobState")
    assert named("restore-failed", "status") < known("backup", "RestoreJobStatus")


def test_each_rule_writes_to_the_topic(everything):
    rules = {rule.outputs["name"] for rule in everything.all(RULE)}
    targets = everything.all(TARGET)
    assert {target["rule"] for target in targets} == rules
    assert {target["arn"] for target in targets} == {TOPIC}


def test_what_is_not_there_is_not_watched(graph):
    graph.build(lambda: notifications(backup_vault_name=None, certificate_arns=()))
    assert {rule.name for rule in graph.all(RULE)} == {
        "app-deployment-failed",
        "app-task-stopped",
        "app-task-unhealthy",
        "app-service-impaired",
    }


def test_the_database_tells_of_itself(graph):
    outputs = graph.build(lambda: notifications(parameter_group_name="app-parameters"))
    of = {one["sourceType"]: one for one in graph.all(SUBSCRIPTION)}
    assert {one["snsTopic"] for one in of.values()} == {TOPIC}
    instance = of["db-instance"]
    assert instance["sourceIds"] == ["app-1234567"]
    critical = {"maintenance", "configuration change", "failure"}  # RDS.20
    assert critical < set(instance["eventCategories"])
    assert "backup" not in instance["eventCategories"]
    parameters = of["db-parameter-group"]
    assert parameters["sourceIds"] == ["app-parameters"]
    assert parameters["eventCategories"] == ["configuration change"]  # RDS.21
    security = of["db-security-group"]
    assert security["eventCategories"] == ["configuration change", "failure"]  # RDS.22
    assert "sourceIds" not in security.inputs
    assert len(outputs["subscription_names"]) == 3


def test_every_parameter_group_is_watched_unless_one_is_named(graph):
    graph.build(notifications)
    parameters = graph.one(SUBSCRIPTION, "app-db-parameter-group")
    assert "sourceIds" not in parameters.inputs


def test_the_longest_name_fits_a_rule(graph):
    graph.build(
        lambda: EventNotifications(
            "n" * 36,
            EventNotificationsArgs(
                topic_arn=TOPIC,
                cluster_arn=CLUSTER,
                service_name="web",
                database_identifier="app-1234567",
                backup_vault_name="app",
                certificate_arns=[CERTIFICATE],
            ),
        )
    )
    assert all(len(rule.outputs["name"]) <= 64 for rule in graph.all(RULE))


def test_a_preview_knows_the_rules_before_the_service(graph):
    graph.build(notifications, preview=True)
    assert len(graph.all(RULE)) == len(graph.all(TARGET)) == 8
