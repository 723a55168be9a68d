"""A stack on AWS is operated: real engine, program, app and PostgreSQL.

The emulator keeps what AWS is told. Containers run as processes of this machine, which
takes the place of Fargate; the session plugin is a stand-in. What none of them shows,
roll-outs above all, is tested with recorded answers (`tests/unit/ops/platforms`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from botocore.exceptions import ClientError, ConnectTimeoutError
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.common import FAILED, reported
from ops.database.address import Address
from ops.errors import FailedError, OpsError
from ops.platforms import platform_of
from ops.platforms.aws import Aws, logs, tasks
from ops.platforms.aws.account import Account
from ops.platforms.platform import LogQuery, Running, State
from ops.stack import Stack
from tests.ops.fargate import Fargate
from tests.ops.recorded import Recorded, error
from tests.ops.rehearsed import opened
from tests.ops.session_plugin import SessionPlugin
from tests.servers import APP, node

pytestmark = pytest.mark.slow


@pytest.fixture
def platform(stack: Stack) -> Aws:
    found = platform_of(stack)
    assert isinstance(found, Aws)
    return found


@pytest.fixture
def fargate(aws: Recorded, empty: Address, monkeypatch) -> Iterator[Fargate]:
    """Tasks that run the reference app, on an empty database."""
    program = node()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(tasks, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(tasks, "LOG_SECONDS", 1)
    monkeypatch.setenv("STROMHALTIG_TASK_SECONDS", "60")
    with Fargate(APP, {"DATABASE_URL": empty.url}).serving(aws) as fargate:
        yield fargate


@pytest.fixture
def uploads(
    fargate: Fargate, stack: Stack, platform: Aws, tmp_path: Path
) -> Iterator[Path]:
    """Uploads that tasks see; what is archived of them is gone afterwards."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "report.pdf").write_bytes(b"%PDF")
    fargate.environment["UPLOAD_DIR"] = str(tmp_path / "uploads")
    with opened(stack.outputs["backups"]):
        yield tmp_path / "uploads"
        for entry in platform.backups().entries("uploads/"):
            platform.backups().delete(entry.name)


def families() -> list[str]:
    """Active task definitions of one-off tasks."""
    pages = boto3.client("ecs").get_paginator("list_task_definitions")
    found = [arn for page in pages.paginate() for arn in page["taskDefinitionArns"]]
    return [arn for arn in found if "-oneoff" in arn]


class TestRunning:
    def test_what_runs_is_what_pulumi_asked_for(self, stack, platform):
        running = platform.running()
        assert running is not None
        assert running.revision == stack.outputs["task_definition"]
        assert running.image == stack.outputs["release"]

    def test_a_release_is_rolled_out_switched_back_and_brought_together(
        self, stack, platform
    ):
        file = stack.folder / f"Pulumi.{stack.name}.yaml"
        before_file, before = file.read_bytes(), platform.running()
        stack.set("app.LOG_LEVEL", "warn")
        stack.up()
        verdict = platform.verdict(before)
        assert verdict.serves, verdict
        after = platform.running()
        assert after.deployment != before.deployment
        assert after.revision == stack.outputs["task_definition"] != before.revision
        assert platform.verdict(after).says.startswith("Nothing to roll out")

        platform.switch(before)
        assert platform.verdict(after).serves
        assert platform.running().revision == before.revision
        version = next(one for one in platform.status() if one.name == "version")
        assert version.state is State.WARNING

        file.write_bytes(before_file)
        stack.up()
        assert platform.verdict(platform.running()).serves
        version = next(one for one in platform.status() if one.name == "version")
        assert version.state is State.OK

    def test_a_roll_back_is_seen_though_pulumi_is_content(self, aws, stack, platform):
        before = platform.running()
        older = stack.outputs["task_definition"].rpartition(":")[0] + ":999"
        aws.after(
            "ecs.DescribeServices",
            lambda answer: answer["services"][0]["deployments"][0].update(
                taskDefinition=older, id="ecs-svc/rollback", rolloutState="COMPLETED"
            ),
        )
        verdict = platform.verdict(before)
        assert not verdict.serves
        assert verdict.rolled_back
        assert "went back to stromhaltig-staging:999" in verdict.says

    def test_a_revision_that_never_was_is_not_switched_to(self, stack, platform):
        revision = stack.outputs["task_definition"].rpartition(":")[0] + ":999"
        with pytest.raises(ClientError, match="task definition"):
            platform.switch(Running("", revision, ""))


