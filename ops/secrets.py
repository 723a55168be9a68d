"""`stromhaltig secrets`: which there are, and how they change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import (
    DryRunOption,
    JsonOption,
    OfStackOption,
    Steps,
    YesOption,
    confirm,
    print_json,
    print_table,
    remind_to_commit,
    say,
)
from ops.errors import OpsError

if TYPE_CHECKING:
    from contract import Variable
    from ops.stack import Stack

app = typer.Typer(no_args_is_help=True, help="Secrets: which there are, new ones.")

Name = Annotated[str, typer.Argument(help="Name of the variable, such as JWT_SECRET.")]
DeployOption = Annotated[
    bool | None,
    typer.Option(
        "--deploy/--no-deploy",
        help="Roll it out at once, or leave that to the next deployment; default: ask.",
    ),
]


@app.command("list")
def list_secrets(stack: OfStackOption, as_json: JsonOption = False) -> None:
    """List secrets: where they are, when they changed, whether the app gets them.

    No value is read, and none is shown.
    """
    from ops.secret_inventory import inventory
    from ops.stack import Stack

    found = inventory(Stack(stack))
    if as_json:
        print_json(found)
        return
    print_table(
        ("secret", "kind", "where", "changed", "the app gets it"),
        (
            (
                secret.name,
                secret.kind,
                secret.where or "not set",
                _day(secret.changed) if secret.where else "",
                secret.given,
            )
            for secret in found
        ),
    )


def _day(at: datetime | None) -> str:
    if at is None:
        return "not known"
    days = (datetime.now(UTC) - at).days
    return f"{at:%Y-%m-%d}, {days} d ago"


@app.command("set")
def set_secret(
    name: Name,
    stack: OfStackOption,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the value from standard input.")
    ] = False,
    deploy: DeployOption = None,
    yes: YesOption = False,
) -> None:
    """Set a secret that only you know, asked for without showing it.

    The value is checked by the app's rule before anything is written. It is on no
    command line, in no log and in no message.
    """
    from ops import rotation
    from ops.audit import operation
    from ops.stack import Stack

    opened = Stack(stack)
    variable = _settable(opened, name)
    if variable.previous:
        confirm(f"Everybody is signed out by another {name}. Go on?", yes=yes)
    value = _value(variable, from_stdin=stdin)
    with _reminding(opened):
        with operation(opened, "secrets set", {"name": name}) as (held, act):
            if opened.get(f"rotations.{name}") is not None:
                opened.unset(f"rotations.{name}")
                if variable.previous:
                    opened.unset("accept_previous")
            opened.set_secret(f"secrets.{name}", value)
            say(f"{name} is set in the stack file, encrypted.")
            if not _deployed_now(opened, deploy, yes=yes):
                say(f"Not rolled out: stromhaltig deploy --stack {opened.name}")
                return
            rotation.demand_current(opened)
            held.check()
            act.details["rolled out"] = "yes"
            rotation.roll_out(opened, Steps())
        say(f"{opened.name} runs with the new {name}.")


@contextmanager
def _reminding(stack: Stack) -> Iterator[None]:
    """Remind at the end to commit the stack file; after a failure, if it was changed.

    What was begun is gone on with by the next run, or by a deployment: from this file.
    """
    before = _content(stack.file)
    try:
        yield
    except BaseException:
        if _content(stack.file) != before:
            remind_to_commit(stack)
        raise
    remind_to_commit(stack)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _settable(stack: Stack, name: str) -> Variable:
    """The secret, if its value is somebody's to choose.

    Raises OpsError for what the platform makes.
    """
    from contract import Kind
    from ops import rotation

    variable = rotation.variable_of(stack, name)
    other = rotation.made_with(name)
    if other or variable.kind is Kind.PLATFORM:
        raise OpsError(
            f"{name} is made by the platform, and not yours to set. Rotate it: "
            f"stromhaltig secrets rotate {other or name} --stack {stack.name}"
        )
    return variable


def _value(variable: Variable, *, from_stdin: bool) -> str:
    """Ask for a value, or read it, and check it.

    Raises OpsError for one that the app would not take; the message has no part of it.
    """
    if from_stdin:
        value = sys.stdin.read().removesuffix("\n")
    elif sys.stdin.isatty():
        prompt = f"{variable.name} (not shown)"
        value = str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True))
    else:
        raise OpsError(
            "There is no terminal to ask at. Send the value through a pipe: --stdin"
        )
    if not variable.rule.accepts(value):
        raise OpsError(
            f"{variable.name} must be {variable.rule.says}. Nothing was set."
        )
    return value


def _deployed_now(stack: Stack, wanted: bool | None, *, yes: bool) -> bool:
    """Whether to roll out, which nobody is asked who said so, or is not there."""
    if wanted is not None:
        return wanted
    if not stack.outputs:
        return False
    if yes or not sys.stdin.isatty():
        return yes
    try:
        confirm("Roll it out now?", yes=False)
    except OpsError:
        return False
    return True


@app.command()
def rotate(
    name: Name,
    stack: OfStackOption,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="Of JWT_SECRET: stop accepting the one before."),
    ] = False,
    sign_out: Annotated[
        bool,
        typer.Option(
            "--sign-out",
            help="Of JWT_SECRET, when it leaked: everybody has to sign in again.",
        ),
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Have a secret made up anew, and roll it out while the old one is valid.

    JWT_SECRET, HEALTH_CHECK_TOKEN, DATABASE_URL (the password in it) and REDIS_URL. A
    run that was interrupted is gone on with by the next one.
    """
    from ops import rotation
    from ops.audit import operation
    from ops.stack import Stack

    opened, steps = Stack(stack), Steps()
    planned = rotation.plan(opened, name, sign_out=sign_out, finish=finish)
    for step in planned.steps:
        say(f"- {step}")
    if dry_run:
        say("Nothing was done.")
        return
    confirm(f"Rotate {name} of {opened.name}?", yes=yes)
    command = "secrets finish" if finish else "secrets rotate"
    with _reminding(opened):
        with operation(opened, command, {"name": name}) as (held, _):
            rotation.rotate(opened, planned, steps, held)
        say(f"{opened.name} runs with the new {name}.")
