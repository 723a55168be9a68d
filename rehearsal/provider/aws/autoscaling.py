"""Rows for Application Auto Scaling of ECS services: target, policy, schedule.

moto makes the alarms of a policy and never looks at them: that a service scales cannot
be rehearsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rehearsal.provider.aws.checks import matching, one_of, refusal, value_at, within
from rehearsal.provider.row import Aws, Row
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_METRICS = (
    "ECSServiceAverageCPUUtilization",
    "ECSServiceAverageMemoryUtilization",
    "ALBRequestCountPerTarget",
)


class ScalingRow(Row):
    """What all three share: they belong to one dimension of one service."""

    service: ClassVar[str] = "application-autoscaling"
    replaces = frozenset({"resourceId", "scalableDimension", "serviceNamespace"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *one_of(inputs, "serviceNamespace", ("ecs",)),
            *one_of(inputs, "scalableDimension", ("ecs:service:DesiredCount",)),
            *matching(
                inputs,
                "resourceId",
                r"service/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+",
                "service/CLUSTER/SERVICE",
            ),
        ]


_DIMENSION = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
}
"""The only one that is carried."""


def _place(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Which dimension of which service, as every call takes it."""
    return {
        "ServiceNamespace": inputs["serviceNamespace"],
        "ResourceId": inputs["resourceId"],
        "ScalableDimension": inputs["scalableDimension"],
    }


def _live_place(live: Mapping[str, Any]) -> Properties:
    return {
        "serviceNamespace": live["ServiceNamespace"],
        "resourceId": live["ResourceId"],
        "scalableDimension": live["ScalableDimension"],
    }


def _imported(id: str) -> Properties:
    """What `pulumi import` takes: NAMESPACE/RESOURCE/DIMENSION, and a policy's name."""
    found = re.fullmatch(r"(ecs)/(service/[^/]+/[^/]+)/([^/]+)(?:/([^/]+))?", id)
    if found is None:
        return {}
    keys = ("serviceNamespace", "resourceId", "scalableDimension", "name")
    return {k: v for k, v in zip(keys, found.groups(), strict=True) if v}


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """The value with every key renamed, however deep."""
    if isinstance(value, Mapping):
        return {
            rename(k): _renamed(v, rename) for k, v in value.items() if v is not None
        }
    if isinstance(value, list):
        return [_renamed(one, rename) for one in value]
    return value


def _large(key: str) -> str:
    return key[0].upper() + key[1:]


def _small(key: str) -> str:
    return key[0].lower() + key[1:]


def _target(aws: Aws, place: Mapping[str, str]) -> dict[str, Any] | None:
    found = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace=place["ServiceNamespace"],
        ResourceIds=[place["ResourceId"]],
        ScalableDimension=place["ScalableDimension"],
    )["ScalableTargets"]
    return dict(found[0]) if found else None


def _refuse_without_target(aws: Aws, operation: str, inputs: Properties) -> None:
    """AWS wants the target first; moto takes policies and schedules of nothing."""
    place = _place(inputs)
    if _target(aws, place) is None:
        raise refusal(
            operation,
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: ecs, resource ID: "
            f"{place['ResourceId']}",
        )


