"""Groups of settings that every AWS stack has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cidr import MAX_ZONES, MIN_ZONES
from settings import forms
from settings.aws.offers import FARGATE_MEMORY
from settings.model import Group

Endpoint = Literal[
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "kms",
    "logs",
    "monitoring",
    "secretsmanager",
    "ssm",
    "ssmmessages",
]


class DefaultTags(Group):
    """Tags on everything that takes some; the provider's own setting."""

    tags: dict[str, str] = Field({}, description="Name to value.")


class Network(Group):
    """The virtual network."""

    cidr: forms.NetworkRange = Field(
        "10.0.0.0/16",
        description="Address range. Half goes to tasks, a quarter each to what is "
        "public and to databases. Changing it replaces everything.",
    )
    availability_zones: int = Field(
        2,
        ge=MIN_ZONES,
        le=MAX_ZONES,
        description="Zones in use. A third one costs another NAT with `per-az` and "
        "moves no subnet.",
    )
    nat: Literal["none", "instance", "single", "per-az"] = Field(
        "instance",
        description="How tasks reach the internet. A gateway costs about 38 USD a "
        "month, `per-az` one for each zone so that no zone depends on another; an "
        "instance about 8 with its public address and disk, and a failure interrupts "
        "outgoing calls; `none` needs interface endpoints, and the app reaches no AI "
        "service and no mail server.",
    )
    interface_endpoints: Annotated[tuple[Endpoint, ...], Field(strict=False)] = Field(
        (),
        description="AWS services reached without NAT. About 9 USD a month for each "
        "service and zone; S3 has a free gateway endpoint in any case.",
    )
    flow_log_days: forms.Retention = Field(
        14, description="Days that records of network traffic are kept (EC2.6)."
    )


class Registry(Group):
    """The image repository."""

    keep_images: int = Field(
        30,
        ge=1,
        le=1000,
        description="Images kept to roll back to, besides those of recorded releases. "
        "About 0.10 USD a month for each GB.",
    )


class Database(Group):
    """The PostgreSQL database."""

    engine_version: forms.EngineVersion = Field(
        "15",
        description="Version of PostgreSQL. The major only: AWS then applies minor "
        "versions in the maintenance window, and retires none under you; a minor "
        "version that is given stays. A database that exists gets its new major "
        "version on the instance first (`aws rds modify-db-instance "
        "--allow-major-version-upgrade`), then here.",
    )
    instance_class: str = Field(
        "db.t4g.micro",
        description="Size of the server. db.t4g.micro: 1 GiB, about 13 USD a month; "
        "db.t4g.medium: 4 GiB, about 53. Multi-AZ doubles it. A change waits for the "
        "maintenance window.",
        json_schema_extra={"accepts": "a class like db.t4g.micro"},
    )
    allocated_storage: int = Field(
        20,
        ge=20,
        le=65536,
        description="GiB of gp3 storage at the start. About 0.14 USD a month for each, "
        "doubled by Multi-AZ. It can grow, never shrink, and does so in the "
        "maintenance window.",
    )
    max_allocated_storage: int = Field(
        100,
        ge=0,
        le=65536,
        description="GiB up to which storage grows by itself; 0 turns that off.",
    )
    multi_az: bool = Field(
        True,
        description="Keep a standby in another zone, so that losing one loses a "
        "minute, not the database. Doubles the price; required in production.",
    )
    backup_retention_days: int = Field(
        7,
        ge=1,
        le=35,
        description="Days that any second can be restored (guide: 7).",
    )
    backup_window: forms.DailyWindow = Field(
        "02:00-03:00", description="When the daily backup is taken, in UTC."
    )
    maintenance_window: forms.WeeklyWindow = Field(
        "sun:03:30-sun:04:30",
        description="When AWS may patch, in UTC. Must not overlap the backup.",
    )
    deletion_protection: bool = Field(
        True, description="AWS refuses to delete the database. Required in production."
    )
    final_snapshot: bool = Field(
        True, description="Deleting it leaves a snapshot. Required in production."
    )
    performance_insights: bool = Field(
        True, description="Record what queries wait for, 7 days back. Free."
    )
    monitoring_interval: Annotated[
        int, AfterValidator(forms.numbers(0, 1, 5, 10, 15, 30, 60))
    ] = Field(
        60,
        description="Seconds between measurements of the operating system (RDS.6); 0 "
        "turns them off. They are paid as logs: about 1 USD a month at 60.",
    )
    ssl_mode: Literal["require", "verify-ca", "verify-full", "no-verify"] = Field(
        "require",
        description="`sslmode` in DATABASE_URL; the server refuses plain connections "
        "whatever it says. `verify-full` checks who answers, for which the image must "
        "trust the RDS certificate bundle. node-postgres checks with `require` too, "
        "and knows `no-verify` (which libpq does not) to encrypt without checking.",
    )
    slow_query_ms: int = Field(
        1000,
        ge=10,
        le=600_000,
        description="Milliseconds from which a statement is logged.",
    )
    log_retention_days: forms.Retention = Field(
        30, description="Days that the database's logs are kept."
    )


