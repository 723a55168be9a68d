"""The Railway of a rehearsal: its API, and what exists behind it.

It lives in the process of the embedded cloud, so that it lasts as long as that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rehearsal.railway_model import Service
    from rehearsal.railway_server import RailwayServer

_ALWAYS = 1_000_000


class Railway:
    """Starts the server once it is asked for, and tells what it holds."""

    def __init__(self) -> None:
        self._server: RailwayServer | None = None

    def start(self, token: str) -> str:
        """Take a token, the server started if need be; returns the URL of its API."""
        from rehearsal.railway_server import RailwayServer  # GraphQL's own schema tools

        if self._server is None:
            self._server = RailwayServer(token)
            self._server.__enter__()
        self._server.token = token
        return self._server.endpoint

    def stop(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.__exit__()
            self._server = None

    def state(self) -> dict[str, Any]:
        """Return what exists.

        things: kind and name of everything. services: name to what it is set to, what
        runs (the image and variables that were deployed last with success), the number
        of its deployments, and its domains.
        """
        if self._server is None:
            return {"things": [], "services": {}}
        model = self._server.model
        services = [s for project in model.projects for s in project.services]
        return {
            "things": sorted(model.things()),
            "services": {service.name: _as_dict(service) for service in services},
        }

    def fail(self, operation: str, message: str) -> None:
        """Answer every request of an operation with an error, until `heal`."""
        from rehearsal.railway_server import Fault

        if self._server is not None:
            code = "BAD_USER_INPUT"
            fault = Fault(
                operation=operation, times=_ALWAYS, message=message, code=code
            )
            self._server.order(fault)

    def heal(self) -> None:
        """Let nothing fail any more."""
        if self._server is not None:
            self._server.recover()


def _as_dict(service: Service) -> dict[str, Any]:
    running = service.running
    return {
        "id": service.id,
        "settings": service.settings,
        "variables": service.variables,
        "running": running
        and {"settings": running.settings, "variables": running.variables},
        "deployments": len(service.deployments),
        "domains": [domain["domain"] for domain in service.domains],
    }
