"""A step that goes wrong fails the rehearsal: the assertions themselves, asserted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from rehearsal import report
from rehearsal.lifecycle import Lifecycle, StepFailedError
from rehearsal.pulumi_cli import Event, Result
from rehearsal.report import Report
from rehearsal.stages import Drift, StageError, Supplies, Thing

DATABASE = "urn:pulumi:production::stromhaltig::aws:rds/instance:Instance::db"
SERVICE = "urn:pulumi:production::stromhaltig::aws:ecs/service:Service::app"


def event(op: str, urn: str) -> Event:
    return Event(phase="done", op=op, urn=urn, type=urn.split("::")[2])


def result(*events: Event, code: int = 0, stdout: str = "") -> Result:
    return Result(
        returncode=code, stdout=stdout, stderr="", seconds=0.1, events=list(events)
    )


class Stack:
    """A workspace that remembers what was done to it."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.state = ""

    def stack_config(self) -> dict[str, Any]:
        return self.config

    def inject(self, config: dict[str, Any], secrets: dict[str, str]) -> None:
        self.config |= config

    def take_out(self, keys: Collection[str]) -> None:
        for key in keys:
            self.config.pop(f"stromhaltig:{key}")

    def state_text(self) -> str:
        return self.state


class Scene:
    """A stage that shows what a test puts on it."""

    unproven = ("whether it works",)
    data_types = frozenset({"aws:rds/instance:Instance"})
    options: Mapping[str, str] = {
        "cache": "stromhaltig:aws:Cache",
        "uploads": "stromhaltig:aws:Uploads",
    }
    data_options = frozenset({"uploads"})
    troubles = (ConnectionError,)
    client_environment: Mapping[str, str] = {}
    hints = ()

    def __init__(self) -> None:
        self.there: set[Thing] = set()
        self.meant: set[Thing] = set()
        self.secrets: list[str] = []
        self.drifted: list[Drift] = []
        self.image = "old@sha256"
        self.healed = False

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        return Supplies()

    def inventory(self) -> set[Thing]:
        return self.there

    def secret_values(self) -> list[str]:
        return self.secrets

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        return self.image

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        return []

    def check_change(self, events: Sequence[Event]) -> list[str]:
        return []

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        return self.drifted

    @contextmanager
    def refusing(self, message: str) -> Iterator[None]:
        yield
        self.healed = True

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        return []

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        return self.meant


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def life(stack: Stack, scene: Scene) -> Callable[..., Lifecycle]:
    """A lifecycle whose engine gives the answers of a test, in order."""

    def make(*answers: Result, protected: bool = True) -> Lifecycle:
        waiting = list(answers)
        told = Report("production", "3.250.0", "embedded")
        told.outputs = {"protected": protected}
        return Lifecycle(
            lambda *arguments: waiting.pop(0),
            stack,
            scene,
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


def test_a_preview_that_touches_the_cloud_fails(life, scene):
    scene.there = {Thing("VPC", "vpc-1")}
    with pytest.raises(StepFailedError, match="the preview changed the cloud"):
        life(result()).preview()


@pytest.mark.parametrize("op", ["replace", "delete-replaced", "delete"])
def test_a_change_that_loses_the_database_fails(life, op):
    answer = result(event("update", SERVICE), event(op, DATABASE))
    with pytest.raises(StepFailedError, match=f"replaced or deleted: {DATABASE}"):
        life(answer).change()


def test_a_change_that_does_not_reach_the_app_fails(life):
    with pytest.raises(StepFailedError, match=r"the app does not run ghcr\.io.*, but"):
        life(result(event("update", SERVICE))).change()


def test_a_build_that_gives_the_same_image_again_fails(life, stack):
    stack.config = {"stromhaltig:image": {"context": "app"}}
    answers = result(), result(stdout='{"release": "old@sha256"}')
    with pytest.raises(StepFailedError, match=r"but old@sha256; before: old@sha256"):
        life(*answers).change()
    assert stack.config["image"]["build_args"] == {"REHEARSED": "second release"}


def drift(mended: bool, seen_as: str = "update") -> Drift:
    return Drift(
        "somebody did it",
        "aws:rds/instance:Instance",
        lambda: None,
        lambda: mended,
        seen_as,
    )


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        ("update", event("update", SERVICE)),
        ("update", event("delete", DATABASE)),
        ("delete", event("update", DATABASE)),
    ],
)
def test_drift_that_refresh_does_not_see_fails(life, scene, expected, seen):
    scene.drifted = [drift(True, seen_as=expected)]
    with pytest.raises(StepFailedError, match="refresh did not find: somebody did it"):
        life(result(seen)).drift()


