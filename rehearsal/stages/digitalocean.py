"""DigitalOcean as the stage of a rehearsal: recorded, so that nothing runs."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from urllib.error import URLError

from rehearsal.cloud import EmbeddedCloud
from rehearsal.provider.digitalocean import (
    ACTIVE,
    APP,
    CLUSTER,
    DEPLOYMENT,
    FAILED,
    FIREWALL,
    USER,
)
from rehearsal.provider.ledger import Entry
from rehearsal.provider.recorded import STATE_ONLY
from rehearsal.pulumi_cli import Event
from rehearsal.stages.stage import Drift, StageError, Supplies, Thing, supply_release
from resource_types import DATA, PASSWORD

NOWHERE = "http://127.0.0.1:9"
"""An address of this machine at which nobody answers, for the API's."""

_NOBODY = "rehearsal@stromhaltig.invalid"
_SECRETS: Mapping[str, str] = {
    PASSWORD: "result",
    USER: "password",
    "digitalocean:index/spacesKey:SpacesKey": "secretKey",
    CLUSTER: "password",
}
"""Types that make a secret, and the output that it is in."""

_HOSTS: Mapping[str, str] = {
    "GHCR": "ghcr.io",
    "DOCKER_HUB": "docker.io",
    "DOCR": "registry.digitalocean.com",
}
_WITHOUT_RELEASES: Mapping[str, str] = {
    "droplet": "a stack that makes a machine has no release to rehearse. Rehearse the "
    "stack of platform docker that runs on it",
    "github": "releases of a repository come with a push, not with an update. Rehearse "
    "the same file with image.ref in its place",
}
"""Keys of stacks that are deployed without what a rehearsal is about."""