class Target(ScalingRow):
    """aws.appautoscaling.Target; its id is the service."""

    token = "aws:appautoscaling/target:Target"
    updates = frozenset({"maxCapacity", "minCapacity", "suspendedState"})
    tagged = True
    # moto takes them when the target is registered, and has no call that shows them.
    unverified = frozenset({"tags", "tagsAll"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *super().problems(inputs),
            *within(inputs, "minCapacity", 0, 2147483647),
            *within(inputs, "maxCapacity", 0, 2147483647),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs, Tags=inputs.get("tagsAll") or {})
        return str(inputs["resourceId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        resource_id = _imported(id).get("resourceId", id)
        live = _target(aws, {**_DIMENSION, "ResourceId": resource_id})
        if live is None:
            return None
        return {
            "id": live["ResourceId"],
            "arn": live["ScalableTargetARN"],
            "maxCapacity": live["MaxCapacity"],
            "minCapacity": live["MinCapacity"],
            "suspendedState": _renamed(live.get("SuspendedState"), _small),
            "tagsAll": known.get("tagsAll") or {},
            **_live_place(live),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        place = _place(state)
        if _target(aws, place) is not None:
            aws.client("application-autoscaling").deregister_scalable_target(**place)

    def _put(self, aws: Aws, inputs: Properties, **more: Any) -> None:
        if inputs["minCapacity"] > inputs["maxCapacity"]:
            raise refusal(
                "RegisterScalableTarget",
                "ValidationException",
                "Maximum capacity cannot be less than minimum capacity",
            )
        awake = {
            "dynamicScalingInSuspended": False,
            "dynamicScalingOutSuspended": False,
            "scheduledScalingSuspended": False,
        }
        suspended = {**awake, **(inputs.get("suspendedState") or {})}
        aws.client("application-autoscaling").register_scalable_target(
            MinCapacity=inputs["minCapacity"],
            MaxCapacity=inputs["maxCapacity"],
            SuspendedState=_renamed(suspended, _large),
            **_place(inputs),
            **more,
        )


_CONFIGURATIONS: Mapping[str, str] = {
    "StepScaling": "stepScalingPolicyConfiguration",
    "TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
}
"""Types of policies, and where each says what it does."""


class Policy(ScalingRow):
    """aws.appautoscaling.Policy, but predictive ones; its id is its name."""

    token = "aws:appautoscaling/policy:Policy"
    autoname = "name"
    updates = frozenset({"policyType", *_CONFIGURATIONS.values()})
    defaults: ClassVar[Mapping[str, Any]] = {"policyType": "StepScaling"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        at = _CONFIGURATIONS["TargetTrackingScaling"]
        problems = [
            *super().problems(inputs),
            *one_of(inputs, "policyType", tuple(_CONFIGURATIONS)),
            *one_of(
                inputs,
                f"{at}.predefinedMetricSpecification.predefinedMetricType",
                _METRICS,
            ),
        ]
        both = ("customizedMetricSpecification", "predefinedMetricSpecification")
        if all(value_at(inputs, f"{at}.{key}") is not None for key in both):
            problems.append(f"{at}: {both[0]} conflicts with {both[1]}")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self._live(aws, {"name": id, **known, **_imported(id)})
        if live is None:
            return None
        return {
            "id": live["PolicyName"],
            "alarmArns": [alarm["AlarmARN"] for alarm in live["Alarms"]],
            "arn": live["PolicyARN"],
            "name": live["PolicyName"],
            "policyType": live["PolicyType"],
            **_live_place(live),
            **{
                key: _live_configuration(live.get(_large(key)))
                for key in _CONFIGURATIONS.values()
            },
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        # moto makes new alarms with each change, and keeps the former ones.
        former = [
            alarm["AlarmName"] for alarm in (self._live(aws, old) or {})["Alarms"]
        ]
        self._put(aws, new)
        if former:
            aws.client("cloudwatch").delete_alarms(AlarmNames=former)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if self._live(aws, state) is not None:
            aws.client("application-autoscaling").delete_scaling_policy(
                PolicyName=state["name"], **_place(state)
            )

    def _live(self, aws: Aws, known: Properties) -> dict[str, Any] | None:
        pages = aws.client("application-autoscaling").get_paginator(
            "describe_scaling_policies"
        )
        for page in pages.paginate(ServiceNamespace="ecs"):
            for one in page["ScalingPolicies"]:
                of = known.get("resourceId", one["ResourceId"])
                if (one["PolicyName"], one["ResourceId"]) == (known["name"], of):
                    return dict(one)
        return None

    def _put(self, aws: Aws, inputs: Properties) -> None:
        _refuse_without_target(aws, "PutScalingPolicy", inputs)
        _refuse_configuration(inputs)
        key = _CONFIGURATIONS[inputs["policyType"]]
        aws.client("application-autoscaling").put_scaling_policy(
            PolicyName=inputs["name"],
            PolicyType=inputs["policyType"],
            **{_large(key): _configuration(inputs[key])},
            **_place(inputs),
        )


def _refuse_configuration(inputs: Properties) -> None:
    """What AWS finds wrong with a policy, and moto does not."""
    kind = inputs["policyType"]
    given = [key for key in _CONFIGURATIONS.values() if inputs.get(key)]
    wrong = ""
    if given != [_CONFIGURATIONS[kind]]:
        wrong = f"A {kind} policy needs its own configuration, and no other"
    at = f"{_CONFIGURATIONS['TargetTrackingScaling']}.predefinedMetricSpecification"
    metric = value_at(inputs, at) or {}
    labelled = metric.get("predefinedMetricType") == "ALBRequestCountPerTarget"
    label = str(metric.get("resourceLabel") or "")
    if labelled and not re.fullmatch(r"app/.+/.+/targetgroup/.+/.+", label):
        wrong = f'Invalid resource label "{label}" for ALBRequestCountPerTarget'
    if wrong:
        raise refusal("PutScalingPolicy", "ValidationException", wrong)


_BOUNDS = ("metricIntervalLowerBound", "metricIntervalUpperBound")
"""Texts in the program, for nothing and zero differ; numbers in the API."""


def _configuration(wanted: Mapping[str, Any]) -> Any:
    steps = [
        {k: float(v) if k in _BOUNDS else v for k, v in step.items() if v is not None}
        for step in wanted.get("stepAdjustments") or []
    ]
    known = {**wanted, "stepAdjustments": steps} if steps else wanted
    return _renamed(known, _large)


def _live_configuration(live: Mapping[str, Any] | None) -> Any:
    found = _renamed(live or {}, _small)
    for step in found.get("stepAdjustments", []):
        step.update({key: f"{step[key]:g}" for key in _BOUNDS if key in step})
    return found or None


class ScheduledAction(ScalingRow):
    """aws.appautoscaling.ScheduledAction without a beginning and an end.

    Its id is the name, the namespace and the service, with hyphens between them.
    """

    token = "aws:appautoscaling/scheduledAction:ScheduledAction"
    autoname = "name"
    updates = frozenset({"scalableTargetAction", "schedule", "timezone"})
    defaults: ClassVar[Mapping[str, Any]] = {"timezone": "UTC"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        at = "scalableTargetAction"
        problems = [
            *super().problems(inputs),
            *within(inputs, f"{at}.minCapacity", 0, 2147483647),
            *within(inputs, f"{at}.maxCapacity", 0, 2147483647),
        ]
        if inputs.get(at) == {}:
            problems.append(f"{at}: needs a minCapacity or a maxCapacity")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return f"{inputs['name']}-{inputs['serviceNamespace']}-{inputs['resourceId']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self._live(aws, _named(id))
        if live is None:
            return None
        return {
            "arn": live["ScheduledActionARN"],
            "name": live["ScheduledActionName"],
            "scalableTargetAction": _renamed(live["ScalableTargetAction"], _small),
            "schedule": live["Schedule"],
            "timezone": live.get("Timezone", "UTC"),
            **_live_place(live),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if self._live(aws, state) is not None:
            aws.client("application-autoscaling").delete_scheduled_action(
                ScheduledActionName=state["name"], **_place(state)
            )

    def _live(self, aws: Aws, known: Properties) -> dict[str, Any] | None:
        if not known:
            return None
        found = aws.client("application-autoscaling").describe_scheduled_actions(
            ScheduledActionNames=[known["name"]], **_place(known)
        )["ScheduledActions"]
        return dict(found[0]) if found else None

    def _put(self, aws: Aws, inputs: Properties) -> None:
        _refuse_without_target(aws, "PutScheduledAction", inputs)
        _refuse_schedule(inputs)
        aws.client("application-autoscaling").put_scheduled_action(
            ScheduledActionName=inputs["name"],
            Schedule=inputs["schedule"],
            Timezone=inputs["timezone"],
            ScalableTargetAction=_renamed(inputs["scalableTargetAction"], _large),
            **_place(inputs),
        )


def _named(id: str) -> Properties:
    found = re.fullmatch(r"(.+)-(ecs)-(service/[^/]+/[^/]+)", id)
    if found is None:
        return {}
    keys = ("name", "serviceNamespace", "resourceId")
    dimension = {"scalableDimension": "ecs:service:DesiredCount"}
    return {**dict(zip(keys, found.groups(), strict=True)), **dimension}


def _refuse_schedule(inputs: Properties) -> None:
    """What AWS finds wrong with a schedule, and moto does not."""
    schedule = str(inputs["schedule"])
    known = r"cron\(\S+( \S+){5}\)|rate\(\d+ (minute|hour|day)s?\)|at\([\d:T-]+\)"
    bounds = inputs["scalableTargetAction"]
    low, high = bounds.get("minCapacity"), bounds.get("maxCapacity")
    wrong = ""
    if not re.fullmatch(known, schedule):
        wrong = f"Invalid schedule expression: {schedule}"
    if low is not None and high is not None and low > high:
        wrong = "Maximum capacity cannot be less than minimum capacity"
    if wrong:
        raise refusal("PutScheduledAction", "ValidationException", wrong)


ROWS: tuple[type[Row], ...] = (Target, Policy, ScheduledAction)
INVOKES: Mapping[str, Invoke] = {}
