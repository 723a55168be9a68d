"""What a rehearsal does behind the program's back, over the emulator's port."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from rehearsal.control import FAULTS, RECORDED, Control
from rehearsal.provider.ledger import Entry, Ledger

VOLUME = "docker:index/volume:Volume"


class Caller:
    """Sends requests to the control, with an emulator behind it that says so."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._control = Control(self._emulator, self.ledger)

    def __call__(
        self, method: str, path: str, body: object = None, action: str = ""
    ) -> tuple[str, str]:
        """The status and body of the answer."""
        sent = b"" if body is None else json.dumps(body).encode()
        statuses: list[str] = []
        answer = self._control(
            {
                "REQUEST_METHOD": method,
                "PATH_INFO": path,
                "CONTENT_LENGTH": str(len(sent)),
                "HTTP_X_AMZ_TARGET": action,
                "wsgi.input": io.BytesIO(sent),
            },
            lambda status, headers: statuses.append(status),
        )
        return statuses[0], b"".join(answer).decode()

    def _emulator(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"the emulator"]


@pytest.fixture
def call() -> Caller:
    return Caller()


def test_everything_else_is_the_emulators(call: Caller) -> None:
    assert call("POST", "/", action="Ecs.UpdateService") == ("200 OK", "the emulator")


def test_an_action_fails_until_it_is_healed(call: Caller) -> None:
    call("PUT", FAULTS, {"action": "UpdateService", "message": "no"})
    status, body = call("POST", "/", action="Ecs_2014.UpdateService")
    assert status == "400 Bad Request"
    assert json.loads(body) == {"__type": "ServerException", "message": "no"}
    assert call("POST", "/", action="Ecs_2014.CreateService")[1] == "the emulator"
    call("DELETE", FAULTS)
    assert call("POST", "/", action="Ecs_2014.UpdateService")[1] == "the emulator"


def test_new_resources_are_broken_until_they_are_healed(call: Caller) -> None:
    fault = {"token": VOLUME, "name": "data", "message": "broken"}
    assert call("PUT", FAULTS, fault)[0] == "204 No Content"
    assert call.ledger.fault(VOLUME, "data") == "broken"
    assert call.ledger.fault(VOLUME, "other") is None
    call("DELETE", FAULTS)
    assert call.ledger.fault(VOLUME, "data") is None


def test_what_is_recorded_is_listed_changed_and_removed(call: Caller) -> None:
    call.ledger.enter(Entry(VOLUME, "data", "v", {"driver": "local"}, {}))
    where = {"token": VOLUME, "id": "data"}
    changed = call("PUT", RECORDED, {**where, "inputs": {"driver": "nfs"}})
    assert changed == ("204 No Content", "")
    [listed] = json.loads(call("GET", RECORDED)[1])
    assert Entry(**listed).inputs == Entry(**listed).outputs == {"driver": "nfs"}
    call("DELETE", RECORDED, where)
    assert call("GET", RECORDED) == ("200 OK", "[]")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_not_recorded_cannot_be_touched(call: Caller, method: str) -> None:
    body = {"token": VOLUME, "id": "data", "inputs": {}}
    assert call(method, RECORDED, body)[0] == "404 Not Found"
