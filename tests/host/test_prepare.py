"""The script that cloud-init runs, on a machine made for the test.

What would leave the machine or needs its init is recorded: downloads, installations,
systemd, kernel settings. Files, sshd's check, ufw and apt's reading of them are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from host.cloud_init import HostArgs, render
from tests.host.machine import CannotError, Machine, machine

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh/v1rFaQX7o0TQW2PBLGDm3Q4+qqMOv32Nst7NLVbh"
SCRIPT = "/usr/local/sbin/prepare-host"
DOCKER_KEY = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
BOOKWORM_KEY = "4D64FEC119C2029067D6E791F8D2585B8783D481"
BOOKWORM = "/usr/share/keyrings/debian-archive-bookworm-stable.gpg"
RECORDED = ("apt-get", "curl", "sysctl", "systemctl")
INSTALL = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A host with cloud-init's files, where Docker's key is one that is at hand."""
    if not Path(BOOKWORM).is_file():
        pytest.skip("no Debian key to take for Docker's")
    try:
        with machine(tmp_path_factory.mktemp("machine")) as made:
            for file in yaml.safe_load(render(HostArgs(ssh_keys=(KEY,))))[
                "write_files"
            ]:
                content = file["content"].replace(DOCKER_KEY, BOOKWORM_KEY)
                mode = int(file.get("permissions", "0644"), 8)
                made.write(file["path"], content, mode)
            for program in RECORDED:
                record = f'#!/bin/sh\necho "{program} $*" >>/run/calls\n'
                if program == "curl":
                    record = (
                        '#!/bin/sh\nwhile [ "$1" != --output ]; do shift; done\n'
                        f'echo "curl $3" >>/run/calls; cp {BOOKWORM} "$2"\n'
                    )
                made.write(f"/run/recorded/{program}", record, 0o755)
            yield made
    except CannotError as reason:
        pytest.skip(f"no host to prepare: {reason}")


def _prepare(host: Machine) -> list[str]:
    """Run it; return what it would have done beyond the machine, in order."""
    host.write("/run/calls", "")
    path = "/run/recorded:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    host.host.do(SCRIPT, PATH=path)
    return host.host.do("cat", "/run/calls").splitlines()


def test_it_prepares_the_machine_and_may_be_run_again(host: Machine) -> None:
    calls = _prepare(host)
    rules = host.rules()
    assert "Status: active" in host.host.do("ufw", "status")
    assert _prepare(host) == calls
    assert host.rules() == rules


def test_docker_is_installed_last_and_behind_the_firewall(host: Machine) -> None:
    calls = _prepare(host)
    assert calls[-1].endswith(INSTALL)
    assert calls[-3].startswith("curl https://download.docker.com/linux/")
    enabled = calls.index("systemctl enable host-firewall.service")
    assert calls[enabled + 1] == "systemctl reload-or-restart host-firewall.service"


def test_apt_reads_dockers_source_and_trusts_one_key_for_it(host: Machine) -> None:
    _prepare(host)
    release = host.host.do(
        "sh", "-c", '. /etc/os-release; echo "$ID/dists/$VERSION_CODENAME"'
    ).strip()
    # Prints what it would fetch, and fetches nothing.
    planned = host.host.do("apt-get", "update", "--print-uris")
    docker = f"https://download.docker.com/linux/{release}"
    assert f"'{docker}/InRelease'" in planned
    assert f"'{docker}/stable/binary-" in planned
    source = host.host.do("cat", "/etc/apt/sources.list.d/docker.sources")
    assert "Signed-By: /etc/apt/keyrings/docker.asc" in source.splitlines()
    keys = host.host.do(
        *("gpg", "--show-keys", "--with-colons", "/etc/apt/keyrings/docker.asc")
    )
    assert keys.count("pub:") == 1
    assert BOOKWORM_KEY in keys


def test_another_key_stops_it_before_anything_is_installed(host: Machine) -> None:
    wrong = host.host.do("cat", SCRIPT).replace(BOOKWORM_KEY, DOCKER_KEY)
    host.write("/run/wrong", wrong, 0o755)
    host.write("/run/calls", "")
    path = "/run/recorded:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    done = host.host.run("sh", "/run/wrong", PATH=path)
    assert done.returncode == 1
    assert "is not Docker's signing key" in done.stderr
    assert "apt-get" not in host.host.do("cat", "/run/calls")
