"""What breaks the policies about AWS Backup."""

from __future__ import annotations

from resource_graph import Resource
from resource_types import BACKUP_SELECTION, DATABASE, DATABASE_CLUSTER
from tests.unit.policies.casework import Case, resource

ENCRYPTED = resource(DATABASE, "encrypted", storageEncrypted=True)
PLAIN = resource(DATABASE, "plain", tags={"backup": "daily"})
CLUSTER = resource(DATABASE_CLUSTER, "cluster")


def selection(*of: Resource) -> Resource:
    return resource(BACKUP_SELECTION, comes_from={"resources": of})


CASES = (
    Case(
        id="Backup.1",
        good=[ENCRYPTED, PLAIN, selection(ENCRYPTED)],
        bad={
            "by name": ([PLAIN, selection(PLAIN)], "storageEncrypted is not true"),
            "a cluster": ([CLUSTER, selection(CLUSTER)], "recovery points of cluster"),
            "by pattern": (
                [PLAIN, resource(BACKUP_SELECTION, resources=["arn:aws:rds:*"])],
                "recovery points of plain",
            ),
            "by tag": (
                [
                    PLAIN,
                    resource(
                        BACKUP_SELECTION,
                        selectionTags=[
                            {"type": "STRINGEQUALS", "key": "backup", "value": "daily"}
                        ],
                    ),
                ],
                "recovery points of plain",
            ),
        },
    ),
)
