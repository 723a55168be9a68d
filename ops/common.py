"""What commands have in common: options, questions, progress, and how they end.

Exit codes, of every command:

    0    done, or all is well
    1    FAILED: work did not succeed, or what was looked at is not well
    2    REFUSED: nothing was done; the message says why, and what to do
    130  interrupted

Results go to standard output, progress and messages to standard error, so that
`--json` leaves nothing else on standard output. In a job on GitHub messages are
redacted; results are not.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ops.errors import FailedError, OpsError

if TYPE_CHECKING:
    from ops.stack import Stack

FAILED = 1
"""Exit code of a command whose work failed, or that found something unwell."""

REFUSED = 2
"""Exit code of a command that could not begin: its message says why."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def stack_files(incomplete: str) -> list[str]:
    """Stacks that have a file in the project, for the shell to complete."""
    from ops.stack import project

    names = (path.name.split(".", 1)[1] for path in project().glob("Pulumi.*.yaml"))
    stacks = sorted(name.removesuffix(".yaml") for name in names)
    return [stack for stack in stacks if stack.startswith(incomplete)]


def stack_option(says: str, callback: Callable[..., str | None] | None = None) -> Any:
    """The option of commands that work on a stack, which the shell completes."""
    return typer.Option(
        "--stack",
        "-s",
        envvar="STROMHALTIG_STACK",
        help=says,
        autocompletion=stack_files,
        callback=callback,
    )


def _unless_file(
    context: typer.Context, parameter: typer.CallbackParam, stack: str | None
) -> str | None:
    """Have a stack that only the environment names give way to a file.

    What is typed comes before what the environment says: the file is known by now.
    """
    source = context.get_parameter_source(str(parameter.name))
    typed = source is not None and source.name == "COMMANDLINE"
    return stack if typed or not context.params.get("file") else None


OfStackOption = Annotated[str, stack_option("Which stack, as Pulumi knows it.")]
StackOption = Annotated[
    str | None, stack_option("Which stack, as Pulumi knows it.", _unless_file)
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="Instead: an exported state, or `pulumi preview --json --show-sames`.",
    ),
]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="The stack as `pulumi up` would make it.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="For programs: JSON, and nothing else.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]


def refuse(message: str) -> NoReturn:
    """End the command with a message on standard error."""
    complain(message)
    raise typer.Exit(REFUSED) from None


def complain(message: str) -> None:
    """Print a message about something wrong on standard error."""
    text = _for_the_log(message)
    Console(stderr=True).print(text, style="red", markup=False, soft_wrap=True)


def say(message: str) -> None:
    """Tell what goes on, on standard error."""
    text = _for_the_log(message)
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _for_the_log(message: str) -> str:
    """A message without what nobody outside may read, where its log is public.

    A job's on GitHub is. Messages quote what the app, Pulumi and the platform say.
    """
    if not os.environ.get("GITHUB_ACTIONS"):
        return message
    from ops.ci.redaction import redact

    return redact(message)


def is_kept(stack: Stack) -> bool:
    """Whether the stack's file is kept; a review's is written anew for each update."""
    return stack.get("platform") != "aws-review"


def remind_to_commit(stack: Stack) -> None:
    """Tell that a stack file which a command changed has to be committed."""
    if is_kept(stack):
        say(
            f"Commit Pulumi.{stack.name}.yaml: whoever deploys from the one before "
            "takes this back."
        )


def print_json(data: object) -> None:
    """Print data on standard output, dataclasses and dates included."""
    print(json.dumps(data, indent=2, default=_plain))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table on standard output.

    Nothing is cut off, for names are there to be copied; brackets are no markup.
    """
    table = Table(*(Column(head, overflow="fold") for head in heads))
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    Console().print(table)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no data")


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when somebody agrees.

    Raises OpsError when nobody is there to ask, or the answer is no.
    """
    if yes:
        return
    _demand_terminal("--yes")
    if _asked(f"{question} [y/N] ").lower() not in {"y", "yes", "j", "ja"}:
        raise OpsError("Nothing was done.")


