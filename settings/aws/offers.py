"""What AWS offers: the sizes and classes that a setting can name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

FARGATE_MEMORY: Final[Mapping[int, Sequence[int]]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""MiB that Fargate offers for CPU units (AWS: "Task CPU and memory")."""

_BURSTABLE = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
_TO_16 = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
_TO_24 = (*_TO_16, "24xlarge")
_TO_32 = (*_TO_24, "32xlarge")
_TO_48 = (*_TO_24, "48xlarge")
DATABASE_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("t3", "t4g"), _BURSTABLE),
    **dict.fromkeys(("m6g", "m6gd", "m7g", "r6g", "r6gd", "r7g", "x2g"), _TO_16),
    **dict.fromkeys(("m5", "m5d", "r5", "r5b", "r5d"), _TO_24),
    **dict.fromkeys(("m6i", "m6id", "r6i", "r6id"), _TO_32),
    **dict.fromkeys(("m7i", "m8g", "r7i", "r8g"), _TO_48),
}
"""Families of RDS classes that run PostgreSQL 15 and later, with their sizes.

AWS: "Supported DB engines for DB instance classes". Every one of them has
Performance Insights with PostgreSQL.
"""

RETIRED_CLASSES: Final[Mapping[str, str]] = {
    "t2": "t4g",
    "m3": "m6g",
    "m4": "m6g",
    "r3": "r6g",
    "r4": "r6g",
}
"""Families that run nothing after PostgreSQL 12, and the one to take instead."""

NAT_FREE_ENDPOINTS: Final = ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
"""Interface endpoints that a task needs to start where there is no NAT."""

EXEC_ENDPOINT: Final = "ssmmessages"
"""Interface endpoint that ECS Exec needs where there is no NAT."""
