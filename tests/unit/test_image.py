"""The app's image: taken as it is, or built so that its tag is never used twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.image import AppImage, AppImageArgs, Build, Login
from tests.graph import UNKNOWN, Graph

IMAGE = "docker-build:index:Image"
RANDOM_ID = "random:index/randomId:RandomId"
DIGEST = f"sha256:{'1' * 64}"
PLACE = "ghcr.io/stromdao/stromhaltig"
LOGIN = Login(address="ghcr.io", username="robot", password="hunter2")


@pytest.fixture(autouse=True)
def _context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to build, next to where the program runs."""
    monkeypatch.chdir(tmp_path)
    Path("app").mkdir()
    Path("app/Dockerfile").write_text("FROM scratch\nCOPY main /\n", encoding="utf-8")
    Path("app/main").write_text("1", encoding="utf-8")


def taken(ref: str) -> AppImage:
    return AppImage("app", AppImageArgs(ref=ref))


def built(**build: Any) -> AppImage:
    wanted = {"context": "app", "repository": PLACE} | build
    return AppImage("app", AppImageArgs(build=Build(**wanted)))


def source(graph: Graph) -> str:
    """What the random part of the tag lives as long as."""
    keepers: dict[str, str] = graph.one(RANDOM_ID)["keepers"]
    return keepers["source"]


def test_an_image_that_exists_is_taken_as_it_is(graph):
    outputs = graph.build(lambda: taken(f"{PLACE}@{DIGEST}"))
    assert graph.resources == []
    assert outputs["ref"] == f"{PLACE}@{DIGEST}"
    assert outputs["digest"] == DIGEST


def test_a_tag_has_no_digest(graph):
    assert graph.build(lambda: taken(f"{PLACE}:1.2"))["digest"] is None


def test_what_runs_is_the_digest_that_was_pushed(graph):
    outputs = graph.build(built)
    digest = graph.one(IMAGE).outputs["digest"]
    assert outputs["digest"] == digest
    assert outputs["ref"] == f"{PLACE}@{digest}"


def test_the_digest_is_not_known_before_the_build(graph):
    outputs = graph.build(built, preview=True)
    assert outputs["digest"] == outputs["ref"] == UNKNOWN


def test_a_preview_builds_nothing(graph):
    graph.build(built)
    assert graph.one(IMAGE)["buildOnPreview"] is False


def test_a_superseded_image_stays_for_a_rollback(graph):
    graph.build(built)
    assert graph.one(IMAGE).retain_on_delete


def test_a_build_is_pushed_under_one_tag_of_its_own(graph):
    graph.build(lambda: built(tag_prefix="sha-"))
    image = graph.one(IMAGE)
    unique = graph.one(RANDOM_ID).outputs["hex"]
    assert image["tags"] == [f"{PLACE}:sha-{source(graph)[:12]}-{unique}"]
    assert image["push"] is True
    assert not image.get("load")
    assert not image.get("exec")


def test_an_unchanged_folder_keeps_its_tag(graph):
    graph.build(built)
    before = source(graph)
    graph.build(built)
    assert source(graph) == before


@pytest.mark.parametrize(
    "change",
    [
        {"build_args": {"NODE_IMAGE": "node:24"}},
        {"platforms": ["linux/arm64"]},
        {"cache": "gha"},
        {"builder": "other"},
    ],
)
def test_whatever_makes_the_provider_build_again_makes_a_new_tag(graph, change):
    graph.build(built)
    before = source(graph)
    graph.build(lambda: built(**change))
    assert source(graph) != before


def test_a_changed_file_makes_a_new_tag(graph):
    graph.build(built)
    before = source(graph)
    Path("app/main").write_text("2", encoding="utf-8")
    graph.build(built)
    assert source(graph) != before


def test_the_registrys_password_is_a_secret(graph):
    graph.build(lambda: built(login=LOGIN))
    image = graph.one(IMAGE)
    assert image["registries"] == [
        {"address": "ghcr.io", "username": "robot", "password": "hunter2"}
    ]
    assert image.secrets == {"registries.0.password"}


def test_without_a_login_the_machines_own_is_used(graph):
    graph.build(built)
    assert graph.one(IMAGE).get("registries") is None


