"""A step that goes wrong fails the rehearsal: the assertions themselves, asserted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from rehearsal import aws_stage, inventory, report
from rehearsal.lifecycle import Lifecycle, StepFailedError
from rehearsal.pulumi_cli import Event, Result
from rehearsal.report import Report

DATABASE = "urn:pulumi:production::stromhaltig::aws:rds/instance:Instance::db"
SERVICE = "urn:pulumi:production::stromhaltig::aws:ecs/service:Service::app"


def event(op: str, urn: str) -> Event:
    return Event(phase="done", op=op, urn=urn, type=urn.split("::")[2])


def result(*events: Event, code: int = 0, stdout: str = "") -> Result:
    return Result(
        returncode=code, stdout=stdout, stderr="", seconds=0.1, events=list(events)
    )


class Stack:
    """A workspace and a cloud that remember what was done to them."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.state = ""
        self.faults: list[str] = []

    def stack_config(self) -> dict[str, Any]:
        return self.config

    def inject(self, config: dict[str, Any], secrets: dict[str, str]) -> None:
        self.config |= config

    def state_text(self) -> str:
        return self.state

    def fail(self, action: str, message: str) -> None:
        self.faults.append(action)

    def heal(self) -> None:
        self.faults.clear()


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def life(stack: Stack) -> Callable[..., Lifecycle]:
    """A lifecycle whose engine gives the answers of a test, in order."""

    def make(*answers: Result, protected: bool = True) -> Lifecycle:
        waiting = list(answers)
        told = Report("production", "3.250.0", "embedded")
        told.outputs = {"protected": protected}
        return Lifecycle(
            lambda *arguments: waiting.pop(0),
            stack,
            stack,
            None,
            told,
            on_start=lambda name: None,
            on_step=lambda step: None,
        )

    return make


def test_a_program_that_is_not_stable_is_named(life):
    with pytest.raises(StepFailedError, match=f"wants changes: update {SERVICE}"):
        life(result(event("update", SERVICE))).unchanged()


def test_a_stable_program_passes(life):
    life(result(event("same", SERVICE), event("same", DATABASE))).unchanged()


def test_a_preview_that_touches_the_cloud_fails(life, monkeypatch):
    looks = iter([{inventory.Thing("VPC", "vpc-1")}])
    monkeypatch.setattr(inventory, "take", lambda aws: next(looks))
    with pytest.raises(StepFailedError, match="the preview changed the cloud"):
        life(result()).preview()


@pytest.mark.parametrize("op", ["replace", "delete-replaced", "delete"])
def test_a_change_that_loses_the_database_fails(life, op):
    answer = result(event("update", SERVICE), event(op, DATABASE))
    with pytest.raises(StepFailedError, match=f"replaced or deleted: {DATABASE}"):
        life(answer).change()


def test_a_change_that_does_not_reach_the_service_fails(life, monkeypatch):
    monkeypatch.setattr(aws_stage, "deployed_image", lambda aws, outputs: "old@sha256")
    with pytest.raises(StepFailedError, match=r"the service does not run ghcr\.io"):
        life(result(event("update", SERVICE))).change()


def drift(mended: bool) -> aws_stage.Drift:
    return aws_stage.Drift(
        "somebody did it", "aws:rds/instance:Instance", lambda: None, lambda: mended
    )


def test_drift_that_refresh_does_not_see_fails(life, monkeypatch):
    monkeypatch.setattr(aws_stage, "drifts", lambda aws, outputs: [drift(True)])
    with pytest.raises(StepFailedError, match="refresh did not find: somebody did it"):
        life(result(event("update", SERVICE))).drift()


def test_drift_that_up_does_not_repair_fails(life, monkeypatch):
    monkeypatch.setattr(aws_stage, "drifts", lambda aws, outputs: [drift(False)])
    seen, tried = result(event("update", DATABASE)), result(event("same", DATABASE))
    with pytest.raises(StepFailedError, match="up did not repair: somebody did it"):
        life(seen, tried).drift()


