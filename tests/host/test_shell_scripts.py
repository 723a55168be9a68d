"""Every shell script of the repository, as shellcheck sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.servers import ServerMissingError, which

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shellcheck() -> Path:
    try:
        return which("shellcheck")
    except ServerMissingError as reason:
        pytest.skip(str(reason))


def _scripts() -> list[Path]:
    return sorted([*ROOT.glob("host/*.sh"), *ROOT.glob("components/docker/*.sh")])


@pytest.mark.parametrize("script", _scripts(), ids=lambda script: script.name)
def test_shellcheck_finds_nothing(shellcheck: Path, script: Path) -> None:
    done = subprocess.run(
        [shellcheck, "--severity=style", script],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout + done.stderr == ""
