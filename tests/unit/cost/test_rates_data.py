"""What databases, caches, files, buckets and backups cost, worked by hand."""

from __future__ import annotations

import pytest

from resource_graph import UNKNOWN
from tests.unit.cost.pricing import (
    FRANKFURT,
    MONTH,
    costs,
    database,
    priced,
    unknowns,
)
from tests.unit.policies.casework import resource

BUCKET = "aws:s3/bucket:Bucket"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
FILES = "aws:efs/fileSystem:FileSystem"
PLAN = "aws:backup/plan:Plan"
TEST = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
VAULT = "aws:backup/vault:Vault"

DATABASE_PRICES = {
    "rds.postgres.db.t4g.micro.single": 0.019,
    "rds.postgres.db.t4g.medium.single": 0.0745,
    "rds.postgres.db.t4g.medium.multi": 0.149,
    "rds.storage.gp2.single": 0.138,
    "rds.storage.gp3.single": 0.137,
    "rds.storage.gp3.multi": 0.274,
    "rds.backup": 0.103,
    "cloudwatch.logs.ingested": 0.63,
}
FILE_PRICES = {
    "efs.standard": 0.36,
    "efs.ia": 0.0192,
    "efs.read": 0.04,
    "efs.write": 0.07,
    "backup.efs": 0.06,
}
COPY_PRICES = {
    "backup.efs": 0.06,
    "backup.copy.efs": 0.04,
    "rds.backup": 0.103,
    "transfer.region": 0.02,
}


def plan(name: str, days: int, copies: int = 0) -> object:
    copied = {"destinationVaultArn": "arn:aws:backup:eu-west-1:1:backup-vault:copies"}
    rule = {"lifecycle": {"deleteAfter": days}, "copyActions": [copied] * copies}
    return resource(PLAN, name, rules=[rule])


def test_a_database_in_two_zones_pays_for_both_and_for_both_disks():
    found = database(instanceClass="db.t4g.medium", multiAz=True, allocatedStorage=100)
    assert costs([found], DATABASE_PRICES) == pytest.approx(
        {
            "hours, db.t4g.medium": 730 * 0.149,  # 108.77
            "disk, gp3": 100 * 0.274,  # 27.40
        }
    )


def test_a_database_says_nothing_of_its_disk_and_has_gp2():
    found = resource(
        "aws:rds/instance:Instance", instanceClass="db.t4g.micro", allocatedStorage=20
    )
    assert costs([found], DATABASE_PRICES) == pytest.approx(
        {"hours, db.t4g.micro": 730 * 0.019, "disk, gp2": 20 * 0.138}
    )


def test_backups_within_the_size_of_the_disk_are_free():
    # 20 GB in full, and 0.4 GB of change on each of 7 days: 22.8 of 100 GB.
    found = database(allocatedStorage=100, backupRetentionPeriod=7)
    used = {"database_used_gb": 20, "database_change_percent": 2}
    paid = costs([found], DATABASE_PRICES, **used)
    assert set(paid) == {"hours, db.t4g.micro", "disk, gp3"}


def test_backups_beyond_the_size_of_the_disk_are_paid_for():
    # 80 GB in full, 4 GB of change on each of 10 days: 120 GB, 20 more than the disk.
    found = database(allocatedStorage=100, backupRetentionPeriod=10)
    used = {"database_used_gb": 80, "database_change_percent": 5}
    paid = costs([found], DATABASE_PRICES, **used)
    assert paid["backups beyond the disk's size"] == pytest.approx(20 * 0.103)


def test_backups_of_a_plan_come_on_top_of_those_of_the_database():
    # Point-in-time recovery: 80 + 10 x 4 = 120. The plan: 80 + 30 x 4 = 200. Of files,
    # which are no part of the database: nothing. Together 320, 220 beyond the disk.
    found = [
        database(allocatedStorage=100, backupRetentionPeriod=10),
        plan("backup-database", 30),
        plan("backup-files", 365),
    ]
    used = {"database_used_gb": 80, "database_change_percent": 5}
    paid = costs(found, DATABASE_PRICES, **used)
    assert paid["backups beyond the disk's size"] == pytest.approx(220 * 0.103)


