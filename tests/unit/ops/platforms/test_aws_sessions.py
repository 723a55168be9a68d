"""Shells and tunnels: how AWS and its plugin are called, with a stand-in for that."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ops.errors import FailedError, OpsError
from ops.platforms.aws import Aws, sessions
from tests.ops.aws_stack import CLUSTER, PLACE, Clock, DeployedStack
from tests.ops.recorded import Recorded, error
from tests.ops.session_plugin import SessionPlugin

ID = "1a2b3c4d" * 4
TASK = f"arn:aws:ecs:{PLACE}:task/{CLUSTER}/{ID}"
URL = "postgresql://app:s3cret@db.internal:5432/stromhaltig?sslmode=require"
TOKEN = "token-of-the-session"


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    recorded.on("ecs.DescribeServices", service(execute=True))
    recorded.on("ecs.ListTasks", {"taskArns": [TASK]})
    recorded.on("ecs.DescribeTasks", running(agent="RUNNING"))
    recorded.on("secretsmanager.GetSecretValue", {"SecretString": URL})
    session = {"sessionId": "s-1", "streamUrl": "wss://here", "tokenValue": TOKEN}
    recorded.on("ecs.ExecuteCommand", {"session": session})
    recorded.on(
        "ssm.StartSession",
        {"SessionId": "s-2", "StreamUrl": "wss://here", "TokenValue": TOKEN},
    )
    recorded.on("ssm.TerminateSession", {"SessionId": "s-2"})
    return recorded


@pytest.fixture
def plugin(tmp_path):
    return SessionPlugin(tmp_path)


@pytest.fixture
def platform(aws):
    return Aws(DeployedStack())


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that repeats what it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                while data := peer.recv(100):
                    peer.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()
    server.close()


def service(*, execute: bool) -> dict[str, Any]:
    return {"services": [{"enableExecuteCommand": execute}], "failures": []}


def running(*, agent: str, state: str = "RUNNING") -> dict[str, Any]:
    container = {
        "name": "app",
        "lastStatus": state,
        "runtimeId": f"{ID}-1",
        "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": agent}],
    }
    task = {
        "taskArn": TASK,
        "lastStatus": state,
        "containers": [{"name": "migrate", "lastStatus": "STOPPED"}, container],
    }
    return {"tasks": [task], "failures": []}


def test_a_shell_is_entered_with_the_token_out_of_sight(
    aws, platform, plugin, monkeypatch
):
    plugin.install(monkeypatch)
    assert platform.shell(["sh", "-c", "echo 'two words'"]) == 0
    (asked,) = aws.asked("ecs.ExecuteCommand")
    assert asked == {
        "cluster": CLUSTER,
        "task": TASK,
        "container": "app",
        "interactive": True,
        "command": "sh -c 'echo '\"'\"'two words'\"'\"''",
    }
    assert plugin.called["session"] == {
        "SessionId": "s-1",
        "StreamUrl": "wss://here",
        "TokenValue": TOKEN,
    }
    name, region, operation, profile, target, endpoint = plugin.called["argv"]
    assert (region, operation, profile) == ("eu-central-1", "StartSession", "")
    assert json.loads(target) == {"Target": f"ecs:{CLUSTER}_{ID}_{ID}-1"}
    assert endpoint == "https://ssm.eu-central-1.amazonaws.com"
    assert TOKEN not in str(plugin.called["argv"])
    assert name not in os.environ


def test_the_exit_code_is_the_plugins(platform, plugin, monkeypatch):
    plugin.install(monkeypatch, code=3)
    before = signal.getsignal(signal.SIGINT)
    assert platform.shell(["sh"]) == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_shells_that_are_off_say_how_to_open_them(aws, platform, plugin, monkeypatch):
    plugin.install(monkeypatch)
    aws.on("ecs.DescribeServices", service(execute=False))
    with pytest.raises(OpsError, match=r"stromhaltig:service\.execute_command true"):
        platform.shell(["sh"])
    assert not aws.asked("ecs.ExecuteCommand")


def test_a_missing_plugin_says_where_it_is(platform, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match=r"no `session-manager-plugin` on PATH.*https:"):
        platform.shell(["sh"])


@pytest.mark.parametrize("version", ["1.2.463.0", ""])
def test_a_plugin_that_would_show_the_token_is_refused(
    platform, plugin, monkeypatch, version
):
    plugin.install(monkeypatch, version=version)
    with pytest.raises(OpsError, match=r"Install 1\.2\.497\.0 or newer"):
        platform.shell(["sh"])


@pytest.mark.parametrize(
    "tasks",
    [
        running(agent="PENDING"),
        running(agent="RUNNING", state="PENDING"),
        {"tasks": [], "failures": []},
    ],
)
def test_without_a_task_to_enter_nothing_is_started(
    aws, platform, plugin, monkeypatch, tasks
):
    plugin.install(monkeypatch)
    aws.on("ecs.DescribeTasks", tasks)
    with pytest.raises(OpsError, match="No task of the service can be entered"):
        platform.shell(["sh"])


def test_a_tunnel_leads_to_the_database_and_ends_with_the_block(
    aws, platform, plugin, monkeypatch, echo
):
    plugin.install(monkeypatch, target=echo)
    with platform.database() as address:
        assert address.host == "db.internal"
        assert address.port == 5432
        assert address.reach == "127.0.0.1"
        assert address.environment()["PGPORT"] == str(address.reach_port)
        with socket.create_connection((address.reach, address.reach_port)) as peer:
            peer.sendall(b"hello")
            assert peer.recv(5) == b"hello"
        pid = plugin.called["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    (asked,) = aws.asked("ssm.StartSession")
    assert asked["DocumentName"] == "AWS-StartPortForwardingSessionToRemoteHost"
    assert asked["Target"] == f"ecs:{CLUSTER}_{ID}_{ID}-1"
    assert asked["Parameters"]["host"] == ["db.internal"]
    assert asked["Parameters"]["portNumber"] == ["5432"]
    assert aws.asked("ssm.TerminateSession") == [{"SessionId": "s-2"}]
    assert "s3cret" not in str(plugin.called)
    assert not aws.asked("ecs.RunTask")


def test_a_tunnel_through_which_nothing_passes_is_kept_open(
    platform, plugin, monkeypatch
):
    """Systems Manager ends what is idle; a long CREATE INDEX says nothing."""
    monkeypatch.setattr(sessions, "KNOCK_SECONDS", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        plugin.install(monkeypatch, target=server.getsockname())
        with platform.database():
            for _ in range(4):  # the first is of whoever saw it open
                server.accept()[0].close()
    assert not [one for one in threading.enumerate() if one.name == "tunnel"]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, ValueError])
def test_a_tunnel_ends_when_the_work_over_it_is_interrupted(
    aws, platform, plugin, monkeypatch, echo, trouble
):
    plugin.install(monkeypatch, target=echo)
    with pytest.raises(trouble), platform.database():
        raise trouble
    with pytest.raises(ProcessLookupError):
        os.kill(plugin.called["pid"], 0)
    assert aws.asked("ssm.TerminateSession")


def test_a_tunnel_that_does_not_open_says_what_the_plugin_said(
    aws, platform, plugin, monkeypatch
):
    plugin.install(monkeypatch, code=1)
    with (
        pytest.raises(FailedError, match=r"db\.internal did not open: Connection to"),
        platform.database(),
    ):
        pass
    assert aws.asked("ssm.TerminateSession")


def test_without_a_task_to_enter_one_is_started_for_the_tunnel(
    aws, platform, plugin, monkeypatch, echo
):
    plugin.install(monkeypatch, target=echo)
    Clock().install(monkeypatch)
    monkeypatch.setattr(sessions, "wait", real_wait())
    aws.on(
        "ecs.ListTasks",
        {"taskArns": []},
    )
    aws.on(
        "ecs.DescribeTaskDefinition",
        {
            "taskDefinition": {
                "family": "stromhaltig-test",
                "containerDefinitions": [{"name": "app", "image": "app"}],
            }
        },
    )
    aws.on(
        "ecs.RegisterTaskDefinition",
        {"taskDefinition": {"taskDefinitionArn": "derived:1"}},
    )
    aws.on("ecs.DeregisterTaskDefinition", {})
    aws.on("ecs.RunTask", {"tasks": [{"taskArn": TASK}], "failures": []})
    aws.on("ecs.StopTask", {})
    aws.on(
        "ecs.DescribeTasks",
        running(agent="PENDING", state="PROVISIONING"),
        running(agent="PENDING"),
        running(agent="RUNNING"),
    )
    with platform.database() as address:
        assert address.reach_port
    (run,) = aws.asked("ecs.RunTask")
    assert run["enableExecuteCommand"] is True
    # Should nobody stop it, it ends by itself.
    assert run["overrides"]["containerOverrides"][0]["command"] == ["sleep", "14400"]
    assert aws.asked("ecs.StopTask")[0]["task"] == TASK
    assert aws.asked("ecs.DeregisterTaskDefinition")


def real_wait() -> Any:
    """Waiting for the tunnel takes real time: a process opens it."""
    import time

    def wait(look: Any, *, patience: float, every: float) -> Any:
        until = time.monotonic() + patience
        while (seen := look()) is None and time.monotonic() < until:
            time.sleep(every / 10)
        return seen

    return wait


def test_a_server_that_answers_directly_needs_no_tunnel(aws, platform, echo):
    host, port = echo
    url = f"postgresql://app:s3cret@{host}:{port}/stromhaltig"
    aws.on("secretsmanager.GetSecretValue", {"SecretString": url})
    with platform.database() as address:
        assert address.reach is None
    assert aws.counts == {"secretsmanager.GetSecretValue": 1}


@pytest.mark.parametrize("admin", [True, False])
def test_the_owner_has_an_address_of_its_own_where_the_app_is_somebody_else(
    aws, echo, admin
):
    host, port = echo
    url = f"postgresql://app:s3cret@{host}:{port}/stromhaltig"
    aws.on("secretsmanager.GetSecretValue", {"SecretString": url})
    stack = DeployedStack()
    stack.outputs["secret_arns"] = {
        "DATABASE_URL": "app",
        "DATABASE_ADMIN_URL": "owner",
    }
    with Aws(stack).database(admin=admin):
        (asked,) = aws.asked("secretsmanager.GetSecretValue")
    assert asked["SecretId"] == ("owner" if admin else "app")


def test_a_secret_that_may_not_be_read_is_told_by_aws(aws, platform):
    aws.on("secretsmanager.GetSecretValue", error("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied"), platform.database():
        pass
