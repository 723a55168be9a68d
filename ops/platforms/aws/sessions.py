"""Ways into the private network: shells and tunnels of Systems Manager.

Both are made by AWS's own `session-manager-plugin`. It is given the token of the
session in its environment: what stands on a command line, everybody may read. Its
older versions, and `aws ecs execute-command` to this day, have it there.
https://github.com/aws/session-manager-plugin
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, Any

from ops.errors import FailedError, OpsError
from ops.interrupts import left_to_the_child
from ops.platforms.aws import tasks
from ops.platforms.aws.account import Account, short
from ops.platforms.aws.waiting import wait
from ops.repeating import repeating

PLUGIN = "session-manager-plugin"

MINIMUM = (1, 2, 497, 0)
"""The first version that takes the token from its environment."""

VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
"""Where it looks for it: its first argument is this name."""

INSTALL = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)

FORWARD = "AWS-StartPortForwardingSessionToRemoteHost"

OPEN_SECONDS = 30.0
"""How long a tunnel may take to open."""

KNOCK_SECONDS = 45.0
"""How often somebody knocks at a tunnel's end. Systems Manager ends a session in which
nothing passes for 20 minutes, or for as few as one where the account says so.
"""

REACH_SECONDS = 2.0
"""How long a server may take to answer that this machine may reach itself."""

IDLE = ("sleep", "14400")
"""Command of a task that only holds a tunnel: should nobody stop it, it ends itself."""


def plugin() -> str:
    """Path of the plugin.

    Raises OpsError when it is missing or too old.
    """
    found = shutil.which(PLUGIN)
    if found is None:
        raise OpsError(f"There is no `{PLUGIN}` on PATH. Install it: {INSTALL}")
    said = subprocess.run(
        [found, "--version"], capture_output=True, text=True, timeout=10
    ).stdout.strip()
    numbers = tuple(int(part) for part in re.findall(r"\d+", said)[:4])
    if numbers < MINIMUM:
        least = ".".join(map(str, MINIMUM))
        raise OpsError(
            f"`{PLUGIN}` is {said or 'of no known version'}, and would show the "
            f"session's token to everybody on this machine. Install {least} or newer: "
            f"{INSTALL}"
        )
    return found


def demand_way(account: Account) -> str:
    """Path of the plugin, where containers of the stack may be entered.

    Raises OpsError when shells are off, or the plugin is missing.
    """
    program = plugin()
    tasks.demand_shells(account)
    return program


def shell(account: Account, command: Sequence[str]) -> int:
    """Run a command in a task of the service, at this terminal.

    Returns 0 when the session ended well: ECS Exec does not tell how the command did.

    Raises OpsError when shells are off, no task can be entered, or the plugin is
    missing.
    """
    program = demand_way(account)
    entry = tasks.running_app(account)
    if entry is None:
        raise OpsError(
            "No task of the service can be entered: none runs, or ECS Exec was turned "
            f"on after they started. Look: stromhaltig status --stack {account.stack}"
        )
    task, container = entry
    session = account.client("ecs").execute_command(
        cluster=account["cluster"],
        task=task["taskArn"],
        container=container["name"],
        interactive=True,
        command=shlex.join(command),
    )["session"]
    target = {"Target": _target(account, task, container)}
    with left_to_the_child():
        return _started(account, program, _capitals(session), target).wait()


@contextmanager
def tunnel(account: Account, host: str, port: int) -> Iterator[int]:
    """Lead a port of this machine to a server inside the network during the block.

    It goes through a task of the service or, when none can be entered, one that is
    started for it. Yields the local port.

    Raises OpsError when shells are off or the plugin is missing, and FailedError when
    the tunnel does not open.
    """
    program = plugin()
    tasks.demand_shells(account)
    with (
        _gate(account) as target,
        _forwarded(account, program, target, host, port) as p,
    ):
        yield p


def reachable(host: str, port: int) -> bool:
    """Whether a server answers this machine without a tunnel."""
    try:
        with socket.create_connection((host, port), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def _gate(account: Account) -> Iterator[str]:
    """What to start a session in."""
    if entry := tasks.running_app(account):
        yield _target(account, *entry)
        return
    with tasks.idle(account, IDLE) as entry:
        yield _target(account, *entry)


@contextmanager
def _forwarded(
    account: Account, program: str, target: str, host: str, port: int
) -> Iterator[int]:
    local = _free_port()
    asked = {
        "Target": target,
        "DocumentName": FORWARD,
        "Parameters": {
            "host": [host],
            "portNumber": [str(port)],
            "localPortNumber": [str(local)],
        },
    }
    ssm = account.client("ssm")
    session = ssm.start_session(**asked)
    try:
        with TemporaryFile() as said:
            process = _started(account, program, session, asked, said)
            try:
                _await_open(process, local, said, host)
                with _used(local):
                    yield local
            finally:
                _end(process)
    finally:
        # It ends by itself, too, when nobody is at the other end.
        with suppress(Exception):
            ssm.terminate_session(SessionId=session["SessionId"])


def _started(
    account: Account,
    program: str,
    session: Mapping[str, Any],
    asked: Mapping[str, Any],
    said: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the plugin on a session, at this terminal or writing to a file."""
    secret = {key: session[key] for key in ("SessionId", "StreamUrl", "TokenValue")}
    endpoint = account.client("ssm").meta.endpoint_url
    return subprocess.Popen(
        [
            *(program, VARIABLE, account.region, "StartSession"),
            *("", json.dumps(asked), endpoint),
        ],
        env={**os.environ, VARIABLE: json.dumps(secret)},
        stdin=None if said is None else subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        # Ctrl-C ends the work over the tunnel first, then the tunnel.
        start_new_session=said is not None,
    )


def _await_open(
    process: subprocess.Popen[bytes], local: int, said: IO[bytes], host: str
) -> None:
    def opened() -> bool | None:
        if process.poll() is not None:
            return False
        return reachable("127.0.0.1", local) or None

    if not wait(opened, patience=OPEN_SECONDS, every=0.2):
        said.seek(0)
        heard = said.read().decode(errors="replace").strip()
        raise FailedError(
            f"The tunnel to {host} did not open: {heard or 'the plugin says nothing'}"
        )


def _used(local: int) -> AbstractContextManager[None]:
    """Let something pass through a tunnel now and then during the block.

    Whoever waits for a server that builds an index says nothing for long, and what TCP
    itself keeps alive ends at the plugin.
    """
    return repeating(lambda: reachable("127.0.0.1", local), KNOCK_SECONDS, "tunnel")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _target(account: Account, task: Any, container: Any) -> str:
    return f"ecs:{account['cluster']}_{short(task['taskArn'])}_{container['runtimeId']}"


def _capitals(session: Mapping[str, Any]) -> dict[str, Any]:
    """ECS writes small what Systems Manager and the plugin write with capitals."""
    return {key[0].upper() + key[1:]: value for key, value in session.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
