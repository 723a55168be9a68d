"""Rows for EventBridge Scheduler: groups, and schedules that start ECS tasks.

moto keeps schedules and never runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, refusal, within
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
from rehearsal.provider.wire import Properties

_NAME = r"[0-9A-Za-z_.-]{1,64}"
_NAME_SAYS = "1 to 64 letters, digits, dots, hyphens and underscores"

_EXPRESSION = (
    r"rate\([1-9]\d* (minutes?|hours?|days?)\)|cron\(\S+( \S+){5}\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
)


class ScheduleGroup(Row):
    """aws.scheduler.ScheduleGroup; its id is its name."""

    token = "aws:scheduler/scheduleGroup:ScheduleGroup"
    service = "scheduler"
    tagged = True
    autoname = "name"
    name_limit = 64

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return matching(inputs, "name", _NAME, _NAME_SAYS)

    def create(self, aws: Aws, inputs: Properties) -> str:
        name = inputs["name"]
        if _group(aws, name) is not None:  # moto would empty it
            raise refusal(
                "CreateScheduleGroup",
                "ConflictException",
                f"Schedule group {name} already exists.",
            )
        aws.client("scheduler").create_schedule_group(
            Name=name, Tags=tag_list(inputs.get("tagsAll"))
        )
        return str(name)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _group(aws, id)
        if live is None:
            return None
        tags = aws.client("scheduler").list_tags_for_resource(ResourceArn=live["Arn"])
        return {
            "arn": live["Arn"],
            "name": live["Name"],
            "state": live["State"],
            "tagsAll": tag_map(tags["Tags"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        scheduler = aws.client("scheduler")
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            scheduler.tag_resource(ResourceArn=old["arn"], Tags=tag_list(wanted))
        if unwanted:
            scheduler.untag_resource(ResourceArn=old["arn"], TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _group(aws, id) is not None:
            aws.client("scheduler").delete_schedule_group(Name=id)


class Schedule(Row):
    """aws.scheduler.Schedule with an ECS task for a target; its id is GROUP/NAME."""

    token = "aws:scheduler/schedule:Schedule"
    service = "scheduler"
    autoname = "name"
    name_limit = 64
    replaces = frozenset({"groupName"})
    updates = frozenset(
        {
            "description",
            "flexibleTimeWindow",
            "kmsKeyArn",
            "scheduleExpression",
            "scheduleExpressionTimezone",
            "state",
            "target",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "groupName": "default",
        "scheduleExpressionTimezone": "UTC",
        "state": "ENABLED",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        window = "flexibleTimeWindow"
        return [
            *matching(inputs, "name", _NAME, _NAME_SAYS),
            *matching(inputs, "groupName", _NAME, _NAME_SAYS),
            *matching(inputs, "description", r"(?s).{0,512}", "at most 512 characters"),
            *matching(inputs, "scheduleExpression", r".{1,256}", "1 to 256 characters"),
            *matching(
                inputs, "scheduleExpressionTimezone", r".{1,50}", "1 to 50 characters"
            ),
            *one_of(inputs, "state", ("ENABLED", "DISABLED")),
            *one_of(inputs, f"{window}.mode", ("OFF", "FLEXIBLE")),
            *within(inputs, f"{window}.maximumWindowInMinutes", 1, 1440),
            *arn(inputs, "kmsKeyArn"),
            *_target_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        group, name = inputs["groupName"], inputs["name"]
        if _group(aws, group) is None:  # moto fails in it
            raise refusal(
                "CreateSchedule",
                "ResourceNotFoundException",
                f"Schedule group {group} does not exist.",
            )
        aws.client("scheduler").create_schedule(**_call(aws, group, name, inputs))
        return f"{group}/{name}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _schedule(aws, id)
        if live is None:
            return None
        window = live["FlexibleTimeWindow"]
        return {
            "arn": live["Arn"],
            "description": live.get("Description"),
            "flexibleTimeWindow": {
                "mode": window["Mode"],
                "maximumWindowInMinutes": window.get("MaximumWindowInMinutes"),
            },
            "groupName": live["GroupName"],
            "kmsKeyArn": live.get("KmsKeyArn"),
            "name": live["Name"],
            "scheduleExpression": live["ScheduleExpression"],
            "scheduleExpressionTimezone": live["ScheduleExpressionTimezone"],
            "state": live["State"],
            "target": _live_target(live["Target"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed:
            group, name = id.split("/")
            aws.client("scheduler").update_schedule(**_call(aws, group, name, new))

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        group, name = id.split("/")
        deleted(aws.client("scheduler").delete_schedule, GroupName=group, Name=name)


def _group(aws: Aws, name: str) -> dict[str, Any] | None:
    return _found(aws.client("scheduler").get_schedule_group, Name=name)


def _schedule(aws: Aws, id: str) -> dict[str, Any] | None:
    group, _, name = id.partition("/")
    return _found(aws.client("scheduler").get_schedule, GroupName=group, Name=name)


def _found(call: Any, **names: str) -> dict[str, Any] | None:
    try:
        return dict(call(**names))
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _call(aws: Aws, group: str, name: str, inputs: Properties) -> dict[str, Any]:
    """A whole schedule as the API takes it, for what it forgets is the default."""
    expression, target = inputs["scheduleExpression"], inputs["target"]
    if matching(inputs, "scheduleExpression", _EXPRESSION, ""):
        raise _invalid(f"Invalid Schedule Expression {expression}.")
    if not _may_be_assumed(aws, target["roleArn"]):
        raise _invalid(
            "The execution role you provide must allow AWS EventBridge Scheduler to "
            "assume the role."
        )
    return {
        "GroupName": group,
        "Name": name,
        "FlexibleTimeWindow": given(
            inputs["flexibleTimeWindow"],
            mode="Mode",
            maximumWindowInMinutes="MaximumWindowInMinutes",
        ),
        "Target": _target(target),
        **given(
            inputs,
            description="Description",
            kmsKeyArn="KmsKeyArn",
            scheduleExpression="ScheduleExpression",
            scheduleExpressionTimezone="ScheduleExpressionTimezone",
            state="State",
        ),
    }


def _invalid(message: str) -> ClientError:
    return refusal("CreateSchedule", "ValidationException", message)


def _may_be_assumed(aws: Aws, role_arn: str) -> bool:
    """Whether the role exists and trusts the scheduler; moto asks nothing."""
    role = _found(aws.client("iam").get_role, RoleName=role_arn.rsplit("/", 1)[-1])
    if role is None:
        return False
    statements = role["Role"]["AssumeRolePolicyDocument"]["Statement"]
    trusted = [one.get("Principal", {}).get("Service") for one in statements]
    return any("scheduler.amazonaws.com" in (one or ()) for one in trusted)


_TARGET: Mapping[str, str] = {"arn": "Arn", "input": "Input", "roleArn": "RoleArn"}
_RETRY: Mapping[str, str] = {
    "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
    "maximumRetryAttempts": "MaximumRetryAttempts",
}
_ECS: Mapping[str, str] = {
    "enableEcsManagedTags": "EnableECSManagedTags",
    "enableExecuteCommand": "EnableExecuteCommand",
    "group": "Group",
    "launchType": "LaunchType",
    "platformVersion": "PlatformVersion",
    "propagateTags": "PropagateTags",
    "taskCount": "TaskCount",
    "taskDefinitionArn": "TaskDefinitionArn",
}
_NETWORK: Mapping[str, str] = {
    "securityGroups": "SecurityGroups",
    "subnets": "Subnets",
}

_CARRIED: Mapping[str, frozenset[str]] = {
    "target": frozenset({*_TARGET, "deadLetterConfig", "ecsParameters", "retryPolicy"}),
    "target.deadLetterConfig": frozenset({"arn"}),
    "target.ecsParameters": frozenset({*_ECS, "networkConfiguration"}),
    "target.ecsParameters.networkConfiguration": frozenset(
        {*_NETWORK, "assignPublicIp"}
    ),
    "target.retryPolicy": frozenset(_RETRY),
}
"""What the row knows of each object in a target."""


def _target_problems(inputs: Mapping[str, Any]) -> Iterator[str]:
    """What AWS or the rehearsal refuses of a target."""
    for path, known in _CARRIED.items():
        for key in sorted(_object(inputs, path).keys() - known):
            yield f"{path}.{key}: the rehearsal does not carry this"
    for path in ("arn", "roleArn", "deadLetterConfig.arn"):
        yield from arn(inputs, f"target.{path}")
    ecs = "target.ecsParameters"
    yield from arn(inputs, f"{ecs}.taskDefinitionArn")
    yield from one_of(inputs, f"{ecs}.launchType", ("EC2", "FARGATE", "EXTERNAL"))
    yield from one_of(inputs, f"{ecs}.propagateTags", ("TASK_DEFINITION",))
    yield from within(inputs, f"{ecs}.taskCount", 0, 10)
    retry = "target.retryPolicy"
    yield from within(inputs, f"{retry}.maximumEventAgeInSeconds", 60, 86_400)
    yield from within(inputs, f"{retry}.maximumRetryAttempts", 0, 185)


def _object(inputs: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The object at a dotted path; nothing when it is absent or not known yet."""
    value: Any = inputs
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _target(target: Properties) -> dict[str, Any]:
    made = given(target, **_TARGET)
    if letters := target.get("deadLetterConfig"):
        made["DeadLetterConfig"] = given(letters, arn="Arn")
    if retry := target.get("retryPolicy"):
        made["RetryPolicy"] = given(retry, **_RETRY)
    if ecs := target.get("ecsParameters"):
        made["EcsParameters"] = given(ecs, **_ECS)
        if network := ecs.get("networkConfiguration"):
            public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
            made["EcsParameters"]["NetworkConfiguration"] = {
                "awsvpcConfiguration": {
                    "AssignPublicIp": public,
                    **given(network, **_NETWORK),
                }
            }
    return made


def _live_target(live: Mapping[str, Any]) -> Properties:
    made = _back(_TARGET, live)
    if letters := live.get("DeadLetterConfig"):
        made["deadLetterConfig"] = {"arn": letters["Arn"]}
    if retry := live.get("RetryPolicy"):
        made["retryPolicy"] = _back(_RETRY, retry)
    if ecs := live.get("EcsParameters"):
        made["ecsParameters"] = _back(_ECS, ecs)
        if network := ecs.get("NetworkConfiguration", {}).get("awsvpcConfiguration"):
            made["ecsParameters"]["networkConfiguration"] = {
                "assignPublicIp": network["AssignPublicIp"] == "ENABLED",
                **_back(_NETWORK, network),
            }
    return made


def _back(fields: Mapping[str, str], live: Mapping[str, Any]) -> Properties:
    """What the API answers, under the provider's names."""
    return {key: live[field] for key, field in fields.items() if field in live}


ROWS: tuple[type[Row], ...] = (ScheduleGroup, Schedule)
INVOKES: Mapping[str, Any] = {}
