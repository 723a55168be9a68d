"""AWS Backup: which resources a selection takes into its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.documents import as_list
from resource_graph import (
    UNKNOWN,
    Mark,
    Resource,
    ResourceGraph,
    UndecidedError,
    names,
)
from resource_types import BACKUP_SELECTION, DATABASE, DATABASE_CLUSTER, FILE_SYSTEM

_TAG = "aws:ResourceTag/"

_ARNS: Mapping[str, tuple[str, str]] = {
    DATABASE: ("arn:aws:rds:region:account:db:", "identifier"),
    DATABASE_CLUSTER: ("arn:aws:rds:region:account:cluster:", "clusterIdentifier"),
    FILE_SYSTEM: ("arn:aws:elasticfilesystem:region:account:file-system/", ""),
}
"""How an ARN begins, and the input that it ends in."""


def is_backed_up(resource: Resource, graph: ResourceGraph) -> bool:
    """Whether a plan of the stack backs a resource up.

    Raises UndecidedError where only an unknown value could say so.
    """
    undecided = None
    for selection in graph.of(BACKUP_SELECTION):
        try:
            if selects(selection, resource):
                return True
        except UndecidedError as error:
            undecided = error
    if undecided:
        raise undecided
    return False


def selects(selection: Resource, resource: Resource) -> bool:
    """Whether a selection takes a resource in: by name, pattern, or tag.

    Raises UndecidedError where only an unknown value could say so.
    """
    if names(selection, "notResources", resource):
        return False
    if names(selection, "resources", resource):
        return True
    if _any_matches(_patterns(selection, "notResources"), resource):
        return False
    tags = as_list(selection.get("selectionTags"))
    patterns = _patterns(selection, "resources")
    return (
        (not patterns or _any_matches(patterns, resource))
        and (not tags or any(_has_tag(resource, tag) for tag in tags))
        and bool(patterns or tags)
        and all(_has_tag(resource, tag) for tag in _conditions(selection))
    )


def _patterns(selection: Resource, key: str) -> list[str]:
    """What is written down as text; the rest is known by where it comes from."""
    value = selection.inputs.get(key)
    if isinstance(value, Mark) and not selection.comes_from(key):
        selection.get(key)
    return [item for item in as_list(value) if isinstance(item, str)]


def _any_matches(patterns: Iterable[str], resource: Resource) -> bool:
    arn = resource.outputs.get("arn")
    if isinstance(arn, str):
        return any(fnmatchcase(arn, pattern) for pattern in patterns)
    beginning, key = _ARNS.get(resource.type, ("", ""))
    end = resource.inputs.get(key)
    planned = beginning + (end if isinstance(end, str) else "")
    fitting = [p for p in patterns if fnmatchcase(_at_best(planned, end, p), p)]
    if any(fnmatchcase(planned, pattern) for pattern in fitting):
        return True
    if fitting:
        raise UndecidedError("arn", UNKNOWN)
    return False


def _at_best(planned: str, end: Any, pattern: str) -> str:
    """A planned ARN with what a pattern wants in place of what is not known of it."""
    parts, wanted = planned.split(":"), pattern.split(":")
    if len(parts) == len(wanted):
        parts[3:5] = wanted[3:5]
    if not isinstance(end, str) and wanted[-1].startswith(parts[-1]):
        parts[-1] = wanted[-1]
    return ":".join(parts)


def _conditions(selection: Resource) -> list[Any]:
    """Tags that a resource has to have; other conditions are taken to hold."""
    return [
        tag
        for condition in as_list(selection.get("conditions"))
        if isinstance(condition, Mapping)
        for tag in as_list(condition.get("stringEquals"))
    ]


def _has_tag(resource: Resource, tag: Any) -> bool:
    if not isinstance(tag, Mapping):
        return False
    key = str(tag.get("key")).removeprefix(_TAG)
    return any(
        isinstance(tags, Mapping) and tags.get(key) == tag.get("value")
        for tags in (
            resource.inputs.get("tags"),
            resource.inputs.get("tagsAll"),
            resource.outputs.get("tagsAll"),
        )
    )
