"""What holds of every workflow, beside what actionlint and zizmor look at."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from ops.ci.environments import TITLE
from ops.ci.images import by_digest
from ops.ci.reaper import REVIEW_LABEL
from ops.ci.redaction import redact
from ops.ci.stacks import stack_files
from ops.cli import app
from ops.errors import OpsError

ROOT = Path(__file__).parents[4]
OURS = sorted((ROOT / ".github/workflows").glob("*.yml"))
THEIRS = sorted((ROOT / "examples/app-repository/.github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
FILES = [*OURS, *THEIRS]
EXPECTED = {
    *("test", "image", "preview", "deploy", "deploy-stack", "review", "drift"),
    *("drill", "rehearse", "release", "reap"),
}
OF_OUR_OWN = "stromdao/stromhaltig-infra/"
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
SECRETS = {"SLACK_WEBHOOK_URL", "INFRA_TOKEN"}
TRIGGERS = {
    *("push", "pull_request", "schedule", "workflow_call", "workflow_dispatch"),
}
"""Others run with rights for what somebody outside has written."""


def name(file: Path) -> str:
    return str(file.relative_to(ROOT)).replace(".github/", "")


@cache
def load(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes `on` for a truth value.
    content = yaml.load(file.read_text(), Loader=yaml.BaseLoader)  # noqa: S506
    assert isinstance(content, dict)
    return content


def jobs(*files: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every job: where it is, itself, and the workflow around it."""
    for file in files:
        workflow = load(file)
        for job, content in workflow["jobs"].items():
            yield f"{name(file)}: {job}", content, workflow


