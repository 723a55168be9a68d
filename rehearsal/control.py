"""How a rehearsal reaches behind the program's back, over the emulator's own port."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rehearsal.provider.ledger import Ledger
from rehearsal.railway import Railway

FAULTS = "/rehearsal/faults"
"""PUT {"action", "message"}: every call of this AWS action fails.
PUT {"operation", "message"}: every request of this operation fails at Railway.
PUT {"token", "name", "message"}: new recorded resources of this type and name never
work. DELETE: heal all."""

RECORDED = "/rehearsal/recorded"
"""GET: all recorded resources. PUT {"token", "id", "inputs"}: change one.
DELETE {"token", "id"}: remove one."""

RAILWAY = "/rehearsal/railway"
"""PUT {"token"}: start a Railway that takes this token, and tell where its API is.
GET: what exists there."""

_Start = Callable[..., Any]
_Environ = dict[str, Any]


class Control:
    """WSGI middleware: answers on the paths above, lets everything else pass.

    application: the emulated AWS; ledger: the recorded resources.
    """

    def __init__(
        self, application: Callable[..., Iterable[bytes]], ledger: Ledger
    ) -> None:
        self._application = application
        self._ledger = ledger
        self._messages: dict[str, str] = {}
        self._railway = Railway()

    def __call__(self, environ: _Environ, start_response: _Start) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") == FAULTS:
            self._fault(environ["REQUEST_METHOD"], _body(environ))
            return _answer(start_response, None)
        if environ.get("PATH_INFO") == RECORDED:
            return self._recorded(environ, start_response)
        if environ.get("PATH_INFO") == RAILWAY:
            if environ["REQUEST_METHOD"] == "PUT":
                endpoint = self._railway.start(_body(environ)["token"])
                return _answer(start_response, {"endpoint": endpoint})
            return _answer(start_response, self._railway.state())
        # JSON protocols name the action in a header, as Service_Version.Action.
        action = environ.get("HTTP_X_AMZ_TARGET", "").split(".")[-1]
        if action in self._messages:
            body = {"__type": "ServerException", "message": self._messages[action]}
            return _answer(start_response, body, "400 Bad Request")
        return self._application(environ, start_response)

    def _fault(self, method: str, fault: dict[str, str]) -> None:
        if method == "DELETE":
            self._messages.clear()
            self._ledger.heal()
            self._railway.heal()
        elif "action" in fault:
            self._messages[fault["action"]] = fault["message"]
        elif "operation" in fault:
            self._railway.fail(fault["operation"], fault["message"])
        else:
            self._ledger.break_new(fault["token"], fault["name"], fault["message"])

    def _recorded(self, environ: _Environ, start_response: _Start) -> Iterable[bytes]:
        method, body = environ["REQUEST_METHOD"], _body(environ)
        if method == "GET":
            return _answer(start_response, self._ledger.as_list())
        if self._ledger.find(body["token"], body["id"]) is None:
            return _answer(start_response, None, "404 Not Found")
        if method == "DELETE":
            self._ledger.strike(body["token"], body["id"])
        else:
            self._ledger.spoil(body["token"], body["id"], body["inputs"])
        return _answer(start_response, None)


def _body(environ: _Environ) -> Any:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return json.loads(environ["wsgi.input"].read(length) or b"{}")


def _answer(
    start_response: _Start, body: object, status: str | None = None
) -> Iterable[bytes]:
    if body is None:
        start_response(status or "204 No Content", [])
        return []
    start_response(status or "200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
