"""A small stack on a loopback Railway, driven by the real engine."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehearsal.engine import Engine, ensure
from rehearsal.railway_model import Project
from rehearsal.railway_server import RailwayServer
from tests.rehearsal.programs import Heard

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("program.py")
TOKEN = "the-token-of-the-test"
FIRST_IMAGE = "ghcr.io/stromdao/stromhaltig@sha256:" + "1" * 64
SECOND_IMAGE = "ghcr.io/stromdao/stromhaltig@sha256:" + "2" * 64


@dataclass
class Run:
    """What the engine did: its exit code, its words, and steps by resource name."""

    code: int
    text: str
    steps: dict[str, list[str]]

    def of(self, op: str) -> set[str]:
        """Kind and name of the resources that this befell."""
        return {name for name, ops in self.steps.items() if op in ops}


@dataclass
class Stack:
    """The stack: what its program is told, and the engine that runs it."""

    folder: Path
    engine: Engine
    server: RailwayServer
    spec: dict[str, Any] = field(default_factory=dict)
    token: str = TOKEN

    def up(self, *args: str) -> Run:
        return self._run("up", "--yes", "--skip-preview", *args)

    def preview(self, *args: str) -> Run:
        return self._run("preview", *args)

    def refresh(self) -> Run:
        return self._run("refresh", "--yes")

    def destroy(self) -> Run:
        return self._run("destroy", "--yes")

    def outputs(self) -> dict[str, Any]:
        return json.loads(self._pulumi("stack", "output", "--json", "--show-secrets"))

    def state(self) -> str:
        """The state as it is kept, secrets encrypted."""
        return self._pulumi("stack", "export")

    def begin(self) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "program").mkdir()
        (self.folder / "program" / "__main__.py").symlink_to(PROGRAM)
        (self.folder / "program" / "components").symlink_to(ROOT / "components")
        (self.folder / "Pulumi.yaml").write_text(
            "name: railway-test\nruntime: python\nmain: program\n"
        )
        self._pulumi("stack", "init", "test")

    def _run(self, *args: str) -> Run:
        self._write()
        events = self.folder / "events.jsonl"
        events.unlink(missing_ok=True)
        done = self._call(*args, "--event-log", str(events))
        return Run(done.returncode, done.stdout + done.stderr, _steps(events))

    def _write(self) -> None:
        (self.folder / "program" / "spec.json").write_text(json.dumps(self.spec))

    def _pulumi(self, *args: str) -> str:
        done = self._call(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _call(self, *args: str) -> subprocess.CompletedProcess[str]:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PULUMI_", "RAILWAY_"))
        } | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_HOME": str(self.folder / "home"),
            "TEST_ENDPOINT": self.server.endpoint,
            "TEST_TOKEN": self.token,
        }
        return subprocess.run(
            [self.engine.pulumi, *args, "--non-interactive", "--color", "never"]
            + ([] if args[:2] == ("stack", "init") else ["--stack", "test"]),
            cwd=self.folder,
            env=self.engine.environment(env),
            capture_output=True,
            text=True,
            timeout=120,
        )


def _steps(events: Path) -> dict[str, list[str]]:
    steps: dict[str, list[str]] = {}
    for line in events.read_text().splitlines() if events.exists() else ():
        event = json.loads(line)
        found = event.get("resOutputsEvent") or event.get("resourcePreEvent")
        if not found:
            continue
        metadata = found["metadata"]
        kind = metadata["type"].rpartition(":")[2]
        if metadata["type"].startswith("pulumi-python:"):
            name = f"{kind} {metadata['urn'].rpartition('::')[2]}"
            ops = steps.setdefault(name, [])
            if metadata["op"] not in ops:
                ops.append(metadata["op"])
    return steps


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that the rehearsal uses."""
    assert sys.prefix != sys.base_prefix, "run the tests in the virtual environment"
    return ensure("build", progress=Heard())


@pytest.fixture
def server() -> Iterator[RailwayServer]:
    with RailwayServer(TOKEN) as running:
        yield running


@pytest.fixture
def stack(tmp_path: Path, engine: Engine, server: RailwayServer) -> Stack:
    """A stack that does not exist yet."""
    return _stack(tmp_path, engine, server)


@pytest.fixture(scope="module")
def _deployed(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine
) -> Iterator[tuple[Stack, list[Project], dict[str, Any]]]:
    """A stack that was deployed, with copies of what there was then."""
    folder = tmp_path_factory.mktemp("stack")
    with RailwayServer(TOKEN) as server:
        stack = _stack(folder, engine, server)
        up = stack.up()
        assert up.code == 0, up.text
        shutil.copytree(folder / "state", folder / "kept")
        yield stack, copy.deepcopy(server.model.projects), copy.deepcopy(stack.spec)


@pytest.fixture
def running(_deployed: tuple[Stack, list[Project], dict[str, Any]]) -> Stack:
    """The deployed stack, as it was after its deployment."""
    stack, projects, spec = _deployed
    shutil.rmtree(stack.folder / "state")
    shutil.copytree(stack.folder / "kept", stack.folder / "state")
    stack.server.model.projects[:] = copy.deepcopy(projects)
    stack.server.recover()
    stack.server.requests.clear()
    stack.server.token = stack.token = TOKEN
    stack.spec = copy.deepcopy(spec)
    return stack


def _stack(folder: Path, engine: Engine, server: RailwayServer) -> Stack:
    spec = {
        "image": FIRST_IMAGE,
        "variables": {"NODE_ENV": "production", "PORT": "3001"},
        "secrets": {"JWT_SECRET": "the-secret-that-signs-sessions"},
        "domain": "stromhaltig.example",
        "replicas": 2,
    }
    made = Stack(folder, engine, server, spec)
    made.begin()
    return made
