"""Lets the engine that we build run policy packs in Python.

The newest language host that can be built from public modules predates them: asked to
start a pack it starts the program. This one stands before it, passes every call on but
that one, and starts the pack as the hosts of today do. Engines that were installed
bring a host that needs none of this.

The engine finds it as an executable named `pulumi-language-python`; see `install`.
"""

from __future__ import annotations

import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import grpc

NAME = "pulumi-language-python"
"""What the engine looks for on PATH."""

_SERVICE = "/pulumirpc.LanguageRuntime/"
_RUN_PLUGIN = f"{_SERVICE}RunPlugin"
Stream = Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]
"""Answers a call in parts."""

_STREAMING = frozenset({_RUN_PLUGIN, f"{_SERVICE}InstallDependencies"})
"""Calls that answer more than once; all others do so once."""


def install(folder: Path, pulumi: Path) -> Path:
    """Put an engine and the executable into a folder; returns the engine's path.

    pulumi: the engine, with the language host beside it that all else is left to.

    The engine warns of a host that is not beside itself, hence the second one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    engine = folder / pulumi.name
    engine.unlink(missing_ok=True)
    try:
        engine.hardlink_to(pulumi)
    except OSError:  # another file system
        shutil.copy2(pulumi, engine)
    script = folder / NAME
    module = [sys.executable, str(Path(__file__).resolve()), str(pulumi.parent / NAME)]
    script.write_text(f'#!/bin/sh\nexec {shlex.join(module)} "$@"\n')
    script.chmod(0o755)
    return engine


def serve(host: Sequence[str]) -> None:
    """Start the host, stand before it, say at which port; ends with the host."""
    with subprocess.Popen(host, stdout=subprocess.PIPE, text=True) as behind:
        port = next(iter(behind.stdout or ()), "").strip()
        if not port.isdigit():
            behind.kill()
            sys.exit(f"{host[0]} gave no port, but: {port!r}")
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_ANY_SIZE)
        server = grpc.server(ThreadPoolExecutor(), options=_ANY_SIZE)
        server.add_generic_rpc_handlers((_Handler(channel),))
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        server.start()
        behind.wait()


_ANY_SIZE = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Passes calls on as they are, bytes for bytes, but for those that start a pack."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, details: Any) -> Any:
        method: str = details.method
        if method in _STREAMING:
            stream = _forwarding_stream(self._channel.unary_stream(method))
            answer = _run_plugin(stream) if method == _RUN_PLUGIN else stream
            return grpc.unary_stream_rpc_method_handler(answer)
        return grpc.unary_unary_rpc_method_handler(
            _forwarding(self._channel.unary_unary(method))
        )


def _forwarding(call: Any) -> Callable[[bytes, grpc.ServicerContext], Any]:
    def forward(request: bytes, context: grpc.ServicerContext) -> Any:
        with _same_refusals(context):
            return call(request)

    return forward


def _forwarding_stream(call: Any) -> Stream:
    def forward(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with _same_refusals(context):
            yield from call(request)

    return forward


@contextmanager
def _same_refusals(context: grpc.ServicerContext) -> Iterator[None]:
    """Refuse what the host refuses, as it does: the engine asks what a host can."""
    try:
        yield
    except grpc.RpcError as error:
        refusal: Any = error
        context.abort(refusal.code(), refusal.details())


def _run_plugin(forward: Stream) -> Stream:
    def run(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        # Only now: it takes a while, and most commands start no pack.
        from pulumi.runtime.proto import language_pb2

        asked = language_pb2.RunPluginRequest.FromString(request)
        if asked.kind != "analyzer":
            yield from forward(request, context)
            return
        answer: Any = language_pb2.RunPluginResponse
        pack = _start_pack(asked)
        context.add_callback(pack.kill)
        for name, chunk in _output(pack):
            yield answer(**{name: chunk}).SerializeToString()
        yield answer(exitcode=pack.wait()).SerializeToString()

    return run


def _start_pack(asked: Any) -> subprocess.Popen[bytes]:
    """As today's host does it (sdk/python/cmd/pulumi-language-python/main.go)."""
    given = dict(entry.split("=", 1) for entry in asked.env)
    module = [sys.executable, "-u", "-m", "pulumi.policy"]
    return subprocess.Popen(
        [*module, *asked.args, asked.info.program_directory],
        cwd=asked.pwd,
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _output(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """What a process writes, as it does, with the name of the stream."""
    written: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def read(name: str, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), 65536):
            written.put((name, chunk))
        written.put((name, b""))

    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        threading.Thread(target=read, args=(name, stream), daemon=True).start()
    ended = 0
    while ended < len(streams):
        name, chunk = written.get()
        if chunk:
            yield name, chunk
        else:
            ended += 1


if __name__ == "__main__":
    # So the engine ends its plugins; there is nothing to be said about it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(sys.argv[1:])
