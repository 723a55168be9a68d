"""Recorded image builds: what changes an image, and what the provider refuses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rehearsal.provider.docker_build import IMAGE, Image
from rehearsal.provider.wire import UNKNOWN, Properties
from rehearsal.report import Report, show
from rehearsal.stages.stage import Supplies, supply_release

TAG = "ghcr.io/s/app:1"


@pytest.fixture(autouse=True)
def _context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to build, next to where the provider runs."""
    monkeypatch.chdir(tmp_path)
    Path("app").mkdir()
    Path("app/Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    Path("app/.dockerignore").write_text("*.log\n", encoding="utf-8")
    Path("app/main.ts").write_text("1", encoding="utf-8")


def wanted(**asked: Any) -> Properties:
    return {
        "context": {"location": "app"},
        "dockerfile": {"location": "app/Dockerfile"},
        "push": True,
        "tags": [TAG],
        **asked,
    }


def checked(**asked: Any) -> Properties:
    inputs, problems = Image(IMAGE).check("app", {}, wanted(**asked), b"")
    assert problems == []
    return inputs


def problems(**asked: Any) -> list[str]:
    return Image(IMAGE).check("app", {}, wanted(**asked), b"")[1]


def built(**asked: Any) -> Properties:
    return Image(IMAGE).create("app", checked(**asked))[1]


def changed(before: Properties, **asked: Any) -> frozenset[str]:
    found = Image(IMAGE).diff(before, checked(**asked))
    assert not found.replaces
    return found.changed


def test_a_pushed_image_has_a_digest_in_its_reference() -> None:
    image = built()
    assert image["digest"].startswith("sha256:")
    assert image["ref"] == f"{TAG}@{image['digest']}"
    assert len(image["contextHash"]) == 64


def test_an_image_in_an_engine_has_a_tag_only() -> None:
    image = built(push=False, load=True)
    assert (image["digest"], image["ref"]) == ("", TAG)


def test_the_same_folder_is_the_same_image() -> None:
    assert built()["digest"] == built()["digest"]
    assert changed(checked()) == set()


@pytest.mark.parametrize(
    ("file", "change"),
    [("main.ts", {"contextHash"}), ("Dockerfile", {"contextHash"}), ("a.log", set())],
)
def test_what_the_build_sees_makes_another_image(file: str, change: set[str]) -> None:
    before, image = checked(), built()
    Path("app", file).write_text("FROM other\n", encoding="utf-8")
    assert changed(before) == change
    assert (built()["digest"] != image["digest"]) is bool(change)


def test_build_arguments_and_platforms_make_another_image() -> None:
    digests = {
        built(**asked)["digest"]
        for asked in (
            {},
            {"buildArgs": {"NODE_IMAGE": "node:24"}},
            {"platforms": ["linux/arm64"]},
        )
    }
    assert len(digests) == 3


def test_a_new_password_is_no_reason_to_build() -> None:
    login = {"address": "ghcr.io", "username": "robot", "password": "a"}
    before = checked(registries=[login])
    assert changed(before, registries=[{**login, "password": "b"}]) == set()
    assert changed(before, registries=[{**login, "username": "c"}]) == {"registries"}


def test_an_update_builds_anew() -> None:
    image = Image(IMAGE)
    before = checked()
    id, state = image.create("app", before)
    Path("app/main.ts").write_text("2", encoding="utf-8")
    now = image.update(id, state, before, checked(tags=["ghcr.io/s/app:2"]))
    assert now["digest"] != state["digest"]
    assert now["ref"] == f"ghcr.io/s/app:2@{now['digest']}"
    reading = image.read(id, state, before)
    assert reading is not None
    assert reading.outputs == now


def test_a_preview_knows_no_digest() -> None:
    image = Image(IMAGE)
    assert image.preview(checked())["digest"] == UNKNOWN
    known = image.preview_update(built(), checked(tags=[UNKNOWN]))
    assert (known["digest"], known["ref"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"context": {"location": "x"}}, 'context.location: "x" is not a folder'),
        ({"dockerfile": {"location": "app/x"}}, 'context.location: "app" has no x'),
        ({"tags": []}, "tags: at least one is needed when pushing"),
        ({"platforms": ["linux/m68k"]}, "'linux/m68k' is not one of"),
        ({"contxt": {}}, 'contxt: unknown property. Did you mean "context"?'),
    ],
)
def test_what_cannot_be_built_is_refused(asked: dict[str, Any], problem: str) -> None:
    [found] = problems(**asked)
    assert problem in found


def test_an_image_that_is_built_needs_no_stand_in() -> None:
    supplies = Supplies()
    supply_release({"stromhaltig:image": {"context": "app"}}, supplies)
    assert "image" not in supplies.config
    assert "image.ref" not in supplies.said


@pytest.mark.parametrize("recorded", [{IMAGE: 1}, {}])
def test_the_report_says_that_nothing_was_built(recorded: dict[str, int]) -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    show(Report("staging", "3.250.0", "embedded", recorded=recorded), console)
    said = "the image was not built" in console.export_text()
    assert said is bool(recorded)
