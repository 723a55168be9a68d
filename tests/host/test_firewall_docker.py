"""The firewall under a real Docker Engine: started, stopped, publishing ports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from host.cloud_init import HostArgs, render
from tests.host.machine import CLIENT, HOST, CannotError, Machine, machine

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh/v1rFaQX7o0TQW2PBLGDm3Q4+qqMOv32Nst7NLVbh"
SCRIPT = "/usr/local/sbin/host-firewall"
SETTINGS = "/etc/default/host-firewall"
SOCKET = "unix:///run/docker.sock"
CGROUP = "stromhaltig-host-test"
CGROUPS = Path("/sys/fs/cgroup")
FILTERED = "filtered"


@dataclass(frozen=True)
class Docker:
    """A Docker Engine on the machine."""

    machine: Machine
    log: Path

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the engine; stop it, and with it its containers."""
        command = self.machine.host.command(
            *("dockerd", "--host", SOCKET, "--userland-proxy=false"),
            *("--data-root", "/run/docker-data", "--exec-root", "/run/docker-exec"),
            *("--pidfile", "/run/docker.pid", "--cgroup-parent", CGROUP),
            *("--exec-opt", "native.cgroupdriver=cgroupfs"),
        )
        with (
            self.log.open("ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as daemon,
        ):
            try:
                deadline = time.monotonic() + 30
                while self._ask("version").returncode:
                    if daemon.poll() is not None or time.monotonic() > deadline:
                        last = self.log.read_text().splitlines()[-3:]
                        raise CannotError("\n".join(["dockerd does not start", *last]))
                    time.sleep(0.1)
                yield
            finally:
                daemon.terminate()
                daemon.wait(timeout=30)

    def __call__(self, *arguments: str) -> str:
        """Run a command of the client that has to succeed."""
        done = self._ask(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def publishing(self, *ports: int) -> Iterator[None]:
        """A container on a network of its own that says hello on each port."""
        network = self("network", "create", f"network-{ports[0]}")
        published = [word for p in ports for word in ("--publish", f"{p}:{p}")]
        servers = [f"busybox nc -ll -p {p} -e /bin/busybox echo hello" for p in ports]
        script = " & ".join([*servers, "wait"])
        container = self(
            *("run", "--detach", "--init", "--network", network, *published),
            *("busybox", "/bin/busybox", "sh", "-c", script),
        )
        try:
            yield
        finally:
            self("rm", "--force", container)
            self("network", "rm", network)

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.machine.host.run("docker", "--host", SOCKET, *arguments)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """An engine that is not running, with an image, on a host without a firewall."""
    scratch = tmp_path_factory.mktemp("machine")
    try:
        image = _busybox(tmp_path_factory.mktemp("image"))
        with machine(scratch, "docker.io") as made:
            engine = Docker(made, scratch / "dockerd.log")
            with engine.running():
                _import(engine, image)
            made.flush()
            files = yaml.safe_load(render(HostArgs(ssh_keys=(KEY,))))["write_files"]
            for file in files:
                if file["path"] in (SCRIPT, SETTINGS):
                    made.write(file["path"], file["content"], 0o755)
            yield engine
    except CannotError as reason:
        pytest.skip(f"no Docker Engine to try the firewall on: {reason}")
    finally:
        _remove_cgroups()


def _busybox(directory: Path) -> Path:
    """A file system with nothing but Debian's static busybox, as a tar file."""
    try:
        subprocess.run(
            ["apt-get", "download", "-qq", "busybox-static"],
            check=True,
            capture_output=True,
            cwd=directory,
            timeout=120,
        )
        (package,) = directory.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as problem:
        raise CannotError(f"cannot download busybox-static: {problem}") from None
    program = next(p for p in directory.glob("**/bin/busybox") if p.is_file())
    image = directory / "image.tar"
    with tarfile.open(image, "w") as archive:
        archive.add(program, "bin/busybox")
    return image


def _import(engine: Docker, image: Path) -> None:
    with image.open("rb") as stream:
        subprocess.run(
            engine.machine.host.command(
                "docker", "--host", SOCKET, "import", "-", "busybox"
            ),
            check=True,
            stdin=stream,
            capture_output=True,
        )


def _remove_cgroups() -> None:
    for group in (*CGROUPS.glob(CGROUP), *CGROUPS.glob(f"*/{CGROUP}")):
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()


def _reach(engine: Docker, *ports: int) -> list[str]:
    return [engine.machine.world.reach(HOST[4], port) for port in ports]


def test_without_the_firewall_ufw_does_not_keep_anybody_out(docker: Docker) -> None:
    docker.machine.host.do("ufw", "--force", "enable")
    with docker.running(), docker.publishing(80, 5432):
        assert _reach(docker, 80, 5432) == ["hello", "hello"]


def test_with_it_only_the_web_is_reached_from_the_first_moment(docker: Docker) -> None:
    docker.machine.flush()
    docker.machine.host.do(SCRIPT, "setup")
    docker.machine.host.do(SCRIPT, "apply")
    with docker.running(), docker.publishing(443, 5432):
        assert _reach(docker, 443, 5432) == ["hello", FILTERED]
        # Networks and containers that come later are no exception.
        with docker.publishing(80, 6379):
            assert _reach(docker, 80, 6379) == ["hello", FILTERED]


def test_docker_leaves_the_rules_alone_when_it_starts_again(docker: Docker) -> None:
    docker.machine.host.do(SCRIPT, "apply")

    def ours() -> list[str]:
        named = ("DOCKER-USER", "HOST-PUBLISHED", "HOST-SSH")
        return [
            rule for rule in docker.machine.rules() if any(n in rule for n in named)
        ]

    with docker.running():
        first = ours()
    assert any("HOST-PUBLISHED -j DROP" in rule for rule in first)
    with docker.running():
        assert ours() == first
        with docker.publishing(80, 5432):
            docker.machine.host.do(SCRIPT, "apply")
            assert _reach(docker, 80, 5432) == ["hello", FILTERED]


def test_containers_still_reach_the_world(docker: Docker) -> None:
    docker.machine.host.do(SCRIPT, "apply")
    with docker.running(), docker.machine.world.serving(8000):
        network = docker("network", "create", "outgoing")
        answer = docker(
            *("run", "--rm", "--init", "--network", network, "busybox"),
            *("/bin/busybox", "timeout", "5"),
            *("/bin/busybox", "nc", "-w", "2", CLIENT[4], "8000"),
        )
        assert answer == HOST[4]
