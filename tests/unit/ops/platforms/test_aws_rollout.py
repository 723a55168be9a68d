"""The verdict on a roll-out, from recorded answers: the emulator rolls nothing out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ops.errors import FailedError, OpsError
from ops.platforms.aws import Aws
from ops.platforms.platform import Running
from tests.ops.aws_stack import CLUSTER, NEW, OLD, PLACE, Clock, DeployedStack
from tests.ops.recorded import Recorded, error

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
BEFORE = Running("ecs-svc/1", OLD, "app@sha256:old")
TASK = f"arn:aws:ecs:{PLACE}:task/{CLUSTER}/{'1' * 32}"


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    recorded.on("ecs.ListTasks", {"taskArns": []})
    recorded.on("ecs.DescribeTaskDefinition", definition)
    return recorded


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.fixture
def stack():
    return DeployedStack()


@pytest.fixture
def platform(aws, clock, stack):
    return Aws(stack)


def definition(params: dict[str, Any]) -> dict[str, Any]:
    image = "app@sha256:new" if params["taskDefinition"] == NEW else "app@sha256:old"
    return {
        "taskDefinition": {
            "taskDefinitionArn": params["taskDefinition"],
            "status": "ACTIVE",
            "containerDefinitions": [
                {"name": "migrate", "image": image},
                {"name": "app", "image": image},
            ],
        }
    }


def deployment(number: int, revision: str, state: str, **other: Any) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{number}",
        "status": "PRIMARY",
        "taskDefinition": revision,
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "failedTasks": 0,
        "rolloutState": state,
        "rolloutStateReason": f"ECS deployment ecs-svc/{number} {state.lower()}.",
        "createdAt": NOW,
        **other,
    }


def service(*deployments: dict[str, Any], **other: Any) -> dict[str, Any]:
    described = {
        "status": "ACTIVE",
        "taskDefinition": deployments[0]["taskDefinition"],
        "deployments": list(deployments),
        "events": [],
        **other,
    }
    return {"services": [described], "failures": []}


def stopped(**container: Any) -> dict[str, Any]:
    """A task of the new revision that did not stay."""
    return {
        "taskArn": TASK,
        "taskDefinitionArn": NEW,
        "lastStatus": "STOPPED",
        "stoppedAt": NOW,
        "stoppedReason": "Essential container in task exited",
        "containers": [
            {"name": "app", "exitCode": 0},
            {"name": "migrate", "exitCode": 0},
            {"name": "app", **container},
        ],
    }


def fail(aws: Recorded, task: dict[str, Any], *log: str) -> None:
    """Let a task of the new revision have failed, with this log."""
    aws.on(
        "ecs.ListTasks",
        lambda params: {
            "taskArns": [TASK] if params["desiredStatus"] == "STOPPED" else []
        },
    )
    aws.on("ecs.DescribeTasks", {"tasks": [task]})
    aws.on(
        "logs.GetLogEvents",
        lambda params: {
            "events": [
                {"timestamp": 0, "message": f"{line}\n", "ingestionTime": 0}
                for line in log
            ]
        },
    )


def test_what_runs_is_the_primary_deployment(aws, platform):
    aws.on(
        "ecs.DescribeServices",
        service(
            deployment(2, NEW, "IN_PROGRESS"),
            deployment(1, OLD, "COMPLETED", status="ACTIVE"),
        ),
    )
    assert platform.running() == Running("ecs-svc/2", NEW, "app@sha256:new")


@pytest.mark.parametrize(
    "answer",
    [
        {"services": [], "failures": [{"arn": "x", "reason": "MISSING"}]},
        service(deployment(1, OLD, "COMPLETED"), status="INACTIVE"),
    ],
)
def test_nothing_runs_without_an_active_service(aws, platform, answer):
    aws.on("ecs.DescribeServices", answer)
    assert platform.running() is None
    with pytest.raises(FailedError, match="no service stromhaltig-test"):
        platform.verdict(None)


def test_it_serves_once_the_new_deployment_is_completed(aws, clock, platform, capsys):
    aws.on(
        "ecs.DescribeServices",
        service(deployment(2, NEW, "IN_PROGRESS", runningCount=0)),
        service(deployment(2, NEW, "IN_PROGRESS", runningCount=1)),
        service(deployment(2, NEW, "COMPLETED")),
    )
    verdict = platform.verdict(BEFORE)
    assert verdict.serves
    assert verdict.says == "2 tasks run stromhaltig-test:7"
    assert clock.now == 10
    said = capsys.readouterr().err
    assert "stromhaltig-test:7: 1 of 2 tasks run" in said


def test_the_same_deployment_rolled_nothing_out(aws, platform):
    aws.on("ecs.DescribeServices", service(deployment(1, NEW, "COMPLETED")))
    verdict = platform.verdict(Running("ecs-svc/1", NEW, "app@sha256:new"))
    assert verdict.serves
    assert verdict.says.startswith("Nothing to roll out")


def test_a_roll_back_is_seen_though_ecs_is_content(aws, platform):
    """The circuit breaker ends in a completed deployment: of the old revision."""
    aws.on(
        "ecs.DescribeServices",
        service(
            deployment(3, OLD, "COMPLETED"),
            events=[
                {"id": "2", "message": "(service app) has reached a steady state."},
                {"id": "1", "message": "(service app) rolling back to deployment 1."},
            ],
        ),
    )
    fail(
        aws,
        stopped(exitCode=1),
        "listening",
        "Error: JWT_SECRET is missing",
    )
    verdict = platform.verdict(BEFORE)
    assert not verdict.serves
    assert verdict.rolled_back
    assert "went back to stromhaltig-test:6" in verdict.says
    assert verdict.reasons == (
        "Essential container in task exited",
        "app ended with exit code 1",
        "(service app) rolling back to deployment 1.",
    )
    assert verdict.log == ("listening", "Error: JWT_SECRET is missing")
    assert aws.asked("logs.GetLogEvents")[0]["logStreamName"] == f"ecs/app/{'1' * 32}"


def test_going_back_to_the_very_deployment_of_before_is_no_empty_roll_out(
    aws, platform
):
    aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
    fail(aws, stopped(exitCode=137, reason="OutOfMemoryError: killed"), "…")
    verdict = platform.verdict(BEFORE)
    assert verdict.rolled_back
    assert "app ended with exit code 137 (killed)" in verdict.reasons
    assert any("stromhaltig:service.memory" in reason for reason in verdict.reasons)


def test_a_service_that_was_never_updated_did_not_roll_back(aws, platform):
    aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
    verdict = platform.verdict(BEFORE)
    assert not verdict.serves
    assert not verdict.rolled_back
    assert "was never told to run stromhaltig-test:7" in verdict.says


def test_a_roll_back_is_seen_though_nothing_was_ever_logged(aws, platform):
    """An image that cannot be pulled prints nothing, and ECS forgets deployments."""
    aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
    fail(aws, stopped(reason="CannotPullContainerError: manifest unknown"))
    aws.on("logs.GetLogEvents", error("ResourceNotFoundException"))
    assert platform.verdict(BEFORE).rolled_back


class TestAnUpdateThatFailed:
    """Pulumi fails when ECS goes back, and leaves the outputs of before."""

    @pytest.fixture
    def stack(self):
        stack = DeployedStack()
        stack.outputs["task_definition"] = OLD
        return stack

    @pytest.fixture(autouse=True)
    def _registered(self, aws):
        aws.on("ecs.ListTaskDefinitions", {"taskDefinitionArns": [OLD, NEW]})

    def test_what_it_wanted_is_what_went_back(self, aws, platform):
        aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
        fail(aws, stopped(exitCode=1), "Error: JWT_SECRET is missing")
        verdict = platform.verdict(BEFORE, finished=False)
        assert verdict.rolled_back
        assert "went back to stromhaltig-test:6: stromhaltig-test:7" in verdict.says
        assert "app ended with exit code 1" in verdict.reasons
        assert verdict.log == ("Error: JWT_SECRET is missing",)

    def test_what_it_wanted_may_serve_though_something_else_failed(self, aws, platform):
        aws.on("ecs.DescribeServices", service(deployment(2, NEW, "COMPLETED")))
        verdict = platform.verdict(BEFORE, finished=False)
        assert verdict.serves
        assert verdict.says == "2 tasks run stromhaltig-test:7"

    def test_it_may_not_have_come_to_the_service(self, aws, platform):
        aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
        verdict = platform.verdict(BEFORE, finished=False)
        assert not verdict.rolled_back
        assert "was never told to run stromhaltig-test:7" in verdict.says

    def test_it_may_have_wanted_no_other_revision(self, aws, platform):
        aws.on("ecs.ListTaskDefinitions", {"taskDefinitionArns": []})
        aws.on("ecs.DescribeServices", service(deployment(1, OLD, "COMPLETED")))
        verdict = platform.verdict(BEFORE, finished=False)
        assert verdict.says == "Nothing to roll out: stromhaltig-test:6 ran before"

    def test_revisions_are_numbers(self, aws, platform):
        """And only the family of the app's is looked at, not that of its jobs."""
        tenth = NEW.replace(":7", ":10")
        aws.on("ecs.ListTaskDefinitions", {"taskDefinitionArns": [NEW, tenth]})
        aws.on("ecs.DescribeServices", service(deployment(2, tenth, "COMPLETED")))
        assert platform.verdict(BEFORE, finished=False).serves
        asked = aws.asked("ecs.ListTaskDefinitions")
        assert [one["familyPrefix"] for one in asked] == ["stromhaltig-test"]


