"""Files in volumes: secret, readable by one user, and another volume for others."""

from __future__ import annotations

import pulumi
import pytest

from components.docker.files import Files, FilesArgs

CARRIER = "docker:index/container:Container"
VERSION = "random:index/randomId:RandomId"
VOLUME = "docker:index/volume:Volume"


def files(**args):
    defaults = {"image": "sha256:1", "files": {"password": "swordfish"}}
    return Files("app", FilesArgs(**(defaults | args)))


def test_a_container_that_never_starts_carries_the_files_in(graph):
    graph.build(lambda: files(owner=1001, mode="0440"))
    carrier, volume = graph.one(CARRIER), graph.one(VOLUME)

    assert carrier["start"] is False
    assert carrier["mustRun"] is False
    assert carrier["networkMode"] == "none"
    assert carrier["volumes"] == [
        {"volumeName": volume["name"], "containerPath": "/files"}
    ]
    assert carrier["uploads"] == [
        {
            "file": "/files/password",
            "content": "swordfish",
            "owner": "1001",
            "group": "1001",
            "permissions": "0440",
        }
    ]


def test_secret_content_stays_secret_and_its_hash_too(graph):
    graph.build(lambda: files(files={"password": pulumi.Output.secret("swordfish")}))

    assert graph.one(CARRIER).secrets == {"uploads.0.content"}
    assert graph.one(VERSION).secrets == {"keepers.content"}
    assert graph.one(VOLUME).secrets == frozenset()


def test_other_content_is_another_version_and_the_same_is_not(graph):
    versions = []
    for content in ("one", "one", "two"):
        graph.build(lambda content=content: files(files={"f": content}))
        versions.append(graph.one(VERSION)["keepers"]["content"])

    assert versions[0] == versions[1] != versions[2]


def test_a_new_version_is_there_before_the_old_one_goes(graph):
    graph.build(files)

    assert graph.one(CARRIER).delete_before_replace is False
    assert graph.one(VOLUME).delete_before_replace is False
    assert graph.one(VOLUME)["name"].startswith("app-")


def test_files_that_change_in_place_keep_their_volume(graph):
    graph.build(lambda: files(versioned=False))

    assert graph.one(VOLUME)["name"] == "app"
    assert graph.all(VERSION) == []


@pytest.mark.parametrize("versioned", [True, False])
def test_who_mounts_a_version_waits_for_the_files_and_who_watches_does_not(
    graph, versioned
):
    def program():
        made = files(versioned=versioned)
        Files("later", FilesArgs(image="sha256:1", files={"name": made.volume}))

    graph.build(program)
    needed = graph.dependencies(graph.one(CARRIER, "later"))

    assert (graph.one(CARRIER, "app") in needed) is versioned


@pytest.mark.parametrize("name", ["", "../passwd", "a/b", ".hidden"])
def test_a_name_that_is_no_plain_file_is_refused(graph, name):
    with pytest.raises(ValueError, match="is not a plain file name"):
        graph.build(lambda: files(files={name: "x"}))
