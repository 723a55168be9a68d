"""The command line as a whole: quick to start, and the same everywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from ops.audit import acts
from ops.cli import app
from ops.errors import OpsError
from ops.lock import Lock
from tests.unit.ops.fakes import FakePlatform, FakeStack

SLOW = (
    *("boto3", "botocore", "docker", "httpx", "jinja2", "psycopg", "pulumi"),
    *("pydantic", "yaml", "cost", "policies", "settings"),
)
"""What takes longer to import than the command line itself."""


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command with its words."""

    def walk(group: typer.core.TyperGroup, words: tuple[str, ...]):
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from walk(command, (*words, name))
            else:
                yield " ".join((*words, name)), command

    yield from walk(typer.main.get_group(app), ())


COMMANDS = dict(commands())


def test_nothing_slow_is_imported_before_it_is_needed():
    code = (
        "import sys, ops.cli\n"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    done = CliRunner().invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_the_same_names_everywhere(name):
    options = {
        option: parameter
        for parameter in COMMANDS[name].params
        for option in parameter.opts
    }
    assert "--output-json" not in options
    assert "--format" not in options
    if "--stack" in options and "-s" in options:
        assert options["--stack"].envvar == "STROMHALTIG_STACK"
    if "-y" in options:
        assert "--yes" in options["-y"].opts


def test_a_refusal_is_told_once_wherever_it_is_raised(monkeypatch):
    def refuse(name: str) -> None:
        raise OpsError("not today")

    monkeypatch.setattr("ops.stack.Stack", refuse)
    done = CliRunner().invoke(app, ["db", "slow", "--stack", "staging"])
    assert (done.exit_code, done.stderr) == (2, "not today\n")


def test_who_is_told_to_end_frees_the_stack(tmp_path, monkeypatch):
    stack = FakeStack(tmp_path, config={"environment": "staging"})
    platform = FakePlatform(stack)

    def ended(on: bool) -> None:
        assert Lock(stack.records).holder()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(platform, "set_maintenance", ended)
    monkeypatch.setattr("ops.stack.Stack", lambda name: stack)
    monkeypatch.setattr("ops.platforms.platform_of", lambda stack: platform)
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(app, ["maintenance", "on", "--yes", "--stack", "staging"])
    assert (done.exit_code, done.stderr) == (130, "Interrupted.\n")
    assert Lock(stack.records).holder() is None
    assert acts(stack.records, 1)[0].outcome == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before
