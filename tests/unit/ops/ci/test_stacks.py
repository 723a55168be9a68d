"""Which stacks a change touches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops.ci import stacks
from ops.ci.stacks import (
    StackFile,
    changed_paths,
    image_before,
    stack_files,
    touched,
)
from ops.errors import OpsError

ROOT = Path(__file__).parents[4]
COMMITTED = stack_files(ROOT)


def names(*paths: str, of: list[StackFile] = COMMITTED) -> list[str]:
    return [stack.name for stack in touched(paths, of)]


def platforms(*paths: str) -> set[str]:
    return {stack.platform for stack in touched(paths, COMMITTED)}


def test_a_stack_file_touches_its_stack() -> None:
    assert names("Pulumi.staging.yaml") == ["staging"]


def test_a_stack_whose_file_is_deleted_is_not_previewed() -> None:
    assert names("Pulumi.gone.yaml") == []


def test_the_program_touches_every_stack() -> None:
    every = [stack.name for stack in COMMITTED]
    for path in ("contract.py", "stacks/outputs.py", "uv.lock", "Pulumi.yaml"):
        assert names(path) == every


def test_a_platforms_part_touches_its_stacks_only() -> None:
    assert platforms("stacks/aws/edge.py") == {"aws"}
    assert platforms("settings/digitalocean/groups.py") == {"digitalocean"}
    assert platforms("components/docker/proxy.py") == {"docker"}
    assert platforms("stacks/railway.py", "settings/docker.py") == {"railway", "docker"}


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "docs/pipelines.md",
        "tests/unit/test_names.py",
        "ops/cost.py",
        "policies/exceptions.yaml",
        ".github/workflows/preview.yml",
        "app/src/index.ts",
        "rehearsal/cloud.py",
    ],
)
def test_what_makes_no_stack_touches_none(path: str) -> None:
    assert names(path) == []


def test_an_images_folder_touches_the_stack_that_builds_it(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.built.yaml").write_text(
        "config:\n  stromhaltig:image:\n    context: ./app\n"
    )
    (tmp_path / "Pulumi.named.yaml").write_text("config: {}\n")
    assert names("app/Dockerfile", of=stack_files(tmp_path)) == ["built"]
    assert names("application.py", of=stack_files(tmp_path)) == []


def test_the_environment_that_previews_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.live.yaml").write_text(
        "config:\n  stromhaltig:github:\n    preview_environment: looking\n"
    )
    (tmp_path / "Pulumi.other.yaml").write_text("")
    found = {stack.name: stack.preview_environment for stack in stack_files(tmp_path)}
    assert found == {"live": "looking", "other": "other-preview"}


@pytest.mark.parametrize("text", ["config: [", "- a\n", "config: 3\n", "\0"])
def test_what_is_no_stack_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.live.yaml").write_text(text)
    with pytest.raises(OpsError, match=r"Pulumi\.live\.yaml is no stack file"):
        stack_files(tmp_path)


def test_the_template_of_reviews_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.review.yaml").write_text("config: {}\n")
    assert stack_files(tmp_path) == []


def test_no_part_of_the_program_is_forgotten() -> None:
    """What is neither the program's nor plainly another tool's would be missed."""
    others = {"resource_graph.py", "resource_types.py"}
    modules = {file.name for file in ROOT.glob("*.py")} - others
    assert modules <= set(stacks._PROGRAM)
    for paths in stacks._OF_A_PLATFORM.values():
        for path in paths:
            assert (ROOT / path).exists(), path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    return tmp_path


def commit(clone: Path, name: str) -> str:
    (clone / name).write_text(name)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", name)
    return git(clone, "rev-parse", "HEAD")


def test_only_what_the_branch_changed_counts(clone: Path) -> None:
    git(clone, "checkout", "-q", "-b", "branch")
    head = commit(clone, "ours and späte.py")
    git(clone, "checkout", "-q", "main")
    base = commit(clone, "theirs.py")
    assert changed_paths(clone, base, head) == ["ours and späte.py"]
    assert changed_paths(clone, base, base) == []


def test_a_clone_that_is_too_shallow_is_told(clone: Path) -> None:
    with pytest.raises(OpsError, match="fetch-depth: 0"):
        changed_paths(clone, "0" * 40, "HEAD")


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("config:\n  stromhaltig:image:\n    ref: app@sha256:1\n", "app@sha256:1"),
        ("config: {}\n", ""),
        ("config: [", ""),
        (None, ""),
    ],
)
def test_the_image_of_before_is_that_where_the_branch_began(
    clone: Path, text: str | None, image: str
) -> None:
    if text is not None:
        (clone / "Pulumi.staging.yaml").write_text(text)
    commit(clone, "first.py")
    git(clone, "checkout", "-q", "-b", "branch")
    git(clone, "checkout", "-q", "main")
    (clone / "Pulumi.staging.yaml").write_text("config: theirs\n")
    commit(clone, "theirs.py")
    git(clone, "checkout", "-q", "branch")
    (clone / "Pulumi.staging.yaml").write_text("config: ours\n")
    commit(clone, "ours.py")
    assert image_before(clone, "staging", "main") == image


def test_an_image_of_before_that_is_out_of_reach_is_told(clone: Path) -> None:
    with pytest.raises(OpsError, match="fetch-depth: 0"):
        image_before(clone, "staging", "0" * 40)
