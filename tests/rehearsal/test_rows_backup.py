"""The rows of AWS Backup: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.rehearsal.conformance import Case, Conformance, Resource, Site

LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
VAULT = "aws:backup/vault:Vault"

KEY = "arn:aws:kms:eu-central-1:123456789012:key/7b9a0c3e"


def vault(site: Site) -> Case:
    backup = site.client("backup")
    return Case(
        inputs={"kmsKeyArn": KEY},
        listing=lambda: [
            one["BackupVaultName"]
            for one in backup.list_backup_vaults()["BackupVaultList"]
        ],
        replaces={"kmsKeyArn": f"{KEY}-other"},
        unverified={"forceDestroy": True},
        refused=[
            ({"name": "a.b"}, "2 to 50"),
            ({"name": "n" * 51}, "2 to 50"),
            ({"kmsKeyArn": "7b9a0c3e"}, "an ARN"),
        ],
    )


def lock(site: Site) -> Case:
    backup = site.client("backup")
    first, second = (site.make(VAULT, kmsKeyArn=KEY)["name"] for _ in range(2))
    return Case(
        inputs={
            "backupVaultName": first,
            "minRetentionDays": 7,
            "maxRetentionDays": 35,
        },
        listing=lambda: [
            one["BackupVaultName"]
            for one in backup.list_backup_vaults()["BackupVaultList"]
            if one.get("Locked")
        ],
        replaces={
            "backupVaultName": second,
            "changeableForDays": 3,
            "maxRetentionDays": 36,
            "minRetentionDays": 1,
        },
        refused=[
            ({"minRetentionDays": 0}, "between 1 and 36500"),
            ({"maxRetentionDays": 36_501}, "between 1 and 36500"),
            ({"minRetentionDays": 36}, "more than 35"),
            ({"changeableForDays": 2}, "between 3"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {VAULT: vault, LOCK: lock}


class TestBackupRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("name", ["ab", "n" * 50])
def test_names_may_be_as_short_and_as_long_as_aws_says(site: Site, name: str) -> None:
    resource = Resource(VAULT, site.aws)
    resource.up({"name": name, "kmsKeyArn": KEY})
    assert resource.live("name") == name
    resource.destroy()


def test_a_lock_that_somebody_took_off_is_missed(site: Site) -> None:
    name = site.make(VAULT, kmsKeyArn=KEY)["name"]
    resource = Resource(LOCK, site.aws)
    resource.up({"backupVaultName": name, "minRetentionDays": 7})
    site.client("backup").delete_backup_vault_lock_configuration(BackupVaultName=name)
    assert not resource.refresh()


def test_retentions_that_somebody_changed_are_seen(site: Site) -> None:
    name = site.make(VAULT, kmsKeyArn=KEY)["name"]
    resource = Resource(LOCK, site.aws)
    program = {"backupVaultName": name, "minRetentionDays": 7, "maxRetentionDays": 35}
    resource.up(program)
    site.client("backup").put_backup_vault_lock_configuration(
        BackupVaultName=name, MinRetentionDays=1, MaxRetentionDays=35
    )
    assert resource.refresh()
    assert "minRetentionDays" in resource.up(program).replaces
    assert resource.live("minRetentionDays") == 7


def test_a_changed_lock_is_taken_off_before_the_new_one_is_put_on(site: Site) -> None:
    name = site.make(VAULT, kmsKeyArn=KEY)["name"]
    resource = Resource(LOCK, site.aws)
    resource.up({"backupVaultName": name, "minRetentionDays": 7})
    assert resource.up({"backupVaultName": name, "minRetentionDays": 8}).delete_first
    assert resource.live("minRetentionDays") == 8