class LoadBalancer(Group):
    """The load balancer."""

    deletion_protection: bool = Field(
        True, description="AWS refuses to delete it (ELB.6). Required in production."
    )
    idle_timeout: int = Field(
        60,
        ge=1,
        le=4000,
        description="Seconds without a byte after which a connection is closed "
        "(guide: proxy timeouts).",
    )
    deregistration_delay: int = Field(
        30,
        ge=0,
        le=3600,
        description="Seconds that a task which is being replaced may take to finish "
        "its requests. AWS's own default, 300, makes a roll-out slow.",
    )
    allowed_cidrs: Annotated[tuple[forms.AddressRange, ...], Field(strict=False)] = (
        Field(
            ("0.0.0.0/0",),
            description="Who may connect, in IPv4: the load balancer has no IPv6. "
            "Narrow it to keep a staging site private.",
        )
    )
    access_log_days: int = Field(
        90, ge=1, le=3650, description="Days that access logs are kept (ELB.5)."
    )


class Service(Group):
    """The app's tasks."""

    cpu: Annotated[int, AfterValidator(forms.numbers(*FARGATE_MEMORY))] = Field(
        256,
        description="CPU units of a task; 1024 are one vCPU. 1024 with 2048 MiB on "
        "ARM cost about 33 USD a month.",
    )
    memory: int = Field(
        512,
        ge=512,
        le=122880,
        description="MiB of a task. Fargate offers 512, 1024 and 2048 with 256 CPU "
        "units, 1024 to 4096 with 512, 2048 to 8192 with 1024, and so on.",
    )
    architecture: Literal["arm64", "x86_64"] = Field(
        "arm64",
        description="Processor that the image is built for. ARM is a fifth cheaper.",
    )
    desired_count: int = Field(
        2,
        ge=1,
        le=100,
        description="Tasks that run. With two, one zone can fail.",
    )
    spot_percent: int = Field(
        0,
        ge=0,
        le=100,
        description="Share of the tasks, beyond `on_demand_base`, that run on spare "
        "capacity: up to 70 % cheaper, and AWS takes it back with two minutes' notice.",
    )
    on_demand_base: int = Field(
        0,
        ge=0,
        le=1000,
        description="Tasks that run on regular capacity whatever `spot_percent` says.",
    )
    execute_command: bool = Field(
        False, description="Allow a shell in a running task (ECS Exec)."
    )
    container_insights: bool = Field(
        True,
        description="Metrics of tasks (ECS.12), without which no alarm tells that "
        "some are missing. About 3 USD a month for a small service.",
    )
    stop_timeout: int = Field(
        60,
        ge=2,
        le=120,
        description="Seconds between asking a task to stop and killing it. At least "
        "the load balancer's `deregistration_delay`.",
    )


class Deployment(Group):
    """How a new version takes over."""

    strategy: Literal["rolling", "blue_green", "canary", "linear"] = Field(
        "rolling",
        description="`rolling` replaces tasks one after the other; the others run old "
        "and new version side by side and move the traffic: all at once, a part first, "
        "or in equal steps. They need `monitoring`, whose alarms turn it back.",
    )
    bake_minutes: int = Field(
        5,
        ge=0,
        le=1440,
        description="Minutes that the old version stays after the traffic has moved, "
        "to go back to at once. Not for `rolling`.",
    )
    canary_percent: float = Field(
        10.0,
        ge=0.1,
        le=99.9,
        description="Share of the traffic that goes first. For `canary`.",
        json_schema_extra={"accepts": "a number from 0.1 to 99.9"},
    )
    canary_minutes: int = Field(
        5, ge=0, le=1440, description="Minutes until the rest follows. For `canary`."
    )
    step_percent: float = Field(
        20.0,
        ge=3.0,
        le=100.0,
        description="Share of the traffic that moves in each step. For `linear`.",
        json_schema_extra={"accepts": "a number from 3 to 100"},
    )
    step_minutes: int = Field(
        3, ge=0, le=1440, description="Minutes between two steps. For `linear`."
    )
    test_cidrs: Annotated[tuple[forms.AddressRange, ...], Field(strict=False)] = Field(
        (),
        description="Who may look at the new version before the traffic moves, on the "
        "test port 8443. Not for `rolling`.",
    )


class Logs(Group):
    """The app's logs."""

    retention_days: forms.Retention = Field(
        30,
        description="Days that the app's logs are kept (guide: 30). Taking in a GB "
        "costs 0.63 USD, keeping it 0.03 a month.",
    )
