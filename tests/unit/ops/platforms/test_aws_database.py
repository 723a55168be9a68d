"""Snapshots and scratch servers, from recorded answers: RDS takes its time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ops.errors import FailedError, OpsError
from ops.platforms.aws import Aws, sessions
from ops.platforms.platform import Snapshot
from tests.ops.aws_stack import OUTPUTS, Clock, DeployedStack
from tests.ops.recorded import Recorded, error

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
LIVE = OUTPUTS["database"]
INSTANCE: dict[str, Any] = {
    "DBInstanceIdentifier": LIVE,
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.t4g.medium",
    "Endpoint": {"Address": "db.internal", "Port": 5432},
    "MasterUsername": "owner",
    "BackupRetentionPeriod": 7,
    "LatestRestorableTime": NOW,
    "DBSubnetGroup": {"DBSubnetGroupName": "isolated"},
    "DBParameterGroups": [{"DBParameterGroupName": "postgres15"}],
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-db"}],
    "MultiAZ": True,
    "TagList": [
        {"Key": "Environment", "Value": "test"},
        {"Key": "aws:backup:source-resource", "Value": "x"},
    ],
}


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    recorded.on("rds.DescribeDBInstances", instances("available"))
    recorded.on("rds.DescribeDBSnapshots", snapshots("nightly"))
    for call in (
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceToPointInTime",
        "ModifyDBInstance",
        "DeleteDBInstance",
        "CreateDBSnapshot",
    ):
        recorded.on(f"rds.{call}", {})
    return recorded


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.fixture
def tunnels(monkeypatch):
    """Servers that a tunnel was led to. Tunnels have tests of their own."""
    led = []

    @contextmanager
    def tunnel(account: Any, host: str, port: int) -> Any:
        led.append(host)
        yield 15432

    monkeypatch.setattr(sessions, "tunnel", tunnel)
    monkeypatch.setattr(sessions, "reachable", lambda host, port: False)
    monkeypatch.setattr(sessions, "demand_way", lambda account: "plugin")
    return led


@pytest.fixture
def platform(aws, clock, tunnels):
    return Aws(DeployedStack())


def instances(*states: str, **other: Any) -> Any:
    """RDS's answers: the stack's server, and a scratch one in these states."""
    waiting = list(states)

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("DBInstanceIdentifier", LIVE)
        if wanted == LIVE:
            return {"DBInstances": [INSTANCE]}
        state = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        pending = (
            {"MasterUserPassword": "****"} if state == "available, no login" else {}
        )
        scratch = {
            **INSTANCE,
            "DBInstanceIdentifier": wanted,
            "DBInstanceStatus": state.partition(",")[0],
            "Endpoint": {"Address": "scratch.internal", "Port": 5432},
            "PendingModifiedValues": pending,
            **other,
        }
        return {"DBInstances": [scratch]}

    return answer


def snapshots(*names: str, state: str = "available") -> dict[str, Any]:
    return {
        "DBSnapshots": [
            {
                "DBSnapshotIdentifier": name,
                "SnapshotCreateTime": NOW + timedelta(hours=hour),
                "AllocatedStorage": 20,
                "Status": state,
            }
            for hour, name in enumerate(names)
        ]
    }


def test_a_snapshot_is_waited_for_and_named_after_its_server(aws, platform, capsys):
    def at(percent: int, state: str) -> dict[str, Any]:
        found = snapshots(f"{LIVE}-before-r12", state=state)
        found["DBSnapshots"][0]["PercentProgress"] = percent
        return found

    aws.on("rds.DescribeDBSnapshots", at(0, "creating"), at(60, "creating"))
    aws.on(
        "rds.DescribeDBSnapshots",
        at(0, "creating"),
        at(60, "creating"),
        at(100, "available"),
    )
    assert platform.snapshot("before-r12") == f"{LIVE}-before-r12"
    (asked,) = aws.asked("rds.CreateDBSnapshot")
    assert asked["DBInstanceIdentifier"] == LIVE
    assert {"Key": "stromhaltig:stack", "Value": "test"} in asked["Tags"]
    assert "creating, 60 %" in capsys.readouterr().err


def test_a_name_is_written_as_rds_takes_it(aws, platform):
    name = platform.snapshot("r12_2026-11-29T22:00")
    assert name == f"{LIVE}-r12-2026-11-29T22-00"


def test_old_snapshots_of_deployments_go_once_there_is_a_newer_one(
    aws, platform, capsys
):
    old = datetime.now(UTC) - timedelta(days=31)
    young = datetime.now(UTC) - timedelta(days=29)
    made = {
        f"{LIVE}-before-deploy-1": old,
        f"{LIVE}-before-migrate-2": old,
        f"{LIVE}-before-deploy-3": young,
        f"{LIVE}-before-deploy-4": datetime.now(UTC),
        f"{LIVE}-final": old,
        f"{LIVE}-by-hand": old,
        f"rds:{LIVE}-before-deploy": old,
    }
    listed = snapshots(*made)
    for one in listed["DBSnapshots"]:
        one["SnapshotCreateTime"] = made[one["DBSnapshotIdentifier"]]
    aws.on("rds.DescribeDBSnapshots", snapshots(f"{LIVE}-before-deploy-4"), listed)
    aws.on("rds.DeleteDBSnapshot", {}, error("AccessDenied"))
    assert platform.snapshot("before-deploy-4") == f"{LIVE}-before-deploy-4"
    assert {a["DBSnapshotIdentifier"] for a in aws.asked("rds.DeleteDBSnapshot")} == {
        f"{LIVE}-before-deploy-1",
        f"{LIVE}-before-migrate-2",
    }
    said = capsys.readouterr().err
    assert "deleted" in said
    assert "is old and stays: AccessDenied" in said


def test_a_snapshot_that_failed_is_told(aws, platform):
    aws.on("rds.DescribeDBSnapshots", snapshots("x", state="failed"))
    with pytest.raises(FailedError, match="is a failure"):
        platform.snapshot("x")


def test_a_snapshot_that_is_never_ready_is_told(aws, platform, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_SNAPSHOT_SECONDS", "60")
    aws.on("rds.DescribeDBSnapshots", snapshots("x", state="creating"))
    with pytest.raises(FailedError, match="not ready after 60 s"):
        platform.snapshot("x")


def test_snapshots_are_listed_the_newest_first(aws, platform):
    first, second = snapshots("old", "new")["DBSnapshots"]
    aws.on(
        "rds.DescribeDBSnapshots",
        {"DBSnapshots": [first], "Marker": "more"},
        {"DBSnapshots": [second]},
    )
    assert platform.snapshots() == [
        Snapshot("new", NOW + timedelta(hours=1), 20, "available"),
        Snapshot("old", NOW, 20, "available"),
    ]


def test_snapshots_of_aws_backup_are_asked_for_by_themselves(aws, platform):
    kinds = {None: "nightly", "awsbackup": "awsbackup:job-1"}
    aws.on(
        "rds.DescribeDBSnapshots",
        lambda asked: snapshots(kinds[asked.get("SnapshotType")]),
    )
    names = {one.name for one in platform.snapshots()}
    assert names == {"nightly", "awsbackup:job-1"}


def test_one_that_is_being_made_has_no_time_yet_and_is_listed(aws, platform):
    found = snapshots("old", "new", state="creating")
    del found["DBSnapshots"][1]["SnapshotCreateTime"]
    aws.on("rds.DescribeDBSnapshots", found)
    assert [one.name for one in platform.snapshots()] == ["new", "old"]


def test_a_scratch_server_is_like_the_live_one_and_gone_afterwards(
    aws, platform, tunnels
):
    aws.on(
        "rds.DescribeDBInstances",
        instances("creating", "available", "available, no login", "available"),
    )
    with platform.scratch(snapshot="nightly") as address:
        assert tunnels == ["scratch.internal"]
        assert not aws.asked("rds.DeleteDBInstance")
    (restored,) = aws.asked("rds.RestoreDBInstanceFromDBSnapshot")
    name = restored["DBInstanceIdentifier"]
    assert name.startswith(f"{LIVE}-scratch-")
    assert len(name) <= 63
    assert restored["DBSnapshotIdentifier"] == "nightly"
    assert restored["DBSubnetGroupName"] == "isolated"
    assert restored["DBParameterGroupName"] == "postgres15"
    assert restored["VpcSecurityGroupIds"] == ["sg-db"]
    assert restored["PubliclyAccessible"] is False
    assert restored["DeletionProtection"] is False
    assert restored["MultiAZ"] is False
    # As the live one is, so that roles that may touch the stack may touch it.
    assert restored["Tags"] == [
        {"Key": "Environment", "Value": "test"},
        {"Key": "stromhaltig:stack", "Value": "test"},
        {"Key": "stromhaltig:scratch", "Value": "test"},
    ]
    # The administrator's password of the snapshot may have been changed since.
    (modified,) = aws.asked("rds.ModifyDBInstance")
    assert modified["ApplyImmediately"] is True
    assert address.password == modified["MasterUserPassword"]
    assert (address.user, address.database) == ("owner", "stromhaltig")
    assert (address.reach, address.reach_port) == ("127.0.0.1", 15432)
    assert dict(address.options) == {"sslmode": "require"}
    assert aws.asked("rds.DeleteDBInstance") == [
        {
            "DBInstanceIdentifier": name,
            "SkipFinalSnapshot": True,
            "DeleteAutomatedBackups": True,
        }
    ]


def test_a_scratch_server_of_a_moment(aws, platform):
    at = NOW - timedelta(hours=1)
    with platform.scratch(at=at):
        pass
    (restored,) = aws.asked("rds.RestoreDBInstanceToPointInTime")
    assert restored["SourceDBInstanceIdentifier"] == LIVE
    assert restored["RestoreTime"] == at
    assert "UseLatestRestorableTime" not in restored


def test_a_scratch_server_of_now(aws, platform):
    with platform.scratch():
        pass
    (restored,) = aws.asked("rds.RestoreDBInstanceToPointInTime")
    assert restored["UseLatestRestorableTime"] is True


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, FailedError])
def test_a_scratch_server_goes_when_the_work_on_it_fails(aws, platform, trouble):
    with pytest.raises(trouble), platform.scratch(snapshot="nightly"):
        raise trouble
    assert aws.asked("rds.DeleteDBInstance")


def test_a_scratch_server_goes_when_waiting_for_it_is_interrupted(aws, platform):
    def interrupted(params: dict[str, Any]) -> dict[str, Any]:
        if params.get("DBInstanceIdentifier", LIVE) != LIVE:
            raise KeyboardInterrupt
        return {"DBInstances": [INSTANCE]}

    aws.on("rds.DescribeDBInstances", interrupted)
    with pytest.raises(KeyboardInterrupt), platform.scratch(snapshot="nightly"):
        pass
    assert aws.asked("rds.DeleteDBInstance")


def test_a_scratch_server_that_breaks_is_told_and_deleted(aws, platform):
    aws.on("rds.DescribeDBInstances", instances("creating", "incompatible-restore"))
    with (
        pytest.raises(FailedError, match="became incompatible-restore"),
        platform.scratch(snapshot="nightly"),
    ):
        pass
    assert aws.asked("rds.DeleteDBInstance")


def test_a_scratch_server_that_never_answers_is_deleted(aws, platform, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_RESTORE_SECONDS", "60")
    aws.on("rds.DescribeDBInstances", instances("creating"))
    with (
        pytest.raises(FailedError, match="not available after 60 s"),
        platform.scratch(snapshot="nightly"),
    ):
        pass
    assert aws.asked("rds.DeleteDBInstance")


def test_a_scratch_server_whose_making_was_not_answered_goes(aws, platform):
    """It is made, for all that is known, and is paid for."""
    lost = ReadTimeoutError(endpoint_url="https://rds.invalid")
    aws.on("rds.RestoreDBInstanceFromDBSnapshot", lost)
    with pytest.raises(ReadTimeoutError), platform.scratch(snapshot="nightly"):
        pass
    assert aws.asked("rds.DeleteDBInstance")


def test_a_second_try_finds_what_the_first_has_made(aws, platform):
    there = error("DBInstanceAlreadyExists")
    aws.on("rds.RestoreDBInstanceToPointInTime", there)
    with platform.scratch() as address:
        assert address.user == "owner"


def test_what_rds_refuses_to_make_is_not_said_to_be_left(aws, platform, capsys):
    aws.on("rds.RestoreDBInstanceToPointInTime", error("AccessDenied"))
    aws.on("rds.DeleteDBInstance", error("DBInstanceNotFound"))
    with pytest.raises(ClientError, match="AccessDenied"), platform.scratch():
        pass
    assert "could not be deleted" not in capsys.readouterr().err


def test_one_that_cannot_be_deleted_is_named_with_the_command(aws, platform, capsys):
    aws.on("rds.DeleteDBInstance", error("InvalidDBInstanceState"))
    with platform.scratch(snapshot="nightly"):
        pass
    said = capsys.readouterr().err
    assert "could not be deleted (InvalidDBInstanceState)" in said
    assert "aws rds delete-db-instance --skip-final-snapshot" in said


def test_what_a_killed_command_left_is_named(aws, platform, capsys):
    left = {
        **INSTANCE,
        "DBInstanceIdentifier": f"{LIVE}-scratch-1",
        "TagList": [{"Key": "stromhaltig:scratch", "Value": "test"}],
    }
    going = {**left, "DBInstanceIdentifier": "going", "DBInstanceStatus": "deleting"}
    another = {
        **left,
        "DBInstanceIdentifier": "of another stack",
        "TagList": [{"Key": "stromhaltig:scratch", "Value": "production"}],
    }
    known = instances("available")

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        if params:
            found: dict[str, Any] = known(params)
            return found
        return {"DBInstances": [INSTANCE, left, going, another]}

    aws.on("rds.DescribeDBInstances", answer)
    with platform.scratch(snapshot="nightly"):
        pass
    said = capsys.readouterr().err
    assert f"{LIVE}-scratch-1 was left" in said
    assert "going was left" not in said
    assert "of another stack" not in said


def test_an_unknown_snapshot_names_the_nearest_and_restores_nothing(aws, platform):
    aws.on("rds.DescribeDBSnapshots", snapshots("nightly-28", "nightly-29"))
    with (
        pytest.raises(OpsError, match='Did you mean "nightly-29"'),
        platform.scratch(snapshot="nighty-29"),
    ):
        pass
    assert not aws.asked("rds.RestoreDBInstanceFromDBSnapshot")


def test_a_snapshot_that_is_not_ready_is_not_restored(aws, platform):
    aws.on("rds.DescribeDBSnapshots", snapshots("nightly", state="creating"))
    with (
        pytest.raises(OpsError, match="nightly is creating"),
        platform.scratch(snapshot="nightly"),
    ):
        pass


def test_a_moment_after_the_latest_is_refused(aws, platform):
    with (
        pytest.raises(OpsError, match="The latest moment that can be restored is"),
        platform.scratch(at=NOW + timedelta(minutes=1)),
    ):
        pass
    assert not aws.asked("rds.RestoreDBInstanceToPointInTime")


def test_without_automatic_backups_there_is_no_moment(aws, platform):
    live = {**INSTANCE, "BackupRetentionPeriod": 0}
    aws.on("rds.DescribeDBInstances", {"DBInstances": [live]})
    with (
        pytest.raises(OpsError, match="backup_retention_days"),
        platform.scratch(at=NOW),
    ):
        pass


def test_without_a_way_to_it_nothing_is_restored(aws, platform, monkeypatch):
    def refuse(account: Any) -> str:
        raise OpsError("no plugin")

    monkeypatch.setattr(sessions, "demand_way", refuse)
    with pytest.raises(OpsError, match="no plugin"), platform.scratch():
        pass
    assert not aws.asked("rds.RestoreDBInstanceToPointInTime")


def test_a_database_that_is_gone_is_named(aws, platform):
    aws.on("rds.DescribeDBInstances", {"DBInstances": []}, error("DBInstanceNotFound"))
    with (
        pytest.raises(OpsError, match=f"no database server {LIVE}"),
        platform.scratch(),
    ):
        pass
