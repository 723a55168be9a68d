"""`stromhaltig db shell`: psql for the database of a stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ops.db_target import AddressEnvOption, Target, TargetStackOption
from ops.interrupts import left_to_the_child

SCRIPT = ("--no-psqlrc", "--set=ON_ERROR_STOP=1")
"""How SQL that nobody types is run: whoever wrote it knows nothing of ~/.psqlrc."""

OLDEST = 12
"""Major version of psql from which it is good enough to talk to newer servers."""


def shell(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    admin: Annotated[
        bool,
        typer.Option(
            "--admin", help="Sign in as somebody who may create databases and roles."
        ),
    ] = False,
) -> None:
    """Open psql, or run the SQL of standard input.

    The password goes through the environment; errors of a script stop it.
    """
    from ops.database.programs import program

    psql = program("psql", least=OLDEST)
    target = Target(stack, address_env)
    with (
        _recorded(target, "db shell", {"admin": str(admin)}),
        target.database(admin=admin) as address,
        left_to_the_child(),
    ):
        done = subprocess.run(
            [psql, *([] if sys.stdin.isatty() else SCRIPT)],
            env={**_without_other_servers(), **address.environment()},
        )
    if done.returncode != 0:
        raise typer.Exit(done.returncode)


def _without_other_servers() -> dict[str, str]:
    """Our environment without libpq's variables, such as another PGHOSTADDR."""
    return {key: os.environ[key] for key in os.environ if not key.startswith("PG")}


@contextmanager
def _recorded(target: Target, command: str, details: dict[str, str]) -> Iterator[None]:
    """Be in the audit log, without keeping others from the stack."""
    if target.stack is None:
        yield
        return
    from ops.audit import audited

    with audited(target.stack.records, command, details):
        yield
