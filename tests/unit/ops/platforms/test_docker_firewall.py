"""What of a Docker host is open to others, by what engine and host say."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ops.errors import OpsError
from ops.platforms.docker_host import firewall
from ops.platforms.docker_host.engine import Engine
from ops.platforms.platform import Fact, State

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
ACTIVE = "LoadState=loaded\nActiveState=active\n"
MISSING = "LoadState=not-found\nActiveState=inactive\n"


@dataclass
class Container:
    """A container, as the SDK shows it."""

    name: str
    ports: dict[str, Any] | None = None
    network: str = "s-edge"
    status: str = "running"
    attrs: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.attrs = {
            "HostConfig": {"NetworkMode": self.network},
            "NetworkSettings": {"Ports": self.ports},
        }


class Fake(Engine):
    """An engine with some containers, on a host that says something of its service."""

    def __init__(self, *containers: Container, host: str | OpsError = ACTIVE) -> None:
        super().__init__("unix:///nobody.sock")
        self._there = [PROXY, *containers]
        self._host = host

    def containers(self, **filters: str) -> list[Any]:
        return list(self._there)

    def on_host(self, command: Any) -> str:
        if isinstance(self._host, OpsError):
            raise self._host
        return self._host


def at(address: str, port: int) -> dict[str, Any]:
    return {f"{port}/tcp": [{"HostIp": address, "HostPort": str(port)}]}


PROXY = Container("s-proxy", at(EVERYWHERE, 443))
DATABASE = Container("stray-db", at(EVERYWHERE, 5432) | {"8/tcp": None})


def told(engine: Engine) -> dict[str, Fact]:
    return {fact.name: fact for fact in firewall.facts(engine, PROXY.name)}


def test_a_host_that_publishes_its_proxy_alone_behind_its_firewall_is_well():
    facts = told(Fake())
    assert {fact.state for fact in facts.values()} == {State.OK}
    assert facts["firewall"].says == "host-firewall is active on the host"
    assert facts["published ports"].says == "none but those of s-proxy"


@pytest.mark.parametrize(
    ("container", "says"),
    [
        (DATABASE, "stray-db 0.0.0.0:5432"),
        (Container("old", at("", 80)), "old 0.0.0.0:80"),
        (Container("six", at("::", 80)), "six [::]:80"),
        (Container("lan", at("10.0.0.7", 80)), "lan 10.0.0.7:80"),
        (Container("agent", network="host"), "agent is in the host's network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_others_publish_is_named_where_no_firewall_is_known(container, says):
    fact = told(Fake(container, host=MISSING))["published ports"]
    assert fact.state is State.WARNING
    assert says in fact.says
    assert "127.0.0.1" in fact.remedy


def test_what_others_publish_is_left_to_a_firewall_that_is_active():
    fact = told(Fake(DATABASE))["published ports"]
    assert fact.state is State.OK
    assert "stray-db 0.0.0.0:5432. host-firewall decides" in fact.says


@pytest.mark.parametrize(
    "container",
    [
        Container("near", at("127.0.0.1", 5432)),
        Container("six", at("::1", 5432)),
        Container("ended", at(EVERYWHERE, 5432), status="exited"),
        Container("inside"),
    ],
    ids=lambda container: container.name,
)
def test_what_nobody_else_can_reach_is_not_worth_a_word(container):
    fact = told(Fake(container, host=MISSING))["published ports"]
    assert fact == Fact("published ports", State.OK, "none but those of s-proxy")


@pytest.mark.parametrize("state", ["failed", "inactive"])
def test_a_firewall_that_is_down_is_an_error_with_a_way_out(state):
    fact = told(Fake(host=f"LoadState=loaded\nActiveState={state}\n"))["firewall"]
    assert fact.state is State.ERROR
    assert state in fact.says
    assert "sudo systemctl start host-firewall" in fact.remedy


@pytest.mark.parametrize(
    ("host", "says"),
    [
        (MISSING, "the host has no host-firewall; another one cannot be seen"),
        (OpsError("no systemctl"), "cannot be seen from here: no systemctl"),
        ("welcome!\n", "cannot be seen from here: systemctl says 'welcome!'"),
        ("LoadState=masked\nActiveState=inactive\n", "LoadState=masked"),
    ],
)
def test_what_cannot_be_seen_is_called_so_and_fails_nothing(host, says):
    fact = told(Fake(host=host))["firewall"]
    assert fact.state is State.UNKNOWN
    assert says in fact.says


# The way to the host


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come first."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class OfName(Engine):
    """A local engine whose machine has a name."""

    def __init__(self, name: str) -> None:
        super().__init__("unix:///nobody.sock")
        self._name = name

    @property
    def client(self) -> Any:
        return self

    def info(self) -> dict[str, str]:
        return {"Name": self._name}


def test_a_local_engines_host_is_asked_directly(programs):
    program(programs / "systemctl", 'echo "$@"')
    here = OfName(socket.gethostname())
    assert here.on_host(("systemctl", "show", "x")) == "show x\n"


def test_a_local_socket_of_another_machine_is_not_taken_for_this_one():
    with pytest.raises(OpsError, match="another machine"):
        OfName("docker-desktop").on_host(("true",))


def test_a_host_behind_ssh_is_asked_through_it(programs):
    program(programs / "ssh", 'while [ "$1" != -- ]; do shift; done; shift; echo "$@"')
    engine = Engine("ssh://ops@far.example:2222")
    assert engine.on_host(("systemctl", "show")) == "far.example systemctl show\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo banner >&2; echo 'Not for you.' >&2; exit 1", "systemctl: Not for you$"),
        ("exit 7", "exit code 7"),
    ],
)
def test_a_command_that_fails_says_why(programs, script, why):
    program(programs / "ssh", script)
    with pytest.raises(OpsError, match=why):
        Engine("ssh://far.example").on_host(("systemctl",))


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(OpsError, match="nonsense"):
        OfName(socket.gethostname()).on_host(("nonsense",))
