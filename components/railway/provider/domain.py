"""A name under which a service of Railway is reached from the internet."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult

from components.railway import operations as ops
from components.railway.client import Client, ensure
from components.railway.provider.base import (
    ACCESS_INPUTS,
    Props,
    Provider,
    Resource,
    connect,
    found,
    gone,
    joined,
    place_of,
    removed,
    split,
)

_ID = "PROJECT/ENVIRONMENT/SERVICE/DOMAIN"
_RECORD_TYPE: Final = "DNS_RECORD_TYPE_"


class DomainProvider(Provider):
    """Makes, points and deletes a domain; its id is PROJECT/ENVIRONMENT/SERVICE/DOMAIN.

    With `domain_name` it is a domain of the operator's, else one that Railway makes up.
    """

    inputs: ClassVar[frozenset[str]] = ACCESS_INPUTS | {
        "project_id",
        "environment_id",
        "service_id",
        "domain_name",
        "port",
    }
    replacing: ClassVar[frozenset[str]] = frozenset(
        {"project_id", "environment_id", "service_id", "domain_name"}
    )
    delete_first: ClassVar[bool] = False

    def create(self, props: Props) -> CreateResult:
        """Make the domain, or go on with the one that a run before has made."""
        with connect(props) as client:
            domain = ensure(
                lambda: _find(client, props), lambda: _create(client, props)
            )
            _point(client, domain, props)
        id_ = joined(*place_of(props).values(), props["service_id"], domain["id"])
        return CreateResult(id_, {**props, **_outs(domain)})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look where the domain points to, and what its owner has to enter."""
        project_id, environment_id, service_id, domain_id = split(id_, _ID)
        where = {
            "project_id": project_id,
            "environment_id": environment_id,
            "service_id": service_id,
        }
        with connect(props) as client:
            domains = {str(domain["id"]): domain for domain in _all(client, where)}
        domain = domains.get(domain_id)
        if domain is None:
            return gone()
        outs = {**props, **where, **_outs(domain), "port": domain["targetPort"] or 0}
        if "status" in domain:
            outs["domain_name"] = domain["domain"]
        return ReadResult(id_, outs)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Point the domain to another port."""
        kept = {key: _olds[key] for key in ("domain", "dns_records")}
        if "port" in self.changed(_olds, _news):
            domain = {
                "id": split(_id, _ID)[3],
                "domain": kept["domain"],
                "targetPort": _olds["port"],
            }
            with connect(_news) as client:
                _point(client, domain, _news)
        return UpdateResult({**_news, **kept})

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the domain."""
        delete = (
            ops.CUSTOM_DOMAIN_DELETE
            if "domain_name" in _props
            else ops.SERVICE_DOMAIN_DELETE
        )
        with connect(_props) as client:
            removed(client, delete, {"id": split(_id, _ID)[3]})


def _all(client: Client, props: Props) -> list[Any]:
    answer = found(
        client, ops.DOMAINS, {**place_of(props), "serviceId": props["service_id"]}
    )
    if answer is None:
        return []
    domains = [*answer["customDomains"], *answer["serviceDomains"]]
    return [domain for domain in domains if not domain["deletedAt"]]


def _find(client: Client, props: Props) -> Any:
    name = props.get("domain_name")
    for domain in _all(client, props):
        custom = "status" in domain
        if domain["domain"].lower() == name.lower() if name else not custom:
            return domain
    return None


def _create(client: Client, props: Props) -> Any:
    wanted = {
        "environmentId": props["environment_id"],
        "serviceId": props["service_id"],
        "targetPort": int(props["port"]),
    }
    if name := props.get("domain_name"):
        of_project = {"projectId": props["project_id"], "domain": name}
        create, wanted = ops.CUSTOM_DOMAIN_CREATE, {**wanted, **of_project}
    else:
        create = ops.SERVICE_DOMAIN_CREATE
    created = client.call(create, {"input": wanted})
    return next(d for d in _all(client, props) if d["id"] == created["id"])


def _point(client: Client, domain: Any, props: Props) -> None:
    port = int(props["port"])
    if domain["targetPort"] == port:
        return
    environment = {"environmentId": props["environment_id"]}
    if "domain_name" in props:
        client.call(
            ops.CUSTOM_DOMAIN_UPDATE,
            {**environment, "id": domain["id"], "targetPort": port},
        )
        return
    wanted = {
        **environment,
        "serviceId": props["service_id"],
        "serviceDomainId": domain["id"],
        "domain": domain["domain"],
        "targetPort": port,
    }
    client.call(ops.SERVICE_DOMAIN_UPDATE, {"input": wanted})


def _outs(domain: Any) -> Props:
    return {"domain": domain["domain"], "dns_records": _records(domain.get("status"))}


def _records(status: Any) -> list[dict[str, str]]:
    """Return what the domain's owner enters at the DNS provider."""
    if not status:
        return []
    records = [
        {
            "type": record["recordType"].removeprefix(_RECORD_TYPE),
            "name": record["fqdn"],
            "value": record["requiredValue"],
        }
        for record in status["dnsRecords"]
    ]
    if status["verificationDnsHost"] and status["verificationToken"]:
        proof = {
            "type": "TXT",
            "name": status["verificationDnsHost"],
            "value": status["verificationToken"],
        }
        records.append(proof)
    return records


class DomainResource(Resource, module="railway", name="Domain"):
    """A domain; inputs as `DomainProvider.inputs`."""

    domain: pulumi.Output[str]
    dns_records: pulumi.Output[list[dict[str, str]]]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(DomainProvider(), name, props, ("domain", "dns_records"), opts)
