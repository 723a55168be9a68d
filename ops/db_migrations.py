"""`stromhaltig db status|migrate|rollback`: the schema, by the app's own migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import (
    FAILED,
    DryRunOption,
    JsonOption,
    Steps,
    YesOption,
    confirm,
    confirm_by_name,
    print_json,
    print_table,
    say,
)
from ops.db_target import AddressEnvOption, Target, TargetStackOption
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.database.migrations import MigrationStatus, Runner
    from ops.platforms.platform import Platform

ImageOption = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE",
        help="Image that has the migrations; default what runs.",
    ),
]
BackupOption = Annotated[
    bool, typer.Option(help="Take a backup first, to go back to if need be.")
]


def status(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    image: ImageOption = None,
    json: JsonOption = False,
) -> None:
    """Show which migrations are applied, and which are pending.

    Exit code 1 when some are pending.
    """
    from ops.database import migrations

    found = migrations.status(_runner(Target(stack, address_env)), image)
    if json:
        print_json(found)
    else:
        _show(found)
    if found.pending:
        raise typer.Exit(FAILED)


def migrate(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    image: ImageOption = None,
    backup: BackupOption = True,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Apply the migrations that are pending; each as a whole, or not at all."""
    from ops.database import migrations

    target = Target(stack, address_env)
    runner = _runner(target)
    found = migrations.status(runner, image)
    if not found.pending:
        say(f"The database is at version {found.version}; nothing is pending.")
        return
    say(f"To be applied to the database of {target}, at version {found.version}:")
    for name in found.pending:
        undone = " (cannot be undone)" if name in found.irreversible else ""
        say(f"    {name}{undone}")
    if dry_run:
        say("Nothing was done.")
        return
    place = _place_of_backup(target) if backup else None
    confirm(f"Migrate the database of {target}?", yes=yes)
    steps = Steps()
    with target.operation("db migrate", {"migrations": ", ".join(found.pending)}):
        _back_up(place, steps, "before-migrate")
        with steps.step("migrate") as facts:
            facts += migrations.migrate(runner, image).lines
    say(f"Applied {len(found.pending)}: {target} is at version {found.newest}.")


def rollback(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Undo all above it, such as 002; 000 undoes everything. By default "
            "the last one.",
        ),
    ] = None,
    image: ImageOption = None,
    backup: BackupOption = True,
    yes: YesOption = False,
    yes_rollback: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Answers in advance for a production stack, or an address: its name, "
            "or that of the database.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Undo migrations by their rollback scripts, the newest first.

    What they drop is lost; a backup is taken before. The app that runs must work with
    the older schema.
    """
    from ops.database import migrations

    target = Target(stack, address_env)
    runner = _runner(target)
    found = migrations.status(runner, image)
    to = _version(found, to)
    undone = found.undone_by(to)
    _demand_scripts(found, to)
    say(
        f"The database of {target} goes back from version {found.version} to {to}. "
        "Tables and columns that the scripts drop are lost with their data:"
    )
    for migration in undone:
        say(f"    {migration.name}")
    if dry_run:
        say("Nothing was done.")
        return
    place = _place_of_backup(target) if backup else None
    _agree(target, to, yes=yes, given=yes_rollback)
    steps = Steps()
    names = ", ".join(migration.name for migration in undone)
    with target.operation("db rollback", {"to": to, "migrations": names}):
        _back_up(place, steps, "before-rollback")
        with steps.step("roll back") as facts:
            facts += migrations.rollback(runner, to, image).lines
    say(f"Undid {len(undone)}: {target} is at version {to}.")


def _runner(target: Target) -> Runner:
    """Who runs the app's commands.

    Raises OpsError for what is no address: the app would call it by another name.
    """
    from ops.database.address import Address
    from ops.database.migrations import LocalApp

    if platform := target.platform():
        return platform
    Address.parse(target.url)
    return LocalApp(target.url)


def _show(found: MigrationStatus) -> None:
    from ops.database.migrations import State

    print_table(
        ("migration", "state", "applied", "can be undone"),
        (
            (
                one.name,
                "by a newer release" if one.state is State.UNKNOWN else one.state.value,
                f"{one.applied_at:%Y-%m-%d %H:%M:%S %Z}" if one.applied_at else "",
                "yes" if one.reversible else "no",
            )
            for one in found.migrations
        ),
    )
    print(f"The database is at version {found.version}; {len(found.pending)} pending.")


def _version(found: MigrationStatus, to: str | None) -> str:
    """The version to go back to, as file names have it.

    Raises OpsError for one that is none, or not below the present one.
    """
    from ops.database.migrations import padded

    current = int(found.version)
    if current == 0:
        raise OpsError("No migration was applied: there is nothing to roll back.")
    if to is not None and not to.isdecimal():
        raise OpsError(f'--to "{to}" is no version. One looks like 002.')
    goal = current - 1 if to is None else int(to)
    if goal >= current:
        raise OpsError(
            f"--to {padded(goal)}: the database is at version {found.version}. Name a "
            "lower one; `stromhaltig db migrate` leads upwards."
        )
    return padded(goal)


def _demand_scripts(found: MigrationStatus, to: str) -> None:
    """Refuse before a backup is taken what the app would refuse after it."""
    from ops.database.migrations import State

    missing = [m for m in found.undone_by(to) if not m.reversible]
    if not missing:
        return
    names = ", ".join(migration.name for migration in missing)
    if any(migration.state is State.UNKNOWN for migration in missing):
        remedy = "A newer release applied it: name that release's image with --image."
    else:
        remedy = "Restore a backup instead: stromhaltig db restore."
    raise OpsError(f"{names}: the image has no script to undo it. {remedy}")


def _place_of_backup(target: Target) -> Platform:
    """Where a backup goes. Raises OpsError for an address, which has no such place."""
    platform = target.platform()
    if platform is None:
        raise OpsError(
            "An address says nothing of a place for a backup. Make one with "
            "`stromhaltig db backup`, and then say --no-backup."
        )
    return platform


def _back_up(place: Platform | None, steps: Steps, label: str) -> None:
    if place:
        from ops.delivery import back_up

        back_up(place, steps, label)


def _agree(target: Target, to: str, *, yes: bool, given: str | None) -> None:
    question = f"Roll the database of {target} back to version {to}?"
    if target.stack and not target.stack.production:
        confirm(question, yes=yes)
        return
    if target.stack:
        name = target.stack.name
    else:
        with target.database() as address:
            name = address.database
    confirm_by_name(question, name, given=given, option="--yes-rollback")
