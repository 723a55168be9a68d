"""A service that follows the load and the clock, within bounds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pulumi
import pytest

from components.autoscaling import Autoscaling, AutoscalingArgs, Schedule
from tests.graph import UNKNOWN, Graph

ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction"
POLICY = "aws:appautoscaling/policy:Policy"
TARGET = "aws:appautoscaling/target:Target"

REQUESTS = {
    "requests_per_target": 600,
    "load_balancer_arn_suffix": "app/app/1",
    "target_group_arn_suffix": "targetgroup/app/2",
}
NIGHT = Schedule(name="night", cron="cron(0 22 * * ? *)", minimum=0, maximum=0)
DAY = Schedule(
    name="day",
    cron="cron(0 7 ? * MON-FRI *)",
    minimum=2,
    maximum=8,
    timezone="Europe/Berlin",
)


def args(**changes: Any) -> AutoscalingArgs:
    return AutoscalingArgs(
        **{
            "cluster_name": "cluster",
            "service_name": "service",
            "minimum": 2,
            "maximum": 6,
            "cpu_percent": 60,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Autoscaling("app", args(**changes)))


def tracking(graph: Graph, name: str) -> Any:
    return graph.one(POLICY, name)["targetTrackingScalingPolicyConfiguration"]


def test_the_count_of_one_service_moves_within_bounds(graph):
    outputs = build(graph)
    target = graph.one(TARGET)
    assert target["serviceNamespace"] == "ecs"
    assert target["scalableDimension"] == "ecs:service:DesiredCount"
    assert target["resourceId"] == "service/cluster/service"
    assert (target["minCapacity"], target["maxCapacity"]) == (2, 6)
    assert outputs["resource_id"] == "service/cluster/service"


def test_each_aim_has_a_policy_and_no_other(graph):
    build(graph, memory_percent=75, **REQUESTS)
    metrics = {
        policy.name: tracking(graph, policy.name) for policy in graph.all(POLICY)
    }
    assert {
        name: (
            one["predefinedMetricSpecification"]["predefinedMetricType"],
            one["targetValue"],
        )
        for name, one in metrics.items()
    } == {
        "app-cpu": ("ECSServiceAverageCPUUtilization", 60),
        "app-memory": ("ECSServiceAverageMemoryUtilization", 75),
        "app-requests": ("ALBRequestCountPerTarget", 600),
    }
    build(graph)
    assert [policy.name for policy in graph.all(POLICY)] == ["app-cpu"]


def test_requests_are_those_of_the_target_group_behind_the_load_balancer(graph):
    build(graph, **REQUESTS)
    metric = tracking(graph, "app-requests")["predefinedMetricSpecification"]
    assert metric["resourceLabel"] == "app/app/1/targetgroup/app/2"
    cpu = tracking(graph, "app-cpu")["predefinedMetricSpecification"]
    assert "resourceLabel" not in cpu


def test_tasks_come_fast_and_go_slowly(graph):
    build(graph)
    cpu = tracking(graph, "app-cpu")
    assert cpu["scaleOutCooldown"] < cpu["scaleInCooldown"] == 300
    assert cpu.get("disableScaleIn", False) is False


def test_bounds_follow_the_clock_of_a_place(graph):
    build(graph, schedules=[DAY, NIGHT])
    day, night = graph.one(ACTION, "app-day"), graph.one(ACTION, "app-night")
    assert day["schedule"] == "cron(0 7 ? * MON-FRI *)"
    assert (day["timezone"], night["timezone"]) == ("Europe/Berlin", "UTC")
    assert day["scalableTargetAction"] == {"minCapacity": 2, "maxCapacity": 8}
    assert night["scalableTargetAction"] == {"minCapacity": 0, "maxCapacity": 0}


def test_the_target_is_changed_by_one_at_a_time(graph):
    build(graph, memory_percent=75, schedules=[DAY, NIGHT])
    chain = ["app", "app-cpu", "app-memory", "app-day", "app-night"]
    kinds = (TARGET, POLICY, POLICY, ACTION, ACTION)
    made = [graph.one(type_, name) for type_, name in zip(kinds, chain, strict=True)]
    for former, latter in pairwise(made):
        assert former in graph.dependencies(latter)


def test_the_clock_alone_is_enough(graph):
    build(graph, cpu_percent=None, schedules=[DAY])
    assert graph.all(POLICY) == []
    assert graph.one(ACTION)["resourceId"] == "service/cluster/service"


def test_policies_and_schedules_come_after_the_target_and_belong_to_it(graph):
    build(graph, schedules=[DAY])
    target = graph.one(TARGET)
    for resource in [*graph.all(POLICY), *graph.all(ACTION)]:
        assert target in graph.dependencies(resource)
        for key in ("serviceNamespace", "scalableDimension", "resourceId"):
            assert resource[key] == target[key]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimum": 0}, "minimum: 0 must be 1 or more"),
        ({"minimum": 7}, "minimum: 7 is more than maximum, 6"),
        ({"cpu_percent": 0}, "cpu_percent: 0 must be between 1 and 100"),
        ({"memory_percent": 101}, "memory_percent: 101 must be between"),
        ({**REQUESTS, "requests_per_target": 0}, "requests_per_target: 0 must be 1"),
        ({"requests_per_target": 9}, "needs load_balancer_arn_suffix and"),
        (
            {**REQUESTS, "target_group_arn_suffix": None},
            "needs load_balancer_arn_suffix and",
        ),
        ({"cpu_percent": None}, "nothing to go by"),
        ({"schedules": [DAY, DAY]}, "two have one name: day, day"),
    ],
)
def test_what_cannot_scale_is_refused_at_once(changes, message):
    with pytest.raises(ValueError, match=message):
        args(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "day/1"}, '"day/1" must be 1 to 50 letters'),
        ({"name": ""}, '"" must be 1 to 50 letters'),
        ({"cron": "0 7 * * 1-5"}, "must have six fields"),
        ({"cron": "cron(0 7 * * MON-FRI)"}, "must have six fields"),
        ({"minimum": -1}, "minimum: -1 must be 0 or more"),
        ({"minimum": 9}, "minimum: 9 is more than maximum, 8"),
    ],
)
def test_a_schedule_that_aws_would_refuse_is_refused_at_once(changes, message):
    given = {"name": "day", "cron": DAY.cron, "minimum": 2, "maximum": 8, **changes}
    with pytest.raises(ValueError, match=message):
        Schedule(**given)


def test_a_preview_without_a_service_is_complete(graph):
    def program() -> Autoscaling:
        service = pulumi.CustomResource("aws:sns/topic:Topic", "x", {"arn": None})
        return Autoscaling("app", args(service_name=service.id, schedules=[DAY]))

    outputs = graph.build(program, preview=True)
    assert len(graph.all(POLICY)) == len(graph.all(ACTION)) == 1
    assert outputs["resource_id"] == UNKNOWN
