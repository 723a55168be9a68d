"""The checks of workflows on workflows that are wrong, with the real tools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.commands import ToolError
from rehearsal.progress import ConsoleProgress
from tools import workflows
from tools.servers import ServerMissingError

pytestmark = pytest.mark.slow

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., str]:
    """Change a committed workflow in a copy; gives what the checks say."""
    for folder in workflows.FOLDERS:
        shutil.copytree(workflows.ROOT / folder, tmp_path / folder)
    (tmp_path / ".git").mkdir()

    def found(file: str = "test.yml", old: str = "", new: str = "") -> str:
        path = tmp_path / ".github/workflows" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        try:
            checks = workflows.commands(ConsoleProgress(Console(stderr=True)), tmp_path)
        except (ServerMissingError, ToolError) as reason:
            pytest.skip(str(reason))
        ended = [
            subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
            for check in checks
        ]
        path.write_text(text)
        return "".join(done.stdout for done in ended if done.returncode != 0)

    return found


def test_the_committed_ones_are_without_findings(found: Callable[..., str]) -> None:
    assert found() == ""


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (CHECKOUT, "actions/checkout@v7", "unpinned-uses"),
        (
            "          persist-credentials: false\n",
            "          fetch-depth: 1\n",
            "artipacked",
        ),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("run: make check", "run: echo ${{ github.head_ref }}", "template-injection"),
        ("pull_request:\n", "pull_request_target:\n", "dangerous-triggers"),
        ("run: make check", 'run: "[ $X = 1 ] && echo `ls`"', "shellcheck"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-1.04", "runner-label"),
        ("github.ref }}", "github.reff }}", "expression"),
        ("cancel-in-progress", "cancel-in-progres", "syntax-check"),
    ],
)
def test_what_is_wrong_is_found(
    found: Callable[..., str], old: str, new: str, finding: str
) -> None:
    assert finding in found(old=old, new=new)
