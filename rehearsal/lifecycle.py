"""The life of a stack, step by step with the real engine, each step asserted."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import yaml

from cost import show
from cost.book import BookError
from ops.changes import effect
from ops.stack import IDLE
from policies.exceptions import ExceptionsError
from rehearsal.inspection import inspect
from rehearsal.provider.aws import ROWS
from rehearsal.pulumi_cli import Event, Result
from rehearsal.report import Report, Step
from rehearsal.stages.stage import (
    Operable,
    Stage,
    StageError,
    Stromhaltig,
    Thing,
    next_image,
)
from rehearsal.workspace import Workspace
from resource_graph import GraphError

PACK = ("--policy-pack", "program/policies")
"""How the first preview is told to ask the policies."""

REFUSED = "rehearsed failure: the service refuses this update"
TAIL_LINES = 25
"""Lines of the engine's output that explain a failure without diagnostics."""


class StepFailedError(Exception):
    """A step did not go as it must."""


class Pulumi(Protocol):
    """Runs the engine in the workspace with the embedded cloud attached."""

    def __call__(self, *arguments: str) -> Result:
        """Run `pulumi ARGUMENTS`."""


class Lifecycle:
    """Runs up, empty preview, operations, change, drift, failing update, options off,
    destroy.

    pulumi: runs the engine; workspace: the stack's throw-away project.
    stromhaltig: runs the command on it; None for no such step.
    stage: the platform that it is deployed to. report: filled in as the steps pass.
    on_start: told the name of each step; on_step: told of every finished one.
    """

    def __init__(
        self,
        pulumi: Pulumi,
        workspace: Workspace,
        stage: Stage,
        report: Report,
        on_start: Callable[[str], None],
        on_step: Callable[[Step], None],
        stromhaltig: Stromhaltig | None = None,
    ) -> None:
        self._pulumi = pulumi
        self._stromhaltig = stromhaltig
        self._workspace = workspace
        self._stage = stage
        self._report = report
        self._on_start = on_start
        self._on_step = on_step
        self._said: list[str] = []
        self._current: Step | None = None
        self._before: set[Thing] = set()

    def run(self, keep: bool) -> None:
        """All steps; with keep, the stack stays up after the failing update is mended.

        Raises StepFailedError at the first step that does not go as it must.
        """
        self.supply()
        self.preview()
        self.up()
        self.unchanged()
        self.operations()
        self.change()
        self.drift()
        self.failing_update()
        if not keep:
            self.options_off()
            self.destroy()

    def supply(self) -> None:
        """Let stand-ins take the place of what the stack file lacks."""
        supplies = self._stage.supply(self._workspace.stack_config())
        self._workspace.inject(supplies.config, supplies.secrets)
        self._report.injected = supplies.said
        self._report.unproven = list(self._stage.unproven)
        self._before = self._stage.inventory()

    def preview(self) -> None:
        """A first preview says what will be made, and asks the policies."""
        with self._step("preview") as step:
            result = self._succeed("preview", *PACK)
            step.changes = _changes(result)
            if self._stage.inventory() != self._before:
                raise StepFailedError("the preview changed the cloud")
            step.facts += ["the policy pack let it pass", "nothing was touched"]

    def up(self) -> None:
        """Everything is made; no secret is in the state or in what was printed."""
        with self._step("up") as step:
            result = self._succeed("up", "--yes", "--skip-preview")
            step.changes = _changes(result)
            created = [e for e in result.events if _is_made(e)]
            if self._report.plugins == "embedded":
                self._sort(created)
            self._report.outputs = self._outputs()
            step.facts.append(
                f"{len(created)} resources in {_components(result)} components, "
                f"{len(self._report.outputs)} outputs"
            )
            step.facts += self._stage.check_up(self._report.outputs)
            self._check_secrets(step)
            self._inspect(step)

    def unchanged(self) -> None:
        """An unchanged program wants nothing."""
        with self._step("preview again") as step:
            step.changes = self._expect_no_changes()
            step.facts.append("empty: the program is stable")

    def operations(self) -> None:
        """The command that operators use does what it says."""
        if self._stromhaltig is None or not isinstance(self._stage, Operable):
            return
        with self._step("operations") as step:
            step.facts += self._stage.operate(self._stromhaltig)

    def change(self) -> None:
        """A new image and one variable roll out; what holds data stays."""
        with self._step("change") as step:
            before = self._stage.deployed_image(self._report.outputs)
            image = self._next_image("second release")
            app = self._workspace.stack_config().get("stromhaltig:app") or {}
            self._workspace.inject(
                {"image": image, "app": {**app, "LOG_LEVEL": "debug"}}, {}
            )
            result = self._succeed("up", "--yes", "--skip-preview")
            step.changes = _changes(result)
            self._keep_data(result.events)
            self._expect_release(image, before)
            step.facts += self._stage.check_change(result.events)
            step.facts.append("nothing that holds data was replaced")
            self._expect_no_changes()

    def drift(self) -> None:
        """What is changed behind the program's back is found and put right."""
        with self._step("drift") as step:
            drifts = self._stage.drifts(self._report.outputs)
            for drift in drifts:
                drift.spoil()
            refreshed = self._succeed("refresh", "--yes", "--skip-preview")
            found = {(event.type, event.op) for event in refreshed.events}
            unseen = [d.says for d in drifts if (d.resource, d.seen_as) not in found]
            if unseen:
                raise StepFailedError(f"refresh did not find: {'; '.join(unseen)}")
            repaired = self._succeed("up", "--yes", "--skip-preview")
            step.changes = _changes(repaired)
            self._keep_data(repaired.events)
            left = [drift.says for drift in drifts if not drift.mended()]
            if left:
                raise StepFailedError(f"up did not repair: {'; '.join(left)}")
            step.facts += [f"found and repaired: {drift.says}" for drift in drifts]
            self._expect_no_changes()

    def failing_update(self) -> None:
        """An update that fails half-way leaves a state to go on from."""
        with self._step("failing update") as step:
            before = self._stage.deployed_image(self._report.outputs)
            image = self._next_image("third release")
            self._workspace.inject({"image": image}, {})
            with self._stage.refusing(REFUSED):
                failed = self._run("up", "--yes", "--skip-preview")
            if failed.returncode == 0:
                raise StepFailedError("the engine reported success")
            if REFUSED not in failed.stdout + failed.stderr:
                raise StepFailedError("the engine did not say why the update failed")
            step.facts.append(f"exit code {failed.returncode}, the reason was printed")
            step.facts += self._stage.check_failed(before, self._report.outputs)
            recovered = self._succeed("up", "--yes", "--skip-preview")
            step.changes = _changes(recovered)
            self._keep_data(recovered.events)
            self._expect_release(image, before)
            self._expect_no_changes()
            step.facts.append("the next update finished the work")

    def options_off(self) -> None:
        """What is taken out of the stack file goes; what holds data is kept from it."""
        with self._step("options off") as step:
            there = self._workspace.stack_config().keys()
            given = [o for o in self._stage.options if f"stromhaltig:{o}" in there]
            kept = self._stage.data_options if self._report.outputs["protected"] else ()
            going = [option for option in given if option not in kept]
            if not going:
                step.facts.append("the stack file names none that may go")
                return
            self._workspace.take_out(going)
            result = self._succeed("up", "--yes", "--skip-preview")
            step.changes = _changes(result)
            # The engine sees to it that nothing that is protected is deleted.
            held = self._stage.data_types
            replaced = [e.urn for e in result.events if _is_replaced(e, held)]
            if replaced:
                raise StepFailedError(f"replaced: {', '.join(replaced)}")
            types = self._components_in_state()
            left = [option for option in going if self._stage.options[option] in types]
            if left:
                raise StepFailedError(f"still there: {', '.join(left)}")
            step.facts.append(f"gone from stack file and cloud: {', '.join(going)}")
            if staying := [option for option in given if option in kept]:
                step.facts.append(f"kept, for they hold data: {', '.join(staying)}")
            self._expect_no_changes()

    def destroy(self) -> None:
        """Protected as it should be; gone when meant to be, but for what is kept."""
        with self._step("destroy") as step:
            if self._report.outputs["protected"]:
                self._lift_protection(step)
            result = self._succeed("destroy", "--yes", "--skip-preview")
            step.changes = _changes(result)
            left = self._stage.inventory() - self._before
            forgotten = sorted(map(str, left - self._stage.kept(left)))
            if forgotten:
                raise StepFailedError(f"left behind: {', '.join(forgotten)}")
            self._report.kept = sorted(str(thing) for thing in left)
            kept = f"{len(left)} kept on purpose" if left else "nothing is left"
            step.facts.append(f"everything is gone, {kept}")

    def _lift_protection(self, step: Step) -> None:
        """As an operator does it who means to take production down.

        With its preview, which refuses before anything is touched. Without it the
        engine deletes all that is not protected before it comes to what is.
        """
        there = self._stage.inventory()
        refused = self._run("destroy", "--yes")
        if refused.returncode == 0:
            raise StepFailedError("protected resources were destroyed")
        if gone := sorted(map(str, there - self._stage.inventory())):
            raise StepFailedError(f"refused, and yet deleted: {', '.join(gone)}")
        step.facts.append("refused while what holds data is protected, all still there")
        self._workspace.inject({"decommission": True}, {})
        self._succeed("up", "--yes", "--skip-preview")
        step.facts.append("`decommission: true` lifted the protection")

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        step = self._current = Step(name)
        began = time.monotonic()
        self._on_start(name)
        try:
            yield step
        except StepFailedError as failure:
            step.error = str(failure)
            raise
        except StageError as failure:
            step.error = str(failure)
            raise StepFailedError(step.error) from failure
        except self._stage.troubles as failure:
            step.error = f"the emulator said: {failure}"
            raise StepFailedError(step.error) from failure
        finally:
            step.seconds = round(time.monotonic() - began, 1)
            self._report.steps.append(step)
            self._on_step(step)

    def _run(self, *arguments: str) -> Result:
        result = self._pulumi(*arguments)
        self._said += [result.stdout, result.stderr]
        if self._current is not None:
            self._current.commands.append((arguments[0], round(result.seconds, 1)))
        return result

    def _succeed(self, *arguments: str) -> Result:
        result = self._run(*arguments)
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip().splitlines()[-TAIL_LINES:]
            reasons = result.errors or said
            command = " ".join(("pulumi", *arguments))
            raise StepFailedError(
                f"`{command}` ended with {result.returncode}:\n" + "\n".join(reasons)
            )
        return result

    def _expect_no_changes(self) -> dict[str, int]:
        result = self._succeed("preview", "--diff")
        wanted = [f"{e.op} {e.urn}" for e in result.events if e.op not in IDLE]
        if wanted:
            raise StepFailedError(
                "an unchanged program wants changes: " + "; ".join(wanted)
            )
        return _changes(result)

    def _keep_data(self, events: list[Event]) -> None:
        lost = [
            event.urn
            for event in events
            if event.type in self._stage.data_types
            and effect(event.op) in {"replace", "delete"}
        ]
        if lost:
            raise StepFailedError(f"replaced or deleted: {', '.join(lost)}")

    def _next_image(self, release: str) -> dict[str, Any]:
        return next_image(self._workspace.stack_config(), release)

    def _expect_release(self, image: Mapping[str, Any], before: str) -> None:
        """The app runs what the `image` setting asks for, and not what it ran before.

        What a build gives is known from the program's own output only.
        """
        wanted = image.get("ref") or self._outputs()["release"]
        deployed = self._stage.deployed_image(self._report.outputs)
        if wanted == before or deployed != wanted:
            raise StepFailedError(
                f"the app does not run {wanted}, but {deployed}; before: {before}"
            )

    def _outputs(self) -> dict[str, Any]:
        outputs = self._succeed("stack", "output", "--json").stdout
        return dict(yaml.safe_load(outputs))

    def _state(self) -> dict[str, Any]:
        return dict(json.loads(self._succeed("stack", "export").stdout))

    def _components_in_state(self) -> set[str]:
        resources = self._state()["deployment"].get("resources") or []
        return {str(resource["type"]) for resource in resources}

    def _inspect(self, step: Step) -> None:
        """What only the policies know that see everything, and what a month costs."""
        try:
            found = inspect(self._state())
        except (GraphError, ExceptionsError, BookError) as error:
            raise StepFailedError(str(error)) from error
        if found.problems:
            raise StepFailedError("policies: " + "; ".join(found.problems))
        step.facts += found.facts
        self._report.accepted = found.accepted
        if found.estimate:
            self._report.cost = show.as_data(found.estimate)

    def _check_secrets(self, step: Step) -> None:
        values = [v for v in self._stage.secret_values() if v]
        places = {
            "the state": self._workspace.state_text(),
            "the engine's output": "\n".join(self._said),
        }
        for place, text in places.items():
            if any(value in text for value in values):
                raise StepFailedError(f"a secret stands in clear in {place}")
        step.facts.append(f"{len(values)} secrets, none in clear in state or output")

    def _sort(self, created: list[Event]) -> None:
        """Tell what was carried out from what was only recorded."""
        made = Counter(event.type for event in created)
        self._report.emulated = {t: n for t, n in made.items() if _is_carried_out(t)}
        self._report.recorded = {
            t: n for t, n in made.items() if not _is_carried_out(t)
        }
        unverified: dict[str, set[str]] = {}
        for event in created:
            if event.type in ROWS and event.new is not None:
                asked = event.new.get("inputs") or {}
                lost = ROWS[event.type].unverified & asked.keys()
                unverified.setdefault(event.type, set()).update(lost)
        self._report.unverified = {t: sorted(n) for t, n in unverified.items() if n}


def _is_replaced(event: Event, types: Collection[str]) -> bool:
    return event.type in types and effect(event.op) == "replace"


def _changes(result: Result) -> dict[str, int]:
    return {op: count for op, count in result.summary.items() if count}


def _components(result: Result) -> int:
    return sum(event.type.startswith("stromhaltig:") for event in result.events)


def _is_carried_out(token: str) -> bool:
    """Whether a row does it on the emulator, or the program's own provider does."""
    return token in ROWS or token.startswith("pulumi-python:dynamic")


def _is_made(event: Event) -> bool:
    """Whether a provider made a resource: not a component or the stack itself."""
    component = event.type.startswith(("pulumi:", "stromhaltig:"))
    return event.op == "create" and not component