def steps(*files: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, job, _ in jobs(*files):
        for step in job.get("steps", ()):
            yield where, step


def scripts() -> Iterator[tuple[str, str]]:
    for where, step in steps(*FILES):
        if "run" in step:
            yield where, step["run"]
    for file in ACTIONS:
        for step in load(file)["runs"]["steps"]:
            if "run" in step:
                yield name(file), step["run"]


each_file = pytest.mark.parametrize("file", FILES, ids=name)
each_job = pytest.mark.parametrize(
    ("where", "job", "workflow"), list(jobs(*FILES)), ids=lambda value: str(value)[:50]
)


def test_every_workflow_is_there() -> None:
    assert {file.stem for file in OURS} == EXPECTED
    assert {file.stem for file in THEIRS} == {"build", "deploy"}


@each_file
def test_a_workflow_begins_with_no_rights(file: Path) -> None:
    assert load(file)["permissions"] == {}


@each_file
def test_nothing_outside_starts_a_workflow_with_our_rights(file: Path) -> None:
    assert set(load(file)["on"]) <= TRIGGERS


@each_job
def test_a_job_says_what_it_may_and_how_long(where, job, workflow) -> None:
    assert "permissions" in job
    assert "write-all" not in job["permissions"]
    if "uses" not in job:
        assert 0 < int(job["timeout-minutes"]) <= 120
        assert "latest" not in job["runs-on"]


@each_job
def test_two_runs_do_not_meet(where, job, workflow) -> None:
    called = set(workflow["on"]) == {"workflow_call"}
    assert "concurrency" in job or "concurrency" in workflow or "uses" in job or called


def changing() -> dict[str, dict[str, Any]]:
    """The concurrency of every job that changes a stack."""
    return {
        where: job["concurrency"]
        for where, job, _ in jobs(*OURS)
        if str(job.get("concurrency", {}).get("group", "")).startswith("stack-")
    }


def test_what_changes_a_stack_is_never_cancelled_by_the_next() -> None:
    assert sorted(group["group"] for group in changing().values()) == [
        *["stack-pr-${{ github.event.pull_request.number }}"] * 2,
        *("stack-production", "stack-staging"),
    ]
    assert {group["cancel-in-progress"] for group in changing().values()} == {"false"}


@pytest.mark.parametrize(
    "job", ["deploy.yml: staging", "review.yml: up", "review.yml: down"]
)
def test_what_waits_for_a_stack_is_not_pushed_out_by_what_comes_later(job: str) -> None:
    """An image by a commit, or the end of an environment by an older push to it."""
    assert changing()[f"workflows/{job}"]["queue"] == "max"


@pytest.mark.parametrize("name", ["deploy", "deploy-stack", "drift", "drill"])
def test_reviewers_of_production_hold_up_nothing_else(name: str) -> None:
    """A run that waits for them holds its group for up to 30 days."""
    assert "concurrency" not in load(ROOT / f".github/workflows/{name}.yml")


def test_nothing_goes_on_after_what_did_not_fail_but_did_not_succeed() -> None:
    """A job that runs out of its time, such as a verification, counts as cancelled."""
    for where, job, _ in jobs(*FILES):
        assert "!= 'failure'" not in job.get("if", ""), where


def test_an_image_is_deployed_only_when_its_signature_was_verified() -> None:
    deploy = load(ROOT / ".github/workflows/deploy.yml")["jobs"]
    assert deploy["verify"]["if"] == "inputs.image != ''"
    assert deploy["staging"]["needs"] == "verify"
    assert deploy["staging"]["if"] == (
        "!cancelled() && (needs.verify.result == 'success' || inputs.image == '')"
    )


def test_production_gets_what_staging_ran_or_nothing() -> None:
    given = load(ROOT / ".github/workflows/deploy.yml")["jobs"]["production"]["with"]
    found = re.fullmatch(
        r"\$\{\{ needs\.staging\.outputs\.image \|\| '(.+)' \}\}", given["image"]
    )
    assert found is not None
    with pytest.raises(OpsError, match=f'"{found[1]}" is not REPOSITORY@sha256'):
        by_digest(found[1], "production")


def test_what_waited_deploys_no_older_program_than_what_came_before() -> None:
    """Staging's turn begins with the branch as it is; production gets the same."""
    promoted = load(ROOT / ".github/workflows/deploy.yml")["jobs"]
    assert promoted["staging"]["with"]["ref"] == "${{ github.ref }}"
    assert promoted["production"]["with"]["ref"] == (
        "${{ needs.staging.outputs.commit || 'nothing that staging handed on' }}"
    )
    called = load(ROOT / ".github/workflows/deploy-stack.yml")
    assert called["on"]["workflow_call"]["outputs"]["commit"]["value"] == (
        "${{ jobs.deploy.outputs.commit }}"
    )
    deploy = called["jobs"]["deploy"]
    assert deploy["outputs"]["commit"] == "${{ steps.commit.outputs.commit }}"
    _, checkout, commit, *_ = deploy["steps"]
    assert checkout["with"]["ref"] == "${{ inputs.ref }}"
    assert commit["id"] == "commit"
    assert "commit=$(git rev-parse HEAD)" in commit["run"]
    assert 'echo "commit=$commit" >> "$GITHUB_OUTPUT"' in commit["run"]


def test_secrets_of_an_environment_reach_a_called_workflow_by_name() -> None:
    """They are empty in it unless the caller names them, though it has no value."""
    found = 0
    for where, job, _ in jobs(*OURS):
        if not job.get("uses", "").startswith("./"):
            continue
        called = ROOT / job["uses"]
        used = set(re.findall(r"secrets\.(\w+)", called.read_text()))
        passed = {name: f"${{{{ secrets.{name} }}}}" for name in used}
        assert job.get("secrets", {}) == passed, where
        assert set(load(called)["on"]["workflow_call"].get("secrets", {})) == used
        found += len(used)
    assert found == 2


@each_file
def test_a_schedule_takes_no_other_event_down_with_it(file: Path) -> None:
    """GitHub turns a whole workflow off whose repository was quiet for 60 days."""
    events = set(load(file)["on"])
    assert "schedule" not in events or events == {"schedule", "workflow_dispatch"}


def test_the_reaper_destroys_by_the_hour_and_by_hand_only_when_told() -> None:
    reap = load(ROOT / ".github/workflows/reap.yml")
    assert reap["on"]["workflow_dispatch"]["inputs"]["dry-run"]["default"] == "true"
    [step] = [s for s in reap["jobs"]["reap"]["steps"] if "run" in s]
    assert reap["jobs"]["reap"]["permissions"]["pull-requests"] == "write"
    # By the hour there are no inputs.
    assert step["env"]["DRY_RUN"] == (
        "${{ inputs.dry-run && '--dry-run' || '--no-dry-run' }}"
    )


def test_a_drill_that_fails_keeps_its_report() -> None:
    steps = load(ROOT / ".github/workflows/drill.yml")["jobs"]["drill"]["steps"]
    drill, report = (
        next(i for i, step in enumerate(steps) if command in step.get("run", ""))
        for command in ("db drill", "ci redact")
    )
    assert drill < report
    assert "!cancelled()" in steps[report]["if"]


@pytest.mark.parametrize(
    ("file", "job"),
    [("deploy", "refused"), ("deploy-stack", "deploy"), ("drill", "drill")],
)
def test_the_chat_is_told_also_without_our_command(
    file: str, job: str, tmp_path: Path
) -> None:
    """It is not there when the checkout or the set-up failed."""
    content = load(ROOT / f".github/workflows/{file}.yml")["jobs"][job]
    [telling] = [s for s in content["steps"] if "ci notify" in s.get("run", "")]
    assert telling["if"] == "always()"
    names = {*telling["env"], *content.get("env", {})}
    webhook = "https://hooks.example/T0/secret"
    given = dict.fromkeys(names, "") | {
        "GITHUB_WORKFLOW": "deploy",
        "SLACK_WEBHOOK_URL": webhook,
        "STATUS": "failure",
        "STROMHALTIG_STACK": "production",
        "RUN": "https://github.example/runs/1",
    }
    assert set(given) == names | {"GITHUB_WORKFLOW"}
    curl = 'printf "%s\\n" "$@" > arguments; cat > config'
    given |= program(tmp_path, "curl", curl)

    assert run(telling, given | {"SLACK_WEBHOOK_URL": ""}, tmp_path).returncode == 0
    assert not (tmp_path / "config").exists()
    assert run(telling, given, tmp_path).returncode == 0
    arguments = (tmp_path / "arguments").read_text().splitlines()
    # Every process of the machine may read them.
    assert not any(webhook in argument for argument in arguments)
    assert (tmp_path / "config").read_text() == f'url = "{webhook}"\n'
    assert json.loads(arguments[arguments.index("--json") + 1]) == {
        "text": ":warning: deploy of *production*: failure, "
        "https://github.example/runs/1"
    }

    (tmp_path / "config").unlink()
    program(tmp_path, "stromhaltig", "exit 0")
    assert run(telling, given, tmp_path).returncode == 0
    assert not (tmp_path / "config").exists()


def test_the_sentence_without_our_command_is_the_same_everywhere() -> None:
    """Without a checkout there is no action of ours to keep it in."""
    told = [script for _, script in scripts() if "ci notify" in script]
    assert len(told) == 3
    assert len({script.partition(" ||\n")[2] for script in told}) == 1


@pytest.mark.parametrize("name", ["test", "rehearse"])
def test_every_commit_on_main_is_tested_and_of_a_branch_the_newest(name: str) -> None:
    """In a group of several, GitHub keeps only the newest of those that wait."""
    concurrency = load(ROOT / f".github/workflows/{name}.yml")["concurrency"]
    assert concurrency["group"] == (
        f"{name}-${{{{ github.ref == 'refs/heads/main' && github.sha || github.ref }}}}"
    )
    assert concurrency["cancel-in-progress"] == "true"


def test_no_event_of_a_pull_request_pushes_another_out_of_the_queue() -> None:
    review = load(ROOT / ".github/workflows/review.yml")
    assert "concurrency" not in review
    assert "run_id" in review["jobs"]["decide"]["concurrency"]["group"]


def test_an_environment_that_does_not_come_up_is_told() -> None:
    review = load(ROOT / ".github/workflows/review.yml")["jobs"]
    [kept] = [
        s for s in review["up"]["steps"] if "upload-artifact" in s.get("uses", "")
    ]
    assert kept["if"] == "always()"
    assert "needs.up.result != 'skipped'" in review["tell"]["if"]
    [told] = [s for s in review["tell"]["steps"] if "publish" in s.get("run", "")]
    assert told["if"] == "hashFiles('review.md') != ''"


@pytest.mark.parametrize(
    ("workflow", "job", "step", "said"),
    [
        (
            *("review", "tell", "No image"),
            "## Environment of this pull request\n\nThe image of commit "
            "`c0ffeec0ffee` could not be built: the run says why. What was up stays as "
            "it is.\n",
        ),
        (
            *("preview", "comment", "No stacks"),
            "## Preview\n\nOf commit `c0ffeec0ffee`. Its stacks could not be "
            "determined: the run says why.\n",
        ),
    ],
)
def test_what_did_not_come_that_far_is_told_for_its_commit(
    tmp_path: Path, workflow: str, job: str, step: str, said: str
) -> None:
    """A comment of before would seem to be about it."""
    steps = load(ROOT / f".github/workflows/{workflow}.yml")["jobs"][job]["steps"]
    [written] = [s for s in steps if s.get("name") == step]
    [published] = [s["run"] for s in steps if "publish" in s.get("run", "")]
    assert '--commit "$COMMIT"' in published
    file = published.partition("ci publish ")[2].split()[0]
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", written["run"]],
        cwd=tmp_path,
        env={"COMMIT": "c0ffee" * 7},
        check=True,
    )
    assert (tmp_path / file).read_text() == said
    assert redact(said) == said


