"""Amazon RDS: databases that are encrypted, private, backed up and watched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar

from policies.backups import is_backed_up
from policies.documents import as_list
from policies.model import Severity, Source, policy
from resource_graph import Mark, Resource, ResourceGraph, UndecidedError, names
from resource_types import (
    DATABASE,
    DATABASE_EVENTS,
    DATABASE_PARAMETERS,
    DATABASE_SUBNETS,
    INTERNET_GATEWAY,
    ROUTE,
    ROUTE_TABLE,
    ROUTE_TABLE_ASSOCIATION,
    SUBNET,
)

_T = TypeVar("_T")

_BACKUP_DAYS = 7
"""What Security Hub asks for."""

_LOGS: Mapping[str, tuple[str, ...]] = {
    "mariadb": ("audit", "error", "general", "slowquery"),
    "mysql": ("audit", "error", "general", "slowquery"),
    "oracle": ("alert", "audit", "listener", "trace"),
    "postgres": ("postgresql", "upgrade"),
    "sqlserver": ("agent", "error"),
}
"""Logs of a kind of engine, by the names that RDS exports them under."""

_PORTS: Mapping[str, int] = {
    "db2": 50000,
    "mariadb": 3306,
    "mysql": 3306,
    "oracle": 1521,
    "postgres": 5432,
    "sqlserver": 1433,
}

_FIRST_GUESSES = frozenset({"admin", "postgres"})
"""Names of administrators that RDS proposes."""

_IAM_ENGINES = frozenset({"mariadb", "mysql", "postgres"})

_SUPPORTED_UNTIL: Mapping[str, Mapping[str, date]] = {
    # https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html
    "postgres": {
        "10": date(2023, 4, 17),
        "11": date(2024, 2, 29),
        "12": date(2025, 2, 28),
        "13": date(2026, 2, 28),
        "14": date(2027, 2, 28),
        "15": date(2028, 2, 29),
        "16": date(2029, 2, 28),
        "17": date(2030, 2, 28),
    },
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html
    "mysql": {
        "5.7": date(2024, 2, 29),
        "8.0": date(2026, 7, 31),
    },
}
"""Last day of standard support of a major version; newer ones have time."""

_EXTENDED_SUPPORT = "open-source-rds-extended-support"

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
_VALID_UNTIL: Mapping[str, date] = {
    "rds-ca-2015": date(2020, 3, 5),
    "rds-ca-2019": date(2024, 8, 22),
}
"""Last day of certificate authorities; those since 2022 have 40 years or more."""

_TLS_SINCE = 15
"""Major version of PostgreSQL from which RDS forces TLS unless told otherwise."""


@policy(
    "RDS.2",
    DATABASE,
    title="Databases have no public address",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Set publicly_accessible=False.",
)
def not_public(instance: Resource) -> Iterator[str]:
    """Who is not in the network cannot even try."""
    if instance.get("publiclyAccessible") is True:
        yield "publiclyAccessible is true"


@policy(
    "RDS.3",
    DATABASE,
    title="Databases are encrypted at rest",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set storage_encrypted=True. One that exists is encrypted by restoring an "
    "encrypted copy of its snapshot.",
)
def encrypted(instance: Resource) -> Iterator[str]:
    """A lost disk or snapshot is of no use to its finder."""
    if _is_replica(instance):
        # It is as encrypted as its source.
        return
    if instance.get("storageEncrypted") is not True:
        yield "storageEncrypted is not true"


@policy(
    "RDS.5",
    DATABASE,
    title="Databases have a standby in another zone",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set multi_az=True.",
)
def in_several_zones(instance: Resource) -> Iterator[str]:
    """A lost zone or a patched host is a minute of waiting, not an outage."""
    if instance.get("multiAz") is not True:
        yield "multiAz is not true"


@policy(
    "RDS.6",
    DATABASE,
    title="Databases have enhanced monitoring",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Set monitoring_interval to 60 seconds or less, and monitoring_role_arn.",
)
def monitored_from_within(instance: Resource) -> Iterator[str]:
    """The operating system says what the hypervisor does not see."""
    if not _number(instance.get("monitoringInterval")):
        yield "monitoringInterval is 0, which is off"


@policy(
    "RDS.8",
    DATABASE,
    title="Databases have deletion protection",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Set deletion_protection=True.",
)
def protected_from_deletion(instance: Resource) -> Iterator[str]:
    """One wrong call does not delete the data."""
    if instance.get("deletionProtection") is not True:
        yield "deletionProtection is not true"


@policy(
    "RDS.9",
    DATABASE,
    title="Databases send all their logs to CloudWatch",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set enabled_cloudwatch_logs_exports to all logs of the engine; those of "
    'PostgreSQL are ["postgresql", "upgrade"].',
)
def logged(instance: Resource) -> Iterator[str]:
    """Logs outlive the instance, and can be searched."""
    yield from _missing_logs(instance, _of_engine(instance, _LOGS) or ())


@policy(
    "RDS.10",
    DATABASE,
    title="Databases take IAM authentication",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set iam_database_authentication_enabled=True.",
)
def iam_authentication(instance: Resource) -> Iterator[str]:
    """People can log in with a token that expires instead of a password."""
    if str(instance.get("engine")) not in _IAM_ENGINES:
        return
    if instance.get("iamDatabaseAuthenticationEnabled") is not True:
        yield "iamDatabaseAuthenticationEnabled is not true"


@policy(
    "RDS.11",
    DATABASE,
    title="Databases can be restored to any moment of a week",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set backup_retention_period to 7 days or more.",
)
def backed_up(instance: Resource) -> Iterator[str]:
    """Mistakes are often noticed days later."""
    if _is_replica(instance):
        return
    days = _number(instance.get("backupRetentionPeriod"))
    if days < _BACKUP_DAYS:
        yield f"backupRetentionPeriod is {days}, less than {_BACKUP_DAYS}"


@policy(
    "RDS.13",
    DATABASE,
    title="Databases get minor upgrades by themselves",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set auto_minor_version_upgrade=True, and engine_version to no more than "
    "the major version.",
)
def upgraded_by_aws(instance: Resource) -> Iterator[str]:
    """Known holes are closed without anybody remembering."""
    if instance.get("autoMinorVersionUpgrade") is False:
        yield "autoMinorVersionUpgrade is false"


@policy(
    "RDS.17",
    DATABASE,
    title="Snapshots get the tags of their database",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Set copy_tags_to_snapshot=True.",
)
def tags_copied(instance: Resource) -> Iterator[str]:
    """Whose a snapshot is can be told when the database is long gone."""
    if instance.get("copyTagsToSnapshot") is not True:
        yield "copyTagsToSnapshot is not true"


@policy(
    "RDS.20",
    DATABASE_EVENTS,
    title="Subscriptions to events of databases are for all that are critical",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy='Add "maintenance", "configuration change" and "failure" to '
    'event_categories of the subscription with source_type="db-instance".',
)
def told_of_instances(subscription: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Somebody hears of a failure before the users do."""
    others = [s for s in graph.of(DATABASE_EVENTS) if _is_about(s, "db-instance")]
    if _stands_for_all(subscription, others):
        wanted = ("configuration change", "failure", "maintenance")
        yield from _unheard(others, "db-instance", wanted)


