"""Runs the `stromhaltig` command on a stack that is rehearsed, as its operators do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.stages.stage import StageError

ROOT = Path(__file__).resolve().parents[1]

SECONDS = 120
"""How long a command may take."""

NOWHERE = "http://127.0.0.1:9/api/health"
"""Where the app's health is asked for: nobody answers, for nothing runs."""


@dataclass(frozen=True)
class Operator:
    """Somebody with the command, in the project of the rehearsal.

    environment: what leads to the engine, the state and the embedded platform.
    """

    stack: str
    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, accepted: Collection[int] = (0,)) -> str:
        """Run a command; what it printed as its result.

        Raises StageError when it ends with another exit code than those accepted.
        """
        done = subprocess.run(
            [sys.executable, "-m", "ops.cli", *arguments, "--stack", self.stack],
            cwd=self.folder,
            env={
                **{k: v for k, v in self.environment.items() if not _is_ours(k)},
                "PYTHONPATH": str(ROOT),
                "STROMHALTIG_HEALTH_URL": NOWHERE,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode not in accepted:
            raise StageError(
                f"`stromhaltig {' '.join(arguments)}` ended with {done.returncode}: "
                f"{done.stderr.strip()}"
            )
        return done.stdout

    def data(self, *arguments: str, accepted: Collection[int] = (0,)) -> Any:
        """Run a command with --json; its data."""
        return json.loads(self(*arguments, "--json", accepted=accepted))


def _is_ours(variable: str) -> bool:
    """Whether a variable of this machine would lead the command elsewhere."""
    return variable.startswith("STROMHALTIG_")
