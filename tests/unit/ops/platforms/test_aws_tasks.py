"""One-off tasks, from recorded answers: the emulator runs no container."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms.aws import Aws
from ops.platforms.platform import Ended
from tests.ops.aws_stack import CLUSTER, FAMILY, NEW, PLACE, Clock, DeployedStack
from tests.ops.recorded import Recorded, error

ID = "1a2b3c4d" * 4
TASK = f"arn:aws:ecs:{PLACE}:task/{CLUSTER}/{ID}"
DERIVED = f"{FAMILY}-oneoff:1"
DEFINITION: dict[str, Any] = {
    "taskDefinitionArn": NEW,
    "family": "stromhaltig-test",
    "status": "ACTIVE",
    "revision": 7,
    "requiresAttributes": [{"name": "ecs.capability.execution-role-awslogs"}],
    "compatibilities": ["EC2", "FARGATE"],
    "cpu": "256",
    "memory": "512",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "runtimePlatform": {"cpuArchitecture": "ARM64"},
    "executionRoleArn": "execution",
    "taskRoleArn": "task",
    "volumes": [{"name": "tmp"}],
    "containerDefinitions": [
        {
            "name": "app",
            "image": "app@sha256:new",
            "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}],
            "healthCheck": {"command": ["CMD", "true"]},
            "portMappings": [{"containerPort": 3000}],
            "secrets": [{"name": "DATABASE_URL", "valueFrom": "arn:::version"}],
            "environment": [{"name": "NODE_ENV", "value": "production"}],
        },
        {"name": "migrate", "image": "app@sha256:new", "essential": False},
    ],
}


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    recorded.on(
        "ecs.DescribeTaskDefinition",
        {
            "taskDefinition": DEFINITION,
            "tags": [
                {"key": "Project", "value": "stromhaltig"},
                {"key": "aws:made", "value": "by AWS"},
            ],
        },
    )
    recorded.on(
        "ecs.RegisterTaskDefinition",
        {"taskDefinition": {"taskDefinitionArn": DERIVED}},
    )
    recorded.on("ecs.DeregisterTaskDefinition", {})
    recorded.on("ecs.RunTask", {"tasks": [{"taskArn": TASK}], "failures": []})
    recorded.on("ecs.StopTask", {})
    return recorded


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.fixture
def platform(aws, clock, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "anna@example.org")
    return Aws(DeployedStack())


def task(state: str, *, reason: str = "", **container: Any) -> dict[str, Any]:
    described = {
        "taskArn": TASK,
        "lastStatus": state,
        "stoppedReason": reason,
        "containers": [{"name": "app", **container}],
    }
    return {"tasks": [described], "failures": []}


def log(aws: Recorded, *looks: list[str] | Exception) -> None:
    """What is in the log at each look; the last again and again."""
    waiting = list(looks)

    def read(params: dict[str, Any]) -> dict[str, Any]:
        if "nextToken" in params:
            return {"events": [], "nextForwardToken": params["nextToken"]}
        lines = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(lines, Exception):
            raise lines
        events = [{"timestamp": 0, "message": f"{line}\n"} for line in lines]
        return {"events": events, "nextForwardToken": "end"}

    aws.on("logs.GetLogEvents", read)


def test_a_command_runs_like_the_app_and_alone(aws, platform):
    aws.on(
        "ecs.DescribeTasks",
        task("PROVISIONING"),
        task("RUNNING"),
        task("STOPPED", exitCode=0),
    )
    log(aws, ["done"])
    ended = platform.one_off(["npm", "run", "db:status"])
    assert ended == Ended(0, ("done",))
    (made,) = aws.asked("ecs.RegisterTaskDefinition")
    (app,) = made["containerDefinitions"]
    # Neither a migration before it, nor anybody who asks whether it is well.
    assert app == {
        "name": "app",
        "image": "app@sha256:new",
        "secrets": [{"name": "DATABASE_URL", "valueFrom": "arn:::version"}],
        "environment": [{"name": "NODE_ENV", "value": "production"}],
    }
    assert made["family"] == "stromhaltig-test-oneoff"
    assert made["taskRoleArn"] == "task"
    assert made["tags"] == [{"key": "Project", "value": "stromhaltig"}]
    (run,) = aws.asked("ecs.RunTask")
    assert run["taskDefinition"] == DERIVED
    assert run["launchType"] == "FARGATE"
    assert run["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
    assert run["overrides"]["containerOverrides"] == [
        {"name": "app", "command": ["npm", "run", "db:status"]}
    ]
    assert run["startedBy"] == "stromhaltig/anna-example-org"
    assert aws.asked("ecs.DeregisterTaskDefinition") == [{"taskDefinition": DERIVED}]
    assert not aws.asked("ecs.StopTask")


def test_another_image_takes_the_place_of_the_apps(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    log(aws, ["done"])
    platform.one_off(["true"], image="app@sha256:next")
    (made,) = aws.asked("ecs.RegisterTaskDefinition")
    assert made["containerDefinitions"][0]["image"] == "app@sha256:next"


def test_all_of_a_long_log_is_read(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=3))

    def pages(params: dict[str, Any]) -> dict[str, Any]:
        token = params.get("nextToken")
        following = {None: "1", "1": "2", "2": "2"}[token]
        lines = {None: ["one"], "1": ["two", "three"], "2": []}[token]
        events = [{"timestamp": 0, "message": f"{line}\n"} for line in lines]
        return {"events": events, "nextForwardToken": following}

    aws.on("logs.GetLogEvents", pages)
    assert platform.one_off(["false"]) == Ended(3, ("one", "two", "three"))
    assert aws.asked("logs.GetLogEvents")[0]["logStreamName"] == f"ecs/app/{ID}"


def test_lines_that_arrive_late_are_waited_for(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    log(aws, error("ResourceNotFoundException"), ["one"], ["one", "two"])
    assert platform.one_off(["true"]).lines == ("one", "two")


def test_a_command_without_output_is_not_waited_for_for_ever(aws, clock, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    aws.on("logs.GetLogEvents", error("ResourceNotFoundException"))
    assert platform.one_off(["true"]) == Ended(0)
    assert clock.now <= 15


def test_memory_that_ran_out_is_told_with_the_lines(aws, platform):
    reason = "OutOfMemoryError: Container killed due to memory usage"
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=137, reason=reason))
    stopped = task("STOPPED", exitCode=137)
    stopped["tasks"][0]["containers"][0]["reason"] = reason
    aws.on("ecs.DescribeTasks", stopped)
    log(aws, ["working"])
    ended = platform.one_off(["node"])
    assert ended.code == 137
    assert "stromhaltig:service.memory" in ended.lines[-1]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("CannotPullContainerError: pull image manifest: not found", "may the exec"),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth",
            "secrets' versions",
        ),
        ("Timeout waiting for network interface provisioning to complete.", ""),
    ],
)
def test_a_task_that_does_not_start_says_why(aws, platform, reason, hint):
    aws.on("ecs.DescribeTasks", task("STOPPED", reason=reason))
    with pytest.raises(FailedError, match="`npm run db` did not start") as failure:
        platform.one_off(["npm", "run", "db"])
    assert reason in str(failure.value)
    assert hint in str(failure.value)
    assert aws.asked("ecs.DeregisterTaskDefinition")


def test_no_room_for_a_task_says_so(aws, platform):
    refusal = {"arn": "x", "reason": "Capacity is unavailable at this time."}
    aws.on("ecs.RunTask", {"tasks": [], "failures": [refusal]})
    with pytest.raises(FailedError, match="Try again in some minutes"):
        platform.one_off(["true"])
    assert aws.asked("ecs.DeregisterTaskDefinition")


def test_a_task_that_takes_too_long_is_stopped(aws, clock, platform, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_TASK_SECONDS", "60")
    aws.on("ecs.DescribeTasks", task("RUNNING"))
    log(aws, ["step 1 of 9"])
    with pytest.raises(FailedError, match="no end after 60 s") as failure:
        platform.one_off(["npm", "run", "db:migrate"])
    assert "step 1 of 9" in str(failure.value)
    assert aws.asked("ecs.StopTask")[0]["task"] == TASK
    assert aws.asked("ecs.DeregisterTaskDefinition")


@pytest.mark.parametrize(
    "trouble",
    [
        KeyboardInterrupt(),
        error("ThrottlingException"),
        EndpointConnectionError(endpoint_url="https://ecs"),
    ],
)
def test_an_interrupted_task_is_stopped(aws, platform, trouble):
    aws.on("ecs.DescribeTasks", task("RUNNING"), trouble, task("RUNNING"))
    with pytest.raises(type(trouble)):
        platform.one_off(["npm", "run", "db:migrate"])
    assert aws.asked("ecs.StopTask")[0]["task"] == TASK
    assert aws.asked("ecs.DeregisterTaskDefinition")


def test_a_task_that_cannot_be_stopped_is_named(aws, platform, capsys):
    aws.on("ecs.DescribeTasks", task("RUNNING"), KeyboardInterrupt(), task("RUNNING"))
    aws.on("ecs.StopTask", error("AccessDeniedException"))
    with pytest.raises(KeyboardInterrupt):
        platform.one_off(["true"])
    assert f"--task {TASK}" in capsys.readouterr().err


def test_a_dump_is_what_is_new_in_the_bucket(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    log(aws, ["done"])
    aws.on(
        "s3.ListObjectsV2", listing("dumps/1.gz"), listing("dumps/1.gz", "dumps/2.gz")
    )
    assert platform.dump() == "dumps/2.gz"
    (run,) = aws.asked("ecs.RunTask")
    assert run["taskDefinition"] == f"{FAMILY}-dump:3"
    assert run["overrides"] == {}
    assert not aws.asked("ecs.RegisterTaskDefinition")


def test_a_dump_that_failed_shows_its_last_lines(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=1))
    log(aws, ["pg_dump: error: connection refused"])
    aws.on("s3.ListObjectsV2", listing())
    with pytest.raises(FailedError, match="connection refused"):
        platform.dump()


def test_a_dump_that_left_nothing_is_a_failure(aws, platform):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    log(aws, ["done"])
    aws.on("s3.ListObjectsV2", listing("dumps/1.gz"))
    with pytest.raises(FailedError, match="nothing new is in s3://stromhaltig-test-ba"):
        platform.dump()


def test_a_stack_without_jobs_names_what_else_there_is(aws, clock):
    stack = DeployedStack()
    stack.outputs |= {"jobs": {}, "backups": None}
    with pytest.raises(NotOfferedError, match="db backup"):
        Aws(stack).dump()
    with pytest.raises(NotOfferedError, match="take a snapshot"):
        Aws(stack).backups()


@pytest.fixture
def restoring(aws, clock):
    """A stack with uploads, whose job `unpack` ends well."""
    stack = DeployedStack()
    stack.outputs |= {"jobs": {"unpack": f"{FAMILY}-unpack:4"}, "uploads": "fs-1"}
    aws.on("ecs.ListTasks", {"taskArns": []})
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=0))
    return Aws(stack)


@pytest.mark.parametrize(("replace", "more"), [(False, []), (True, ["--replace"])])
def test_uploads_are_restored_by_a_job_that_is_told_which_archive(
    aws, restoring, replace, more
):
    kept = {"level": "info", "kept": "/app/uploads/.before-20261129T023000Z"}
    log(aws, ["> npm", "{no json", json.dumps(kept)])
    found = restoring.unarchive("uploads/2.tar.gz", "abc", replace=replace)
    assert found == "/app/uploads/.before-20261129T023000Z"
    (run,) = aws.asked("ecs.RunTask")
    assert run["taskDefinition"] == f"{FAMILY}-unpack:4"
    (override,) = run["overrides"]["containerOverrides"]
    assert override["command"] == [
        *("npm", "run", "job:unpack", "--", "2.tar.gz", "--sha256=abc"),
        *more,
    ]


def test_a_restore_that_replaced_nothing_keeps_nothing(aws, restoring):
    log(aws, [json.dumps({"msg": "Restored the uploads", "files": 3})])
    assert restoring.unarchive("uploads/2.tar.gz", "abc", replace=False) is None


def test_a_restore_that_failed_shows_its_last_lines(aws, restoring):
    aws.on("ecs.DescribeTasks", task("STOPPED", exitCode=1))
    log(aws, ["The files are as they were"])
    with pytest.raises(FailedError, match="`unpack` ended with exit code 1:\nThe file"):
        restoring.unarchive("uploads/2.tar.gz", "abc", replace=False)


def test_only_one_restore_runs_whoever_started_it(aws, restoring):
    aws.on("ecs.ListTasks", {"taskArns": [TASK]})
    aws.on("ecs.DescribeTasks", task("RUNNING"))
    with pytest.raises(FailedError, match=f"{ID} of stromhaltig-test-unpack still"):
        restoring.unarchive("uploads/2.tar.gz", "abc", replace=False)
    assert aws.asked("ecs.ListTasks")[0]["family"] == "stromhaltig-test-unpack"
    assert not aws.asked("ecs.RunTask")


def test_an_archive_that_the_job_may_not_read_is_refused(aws, restoring):
    with pytest.raises(OpsError, match=r"backups/files/2\.tar\.gz: copy it there"):
        restoring.unarchive("files/2.tar.gz", "abc", replace=False)
    assert not aws.asked("ecs.RunTask")


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"backups": None, "uploads": "fs-1"}, "set `stromhaltig:jobs: {}` and deploy"),
        ({"uploads": None}, "set `stromhaltig:uploads: {}` and deploy"),
        (
            {"backups": None, "uploads": None},
            "set `stromhaltig:jobs: {}` and `stromhaltig:uploads: {}` and deploy",
        ),
        ({"uploads": "fs-1"}, "deploy anew, with no `off` for it"),
    ],
)
def test_a_stack_without_the_job_names_the_setting_that_is_off(outputs, says):
    stack = DeployedStack()
    stack.outputs |= {"jobs": {}, **outputs}
    platform = Aws(stack)
    for refused in (
        platform.archive,
        platform.read_uploads,
        lambda: platform.unarchive("uploads/2.tar.gz", "abc", replace=False),
        lambda: platform.write_uploads([]),
    ):
        with pytest.raises(NotOfferedError, match=re.escape(says)) as refusal:
            refused()
        assert "AWS Backup" in str(refusal.value)


def test_archives_of_another_store_are_no_jobs_work(restoring):
    with pytest.raises(NotOfferedError, match="leave out --store"):
        restoring.write_uploads([])


def listing(*names: str) -> dict[str, Any]:
    contents = [
        {"Key": name, "Size": 1, "LastModified": datetime(2026, 11, n + 1, tzinfo=UTC)}
        for n, name in enumerate(names)
    ]
    return {"Contents": contents} if contents else {}
