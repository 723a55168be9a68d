"""Types of DigitalOcean: recorded, with what makes a deployment honest.

Nothing runs. What App Platform does to secrets, when it deploys and which jobs that
runs is kept as it is there, for a program that gets it wrong deploys each time. What
replaces comes from the upstream provider's schemas ("ForceNew"):
https://github.com/digitalocean/terraform-provider-digitalocean.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rehearsal.provider import schema
from rehearsal.provider.ledger import Entry, Ledger
from rehearsal.provider.lifecycle import (
    GENERATED,
    InitFailedError,
    Reading,
    generated_name,
)
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.wire import Properties

APP = "digitalocean:index/app:App"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
DATABASE = "digitalocean:index/databaseDb:DatabaseDb"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
USER = "digitalocean:index/databaseUser:DatabaseUser"
DEPLOYMENT = "digitalocean:rehearsal:Deployment"
"""A deployment of an app: no resource of a program, but what the platform lists."""

ACTIVE = "ACTIVE"
FAILED = "ERROR"
SUPERSEDED = "SUPERSEDED"
"""Phases of a deployment."""

_ENCRYPTED = re.compile(r"EV\[1:[^:\]]+:[^:\]]+\]")
_NAME_LIMIT = 255
_NOW = "2026-01-01 00:00:00 +0000 UTC"
_COMPONENTS = ("services", "jobs", "staticSites", "workers")


class _Named(Recorded):
    """What the types have in common: a name of their own, and inputs that replace."""

    replaces: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change makes a new resource."""

    def check(
        self, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[str]]:
        """With the generated name, which stays while the resource does."""
        inputs, problems = super().check(name, old, new, seed)
        named = "name" in schema.resource(self.token).inputs
        if not named or inputs.get("name") is not None:
            return inputs, problems
        kept = old.get("name") if "name" in old.get(GENERATED, []) else None
        made = kept or generated_name(name, _NAME_LIMIT, seed)
        return {**inputs, "name": made, GENERATED: ["name"]}, problems

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """What the upstream provider declares."""
        del old, new
        return changed & self.replaces

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """An id as the API gives it, and what follows from it."""
        del name
        made = str(uuid.uuid4())
        return made, self.computed(made, inputs)

    def computed(self, id: str, inputs: Properties) -> Properties:
        """The outputs that are no inputs."""
        del inputs
        return self._without_inputs(id)

    def _without_inputs(self, id: str) -> Properties:
        declared = schema.resource(self.token)
        return {
            key: self._invent(kind, key, id)
            for key, kind in declared.outputs.items()
            if key not in declared.inputs
        }