class TestFacts:
    def test_the_stack_is_told_in_full(self, platform):
        facts = {one.name: one for one in platform.status()}
        assert facts["version"].state is State.OK
        assert facts["alarms"].says == "0 of 14 ring"
        assert facts["database"].says.startswith("available, db.t4g.micro")
        assert facts["failed jobs"].state is State.OK
        assert facts["certificate"].state is State.OK
        assert facts["backup"].says.startswith("snapshot of")
        # The emulator starts no task that could answer.
        assert facts["targets"].state is State.ERROR

    def test_an_alarm_that_rings_is_told(self, stack, platform):
        cloudwatch = boto3.client("cloudwatch")
        name = stack.outputs["alarms"][0]
        cloudwatch.set_alarm_state(
            AlarmName=name, StateValue="ALARM", StateReason="as a test"
        )
        facts = {one.name: one for one in platform.status()}
        cloudwatch.set_alarm_state(
            AlarmName=name, StateValue="OK", StateReason="it is over"
        )
        assert facts[f"alarm {name}"].says == "as a test"
        assert facts[f"alarm {name}"].remedy
        assert facts["alarms"].says == "1 of 14 ring"

    def test_a_given_up_start_and_a_fresh_dump_are_told(self, stack, platform):
        sqs, s3 = boto3.client("sqs"), boto3.client("s3")
        queue, bucket = stack.outputs["job_failures"], stack.outputs["backups"]
        sqs.send_message(QueueUrl=queue, MessageBody="given up")
        with opened(bucket):
            s3.put_object(Bucket=bucket, Key="dumps/today.sql.gz", Body=b"x")
            facts = {one.name: one for one in platform.status()}
            s3.delete_object(Bucket=bucket, Key="dumps/today.sql.gz")
        sqs.purge_queue(QueueUrl=queue)
        assert facts["failed jobs"].says == "1 starts were given up"
        assert facts["backup"].says.startswith("dump of")

    def test_checks_say_what_holds_and_what_cannot_be_known(self, aws, platform):
        # The emulator plans no upgrades.
        aws.on("rds.DescribeDBEngineVersions", {"DBEngineVersions": []})
        aws.on(
            "rds.DescribePendingMaintenanceActions", {"PendingMaintenanceActions": []}
        )
        facts = {one.name: one for one in platform.checks()}
        assert facts["credentials"].state is State.OK
        assert facts["log retention"].state is State.OK
        assert facts["engine"].state is State.OK
        assert facts["shells"].state is State.WARNING
        assert "session-manager-plugin" in facts["shells"].remedy

    def test_figures_come_from_cloudwatch(self, stack, platform):
        found = {one.name: one for one in platform.measures()}
        assert found["app CPU"].state is State.UNKNOWN
        dimensions = [
            {"Name": "ClusterName", "Value": stack.outputs["cluster"]},
            {"Name": "ServiceName", "Value": stack.outputs["service"]},
        ]
        boto3.client("cloudwatch").put_metric_data(
            Namespace="AWS/ECS",
            MetricData=[
                {
                    "MetricName": "CPUUtilization",
                    "Dimensions": dimensions,
                    "Timestamp": datetime.now(UTC) - timedelta(minutes=2),
                    "Value": 91.0,
                }
            ],
        )
        found = {one.name: one for one in platform.measures()}
        assert found["app CPU"].value == 91
        assert found["app CPU"].state is State.WARNING


