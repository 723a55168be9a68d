"""The command line as a whole: quick to start, and the same everywhere."""

from __future__ import annotations

import ast
import inspect
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType

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
        if group.invoke_without_command:
            yield " ".join(words), group
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from walk(command, (*words, name))
            else:
                yield " ".join((*words, name)), command

    yield from walk(typer.main.get_group(app), ())


COMMANDS = dict(commands())

READING = {
    *("releases", "status", "health", "logs", "maintenance", "monitor", "audit"),
    *("cost", "policies", "doctor", "env render", "secrets list", "files list"),
    *("db status", "db backups", "db drill", "db slow", "db indexes", "db bloat"),
    *("db connections",),
}
"""What somebody, or a program, asks."""

CHANGING = {
    *("deploy", "rollback", "exec", "maintenance", "unlock"),
    *("db migrate", "db rollback", "db backup", "db restore", "db drill"),
    *("db maintain", "db shell", "files backup", "files restore"),
    *("secrets set", "secrets rotate"),
}
"""What leaves a stack, or its data, as it was not before, or may."""

ELSEWHERE = {
    "bootstrap",  # before there is a stack, and a place for an audit log
    "cost refresh",  # writes a file of the repository, as the next one does
    "review prepare",
    *(name for name in COMMANDS if name.startswith("ci ")),  # told by their runs
}


def options_of(name: str) -> dict[str, typer.core.TyperOption]:
    return {
        option: parameter
        for parameter in COMMANDS[name].params
        for option in parameter.opts
    }


@cache
def names_in(module: ModuleType | None) -> dict[str, set[str]]:
    """Function of a module to the names in it."""
    uses: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.FunctionDef):
            for part in ast.walk(node):
                if isinstance(part, ast.Name):
                    uses[node.name].add(part.id)
                elif isinstance(part, ast.Attribute):
                    uses[node.name].add(part.attr)
    return uses


def is_audited(callback: Callable[..., object]) -> bool:
    """Whether a command leads, within its module, to where the audit log is written."""
    uses = names_in(inspect.getmodule(callback))
    seen, ahead = set(), {callback.__name__}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= uses.get(name, set()) - seen
    return bool(seen & {"operation", "audited"})


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
    options = options_of(name)
    assert "--output-json" not in options
    assert "--format" not in options
    if "--stack" in options:
        assert options["--stack"].envvar == "STROMHALTIG_STACK"
    if "--health-url" in options or "--url" in options:
        assert options["--health-url"].envvar == "STROMHALTIG_HEALTH_URL"
    for short, long in (("-y", "--yes"), ("-s", "--stack")):
        assert options.get(short) is options.get(long)


def test_it_is_known_of_every_command_whether_it_reads_or_changes():
    assert COMMANDS.keys() == READING | CHANGING | ELSEWHERE
    assert not ELSEWHERE & (READING | CHANGING)


@pytest.mark.parametrize("name", sorted(READING))
def test_what_reads_has_json(name):
    assert options_of(name)["--json"].is_flag


@pytest.mark.parametrize("name", sorted(READING | CHANGING))
def test_what_changes_something_is_in_the_audit_log_and_nothing_else(name):
    assert is_audited(COMMANDS[name].callback) == (name in CHANGING)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("status -s sta", ["staging"]),
        ("cost --stack pro", ["production"]),
        ("env render do --stack ", ["production", "staging"]),
        ("db backup --stack x", []),
        ("maint", ["maintenance"]),
    ],
)
def test_the_shell_completes_commands_and_stacks(tmp_path, monkeypatch, typed, offered):
    for name in ("Pulumi.yaml", "Pulumi.staging.yaml", "Pulumi.production.yaml"):
        (tmp_path / name).touch()
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    words = f"stromhaltig {typed}"
    asked = {
        "_STROMHALTIG_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = CliRunner().invoke(app, [], env=asked, prog_name="stromhaltig")
    assert (done.exit_code, done.stdout.split()) == (0, offered)


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
