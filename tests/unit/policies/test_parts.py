"""Blocks of a resource, looked at as resources."""

from __future__ import annotations

import json

import pytest

from policies.parts import containers, parts
from resource_graph import SECRET, UNKNOWN, UndecidedError
from tests.unit.policies.casework import resource

TASK = "aws:ecs/taskDefinition:TaskDefinition"


def test_each_block_has_its_values_and_its_name():
    volumes = [{"name": "files", "size": 1}, {"size": 2}, {"name": UNKNOWN}]
    task = resource(TASK, "app", volumes=volumes)
    found = parts(task, "volumes")
    assert [(part.name, part.get("size")) for part in found] == [
        ("files", 1),
        ("app", 2),
        ("app", None),
    ]
    assert {part.urn for part in found} == {task.urn}


def test_a_single_block_stands_for_a_list_of_one():
    task = resource(TASK, volumes={"name": "files"})
    assert [part.name for part in parts(task, "volumes")] == ["files"]


@pytest.mark.parametrize("volumes", [None, [], "text", ["text", 5, None]])
def test_where_there_are_no_blocks_there_are_no_parts(volumes):
    assert parts(resource(TASK, volumes=volumes), "volumes") == []
    assert parts(resource(TASK), "volumes") == []


@pytest.mark.parametrize("mark", [UNKNOWN, SECRET])
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_not_known_as_a_whole_is_undecided(mark, nested):
    task = resource(TASK, volumes=[{"name": "files"}, mark] if nested else mark)
    with pytest.raises(UndecidedError, match=rf"^volumes is {mark.value}$"):
        parts(task, "volumes")


def test_a_value_in_a_block_that_is_not_known_is_undecided_when_it_is_asked_for():
    (volume,) = parts(resource(TASK, volumes=[{"size": UNKNOWN}]), "volumes")
    with pytest.raises(UndecidedError, match=r"^size is unknown$"):
        volume.get("size")


def test_containers_are_read_from_json_or_as_they_are():
    definitions = [{"name": "app", "image": "a"}, {"name": "proxy", "image": "b"}]
    for given in (definitions, json.dumps(definitions)):
        task = resource(TASK, containerDefinitions=given)
        assert [(c.name, c.get("image")) for c in containers(task)] == [
            ("app", "a"),
            ("proxy", "b"),
        ]


@pytest.mark.parametrize("given", ["no json", None, "[]"])
def test_what_defines_no_containers_has_none(given):
    assert containers(resource(TASK, containerDefinitions=given)) == []


def test_containers_that_are_not_known_are_undecided():
    task = resource(TASK, containerDefinitions=UNKNOWN)
    with pytest.raises(UndecidedError, match=r"^containerDefinitions is unknown$"):
        containers(task)
