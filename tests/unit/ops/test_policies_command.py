"""`stromhaltig policies`, as it is typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli import app
from policies.catalogue import POLICIES
from policies.evaluate import judge
from resource_graph import parse

DATABASE = "aws:rds/instance:Instance"
KEY = "aws:kms/key:Key"

OURS = (DATABASE, "app-database", {"engine": "postgres", "storageEncrypted": False})
"""RDS.3 is open, and RDS.23 is accepted by the committed file."""


@pytest.fixture
def state(tmp_path):
    """Write an exported state; gives its path."""

    def state(*resources: tuple[str, str, dict[str, Any]], project="stromhaltig"):
        file = tmp_path / "state.json"
        states = [
            {
                "urn": f"urn:pulumi:live::{project}::{type_}::{name}",
                "type": type_,
                "custom": True,
                "inputs": inputs,
            }
            for type_, name, inputs in resources
        ]
        file.write_text(json.dumps({"deployment": {"resources": states}}))
        return str(file)

    return state


def run(*arguments: str):
    return CliRunner().invoke(app, ["policies", *arguments])


GOOD_KEY = (
    KEY,
    "app",
    {"enableKeyRotation": True, "deletionWindowInDays": 30, "policy": "{}"},
)


def test_what_is_right_ends_with_0(state):
    done = run("--file", state(GOOD_KEY))
    assert done.exit_code == 0, done.output
    applying = [p for p in POLICIES if KEY in p.types]
    assert f"{len(applying)} of {len(POLICIES)} policies apply" in done.stdout
    assert "broken" not in done.stdout
    assert done.stderr == ""


def test_what_is_open_is_named_and_ends_with_1(state):
    done = run("--file", state(OURS))
    assert done.exit_code == 1
    found = f"    {DATABASE} app-database: storageEncrypted is not true\n"
    assert found in done.stdout
    assert "✗ RDS.3 medium: " in done.stdout
    assert "- RDS.23 on app-database: accepted until " in done.stdout


def test_programs_get_json_and_nothing_else(state):
    file = state(OURS)
    done = run("--file", file, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["passed"] is False
    assert (told["project"], told["stack"]) == ("stromhaltig", "live")
    assert "RDS.3" in {found["control"] for found in told["open"]}
    assert "RDS.23" in {found["control"] for found in told["accepted"]}


def test_other_exceptions_take_the_place_of_ours(state, tmp_path):
    file = state(OURS)
    graph = parse(json.loads((tmp_path / "state.json").read_text()))
    every = sorted({found.policy.id for found in judge(graph, POLICIES).open})
    mine = tmp_path / "mine.yaml"
    given = {"reason": "It is as it has to be.", "expires": "9999-12-31"}
    mine.write_text(json.dumps([{"control": id_, **given} for id_ in every]))
    assert len(every) > 5
    assert run("--file", file, "--exceptions", str(mine)).exit_code == 0
    mine.write_text("")
    assert run("--file", file, "--exceptions", str(mine)).exit_code == 1


def test_exceptions_that_cannot_be_end_with_2(state, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("- {control: RDS.999}\n")
    done = run("--file", state(GOOD_KEY), "--exceptions", str(mine))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{mine}:",
        "  entry 1 (RDS.999), reason: Field required",
        "  entry 1 (RDS.999), expires: Field required",
        "  entry 1 (RDS.999): no policy has this id. docs/policies.md lists them all",
    ]


def test_nothing_to_judge_ends_with_2(tmp_path):
    done = run("--file", str(tmp_path / "gone.json"))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"{tmp_path / 'gone.json'} cannot be read: No such file or directory\n"
    )


@pytest.mark.parametrize(
    "arguments", [(), ("--stack", "live", "--file", "state.json"), ("--preview",)]
)
def test_a_stack_or_a_file_has_to_be_named(arguments: tuple[str, ...]):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr == "Say which: --stack NAME or --file FILE.\n"


def test_a_stack_is_previewed_when_that_is_asked_for(tmp_path, monkeypatch):
    script = tmp_path / "pulumi"
    script.write_text('#!/bin/sh\necho "asked: $*" >&2\nexit 3\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    asked = "--json --show-sames --stack live --non-interactive"
    done = run("--stack", "live", "--preview")
    assert done.exit_code == 2
    assert f"asked: preview {asked}" in done.stderr
    assert "asked: stack export --stack live" in run("--stack", "live").stderr


def test_what_is_of_somebody_else_is_not_accepted_by_us(state):
    done = run("--file", state(OURS, project="shop"))
    assert done.exit_code == 1
    assert done.stdout.startswith("This is shop/live: exceptions for stromhaltig ")
    assert "✗ RDS.23" in done.stdout