def test_an_update_that_should_fail_and_does_not_is_a_failure(life, stack):
    with pytest.raises(StepFailedError, match="the engine reported success"):
        life(result()).failing_update()
    assert stack.faults == []


def test_a_failure_without_its_reason_is_a_failure(life):
    with pytest.raises(StepFailedError, match="did not say why"):
        life(result(code=255, stdout="update failed")).failing_update()


def test_destroying_what_is_protected_is_a_failure(life):
    with pytest.raises(StepFailedError, match="protected resources were destroyed"):
        life(result()).destroy()


def test_what_a_destroy_forgets_is_named_and_what_is_kept_is_not(life, monkeypatch):
    left = {
        inventory.Thing("subnet", "subnet-1"),
        inventory.Thing("database snapshot", "final"),
        inventory.Thing("task definition", "app:1"),
        inventory.Thing("KMS key", "key"),
        inventory.Thing("secret", "JWT_SECRET", "can be restored"),
    }
    monkeypatch.setattr(inventory, "take", lambda aws: left)
    with pytest.raises(StepFailedError, match=r"left behind: subnet subnet-1$"):
        life(result(), protected=False).destroy()


def test_a_final_snapshot_whose_key_goes_is_a_failure(life, monkeypatch):
    left = {
        inventory.Thing("database snapshot", "final"),
        inventory.Thing("KMS key", "key", "deletion scheduled"),
    }
    monkeypatch.setattr(inventory, "take", lambda aws: left)
    with pytest.raises(StepFailedError, match="cannot be read without its key"):
        life(result(), protected=False).destroy()


def test_a_key_that_is_left_without_a_snapshot_is_forgotten(life, monkeypatch):
    left = {inventory.Thing("KMS key", "key")}
    monkeypatch.setattr(inventory, "take", lambda aws: left)
    with pytest.raises(StepFailedError, match="left behind: KMS key key"):
        life(result(), protected=False).destroy()


def test_a_secret_in_clear_in_the_state_fails(life, stack, monkeypatch):
    stack.state = '{"password": "s3cret-value"}'
    monkeypatch.setattr(aws_stage, "secret_values", lambda aws: ["s3cret-value"])
    with pytest.raises(StepFailedError, match="in clear in the state") as failure:
        life(result(), result(stdout="{}")).up()
    assert "s3cret-value" not in str(failure.value)


def test_a_failing_command_gives_the_engines_reasons(life):
    with pytest.raises(StepFailedError, match=r"`pulumi preview --diff` ended with 1:"):
        life(result(code=1, stdout="error: no")).unchanged()


def test_a_failed_step_fails_the_report_and_is_told_to_people_and_programs(life):
    failing = life(result(code=1, stdout="error: no"))
    with pytest.raises(StepFailedError):
        failing.unchanged()
    told: Report = failing._report
    assert not told.passed
    assert json.loads(told.as_json())["passed"] is False
    written = io.StringIO()
    report.show(told, Console(width=40, file=written))
    text = written.getvalue()
    assert "FAILED" in text
    assert "error: no" in text


def test_a_rehearsal_without_steps_has_not_passed():
    assert not Report("production", "3.250.0", "embedded").passed


class TestSupplies:
    """What stands in for an operator, on the embedded AWS."""

    def test_the_hosted_zone_is_the_emulators_own(self, aws):
        config = {"stromhaltig:domain": {"name": "a.example", "zone_id": "Z0123456789"}}
        supplies = aws_stage.supply(config, aws)
        zone = supplies.config["domain"]["zone_id"]
        found = aws.client("route53").get_hosted_zone(Id=zone)["HostedZone"]
        assert found["Name"] == "a.example."
        assert "domain.zone_id" in supplies.said

    def test_an_image_that_is_set_is_kept(self, aws):
        config = {"stromhaltig:image": {"ref": "a@sha256:1"}}
        assert "image" not in aws_stage.supply(config, aws).config

    def test_no_value_of_a_secret_is_told(self, aws):
        supplies = aws_stage.supply({}, aws)
        assert supplies.secrets
        for value in supplies.secrets.values():
            assert value not in str(supplies.said)
