"""The rows of EventBridge Scheduler: put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

GROUP = "aws:scheduler/scheduleGroup:ScheduleGroup"
SCHEDULE = "aws:scheduler/schedule:Schedule"

HERE = "eu-central-1:123456789012"
CLUSTER = f"arn:aws:ecs:{HERE}:cluster/app"
DEFINITION = f"arn:aws:ecs:{HERE}:task-definition/app-dump:1"
KEY = f"arn:aws:kms:{HERE}:key/7b9a0c3e"
LETTERS = f"arn:aws:sqs:{HERE}:letters"


def role(site: Site, service: str = "scheduler.amazonaws.com") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(site.make("aws:iam/role:Role", assumeRolePolicy=trust)["arn"])


def program(site: Site, **changes: Any) -> dict[str, Any]:
    """What a program asks for, so far as AWS insists."""
    return {
        "flexibleTimeWindow": {"mode": "OFF"},
        "scheduleExpression": "cron(0 3 * * ? *)",
        "target": {
            "arn": CLUSTER,
            "roleArn": role(site),
            "ecsParameters": {
                "taskDefinitionArn": DEFINITION,
                "launchType": "FARGATE",
                "taskCount": 1,
                "networkConfiguration": {
                    "subnets": ["subnet-1", "subnet-2"],
                    "securityGroups": ["sg-1"],
                    "assignPublicIp": False,
                },
            },
            "retryPolicy": {
                "maximumEventAgeInSeconds": 3600,
                "maximumRetryAttempts": 185,
            },
            "deadLetterConfig": {"arn": LETTERS},
        },
        **changes,
    }


def groups(site: Site) -> list[str]:
    found = site.client("scheduler").list_schedule_groups(MaxResults=100)
    return [one["Name"] for one in found["ScheduleGroups"]]


def group(site: Site) -> Case:
    return Case(
        inputs={"name": site.name("jobs")},
        listing=lambda: groups(site),
        refused=[
            ({"name": "n" * 65}, "1 to 64"),
            ({"name": "job dump"}, "1 to 64"),
        ],
    )


def schedule(site: Site) -> Case:
    scheduler = site.client("scheduler")
    home, other = (site.make(GROUP)["name"] for _ in range(2))
    inputs = program(site, groupName=home, description="Runs npm run job:dump")
    target = inputs["target"]
    ecs = target["ecsParameters"]

    def aimed(**changes: Any) -> dict[str, Any]:
        return {"target": {**target, **changes}}

    def running(**changes: Any) -> dict[str, Any]:
        return aimed(ecsParameters={**ecs, **changes})

    def disable(id: str) -> None:
        live = scheduler.get_schedule(GroupName=home, Name=id.split("/")[1])
        known = ("FlexibleTimeWindow", "GroupName", "Name", "ScheduleExpression")
        scheduler.update_schedule(
            **{key: live[key] for key in (*known, "Target", "Description")},
            State="DISABLED",
        )

    return Case(
        inputs=inputs,
        listing=lambda: [
            f"{one['GroupName']}/{one['Name']}"
            for one in scheduler.list_schedules(MaxResults=100)["Schedules"]
        ],
        updates={
            "description": "Runs npm run job:archive",
            "flexibleTimeWindow": {"mode": "FLEXIBLE", "maximumWindowInMinutes": 15},
            "kmsKeyArn": KEY,
            "scheduleExpression": "rate(12 hours)",
            "scheduleExpressionTimezone": "Europe/Berlin",
            "state": "DISABLED",
            "target": {
                "arn": f"arn:aws:ecs:{HERE}:cluster/other",
                "roleArn": role(site),
                "input": "{}",
                "ecsParameters": {
                    "taskDefinitionArn": DEFINITION.replace(":1", ":2"),
                    "enableEcsManagedTags": True,
                    "enableExecuteCommand": True,
                    "group": "jobs",
                    "launchType": "FARGATE",
                    "networkConfiguration": {
                        "subnets": ["subnet-3"],
                        "assignPublicIp": True,
                    },
                    "platformVersion": "LATEST",
                    "propagateTags": "TASK_DEFINITION",
                    "taskCount": 2,
                },
                "retryPolicy": {
                    "maximumEventAgeInSeconds": 60,
                    "maximumRetryAttempts": 0,
                },
            },
        },
        replaces={"groupName": other},
        drift=[Drift(act=disable, seen="state")],
        refused=[
            ({"name": "n" * 65}, "1 to 64"),
            ({"groupName": "a/b"}, "1 to 64"),
            ({"description": "d" * 513}, "512"),
            ({"scheduleExpression": "c" * 257}, "256"),
            ({"scheduleExpressionTimezone": "z" * 51}, "50"),
            ({"state": "ON"}, "not one of ENABLED"),
            ({"flexibleTimeWindow": {"mode": "ON"}}, "not one of OFF"),
            (
                {
                    "flexibleTimeWindow": {
                        "mode": "FLEXIBLE",
                        "maximumWindowInMinutes": 1441,
                    }
                },
                "between 1 and 1440",
            ),
            ({"kmsKeyArn": "7b9a0c3e"}, "an ARN"),
            (aimed(arn="app"), "target.arn"),
            (aimed(roleArn="scheduler"), "target.roleArn"),
            (aimed(deadLetterConfig={"arn": "letters"}), "target.deadLetterConfig.arn"),
            (aimed(sqsParameters={}), "target.sqsParameters: the rehearsal does not"),
            (
                aimed(
                    retryPolicy={
                        "maximumEventAgeInSeconds": 59,
                        "maximumRetryAttempts": 186,
                    }
                ),
                "between 60 and 86400",
            ),
            (running(taskCount=11), "between 0 and 10"),
            (running(launchType="LAMBDA"), "not one of EC2, FARGATE"),
            (running(propagateTags="SERVICE"), "not one of TASK_DEFINITION"),
            (running(taskDefinitionArn="app-dump"), "ecsParameters.taskDefinitionArn"),
            (
                running(referenceId="one"),
                "target.ecsParameters.referenceId: the rehearsal does not carry",
            ),
        ],
    )


class TestSchedulerRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        GROUP: group,
        SCHEDULE: schedule,
    }


def test_a_group_has_the_arn_that_trust_can_name(site: Site):
    made = site.make(GROUP)
    account = site.aws.account_id
    assert made["arn"] == (
        f"arn:aws:scheduler:eu-central-1:{account}:schedule-group/{made['name']}"
    )


def test_a_group_that_exists_is_not_taken_over(site: Site):
    name = site.make(GROUP)["name"]
    with pytest.raises(ClientError, match=r"ConflictException.*already exists"):
        Resource(GROUP, site.aws).up({"name": name})


def test_a_schedule_says_where_it_is(site: Site):
    home = site.make(GROUP)["name"]
    made = site.make(SCHEDULE, **program(site, groupName=home))
    assert made["id"] == f"{home}/{made['name']}"
    assert made["arn"].endswith(f":schedule/{home}/{made['name']}")
    assert made["state"] == "ENABLED"


def test_a_schedule_is_in_the_default_group_unless_told_otherwise(site: Site):
    assert site.make(SCHEDULE, **program(site))["groupName"] == "default"


def test_a_schedule_goes_with_its_group(site: Site):
    owner, resource = Resource(GROUP, site.aws), Resource(SCHEDULE, site.aws)
    owner.up({})
    resource.up(program(site, groupName=owner.id))
    owner.destroy()
    assert not resource.refresh()
    resource.destroy()


def test_a_schedule_in_no_group_is_refused(site: Site):
    with pytest.raises(ClientError, match="Schedule group nowhere does not exist"):
        Resource(SCHEDULE, site.aws).up(program(site, groupName="nowhere"))


@pytest.mark.parametrize("expression", ["0 3 * * *", "cron(0 3 * * ?)", "rate(1 week)"])
def test_an_expression_that_is_none_is_refused(site: Site, expression: str):
    wrong = program(site, scheduleExpression=expression)
    with pytest.raises(ClientError, match="Invalid Schedule Expression"):
        Resource(SCHEDULE, site.aws).up(wrong)


def test_a_role_that_does_not_trust_the_scheduler_is_refused(site: Site):
    asked = program(site)
    for wrong in (role(site, "events.amazonaws.com"), f"{role(site)}-gone"):
        with pytest.raises(ClientError, match="to assume the role"):
            Resource(SCHEDULE, site.aws).up(
                {**asked, "target": {**asked["target"], "roleArn": wrong}}
            )
