"""Amazon RDS: databases that are encrypted, private, backed up and watched."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import Severity, Source, policy
from policies.types import DATABASE
from resource_graph import Resource


@policy(
    "RDS.3",
    DATABASE,
    title="Databases are encrypted at rest",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set storage_encrypted=True. One that exists is encrypted by restoring an "
    "encrypted copy of its snapshot.",
)
def encrypted(instance: Resource) -> Iterator[str]:
    """A lost disk or snapshot is of no use to its finder."""
    if instance.get("storageEncrypted") is not True:
        yield "storageEncrypted is not true"
