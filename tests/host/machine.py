"""A throw-away Docker host: network namespaces, and this system under an overlay.

Three namespaces in a row, `world` - `host` - `container`, linked by veth pairs. The
host sees this machine's files with the packages it needs really installed, in an
overlay in memory. Everything goes when the processes that hold it end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("iptables", "openssh-server", "ufw")
CACHE = Path.home() / ".cache" / "stromhaltig" / "host"
BRIDGE = "br-5f0c7e1a9b2d"
"""Named as Docker names the bridge of a network."""

CLIENT = {4: "203.0.113.10", 6: "2001:db8:1::10"}
STRANGER = {4: "198.51.100.9", 6: "2001:db8:9::9"}
HOST = {4: "203.0.113.1", 6: "2001:db8:1::1"}
GATEWAY = {4: "172.18.0.1", 6: "fd00:18::1"}
CONTAINER = {4: "172.18.0.2", 6: "fd00:18::2"}
SUBNET = {4: "172.18.0.0/16", 6: "fd00:18::/64"}

PUBLISHED = {80: 80, 443: 8443, 5432: 5432, 8080: 80}
"""What Docker publishes: port of the host, port of the container."""

_SERVER = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in sys.argv[1:]:
    server = socket.create_server(("::", int(port)), family=socket.AF_INET6,
                                  dualstack_ipv6=True, backlog=64)
    ready.register(server, selectors.EVENT_READ, True)
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.data:
            connection, peer = key.fileobj.accept()
            connection.sendall(peer[0].removeprefix("::ffff:").encode() + b"\\n")
            ready.register(connection, selectors.EVENT_READ, False)
        elif data := key.fileobj.recv(100):
            key.fileobj.sendall(data)
        else:
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""

_CLIENT = """
import socket, sys
address, port, source = sys.argv[1:]
try:
    with socket.create_connection((address, int(port)), 1,
                                  (source, 0) if source else None) as connection:
        connection.settimeout(2)
        print(connection.makefile().readline().strip())
except TimeoutError:
    print("filtered")
except ConnectionRefusedError:
    print("refused")
"""

_ECHO = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) as connection:
    connection.settimeout(5)
    lines = connection.makefile()
    print(lines.readline().strip(), flush=True)
    for word in sys.stdin:
        connection.sendall(word.encode())
        print(lines.readline().strip(), flush=True)
"""


class CannotError(Exception):
    """This machine cannot play a Docker host; the message says why."""


