"""The life of pull requests' stacks beside the stack that they share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cost import show
from ops.review import prepare
from rehearsal.inspection import inspect
from rehearsal.lifecycle import PACK, Lifecycle, StepFailedError
from rehearsal.report import Step
from rehearsal.stages.stage import Thing, image_ref

PLATFORM: Final = "aws-review"
"""As a stack file names it."""

_NUMBERS: Final = (1, 2)
_LIFE = timedelta(days=3)
_AS_IT_WAS = frozenset({"refresh", "same", "read"})


class Reviews(Lifecycle):
    """Brings up the base, two reviews, a release of one, and takes the reviews down.

    Whatever they do, the base stays as it is: nothing of it is to be changed, and
    nothing is left behind. The workspace is that of the base, with the template of
    reviews beside its stack file.
    """

    _alone: set[Thing]
    """What there is while there is no review."""

    def run(self, keep: bool) -> None:
        """All steps; with keep, base and reviews stay up.

        Raises StepFailedError at the first step that does not go as it must.
        """
        self.supply()
        self.up()
        self.unchanged()
        self._alone = self._stage.inventory()
        resources = self._resources()
        for number in _NUMBERS:
            self.open(number)
        self.release(*_NUMBERS)
        self.base_unchanged("base with reviews", resources)
        if not keep:
            self.close()
            self.base_unchanged("base without", resources)

    def open(self, number: int) -> None:
        """A review is made by the policies, and is stable; others are not touched."""
        stack = f"pr-{number}"
        with self._step(f"{stack} up") as step:
            before = self._stage.inventory()
            self._write(number, f"first release of {stack}")
            self._succeed("stack", "init", stack)
            self._succeed("preview", *PACK)
            result = self._succeed("up", "--yes", "--skip-preview")
            step.changes = dict(result.summary)
            outputs = self._outputs()
            made = self._stage.inventory() - before
            strange = sorted(str(thing) for thing in made if stack not in thing.name)
            if strange:
                raise StepFailedError(f"made by {stack}, and not named so: {strange}")
            step.facts += [
                f"{outputs['url']}, database {outputs['database_name']}",
                *self._stage.check_up(outputs),
            ]
            self._check_secrets(step)
            self._judge(step)
            self._expect_no_changes()
            step.facts.append("the next preview is empty")

    def release(self, number: int, *others: int) -> None:
        """Another image for one review changes nothing of the others."""
        with self._step("release") as step:
            self._write(number, f"second release of pr-{number}")
            self._select(f"pr-{number}")
            result = self._succeed("up", "--yes", "--skip-preview")
            step.changes = dict(result.summary)
            self._stage.check_up(self._outputs())
            for stack in (f"pr-{n}" for n in (number, *others)):
                self._select(stack)
                self._expect_no_changes()
            step.facts.append(f"pr-{number} runs the new image, the others the old one")

    def base_unchanged(
        self, name: str, resources: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """The base wants no change, sees no drift, and has the resources it had."""
        with self._step(name) as step:
            self._select(self._workspace.stack)
            self._expect_no_changes()
            refreshed = self._succeed("refresh", "--preview-only")
            drifted = [e.urn for e in refreshed.events if e.op not in _AS_IT_WAS]
            if drifted:
                raise StepFailedError(f"drifted: {', '.join(drifted)}")
            now = self._resources()
            urns = resources.keys() | now.keys()
            changed = sorted(u for u in urns if resources.get(u) != now.get(u))
            if changed:
                raise StepFailedError(f"not as before: {', '.join(changed)}")
            step.facts.append(
                f"no change wanted, no drift, {len(resources)} resources as before"
            )

    def close(self) -> None:
        """All of the reviews goes at once, and nothing is left."""
        with self._step("reviews down") as step:
            for stack in (f"pr-{number}" for number in _NUMBERS):
                self._select(stack)
                result = self._succeed("destroy", "--yes", "--skip-preview")
                step.changes = dict(result.summary)
                self._succeed("stack", "rm", stack, "--yes")
            there = self._stage.inventory()
            if different := sorted(map(str, there ^ self._alone)):
                raise StepFailedError(f"left behind, or gone: {', '.join(different)}")
            step.facts.append("everything of both is gone, and nothing else")

    def _write(self, number: int, release: str) -> None:
        expires = datetime.now(UTC) + _LIFE
        prepare(number, image_ref(release), expires, self._workspace.project_dir)

    def _select(self, stack: str) -> None:
        self._succeed("stack", "select", stack)

    def _judge(self, step: Step) -> None:
        found = inspect(self._state())
        if found.problems:
            raise StepFailedError("policies: " + "; ".join(found.problems))
        if found.estimate:
            step.facts.append(show.headline(found.estimate))

    def _resources(self) -> dict[str, Mapping[str, Any]]:
        """What the selected stack's state has, by URN."""
        found = self._state()["deployment"].get("resources") or []
        return {str(resource["urn"]): resource for resource in found}
