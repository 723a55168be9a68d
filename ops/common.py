"""What commands have in common: options, and how they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

REFUSED = 2
"""Exit code of a command that could not begin: its message says why."""

StackOption = Annotated[
    str | None, typer.Option("--stack", help="Which stack, as Pulumi knows it.")
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


def refuse(message: str) -> NoReturn:
    """End the command with a message on standard error."""
    Console(stderr=True).print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(REFUSED) from None