class DigitalOceanStage:
    """DigitalOcean, of which the provider server keeps a record.

    cloud: runs the provider server. config: the stack file's `config` section.

    Raises StageError for a stack without releases of its own.
    """

    unproven = (
        "that instances start, become healthy and serve (none ever runs)",
        "that images exist and can be pulled, that a repository can be built",
        "that migrations succeed (told is only when App Platform would run them)",
        "that DigitalOcean takes the spec (looked for: what its provider declares)",
        "that regions and sizes are to be had in this account today",
        "that certificates are issued and the domain leads there",
        "that addresses of clients are told from those of proxies (TRUSTED_PROXIES)",
        "that databases are reached, fail over and can be restored",
        "how long DigitalOcean takes (the record answers at once)",
    )
    data_types = DATA["digitalocean"]

    options: Mapping[str, str] = {
        "cache": "stromhaltig:digitalocean:ManagedCache",
        "registry": "stromhaltig:digitalocean:ContainerRegistry",
        "spaces": "stromhaltig:digitalocean:Spaces",
        "uptime": "stromhaltig:digitalocean:Uptime",
    }

    data_options = frozenset({"registry", "spaces"})
    troubles = (URLError,)
    client_environment: Mapping[str, str] = {}
    hints = ("pulumi stack --show-ids        # nothing runs: doctl shows none of it",)

    def __init__(self, cloud: EmbeddedCloud, config: Mapping[str, Any]) -> None:
        for key, why in _WITHOUT_RELEASES.items():
            if f"stromhaltig:{key}" in config:
                raise StageError(f"stromhaltig:{key}: {why}")
        self._cloud = cloud
        self._given: list[str] = []
        self._deployed = 0

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        """What every platform needs, a token that opens nothing, and who is told."""
        supplies = Supplies()
        supply_release(config, supplies)
        supplies.config["digitalocean:apiEndpoint"] = NOWHERE
        for key in ("token", "spacesAccessId", "spacesSecretKey"):
            path = f"digitalocean:{key}"
            supplies.secrets[path] = f"rehearsal-{secrets.token_hex(16)}"
            supplies.said[path] = "a random value, which opens nothing"
        uptime = config.get("stromhaltig:uptime")
        if uptime is not None and not uptime.get("emails"):
            supplies.config["uptime"] = {**uptime, "emails": [_NOBODY]}
            supplies.said["uptime.emails"] = _NOBODY
        if (uptime or {}).get("slack_channel"):
            webhook = f"https://hooks.slack.com/services/{secrets.token_hex(12)}"
            supplies.secrets["secrets.SLACK_WEBHOOK_URL"] = webhook
            supplies.said["secrets.SLACK_WEBHOOK_URL"] = "a random value"
        logs = config.get("stromhaltig:logs") or {}
        if logs.get("destination", "papertrail") != "papertrail":
            token = f"rehearsal:{secrets.token_hex(12)}"
            supplies.secrets["secrets.LOG_TOKEN"] = token
            supplies.said["secrets.LOG_TOKEN"] = "a random value"  # noqa: S105
        self._given = list(supplies.secrets.values())
        return supplies

    def inventory(self) -> set[Thing]:
        """Everything that is recorded as being in the account."""
        return {
            _thing(entry)
            for entry in self._cloud.recorded()
            if entry.token != DEPLOYMENT and entry.token.split(":")[0] not in STATE_ONLY
        }

    def secret_values(self) -> list[str]:
        """The operator's secrets, generated ones, and those that DigitalOcean made."""
        made = [
            str(entry.outputs[_SECRETS[entry.token]])
            for entry in self._cloud.recorded()
            if entry.token in _SECRETS
        ]
        return [*self._given, *made]

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        """What the deployment that serves was told to run."""
        (serving,) = [d for d in self._deployments() if d.inputs["phase"] == ACTIVE]
        (service,) = serving.inputs["spec"]["services"]
        return _reference(service["image"], str(outputs["release"]))

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        """The release is deployed, once; secrets are encrypted; databases closed."""
        release = self.deployed_image(outputs)
        if release != outputs["release"]:
            raise StageError(f"the app does not run the release, but {release}")
        self._expect_deployments(1, "the first update")
        shown = self._shown_secrets()
        if shown:
            raise StageError(f"the console shows in clear: {', '.join(shown)}")
        closed = self._closed_clusters()
        return [
            "one deployment, with one migration before it",
            "App Platform has every secret encrypted",
            f"{closed} databases let in the app and nobody else",
        ]

    def check_change(self, events: Sequence[Event]) -> list[str]:
        """A release is one deployment, and changes the app in place."""
        changed = sorted({e.name for e in events if e.op not in ("same", "read")})
        apps = [e for e in events if e.type == APP and e.op == "update"]
        if len(apps) != 1:
            raise StageError(f"the app was not updated in place: {', '.join(changed)}")
        self._expect_deployments(2, "an unchanged program and then a change")
        return [
            "one deployment more, with its migration: none was made in between by an "
            "unchanged program"
        ]

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        """What somebody in a hurry does in the console."""
        del outputs
        drifts = [self._fewer_instances()]
        firewalls = sorted(self._of(FIREWALL), key=lambda entry: entry.name)
        if firewalls:
            drifts += [self._opened(firewalls[0])]
            cluster = firewalls[0].inputs["clusterId"]
            drifts += [self._moved_window(self._found(CLUSTER, cluster))]
        return drifts

    @contextmanager
    def refusing(self, message: str) -> Iterator[None]:
        """The next deployment of the app fails, as when a migration does."""
        self._deployed = len(self._deployments())
        self._cloud.break_new(APP, self._app().name, message)
        try:
            yield
        finally:
            self._cloud.heal()

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        """The deployment before serves on; the one that failed is known."""
        serving = self.deployed_image(outputs)
        if serving != image:
            raise StageError(f"the app no longer runs {image}, but {serving}")
        failed = [d for d in self._deployments() if d.inputs["phase"] == FAILED]
        if len(self._deployments()) != self._deployed + 1 or len(failed) != 1:
            raise StageError("the update was not one deployment that failed")
        return ["the deployment before serves on"]

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        """Nothing: managed backups go with their cluster."""
        return {thing for thing in left if thing.ending}

    def _of(self, token: str) -> list[Entry]:
        return [entry for entry in self._cloud.recorded() if entry.token == token]

    def _found(self, token: str, id: str) -> Entry:
        return next(entry for entry in self._of(token) if entry.id == id)

    def _app(self) -> Entry:
        (app,) = self._of(APP)
        return app

    def _deployments(self) -> list[Entry]:
        return self._of(DEPLOYMENT)

    def _expect_deployments(self, count: int, after: str) -> None:
        """Each of them with the migration."""
        found = self._deployments()
        if len(found) != count:
            raise StageError(f"{len(found)} deployments after {after}, not {count}")
        if without := [d.id for d in found if d.inputs["jobs"] != ["migrate"]]:
            raise StageError(f"deployed without a migration: {', '.join(without)}")

    def _shown_secrets(self) -> list[str]:
        """Variables whose value the spec has in clear, though it is a secret."""
        values = set(self.secret_values())
        spec = self._app().inputs["spec"]
        return sorted(
            env["key"]
            for kind in ("services", "jobs", "staticSites")
            for component in spec.get(kind) or []
            for env in component.get("envs") or []
            if any(value in str(env.get("value")) for value in values)
        )

    def _closed_clusters(self) -> int:
        app = self._app().id
        rules = {f.inputs["clusterId"]: f.inputs["rules"] for f in self._of(FIREWALL)}
        for cluster in self._of(CLUSTER):
            if rules.get(cluster.id) != [{"type": "app", "value": app}]:
                raise StageError(f"{cluster.name} lets in others than the app")
        return len(rules)

    def _fewer_instances(self) -> Drift:
        app = self._app()
        spec = deepcopy(app.inputs["spec"])
        (service,) = spec["services"]
        scaling = service.get("autoscaling")
        holder, key = (
            (scaling, "maxInstanceCount") if scaling else (service, "instanceCount")
        )
        before = int(holder[key])
        holder[key] = before + 1
        return Drift(
            f"{before + 1} instances instead of {before}",
            APP,
            lambda: self._cloud.spoil(app, {"spec": spec}),
            lambda: self._instances(key) == before,
        )

    def _instances(self, key: str) -> int:
        (service,) = self._app().inputs["spec"]["services"]
        return int((service.get("autoscaling") or service)[key])

    def _opened(self, firewall: Entry) -> Drift:
        rules = list(firewall.inputs["rules"])
        everybody = {"type": "ip_addr", "value": "0.0.0.0/0"}
        return Drift(
            f"{firewall.name} opened to everybody",
            FIREWALL,
            lambda: self._cloud.spoil(firewall, {"rules": [*rules, everybody]}),
            lambda: self._found(FIREWALL, firewall.id).inputs["rules"] == rules,
        )

    def _moved_window(self, cluster: Entry) -> Drift:
        before = list(cluster.inputs["maintenanceWindows"])
        noon = [{"day": "monday", "hour": "12:00"}]
        return Drift(
            f"{cluster.name} may be updated on Mondays at noon",
            CLUSTER,
            lambda: self._cloud.spoil(cluster, {"maintenanceWindows": noon}),
            lambda: (
                self._found(CLUSTER, cluster.id).inputs["maintenanceWindows"] == before
            ),
        )


def _reference(image: Mapping[str, Any], release: str) -> str:
    """An image of a spec as a reference.

    release: one in the same place, for a spec does not say which registry is the
    account's own.
    """
    kind = image["registryType"]
    owner = image.get("registry") or release.split("/")[1]
    place = f"{_HOSTS[kind]}/{owner}/{image['repository']}"
    digest, tag = image.get("digest"), image.get("tag")
    return f"{place}@{digest}" if digest else f"{place}:{tag}"


def _thing(entry: Entry) -> Thing:
    kind = entry.token.rpartition(":")[2]
    return Thing(kind, f"{entry.name} {entry.id}")
