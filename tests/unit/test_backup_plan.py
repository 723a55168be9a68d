"""Backups: every day, encrypted, locked, elsewhere, and never begun in vain."""

from __future__ import annotations

import json

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.backup_plan import (
    BackupCopy,
    BackupPlan,
    BackupPlanArgs,
    RestoreTest,
    VaultLock,
)

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KEY = "aws:kms/key:Key"
LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
PLAN = "aws:backup/plan:Plan"
ROLE = "aws:iam/role:Role"
SELECTION = "aws:backup/selection:Selection"
TEST_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
TEST_SELECTION = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
VAULT = "aws:backup/vault:Vault"

DATABASE = "arn:aws:rds:eu-central-1:123456789012:db:stromhaltig-production"
FILES = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/fs-1"
KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
LONGEST_NAME = "stromhaltig-a-stack-with-a-long-name"


def arguments(**args):
    wanted = {
        "databases": [DATABASE],
        "file_systems": [FILES],
        "kms_key_arn": KEY_ARN,
        "keep": True,
    }
    return BackupPlanArgs(**{**wanted, **args})


def backups(name="app", **args):
    return BackupPlan(name, arguments(**args))


def elsewhere(name="app", **args):
    provider = pulumi.ProviderResource("aws", "ireland", {"region": "eu-west-1"})
    copy = BackupCopy(region="eu-west-1", provider=provider)
    return backups(name, copy=copy, **args)


def rules(graph):
    """Rule of each plan by what it backs up."""
    return {plan.name.rpartition("-")[2]: plan["rules"][0] for plan in graph.all(PLAN)}


def test_a_day_of_data_is_the_most_that_is_lost(graph):
    graph.build(backups)
    for rule in rules(graph).values():
        assert rule["schedule"] == "cron(0 5 * * ? *)"
        assert (rule["startWindow"], rule["completionWindow"]) == (60, 180)


def test_databases_are_kept_thirty_days_and_files_seven(graph):
    graph.build(backups)
    assert {what: rule["lifecycle"] for what, rule in rules(graph).items()} == {
        "database": {"deleteAfter": 30},
        "files": {"deleteAfter": 7},
    }


def test_each_plan_names_what_it_backs_up(graph):
    outputs = graph.build(backups)
    selected = {s["planId"]: s["resources"] for s in graph.all(SELECTION)}
    assert selected == dict(
        zip(outputs["plan_ids"], ([DATABASE], [FILES]), strict=True)
    )
    for selection in graph.all(SELECTION):
        assert not selection.get("selectionTags")
        assert selection["iamRoleArn"] == graph.one(ROLE).outputs["arn"]


@pytest.mark.parametrize(
    ("without", "plans"), [("databases", ["files"]), ("file_systems", ["database"])]
)
def test_what_is_not_there_has_no_plan(graph, without, plans):
    graph.build(lambda: backups(restore_test=RestoreTest(), **{without: []}))
    assert list(rules(graph)) == plans
    assert len(graph.all(SELECTION)) == len(graph.all(TEST_SELECTION)) == 1


def test_the_vault_has_the_customer_key_and_a_lock_that_can_be_undone(graph):
    outputs = graph.build(backups)
    vault, lock = graph.one(VAULT), graph.one(LOCK)
    assert vault["kmsKeyArn"] == KEY_ARN
    assert lock["backupVaultName"] == vault.outputs["name"] == outputs["vault_name"]
    assert (lock["minRetentionDays"], lock["maxRetentionDays"]) == (7, 35)
    assert lock.get("changeableForDays") is None
    assert {rule["targetVaultName"] for rule in rules(graph).values()} == {
        outputs["vault_name"]
    }


def test_a_lock_is_final_only_when_that_is_said(graph):
    graph.build(lambda: backups(lock=VaultLock(final_after_days=14)))
    assert graph.one(LOCK)["changeableForDays"] == 14


def test_a_lock_that_changes_is_not_taken_off_in_the_end(graph):
    graph.build(elsewhere)
    assert {lock.delete_before_replace for lock in graph.all(LOCK)} == {True}


def test_a_protected_vault_takes_another_retention(graph):
    protected = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: BackupPlan("app", arguments(), protected))
    assert graph.one(VAULT).protect
    assert not graph.one(LOCK).protect


def test_a_vault_can_do_without_a_lock(graph):
    graph.build(lambda: backups(lock=None, file_days=1, database_days=365))
    assert graph.all(LOCK) == []


def test_what_is_kept_outlives_the_stack_with_all_that_expires_it(graph):
    graph.build(lambda: elsewhere(keep=True))
    kept = {r.type for r in graph.resources if r.retain_on_delete}
    assert kept == {VAULT, LOCK, ROLE, ATTACHMENT, KEY}
    assert {vault["forceDestroy"] for vault in graph.all(VAULT)} == {False}


def test_what_is_not_kept_goes_with_its_backups(graph):
    graph.build(lambda: elsewhere(keep=False))
    assert not [r for r in graph.resources if r.retain_on_delete]
    assert {vault["forceDestroy"] for vault in graph.all(VAULT)} == {True}


def test_the_role_is_for_aws_backup_alone(graph):
    graph.build(backups)
    trust = graph.policy(ROLE, key="assumeRolePolicy")
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "backup.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}
            },
        }
    ]
    policies = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"
    assert {a["policyArn"] for a in graph.all(ATTACHMENT)} == {
        f"{policies}Backup",
        f"{policies}Restores",
    }


