"""The lock that Pulumi itself leaves in a folder or bucket when it is killed."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.lock import runs, words
from ops.records import store_at

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.store import Store

FOLDER = ".pulumi/locks"
"""Where the engine keeps them: pkg/backend/diy/lock.go."""

LEASE = timedelta(hours=1)
"""How long a holder on another machine counts as alive: it renews nothing, and the
longest update, with a database in it, takes less.
"""


@dataclass(frozen=True)
class PulumiLock:
    """Who works on the state, as the engine wrote it down."""

    file: str
    who: str
    host: str
    pid: int
    since: datetime

    def alive(self) -> bool:
        """Whether it still works, as far as can be seen from here."""
        if self.host == socket.gethostname():
            return runs(self.pid)
        return datetime.now(UTC) - self.since < LEASE

    def __str__(self) -> str:
        age = words(datetime.now(UTC) - self.since)
        return f"{self.who}, process {self.pid} on {self.host}, for {age}"


def pulumi_locks(stack: Stack) -> list[PulumiLock]:
    """The locks of a stack; none where a service keeps the state, and its locks."""
    store = store_at(stack.backend_url, FOLDER)
    if store is None:
        return []
    project = stack.project_name
    # With and without the project: by the age of the backend.
    prefixes = (f"organization/{project}/{stack.name}/", f"{stack.name}/")
    return [
        _read(store, entry.name)
        for prefix in prefixes
        for entry in store.entries(prefix)
        if entry.name.endswith(".json")
    ]


def demand_dead(locks: list[PulumiLock]) -> None:
    """Refuse to take a lock away from somebody who works.

    Raises OpsError, naming who it is.
    """
    for lock in locks:
        if lock.alive():
            raise OpsError(
                f"Pulumi works on the state: {lock}. Wait, or end that first. When it "
                "is surely gone: pulumi cancel"
            )


def _read(store: Store, name: str) -> PulumiLock:
    try:
        data = json.loads(b"".join(store.read(name)))
        return PulumiLock(
            file=store.where(name),
            who=str(data["username"]),
            host=str(data["hostname"]),
            pid=int(data["pid"]),
            since=datetime.fromisoformat(str(data["timestamp"])),
        )
    except (ValueError, KeyError) as error:
        raise OpsError(
            f"{store.where(name)} is no lock of Pulumi's. Look at it"
        ) from error