def test_a_database_without_backups_has_none_to_pay_for():
    found = database(allocatedStorage=10, backupRetentionPeriod=0)
    used = {"database_used_gb": 80, "database_change_percent": 5}
    assert "backups beyond the disk's size" not in costs(
        [found], DATABASE_PRICES, **used
    )


def test_enhanced_monitoring_is_paid_for_as_logs():
    found = database(allocatedStorage=20, monitoringInterval=60)
    paid = costs([found], DATABASE_PRICES, enhanced_monitoring_gb=0.2)
    assert paid["enhanced monitoring"] == pytest.approx(0.2 * 0.63)
    without = database(allocatedStorage=20, monitoringInterval=0)
    assert "enhanced monitoring" not in costs(
        [without], DATABASE_PRICES, enhanced_monitoring_gb=0.2
    )


def test_a_class_without_a_price_is_unknown_and_the_rest_is_not():
    found = database(instanceClass="db.t4g.mediun", allocatedStorage=20)
    made = priced([found])
    assert made.usd == pytest.approx(20 * FRANKFURT.price("rds.storage.gp3.single").usd)
    assert unknowns(made) == [
        "database: the price book has no rds.postgres.db.t4g.mediun.single "
        "(the nearest there is: rds.postgres.db.t4g.medium.single)"
    ]


def test_another_kind_of_disk_is_unknown_and_the_hours_are_not():
    made = priced([database(storageType="io1", allocatedStorage=20)], DATABASE_PRICES)
    assert made.usd == pytest.approx(730 * 0.019)
    assert unknowns(made) == [
        "database: the price book has no rds.storage.io1.single "
        "(the nearest there is: rds.storage.gp3.single)"
    ]


def test_another_engine_is_unknown():
    found = resource(
        "aws:rds/instance:Instance", engine="mysql", instanceClass="db.t4g.micro"
    )
    made = priced([found])
    assert made.usd == 0
    assert unknowns(made) == ["it: no prices are known for the engine mysql"]


@pytest.mark.parametrize(
    ("inputs", "nodes"),
    [
        ({}, 1),
        ({"numCacheClusters": 2}, 2),
        ({"numNodeGroups": 1, "replicasPerNodeGroup": 1}, 2),
        ({"numNodeGroups": 3, "replicasPerNodeGroup": 2}, 9),
    ],
)
def test_a_cache_pays_for_each_node(inputs, nodes):
    found = resource(CACHE, engine="valkey", nodeType="cache.t4g.micro", **inputs)
    assert costs([found], {"cache.valkey.cache.t4g.micro": 0.0144}) == pytest.approx(
        {f"nodes, {nodes} cache.t4g.micro": nodes * 730 * 0.0144}
    )


def test_a_cache_of_no_named_engine_is_redis():
    found = resource(CACHE, nodeType="cache.t4g.micro")
    prices = {"cache.valkey.cache.t4g.micro": 1, "cache.redis.cache.t4g.micro": 2}
    assert sum(costs([found], prices).values()) == 2 * MONTH


@pytest.mark.parametrize(("kept", "paid"), [(0, 0), (1, 0), (7, 6)])
def test_the_first_snapshot_of_a_cache_is_free(kept, paid):
    found = resource(CACHE, nodeType="cache.t4g.micro", snapshotRetentionLimit=kept)
    prices = {"cache.redis.cache.t4g.micro": 0, "cache.backup": 0.085}
    assert costs([found], prices, cache_backup_gb=0.5) == pytest.approx(
        {"snapshots": paid * 0.5 * 0.085} if paid else {}
    )


USED = {"uploads_gb": 20, "uploads_ia_percent": 30}


def test_files_move_to_infrequent_access_where_a_policy_moves_them():
    # 30 % of 20 GB are 6 GB.
    moved = resource(FILES, lifecyclePolicies=[{"transitionToIa": "AFTER_30_DAYS"}])
    assert costs([moved], FILE_PRICES, **USED) == pytest.approx(
        {"standard": 14 * 0.36, "infrequent access": 6 * 0.0192}  # 5.04 and 0.12
    )
    assert costs([resource(FILES)], FILE_PRICES, **USED) == pytest.approx(
        {"standard": 20 * 0.36}
    )


