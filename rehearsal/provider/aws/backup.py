"""Rows for AWS Backup: vaults and their locks.

Plans, selections and restore tests are recorded only: the emulator can neither change
a plan nor select anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, value_at, within
from rehearsal.provider.row import Aws, Row, deleted, given, is_gone, tag_changes
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_NAME = r"[a-zA-Z0-9_-]{2,50}"
_LONGEST = 36_500


class Vault(Row):
    """aws.backup.Vault; what is in it is the provider's to delete."""

    token = "aws:backup/vault:Vault"
    service = "backup"
    tagged = True
    autoname = "name"
    name_limit = 50
    replaces = frozenset({"kmsKeyArn"})
    unverified = frozenset({"forceDestroy"})  # moto makes no recovery points

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        says = "2 to 50 characters of a-z A-Z 0-9 _ -"
        return [*matching(inputs, "name", _NAME, says), *arn(inputs, "kmsKeyArn")]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("backup").create_backup_vault(
            BackupVaultName=inputs["name"],
            BackupVaultTags=inputs.get("tagsAll") or {},
            **given(inputs, kmsKeyArn="EncryptionKeyArn"),
        )
        return str(created["BackupVaultName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _vault(aws, id)
        if live is None:
            return None
        tags = aws.client("backup").list_tags(ResourceArn=live["BackupVaultArn"])
        return {
            "arn": live["BackupVaultArn"],
            "kmsKeyArn": live.get("EncryptionKeyArn"),
            "name": live["BackupVaultName"],
            "recoveryPoints": live.get("NumberOfRecoveryPoints", 0),
            "tagsAll": tags["Tags"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        backup = aws.client("backup")
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            backup.tag_resource(ResourceArn=old["arn"], Tags=wanted)
        if unwanted:
            backup.untag_resource(ResourceArn=old["arn"], TagKeyList=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("backup").delete_backup_vault, BackupVaultName=id)


class VaultLockConfiguration(Row):
    """aws.backup.VaultLockConfiguration: the one lock of a vault."""

    token = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
    service = "backup"
    delete_first = True
    replaces = frozenset(
        {"backupVaultName", "changeableForDays", "maxRetentionDays", "minRetentionDays"}
    )
    # AWS tells the day on which the lock becomes final, and not after how many.
    unverified = frozenset({"changeableForDays"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *within(inputs, "changeableForDays", 3, _LONGEST),
            *within(inputs, "minRetentionDays", 1, _LONGEST),
            *within(inputs, "maxRetentionDays", 1, _LONGEST),
        ]
        least = value_at(inputs, "minRetentionDays")
        most = value_at(inputs, "maxRetentionDays")
        if least is not None and most is not None and least > most:
            problems.append(f"minRetentionDays: {least} is more than {most}, the most")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("backup").put_backup_vault_lock_configuration(
            BackupVaultName=inputs["backupVaultName"],
            **given(
                inputs,
                changeableForDays="ChangeableForDays",
                maxRetentionDays="MaxRetentionDays",
                minRetentionDays="MinRetentionDays",
            ),
        )
        return str(inputs["backupVaultName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _vault(aws, id)
        if live is None or not live.get("Locked"):
            return None
        return {
            "backupVaultArn": live["BackupVaultArn"],
            "backupVaultName": live["BackupVaultName"],
            "maxRetentionDays": live.get("MaxRetentionDays"),
            "minRetentionDays": live.get("MinRetentionDays"),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        """Nothing changes in place."""

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("backup").delete_backup_vault_lock_configuration,
            BackupVaultName=id,
        )


def _vault(aws: Aws, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = aws.client("backup").describe_backup_vault(
            BackupVaultName=name
        )
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return found


ROWS: tuple[type[Row], ...] = (Vault, VaultLockConfiguration)
INVOKES: Mapping[str, Invoke] = {}
