"""What jobs run, against a stack that is up: real engine, program, state and emulator.

In place of the account is the embedded AWS, in place of GitHub one on loopback.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from ops.ci.redaction import redact
from ops.cli import app
from ops.errors import OpsError
from ops.review import TEMPLATE, prepare
from ops.stack import Stack
from rehearsal.stack_file import YamlFile
from tests.fakes import ACCOUNT
from tests.github import FakeGitHub, serving
from tests.ops.rehearsed import Rehearsed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
HEAD = "c0ffee0123"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ci", *arguments])


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with serving() as server:
        server.pull(7, "review", head=HEAD)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    return tmp_path / "summary"


@pytest.fixture
def file(stack: Stack) -> Iterator[Path]:
    """The stack file, to be changed; it is as before after the test."""
    file = stack.folder / f"Pulumi.{stack.name}.yaml"
    before = file.read_bytes()
    yield file
    file.write_bytes(before)


def change(file: Path, group: str, key: str, value: Any) -> None:
    content = YamlFile.read(file)
    content.put(("config", f"stromhaltig:{group}", key), value)
    content.write(file)


def leaks(text: str, stack: Stack) -> list[str]:
    """What is in a text of what nobody outside may read."""
    state = json.dumps(stack.export())
    arns = re.findall(r"arn:aws[^\"\\]+", state)
    private = {
        ACCOUNT,
        *arns,
        *re.findall(r"\b(?:vpc|subnet|sg)-[0-9a-f]{17}\b", state),
    }
    return [value for value in private if value in text]


def test_a_pull_request_is_told_what_it_would_do(
    stack: Stack, file: Path, tmp_path: Path, summary: Path, github: FakeGitHub
) -> None:
    change(file, "network", "cidr", "10.77.0.0/16")
    content = YamlFile.read(file)
    content.remove("config", "stromhaltig:uploads")
    content.write(file)

    run("preview", "--stack", stack.name, "--output", str(tmp_path))
    matrix = json.dumps({"include": [{"stack": stack.name}]})
    done = run("comment", str(tmp_path), "--matrix", matrix, "--commit", HEAD)
    (tmp_path / "comment.txt").write_text(done.stdout)
    for _ in range(2):
        published = run(
            *("publish", str(tmp_path / "comment.txt"), "--pull-request", "7"),
            *("--commit", HEAD),
        )
        assert published.exit_code == 0, published.output

    [comment] = github.comments[7]
    body = comment["body"]
    assert re.search(r"### `staging`: \d+ to delete, \d+ to replace, ", body)
    [lost, *_] = [line for line in body.splitlines() if line.startswith("| **")]
    assert "`aws:efs/fileSystem:FileSystem` | **holds data** |" in lost
    assert re.search(r"… and \d+ more, in the job summary", body)
    assert "**Policies**: " in body
    assert "**Cost**: " in body
    full = summary.read_text()
    assert "`aws:ec2/vpc:Vpc` | `cidrBlock` |" in full
    for text in (body, full):
        assert leaks(text, stack) == []


def test_a_stack_that_stays_as_it_is_passes(
    stack: Stack, tmp_path: Path, summary: Path
) -> None:
    done = run("preview", "--stack", stack.name, "--output", str(tmp_path))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "staging.md").read_text()
    assert text.startswith("### `staging`: no changes")
    assert "The price stays as it is" in text


def test_a_release_of_a_pipeline_is_no_change_whatever_the_file_names(
    stack: Stack, file: Path, tmp_path: Path, summary: Path
) -> None:
    content = YamlFile.read(file)
    content.remove("config", "stromhaltig:image")
    content.write(file)
    for older in (None, f"ghcr.io/stromdao/stromhaltig@sha256:{'0a' * 32}"):
        if older:
            change(file, "image", "ref", older)
        before = file.read_bytes()
        done = run("preview", "--stack", stack.name, "--output", str(tmp_path))
        assert done.exit_code == 0, done.output
        text = (tmp_path / "staging.md").read_text()
        assert text.startswith("### `staging`: no changes")
        assert ("file names another" in text) == bool(older)
        assert file.read_bytes() == before


def test_a_preview_that_fails_says_why(
    stack: Stack, file: Path, tmp_path: Path, summary: Path
) -> None:
    change(file, "network", "nat", "singel")
    done = run("preview", "--stack", stack.name, "--output", str(tmp_path))
    assert done.exit_code == 1
    text = (tmp_path / "staging.md").read_text()
    assert text.startswith("### `staging`: the preview failed")
    assert 'Did you mean "single"?' in text


def test_drift_becomes_an_issue_until_it_is_mended(
    stack: Stack, rehearsed: Rehearsed, summary: Path, github: FakeGitHub
) -> None:
    rds = boto3.client("rds", region_name=stack.outputs["region"])

    def keep_backups(days: int) -> None:
        rds.modify_db_instance(
            DBInstanceIdentifier=stack.outputs["database"],
            BackupRetentionPeriod=days,
            ApplyImmediately=True,
        )

    def drift() -> str:
        done = run("drift", "--stack", stack.name, "--issue")
        assert done.exit_code == 0, done.output
        return done.output

    assert "not needed" in drift()
    try:
        keep_backups(1)
        # Who may only look may not read secrets.
        rehearsed.cloud.fail("GetSecretValue", "not authorized")
        with pytest.raises(OpsError, match="not authorized"):
            stack.drift()
        assert "added" in drift()
        [issue] = github.issues
        assert "`backupRetentionPeriod`" in issue["body"]
        assert leaks(issue["body"], stack) == []
        assert run("drift", "--stack", stack.name).exit_code == 1
    finally:
        rehearsed.cloud.heal()
        keep_backups(7)
    assert "closed" in drift()
    assert issue["state"] == "closed"


@pytest.fixture
def make(
    rehearsed: Rehearsed,
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The clone's make, as beside a rehearsal that was kept."""
    clone = rehearsed.folder.parents[1]
    shutil.copy2(ROOT / "Makefile", clone)
    python = clone / ".venv"
    python.symlink_to(sys.prefix)
    (rehearsed.folder / "env.sh").write_text(
        "".join(
            f"export {name}={shlex.quote(value)}\n"
            for name, value in rehearsed.environment.items()
        )
    )

    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        # Below the make that runs the tests it would tell which folder it enters.
        above = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        environment = {k: v for k, v in os.environ.items() if k not in above}
        # What is installed is this Python's business.
        command = ["make", "-o", ".venv/rehearsal.ready", *arguments]
        return subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True
        )

    yield make
    python.unlink()


