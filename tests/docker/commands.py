"""`stromhaltig` on the site's stack, as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.project import STACK
from tests.docker.site import ADDRESS, CLONE, Site
from tests.ops.command import Ran

PATIENCE = 300.0
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Operator:
    """Somebody with a clone, the state's passphrase, and a way to the engine.

    monitor: base address at which the site answers where the operator is.
    """

    site: Site
    monitor: str

    @property
    def environment(self) -> dict[str, str]:
        deployment = self.site.deployment
        base = deployment.project.environment() | dict(deployment.environment)
        return deployment.engine.environment(base) | {
            "PYTHONPATH": str(CLONE),
            "STROMHALTIG_STACK": STACK,
            "STROMHALTIG_HEALTH_URL": f"{self.monitor}/api/health",
        }

    def run(self, *arguments: str, given: str = "", code: int | None = 0) -> Ran:
        """Run a command to its end, without a terminal.

        given: on its standard input. code: what it ends with; None for whatever.
        """
        with self.started(*arguments) as running:
            out, err = running.communicate(given, timeout=PATIENCE)
        ran = Ran(running.returncode, out, err)
        assert code in (None, ran.code), f"exit code {ran.code}\n{out}\n{err}"
        assert "Traceback" not in err
        return ran

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "ops.cli", *arguments],
            cwd=self.site.deployment.project.project_dir,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def told(self, *arguments: str, code: int | None = 0) -> Any:
        """What a command says with --json."""
        return json.loads(self.run(*arguments, "--json", code=code).out)


@contextmanager
def monitored(site: Site) -> Iterator[str]:
    """A base address of our own that answers as the site does.

    Its ports are published in the engine's network, where no command can be run: it
    has to reach Pulumi's plugins, too.
    """

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = site.get(f"{ADDRESS}{self.path}")
            self.send_response(answer["status"])
            self.send_header("Content-Type", answer["headers"]["content-type"])
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_: object) -> None:
            """Nothing: the site has a log of its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