def test_an_image_that_is_not_built_is_told() -> None:
    """Whether it fails or runs out of its time, which counts as cancelled."""
    tell = load(ROOT / ".github/workflows/review.yml")["jobs"]["tell"]
    assert "image" in tell["needs"]
    [written] = [s for s in tell["steps"] if s.get("name") == "No image"]
    assert written["if"] in tell["if"]
    assert written["if"] == (
        """contains(fromJSON('["failure", "cancelled"]'), needs.image.result)"""
    )


def test_stacks_that_nobody_could_tell_are_told_in_a_comment_of_before() -> None:
    comment = load(ROOT / ".github/workflows/preview.yml")["jobs"]["comment"]
    assert "needs.stacks" not in comment["if"]
    conditions = {s["name"]: s.get("if") for s in comment["steps"] if "name" in s}
    assert conditions["No stacks"] == "needs.stacks.result != 'success'"
    assert conditions["Render"] == "needs.stacks.result == 'success'"
    [publish] = [s for s in comment["steps"] if s.get("name") == "Publish"]
    # A job that failed has no outputs.
    assert publish["env"]["ONLY_EDIT"].startswith(
        "${{ needs.stacks.outputs.any != 'true' && '--only-edit' "
    )


def test_an_image_that_no_stack_can_pull_ends_the_job_before_there_is_one(
    tmp_path: Path,
) -> None:
    """A new package is private, and a service that waits for it does so for long."""
    steps = load(ROOT / ".github/workflows/review.yml")["jobs"]["up"]["steps"]
    names = [step.get("name") for step in steps]
    asking = steps[names.index("Pulled without a login")]
    assert names.index("Pulled without a login") < names.index("Stack file")
    assert asking["env"]["DOCKER_CONFIG"] == "${{ runner.temp }}/no-login"
    image = {"IMAGE": "ghcr.io/o/infra@sha256:0a"}
    docker = '[ "$*" = "manifest inspect $IMAGE" ] || exit 2; exit '

    asked = run(asking, image | program(tmp_path, "docker", f"{docker} 0"), tmp_path)
    assert (asked.returncode, asked.stdout) == (0, "")
    refused = run(asking, image | program(tmp_path, "docker", f"{docker} 1"), tmp_path)
    assert refused.returncode == 1
    hint = "ghcr.io/o/infra cannot be pulled without a login. Make the package public"
    assert refused.stdout.startswith(f"::error::{hint}")
    told = (tmp_path / "review.md").read_text()
    assert told.startswith(f"{TITLE}\n\n{hint}")


