"""Options of an AWS stack: each is on when the stack file names it, `{}` included.

Removing one from the file removes what it made. What holds data is protected first:
see `decommission`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from settings import forms
from settings.model import Group

IA_DAYS: Final = (1, 7, 14, 30, 60, 90, 180, 270, 365)
"""Days after which EFS can move a file to Infrequent Access (AWS: LifecyclePolicy)."""


class Cache(Group):
    """Valkey, for what the app would otherwise ask the database for."""

    engine_version: forms.ValkeyVersion = Field(
        "8.0", description="Version of Valkey. It can go up in place, never down."
    )
    node_type: forms.CacheNode = Field(
        "cache.t4g.micro",
        description="Size of a node. cache.t4g.micro: 0.5 GiB, about 11 USD a month; "
        "cache.t4g.small: 1.4 GiB, about 22.",
    )
    nodes: int = Field(
        1,
        ge=1,
        le=6,
        description="Nodes, in different zones. From two on, a replica takes over "
        "when the primary fails; required in production.",
    )
    max_memory_policy: Literal[
        "volatile-lru",
        "volatile-lfu",
        "volatile-ttl",
        "volatile-random",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ] = Field(
        "volatile-lru",
        description="What goes when memory is full. The default drops only what has "
        "an expiry.",
    )
    snapshot_retention_days: int = Field(
        1, ge=0, le=35, description="Days that daily snapshots are kept; 0 takes none."
    )
    snapshot_window: forms.DailyWindow = Field(
        "00:30-01:30",
        description="When they are taken, in UTC: an hour or more.",
    )
    maintenance_window: forms.WeeklyWindow = Field(
        "sun:04:30-sun:05:30",
        description="When AWS may patch, in UTC: an hour or more.",
    )
    final_snapshot: bool = Field(
        False,
        description="Deleting the cache leaves a snapshot. It is a cache: what is in "
        "it can be made again.",
    )


class Uploads(Group):
    """A file system for uploads, which outlives tasks and is shared by them."""

    infrequent_access_days: Annotated[
        int, AfterValidator(forms.numbers(0, *IA_DAYS))
    ] = Field(
        30,
        description="Days without access after which a file moves to cheaper storage, "
        "from 0.36 to about 0.03 USD a GB and month; reading it brings it back. 0 "
        "leaves all where they are.",
    )


class Firewall(Group):
    """A web ACL in front of the app (about 12 USD a month and 0.60 per million)."""

    mode: Literal["block", "count"] = Field(
        "block",
        description="`count` only counts what it would have blocked: for a first week.",
    )
    api_requests_per_minute: int = Field(
        600,
        ge=10,
        le=2_000_000_000,
        description="Requests under /api/ that one address may make in a minute "
        "(guide: 10 a second). AWS's least is 10.",
    )
    login_attempts_per_5_minutes: int = Field(
        25,
        ge=10,
        le=2_000_000_000,
        description="Logins that one address may try in 5 minutes (guide: 5 a minute). "
        "AWS's least is 10.",
    )
    log_retention_days: forms.Retention = Field(
        30, description="Days that blocked requests stay in the log."
    )


class Cdn(Group):
    """CloudFront in front of the load balancer, which then answers to nobody else."""

    exclusive: bool = Field(
        True,
        description="Whether the load balancer answers to CloudFront only. A site that "
        "is in use gets its CDN with false first, so that the names move before the "
        "way that they led is closed.",
    )
    content_security_policy: forms.SecurityPolicy | None = Field(
        None,
        description="What pages may load, where the app does not say it, instead of "
        "the default: the site's own files, and images in `data:`.",
    )
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = Field(
        "PriceClass_100",
        description="Where it answers from: Europe and North America; most of the "
        "world; all of it.",
    )


class ScalingSchedule(Group):
    """Other bounds from a time on."""

    cron: forms.CronExpression = Field(
        description="When, as in cron(0 7 ? * MON-FRI *)."
    )
    minimum: int = Field(ge=0, le=1000, description="Fewest tasks from then on.")
    maximum: int = Field(ge=1, le=1000, description="Most tasks from then on.")


class Autoscaling(Group):
    """As many tasks as the load asks for."""

    minimum: int = Field(2, ge=1, le=1000, description="Fewest tasks.")
    maximum: int = Field(6, ge=1, le=1000, description="Most tasks.")
    cpu_percent: int = Field(
        60,
        ge=0,
        le=100,
        description="Mean CPU that is aimed at; 0 looks at something else.",
    )
    memory_percent: int = Field(
        75, ge=0, le=100, description="Mean memory that is aimed at; 0 does not."
    )
    requests_per_target: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Requests a minute for each task that are aimed at; 0 does not. "
        "Only with rolling deployments.",
    )
    schedules: dict[str, ScalingSchedule] = Field(
        {},
        description="Bounds that change with the time of day.",
        json_schema_extra={
            "accepts": "names, each with `cron`, `minimum` and `maximum`"
        },
    )
    timezone: forms.TimeZone = Field(
        "Europe/Berlin", description="Time zone of the schedules."
    )


class Jobs(Group):
    """Tasks at set times, from the image that the service runs."""

    dump: forms.ScheduleExpression = Field(
        "cron(0 3 * * ? *)",
        description="When the database is dumped to the bucket (guide: daily), or off.",
    )
    archive: forms.ScheduleExpression = Field(
        "cron(30 3 * * ? *)",
        description="When uploads are archived to the bucket (guide: daily), or off. "
        "Needs `uploads`.",
    )
    maintain: forms.ScheduleExpression = Field(
        "cron(0 5 ? * SUN *)",
        description="When the database is vacuumed and bloated indexes are rebuilt "
        "(guide: weekly), or off.",
    )
    timezone: forms.TimeZone = Field(
        "Europe/Berlin", description="Time zone of these times."
    )
    dump_days: int = Field(
        30, ge=1, le=3650, description="Days that dumps are kept (guide: 30)."
    )
    archive_days: int = Field(
        7, ge=1, le=3650, description="Days that archives are kept (guide: 7)."
    )


class Monitoring(Group):
    """Alarms, and where they are sent."""

    emails: Annotated[tuple[forms.Email, ...], Field(strict=False)] = Field(
        (),
        description="Who gets alarms. AWS asks each for confirmation first.",
    )
    slack: bool = Field(
        False,
        description="Send alarms to Slack too; the webhook is the secret "
        "SLACK_WEBHOOK_URL.",
    )
    slow_request_ms: int = Field(
        5000,
        ge=100,
        le=600_000,
        description="Milliseconds from which a request is slow (guide: 5000): of the "
        "log's metric and of the 95th percentile at the load balancer.",
    )
    errors_per_5_minutes: int = Field(
        10, ge=1, le=1_000_000, description="Errors in the log that raise an alarm."
    )
    slow_per_5_minutes: int = Field(
        10, ge=1, le=1_000_000, description="Slow requests that raise an alarm."
    )
    health_check: bool = Field(
        True,
        description="Ask /api/health from outside, from three regions. About 2 USD a "
        "month; needs a domain.",
    )
    dashboard: bool = Field(
        True, description="One screen for all of it; 3 USD a month after the third."
    )


class Backups(Group):
    """Backups by AWS Backup, beside the database's own."""

    start: forms.TimeOfDay = Field(
        "05:00",
        description="When backups may begin, in UTC, within an hour: clear of the "
        "database's windows, and of the hour before each.",
    )
    database_days: int = Field(
        30,
        ge=1,
        le=36500,
        description="Days that database backups are kept (guide: 30).",
    )
    uploads_days: int = Field(
        7,
        ge=1,
        le=36500,
        description="Days that backups of uploads are kept (guide: 7).",
    )
    lock: Literal["none", "governance", "compliance"] = Field(
        "governance",
        description="Who may delete a backup before its time: who may touch the vault; "
        "who may remove the lock too; nobody, AWS included, and that for ever.",
    )
    copy_region: forms.Region | None = Field(
        None, description="Region that gets a copy of each; another than the stack's."
    )
    restore_testing: bool = Field(
        False,
        description="Restore one each week, look that it worked, delete it. A few USD "
        "a month.",
    )


