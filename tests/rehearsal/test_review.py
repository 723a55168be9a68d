"""Reviews beside their base, with the real engine: up, down, and the base unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.everything import copy_program

PATIENCE = 600
STEPS = [
    "up",
    "preview again",
    "pr-1 up",
    "pr-2 up",
    "release",
    "base with reviews",
    "reviews down",
    "base without",
]

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the program: the developer's own rehearsal is not disturbed."""
    target = tmp_path / "clone"
    copy_program(target)
    return target


def rehearse(clone: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and report of the rehearsal of reviews."""
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal", "run", "--stack", "review", "--json"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def alter(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_two_reviews_come_and_go_and_leave_the_base_as_it_was(clone):
    code, report = rehearse(clone)
    assert code == 0, report["steps"][-1]["error"]
    assert [step["name"] for step in report["steps"]] == STEPS
    facts = {step["name"]: " ".join(step["facts"]) for step in report["steps"]}
    for number in (1, 2):
        said = facts[f"pr-{number} up"]
        assert f"https://pr-{number}.staging.stromhaltig.de" in said
        assert f"database pr_{number}" in said
        assert "none in clear in state or output" in said
        assert "the next preview is empty" in said
    for name in ("base with reviews", "base without"):
        assert "no change wanted, no drift" in facts[name]
    assert "everything of both is gone, and nothing else" in facts["reviews down"]
    assert not (clone / ".rehearsal" / "review").exists()
    assert list(clone.glob("Pulumi.pr-*")) == []


def test_a_review_that_changes_its_base_is_found_out(clone):
    """As by capacity that is set for a cluster which is the base's."""
    alter(
        clone / "stacks/aws/review.py",
        "    service = Service(\n",
        "    from pulumi_aws.ecs import ClusterCapacityProviders\n"
        "    ClusterCapacityProviders(\n"
        "        f'{name}-claim',\n"
        "        cluster_name=names.base(settings.base),\n"
        "        capacity_providers=['FARGATE'],\n"
        "    )\n"
        "    service = Service(\n",
    )
    code, report = rehearse(clone)
    assert code == 1
    failed = report["steps"][-1]
    assert failed["name"] == "base with reviews"
    assert failed["error"].startswith("drifted: ")
    assert "aws:ecs/clusterCapacityProviders" in failed["error"]


def test_a_base_that_has_no_reviews_is_told_before_anything_is_made(clone):
    alter(
        clone / "Pulumi.staging.yaml",
        "  stromhaltig:reviews:\n    connections: 10\n",
        "",
    )
    code, report = rehearse(clone)
    assert code == 1
    failed = report["steps"][-1]
    assert failed["name"] == "pr-1 up"
    assert '"staging" has no reviews. Turn them on there' in failed["error"]
