"""What a preview would do to a stack, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.changes import effect
from ops.stack import IDLE
from resource_graph import GraphError
from resource_types import holds_data

_WORST = ("delete", "replace", "update", "import", "create")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource.

    op: `delete`, `replace`, `update`, `import`, `create`, or another of the engine's.
    properties: that change. causes: of these, the ones that force a replacement.
    protected: whether Pulumi would refuse to delete it. holds_data: something is lost
    with it.
    """

    op: str
    type: str
    name: str
    properties: Sequence[str] = ()
    causes: Sequence[str] = ()
    protected: bool = False
    holds_data: bool = False

    @property
    def destroys(self) -> bool:
        """Whether what exists today is gone afterwards."""
        return self.op in {"delete", "replace"}

    @property
    def alarming(self) -> bool:
        """Whether something is lost, or would be, that must not be."""
        return self.destroys and (self.protected or self.holds_data)


def read_changes(preview: Any) -> list[Change]:
    """The changes in what `pulumi preview --json` or `refresh --json` printed.

    The worst come first: what holds data or is protected, what is deleted, replaced,
    updated. What stays as it is, and components, are left out.

    Raises GraphError for what is no preview.
    """
    if not isinstance(preview, Mapping) or not isinstance(preview.get("steps"), list):
        raise GraphError(
            "this is no preview: write one with `pulumi preview --json --show-sames`"
        )
    found: dict[tuple[str, str], Change] = {}
    try:
        for step in preview["steps"]:
            change = _change(step)
            if change is not None:
                # A replacement has up to three steps.
                key = (step["urn"], change.op)
                found[key] = _merged(found.get(key), change)
    except (AttributeError, KeyError, TypeError) as error:
        raise GraphError(
            f"the preview is damaged: a step is none ({type(error).__name__}: {error})"
        ) from error
    return sorted(found.values(), key=_order)


def counted(changes: Sequence[Change]) -> str:
    """How many of each: `1 to delete, 2 to replace`, or `no changes`."""
    counts = Counter(change.op for change in changes)
    known = [op for op in _WORST if counts[op]]
    others = sorted(counts.keys() - set(_WORST))
    told = [f"{counts[op]} to {op}" for op in (*known, *others)]
    return ", ".join(told) or "no changes"


def _change(step: Mapping[str, Any]) -> Change | None:
    op = effect(step["op"])
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    state = {**old, **new}
    if op in IDLE or not state.get("custom", True):
        return None
    type_ = str(state.get("type") or step["urn"].split("::")[2].rpartition("$")[2])
    if type_.startswith("pulumi:providers:"):
        return None
    return Change(
        op=op,
        type=type_,
        name=step["urn"].rpartition("::")[2],
        properties=tuple(_properties(step)),
        causes=tuple(step.get("replaceReasons") or ()),
        # A protected resource counts even when the new program lifts the protection.
        protected=bool(old.get("protect") or new.get("protect")),
        holds_data=holds_data(step["urn"]),
    )


def _properties(step: Mapping[str, Any]) -> Iterator[str]:
    """The changed properties, without places in lists: never a value of them."""
    named = step.get("diffReasons") or list(step.get("detailedDiff") or {})
    yield from dict.fromkeys(path.partition(".")[0].partition("[")[0] for path in named)


def _merged(one: Change | None, other: Change) -> Change:
    if one is None:
        return other
    return Change(
        op=one.op,
        type=one.type,
        name=one.name,
        properties=one.properties or other.properties,
        causes=one.causes or other.causes,
        protected=one.protected or other.protected,
        holds_data=one.holds_data,
    )


def _order(change: Change) -> tuple[bool, int, str, str]:
    rank = _WORST.index(change.op) if change.op in _WORST else -1
    return (not change.alarming, rank, change.type, change.name)
