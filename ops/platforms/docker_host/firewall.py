"""What of a Docker host is open to others, as far as that can be seen.

The engine tells what containers publish. Whether the host filters it, only the host
knows; of filters before it, such as a provider's, nothing is seen at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ops.errors import OpsError
from ops.platforms.docker_host.engine import Engine
from ops.platforms.platform import Fact, State

SERVICE = "host-firewall"
"""The service of `python -m host` that filters published ports."""

_SHOW = ("systemctl", "show", "--property=LoadState,ActiveState", SERVICE)
_GUIDE = 'See "The firewall" in docs/docker-host.md.'


def facts(engine: Engine, proxy: str) -> list[Fact]:
    """What is published beside the proxy, and whether the host filters it.

    proxy: the container that is meant to be reached.
    """
    firewall = _service(engine)
    filtered = firewall.state is State.OK
    return [_published(engine, proxy, filtered=filtered), firewall]


def _published(engine: Engine, proxy: str, *, filtered: bool) -> Fact:
    """Look for what others than the proxy open to the world."""
    running = [each for each in engine.containers() if each.status == "running"]
    found = {each.name: list(_open(each)) for each in running if each.name != proxy}
    others = [f"{name} {', '.join(places)}" for name, places in found.items() if places]
    name = "published ports"
    if not others:
        return Fact(name, State.OK, f"none but those of {proxy}")
    says = f"beside {proxy}: {'; '.join(others)}"
    if filtered:
        return Fact(name, State.OK, f"{says}. {SERVICE} decides who reaches them")
    remedy = (
        "Publish them on 127.0.0.1, or not at all: Docker opens a published port past "
        f"ufw. {_GUIDE}"
    )
    return Fact(name, State.WARNING, says, remedy)


def _open(container: Any) -> Iterator[str]:
    """Where a container is reached by other machines, if nothing filters."""
    if container.attrs["HostConfig"]["NetworkMode"] == "host":
        yield "is in the host's network, with every port"
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    for bindings in ports.values():
        for binding in bindings or ():
            address = binding["HostIp"] or "0.0.0.0"  # noqa: S104 - read, not bound
            if not ipaddress.ip_address(address).is_loopback:
                host = f"[{address}]" if ":" in address else address
                yield f"{host}:{binding['HostPort']}"


def _service(engine: Engine) -> Fact:
    """See whether the host's own firewall is in place."""
    name = "firewall"
    try:
        told = engine.on_host(_SHOW)
    except OpsError as error:
        says = f"cannot be seen from here: {error}"
        return Fact(name, State.UNKNOWN, says, _GUIDE)
    known = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    match known.get("LoadState"), known.get("ActiveState"):
        case "loaded", "active":
            return Fact(name, State.OK, f"{SERVICE} is active on the host")
        case "loaded", str(state):
            return Fact(
                name,
                State.ERROR,
                f"{SERVICE} is {state}: whatever is published is open to everybody",
                f"On the host: sudo systemctl start {SERVICE}; why it is not: "
                f"journalctl -u {SERVICE}",
            )
        case "not-found", _:
            says = f"the host has no {SERVICE}; another one cannot be seen from here"
            return Fact(name, State.UNKNOWN, says, _GUIDE)
        case _:
            says = f"cannot be seen from here: systemctl says {told.strip()!r}"
            return Fact(name, State.UNKNOWN, says, _GUIDE)
