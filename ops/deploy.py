"""`stromhaltig deploy`, `releases`, `rollback`: versions come, and go back."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ops import delivery, releases
from ops.audit import acts, operation
from ops.changes import Summary
from ops.common import (
    DryRunOption,
    JsonOption,
    OfStackOption,
    Steps,
    YesOption,
    complain,
    confirm,
    confirm_by_name,
    of_a_library,
    print_json,
    print_table,
    remind_to_commit,
    say,
)
from ops.delivery import RollOutError, UnknownOutcomeError, UnwatchedError
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.health import HealthUrlOption
from ops.notify import notify
from ops.releases import Release

if TYPE_CHECKING:
    from ops.audit import Act
    from ops.database.migrations import MigrationStatus
    from ops.lock import Held
    from ops.platforms.platform import Platform, Running
    from ops.stack import Stack


RECENT = 20
"""How far back in the audit log the last deployment is looked for."""

UPDATED = "updated"
"""Detail of a deployment that failed after it had begun to change the stack."""


class Backup(StrEnum):
    """When a deployment backs the database up first."""

    auto = "auto"
    always = "always"
    never = "never"


class OnFailure(StrEnum):
    """What becomes of a release that does not serve."""

    ask = "ask"
    rollback = "rollback"
    keep = "keep"


ImageOption = Annotated[
    str | None,
    typer.Option(
        metavar="REPOSITORY@sha256:DIGEST",
        help="Deploy this image; default what the stack's file names.",
    ),
]
LossesOption = Annotated[
    str | None,
    typer.Option(
        "--yes-replace",
        metavar="STACK",
        help="Confirm, by the stack's name, that something is replaced or deleted "
        "that holds data.",
    ),
]


def deploy(
    stack: OfStackOption,
    image: ImageOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    yes_replace: LossesOption = None,
    backup: Annotated[
        Backup,
        typer.Option(
            help="Back the database up first; auto: when migrations are pending, or "
            "nobody can tell."
        ),
    ] = Backup.auto,
    on_failure: Annotated[
        OnFailure,
        typer.Option(
            help="What to do with a version that does not serve; ask: without a "
            "terminal, go back."
        ),
    ] = OnFailure.ask,
    unasked: Annotated[
        bool,
        typer.Option(
            "--skip-migration-check",
            help="Do not ask the new image for its migrations before it runs, such as "
            "where the container for that cannot start. Counts as pending.",
        ),
    ] = False,
    health_url: HealthUrlOption = None,
) -> None:
    """Deploy, and prove that what was asked for is what serves.

    Checks first, backs up when migrations are pending, shows replacements and
    deletions, updates, judges the roll-out by its deployment and not by Pulumi's word,
    asks the app from outside, and records the release. What fails after the traffic
    has moved goes back.
    """
    from ops.stack import Stack

    steps = Steps()
    opened = Stack(stack)
    _preflight(opened, steps)
    if dry_run:
        delivery.what_if(opened, steps, image)
        say("Nothing was done.")
        return
    details = {"image": image} if image else {}
    with operation(opened, "deploy", details) as (held, act):
        deployment = _Deployment(
            opened, steps, held, act, image, backup, on_failure, unasked, health_url
        )
        deployment.run(yes=yes, yes_replace=yes_replace)


@dataclass
class _Deployment:
    """One run of `deploy`, inside the lock."""

    stack: Stack
    steps: Steps
    held: Held
    act: Act
    image: str | None
    backup: Backup
    on_failure: OnFailure
    unasked: bool
    health_url: str | None
    askable: bool = field(default=True, init=False)
    """Whether the platform runs the container that asks for migrations."""

    def run(self, *, yes: bool, yes_replace: str | None) -> None:
        """From the question to the recorded release."""
        began = time.monotonic()
        platform = delivery.current_platform(self.stack)
        before = platform.running() if platform else None
        known = releases.releases(self.stack.records)
        pending: MigrationStatus | None = None
        try:
            with delivery.wanting(self.stack, self.image):
                delivery.tell_what_is_not_built(self.stack)
                summary = delivery.plan(self.stack, self.steps)
                _agree(self.stack, summary, yes=yes, yes_replace=yes_replace)
                pending = self._migrations()
                self._back_up(pending)
                self.held.check()
                self.act.details[UPDATED] = "yes"
                delivery.update(self.stack, self.steps, before)
                delivery.prove(self.stack, self.steps, self.health_url)
        except RollOutError as error:
            former = self._former(before, known)
            self._failed(error, former, pending.irreversible if pending else ())
        except (UnknownOutcomeError, UnwatchedError) as error:
            if isinstance(error, UnwatchedError):
                say(
                    "To have it judged and recorded, run the same command again. To go "
                    f"back: stromhaltig rollback --stack {self.stack.name}"
                )
            _tell(f"{self.stack.name} was updated, and nobody knows whether it serves")
            raise
        asked = pending or self._applied()
        brought = asked.brought(releases.schema(known)) if asked else ()
        release = delivery.remember(
            self.stack,
            seconds=time.monotonic() - began,
            schema=_schema_after(asked) if asked else None,
            migrations=tuple(m.name for m in brought),
            irreversible=tuple(m.name for m in brought if not m.reversible),
        )
        del self.act.details[UPDATED]
        self.act.details["release"] = release.label
        _tell(
            f"{release.label} serves {self.stack.name}: {release.image}, "
            f"{release.seconds:.0f} s"
        )

    def _former(self, before: Running | None, known: list[Release]) -> str | None:
        """The image to go back to: what runs, unless that is of a failed deployment."""
        recorded = known[0].image if known else None
        if before is None or (recorded and self._failed_before(before.image)):
            return recorded
        return before.image

    def _failed_before(self, image: str) -> bool:
        """Whether what runs was left by a deployment that failed, or was killed."""
        for act in acts(self.stack.records, RECENT):
            began = act.outcome in ("begun", "done") or UPDATED in act.details
            if act.command != "deploy" or act.at == self.act.at or not began:
                continue
            if act.outcome == "done" or act.details.get("back") == image:
                return False
            return act.details.get("image", image) == image
        return False

    def _migrations(self) -> MigrationStatus | None:
        """What is pending with the new image; None when nobody can tell.

        The image of a stack that builds it is not there yet.
        """
        platform = delivery.current_platform(self.stack)
        ref = delivery.named_image(self.stack)
        if platform is None or ref is None or self.unasked:
            return None
        from ops.database import migrations

        with self.steps.step("migrations") as facts:
            try:
                status = migrations.status(platform, image=ref)
            except NotOfferedError as error:
                facts.append(f"not known: {error}")
                self.askable = False
                return None
            except OpsError as error:
                raise OpsError(
                    f"{error}\nNothing was done. To deploy without knowing what is "
                    "pending: --skip-migration-check"
                ) from None
            facts.append(
                f"pending: {', '.join(status.pending) or 'none'}; the database is at "
                f"version {status.version}"
            )
            facts += [f"{name} cannot be undone" for name in status.irreversible]
        return status

    def _applied(self) -> MigrationStatus | None:
        """What the database is at now, for the record; None when nobody can tell.

        The new version serves and is recorded, whatever comes of the question.
        """
        if not self.askable:
            return None
        from ops.database import migrations
        from ops.platforms import platform_of

        with self.steps.step("schema") as facts:
            try:
                status = migrations.status(platform_of(self.stack))
            except KeyboardInterrupt:
                facts.append("not known: interrupted")
                return None
            except Exception as trouble:
                facts.append(f"not known: {of_a_library(trouble) or trouble}")
                return None
            facts.append(f"the database is at version {status.version}")
        return status

    def _back_up(self, pending: MigrationStatus | None) -> None:
        platform = delivery.current_platform(self.stack)
        needed = self.backup is Backup.always or (
            self.backup is Backup.auto and (pending is None or bool(pending.pending))
        )
        if platform is None or not needed:
            return
        try:
            name = delivery.back_up(platform, self.steps, "before-deploy")
        except FailedError:
            raise
        except OpsError as error:
            why = str(error).rstrip(".")
            raise OpsError(
                f"No backup can be taken: {why}. Nothing was done. To deploy without "
                "one: --backup never"
            ) from None
        self.act.details["backup"] = name

    def _failed(
        self, error: RollOutError, former: str | None, irreversible: tuple[str, ...]
    ) -> None:
        complain(str(error))
        failed = f"Deployment of {self.stack.name} failed"
        serves = "The old version serves." if former and error.serves else ""
        left = ""
        if error.moved and irreversible:
            left = (
                f"What may be applied and cannot be undone: {', '.join(irreversible)}."
            )
        target, remedy = self._way_back(error, former)
        if target is None or not self._goes_back(target):
            _tell(_sentences(f"{failed}.", serves, left))
            why = _sentences("Not deployed.", serves, left, remedy)
            raise FailedError(why) from None
        try:
            delivery.go_back(self.stack, self.steps, target, self.health_url)
        except RollOutError:
            _tell(
                _sentences(
                    f"{failed}, and so did going back to {target}. Look at it now.",
                    left,
                )
            )
            raise
        except (UnknownOutcomeError, UnwatchedError):
            _tell(
                _sentences(
                    f"{failed}, and nobody knows whether {target} serves again. Look "
                    "at it now.",
                    left,
                )
            )
            raise
        self.act.details["back"] = target
        _tell(_sentences(f"{failed}; {target} serves again.", left))
        why = _sentences(f"Not deployed. {target} serves again.", left)
        raise FailedError(why) from None

    def _way_back(
        self, error: RollOutError, former: str | None
    ) -> tuple[str | None, str]:
        """The image to go back to, if that would help, and what to do if not."""
        look = f"Look at it: stromhaltig status --stack {self.stack.name}"
        change = (
            "take back what else changed in the stack file, and deploy that: "
            f"stromhaltig deploy --stack {self.stack.name}"
        )
        if former is None or (error.serves and not error.moved):
            return None, look
        if not error.moved:
            return None, f"The app was left as it was. {look}, and {change}"
        try:
            delivery.demand_image(former)
        except NotOfferedError as why:
            return None, str(why)
        if former == (self.image or delivery.named_image(self.stack)):
            return None, (
                "The image is the one of before, so there is none to go back to: "
                f"{change}"
            )
        return former, look

    def _goes_back(self, former: str) -> bool:
        if self.on_failure is not OnFailure.ask:
            return self.on_failure is OnFailure.rollback
        if not sys.stdin.isatty():
            return True
        try:
            confirm(f"Go back to {former}?", yes=False)
        except OpsError:
            return False
        return True


def list_releases(
    stack: OfStackOption,
    as_json: JsonOption = False,
    last: Annotated[int, typer.Option(min=0, help="How many; 0 for all.")] = 20,
) -> None:
    """List what was deployed: the newest serves."""
    from ops.stack import Stack

    known = releases.releases(Stack(stack).records)
    shown = known[:last] if last else known
    if as_json:
        print_json(shown)
        return
    if not shown:
        say("No release is recorded. They are by: stromhaltig deploy")
        return
    print_table(
        ("", "when (UTC)", "who", "image", "git", "schema", "took"),
        (
            (
                release.label,
                f"{datetime.fromisoformat(release.at):%Y-%m-%d %H:%M:%S}",
                release.who,
                _short(release.image)
                + (f" (back to r{release.back})" if release.back else ""),
                release.git,
                release.schema or "",
                f"{release.seconds:.0f} s",
            )
            for release in shown
        ),
    )


def rollback(
    stack: OfStackOption,
    release: Annotated[
        str | None,
        typer.Argument(help="Label, number, digest or commit; default the one before."),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Have the platform switch at once, and update the stack after.",
        ),
    ] = False,
    keep_schema: Annotated[
        bool,
        typer.Option(
            "--keep-schema",
            help="Go back although a migration in between cannot be undone: the old "
            "version can work with the newer schema.",
        ),
    ] = False,
    undo_migrations: Annotated[
        bool,
        typer.Option(
            "--undo-migrations",
            help="Run the rollback scripts of the migrations in between first. What "
            "they drop is lost; a backup is taken before.",
        ),
    ] = False,
    yes: YesOption = False,
    yes_rollback: Annotated[
        str | None,
        typer.Option(
            metavar="STACK",
            help="Confirm, by the stack's name, that migrations of production are "
            "undone.",
        ),
    ] = None,
    yes_replace: LossesOption = None,
    dry_run: DryRunOption = False,
    health_url: HealthUrlOption = None,
) -> None:
    """Go back to a recorded release, through the program, so that the state is true."""
    from ops import rotation
    from ops.stack import Stack

    steps = Steps()
    opened = Stack(stack)
    known = releases.releases(opened.records)
    platform = delivery.current_platform(opened)
    now = platform.running() if platform else None
    if now:
        delivery.demand_image(now.image)
    target = releases.find(known, release, running=now.image if now else None)
    between = _migrations_between(releases.between(known, target))
    if platform and now and known and now.image != known[0].image and not keep_schema:
        since = target.schema or releases.schema(known)
        between |= _unrecorded(platform, steps, now.image, since)
    lines = _way_back(opened, target, between, undo_migrations=undo_migrations)
    _demand_reversible(between, undone=undo_migrations, kept=keep_schema)
    if undo_migrations and fast:
        raise OpsError(
            "--fast switches at once, and --undo-migrations takes a backup first. "
            "Nothing was done. Say one of them"
        )
    if undo_migrations and not target.schema:
        raise OpsError(
            f"Nobody recorded which schema {target.label} had, so there is nothing to "
            "undo migrations to. Nothing was done. Name the version: stromhaltig db "
            "rollback --to VERSION"
        )
    rotation.demand_current(opened)
    for line in lines:
        say(line)
    if dry_run:
        say("Nothing was done.")
        return
    if undo_migrations and between and opened.production:
        confirm_by_name(
            "What these migrations brought will be lost.",
            stack,
            given=yes_rollback,
            option="--yes-rollback",
        )
    else:
        confirm(f"Go back to {target.label} in {stack}?", yes=yes)
    began = time.monotonic()
    with operation(opened, "rollback", {"to": target.label}) as (held, act):
        if platform is None:
            raise OpsError(f"Stack {stack} is not deployed. Nothing was done.")
        if releases.releases(opened.records) != known:
            raise OpsError(
                "Somebody deployed meanwhile. Nothing was done. Look at it, and begin "
                f"anew: stromhaltig releases --stack {stack}"
            )
        if not fast:
            planned = delivery.what_if(opened, steps, target.image)
            _agree_to_losses(opened, planned, given=yes_replace)
        if undo_migrations:
            from ops.database import migrations

            act.details["backup"] = delivery.back_up(platform, steps, "before-rollback")
            held.check()
            with steps.step("undo migrations") as facts:
                facts += migrations.rollback(platform, str(target.schema)).lines
        before = platform.running()
        try:
            if fast:
                _switch(opened, steps, target)
                _let_the_program_follow(opened, steps, target, given=yes_replace)
            held.check()
            with delivery.wanting(opened, target.image):
                delivery.update(opened, steps, before)
            delivery.prove(opened, steps, health_url)
        except UnwatchedError:
            say(f"To have it judged and recorded: stromhaltig deploy --stack {stack}")
            _tell(f"{stack} was told to go back to {target.label}. Look at it now")
            raise
        except (RollOutError, UnknownOutcomeError):
            _tell(f"Going back to {target.label} in {stack} failed. Look at it now")
            raise
        recorded = delivery.remember(
            opened,
            seconds=time.monotonic() - began,
            schema=target.schema if undo_migrations else releases.schema(known),
            back=target.number,
        )
    delivery.tell_what_is_not_built(opened)
    remind_to_commit(opened)
    _tell(f"{recorded.label} serves {stack}: back to {target.label}, {target.image}")


def _tell(text: str) -> None:
    """Say how it ended, here and to the chat."""
    say(text)
    trouble = notify(text)
    if trouble:
        complain(trouble)


def _sentences(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _schema_after(status: MigrationStatus) -> str:
    """What the database is at once the pending migrations have run."""
    return status.newest if status.pending else status.version


def _preflight(stack: Stack, steps: Steps) -> None:
    """Find what would stop a deployment half-way, before it begins.

    Raises OpsError with all of it at once.
    """
    from ops import rotation
    from ops.doctor import preflight
    from ops.platforms.platform import State

    with steps.step("preflight") as shown:
        facts = preflight(stack)
        errors = [fact for fact in facts if fact.state is State.ERROR]
        shown += [
            f"{fact.name}: {fact.says}. {fact.remedy}".strip()
            for fact in facts
            if fact.state is not State.OK
        ]
        if errors:
            names = ", ".join(fact.name for fact in errors)
            raise OpsError(f"Not ready to deploy: {names}. Nothing was done.")
        if any(f.name == "rotations" and f.state is State.UNKNOWN for f in facts):
            # There was no time for it beside the others, and it is not to be guessed.
            rotation.demand_current(stack)


def _agree(
    stack: Stack, summary: Summary, *, yes: bool, yes_replace: str | None
) -> None:
    """Ask, and ask for the stack's name where data would be lost."""
    if summary.losses:
        _agree_to_losses(stack, summary, given=yes_replace)
        return
    confirm(f"Deploy {stack.name}?", yes=yes)