class Github(Group):
    """Roles that workflows of a GitHub repository deploy with, without keys."""

    repository: forms.GithubRepository = Field(
        description="Whose workflows: OWNER/NAME."
    )
    branch: forms.GitBranch = Field(
        "main", description="Branch that may deploy, by its GitHub environment."
    )
    environment: forms.GithubEnvironment | None = Field(
        None,
        description="GitHub environment that deploys; by default the stack's name.",
    )
    preview_environment: forms.GithubEnvironment | None = Field(
        None,
        description="GitHub environment that previews, another one; by default the "
        "stack's name and `-preview`.",
    )
    subject: forms.OidcSubject | None = Field(
        None,
        description="What the subjects of its tokens begin with, where that is not "
        "`repo:OWNER/NAME`: repositories made after 15 July 2026 have "
        "`repo:OWNER@ID/NAME@ID`.",
    )
    repository_id: forms.RepositoryId | None = Field(
        None,
        description="GitHub's number of the repository, which no other ever gets.",
    )
    provider_arn: forms.OidcProviderArn | None = Field(
        None,
        description="OIDC provider of the account, where one exists: an account has "
        "only one for GitHub. By default it is made.",
    )
    state_bucket: forms.Bucket = Field(description="S3 bucket of Pulumi's state.")
    state_key_arn: forms.KmsKeyArn = Field(
        description="KMS key that encrypts the secrets of the stack file and the state."
    )


class Budget(Group):
    """A monthly limit that tells before it is broken."""

    monthly_usd: int = Field(
        ge=1,
        le=1_000_000,
        description="USD a month for what carries the stack's tag Environment. AWS "
        "counts by it once it is activated as a cost allocation tag.",
    )
    emails: Annotated[tuple[forms.Email, ...], Field(strict=False)] = Field(
        (), description="Who is told, beside those of `monitoring`."
    )