@pytest.mark.parametrize(
    ("file", "job"),
    [("deploy-stack", "deploy"), ("review", "up"), ("review", "down")],
)
def test_a_change_that_is_cancelled_leaves_no_lock(file: str, job: str) -> None:
    steps = load(ROOT / f".github/workflows/{file}.yml")["jobs"][job]["steps"]
    [freeing] = [s["run"] for s in steps if s.get("if") == "cancelled()"]
    assert "unlock" in freeing


@pytest.mark.parametrize(
    "command", ["deploy", "ci review up", "ci review down", "ci reap", "db drill"]
)
def test_an_interrupt_reaches_what_changes_something(command: str) -> None:
    """A runner interrupts the process that it started: the command, and no shell."""
    found = [script for _, script in scripts() if f"stromhaltig {command} " in script]
    assert len(found) == 1
    assert found[0].startswith(f"exec stromhaltig {command} ")


def test_an_image_that_comes_too_late_makes_no_environment() -> None:
    """Closing destroys it while the image of a former push is being built."""
    up = load(ROOT / ".github/workflows/review.yml")["jobs"]["up"]
    [step] = [s for s in up["steps"] if s.get("id") == "up"]
    assert '--commit "$COMMIT"' in step["run"]
    assert step["env"]["COMMIT"] == "${{ github.event.pull_request.head.sha }}"
    assert up["permissions"]["pull-requests"] == "read"