def test_jobs_run_locally_beside_a_kept_rehearsal(
    make: Callable[..., subprocess.CompletedProcess[str]], stack: Stack
) -> None:
    preview = make("ci-preview", "STACK=staging")
    assert preview.returncode == 0, preview.stderr
    assert "### `staging`: no changes" in preview.stdout
    comment = make("ci-comment", "STACK=staging")
    assert comment.returncode == 0, comment.stderr
    assert "## Preview" in comment.stdout
    assert "### `staging`: no changes" in comment.stdout
    drift = make("ci-drift", "STACK=staging")
    assert drift.returncode == 0, drift.stderr
    assert "Stack `staging` is as its program made it." in drift.stdout


def test_an_environment_is_made_locally_beside_a_kept_rehearsal(
    make: Callable[..., subprocess.CompletedProcess[str]],
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = ("STACK=staging", "NUMBER=9")
    up = make("ci-review-up", *here, f"REF={stack.outputs['release']}")
    assert up.returncode == 0, up.stderr
    assert up.stdout.endswith("\nhttps://pr-9.staging.stromhaltig.de\n")
    assert stacks(stack) == {"staging", "pr-9"}
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.pull(9, state="closed")
        reaped = make("ci-reap", "STACK=staging")
    assert reaped.returncode == 0, reaped.stderr
    assert "`pr-9` would be destroyed: the pull request is closed" in reaped.stdout
    down = make("ci-review-down", *here)
    assert down.returncode == 0, down.stderr
    assert stacks(stack) == {"staging"}


def test_the_image_that_runs_is_promoted_by_its_digest(stack: Stack) -> None:
    done = run("image", "--stack", stack.name)
    assert done.stdout.strip() == stack.outputs["release"]
    assert "@sha256:" in done.stdout


@pytest.fixture
def prepare_file(stack: Stack) -> Iterator[Callable[[], str]]:
    """Write the stack file of a pull request, as on a runner that has only the clone.

    Its time was over long ago.
    """
    name = "pr-7"
    file = stack.folder / f"Pulumi.{name}.yaml"
    shutil.copy(ROOT / TEMPLATE, stack.folder)

    def prepare_file() -> str:
        file.unlink(missing_ok=True)
        expired = datetime(2020, 1, 1, tzinfo=UTC)
        prepare(7, stack.outputs["release"], expired, stack.folder)
        return name

    yield prepare_file
    file.unlink(missing_ok=True)


def encryption(stack: Stack, name: str) -> Any:
    """What the state of a stack says its secrets are encrypted by."""
    return Stack(name, stack.folder).export()["deployment"]["secrets_providers"]


def leave_lock(stack: Stack, name: str, since: str = "2020-01-01T00:00:00Z") -> Path:
    """Lock a stack as a job does that was killed, on a runner that is gone."""
    locks = (
        Path(stack.backend_url.removeprefix("file://"))
        / f".pulumi/locks/organization/{stack.project_name}/{name}"
    )
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "runner", "hostname": "gone"}
    (locks / "dead.json").write_text(json.dumps(lock | {"timestamp": since}))
    return locks / "dead.json"


