"""`secrets` and `doctor` on the rehearsed stack: real engine, program and state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from ops import login_rotation
from ops.cli import app
from ops.database import roles
from ops.database.address import Address
from ops.platforms.aws import Aws
from ops.stack import Stack

pytestmark = pytest.mark.slow

KEY = "a-key-of-the-operator-that-nobody-may-see"


@pytest.fixture
def reset(stack: Stack) -> Iterator[Stack]:
    """The stack, whose file and resources are as before after the test."""
    file = stack.folder / f"Pulumi.{stack.name}.yaml"
    before = file.read_bytes()
    yield stack
    file.write_bytes(before)
    stack.up()


def run(command: str, *arguments: str, told: str | None = None) -> Any:
    done = CliRunner().invoke(
        app, ["secrets", command, *arguments, "--stack", "staging"], input=told
    )
    assert done.exit_code == 0, done.output
    return done


def value(stack: Stack, name: str) -> str:
    """What Secrets Manager holds now."""
    client = boto3.client("secretsmanager", region_name=stack.outputs["region"])
    found = client.get_secret_value(SecretId=stack.outputs["secret_arns"][name])
    return str(found["SecretString"])


def task(stack: Stack) -> dict[str, str]:
    """Secret variable to the version that tasks read."""
    ecs = boto3.client("ecs", region_name=stack.outputs["region"])
    service = ecs.describe_services(
        cluster=stack.outputs["cluster"], services=[stack.outputs["service"]]
    )["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
    containers = definition["taskDefinition"]["containerDefinitions"]
    [main] = [each for each in containers if each["name"] == "app"]
    return {secret["name"]: secret["valueFrom"] for secret in main["secrets"]}


def written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of the state: with its history, records and backups."""
    for path in (folder / "state").rglob("*"):
        if path.is_file():
            yield path, path.read_text(errors="replace")


def test_a_rotation_is_a_new_task_definition_and_the_state_stays_true(reset):
    old, before = value(reset, "JWT_SECRET"), task(reset)
    run("rotate", "JWT_SECRET", "--yes")
    stack = Stack(reset.name)
    new, after = value(stack, "JWT_SECRET"), task(stack)

    assert new != old
    assert value(stack, "JWT_SECRET_PREVIOUS") == old
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"JWT_SECRET", "JWT_SECRET_PREVIOUS"}
    assert stack.preview() == []
    leaks = [path for path, text in written(stack.folder) if old in text or new in text]
    assert leaks == []

    run("rotate", "JWT_SECRET", "--finish", "--sign-out", "--yes")
    stack = Stack(reset.name)
    assert value(stack, "JWT_SECRET") == new
    assert "JWT_SECRET_PREVIOUS" not in task(stack)
    assert stack.preview() == []


def test_a_secret_that_is_set_reaches_the_tasks_and_no_file(reset):
    before = task(reset)
    done = run("set", "GEMINI_API_KEY", "--stdin", "--deploy", told=f"{KEY}\n")
    stack = Stack(reset.name)

    assert value(stack, "GEMINI_API_KEY") == KEY
    assert task(stack)["GEMINI_API_KEY"] != before["GEMINI_API_KEY"]
    assert KEY not in done.output
    assert not [path for path, text in written(stack.folder) if KEY in text]
    assert KEY not in (stack.folder / "Pulumi.staging.yaml").read_text()
    assert stack.preview() == []


def test_a_list_says_when_and_whether_tasks_read_it(stack):
    found = {each["name"]: each for each in json.loads(run("list", "--json").stdout)}

    assert found["JWT_SECRET"]["where"].startswith("Secrets Manager, stromhaltig/")
    assert found["JWT_SECRET"]["changed"]
    assert found["JWT_SECRET"]["given"] == "yes"
    assert found["JWT_SECRET_PREVIOUS"]["where"] == ""
    values = [value(stack, name) for name in stack.outputs["secret_arns"]]
    assert not [text for text in values if text in json.dumps(found)]


