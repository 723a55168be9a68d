"""Deployments of an app: which serves, why another does not, and what it prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ops.errors import FailedError, OpsError
from ops.platforms.digitalocean.api import Api
from ops.platforms.platform import LogLine, LogQuery, Running, Verdict

PATIENCE = 1800.0
"""Seconds that a deployment may take: building an image from source takes minutes."""

POLL_SECONDS = 5.0

TAIL = 20
"""Lines that explain a failure."""

LINES = 5000
"""Lines that are asked for at most: App Platform keeps few."""

_ENDED = frozenset({"ACTIVE", "ERROR", "CANCELED", "SUPERSEDED"})
_SILENCE = 30.0  # seconds without a line after which what was kept has been read
_REGISTRIES = {"GHCR": "ghcr.io", "DOCKER_HUB": "docker.io"}


class Deployments:
    """The deployments of one app."""

    def __init__(
        self,
        api: Api,
        app: str,
        *,
        registry: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._app = app
        self._registry = registry
        self._sleep = sleep

    def app(self) -> Any:
        """The app: spec, deployments, domains."""
        return self._api.get(f"/v2/apps/{self._app}")["app"]

    def newest(self) -> Any | None:
        """The deployment that was begun last; None before the first."""
        path = f"/v2/apps/{self._app}/deployments"
        found = self._api.get(path, page=1, per_page=1).get("deployments")
        return found[0] if found else None

    def running(self) -> Running | None:
        """What was begun last. A former deployment's ID is what goes back to it."""
        newest = self.newest()
        if newest is None:
            return None
        id = str(newest["id"])
        return Running(deployment=id, revision=id, image=self.image(newest))

    def image(self, deployment: Mapping[str, Any]) -> str:
        """What a deployment's service runs: image reference, or repository."""
        service = deployment["spec"]["services"][0]
        if github := service.get("github"):
            return f"{github['repo']}@{github['branch']}"
        image = service["image"]
        host = _REGISTRIES.get(image["registry_type"])
        place = f"{host}/{image['registry']}" if host else str(self._registry)
        by = f"@{image['digest']}" if image.get("digest") else f":{image['tag']}"
        return f"{place}/{image['repository']}{by}"

    def verdict(self, before: Running | None) -> Verdict:
        """Wait for the newest deployment to end, and say whether it serves."""
        deadline = time.monotonic() + PATIENCE
        newest = self.newest()
        while newest and newest["phase"] not in _ENDED:
            if time.monotonic() > deadline:
                break
            self._sleep(POLL_SECONDS)
            newest = self.newest()
        if newest is None:
            return Verdict(serves=False, says="the app was never deployed")
        id, phase = newest["id"], newest["phase"]
        if phase == "ACTIVE":
            same = before is not None and before.deployment == id
            says = (
                "as before: the update rolled nothing out" if same else "and is active"
            )
            return Verdict(serves=True, says=f"deployment {id} serves, {says}")
        active = (self.app().get("active_deployment") or {}).get("id")
        goes_on = bool(active) and active != id and phase in _ENDED
        says = f"deployment {id} is {phase.lower()}"
        if phase not in _ENDED:
            says += f" after {PATIENCE / 60:.0f} minutes"
        return Verdict(
            serves=False,
            says=says + (f"; deployment {active} serves on" if goes_on else ""),
            rolled_back=goes_on,
            reasons=tuple(_failures((newest.get("progress") or {}).get("steps") or ())),
            log=self._last_words(id),
        )

    def switch(self, to: Running) -> None:
        """Go back to a former deployment, and wait until it serves.

        Not pinned: a pinned app takes no further deployment, and so no `pulumi up`.

        Raises OpsError when App Platform has it no more or refuses, and FailedError
        when it does not come up.
        """
        body = {"deployment_id": to.revision, "skip_pin": True}
        path = f"/v2/apps/{self._app}/rollback"
        asked = self._api.post(f"{path}/validate", body)
        if not asked.get("valid"):
            why = (asked.get("error") or {}).get("message") or "it is not valid"
            raise OpsError(
                f"App Platform does not go back to deployment {to.revision}: {why}. "
                "Go back through the program, without --fast"
            )
        self._api.post(path, body)
        verdict = self.verdict(None)
        if not verdict.serves:
            raise FailedError("\n".join([verdict.says, *verdict.reasons, *verdict.log]))

    def lines(self, query: LogQuery) -> Iterator[LogLine]:
        """What the service prints: what is kept of it, then what comes."""
        since = query.since
        while True:
            active = (self.app().get("active_deployment") or {}).get("id")
            if active:
                for line in self._printed(active, "RUN", follow=query.follow):
                    if line.at > since:
                        yield line
                        since = max(since, line.at)
            if not query.follow:
                return
            # The connection broke, or another deployment has taken over.
            self._sleep(POLL_SECONDS)

    def _printed(
        self, deployment: str, kind: str, *, follow: bool = False, tail: int = LINES
    ) -> Iterator[LogLine]:
        asked = self._api.get(
            f"/v2/apps/{self._app}/deployments/{deployment}/logs",
            type=kind,
            follow=str(follow).lower(),
            tail_lines=tail,
        )
        live = asked.get("live_url")
        urls = [live] if live else asked.get("historic_urls") or []
        for url in urls:
            for text in _text_lines(url, follow=follow):
                yield parsed(text)

    def _last_words(self, deployment: str) -> tuple[str, ...]:
        """The last lines of a failed deployment, of the first kind that has any."""
        for kind in ("RUN_RESTARTED", "RUN", "DEPLOY", "BUILD"):
            try:
                found = list(self._printed(deployment, kind, tail=TAIL))
            except OpsError:
                continue  # it did not come that far
            if found:
                return tuple(line.text for line in found[-TAIL:])
        return ()


def _text_lines(url: str, *, follow: bool) -> Iterator[str]:
    """Yield lines of an address that holds its own permission: it gets no token."""
    import httpx

    url = url.replace("wss://", "https://", 1).replace("ws://", "http://", 1)
    timeout = httpx.Timeout(_SILENCE, read=None if follow else _SILENCE)
    try:
        with httpx.stream("GET", url, timeout=timeout) as answer:
            answer.raise_for_status()
            yield from answer.iter_lines()
    except (httpx.ReadTimeout, httpx.RemoteProtocolError):
        return  # all there is for now
    except httpx.HTTPError as error:
        # Its address is a permission: it is nobody's to read.
        raise OpsError(
            f"DigitalOcean's log service does not answer ({type(error).__name__}). "
            "Try: doctl apps logs"
        ) from None


def parsed(text: str) -> LogLine:
    """Read a line as App Platform gives it: component, time, text."""
    component, _, rest = text.partition(" ")
    moment, _, said = rest.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return LogLine(datetime.now(UTC), "app", text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return LogLine(at, component, said)


def _failures(steps: Any) -> Iterator[str]:
    """Yield why steps failed: the innermost know."""
    for step in steps:
        inner = list(_failures(step.get("steps") or ()))
        if inner:
            yield from inner
        elif step.get("status") == "ERROR":
            reason = step.get("reason") or {}
            who = step.get("component_name") or step["name"]
            says = reason.get("message") or "failed"
            code = f" ({reason['code']})" if reason.get("code") else ""
            yield f"{who}: {says}{code}"
