"""A stand-in for AWS's `session-manager-plugin`, as far as its command line goes.

It takes what the real one takes, refuses what that would, writes down how it was
called, and forwards a port for as long as it lives. What the real one does over its
web socket is not in it: only the real one can show that.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
#!{python}
import json, os, signal, socket, sys, threading

if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
name, region, operation, profile, asked, endpoint = sys.argv[1:]
session = json.loads(os.environ[name])
missing = {{"SessionId", "StreamUrl", "TokenValue"}} - session.keys()
assert not missing, missing
parameters = json.loads(asked)
record = {{"argv": sys.argv[1:], "session": session, "pid": os.getpid()}}
open("{record}", "w").write(json.dumps(record))
if "DocumentName" not in parameters:
    sys.exit({code})
if {code}:
    sys.exit("Connection to destination port failed")


def pump(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


server = socket.create_server(
    ("127.0.0.1", int(parameters["Parameters"]["localPortNumber"][0]))
)
while True:
    near, _ = server.accept()
    far = socket.create_connection({target})
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@dataclass(frozen=True)
class SessionPlugin:
    """Where it is, and how it was called last."""

    folder: Path

    @property
    def called(self) -> dict[str, Any]:
        """`argv`, the `session` from its environment, and `pid`."""
        return dict(json.loads((self.folder / "record.json").read_text()))

    def install(
        self,
        patch: pytest.MonkeyPatch,
        *,
        target: tuple[str, int] = ("127.0.0.1", 1),
        version: str = "1.2.707.0",
        code: int = 0,
    ) -> None:
        """Put it first on PATH.

        target: where its tunnels lead; code: with which it ends at once, if not 0.
        """
        program = self.folder / "session-manager-plugin"
        program.write_text(
            SCRIPT.format(
                python=sys.executable,
                version=version,
                record=self.folder / "record.json",
                code=code,
                target=target,
            )
        )
        program.chmod(0o755)
        patch.setenv("PATH", f"{self.folder}{os.pathsep}{os.environ['PATH']}")
