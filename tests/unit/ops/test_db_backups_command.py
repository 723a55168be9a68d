"""What the commands for backups refuse before they begin."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app

ADDRESS = "postgresql://app:secret-word@127.0.0.1:1/app"


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STROMHALTIG_STACK", raising=False)
    monkeypatch.setenv("DB", ADDRESS)


def run(*arguments: str) -> Result:
    ran = CliRunner().invoke(app, ["db", *arguments])
    assert "secret-word" not in ran.output
    return ran


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("backup",), "Name a stack with --stack"),
        (("backup", "--address-env", "DB"), "Name one: --store"),
        (("backup", "--address-env", "DB", "--snapshot"), "they are the platform's"),
        (("backup", "--address-env", "DB", "--store", "ftp://x"), "is no place for"),
        (("backup", "--address-env", "NONE", "--store", "x"), "variable NONE"),
        (("backups", "--address-env", "DB"), "Name one: --store"),
        (("restore", "--address-env", "DB"), "Restore what?"),
        (("restore", "latest", "--undo", "--address-env", "DB"), "Restore what?"),
        (("restore", "latest", "--snapshot", "x", "--address-env", "DB"), "Name one"),
        (("restore", "--undo", "--address-env", "DB"), "Check address and login"),
        (("drill", "--address-env", "DB"), "Name one: --store"),
        (("drill", "--address-env", "DB", "--snapshot", "x"), "the platform's"),
    ],
)
def test_what_is_not_enough_is_told(arguments: tuple[str, ...], says: str) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 2
    assert says in ran.stderr


def test_a_server_that_is_away_is_told(tmp_path: object) -> None:
    ran = run("backup", "--address-env", "DB", "--store", str(tmp_path))
    assert ran.exit_code == 2
    assert "app@127.0.0.1:1/app: " in ran.stderr


def test_an_empty_store_is_told_of(tmp_path: object) -> None:
    place = ("--address-env", "DB", "--store", str(tmp_path))
    assert "There is no backup" in run("backups", *place).stdout
    assert run("backups", "--json", *place).stdout.strip() == "[]"
