"""Programs that are run to the end, with a reason when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rehearsal import processes

_LAST_LINES = 15


class ToolError(Exception):
    """Something that is needed cannot be had here; the message says what would help."""


def checked(
    failure: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_stderr: Callable[[str], None] = lambda _: None,
) -> str:
    """Return the standard output of a command.

    failure: what has failed when it fails. timeout: in seconds. on_start: told the
    process id. on_stderr: told each line of the standard error.

    Raises ToolError with the last lines of its output.
    """
    try:
        completed = processes.run(
            command,
            env=os.environ if env is None else env,
            cwd=cwd,
            timeout=timeout,
            on_start=on_start,
            on_stderr=on_stderr,
        )
    except OSError as error:
        raise ToolError(f"{failure}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{failure}: no end after {timeout:.0f} s") from error
    if completed.returncode != 0:
        output = (completed.stdout + completed.stderr).strip().splitlines()
        told = "\n".join(f"    {line}" for line in output[-_LAST_LINES:])
        raise ToolError(f"{failure}, exit code {completed.returncode}:\n{told}")
    return completed.stdout
