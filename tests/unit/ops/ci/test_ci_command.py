"""`stromhaltig ci`, as jobs and people type it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from tests.github import FakeGitHub, serving
from tests.unit.ops.fakes import FakeStack, image

ACCOUNT = "210987654321"
URN = "urn:pulumi:staging::stromhaltig::aws:ec2/subnet:Subnet::app"
SUBNET = {
    "urn": URN,
    "type": "aws:ec2/subnet:Subnet",
    "custom": True,
    "outputs": {"arn": f"arn:aws:ec2:eu-central-1:{ACCOUNT}:subnet/subnet-1"},
}
STATE = {"deployment": {"resources": [SUBNET]}}
SAME = {"steps": [{"op": "same", "urn": URN, "newState": SUBNET}]}
DRIFTED = {
    "steps": [
        {
            "op": "update",
            "urn": URN,
            "oldState": SUBNET,
            "newState": SUBNET,
            "diffReasons": ["cidrBlock"],
        }
    ]
}


def run(*arguments: str, told: str | None = None) -> Result:
    return CliRunner().invoke(app, ["ci", *arguments], input=told)


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a project, with the files of a job and nothing else of GitHub's."""
    for variable in list(os.environ):
        if variable.startswith(("GITHUB_", "STROMHALTIG_", "SLACK_")):
            monkeypatch.delenv(variable)
    (tmp_path / "Pulumi.yaml").write_text("name: stromhaltig\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    return tmp_path


@pytest.fixture
def pulumi(job: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Put a `pulumi` on PATH that answers commands by their first word."""
    folder = job / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def pulumi(**answers: Any) -> Callable[[], list[str]]:
        for word, answer in answers.items():
            code, text = answer if isinstance(answer, tuple) else (0, answer)
            said = text if isinstance(text, str) else json.dumps(text)
            (folder / f"{word}.out").write_text(said)
            (folder / f"{word}.code").write_text(str(code))
        script = folder / "pulumi"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {job}/asked\n'
            f'word="$1"; [ "$1" = stack ] && word="stack_$2"\n'
            f'cat {folder}/"$word".out; exit "$(cat {folder}/"$word".code)"\n'
        )
        script.chmod(0o755)
        return lambda: (job / "asked").read_text().splitlines()

    return pulumi


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


class TestStacks:
    @pytest.fixture
    def touched(self, job: Path, monkeypatch: pytest.MonkeyPatch):
        (job / "Pulumi.staging.yaml").write_text("config: {}\n")
        (job / "Pulumi.railway.yaml").write_text(
            "config:\n  stromhaltig:platform: railway\n"
        )

        def touched(*paths: str) -> None:
            monkeypatch.setattr(
                "ops.ci.stacks.changed_paths", lambda root, base, head: list(paths)
            )

        return touched

    def test_a_matrix_is_printed_and_handed_on(self, touched, job: Path) -> None:
        touched("contract.py")
        done = run("stacks", "--base", "main", "--platform", "aws")
        assert done.exit_code == 0, done.output
        matrix = {"include": [{"stack": "staging", "environment": "staging-preview"}]}
        assert json.loads(done.stdout) == matrix
        handed = dict(line.split("=", 1) for line in read(job / "output"))
        assert json.loads(handed["matrix"]) == matrix
        assert handed["any"] == "true"

    def test_a_change_of_no_stack_gives_an_empty_matrix(self, touched, job) -> None:
        touched("README.md")
        done = run("stacks", "--base", "main")
        assert json.loads(done.stdout) == {"include": []}
        assert "any=false" in read(job / "output")

    def test_all_platforms_without_the_option(self, touched) -> None:
        touched("uv.lock")
        found = json.loads(run("stacks", "--base", "main").stdout)["include"]
        assert [entry["stack"] for entry in found] == ["railway", "staging"]


def read(file: Path) -> list[str]:
    return file.read_text().splitlines()


class TestPreview:
    def test_a_preview_is_short_in_a_file_and_full_in_the_summary(
        self, pulumi, job: Path
    ) -> None:
        asked = pulumi(stack_export=STATE, preview=SAME)
        done = run("preview", "--stack", "staging", "--output", "previews")
        assert done.exit_code == 0, done.output
        assert read(job / "previews" / "staging.md")[0] == "### `staging`: no changes"
        assert "### `staging`: no changes" in (job / "summary").read_text()
        assert asked() == [
            "stack export --stack staging --non-interactive",
            "preview --json --show-sames --stack staging --non-interactive",
        ]

    def test_what_runs_is_previewed_whatever_the_file_names(
        self, pulumi, job: Path, monkeypatch
    ) -> None:
        root = {
            "urn": "urn:pulumi:staging::stromhaltig::pulumi:pulumi:Stack::all",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"release": image("5")},
        }
        stack = FakeStack(job, config={"image.ref": image("a")})
        # Left as it was in the block, to be seen.
        monkeypatch.setattr(stack, "unchanged", nullcontext)
        monkeypatch.setattr("ops.stack.Stack", lambda name: stack)
        pulumi(stack_export={"deployment": {"resources": [root, SUBNET]}}, preview=SAME)
        done = run("preview", "--stack", "staging", "--output", "previews")
        assert done.exit_code == 0, done.output
        assert stack.config == {"image.ref": image("5")}
        told = (job / "previews/staging.md").read_text()
        assert f"file names another: `{image('a')[:-52]}`." in told

    def test_a_preview_that_fails_is_told_in_both_and_ends_with_1(
        self, pulumi, job: Path
    ) -> None:
        why = f"error: no credentials for arn:aws:iam::{ACCOUNT}:role/look"
        failed = {"diagnostics": [{"severity": "error", "message": why}]}
        pulumi(stack_export=STATE, preview=(255, failed))
        done = run("preview", "--stack", "staging", "--output", "previews")
        assert done.exit_code == 1
        for file in ("previews/staging.md", "summary"):
            text = (job / file).read_text()
            assert "### `staging`: the preview failed" in text
            assert "no credentials for [arn]" in text
        assert ACCOUNT not in done.output

    def test_a_stack_that_is_not_there_is_a_preview_that_fails(
        self, pulumi, job: Path
    ) -> None:
        pulumi(stack_export=(6, "error: no stack named 'staging' found"))
        done = run("preview", "--stack", "staging", "--output", "previews")
        assert done.exit_code == 1
        assert "no stack named" in (job / "previews/staging.md").read_text()

    def test_it_renders_files_without_pulumi(self, job: Path) -> None:
        (job / "preview.json").write_text(json.dumps(SAME))
        (job / "state.json").write_text(json.dumps(STATE))
        files = ("--file", "preview.json", "--against", "state.json")
        done = run("preview", "--stack", "staging", "--output", "out", *files)
        assert done.exit_code == 0, done.output
        assert "no changes" in (job / "out/staging.md").read_text()

    def test_a_file_that_is_no_json_is_refused(self, job: Path) -> None:
        (job / "preview.json").write_text("{")
        done = run(
            *("preview", "--stack", "staging", "--output", "out"),
            *("--file", "preview.json"),
        )
        assert done.exit_code == 2
        assert "preview.json" in done.output


class TestComment:
    def test_previews_become_one_comment(self, job: Path) -> None:
        (job / "previews").mkdir()
        (job / "previews/staging.md").write_text("### `staging`: no changes")
        matrix = json.dumps({"include": [{"stack": "staging"}, {"stack": "live"}]})
        done = run("comment", "previews", "--matrix", matrix, "--commit", "c0ffee")
        assert done.exit_code == 0, done.output
        assert "### `staging`: no changes" in done.stdout
        assert "### `live`: no result" in done.stdout

    def test_a_matrix_that_is_none_is_refused(self) -> None:
        done = run("comment", "previews", "--matrix", "[1]")
        assert done.exit_code == 2
        assert "is not what `stromhaltig ci stacks` prints" in done.output


class TestPublish:
    @pytest.fixture
    def file(self, job: Path, github: FakeGitHub) -> str:
        github.pull(7, head="c0ffee")
        (job / "comment.md").write_text(f"in {ACCOUNT}")
        return "comment.md"

    def test_a_comment_is_written_once(self, file, github: FakeGitHub) -> None:
        for _ in range(2):
            done = run("publish", file, "--pull-request", "7", "--commit", "c0ffee")
            assert done.exit_code == 0, done.output
        [comment] = github.comments[7]
        assert comment["body"].startswith("<!-- stromhaltig:preview -->\nin [account]")
        assert "/actions/runs/77)" in comment["body"]

    def test_a_link_is_shown(self, file, github: FakeGitHub) -> None:
        run(
            *("publish", file, "--pull-request", "7", "--topic", "review"),
            *("--link", "https://pr-7.stromhaltig.example"),
        )
        assert (
            "\n\nhttps://pr-7.stromhaltig.example\n\n"
            in (github.comments[7][0]["body"])
        )

    def test_a_forks_token_is_refused_with_the_reason(
        self, file, github: FakeGitHub
    ) -> None:
        github.denied = True
        done = run("publish", file, "--pull-request", "7")
        assert done.exit_code == 2
        assert "in a fork's run the token may only read" in done.output


class TestDrift:
    def test_what_differs_ends_with_1_and_secrets_are_not_read(
        self, pulumi, job: Path
    ) -> None:
        asked = pulumi(refresh=DRIFTED)
        done = run("drift", "--stack", "staging")
        assert done.exit_code == 1
        assert "`cidrBlock`" in (job / "summary").read_text()
        [command] = asked()
        assert "--preview-only" in command
        assert "--exclude **aws:secretsmanager/secretVersion:" in command

    def test_an_issue_tells_it_instead(self, pulumi, github: FakeGitHub) -> None:
        pulumi(refresh=DRIFTED)
        assert run("drift", "--stack", "staging", "--issue").exit_code == 0
        [issue] = github.issues
        assert issue["title"] == "Drift in staging"
        pulumi(refresh=SAME)
        assert run("drift", "--stack", "staging", "--issue").exit_code == 0
        assert issue["state"] == "closed"

    def test_a_refresh_that_fails_leaves_the_issue_as_it_is(
        self, pulumi, github: FakeGitHub
    ) -> None:
        pulumi(refresh=DRIFTED)
        run("drift", "--stack", "staging", "--issue")
        pulumi(refresh=(255, f"error: expired token of {ACCOUNT}"))
        done = run("drift", "--stack", "staging", "--issue")
        assert done.exit_code == 2
        assert "expired token of [account]" in done.output
        assert github.issues[0]["state"] == "open"


def lock(state: Path, stack: str, hours: float) -> None:
    """Have a process of another machine lock a stack since some hours."""
    folder = state / ".pulumi/locks/organization/stromhaltig" / stack
    folder.mkdir(parents=True)
    since = datetime.now(UTC) - timedelta(hours=hours)
    holder = {"pid": 1, "username": "runner", "hostname": "elsewhere"}
    (folder / "1b2c.json").write_text(
        json.dumps({**holder, "timestamp": since.isoformat()})
    )


class TestReap:
    LISTED: ClassVar = [
        {"name": "staging", "lastUpdate": "2020-01-01T00:00:00Z"},
        {"name": "pr-3", "lastUpdate": "2020-01-01T00:00:00Z"},
        {"name": "pr-4", "lastUpdate": "2020-01-01T00:00:00Z"},
    ]

    @pytest.fixture(autouse=True)
    def in_a_folder(self, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep the state, and with it the locks, in a folder."""
        monkeypatch.setattr(
            "ops.ci.environments.Stack", lambda name: FakeStack(job, name)
        )

    @pytest.fixture
    def asked(self, pulumi, github: FakeGitHub) -> Callable[[], list[str]]:
        github.pull(3, "review", state="closed")
        github.pull(4, "review", "persist")
        return pulumi(stack_ls=self.LISTED, stack_export=STATE, destroy="gone")

    def test_what_outlived_its_pull_request_is_destroyed(self, asked, job) -> None:
        done = run("reap")
        assert done.exit_code == 0, done.output
        [destroyed] = [line for line in asked() if line.startswith("destroy")]
        assert destroyed.startswith(
            "destroy --yes --skip-preview --remove --stack pr-3"
        )
        assert read(job / "summary")[:2] == [
            "- `pr-3` is destroyed: the pull request is closed",
            "- `pr-4` stays: labelled `persist`",
        ]

    def test_a_dry_run_destroys_nothing(self, asked, job: Path) -> None:
        assert run("reap", "--dry-run").exit_code == 0
        assert not [line for line in asked() if line.startswith("destroy")]
        assert "`pr-3` would be destroyed" in (job / "summary").read_text()

    UP = "<!-- stromhaltig:review -->\n`pr-3` is up."

    @pytest.mark.parametrize(
        ("pull", "told"),
        [
            ({"state": "closed"}, "`pr-3` is destroyed: the pull request is closed.\n"),
            (
                {},
                "`pr-3` is destroyed: the label `review` was taken off. With the label "
                "`review`, the next push makes another.\n",
            ),
        ],
        ids=["closed", "open"],
    )
    def test_the_comment_says_that_it_is_gone(
        self, asked, github: FakeGitHub, pull: dict[str, str], told: str
    ) -> None:
        github.pull(3, **pull)
        comment = github.comment(3, self.UP)
        assert run("reap", "--dry-run").exit_code == 0
        assert comment["body"] == self.UP
        assert run("reap").exit_code == 0
        assert "is up" not in comment["body"]
        assert told in comment["body"]
        assert "/actions/runs/77)" in comment["body"]

    def test_where_no_comment_is_none_is_written(self, asked, github) -> None:
        assert run("reap").exit_code == 0
        assert github.comments == {}

    def test_one_that_cannot_be_told_is_destroyed_all_the_same(
        self, asked, github: FakeGitHub, job: Path
    ) -> None:
        github.comment(3, self.UP)
        github.denied = True
        done = run("reap")
        assert done.exit_code == 1
        assert "pull-requests: write" in done.output
        assert "`pr-3` is destroyed" in (job / "summary").read_text()

    def test_one_that_somebody_works_on_stays(self, asked, job: Path) -> None:
        lock(job, "pr-3", hours=0.1)
        assert run("reap").exit_code == 0
        assert not [line for line in asked() if line.startswith("destroy")]
        assert "`pr-3` stays: an update is under way" in (job / "summary").read_text()

    def test_a_lock_of_long_ago_holds_nothing_up(self, asked, job: Path) -> None:
        lock(job, "pr-3", hours=2)
        assert run("reap").exit_code == 0
        assert "`pr-3` is destroyed" in (job / "summary").read_text()

    def test_a_lock_that_is_none_fails_no_other(self, asked, pulumi, job: Path) -> None:
        """Only Pulumi can tell what it is, and does when it is to destroy the stack."""
        lock(job, "pr-3", hours=0.1)
        [file] = job.glob(".pulumi/locks/**/*.json")
        file.write_text("{}")
        pulumi(destroy=TestLockedReviews.LOCKED)
        done = run("reap")
        assert done.exit_code == 1
        assert "is no lock of Pulumi's" in done.output
        assert "`pr-4` stays" in (job / "summary").read_text()

    def test_only_stacks_of_this_project_are_listed(self, asked) -> None:
        run("reap", "--dry-run")
        assert "stack ls --json --tag purpose=review --non-interactive" in asked()

    def test_one_that_is_gone_already_is_no_error(self, asked, pulumi, job) -> None:
        pulumi(destroy=(6, "error: no stack named 'pr-3' found"))
        assert run("reap").exit_code == 0
        assert "`pr-3` was gone already" in (job / "summary").read_text()

    def test_one_that_cannot_be_destroyed_ends_with_1_after_the_others(
        self, pulumi, github: FakeGitHub, job: Path
    ) -> None:
        github.pull(3, state="closed")
        github.pull(4, state="closed")
        asked = pulumi(
            stack_ls=self.LISTED,
            stack_export=STATE,
            destroy=(1, f"error: arn:aws:iam::{ACCOUNT}:role/x is not authorized"),
        )
        done = run("reap")
        assert done.exit_code == 1
        assert sum(line.startswith("destroy") for line in asked()) == 2
        assert "pr-4 is not destroyed: error: [arn] is not authorized" in done.output

    def test_a_stack_that_cannot_be_read_is_judged_by_its_pull_request(
        self, asked, pulumi, job: Path
    ) -> None:
        pulumi(
            stack_export=(6, "error: no stack named 'pr-3' found"),
            destroy=(6, "error: no stack named 'pr-3' found"),
        )
        assert run("reap").exit_code == 0
        assert "`pr-3` was gone already" in (job / "summary").read_text()


class TestReview:
    def test_a_decision_is_handed_on(self, job: Path, monkeypatch) -> None:
        name = {"full_name": "a/b"}
        (job / "event.json").write_text(
            json.dumps(
                {
                    "action": "synchronize",
                    "repository": name,
                    "pull_request": {
                        "number": 7,
                        "state": "open",
                        "labels": [{"name": "review"}],
                        "head": {"repo": name},
                    },
                }
            )
        )
        monkeypatch.setenv("GITHUB_EVENT_PATH", "event.json")
        done = run("review", "decide")
        assert done.stdout == "up\n"
        assert read(job / "output") == ["action=up", "number=7"]

    def test_an_event_that_is_none_is_refused(self, job: Path) -> None:
        (job / "event.json").write_text("x")
        assert run("review", "decide", "event.json").exit_code == 2

    def test_an_environment_that_is_gone_is_down(self, pulumi, job: Path) -> None:
        pulumi(destroy=(6, "error: no stack named 'pr-9' found"))
        done = run("review", "down", "--pull-request", "9", "--output", "said.md")
        assert done.exit_code == 0, done.output
        assert "`pr-9` was gone already." in (job / "said.md").read_text()

    def test_one_whose_file_was_not_prepared_says_how(self, pulumi) -> None:
        done = run("review", "up", "--pull-request", "9")
        assert done.exit_code == 2
        assert "stromhaltig review prepare 9 --ref" in done.output

    def test_one_that_does_not_come_up_says_why(self, pulumi, job: Path) -> None:
        (job / "Pulumi.pr-9.yaml").write_text("config: {}\n")
        full = (255, f"error: quota of {ACCOUNT} is full")
        asked = pulumi(stack_ls=[], stack_select="", stack_tag="", up=full)
        done = run("review", "up", "--pull-request", "9", "--output", "said.md")
        assert done.exit_code == 1
        assert "pulumi up: error: quota of [account] is full" in done.output
        said = (job / "said.md").read_text()
        assert "`pr-9` could not be brought up to date:" in said
        assert "error: quota of [account] is full" in said
        # Half of it may be there: the reaper has to find it.
        tagged = [line for line in asked() if line.startswith("stack tag set")]
        assert tagged[0].startswith("stack tag set purpose review --stack pr-9")


class TestSecretsOfReviews:
    UP = ("review", "up", "--pull-request", "9")

    @pytest.fixture
    def asked(self, pulumi, job: Path) -> Callable[[], list[str]]:
        (job / "Pulumi.pr-9.yaml").write_text("config: {}\n")
        return pulumi(stack_ls=[], stack_select=(1, "error: that far"))

    def test_a_variable_that_github_lacks_is_named(
        self, asked, job: Path, monkeypatch
    ) -> None:
        """It is empty then; a passphrase, which nobody gave, would be asked for."""
        monkeypatch.setenv("PULUMI_SECRETS_PROVIDER", "")
        done = run(*self.UP)
        assert done.exit_code == 2
        assert "PULUMI_SECRETS_PROVIDER is empty. Set it" in done.output
        assert "docs/pipelines.md" in done.output
        assert not (job / "asked").exists()

    @pytest.mark.parametrize(
        ("variable", "option", "provider"),
        [
            (None, (), "passphrase"),
            ("awskms://key", (), "awskms://key"),
            ("", ("--secrets-provider", "passphrase"), "passphrase"),
        ],
    )
    def test_what_is_named_encrypts_a_new_stack(
        self, asked, monkeypatch, variable: str | None, option, provider: str
    ) -> None:
        monkeypatch.delenv("PULUMI_SECRETS_PROVIDER", raising=False)
        if variable is not None:
            monkeypatch.setenv("PULUMI_SECRETS_PROVIDER", variable)
        assert "that far" in run(*self.UP, *option).output
        assert f"--secrets-provider {provider} " in asked()[-1]


class TestLockedReviews:
    LOCKED: ClassVar = (255, "error: the stack is currently locked by 1 lock(s)")
    DOWN = ("review", "down", "--pull-request", "9")

    def test_what_a_job_that_is_gone_left_locked_is_freed(
        self, pulumi, monkeypatch
    ) -> None:
        asked = pulumi(destroy=self.LOCKED)
        freed: list[str] = []

        def free(name: str) -> bool:
            freed.append(name)
            pulumi(destroy="gone")
            return True

        monkeypatch.setattr("ops.ci.environments.free", free)
        done = run(*self.DOWN)
        assert done.exit_code == 0, done.output
        assert freed == ["pr-9"]
        assert len(asked()) == 2

    def test_what_a_job_works_on_is_left_to_it(self, pulumi, monkeypatch) -> None:
        asked = pulumi(destroy=self.LOCKED)
        monkeypatch.setattr("ops.ci.environments.free", lambda name: False)
        done = run(*self.DOWN)
        assert done.exit_code == 1
        assert "is currently locked" in done.output
        assert len(asked()) == 1

    @pytest.fixture
    def locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """Let there be `pr-9`, locked by a process of a machine since some hours."""
        stack = FakeStack(tmp_path)
        stack.name = "pr-9"
        stack.cancelled = False
        stack.cancel = lambda: setattr(stack, "cancelled", True)
        monkeypatch.setattr("ops.ci.environments.Stack", lambda name: stack)

        def locked(hours: float) -> FakeStack:
            lock(stack.folder, "pr-9", hours)
            return stack

        return locked

    def test_a_lock_of_long_ago_is_taken_away(self, locked) -> None:
        stack = locked(hours=2)
        done = run("review", "unlock", "--pull-request", "9")
        assert (done.exit_code, done.stderr) == (0, "pr-9 is free.\n")
        assert stack.cancelled

    def test_a_lock_of_now_stays(self, locked) -> None:
        stack = locked(hours=0.1)
        done = run("review", "unlock", "--pull-request", "9")
        assert (done.exit_code, done.stderr) == (0, "pr-9 is left as it is.\n")
        assert not stack.cancelled


class TestRoomForReviews:
    LISTED: ClassVar = [{"name": "pr-3"}, {"name": "pr-4"}]

    @pytest.fixture
    def made(self, pulumi, job: Path) -> Callable[[int], tuple[Result, list[str]]]:
        (job / "Pulumi.staging.yaml").write_text(
            "config:\n  stromhaltig:reviews:\n    max: 2\n"
        )
        asked = pulumi(stack_ls=self.LISTED, stack_select=(1, "error: that far"))

        def made(number: int) -> tuple[Result, list[str]]:
            (job / f"Pulumi.pr-{number}.yaml").write_text(
                "config:\n  stromhaltig:base: staging\n"
            )
            done = run(
                *("review", "up", "--pull-request", str(number)),
                *("--output", "said.md"),
            )
            return done, asked()

        return made

    def test_one_too_many_is_refused_and_the_pull_request_told(
        self, made, job: Path
    ) -> None:
        done, asked = made(9)
        assert done.exit_code == 1
        for said in (done.output, (job / "said.md").read_text()):
            assert "staging has room for 2 environments at once" in said
            assert "pr-3, pr-4" in said
        assert asked == ["stack ls --json --tag purpose=review --non-interactive"]

    def test_one_that_is_there_is_updated(self, made) -> None:
        done, asked = made(4)
        assert "that far" in done.output
        assert asked[-1].startswith("stack select --create pr-4")

    def test_a_list_that_fails_makes_nothing(self, made, pulumi) -> None:
        pulumi(stack_ls=(255, f"error: no access for {ACCOUNT}"))
        done, asked = made(9)
        assert done.exit_code == 2
        assert "no access for [account]" in done.output
        assert len(asked) == 1


class TestWantedStill:
    UP = ("review", "up", "--pull-request", "9", "--commit", "c0ffee")

    @pytest.fixture
    def asked(self, pulumi, job: Path) -> Callable[[], list[str]]:
        (job / "Pulumi.pr-9.yaml").write_text("config: {}\n")
        return pulumi(stack_ls=[], stack_select=(1, "error: that far"))

    def test_the_newest_commit_gets_its_environment(self, asked, github) -> None:
        github.pull(9, "review", head="c0ffee")
        assert "that far" in run(*self.UP).output

    def test_one_that_came_too_late_makes_nothing(
        self, asked, github, job: Path
    ) -> None:
        github.pull(9, "review", head="c0ffee", state="closed")
        done = run(*self.UP, "--output", "said.md")
        assert done.exit_code == 0, done.output
        assert "pr-9 is left as it is: the pull request is closed." in done.output
        assert not (job / "asked").exists()
        assert not (job / "said.md").exists()


class TestNotify:
    @pytest.fixture
    def chat(self) -> Iterator[tuple[str, list[Any]]]:
        told: list[Any] = []

        class Chat(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                told.append(json.loads(self.rfile.read(length)))
                self.send_response(404 if "revoked" in self.path else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Chat)
        thread = threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        )
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret-path", told
        server.shutdown()
        server.server_close()

    def test_a_chat_is_told(self, chat, github, monkeypatch) -> None:
        url, told = chat
        monkeypatch.setenv("SLACK_WEBHOOK_URL", url)
        done = run(
            *("notify", "--stack", "staging", "--status", "failure"),
            *("--version", "app@sha256:" + "0a" * 32, "--since", "0"),
        )
        assert done.exit_code == 0, done.output
        [message] = told
        assert message["text"].startswith(":x: Deployment of *staging* failed")
        assert "app@0a0a0a0a0a0a" in message["text"]
        assert "/actions/runs/77|the run>" in message["text"]
        assert "secret-path" not in done.output

    @pytest.mark.parametrize("path", ["revoked", "gone"])
    def test_that_it_was_not_told_fails_no_job(self, chat, monkeypatch, path) -> None:
        url, _ = chat
        address = (
            f"{url}/revoked" if path == "revoked" else "http://127.0.0.1:9/secret-path"
        )
        monkeypatch.setenv("SLACK_WEBHOOK_URL", address)
        done = run("notify", "--stack", "staging", "--status", "success")
        assert done.exit_code == 0
        assert "The chat was not told" in done.output
        assert "secret-path" not in done.output

    def test_without_a_webhook_nobody_is_told(self) -> None:
        done = run("notify", "--stack", "staging", "--status", "cancelled")
        assert done.exit_code == 0
        assert "SLACK_WEBHOOK_URL is not set" in done.output


def test_redact_copies_standard_input() -> None:
    told = f"role arn:aws:iam::{ACCOUNT}:role/x\nport 3001\n"
    assert run("redact", told=told).stdout == "role [arn]\nport 3001\n"


def test_a_changelog_is_printed(job: Path) -> None:
    (job / "CHANGELOG.md").write_text("## 1.0.0\n- All.\n")
    assert run("changelog", "v1.0.0").stdout == "- All.\n"
    assert run("changelog", "v2.0.0").exit_code == 2


def test_a_given_image_is_checked_and_handed_on(job: Path) -> None:
    image = f"ghcr.io/stromdao/stromhaltig@sha256:{'0a' * 32}"
    done = run("image", "--stack", "staging", "--given", image)
    assert done.stdout == f"{image}\n"
    assert read(job / "output") == [f"image={image}"]
    assert run("image", "--stack", "staging", "--given", "app:latest").exit_code == 2


def test_a_long_summary_is_cut_to_what_github_takes(
    pulumi, job: Path, monkeypatch
) -> None:
    monkeypatch.setattr("ops.ci.markdown.SUMMARY_BYTES", 600)
    steps = [{**DRIFTED["steps"][0], "urn": f"{URN}-{n}"} for n in range(50)]
    pulumi(refresh={"steps": steps})
    run("drift", "--stack", "staging")
    summary = (job / "summary").read_text()
    assert len(summary.encode()) <= 600
    assert summary.strip().endswith("… cut: this is all that GitHub takes.")