def test_the_databases_password_goes_from_login_to_login(reset, monkeypatch):
    """RDS without a server behind it: what would be said to it is written down."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        roles, "prepare", lambda admin, owner, login, _: asked.append(("open", login))
    )
    monkeypatch.setattr(
        roles, "retire", lambda admin, login: asked.append(("close", login))
    )
    monkeypatch.setattr(roles, "check", lambda address, owner: None)
    monkeypatch.setattr(roles, "sessions", lambda admin, login: [])

    @contextmanager
    def administration(stack: Stack) -> Iterator[tuple[Address, str]]:
        yield Address.parse(value(stack, admin_secret(stack))), "stromhaltig"

    monkeypatch.setattr(login_rotation, "_administration", administration)
    owners = master_password(reset)
    assert owners in value(reset, "DATABASE_URL")

    run("rotate", "DATABASE_URL", "--yes")
    stack = Stack(reset.name)
    assert stack.outputs["database_user"] == "stromhaltig_a"
    assert "//stromhaltig_a:" in value(stack, "DATABASE_URL")
    # What the owner had is nobody's any more, and who administers has the new one.
    assert master_password(stack) != owners
    assert master_password(stack) in value(stack, "DATABASE_ADMIN_URL")
    assert stack.preview() == []
    file = stack.folder / f"Pulumi.{stack.name}.yaml"
    first = file.read_bytes()

    run("rotate", "DATABASE_URL", "--yes")
    stack = Stack(reset.name)
    assert rotations() == ("ok", "the stack file knows all that are deployed")
    second = file.read_bytes()
    file.write_bytes(first)
    state, says = rotations()
    assert (state, "DATABASE_LOGIN was rotated 2 times" in says) == ("error", True)
    file.write_bytes(second)
    assert stack.outputs["database_user"] == "stromhaltig_b"
    assert asked[-1] == ("close", "stromhaltig_a")
    assert "DATABASE_ADMIN_URL" not in task(stack)
    password = Address.parse(value(stack, "DATABASE_URL")).password
    assert not [path for path, text in written(stack.folder) if password in text]
    assert stack.preview() == []


def rotations() -> tuple[str, str]:
    """What `doctor` finds of them."""
    arguments = ["doctor", "-s", "staging", "--json", "--only", "rotations"]
    [fact] = json.loads(CliRunner().invoke(app, arguments).stdout)["facts"]
    return fact["state"], fact["says"]


def admin_secret(stack: Stack) -> str:
    name = "DATABASE_ADMIN_URL"
    return name if name in stack.outputs["secret_arns"] else "DATABASE_URL"


def master_password(stack: Stack) -> str:
    """What the state says that RDS was told."""
    from pulumi import automation as auto

    opened = auto.select_stack(stack.name, work_dir=str(stack.folder))
    shown = opened.workspace.pulumi_command.run(
        ["stack", "export", "--show-secrets", "--stack", stack.name],
        str(stack.folder),
        {},
    ).stdout
    [instance] = [
        resource
        for resource in json.loads(shown)["deployment"]["resources"]
        if resource["type"] == "aws:rds/instance:Instance"
    ]
    password = instance["inputs"]["password"]
    return str(json.loads(password["plaintext"]))


def test_the_cache_gets_another_token(reset):
    if not reset.outputs.get("cache"):
        reset.set("cache.nodes", "1")
        reset.up()
    stack = Stack(reset.name)
    before = value(stack, "REDIS_URL")
    run("rotate", "REDIS_URL", "--yes")

    assert value(Stack(reset.name), "REDIS_URL") != before
    assert Stack(reset.name).preview() == []


def test_doctor_looks_at_everything_and_changes_nothing(stack):
    before = stack.export()
    done = CliRunner().invoke(app, ["doctor", "--stack", "staging", "--json"])
    facts = {fact["name"]: fact for fact in json.loads(done.stdout)["facts"]}

    assert facts["settings"]["state"] == "ok", facts["settings"]
    assert facts["state"]["state"] == "ok", facts["state"]
    assert facts["lock"]["says"] == "free"
    assert facts["drift"]["state"] == "ok", facts["drift"]
    assert facts["policies"]["state"] == "ok", facts["policies"]
    assert facts["credentials"]["state"] == "ok"
    assert facts["pulumi"]["state"] == "ok"
    assert stack.export() == before
    assert Aws(stack).running() is not None


def test_drift_is_found_and_a_wrong_setting_named(reset):
    def keep_logs(days: int) -> None:
        boto3.client("logs", region_name="eu-central-1").put_retention_policy(
            logGroupName=reset.outputs["log_group"], retentionInDays=days
        )

    keep_logs(1)
    reset.set("network.natt", "none")
    done = CliRunner().invoke(
        app,
        ["doctor", "-s", "staging", "--json", "--only", "drift", "--only", "settings"],
    )
    keep_logs(14)  # as the stack file says: others look for drift too
    facts = {fact["name"]: fact for fact in json.loads(done.stdout)["facts"]}

    assert done.exit_code == 1
    assert 'no such key. Did you mean "nat"?' in facts["settings"]["remedy"]
    assert "aws:cloudwatch/logGroup:LogGroup" in facts["drift"]["says"]
