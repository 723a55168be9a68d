"""A stack's resources as data: what policies judge and the price book prices.

The same graph comes from an exported state, from `pulumi preview --json`, from the
policy engine, and from unit tests. Values that a preview cannot know, and secrets, are
there as marks that no comparison takes for a value.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any


class Mark(Enum):
    """Stands where a value is that cannot be looked at."""

    UNKNOWN = "unknown"
    SECRET = "secret"  # noqa: S105 - a mark, not a secret


UNKNOWN = Mark.UNKNOWN
"""A value that is known only after the update."""

SECRET = Mark.SECRET
"""A value that is nobody's business."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""What tells the engine's special objects (sdk/go/common/resource/sig)."""

_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type's name

_UNKNOWNS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string, and what preview prints
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""How the engine writes a value that is not known yet (sdk/go/common/resource)."""

_GONE = frozenset(
    {
        "delete",
        "delete-replaced",
        "discard",
        "discard-replaced",
        "remove-pending-replace",
    }
)
"""Operations of a preview after which the resource is not there any more."""


class UndecidedError(Exception):
    """A value is needed that is not known, or secret.

    path: of the value in the resource's inputs.
    """

    def __init__(self, path: str, mark: Mark) -> None:
        super().__init__(f"{path} is {mark.value}")
        self.path = path


class GraphError(Exception):
    """A file that holds no graph; the message says what it is and what would be one."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as its program asked for it.

    type: token, such as `aws:rds/instance:Instance`. name: the logical one.
    inputs, outputs: by their wire (camelCase) names; outputs only of what exists.
    id: the provider's; empty before the resource exists.
    parent, dependencies: URNs. property_dependencies: input to the URNs that its value
    comes from.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    parent: str = ""
    dependencies: frozenset[str] = frozenset()
    property_dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protect: bool = False
    ignore_changes: tuple[str, ...] = ()

    def get(self, path: str, default: Any = None) -> Any:
        """The input at a path such as `loadBalancers.0.containerPort`.

        Returns the default where there is none.

        Raises UndecidedError when it, or what it is in, is unknown or secret.
        """
        return _at(self.inputs, path, default)

    def has(self, path: str) -> bool:
        """Whether an input is given, be it unknown or secret.

        Raises UndecidedError when what it is in is unknown or secret.
        """
        outer, _, last = path.rpartition(".")
        container = _at(self.inputs, outer, {}) if outer else self.inputs
        found = _item(container, last)
        return found is not None and found not in ("", [], {})

    def document(self, path: str) -> Any:
        """The JSON in an input, parsed; None where there is none.

        Raises UndecidedError as `get` does, and ValueError for what is no JSON.
        """
        value = self.get(path)
        return json.loads(value) if isinstance(value, str) else value

    def comes_from(self, path: str) -> frozenset[str]:
        """URNs of the resources that an input's value was made of."""
        return self.property_dependencies.get(path.partition(".")[0], frozenset())

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class ResourceGraph:
    """The resources of one stack, components excluded.

    project, stack: whose they are, as the URNs have it.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)
        first = self.resources[0].urn if self.resources else ""
        _, _, path = first.partition("urn:pulumi:")
        self.stack, _, rest = path.partition("::")
        self.project = rest.partition("::")[0]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def __len__(self) -> int:
        return len(self.resources)

    def of(self, *types: str) -> list[Resource]:
        """All resources of these types, in order of registration."""
        return [found for type_ in types for found in self._by_type.get(type_, ())]

    def at(self, urn: str) -> Resource | None:
        """The resource with this URN."""
        return self._by_urn.get(urn)

    def referring(self, to: Resource, type_: str, key: str) -> list[Resource]:
        """Resources of a type whose input `key` names another resource.

        By what the engine knows of the value's origin, or where it was written down
        as text, by the other's id, name or ARN.
        """
        return [found for found in self.of(type_) if names(found, key, to)]

    @cached_property
    def _by_urn(self) -> Mapping[str, Resource]:
        return {resource.urn: resource for resource in self}

    @cached_property
    def _by_type(self) -> Mapping[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self:
            found.setdefault(resource.type, []).append(resource)
        return found


def names(resource: Resource, key: str, other: Resource) -> bool:
    """Whether a resource's input is, or holds, the id, name or ARN of another."""
    if other.urn in resource.comes_from(key):
        return True
    given = [
        other.id,
        *(other.outputs.get(k) for k in ("arn", "name", "bucket")),
        *(other.inputs.get(k) for k in ("name", "bucket")),
    ]
    known = {value for value in given if isinstance(value, str)}
    return any(value in known for value in _texts(resource.inputs.get(key)) if value)


