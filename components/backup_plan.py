"""Backups by AWS Backup: a locked vault, daily plans, a second region, drills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

import times
from components import iam
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from names import AUTO_NAME_LENGTH, bounded

BACKUP_LIMIT = 50 - AUTO_NAME_LENGTH
"""Logical name of a vault, a plan or a selection (AWS Backup API: 50)."""

_RESTORE_TEST_LIMIT = 50
"""Physical name of a restore-testing plan or selection (AWS Backup API: 50)."""

_LONGEST_RETENTION = 36_500
"""Days, of a vault lock (AWS Backup API, PutBackupVaultLockConfiguration)."""

_SHORTEST_START = 60
"""Minutes of a start window (AWS Backup guide, "Backup plan options")."""


@dataclass(frozen=True, kw_only=True)
class VaultLock:
    """How long recovery points stay, whoever wants them gone.

    min_days, max_days: shortest and longest retention that the vault takes (1-36500).
        Until a recovery point's own retention has passed, nobody deletes it.
    final_after_days: None is governance mode: whoever may change the lock can take
        it off. A number (3 or more) is compliance mode: that many days after the
        deployment not even AWS can take it off, nor delete the vault before its last
        recovery point has expired. There is no way back.
    """

    min_days: int = 7
    max_days: int = 35
    final_after_days: int | None = None

    def __post_init__(self) -> None:
        """Refuse what AWS refuses.

        Raises:
            ValueError: for an empty range, or no time to think it over.
        """
        if not 1 <= self.min_days <= self.max_days <= _LONGEST_RETENTION:
            raise ValueError(
                f"min_days, max_days: {self.min_days} to {self.max_days} is no range "
                f"within 1 to {_LONGEST_RETENTION}"
            )
        if self.final_after_days is not None and self.final_after_days < 3:
            raise ValueError(
                f"final_after_days: {self.final_after_days}; AWS leaves at least 3 "
                "days to think it over"
            )


@dataclass(frozen=True, kw_only=True)
class BackupCopy:
    """Where a second copy of each backup goes.

    region: another one than the plan's.
    provider: makes the vault and its key there; for the same region.
    """

    region: str
    provider: pulumi.ProviderResource


@dataclass(frozen=True, kw_only=True)
class RestoreTest:
    """The newest backups are restored for a while, and deleted again.

    schedule: cron of AWS, UTC; Sundays at 9 unless told otherwise.
    validation_hours: how long the restored things are there to be looked at (1-168).
    database_metadata: overrides of what AWS Backup infers for a database, such as
        `dbSubnetGroupName` and `vpcSecurityGroupIds`: without them it restores into
        the default VPC, and fails where there is none.
    """

    schedule: str = "cron(0 9 ? * SUN *)"
    validation_hours: int = 1
    database_metadata: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what AWS refuses.

        Raises:
            ValueError: for a validation window out of range.
        """
        if not 1 <= self.validation_hours <= 168:
            raise ValueError(
                f"validation_hours: {self.validation_hours} is not between 1 and 168"
            )


@dataclass(frozen=True, kw_only=True)
class BackupPlanArgs:
    """What a backup plan needs to know.

    databases: ARNs of RDS instances.
    file_systems: ARNs of EFS file systems.
    kms_key_arn: customer key of the vault, which encrypts the copies of files; a
        copy of a database has the database's key.
    database_days, file_days: how long a backup is kept (1-36500; the guide's 30
        and 7).
    start: time of day, UTC, `HH:MM`, after which both begin.
    start_within, complete_within: minutes in which a backup must have begun (60 or
        more), and in which it must be done, counted from `start`.
    database_windows: backup and maintenance window of the databases. RDS takes no
        snapshot in them, and AWS Backup begins none in the hour before (AWS Backup
        guide, "Backup plan options and configuration").
    lock: None leaves recovery points to whoever may delete them.
    copy: a second region; None for none.
    restore_test: restore every week to see whether it works; None for never.
    keep: leave the vault, its backups and what expires them behind when the stack is
        destroyed. Otherwise the backups are deleted with it.
    """

    databases: Sequence[pulumi.Input[str]]
    file_systems: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    database_days: int = 30
    file_days: int = 7
    start: str = "05:00"
    start_within: int = _SHORTEST_START
    complete_within: int = 180
    database_windows: Sequence[str] = ("01:30-02:30", "sun:03:00-sun:04:00")
    lock: VaultLock | None = field(default_factory=VaultLock)
    copy: BackupCopy | None = None
    restore_test: RestoreTest | None = None
    keep: bool

    def __post_init__(self) -> None:
        """Refuse plans whose jobs would fail at night.

        Raises:
            ValueError: for nothing to back up, windows that are too short or clash,
                and a retention that the lock refuses.
        """
        if not self.databases and not self.file_systems:
            raise ValueError("databases, file_systems: there is nothing to back up")
        if not _SHORTEST_START <= self.start_within <= self.complete_within:
            raise ValueError(
                f"start_within: {self.start_within} minutes; AWS asks for "
                f"{_SHORTEST_START} or more, and complete_within "
                f"({self.complete_within}) includes them"
            )
        self._refuse_clashes()
        self._refuse_unlockable_retention()

    def _refuse_clashes(self) -> None:
        starts = times.minutes_from(self.start, self.start_within)
        for window in self.database_windows if self.databases else ():
            if starts & times.window_minutes(window, before=60):
                raise ValueError(
                    f"start: a backup may begin within {self.start_within} minutes "
                    f"after {self.start}, and the databases take none from an hour "
                    f"before {window} to its end"
                )

    def _refuse_unlockable_retention(self) -> None:
        least, most = (
            (self.lock.min_days, self.lock.max_days)
            if self.lock
            else (1, _LONGEST_RETENTION)
        )
        for kind in _kinds(self):
            if not least <= kind.days <= most:
                raise ValueError(
                    f"{kind.setting}: {kind.days} is not between {least} and {most}, "
                    "which is all that the vault takes"
                )
        if self.lock and self.lock.final_after_days and not self.keep:
            raise ValueError(
                "keep: a vault with a final lock cannot be destroyed; set keep, or "
                "lock.final_after_days to None"
            )


