"""The embedded cloud: moto's AWS and our provider server, in one child process.

`EmbeddedCloud` starts it on free loopback ports and ends it; the process itself is
`python -m rehearsal.cloud`. It lives as long as whoever started it: when the other end
of its standard input closes, it ends, so that even a killed rehearsal leaves nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rehearsal.control import FAULTS, RAILWAY, RECORDED, Control
from rehearsal.provider.ledger import Entry, Ledger

HOST = "127.0.0.1"
START_SECONDS = 60
PACKAGES = ("aws", "digitalocean", "docker", "docker-build", "random", "tls")
"""Packages whose resources the provider server answers for."""


class CloudError(Exception):
    """The embedded cloud did not start."""


@dataclass(frozen=True)
class Addresses:
    """Where the embedded cloud listens.

    aws: URL for boto3 and the aws command; provider: port for the engine.
    """

    aws: str
    provider: int

    def for_engine(self) -> dict[str, str]:
        """Variables that attach the engine to the provider server."""
        attached = ",".join(f"{package}:{self.provider}" for package in PACKAGES)
        return {"PULUMI_DEBUG_PROVIDERS": attached}

    def for_aws_clients(self, region: str) -> dict[str, str]:
        """Variables that point `aws` and boto3 at the emulator and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class EmbeddedCloud:
    """A running embedded cloud.

    port: of the emulated AWS; 0 takes a free one.
    log: file for what the process prints.

    Raises CloudError on entering when it does not start.
    """

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self.addresses = Addresses("", 0)

    @property
    def pid(self) -> int:
        """The process that serves it."""
        if self._process is None:
            raise CloudError("the embedded cloud is not running")
        return self._process.pid

    def __enter__(self) -> EmbeddedCloud:
        refuse_port_in_use(self._port)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rehearsal.cloud", "--port", str(self._port)],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is ours to handle, in order
            )
        self.addresses = self._wait_until_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; ending it twice is no error."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def keep(self) -> int:
        """Let it live on after us; returns its process id."""
        if self._process is None or self._process.stdin is None:
            raise CloudError("the embedded cloud is not running")
        self._process.stdin.write("keep\n")
        self._process.stdin.flush()
        pid, self._process = self._process.pid, None
        return pid

    def fail(self, action: str, message: str) -> None:
        """Make every call of an AWS action fail until `heal`."""
        self._control("PUT", FAULTS, {"action": action, "message": message})

    def break_new(self, token: str, name: str, message: str) -> None:
        """Let new recorded resources of a type and name never work, until `heal`."""
        fault = {"token": token, "name": name, "message": message}
        self._control("PUT", FAULTS, fault)

    def start_railway(self, token: str) -> str:
        """Start a Railway that takes a token; returns the URL of its API."""
        return str(self._control("PUT", RAILWAY, {"token": token})["endpoint"])

    def railway(self) -> dict[str, Any]:
        """What exists at that Railway, as `rehearsal.railway.Railway.state` says it."""
        return dict(self._control("GET", RAILWAY, {}))

    def fail_railway(self, operation: str, message: str) -> None:
        """Make every request of an operation fail there, until `heal`."""
        self._control("PUT", FAULTS, {"operation": operation, "message": message})

    def heal(self) -> None:
        """Take all faults back."""
        self._control("DELETE", FAULTS, {})

    def recorded(self) -> list[Entry]:
        """Every recorded resource."""
        return [Entry(**entry) for entry in self._control("GET", RECORDED, {})]

    def spoil(self, entry: Entry, inputs: Mapping[str, Any]) -> None:
        """Change a recorded resource behind the program's back."""
        where = {"token": entry.token, "id": entry.id}
        self._control("PUT", RECORDED, {**where, "inputs": inputs})

    def remove(self, entry: Entry) -> None:
        """Remove a recorded resource behind the program's back."""
        self._control("DELETE", RECORDED, {"token": entry.token, "id": entry.id})

    def peak_memory_mib(self) -> int | None:
        """Most memory the process ever held, in MiB; None where /proc is not there."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) // 1024

    def _control(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 (our own loopback address)
            f"{self.addresses.aws}{path}",
            data=json.dumps(body).encode(),
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def _wait_until_ready(self) -> Addresses:
        assert self._process is not None  # noqa: S101 (for the type checker)
        assert self._process.stdout is not None  # noqa: S101
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            self.stop()
            last = self._log.read_text().strip().splitlines()[-1:]
            reason = last[0] if last else f"no answer within {START_SECONDS} s"
            raise CloudError(
                f"the embedded cloud did not start: {reason} (see {self._log})"
            )
        return Addresses(**json.loads(line))


def refuse_port_in_use(port: int) -> None:
    """Raise CloudError when a fixed port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OverflowError:
            raise CloudError(f"--port {port}: not a port; use 1024 to 65535") from None
        except OSError as error:
            raise CloudError(
                f"--port {port}: cannot listen on {HOST}:{port} ({error.strerror}). "
                f"Choose another port, or leave --port out for a free one."
            ) from None


def _environment() -> dict[str, str]:
    """The caller's environment without its AWS identity, and moto's switches."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {
        **inherited,
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "MOTO_ACM_VALIDATION_WAIT": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def serve(port: int) -> None:
    """Serve until the parent goes away or a signal comes."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from rehearsal.provider.aws import INVOKES, ROWS
    from rehearsal.provider.server import ProviderServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ledger = Ledger()
    application = Control(DomainDispatcherApplication(create_backend_app), ledger)
    emulator = make_server(HOST, port, application, threaded=True)
    endpoint = f"http://{HOST}:{emulator.server_port}"
    _, provider_port = ProviderServer(endpoint, ROWS, INVOKES, ledger).start()

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(json.dumps({"aws": endpoint, "provider": provider_port}), flush=True)
    emulator.serve_forever()


def _end_with_parent() -> None:
    """End when standard input closes, unless told to stay."""
    for line in sys.stdin:
        if line.strip() == "keep":
            return
    os._exit(0)


def main() -> None:
    """Entry point of the child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args().port)


if __name__ == "__main__":
    main()
