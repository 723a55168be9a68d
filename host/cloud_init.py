"""User data that makes a fresh server the Docker host: plain `#cloud-config`."""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import jinja2

USER_DATA_LIMIT = 16_384
"""Bytes of user data that EC2 takes; others take more.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
"""

MIN_RSA_BITS = 2048
"""Shortest RSA key taken (NIST SP 800-131A)."""

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
"""Types of public keys that sshd takes without being told to (sshd_config(5))."""

_PUBLIC_PORTS = (80, 443)
_SYSTEM_USERS = ("root", "docker", "sudo", "daemon", "bin", "sys", "nobody")
_DIRECTORY = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_DIRECTORY),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - YAML, and every value is checked or quoted
)
# JSON's escapes of rare characters are no YAML.
_TEMPLATES.policies["json.dumps_kwargs"] = {"ensure_ascii": False}


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """What may differ between one Docker host and another.

    ssh_keys: public keys, one a line as in `id_ed25519.pub`, that let their owners in.
    admin: the user they log in as. In group docker, so as good as root.
    ssh_port: TCP port of sshd.
    ssh_sources: networks or addresses that may reach it; none means everybody.
    ssh_per_minute: connections per minute and client (IPv4 address, IPv6 /64) to sshd.
        Docker over ssh opens one for each parallel call: ufw's own limit, 6 in 30 s,
        would cut off a deployment in the middle.
    swap_gib: size of the swap file in GiB, 0 for none.
    reboot_time: when a security update may restart the machine, in UTC. The backup
        runs at 02:30.
    docker_disk: device with a file system that is mounted where Docker keeps its data.
        Docker does not start without it.

    Raises:
        ValueError: every problem at once, a line each, with the remedy.
    """

    ssh_keys: tuple[str, ...]
    admin: str = "deploy"
    ssh_port: int = 22
    ssh_sources: tuple[str, ...] = ()
    ssh_per_minute: int = 120
    swap_gib: int = 2
    reboot_time: str = "04:00"
    docker_disk: str | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError("\n".join(problems))


def render(args: HostArgs) -> str:
    """Return the user data, ready to be pasted.

    Raises:
        ValueError: when it does not fit into the user data of a cloud server.
    """
    text = _TEMPLATES.get_template("cloud-init.yaml.j2").render(
        ssh_keys=[key.strip() for key in args.ssh_keys],
        admin=args.admin,
        ssh_port=args.ssh_port,
        ssh_sources=[str(ip_network(source)) for source in args.ssh_sources],
        ssh_per_minute=args.ssh_per_minute,
        swap_gib=args.swap_gib,
        reboot_time=args.reboot_time,
        docker_disk=args.docker_disk,
        firewall=(_DIRECTORY / "firewall.sh").read_text(encoding="utf-8"),
        prepare=(_DIRECTORY / "prepare.sh").read_text(encoding="utf-8"),
    )
    size = len(text.encode())
    if size > USER_DATA_LIMIT:
        raise ValueError(
            f"ssh_keys: the user data has {size} bytes, a server takes "
            f"{USER_DATA_LIMIT}. Give fewer keys; add the others on the host"
        )
    return text


def _problems(args: HostArgs) -> Iterator[str]:
    if not args.ssh_keys:
        yield (
            "ssh_keys: there is none, and nobody could log in. Give the content of a "
            "file like ~/.ssh/id_ed25519.pub"
        )
    for number, key in enumerate(args.ssh_keys, start=1):
        problem = _key_problem(key.strip())
        if problem:
            yield f"ssh_keys: key {number} {problem}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", args.admin):
        yield (
            f'admin: "{args.admin}" is no user name. Take up to 31 lower-case letters, '
            "digits and hyphens, a letter first"
        )
    elif args.admin in _SYSTEM_USERS:
        yield f'admin: "{args.admin}" is the system\'s own. Choose another'
    if not 1 <= args.ssh_port <= 65_535:
        yield f"ssh_port: {args.ssh_port} is not a port, 1 to 65535"
    elif args.ssh_port in _PUBLIC_PORTS:
        yield f"ssh_port: {args.ssh_port} is the web's. Choose another"
    for source in args.ssh_sources:
        problem = _source_problem(source)
        if problem:
            yield f'ssh_sources: "{source}" {problem}'
    if not 10 <= args.ssh_per_minute <= 10_000:
        yield f"ssh_per_minute: {args.ssh_per_minute} is not from 10 to 10000"
    if not 0 <= args.swap_gib <= 64:
        yield f"swap_gib: {args.swap_gib} is not from 0 (none) to 64"
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", args.reboot_time):
        yield f'reboot_time: "{args.reboot_time}" is no time of day like 04:00'
    if args.docker_disk and not re.fullmatch(r"/dev/[\w./-]+", args.docker_disk):
        yield f'docker_disk: "{args.docker_disk}" is no device like /dev/sdb'


def _key_problem(key: str) -> str | None:
    """What is wrong with a public key. Never shows it: it may be the private one."""
    if "PRIVATE KEY" in key:
        return "is a private key. Keep it to yourself; give the file that ends in .pub"
    if not key.isprintable():
        return "has more than one line. Give each key by itself"
    kind, _, rest = key.partition(" ")
    if kind not in KEY_TYPES:
        near = difflib.get_close_matches(kind, KEY_TYPES, n=1)
        hint = f'. Did you mean "{near[0]}"?' if near else ""
        return f"does not begin with its type, one of {', '.join(KEY_TYPES)}{hint}"
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
        name, *numbers = _ssh_strings(blob)
    except (binascii.Error, ValueError):
        return "is cut off or altered. Copy the whole line of the .pub file"
    if name != kind.encode() or not numbers:
        return f"says {kind}, and holds something else. Copy the line of the .pub file"
    if kind == "ssh-rsa" and (bits := _bits(numbers[-1])) < MIN_RSA_BITS:
        return f"is RSA of {bits} bits. Make a better one: ssh-keygen -t ed25519"
    return None


def _ssh_strings(blob: bytes) -> Iterator[bytes]:
    """Split what is written as length and bytes, again and again (RFC 4251)."""
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length or len(blob) < 4:
            raise ValueError("shorter than it says")
        yield blob[4 : 4 + length]
        blob = blob[4 + length :]


def _bits(number: bytes) -> int:
    return int.from_bytes(number).bit_length()


def _source_problem(source: str) -> str | None:
    try:
        network = ip_network(source, strict=False)
    except ValueError:
        return "is no network or address. Write it like 203.0.113.0/24 or 2001:db8::/48"
    if "/" in source and source.partition("/")[0] != str(network.network_address):
        return f"has bits outside its mask. Did you mean {network}?"
    if network.prefixlen == 0:
        return "is everybody, of one IP version. Leave ssh_sources out instead"
    return None
