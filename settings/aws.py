"""Settings of the AWS platform, and the checks that AWS would make much later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from itertools import permutations
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field

from cidr import MAX_ZONES, MIN_ZONES
from settings import forms
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import Check, Group, Problem, Settings

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

Endpoint = Literal[
    "ecr.api", "ecr.dkr", "kms", "logs", "monitoring", "secretsmanager", "ssmmessages"
]


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
    spot: bool = Field(
        False,
        description="Run on spare capacity, up to 70 % cheaper. AWS takes it back with "
        "two minutes' notice.",
    )
    execute_command: bool = Field(
        False, description="Allow a shell in a running task (ECS Exec)."
    )
    stop_timeout: int = Field(
        60,
        ge=2,
        le=120,
        description="Seconds between asking a task to stop and killing it. At least "
        "the load balancer's `deregistration_delay`.",
    )


class Logs(Group):
    """The app's logs."""

    retention_days: forms.Retention = Field(
        30,
        description="Days that the app's logs are kept (guide: 30). Taking in a GB "
        "costs 0.63 USD, keeping it 0.03 a month.",
    )


class AwsSettings(Settings):
    """A stack's settings on AWS."""

    region: forms.Region = Field(
        "", alias="aws:region", description="AWS region of everything."
    )
    platform: Literal["aws"] = Field(
        "aws", description="Where the app runs. Its settings are below."
    )
    network: Network = Field(Network(), description="The virtual network.")
    registry: Registry = Field(Registry(), description="The image repository.")
    database: Database = Field(Database(), description="The PostgreSQL database.")
    load_balancer: LoadBalancer = Field(
        LoadBalancer(), description="The load balancer."
    )
    service: Service = Field(Service(), description="The app's tasks, on ECS Fargate.")
    logs: Logs = Field(Logs(), description="The app's logs.")
    secret_recovery_days: Annotated[
        int, AfterValidator(forms.Numbers((0, *range(7, 31)), "0, or from 7 to 30"))
    ] = Field(
        30,
        description="Days that a deleted secret can be restored. 0 deletes at once, "
        "so that a stack of the same name can be made again directly.",
    )

    def released(self) -> Self:
        """Return these settings with deletion protection lifted, to decommission."""
        unprotected = {"deletion_protection": False}
        return self.model_copy(
            update={
                "database": self.database.model_copy(update=unprotected),
                "load_balancer": self.load_balancer.model_copy(update=unprotected),
            }
        )


def _region_is_given(settings: AwsSettings) -> Iterator[Problem]:
    if not settings.region:
        command = settings.command("aws:region", "eu-central-1")
        yield "aws:region", f"is missing. Set it: {command}"


def _image_goes_to_the_stacks_own_repository(
    settings: AwsSettings,
) -> Iterator[Problem]:
    if settings.image.repository:
        yield (
            "image.repository",
            "is for other platforms: an AWS stack pushes to its own. Remove it",
        )


def _domain_has_a_zone(settings: AwsSettings) -> Iterator[Problem]:
    domain = settings.domain
    if (domain and domain.zone_id is None) or (settings.production and not domain):
        command = settings.command("domain.zone_id", "ZONE_ID")
        yield "domain.zone_id", f"is missing. Set it: {command}"


def _fargate_offers_the_size(settings: AwsSettings) -> Iterator[Problem]:
    cpu, memory = settings.service.cpu, settings.service.memory
    offered = FARGATE_MEMORY[cpu]
    if memory not in offered:
        nearest = min(offered, key=lambda size: abs(size - memory))
        yield (
            "service.memory",
            f"Fargate does not offer {memory} MiB with {cpu} CPU units. Choose one of "
            f"{_sizes(offered)}. The nearest is {nearest}",
        )


def _sizes(offered: Sequence[int]) -> str:
    if len(offered) <= 7:
        return ", ".join(str(size) for size in offered)
    step = offered[1] - offered[0]
    return f"{offered[0]} to {offered[-1]} in steps of {step}"


def _tasks_start_without_nat(settings: AwsSettings) -> Iterator[Problem]:
    if settings.network.nat != "none":
        return
    needed = set(NAT_FREE_ENDPOINTS)
    if settings.service.execute_command:
        needed.add(EXEC_ENDPOINT)
    missing = sorted(needed.difference(settings.network.interface_endpoints))
    if missing:
        yield (
            "network.interface_endpoints",
            f"{', '.join(missing)} must be listed where network.nat is none, or no "
            "task can start",
        )


def _endpoints_are_listed_once(settings: AwsSettings) -> Iterator[Problem]:
    for endpoint in _repeated(settings.network.interface_endpoints):
        yield "network.interface_endpoints", f'"{endpoint}" is listed more than once'


def _callers_are_given_and_apart(settings: AwsSettings) -> Iterator[Problem]:
    path, ranges = "load_balancer.allowed_cidrs", settings.load_balancer.allowed_cidrs
    if not ranges:
        yield path, "is empty: nobody could connect. List a range, or leave it out"
    for inner, outer in permutations(dict.fromkeys(ranges), 2):
        if _within(inner, outer):
            yield (
                path,
                f'"{inner}" lies within "{outer}", so it narrows nothing. Remove one',
            )
    for twice in _repeated(ranges):
        yield path, f'"{twice}" is listed more than once'


