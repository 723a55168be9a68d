"""`stromhaltig deploy`, `releases`, `rollback`: versions come, and go back."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ops import delivery, releases
from ops.audit import operation
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
    say,
)
from ops.delivery import RollOutError, UnknownOutcomeError
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.health import HealthUrlOption
from ops.notify import notify
from ops.releases import Release

if TYPE_CHECKING:
    from ops.audit import Act
    from ops.database.migrations import MigrationStatus
    from ops.lock import Held
    from ops.stack import Stack


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
        recorded = known[0].image if known else None
        former = before.image if before else recorded
        try:
            with delivery.wanting(self.stack, self.image):
                summary = delivery.plan(self.stack, self.steps)
                _agree(self.stack, summary, yes=yes, yes_replace=yes_replace)
                pending = self._migrations()
                self._back_up(pending)
                self.held.check()
                delivery.update(self.stack, self.steps, before)
                delivery.prove(self.stack, self.steps, self.health_url)
        except RollOutError as error:
            self._failed(error, former)
        except UnknownOutcomeError:
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
        self.act.details["release"] = release.label
        _tell(
            f"{release.label} serves {self.stack.name}: {release.image}, "
            f"{release.seconds:.0f} s"
        )

    def _migrations(self) -> MigrationStatus | None:
        """What is pending with the new image; None when nobody can tell.

        The image of a stack that builds it is not there yet.
        """
        platform = delivery.current_platform(self.stack)
        ref = delivery.image_setting(self.stack).ref
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
            except FailedError as error:
                raise FailedError(
                    f"{error}\nNothing was deployed. To deploy without knowing what is "
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
        except NotOfferedError as error:
            why = str(error).rstrip(".")
            raise OpsError(
                f"No backup can be taken: {why}. Nothing was done. To deploy without "
                "one: --backup never"
            ) from None
        self.act.details["backup"] = name

    def _failed(self, error: RollOutError, former: str | None) -> None:
        complain(str(error))
        now = "The old version serves." if error.rolled_back else ""
        asked = self.image or delivery.image_setting(self.stack).ref
        remedy = f"Look at it: stromhaltig status --stack {self.stack.name}"
        if error.moved and former is not None and former == asked:
            former = None
            remedy = (
                "The image is the one of before, so there is none to go back to: take "
                "back what else changed in the stack file, and deploy that: "
                f"stromhaltig deploy --stack {self.stack.name}"
            )
        if not error.moved or former is None or not self._goes_back(former):
            _tell(f"Deployment of {self.stack.name} failed. {now}".strip())
            why = " ".join(filter(None, ["Not deployed.", now, remedy]))
            raise FailedError(why) from None
        try:
            delivery.go_back(self.stack, self.steps, former, self.health_url)
        except RollOutError:
            _tell(
                f"Deployment of {self.stack.name} failed, and {former} does not serve "
                "either. Look at it now"
            )
            raise
        except UnknownOutcomeError:
            _tell(
                f"Deployment of {self.stack.name} failed, and nobody knows whether "
                f"{former} serves again. Look at it now"
            )
            raise
        _tell(f"Deployment of {self.stack.name} failed; {former} serves again.")
        raise FailedError(f"Not deployed. {former} serves again.") from None

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
    yes_replace: LossesOption = None,
    dry_run: DryRunOption = False,
    health_url: HealthUrlOption = None,
) -> None:
    """Go back to a recorded release, through the program, so that the state is true."""
    from ops.stack import Stack

    steps = Steps()
    opened = Stack(stack)
    known = releases.releases(opened.records)
    platform = delivery.current_platform(opened)
    now = platform.running() if platform else None
    target = releases.find(known, release, running=now.image if now else None)
    newer = releases.between(known, target)
    lines = _way_back(opened, target, newer, undo_migrations=undo_migrations)
    _demand_reversible(newer, undone=undo_migrations, kept=keep_schema)
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
    for line in lines:
        say(line)
    if dry_run:
        say("Nothing was done.")
        return
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
        except (RollOutError, UnknownOutcomeError):
            _tell(f"Going back to {target.label} in {stack} failed. Look at it now")
            raise
        recorded = delivery.remember(
            opened,
            seconds=time.monotonic() - began,
            schema=target.schema if undo_migrations else releases.schema(known),
            back=target.number,
        )
    _tell(f"{recorded.label} serves {stack}: back to {target.label}, {target.image}")


def _tell(text: str) -> None:
    """Say how it ended, here and to the chat."""
    say(text)
    trouble = notify(text)
    if trouble:
        complain(trouble)


def _schema_after(status: MigrationStatus) -> str:
    """What the database is at once the pending migrations have run."""
    return status.newest if status.pending else status.version


def _preflight(stack: Stack, steps: Steps) -> None:
    """Find what would stop a deployment half-way, before it begins.

    Raises OpsError with all of it at once.
    """
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


def _way_back(
    stack: Stack, target: Release, newer: list[Release], *, undo_migrations: bool
) -> list[str]:
    """What a rollback will do."""
    between = [name for r in newer for name in r.migrations]
    schema = "The schema stays."
    if undo_migrations:
        schema = f"The schema goes back to version {target.schema}."
    elif between:
        schema = f"The schema stays, with {', '.join(between)}."
    return [
        f"{stack.name} goes back to {target.label} of {target.at}: {target.image}",
        schema,
    ]


def _demand_reversible(newer: list[Release], *, undone: bool, kept: bool) -> None:
    """Refuse to strand an old version on a schema that nothing leads back from.

    Raises OpsError, naming the migrations.
    """
    names = [name for release in newer for name in release.irreversible]
    if names and undone:
        raise OpsError(
            f"{', '.join(names)}: there is no script to undo it. Nothing was done. "
            "Go back without --undo-migrations, or restore a backup: stromhaltig db "
            "restore"
        )
    if names and not kept:
        raise OpsError(
            f"{', '.join(names)}: there is no script to undo it, should the old "
            "version not work with it. Nothing was done. If it does: --keep-schema"
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
