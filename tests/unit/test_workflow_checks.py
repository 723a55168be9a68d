"""`python -m tools.workflows`: which checks are run, and how it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from rehearsal.commands import ToolError
from rehearsal.golang import Pinned
from tools import workflows


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that are not run, in place of those that would be built or fetched."""
    monkeypatch.setattr(workflows, "built", lambda *_: tmp_path / "actionlint")
    monkeypatch.setattr(workflows, "which", lambda name: tmp_path / name)
    return tmp_path


def test_every_workflow_is_linted_and_both_folders_are_audited(tools: Path) -> None:
    lint, *audits = workflows.commands(SimpleNamespace())
    files = [Path(word) for word in lint if word.endswith(".yml")]
    committed = [*workflows.ROOT.glob(".github/workflows/*.yml")]
    assert set(committed) < set(files)
    assert {file.name for file in set(files) - set(committed)} == {
        "build.yml",
        "deploy.yml",
    }
    assert lint[0] == str(tools / "actionlint")
    assert [audit[-1] for audit in audits] == [
        str(workflows.ROOT / folder) for folder in workflows.FOLDERS
    ]
    for audit in audits:
        assert "--offline" in audit
        assert Path(audit[audit.index("--config") + 1]).is_file()


def test_the_version_is_the_one_that_the_module_pins(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Pinned] = []

    def built(pinned: Pinned, what: str, *_: object) -> Path:
        asked.append(pinned)
        return tools / what

    monkeypatch.setattr(workflows, "built", built)
    workflows.actionlint(SimpleNamespace())
    [pinned] = asked
    text = (workflows.MODULE / "go.mod").read_text()
    assert f"require {pinned.package.removesuffix('/cmd/actionlint')}" in text
    assert f" v{pinned.version}\n" in text


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0, 0], 0), ([1, 0, 0], 1), ([0, 0, 14], 1)]
)
def test_every_check_runs_and_any_finding_ends_with_1(
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    expected: int,
) -> None:
    left = list(codes)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, left.pop(0))

    monkeypatch.setattr(workflows.subprocess, "run", run)
    assert workflows.main([]) == expected
    assert left == []


def test_a_tool_that_cannot_be_had_ends_with_2(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> Path:
        raise ToolError("there is no Go")

    monkeypatch.setattr(workflows, "built", missing)
    assert workflows.main([]) == 2
    assert capsys.readouterr().err == "there is no Go\n"


def test_arguments_are_refused() -> None:
    assert workflows.main(["--fix"]) == 2
