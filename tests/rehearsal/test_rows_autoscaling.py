"""The rows of Application Auto Scaling, put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.row import Aws
from rehearsal.provider.wire import Properties
from tests.rehearsal.conformance import (
    DEFAULT_TAGS,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
    Uncarried,
)
from tests.rehearsal.surroundings import network

ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction"
POLICY = "aws:appautoscaling/policy:Policy"
TARGET = "aws:appautoscaling/target:Target"

ECS = {
    "serviceNamespace": "ecs",
    "scalableDimension": "ecs:service:DesiredCount",
}
API = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@cache
def service(aws: Aws, number: int = 0) -> str:
    """A service of that number, as Application Auto Scaling names it."""
    site = Site(aws)
    cluster = site.make("aws:ecs/cluster:Cluster", name=site.name())
    task = site.make(
        "aws:ecs/taskDefinition:TaskDefinition",
        family=site.name(),
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions='[{"name":"app","image":"app","essential":true}]',
    )
    made = site.make(
        "aws:ecs/service:Service",
        name=site.name(),
        cluster=cluster["arn"],
        taskDefinition=task["arn"],
        launchType="FARGATE",
        desiredCount=1,
        networkConfiguration={"subnets": network(aws).subnets[:1]},
    )
    return f"service/{cluster['name']}/{made['name']}"


@cache
def scalable(aws: Aws, number: int = 0) -> str:
    """A service of that number that has a target already."""
    resource_id = service(aws, 100 + number)
    Site(aws).make(TARGET, **ECS, resourceId=resource_id, minCapacity=1, maxCapacity=9)
    return resource_id


def named_after_everything(state: Properties) -> str:
    """What `pulumi import` takes."""
    parts = ("serviceNamespace", "resourceId", "scalableDimension", "name")
    return "/".join(state[part] for part in parts if part in state)


def target(site: Site) -> Case:
    scaling = site.client("application-autoscaling")
    return Case(
        inputs={
            **ECS,
            "resourceId": service(site.aws),
            "minCapacity": 2,
            "maxCapacity": 6,
        },
        listing=lambda: [
            one["ResourceId"]
            for one in scaling.describe_scalable_targets(ServiceNamespace="ecs")[
                "ScalableTargets"
            ]
        ],
        updates={
            "maxCapacity": 8,
            "minCapacity": 0,
            "suspendedState": {"scheduledScalingSuspended": True},
        },
        replaces={
            "resourceId": service(site.aws, 1),
            "scalableDimension": Uncarried("ecs:service:Other"),
            "serviceNamespace": Uncarried("rds"),
        },
        drift=[
            Drift(
                act=lambda id: scaling.register_scalable_target(
                    **API, ResourceId=id, MaxCapacity=20
                ),
                seen="maxCapacity",
            )
        ],
        refused=[
            ({"serviceNamespace": "rds"}, "not one of ecs"),
            ({"scalableDimension": "ecs:service:Count"}, 'Did you mean "ecs:service:'),
            ({"resourceId": "cluster/service"}, "service/CLUSTER/SERVICE"),
            ({"minCapacity": -1}, "between 0"),
        ],
        import_id=named_after_everything,
    )


def tracking(value: int = 60, **metric: Any) -> Properties:
    return {
        "targetValue": value,
        "scaleInCooldown": 300,
        "scaleOutCooldown": 60,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "ECSServiceAverageCPUUtilization",
            **metric,
        },
    }


STEPS = {
    "adjustmentType": "ChangeInCapacity",
    "cooldown": 60,
    "metricAggregationType": "Maximum",
    "stepAdjustments": [
        {"metricIntervalUpperBound": "0", "scalingAdjustment": -1},
        {"metricIntervalLowerBound": "0.5", "scalingAdjustment": 1},
    ],
}
REQUESTS = {
    "predefinedMetricType": "ALBRequestCountPerTarget",
    "resourceLabel": "app/app/1/targetgroup/app/2",
}


def alarms(site: Site) -> list[str]:
    pages = site.client("cloudwatch").get_paginator("describe_alarms")
    return [
        one["AlarmName"] for page in pages.paginate() for one in page["MetricAlarms"]
    ]


def policy(site: Site) -> Case:
    scaling = site.client("application-autoscaling")
    tracks, by_steps = (
        "targetTrackingScalingPolicyConfiguration",
        "stepScalingPolicyConfiguration",
    )
    stepwise = {"policyType": "StepScaling", tracks: None, by_steps: STEPS}
    return Case(
        inputs={
            **ECS,
            "resourceId": scalable(site.aws),
            "policyType": "TargetTrackingScaling",
            tracks: tracking(),
        },
        listing=lambda: [
            one["PolicyARN"]
            for one in scaling.describe_scaling_policies(ServiceNamespace="ecs")[
                "ScalingPolicies"
            ]
        ],
        traces=lambda: alarms(site),
        updates={
            "policyType": To("StepScaling", **{tracks: None, by_steps: STEPS}),
            by_steps: To(STEPS, **{k: v for k, v in stepwise.items() if k != by_steps}),
            tracks: tracking(600, **REQUESTS),
        },
        replaces={
            "resourceId": scalable(site.aws, 1),
            "scalableDimension": Uncarried("ecs:service:Other"),
            "serviceNamespace": Uncarried("rds"),
        },
        drift=[
            Drift(
                act=lambda id: scaling.put_scaling_policy(
                    **API,
                    PolicyName=id,
                    PolicyType="TargetTrackingScaling",
                    ResourceId=scalable(site.aws),
                    TargetTrackingScalingPolicyConfiguration={
                        "TargetValue": 99,
                        "PredefinedMetricSpecification": {
                            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
                        },
                    },
                ),
                seen=tracks,
            )
        ],
        refused=[
            ({"policyType": "TargetTracking"}, 'Did you mean "TargetTrackingScaling"'),
            ({"policyType": "PredictiveScaling"}, "not one of StepScaling"),
            (
                {tracks: tracking(predefinedMetricType="ECSServiceAverageCPU")},
                'Did you mean "ECSServiceAverageCPUUtilization"?',
            ),
            (
                {
                    tracks: {
                        **tracking(),
                        "customizedMetricSpecification": {"metricName": "Load"},
                    }
                },
                "conflicts with",
            ),
        ],
        import_id=named_after_everything,
    )


def scheduled_action(site: Site) -> Case:
    scaling = site.client("application-autoscaling")
    bounds = "scalableTargetAction"
    return Case(
        inputs={
            **ECS,
            "resourceId": scalable(site.aws),
            "schedule": "cron(0 7 ? * MON-FRI *)",
            bounds: {"minCapacity": 2, "maxCapacity": 8},
        },
        listing=lambda: [
            one["ScheduledActionARN"]
            for one in scaling.describe_scheduled_actions(ServiceNamespace="ecs")[
                "ScheduledActions"
            ]
        ],
        updates={
            bounds: {"minCapacity": 0, "maxCapacity": 0},
            "schedule": "rate(1 day)",
            "timezone": "Europe/Berlin",
        },
        replaces={
            "resourceId": scalable(site.aws, 1),
            "scalableDimension": Uncarried("ecs:service:Other"),
            "serviceNamespace": Uncarried("rds"),
        },
        drift=[
            Drift(
                act=lambda id: scaling.put_scheduled_action(
                    **API,
                    ResourceId=scalable(site.aws),
                    ScheduledActionName=id.partition("-ecs-")[0],
                    Schedule="rate(2 days)",
                ),
                seen="schedule",
            )
        ],
        refused=[
            ({bounds: {}}, "needs a minCapacity or a maxCapacity"),
            ({bounds: {"minCapacity": -1}}, "between 0"),
        ],
    )


class TestAutoscalingRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        TARGET: target,
        POLICY: policy,
        ACTION: scheduled_action,
    }

    def test_tags_follow_the_program(self, case: Case, resource: Resource) -> None:
        if "tagsAll" not in resource.row.unverified:
            super().test_tags_follow_the_program(case, resource)
            return
        for tags in ({"Name": "one", "Old": "gone soon"}, {"Name": "two"}):
            program = {**case.inputs, "tags": tags}
            assert not resource.up(program).replaces
            assert resource.outputs["tagsAll"] == {**DEFAULT_TAGS, **tags}
            assert resource.refresh()
            assert resource.outputs["tagsAll"] == {**DEFAULT_TAGS, **tags}
            assert not resource.preview(program).changed


def test_a_service_that_is_not_there_does_not_scale(site: Site):
    cluster = service(site.aws).split("/")[1]
    program = {**ECS, "minCapacity": 1, "maxCapacity": 2}
    gone = f"service/{cluster}/gone"
    with pytest.raises(ClientError, match="doesn't exist"):
        Resource(TARGET, site.aws).up({**program, "resourceId": gone})


@pytest.mark.parametrize(
    ("token", "program"),
    [
        (
            POLICY,
            {
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": tracking(),
            },
        ),
        (
            ACTION,
            {"schedule": "rate(1 day)", "scalableTargetAction": {"minCapacity": 1}},
        ),
    ],
)
def test_the_target_comes_first(site: Site, token: str, program: Properties):
    lonely = {**ECS, "resourceId": service(site.aws, 200)}
    with pytest.raises(ClientError, match="No scalable target registered"):
        Resource(token, site.aws).up({**lonely, **program})


@pytest.mark.parametrize(
    ("token", "program", "words"),
    [
        (TARGET, {"minCapacity": 3, "maxCapacity": 2}, "cannot be less than minimum"),
        (
            POLICY,
            {
                "policyType": "StepScaling",
                "targetTrackingScalingPolicyConfiguration": tracking(),
            },
            "needs its own configuration",
        ),
        (
            POLICY,
            {
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": tracking(
                    **{**REQUESTS, "resourceLabel": "app"}
                ),
            },
            'Invalid resource label "app"',
        ),
        (
            ACTION,
            {"schedule": "0 7 * * *", "scalableTargetAction": {"minCapacity": 1}},
            "Invalid schedule expression",
        ),
        (
            ACTION,
            {
                "schedule": "rate(1 day)",
                "scalableTargetAction": {"minCapacity": 2, "maxCapacity": 1},
            },
            "cannot be less than minimum",
        ),
    ],
)
def test_what_aws_finds_wrong_later_is_found_too(
    site: Site, token: str, program: Properties, words: str
):
    of = service(site.aws, 300) if token == TARGET else scalable(site.aws)
    with pytest.raises(ClientError, match=words):
        Resource(token, site.aws).up({**ECS, "resourceId": of, **program})


def test_a_changed_policy_leaves_no_alarm_of_the_former_one(site: Site):
    program = {
        **ECS,
        "resourceId": scalable(site.aws),
        "policyType": "TargetTrackingScaling",
        "targetTrackingScalingPolicyConfiguration": tracking(50),
    }
    before = set(alarms(site))
    resource = Resource(POLICY, site.aws)
    resource.up(program)
    count = len(set(alarms(site)) - before)
    changed = {"targetTrackingScalingPolicyConfiguration": tracking(70)}
    resource.up({**program, **changed})
    assert len(set(alarms(site)) - before) == count > 0
    resource.destroy()
    assert set(alarms(site)) == before