def _agree_to_losses(stack: Stack, summary: Summary, *, given: str | None) -> None:
    if summary.losses:
        confirm_by_name(
            f"{len(summary.losses)} of these hold data, and would be replaced or "
            "deleted.",
            stack.name,
            given=given,
            option="--yes-replace",
        )


def _migrations_between(newer: list[Release]) -> dict[str, bool]:
    """Migrations that releases brought: the name, and whether it can be undone."""
    return {
        name: name not in release.irreversible
        for release in reversed(newer)
        for name in release.migrations
    }


def _unrecorded(
    platform: Platform, steps: Steps, image: str, since: str | None
) -> dict[str, bool]:
    """What came with a version that runs and was never recorded, above a schema.

    Nobody is kept from going back because it cannot be asked.
    """
    from ops.database import migrations
    from ops.database.migrations import State

    with steps.step("migrations") as facts:
        try:
            status = migrations.status(platform, image=image)
        except Exception as trouble:
            facts.append(f"not known: {of_a_library(trouble) or trouble}")
            return {}
        facts.append("What runs is no recorded release, so its image was asked.")
    applied = (m for m in status.brought(since) if m.state is not State.PENDING)
    found = {m.name: m.reversible for m in applied}
    # Even the image that runs has nothing that undoes these.
    return found | dict.fromkeys(status.unknown, False)


