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
        description="What is evicted when memory is full. The default evicts only keys "
        "that expire.",
    )
    snapshot_retention_days: int = Field(
        1, ge=0, le=35, description="Days that daily snapshots are kept; 0 takes none."
    )
    snapshot_window: forms.DailyWindow = Field(
        "00:30-01:30",
        description="When snapshots are taken, in UTC: an hour or more.",
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
        description="`block`, or `count`, which lets pass and counts what would have "
        "been blocked: for the first week.",
    )
    api_requests_per_minute: int = Field(
        600,
        ge=10,
        le=2_000_000_000,
        description="Requests under /api/ that one address may make in a minute "
        "(guide: 10 a second). AWS takes no limit below 10.",
    )
    login_attempts_per_5_minutes: int = Field(
        25,
        ge=10,
        le=2_000_000_000,
        description="Logins that one address may try in 5 minutes (guide: 5 a minute). "
        "AWS takes no limit below 10.",
    )
    log_retention_days: forms.Retention = Field(
        30, description="Days that the log of blocked and counted requests is kept."
    )


class Cdn(Group):
    """CloudFront in front of the load balancer, which then answers to nobody else."""

    exclusive: bool = Field(
        True,
        description="Whether the load balancer answers to CloudFront only. Turn the "
        "CDN on with false for a site that is in use: its names then move to "
        "CloudFront before the direct way is closed.",
    )
    content_security_policy: forms.SecurityPolicy | None = Field(
        None,
        description="What pages may load, for responses to which the app gives no "
        "policy of its own. By default the site's own files, and images in `data:`.",
    )
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = Field(
        "PriceClass_100",
        description="Where it answers from: `100` is Europe and North America, `200` "
        "most of the world, `All` all of it.",
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
        description="Target for the tasks' mean CPU use; 0 turns it off.",
    )
    memory_percent: int = Field(
        75,
        ge=0,
        le=100,
        description="Target for the tasks' mean memory use; 0 turns it off.",
    )
    requests_per_target: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Target for the requests a minute to each task; 0 turns it off. "
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
        description="Who gets alarms. AWS sends each a link to confirm first.",
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
        description="Milliseconds from which a request is slow (guide: 5000), both in "
        "the log and for the 95th percentile at the load balancer.",
    )
    errors_per_5_minutes: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="Errors in the log, within 5 minutes, that raise an alarm.",
    )
    slow_per_5_minutes: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="Slow requests in the log, within 5 minutes, that raise an alarm.",
    )
    health_check: bool = Field(
        True,
        description="Ask /api/health from outside, from three regions. About 2 USD a "
        "month; needs a domain.",
    )
    dashboard: bool = Field(
        True,
        description="A dashboard of one screen. An account's first three are free, "
        "each further one costs 3 USD a month.",
    )


class Backups(Group):
    """Backups by AWS Backup, beside the database's own."""

    start: forms.TimeOfDay = Field(
        "05:00",
        description="When backups begin, in UTC, or within the hour after it. Keep it "
        "clear of the database's windows and of the hour before each.",
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
        description="Who can delete a backup before its time. `none`: whoever may use "
        "the vault. `governance`: only who may also remove the lock. `compliance`: "
        "nobody, AWS included; the lock is final 7 days after it was made.",
    )
    copy_region: forms.Region | None = Field(
        None,
        description="Region for a copy of each backup, other than the stack's own.",
    )
    restore_testing: bool = Field(
        False,
        description="Each week restore a backup, check that it worked, and delete what "
        "was restored. A few USD a month.",
    )


class Github(Group):
    """Roles that workflows of a GitHub repository deploy with, without keys."""

    repository: forms.GithubRepository = Field(
        description="Whose workflows: OWNER/NAME."
    )
    branch: forms.GitBranch = Field(
        "main",
        description="Only branch whose workflows may deploy, in the GitHub environment "
        "below.",
    )
    environment: forms.GithubEnvironment | None = Field(
        None,
        description="GitHub environment that deploys; by default the stack's name.",
    )
    preview_environment: forms.GithubEnvironment | None = Field(
        None,
        description="GitHub environment that previews, other than the one that "
        "deploys; by default the stack's name with `-preview`.",
    )
    review_environment: forms.GithubEnvironment = Field(
        "review",
        description="GitHub environment of pull requests' stacks, where the stack has "
        "`reviews`; another than the two above. Every branch gets there.",
    )
    subject: forms.OidcSubject | None = Field(
        None,
        description="What the `sub` claim of the repository's tokens begins with, "
        "where that is not `repo:OWNER/NAME`: repositories made, renamed "
        "or moved after 15 July 2026 have `repo:OWNER@ID/NAME@ID`.",
    )
    repository_id: forms.RepositoryId | None = Field(
        None,
        description="GitHub's number of the repository. With it, a repository that "
        "takes over the name later gets no access.",
    )
    provider_arn: forms.OidcProviderArn | None = Field(
        None,
        description="OIDC provider of the account, if it has one already: there can be "
        "only one for GitHub. Without this key it is made.",
    )
    state_bucket: forms.Bucket = Field(description="S3 bucket of Pulumi's state.")
    state_key_arn: forms.KmsKeyArn = Field(
        description="KMS key that encrypts the secrets of the stack file and the state."
    )


class Reviews(Group):
    """What stacks of pull requests may have of this one: see docs/review.md."""

    connections: int = Field(
        10,
        ge=3,
        le=50,
        description="Connections that each review may have to the database server, "
        "which takes about 80 as a db.t4g.micro: those of two tasks, for a release "
        "doubles the one, and one to migrate.",
    )
    max: int = Field(
        4,
        ge=1,
        le=50,
        description="Reviews at once, which `stromhaltig ci review up` makes no more "
        "than: four, of 10 connections each, and this stack itself are what a "
        "db.t4g.micro takes.",
    )


class Budget(Group):
    """A monthly limit that warns before it is exceeded."""

    monthly_usd: int = Field(
        ge=1,
        le=1_000_000,
        description="Limit in USD a month, for what carries the stack's tag "
        "Environment. AWS counts nothing until that tag is activated as a cost "
        "allocation tag in the billing console.",
    )
    emails: Annotated[tuple[forms.Email, ...], Field(strict=False)] = Field(
        (), description="Who is told, beside those of `monitoring`."
    )
