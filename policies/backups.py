"""AWS Backup: which resources a selection takes into its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.documents import as_list
from policies.types import BACKUP_SELECTION, DATABASE, DATABASE_CLUSTER, FILE_SYSTEM
from resource_graph import Mark, Resource, ResourceGraph, names

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
    return any(selects(selection, resource) for selection in graph.of(BACKUP_SELECTION))


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
    if not isinstance(arn, str):
        beginning, key = _ARNS.get(resource.type, ("", ""))
        end = resource.inputs.get(key)
        arn = beginning + (end if isinstance(end, str) else "")
    return any(fnmatchcase(arn, pattern) for pattern in patterns)


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
