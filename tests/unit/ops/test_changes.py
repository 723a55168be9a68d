"""What an update changes: losses first, and marked."""

from __future__ import annotations

import pytest
from pulumi.automation import OpType

from ops.changes import Summary, effect
from ops.stack import Change

DATABASE = "aws:rds/instance:Instance"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


def test_replacements_and_deletions_come_by_name_and_the_rest_by_number():
    summary = Summary(
        [
            Change("update", "aws:ecs/service:Service", "app"),
            Change("create", "aws:s3/bucket:Bucket", "new"),
            Change("create-replacement", TASK, "app"),
            Change("replace", TASK, "app"),
            Change("delete-replaced", TASK, "app"),
            Change("delete", "aws:sns/topic:Topic", "alarms"),
        ]
    )
    assert summary.lines() == [
        f"replace {TASK} app",
        "delete aws:sns/topic:Topic alarms",
        "create 1",
        "update 1",
    ]
    assert summary.losses == []


def test_every_step_of_the_engine_that_replaces_is_known():
    told = {op.value for op in OpType if effect(op.value) == "replace"}
    assert told == {op.value for op in OpType if "replace" in op.value}
    assert effect("discard") == effect("delete") == "delete"
    assert effect("update") == "update"


@pytest.mark.parametrize(
    "op", ["delete", "replace", "create-replacement", "import-replacement"]
)
@pytest.mark.parametrize(
    ("protected", "holds_data"), [(False, True), (True, False), (True, True)]
)
def test_what_holds_data_or_is_protected_is_a_loss(op, protected, holds_data):
    change = Change(op, DATABASE, "it", protected, holds_data)
    summary = Summary([change])
    assert summary.losses == [change]
    assert summary.lines()[0].endswith("<< holds data")


def test_changing_what_holds_data_in_place_loses_nothing():
    assert Summary([Change("update", DATABASE, "it", True, True)]).losses == []


def test_nothing_to_change_is_said():
    assert Summary([]).lines() == ["no changes"]
