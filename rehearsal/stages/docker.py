"""A Docker host as the stage of a rehearsal: recorded, so that nothing runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from components.docker.names import APP
from rehearsal.cloud import EmbeddedCloud
from rehearsal.provider.docker import CONTAINER, IMAGE, NETWORK, VOLUME
from rehearsal.provider.docker_build import IMAGE as BUILD
from rehearsal.provider.ledger import Entry
from rehearsal.provider.recorded import STATE_ONLY
from rehearsal.pulumi_cli import Event
from rehearsal.stages.stage import Drift, StageError, Supplies, Thing, supply_release
from resource_types import DATA, PASSWORD

ADDRESS = "ssh://deploy@docker-host.invalid"
"""A host that nobody can reach, so that nothing is."""

BACKUPS = "-backups"
"""How the name of the volume with the backups ends."""

_KINDS = {
    CONTAINER: "container",
    IMAGE: "image",
    NETWORK: "network",
    VOLUME: "volume",
    BUILD: "built image",
}

_MADE = "create-replacement"
_GONE = "delete-replaced"
_SECRETS: Mapping[str, str] = {
    PASSWORD: "result",
    "tls:index/privateKey:PrivateKey": "privateKeyPem",
}
"""Types that make a secret, and the output that it is in."""


class DockerStage:
    """A Docker host of which the provider server keeps a record.

    cloud: runs the provider server. config: the stack file's `config` section.
    """

    unproven = (
        "that containers start, become healthy and serve (none ever runs: make local)",
        "that images exist and can be pulled or built",
        "that no request is lost while containers are replaced",
        "that migrations succeed, and that backups can be restored",
        "that the certificate is issued and renewed",
        "that the host is reached, prepared and firewalled",
        "that Docker takes it all (looked for: clashes of names and ports, and what is "
        "used before it is made or deleted while it is used)",
    )
    data_types = DATA["docker"]

    options: Mapping[str, str] = {}

    data_options: frozenset[str] = frozenset()
    troubles = (URLError,)
    client_environment: Mapping[str, str] = {}
    hints = ("pulumi stack --show-ids        # nothing runs: docker shows none of it",)

    def __init__(self, cloud: EmbeddedCloud, config: Mapping[str, Any]) -> None:
        del config
        self._cloud = cloud
        self._given: list[str] = []

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        """What every platform needs, and an address where this machine's is not meant.

        It is where a folder is built into the engine that runs it.
        """
        supplies = Supplies()
        supply_release(config, supplies)
        host = config.get("stromhaltig:host") or {}
        image = config.get("stromhaltig:image") or {}
        if not (host.get("address") or image.get("context")):
            supplies.config["host"] = {**host, "address": ADDRESS}
            supplies.said["host.address"] = f"{ADDRESS}, which nothing connects to"
        self._given = list(supplies.secrets.values())
        return supplies

    def inventory(self) -> set[Thing]:
        """Everything that is recorded as being on the host or in a registry."""
        return {
            _thing(entry)
            for entry in self._cloud.recorded()
            if entry.token.split(":")[0] not in STATE_ONLY
        }

    def secret_values(self) -> list[str]:
        """The operator's secrets, generated passwords and private keys."""
        made = [
            str(entry.outputs[_SECRETS[entry.token]])
            for entry in self._cloud.recorded()
            if entry.token in _SECRETS
        ]
        # JSON writes line breaks in its own way: one line tells as much.
        return [max(value.splitlines(), key=len) for value in [*self._given, *made]]

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        """What the containers run that the proxy finds as the app."""
        del outputs
        images = {
            f"{image} (never healthy)" if entry.fault else image
            for entry, image in self._serving()
        }
        return ", ".join(sorted(images))

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        """The release runs; only the proxy is reached; `inspect` shows no secret."""
        image = self.deployed_image(outputs)
        if image != outputs["release"]:
            raise StageError(f"the app does not run the release, but {image}")
        self._refuse_shown_secrets()
        ports = self._ports_of_proxy(outputs["proxy_container"])
        return [
            f"only the proxy publishes ports: {', '.join(map(str, ports))}",
            "docker inspect shows no secret of any container",
        ]

    def check_change(self, events: Sequence[Event]) -> list[str]:
        """New containers come before the old ones go; nothing else that serves does."""
        order = [(e.op, e.name) for e in events if e.type == CONTAINER]
        replaced = sorted({name for op, name in order if op == _MADE})
        for name in replaced:
            if (_GONE, name) in order[: order.index((_MADE, name))]:
                raise StageError(f"{name} was deleted before the new one was there")
        if not replaced:
            raise StageError("no container of the app was replaced")
        release = {image for _, image in self._serving()}
        running = {entry.name for entry, image in self._images() if image in release}
        serving = {entry.name for entry in self._containers() if _serves(entry)}
        if strangers := sorted(serving.intersection(replaced) - running):
            raise StageError(f"replaced, but not the app's: {', '.join(strangers)}")
        kept = sum(op == "same" for op, _ in order)
        return [
            f"{len(replaced)} containers replaced, each made before the old one was "
            f"deleted: {', '.join(replaced)}",
            f"{kept} other containers untouched",
        ]

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        """What somebody in a hurry does with `docker`."""
        return [
            self._removed(next(entry for entry, _ in self._serving())),
            self._unattended(self._called(outputs["database_container"])),
            self._squeezed(self._called(outputs["cache_container"])),
        ]

    @contextmanager
    def refusing(self, message: str) -> Iterator[None]:
        """New containers of the app never become healthy."""
        for entry, _ in self._serving():
            self._cloud.break_new(CONTAINER, entry.name, message)
        try:
            yield
        finally:
            self._cloud.heal()

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        """Every container of the release before is there; the proxy goes on to it."""
        del outputs
        before = {entry.name for entry, has in self._serving() if has == image}
        now = {entry.name for entry, _ in self._serving()}
        if gone := sorted(now - before):
            raise StageError(f"the release before is gone: {', '.join(gone)}")
        return [f"{len(before)} containers of the release before are still there"]

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        """Images stay, for who goes back to them, and so do production's backups."""
        return {
            t
            for t in left
            if t.ending or t.kind == _KINDS[BUILD] or t.name.endswith(BACKUPS)
        }

    def _containers(self) -> list[Entry]:
        return [entry for entry in self._cloud.recorded() if entry.token == CONTAINER]

    def _images(self) -> list[tuple[Entry, str]]:
        """Each container with the image that it was asked to run, by its reference."""
        images = [each for each in self._cloud.recorded() if each.token == IMAGE]
        # Of a tag and a digest for the same image, the digest comes last, and stays.
        images.sort(key=lambda image: "sha256:" in image.inputs["name"])
        names = {image.outputs["imageId"]: image.inputs["name"] for image in images}
        return [
            (entry, str(names.get(entry.inputs["image"], entry.inputs["image"])))
            for entry in self._containers()
        ]

    def _serving(self) -> list[tuple[Entry, str]]:
        """The containers that the proxy finds as the app, with their images."""
        found = [
            (entry, image)
            for entry, image in self._images()
            for network in entry.inputs.get("networksAdvanced") or []
            if APP in (network.get("aliases") or [])
        ]
        return sorted(found, key=lambda each: each[0].name)

    def _called(self, name: str) -> Entry:
        return next(e for e in self._containers() if e.inputs["name"] == name)

    def _refuse_shown_secrets(self) -> None:
        """Everybody who may talk to Docker sees all of a container but its files."""
        secrets = self.secret_values()
        for container in self._containers():
            shown = str({k: v for k, v in container.inputs.items() if k != "uploads"})
            if any(secret in shown for secret in secrets):
                raise StageError(
                    f"docker inspect {container.inputs['name']} shows a secret"
                )

    def _ports_of_proxy(self, proxy: str) -> list[int]:
        """The published ports, which nobody else may have."""
        ports: list[int] = []
        for container in self._containers():
            name = container.inputs["name"]
            published = [p.get("external") for p in container.inputs.get("ports") or []]
            if published and name != proxy:
                raise StageError(f"{name} publishes {published}, and is not the proxy")
            ports += published
        return ports

    def _removed(self, container: Entry) -> Drift:
        return Drift(
            f"docker rm -f {container.inputs['name']}",
            CONTAINER,
            lambda: self._cloud.remove(container),
            lambda: any(each.name == container.name for each in self._containers()),
            seen_as="delete",
        )

    def _unattended(self, container: Entry) -> Drift:
        return self._updated(container, "restart", "no", "--restart no")

    def _squeezed(self, container: Entry) -> Drift:
        half = int(container.inputs["memory"]) // 2
        return self._updated(container, "memory", half, f"--memory {half}m")

    def _updated(self, container: Entry, key: str, value: object, option: str) -> Drift:
        name, before = container.inputs["name"], container.inputs[key]
        return Drift(
            f"docker update {option} {name}",
            CONTAINER,
            lambda: self._cloud.spoil(container, {key: value}),
            lambda: self._called(name).inputs[key] == before,
        )


def _serves(entry: Entry) -> bool:
    """Whether a container runs on; others carry files in, or run once for a release."""
    return entry.inputs.get("start") is not False and not entry.inputs.get("attach")


def _thing(entry: Entry) -> Thing:
    kind = _KINDS.get(entry.token, entry.token)
    name = str(entry.inputs.get("name") or entry.outputs.get("ref") or entry.name)
    return Thing(kind, name, "stays on the host" if entry.left else "")
