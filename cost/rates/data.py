"""What holding data costs: database, cache, files, buckets, and their backups."""

from __future__ import annotations

from collections.abc import Iterator

from cost.assumptions import HOURS
from cost.meter import Line, Meter, MissingError, Rate, elements
from resource_graph import Resource
from resource_types import (
    BACKUP_PLAN,
    BACKUP_VAULT,
    BUCKET,
    DATABASE,
    FILE_SYSTEM,
    REPLICATION_GROUP,
)

_DATABASE = "Database"
_CACHE = "Cache"
_FILES = "Files"
_BACKUPS = "Backups"

_TESTING = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
_WEEKS = 365 / 12 / 7


def database(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its hours, its disk, and backups beyond the size of that disk."""
    engine = resource.get("engine", "postgres")
    if engine != "postgres":
        raise MissingError(f"no prices are known for the engine {engine}")
    zones = "multi" if resource.get("multiAz", False) else "single"
    class_ = resource.get("instanceClass")
    hours = f"rds.postgres.{class_}.{zones}"
    yield meter.item(resource, _DATABASE, f"hours, {class_}", hours, HOURS)
    disk = resource.get("storageType", "gp2")
    size = resource.get("allocatedStorage", 0)
    yield meter.item(
        resource, _DATABASE, f"disk, {disk}", f"rds.storage.{disk}.{zones}", size
    )
    kept = _backup_gb(resource, meter)
    yield meter.item(
        resource,
        _BACKUPS,
        "backups beyond the disk's size",
        "rds.backup",
        max(kept - size, 0),
        "database_used_gb",
        "database_change_percent",
    )
    if resource.get("monitoringInterval", 0):
        yield meter.item(
            resource,
            "Logs and alarms",
            "enhanced monitoring",
            "cloudwatch.logs.ingested",
            meter.assume.enhanced_monitoring_gb,
            "enhanced_monitoring_gb",
        )


def cache(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its nodes, and snapshots beyond the first, which is free."""
    engine = resource.get("engine", "redis")
    node = resource.get("nodeType")
    nodes = resource.get("numCacheClusters") or (
        resource.get("numNodeGroups", 1) * (1 + resource.get("replicasPerNodeGroup", 0))
    )
    yield meter.item(
        resource,
        _CACHE,
        f"nodes, {nodes} {node}",
        f"cache.{engine}.{node}",
        nodes * HOURS,
    )
    more = max(resource.get("snapshotRetentionLimit", 0) - 1, 0)
    if more:
        yield meter.item(
            resource,
            _BACKUPS,
            "snapshots",
            "cache.backup",
            more * meter.assume.cache_backup_gb,
            "cache_backup_gb",
        )


def file_system(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What it holds, by class, and in elastic mode what is read and written."""
    assume = meter.assume
    moves = bool(resource.get("lifecyclePolicies"))
    cold = assume.uploads_gb * assume.uploads_ia_percent / 100 if moves else 0.0
    yield meter.item(
        resource,
        _FILES,
        "standard",
        "efs.standard",
        assume.uploads_gb - cold,
        "uploads_gb",
        "uploads_ia_percent",
    )
    if cold:
        yield meter.item(
            resource,
            _FILES,
            "infrequent access",
            "efs.ia",
            cold,
            "uploads_gb",
            "uploads_ia_percent",
        )
    if resource.get("throughputMode", "bursting") == "elastic":
        for what, price, gb, assumed in (
            ("read", "efs.read", assume.uploads_read_gb, "uploads_read_gb"),
            ("written", "efs.write", assume.uploads_written_gb, "uploads_written_gb"),
        ):
            yield meter.item(resource, _FILES, what, price, gb, assumed)


def bucket(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What it holds, and requests."""
    assume = meter.assume
    for what, price, quantity, assumed in (
        ("objects", "s3.standard", assume.in_bucket_gb(resource.name), "bucket_gb"),
        ("requests that write", "s3.put", assume.bucket_writes / 1000, "bucket_writes"),
        ("requests that read", "s3.get", assume.bucket_reads / 1000, "bucket_reads"),
    ):
        yield meter.item(resource, "Buckets", what, price, quantity, assumed)


def vault(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Copies of files in it; those of databases count with the database's own."""
    if meter.is_first(resource) and meter.graph.of(FILE_SYSTEM):
        yield meter.item(
            resource,
            _BACKUPS,
            "files",
            "backup.efs",
            meter.assume.uploads_backup_gb,
            "uploads_backup_gb",
        )


def backup_plan(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Copies to another region: kept there, and what of them is new each day sent."""
    copies = sum(
        len(resource.get(f"{rule}.copyActions") or ())
        for rule in elements(resource, "rules")
    )
    if not copies:
        return
    assume = meter.assume
    if _is_of_files(resource):
        kept, kept_at = assume.uploads_backup_gb, "backup.efs"
        sent, sent_at = assume.uploads_written_gb, "backup.copy.efs"
        of_kept: tuple[str, ...] = ("uploads_backup_gb",)
        of_sent: tuple[str, ...] = ("uploads_written_gb",)
    else:
        changed = assume.database_used_gb * assume.database_change_percent / 100
        days = _kept_days(resource)
        kept, kept_at = assume.database_used_gb + changed * days, "rds.backup"
        sent, sent_at = changed * 365 / 12, "transfer.region"
        of_kept = of_sent = ("database_used_gb", "database_change_percent")
    yield meter.item(
        resource, _BACKUPS, "copies elsewhere", kept_at, copies * kept, *of_kept
    )
    yield meter.item(
        resource, _BACKUPS, "sent elsewhere", sent_at, copies * sent, *of_sent
    )


def restore_test(resource: Resource, meter: Meter) -> Iterator[Line]:
    """A test a week, and the database that it starts."""
    yield meter.item(resource, _BACKUPS, "restore tests", "backup.restore_test", _WEEKS)
    if resource.get("protectedResourceType") == "RDS":
        for instance in meter.graph.of(DATABASE):
            class_ = instance.get("instanceClass")
            yield meter.item(
                resource,
                _BACKUPS,
                "restored database",
                f"rds.postgres.{class_}.single",
                _WEEKS * meter.assume.restore_test_hours,
                "restore_test_hours",
            )


RATES: dict[str, Rate] = {
    BACKUP_PLAN: backup_plan,
    BACKUP_VAULT: vault,
    BUCKET: bucket,
    DATABASE: database,
    FILE_SYSTEM: file_system,
    REPLICATION_GROUP: cache,
    _TESTING: restore_test,
}


def _backup_gb(instance: Resource, meter: Meter) -> float:
    """GB of all backups of a database: a full one, then what is new each day.

    Point-in-time recovery and AWS Backup each keep their own days.
    """
    days: list[int] = [instance.get("backupRetentionPeriod", 0)]
    days += [_kept_days(plan) for plan in meter.graph.of(BACKUP_PLAN)]
    assume = meter.assume
    changed = assume.database_used_gb * assume.database_change_percent / 100
    return sum(assume.database_used_gb + changed * kept for kept in days if kept)


def _is_of_files(plan: Resource) -> bool:
    return "files" in plan.name


def _kept_days(plan: Resource) -> int:
    """Days that a plan keeps backups of a database; 0 for a plan of files."""
    if _is_of_files(plan):
        return 0
    return sum(
        plan.get(f"{rule}.lifecycle.deleteAfter", 0) for rule in elements(plan, "rules")
    )
