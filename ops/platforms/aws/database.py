"""The database server: ways to it, snapshots of it, and copies made of those."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.common import say
from ops.database.address import Address
from ops.errors import FailedError, OpsError, nearest
from ops.platforms.aws import sessions
from ops.platforms.aws.account import Account, code, seconds, tagged
from ops.platforms.aws.waiting import Progress, wait
from ops.platforms.platform import Snapshot

ADMIN_URL = "DATABASE_ADMIN_URL"
"""Secret of the owner's address, where the app is somebody else."""

SNAPSHOT_SECONDS = 3600.0
"""How long a snapshot may take; STROMHALTIG_SNAPSHOT_SECONDS says else."""

RESTORE_SECONDS = 7200.0
"""How long a copy may take to answer; STROMHALTIG_RESTORE_SECONDS says else."""

SCRATCH_TAG = "stromhaltig:scratch"
"""On servers that are gone after the command that made them, or should be."""

UNDO = "before-"
"""How names begin of what is taken before a deployment, a migration, a rollback."""

KEEP_DAYS = 30
"""How long those are kept; the guide's section "Database Backup" keeps so many days."""

POLL_SECONDS = 15.0

_KINDS: tuple[dict[str, str], ...] = ({}, {"SnapshotType": "awsbackup"})
"""RDS lists manual and automatic snapshots unless told, those of AWS Backup never."""

_LONGEST = 63
"""Characters of an identifier of RDS."""

_NO_SERVER = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})

_BROKEN = frozenset(
    {
        "failed",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-parameters",
        "incompatible-restore",
        "insufficient-capacity",
        "storage-full",
    }
)
"""States that a new server does not leave by itself."""


@contextmanager
def live(account: Account, *, admin: bool) -> Iterator[Address]:
    """As `Platform.database`."""
    arns = account["secret_arns"]
    name = ADMIN_URL if admin and ADMIN_URL in arns else "DATABASE_URL"
    if name not in arns:
        raise OpsError(f"Stack {account.stack} has no secret {name}: deploy it again")
    found = account.client("secretsmanager").get_secret_value(SecretId=arns[name])
    with _reached(account, Address.parse(found["SecretString"])) as address:
        yield address


@contextmanager
def _reached(account: Account, address: Address) -> Iterator[Address]:
    """The same address, by a tunnel unless this machine reaches the server itself."""
    if sessions.reachable(address.host, address.port):
        yield address
        return
    with sessions.tunnel(account, address.host, address.port) as port:
        yield replace(address, reach="127.0.0.1", reach_port=port)


def server(account: Account, identifier: str | None = None) -> Any:
    """A DB instance as RDS describes it, the stack's unless told.

    Raises OpsError when it is not there.
    """
    from botocore.exceptions import ClientError

    wanted = identifier or account["database"]
    try:
        return account.client("rds").describe_db_instances(DBInstanceIdentifier=wanted)[
            "DBInstances"
        ][0]
    except ClientError as error:
        if code(error) in _NO_SERVER:
            raise OpsError(
                f"There is no database server {wanted} in {account.region}"
            ) from None
        raise


def snapshot(account: Account, name: str) -> str:
    """As `Platform.snapshot`; its name begins with the server's."""
    # What RDS takes: letters, digits, and single hyphens.
    full = re.sub(r"[^A-Za-z0-9]+", "-", f"{account['database']}-{name}").strip("-")
    rds = account.client("rds")
    rds.create_db_snapshot(
        DBSnapshotIdentifier=full,
        DBInstanceIdentifier=account["database"],
        Tags=tagged(server(account).get("TagList", ()), stack=account.stack),
    )
    progress = Progress()
    patience = seconds("STROMHALTIG_SNAPSHOT_SECONDS", SNAPSHOT_SECONDS)

    def made() -> str | None:
        found = rds.describe_db_snapshots(DBSnapshotIdentifier=full)["DBSnapshots"][0]
        state: str = found["Status"]
        progress.tell(f"snapshot {full}: {state}, {found.get('PercentProgress', 0)} %")
        return state if state in {"available", "failed"} else None

    state = wait(made, patience=patience, every=POLL_SECONDS)
    if state != "available":
        raise FailedError(
            f"Snapshot {full} is "
            + ("a failure" if state else f"not ready after {patience:.0f} s")
            + f". Look: aws rds describe-db-snapshots --db-snapshot-identifier {full}"
        )
    _expire(account, full)
    return full


