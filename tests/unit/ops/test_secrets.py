"""`stromhaltig secrets`, on a stack in memory: what is set, counted up and refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import ops.stack
from ops.audit import acts
from ops.cli import app
from ops.lock import Lock
from ops.platforms.platform import Verdict
from ops.stack import Change
from resource_types import SECRET
from tests.unit.ops.fakes import FakePlatform, FakeStack

KEY = "a-value-that-nobody-may-see"
PASSWORD = "random:index/randomPassword:RandomPassword"
NAME = "stromhaltig-staging"
COMMIT = (
    "Commit Pulumi.staging.yaml: whoever deploys from the one before takes this back."
)


def rotated(stack: FakeStack) -> None:
    """What the program leaves in the outputs."""
    found = {
        path.removeprefix("rotations."): int(value)
        for path, value in stack.config.items()
        if path.startswith("rotations.")
    }
    stack.outputs["rotations"] = found
    names = {"DATABASE_URL", "JWT_SECRET", "HEALTH_CHECK_TOKEN"}
    if stack.get("accept_previous") == "true":
        names.add("JWT_SECRET_PREVIOUS")
    stack.outputs["secrets"] = sorted(names)
    generation = f"-{found['JWT_SECRET']}" if "JWT_SECRET" in found else ""
    stack.resources = [password(f"{NAME}-jwt-secret{generation}", datetime.now(UTC))]


def password(name: str, created: datetime) -> dict[str, str]:
    return {
        "type": PASSWORD,
        "urn": f"urn:pulumi:staging::stromhaltig::{PASSWORD}::{name}",
        "created": created.isoformat(),
    }


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stack = FakeStack(tmp_path, config={"platform": "docker"}, on_up=rotated)
    stack.outputs["platform"] = "docker"
    rotated(stack)
    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    platform = FakePlatform(stack)
    stack.platform = platform
    for where in ("ops.rotation", "ops.delivery"):
        monkeypatch.setattr(f"{where}.platform_of", lambda _: platform)
    return stack


def run(*arguments: str, told: str | None = None):
    command, *more = arguments
    return CliRunner().invoke(
        app, ["secrets", command, "--stack", "staging", *more], input=told
    )


def rotate(name: str, *options: str):
    return run("rotate", name, "--yes", *options)


class TestSet:
    def test_a_value_from_a_pipe_is_set_encrypted_and_shown_nowhere(self, stack):
        done = run("set", "GEMINI_API_KEY", "--stdin", "--no-deploy", told=f"{KEY}\n")

        assert done.exit_code == 0
        assert stack.secrets_set == {"secrets.GEMINI_API_KEY": KEY}
        assert KEY not in done.output
        assert "Not rolled out: stromhaltig deploy --stack staging" in done.stderr
        assert stack.ups == []

    def test_it_is_rolled_out_when_asked_for(self, stack):
        done = run("set", "GEMINI_API_KEY", "--stdin", "--deploy", told=KEY)

        assert done.exit_code == 0
        assert len(stack.ups) == 1
        assert "staging runs with the new GEMINI_API_KEY" in done.stderr

    def test_the_log_says_who_and_what_and_not_the_value(self, stack):
        run("set", "GEMINI_API_KEY", "--stdin", "--no-deploy", told=KEY)
        [act] = acts(stack.records, 1)

        assert (act.command, act.outcome) == ("secrets set", "done")
        assert act.details == {"name": "GEMINI_API_KEY"}
        assert KEY not in "".join(p.read_text() for p in stack.folder.rglob("*.json"))

    def test_a_value_against_the_apps_rule_changes_nothing_and_is_not_shown(
        self, stack
    ):
        done = run("set", "SENTRY_DSN", "--stdin", "--no-deploy", told=KEY)

        assert done.exit_code == 2
        assert "must be a DSN like https://KEY@HOST/PROJECT" in done.stderr
        assert KEY not in done.output
        assert stack.secrets_set == {}
        assert acts(stack.records, 1) == []

    @pytest.mark.parametrize("value", ["", "\n", " \n"])
    def test_nothing_is_no_value(self, stack, value):
        assert run("set", "SMTP_PASS", "--stdin", told=value).exit_code == 2
        assert stack.secrets_set == {}

    def test_without_a_terminal_it_says_how_to_send_the_value(self, stack):
        done = run("set", "GEMINI_API_KEY", told=KEY)

        assert done.exit_code == 2
        assert "--stdin" in done.stderr
        assert stack.secrets_set == {}

    def test_a_value_can_not_be_an_argument(self, stack):
        assert run("set", "GEMINI_API_KEY", KEY).exit_code == 2
        assert stack.secrets_set == {}

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("GEMINI_KEY", 'There is no secret "GEMINI_KEY". Did you mean "GEMINI_API'),
            ("LOG_LEVEL", "LOG_LEVEL is not secret. Set it: pulumi config set"),
            ("DATABASE_URL", "stromhaltig secrets rotate DATABASE_URL"),
            ("DATABASE_LOGIN", "stromhaltig secrets rotate DATABASE_URL"),
        ],
    )
    def test_what_is_not_yours_is_refused_with_the_way(self, stack, name, says):
        done = run("set", name, "--stdin", told=KEY)

        assert done.exit_code == 2
        assert says in done.stderr

    def test_your_own_key_takes_the_place_of_the_rotated_one(self, stack):
        rotate("JWT_SECRET")
        own = "k" * 32
        done = run("set", "JWT_SECRET", "--stdin", "--deploy", "--yes", told=own)

        assert done.exit_code == 0
        assert stack.secrets_set == {"secrets.JWT_SECRET": own}
        assert stack.config == {"platform": "docker"}

    def test_the_file_that_was_changed_is_to_be_committed(self, stack):
        done = run("set", "GEMINI_API_KEY", "--stdin", "--deploy", told=KEY)
        assert done.stderr.splitlines()[-1] == COMMIT
        done = run("set", "GEMINI_API_KEY", "--stdin", "--no-deploy", told=KEY)
        assert done.stderr.splitlines()[-1] == COMMIT

    def test_the_file_of_a_review_is_not(self, stack):
        stack.set("platform", "aws-review")
        done = run("set", "GEMINI_API_KEY", "--stdin", "--no-deploy", told=KEY)

        assert done.exit_code == 0
        assert "Commit" not in done.stderr

    def test_an_older_file_is_not_rolled_out(self, stack):
        stack.outputs["rotations"] = {"JWT_SECRET": 1}
        done = run("set", "GEMINI_API_KEY", "--stdin", "--deploy", told=KEY)

        assert done.exit_code == 2
        assert "Pulumi.staging.yaml is older than what is deployed" in done.stderr
        assert stack.ups == []

    def test_nobody_is_signed_out_unasked(self, stack):
        done = run("set", "JWT_SECRET", "--stdin", told="k" * 32)

        assert done.exit_code == 2
        assert stack.secrets_set == {}


class TestRotate:
    def test_a_secret_gets_its_next_generation_and_is_rolled_out(self, stack):
        assert rotate("HEALTH_CHECK_TOKEN").exit_code == 0
        assert rotate("HEALTH_CHECK_TOKEN").exit_code == 0

        counts = [ups["rotations.HEALTH_CHECK_TOKEN"] for ups in stack.ups]
        assert counts == ["1", "2"]
        [act] = acts(stack.records, 1)
        assert (act.command, act.outcome) == ("secrets rotate", "done")
        assert Lock(stack.records).holder() is None

    def test_a_dry_run_says_the_steps_and_does_nothing(self, stack):
        done = run("rotate", "JWT_SECRET", "--dry-run")

        assert done.exit_code == 0
        assert "JWT_SECRET_PREVIOUS keeps the old one" in done.stderr
        assert "Nothing was done." in done.stderr
        assert stack.ups == acts(stack.records, 1) == []

    def test_the_last_line_is_to_commit_the_file(self, stack):
        done = rotate("JWT_SECRET")
        assert done.stderr.splitlines()[-1] == COMMIT
        done = rotate("JWT_SECRET", "--finish", "--sign-out")
        assert done.stderr.splitlines()[-1] == COMMIT

    def test_nothing_is_to_be_committed_where_nothing_was_changed(self, stack):
        assert "Commit" not in run("rotate", "JWT_SECRET", "--dry-run").stderr
        assert "Commit" not in rotate("JWT_SECRT").stderr
        with Lock(stack.records).held("deploy"):
            assert "Commit" not in rotate("JWT_SECRET").stderr

    def test_a_file_that_was_changed_is_to_be_committed_after_a_failure_too(
        self, stack
    ):
        file = stack.folder / "Pulumi.staging.yaml"
        stack.on_up = lambda stack: file.write_text(str(stack.config))
        stack.platform.verdicts = [Verdict(False, "0 of 2 tasks run it")]
        done = rotate("HEALTH_CHECK_TOKEN")

        assert done.exit_code == 1
        assert COMMIT in done.stderr.splitlines()

    def test_from_an_older_file_nothing_else_is_taken_back(self, stack):
        stack.outputs["rotations"] = {"JWT_SECRET": 2}
        stack.outputs["secrets"].append("JWT_SECRET_PREVIOUS")
        for refused in (
            rotate("HEALTH_CHECK_TOKEN"),
            rotate("JWT_SECRET", "--finish", "--sign-out"),
        ):
            assert refused.exit_code == 2
            assert "JWT_SECRET was rotated 2 times there, the file" in refused.stderr
            assert "rotations.JWT_SECRET' 2 --stack staging" in refused.stderr
        assert stack.ups == acts(stack.records, 1) == []

    def test_a_secret_of_an_older_file_can_be_rotated_itself(self, stack):
        stack.outputs["rotations"] = {"HEALTH_CHECK_TOKEN": 2}

        assert rotate("HEALTH_CHECK_TOKEN").exit_code == 0
        assert stack.ups[0]["rotations.HEALTH_CHECK_TOKEN"] == "3"

    def test_without_a_word_nothing_is_rotated(self, stack):
        assert run("rotate", "HEALTH_CHECK_TOKEN").exit_code == 2
        assert stack.ups == []

    def test_a_run_that_was_killed_before_the_update_is_gone_on_with(self, stack):
        stack.set("rotations.HEALTH_CHECK_TOKEN", "1")
        done = rotate("HEALTH_CHECK_TOKEN")

        assert "going on with a rotation that was interrupted" in done.stderr
        assert stack.ups[0]["rotations.HEALTH_CHECK_TOKEN"] == "1"

    def test_what_does_not_serve_is_a_failure_with_its_reasons(self, stack):
        stack.platform.verdicts = [
            Verdict(False, "0 of 2 tasks run it", rolled_back=True, reasons=("OOM",))
        ]
        done = rotate("HEALTH_CHECK_TOKEN")

        assert done.exit_code == 1
        assert "0 of 2 tasks run it\n  OOM" in done.stderr
        assert "the reason is gone: stromhaltig deploy --stack" in done.stderr
        assert acts(stack.records, 1)[0].outcome == "failed"

    def test_whoever_interrupts_is_told_how_to_go_on(self, stack, monkeypatch):
        def interrupted(*_: object, **__: object) -> Verdict:
            raise KeyboardInterrupt

        monkeypatch.setattr(stack.platform, "verdict", interrupted)
        done = rotate("HEALTH_CHECK_TOKEN")
        assert done.exit_code == 130
        assert "To go on with it, run the same command again." in done.stderr
        assert "rollback" not in done.stderr

    def test_what_would_lose_more_than_a_secret_is_not_rolled_out(self, stack):
        loss = Change("delete", "docker:index/volume:Volume", "uploads", True, True)
        stack.planned = [loss]
        done = rotate("HEALTH_CHECK_TOKEN")
        assert done.exit_code == 2
        assert "holds data: docker:index/volume:Volume uploads" in done.stderr
        assert stack.ups == []

        former = Change("delete", SECRET, "jwt-secret-previous", holds_data=True)
        stack.planned = [former]
        done = rotate("HEALTH_CHECK_TOKEN")
        assert done.exit_code == 0
        assert "going on with a rotation that was interrupted" in done.stderr

    def test_both_keys_are_valid_until_sessions_have_ended(self, stack):
        done = rotate("JWT_SECRET")
        assert done.exit_code == 0
        assert stack.ups[-1]["accept_previous"] == "true"

        early = rotate("JWT_SECRET", "--finish")
        assert early.exit_code == 2
        assert "Sessions that only JWT_SECRET_PREVIOUS knows last until" in early.stderr
        again = rotate("JWT_SECRET")
        assert (again.exit_code, len(stack.ups)) == (2, 1)

        yesterday = datetime.now(UTC) - timedelta(hours=24, minutes=1)
        stack.resources = [password(f"{NAME}-jwt-secret-1", yesterday)]
        assert rotate("JWT_SECRET", "--finish").exit_code == 0
        assert "accept_previous" not in stack.ups[-1]
        assert stack.ups[-1]["rotations.JWT_SECRET"] == "1"

    def test_the_life_of_a_session_is_the_stacks_own(self, stack):
        stack.set("app.JWT_EXPIRES_IN", "30m")
        rotate("JWT_SECRET")
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        stack.resources = [password(f"{NAME}-jwt-secret-1", an_hour_ago)]

        assert rotate("JWT_SECRET", "--finish").exit_code == 0

    def test_a_leaked_key_is_accepted_no_more(self, stack):
        done = rotate("JWT_SECRET", "--sign-out")

        assert done.exit_code == 0
        assert "everybody is signed out" in done.stderr
        assert "accept_previous" not in stack.ups[0]

    def test_there_has_to_be_something_to_finish(self, stack):
        done = rotate("JWT_SECRET", "--finish")
        assert (done.exit_code, stack.ups) == (2, [])
        done = rotate("HEALTH_CHECK_TOKEN", "--finish")
        assert (done.exit_code, stack.ups) == (2, [])

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("JWT_SECRT", 'There is no secret "JWT_SECRT". Did you mean "JWT_SECRET"?'),
            ("GEMINI_API_KEY", "stromhaltig secrets set GEMINI_API_KEY --stack stag"),
            ("JWT_SECRET_PREVIOUS", "changes with JWT_SECRET: rotate that"),
            ("DATABASE_LOGIN", "changes with DATABASE_URL: rotate that"),
            ("REDIS_URL", "Stack staging has no REDIS_URL: the option is off"),
        ],
    )
    def test_what_is_not_made_up_is_refused_with_the_way(self, stack, name, says):
        done = rotate(name)

        assert done.exit_code == 2
        assert says in done.stderr
        assert acts(stack.records, 1) == []

    def test_your_own_key_is_not_rotated(self, stack):
        stack.set_secret("secrets.JWT_SECRET", KEY)
        done = rotate("JWT_SECRET")

        assert done.exit_code == 2
        assert "stromhaltig secrets set JWT_SECRET" in done.stderr

    @pytest.mark.parametrize("platform", ["digitalocean", "railway"])
    def test_a_platform_without_overlap_names_the_alternative(self, stack, platform):
        stack.set("platform", platform)
        done = rotate("DATABASE_URL")

        assert done.exit_code == 2
        assert f"{platform} has no password of DATABASE_URL that could" in done.stderr
        way = {"digitalocean": "doctl databases", "railway": "stromhaltig db backup"}
        assert way[platform] in done.stderr

    def test_somebody_elses_work_is_not_disturbed(self, stack):
        with Lock(stack.records).held("deploy"):
            done = rotate("HEALTH_CHECK_TOKEN")
        assert done.exit_code == 2
        assert "The stack is locked by" in done.stderr
        assert "rotations.HEALTH_CHECK_TOKEN" not in stack.config


class TestList:
    def test_each_secret_has_place_and_age_and_no_value(self, stack):
        run("set", "GEMINI_API_KEY", "--stdin", "--no-deploy", told=KEY)
        done = run("list", "--json")
        found = {secret["name"]: secret for secret in json.loads(done.stdout)}

        assert KEY not in done.output
        assert found["JWT_SECRET"]["where"] == "file JWT_SECRET in a volume of the app"
        assert found["JWT_SECRET"]["given"] == "yes"
        assert datetime.now(UTC) - datetime.fromisoformat(
            found["JWT_SECRET"]["changed"]
        ) < timedelta(minutes=1)
        assert found["GEMINI_API_KEY"]["where"] == "the stack file"
        assert found["GEMINI_API_KEY"]["given"] == "no"
        assert found["GEMINI_API_KEY"]["changed"]
        assert found["OPENAI_API_KEY"]["where"] == ""
        assert found["GEMINI_API_KEY"]["kind"] == "yours"
        # Nobody sets it: it is what the rotation of another one leaves.
        assert found["DATABASE_LOGIN"]["kind"] == "with DATABASE_URL"

    def test_people_get_a_table(self, stack):
        done = run("list")

        assert done.exit_code == 0
        [line] = [x for x in done.stdout.splitlines() if "│ JWT_SECRET  " in x]
        assert "generated" in line
        assert "0 d ago" in line

    def test_a_stack_that_was_never_deployed_has_a_list_too(self, stack):
        stack.outputs = {}
        stack.resources = []

        assert run("list").exit_code == 0
