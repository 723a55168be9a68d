"""A loopback Railway, and a client of it that waits for nobody."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import dill
import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components.railway import client as clients
from components.railway.client import Client
from components.railway.provider import deployment, service
from components.railway.provider.base import (
    ACCESS_INPUTS,
    TOKEN_VARIABLES,
    Provider,
)
from components.railway.provider.project import ProjectProvider
from components.railway.provider.service import ServiceProvider
from rehearsal.railway_server import RailwayServer

TOKEN = "the-token-of-the-test"
IMAGE = "ghcr.io/stromdao/stromhaltig@sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def _no_token_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in TOKEN_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited for, had they been."""
    waited: list[float] = []
    unhurried = SimpleNamespace(
        monotonic=lambda: sum(waited), sleep=waited.append, time=time.time
    )
    for module in (clients, deployment, service):
        monkeypatch.setattr(module, "time", unhurried)
    return waited


@pytest.fixture
def server() -> Iterator[RailwayServer]:
    with RailwayServer(TOKEN) as running:
        yield running


@pytest.fixture
def client(server: RailwayServer, pauses: list[float]) -> Iterator[Client]:
    with Client(TOKEN, endpoint=server.endpoint, timeout=1) as connected:
        yield connected


class Driven:
    """One resource, driven as the engine drives it: state, inputs and all.

    Numbers arrive as floats, what is None does not arrive, and of an operation that
    fails nothing is kept.
    """

    def __init__(self, provider: Provider, inputs: Mapping[str, Any]) -> None:
        kept = base64.b64decode(serialize_provider(provider))
        self.provider = dill.loads(kept)  # noqa: S301 - our own
        self.inputs = dict(inputs)
        self.id: str | None = None
        self.outs: dict[str, Any] = {}

    def up(self, **changes: Any) -> str:
        """Bring it about; say what that took: create, update, replace or same."""
        self.inputs |= changes
        news = arriving(self.inputs)
        failures = self.provider.check(self.outs, news).failures
        assert not failures, [(f.property, f.reason) for f in failures]
        if self.id is None:
            result = self.provider.create(news)
            self.id, self.outs = result.id, arriving(result.outs)
            return "create"
        diff = self.provider.diff(self.id, self.outs, news)
        if diff.replaces:
            assert diff.changes
            return f"replace: {', '.join(diff.replaces)}"
        if not diff.changes:
            return "same"
        self.outs = arriving(self.provider.update(self.id, self.outs, news).outs)
        return "update"

    def refresh(self) -> set[str]:
        """Look at it again; say which outputs are others, or `gone`."""
        result = self.provider.read(self.id, dict(self.outs))
        if not result.id:
            self.id, before, self.outs = None, self.outs, {}
            return {"gone"}
        before, self.outs = self.outs, arriving(result.outs)
        keys = before.keys() | self.outs.keys()
        return {key for key in keys if before.get(key) != self.outs.get(key)}

    def take(self, id_: str) -> None:
        """Read it by its id alone, as `ResourceOptions(id=...)` does."""
        access = {k: v for k, v in self.inputs.items() if k in ACCESS_INPUTS}
        result = self.provider.read(id_, arriving(access))
        self.id, self.outs = result.id, arriving(result.outs)

    def down(self) -> None:
        """Delete it."""
        self.provider.delete(self.id, dict(self.outs))
        self.id, self.outs = None, {}


def arriving(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they come through the engine."""

    def through(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: through(v) for k, v in value.items() if v is not None}
        if isinstance(value, list):
            return [through(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    return through(json.loads(json.dumps(dict(values))))


@pytest.fixture
def access(server: RailwayServer, pauses: list[float]) -> dict[str, Any]:
    """Inputs that every resource has."""
    return {
        "token": TOKEN,
        "owner": "account",
        "endpoint": server.endpoint,
        "poll_seconds": 5.0,
    }


@pytest.fixture
def project(access: dict[str, Any]) -> Driven:
    """A project that does not exist yet."""
    named = {
        "project_name": "stromhaltig",
        "environment": "production",
        "description": "the test's",
    }
    return Driven(ProjectProvider(), {**access, **named})


@pytest.fixture
def place(access: dict[str, Any], project: Driven) -> dict[str, Any]:
    """Inputs of everything in an environment, which exists."""
    project.up()
    ids = {key: project.outs[key] for key in ("project_id", "environment_id")}
    return {**access, **ids}


@pytest.fixture
def app(place: dict[str, Any]) -> Driven:
    """A service that does not exist yet."""
    return Driven(
        ServiceProvider(),
        {**place, "service_name": "app", "image": IMAGE, "replicas": 2},
    )


@pytest.fixture
def here(app: Driven, place: dict[str, Any]) -> dict[str, Any]:
    """Inputs of everything that belongs to a service, which exists."""
    app.up()
    return {**place, "service_id": app.outs["service_id"]}
