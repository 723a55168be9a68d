"""What this machine needs to deploy and to operate: programs, and their versions."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.checkup import Check
from ops.errors import OpsError
from ops.platforms.platform import Fact, State

ANSWER_SECONDS = 10.0
"""How long a program may take to say its version."""

PULUMI = "3.250.0"
"""What the program was written with, and is tested with."""

PYTHON = "3.11"
"""As pyproject.toml has it."""

POSTGRES = 15
"""Major version of the stacks' servers: older clients cannot dump them."""


@dataclass(frozen=True)
class Tool:
    """A program that is run.

    arguments: what makes it say its version. least: the oldest that will do.
    missing: how bad it is without. use: what it is for. install: how to get it.
    """

    name: str
    arguments: Sequence[str]
    least: str
    missing: State
    use: str
    install: str


_PULUMI_INSTALL = "curl -fsSL https://get.pulumi.com | sh"

TOOLS = (
    Tool("pulumi", ("version",), PULUMI, State.ERROR, "deploys", _PULUMI_INSTALL),
    Tool(
        "uv",
        ("--version",),
        "0.5",
        State.WARNING,
        "gives the program its packages (`toolchain: uv` in Pulumi.yaml)",
        "curl -LsSf https://astral.sh/uv/install.sh | sh",
    ),
    Tool(
        "git",
        ("--version",),
        "2.20",
        State.WARNING,
        "tells which revision a release was made of",
        "apt-get install git",
    ),
)


def checks() -> list[Check]:
    """Look at each program, and at what runs this one."""
    return [
        Check("python", lambda: [python()], remote=False),
        *(_check(tool) for tool in TOOLS),
        Check("docker", lambda: [docker()]),
        Check("postgresql", postgresql, remote=False),
    ]


def _check(tool: Tool) -> Check:
    return Check(tool.name, lambda: [look(tool)], remote=False)


def python(running: tuple[int, ...] = sys.version_info[:3]) -> Fact:
    """Look at the version of Python that runs this."""
    says = ".".join(map(str, running))
    if running < _numbers(PYTHON):
        remedy = f"Run it with {PYTHON} or newer: uv sync"
        return Fact("python", State.ERROR, says, remedy)
    return Fact("python", State.OK, says)


def look(tool: Tool) -> Fact:
    """Look whether a program is there, and new enough."""
    path = shutil.which(tool.name)
    if path is None:
        says = f"not on PATH; it {tool.use}"
        return Fact(tool.name, tool.missing, says, f"Install it: {tool.install}")
    said = _said(path, *tool.arguments)
    version = re.search(r"\d+(\.\d+)+", said)
    if version is None:
        says = f"{path} says no version, but: {said[:200] or 'nothing'}"
        return Fact(tool.name, State.UNKNOWN, says, f"Install it anew: {tool.install}")
    if _numbers(version[0]) < _numbers(tool.least):
        says = f"{version[0]} is older than {tool.least}"
        return Fact(tool.name, tool.missing, says, f"Update it: {tool.install}")
    return Fact(tool.name, State.OK, version[0])


def docker() -> Fact:
    """Look whether an engine answers, for images that are built here."""
    path = shutil.which("docker")
    if path is None:
        return Fact("docker", State.WARNING, "not on PATH", _DOCKER)
    said = _said(path, "version", "--format", "{{.Server.Version}}")
    if not re.fullmatch(r"\d+\..*", said):
        says = said.splitlines()[-1] if said else "no answer"
        return Fact("docker", State.WARNING, f"no engine answers: {says}", _DOCKER)
    return Fact("docker", State.OK, f"engine {said}")


_DOCKER = (
    "It builds images, where the stack file names a folder, and is the platform of a "
    "Docker host. Start it, or say where it is: DOCKER_HOST=ssh://USER@HOST"
)


def postgresql() -> Iterator[Fact]:
    """Look for the programs that dump and restore."""
    from ops.database.programs import program

    for name in ("pg_dump", "psql"):
        try:
            path = program(name, least=POSTGRES)
        except OpsError as error:
            yield Fact(name, State.WARNING, "not here, or too old", str(error))
        else:
            yield Fact(name, State.OK, _said(str(path), "--version"))


def _said(*command: str) -> str:
    """What a program says; what stands in its way, if it says nothing."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    except OSError as error:
        return str(error)
    return done.stdout.strip() or done.stderr.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
