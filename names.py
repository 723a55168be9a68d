"""Names of things in the cloud: readable, stable, and within the provider's limits.

Most resources are auto-named by Pulumi: logical name, hyphen, seven hexadecimal
digits. The names made here are the logical ones, and those few physical ones that
are part of an interface (operators and tools look them up): secrets, log groups,
the repository, the cluster.
"""

from __future__ import annotations

import hashlib
import re

PROJECT = "stromhaltig"
"""First part of every name."""

AUTO_NAME_LENGTH = 8
"""What Pulumi's auto-naming appends: a hyphen and seven hexadecimal digits."""

LOAD_BALANCER_LIMIT = 32 - AUTO_NAME_LENGTH
"""Logical name of a load balancer or target group (AWS ELBv2 API: 32)."""

DATABASE_LIMIT = 63 - AUTO_NAME_LENGTH
"""Logical name of an RDS instance (AWS RDS: 63)."""

CACHE_LIMIT = 40 - AUTO_NAME_LENGTH
"""Logical name of a cache's replication group (AWS ElastiCache: 40)."""

BUCKET_LIMIT = 63 - AUTO_NAME_LENGTH
"""Logical name of an S3 bucket (AWS S3: 63)."""

FUNCTION_LIMIT = 64 - AUTO_NAME_LENGTH
"""Logical name of a function (AWS Lambda: 64)."""

APP_LIMIT = 32
"""Physical name of an app (DigitalOcean App Platform: 2 to 32)."""

REPOSITORY_LIMIT = 256
"""Physical name of an ECR repository (AWS ECR: 2 to 256)."""

LOG_GROUP_LIMIT = 512
"""Physical name of a CloudWatch log group (AWS CloudWatch Logs: 512)."""

_HASH_LENGTH = 8
_SEPARATORS = "-_./"
# The longest suffix of a role, `-database-monitoring`, and auto-naming fit IAM's 64.
_BASE_LIMIT = 36


def bounded(name: str, limit: int) -> str:
    """Return the name, shortened when it is longer than `limit` characters.

    A shortened name keeps its beginning and ends in eight hexadecimal digits of
    the whole name's hash: the same name always gives the same result, and two long
    names that begin alike stay apart.

    Raises:
        ValueError: when the limit leaves no room for a readable beginning.
    """
    if limit <= _HASH_LENGTH + 1:
        raise ValueError(f"a limit of {limit} leaves no room for a name and its hash")
    if len(name) <= limit:
        return name
    return _hashed(name[: limit - _HASH_LENGTH - 1], whole=name)


def slug(text: str) -> str:
    """Return the text in lower-case letters, digits and single hyphens.

    What every AWS service takes in a name. Text that has to be altered gets a hash
    of the original, so that "team.a" and "team_a" do not become the same.

    Raises:
        ValueError: when no letter or digit is left.
    """
    clean = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not clean:
        raise ValueError(f'"{text}" has no letter or digit to make a name of')
    return clean if clean == text else _hashed(clean, whole=text)


def base(stack: str) -> str:
    """Name that a stack's resources begin with: `stromhaltig-<stack>`."""
    return bounded(f"{PROJECT}-{slug(stack)}", _BASE_LIMIT)


def secrets(stack: str) -> str:
    """First part of the names in Secrets Manager: `stromhaltig/<stack>`."""
    return f"{PROJECT}/{stack}"


def log_group(stack: str) -> str:
    """CloudWatch log group of the app's containers: `/ecs/stromhaltig-<stack>`."""
    return bounded(f"/ecs/{base(stack)}", LOG_GROUP_LIMIT)


def repository(stack: str) -> str:
    """ECR repository of the app's image: `stromhaltig-<stack>`."""
    return bounded(base(stack), REPOSITORY_LIMIT)


def _hashed(beginning: str, *, whole: str) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{beginning.rstrip(_SEPARATORS)}-{digest}"
