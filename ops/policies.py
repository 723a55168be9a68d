"""`stromhaltig policies`: judges a stack, an exported state or a preview."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.stack_graph import graph_of
from policies import exceptions
from policies.catalogue import POLICIES
from policies.evaluate import judge
from policies.report import as_data, show
from resource_graph import GraphError

FAILED = 1
"""Exit code when something is open, or a policy failed itself."""

REFUSED = 2
"""Exit code when there is nothing to judge, or no way to."""


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"


def check(
    stack: Annotated[
        str | None, typer.Option(help="Which stack, as Pulumi knows it.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Instead: an exported state, or `pulumi preview --json --show-sames`."
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option(help="The stack as `pulumi up` would make it.")
    ] = False,
    accepted: Annotated[
        Path,
        typer.Option("--exceptions", help="Findings that are accepted, in YAML."),
    ] = exceptions.FILE,
    output: Annotated[
        Format, typer.Option(help="For people or programs.")
    ] = Format.text,
) -> None:
    """Judge a stack by every policy of the pack.

    Ends with 1 when something is open, 2 when nothing could be judged.
    """
    try:
        graph = graph_of(stack, file, preview=preview)
        known = [policy.id for policy in POLICIES]
        judgement = judge(graph, POLICIES, exceptions.load(accepted, known))
    except (GraphError, exceptions.ExceptionsError) as error:
        Console(stderr=True).print(
            str(error), style="red", markup=False, soft_wrap=True
        )
        raise typer.Exit(REFUSED) from None
    if output is Format.json:
        print(json.dumps(as_data(graph, judgement), indent=2))
    else:
        show(graph, judgement, Console())
    if not judgement.passed:
        raise typer.Exit(FAILED)