def _way_back(
    stack: Stack,
    target: Release,
    between: Mapping[str, bool],
    *,
    undo_migrations: bool,
) -> list[str]:
    """What a rollback will do."""
    names = ", ".join(between)
    schema = "The schema stays."
    if undo_migrations:
        undone = f", without {names}" if names else ""
        schema = f"The schema goes back to version {target.schema}{undone}."
    elif names:
        schema = f"The schema stays, with {names}."
    return [
        f"{stack.name} goes back to {target.label} of {target.at}: {target.image}",
        schema,
    ]


def _demand_reversible(
    between: Mapping[str, bool], *, undone: bool, kept: bool
) -> None:
    """Refuse to strand an old version on a schema that nothing leads back from.

    Raises OpsError, naming the migrations.
    """
    names = ", ".join(name for name, reversible in between.items() if not reversible)
    if names and undone:
        raise OpsError(
            f"{names}: there is no script to undo it. Nothing was done. Go back "
            "without --undo-migrations, or restore a backup: stromhaltig db restore"
        )
    if names and not kept:
        raise OpsError(
            f"{names}: there is no script to undo it, should the old version not work "
            "with it. Nothing was done. If it does: --keep-schema"
        )


def _switch(stack: Stack, steps: Steps, target: Release) -> None:
    """Let the platform run the old revision at once."""
    from ops.platforms import platform_of
    from ops.platforms.platform import Running

    platform = platform_of(stack)
    before = platform.running()
    with steps.step("switch") as facts:
        platform.switch(Running(target.deployment, target.revision, target.image))
        facts.append(delivery.judged(stack, before, platform).says)


def _let_the_program_follow(
    stack: Stack, steps: Steps, target: Release, *, given: str | None
) -> None:
    """As `_agree_to_losses`, when something was done already.

    Raises FailedError, with what serves.
    """
    try:
        planned = delivery.what_if(stack, steps, target.image)
        _agree_to_losses(stack, planned, given=given)
    except OpsError as error:
        why = str(error).removesuffix("Nothing was done.").strip()
        raise FailedError(
            f"{target.label} serves, and the program does not know it yet. {why}"
        ) from None


def _short(image: str) -> str:
    """A reference with as much of its digest as people compare."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}@{digest[:12]}" if at else image