def confirm_by_name(
    question: str, name: str, *, given: str | None, option: str
) -> None:
    """Go on only when somebody types a name: for what destroys data.

    given: the value of the option that answers in advance.

    Raises OpsError when nobody is there to ask, or the name is another.
    """
    if given is None:
        _demand_terminal(f"{option} {name}")
        given = _asked(f'{question}\nType "{name}" to go on: ')
    if given != name:
        raise OpsError(f'"{given}" is not "{name}". Nothing was done.')


def _asked(question: str) -> str:
    """What somebody answers; nothing when they end the input instead."""
    try:
        return input(question).strip()
    except EOFError:
        return ""


def _demand_terminal(option: str) -> None:
    if not sys.stdin.isatty():
        raise OpsError(
            "This asks for a confirmation, and there is no terminal to ask at. "
            f"Confirm in advance: {option}"
        )


class Steps:
    """Shows the steps of a command as they pass, on standard error."""

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """One step. What is appended to the list is shown below it."""
        began = time.monotonic()
        facts: list[str] = []
        try:
            yield facts
        except BaseException as error:
            # A refusal by exit is told by who refuses.
            mark = "·" if isinstance(error, typer.Exit) else "✗"
            self._show(mark, name, began, facts)
            raise
        self._show("✓", name, began, facts)

    def _show(self, mark: str, name: str, began: float, facts: list[str]) -> None:
        say(f"{mark} {name:<22} {time.monotonic() - began:6.1f} s")
        for fact in facts:
            say(f"    {fact}")


@contextmanager
def reported() -> Iterator[None]:
    """Turn what went wrong into a message and an exit code."""
    try:
        yield
    except FailedError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    except OpsError as error:
        refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):  # the second is of a hidden prompt
        complain("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        message = of_a_library(error)
        if message is None:
            raise
        complain(message)
        raise typer.Exit(FAILED) from None


def of_a_library(error: Exception) -> str | None:
    """Return what a client of a platform or this machine says, if it is one of theirs.

    By module: importing them all to tell them apart would take a second.
    """
    package = type(error).__module__.partition(".")[0]
    if package in {"botocore", "boto3"}:
        return _of_aws(error)
    if package in {"docker", "psycopg", "httpx", "requests"}:
        return f"{package}: {str(error).strip()}"
    if package == "pulumi":
        return f"pulumi: {of_pulumi(error) or type(error).__name__}"
    # A pipe that nobody reads any more ends the command without a word.
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return f"{error.filename or 'This machine'}: {error.strerror or error}"
    return None


def of_pulumi(error: Exception) -> str:
    """Return what Pulumi complains of.

    The rest of its error is what it printed, which may be configuration in clear.
    """
    return str(error).partition("stderr:")[2].strip()


def _of_aws(error: Any) -> str:
    response = getattr(error, "response", None) or {}
    code = response.get("Error", {}).get("Code", type(error).__name__)
    message = response.get("Error", {}).get("Message", str(error))
    operation = getattr(error, "operation_name", None)
    remedies = {
        "AccessDenied": "The role lacks a permission; ask who manages it.",
        "AccessDeniedException": "The role lacks a permission; ask who manages it.",
        "ExpiredToken": "Sign in again, such as with: aws sso login",
        "ExpiredTokenException": "Sign in again, such as with: aws sso login",
        "NoCredentialsError": "Sign in first, such as with: aws sso login",
        "RequestExpired": "Sign in again, and check the clock of this machine.",
        "Throttling": "AWS asks to slow down. Try again in a minute.",
        "ThrottlingException": "AWS asks to slow down. Try again in a minute.",
        "UnrecognizedClientException": "Sign in again, such as with: aws sso login",
    }
    where = f"AWS, {operation}" if operation else "AWS"
    return f"{where}: {code}: {message}. {remedies.get(code, '')}".rstrip()