def _repeated(listed: tuple[str, ...]) -> list[str]:
    return sorted({value for value in listed if listed.count(value) > 1})


def _within(inner: str, outer: str) -> bool:
    return IPv4Network(inner).subnet_of(IPv4Network(outer))


def _class_runs_the_engine(settings: AwsSettings) -> Iterator[Problem]:
    path, given = "database.instance_class", settings.database.instance_class
    prefix, _, rest = given.partition(".")
    family, _, size = rest.partition(".")
    if family in RETIRED_CLASSES and prefix == "db":
        yield (
            path,
            f'"{given}" runs nothing after PostgreSQL 12. Take '
            f"db.{RETIRED_CLASSES[family]}.{size or 'SIZE'} instead",
        )
    elif prefix != "db" or family not in DATABASE_CLASSES:
        families = ", ".join(sorted(DATABASE_CLASSES))
        yield path, f'"{given}" is not db.FAMILY.SIZE with a family of {families}'
    elif size not in DATABASE_CLASSES[family]:
        sizes = ", ".join(DATABASE_CLASSES[family])
        yield path, f'"{given}" is not a size of db.{family}. Choose one of {sizes}'


def _storage_has_room_to_grow(settings: AwsSettings) -> Iterator[Problem]:
    allocated = settings.database.allocated_storage
    maximum = settings.database.max_allocated_storage
    # AWS, "Managing capacity automatically": at least 10 % above what is allocated.
    least = -(-allocated * 11 // 10)
    if 0 < maximum < least:
        yield (
            "database.max_allocated_storage",
            f"{maximum} GiB leaves no room above allocated_storage, {allocated}. RDS "
            f"asks for at least {least}, or 0 to turn growth off",
        )


def _windows_do_not_overlap(settings: AwsSettings) -> Iterator[Problem]:
    backup = settings.database.backup_window
    maintenance = settings.database.maintenance_window
    if forms.window_minutes(backup) & forms.window_minutes(maintenance):
        yield (
            "database.maintenance_window",
            f'"{maintenance}" overlaps backup_window, "{backup}". Move one of them',
        )


def _requests_finish_before_a_task_is_killed(
    settings: AwsSettings,
) -> Iterator[Problem]:
    stop = settings.service.stop_timeout
    drain = settings.load_balancer.deregistration_delay
    if stop < drain:
        yield (
            "service.stop_timeout",
            f"{stop} s is less than load_balancer.deregistration_delay, {drain} s: "
            "requests would be cut off. Raise the one (up to 120) or lower the other",
        )


def _production_survives_a_zone(settings: AwsSettings) -> Iterator[Problem]:
    if settings.production and not settings.database.multi_az:
        yield "database.multi_az", _refused("a failing zone would take the data down")


def _production_leaves_a_snapshot(settings: AwsSettings) -> Iterator[Problem]:
    if settings.production and not settings.database.final_snapshot:
        yield "database.final_snapshot", _refused("a deletion would be final")


def _production_protects_the_database(settings: AwsSettings) -> Iterator[Problem]:
    if settings.protect and not settings.database.deletion_protection:
        yield "database.deletion_protection", _refused(_DECOMMISSION)


def _production_protects_the_load_balancer(settings: AwsSettings) -> Iterator[Problem]:
    if settings.protect and not settings.load_balancer.deletion_protection:
        yield "load_balancer.deletion_protection", _refused(_DECOMMISSION)


_DECOMMISSION = "to tear the stack down on purpose, set decommission"


def _refused(reason: str) -> str:
    return f"false is refused in production: {reason}. Set it to true"


CHECKS: Final = (
    *COMMON_CHECKS,
    Check(_region_is_given, ("aws:region",)),
    Check(_domain_has_a_zone, ("environment", "domain")),
    Check(_image_goes_to_the_stacks_own_repository, ("image",)),
    Check(_fargate_offers_the_size, ("service.cpu", "service.memory")),
    Check(
        _tasks_start_without_nat,
        ("network.nat", "network.interface_endpoints", "service.execute_command"),
    ),
    Check(_endpoints_are_listed_once, ("network.interface_endpoints",)),
    Check(_callers_are_given_and_apart, ("load_balancer.allowed_cidrs",)),
    Check(_class_runs_the_engine, ("database.instance_class",)),
    Check(
        _storage_has_room_to_grow,
        ("database.allocated_storage", "database.max_allocated_storage"),
    ),
    Check(
        _windows_do_not_overlap,
        ("database.backup_window", "database.maintenance_window"),
    ),
    Check(
        _requests_finish_before_a_task_is_killed,
        ("service.stop_timeout", "load_balancer.deregistration_delay"),
    ),
    Check(_production_survives_a_zone, ("environment", "database.multi_az")),
    Check(_production_leaves_a_snapshot, ("environment", "database.final_snapshot")),
    Check(
        _production_protects_the_database,
        ("environment", "decommission", "database.deletion_protection"),
    ),
    Check(
        _production_protects_the_load_balancer,
        ("environment", "decommission", "load_balancer.deletion_protection"),
    ),
)
"""Rules of the AWS platform, the common ones included."""
