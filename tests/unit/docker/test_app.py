"""The app's containers: beside the old ones, healthy first, confined, unpublished."""

from __future__ import annotations

import pytest

from components.docker.app import App, AppArgs
from components.docker.confinement import LogRotation
from contract import APP

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"


def app(**args):
    defaults = {
        "image": "sha256:1",
        "replicas": 2,
        "environment": ["LOG_LEVEL=info"],
        "secrets": "app-secrets",
        "secret_dir": APP.secret_dir,
        "edge": "edge",
        "internal": "internal",
        "health_command": APP.health_command(APP.health_path),
        "cpu": 512,
        "memory": 1024,
        "upload_dir": APP.upload_dir,
        "log_dir": APP.log_dir,
        "temp_dir": APP.temp_dir,
        "start_timeout": 120,
        "stop_timeout": 30,
        "protect": True,
        "logs": LogRotation(max_size=10, max_files=3),
    }
    return App("app", AppArgs(**(defaults | args)))


def test_there_are_as_many_as_asked_for_under_one_name(graph):
    outputs = graph.build(lambda: app(replicas=3))
    containers = graph.all(CONTAINER)

    assert [c.name for c in containers] == ["app-app-0", "app-app-1", "app-app-2"]
    assert len(outputs["containers"]) == 3
    for container in containers:
        assert container["networksAdvanced"] == [
            {"name": "edge", "aliases": ["app", outputs["host"]]},
            {"name": "internal"},
        ]
        assert "ports" not in container.inputs


def test_a_new_version_is_healthy_before_the_old_one_goes(graph):
    graph.build(app)
    for container in graph.all(CONTAINER):
        # Without a name of its own, both can be there at once.
        assert "name" not in container.inputs
        assert container.delete_before_replace is False
        assert container["wait"] is True
        assert container["waitTimeout"] == 120
        assert container["healthcheck"]["tests"][:2] == ["CMD", "node"]
        assert APP.health_path in container["healthcheck"]["tests"][-1]


def test_requests_may_finish(graph):
    graph.build(app)
    container = graph.all(CONTAINER)[0]

    assert container["stopTimeout"] == 30
    assert container["destroyGraceSeconds"] == 30


def test_it_can_write_to_its_three_directories_only(graph):
    graph.build(app)
    container = graph.all(CONTAINER)[0]
    mounts = {volume["containerPath"]: volume for volume in container["volumes"]}

    assert container["readOnly"] is True
    writable = {p for p, m in mounts.items() if not m.get("readOnly")}
    assert writable | container["tmpfs"].keys() == set(APP.writable_dirs)
    assert mounts[APP.secret_dir]["readOnly"] is True
    assert mounts[APP.log_dir] == {"containerPath": APP.log_dir}


def test_it_has_no_rights_beyond_its_own(graph):
    graph.build(app)
    container = graph.all(CONTAINER)[0]

    assert container["capabilities"] == {"drops": ["ALL"]}
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert container["cpus"] == "0.5"
    assert container["memory"] == container["memorySwap"] == 1024
    assert container["logDriver"] == "local"
    assert container["logOpts"] == {"max-size": "10m", "max-file": "3"}


def test_uploads_are_protected_where_asked(graph):
    graph.build(app)
    assert graph.one(VOLUME).protect is True

    graph.build(lambda: app(protect=False))
    assert graph.one(VOLUME).protect is False


def keepers(graph):
    return graph.one("random:index/randomId:RandomId")["keepers"]


def test_a_release_has_a_name_of_its_own_which_is_told_once_all_of_it_is_healthy(graph):
    outputs = graph.build(app)
    release = graph.one("random:index/randomId:RandomId")

    assert outputs["host"] == f"app-{release.outputs['hex']}"
    assert graph.build(app, preview=True)["host"] != outputs["host"]


@pytest.mark.parametrize(
    "other",
    [{"image": "sha256:2"}, {"environment": ["LOG_LEVEL=debug"]}, {"secrets": "new"}],
)
def test_what_runs_makes_a_release_and_how_much_of_it_does_not(graph, other):
    graph.build(app)
    before = keepers(graph)
    graph.build(lambda: app(replicas=5, memory=2048))
    assert keepers(graph) == before

    graph.build(lambda: app(**other))
    assert keepers(graph) != before
