"""Only what is named by its digest is deployed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from ops.ci.images import as_deployed, by_digest
from ops.errors import OpsError
from ops.stack import Stack
from tests.unit.ops.fakes import FakeStack, image

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    "image",
    [
        f"ghcr.io/stromdao/stromhaltig@{DIGEST}",
        f"localhost:5000/app:v1@{DIGEST}",
        f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@{DIGEST}",
    ],
)
def test_a_digest_is_taken(image: str) -> None:
    assert by_digest(image, "staging") == image


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/stromdao/stromhaltig:latest",
        DIGEST,
        f"app@{DIGEST}0",
        "app@sha256:short",
        f"app@{DIGEST} --yes",
        f"app@{DIGEST}\n",
    ],
)
def test_a_tag_is_not(image: str) -> None:
    with pytest.raises(OpsError, match="is not REPOSITORY@sha256:DIGEST"):
        by_digest(image, "staging")


def test_a_stack_without_a_release_needs_one() -> None:
    with pytest.raises(OpsError, match="Stack staging runs no release yet"):
        by_digest("", "staging")


class FileStack(FakeStack):
    """One whose settings are in its file."""

    def unchanged(self) -> AbstractContextManager[None]:
        return Stack.unchanged(cast(Stack, self))

    def set(self, path: str, value: str) -> None:
        super().set(path, value)
        self.write()

    def unset(self, path: str) -> None:
        super().unset(path)
        self.write()

    def write(self) -> None:
        self.file.write_text(f"# Ours.\n{stack_file(self.config)}")


def stack_file(config: dict[str, str]) -> str:
    image = {path.removeprefix("image."): value for path, value in config.items()}
    return yaml.safe_dump({"config": {"stromhaltig:image": image}})


def state(release: str) -> dict[str, Any]:
    root = {"type": "pulumi:pulumi:Stack", "outputs": {"release": release}}
    return {"deployment": {"resources": [root]}}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStack:
    made = FileStack(tmp_path)
    made.write()
    monkeypatch.setattr("ops.stack.Stack", lambda name: made)
    return made


@pytest.mark.parametrize("named", ["", image("1")])
def test_what_runs_is_previewed_and_the_file_is_as_before(
    stack: FileStack, named: str
) -> None:
    if named:
        stack.set("image.ref", named)
    before = stack.file.read_bytes()
    with as_deployed("staging", state(image("5")), "") as unused:
        assert unused == named
        assert image("5") in stack.file.read_text()
        assert image("1") not in stack.file.read_text()
    assert stack.file.read_bytes() == before


def test_a_preview_that_fails_leaves_the_file_as_before(stack: FileStack) -> None:
    before = stack.file.read_bytes()
    with (
        pytest.raises(OpsError, match="no preview"),
        as_deployed("staging", state(image("5")), ""),
    ):
        raise OpsError("no preview")
    assert stack.file.read_bytes() == before


@pytest.mark.parametrize("release", ["", "owner/name@main", "app:latest"])
def test_before_the_first_release_by_digest_the_file_counts(
    stack: FileStack, release: str
) -> None:
    stack.set("image.ref", image("1"))
    with as_deployed("staging", state(release), "") as unused:
        assert (unused, stack.get("image.ref")) == ("", image("1"))


def test_an_image_that_the_stack_builds_is_built(stack: FileStack) -> None:
    stack.set("image.context", "app")
    with as_deployed("staging", state(image("5")), "") as unused:
        assert (unused, stack.get("image.ref")) == ("", None)


@pytest.mark.parametrize(
    ("before", "previewed", "unused"),
    [("1", "5", image("1")), ("0", "1", ""), ("", "1", "")],
    ids=["not changed", "changed", "new"],
)
def test_an_image_that_the_change_itself_names_counts(
    stack: FileStack,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
    previewed: str,
    unused: str,
) -> None:
    stack.set("image.ref", image("1"))
    monkeypatch.setattr(
        "ops.ci.stacks.image_before",
        lambda root, stack, base: image(before) if before else "",
    )
    with as_deployed("staging", state(image("5")), "main") as found:
        assert (found, stack.get("image.ref")) == (unused, image(previewed))
