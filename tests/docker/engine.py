"""A Docker engine for the tests, in namespaces of its own.

The daemon has its own network, mounts and processes: no rule of this machine's firewall
is touched, its bridges clash with nobody's, and when its first process ends, the kernel
ends every container and takes every mount away. Containers reach the package registries
through slirp4netns, which is an ordinary process out here. What is left, the images and
some empty control groups, is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.processes import Guard
from tools.servers import ServerMissingError, itself, provide, which

START_SECONDS = 60
"""How long the daemon may take to answer."""

CGROUPS = Path("/sys/fs/cgroup")

_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class NoEngineError(Exception):
    """No Docker engine can be had here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    host: its address, as in DOCKER_HOST. path: PATH on which its client is found.
    inside: what comes before a command that is to run where published ports listen.
    """

    host: str
    path: str
    inside: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Our variables, with this engine and no other."""
        foreign = ("DOCKER_", "BUILDX_", "BUILDKIT_")
        env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        return env | {"DOCKER_HOST": self.host, "PATH": self.path}

    def docker(self, *arguments: str | Path, stdin: bytes | None = None) -> str:
        """What `docker ARGUMENTS` prints; AssertionError with its error if it fails."""
        completed = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        told = completed.stderr.decode(errors="replace")
        assert completed.returncode == 0, f"docker {arguments[0]}: {told}"
        return completed.stdout.decode(errors="replace").strip()

    def shell(self, commands: str) -> None:
        """Run lines as they are pasted into a shell; AssertionError if one fails."""
        completed = subprocess.run(
            ["bash", "-e", "-c", commands],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr

    def build(self, *arguments: str | Path) -> None:
        """Run `docker build ARGUMENTS` with BuildKit; as `docker` does if it fails."""
        known = self.environment | {"DOCKER_BUILDKIT": "1"}
        completed = subprocess.run(
            ["docker", "build", "--quiet", *arguments],
            env=known,
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, f"docker build: {completed.stderr}"


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """An engine for the time of a `with`.

    folder: short and empty, for the socket and all data of the daemon.

    With STROMHALTIG_TEST_DOCKER=host it is this machine's, at DOCKER_HOST or the usual
    socket; by default it is one of our own, which needs root on Linux.

    Raises NoEngineError when there is none.
    """
    match os.environ.get("STROMHALTIG_TEST_DOCKER", "own"):
        case "host":
            yield _of_this_machine()
        case "own":
            with _of_our_own(folder) as started:
                yield started
        case other:
            raise NoEngineError(f"STROMHALTIG_TEST_DOCKER={other}: use host or own")


def _of_this_machine() -> Engine:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    found = Engine(host, os.environ["PATH"])
    if shutil.which("docker") is None:
        raise NoEngineError("STROMHALTIG_TEST_DOCKER=host, and no `docker` on PATH")
    if reason := _silence(found):
        raise NoEngineError(f"STROMHALTIG_TEST_DOCKER=host, and {host}: {reason}")
    return found


@contextlib.contextmanager
def _of_our_own(folder: Path) -> Iterator[Engine]:
    _refuse_what_cannot_work()
    path = _path_of_the_daemon(folder)
    cgroup = f"stromhaltig-test-{folder.name}"
    with (
        contextlib.ExitStack() as started,
        (folder / "dockerd.log").open("wb") as log,
        Guard() as guard,
    ):
        started.callback(_remove_cgroups, cgroup)
        daemon = _start(_daemon_command(folder, cgroup), path, log)
        started.callback(_end, daemon)
        guard.hold(daemon.pid)
        first = _first_process(daemon)
        network = _start(_network_command(first), path, log)
        started.callback(_end, network)
        guard.hold(network.pid)
        inside = ("nsenter", f"--net=/proc/{first}/ns/net", "--")
        own = Engine(f"unix://{folder}/docker.sock", path, inside)
        _wait_for(own, daemon, folder / "dockerd.log")
        try:
            yield own
        finally:
            _shut_down(daemon)


def _refuse_what_cannot_work() -> None:
    if sys.platform != "linux":
        raise NoEngineError("a Docker engine of our own needs Linux")
    if os.geteuid() != 0:
        raise NoEngineError(
            "a Docker engine of our own needs root. To use this machine's instead: "
            "STROMHALTIG_TEST_DOCKER=host"
        )
    probe = subprocess.run(
        ["unshare", *_NAMESPACES, "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        raise NoEngineError(f"no namespaces here: {probe.stderr.strip()}")
    if not Path("/dev/net/tun").exists():
        raise NoEngineError("no /dev/net/tun here, which containers' network needs")


def _path_of_the_daemon(folder: Path) -> str:
    """PATH with all that the daemon calls; NoEngineError when something is missing."""
    # Debian names its iptables in /etc/alternatives, which unpacking does not touch.
    aliases = folder / "bin"
    aliases.mkdir()
    try:
        found = provide("docker", "slirp4netns")
        for name in ("iptables", "ip6tables"):
            (aliases / name).symlink_to(which(f"{name}-nft"))
        (aliases / "docker").symlink_to(_client_of(which("dockerd")))
    except ServerMissingError as error:
        raise NoEngineError(str(error)) from error
    system = [os.environ["PATH"], "/usr/sbin", "/sbin"]
    return os.pathsep.join([str(aliases), *map(str, found), *system])


def _client_of(daemon: Path) -> Path:
    """The client of the same package, which builds without buildx; any, without one."""
    beside = (daemon.with_name("docker"), Path("/usr/bin/docker"))
    return next((path for path in beside if path.exists()), which("docker"))


def _daemon_command(folder: Path, cgroup: str) -> list[str]:
    # It writes a key to /etc/docker; over there, /etc is a copy.
    changes, work = folder / "etc", folder / "etc.work"
    for made in (changes, work):
        made.mkdir()
    layers = f"lowerdir=/etc,upperdir={changes},workdir={work}"
    start = 'mount -t overlay -o "$0" overlay /etc && exec docker-init -- dockerd "$@"'
    return [
        *("unshare", *_NAMESPACES),
        *("sh", "-c", start, layers),
        *("--host", f"unix://{folder}/docker.sock"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/docker.pid"),
        # The daemon puts it into containers, where no library of ours is.
        *("--init-path", str(itself(which("docker-init")))),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", cgroup),
    ]


def _network_command(pid: int) -> list[str]:
    """Gives the namespace of a process a way out, and none to our loopback."""
    options = ("--configure", "--mtu=65520", "--disable-host-loopback")
    return ["slirp4netns", *options, str(pid), "tap0"]


def _start(command: Sequence[str], path: str, log: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=log,  # type: ignore[call-overload]
        stderr=log,
        start_new_session=True,
    )


def _first_process(unshare: subprocess.Popen[bytes]) -> int:
    """The process that the namespaces belong to: the child of `unshare --fork`."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and unshare.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.02)
    raise NoEngineError("the Docker daemon ended at once")


def _wait_for(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while reason := _silence(engine):
        if daemon.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise NoEngineError("\n".join(["the Docker daemon: " + reason, *last]))
        time.sleep(0.1)


def _silence(engine: Engine) -> str:
    """Why the engine does not answer; empty when it does."""
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env=engine.environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return asked.stderr.strip() if asked.returncode else ""


def _shut_down(daemon: subprocess.Popen[bytes]) -> None:
    """Let the daemon stop its containers in order."""
    os.kill(_first_process(daemon), signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        daemon.wait(30)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left; `--kill-child` takes the namespaces with it."""
    process.kill()
    process.wait()


def _remove_cgroups(name: str) -> None:
    for group in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