def test_a_newer_preview_cancels_an_older() -> None:
    concurrency = load(ROOT / ".github/workflows/preview.yml")["concurrency"]
    assert concurrency["cancel-in-progress"] == "true"
    assert "pull_request.number" in concurrency["group"]


def test_a_preview_that_is_cancelled_is_told_unless_a_newer_one_tells() -> None:
    comment = load(ROOT / ".github/workflows/preview.yml")["jobs"]["comment"]
    assert comment["if"].startswith("always() && ")
    [publish] = [
        step["run"]
        for step in comment["steps"]
        if "stromhaltig ci publish" in step.get("run", "")
    ]
    assert '--commit "$COMMIT"' in publish


def test_a_forks_stacks_are_rehearsed_whatever_they_run_on() -> None:
    workflow = load(ROOT / ".github/workflows/preview.yml")
    [step] = [s for s in workflow["jobs"]["stacks"]["steps"] if s.get("id") == "stacks"]
    assert step["env"]["PLATFORM"] == f"${{{{ {SAME_REPOSITORY} && 'aws' || '' }}}}"
    assert step["run"].endswith('${PLATFORM:+--platform "$PLATFORM"}')


def uses() -> Iterator[tuple[str, str, str]]:
    """Where an action is used: its name, and what follows the `@`."""
    for file in [*FILES, *ACTIONS]:
        for line in file.read_text().splitlines():
            if found := re.match(r"\s*(?:- )?uses: (.+)$", line):
                action, _, version = found[1].partition("@")
                yield name(file), action, version


def test_every_action_is_pinned_by_its_commit_and_says_its_version() -> None:
    for where, action, version in uses():
        if action.startswith("./"):
            assert (ROOT / action).exists(), f"{where}: {action}"
        elif action.startswith(OF_OUR_OWN):
            assert (ROOT / action.removeprefix(OF_OUR_OWN)).exists()
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version)
        else:
            pinned = re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", version)
            assert pinned, f"{where}: {action}@{version}"