def stacks(stack: Stack) -> set[str]:
    done = subprocess.run(
        ["pulumi", "stack", "ls", "--json"],
        cwd=stack.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return {entry["name"] for entry in json.loads(done.stdout)}


def test_an_environment_comes_up_and_is_reaped_when_its_time_is_over(
    stack: Stack,
    prepare_file: Callable[[], str],
    tmp_path: Path,
    summary: Path,
    github: FakeGitHub,
) -> None:
    comment = tmp_path / "review.md"
    up = ("review", "up", "--pull-request", "7", "--output", str(comment))
    encrypted = []
    for _ in range(2):  # the second is a push to the pull request
        prepared = prepare_file()
        done = run(*up)
        assert done.exit_code == 0, done.output
        encrypted.append(encryption(stack, prepared))
        leave_lock(stack, prepared)
    assert encrypted[0] == encrypted[1]
    url = done.stdout.strip()
    assert url == "https://pr-7.staging.stromhaltig.de"
    published = run(
        *("publish", str(comment), "--pull-request", "7", "--topic", "review"),
        *("--link", url),
    )
    assert published.exit_code == 0, published.output
    [told] = github.comments[7]
    assert f"\n\n{url}\n\n" in told["body"]
    assert "**Cost**: " in told["body"]
    assert redact(comment.read_text()) == comment.read_text()
    assert stacks(stack) == {stack.name, prepared}

    assert run("reap", "--dry-run").exit_code == 0
    assert "`pr-7` would be destroyed: its time is over" in summary.read_text()
    assert stacks(stack) == {stack.name, prepared}

    github.pull(7, "review", "persist", head=HEAD)
    assert run("reap").exit_code == 0
    assert stacks(stack) == {stack.name, prepared}

    github.pull(7, "review", head=HEAD, state="closed")
    lock = leave_lock(stack, prepared, datetime.now(UTC).isoformat())
    assert run("reap").exit_code == 0
    assert "`pr-7` stays: an update is under way" in summary.read_text()
    lock.unlink()

    done = run("reap")
    assert done.exit_code == 0, done.output
    gone = "`pr-7` is destroyed: the pull request is closed"
    assert gone in summary.read_text()
    assert gone in told["body"]
    assert stacks(stack) == {stack.name}
    assert Stack(stack.name).preview() == []

    done = run("review", "down", "--pull-request", "7")
    assert done.exit_code == 0, done.output
    assert "`pr-7` was gone already" in summary.read_text()
