"""Parts of a resource, each looked at as if it were a resource of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policies.documents import as_list
from resource_graph import Mark, Resource, UndecidedError


def parts(resource: Resource, path: str) -> list[Resource]:
    """The blocks in an input; none where there is none.

    Each has the block's values for its inputs, and its name for its own where it has
    one.

    Raises UndecidedError when the input, or a whole block in it, is unknown or secret.
    """
    return _parts(resource, path, resource.get(path))


def containers(task: Resource) -> list[Resource]:
    """The containers of a task definition; none in text that is no JSON.

    Raises UndecidedError when they are not known.
    """
    path = "containerDefinitions"
    try:
        return _parts(task, path, task.document(path))
    except ValueError:
        return []


def _parts(resource: Resource, path: str, value: Any) -> list[Resource]:
    found = []
    for block in as_list(value):
        if isinstance(block, Mark):
            raise UndecidedError(path, block)
        if isinstance(block, Mapping):
            name = block.get("name")
            found.append(
                replace(
                    resource,
                    name=name if isinstance(name, str) else resource.name,
                    inputs=block,
                )
            )
    return found