def test_an_action_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for _, action, version in uses():
        versions.setdefault(action, set()).add(version)
    assert {a: v for a, v in versions.items() if len(v) > 1} == {}


def test_all_of_them_are_kept_up_to_date_at_once() -> None:
    [actions] = load(ROOT / ".github/dependabot.yml")["updates"]
    looked_at = {f".{folder}" for folder in actions["directories"]} - {"./"}
    used = {f"./{file.parent.relative_to(ROOT)}" for file in [*FILES, *ACTIONS]}
    assert "/" in actions["directories"]
    assert looked_at == used - {"./.github/workflows"}


def test_no_checkout_leaves_its_token() -> None:
    found = 0
    for where, step in steps(*FILES):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", where
            found += 1
    assert found > 10


def test_no_script_has_an_expression_in_it() -> None:
    """What somebody outside named, such as a branch, would be run as code."""
    assert [where for where, script in scripts() if "${{" in script] == []


def test_secrets_are_few_and_only_where_an_environment_guards_them() -> None:
    for where, job, _ in jobs(*FILES):
        found = set(re.findall(r"secrets\.(\w+)", yaml.dump(job)))
        assert found <= SECRETS, where
        assert not found or "environment" in job or "uses" in job, where


def test_a_role_is_taken_in_an_environment_only() -> None:
    for where, job, _ in jobs(*OURS):
        reaches = any(
            step.get("uses") == "./.github/actions/stack"
            for step in job.get("steps", ())
        )
        assert reaches == ("AWS_ROLE_ARN" in yaml.dump(job)), where
        if reaches:
            assert job["permissions"]["id-token"] == "write", where
            assert job["environment"], where


