"""How commands ask, refuse and end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from botocore.exceptions import ClientError, NoCredentialsError
from pulumi.automation import CommandError
from pulumi.automation._cmd import CommandResult
from typer.testing import CliRunner

from ops.cli import app
from ops.common import Steps, confirm, confirm_by_name, print_json, reported
from ops.delivery import RollOutError
from ops.errors import FailedError, NotOfferedError, OpsError, nearest


@pytest.fixture
def terminal(monkeypatch):
    """A terminal at which somebody types what is appended."""
    typed: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed.pop(0))
    return typed


@pytest.mark.parametrize("answer", ["y", "YES", " ja "])
def test_a_yes_goes_on(terminal, answer):
    terminal.append(answer)
    confirm("Deploy?", yes=False)


@pytest.mark.parametrize("answer", ["", "n", "what"])
def test_all_else_is_a_no(terminal, answer):
    terminal.append(answer)
    with pytest.raises(OpsError, match="Nothing was done"):
        confirm("Deploy?", yes=False)


def test_with_yes_nobody_is_asked():
    confirm("Deploy?", yes=True)


def test_without_a_terminal_the_option_is_named():
    with pytest.raises(OpsError, match="Confirm in advance: --yes"):
        confirm("Deploy?", yes=False)
    with pytest.raises(OpsError, match="--yes-replace production"):
        confirm_by_name("?", "production", given=None, option="--yes-replace")


def test_a_name_has_to_be_typed_as_it_is(terminal):
    terminal += ["production", "prodution"]
    confirm_by_name("?", "production", given=None, option="--yes-replace")
    with pytest.raises(OpsError, match='"prodution" is not "production"'):
        confirm_by_name("?", "production", given=None, option="--yes-replace")
    confirm_by_name("?", "production", given="production", option="--yes-replace")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OpsError("no"), 2),
        (NotOfferedError("not here"), 2),
        (FailedError("half-way"), 1),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
    ],
)
def test_errors_end_with_their_exit_code(capsys, error, code):
    with pytest.raises(typer.Exit) as ended, reported():
        raise error
    assert ended.value.exit_code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip() == (str(error) or "Interrupted.")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ExpiredToken", "Sign in again"),
        ("AccessDeniedException", "lacks a permission"),
        ("ThrottlingException", "Try again in a minute"),
        ("DBInstanceNotFound", "no such database"),
    ],
)
def test_what_aws_says_comes_with_a_remedy(capsys, code, remedy):
    said = {"Error": {"Code": code, "Message": "no such database"}}
    with pytest.raises(typer.Exit) as ended, reported():
        raise ClientError(said, "DescribeDBInstances")
    assert ended.value.exit_code == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert f"AWS, DescribeDBInstances: {code}:" in printed
    assert remedy in printed


def test_missing_credentials_come_with_a_remedy(capsys):
    with pytest.raises(typer.Exit), reported():
        raise NoCredentialsError
    assert "aws sso login" in capsys.readouterr().err


def test_what_pulumi_says_comes_without_what_it_printed(capsys):
    with pytest.raises(typer.Exit) as ended, reported():
        raise CommandError(CommandResult("password: hunter2", "error: no key", 255))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.strip() == "pulumi: error: no key"


ROLLED_BACK = """\
ECS went back to app:6
  task arn:aws:ecs:eu-central-1:210987654321:task/app/1: exit code 1
Its last lines:
  connecting to app.c0ffee.eu-central-1.rds.amazonaws.com (10.0.3.17)
  DATABASE_URL=postgres://app:hunter2@app.internal:5432/app: refused"""


def test_the_public_log_of_a_job_shows_no_more_than_a_comment(capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with Steps().step("roll-out") as facts:
        facts.append("of sg-0123456789abcdef0")
    with pytest.raises(typer.Exit), reported():
        raise RollOutError(ROLLED_BACK)
    print_json({"address": "10.0.3.17"})
    out, err = capsys.readouterr()
    assert "\n    of [id]\n" in err
    assert err.endswith(
        "ECS went back to app:6\n"
        "  task [arn] exit code 1\n"
        "Its last lines:\n"
        "  connecting to [host] ([ip])\n"
        "  DATABASE_URL=[url] refused\n"
    )
    assert "10.0.3.17" in out


def test_who_sits_at_a_terminal_is_told_everything(capsys):
    with pytest.raises(typer.Exit), reported():
        raise RollOutError(ROLLED_BACK)
    assert capsys.readouterr().err == f"{ROLLED_BACK}\n"


def test_a_place_that_may_not_be_written_is_named(capsys, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(typer.Exit) as ended, reported():
        (tmp_path / "file" / "lock.json").read_text()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.strip() == (
        f"{tmp_path / 'file' / 'lock.json'}: Not a directory"
    )


def test_who_stops_reading_ends_it_without_a_word(capsys):
    with pytest.raises(BrokenPipeError), reported():
        raise BrokenPipeError(32, "Broken pipe")
    assert capsys.readouterr().err == ""


def test_who_ends_the_input_has_not_agreed(monkeypatch):
    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", end)
    with pytest.raises(OpsError, match="Nothing was done"):
        confirm("Go on?", yes=False)
    with pytest.raises(OpsError, match="Nothing was done"):
        confirm_by_name("Go on?", "staging", given=None, option="--yes-replace")


def test_a_fault_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError), reported():
        _ = 1 // 0


def test_steps_show_what_was_found_and_where_it_ended(capsys):
    steps = Steps()
    with steps.step("preview") as facts:
        facts.append("no changes")
    with pytest.raises(RuntimeError), steps.step("update"):
        raise RuntimeError
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split()[0] for line in printed.err.splitlines()] == ["✓", "no", "✗"]


def test_data_is_printed_as_json(capsys):
    print_json({"at": datetime(2026, 1, 1, tzinfo=UTC), "file": Path("a")})
    assert '"2026-01-01T00:00:00+00:00"' in capsys.readouterr().out
    with pytest.raises(TypeError, match="object is no data"):
        print_json(object())


def test_the_nearest_is_named_or_all():
    assert nearest("stagign", ["staging", "production"], kind="stacks") == (
        'Did you mean "staging"?'
    )
    assert nearest("x", ["a", "b"], kind="stacks") == "There are these stacks: a, b."
    assert nearest("x", [], kind="stacks") == "There are no stacks."


def test_the_shell_completes_stacks_that_have_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("Pulumi.yaml", "Pulumi.staging.yaml", "Pulumi.production.yaml"):
        (tmp_path / name).touch()
    words = {
        "_STROMHALTIG_COMPLETE": "complete_bash",
        "COMP_WORDS": "stromhaltig status --stack st",
        "COMP_CWORD": "3",
    }
    done = CliRunner().invoke(app, [], prog_name="stromhaltig", env=words)
    assert done.stdout.split() == ["staging"]
