"""Which release of the app serves on a Docker host, and why another does not.

A release is a set of containers behind a name of its own on the edge network; nginx
names the one that gets requests. A new one is named once all of it is healthy, so a bad
release stands beside the one that serves on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.docker.names import APP
from ops.errors import FailedError
from ops.platforms.docker_host.engine import Engine
from ops.platforms.platform import Running, Verdict

PATIENCE = 180.0
"""Seconds that containers may take to become healthy after an update."""

TAIL = 20
"""Lines of a container that explain a failure."""

_LOOK_SECONDS = 1.0
_CONFIG = "/etc/stromhaltig/nginx.conf"
_UPSTREAM = re.compile(rb"set \$app ([a-z0-9-]+):\d+;")
_VERSION = re.compile(rb'return 200 "([0-9a-f]+)";')
_STATUS = re.compile(rb"listen 127\.0\.0\.1:(\d+);")
_ASK = 'curl -fsS "$1" 2>/dev/null || wget -q -O - "$1"'


@dataclass(frozen=True)
class Names:
    """What the stack's outputs say of the app.

    release: image reference. apps, migration, proxy: containers. edge: network.
    """

    release: str
    apps: tuple[str, ...]
    migration: str
    proxy: str
    edge: str

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Names:
        """Read the outputs of a stack of platform docker."""
        return cls(
            release=outputs["release"],
            apps=tuple(outputs["app_containers"]),
            migration=outputs["migration_container"],
            proxy=outputs["proxy_container"],
            edge=outputs["edge_network"],
        )


class Rollout:
    """The releases of the app on an engine."""

    def __init__(self, engine: Engine, names: Names) -> None:
        self._engine = engine
        self._names = names

    def containers(self) -> list[Any]:
        """The app's containers, of every release, the oldest first."""
        listed = self._engine.containers(network=self._names.edge)
        ours = [each for each in listed if APP in _aliases(each, self._names.edge)]
        return sorted(ours, key=lambda each: str(each.attrs["Created"]))

    def serving(self) -> list[Any]:
        """The containers that nginx leads to."""
        named = self.upstream()
        return [
            each
            for each in self.containers()
            if named and named in _aliases(each, self._names.edge)
        ]

    def upstream(self) -> str:
        """Name of the release that nginx's configuration has; empty without one."""
        found = _UPSTREAM.search(self._configuration())
        return found[1].decode() if found else ""

    def newest(self) -> list[Any]:
        """The containers of the release that was made last, whether it serves or not.

        None before the first.
        """
        containers = self.containers()
        if not containers:
            return []
        last = self._release(containers[-1])
        return [each for each in containers if self._release(each) == last]

    def running(self) -> Running | None:
        """What was last told to run, which may have failed to."""
        newest = self.newest()
        if not newest:
            return None
        return Running(
            deployment=self._release(newest[0]),
            revision=newest[0].attrs["Image"],
            image=self.reference(newest[0]),
        )

    def reference(self, container: Any) -> str:
        """The image of a container: by the name that was asked for, where it is it."""
        from docker.errors import ImageNotFound

        image = container.attrs["Image"]
        try:
            if self._engine.client.images.get(self._names.release).id == image:
                return self._names.release
            known = self._engine.client.images.get(image).attrs
        except ImageNotFound:
            return str(image)
        names = [*(known["RepoDigests"] or ()), *(known["RepoTags"] or ())]
        return str(names[0] if names else image)

    def verdict(
        self, before: Running | None, sleep: Callable[[float], None] = time.sleep
    ) -> Verdict:
        """Wait until the containers are healthy, or it is clear that they will not be.

        Pulumi has waited for the same; this asks the engine and nginx themselves.
        """
        deadline = time.monotonic() + PATIENCE
        while self._is_open() and time.monotonic() < deadline:
            sleep(_LOOK_SECONDS)
        return self._judged(before)

    def _is_open(self) -> bool:
        """Whether a container may still become healthy."""
        return any(health(each) == "starting" for each in self.newest())

    def _judged(self, before: Running | None) -> Verdict:
        newest, serving = self.newest(), self.serving()
        failed = self._failed_migration(newest)
        if failed:
            reasons = [f"{failed.name}: {trouble(failed)}"]
        else:
            reasons = [*troubles(newest), *self._gone(newest), *self._not_asked(newest)]
        upstream = self.upstream()
        release = self._release(newest[0]) if newest else "no release"
        if release != upstream and not failed:
            reasons.append(f"nginx leads to {upstream or 'nothing'}, not to {release}")
        elif not failed:
            reasons += self._not_taken()
        if reasons:
            goes_on = bool(serving) and not troubles(serving)
            back = goes_on and (release != upstream or failed is not None)
            return Verdict(
                serves=False,
                says=f"{release} does not serve"
                + (f"; {upstream} serves on" if back else ""),
                rolled_back=back,
                reasons=tuple(reasons),
                log=said([failed] if failed else newest),
            )
        same = before is not None and before.deployment == release
        says = "as before: the update rolled nothing out" if same else "and is healthy"
        return Verdict(
            serves=True, says=f"{release} serves in {len(newest)} containers, {says}"
        )

    def _release(self, container: Any) -> str:
        return _release(container, self._names.edge)

    def _failed_migration(self, newest: list[Any]) -> Any | None:
        """The last migration, if it failed and no release came after it."""
        prefix = self._names.migration.rpartition("-")[0]
        listed = self._engine.containers(name=f"^{prefix}-")
        made = sorted(listed, key=lambda each: str(each.attrs["Created"]))
        if not made or not made[-1].attrs["State"]["ExitCode"]:
            return None
        last = made[-1]
        later = all(each.attrs["Created"] < last.attrs["Created"] for each in newest)
        return last if later else None

    def _gone(self, newest: list[Any]) -> list[str]:
        there = {each.name for each in newest}
        if not there & set(self._names.apps):
            return []  # an update that failed left the outputs of the one before
        return [f"{name} is gone" for name in self._names.apps if name not in there]

    def _not_asked(self, newest: list[Any]) -> list[str]:
        """What runs another image than the outputs of the same release name."""
        return [
            f"{each.name} runs {self.reference(each)}, and not {self._names.release}"
            for each in newest
            if each.name in self._names.apps
            and self.reference(each) != self._names.release
        ]

    def _not_taken(self) -> list[str]:
        """Whether the nginx that runs has another configuration than its file."""
        text = self._configuration()
        written, status = _VERSION.search(text), _STATUS.search(text)
        if not written or not status:
            return [f"{self._names.proxy} has no configuration of this program"]
        url = f"http://127.0.0.1:{status[1].decode()}/version"
        try:
            used = self._engine.output(
                self._names.proxy, ["sh", "-c", _ASK, "ask", url]
            )
        except FailedError:
            return [f"nginx in {self._names.proxy} does not answer"]
        if used.strip() == written[1].decode():
            return []
        return [
            f"nginx in {self._names.proxy} has not taken its configuration, and says "
            f"why in: docker logs --tail 20 {self._names.proxy}"
        ]

    def _configuration(self) -> bytes:
        try:
            return self._engine.file(self._names.proxy, _CONFIG)
        except FileNotFoundError:
            return b""