def test_nothing_is_selected_before_the_role_is_complete(graph):
    graph.build(backups)
    attachments = {a.urn for a in graph.all(ATTACHMENT)}
    for selection in graph.all(SELECTION):
        assert attachments <= selection.dependencies


def test_a_copy_goes_to_a_locked_vault_with_a_key_of_its_region(graph):
    outputs = graph.build(elsewhere)
    there = graph.one(VAULT, "app-backup-copy")
    assert there["kmsKeyArn"] == graph.one(KEY).outputs["arn"]
    assert "logs.eu-west-1.amazonaws.com" in graph.one(KEY)["policy"]
    assert outputs["copy_vault_arn"] == there.outputs["arn"]
    assert len(graph.all(LOCK)) == 2
    for rule in rules(graph).values():
        assert rule["copyActions"] == [
            {
                "destinationVaultArn": outputs["copy_vault_arn"],
                "lifecycle": rule["lifecycle"],
            }
        ]


def test_without_a_second_region_nothing_is_copied(graph):
    assert graph.build(backups)["copy_vault_arn"] is None
    assert graph.all(KEY) == []
    assert not any(rule.get("copyActions") for rule in rules(graph).values())


def test_every_week_the_newest_backups_are_restored(graph):
    network = {"dbSubnetGroupName": "isolated"}
    test = RestoreTest(validation_hours=2, database_metadata=network)
    outputs = graph.build(lambda: backups(restore_test=test))
    plan = graph.one(TEST_PLAN)
    assert plan["scheduleExpression"] == "cron(0 9 ? * SUN *)"
    assert plan["recoveryPointSelection"] == {
        "algorithm": "LATEST_WITHIN_WINDOW",
        "includeVaults": [outputs["vault_arn"]],
        "recoveryPointTypes": ["SNAPSHOT"],
        "selectionWindowDays": 7,
    }
    database, files = graph.all(TEST_SELECTION)
    assert (database["protectedResourceType"], files["protectedResourceType"]) == (
        "RDS",
        "EFS",
    )
    assert database["protectedResourceArns"] == [DATABASE]
    assert database["restoreMetadataOverrides"] == network
    assert files.get("restoreMetadataOverrides") is None
    for selection in (database, files):
        assert selection["restoreTestingPlanName"] == plan["name"]
        assert selection["validationWindowHours"] == 2


def test_nothing_is_restored_unless_wanted(graph):
    graph.build(backups)
    assert graph.all(TEST_PLAN) == graph.all(TEST_SELECTION) == []


def test_names_fit_however_long_the_stacks_is(graph):
    graph.build(lambda: elsewhere(LONGEST_NAME, restore_test=RestoreTest()))
    for type_ in (VAULT, PLAN, SELECTION):
        assert {len(r.outputs["name"]) <= 50 for r in graph.all(type_)} == {True}
    names = [
        r["name"] for type_ in (TEST_PLAN, TEST_SELECTION) for r in graph.all(type_)
    ]
    assert len(set(names)) == 3
    for name in names:
        assert len(name) <= 50
        assert name.replace("_", "").isalnum()


def test_a_preview_registers_all_of_it(graph):
    graph.build(lambda: elsewhere(restore_test=RestoreTest()), preview=True)
    assert len(graph.all(PLAN)) == len(graph.all(VAULT)) == 2
    assert json.loads(graph.one(KEY)["policy"])["Statement"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"databases": [], "file_systems": []}, "nothing to back up"),
        ({"start_within": 59}, "60 or more"),
        ({"start_within": 200}, "complete_within"),
        ({"start": "02:00"}, "01:30-02:30"),
        ({"start": "00:30"}, "01:30-02:30"),
        ({"start": "23:45"}, "01:30-02:30"),
        ({"start": "03:30"}, "sun:03:00"),
        ({"database_windows": ["23:30-00:30"], "start": "00:29"}, "23:30-00:30"),
        ({"database_windows": ["sun:23:30-mon:00:30"], "start": "00:00"}, "mon:00:30"),
        ({"database_days": 36}, "database_days: 36 is not between 7 and 35"),
        ({"file_days": 6}, "file_days: 6"),
        ({"file_days": 0, "lock": None}, "file_days: 0"),
        ({"keep": False, "lock": VaultLock(final_after_days=3)}, "cannot be destroyed"),
    ],
)
def test_plans_that_would_fail_at_night_are_refused_by_day(args, words):
    with pytest.raises(ValueError, match=words):
        arguments(**args)


def test_windows_of_databases_do_not_bind_files():
    assert arguments(databases=[], start="02:00").start == "02:00"


@given(st.integers(0, 24 * 60 - 1))
def test_a_start_is_taken_if_and_only_if_no_window_is_near(minute):
    start = f"{minute // 60:02}:{minute % 60:02}"
    # 00:30 to 02:30 every day, 02:00 to 04:00 on Sundays; an hour to begin in.
    free = not -30 + 1 <= minute < 4 * 60 and minute < 23 * 60 + 31
    if free:
        assert arguments(start=start).start == start
    else:
        with pytest.raises(ValueError, match="start:"):
            arguments(start=start)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_days": 0},
        {"min_days": 40},
        {"max_days": 36_501},
        {"final_after_days": 2},
    ],
)
def test_locks_that_aws_refuses_are_refused(wrong):
    with pytest.raises(ValueError, match="days"):
        VaultLock(**wrong)


@pytest.mark.parametrize("hours", [0, 169])
def test_a_restored_copy_is_looked_at_for_a_week_at_most(hours):
    with pytest.raises(ValueError, match="between 1 and 168"):
        RestoreTest(validation_hours=hours)
