"""Firewall and sshd of the generated cloud-init, on a machine made for the test.

Real ufw, iptables and kernel; Docker's part is played by the rules that it makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from host.cloud_init import HostArgs, render
from tests.host.machine import (
    CLIENT,
    CONTAINER,
    HOST,
    PUBLISHED,
    STRANGER,
    CannotError,
    Machine,
    machine,
)

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh/v1rFaQX7o0TQW2PBLGDm3Q4+qqMOv32Nst7NLVbh"
SCRIPT = "/usr/local/sbin/host-firewall"
SETTINGS = "/etc/default/host-firewall"
SSH = 2222
UNPUBLISHED = 9100
WEB = (80, 443)
FILTERED = "filtered"
both = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


def _files(**changes: int) -> dict[str, str]:
    """What cloud-init writes: path and content."""
    args = HostArgs(
        ssh_keys=(KEY,),
        ssh_port=SSH,
        ssh_sources=("203.0.113.0/24", "2001:db8:1::/64"),
        **changes,
    )
    files = yaml.safe_load(render(args))["write_files"]
    return {file["path"]: file["content"] for file in files}


@pytest.fixture(scope="module")
def unfiltered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A host whose Docker publishes ports, and no firewall yet."""
    scratch = tmp_path_factory.mktemp("machine")
    try:
        with machine(scratch) as made:
            made.start_docker()
            with (
                made.container.serving(*set(PUBLISHED.values())),
                made.host.serving(SSH, UNPUBLISHED),
                made.world.serving(8000),
            ):
                yield made
    except CannotError as reason:
        pytest.skip(f"no host to try the firewall on: {reason}")
    assert list((scratch / "root").iterdir()) == [], "the overlay is still mounted"
    assert not Path(f"/proc/{made.host.holder.pid}").exists()


@pytest.fixture(scope="module")
def before(unfiltered: Machine) -> dict[tuple[int, int], str]:
    """What the world reached before there was a firewall."""
    return {
        (version, port): unfiltered.world.reach(HOST[version], port)
        for version in (4, 6)
        for port in (*PUBLISHED, SSH, UNPUBLISHED)
    }


@pytest.fixture(scope="module")
def host(unfiltered: Machine, before: dict[tuple[int, int], str]) -> Machine:
    """The same host, prepared."""
    files = _files()
    unfiltered.write(SCRIPT, files[SCRIPT], 0o755)
    unfiltered.write(SETTINGS, files[SETTINGS])
    unfiltered.host.do(SCRIPT, "setup")
    unfiltered.host.do(SCRIPT, "apply")
    return unfiltered


@both
def test_without_the_firewall_everything_published_is_reached(
    before: dict[tuple[int, int], str], version: int
) -> None:
    for port in (*PUBLISHED, SSH, UNPUBLISHED):
        assert before[version, port] == CLIENT[version]


@both
@pytest.mark.parametrize("port", WEB)
def test_the_web_is_reached_and_sees_the_clients_own_address(
    host: Machine, version: int, port: int
) -> None:
    assert host.world.reach(HOST[version], port) == CLIENT[version]


@both
@pytest.mark.parametrize("port", sorted(set(PUBLISHED) - set(WEB)))
def test_other_published_ports_are_filtered_whatever_they_lead_to(
    host: Machine, version: int, port: int
) -> None:
    assert host.world.reach(HOST[version], port) == FILTERED


@both
@pytest.mark.parametrize("port", sorted(set(PUBLISHED.values())))
def test_nobody_reaches_a_container_by_its_own_address(
    host: Machine, version: int, port: int
) -> None:
    assert host.world.reach(CONTAINER[version], port) == FILTERED


@both
def test_what_listens_on_the_host_itself_is_filtered(
    host: Machine, version: int
) -> None:
    assert host.world.reach(HOST[version], UNPUBLISHED) == FILTERED
    assert host.container.reach(HOST[version], UNPUBLISHED) == FILTERED


@both
def test_containers_and_host_reach_the_world(host: Machine, version: int) -> None:
    assert host.container.reach(CLIENT[version], 8000) == HOST[version]
    assert host.host.reach(CLIENT[version], 8000) == HOST[version]


