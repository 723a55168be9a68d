"""Types of a Docker host: recorded, and refused where Docker would refuse them.

Nothing runs. What the host itself would have to say, such as which addresses its
containers get, is made up; which names, ports, volumes and networks go together is
not. What replaces comes from the upstream provider's schemas ("ForceNew"):
https://github.com/kreuzwerker/terraform-provider-docker, internal/provider/.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rehearsal.provider.ledger import Entry
from rehearsal.provider.lifecycle import GENERATED, Difference, generated_name
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.wire import Properties

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"

_NAME_LIMIT = 255  # the provider's, for every generated name
_PREFIX = 16  # bits of the networks that Docker hands out by itself


class _OnHost(Recorded):
    """What the types have in common: few inputs change in place."""

    in_place: ClassVar[frozenset[str]] = frozenset()
    """Inputs that change in place; every other makes a new resource."""
    named: ClassVar[bool] = True
    """Whether a name is generated when the program sets none."""

    def check(
        self, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[str]]:
        """With the generated name, which stays while the resource does."""
        inputs, problems = super().check(name, old, new, seed)
        if not self.named or inputs.get("name") is not None:
            return inputs, problems
        kept = old.get("name") if "name" in old.get(GENERATED, []) else None
        made = kept or generated_name(name, _NAME_LIMIT, seed)
        return {**inputs, "name": made, GENERATED: ["name"]}, problems

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """Everything but what changes in place."""
        del old, new
        return changed - self.in_place

    def diff(self, old: Properties, new: Properties) -> Difference:
        """A fixed name has to be free before it is taken again."""
        found = super().diff(old, new)
        fixed = "name" not in {*new.get(GENERATED, []), *found.changed}
        first = bool(found.replaces) and ((fixed and self.named) or self.first(new))
        return Difference(found.changed, found.replaces, delete_first=first)

    def first(self, inputs: Properties) -> bool:
        """Whether the old one goes first though both could have names."""
        del inputs
        return False


class Container(_OnHost):
    """A container: made, said to be healthy, or to have ended well."""

    in_place = frozenset(
        {
            "attach",
            "containerReadRefreshTimeoutMilliseconds",
            "cpuPeriod",
            "cpuQuota",
            "cpuSet",
            "cpuShares",
            "destroyGraceSeconds",
            "deviceReadBps",
            "deviceReadIops",
            "deviceWriteBps",
            "deviceWriteIops",
            "init",
            "logs",
            "maxRetryCount",
            "memory",
            "memoryReservation",
            "memorySwap",
            "mustRun",
            "removeVolumes",
            "restart",
            "rm",
            "start",
            "tmpfs",
            "wait",
            "waitTimeout",
        }
    )

    def first(self, inputs: Properties) -> bool:
        """Whichever is not convenient.

        pulumi-docker declares that containers are deleted first, yet its issue 1356
        shows one made first. A program whose order matters has to say so itself: it
        gets no help here, neither with a port that is taken nor with a gap.
        """
        return not inputs.get("ports")

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Addresses, an exit code for what has ended, and Docker's own defaults."""
        del name
        id = secrets.token_hex(32)
        ended = not inputs.get("mustRun", True)
        outputs = {
            "bridge": "",
            "containerLogs": "recorded: no command ran\n" if inputs.get("logs") else "",
            "hostname": id[:12],
            "ipcMode": "private",
            "logDriver": "json-file",
            "networkDatas": [
                _address(self.network(each["name"]))
                for each in inputs.get("networksAdvanced") or []
            ],
            "runtime": "runc",
            **({"exitCode": 0} if ended else {}),
        }
        return id, outputs

    def admit(self, entry: Entry) -> None:
        """As Docker: names and ports are taken once, networks and images are there.

        Docker itself makes a volume that is missing, empty and as nobody's.
        """
        wanted = entry.inputs
        for other in self.ledger.of_type(CONTAINER):
            if other.inputs["name"] == wanted["name"]:
                raise ValueError(
                    f'Conflict. The container name "/{wanted["name"]}" is already in '
                    f"use by container {other.id}"
                )
            for port in _published(other.inputs) & _published(wanted):
                raise ValueError(f"Bind for {port} failed: port is already allocated")
        for each in wanted.get("networksAdvanced") or []:
            self.network(each["name"])
        for volume in _mounted(wanted):
            if self.ledger.find(VOLUME, volume) is None:
                raise ValueError(
                    f"volume {volume} is mounted before it is made: Docker would make "
                    f"one that the program does not know"
                )
        images = {each.outputs["imageId"] for each in self.ledger.of_type(IMAGE)}
        image = str(wanted["image"])
        if image.startswith("sha256:") and image not in images:
            raise ValueError(f"No such image: {image}")

    def network(self, name: str) -> Entry:
        """The network of a name or id; raises ValueError when there is none."""
        for entry in self.ledger.of_type(NETWORK):
            if name in (entry.id, entry.inputs["name"]):
                return entry
        raise ValueError(f"network {name} not found")