def test_the_log_is_that_of_the_migration_when_it_failed(aws, platform):
    aws.on("ecs.DescribeServices", service(deployment(3, OLD, "IN_PROGRESS")))
    task = stopped(exitCode=1)
    task["containers"] = [
        {"name": "app", "reason": "dependency did not succeed", "exitCode": 1},
        {"name": "migrate", "exitCode": 2},
    ]
    fail(aws, task, "relation exists already")
    verdict = platform.verdict(BEFORE)
    assert aws.asked("logs.GetLogEvents")[0]["logStreamName"].startswith("ecs/migrate/")
    assert "migrate ended with exit code 2" in verdict.reasons
    assert "app: dependency did not succeed" in verdict.reasons


def test_an_image_that_cannot_be_pulled_is_told_with_what_helps(aws, platform):
    aws.on(
        "ecs.DescribeServices",
        service(deployment(2, NEW, "FAILED", runningCount=0, failedTasks=3)),
    )
    task = stopped(reason="CannotPullContainerError: manifest unknown")
    aws.on("logs.GetLogEvents", error("ResourceNotFoundException"))
    fail(aws, task)
    aws.on("logs.GetLogEvents", error("ResourceNotFoundException"))
    verdict = platform.verdict(BEFORE)
    assert not verdict.serves
    assert not verdict.rolled_back
    assert "stromhaltig-test:7 failed" in verdict.says
    assert any("may the execution role pull it" in text for text in verdict.reasons)
    assert "3 tasks of it failed" in verdict.reasons
    assert verdict.log == ()