class TestMaintenance:
    def test_it_goes_on_and_off_and_pulumi_sees_no_change(self, stack, platform):
        platform.set_maintenance(True)
        platform.set_maintenance(True)
        assert platform.maintenance()
        assert stack.preview() == []
        assert stack.drift() == []
        platform.set_maintenance(False)
        platform.set_maintenance(False)
        assert not platform.maintenance()


class TestTasks:
    def test_the_app_migrates_in_a_task_of_its_own(self, fargate, platform, empty):
        ended = platform.one_off(["npm", "run", "--silent", "migrate"])
        assert ended.code == 0, ended.lines
        assert ended.lines
        with empty.connect() as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
        status = platform.one_off(["npm", "run", "--silent", "migrate:status"])
        assert status.code == 0
        assert families() == []
        assert len(fargate.tasks) == 2

    def test_a_failure_has_its_code_and_its_lines(self, fargate, platform):
        ended = platform.one_off(["sh", "-c", "echo one; echo two >&2; exit 3"])
        assert (ended.code, ended.lines) == (3, ("one", "two"))

    def test_it_has_the_apps_secrets_by_their_version(self, fargate, stack, platform):
        ended = platform.one_off(["sh", "-c", "echo ${#JWT_SECRET} $NODE_ENV"])
        assert ended.lines == ("48 production",)

    def test_another_image_runs_in_the_place_of_the_apps(self, fargate, platform):
        platform.one_off(["true"], image="registry/app@sha256:next")
        (task,) = fargate.tasks
        (container,) = task["containers"]
        assert container["image"] == "registry/app@sha256:next"

    def test_an_image_that_is_not_there_is_named(self, aws, platform, monkeypatch):
        monkeypatch.setattr(tasks, "POLL_SECONDS", 0.2)
        with (
            Fargate(APP, {}, images=frozenset()).serving(aws),
            pytest.raises(
                FailedError, match="CannotPullContainerError: no nowhere/app"
            ),
        ):
            platform.one_off(["true"], image="nowhere/app:1")
        assert families() == []

    def test_a_task_that_takes_too_long_is_stopped(
        self, fargate, platform, monkeypatch
    ):
        monkeypatch.setenv("STROMHALTIG_TASK_SECONDS", "1")
        with pytest.raises(FailedError, match="no end after 1 s"):
            platform.one_off(["sleep", "60"])
        (task,) = fargate.tasks
        assert task["lastStatus"] == "STOPPED"
        assert families() == []

    def test_a_task_is_stopped_on_ctrl_c(self, fargate, platform):
        def interrupt() -> None:
            while not any(one["lastStatus"] == "RUNNING" for one in fargate.tasks):
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            platform.one_off(["sleep", "60"])
        (task,) = fargate.tasks
        assert task["lastStatus"] == "STOPPED"
        assert families() == []

    def test_the_apps_own_job_dumps_the_database_into_the_bucket(
        self, fargate, stack, platform
    ):
        platform.one_off(["npm", "run", "--silent", "migrate"])
        with opened(stack.outputs["backups"]):
            name, again = platform.dump(), platform.dump()
            dump = gzip.decompress(b"".join(platform.backups().read(name)))
            for one in (name, again):
                platform.backups().delete(one)
        assert name.startswith("dumps/")
        assert again != name
        assert b"CREATE TABLE public.users" in dump

    def test_the_apps_own_job_archives_the_uploads(self, uploads, platform):
        name = platform.archive()
        content = b"".join(platform.backups().read(name))
        assert name.startswith("uploads/")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            assert any("report.pdf" in member for member in archive.getnames())

    def test_the_apps_own_job_puts_files_of_an_archive_back(self, uploads, platform):
        name = platform.archive()
        digest = hashlib.sha256(b"".join(platform.backups().read(name))).hexdigest()
        (uploads / "report.pdf").write_bytes(b"overwritten")
        (uploads / "newer").write_bytes(b"newer")
        merged = platform.unarchive(name, digest, replace=False)
        assert (uploads / "report.pdf").read_bytes() == b"%PDF"
        assert (uploads / "newer").exists()
        assert merged is not None
        assert Path(merged, "report.pdf").read_bytes() == b"overwritten"
        replaced = platform.unarchive(name, digest, replace=True)
        assert not (uploads / "newer").exists()
        assert replaced is not None
        assert Path(replaced, "newer").read_bytes() == b"newer"
        with pytest.raises(FailedError, match="its SHA-256 is another"):
            platform.unarchive(name, "0" * 64, replace=True)
        assert (uploads / "report.pdf").read_bytes() == b"%PDF"

    def test_a_restore_that_outlived_its_starter_is_waited_for(
        self, uploads, stack, platform
    ):
        one = tasks.started(
            Account(stack), stack.outputs["jobs"]["unpack"], command=["sleep", "60"]
        )
        with one, pytest.raises(FailedError, match="-unpack still runs, started by"):
            platform.unarchive("uploads/any.tar.gz", "0" * 64, replace=False)
        # It has ended; what the next one says is of the archive.
        with pytest.raises(FailedError, match=r"any\.tar\.gz cannot be read"):
            platform.unarchive("uploads/any.tar.gz", "0" * 64, replace=False)

    def test_files_are_backed_up_and_restored_by_commands(
        self, uploads, stack, platform
    ):
        def run(*arguments: str) -> Result:
            line = ["files", *arguments, "--stack", stack.name]
            ran = CliRunner().invoke(app, line)
            assert ran.exit_code == 0, ran.output
            return ran

        name = run("backup").stdout.strip()
        (uploads / "report.pdf").write_bytes(b"overwritten")
        restored = run("restore", name, "--yes")
        assert (uploads / "report.pdf").read_bytes() == b"%PDF"
        assert f"kept there: {uploads}/.before-" in restored.stderr
        # What was there before was archived, too.
        listed = [one["name"] for one in json.loads(run("list", "--json").stdout)]
        assert len(listed) == 2

    def test_a_dump_of_an_empty_database_fails_with_the_jobs_words(
        self, fargate, platform
    ):
        with pytest.raises(FailedError, match="holds no table"):
            platform.dump()