def run(
    step: dict[str, Any], environment: dict[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a step's script, as GitHub does where `shell: bash` is said."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True
    )


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """Put a program before the real ones; gives the environment for it."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_locks_name_a_machine_that_is_no_other(tmp_path: Path) -> None:
    """GitHub's have the name of their image, and another's process is not here."""
    steps = load(ROOT / ".github/actions/stack/action.yml")["runs"]["steps"]
    names = [step.get("name") for step in steps]
    naming = steps[names.index("A name of its own")]
    assert names.index("A name of its own") < names.index("Pulumi")
    assert naming["if"] == "runner.environment == 'github-hosted'"

    log = tmp_path / "log"
    sudo = 'echo "$@" >> "$LOG"; [ "$1" = hostname ] || cat >> "$LOG"'
    for _ in range(2):
        done = run(naming, program(tmp_path, "sudo", sudo) | {"LOG": str(log)})
        assert done.returncode == 0, done.stderr
    called = log.read_text().splitlines()
    first, second = called[2].split()[1], called[5].split()[1]
    assert re.fullmatch(r"runner-[0-9a-f-]{36}", first)
    assert first != second
    assert called == [
        *("tee -a /etc/hosts", f"127.0.1.1 {first}", f"hostname {first}"),
        *("tee -a /etc/hosts", f"127.0.1.1 {second}", f"hostname {second}"),
    ]


def test_nothing_looks_at_a_lock_before_its_machine_has_a_name() -> None:
    found = 0
    for where, job, _ in jobs(*OURS):
        if "PULUMI_BACKEND_URL" not in yaml.dump(job):
            continue
        uses = [step.get("uses") for step in job["steps"]]
        before = job["steps"][: uses.index("./.github/actions/stack")]
        assert not any("stromhaltig" in step.get("run", "") for step in before), where
        found += 1
    assert found == 7


@pytest.mark.parametrize(
    "missing", ["PULUMI_BACKEND_URL", "AWS_ROLE_ARN", "AWS_REGION"]
)
def test_a_variable_that_is_missing_ends_the_job_with_its_name(missing: str) -> None:
    steps = load(ROOT / ".github/actions/stack/action.yml")["runs"]["steps"]
    installed, asked, *_ = steps
    assert asked["name"] == "Variables"
    # The chat is told of it too, for which the command has to be there.
    assert installed["uses"] == "./.github/actions/setup"
    given = {
        "PULUMI_BACKEND_URL": "s3://state",
        "AWS_ROLE_ARN": "arn",
        "AWS_REGION": "eu-central-1",
    }

    assert run(asked, given).returncode == 0
    done = run(asked, given | {missing: ""})
    assert done.returncode == 1
    assert done.stdout.startswith(
        f"::error::{missing} is no variable of the environment"
    )


def test_where_the_state_is_can_differ_by_environment() -> None:
    """A variable of an environment goes before the repository's of the same name."""
    found = 0
    for where, job, _ in jobs(*OURS):
        if "PULUMI_BACKEND_URL" in yaml.dump(job):
            assert job["env"]["PULUMI_BACKEND_URL"] == "${{ vars.PULUMI_BACKEND_URL }}"
            assert job["environment"], where
            found += 1
    assert found == 7


def test_the_environments_are_those_that_the_roles_trust() -> None:
    stacks = {stack.name: stack for stack in stack_files(ROOT)}
    drift = load(ROOT / ".github/workflows/drift.yml")["jobs"]["drift"]
    for stack in drift["strategy"]["matrix"]["stack"]:
        assert stacks[stack].preview_environment == f"{stack}-preview"
    assert drift["environment"]["name"] == "${{ matrix.stack }}-preview"
    deployed = load(ROOT / ".github/workflows/deploy.yml")["jobs"]
    for job in ("staging", "production"):
        assert deployed[job]["with"]["stack"] in stacks


def test_a_forks_code_gets_no_credentials() -> None:
    for file in OURS:
        if "pull_request" not in load(file)["on"]:
            continue
        for where, job, workflow in jobs(file):
            rights = {k for k, v in job["permissions"].items() if v == "write"}
            if rights or "environment" in job:
                assert _guarded(job, workflow["jobs"]), where


def _guarded(job: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether a job runs for our own branches only, by itself or what it waits for."""
    condition = job.get("if", "")
    if SAME_REPOSITORY in condition:
        return True
    if "needs.decide.outputs.action == " in condition:
        return True  # what decides is tested with forks: test_review.py
    needs = job.get("needs", [])
    needed = [needs] if isinstance(needs, str) else needs
    return bool(needed) and all(_guarded(others[need], others) for need in needed)


def test_labels_are_those_that_are_decided_by() -> None:
    text = (ROOT / ".github/workflows/review.yml").read_text()
    assert f"labels.*.name, '{REVIEW_LABEL}')" in text
    assert f"label.name == '{REVIEW_LABEL}'\n" in text


def test_the_engine_is_the_one_that_is_rehearsed() -> None:
    pinned = re.search(
        r"pulumi/pkg/v3 v(\S+)", (ROOT / "tools/pulumi/go.mod").read_text()
    )
    assert pinned is not None
    [version] = [
        step["with"]["pulumi-version"]
        for step in load(ROOT / ".github/actions/stack/action.yml")["runs"]["steps"]
        if "pulumi-version" in step.get("with", {})
    ]
    assert version == pinned[1]


def test_every_stack_is_rehearsed_on_every_push() -> None:
    matrix = load(ROOT / ".github/workflows/rehearse.yml")["jobs"]["rehearse"][
        "strategy"
    ]["matrix"]
    files = ROOT.glob("Pulumi.*.yaml")
    assert {file.name.split(".")[1] for file in files} <= set(matrix["stack"])
    official = [entry["stack"] for entry in matrix["include"]]
    aws = [stack.name for stack in stack_files(ROOT) if stack.platform == "aws"]
    assert sorted(official) == sorted(aws)


def commands(script: str, program: str) -> Iterator[list[str]]:
    """Every call of a program in a script, without what the shell does around it."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while program in words:
            words = words[words.index(program) + 1 :]
            end = [
                i for i, word in enumerate(words) if word in {">", "<", "|", "&&", ";"}
            ]
            yield words[: end[0]] if end else words


@cache
def stromhaltig() -> click.Command:
    return typer.main.get_command(app)


def unknown(words: list[str]) -> str:
    """What of a `stromhaltig` command there is not; empty when there is all of it."""
    command = stromhaltig()
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command {' '.join(words[: len(words) - len(rest) + 1])}"
        command = command.commands[rest.pop(0)]
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    return ", ".join(sorted(given - options - {"--help"}))


def test_every_command_that_is_called_exists() -> None:
    called = [
        (where, words)
        for where, script in scripts()
        for words in commands(script, "stromhaltig")
    ]
    assert len(called) > 15
    missing = {f"{where}: {words}": unknown(words) for where, words in called}
    assert {call: what for call, what in missing.items() if what} == {}


def test_options_that_variables_stand_for_exist() -> None:
    for option in ("--only-edit", "--no-only-edit"):
        assert unknown(["ci", "publish", option]) == ""
    for option in ("--dry-run", "--no-dry-run"):
        assert unknown(["ci", "reap", option]) == ""
    assert unknown(["ci", "reap", "--nothing"]) == "--nothing"
    assert unknown(["ci", "nothing"]) == "no command ci nothing"


MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w./-]+):(?!=)", MAKEFILE, re.MULTILINE))


