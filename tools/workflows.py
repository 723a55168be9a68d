"""Checks the workflows of GitHub Actions: `python -m tools.workflows`.

actionlint, built once with Go as `tools/actionlint/go.mod` pins it, knows their grammar
and the expressions in them, and has shellcheck read their scripts. zizmor, from PyPI,
knows what makes them dangerous. Neither asks anybody: this works without internet.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rehearsal.cache import cache_root
from rehearsal.commands import ToolError
from rehearsal.golang import Pinned, built
from rehearsal.progress import ConsoleProgress, Progress
from tools.servers import ServerMissingError, which

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "tools" / "actionlint"

FOLDERS = (".github", "examples/app-repository/.github")
"""Where workflows, actions and the audit's settings are: ours, and those of the app's
repository."""

_PACKAGE = "github.com/rhysd/actionlint"

_NEWER = 'unexpected key "queue" for "concurrency" section'
"""What actionlint finds in grammar that is younger than its version 1.7.12."""


def actionlint(progress: Progress) -> Path:
    """Return the pinned actionlint.

    Raises ToolError when it cannot be built.
    """
    pinned = re.search(
        rf"^require {re.escape(_PACKAGE)} v(\S+)$",
        (MODULE / "go.mod").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if pinned is None:
        raise ToolError(f"{MODULE / 'go.mod'} does not require {_PACKAGE}")
    tool = Pinned(
        name="tool/actionlint",
        module=MODULE,
        package=f"{_PACKAGE}/cmd/actionlint",
        program="actionlint",
        version=pinned[1],
        variable=f"{_PACKAGE}.version",
    )
    return built(tool, f"actionlint {pinned[1]}", cache_root(), progress)


def commands(progress: Progress, root: Path = ROOT) -> list[list[str]]:
    """Return the commands that check every workflow of a clone.

    Raises ToolError or ServerMissingError when a tool is missing.
    """
    linter = [
        *(actionlint(progress), "-pyflakes=", "-shellcheck", which("shellcheck")),
        *("-ignore", _NEWER),
    ]
    zizmor = Path(sys.executable).parent / "zizmor"
    audit = [zizmor, "--offline", "--persona=pedantic", "--no-progress", "--quiet"]
    folders = [root / folder for folder in FOLDERS]
    workflows = [
        file for folder in folders for file in sorted(folder.glob("workflows/*.yml"))
    ]
    return [
        [*map(str, linter), *map(str, workflows)],
        *(
            [*map(str, audit), "--config", f"{folder}/zizmor.yml", str(folder)]
            for folder in folders
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every workflow; 1 when something is found, 2 when a tool is missing."""
    if sys.argv[1:] if arguments is None else arguments:
        print("python -m tools.workflows takes no arguments", file=sys.stderr)
        return 2
    try:
        checks = commands(ConsoleProgress(Console(stderr=True)))
    except (ServerMissingError, ToolError) as error:
        print(error, file=sys.stderr)
        return 2
    return max(min(subprocess.run(check, cwd=ROOT).returncode, 1) for check in checks)


if __name__ == "__main__":
    sys.exit(main())
