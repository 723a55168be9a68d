"""The same app on other people's defaults, as graphs that the same book prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resource_graph import Resource, ResourceGraph
from resource_types import TASK_DEFINITION

FILE = Path(__file__).with_name("alternatives.yaml")
"""What they consist of, and where that is from."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to run the app.

    source: where its quantities are from. profile: of the assumptions it is priced by.
    """

    title: str
    source: str
    profile: str
    graph: ResourceGraph


def alternatives(file: Path = FILE) -> list[Alternative]:
    """All of them, in the file's order."""
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        Alternative(
            title=entry["title"],
            source=entry["source"].strip(),
            profile=entry["profile"],
            graph=ResourceGraph(_resources(stack, entry["resources"])),
        )
        for stack, entry in content.items()
    ]


def _resources(stack: str, entries: list[Mapping[str, Any]]) -> Iterator[Resource]:
    for entry in entries:
        given = dict(entry)
        type_, count = given.pop("type"), given.pop("count", 1)
        name, task = given.pop("name", ""), given.pop("task", None)
        for number in range(count):
            called = f"{name or type_.rpartition(':')[2]}-{number}"
            if task is None:
                yield _resource(stack, type_, called, given)
            else:
                # What logs the app writes is told by its task definition.
                definition = _resource(
                    stack,
                    TASK_DEFINITION,
                    called,
                    {**task, "containerDefinitions": "app-0"},
                )
                yield definition
                yield _resource(
                    stack, type_, called, {**given, "taskDefinition": definition.id}
                )


def _resource(stack: str, type_: str, name: str, inputs: Mapping[str, Any]) -> Resource:
    return Resource(
        urn=f"urn:pulumi:{stack}::alternative::{type_}::{name}",
        type=type_,
        name=name,
        id=name,
        inputs=inputs,
    )
