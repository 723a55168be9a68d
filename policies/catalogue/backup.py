"""AWS Backup: recovery points that nobody else can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.backups import selects
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import BACKUP_SELECTION, DATABASE, DATABASE_CLUSTER

_ENCRYPTED: Mapping[str, str] = {
    DATABASE: "storageEncrypted",
    DATABASE_CLUSTER: "storageEncrypted",
}
"""What gives its own encryption, or none, to its recovery points.

Those of other services are encrypted with the key of the vault, which always has one.
"""


@policy(
    "Backup.1",
    BACKUP_SELECTION,
    title="Recovery points are encrypted at rest",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Encrypt what is backed up: set storage_encrypted=True on the database.",
)
def recovery_points_encrypted(
    selection: Resource, graph: ResourceGraph
) -> Iterator[str]:
    """A backup is as secret as what it was taken of."""
    for saved in graph.of(*_ENCRYPTED):
        if saved.has("replicateSourceDb") or not selects(selection, saved):
            continue
        key = _ENCRYPTED[saved.type]
        if saved.get(key) is not True:
            yield f"recovery points of {saved.name} are plain: {key} is not true"
