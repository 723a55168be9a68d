"""What breaks the policies about RDS."""

from __future__ import annotations

from policies.types import DATABASE
from tests.unit.policies.casework import Case, resource

CASES = (
    Case(
        id="RDS.3",
        good=[resource(DATABASE, storageEncrypted=True)],
        bad={
            "not encrypted": (
                [resource(DATABASE, storageEncrypted=False)],
                "storageEncrypted is not true",
            ),
            "left to its default": ([resource(DATABASE)], "storageEncrypted"),
        },
    ),
)
