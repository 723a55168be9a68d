"""A stack through the Automation API: the real engine, program and state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ops.audit import acts, operation
from ops.errors import FailedError, OpsError
from ops.stack import Stack
from rehearsal.stack_file import YamlFile

pytestmark = pytest.mark.slow


@pytest.fixture
def reset(stack: Stack) -> Iterator[Stack]:
    """The stack, whose file and service are as before after the test."""
    file = stack.folder / f"Pulumi.{stack.name}.yaml"
    before, runs = file.read_bytes(), revision(stack)
    yield stack
    file.write_bytes(before)
    if revision(stack) != runs:
        stack.up()


def test_outputs_are_those_of_the_deployed_stack(stack):
    assert stack.outputs["platform"] == "aws"
    assert stack.outputs["cluster"] == "stromhaltig-staging"
    assert len(stack.outputs["task_subnets"]) == 2
    assert stack.outputs["secret_arns"]["DATABASE_URL"].startswith("arn:aws:")


def test_it_is_found_from_a_folder_below_the_project(stack, monkeypatch):
    monkeypatch.chdir(stack.folder / "home")
    assert Stack(stack.name).folder == stack.folder


def test_an_unknown_stack_names_the_nearest(stack):
    with pytest.raises(OpsError, match='no stack "stagign"') as refusal:
        Stack("stagign")
    assert 'Did you mean "staging"?' in str(refusal.value)
    assert "pulumi stack init stagign" in str(refusal.value)


def test_a_wrong_passphrase_is_told_in_pulumis_words(stack, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    with pytest.raises(OpsError, match="passphrase"):
        Stack(stack.name).preview()


def test_a_missing_pulumi_says_how_to_install_it(stack, monkeypatch):
    monkeypatch.setenv("PATH", str(stack.folder))
    with pytest.raises(OpsError, match=r"get\.pulumi\.com"):
        Stack(stack.name)


def test_a_missing_state_is_named(stack, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere")
    with pytest.raises(OpsError, match="nowhere"):
        Stack(stack.name)


def test_records_are_beside_the_state(stack):
    folder = stack.folder / "state" / ".stromhaltig" / stack.name
    assert stack.backend_url == f"file://{stack.folder}/state"
    assert Path(stack.records.where()) == folder
    with operation(stack, "test", {"why": "to see"}):
        assert (folder / "lock.json").exists()
    assert not (folder / "lock.json").exists()
    assert [act.command for act in acts(stack.records, 1)] == ["test"]


def test_configuration_is_read_by_path(stack):
    assert stack.get("environment") == "staging"
    assert stack.get("network.nat") == "instance"
    assert stack.get("aws:region") == "eu-central-1"
    assert stack.get("image.nothing") is None
    assert stack.get("image.nothing", "this") == "this"
    assert not stack.production


def test_what_cannot_be_read_is_not_taken_for_unset(stack, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere")
    with pytest.raises(OpsError, match="nowhere"):
        stack.get("image.ref")


def test_a_value_is_set_and_removed_in_the_stack_file(reset):
    reset.set("app.LOG_LEVEL", "warn")
    assert reset.get("app.LOG_LEVEL") == "warn"
    reset.unset("app.LOG_LEVEL")
    assert reset.get("app.LOG_LEVEL") is None
    reset.unset("app.LOG_LEVEL")


@pytest.mark.parametrize("value", ["p4ss w0rd'\"$(id)", "two\nlines", "-x", " "])
def test_a_secret_is_encrypted_and_comes_back_as_it_was(reset, value):
    reset.set_secret("secrets.SMTP_PASS", value)
    assert reset.get("secrets.SMTP_PASS") == value
    file = YamlFile.read(reset.folder / f"Pulumi.{reset.name}.yaml")
    written = file.value("config")["stromhaltig:secrets"]["SMTP_PASS"]
    assert written.keys() == {"secure"}
    assert written["secure"].startswith("v1:")


def test_a_secret_is_on_no_command_line(reset, monkeypatch, tmp_path):
    seen = tmp_path / "seen"
    spy = tmp_path / "pulumi"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\nenv >> {seen}\ncat\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    reset.set_secret("secrets.SMTP_PASS", "hunter2-hunter2")
    assert "secrets.SMTP_PASS" in seen.read_text()
    assert "hunter2" not in seen.read_text()


def test_a_refused_secret_is_not_repeated(stack):
    with pytest.raises(FailedError, match="secrets") as refusal:
        stack.set_secret("secrets[", "hunter2-hunter2")
    assert "hunter2" not in str(refusal.value)


def test_an_unchanged_stack_has_no_changes(stack):
    assert stack.preview() == []


def test_a_preview_names_changes_and_makes_none(reset):
    reset.set("app.LOG_LEVEL", "warn")
    events: list[object] = []
    changes = reset.preview(events.append)
    assert {change.op for change in changes} >= {"update", "replace"}
    assert "aws:ecs/service:Service" in {change.type for change in changes}
    assert events
    assert revision(reset) == reset.outputs["task_definition"]


def test_a_program_that_refuses_its_settings_is_quoted(reset):
    reset.set("network.nat", "instnace")
    with pytest.raises(OpsError, match='"instnace" is not one of') as refusal:
        reset.preview()
    assert not isinstance(refusal.value, FailedError)


def test_an_update_names_what_it_changed_and_reads_new_outputs(reset):
    before = reset.outputs["task_definition"]
    reset.set("app.LOG_LEVEL", "warn")
    changes = reset.up()
    assert ("update", "aws:ecs/service:Service") in {(c.op, c.type) for c in changes}
    assert len(changes) == len(set(changes))
    assert reset.outputs["task_definition"] != before
    assert revision(reset) == reset.outputs["task_definition"]


def test_a_failed_update_says_why(reset, rehearsed):
    reset.set("app.LOG_LEVEL", "warn")
    rehearsed.cloud.fail("UpdateService", "the cluster is on fire")
    with pytest.raises(FailedError, match="the cluster is on fire"):
        reset.up()
    rehearsed.cloud.heal()


def test_drift_is_found_and_nothing_is_written(reset):
    ecs = boto3.client("ecs")
    where = {"cluster": reset.outputs["cluster"], "service": reset.outputs["service"]}
    state = (reset.folder / "state").rglob("staging.json")
    before = next(iter(state)).read_bytes()
    ecs.update_service(**where, desiredCount=0)
    drift = reset.drift()
    assert [(c.op, c.type) for c in drift] == [("update", "aws:ecs/service:Service")]
    assert next((reset.folder / "state").rglob("staging.json")).read_bytes() == before
    ecs.update_service(**where, desiredCount=1)
    assert reset.drift() == []


def test_the_exported_state_has_no_secret_in_clear(stack):
    exported = stack.export()
    assert exported["version"] == 3
    url = boto3.client("secretsmanager").get_secret_value(
        SecretId=stack.outputs["secrets"]["DATABASE_URL"]
    )["SecretString"]
    assert len(exported["deployment"]["resources"]) > 100
    assert url not in str(exported)


def revision(stack: Stack) -> str:
    """The task definition that the service was told to run."""
    found = boto3.client("ecs").describe_services(
        cluster=stack.outputs["cluster"], services=[stack.outputs["service"]]
    )
    return str(found["services"][0]["taskDefinition"])
