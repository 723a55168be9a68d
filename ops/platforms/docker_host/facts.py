"""How a Docker host is: its containers, its disk, and what they use of it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.platforms.docker_host.engine import Engine
from ops.platforms.docker_host.rollout import health, trouble
from ops.platforms.platform import Fact, Measure, State

CPU_PERCENT = 80.0
"""Of what a container may use. Source: the guide's monitoring section."""

MEMORY_PERCENT = 85.0
"""Of a container's limit. Source: the guide's monitoring section."""

DISK_PERCENT = 85.0
"""Of the file system that a volume is on. A backup needs room beside the old ones."""

CLOCK_SECONDS = 5.0
"""Difference between two clocks from which logs mislead; tokens fail from 30 on."""

OLDEST_ENGINE = (20, 10)
"""The oldest Docker that the tests run the stack on."""

_STATES = {"healthy": State.OK, "running": State.OK, "starting": State.UNKNOWN}


def container_fact(name: str, container: Any, address: str) -> Fact:
    """How a container is."""
    state = _STATES.get(health(container), State.ERROR)
    if state in {State.OK, State.UNKNOWN}:
        since = container.attrs["State"]["StartedAt"][:16].replace("T", " ")
        restarts = container.attrs["RestartCount"]
        again = f", restarted {restarts} times" if restarts else ""
        return Fact(name, state, f"{health(container)} since {since}{again}")
    remedy = f"docker --host {address} logs --tail 50 {container.name}"
    return Fact(name, state, trouble(container), remedy)


def named_fact(engine: Engine, name: str, container: str) -> Fact:
    """How a container is, by its name."""
    try:
        return container_fact(name, engine.container(container), engine.address)
    except OpsError as error:
        return Fact(name, State.ERROR, f"{container} is gone", str(error))


def engine_facts(engine: Engine) -> list[Fact]:
    """Whether the engine answers, how old it is, and what time it thinks it is.

    Raises OpsError when it does not answer.
    """
    told = engine.client.version()
    version = str(told["Version"])
    says = f"Docker {version}, API {told['ApiVersion']}, at {engine.address}"
    old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST_ENGINE
    update = f"Update Docker to {'.'.join(map(str, OLDEST_ENGINE))} or newer."
    state = State.WARNING if old else State.OK
    info = engine.client.info()
    return [
        Fact("engine", state, says, update if old else ""),
        clock(datetime.fromisoformat(info["SystemTime"]), datetime.now(UTC)),
        *(_warning(text) for text in info.get("Warnings") or () if "limit" in text),
    ]


def clock(there: datetime, here: datetime) -> Fact:
    """Whether two machines agree on the time."""
    apart = abs((there - here).total_seconds())
    if apart <= CLOCK_SECONDS:
        return Fact("clock", State.OK, f"{apart:.1f} s apart from this machine's")
    return Fact(
        "clock",
        State.WARNING,
        f"the host's is {apart:.0f} s apart from this machine's",
        "On the one that is wrong: timedatectl set-ntp true",
    )


def _warning(text: str) -> Fact:
    remedy = (
        "Limits of memory do not hold: see docs.docker.com/engine/install/troubleshoot"
    )
    return Fact("engine", State.WARNING, text.removeprefix("WARNING: "), remedy)


def disk(engine: Engine, name: str, container: str, path: str) -> Measure:
    """How full the file system is that a container has at a path."""
    try:
        total, used, free = space(engine, container, path)
    except OpsError as error:
        return Measure(name, None, "%", DISK_PERCENT, note=str(error))
    # As `df` counts: what only root may use is not free.
    percent = 100 * used / max(1, used + free)
    note = f"{free / 1024**3:.1f} GiB of {total / 1024**3:.1f} GiB left"
    return Measure(name, round(percent, 1), "%", DISK_PERCENT, note=note)


def space(engine: Engine, container: str, path: str) -> tuple[int, int, int]:
    """Bytes in all, used and free of that file system.

    Raises OpsError when the container does not run.
    """
    told = engine.output(container, ["df", "-Pk", path])
    _, total, used, free, *_ = told.splitlines()[-1].split()
    return int(total) * 1024, int(used) * 1024, int(free) * 1024


def usage(containers: Iterable[Any]) -> list[Measure]:
    """CPU and memory of containers, of what each may use.

    One that does not run has neither, and says why.
    """
    known = list(containers)
    # The engine watches for a second before it answers.
    with ThreadPoolExecutor(max_workers=max(1, len(known))) as pool:
        return [measure for each in pool.map(_usage, known) for measure in each]


def _usage(container: Any) -> list[Measure]:
    if container.status != "running":
        return no_usage(container.name, trouble(container))
    stats = container.stats(stream=False)
    cpu = cpu_percent(stats, container.attrs["HostConfig"]["NanoCpus"] / 1e9)
    memory = memory_percent(stats)
    return [
        Measure(
            f"{container.name} CPU",
            cpu,
            "%",
            CPU_PERCENT,
            note="the engine has no figure" if cpu is None else "",
        ),
        Measure(
            f"{container.name} memory",
            memory,
            "%",
            MEMORY_PERCENT,
            note="the host's kernel does not count it" if memory is None else "",
            offered=memory is not None,
        ),
    ]


def no_usage(name: str, why: str) -> list[Measure]:
    """CPU and memory of what does not run."""
    return [
        Measure(f"{name} CPU", None, "%", CPU_PERCENT, note=why),
        Measure(f"{name} memory", None, "%", MEMORY_PERCENT, note=why),
    ]


def cpu_percent(stats: Mapping[str, Any], cores: float) -> float | None:
    """CPU of a container, of the cores that it may use.

    cores: its limit; 0 for all of the host's. Source: as `docker stats` counts.
    """
    now, before = stats["cpu_stats"], stats["precpu_stats"]
    host = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    if host <= 0:
        return None
    own = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    online = now.get("online_cpus") or 1
    return float(round(100 * own / host * online / (cores or online), 1))


def memory_percent(stats: Mapping[str, Any]) -> float | None:
    """Memory of a container, of its limit, without files that are only cached."""
    memory = stats.get("memory_stats") or {}
    if not memory.get("limit"):
        return None
    details = memory.get("stats") or {}
    # Control groups of version 2, and of version 1.
    cached = details.get("inactive_file", details.get("total_inactive_file", 0))
    return float(round(100 * max(0, memory["usage"] - cached) / memory["limit"], 1))


def addresses(host: str) -> set[str]:
    """Public addresses of a host that is reached over SSH; none if nobody knows."""
    name = urlsplit(host).hostname
    if not name:
        return set()
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return set()
    each = {str(answer[4][0]) for answer in found}
    return {a for a in each if ipaddress.ip_address(a.partition("%")[0]).is_global}
