"""A name under which a service on Railway is reached, with a certificate."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.railway.access import Place
from components.railway.provider.domain import DomainResource


@dataclass(frozen=True, kw_only=True)
class DomainArgs:
    """What the domain needs to know.

    place: where its service is.
    service_id: the service that answers.
    port: TCP port that the service listens on.
    name: the operator's domain; None lets Railway make one up, below up.railway.app.
    """

    place: Place
    service_id: pulumi.Input[str]
    port: int
    name: str | None = None


class Domain(pulumi.ComponentResource):
    """A domain of a service. Railway sees to TLS once the DNS records are there.

    The records are the operator's to make: Railway knows no DNS zone of theirs.
    """

    name: pulumi.Output[str]
    """The domain."""

    url: pulumi.Output[str]
    """Where the service answers."""

    dns_records: pulumi.Output[list[dict[str, str]]]
    """What to enter at the DNS provider: type, name and value. Nothing for Railway's
    own domain."""

    def __init__(
        self, name: str, args: DomainArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:railway:Domain", name, None, opts)

        domain = DomainResource(
            name,
            {
                **args.place.inputs(),
                "service_id": args.service_id,
                "port": args.port,
                "domain_name": args.name,
            },
            pulumi.ResourceOptions(parent=self),
        )

        self.name = domain.domain
        self.url = domain.domain.apply(lambda found: f"https://{found}")
        self.dns_records = domain.dns_records
        self.register_outputs({"url": self.url})
