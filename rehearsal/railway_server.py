"""Railway's GraphQL API on the loopback, as far as this program uses it.

Each request is held against `components/railway/schema.graphql` by graphql-core, as
Railway holds it against its own schema, and carried out on `railway_model`.
`RailwayServer` starts it in a thread of this process. Faults can be ordered: refusals
with Retry-After, errors, silence and broken connections, before or after the request
was carried out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    execute,
    parse,
    validate,
)

from rehearsal.railway_model import Model, RefusedError

SCHEMA: Final = (
    Path(__file__).resolve().parent.parent / "components/railway/schema.graphql"
)
"""The part of Railway's schema that this program uses."""

_HOST: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.02  # after which the thread sees that it is to end


@cache
def _schema() -> GraphQLSchema:
    """Return what requests are held against; nothing changes it."""
    return build_schema(SCHEMA.read_text(encoding="utf-8"))


@cache
def _parsed(query: str) -> tuple[DocumentNode, Sequence[GraphQLError]]:
    """Return a document and what the schema has against it; programs send a few.

    Raises GraphQLError for what is no document.
    """
    document = parse(query)
    return document, validate(_schema(), document)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong with a request.

    operation: name of the requests that it befalls; None for any.
    times: how many of them.
    done: whether the request is carried out all the same.
    status: HTTP status, without a body of use; 0 breaks the connection.
    retry_after: header of that name.
    message, code: a GraphQL error instead of a status.
    silence: seconds without an answer before all that.
    """

    operation: str | None = None
    times: int = 1
    done: bool = False
    status: int = 500
    retry_after: str | None = None
    message: str | None = None
    code: str = "INTERNAL_SERVER_ERROR"
    silence: float = 0.0


@dataclass
class _Ordered:
    """A fault and how often it will still happen."""

    fault: Fault
    left: int


@dataclass(frozen=True)
class Request:
    """A request that arrived: its operation and variables, and who sent it."""

    operation: str
    variables: Mapping[str, Any]
    headers: Mapping[str, str]


class RailwayServer:
    """The API in a thread; a context manager.

    token: the one that is accepted, as an account's (and a project's) token.
    port: 0 takes a free one.
    requests: what arrived, in order.
    """

    def __init__(self, token: str = "rehearsal", port: int = 0) -> None:  # noqa: S107
        self.token = token
        self.model = Model()
        self.requests: list[Request] = []
        self._faults: list[_Ordered] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer((_HOST, port), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def endpoint(self) -> str:
        """URL of the API."""
        return f"http://{_HOST}:{self._http.server_address[1]}/graphql/v2"

    def __enter__(self) -> RailwayServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def order(self, fault: Fault) -> None:
        """Let something go wrong with the next requests that it befalls."""
        with self._lock:
            self._faults.append(_Ordered(fault, fault.times))

    def recover(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    def sent(self, *operations: str) -> list[Request]:
        """Return the requests of these operations; of all mutations without any."""
        mutations = _schema().mutation_type
        wanted = operations or (mutations.fields if mutations else ())
        return [request for request in self.requests if request.operation in wanted]

    def answer(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Return the answer to a request: the document, as Railway sends it."""
        if not self._authorized(headers):
            return _errors([RefusedError("Not Authorized")])
        try:
            document, problems = _parsed(body["query"])
        except GraphQLError as error:
            return _errors([error], "GRAPHQL_PARSE_FAILED")
        if problems:
            return _errors(problems, "GRAPHQL_VALIDATION_FAILED")
        result = execute(
            _schema(),
            document,
            self.model.resolvers,
            variable_values=dict(body.get("variables") or {}),
            operation_name=body.get("operationName"),
        )
        if not isinstance(result, ExecutionResult):
            raise TypeError("no resolver is asynchronous")
        if result.errors:
            return _errors(result.errors)
        return {"data": result.data}

    def _authorized(self, headers: Mapping[str, str]) -> bool:
        return self.token in (
            headers.get("Authorization", "").removeprefix("Bearer "),
            headers.get("Project-Access-Token"),
        )

    def _fault(self, operation: str) -> Fault | None:
        for ordered in self._faults:
            if ordered.left and ordered.fault.operation in (None, operation):
                ordered.left -= 1
                return ordered.fault
        return None

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(size))
        headers = dict(handler.headers.items())
        operation = body.get("operationName") or ""
        with self._lock:
            known = Request(operation, body.get("variables") or {}, headers)
            self.requests.append(known)
            fault = self._fault(operation)
            answer = self.answer(body, headers) if fault is None or fault.done else None
        if fault is None:
            _send(handler, 200, answer)
            return
        time.sleep(fault.silence)
        if fault.message is not None:
            refusal = RefusedError(fault.message, fault.code)
            _send(handler, 200, _errors([refusal]))
        elif fault.status:
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            _send(handler, fault.status, None, extra)
        else:
            handler.close_connection = True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _errors(errors: Any, code: str | None = None) -> dict[str, Any]:
    formatted = []
    for error in errors:
        extensions = dict(error.extensions or {})
        extensions.setdefault("code", code or "INTERNAL_SERVER_ERROR")
        formatted.append({"message": error.message, "extensions": extensions})
    return {"data": None, "errors": formatted}


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    document: Any,
    headers: Mapping[str, str] | None = None,
) -> None:
    body = b"" if document is None else json.dumps(document).encode()
    try:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # whoever asked has stopped waiting