def test_drift_that_up_does_not_repair_fails(life, scene):
    scene.drifted = [drift(False)]
    seen, tried = result(event("update", DATABASE)), result(event("same", DATABASE))
    with pytest.raises(StepFailedError, match="up did not repair: somebody did it"):
        life(seen, tried).drift()


def test_an_update_that_should_fail_and_does_not_is_a_failure(life, scene):
    with pytest.raises(StepFailedError, match="the engine reported success"):
        life(result()).failing_update()
    assert scene.healed


def test_a_failure_without_its_reason_is_a_failure(life):
    with pytest.raises(StepFailedError, match="did not say why"):
        life(result(code=255, stdout="update failed")).failing_update()


def test_what_the_stage_finds_wrong_fails_the_step(life, scene, monkeypatch):
    def refuse(left: Collection[Thing]) -> set[Thing]:
        raise StageError("the snapshot cannot be read")

    monkeypatch.setattr(scene, "kept", refuse)
    with pytest.raises(StepFailedError, match="the snapshot cannot be read"):
        life(result(), protected=False).destroy()


def test_a_stage_that_cannot_be_asked_fails_the_step(life, scene, monkeypatch):
    def refuse() -> set[Thing]:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(scene, "inventory", refuse)
    with pytest.raises(StepFailedError, match="the emulator said: nobody answers"):
        life(result()).preview()


def exported(*types: str) -> Result:
    resources = [{"type": type_} for type_ in types]
    return result(stdout=json.dumps({"deployment": {"resources": resources}}))


def test_an_option_that_stays_when_it_is_taken_out_fails(life, stack):
    stack.config = {"stromhaltig:cache": {}}
    lifecycle = life(result(), exported("stromhaltig:aws:Cache"))
    with pytest.raises(StepFailedError, match="still there: cache"):
        lifecycle.options_off()


def test_an_option_taken_out_must_not_replace_what_holds_data(life, stack):
    stack.config = {"stromhaltig:cache": {}}
    lifecycle = life(result(event("replace", DATABASE)), protected=False)
    with pytest.raises(StepFailedError, match=r"replaced: .*db"):
        lifecycle.options_off()


@pytest.mark.parametrize(
    ("protected", "left"), [(True, {"stromhaltig:uploads": {}}), (False, {})]
)
def test_only_where_nothing_is_protected_options_with_data_go(
    life, stack, protected, left
):
    stack.config = {"stromhaltig:cache": {}, "stromhaltig:uploads": {}}
    life(result(), exported(), result(), protected=protected).options_off()
    assert stack.config == left


def test_a_stack_without_options_has_none_to_take_out(life):
    life().options_off()


def test_destroying_what_is_protected_is_a_failure(life):
    with pytest.raises(StepFailedError, match="protected resources were destroyed"):
        life(result()).destroy()


def test_what_a_destroy_forgets_is_named_and_what_is_kept_is_not(life, scene):
    scene.meant = {Thing("database snapshot", "final")}
    scene.there = {Thing("subnet", "subnet-1"), *scene.meant}
    with pytest.raises(StepFailedError, match=r"left behind: subnet subnet-1$"):
        life(result(), protected=False).destroy()


def test_what_is_kept_is_reported(life, scene):
    scene.there = scene.meant = {Thing("database snapshot", "final")}
    done = life(result(), protected=False)
    done.destroy()
    assert done._report.kept == ["database snapshot final"]


def test_a_secret_in_clear_in_the_state_fails(life, stack, scene):
    stack.state = '{"password": "s3cret-value"}'
    scene.secrets = ["s3cret-value"]
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


def test_what_a_release_waits_for_is_told_to_people():
    told = Report("production", "3.250.0", "embedded")
    told.outputs = {
        "rollout": [
            {"what": "task starts", "seconds": 30},
            {"what": "old tasks finish", "seconds": 30},
        ],
        "rollout_seconds": 30,
        "strategy": "rolling",
    }
    console = Console(file=io.StringIO(), width=100)
    report.show(told, console)
    text = console.file.getvalue()
    assert "  30 s  task starts" in text
    assert "serves after 30 s, the old one is gone after 60 s (rolling)" in text
