"""A step that goes wrong fails the rehearsal: the assertions themselves, asserted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from policies.catalogue import POLICIES
from rehearsal import report
from rehearsal.lifecycle import Lifecycle, StepFailedError
from rehearsal.pulumi_cli import Event, Result, Violation
from rehearsal.report import Report
from rehearsal.stages import Drift, StageError, Supplies, Thing
from rehearsal.stages.stage import Stromhaltig

DATABASE = "urn:pulumi:production::stromhaltig::aws:rds/instance:Instance::db"
KEY = "urn:pulumi:production::stromhaltig::aws:kms/key:Key::key"
SERVICE = "urn:pulumi:production::stromhaltig::aws:ecs/service:Service::app"


def event(op: str, urn: str) -> Event:
    return Event(phase="done", op=op, urn=urn, type=urn.split("::")[2])


def result(
    *events: Event,
    code: int = 0,
    stdout: str = "",
    violations: Sequence[Violation] = (),
) -> Result:
    return Result(
        returncode=code,
        stdout=stdout,
        stderr="",
        seconds=0.1,
        events=list(events),
        violations=list(violations),
    )


class Stack:
    """A workspace that remembers what was done to it."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.state = ""
        self.commands: list[str] = []

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

        def pulumi(*arguments: str) -> Result:
            stack.commands.append(" ".join(arguments))
            return waiting.pop(0)

        return Lifecycle(
            pulumi,
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


class Command:
    """The command, in name only."""

    def __call__(self, *arguments: str, accepted: Collection[int] = (0,)) -> str:
        return " ".join(arguments)

    def data(self, *arguments: str, accepted: Collection[int] = (0,)) -> Any:
        return list(arguments)


class OperableScene(Scene):
    def operate(self, stromhaltig: Stromhaltig) -> list[str]:
        return [stromhaltig("status")]


def test_operators_work_on_a_stage_that_answers_them(life, monkeypatch):
    made = life()
    made.operations()
    assert made._report.steps == []
    made._stromhaltig = Command()
    made.operations()
    assert made._report.steps == []
    made._stage = OperableScene()
    made.operations()
    assert [(s.name, s.facts) for s in made._report.steps] == [
        ("operations", ["status"])
    ]


def test_a_preview_that_touches_the_cloud_fails(life, scene):
    scene.there = {Thing("VPC", "vpc-1")}
    with pytest.raises(StepFailedError, match="the preview changed the cloud"):
        life(result()).preview()


def violation(level: str) -> Violation:
    return Violation(
        policy="RDS.3", level=level, message="Encrypted\nit is not", urn=DATABASE
    )


def test_the_first_preview_asks_the_policies_and_no_other_does(life, stack):
    alive = life(result(), result())
    alive.preview()
    alive.unchanged()
    assert stack.commands == [
        "preview --policy-pack program/policies",
        "preview --diff",
    ]
    first, _ = alive._report.steps
    assert first.facts == ["the policy pack let it pass", "nothing was touched"]


def test_a_violation_in_the_first_preview_fails_it_and_is_named(life):
    failing = life(result(code=1, violations=[violation("mandatory")]))
    with pytest.raises(StepFailedError) as failure:
        failing.preview()
    assert str(failure.value) == (
        "`pulumi preview --policy-pack program/policies` ended with 1:\n"
        "RDS.3 (mandatory) db: Encrypted\nit is not"
    )
    (step,) = failing._report.steps
    assert step.error == str(failure.value)


def test_what_is_only_advised_fails_nothing(life):
    passing = life(result(violations=[violation("advisory")]))
    passing.preview()
    assert passing._report.steps[0].error is None


def test_what_is_only_advised_is_no_reason_of_another_failure(life):
    answer = result(code=1, stdout="no space", violations=[violation("advisory")])
    with pytest.raises(StepFailedError, match=r"ended with 1:\nno space$"):
        life(answer).preview()


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


def test_a_refusal_that_deletes_is_a_failure(life, scene, monkeypatch):
    there = iter([{Thing("subnet", "subnet-1"), Thing("vpc", "vpc-1")}, set()])
    monkeypatch.setattr(scene, "inventory", lambda: next(there))
    with pytest.raises(
        StepFailedError, match="yet deleted: subnet subnet-1, vpc vpc-1"
    ):
        life(result(code=1)).destroy()


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


def exporting(*resources: tuple[str, dict[str, Any]], region: str) -> Result:
    """A state with what a provider answered: nothing but an ARN."""
    states = [
        {
            "urn": urn,
            "type": urn.split("::")[2],
            "custom": True,
            "inputs": inputs,
            "outputs": {"arn": f"arn:aws:any:{region}:123456789012:it"},
        }
        for urn, inputs in resources
    ]
    return result(stdout=json.dumps({"deployment": {"resources": states}}))


def coming_up(
    *resources: tuple[str, dict[str, Any]], region: str = "eu-central-1"
) -> list[Result]:
    """What the engine says to `up`, to its outputs, and to its state."""
    exported = exporting(*resources, region=region)
    return [result(), result(stdout='{"protected": true}'), exported]


ROTATED = {"enableKeyRotation": True, "deletionWindowInDays": 30, "policy": "{}"}


def test_what_is_up_is_judged_and_priced(life, stack):
    alive = life(*coming_up((KEY, ROTATED)))
    alive.up()
    assert stack.commands[-1] == "stack export"
    (step,) = alive._report.steps
    judged, priced = step.facts[-2:]
    assert f" of {len(POLICIES)} policies apply: " in judged
    assert "USD a month, list price in eu-central-1" in priced
    assert alive._report.cost["region"] == "eu-central-1"
    assert alive._report.cost["usd"] >= 1  # the key itself


def test_a_finding_after_up_fails_it_and_is_named(life):
    failing = life(*coming_up((KEY, {**ROTATED, "enableKeyRotation": False})))
    with pytest.raises(StepFailedError, match=r"^policies: KMS\.4 key: "):
        failing.up()
    (step,) = failing._report.steps
    assert step.error.startswith("policies: KMS.4 key: ")


def test_what_is_accepted_after_up_is_reported(life):
    logs = KEY.replace("aws:kms/key:Key::key", "aws:cloudwatch/logGroup:LogGroup::app")
    passing = life(*coming_up((logs, {"retentionInDays": 30, "kmsKeyId": "key"})))
    passing.up()
    assert list(passing._report.accepted) == ["CloudWatch.16"]
    assert passing._report.accepted["CloudWatch.16"].startswith("until 2027-11-30: The")


def test_a_state_that_nothing_can_be_said_of_fails_the_step(life):
    failing = life(*coming_up())
    with pytest.raises(StepFailedError, match="the state has no resources"):
        failing.up()
    (step,) = failing._report.steps
    assert step.error is not None


def test_a_region_without_prices_is_no_failure(life):
    passing = life(*coming_up((KEY, ROTATED), region="eu-west-3"))
    passing.up()
    assert passing._report.cost == {}
    facts = passing._report.steps[0].facts
    assert facts[-1] == "not priced: there is no price book for eu-west-3"


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


def shown(told: Report) -> list[str]:
    """The lines that people see."""
    console = Console(file=io.StringIO(), width=40)
    report.show(told, console)
    return console.file.getvalue().splitlines()


def test_controls_that_are_not_met_are_listed_with_where_the_reasons_are():
    told = Report("production", "3.250.0", "embedded")
    assert "Controls not met, each with a reason" not in shown(told)
    told.accepted = {"S3.17": "until 2027-11-30: It is.", "RDS.23": "until then: So."}
    lines = shown(told)
    at = lines.index("Controls not met, each with a reason")
    assert lines[at + 1 : at + 3] == [
        "  RDS.23, S3.17",
        "  why: policies/exceptions.yaml",
    ]
    assert json.loads(told.as_json())["accepted"] == told.accepted


def test_what_a_month_costs_is_listed_by_group_and_in_sum():
    told = Report("production", "3.250.0", "embedded")
    assert "A month, by list price" not in shown(told)
    told.cost = {
        "region": "eu-central-1",
        "usd": 1234.75,
        "groups": {"database": 1200.4, "network": 34.0, "dust": 0.35},
        "unknown": [],
    }
    lines = shown(told)
    at = lines.index("A month, by list price")
    assert lines[at + 1 : at + 5] == [
        "  1,200.40 USD  database",
        "     34.00 USD  network",
        "  1,234.75 USD  in eu-central-1, without tax",
        "  itemised, with what is assumed: stromhaltig cost --help",
    ]
    assert json.loads(told.as_json())["cost"] == told.cost


def test_what_has_no_price_is_counted_beside_the_sum():
    told = Report("production", "3.250.0", "embedded")
    unknown = [{"name": "a"}, {"name": "b"}]
    told.cost = {"region": "eu-west-1", "usd": 0, "groups": {}, "unknown": unknown}
    assert (
        "      0.00 USD  in eu-west-1, without tax; 2 of unknown price not counted"
        in shown(told)
    )


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