class Volume(_OnHost):
    """A volume; its name is its id."""

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Where the local driver puts it."""
        del name
        mountpoint = f"/var/lib/docker/volumes/{inputs['name']}/_data"
        return inputs["name"], {"driver": "local", "mountpoint": mountpoint}

    def free(self, entry: Entry) -> None:
        """Docker keeps what a container mounts, running or not."""
        for container in self.ledger.of_type(CONTAINER):
            if entry.id in _mounted(container.inputs):
                raise ValueError(
                    f"remove {entry.id}: volume is in use - [{container.id}]"
                )


class Network(_OnHost):
    """A bridge with a range of addresses."""

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """The next of the ranges that Docker hands out by itself."""
        del name, inputs
        taken = {_number(entry) for entry in self.ledger.of_type(NETWORK)}
        number = next(n for n in range(18, 256) if n not in taken)
        ipam = {"subnet": f"172.{number}.0.0/{_PREFIX}", "gateway": f"172.{number}.0.1"}
        outputs = {
            "driver": "bridge",
            "internal": False,
            "ipamConfigs": [ipam],
            "ipamDriver": "default",
            "options": {},
            "scope": "local",
        }
        return secrets.token_hex(32), outputs

    def admit(self, entry: Entry) -> None:
        """Two networks of one name could not be told apart."""
        for other in self.ledger.of_type(NETWORK):
            if other.inputs["name"] == entry.inputs["name"]:
                raise ValueError(
                    f"network with name {entry.inputs['name']} already exists"
                )

    def free(self, entry: Entry) -> None:
        """A network stays while a running container is on it."""
        names = {entry.id, entry.inputs["name"]}
        for container in self.ledger.of_type(CONTAINER):
            on = {each["name"] for each in container.inputs.get("networksAdvanced", [])}
            if on & names and _runs(container.inputs):
                raise ValueError(
                    f"error while removing network: network {entry.inputs['name']} has "
                    f"active endpoints ({container.inputs['name']})"
                )


class RemoteImage(_OnHost):
    """An image that was pulled: its id follows from what was asked for."""

    in_place = frozenset({"forceRemove", "keepLocally"})
    named = False

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """The same id for the same name and triggers."""
        del name
        asked = str([inputs["name"], inputs.get("triggers"), inputs.get("build")])
        image = _digest("image", asked)
        if inputs["name"].startswith("sha256:"):  # an image that is there, by its id
            image = inputs["name"]
        repository, _, digest = str(inputs["name"]).partition("@")
        outputs = {
            "imageId": image,
            "repoDigest": f"{repository}@{digest or _digest('manifest', asked)}",
        }
        return f"{image}{inputs['name']}", outputs

    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """With `keepLocally` it stays on the host, for who starts it again."""
        entry = self.ledger.find(self.token, id)
        if entry is not None and entry.inputs.get("keepLocally"):
            self.ledger.enter(replace(entry, left=True))
            return
        super().delete(id, state, inputs)

    def free(self, entry: Entry) -> None:
        """Docker keeps an image that a container was made from."""
        image = entry.outputs["imageId"]
        names = {image, entry.inputs["name"], entry.outputs["repoDigest"]}
        for container in self.ledger.of_type(CONTAINER):
            if container.inputs["image"] in names and not entry.inputs.get(
                "forceRemove"
            ):
                raise ValueError(
                    f"conflict: unable to delete {image}: image is being used by "
                    f"container {container.id}"
                )


TYPES: Mapping[str, type[Recorded]] = {
    CONTAINER: Container,
    IMAGE: RemoteImage,
    NETWORK: Network,
    VOLUME: Volume,
}
"""Token to how the type is recorded."""


def _digest(*parts: str) -> str:
    return f"sha256:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"


def _runs(inputs: Properties) -> bool:
    return bool(inputs.get("start", True) and inputs.get("mustRun", True))


def _mounted(inputs: Properties) -> set[str]:
    """Names of the volumes that a container mounts."""
    volumes = {each.get("volumeName") for each in inputs.get("volumes") or []}
    mounts = {
        each.get("source")
        for each in inputs.get("mounts") or []
        if each["type"] == "volume"
    }
    return {name for name in volumes | mounts if name}


def _published(inputs: Properties) -> set[str]:
    """`IP:PORT` on the host that a running container takes, with the protocol."""
    if not _runs(inputs):
        return set()
    return {
        f"{port.get('ip', '0.0.0.0')}:{port['external']}/{port.get('protocol', 'tcp')}"  # noqa: S104
        for port in inputs.get("ports") or []
        if port.get("external")
    }


def _number(network: Entry) -> int:
    return int(network.outputs["ipamConfigs"][0]["gateway"].split(".")[1])


def _address(network: Entry) -> dict[str, Any]:
    """What a container is told of its place in a network."""
    number = _number(network)
    host = f"{secrets.randbelow(254)}.{2 + secrets.randbelow(252)}"
    tail = "".join(f":{secrets.randbelow(256):02x}" for _ in range(4))
    return {
        "networkName": network.inputs["name"],
        "ipAddress": f"172.{number}.{host}",
        "ipPrefixLength": _PREFIX,
        "gateway": f"172.{number}.0.1",
        "globalIpv6Address": "",
        "globalIpv6PrefixLength": 0,
        "ipv6Gateway": "",
        "macAddress": f"02:42{tail}",
    }