class BackupPlan(pulumi.ComponentResource):
    """Daily backups of databases (RDS.26) and file systems (EFS.2), kept elsewhere.

    The database's own automated backups go with the instance and stay in its region;
    these do neither. Recovery points are encrypted (Backup.1). What is backed up is
    named by ARN: a tag can be forgotten, a wildcard matches too much, and only ARNs
    do not depend on the account's opt-in per service.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html

    The role has AWS's two managed policies for it, as AWS recommends: what AWS Backup
    calls is its own business and changes with it.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html

    Backups expire with the role that made them: a kept vault keeps the role too, or
    its recovery points would stay, and cost, for ever.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-iam.html
    """

    vault_name: pulumi.Output[str]
    """Where the backups are, for `aws backup` commands."""

    vault_arn: pulumi.Output[str]
    """ARN of the vault."""

    copy_vault_arn: pulumi.Output[str] | None
    """ARN of the vault in the second region; None without one."""

    plan_ids: Sequence[pulumi.Output[str]]
    """The plans: databases first, then files."""

    role_arn: pulumi.Output[str]
    """Role that backs up and restores; complete with its policies."""

    def __init__(
        self,
        name: str,
        args: BackupPlanArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:BackupPlan", name, None, opts)
        name = bounded(f"{name}-backup", BACKUP_LIMIT)

        vault = _vault(
            name, args.kms_key_arn, args, pulumi.ResourceOptions(parent=self)
        )
        copy_vault = (
            _copy_vault(bounded(f"{name}-copy", BACKUP_LIMIT), args.copy, args, self)
            if args.copy
            else None
        )
        self.role_arn = _role(name, args, self)
        self.plan_ids = [
            self._plan(name, kind, _rule(args, kind.days, vault, copy_vault))
            for kind in _kinds(args)
        ]
        if args.restore_test:
            self._restore_test(name, args, args.restore_test, vault)

        self.vault_name = vault.name
        self.vault_arn = vault.arn
        self.copy_vault_arn = copy_vault.arn if copy_vault else None
        self.register_outputs(
            {
                "vault_name": self.vault_name,
                "vault_arn": self.vault_arn,
                "copy_vault_arn": self.copy_vault_arn,
                "plan_ids": self.plan_ids,
                "role_arn": self.role_arn,
            }
        )

    def _plan(
        self, name: str, kind: _Kind, rule: aws.backup.PlanRuleArgs
    ) -> pulumi.Output[str]:
        """ID of the plan of one kind of thing."""
        name = bounded(f"{name}-{kind.name}", BACKUP_LIMIT)
        # They hold no data, and a selection is replaced with each change.
        opts = pulumi.ResourceOptions(parent=self, protect=False)
        plan = aws.backup.Plan(name, rules=[rule], opts=opts)
        aws.backup.Selection(
            name,
            plan_id=plan.id,
            iam_role_arn=self.role_arn,
            resources=kind.arns,
            opts=opts,
        )
        return plan.id

    def _restore_test(
        self,
        name: str,
        args: BackupPlanArgs,
        test: RestoreTest,
        vault: aws.backup.Vault,
    ) -> None:
        opts = pulumi.ResourceOptions(parent=self, protect=False)
        plan = aws.backup.RestoreTestingPlan(
            name,
            name=_restore_test_name(name),
            schedule_expression=test.schedule,
            start_window_hours=1,
            recovery_point_selection=aws.backup.RestoreTestingPlanRecoveryPointSelectionArgs(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=[vault.arn],
                recovery_point_types=["SNAPSHOT"],
                selection_window_days=7,
            ),
            opts=opts,
        )
        for kind in _kinds(args):
            overrides = test.database_metadata if kind.type == "RDS" else {}
            aws.backup.RestoreTestingSelection(
                f"{name}-{kind.name}",
                name=_restore_test_name(f"{name}-{kind.name}"),
                restore_testing_plan_name=plan.name,
                protected_resource_type=kind.type,
                protected_resource_arns=kind.arns,
                iam_role_arn=self.role_arn,
                restore_metadata_overrides=dict(overrides) or None,
                validation_window_hours=test.validation_hours,
                opts=opts,
            )


class _Kind(NamedTuple):
    """One kind of thing that is backed up, with a plan of its own.

    type: as AWS Backup calls it. setting: the argument that gives the days.
    """

    name: str
    type: str
    arns: Sequence[pulumi.Input[str]]
    setting: str
    days: int


def _kinds(args: BackupPlanArgs) -> list[_Kind]:
    """Those of which there is something."""
    kinds = (
        _Kind("database", "RDS", args.databases, "database_days", args.database_days),
        _Kind("files", "EFS", args.file_systems, "file_days", args.file_days),
    )
    return [kind for kind in kinds if kind.arns]


def _kept(opts: pulumi.ResourceOptions, keep: bool) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(retain_on_delete=keep)
    )


