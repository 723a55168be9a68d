"""Rows for EventBridge: rules and what they write to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, value_at, within
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
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_DEFAULT_BUS = "default"
_NAME = r"[0-9A-Za-z_.-]{1,64}"
_NAME_SAYS = "1 to 64 characters of a-z A-Z 0-9 _ . -"
_STATES = ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


class Rule(Row):
    """aws.cloudwatch.EventRule; its id is `NAME`, or `BUS/NAME` but for the default."""

    token = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    tagged = True
    autoname = "name"
    name_limit = 64
    replaces = frozenset({"eventBusName"})
    updates = frozenset(
        {"description", "eventPattern", "roleArn", "scheduleExpression", "state"}
    )
    # It is for rules that AWS manages; there are none here.
    unverified = frozenset({"forceDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "eventBusName": _DEFAULT_BUS,
        "state": "ENABLED",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(inputs, "name", _NAME, _NAME_SAYS),
            *matching(inputs, "description", r"(?s).{0,512}", "at most 512 characters"),
            *matching(
                inputs,
                "scheduleExpression",
                r"(rate|cron)\(.+\)",
                "rate(...) or cron(...)",
            ),
            *one_of(inputs, "state", _STATES),
            *arn(inputs, "roleArn"),
            *_pattern_problems(value_at(inputs, "eventPattern")),
        ]
        if (
            inputs.get("eventPattern") is None
            and inputs.get("scheduleExpression") is None
        ):
            problems.append("eventPattern: missing; a rule needs it or a schedule")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs, Tags=tag_list(inputs.get("tagsAll")))
        return _rule_id(inputs["eventBusName"], inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        bus, name = _bus_and_name(id)
        events = aws.client("events")
        try:
            live = events.describe_rule(Name=name, EventBusName=bus)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        tags = events.list_tags_for_resource(ResourceARN=live["Arn"])["Tags"]
        return {
            "arn": live["Arn"],
            "description": live.get("Description"),
            "eventBusName": live.get("EventBusName", bus),
            "eventPattern": live.get("EventPattern"),
            "name": live["Name"],
            "roleArn": live.get("RoleArn"),
            "scheduleExpression": live.get("ScheduleExpression"),
            "state": live["State"],
            "tagsAll": tag_map(tags),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        events = aws.client("events")
        if changed & self.updates:
            self._put(aws, new)
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            events.tag_resource(ResourceARN=old["arn"], Tags=tag_list(wanted))
        if unwanted:
            events.untag_resource(ResourceARN=old["arn"], TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        bus, name = _bus_and_name(id)
        deleted(aws.client("events").delete_rule, Name=name, EventBusName=bus)

    def _put(self, aws: Aws, inputs: Properties, **tags: Any) -> None:
        aws.client("events").put_rule(
            **given(
                inputs,
                description="Description",
                eventBusName="EventBusName",
                eventPattern="EventPattern",
                name="Name",
                roleArn="RoleArn",
                scheduleExpression="ScheduleExpression",
                state="State",
            ),
            **tags,
        )


class Target(Row):
    """aws.cloudwatch.EventTarget; its id is `RULE-TARGET`, or `BUS-RULE-TARGET`."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    autoname = "targetId"
    name_limit = 64
    replaces = frozenset({"eventBusName", "rule"})
    updates = frozenset(
        {
            "arn",
            "deadLetterConfig",
            "input",
            "inputPath",
            "inputTransformer",
            "retryPolicy",
            "roleArn",
        }
    )
    # It is for targets of rules that AWS manages; there are none here.
    unverified = frozenset({"forceDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {"eventBusName": _DEFAULT_BUS}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *arn(inputs, "arn"),
            *arn(inputs, "roleArn"),
            *arn(inputs, "deadLetterConfig.arn"),
            *matching(inputs, "targetId", _NAME, _NAME_SAYS),
            *within(inputs, "retryPolicy.maximumEventAgeInSeconds", 60, 86400),
            *within(inputs, "retryPolicy.maximumRetryAttempts", 0, 185),
            *matching(
                inputs,
                "inputTransformer.inputTemplate",
                r"(?s).{1,8192}",
                "1 to 8192 characters",
            ),
        ]
        kinds = [
            key
            for key in ("input", "inputPath", "inputTransformer")
            if inputs.get(key) is not None
        ]
        if len(kinds) > 1:
            problems.append(f"{kinds[0]}: conflicts with {' and '.join(kinds[1:])}")
        return [*problems, *_transformer_problems(inputs.get("inputTransformer"))]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return _target_id(inputs["eventBusName"], inputs["rule"], inputs["targetId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        bus, rule, target = _target_key(id, known)
        try:
            found = aws.client("events").list_targets_by_rule(
                Rule=rule, EventBusName=bus
            )
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        live = next((one for one in found["Targets"] if one["Id"] == target), None)
        if live is None:
            return None
        transformer = live.get("InputTransformer")
        retry = live.get("RetryPolicy")
        letters = live.get("DeadLetterConfig")
        return {
            "id": _target_id(bus, rule, target),
            "arn": live["Arn"],
            "deadLetterConfig": letters and {"arn": letters["Arn"]},
            "eventBusName": bus,
            "input": live.get("Input"),
            "inputPath": live.get("InputPath"),
            "inputTransformer": transformer
            and {
                "inputPaths": transformer.get("InputPathsMap", {}),
                "inputTemplate": transformer["InputTemplate"],
            },
            "retryPolicy": retry
            and {
                "maximumEventAgeInSeconds": retry.get("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": retry.get("MaximumRetryAttempts"),
            },
            "roleArn": live.get("RoleArn"),
            "rule": rule,
            "targetId": target,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        bus, rule, target = _target_key(id, state)
        deleted(
            aws.client("events").remove_targets,
            Rule=rule,
            EventBusName=bus,
            Ids=[target],
        )

    def _put(self, aws: Aws, inputs: Properties) -> None:
        target = given(
            inputs,
            arn="Arn",
            input="Input",
            inputPath="InputPath",
            roleArn="RoleArn",
            targetId="Id",
        )
        if transformer := inputs.get("inputTransformer"):
            target["InputTransformer"] = given(
                transformer, inputPaths="InputPathsMap", inputTemplate="InputTemplate"
            )
        if retry := inputs.get("retryPolicy"):
            target["RetryPolicy"] = given(
                retry,
                maximumEventAgeInSeconds="MaximumEventAgeInSeconds",
                maximumRetryAttempts="MaximumRetryAttempts",
            )
        if letters := inputs.get("deadLetterConfig"):
            target["DeadLetterConfig"] = given(letters, arn="Arn")
        aws.client("events").put_targets(
            Rule=inputs["rule"],
            EventBusName=inputs["eventBusName"],
            Targets=[target],
        )


def _pattern_problems(pattern: Any) -> list[str]:
    """A pattern is an object whose leaves are lists that are not empty."""
    if pattern is None:
        return []
    try:
        parsed = json.loads(pattern)
    except ValueError as error:
        return [f"eventPattern: is no JSON: {error}"]
    if not isinstance(parsed, dict) or not parsed:
        return ["eventPattern: must be an object with a key"]
    if len(pattern) > 4096:
        return [f"eventPattern: {len(pattern)} characters are more than 4096"]
    return [
        f"eventPattern: {path} must be a list with an entry"
        for path in _wrong_leaves(parsed, "")
    ]


def _wrong_leaves(pattern: Mapping[str, Any], path: str) -> list[str]:
    wrong = []
    for key, value in pattern.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            wrong += _wrong_leaves(value, where)
        elif not isinstance(value, list) or not value:
            wrong.append(where)
    return wrong


def _transformer_problems(transformer: Any) -> list[str]:
    """Names of variables, and how many."""
    paths = transformer.get("inputPaths") if isinstance(transformer, Mapping) else None
    if not isinstance(paths, Mapping):
        return []
    problems = [
        f'inputTransformer.inputPaths: "{key}" begins with AWS'
        for key in paths
        if key.upper().startswith("AWS")
    ]
    if len(paths) > 100:
        problems.append(f"inputTransformer.inputPaths: {len(paths)} are more than 100")
    return problems


def _rule_id(bus: str, name: str) -> str:
    return name if bus == _DEFAULT_BUS else f"{bus}/{name}"


def _bus_and_name(id: str) -> tuple[str, str]:
    bus, _, name = id.rpartition("/")
    return bus or _DEFAULT_BUS, name


def _target_id(bus: str, rule: str, target: str) -> str:
    short = f"{rule}-{target}"
    return short if bus == _DEFAULT_BUS else f"{bus}-{short}"


def _target_key(id: str, known: Properties) -> tuple[str, str, str]:
    """Bus, rule and target: from state and id, or imported from BUS/RULE/TARGET."""
    if "/" in id:
        rest, _, target = id.rpartition("/")
        return (*_bus_and_name(rest), target)
    target = known.get("targetId") or id.partition(f"{known.get('rule')}-")[2]
    rule = known.get("rule") or id.removesuffix(f"-{target}")
    bus = id.removesuffix(f"{rule}-{target}").removesuffix("-")
    return bus or known.get("eventBusName", _DEFAULT_BUS), rule, target


ROWS: tuple[type[Row], ...] = (Rule, Target)
INVOKES: Mapping[str, Invoke] = {}
