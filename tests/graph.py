"""A program's resource graph, recorded without engine, plugin or cloud.

`Graph.build` runs a function the way the engine runs a program, answers each
registration and invoke with plausible outputs, waits until all of them have
landed, and keeps what the program asked for: inputs, parent, protection,
dependencies, aliases. Only then is the absence of something assertable.

A build fails when the program registers what a real engine or provider would
refuse: an input its SDK does not know, or that a dynamic provider's own check finds
wrong, the same URN twice, an output that was formatted instead of applied.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple
from unittest import mock

import dill
import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.output import UNKNOWN
from pulumi.runtime import known_types, mocks, rpc
from pulumi.runtime import resource as registration
from pulumi.runtime import settings as runtime
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import engine_pb2, resource_pb2, source_pb2
from pulumi.runtime.stack import run_pulumi_func

from rehearsal.provider import schema
from resource_graph import Mark, Resource, ResourceGraph
from tests import fakes

__all__ = ["UNKNOWN", "Graph", "Recorded"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# Where a resource carries its provider, if that is Python of the program's own.
_PROVIDER = "__provider"

# Both stand for a value that was never there: an output formatted as text, and an
# output that resolved to nothing. `None` as a whole word appears in no AWS input.
_BROKEN_TEXT = re.compile(r"Calling __str__ on an Output|(?<![A-Za-z])None(?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A resource as the engine would have received it.

    inputs: by their wire (camelCase) names; secrets unwrapped, `UNKNOWN` in place
        of what a preview cannot know. `resource["key"]` is short for it.
    secrets: dotted paths of the secret inputs, such as `containers.0.value`.
    id: empty in a preview, and of a component.
    outputs: what the provider answered; of a component, what it registered.
    parent, dependencies: URNs; property_dependencies: input to those it is made of.
    aliases: former names, parents or whole URNs, without the SDK's own for types.
    """

    urn: str
    id: str
    type: str
    name: str
    custom: bool
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    parent: str
    dependencies: frozenset[str]
    property_dependencies: Mapping[str, frozenset[str]]
    protect: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    delete_before_replace: bool
    retain_on_delete: bool
    aliases: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    outputs: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.inputs[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The input, or the default when the program did not set it."""
        return self.inputs.get(key, default)

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class Graph:
    """The resources of one program; each `build` starts from nothing.

    outputs: what the built function returned, with its outputs resolved. Components
        and dataclasses become mappings of their public attributes.
    secret_outputs: dotted paths of the secret ones among them.
    exports: what the program exported with `pulumi.export`, resolved.
    invokes: token and arguments of each data source the program read.
    messages: what the program logged: severity (`INFO`, `WARNING` …) and text.
    answers: token -> function of the arguments; add to it before a build.
    stacks: full name of another stack -> its outputs, for references to it.
    """

    def __init__(self) -> None:
        self.answers = dict(fakes.ANSWERS)
        self.stacks: dict[str, Mapping[str, Any]] = {}
        self._reset()

    def _reset(self) -> None:
        self.outputs: Any = None
        self.secret_outputs: frozenset[str] = frozenset()
        self.exports: dict[str, Any] = {}
        self.invokes: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[tuple[str, str]] = []
        self._recorded: dict[str, Recorded] = {}
        self._engines: list[Resource] = []

    def build(
        self,
        program: Callable[[], Any],
        *,
        preview: bool = False,
        project: str = "stromhaltig",
        stack: str = "test",
        config: Mapping[str, str] | None = None,
        secret_config: Iterable[str] = (),
    ) -> Any:
        """Run the program and record its graph; returns `outputs`.

        preview: as in `pulumi preview`, nothing a provider computes is known.
        config: stack configuration with its namespace: `{"aws:region": "…"}`.
        secret_config: the keys among them that are secret.

        Raises what the program raises, and AssertionError with one line for each
        registration that a real engine or provider would refuse.
        """
        self._reset()
        self._engines = _default_providers(stack, project, config or {})
        recorder = _Recorder(self, preview=preview)
        # The SDK keeps its settings in context variables: a copy of the context
        # holds everything that a build sets, and is dropped with it.
        context = contextvars.copy_context()

        async def run() -> None:
            runtime.SETTINGS.outputs = set()
            set_all_config(dict(config or {}), list(secret_config))
            mocks.set_mocks(
                recorder.mocks,
                project,
                stack,
                preview,
                monitor=recorder,
                organization="organization",
            )
            runtime.SETTINGS.engine = _Engine(self.messages)
            result: list[Any] = []
            await run_pulumi_func(lambda: result.append(program()))
            resolver = _Resolver(self._recorded)
            self.outputs = await resolver.resolve(result[0], "")
            self.secret_outputs = frozenset(resolver.secrets)
            root: Any = runtime.get_root_resource()
            self.exports = await _Resolver(self._recorded).resolve(root.outputs, "")

        with _hasty_sdk(), closing(_Loop()) as loop:
            try:
                loop.run_until_complete(loop.create_task(run(), context=context))
            except BaseException:
                # Only now: it looks at all tasks of all builds that are not collected.
                loop.run_until_complete(_cancelled(asyncio.all_tasks(loop)))
                raise
        if recorder.problems:
            raise AssertionError("\n".join(recorder.problems))
        return self.outputs

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._recorded.values())

    @property
    def resources(self) -> list[Recorded]:
        """Everything a provider would create, without the components around it."""
        return [resource for resource in self if resource.custom]

    def all(self, type_: str) -> list[Recorded]:
        """All resources (or components) of a type token, in order of registration."""
        return [resource for resource in self if resource.type == type_]

    def one(self, type_: str, name: str | None = None) -> Recorded:
        """The only resource of a type, or the one of it with this logical name."""
        return self._only(
            [r for r in self.all(type_) if name in (None, r.name)],
            f"{type_} {name or ''}".rstrip(),
        )

    def named(self, name: str) -> Recorded:
        """The only resource with this logical name; components do not count."""
        return self._only([r for r in self.resources if r.name == name], name)

    def at(self, urn: str) -> Recorded:
        """The resource with this URN, such as one of another's `dependencies`."""
        return self._recorded[urn]

    def parent(self, resource: Recorded) -> Recorded | None:
        """The component around a resource; None at the top."""
        return self._recorded.get(resource.parent)

    def dependencies(self, resource: Recorded) -> list[Recorded]:
        """What must exist before the resource: of its inputs and of `depends_on`."""
        return [self._recorded[urn] for urn in sorted(resource.dependencies)]

    def policy(self, type_: str, name: str | None = None, key: str = "policy") -> Any:
        """The JSON document in an input of the one resource, parsed."""
        return json.loads(self.one(type_, name)[key])

    def policies(self) -> list[tuple[Recorded, str, dict[str, Any]]]:
        """Each JSON document with statements: resource, input, parsed document."""
        return [
            (resource, key, document)
            for resource in self.resources
            for key, value in resource.inputs.items()
            if (document := _policy_document(value)) is not None
        ]

    def count(self) -> Counter[str]:
        """How many resources there are of each type; components do not count."""
        return Counter(resource.type for resource in self.resources)

    def as_resources(self) -> ResourceGraph:
        """The same graph as policies and prices see it: no secret, unknowns marked.

        With the provider that the engine makes by itself of the stack's `aws:` keys.
        """
        program = (
            Resource(
                urn=found.urn,
                type=found.type,
                name=found.name,
                inputs=_marked(found.inputs, "", found.secrets),
                outputs=found.outputs,
                id=found.id,
                parent=found.parent,
                dependencies=found.dependencies,
                property_dependencies=found.property_dependencies,
                protect=found.protect,
                ignore_changes=found.ignore_changes,
            )
            for found in self.resources
        )
        return ResourceGraph([*self._engines, *program])

    def _only(self, found: Sequence[Recorded], wanted: str) -> Recorded:
        if len(found) != 1:
            names = ", ".join(str(resource) for resource in found or self.resources)
            raise AssertionError(
                f"{len(found)} resources match {wanted}; there are: {names}"
            )
        return found[0]


class _Recorder(mocks.MockMonitor):
    """The engine's place: keeps each request and answers it."""

    def __init__(self, graph: Graph, *, preview: bool) -> None:
        super().__init__(_Mocks(graph.answers, graph.stacks))
        self._graph = graph
        self._preview = preview
        self.problems: list[str] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        urn = _urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        secrets: set[str] = set()
        inputs = _decode(json_format.MessageToDict(request.object), "", secrets)
        provider = inputs.pop(_PROVIDER, None)
        secrets.discard(_PROVIDER)
        created = request.custom and not self._preview
        id_, computed = (
            fakes.created(request.type, request.name, inputs) if created else ("", {})
        )
        resource = Recorded(
            urn=urn,
            id=id_,
            type=request.type,
            name=request.name,
            custom=request.custom,
            inputs=inputs,
            secrets=frozenset(secrets),
            parent=request.parent,
            dependencies=frozenset(request.dependencies),
            property_dependencies={
                key: frozenset(found.urns)
                for key, found in request.propertyDependencies.items()
            },
            protect=request.protect,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            delete_before_replace=request.deleteBeforeReplace,
            retain_on_delete=request.retainOnDelete,
            aliases=tuple(filter(None, map(_former, request.aliases))),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            outputs=dict(computed),
        )
        self._check(resource, provider)
        self._graph._recorded[urn] = resource
        answer = struct_pb2.Struct()
        answer.CopyFrom(request.object)
        answer.update(
            {
                key: rpc.wrap_rpc_secret(value)
                if key in resource.additional_secret_outputs
                else value
                for key, value in computed.items()
            }
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if request.urn in self._graph._recorded:
            self._graph._recorded[request.urn].outputs.update(
                _decode(json_format.MessageToDict(request.outputs), "", set())
            )
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        args = _decode(json_format.MessageToDict(request.args), "", set())
        self._graph.invokes.append((request.tok, args))
        result, _ = self.mocks.call(
            mocks.MockCallArgs(request.tok, args, request.provider)
        )
        # The field is called `return`, which Python cannot write as a keyword.
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(result)
        return response

    def _check(self, resource: Recorded, provider: str | None) -> None:
        problems = []
        if resource.urn in self._graph._recorded:
            problems.append("registered twice; give one of them another name")
        problems += [
            f"{path}: an output was not resolved: {text!r}"
            for path, text in _texts(resource.inputs, "")
            if _BROKEN_TEXT.search(text)
        ]
        # A provider's inputs travel as text, each in JSON.
        if provider is not None:
            problems += _refused(provider, resource.inputs)
        elif resource.custom and not resource.type.startswith("pulumi:providers:"):
            problems += schema.check_inputs(resource.type, resource.inputs)
        self.problems += [f"{resource}: {problem}" for problem in problems]


def _refused(provider: str, inputs: Mapping[str, Any]) -> list[str]:
    """What a dynamic provider itself says of inputs: there is no other schema.

    It is brought back from its text, as the engine's process does it.
    """
    itself = dill.loads(base64.b64decode(provider))  # noqa: S301 - the program's own
    known = getattr(itself, "inputs", inputs.keys())
    problems = [f"{name}: unknown property" for name in sorted(inputs.keys() - known)]
    failures = itself.check({}, dict(inputs)).failures or []
    return problems + [f"{failure.property}: {failure.reason}" for failure in failures]


class _Mocks(mocks.Mocks):
    """What providers answer."""

    def __init__(
        self,
        answers: Mapping[str, fakes.Answer],
        stacks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._answers = answers
        self._stacks = stacks

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        if args.token not in self._answers:
            raise AssertionError(
                f"{args.token} has no answer: set graph.answers[...] before the build"
            )
        return self._answers[args.token](args.args), None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            # Fully qualified, as the engine asks for it.
            name = str(args.resource_id)
            return name, {"name": name, "outputs": dict(self._stacks[name])}
        return fakes.created(args.typ, args.name, args.inputs)


class _Engine:
    """Keeps the program's log."""

    def __init__(self, messages: list[tuple[str, str]]) -> None:
        self._messages = messages

    def Log(self, request: Any) -> None:  # noqa: N802
        if request.severity != engine_pb2.DEBUG:
            severity = engine_pb2.LogSeverity.Name(request.severity)
            self._messages.append((severity, request.message))


class _Loop(asyncio.SelectorEventLoop):
    """Runs at once what is for a thread: no threads, the same order in each run."""

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing of the outputs that fail with a program: `build` raises why.

        They would be printed when they are collected, after pytest's summary.
        """
        if "exception was never retrieved" not in context.get("message", ""):
            super().call_exception_handler(context)


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End what a program has left behind that failed."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _hasty_sdk() -> Iterator[None]:
    """Spare the SDK what takes half of the time of a build and changes nothing in it.

    It reads every frame of the stack for each resource, to say where it is made; its
    own `contains_unknowns` leaves a cycle behind each time: most of the garbage; and it
    looks at all outputs again whenever one of them is there.
    """
    with (
        mock.patch.object(registration, "_get_stack_trace", source_pb2.StackTrace),
        mock.patch.object(rpc, "contains_unknowns", _contains_unknowns),
        mock.patch.object(asyncio, "FIRST_COMPLETED", asyncio.FIRST_EXCEPTION),
    ):
        yield


def _contains_unknowns(value: Any) -> bool:
    if isinstance(value, dict):
        # An output type may have an attribute `values` of its own.
        return any(_contains_unknowns(value[key]) for key in value)
    if isinstance(value, list):
        return any(map(_contains_unknowns, value))
    return known_types.is_unknown(value)


class _Resolver:
    """Turns what a program returned into plain data; notes which of it is secret."""

    def __init__(self, recorded: Mapping[str, Recorded]) -> None:
        self._recorded = recorded
        self.secrets: set[str] = set()

    async def resolve(self, value: Any, path: str) -> Any:
        if isinstance(value, pulumi.Output):
            if await value.is_secret():
                self.secrets.add(path)
            if not await value.is_known():
                return UNKNOWN
            return await self.resolve(await value.future(with_unknowns=True), path)
        if isinstance(value, pulumi.CustomResource):
            urn: Any = await value.urn.future()
            return self._recorded[urn]
        if isinstance(value, pulumi.Resource):
            attributes = _public(vars(value), without=("urn", "id"))
            return await self._mapping(attributes, path)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return await self._mapping(_public(vars(value)), path)
        if isinstance(value, Mapping):
            return await self._mapping(value, path)
        if isinstance(value, list | tuple):
            return [
                await self.resolve(item, _join(path, i)) for i, item in enumerate(value)
            ]
        return value

    async def _mapping(self, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        return {k: await self.resolve(v, _join(path, k)) for k, v in value.items()}


def _default_providers(
    stack: str, project: str, config: Mapping[str, str]
) -> list[Resource]:
    """What the engine registers by itself; its inputs are text, each in JSON."""
    given = {key: text for key, text in config.items() if key.startswith("aws:")}
    if not given:
        return []
    type_ = "pulumi:providers:aws"
    urn = f"urn:pulumi:{stack}::{project}::{type_}::default"
    inputs = {key.removeprefix("aws:"): text for key, text in given.items()}
    return [Resource(urn=urn, type=type_, name="default", inputs=inputs, outputs={})]


def _marked(value: Any, path: str, secrets: frozenset[str]) -> Any:
    """An input as an exported state has it."""
    if path in secrets:
        return Mark.SECRET
    if value == UNKNOWN:
        return Mark.UNKNOWN
    if isinstance(value, dict):
        return {k: _marked(v, _join(path, k), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [_marked(v, _join(path, i), secrets) for i, v in enumerate(value)]
    return value


def _public(
    attributes: Mapping[str, Any], without: Sequence[str] = ()
) -> dict[str, Any]:
    return {
        key: value
        for key, value in attributes.items()
        if not key.startswith("_") and key not in without
    }


def _former(alias: Any) -> str:
    return str(alias.urn or alias.spec.name or alias.spec.parentUrn)


def _urn(parent: str, type_: str, name: str) -> str:
    parent_type = parent.split("::")[2] if parent else ""
    if parent_type not in ("", "pulumi:pulumi:Stack"):
        type_ = f"{parent_type}${type_}"
    return f"urn:pulumi:{runtime.get_stack()}::{runtime.get_project()}::{type_}::{name}"


def _decode(value: Any, path: str, secrets: set[str]) -> Any:
    """Plain data of a wire value; adds the path of each secret in it."""
    if rpc.is_rpc_secret(value):
        secrets.add(path)
        return _decode(rpc.unwrap_rpc_secret(value), path, secrets)
    if isinstance(value, dict):
        return {k: _decode(v, _join(path, k), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [_decode(v, _join(path, i), secrets) for i, v in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN if value == rpc.UNKNOWN else value


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, _join(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, _join(path, index))


def _policy_document(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, str) or '"Statement"' not in value:
        return None
    document: dict[str, Any] = json.loads(value)
    return document


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
