"""What an update changes, told with the dangerous first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ops.stack import Change

_REPLACES = frozenset({"replace", "create-replacement", "delete-replaced"})
_DELETES = frozenset({"delete", "discard"})


@dataclass(frozen=True)
class Summary:
    """The changes of an update.

    losses: resources that hold data, or are protected, and would be gone or replaced.
    """

    changes: Sequence[Change]

    @property
    def replaced(self) -> list[Change]:
        """Resources that are made anew."""
        return _once(c for c in self.changes if c.op in _REPLACES)

    @property
    def deleted(self) -> list[Change]:
        """Resources that go."""
        return _once(c for c in self.changes if c.op in _DELETES)

    @property
    def losses(self) -> list[Change]:
        """Of these, what holds data or is protected."""
        return [c for c in (*self.replaced, *self.deleted) if holds_data(c)]

    def lines(self) -> list[str]:
        """For people: replacements and deletions by name, the rest by number."""
        told = [_line("replace", change) for change in self.replaced]
        told += [_line("delete", change) for change in self.deleted]
        counts = Counter(c.op for c in self.changes if c.op not in _REPLACES | _DELETES)
        told += [f"{op} {count}" for op, count in sorted(counts.items())]
        return told or ["no changes"]


def holds_data(change: Change) -> bool:
    """Whether something is lost with a resource."""
    return change.protected or change.holds_data


def _line(op: str, change: Change) -> str:
    mark = "  << holds data" if holds_data(change) else ""
    return f"{op} {change.type} {change.name}{mark}"


def _once(changes: Iterable[Change]) -> list[Change]:
    """One of each resource: a replacement comes in three steps."""
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        found.setdefault((change.type, change.name), change)
    return list(found.values())
