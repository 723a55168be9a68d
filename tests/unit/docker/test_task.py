"""Tasks: run to the end, and nothing goes on that depends on a failed one."""

from __future__ import annotations

import pulumi
import pytest

from components.docker.confinement import LogRotation
from components.docker.task import Task, TaskArgs
from tests import fakes

CONTAINER = "docker:index/container:Container"
FRAMED = "\x01\x00\x00\x00\x00\x00\x00\x1fapplying 004_broken\n" + (
    "\x02\x00\x00\x00\x00\x00\x00\x20syntax error at line 3\n"
)


def task(**args):
    defaults = {
        "image": "sha256:1",
        "command": ["npm", "run", "migrate"],
        "logs": LogRotation(),
    }
    return Task("migration", TaskArgs(**(defaults | args)))


def test_it_is_waited_for_and_its_output_kept(graph):
    graph.build(task)
    container = graph.one(CONTAINER)

    assert container["attach"] is True
    assert container["logs"] is True
    assert container["mustRun"] is False
    assert "restart" not in container.inputs
    assert container["command"] == ["npm", "run", "migrate"]


def test_it_has_no_network_unless_it_needs_one(graph):
    graph.build(task)
    assert graph.one(CONTAINER)["networkMode"] == "none"

    graph.build(lambda: task(networks=["internal"]))
    assert graph.one(CONTAINER)["networksAdvanced"] == [{"name": "internal"}]
    assert "networkMode" not in graph.one(CONTAINER).inputs


def test_another_image_runs_again_beside_the_former_run(graph):
    graph.build(task)

    assert graph.one(CONTAINER).delete_before_replace is False
    assert "name" not in graph.one(CONTAINER).inputs


def test_a_gate_opens_once_it_has_succeeded(graph):
    value = graph.build(lambda: {"image": task().gate("sha256:1")})

    assert value["image"] == "sha256:1"


def test_a_gate_keeps_a_secret_secret(graph):
    graph.build(lambda: {"image": task().gate(pulumi.Output.secret("x"))})

    assert graph.secret_outputs == {"image"}


def test_a_failure_says_why_and_how_to_go_on(graph, monkeypatch):
    monkeypatch.setitem(
        fakes._COMPUTED,
        CONTAINER,
        lambda new: {"exitCode": 3, "containerLogs": FRAMED},
    )
    with pytest.raises(pulumi.RunError) as failed:
        graph.build(lambda: {"image": task().gate("sha256:1")})
    text = str(failed.value)

    assert text.startswith("migration failed with exit code 3, so what runs was left")
    assert "\n    applying 004_broken\n    syntax error at line 3\n" in text
    assert "pulumi up --replace 'urn:pulumi:test::stromhaltig::" in text
    assert "another image" in text


def test_a_silent_failure_says_so(graph, monkeypatch):
    monkeypatch.setitem(fakes._COMPUTED, CONTAINER, lambda new: {"exitCode": 137})

    with pytest.raises(pulumi.RunError, match="It said: nothing"):
        graph.build(lambda: {"image": task().gate("sha256:1")})


def test_a_preview_does_not_know_the_end(graph):
    value = graph.build(lambda: {"image": task().gate("x")}, preview=True)

    assert value["image"] != "x"
