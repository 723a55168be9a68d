"""What an update changes, told with the dangerous first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.stack import Change

_EFFECTS: Mapping[str, str] = {
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "discard-replaced": "replace",
    "import-replacement": "replace",
    "read-replacement": "replace",
    "remove-pending-replace": "replace",
    "delete": "delete",
    "discard": "delete",
}
"""The engine's steps by which something goes, to what becomes of it: IsReplacementStep
in its pkg/resource/deploy/step.go, and what is deleted.
"""


def effect(op: str) -> str:
    """What a step of the engine comes to: `replace`, `delete`, or its own name."""
    return _EFFECTS.get(op, op)


@dataclass(frozen=True)
class Summary:
    """The changes of an update.

    losses: resources that hold data, or are protected, and would be gone or replaced.
    """

    changes: Sequence[Change]

    @property
    def replaced(self) -> list[Change]:
        """Resources that are made anew."""
        return self._by("replace")

    @property
    def deleted(self) -> list[Change]:
        """Resources that go."""
        return self._by("delete")

    @property
    def losses(self) -> list[Change]:
        """Of these, what holds data or is protected."""
        return [c for c in (*self.replaced, *self.deleted) if holds_data(c)]

    def lines(self) -> list[str]:
        """For people: replacements and deletions by name, the rest by number."""
        told = [_line("replace", change) for change in self.replaced]
        told += [_line("delete", change) for change in self.deleted]
        counts = Counter(c.op for c in self.changes if c.op not in _EFFECTS)
        told += [f"{op} {count}" for op, count in sorted(counts.items())]
        return told or ["no changes"]

    def _by(self, told: str) -> list[Change]:
        return _once(c for c in self.changes if effect(c.op) == told)


def holds_data(change: Change) -> bool:
    """Whether something is lost with a resource."""
    return change.protected or change.holds_data


def _line(op: str, change: Change) -> str:
    mark = "  << holds data" if holds_data(change) else ""
    return f"{op} {change.type} {change.name}{mark}"


def _once(changes: Iterable[Change]) -> list[Change]:
    """One of each resource: a replacement comes in up to three steps."""
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        found.setdefault((change.type, change.name), change)
    return list(found.values())