@both
def test_the_host_reaches_its_containers(host: Machine, version: int) -> None:
    assert host.host.reach(CONTAINER[version], 5432)[:6] in ("172.18", "fd00:1")


@both
def test_ssh_is_open_to_its_sources_only(host: Machine, version: int) -> None:
    assert host.world.reach(HOST[version], SSH) == CLIENT[version]
    assert host.world.reach(HOST[version], SSH, source=STRANGER[version]) == FILTERED
    assert (
        host.world.reach(HOST[version], 443, source=STRANGER[version])
        == STRANGER[version]
    )


@both
def test_an_open_connection_outlives_the_firewall_being_applied(
    host: Machine, version: int
) -> None:
    with host.world.connected(HOST[version], 443) as connection:
        assert connection.say("before") == "before"
        host.host.do(SCRIPT, "apply")
        assert connection.say("after") == "after"


def test_running_it_again_leaves_the_same_rules(host: Machine) -> None:
    rules = host.rules()
    assert any("HOST-PUBLISHED" in rule for rule in rules)
    host.host.do(SCRIPT, "setup")
    host.host.do(SCRIPT, "apply")
    assert host.rules() == rules


@both
def test_a_restart_of_docker_leaves_it_in_place(host: Machine, version: int) -> None:
    host.start_docker()
    assert host.world.reach(HOST[version], 5432) == FILTERED
    assert host.world.reach(HOST[version], 443) == CLIENT[version]


def test_rules_that_others_put_before_docker_stay(host: Machine) -> None:
    foreign = "DOCKER-USER -s 192.0.2.66/32 -j DROP"
    host.host.do("iptables", "-A", *foreign.split())
    try:
        host.host.do(SCRIPT, "apply")
        assert f"-A {foreign}" in host.rules()
    finally:
        host.host.do("iptables", "-D", *foreign.split())


def test_after_a_restart_ports_are_filtered_before_docker_publishes_them(
    host: Machine,
) -> None:
    host.flush()
    host.host.do("/lib/ufw/ufw-init", "start")
    host.host.do(SCRIPT, "apply")
    host.start_docker()
    for version in (4, 6):
        for port in PUBLISHED:
            expected = CLIENT[version] if port in WEB else FILTERED
            assert host.world.reach(HOST[version], port) == expected
        assert host.world.reach(HOST[version], SSH) == CLIENT[version]
        assert host.world.reach(HOST[version], UNPUBLISHED) == FILTERED


@both
def test_ssh_is_limited_per_client_and_nothing_else_is(
    host: Machine, version: int
) -> None:
    limited = _files(ssh_per_minute=10)[SETTINGS]
    host.write("/tmp/limited", limited)  # noqa: S108 - on the machine made for the test
    host.host.do(SCRIPT, "apply", HOST_FIREWALL_SETTINGS="/tmp/limited")  # noqa: S108
    try:
        answers = [host.world.reach(HOST[version], SSH) for _ in range(12)]
        assert answers[:10] == [CLIENT[version]] * 10
        assert FILTERED in answers[10:]
        assert host.world.reach(HOST[version], 443) == CLIENT[version]
    finally:
        host.host.do(SCRIPT, "apply")


def test_sshd_takes_its_settings_and_starts_with_them(host: Machine) -> None:
    path = "/etc/ssh/sshd_config.d/10-host.conf"
    host.write(path, _files()[path])
    host.host.do("mkdir", "-p", "/run/sshd")
    host.host.do("sshd", "-t")
    effective = host.host.do("sshd", "-T").splitlines()
    assert {
        f"port {SSH}",
        "permitrootlogin no",
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "authenticationmethods publickey",
        "maxstartups 60:30:100",
    } <= set(effective)


@pytest.mark.parametrize("command", ["", "remove"])
def test_an_unknown_command_is_refused(host: Machine, command: str) -> None:
    done = host.host.run(SCRIPT, command)
    assert done.returncode == 2
    assert done.stderr == "usage: host-firewall setup | apply\n"


def test_without_its_settings_it_fails_and_changes_nothing(host: Machine) -> None:
    rules = host.rules()
    done = host.host.run(SCRIPT, "apply", HOST_FIREWALL_SETTINGS="/nowhere")
    assert done.returncode != 0
    assert "/nowhere" in done.stderr
    assert host.rules() == rules