def _expire(account: Account, newest: str) -> None:
    """Delete what was kept to undo deployments of long ago, now that there is a newer.

    Nobody else's snapshots, and none that somebody took by hand: RDS keeps a limited
    number of them, and each is paid for.
    """
    from botocore.exceptions import ClientError

    oldest = datetime.now(UTC) - timedelta(days=KEEP_DAYS)
    for one in snapshots(account):
        stale = one.at < oldest and one.name != newest
        if not stale or not one.name.startswith(f"{account['database']}-{UNDO}"):
            continue
        try:
            account.client("rds").delete_db_snapshot(DBSnapshotIdentifier=one.name)
        except ClientError as error:
            say(f"    snapshot {one.name} is old and stays: {code(error)}")
        else:
            say(f"    snapshot {one.name} of {one.at:%Y-%m-%d} deleted")


def snapshots(account: Account) -> list[Snapshot]:
    """As `Platform.snapshots`: manual, automatic, and those of AWS Backup."""
    found = {
        one["DBSnapshotIdentifier"]: one
        for kind in _KINDS
        for one in account.pages(
            "rds",
            "describe_db_snapshots",
            "DBSnapshots",
            DBInstanceIdentifier=account["database"],
            **kind,
        )
    }
    # One that is being made has no time yet.
    kept = [
        Snapshot(
            name=name,
            at=one.get("SnapshotCreateTime") or datetime.now(UTC),
            gib=one["AllocatedStorage"],
            state=one["Status"],
        )
        for name, one in found.items()
    ]
    return sorted(kept, key=lambda one: one.at, reverse=True)


@contextmanager
def scratch(
    account: Account, *, snapshot: str | None, at: datetime | None
) -> Iterator[Address]:
    """As `Platform.scratch`: an instance like the stack's, alone and smaller.

    Neither `snapshot` nor `at` means now. Its administrator gets a password of its
    own: that in a snapshot may have been changed since.

    Raises OpsError for a snapshot that is not there or a moment that is not kept.
    """
    for left in leftovers(account):
        say(
            f"    {left} was left by a command that was killed. Delete it when nobody "
            f"needs it: {deletion(left)}"
        )
    live = server(account)
    # Before the long wait: whether there is a way to it afterwards.
    if not sessions.reachable(live["Endpoint"]["Address"], live["Endpoint"]["Port"]):
        sessions.demand_way(account)
    now = datetime.now(UTC)
    ending = f"-scratch-{now:%y%m%d%H%M%S}-{secrets.token_hex(2)}"
    name = account["database"][: _LONGEST - len(ending)].rstrip("-") + ending
    if snapshot is None:
        _demand_moment(live, at)
    else:
        _demand_snapshot(account, snapshot)
    try:
        _restore(account, live, name, snapshot, at)
        password = secrets.token_urlsafe(24)
        _await(account, name)
        account.client("rds").modify_db_instance(
            DBInstanceIdentifier=name,
            MasterUserPassword=password,
            ApplyImmediately=True,
        )
        made = _await(account, name, settled=True)
        address = Address(
            host=made["Endpoint"]["Address"],
            port=made["Endpoint"]["Port"],
            user=made["MasterUsername"],
            password=password,
            database=account["database_name"],
            options=(("sslmode", "require"),),
        )
        with _reached(account, address) as reached:
            yield reached
    finally:
        _delete(account, name)


def leftovers(account: Account) -> list[str]:
    """Scratch servers of the stack that are there, whoever works with them."""
    return [
        one["DBInstanceIdentifier"]
        for one in account.pages("rds", "describe_db_instances", "DBInstances")
        if {"Key": SCRATCH_TAG, "Value": account.stack} in one.get("TagList", [])
        and one["DBInstanceStatus"] != "deleting"
    ]


