"""The rows of EventBridge; cases are put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.lifecycle import InitFailedError
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"

ROLE = "arn:aws:iam::123456789012:role/events"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:letters"


def pattern(**more: Any) -> str:
    return json.dumps({"source": ["aws.ecs"], **more})


def bus(site: Site) -> str:
    name = site.name("bus")
    site.client("events").create_event_bus(Name=name)
    return name


def rule(site: Site) -> Case:
    events = site.client("events")
    other = bus(site)
    return Case(
        inputs={"eventPattern": pattern()},
        listing=lambda: [
            one["Arn"]
            for each in ("default", other)
            for one in events.list_rules(EventBusName=each)["Rules"]
        ],
        updates={
            "description": "what for",
            "eventPattern": pattern(detail={"lastStatus": ["STOPPED"]}),
            "roleArn": ROLE,
            "scheduleExpression": To("rate(5 minutes)", eventPattern=None),
            "state": "DISABLED",
        },
        replaces={"eventBusName": other},
        unverified={"forceDestroy": True},
        drift=[
            Drift(
                act=lambda id: events.disable_rule(Name=id),
                seen="state",
            ),
            Drift(
                act=lambda id: events.put_rule(Name=id, EventPattern=pattern(a=[1])),
                seen="eventPattern",
            ),
        ],
        refused=[
            ({"name": "n" * 65}, "64"),
            ({"name": "a b"}, "64"),
            ({"description": "d" * 513}, "512"),
            ({"eventPattern": "source"}, "no JSON"),
            ({"eventPattern": "[]"}, "an object"),
            ({"eventPattern": '{"source": "aws.ecs"}'}, "source must be a list"),
            ({"eventPattern": '{"detail": {"a": []}}'}, "detail.a must be a list"),
            ({"eventPattern": pattern(detail={"a": ["x" * 4096]})}, "4096"),
            ({"eventPattern": None}, "missing"),
            ({"scheduleExpression": "daily"}, "rate"),
            ({"state": "ON"}, "ENABLED"),
            ({"roleArn": "events"}, "an ARN"),
        ],
    )


def target(site: Site) -> Case:
    events = site.client("events")
    buses = [bus(site), "default"]
    rules = [
        site.make(RULE, name=site.name("rule"), eventPattern=pattern())["name"]
        for _ in range(2)
    ]
    events.put_rule(Name=rules[0], EventBusName=buses[0], EventPattern=pattern())
    template = {"inputPaths": {"time": "$.time"}, "inputTemplate": '"It is <time>."'}
    return Case(
        inputs={"rule": rules[0], "arn": TOPIC, "inputTransformer": template},
        listing=lambda: [
            (each, name, one["Id"])
            for each, name in (
                ("default", rules[0]),
                ("default", rules[1]),
                (buses[0], rules[0]),
            )
            for one in events.list_targets_by_rule(Rule=name, EventBusName=each)[
                "Targets"
            ]
        ],
        updates={
            "arn": f"{TOPIC}-other",
            "deadLetterConfig": {"arn": QUEUE},
            "input": To('{"a": 1}', inputTransformer=None),
            "inputPath": To("$.detail", inputTransformer=None),
            "inputTransformer": {**template, "inputTemplate": '"At <time>."'},
            "retryPolicy": {
                "maximumEventAgeInSeconds": 3600,
                "maximumRetryAttempts": 3,
            },
            "roleArn": ROLE,
        },
        replaces={"eventBusName": buses[0], "rule": rules[1]},
        unverified={"forceDestroy": True},
        drift=[
            Drift(
                act=lambda id: events.put_targets(
                    Rule=rules[0],
                    Targets=[
                        {
                            "Id": id.removeprefix(f"{rules[0]}-"),
                            "Arn": f"{TOPIC}-of-somebody",
                        }
                    ],
                ),
                seen="arn",
            )
        ],
        refused=[
            ({"arn": "alarms"}, "an ARN"),
            ({"roleArn": "events"}, "an ARN"),
            ({"deadLetterConfig": {"arn": "letters"}}, "an ARN"),
            ({"targetId": "a b"}, "64"),
            ({"retryPolicy": {"maximumEventAgeInSeconds": 59}}, "60"),
            ({"retryPolicy": {"maximumRetryAttempts": 186}}, "185"),
            ({"input": "{}"}, "conflicts"),
            (
                {"inputTransformer": {**template, "inputPaths": {"aws.x": "$.a"}}},
                "begins with AWS",
            ),
            (
                {
                    "inputTransformer": {
                        **template,
                        "inputPaths": {f"v{n}": "$.a" for n in range(101)},
                    }
                },
                "more than 100",
            ),
            ({"inputTransformer": {"inputTemplate": ""}}, "8192"),
        ],
        import_id=lambda state: f"{state['rule']}/{state['targetId']}",
    )


CASES: Mapping[str, Callable[[Site], Case]] = {RULE: rule, TARGET: target}


class TestEventsRows(Conformance):
    cases = CASES


def test_a_rule_with_a_target_is_not_deleted(site: Site) -> None:
    made = Resource(RULE, site.aws)
    made.up({"eventPattern": pattern()})
    aim = Resource(TARGET, site.aws)
    aim.up({"rule": made.outputs["name"], "arn": TOPIC})
    with pytest.raises(ClientError, match="targets"):
        made.destroy()
    aim.destroy()
    made.destroy()


def test_a_target_needs_its_rule(site: Site) -> None:
    with pytest.raises((ClientError, InitFailedError), match="does not exist"):
        Resource(TARGET, site.aws).up({"rule": site.name("none"), "arn": TOPIC})


def test_the_order_of_keys_in_a_pattern_is_no_difference(site: Site) -> None:
    made = Resource(RULE, site.aws)
    made.up({"eventPattern": '{"source": ["a"], "detail-type": ["b"]}'})
    same = {"eventPattern": '{"detail-type":["b"],"source":["a"]}'}
    assert not made.preview(same).changed
    made.destroy()


def test_the_ids_are_those_of_the_official_provider(site: Site) -> None:
    made = site.make(RULE, name=site.name("rule"), eventPattern=pattern())
    assert made["id"] == made["name"]
    aim = site.make(TARGET, rule=made["name"], arn=TOPIC, targetId="topic")
    assert aim["id"] == f"{made['name']}-topic"
    other = bus(site)
    elsewhere = site.make(RULE, eventPattern=pattern(), eventBusName=other)
    assert elsewhere["id"] == f"{other}/{elsewhere['name']}"
    aim = site.make(
        TARGET,
        rule=elsewhere["name"],
        arn=TOPIC,
        targetId="topic",
        eventBusName=other,
    )
    assert aim["id"] == f"{other}-{elsewhere['name']}-topic"