def test_every_target_that_is_made_exists() -> None:
    made = {
        word
        for _, script in scripts()
        for words in commands(script, "make")
        for word in words
        if "=" not in word and not word.startswith("-")
    }
    assert {"test", "check", "test-unit", "rehearse", ".venv/$GROUP.ready"} <= made
    assert made - {".venv/$GROUP.ready"} <= TARGETS
    assert {".venv/dev.ready", ".venv/rehearsal.ready"} <= TARGETS


def test_what_a_job_builds_is_in_a_cache_of_its_own() -> None:
    """A cache is never written twice: a job that builds less would save it first."""
    [cache] = [
        step["with"]
        for step in load(ROOT / ".github/actions/setup/action.yml")["runs"]["steps"]
        if step.get("uses", "").startswith("actions/cache@")
    ]
    former = cache["restore-keys"].splitlines()
    assert cache["key"].startswith(former[0])
    assert former[0] == former[1] + "${{ inputs.builds }}-"

    building: dict[str, set[str]] = {}
    for where, job, _ in jobs(*OURS):
        made = {
            word
            for step in job.get("steps", ())
            for words in commands(step.get("run", ""), "make")
            for word in words
        } & {"check", "rehearse", "test"}
        for step in job.get("steps", ()):
            given = step.get("with", {})
            if step.get("uses") != "./.github/actions/setup":
                assert "builds" not in given
            elif given.get("cache") != "false":
                assert bool(made) == ("builds" in given), where
                building.setdefault(given.get("builds", ""), set()).update(made)
    assert building == {
        "": set(),
        "checks": {"check"},
        "everything": {"test"},
        "rehearsal-embedded": {"rehearse"},
        "rehearsal-${{ matrix.plugins }}": {"rehearse"},
    }


@pytest.mark.parametrize(
    "target", sorted(t for t in TARGETS if t.startswith("ci-")), ids=str
)
def test_what_jobs_run_is_run_locally_by_the_same_command(target: str) -> None:
    recipe = MAKEFILE.partition(f"\n{target}:")[2].partition("\n\n")[0]
    local = [
        words
        for line in recipe.splitlines()
        for words in commands(_spelt_out(line), "@stromhaltig")
    ]
    assert local
    assert [what for words in local if (what := unknown(words))] == []


def _spelt_out(line: str) -> str:
    spelt = line.replace("$(CI)", "$(STROMHALTIG) ci")
    return spelt.replace("$(STROMHALTIG)", "stromhaltig").replace(".venv/bin/", "")