@policy(
    "RDS.21",
    DATABASE_EVENTS,
    title="There is a subscription to events of parameter groups",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy='Make an aws.rds.EventSubscription with source_type="db-parameter-group" '
    'and the event category "configuration change".',
)
def told_of_parameters(subscription: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A changed parameter changes how the database works, and how safe it is."""
    if _stands_for_all(subscription, graph.of(DATABASE_EVENTS)):
        wanted = ("configuration change",)
        yield from _unheard(graph.of(DATABASE_EVENTS), "db-parameter-group", wanted)


@policy(
    "RDS.22",
    DATABASE_EVENTS,
    title="There is a subscription to events of DB security groups",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy='Make an aws.rds.EventSubscription with source_type="db-security-group" '
    'and the event categories "configuration change" and "failure".',
)
def told_of_security_groups(
    subscription: Resource, graph: ResourceGraph
) -> Iterator[str]:
    """Who may reach the database does not change in silence."""
    if _stands_for_all(subscription, graph.of(DATABASE_EVENTS)):
        wanted = ("configuration change", "failure")
        yield from _unheard(graph.of(DATABASE_EVENTS), "db-security-group", wanted)


@policy(
    "RDS.23",
    DATABASE,
    title="Databases listen on a port that is not the engine's usual one",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Set port to another one than the engine's default.",
)
def unusual_port(instance: Resource) -> Iterator[str]:
    """Whoever scans for databases looks at their usual ports first."""
    usual = _of_engine(instance, _PORTS)
    if usual is None:
        return
    if not instance.has("port"):
        yield f"port is not set, which is {usual}, the engine's default"
    elif _number(instance.get("port")) == usual:
        yield f"port is {usual}, the engine's default"


@policy(
    "RDS.25",
    DATABASE,
    title="Administrators of databases have a name of their own",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set username to another name. A database that exists is replaced by that.",
)
def own_administrator_name(instance: Resource) -> Iterator[str]:
    """Half of a login should not be public knowledge."""
    username = str(instance.get("username", ""))
    if username.lower() in _FIRST_GUESSES:
        yield f"username is {username}, which is everybody's first guess"


@policy(
    "RDS.26",
    DATABASE,
    title="Databases are in a backup plan",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Name the database in the resources of an aws.backup.Selection.",
)
def in_a_backup_plan(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A backup that is kept elsewhere outlives a mistake with the database."""
    if not is_backed_up(instance, graph):
        yield "no backup plan of the stack selects it"


@policy(
    "RDS.36",
    DATABASE,
    title="PostgreSQL sends its log to CloudWatch",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Add "postgresql" to enabled_cloudwatch_logs_exports.',
)
def postgres_logged(instance: Resource) -> Iterator[str]:
    """Who connected, and which statement was slow, is there to be read."""
    if instance.get("engine") == "postgres":
        yield from _missing_logs(instance, ("postgresql",))


@policy(
    "RDS.38",
    DATABASE,
    title="PostgreSQL refuses connections without TLS",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy='Set rds.force_ssl to "1" in an aws.rds.ParameterGroup, and '
    "parameter_group_name to that.",
)
def tls_forced(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Nobody in the network reads along, however a client is set up."""
    if instance.get("engine") != "postgres":
        return
    value = _parameter("rds.force_ssl", instance, graph)
    if value is None and _major(instance) < _TLS_SINCE:
        yield f"rds.force_ssl is not set, which is 0 before version {_TLS_SINCE}"
    elif value is not None and value != "1":
        yield f"rds.force_ssl is {value} in its parameter group"


@policy(
    "RDS.46",
    DATABASE,
    title="Databases are in subnets without a route to the internet",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set db_subnet_group_name to a group of subnets whose route table leads to "
    "no internet gateway.",
)
def in_private_subnets(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What cannot be reached from outside needs no second thought."""
    if not instance.has("dbSubnetGroupName"):
        if not _is_replica(instance):
            yield "dbSubnetGroupName is not set: the default network is public"
        return
    subnets = [
        subnet
        for group in graph.of(DATABASE_SUBNETS)
        if names(instance, "dbSubnetGroupName", group)
        for subnet in graph.of(SUBNET)
        if names(group, "subnetIds", subnet)
    ]
    if not subnets:
        # Those of another stack: nothing here says where their routes lead.
        raise UndecidedError("dbSubnetGroupName", Mark.UNKNOWN)
    public = [subnet.name for subnet in subnets if _leads_outside(subnet, graph)]
    if public:
        yield f"a route to an internet gateway leaves subnet {', '.join(public)}"


@policy(
    "rds_instance_deprecated_engine_version",
    DATABASE,
    title="Databases run a major version in standard support",
    severity=Severity.MEDIUM,
    source=Source.PROWLER,
    remedy="Set engine_version to a newer major version, with "
    "allow_major_version_upgrade=True; try it on a restored snapshot first.",
)
def version_supported(instance: Resource) -> Iterator[str]:
    """What nobody mends any more is found out, or AWS bills extended support."""
    versions = _SUPPORTED_UNTIL.get(str(instance.get("engine")), {})
    version = str(instance.get("engineVersion", ""))
    ended = [
        day
        for major, day in versions.items()
        if f"{version}.".startswith(f"{major}.") and day < date.today()
    ]
    if ended:
        yield f"standard support of engineVersion {version} ended on {ended[0]}"
    elif versions and version and _numbers(version) < _numbers(next(iter(versions))):
        yield f"standard support of engineVersion {version} has ended"


@policy(
    "rds_instance_extended_support",
    DATABASE,
    title="Databases do not slip into paid Extended Support",
    severity=Severity.MEDIUM,
    source=Source.PROWLER,
    remedy="Set engine_lifecycle_support="
    '"open-source-rds-extended-support-disabled" when the database is made; AWS then '
    "upgrades it to a supported major version instead of billing for an old one.",
)
def no_extended_support(instance: Resource) -> Iterator[str]:
    """An upgrade that was forgotten should not double the bill."""
    if str(instance.get("engine")) not in _SUPPORTED_UNTIL:
        return
    if instance.get("engineLifecycleSupport", _EXTENDED_SUPPORT) == _EXTENDED_SUPPORT:
        yield f"engineLifecycleSupport is {_EXTENDED_SUPPORT}, its default"


@policy(
    "rds_instance_certificate_expiration",
    DATABASE,
    title="Certificates of databases are valid",
    severity=Severity.HIGH,
    source=Source.PROWLER,
    remedy='Set ca_cert_identifier="rds-ca-rsa2048-g1"; clients need its authority '
    "first.",
)
def certificate_valid(instance: Resource) -> Iterator[str]:
    """Clients that check the certificate would be locked out."""
    authority = instance.get("caCertIdentifier")
    # Without one AWS takes the account's, which is a valid one.
    ended = _VALID_UNTIL.get(str(authority))
    if ended is not None and ended < date.today():
        yield f"caCertIdentifier is {authority}, which expired on {ended}"


def _is_replica(instance: Resource) -> bool:
    """Whether it takes engine, encryption and place from another database."""
    return instance.has("replicateSourceDb")


def _of_engine(instance: Resource, values: Mapping[str, _T]) -> _T | None:
    """What a table has for the kind of engine: `oracle` for `oracle-ee`."""
    kind = str(instance.get("engine", "")).partition("-")[0]
    return values.get(kind)


def _number(value: Any) -> int:
    """A number, as such or as text; 0 for what is neither."""
    text = str(value)
    return int(text) if text.isdecimal() else 0


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _major(instance: Resource) -> int:
    """The major version; without one AWS takes its newest."""
    numbers = _numbers(str(instance.get("engineVersion", "")))
    return numbers[0] if numbers else max(map(int, _SUPPORTED_UNTIL["postgres"]))


def _items(resource: Resource, key: str) -> list[str]:
    """The texts in a list, all of them known."""
    items = as_list(resource.get(key))
    return [str(resource.get(f"{key}.{index}")) for index, _ in enumerate(items)]


def _missing_logs(instance: Resource, wanted: Collection[str]) -> Iterator[str]:
    if not wanted:
        return
    exported = _items(instance, "enabledCloudwatchLogsExports")
    missing = [log for log in wanted if log not in exported]
    if missing:
        yield f"enabledCloudwatchLogsExports lacks {', '.join(missing)}"


def _parameter(name: str, instance: Resource, graph: ResourceGraph) -> str | None:
    """Value of a parameter in the group of a database; None for the default one."""
    groups = [
        group
        for group in graph.of(DATABASE_PARAMETERS)
        if names(instance, "parameterGroupName", group)
    ]
    if not groups and instance.has("parameterGroupName"):
        group_name = instance.get("parameterGroupName")
        if not str(group_name).startswith("default."):
            # A group of another stack: nothing here says what is in it.
            raise UndecidedError("parameterGroupName", Mark.UNKNOWN)
    for group in groups:
        for index, _ in enumerate(as_list(group.get("parameters"))):
            if group.get(f"parameters.{index}.name") == name:
                return str(group.get(f"parameters.{index}.value"))
    return None


def _is_about(subscription: Resource, source: str) -> bool:
    """Whether a subscription is about a kind of source; without one it is about all."""
    return bool(subscription.get("sourceType", source) == source)


def _stands_for_all(subscription: Resource, others: list[Resource]) -> bool:
    """Whether it is the one to report what all of them together lack."""
    return bool(others) and others[0].urn == subscription.urn


def _unheard(
    subscriptions: Collection[Resource], source: str, wanted: Collection[str]
) -> Iterator[str]:
    about = [
        subscription
        for subscription in subscriptions
        if _is_about(subscription, source) and subscription.get("enabled") is not False
    ]
    if not about:
        yield f"no subscription that is enabled has the sourceType {source}"
        return
    heard: set[str] = set()
    for subscription in about:
        # None is all of them.
        heard.update(_items(subscription, "eventCategories") or wanted)
    missing = [category for category in wanted if category not in heard]
    if missing:
        yield f"eventCategories for {source} lack {', '.join(missing)}"


def _leads_outside(subnet: Resource, graph: ResourceGraph) -> bool:
    """Whether the route table of a subnet has a default route to the internet."""
    tables = [
        table
        for association in graph.referring(subnet, ROUTE_TABLE_ASSOCIATION, "subnetId")
        for table in graph.of(ROUTE_TABLE)
        if names(association, "routeTableId", table)
    ]
    return any(_has_way_out(table, graph) for table in tables)


def _has_way_out(table: Resource, graph: ResourceGraph) -> bool:
    inline = [r for r in as_list(table.get("routes")) if isinstance(r, Mapping)]
    if any(_is_open(route) and route.get("gatewayId") for route in inline):
        return _is_to_the_internet(table, "routes", graph)
    return any(
        _is_open(route.inputs) and _is_to_the_internet(route, "gatewayId", graph)
        for route in graph.referring(table, ROUTE, "routeTableId")
    )


def _is_open(route: Mapping[str, Any]) -> bool:
    keys = (
        "cidrBlock",
        "destinationCidrBlock",
        "destinationIpv6CidrBlock",
        "ipv6CidrBlock",
    )
    return any(route.get(key) in ("0.0.0.0/0", "::/0") for key in keys)


def _is_to_the_internet(route: Resource, key: str, graph: ResourceGraph) -> bool:
    gateways = graph.of(INTERNET_GATEWAY)
    if any(names(route, key, gateway) for gateway in gateways):
        return True
    given = [
        one.get("gatewayId") if isinstance(one, Mapping) else one
        for one in as_list(route.inputs.get(key))
    ]
    return any(isinstance(one, str) and one.startswith("igw-") for one in given)
