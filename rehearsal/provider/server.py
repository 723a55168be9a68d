"""The gRPC server that the unmodified engine attaches to, one for all packages.

`PULUMI_DEBUG_PROVIDERS=aws:PORT,random:PORT` makes the engine talk to it instead of
starting a plugin. It speaks the provider protocol and delegates each resource to its
`Lifecycle`: a row on the embedded AWS where there is one, a record otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from rehearsal.provider import digitalocean, docker, docker_build, schema, wire
from rehearsal.provider.emulated import Emulated
from rehearsal.provider.ledger import Ledger
from rehearsal.provider.lifecycle import InitFailedError, Lifecycle
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.row import Aws, Row
from rehearsal.provider.schema import UnknownTypeError
from rehearsal.provider.wire import Properties

_RECORDED: Mapping[str, type[Recorded]] = {
    **digitalocean.TYPES,
    **docker.TYPES,
    **docker_build.TYPES,
}

Invoke = Callable[[Aws, Properties], Properties]


class ProviderServer(provider_pb2_grpc.ResourceProviderServicer):
    """All packages' provider.

    endpoint: loopback address of the embedded AWS.
    rows: the emulated types; invokes: the functions that are answered.
    ledger: where recorded resources are written down.
    """

    def __init__(
        self,
        endpoint: str,
        rows: Mapping[str, Row],
        invokes: Mapping[str, Invoke],
        ledger: Ledger | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._rows = rows
        self._invokes = invokes
        self._ledger = Ledger() if ledger is None else ledger
        self._configured: dict[str, Aws] = {}

    def start(self, port: int = 0) -> tuple[grpc.Server, int]:
        """Serve on loopback; returns the running server and its port."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self, server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server, bound

    def Attach(self, request: Any, context: Any) -> Any:
        """The engine found us through PULUMI_DEBUG_PROVIDERS."""
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Every call is short: nothing to cancel."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """A version that no release of a real provider has."""
        return plugin_pb2.PluginInfo(version="0.0.0-rehearsal")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Any configuration will do."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Tell what is another configuration, which never replaces a resource here.

        Without it the engine goes on with the old one, and so with the old tags.
        """
        olds, news = wire.decode(request.olds), wire.decode(request.news)
        keys = olds.keys() | news.keys()
        changed = sorted(key for key in keys if olds.get(key) != news.get(key))
        some = (
            provider_pb2.DiffResponse.DIFF_SOME
            if changed
            else provider_pb2.DiffResponse.DIFF_NONE
        )
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    def Configure(self, request: Any, context: Any) -> Any:
        """Remember region and default tags for this engine connection.

        Secrets are declined: the engine strips them from what it sends and marks the
        results again by itself.
        """
        config = wire.decode(request.args)
        default_tags = schema.parsed(config.get("defaultTags")) or {}
        self._configured[context.peer()] = Aws(
            self._endpoint,
            config.get("region") or "eu-central-1",
            default_tags.get("tags") or {},
        )
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, acceptResources=False
        )

    def Check(self, request: Any, context: Any) -> Any:
        """Refuse what the SDK, the row or AWS would refuse."""
        lifecycle = self._lifecycle(request, context)
        with _reported(context, "checking", request):
            inputs, problems = lifecycle.check(
                _name(request),
                wire.decode(request.olds),
                wire.decode(request.news),
                request.randomSeed,
            )
        failures = [
            provider_pb2.CheckFailure(property=problem.split(":")[0], reason=problem)
            for problem in problems
        ]
        return provider_pb2.CheckResponse(inputs=wire.encode(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        """Compare what the program asks for with what it asked for before."""
        lifecycle = self._lifecycle(request, context)
        old, new = wire.decode(request.old_inputs), wire.decode(request.news)
        found = lifecycle.diff(lifecycle.known(old, wire.decode(request.olds)), new)
        kinds = provider_pb2.PropertyDiff
        details = {
            key: kinds(
                kind=kinds.UPDATE_REPLACE if key in found.replaces else kinds.UPDATE,
                inputDiff=True,
            )
            for key in found.changed
        }
        some = provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(
            changes=some if found.changed else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=sorted(found.replaces),
            diffs=sorted(found.changed),
            deleteBeforeReplace=found.delete_first,
            detailedDiff=details,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:
        """Make a resource, or at preview say what is not known yet."""
        lifecycle = self._lifecycle(request, context)
        inputs = wire.decode(request.properties)
        if request.preview:
            properties = wire.encode(lifecycle.preview(inputs))
            return provider_pb2.CreateResponse(properties=properties)
        with _reported(context, "creating", request):
            made, outputs = lifecycle.create(_name(request), inputs)
        return provider_pb2.CreateResponse(id=made, properties=wire.encode(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        """Look at a resource, for refresh, import and `.get`."""
        with _reported(context, "reading", request):
            reading = self._lifecycle(request, context).read(
                request.id, wire.decode(request.properties), wire.decode(request.inputs)
            )
        if reading is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=reading.id,
            properties=wire.encode(reading.outputs),
            inputs=wire.encode(reading.inputs),
        )

    def Update(self, request: Any, context: Any) -> Any:
        """Change a resource in place."""
        lifecycle = self._lifecycle(request, context)
        state, new = wire.decode(request.olds), wire.decode(request.news)
        if request.preview:
            properties = wire.encode(lifecycle.preview_update(state, new))
            return provider_pb2.UpdateResponse(properties=properties)
        with _reported(context, "updating", request):
            outputs = lifecycle.update(
                request.id, state, wire.decode(request.old_inputs), new
            )
        return provider_pb2.UpdateResponse(properties=wire.encode(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        """Remove a resource."""
        with _reported(context, "deleting", request):
            self._lifecycle(request, context).delete(
                request.id,
                wire.decode(request.properties),
                wire.decode(request.old_inputs),
            )
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        """Answer a data source."""
        with _reported(context, "calling", request):
            args = wire.decode(request.args)
            if (recorded := digitalocean.INVOKES.get(request.tok)) is not None:
                result = recorded(self._ledger, args)
            elif (invoke := self._invokes.get(request.tok)) is not None:
                result = invoke(self._aws(context), args)
            else:
                _refuse(
                    context,
                    f"{request.tok}: the rehearsal does not answer this function",
                )
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(wire.encode(result))
        return response

    def _lifecycle(self, request: Any, context: Any) -> Lifecycle:
        token = request.type or request.urn.split("::")[2].split("$")[-1]
        row = self._rows.get(token)
        if row is None:
            return _RECORDED.get(token, Recorded)(token, self._ledger)
        return Emulated(row, self._aws(context))

    def _aws(self, context: Any) -> Aws:
        return self._configured[context.peer()]


def _name(request: Any) -> str:
    return request.name or str(request.urn).split("::")[-1]


@contextmanager
def _reported(context: Any, doing: str, request: Any) -> Iterator[None]:
    """Failures as the engine understands them, naming resource and cause."""
    what = getattr(request, "urn", "") or getattr(request, "tok", "")
    try:
        yield
    except InitFailedError as failure:
        _half_made(context, failure)
    except ClientError as failure:
        error = failure.response.get("Error", {})
        _refuse(context, f"{doing} {what}: {error.get('Code')}: {error.get('Message')}")
    except (BotoCoreError, LookupError, UnknownTypeError, ValueError) as failure:
        _refuse(context, f"{doing} {what}: {failure}")


def _refuse(context: Any, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")


def _half_made(context: Any, failure: InitFailedError) -> NoReturn:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=failure.reading.id,
            properties=wire.encode(failure.reading.outputs),
            inputs=wire.encode(failure.reading.inputs),
            reasons=[str(failure)],
        )
    )
    unknown = grpc.StatusCode.UNKNOWN.value[0]
    status = status_pb2.Status(code=unknown, message=str(failure), details=[detail])
    context.set_trailing_metadata(
        [("grpc-status-details-bin", status.SerializeToString())]
    )
    context.abort(grpc.StatusCode.UNKNOWN, str(failure))
    raise AssertionError("abort raises")