def test_a_task_that_fails_its_health_check_is_named(aws, platform, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_ROLLOUT_SECONDS", "60")
    aws.on("ecs.DescribeServices", service(deployment(2, NEW, "IN_PROGRESS")))
    unwell = {
        "taskArn": TASK,
        "taskDefinitionArn": NEW,
        "healthStatus": "UNHEALTHY",
        "containers": [{"name": "app", "healthStatus": "UNHEALTHY"}],
    }
    fail(aws, unwell, "waiting for the database")
    aws.on(
        "ecs.ListTasks",
        lambda params: {
            "taskArns": [TASK] if params["desiredStatus"] == "RUNNING" else []
        },
    )
    verdict = platform.verdict(BEFORE)
    assert "was not rolled out after 60 s" in verdict.says
    assert verdict.reasons == ("app failed its health check",)
    assert verdict.log == ("waiting for the database",)


def test_patience_follows_from_the_time_by_design(aws, clock, platform):
    aws.on("ecs.DescribeServices", service(deployment(2, NEW, "IN_PROGRESS")))
    verdict = platform.verdict(BEFORE)
    assert not verdict.serves
    assert clock.now == 3 * 55 + 300
    assert "STROMHALTIG_ROLLOUT_SECONDS" in verdict.says


@pytest.mark.parametrize("what", ["ROLLOUT", "TASK", "SNAPSHOT", "RESTORE"])
def test_patience_that_is_no_number_is_refused_before_it_is_needed(
    aws, stack, monkeypatch, what
):
    monkeypatch.setenv(f"STROMHALTIG_{what}_SECONDS", "an hour")
    with pytest.raises(OpsError, match=f'{what}_SECONDS="an hour" is no number of'):
        Aws(stack)
    assert not aws.calls


def test_a_deployment_without_a_state_is_judged_by_its_tasks(aws, platform):
    new, old = deployment(2, NEW, ""), deployment(1, OLD, "", status="ACTIVE")
    for one in (new, old):
        del one["rolloutState"]
    aws.on("ecs.DescribeServices", service(new, old), service(new))
    assert platform.verdict(BEFORE).serves
    assert len(aws.asked("ecs.DescribeServices")) == 2


def test_a_service_of_no_tasks_serves_nobody(aws, platform):
    aws.on(
        "ecs.DescribeServices",
        service(deployment(2, NEW, "COMPLETED", desiredCount=0, runningCount=0)),
    )
    verdict = platform.verdict(BEFORE)
    assert not verdict.serves
    assert "no task is wanted" in verdict.says


def test_reasons_of_many_failed_tasks_are_told_once(aws, platform):
    aws.on("ecs.DescribeServices", service(deployment(3, OLD, "COMPLETED")))
    arns = [f"{TASK[:-3]}{number:03}" for number in range(250)]
    pages = [{"taskArns": arns[:100], "nextToken": "2"}, {"taskArns": arns[100:]}]
    aws.on("ecs.ListTasks", *pages, {"taskArns": []})
    aws.on(
        "ecs.DescribeTasks",
        lambda params: {
            "tasks": [
                {**stopped(exitCode=1), "taskArn": arn} for arn in params["tasks"]
            ]
        },
    )
    aws.on("logs.GetLogEvents", error("ResourceNotFoundException"))
    verdict = platform.verdict(BEFORE)
    assert [len(call["tasks"]) for call in aws.asked("ecs.DescribeTasks")] == [
        *(100, 100, 50)
    ]
    assert verdict.reasons == (
        "Essential container in task exited",
        "app ended with exit code 1",
    )


def test_switching_gives_the_service_a_former_revision(aws, platform):
    aws.on("ecs.UpdateService", {"service": {"taskDefinition": OLD}})
    platform.switch(Running("", OLD, ""))
    assert aws.asked("ecs.UpdateService") == [
        {
            "cluster": CLUSTER,
            "service": "stromhaltig-test",
            "taskDefinition": OLD,
            "forceNewDeployment": True,
        }
    ]
    # What serves is judged by what was switched to, until Pulumi says another.
    aws.on("ecs.DescribeServices", service(deployment(3, OLD, "COMPLETED")))
    assert platform.verdict(Running("ecs-svc/2", NEW, "")).serves


def test_after_an_update_it_is_that_which_counts_again(aws, platform, stack):
    aws.on("ecs.UpdateService", {"service": {"taskDefinition": OLD}})
    platform.switch(Running("", OLD, ""))
    stack.outputs["task_definition"] = newest = NEW.replace(":7", ":8")
    aws.on("ecs.DescribeServices", service(deployment(4, newest, "COMPLETED")))
    assert platform.verdict(Running("ecs-svc/3", OLD, "")).serves


def test_a_revision_that_was_deregistered_is_not_switched_to(aws, platform):
    inactive = definition({"taskDefinition": OLD})
    inactive["taskDefinition"]["status"] = "INACTIVE"
    aws.on("ecs.DescribeTaskDefinition", inactive)
    with pytest.raises(OpsError, match="stromhaltig-test:6 is inactive"):
        platform.switch(Running("", OLD, ""))
    assert not aws.asked("ecs.UpdateService")


@pytest.mark.parametrize(
    "trouble",
    [
        error("AccessDeniedException"),
        error("ExpiredTokenException"),
        ReadTimeoutError(endpoint_url="https://ecs"),
    ],
)
def test_trouble_with_aws_is_passed_on_for_the_command_to_tell(aws, platform, trouble):
    aws.on("ecs.DescribeServices", trouble)
    with pytest.raises(type(trouble)):
        platform.verdict(BEFORE)


class TestShiftedTraffic:
    """Blue/green, canary and linear have deployments of another kind."""

    @pytest.fixture
    def stack(self):
        stack = DeployedStack()
        stack.outputs["strategy"] = "canary"
        return stack

    @pytest.fixture(autouse=True)
    def _described(self, aws):
        aws.on("ecs.DescribeServices", service(deployment(2, NEW, "COMPLETED")))
        aws.on(
            "ecs.DescribeServiceRevisions",
            lambda params: {
                "serviceRevisions": [
                    {"taskDefinition": NEW if "new" in arn else OLD}
                    for arn in params["serviceRevisionArns"]
                ]
            },
        )
        # The health path of a maintenance page is looked after; there is none.
        aws.on("elbv2.DescribeListeners", LISTENERS)
        aws.on("elbv2.DescribeRules", RULES)

    def shift(self, aws: Recorded, *states: str, **other: Any) -> None:
        aws.on(
            "ecs.ListServiceDeployments",
            {
                "serviceDeployments": [brief("first", "old", "SUCCESSFUL", 1)],
                "nextToken": "more",
            },
            {"serviceDeployments": [brief("second", "new", states[0], 2)]},
            *(
                {
                    "serviceDeployments": [
                        brief("second", "new", state, 2),
                        brief("first", "old", "SUCCESSFUL", 1),
                    ]
                }
                for state in states[1:]
            ),
        )
        aws.on(
            "ecs.DescribeServiceDeployments",
            *(
                {
                    "serviceDeployments": [
                        {
                            "serviceDeploymentArn": "second",
                            "status": state,
                            "lifecycleStage": "BAKE_TIME",
                            "targetServiceRevision": {"arn": "new"},
                            **other,
                        }
                    ]
                }
                for state in states
            ),
        )

    def test_it_serves_when_the_traffic_has_moved(self, aws, platform):
        self.shift(aws, "PENDING", "IN_PROGRESS", "SUCCESSFUL")
        verdict = platform.verdict(Running("first", OLD, ""))
        assert verdict.serves
        assert verdict.says == "All traffic goes to stromhaltig-test:7"

    def test_what_runs_is_the_newest_that_succeeded(self, aws, platform):
        self.shift(aws, "IN_PROGRESS")
        assert platform.running() == Running("second", OLD, "app@sha256:old")

    def test_what_was_rolled_back_does_not_run(self, aws, platform):
        self.shift(
            aws, "ROLLBACK_SUCCESSFUL", rollback={"serviceRevisionArn": "old again"}
        )
        assert platform.running() == Running("second", OLD, "app@sha256:old")

    @pytest.mark.parametrize(
        ("state", "says"),
        [
            ("ROLLBACK_IN_PROGRESS", "took the traffic back"),
            ("ROLLBACK_SUCCESSFUL", "took the traffic back"),
            ("ROLLBACK_FAILED", "could not go back"),
        ],
    )
    def test_a_roll_back_tells_the_alarm_that_rang(self, aws, platform, state, says):
        self.shift(
            aws,
            state,
            statusReason="an alarm rang",
            rollback={"reason": "Service deployment rolled back because of alarms"},
            alarms={"status": "TRIGGERED", "triggeredAlarmNames": ["5xx"]},
        )
        verdict = platform.verdict(Running("first", OLD, ""))
        assert not verdict.serves
        assert verdict.rolled_back
        assert says in verdict.says
        assert verdict.reasons == (
            "an alarm rang",
            "Service deployment rolled back because of alarms",
            "alarm 5xx rang",
        )

    def test_a_deployment_that_somebody_stopped_does_not_serve(self, aws, platform):
        self.shift(aws, "STOPPED")
        verdict = platform.verdict(Running("first", OLD, ""))
        assert not verdict.serves
        assert not verdict.rolled_back

    def test_the_same_deployment_rolled_nothing_out(self, aws, platform):
        self.shift(aws, "SUCCESSFUL")
        verdict = platform.verdict(Running("second", NEW, ""))
        assert verdict.says.startswith("Nothing to roll out")

    def test_a_deployment_that_ecs_does_not_list_yet_is_waited_for(self, aws, platform):
        first = {"serviceDeployments": [brief("first", "old", "SUCCESSFUL", 1)]}
        second = {"serviceDeployments": [brief("second", "new", "SUCCESSFUL", 2)]}
        aws.on("ecs.ListServiceDeployments", first, second)
        aws.on(
            "ecs.DescribeServiceDeployments",
            lambda params: {
                "serviceDeployments": [
                    {
                        "serviceDeploymentArn": name,
                        "status": "SUCCESSFUL",
                        "targetServiceRevision": {
                            "arn": "old" if name == "first" else "new"
                        },
                    }
                    for name in params["serviceDeploymentArns"]
                ]
            },
        )
        verdict = platform.verdict(Running("first", OLD, ""))
        assert verdict.says == "All traffic goes to stromhaltig-test:7"

    def test_an_update_that_failed_may_never_have_told_ecs(self, aws, platform, stack):
        stack.outputs["task_definition"] = OLD
        aws.on("ecs.ListTaskDefinitions", {"taskDefinitionArns": [NEW, OLD]})
        aws.on(
            "ecs.ListServiceDeployments",
            {"serviceDeployments": [brief("first", "old", "SUCCESSFUL", 1)]},
        )
        aws.on(
            "ecs.DescribeServiceDeployments",
            {
                "serviceDeployments": [
                    {
                        "serviceDeploymentArn": "first",
                        "status": "SUCCESSFUL",
                        "targetServiceRevision": {"arn": "old"},
                    }
                ]
            },
        )
        verdict = platform.verdict(Running("first", OLD, ""), finished=False)
        assert "was never told to run stromhaltig-test:7" in verdict.says

    def test_a_strategy_that_the_update_itself_changed_counts(
        self, aws, platform, stack
    ):
        stack.outputs["strategy"] = "rolling"
        assert platform.verdict(Running("first", OLD, "")).serves
        assert not aws.asked("ecs.ListServiceDeployments")

    def test_without_any_deployment_the_primary_counts(self, aws, platform):
        aws.on("ecs.ListServiceDeployments", {"serviceDeployments": []})
        assert platform.verdict(None).serves


LISTENERS = {"Listeners": [{"ListenerArn": "https", "Port": 443}]}
RULES = {
    "Rules": [
        {
            "RuleArn": "default",
            "Priority": "default",
            "IsDefault": True,
            "Actions": [{"Type": "forward", "TargetGroupArn": "blue"}],
        }
    ]
}


def brief(name: str, revision: str, state: str, minutes: int) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": name,
        "targetServiceRevisionArn": revision,
        "status": state,
        "createdAt": NOW + timedelta(minutes=minutes),
    }
