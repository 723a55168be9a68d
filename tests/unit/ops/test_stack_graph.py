"""Where a command gets its graph from: a file, or Pulumi itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.stack import ROOT
from ops.stack_graph import graph_of
from resource_graph import GraphError

URN = "urn:pulumi:live::stromhaltig::aws:s3/bucket:Bucket::files"
BUCKET = {"urn": URN, "type": "aws:s3/bucket:Bucket", "custom": True}
STATE = {"deployment": {"resources": [BUCKET]}}
PREVIEW = {"steps": [{"op": "create", "urn": URN, "newState": BUCKET}]}


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    """Put a `pulumi` on PATH that prints something; gives how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def pulumi(out: Any = "", err: str = "", code: int = 0):
        (tmp_path / "out").write_text(out if isinstance(out, str) else json.dumps(out))
        (tmp_path / "err").write_text(err)
        script = folder / "pulumi"
        script.write_text(
            f'#!/bin/sh\necho "$PWD: $*" > {tmp_path}/asked\n'
            f"cat {tmp_path}/err >&2\ncat {tmp_path}/out\nexit {code}\n"
        )
        script.chmod(0o755)
        return lambda: (tmp_path / "asked").read_text().rstrip()

    return pulumi


def refusal(stack: str | None = "live", *, preview: bool = False, **given: Any) -> str:
    with pytest.raises(GraphError) as refused:
        graph_of(stack, given.get("file"), preview=preview)
    return str(refused.value)


def test_a_file_is_read_without_pulumi(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "state.json"
    file.write_text(json.dumps(STATE))
    graph = graph_of(None, file, preview=False)
    assert [resource.urn for resource in graph] == [URN]


def test_a_stack_is_asked_for_its_state(pulumi):
    asked = pulumi(STATE)
    graph = graph_of("live", None, preview=False)
    assert [resource.urn for resource in graph] == [URN]
    assert asked() == f"{ROOT}: stack export --stack live --non-interactive"


def test_or_for_what_it_would_be(pulumi):
    asked = pulumi(PREVIEW, err="Previewing update (live)\n")
    graph = graph_of("live", None, preview=True)
    assert [resource.urn for resource in graph] == [URN]
    assert asked() == (
        f"{ROOT}: preview --json --show-sames --stack live --non-interactive"
    )


@pytest.mark.parametrize(("stack", "file"), [(None, None), ("live", Path("s.json"))])
def test_one_of_both_is_needed(stack, file):
    assert refusal(stack, file=file) == "Say which: --stack NAME or --file FILE."


def test_without_pulumi_a_file_will_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal() == (
        "There is no `pulumi` on PATH. Install it, or give an exported state: "
        "--file state.json"
    )


def test_what_pulumi_says_is_told(pulumi):
    pulumi(err="error: no stack named 'live' found\n", code=255)
    assert refusal() == (
        "pulumi stack export --stack live: error: no stack named 'live' found"
    )


def test_a_preview_that_fails_gives_its_errors_and_not_its_json(pulumi):
    told = [
        {"severity": "info", "message": "resolving"},
        {"severity": "error", "message": "error: stromhaltig:image is missing\n"},
        {"severity": "error", "message": "error: and so is the domain\n"},
    ]
    pulumi({**PREVIEW, "diagnostics": told}, code=1)
    assert refusal(preview=True) == (
        "pulumi preview --json --show-sames --stack live: "
        "error: stromhaltig:image is missing\nerror: and so is the domain"
    )


@pytest.mark.parametrize("out", ["it went wrong", PREVIEW, [1]], ids=str)
def test_a_failure_without_reasons_shows_what_was_printed(pulumi, out):
    pulumi(out, code=1)
    said = out if isinstance(out, str) else json.dumps(out)
    assert refusal(preview=True).endswith(f"--stack live: {said}")


def test_what_is_no_json_is_shown(pulumi):
    pulumi("Enter your passphrase:")
    assert refusal() == (
        "pulumi stack export --stack live printed no JSON, but: Enter your passphrase:"
    )


def test_a_stack_without_resources_is_told(pulumi):
    pulumi({"deployment": {}})
    assert re.match("the state has no resources", refusal())


def test_a_file_has_no_preview_of_its_own(tmp_path):
    said = refusal(None, file=tmp_path / "state.json", preview=True)
    assert said == "--preview is of a stack. Give --stack NAME, or --file."
