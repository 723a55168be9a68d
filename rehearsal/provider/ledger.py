"""What recorded resources there are: stands for the platform that is not there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rehearsal.provider.wire import Properties


@dataclass(frozen=True)
class Entry:
    """One recorded resource.

    token, id: type and id as the engine knows it; name: the last part of its URN.
    inputs, outputs: as last written, by the program or behind its back.
    left: the program gave it up, but the platform keeps it.
    fault: why it never worked, if it did not.
    """

    token: str
    id: str
    name: str
    inputs: Properties
    outputs: Properties
    left: bool = False
    fault: str | None = None


class Ledger:
    """The recorded resources of one cloud, and the faults that wait for new ones.

    lock: to be held where one look decides about the next entry.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self._faults: dict[tuple[str, str], str] = {}
        self.lock = threading.RLock()

    def enter(self, entry: Entry) -> None:
        """Write a resource down, over what stood there of it."""
        with self.lock:
            self._entries[entry.token, entry.id] = entry

    def find(self, token: str, id: str) -> Entry | None:
        """The resource, or None when there is none."""
        with self.lock:
            return self._entries.get((token, id))

    def of_type(self, token: str) -> list[Entry]:
        """All resources of a type that are there."""
        with self.lock:
            return [entry for entry in self._entries.values() if entry.token == token]

    def strike(self, token: str, id: str) -> None:
        """Remove a resource; one that is gone already is no error."""
        with self.lock:
            self._entries.pop((token, id), None)

    def spoil(self, token: str, id: str, inputs: Mapping[str, Any]) -> None:
        """Change a resource behind the program's back.

        Raises KeyError when it is not there.
        """
        with self.lock:
            entry = self._entries[token, id]
            self.enter(
                replace(
                    entry,
                    inputs={**entry.inputs, **inputs},
                    outputs={**entry.outputs, **inputs},
                )
            )

    def break_new(self, token: str, name: str, message: str) -> None:
        """Let new resources of a type and name be made, but never work."""
        with self.lock:
            self._faults[token, name] = message

    def fault(self, token: str, name: str) -> str | None:
        """Why a new resource of a type and name does not work, if it does not."""
        with self.lock:
            return self._faults.get((token, name))

    def heal(self) -> None:
        """Take all faults back; what they broke stays as it is."""
        with self.lock:
            self._faults.clear()

    def as_list(self) -> list[dict[str, Any]]:
        """Every entry as what JSON can say."""
        with self.lock:
            return [asdict(entry) for entry in self._entries.values()]