def _restore(
    account: Account, live: Any, name: str, snapshot: str | None, at: datetime | None
) -> None:
    """Have RDS begin with a server of this name, which nobody else has."""
    from botocore.exceptions import ClientError

    groups = live["VpcSecurityGroups"]
    like = {
        "DBInstanceClass": live["DBInstanceClass"],
        "DBSubnetGroupName": live["DBSubnetGroup"]["DBSubnetGroupName"],
        "DBParameterGroupName": live["DBParameterGroups"][0]["DBParameterGroupName"],
        "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in groups],
        "MultiAZ": False,
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": False,
        "DeletionProtection": False,
        "CopyTagsToSnapshot": False,
        "Tags": tagged(
            live.get("TagList", ()), stack=account.stack, scratch=account.stack
        ),
    }
    rds = account.client("rds")
    try:
        if snapshot is not None:
            rds.restore_db_instance_from_db_snapshot(
                DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot, **like
            )
        else:
            rds.restore_db_instance_to_point_in_time(
                SourceDBInstanceIdentifier=account["database"],
                TargetDBInstanceIdentifier=name,
                **({"RestoreTime": at} if at else {"UseLatestRestorableTime": True}),
                **like,
            )
    except ClientError as error:
        # A first try whose answer got lost has made it.
        if code(error) != "DBInstanceAlreadyExists":
            raise


def _demand_snapshot(account: Account, name: str) -> None:
    known = snapshots(account)
    found = next((one for one in known if one.name == name), None)
    if found is None:
        names = nearest(name, [one.name for one in known], kind="snapshots")
        raise OpsError(f'There is no snapshot "{name}" of the database. {names}')
    if found.state != "available":
        raise OpsError(f"Snapshot {name} is {found.state}: wait until it is available")


def _demand_moment(live: Any, at: datetime | None) -> None:
    """Raise OpsError for a moment that RDS surely cannot go back to."""
    days = live["BackupRetentionPeriod"]
    if not days:
        raise OpsError(
            f"Database {live['DBInstanceIdentifier']} keeps no backups to go back to a "
            "moment: set stromhaltig:database.backup_retention_days, or take a snapshot"
        )
    latest = live.get("LatestRestorableTime")
    if at and latest and at > latest:
        raise OpsError(
            f"The latest moment that can be restored is {latest:%Y-%m-%d %H:%M:%S %Z}: "
            f"{at:%Y-%m-%d %H:%M:%S %Z} is after it"
        )


def _await(account: Account, name: str, *, settled: bool = False) -> Any:
    """Wait until a server is available and, `settled`, has its new password."""
    progress = Progress()
    patience = seconds("STROMHALTIG_RESTORE_SECONDS", RESTORE_SECONDS)

    def ready() -> Any | None:
        found = server(account, name)
        state = found["DBInstanceStatus"]
        progress.tell(f"server {name}: {state}")
        if state in _BROKEN:
            raise FailedError(f"Server {name} became {state} instead of available")
        pending = found.get("PendingModifiedValues", {})
        waits = settled and "MasterUserPassword" in pending
        return found if state == "available" and not waits else None

    made = wait(ready, patience=patience, every=POLL_SECONDS)
    if made is None:
        raise FailedError(
            f"Server {name} is not available after {patience:.0f} s. Give it longer: "
            "STROMHALTIG_RESTORE_SECONDS"
        )
    return made


def _delete(account: Account, name: str) -> None:
    """Delete a scratch server, if it is there; never hides what went wrong before."""
    try:
        account.client("rds").delete_db_instance(
            DBInstanceIdentifier=name,
            SkipFinalSnapshot=True,
            DeleteAutomatedBackups=True,
        )
    except Exception as error:
        if code(error) not in _NO_SERVER:
            say(f"Server {name} could not be deleted ({code(error)}): {deletion(name)}")


def deletion(name: str) -> str:
    """The command that deletes a scratch server."""
    return (
        "aws rds delete-db-instance --skip-final-snapshot --delete-automated-backups "
        f"--db-instance-identifier {name}"
    )