def test_platforms_arguments_and_dockerfile_reach_the_build(graph):
    Path("app/ci.Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    graph.build(
        lambda: built(
            dockerfile="ci.Dockerfile",
            build_args={"NODE_IMAGE": "node:24"},
            platforms=["linux/arm64", "linux/amd64"],
            builder="ci",
        )
    )
    image = graph.one(IMAGE)
    assert image["context"] == {"location": "app"}
    assert image["dockerfile"] == {"location": "app/ci.Dockerfile"}
    assert image["buildArgs"] == {"NODE_IMAGE": "node:24"}
    assert image["platforms"] == ["linux/arm64", "linux/amd64"]
    assert image["builder"] == {"name": "ci"}


def test_an_engine_gets_a_tag_that_is_the_source_itself(graph):
    outputs = graph.build(lambda: built(load=True, repository="stromhaltig"))
    image = graph.one(IMAGE)
    assert graph.all(RANDOM_ID) == []
    assert image["tags"] == [outputs["ref"]]
    assert outputs["ref"].startswith("stromhaltig:")
    assert outputs["digest"] is None
    assert outputs["context_hash"] == image.outputs["contextHash"]


def test_an_engine_builds_with_its_own_builder_through_buildx(graph):
    graph.build(lambda: built(load=True))
    image = graph.one(IMAGE)
    assert (image["load"], image["exec"], image["push"]) == (True, True, False)
    assert image["builder"] == {"name": "default"}


def test_what_an_engine_runs_is_known_after_the_build(graph):
    graph.build(lambda: built(load=True), preview=True)
    assert graph.outputs["ref"] == UNKNOWN


@pytest.mark.parametrize(
    ("cache", "cache_ref", "comes_from", "goes_to"),
    [
        ("none", None, [], []),
        (
            "inline",
            f"{PLACE}:latest",
            [f"type=registry,ref={PLACE}:latest"],
            ["type=inline"],
        ),
        (
            "registry",
            f"{PLACE}:cache",
            [f"type=registry,ref={PLACE}:cache"],
            [
                f"type=registry,ref={PLACE}:cache,image-manifest=true,"
                "oci-mediatypes=true,mode=max,ignore-error=true"
            ],
        ),
        (
            "gha",
            None,
            ["type=gha,scope=app"],
            ["type=gha,scope=app,mode=max,ignore-error=true"],
        ),
    ],
)
def test_layers_are_cached_where_it_says(graph, cache, cache_ref, comes_from, goes_to):
    graph.build(lambda: built(cache=cache, cache_ref=cache_ref))
    image = graph.one(IMAGE)
    assert [entry["raw"] for entry in image.get("cacheFrom") or []] == comes_from
    assert [entry["raw"] for entry in image.get("cacheTo") or []] == goes_to


def test_an_inline_cache_is_found_under_a_tag_that_moves(graph):
    graph.build(lambda: built(cache="inline", cache_ref=f"{PLACE}:latest"))
    own, moving = graph.one(IMAGE)["tags"]
    assert own.startswith(f"{PLACE}:")
    assert moving == f"{PLACE}:latest"


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        ({"cache": "registry"}, "cache_ref: goes with"),
        ({"cache": "gha", "cache_ref": PLACE}, "cache_ref: goes with"),
        (
            {"load": True, "platforms": ("linux/amd64", "linux/arm64")},
            "platforms: linux/amd64, linux/arm64 are more than one",
        ),
    ],
)
def test_builds_that_cannot_work_are_refused(build, problem):
    with pytest.raises(ValueError, match=problem):
        Build(context="app", repository=PLACE, **build)


@pytest.mark.parametrize("both", [True, False])
def test_either_a_reference_or_a_build(both):
    build = Build(context="app", repository=PLACE)
    given = {"ref": PLACE, "build": build} if both else {}
    with pytest.raises(ValueError, match="either ref or build"):
        AppImageArgs(**given)


def test_a_folder_that_is_not_there_is_refused_by_name(graph):
    with pytest.raises(pulumi.RunError, match='"nowhere" is not a folder'):
        graph.build(lambda: built(context="nowhere"))
