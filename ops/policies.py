"""`stromhaltig policies`: judges a stack, an exported state or a preview."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.common import (
    FAILED,
    FileOption,
    JsonOption,
    PreviewOption,
    StackOption,
    print_json,
    refuse,
)


def check(
    stack: StackOption = None,
    file: FileOption = None,
    preview: PreviewOption = False,
    accepted: Annotated[
        Path | None,
        typer.Option(
            "--exceptions",
            help="Findings that are accepted; default policies/exceptions.yaml.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a stack by every policy of the pack.

    Ends with 1 when something is open, 2 when nothing could be judged.
    """
    # Only now: what other commands do without takes half a second.
    from ops.stack_graph import graph_of
    from policies import exceptions
    from policies.catalogue import POLICIES
    from policies.evaluate import judge
    from policies.report import as_data, show
    from resource_graph import GraphError

    try:
        graph = graph_of(stack, file, preview=preview)
        known = [policy.id for policy in POLICIES]
        judgement = judge(
            graph, POLICIES, exceptions.load(accepted or exceptions.FILE, known)
        )
    except (GraphError, exceptions.ExceptionsError) as error:
        refuse(str(error))
    if as_json:
        print_json(as_data(graph, judgement))
    else:
        show(graph, judgement, Console())
    if not judgement.passed:
        raise typer.Exit(FAILED)