@dataclass(frozen=True)
class Namespace:
    """Network and mounts of their own, for as long as the process lives."""

    holder: subprocess.Popen[bytes]
    root: Path | None = None

    def command(self, *command: str) -> list[str]:
        """The command line that runs a command inside."""
        inside = ["nsenter", "--target", str(self.holder.pid), "--net", "--mount"]
        chroot = ["chroot", str(self.root)] if self.root else []
        return [*inside, *chroot, *command]

    def run(
        self, *command: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, to its end."""
        return subprocess.run(
            self.command(*command),
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | environment,
        )

    def do(self, *command: str, stdin: str = "", **environment: str) -> str:
        """Run a command that has to succeed; return what it wrote."""
        done = self.run(*command, stdin=stdin, **environment)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def python(self, script: str, *arguments: str) -> list[str]:
        """The command line that runs a script of ours inside."""
        inside = ["nsenter", "--target", str(self.holder.pid), "--net"]
        return [*inside, sys.executable, "-I", "-S", "-c", script, *arguments]

    def reach(self, address: str, port: int, source: str = "") -> str:
        """Connect once: our own address as the server sees it, or why not."""
        done = subprocess.run(
            self.python(_CLIENT, address, str(port), source),
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout.strip() or done.stderr

    @contextmanager
    def serving(self, *ports: int) -> Iterator[None]:
        """Listen on ports, IPv4 and IPv6; tell each client its address, then echo."""
        with _stopped_after(
            self.python(_SERVER, *(str(port) for port in ports))
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield

    @contextmanager
    def connected(self, address: str, port: int) -> Iterator[Conversation]:
        """A connection that stays open."""
        with _stopped_after(self.python(_ECHO, address, str(port))) as process:
            conversation = Conversation(process)
            assert conversation.line()
            yield conversation


@dataclass(frozen=True)
class Conversation:
    """An open connection to an echoing server."""

    process: subprocess.Popen[bytes]

    def say(self, word: str) -> str:
        """Send a word; return what comes back, nothing when the connection is cut."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        return self.line()

    def line(self) -> str:
        """The next line from the server."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()


@dataclass(frozen=True)
class Machine:
    """A host between the world and one container."""

    world: Namespace
    host: Namespace
    container: Namespace

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file on the host."""
        self.host.do("mkdir", "-p", str(Path(path).parent))
        self.host.do("tee", path, stdin=text)
        self.host.do("chmod", f"{mode:o}", path)

    def start_docker(self) -> None:
        """Make the rules that Docker makes for a network and published ports.

        As at each of its starts: its own chains anew, DOCKER-USER left as it is and
        put first.
        """
        for version, tables in ((4, "iptables"), (6, "ip6tables")):
            self.host.do(
                f"{tables}-restore", "--noflush", stdin=_docker_chains(version)
            )
            self.host.do("sh", "-euc", _DOCKER_JUMPS, "-", tables, SUBNET[version])

    def rules(self) -> list[str]:
        """Every rule of the host's filter tables, without counters."""
        saved = [self.host.do(f"{t}-save") for t in ("iptables", "ip6tables")]
        return [
            line.split(" [")[0]
            for text in saved
            for line in text.splitlines()
            if not line.startswith("#")
        ]

    def flush(self) -> None:
        """Forget every rule, as a restart of the machine does."""
        for tables in ("iptables-restore", "ip6tables-restore"):
            self.host.do(
                tables,
                stdin="*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"
                "COMMIT\n*nat\nCOMMIT\n",
            )


_DOCKER_JUMPS = f"""
tables=$1 subnet=$2
once() {{ "$tables" $1 -C $2 2>/dev/null || "$tables" $1 -A $2; }}
first() {{ "$tables" -D $1 2>/dev/null || true; "$tables" -I $1; }}
"$tables" -N DOCKER-USER 2>/dev/null || true
once "" "DOCKER-USER -j RETURN"
first "FORWARD -j DOCKER-FORWARD"
first "FORWARD -j DOCKER-USER"
once "-t nat" "PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
once "-t nat" "POSTROUTING -s $subnet ! -o {BRIDGE} -j MASQUERADE"
"""


def _docker_chains(version: int) -> str:
    """After moby's integration/network/bridge/iptablesdoc, usernet-portmap."""
    address = CONTAINER[version]
    target = f"[{address}]" if version == 6 else address
    accept = [
        f"-A DOCKER -d {address} ! -i {BRIDGE} -o {BRIDGE} -p tcp --dport {port} "
        "-j ACCEPT"
        for port in sorted(set(PUBLISHED.values()))
    ]
    forward = [
        f"-A DOCKER ! -i {BRIDGE} -p tcp --dport {port} "
        f"-j DNAT --to-destination {target}:{inside}"
        for port, inside in PUBLISHED.items()
    ]
    return "\n".join(
        [
            "*filter",
            ":DOCKER-FORWARD -",
            ":DOCKER -",
            f"-A DOCKER-FORWARD -o {BRIDGE} -m conntrack "
            "--ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A DOCKER-FORWARD -o {BRIDGE} -j DOCKER",
            f"-A DOCKER-FORWARD -i {BRIDGE} -j ACCEPT",
            *accept,
            f"-A DOCKER ! -i {BRIDGE} -o {BRIDGE} -j DROP",
            "COMMIT",
            "*nat",
            ":DOCKER -",
            *forward,
            "COMMIT",
            "",
        ]
    )


@contextmanager
def machine(scratch: Path, *more: str) -> Iterator[Machine]:
    """Set a machine up, Docker not started, no firewall; take it down afterwards.

    scratch: an empty directory. more: packages to install besides the usual ones.

    Raises:
        CannotError: when this machine cannot play one.
    """
    if os.geteuid() != 0:
        raise CannotError("network namespaces and an overlay need root")
    missing = [t for t in ("unshare", "nsenter", "ip") if not shutil.which(t)]
    if missing:
        raise CannotError(
            f"{', '.join(missing)} not found: install util-linux, iproute2"
        )
    packages = _packages(scratch / "plan", (*PACKAGES, *more))
    with _namespace() as world, _namespace() as host, _namespace() as container:
        root = _install(host, packages, scratch)
        _link(world, host, container)
        yield Machine(world, Namespace(host.holder, root), container)


def _packages(scratch: Path, names: tuple[str, ...]) -> list[Path]:
    """Fetch what is not installed, with its dependencies, as Debian packages."""
    install = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends"]
    unlocked = ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    for directory in (CACHE, scratch):
        (directory / "partial").mkdir(parents=True, exist_ok=True)
    try:
        # Says nothing of what is there already, so it is asked about an empty place.
        plan = _output(
            *(*install, "--print-uris", *unlocked),
            *("-o", f"Dir::Cache::archives={scratch}", *names),
        )
        _output(
            *(*install, "--download-only", *unlocked),
            *("-o", f"Dir::Cache::archives={CACHE}", *names),
        )
    except FileNotFoundError:
        raise CannotError("apt-get not found: the host is Debian's") from None
    except subprocess.CalledProcessError as problem:
        raise CannotError(
            f"cannot download {', '.join(names)}; try apt-get update first: "
            f"{problem.stderr.strip()}"
        ) from None
    # Each line: 'ADDRESS' FILE SIZE HASH
    files = [line.split(" ")[1] for line in plan.splitlines() if line[:1] == "'"]
    return [CACHE / file for file in files]


def _output(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=300
    ).stdout


def _install(host: Namespace, packages: list[Path], scratch: Path) -> Path:
    """Lay an overlay in memory over this system and install the packages there."""
    root = scratch / "root"
    layers = scratch / "layers"
    for directory in (root, layers):
        directory.mkdir()
    mounts = f"""
        mount -t tmpfs tmpfs {layers}
        mkdir {layers}/upper {layers}/work
        mount -t overlay overlay {root} \
            -o lowerdir=/,upperdir={layers}/upper,workdir={layers}/work
        mount -t proc proc {root}/proc
        mount --rbind /dev {root}/dev
        mount --rbind /sys {root}/sys
        mount -t tmpfs tmpfs {root}/run
        mkdir {root}/run/packages
    """
    done = host.run("sh", "-euc", mounts)
    if done.returncode:
        raise CannotError(f"cannot mount an overlay: {done.stderr.strip()}")
    inside = Namespace(host.holder, root)
    # No service is started, here as in any chroot.
    inside.do("tee", "/usr/sbin/policy-rc.d", stdin="#!/bin/sh\nexit 101\n")
    inside.do("chmod", "755", "/usr/sbin/policy-rc.d")
    if packages:
        host.do("cp", *(str(p) for p in packages), f"{root}/run/packages")
        inside.do(
            *("dpkg", "--no-triggers", "--install"),
            *(f"/run/packages/{p.name}" for p in packages),
            DEBIAN_FRONTEND="noninteractive",
        )
    inside.do("ufw", "--force", "reset")
    return root


def _link(world: Namespace, host: Namespace, container: Namespace) -> None:
    for namespace in (world, host, container):
        # Addresses are used at once, not after looking for duplicates.
        namespace.do("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        namespace.do("ip", "link", "set", "lo", "up")
    wan, bridge = (world, "eth0", CLIENT), (host, BRIDGE, GATEWAY)
    _cable(wan, (host, "eth0", HOST), {4: 24, 6: 64})
    _cable((container, "eth0", CONTAINER), bridge, {4: 16, 6: 64})
    for version, length in ((4, 32), (6, 128)):
        ip, stranger = ("ip", f"-{version}"), f"{STRANGER[version]}/{length}"
        world.do(*ip, "route", "add", "default", "via", HOST[version])
        world.do(*ip, "address", "add", stranger, "dev", "eth0")
        host.do(*ip, "route", "add", stranger, "dev", "eth0")
        container.do(*ip, "route", "add", "default", "via", GATEWAY[version])
    for setting in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        host.do("sh", "-c", f"echo 1 > /proc/sys/{setting}")


End = tuple[Namespace, str, dict[int, str]]


def _cable(one: End, other: End, lengths: dict[int, int]) -> None:
    """Link two namespaces: for each the name of its end, and its addresses."""
    one[0].do(
        *("ip", "link", "add", one[1], "type", "veth"),
        *("peer", other[1], "netns", str(other[0].holder.pid)),
    )
    for namespace, link, addresses in (one, other):
        namespace.do("ip", "link", "set", link, "up")
        for version, length in lengths.items():
            address = f"{addresses[version]}/{length}"
            namespace.do("ip", "address", "add", address, "dev", link)


@contextmanager
def _namespace() -> Iterator[Namespace]:
    """Namespaces held by a process that ends with this one, however that ends."""
    command = ["unshare", "--net", "--mount", "--propagation", "private", "cat"]
    with _stopped_after(command) as holder:
        ours = Path("/proc/self/ns/mnt").readlink()
        deadline = time.monotonic() + 5
        while Path(f"/proc/{holder.pid}/ns/mnt").readlink() == ours:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise CannotError("cannot make a namespace: unshare is refused")
            time.sleep(0.01)
        yield Namespace(holder)


@contextmanager
def _stopped_after(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()
