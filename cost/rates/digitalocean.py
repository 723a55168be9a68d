"""What DigitalOcean asks for: apps, clusters, buckets, and the droplet."""

from __future__ import annotations

from collections.abc import Iterator

from cost.meter import Gap, Line, Meter, Rate, elements
from resource_graph import Resource

_WEEKLY = 0.2
_DAILY = 0.3
"""Of a droplet's price, for its backups."""


def app(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its instances by size, static sites, a development database, its address.

    A job before a deployment is paid for while it runs: some seconds.
    """
    for service in elements(resource, "spec.services"):
        size = resource.get(f"{service}.instanceSizeSlug")
        count = resource.get(f"{service}.instanceCount", 1)
        if resource.has(f"{service}.autoscaling"):
            count = resource.get(f"{service}.autoscaling.minInstanceCount")
        instances = meter.assume.tasks or count
        yield meter.item(
            resource, "App", f"instances, {size}", f"app.{size}", instances, "tasks"
        )
    for what, key, price in (
        ("static sites", "staticSites", "app.static"),
        ("development database", "databases", "app.dev_database"),
    ):
        found = len(elements(resource, f"spec.{key}"))
        if found:
            yield meter.item(resource, "App", what, price, found)
    if resource.has("spec.egresses") or resource.has("spec.egress"):
        yield meter.item(resource, "App", "own address", "app.dedicated_ip", 1)


def cluster(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Its nodes; backups of the last seven days come with them."""
    engine, size = resource.get("engine"), resource.get("size")
    group = {"pg": "Database", "valkey": "Cache"}.get(engine, engine)
    nodes = resource.get("nodeCount", 1)
    yield meter.item(resource, group, f"nodes, {size}", f"{engine}.{size}", nodes)
    if resource.has("storageSizeMib"):
        yield Gap(why="it is not known how much of storageSizeMib comes with the size")


def bucket(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Spaces are paid for once an account, up to 250 GiB."""
    if meter.is_first(resource):
        yield meter.item(resource, "Buckets", "Spaces", "spaces", 1)


def registry(resource: Resource, meter: Meter) -> Iterator[Line]:
    """By its tier."""
    tier = resource.get("subscriptionTierSlug")
    yield meter.item(resource, "Images", f"registry, {tier}", f"registry.{tier}", 1)


def check(resource: Resource, meter: Meter) -> Iterator[Line]:
    """Itself; an account's first is free."""
    yield meter.item(resource, "Watching", "check from outside", "uptime", 1)


def droplet(resource: Resource, meter: Meter) -> Iterator[Line]:
    """By its size, and a share of that for its backups."""
    size = resource.get("size")
    yield meter.item(resource, "Servers", f"droplet, {size}", f"droplet.{size}", 1)
    if resource.get("backups", False):
        plan = resource.get("backupPolicy.plan", "weekly")
        share = _DAILY if plan == "daily" else _WEEKLY
        what = f"backups, {plan}"
        yield meter.item(resource, "Servers", what, f"droplet.{size}", share)


def volume(resource: Resource, meter: Meter) -> Iterator[Line]:
    """By its size."""
    yield meter.item(resource, "Servers", "volume", "volume", resource.get("size", 0))


RATES: dict[str, Rate] = {
    "digitalocean:index/app:App": app,
    "digitalocean:index/containerRegistry:ContainerRegistry": registry,
    "digitalocean:index/databaseCluster:DatabaseCluster": cluster,
    "digitalocean:index/droplet:Droplet": droplet,
    "digitalocean:index/spacesBucket:SpacesBucket": bucket,
    "digitalocean:index/uptimeCheck:UptimeCheck": check,
    "digitalocean:index/volume:Volume": volume,
}
