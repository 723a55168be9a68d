"""Brings a release to the visitors, and proves that it is the one that serves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops import health, releases
from ops.changes import Summary
from ops.common import Steps, of_a_library, say
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.lock import pipeline_run, who_am_i
from ops.platforms import platform_of
from ops.releases import Release
from ops.revision import revision
from ops.stack import IDLE, change_of
from resource_types import SECRET

if TYPE_CHECKING:
    from ops.platforms.platform import Platform, Running, Verdict
    from ops.stack import Stack

HEALTH_PATIENCE = 90.0
"""Seconds from a good roll-out until the app has to be well from outside."""

LOG_LINES = 20
"""Lines of the new version's log that explain a failure."""


class RollOutError(FailedError):
    """What was asked for does not serve.

    moved: the app was told to run something else, so that there is a way back.
    serves: the version before serves: it was left alone, or the platform went back.
    """

    def __init__(
        self, message: str, *, moved: bool = True, serves: bool = False
    ) -> None:
        super().__init__(message)
        self.moved = moved
        self.serves = serves


class UnknownOutcomeError(FailedError):
    """The program ran, and the platform does not say whether what it asked for serves.

    Nothing is taken back on a guess.
    """


class UnwatchedError(KeyboardInterrupt):
    """Interrupted after the program ran, and before it was known what serves."""


def named_image(stack: Stack) -> str | None:
    """The image that the stack's file names; None for one that is built."""
    return stack.get("image.ref")


def name_image(stack: Stack, ref: str | None) -> None:
    """Have the stack's file name another image, or none.

    Beside a folder to build from, what is named is deployed.
    """
    if ref:
        stack.set("image.ref", ref)
    else:
        stack.unset("image.ref")


def tell_what_is_not_built(stack: Stack) -> None:
    """Say that an image is named beside a folder, so that nothing of it is deployed."""
    if named_image(stack) and stack.get("image.context"):
        say(
            "The stack file names this image beside image.context, so nothing is built "
            "from there. To build again: pulumi config rm --path "
            f"'stromhaltig:image.ref' --stack {stack.name}"
        )


def demand_image(ref: str) -> None:
    """Refuse to go back where the platform itself builds a branch: `OWNER/NAME@main`.

    Raises NotOfferedError with what goes back there.
    """
    if "@" in ref and "@sha256:" not in ref:
        raise NotOfferedError(
            f"The platform builds {ref} itself, so there is no image to go back to. "
            "Revert the commit there, or let the platform's console go back to a "
            "former deployment"
        )


@contextmanager
def wanting(stack: Stack, ref: str | None) -> Iterator[None]:
    """Let the stack's file name an image; the one before again when the block fails.

    What is not known to have failed stays named, for it may serve.

    ref: None for what the file names already.
    """
    before = named_image(stack)
    if ref is None or ref == before:
        yield
        return
    name_image(stack, ref)
    try:
        yield
    except (UnknownOutcomeError, UnwatchedError):
        raise
    except BaseException:
        name_image(stack, before)
        raise


@contextmanager
def _watched(stack: Stack) -> Iterator[None]:
    """Say what is true when somebody interrupts the watching of an update.

    Raises UnwatchedError then.
    """
    try:
        yield
    except KeyboardInterrupt:
        say(
            "The update is made, and nobody waited to see whether it serves. Look: "
            f"stromhaltig status --stack {stack.name}"
        )
        raise UnwatchedError from None


def current_platform(stack: Stack) -> Platform | None:
    """The stack's platform; None before the first deployment."""
    return platform_of(stack) if stack.outputs else None


def plan(stack: Stack, steps: Steps) -> Summary:
    """What an update would change."""
    with steps.step("preview") as facts:
        try:
            summary = Summary(stack.preview())
        except OpsError as error:
            raise OpsError(f"{error}\nNothing was done.") from None
        facts += summary.lines()
    return summary


def what_if(stack: Stack, steps: Steps, ref: str | None) -> Summary:
    """What an update to an image would change; the stack's file stays as it is."""
    if ref is None:
        return plan(stack, steps)
    with stack.unchanged():
        name_image(stack, ref)
        return plan(stack, steps)


def demand_harmless(stack: Stack, summary: Summary) -> None:
    """Refuse an update that would lose more than a secret which is changed.

    Raises OpsError, naming it.
    """
    losses = [change for change in summary.losses if change.type != SECRET]
    if losses:
        names = ", ".join(f"{change.type} {change.name}" for change in losses)
        raise OpsError(
            "The stack file asks for more than this, and would replace or delete what "
            f"holds data: {names}. Take that back, or deploy it by itself: stromhaltig "
            f"deploy --stack {stack.name}. What was begun here is gone on with then"
        )


def update(stack: Stack, steps: Steps, before: Running | None) -> Verdict:
    """Run the program, and wait until what it asked for serves.

    Pulumi's own success is no proof: ECS may have gone back to the old version.

    Raises RollOutError with reasons and the last lines of the new version's log,
    UnknownOutcomeError when the platform does not answer.
    """
    with steps.step("update") as facts:
        try:
            facts += Summary(stack.up(on_event=_progress)).lines()
        except FailedError as error:
            raise _explained(stack, before, error) from None
        except KeyboardInterrupt:
            say(
                "The update stopped half-way. To finish it, run the same command "
                "again; to have what the stack file names: stromhaltig deploy --stack "
                f"{stack.name}"
            )
            raise
    with _watched(stack), steps.step("roll-out") as facts:
        verdict = judged(stack, before)
        facts.append(verdict.says)
    return verdict


