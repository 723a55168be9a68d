"""How much is used in a month, where the program cannot know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE = Path(__file__).with_name("assumptions.yaml")
"""The defaults, and the profiles that change some of them."""

HOURS = 730
"""Of a month, as AWS's own calculator counts them: 365 days by 24, a twelfth."""


_Quantity = Annotated[float, Field(ge=0)]


class AssumptionError(Exception):
    """An assumption that does not exist or cannot be; the message lists every one."""


class Assumptions(BaseModel):
    """Quantities of one month that no program states.

    Each is a number; those by name, one for each pattern of logical names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    requests: float = Field(ge=0, description="requests to the app")
    requests_per_connection: float = Field(
        gt=0, description="requests over one connection"
    )
    egress_gb: float = Field(ge=0, description="GB to the internet")
    nat_gb: float = Field(ge=0, description="GB through NAT gateways")
    cross_zone_gb: float = Field(ge=0, description="GB between zones, each direction")
    tasks: float = Field(ge=0, description="tasks on average; 0: the desired count")
    app_log_gb: float = Field(ge=0, description="GB that the app logs")
    log_gb: Mapping[str, _Quantity] = Field(
        description="GB of other log groups, by name"
    )
    enhanced_monitoring_gb: float = Field(
        ge=0, description="GB of a database's enhanced monitoring"
    )
    container_insights_metrics: float = Field(
        ge=0, description="metrics of Container Insights"
    )
    bucket_gb: Mapping[str, _Quantity] = Field(description="GB in buckets, by name")
    bucket_writes: float = Field(ge=0, description="requests that write to a bucket")
    bucket_reads: float = Field(ge=0, description="requests that read from a bucket")
    image_gb: float = Field(ge=0, description="GB in image repositories")
    uploads_gb: float = Field(ge=0, description="GB of files on EFS")
    uploads_ia_percent: float = Field(
        ge=0, le=100, description="% of them that moved to infrequent access"
    )
    uploads_read_gb: float = Field(ge=0, description="GB read from EFS")
    uploads_written_gb: float = Field(ge=0, description="GB written to EFS")
    uploads_backup_gb: float = Field(ge=0, description="GB of EFS in AWS Backup")
    database_used_gb: float = Field(ge=0, description="GB in the database")
    database_change_percent: float = Field(ge=0, description="% of it new each day")
    cache_backup_gb: float = Field(ge=0, description="GB of the cache's snapshots")
    job_minutes: float = Field(ge=0, description="minutes of a scheduled job's run")
    secret_calls: float = Field(ge=0, description="calls to Secrets Manager")
    key_requests: float = Field(ge=0, description="requests to KMS")
    events: float = Field(ge=0, description="events, notifications, messages, each")
    restore_test_hours: float = Field(
        ge=0, description="hours that a restored database runs in a test"
    )
    service_vcpu: Mapping[str, _Quantity] = Field(
        description="vCPU that a service on Railway uses, by name"
    )
    service_memory_gb: Mapping[str, _Quantity] = Field(
        description="GB of memory that a service on Railway uses, by name"
    )
    free_allowances_percent: float = Field(
        ge=0,
        le=100,
        description="% of an account's always-free allowances that this stack has",
    )

    def log_group_gb(self, name: str) -> float:
        """GB that a log group takes in, by its logical name."""
        return _match(self.log_gb, name)

    def railway_vcpu(self, name: str) -> float:
        """Processors that a replica uses on average, by its service's logical name."""
        return _match(self.service_vcpu, name)

    def railway_gb(self, name: str) -> float:
        """GB of memory that a replica uses on average, in the same way."""
        return _match(self.service_memory_gb, name)

    def in_bucket_gb(self, name: str) -> float:
        """GB that a bucket holds, by its logical name."""
        return _match(self.bucket_gb, name)


def profiles() -> list[str]:
    """Names of the profiles."""
    return sorted(_file()["profiles"])


def profile_for(stack: str) -> str:
    """The profile that a stack is priced with unless another is asked for.

    Every pull request's is `review`.
    """
    if re.fullmatch(r"pr-\d+", stack):
        return "review"
    return stack if stack in profiles() else "production"


def assumptions(profile: str, changes: Iterable[str] = ()) -> Assumptions:
    """The assumptions of a profile.

    changes: `NAME=VALUE` from the command line, or `NAME.PATTERN=VALUE` for what goes
    by name; such a pattern comes before those of the file.

    Raises AssumptionError with every problem: an unknown profile or name, no number.
    """
    if profile not in profiles():
        raise AssumptionError(
            f"There is no profile {profile}; there are: {', '.join(profiles())}"
        )
    values: dict[str, Any] = {**_file()["default"], **_file()["profiles"][profile]}
    problems = []
    for change in changes:
        key, _, text = change.partition("=")
        name, _, pattern = key.partition(".")
        by_name = isinstance(values.get(name), Mapping)
        if name not in values:
            near = get_close_matches(name, values, n=1)
            known = ", ".join(values)
            hint = f'Did you mean "{near[0]}"?' if near else f"There are: {known}"
            problems.append(f'"{name}" is no assumption that can be set. {hint}')
        elif by_name != bool(pattern):
            form = f"{name}.PATTERN=VALUE" if by_name else f"{name}=VALUE"
            problems.append(f'"{change}" does not say how much of what. Say {form}')
        elif by_name:
            others = {p: gb for p, gb in values[name].items() if p != pattern}
            values[name] = {pattern: text, **others}
        else:
            values[name] = text
    try:
        made = Assumptions.model_validate(values)
    except ValidationError as error:
        problems += [
            f'{".".join(map(str, problem["loc"]))}: "{problem["input"]}": '
            f"{problem['msg']}"
            for problem in error.errors()
        ]
    if problems:
        raise AssumptionError("\n".join(problems))
    return made


@cache
def _file() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


def _match(patterns: Mapping[str, float], name: str) -> float:
    """The value of the first pattern that fits; patterns stand in order."""
    return next((gb for p, gb in patterns.items() if fnmatchcase(name, p)), 0.0)
