"""Where a command gets the resources of a stack from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ops.stack import project
from resource_graph import GraphError, ResourceGraph, parse, read


def graph_of(stack: str | None, file: Path | None, *, preview: bool) -> ResourceGraph:
    """The graph in a file, or of a stack: as it is, or as `pulumi up` would make it.

    Raises GraphError when neither or both are given, for a preview of a file, and with
    what Pulumi says when the stack cannot be read.
    """
    if (stack is None) == (file is None):
        raise GraphError("Say which: --stack NAME or --file FILE.")
    if file is not None:
        if preview:
            raise GraphError("--preview is of a stack. Give --stack NAME, or --file.")
        return read(file)
    command = ["preview", "--json", "--show-sames"] if preview else ["stack", "export"]
    return parse(pulumi_json(*command, "--stack", str(stack)))


def pulumi_json(*arguments: str) -> Any:
    """The JSON that a command of Pulumi prints, run in the project.

    Raises GraphError with what Pulumi says when it fails or prints none.
    """
    command = f"pulumi {' '.join(arguments)}"
    try:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=project(),
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise GraphError(
            "There is no `pulumi` on PATH. Install it, or give an exported state: "
            "--file state.json"
        ) from error
    try:
        printed = json.loads(done.stdout)
    except ValueError:
        printed = None
    if done.returncode != 0:
        said = done.stderr.strip() or _errors(printed) or done.stdout.strip()
        raise GraphError(f"{command}: {said}")
    if printed is None:
        raise GraphError(f"{command} printed no JSON, but: {done.stdout.strip()}")
    return printed


def _errors(preview: Any) -> str:
    """Why a preview failed, which its JSON says and nothing else."""
    told = preview.get("diagnostics") if isinstance(preview, dict) else None
    return "\n".join(
        diagnostic["message"].strip()
        for diagnostic in told or ()
        if diagnostic.get("severity") == "error"
    )