def health(container: Any) -> str:
    """`starting`, `healthy`, `unhealthy`; without a health check the bare state."""
    state = container.attrs["State"]
    if state["Status"] == "running" and "Health" in state:
        return str(state["Health"]["Status"])
    return str(state["Status"])


def troubles(containers: list[Any]) -> list[str]:
    """Why containers are not healthy; none when there is no container."""
    if not containers:
        return ["there is no container of the app"]
    return [
        f"{each.name}: {trouble(each)}"
        for each in containers
        if health(each) != "healthy"
    ]


def trouble(container: Any) -> str:
    """How a container is, and what Docker knows of the reason."""
    state = container.attrs["State"]
    says = [health(container)]
    if state["Status"] in {"exited", "restarting", "dead"}:
        says.append(f"exit code {state['ExitCode']}")
    if state["OOMKilled"]:
        limit = container.attrs["HostConfig"]["Memory"] // 1024**2
        says.append(f"killed for using more than its {limit} MiB of memory")
    if state["Error"]:
        says.append(state["Error"])
    if restarts := container.attrs["RestartCount"]:
        says.append(f"restarted {restarts} times")
    checks = state.get("Health", {}).get("Log") or []
    if checks and checks[-1]["ExitCode"]:
        output = " ".join(checks[-1]["Output"].split())[:200]
        how = output or f"exit code {checks[-1]['ExitCode']}"
        says.append(f"its last check: {how}")
    return ", ".join(says)


def said(containers: list[Any]) -> tuple[str, ...]:
    """The last lines of the first container that is not healthy, or of the first."""
    unwell = [each for each in containers if health(each) != "healthy"]
    for container in (unwell or containers)[:1]:
        lines = container.logs(tail=TAIL).decode(errors="replace")
        return tuple(lines.splitlines())
    return ()


def _aliases(container: Any, network: str) -> list[str]:
    joined = container.attrs["NetworkSettings"]["Networks"].get(network) or {}
    return joined.get("Aliases") or []


def _release(container: Any, network: str) -> str:
    """Name of the release that a container is of."""
    named = (a for a in _aliases(container, network) if a.startswith(f"{APP}-"))
    return next(named, "")
