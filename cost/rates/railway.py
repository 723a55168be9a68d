"""What Railway asks for: what services use, not what they may."""

from __future__ import annotations

from collections.abc import Iterator

from cost.meter import Line, Meter, Rate
from resource_graph import Resource

_SERVICE = "pulumi-python:dynamic/railway:Service"
_VOLUME = "pulumi-python:dynamic/railway:Volume"


def service(resource: Resource, meter: Meter) -> Iterator[Line]:
    """The processor and memory that its replicas use, and what leaves."""
    assume = meter.assume
    replicas = int(resource.get("replicas", 1))
    for what, price, each, assumed in (
        ("processor", "vcpu", assume.railway_vcpu(resource.name), "service_vcpu"),
        ("memory", "memory", assume.railway_gb(resource.name), "service_memory_gb"),
    ):
        yield meter.item(resource, "Services", what, price, replicas * each, assumed)
    if resource.has("healthcheck_path"):
        # Only the app is reached from outside.
        yield meter.item(
            resource, "Traffic", "egress", "egress", assume.egress_gb, "egress_gb"
        )


def volume(resource: Resource, meter: Meter) -> Iterator[Line]:
    """What is on it."""
    uploads = resource.name.endswith("-uploads")
    assume = meter.assume
    gb = assume.uploads_gb if uploads else assume.database_used_gb
    assumed = "uploads_gb" if uploads else "database_used_gb"
    yield meter.item(resource, "Volumes", "volume", "volume", gb, assumed)


RATES: dict[str, Rate] = {_SERVICE: service, _VOLUME: volume}