class TestLogs:
    def test_what_a_task_printed_is_in_the_log(self, fargate, platform):
        start = datetime.now(UTC)
        bad = json.dumps({"level": 50, "msg": "it broke"})
        platform.one_off(["printf", "%s\n", "all well", bad])
        lines = list(platform.logs(LogQuery(since=start)))
        assert [line.text for line in lines] == ["all well", bad]
        assert lines[0].source.startswith("app/")
        errors = platform.logs(LogQuery(since=start, errors=True))
        assert [line.text for line in errors] == [bad]

    def test_followed_each_line_comes_once(self, fargate, platform, monkeypatch):
        monkeypatch.setattr(logs, "POLL_SECONDS", 0.1)
        start = datetime.now(UTC)
        work = threading.Thread(
            target=platform.one_off,
            args=(["sh", "-c", "for n in 1 2 3 4 5 6; do echo $n; sleep .2; done"],),
        )
        work.start()
        query = LogQuery(since=start, follow=True, grep=r"^\d$")
        seen = []
        for line in platform.logs(query):
            seen.append(line.text)
            if line.text == "6":
                break
        work.join()
        assert seen == ["1", "2", "3", "4", "5", "6"]


class TestDatabase:
    @pytest.fixture
    def tunnels(self, aws, small, monkeypatch, tmp_path) -> SessionPlugin:
        """The way to the network: any server there is our own PostgreSQL."""
        plugin = SessionPlugin(tmp_path)
        plugin.install(monkeypatch, target=(small.reach or small.host, small.port))
        session = {"SessionId": "s", "StreamUrl": "wss://here", "TokenValue": "t0ken"}
        aws.on("ssm.StartSession", session)
        aws.on("ssm.TerminateSession", {"SessionId": "s"})
        task = f"arn:aws:ecs:eu-central-1:123456789012:task/x/{'1' * 32}"
        agent = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}
        container = {
            "name": "app",
            "lastStatus": "RUNNING",
            "runtimeId": "1",
            "managedAgents": [agent],
        }
        aws.on("ecs.ListTasks", {"taskArns": [task]})
        described = {"taskArn": task, "containers": [container]}
        aws.on("ecs.DescribeTasks", {"tasks": [described]})
        return plugin

    def test_it_is_reached_by_a_tunnel(self, stack, platform, tunnels, small):
        host, _, port = stack.outputs["database_endpoint"].partition(":")
        with platform.database() as address:
            assert (address.host, str(address.port)) == (host, port)
            # Its login is that of RDS: ours has another.
            mine = replace(
                address.login(small.user, small.password).to(small.database), options=()
            )
            with mine.connect() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(OpsError), mine.connect():
            pass

    def test_a_snapshot_is_restored_beside_the_live_one(self, stack, platform, tunnels):
        rds = boto3.client("rds")
        name = platform.snapshot("before-test")
        assert name in [one.name for one in platform.snapshots()]
        with platform.scratch(snapshot=name) as address:
            (scratch,) = [
                one
                for one in rds.describe_db_instances()["DBInstances"]
                if one["DBInstanceIdentifier"] != stack.outputs["database"]
            ]
            assert scratch["Endpoint"]["Address"] == address.host
            assert scratch["PubliclyAccessible"] is False
            assert address.reach == "127.0.0.1"
            facts = [one for one in platform.checks() if "scratch" in one.name]
            assert scratch["DBInstanceIdentifier"] in facts[0].says
        left = rds.describe_db_instances()["DBInstances"]
        assert [one["DBInstanceIdentifier"] for one in left] == [
            stack.outputs["database"]
        ]
        rds.delete_db_snapshot(DBSnapshotIdentifier=name)

    def test_a_moment_is_restored_and_gone_on_ctrl_c(self, stack, platform, tunnels):
        with pytest.raises(KeyboardInterrupt), platform.scratch():
            raise KeyboardInterrupt
        left = boto3.client("rds").describe_db_instances()["DBInstances"]
        assert len(left) == 1


