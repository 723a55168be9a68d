"""A droplet that is the Docker host: the Docker stack then runs on it over ssh."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

import pulumi
import pulumi_digitalocean as digitalocean

from host.cloud_init import HostArgs, render

_EVERYBODY = ("0.0.0.0/0", "::/0")
_BACKUP_HOUR = 4  # UTC; backups start within the four hours that follow


@dataclass(frozen=True, kw_only=True)
class DropletArgs:
    """What the machine needs to know.

    region: datacenter, such as `fra1`.
    size: such as `s-2vcpu-4gb`.
    host: who logs in, and how: user data of the Docker host.
    image: Debian 12 or 13, or Ubuntu 24.04.
    volume_gib: disk that holds Docker's data, and outlives the droplet.
    backups: images of the droplet's own disk: 20 or 30 % of its price. The volume is
        not in them.
    vpc_id: network; None for the region's default one.
    keys_registered: whether the account has the ssh keys already. It takes each once.
    protect: whether Pulumi refuses to delete volume, address and droplet.
    """

    region: str
    size: str
    host: HostArgs
    image: str = "debian-13-x64"
    volume_gib: int = 50
    backups: Literal["none", "weekly", "daily"] = "weekly"
    vpc_id: pulumi.Input[str] | None = None
    keys_registered: bool = False
    protect: bool = True


class Droplet(pulumi.ComponentResource):
    """Droplet, volume, cloud firewall and an address that stays.

    The volume is mounted where Docker keeps everything, and Docker does not start
    without it. User data is read at the first boot only, and another image or key
    would mean another machine: changes of them are ignored once the droplet exists.
    """

    droplet_id: pulumi.Output[str]
    """Number of the droplet."""

    ip: pulumi.Output[str]
    """Reserved IPv4 address: point the domain at it."""

    docker_host: pulumi.Output[str]
    """`ssh://ADMIN@IP:PORT`: what the Docker stack's `host.address` takes."""

    urns: dict[str, pulumi.Output[str]]
    """Of droplet, volume and address, as a project lists them."""

    def __init__(
        self, name: str, args: DropletArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:digitalocean:Droplet", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)

        volume = digitalocean.Volume(
            name,
            name=name,  # part of the device's path
            region=args.region,
            size=args.volume_gib,
            initial_filesystem_type="ext4",
            description="Docker's data: images, database, uploads, backups",
            opts=kept,
        )
        device = f"/dev/disk/by-id/scsi-0DO_Volume_{name}"
        droplet = digitalocean.Droplet(
            name,
            region=args.region,
            size=args.size,
            image=args.image,
            ssh_keys=self._ssh_keys(name, args),
            user_data=render(replace(args.host, docker_disk=device)),
            volume_ids=[volume.id],
            vpc_uuid=args.vpc_id,
            monitoring=True,
            ipv6=True,
            graceful_shutdown=True,
            backups=args.backups != "none",
            backup_policy=_backup_policy(args.backups),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                ignore_changes=["userData", "image", "sshKeys"],
            ),
        )
        address = digitalocean.ReservedIp(name, region=args.region, opts=kept)
        digitalocean.ReservedIpAssignment(
            name,
            ip_address=address.ip_address,
            droplet_id=droplet.id.apply(int),
            opts=child,
        )
        digitalocean.Firewall(
            name,
            droplet_ids=[droplet.id.apply(int)],
            inbound_rules=[
                _from(args.host.ssh_sources or _EVERYBODY, "tcp", args.host.ssh_port),
                _from(_EVERYBODY, "tcp", 80),
                _from(_EVERYBODY, "tcp", 443),
                _from(_EVERYBODY, "icmp"),
            ],
            outbound_rules=[_to_everybody(name) for name in ("tcp", "udp", "icmp")],
            opts=child,
        )

        self.droplet_id = droplet.id
        self.ip = address.ip_address
        self.docker_host = pulumi.Output.concat(
            f"ssh://{args.host.admin}@", self.ip, f":{args.host.ssh_port}"
        )
        self.urns = {
            "droplet": droplet.droplet_urn,
            "volume": volume.volume_urn,
            "address": address.reserved_ip_urn,
        }
        self.register_outputs({"docker_host": self.docker_host})

    def _ssh_keys(self, name: str, args: DropletArgs) -> list[pulumi.Input[str]]:
        """Return keys for the droplet, which gets a password by e-mail without any."""
        keys = [key.strip() for key in args.host.ssh_keys]
        if args.keys_registered:
            return [_fingerprint(key) for key in keys]
        return [
            digitalocean.SshKey(
                f"{name}-{_fingerprint(key).replace(':', '')[:8]}",
                public_key=key,
                opts=pulumi.ResourceOptions(parent=self),
            ).fingerprint
            for key in keys
        ]


def _fingerprint(key: str) -> str:
    """Return what the account knows a public key by: MD5, as `ssh-keygen -E md5`."""
    blob = base64.b64decode(key.split()[1])
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


def _backup_policy(backups: str) -> Any:
    if backups == "none":
        return None
    weekday = {"weekday": "SUN"} if backups == "weekly" else {}
    return {"plan": backups, "hour": _BACKUP_HOUR, **weekday}


def _to_everybody(protocol: str) -> Any:
    ports = {} if protocol == "icmp" else {"port_range": "1-65535"}
    return {
        "protocol": protocol,
        "destination_addresses": list(_EVERYBODY),
        **ports,
    }


def _from(sources: tuple[str, ...], protocol: str, port: int | None = None) -> Any:
    ports = {} if port is None else {"port_range": str(port)}
    return {"protocol": protocol, "source_addresses": list(sources), **ports}