@pytest.mark.parametrize("mode", ["elastic", "bursting", None])
def test_what_is_read_and_written_is_paid_for_in_elastic_mode_only(mode):
    inputs = {"throughputMode": mode} if mode else {}
    paid = costs(
        [resource(FILES, **inputs)],
        FILE_PRICES,
        uploads_read_gb=20,
        uploads_written_gb=5,
    )
    elastic = {"read": 20 * 0.04, "written": 5 * 0.07}
    assert paid == pytest.approx(elastic if mode == "elastic" else {})


def test_a_bucket_pays_for_what_it_holds_and_for_requests():
    assert costs(
        [resource(BUCKET, "app-logs"), resource(BUCKET, "app-backups")],
        {"s3.standard": 0.0245, "s3.put": 0.0054, "s3.get": 0.00043},
        bucket_gb={"*-logs": 2, "*-backups": 75, "*": 1},
        bucket_writes=20_000,
        bucket_reads=10_000,
    ) == pytest.approx(
        {
            "objects": (2 + 75) * 0.0245,  # 1.89
            "requests that write": 2 * 20 * 0.0054,
            "requests that read": 2 * 10 * 0.00043,
        }
    )


def test_copies_of_files_are_paid_for_once_however_many_vaults_there_are():
    vaults = [resource(VAULT, "here"), resource(VAULT, "elsewhere")]
    used = {"uploads_backup_gb": 25}
    paid = costs([*vaults, resource(FILES)], FILE_PRICES, **used)
    assert paid == pytest.approx({"files": 25 * 0.06})
    assert costs(vaults, FILE_PRICES, **used) == {}


@pytest.mark.parametrize("copies", [1, 2])
def test_copies_of_a_database_are_kept_and_sent(copies):
    # 20 GB in full and 2 % of it, 0.4 GB, for each of 30 days: 32 GB are kept. Each
    # day's 0.4 GB is sent: 12.17 GB a month.
    paid = costs(
        [plan("backup-database", 30, copies)],
        COPY_PRICES,
        database_used_gb=20,
        database_change_percent=2,
    )
    assert paid == pytest.approx(
        {
            "copies elsewhere": copies * 32 * 0.103,  # 3.30
            "sent elsewhere": copies * 0.4 * 365 / 12 * 0.02,  # 0.24
        }
    )


def test_copies_of_files_are_kept_and_what_is_written_is_sent():
    paid = costs(
        [plan("backup-files", 30, 1)],
        COPY_PRICES,
        uploads_backup_gb=25,
        uploads_written_gb=5,
    )
    assert paid == pytest.approx(
        {"copies elsewhere": 25 * 0.06, "sent elsewhere": 5 * 0.04}
    )


def test_a_plan_without_copies_is_paid_for_with_what_it_keeps():
    used = {"database_used_gb": 20, "database_change_percent": 2}
    assert costs([plan("backup-database", 30)], COPY_PRICES, **used) == {}
    assert costs([resource(PLAN, "backup-database")], COPY_PRICES, **used) == {}


def test_a_plan_whose_copies_nobody_knows_is_unknown():
    made = priced([resource(PLAN, rules=[{"copyActions": UNKNOWN}])], COPY_PRICES)
    assert unknowns(made) == ["it: rules.0.copyActions is unknown"]


def test_a_restore_test_runs_each_week_and_starts_the_database_for_a_while():
    # 365 / 12 / 7 = 4.35 weeks a month; in each the database runs for two hours, in
    # one zone.
    weeks = 365 / 12 / 7
    found = [
        database(instanceClass="db.t4g.medium", multiAz=True),
        resource(TEST, protectedResourceType="RDS"),
    ]
    paid = costs(
        found, {**DATABASE_PRICES, "backup.restore_test": 1.5}, restore_test_hours=2
    )
    assert paid == pytest.approx(
        {
            "hours, db.t4g.medium": 730 * 0.149,
            "restore tests": weeks * 1.5,  # 6.52
            "restored database": weeks * 2 * 0.0745,  # 0.65
        }
    )


def test_a_restore_test_of_files_starts_nothing():
    found = [database(), resource(TEST, protectedResourceType="EFS")]
    paid = costs(
        found, {**DATABASE_PRICES, "backup.restore_test": 1.5}, restore_test_hours=2
    )
    assert "restored database" not in paid
    assert paid["restore tests"] == pytest.approx(365 / 12 / 7 * 1.5)