def judged(
    stack: Stack, before: Running | None, platform: Platform | None = None
) -> Verdict:
    """Wait until what was asked for serves.

    platform: what was asked past Pulumi; else the stack's, as of the last update.

    Raises as `update`.
    """
    try:
        verdict = (platform or platform_of(stack)).verdict(before)
    except Exception as trouble:
        told = of_a_library(trouble) or str(trouble)
        raise UnknownOutcomeError(
            f"The update is made, and nobody knows whether it serves: {told} Look: "
            f"stromhaltig status --stack {stack.name}. To go back: stromhaltig "
            f"rollback --stack {stack.name}"
        ) from trouble
    if not verdict.serves:
        raise RollOutError(_told(verdict), serves=verdict.rolled_back)
    return verdict


def prove(stack: Stack, steps: Steps, url: str | None = None) -> None:
    """Ask the app from outside until it is well, if the stack says where.

    url: default the stack's own, or the variable STROMHALTIG_HEALTH_URL.

    Raises RollOutError when it does not become well.
    """
    address = url or os.environ.get(health.URL) or stack.outputs.get("health_url")
    if not address:
        say("The stack has no health_url, so nobody was asked.")
        return
    with _watched(stack), steps.step("health from outside") as facts:
        if _closed(stack):
            facts.append("maintenance is on, and its page answers there: not asked")
            return
        found = health.until_well(
            address, token=os.environ.get(health.TOKEN), patience=HEALTH_PATIENCE
        )
        if not found.well:
            raise RollOutError(f"{address} is not well: {found}")
        facts.append(f"{address}: {found}")


def go_back(stack: Stack, steps: Steps, ref: str, url: str | None = None) -> None:
    """Have the program deploy an image that served before.

    A stack that builds its image goes on building it afterwards.

    Raises RollOutError when that does not serve either.
    """
    say(f"Going back to {ref}.")
    named = named_image(stack)
    name_image(stack, ref)
    try:
        update(stack, steps, platform_of(stack).running())
        prove(stack, steps, url)
    finally:
        if named is None:
            name_image(stack, None)


def remember(
    stack: Stack,
    *,
    seconds: float,
    schema: str | None = None,
    migrations: tuple[str, ...] = (),
    irreversible: tuple[str, ...] = (),
    back: int | None = None,
) -> Release:
    """Record what serves now as a release, unless it is the newest already."""
    known = releases.releases(stack.records)
    running = platform_of(stack).running()
    if running is None:
        raise FailedError("Nothing runs, so there is no release to record.")
    asked = stack.outputs.get("release")
    release = Release(
        number=known[0].number + 1 if known else 1,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        who=who_am_i(),
        image=running.image or str(asked),
        revision=running.revision,
        deployment=running.deployment,
        git=revision(stack.folder),
        schema=schema,
        migrations=migrations,
        irreversible=irreversible,
        seconds=round(seconds, 1),
        run=pipeline_run(),
        back=back,
    )
    if known and (known[0].revision, known[0].deployment) == (
        release.revision,
        release.deployment,
    ):
        return known[0]
    return releases.record(stack.records, release)


def back_up(platform: Platform, steps: Steps, label: str) -> str:
    """Take what a failed migration can be undone with; what it is called.

    A snapshot where the platform has them, for they take no time of the database's;
    else a dump that is read back.
    """
    with steps.step("backup") as facts:
        try:
            stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
            name = platform.snapshot(f"{label}-{stamp}")
        except NotOfferedError as error:
            facts.append(f"{error} A dump instead:")
        else:
            facts.append(name)
            return name
    from ops.database.backup import back_up as dump

    with platform.database() as address:
        return dump(address, platform.backups(), steps).name


def _explained(
    stack: Stack, before: Running | None, error: FailedError
) -> RollOutError:
    """What the platform knows of an update that failed, beside what Pulumi says."""
    try:
        platform = current_platform(stack)
        now = platform.running() if platform else None
        if platform is None or now is None:
            return RollOutError(str(error), moved=False)
        verdict = platform.verdict(before, finished=False)
    except Exception as trouble:
        told = of_a_library(trouble) or str(trouble)
        return RollOutError(f"{error}\nNo more is known: {told}")
    same = before is not None and now.deployment == before.deployment
    return RollOutError(
        f"{error}\n{_told(verdict)}",
        moved=verdict.rolled_back or not same,
        serves=verdict.rolled_back or (same and verdict.serves),
    )


def _closed(stack: Stack) -> bool:
    """Whether a maintenance page would answer in place of the app."""
    try:
        return platform_of(stack).closed()
    except Exception:
        return False  # who asks the app finds out


def _told(verdict: Verdict) -> str:
    parts = [verdict.says, *(f"  {reason}" for reason in verdict.reasons)]
    if verdict.log:
        parts += ["Its last lines:", *(f"  {x}" for x in verdict.log[-LOG_LINES:])]
    return "\n".join(parts)


def _progress(event: Any) -> None:
    """Show each resource that is done with."""
    step = event.res_outputs_event
    if step is None or step.metadata.op in IDLE:
        return
    change = change_of(step.metadata)
    say(f"    {change.op:<18} {change.type} {change.name}")