class App(_Named):
    """An app: secrets are encrypted, and each change of the spec is a deployment."""

    replaces = frozenset({"projectId"})

    def known(self, inputs: Properties, outputs: Properties) -> Properties:
        """What a change is looked for against: the encrypted values, not the plain.

        The provider compares with what it read, so plain text is always a change.
        """
        spec, live = inputs.get("spec"), outputs.get("spec")
        if not (spec and live):
            return inputs
        kept = _secrets(live)
        return {**inputs, "spec": _with_secrets(spec, lambda p, v: kept.get(p, v))}

    def create(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Make it and deploy it for the first time."""
        with self.ledger.lock:
            self._refuse_clashes(inputs)
            spec = _encrypted(inputs["spec"], {})
            made = str(uuid.uuid4())
            kept = {**_public(inputs), "spec": spec}
            outputs = {**self._addresses(made, spec), **kept}
            entry = Entry(self.token, made, name, kept, outputs)
            return made, self._deploy(entry)

    def update(
        self, id: str, state: Properties, old: Properties, new: Properties
    ) -> Properties:
        """Take the spec, encrypt what is new, and deploy."""
        del state, old
        with self.ledger.lock:
            entry = self.ledger.find(self.token, id)
            if entry is None:
                raise LookupError(f"{self.token} {id} is no longer there: 404")
            spec = _encrypted(new["spec"], _secrets(entry.inputs["spec"]))
            kept = {**_public(new), "spec": spec}
            outputs = {**entry.outputs, **kept}
            return self._deploy(replace(entry, inputs=kept, outputs=outputs))

    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """Its deployments go with it."""
        super().delete(id, state, inputs)
        for deployment in deployments(self.ledger, id):
            self.ledger.strike(DEPLOYMENT, deployment.id)

    def _deploy(self, entry: Entry) -> Properties:
        """Run the jobs, then what the spec says; a failure leaves what ran before."""
        fault = self.ledger.fault(self.token, entry.name)
        made = str(uuid.uuid4())
        spec = entry.inputs["spec"]
        if fault is None:
            for former in deployments(self.ledger, entry.id):
                if former.inputs["phase"] == ACTIVE:
                    ended = {**former.inputs, "phase": SUPERSEDED}
                    self.ledger.enter(replace(former, inputs=ended))
            entry = replace(
                entry, outputs={**entry.outputs, "activeDeploymentId": made}
            )
        jobs = [j["name"] for j in spec.get("jobs") or [] if j["kind"] == "PRE_DEPLOY"]
        facts = {
            "app": entry.id,
            "number": len(deployments(self.ledger, entry.id)) + 1,
            "phase": FAILED if fault else ACTIVE,
            "jobs": jobs,
            "spec": spec,
        }
        self.ledger.enter(Entry(DEPLOYMENT, made, entry.name, facts, {}))
        self.ledger.enter(entry)
        if fault is not None:
            reading = Reading(entry.id, entry.outputs, entry.inputs)
            raise InitFailedError(reading, fault)
        return entry.outputs

    def _refuse_clashes(self, inputs: Properties) -> None:
        name = inputs["spec"]["name"]
        for other in self.ledger.of_type(APP):
            if other.inputs["spec"]["name"] == name:
                raise ValueError(f'an app named "{name}" already exists: 409')

    def _addresses(self, id: str, spec: Properties) -> Properties:
        host = f"{spec['name']}-{id[:5]}.ondigitalocean.app"
        domains = [each["name"] for each in spec.get("domainNames") or []]
        live = next(iter(domains), host)
        return {
            "activeDeploymentId": "",
            "appUrn": f"do:app:{id}",
            "createdAt": _NOW,
            "dedicatedIps": [],
            "defaultIngress": f"https://{host}",
            "liveDomain": live,
            "liveUrl": f"https://{live}",
            "updatedAt": _NOW,
        }


class DatabaseCluster(_Named):
    """A cluster: addresses, and an administrator with a password."""

    replaces = frozenset({"engine", "name", "privateNetworkUuid", "projectId"})

    def computed(self, id: str, inputs: Properties) -> Properties:
        """As DigitalOcean gives them; the scheme tells the engine."""
        host = f"{inputs['name']}-do-user-1-0.k.db.ondigitalocean.com"
        postgres = inputs["engine"] == "pg"
        user, database = ("doadmin", "defaultdb") if postgres else ("default", "")
        scheme, options = (
            ("postgresql", "?sslmode=require")
            if postgres
            else (
                "rediss",
                "",
            )
        )
        password = _password()
        login = f"{scheme}://{user}:{password}@"
        tail = f":25060/{database}{options}"
        return {
            **self._without_inputs(id),
            "clusterUrn": f"do:dbaas:{id}",
            "database": database,
            "host": host,
            "password": password,
            "port": 25060,
            "privateHost": f"private-{host}",
            "privateNetworkUuid": str(uuid.uuid4()),
            "privateUri": f"{login}private-{host}{tail}",
            "uri": f"{login}{host}{tail}",
            "user": user,
        }


class InCluster(_Named):
    """A database of a cluster."""

    replaces = frozenset({"clusterId", "name"})

    def admit(self, entry: Entry) -> None:
        """The cluster has to be there."""
        if self.ledger.find(CLUSTER, entry.inputs["clusterId"]) is None:
            raise ValueError(f"cluster {entry.inputs['clusterId']} not found: 404")


class DatabaseUser(InCluster):
    """A user with a password that DigitalOcean makes."""

    def computed(self, id: str, inputs: Properties) -> Properties:
        """The password; the other credentials are for other engines."""
        del id, inputs
        return {"password": _password(), "role": "normal"}


class DatabaseFirewall(InCluster):
    """Who may connect; an app has to exist to be named."""

    replaces = frozenset({"clusterId"})

    def admit(self, entry: Entry) -> None:
        """The cluster and each app have to be there."""
        super().admit(entry)
        for rule in entry.inputs["rules"]:
            if rule["type"] == "app" and self.ledger.find(APP, rule["value"]) is None:
                raise ValueError(f"app {rule['value']} not found: 404")


class OfCluster(InCluster):
    """What a cluster's engine is told."""

    replaces = frozenset({"clusterId"})


class SpacesBucket(_Named):
    """A bucket, which its name identifies."""

    replaces = frozenset({"name", "region"})

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Its addresses."""
        del name
        host = f"{inputs['region']}.digitaloceanspaces.com"
        return inputs["name"], {
            "bucketDomainName": f"{inputs['name']}.{host}",
            "bucketUrn": f"do:space:{inputs['name']}",
            "endpoint": host,
        }


class SpacesKey(_Named):
    """A key, with its secret."""

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Both halves."""
        del name, inputs
        key = f"DO00{secrets.token_hex(8).upper()}"
        outputs = {
            "accessKey": key,
            "createdAt": _NOW,
            "secretKey": secrets.token_urlsafe(32),
        }
        return key, outputs


class ContainerRegistry(_Named):
    """The account's registry, which its name identifies."""

    replaces = frozenset({"name", "region"})

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Where it answers."""
        del name
        server = "registry.digitalocean.com"
        return inputs["name"], {
            "createdAt": _NOW,
            "endpoint": f"{server}/{inputs['name']}",
            "serverUrl": server,
            "storageUsageBytes": 0,
        }


class ProjectResources(_Named):
    """What is shown in a project."""

    replaces = frozenset({"project"})


class Droplet(_Named):
    """A machine, which a number identifies."""

    replaces = frozenset(
        {
            *("dropletAgent", "image", "monitoring", "privateNetworking", "region"),
            *("sshKeys", "userData", "vpcUuid"),
        }
    )

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Its number and addresses."""
        del name, inputs
        made = str(100_000_000 + secrets.randbelow(900_000_000))
        outputs = {
            **self._without_inputs(made),
            "dropletUrn": f"do:droplet:{made}",
            "ipv4Address": f"198.51.100.{1 + secrets.randbelow(254)}",
            "status": "active",
        }
        return made, outputs


class ReservedIp(_Named):
    """An address, which identifies itself."""

    replaces = frozenset({"region"})

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """One that nobody has."""
        del name, inputs
        address = f"203.0.113.{1 + secrets.randbelow(254)}"
        return address, {
            "ipAddress": address,
            "reservedIpUrn": f"do:reservedip:{address}",
        }


class ReservedIpAssignment(_Named):
    """Which machine an address leads to."""

    replaces = frozenset({"dropletId", "ipAddress"})


class SshKey(_Named):
    """A public key of the account."""

    replaces = frozenset({"publicKey"})

    def computed(self, id: str, inputs: Properties) -> Properties:
        """What droplets name it by."""
        del id, inputs
        return {"fingerprint": bytes.fromhex(secrets.token_hex(16)).hex(":")}


class Volume(_Named):
    """A disk; it grows in place."""

    replaces = frozenset(
        {
            *("description", "initialFilesystemLabel", "initialFilesystemType"),
            *("name", "region", "snapshotId"),
        }
    )

    def computed(self, id: str, inputs: Properties) -> Properties:
        """Attached to nothing yet."""
        del inputs
        return {**self._without_inputs(id), "volumeUrn": f"do:volume:{id}"}


TYPES: Mapping[str, type[Recorded]] = {
    APP: App,
    BUCKET: SpacesBucket,
    CLUSTER: DatabaseCluster,
    DATABASE: InCluster,
    FIREWALL: DatabaseFirewall,
    "digitalocean:index/containerRegistry:ContainerRegistry": ContainerRegistry,
    "digitalocean:index/databasePostgresqlConfig:DatabasePostgresqlConfig": OfCluster,
    USER: DatabaseUser,
    "digitalocean:index/droplet:Droplet": Droplet,
    "digitalocean:index/firewall:Firewall": _Named,
    "digitalocean:index/project:Project": _Named,
    "digitalocean:index/projectResources:ProjectResources": ProjectResources,
    "digitalocean:index/reservedIp:ReservedIp": ReservedIp,
    "digitalocean:index/reservedIpAssignment:ReservedIpAssignment": (
        ReservedIpAssignment
    ),
    "digitalocean:index/spacesKey:SpacesKey": SpacesKey,
    "digitalocean:index/sshKey:SshKey": SshKey,
    "digitalocean:index/uptimeAlert:UptimeAlert": _Named,
    "digitalocean:index/uptimeCheck:UptimeCheck": _Named,
    "digitalocean:index/volume:Volume": Volume,
}
"""Token to how the type is recorded."""


def _get_app(ledger: Ledger, args: Properties) -> Properties:
    entry = ledger.find(APP, args["appId"])
    if entry is None:  # as the provider answers, which takes 404 for no error
        return {**args, "id": ""}
    shown = {k: v for k, v in entry.outputs.items() if k != "spec"}
    return {
        **shown,
        "id": entry.id,
        "appId": entry.id,
        "specs": [entry.outputs["spec"]],
    }


def _get_database_ca(ledger: Ledger, args: Properties) -> Properties:
    if ledger.find(CLUSTER, args["clusterId"]) is None:
        raise LookupError(f"GET /v2/databases/{args['clusterId']}/ca: 404 not found")
    body = f"recorded: authority of {args['clusterId']}"
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    return {**args, "id": args["clusterId"], "certificate": pem}


def _get_domain(ledger: Ledger, args: Properties) -> Properties:
    """Every domain is the account's: whose it is, only DigitalOcean can say."""
    del ledger
    name = args["name"]
    urn = f"do:domain:{name}"
    return {"id": name, "name": name, "domainUrn": urn, "ttl": 1800, "zoneFile": ""}


INVOKES: Mapping[str, Callable[[Ledger, Properties], Properties]] = {
    "digitalocean:index/getApp:getApp": _get_app,
    "digitalocean:index/getDatabaseCa:getDatabaseCa": _get_database_ca,
    "digitalocean:index/getDomain:getDomain": _get_domain,
}
"""Functions that are answered from what is recorded."""


def deployments(ledger: Ledger, app: str) -> list[Entry]:
    """An app's deployments, the first one first."""
    found = [e for e in ledger.of_type(DEPLOYMENT) if e.inputs["app"] == app]
    return sorted(found, key=lambda entry: int(entry.inputs["number"]))


@dataclass(frozen=True)
class _Place:
    """Where in a spec a secret is: component, and what of it."""

    component: str
    what: str


def _secrets(spec: Mapping[str, Any]) -> dict[_Place, str]:
    """The secret values of a spec, by where they are."""
    found: dict[_Place, str] = {}

    def note(place: _Place, value: Any) -> Any:
        found[place] = value
        return value

    _with_secrets(spec, note)
    return found


def _with_secrets(
    spec: Mapping[str, Any], change: Callable[[_Place, Any], Any]
) -> dict[str, Any]:
    """A copy of a spec with each secret value changed."""
    copied: dict[str, Any] = deepcopy(dict(spec))
    for kind in _COMPONENTS:
        for component in copied.get(kind) or []:
            at = f"{kind}/{component['name']}"
            for env in component.get("envs") or []:
                if env.get("type") == "SECRET":
                    env["value"] = change(_Place(at, env["key"]), env.get("value"))
            image = component.get("image") or {}
            if image.get("registryCredentials"):
                place = _Place(at, "image")
                image["registryCredentials"] = change(
                    place, image["registryCredentials"]
                )
    return copied


def _encrypted(spec: Mapping[str, Any], before: Mapping[_Place, str]) -> dict[str, Any]:
    """The spec as App Platform keeps it.

    before: the encrypted values that the app has.

    Raises ValueError for an encrypted value that is not this app's at this place.
    """

    def encrypt(place: _Place, value: Any) -> str:
        if not _ENCRYPTED.fullmatch(str(value)):
            nonce, text = secrets.token_urlsafe(18), secrets.token_urlsafe(24)
            return f"EV[1:{nonce}:{text}]"
        if before.get(place) != value:
            raise ValueError(
                f"{place.component}: the encrypted value of {place.what} is not what "
                "the app has there: 400"
            )
        return str(value)

    return _with_secrets(spec, encrypt)


def _password() -> str:
    return f"AVNS_{secrets.token_urlsafe(18)}"


def _public(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != GENERATED}