def _vault(
    name: str,
    key: pulumi.Input[str],
    args: BackupPlanArgs,
    opts: pulumi.ResourceOptions,
) -> aws.backup.Vault:
    """A vault and its lock: kept or destroyed together, or the lock would come off."""
    opts = _kept(opts, args.keep)
    vault = aws.backup.Vault(
        name, kms_key_arn=key, force_destroy=not args.keep, opts=opts
    )
    if args.lock:
        aws.backup.VaultLockConfiguration(
            name,
            backup_vault_name=vault.name,
            min_retention_days=args.lock.min_days,
            max_retention_days=args.lock.max_days,
            changeable_for_days=args.lock.final_after_days,
            # A vault has one lock: taking the old one off last would take off the new.
            # Any other retention replaces it, which protection would refuse; the
            # data is in the vault, which stays protected.
            opts=pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(delete_before_replace=True, protect=False),
            ),
        )
    return vault


def _copy_vault(
    name: str, copy: BackupCopy, args: BackupPlanArgs, parent: pulumi.Resource
) -> aws.backup.Vault:
    """The vault in the second region, with a key of its own: keys do not travel.

    A copy is encrypted anew with the destination vault's key.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/cross-region-backup.html
    """
    there = pulumi.ResourceOptions(parent=parent, provider=copy.provider)
    key = EncryptionKey(
        name,
        EncryptionKeyArgs(
            description="Copies of backups from another region",
            account_id=pulumi.Output.from_input(args.kms_key_arn).apply(
                lambda arn: iam.place_of(arn).account_id
            ),
            region=copy.region,
            keep=args.keep,
        ),
        there,
    )
    return _vault(name, key.arn, args, there)


def _role(
    name: str, args: BackupPlanArgs, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """ARN of the role of AWS Backup.

    AWS does not say that Backup names the account it acts for: where it does, it must
    be this one.
    """
    opts = _kept(pulumi.ResourceOptions(parent=parent, protect=False), args.keep)
    place = pulumi.Output.from_input(args.kms_key_arn).apply(iam.place_of)
    role = aws.iam.Role(
        name,
        description="Lets AWS Backup back up and restore",
        assume_role_policy=place.apply(lambda here: _trust(here.account_id)),
        opts=opts,
    )
    attachments = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{what}",
            role=role.name,
            policy_arn=pulumi.Output.format(
                "arn:{0}:iam::aws:policy/service-role/{1}", place.partition, policy
            ),
            opts=opts,
        )
        for what, policy in (
            ("backup", "AWSBackupServiceRolePolicyForBackup"),
            ("restore", "AWSBackupServiceRolePolicyForRestores"),
        )
    ]
    # A selection is refused when its role may not do what it asks for.
    return pulumi.Output.all(
        role.arn, *(attachment.id for attachment in attachments)
    ).apply(lambda made: str(made[0]))


def _trust(account_id: str) -> str:
    return iam.document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "backup.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account_id}},
        }
    )


def _rule(
    args: BackupPlanArgs,
    days: int,
    vault: aws.backup.Vault,
    copy_vault: aws.backup.Vault | None,
) -> aws.backup.PlanRuleArgs:
    """Every day, kept for so many days, here and in the second region."""
    hour, minute = divmod(times.minute(args.start), 60)
    copies = [
        aws.backup.PlanRuleCopyActionArgs(
            destination_vault_arn=there.arn,
            lifecycle=aws.backup.PlanRuleCopyActionLifecycleArgs(delete_after=days),
        )
        for there in (copy_vault,)
        if there
    ]
    return aws.backup.PlanRuleArgs(
        rule_name="daily",
        target_vault_name=vault.name,
        schedule=f"cron({minute} {hour} * * ? *)",
        start_window=args.start_within,
        completion_window=args.complete_within,
        lifecycle=aws.backup.PlanRuleLifecycleArgs(delete_after=days),
        copy_actions=copies or None,
    )


def _restore_test_name(name: str) -> str:
    """Letters, digits and underscores: AWS takes nothing else here."""
    return bounded(name, _RESTORE_TEST_LIMIT).replace("-", "_")
