from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from components.scheduled_task import ScheduledTask, ScheduledTaskArgs
from components.shared_directory import SharedDirectory
from tests.graph import UNKNOWN, Graph

ACCOUNT = "123456789012"
HERE = f"eu-central-1:{ACCOUNT}"
CLUSTER = f"arn:aws:ecs:{HERE}:cluster/app"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:1"
KEY = f"arn:aws:kms:{HERE}:key/1234"
LOGS = f"arn:aws:logs:{HERE}:log-group:/ecs/app"
QUEUE = f"arn:aws:sqs:{HERE}:dead-letters"
TOPIC = f"arn:aws:sns:{HERE}:alarms"

GROUP = "aws:scheduler/scheduleGroup:ScheduleGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
RULE = "aws:cloudwatch/eventRule:EventRule"
SCHEDULE = "aws:scheduler/schedule:Schedule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


def args(**changes: Any) -> ScheduledTaskArgs:
    return ScheduledTaskArgs(
        **{
            "command": ["npm", "run", "job:dump"],
            "schedule": "cron(0 3 * * ? *)",
            "timezone": "Europe/Berlin",
            "image": IMAGE,
            "repository_arn": f"arn:aws:ecr:{HERE}:repository/app",
            "environment": {"NODE_ENV": "production"},
            "secrets": {
                "DATABASE_URL": f"arn:aws:secretsmanager:{HERE}:secret:app/URL:::1"
            },
            "writable_paths": ["/scratch"],
            "cpu": 256,
            "memory": 512,
            "cluster_arn": CLUSTER,
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "kms_key_arn": KEY,
            "log_group_name": "/ecs/app",
            "log_group_arn": LOGS,
            "dead_letter_queue_arn": QUEUE,
            "topic_arn": TOPIC,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: ScheduledTask("app-dump", args(**changes)))


def target(graph: Graph) -> dict[str, Any]:
    found: dict[str, Any] = graph.one(SCHEDULE)["target"]
    return found


def scheduler_may(graph: Graph) -> dict[str, Any]:
    found = graph.policy(ROLE_POLICY, "app-dump-scheduler")["Statement"]
    return {statement["Sid"]: statement for statement in found}


def test_the_job_is_the_only_container_and_runs_its_command_from_the_image(graph):
    build(graph)
    (container,) = json.loads(graph.one(TASK)["containerDefinitions"])
    assert container["image"] == IMAGE
    assert container["command"] == ["npm", "run", "job:dump"]
    assert container["essential"] is True
    assert container["dependsOn"] == container["portMappings"] == []
    assert container["readonlyRootFilesystem"] is True
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/ecs/app"
    assert {s["name"] for s in container["secrets"]} == {"DATABASE_URL"}


def test_it_starts_at_its_time_of_its_zone(graph):
    build(graph)
    schedule = graph.one(SCHEDULE)
    assert schedule["scheduleExpression"] == "cron(0 3 * * ? *)"
    assert schedule["scheduleExpressionTimezone"] == "Europe/Berlin"
    assert schedule["flexibleTimeWindow"] == {"mode": "OFF"}
    assert schedule["state"] == "ENABLED"


def test_it_can_be_left_to_operators(graph):
    build(graph, enabled=False)
    assert graph.one(SCHEDULE)["state"] == "DISABLED"


def test_one_private_task_of_its_revision_starts_in_the_cluster(graph):
    outputs = build(graph)
    definition = graph.one(TASK).outputs["arn"]
    assert outputs["task_definition_arn"] == definition
    assert outputs["schedule_name"] == graph.one(SCHEDULE).outputs["name"]
    assert target(graph)["arn"] == CLUSTER
    assert target(graph)["ecsParameters"] == {
        "taskDefinitionArn": definition,
        "taskCount": 1,
        "launchType": "FARGATE",
        "platformVersion": "LATEST",
        "networkConfiguration": {
            "subnets": ["subnet-1", "subnet-2"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": False,
        },
        "enableEcsManagedTags": True,
        "propagateTags": "TASK_DEFINITION",
    }


def test_a_start_is_tried_again_and_then_written_down(graph):
    build(graph, start_within=600)
    assert target(graph)["retryPolicy"] == {
        "maximumEventAgeInSeconds": 600,
        "maximumRetryAttempts": 185,
    }
    assert target(graph)["deadLetterConfig"] == {"arn": QUEUE}
    write = scheduler_may(graph)["WriteDeadLetters"]
    assert (write["Action"], write["Resource"]) == ("sqs:SendMessage", QUEUE)


def test_the_schedulers_role_starts_this_task_in_this_cluster_and_nothing_else(graph):
    build(graph)
    found = scheduler_may(graph)
    assert found.keys() == {"StartTask", "TagTask", "PassRoles", "WriteDeadLetters"}
    start, tag = found["StartTask"], found["TagTask"]
    assert start["Action"] == "ecs:RunTask"
    assert start["Resource"] == f"arn:aws:ecs:{HERE}:task-definition/app-dump:*"
    assert start["Condition"] == {"ArnEquals": {"ecs:cluster": CLUSTER}}
    assert tag["Action"] == "ecs:TagResource"
    assert tag["Resource"] == f"arn:aws:ecs:{HERE}:task/app/*"
    assert tag["Condition"] == {"StringEquals": {"ecs:CreateAction": "RunTask"}}


def test_the_schedulers_role_passes_the_tasks_two_roles_to_ecs_alone(graph):
    build(graph)
    task, passed = graph.one(TASK), scheduler_may(graph)["PassRoles"]
    assert passed["Action"] == "iam:PassRole"
    assert passed["Resource"] == [task["executionRoleArn"], task["taskRoleArn"]]
    assert passed["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


def test_only_schedules_of_its_own_group_use_the_schedulers_role(graph):
    build(graph)
    role, group = graph.one(ROLE, "app-dump-scheduler"), graph.one(GROUP)
    assert target(graph)["roleArn"] == role.outputs["arn"]
    assert graph.one(SCHEDULE)["groupName"] == group.outputs["name"]
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": ACCOUNT,
            "aws:SourceArn": group.outputs["arn"],
        }
    }
    assert group.outputs["arn"].startswith(f"arn:aws:scheduler:{HERE}:schedule-group/")


def test_the_first_run_waits_for_all_permissions(graph):
    build(graph, statements=[{"Sid": "Any"}])
    needs = {r.name for r in graph.dependencies(graph.one(SCHEDULE))}
    assert needs >= {"app-dump-scheduler", "app-dump-execution", "app-dump-job"}


def test_the_job_may_do_what_it_is_given_and_nothing_by_default(graph):
    allowed = {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject"}

    def program() -> None:
        statements = pulumi.Output.from_input([allowed])
        ScheduledTask("app-dump", args(statements=statements))

    graph.build(program)
    policy = graph.one(ROLE_POLICY, "app-dump-job")
    assert json.loads(policy["policy"])["Statement"] == [allowed]
    assert policy["role"] == graph.one(ROLE, "app-dump-task").outputs["name"]
    build(graph)
    names = {policy.name for policy in graph.all(ROLE_POLICY)}
    assert names == {"app-dump-execution", "app-dump-scheduler"}


def test_it_shares_directories_with_the_app(graph):
    uploads = SharedDirectory(
        path="/app/uploads",
        file_system_id="fs-1",
        file_system_arn=f"arn:aws:elasticfilesystem:{HERE}:file-system/fs-1",
        access_point_id="fsap-1",
        access_point_arn=f"arn:aws:elasticfilesystem:{HERE}:access-point/fsap-1",
    )
    build(graph, shared=[uploads])
    assert "app-uploads" in {volume["name"] for volume in graph.one(TASK)["volumes"]}


EVENT = {
    "version": "0",
    "id": "3317b2af-7005-947d-b652-f55e762e571a",
    "detail-type": "ECS Task State Change",
    "source": "aws.ecs",
    "account": ACCOUNT,
    "time": "2026-11-23T03:02:58Z",
    "region": "eu-central-1",
    "resources": [f"arn:aws:ecs:{HERE}:task/app/c13b4cb40f1f4fe4a2971f76ae5a47ad"],
    "detail": {
        "clusterArn": CLUSTER,
        "containers": [{"name": "app-dump", "lastStatus": "STOPPED", "exitCode": 1}],
        "desiredStatus": "STOPPED",
        "group": "family:app-dump",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "taskArn": f"arn:aws:ecs:{HERE}:task/app/c13b4cb40f1f4fe4a2971f76ae5a47ad",
        "taskDefinitionArn": f"arn:aws:ecs:{HERE}:task-definition/app-dump:3",
    },
}
"""As AWS gives it (ECS guide, "Amazon ECS task state change events"), shortened."""


def event(**detail: Any) -> dict[str, Any]:
    return {**EVENT, "detail": {**EVENT["detail"], **detail}}


def matches(pattern: Any, value: Any) -> bool:
    """EventBridge's rules, as far as the pattern uses them.

    A list in the event matches when one of its elements does; of several conditions
    on a field one must hold; a field that is absent matches nothing.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    if isinstance(value, list):
        return any(matches(pattern, one) for one in value)
    if isinstance(pattern, list):
        return value is not None and any(holds(one, value) for one in pattern)
    if not isinstance(value, dict):
        return False
    return all(
        any(matches(one, value) for one in inner)
        if key == "$or"
        else matches(inner, value.get(key))
        for key, inner in pattern.items()
    )


def holds(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return bool(condition == value)
    [(operator, operand)] = condition.items()
    if operator == "prefix":
        return str(value).startswith(operand)
    assert operator == "anything-but"
    return value not in operand


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({}, True),
        ({"containers": [{"name": "app-dump", "exitCode": 137}]}, True),
        ({"containers": [{"name": "app-dump", "exitCode": 0}]}, False),
        # Never started: no exit code.
        ({"containers": [{"name": "app-dump"}], "stopCode": "TaskFailedToStart"}, True),
        ({"containers": [{"name": "app-dump"}], "stopCode": "TerminationNotice"}, True),
        # Still running, or another task.
        ({"containers": [{"name": "app-dump"}], "stopCode": None}, False),
        ({"lastStatus": "DEPROVISIONING"}, False),
        (
            {
                "taskDefinitionArn": (
                    f"arn:aws:ecs:{HERE}:task-definition/app-dump-other:3"
                )
            },
            False,
        ),
    ],
)
def test_runs_that_fail_are_told_to_the_topic(graph, detail, told):
    build(graph)
    pattern = json.loads(graph.one(RULE)["eventPattern"])
    assert matches(pattern, event(**detail)) is told
    assert graph.one(TARGET)["arn"] == TOPIC
    assert graph.one(TARGET)["rule"] == graph.one(RULE).outputs["name"]


def test_the_message_says_what_failed_and_how_to_find_out_why(graph):
    build(graph)
    transformer = graph.one(TARGET)["inputTransformer"]
    values = {name: at(path) for name, path in transformer["inputPaths"].items()}
    template = transformer["inputTemplate"]
    assert set(re.findall(r"<(\w+)>", template)) == values.keys()
    for name, value in values.items():
        template = template.replace(f"<{name}>", str(value))
    what, why, log = [json.loads(line) for line in template.splitlines()]
    assert what == (
        "The job app-dump failed at 2026-11-23T03:02:58Z: EssentialContainerExited. "
        "Exit code: 1"
    )
    assert f"--cluster {CLUSTER} --tasks arn:aws:ecs:{HERE}:task/app/c13b" in why
    assert "aws logs tail /ecs/app --region eu-central-1" in log
    assert "--log-stream-name-prefix ecs/app-dump/" in log


def at(path: str) -> Any:
    """Value at a JSON path of the event."""
    found: Any = EVENT
    for part in re.findall(r"\w+", path):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


def test_without_a_topic_nobody_is_told(graph):
    build(graph, topic_arn=None)
    assert graph.all(RULE) == graph.all(TARGET) == []


@pytest.mark.parametrize(
    "schedule",
    [
        "rate(1 minute)",
        "rate(12 hours)",
        "cron(0 3 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)",
        "cron(30 3,15 L * ? 2027-2030)",
        "cron(0 5 ? JAN,JUL 2#1 *)",
        "cron(0 5 LW * ? *)",
        "cron(0 5 ? * 6L *)",
        "cron(0 23 31W 12 ? 2199)",
    ],
)
def test_a_schedule_of_aws_is_taken(graph, schedule):
    build(graph, schedule=schedule)
    assert graph.one(SCHEDULE)["scheduleExpression"] == schedule


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("0 3 * * *", "neither cron"),
        ("rate(0 hours)", "neither cron"),
        ("rate(1 hours)", "neither cron"),
        ("rate(5 weeks)", "neither cron"),
        ("at(2027-01-01T00:00:00)", "neither cron"),
        ("cron(0 3 * * ?)", "must have six fields"),
        ("cron(60 3 * * ? *)", '"60" is no minutes'),
        ("cron(0 24 * * ? *)", '"24" is no hours'),
        ("cron(0 3 32 * ? *)", '"32" is no day of the month'),
        ("cron(0 3 * 13 ? *)", '"13" is no month'),
        ("cron(0 3 ? * 8 *)", '"8" is no day of the week'),
        ("cron(0 3 * * ? 1969)", '"1969" is no year'),
        ("cron(0 3 * * * *)", "must have \\? for one of the days"),
        ("cron(0 3 1 * MON *)", "must have \\? for one of the days"),
        ("cron(0 3 ? * ? *)", "must have \\? for one of the days"),
        ("cron(0  3 * * ? *)", "must have six fields"),
    ],
)
def test_a_schedule_that_aws_would_refuse_is_refused_at_once(schedule, message):
    with pytest.raises(ValueError, match=message):
        args(schedule=schedule)


def test_every_time_of_a_month_can_be_asked_for():
    minutes, hours, days = (
        ",".join(map(str, numbers)) for numbers in (range(60), range(24), range(1, 32))
    )
    assert args(schedule=f"cron({minutes} {hours} {days} * ? *)").schedule


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": []}, "command: empty"),
        ({"timezone": "Europe/Bonn"}, '"Europe/Bonn" is no IANA time zone'),
        ({"start_within": 59}, "59 must be between 60 and 86400"),
        ({"uid": 0}, "0 is root"),
    ],
)
def test_what_aws_would_refuse_late_is_refused_at_once(changes, message):
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_names_leave_room_for_the_random_part(graph):
    graph.build(lambda: ScheduledTask("a" * 60, args()))
    for resource in graph.resources:
        assert len(resource.name) <= 64 - 8


def test_a_new_image_changes_neither_permissions_nor_rules(graph):
    def program() -> None:
        image = pulumi.CustomResource("aws:sns/topic:Topic", "i", {"arn": None}).id
        ScheduledTask("app-dump", args(image=image))

    graph.build(program, preview=True)
    assert graph.one(TASK)["containerDefinitions"] == UNKNOWN
    pattern = json.loads(graph.one(RULE)["eventPattern"])
    assert pattern["detail"]["taskDefinitionArn"] == [
        {"prefix": f"arn:aws:ecs:{HERE}:task-definition/app-dump:"}
    ]


def test_a_preview_without_known_references_is_complete(graph):
    def program() -> ScheduledTask:
        unknown = pulumi.CustomResource("aws:sns/topic:Topic", "u", {"arn": None}).id
        return ScheduledTask(
            "app-dump",
            args(
                cluster_arn=unknown,
                dead_letter_queue_arn=unknown,
                topic_arn=unknown,
                log_group_arn=unknown,
                statements=unknown.apply(lambda arn: [{"Resource": arn}]),
            ),
        )

    outputs = graph.build(program, preview=True)
    assert outputs["task_definition_arn"] == UNKNOWN
    assert graph.one(RULE)["eventPattern"] == UNKNOWN
    assert target(graph)["ecsParameters"]["launchType"] == "FARGATE"
