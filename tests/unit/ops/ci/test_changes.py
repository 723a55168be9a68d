"""What a preview would do, worst first."""

from __future__ import annotations

from typing import Any

import pytest

from ops.ci.changes import counted, read_changes
from resource_graph import GraphError

DATABASE = "aws:rds/instance:Instance"
ROUTE = "aws:ec2/route:Route"


def step(op: str, type_: str, name: str = "app", **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:live::stromhaltig::stromhaltig:aws:Box${type_}::{name}"
    state = {"urn": urn, "type": type_, "custom": True}
    protect = more.pop("protect", False)
    old = {} if op == "create" else {"oldState": {**state, "protect": protect}}
    new = {} if op == "delete" else {"newState": state}
    return {"op": op, "urn": urn, **old, **new, **more}


def changes(*steps: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = read_changes({"steps": list(steps)})
    return [(change.op, change.type, change.name) for change in found]


def test_the_worst_comes_first() -> None:
    assert changes(
        step("create", ROUTE, "a"),
        step("update", DATABASE, "b"),
        step("replace", ROUTE, "c"),
        step("delete", ROUTE, "d"),
        step("replace", DATABASE, "e"),
        step("delete", ROUTE, "f", protect=True),
    ) == [
        ("delete", ROUTE, "f"),
        ("replace", DATABASE, "e"),
        ("delete", ROUTE, "d"),
        ("replace", ROUTE, "c"),
        ("update", DATABASE, "b"),
        ("create", ROUTE, "a"),
    ]


def test_the_steps_of_a_replacement_are_one_change() -> None:
    steps = [
        step("create-replacement", ROUTE, diffReasons=["vpcId"]),
        step("replace", ROUTE, replaceReasons=["vpcId"]),
        step("delete-replaced", ROUTE, protect=True),
    ]
    [change] = read_changes({"steps": steps})
    assert (change.op, change.causes, change.properties) == (
        "replace",
        ("vpcId",),
        ("vpcId",),
    )
    assert change.protected
    assert change.alarming


def test_a_replacement_by_something_that_is_there_is_one() -> None:
    steps = [step("import-replacement", DATABASE), step("replace", DATABASE)]
    [change] = read_changes({"steps": steps})
    assert (change.op, change.alarming) == ("replace", True)


def test_what_stays_is_left_out_and_so_are_components_and_providers() -> None:
    component = step("create", "stromhaltig:aws:Box")
    component["newState"]["custom"] = False
    idle = [step(op, ROUTE) for op in ("same", "read", "refresh")]
    assert changes(*idle, component, step("update", "pulumi:providers:aws")) == []


def test_of_properties_only_names_are_told() -> None:
    steps = [
        step("update", DATABASE, "a", diffReasons=["tags.Secret", "password"]),
        step("update", DATABASE, "b", detailedDiff={"rules[0].cidr": {}, "rules": {}}),
    ]
    told = [change.properties for change in read_changes({"steps": steps})]
    assert told == [("tags", "password"), ("rules",)]


def test_data_and_protection_alarm_only_where_something_goes() -> None:
    kept = read_changes({"steps": [step("update", DATABASE, protect=True)]})
    assert [change.alarming for change in kept] == [False]
    lifted = read_changes({"steps": [step("delete", ROUTE, protect=True)]})
    assert [change.alarming for change in lifted] == [True]


def test_a_type_under_its_old_name_holds_data_as_well() -> None:
    [change] = read_changes({"steps": [step("delete", "aws:s3/bucketV2:BucketV2")]})
    assert change.alarming


def test_a_step_that_nobody_knows_yet_is_shown_by_its_name() -> None:
    found = read_changes({"steps": [step("transmute", ROUTE), step("create", ROUTE)]})
    assert counted(found) == "1 to create, 1 to transmute"


def test_changes_are_counted_worst_first() -> None:
    found = [step("create", ROUTE, "a"), step("delete", ROUTE, "b")]
    assert counted(read_changes({"steps": found})) == "1 to delete, 1 to create"
    assert counted([]) == "no changes"


@pytest.mark.parametrize(
    "content", [None, [], {}, {"steps": None}, {"deployment": {}}, "text"]
)
def test_what_is_no_preview_is_refused(content: Any) -> None:
    with pytest.raises(GraphError, match="this is no preview"):
        read_changes(content)


@pytest.mark.parametrize("broken", [None, 3, {}, {"op": "update"}, {"op": []}])
def test_a_damaged_step_is_refused(broken: Any) -> None:
    with pytest.raises(GraphError, match="the preview is damaged"):
        read_changes({"steps": [broken]})
