"""The client's files: published whole, page last, old ones kept for open pages."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from components.docker.client import Client, ClientArgs
from components.docker.confinement import LogRotation

CONTAINER = "docker:index/container:Container"
SCRIPT = Path(__file__).parents[3] / "components/docker/publish_client.sh"
DAY = 24 * 3600


def client():
    return Client(
        "app",
        ClientArgs(
            image="sha256:1",
            volume="app-client",
            client_dir="/app/dist",
            logs=LogRotation(),
        ),
    )


def test_each_image_publishes_into_the_volume(graph):
    graph.build(client)
    container = graph.one(CONTAINER)

    assert container["volumes"] == [
        {"volumeName": "app-client", "containerPath": "/public"}
    ]
    assert container["command"] == ["publish_client.sh", "/app/dist", "/public"]
    assert container["entrypoints"][:2] == ["sh", "-c"]
    assert container["networkMode"] == "none"
    assert container["capabilities"] == {"drops": ["ALL"]}


def publish(build: Path, public: Path) -> None:
    subprocess.run(["sh", SCRIPT, build, public], check=True, capture_output=True)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    return folder


def release(tmp_path: Path, number: int) -> Path:
    build = tmp_path / f"release-{number}"
    (build / "assets").mkdir(parents=True)
    (build / "index.html").write_text(f"release {number}")
    (build / "assets" / f"app-{number}.js").write_text(str(number))
    (build / "favicon.svg").write_text("icon")
    return build


def visible(public: Path) -> set[str]:
    files = (path.relative_to(public) for path in public.rglob("*") if path.is_file())
    return {str(path) for path in files if not path.name.startswith(".")}


def test_a_release_is_published_as_it_is(tmp_path, public):
    publish(release(tmp_path, 1), public)

    assert visible(public) == {"index.html", "favicon.svg", "assets/app-1.js"}
    assert (public / "index.html").read_text() == "release 1"


def test_files_of_the_former_release_stay_for_open_pages(tmp_path, public):
    publish(release(tmp_path, 1), public)
    publish(release(tmp_path, 2), public)

    assert (public / "index.html").read_text() == "release 2"
    assert {"assets/app-1.js", "assets/app-2.js"} <= visible(public)


def age(file: Path, days: int) -> None:
    then = time.time() - days * DAY
    os.utime(file, (then, then))


def test_they_go_30_days_after_they_were_superseded(tmp_path, public):
    publish(release(tmp_path, 1), public)
    # Long in use: the count begins when the next release comes.
    age(public / "assets/app-1.js", days=90)
    publish(release(tmp_path, 2), public)
    assert "assets/app-1.js" in visible(public)

    age(public / "assets/app-1.js", days=31)
    publish(release(tmp_path, 3), public)
    assert visible(public) == {
        "index.html",
        "favicon.svg",
        "assets/app-2.js",
        "assets/app-3.js",
    }


def test_going_back_to_a_former_release_publishes_it_again(tmp_path, public):
    first = release(tmp_path, 1)
    publish(first, public)
    publish(release(tmp_path, 2), public)
    publish(first, public)

    assert (public / "index.html").read_text() == "release 1"


def test_what_an_interrupted_publication_left_is_no_hindrance(tmp_path, public):
    (public / ".next/assets").mkdir(parents=True)
    publish(release(tmp_path, 1), public)

    assert not (public / ".next").exists()


def test_a_build_without_a_page_fails_and_leaves_the_former_page(tmp_path, public):
    publish(release(tmp_path, 1), public)
    broken = release(tmp_path, 2)
    (broken / "index.html").unlink()

    with pytest.raises(subprocess.CalledProcessError):
        publish(broken, public)
    assert (public / "index.html").read_text() == "release 1"