class TestTrouble:
    """Errors of AWS end in one sentence and an exit code, with nothing half-done."""

    @pytest.mark.parametrize(
        ("trouble", "says"),
        [
            (error("ThrottlingException", "Rate exceeded"), "Try again in a minute"),
            (error("ExpiredTokenException", "expired"), "aws sso login"),
            (error("AccessDeniedException", "not allowed"), "lacks a permission"),
            (ConnectTimeoutError(endpoint_url="https://ecs"), "ecs"),
        ],
    )
    @pytest.mark.parametrize(
        ("operation", "call"),
        [
            ("ecs.DescribeServices", lambda aws: aws.running()),
            ("elbv2.CreateRule", lambda aws: aws.set_maintenance(True)),
            ("ecs.RegisterTaskDefinition", lambda aws: aws.one_off(["true"])),
            ("ecs.RunTask", lambda aws: aws.one_off(["true"])),
            ("rds.CreateDBSnapshot", lambda aws: aws.snapshot("x")),
            ("secretsmanager.GetSecretValue", lambda aws: _enter(aws.database())),
            ("logs.FilterLogEvents", lambda aws: list(aws.logs(_QUERY))),
        ],
    )
    def test_each_is_told_and_leaves_nothing(
        self, aws, platform, capsys, trouble, says, operation, call
    ):
        aws.on(operation, trouble)
        with pytest.raises(typer.Exit) as ended, reported():
            call(platform)
        assert ended.value.exit_code == FAILED
        said = capsys.readouterr().err
        assert says in said
        assert "Traceback" not in said
        assert not platform.maintenance()
        assert families() == []


_QUERY = LogQuery(since=datetime(2026, 1, 1, tzinfo=UTC))


def _enter(block: Any) -> None:
    with block:
        pass