def region_of(graph: ResourceGraph) -> str:
    """The AWS region that a graph is in.

    By its zones, else by most of its ARNs, else by the provider that the engine made: a
    first preview of what lives on others' things has nothing else.

    Raises GraphError when nothing in it says so.
    """
    zones = {
        zone
        for resource in graph
        if isinstance(zone := resource.inputs.get("availabilityZone"), str)
    }
    if zones:
        return min(zones).rstrip("abcdefghijklmnopqrstuvwxyz")
    arns = Counter(
        arn.split(":")[3]
        for resource in graph
        if isinstance(arn := resource.outputs.get("arn"), str) and arn.count(":") > 4
    )
    del arns[""]
    if arns:
        return arns.most_common(1)[0][0]
    for provider in graph.of("pulumi:providers:aws"):
        region = provider.inputs.get("region")
        if provider.name.startswith("default") and isinstance(region, str):
            return region
    raise GraphError("Nothing in it says which region of AWS. Say it: --region")


def read(file: Path) -> ResourceGraph:
    """The graph in a file: an exported state, or what `pulumi preview --json` printed.

    Raises GraphError when it is neither, or holds no resources.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise GraphError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise GraphError(
            f"{file} is no JSON ({error}). Write it with: "
            "pulumi stack export --file state.json, or "
            "pulumi preview --json --show-sames"
        ) from error
    try:
        return parse(content)
    except GraphError as error:
        raise GraphError(f"{file}: {error}") from error


def parse(content: Any) -> ResourceGraph:
    """The graph in an exported state or in the JSON of a preview.

    Raises GraphError when it is neither, is damaged, or holds no resources.
    """
    try:
        return _parsed(content)
    except (AttributeError, KeyError, TypeError) as error:
        raise GraphError(
            f"damaged: a resource in it is none ({type(error).__name__}: {error}). "
            "Write the file again"
        ) from error


def _parsed(content: Any) -> ResourceGraph:
    if isinstance(content, Mapping) and isinstance(content.get("deployment"), Mapping):
        what, states = "state", content["deployment"].get("resources") or []
        # What a failed replacement left to be deleted is on its way out, and what is
        # only read is somebody else's.
        states = [s for s in states if not (s.get("delete") or s.get("external"))]
    elif isinstance(content, Mapping) and isinstance(content.get("steps"), list):
        what, steps = "preview", content["steps"]
        _expect_all(content)
        states = [
            {**(step.get("oldState") or {}), **(step.get("newState") or {})}
            for step in steps
            if step.get("op") not in _GONE
        ]
    else:
        raise GraphError(
            "neither an exported state nor a preview. A state is what "
            "`pulumi stack export` writes, a preview what `pulumi preview --json "
            "--show-sames` prints"
        )
    graph = ResourceGraph(_unique(_resource(s) for s in states if s.get("custom")))
    if not len(graph):
        raise GraphError(f"the {what} has no resources: there is nothing to look at")
    return graph


def _expect_all(preview: Mapping[str, Any]) -> None:
    """Raise GraphError when a preview leaves out what does not change."""
    unchanged = (preview.get("changeSummary") or {}).get("same", 0)
    shown = sum(step.get("op") == "same" for step in preview["steps"])
    if shown < unchanged:
        raise GraphError(
            f"the preview leaves out {unchanged - shown} resources that do not change. "
            "Write it with: pulumi preview --json --show-sames"
        )


def plain(value: Any) -> Any:
    """A value of the engine's JSON with marks in place of unknowns and secrets."""
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET_SIGNATURE:
            return SECRET
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        if value == "[secret]":
            return SECRET
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _resource(state: Mapping[str, Any]) -> Resource:
    dependencies = state.get("propertyDependencies") or {}
    return Resource(
        urn=state["urn"],
        type=state["type"],
        name=state["urn"].rpartition("::")[2],
        inputs=plain(state.get("inputs") or {}),
        outputs=plain(state.get("outputs") or {}),
        id=str(state.get("id") or ""),
        parent=state.get("parent") or "",
        dependencies=frozenset(state.get("dependencies") or ()),
        property_dependencies={k: frozenset(v or ()) for k, v in dependencies.items()},
        protect=bool(state.get("protect")),
        ignore_changes=tuple(state.get("ignoreChanges") or ()),
    )


def _unique(resources: Iterable[Resource]) -> list[Resource]:
    """One of each: a preview has several steps for what it replaces."""
    return list({resource.urn: resource for resource in resources}.values())


def _at(value: Any, path: str, default: Any) -> Any:
    walked: list[str] = []
    for key in path.split("."):
        walked.append(key)
        value = _item(value, key)
        if isinstance(value, Mark):
            raise UndecidedError(".".join(walked), value)
        if value is None:
            return default
    return value


def _item(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list):
        return value[int(key)] if key.isdigit() and int(key) < len(value) else None
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
