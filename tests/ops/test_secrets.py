"""`secrets rotate DATABASE_URL` on a real server: under load, killed at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

import ops.stack
from ops import login_rotation
from ops.cli import app
from ops.database.address import Address
from ops.platforms.platform import Running, Verdict
from tests.ops.load import Load
from tests.ops.test_roles import OLD, Estate, host, rds
from tests.unit.ops.fakes import FakePlatform, FakeStack

__all__ = ["host", "rds"]

COUNT = "rotations.DATABASE_URL"
TURNS = "rotations.DATABASE_LOGIN"


class Killed(BaseException):
    """As `kill -9`: nobody catches it."""


@dataclass
class Program(FakeStack):
    """A stack whose `up` does what the program does with logins.

    load: the app, if it runs; a roll-out gives it the new address, and its connections
    to the old one end when they are done. kill: where to die, in which call of it.
    """

    load: Load | None = None
    kill: tuple[str, int] | None = None
    calls: list[str] = field(default_factory=list)

    def moment(self, name: str) -> None:
        """A moment at which the process can die."""
        self.calls.append(name)
        if self.kill == (name, self.calls.count(name)):
            self.kill = None
            raise Killed

    def set_secret(self, path: str, value: str) -> None:
        self.moment("before the setting")
        super().set_secret(path, value)
        self.moment("after the setting")

    def set(self, path: str, value: str) -> None:
        super().set(path, value)
        self.moment("after the count")

    def up(self, on_event: object = None) -> list[Any]:
        self.moment("before the update")
        super().up(on_event)
        self.moment("after the update")
        return []


@dataclass
class Place(FakePlatform):
    """The platform of a server: the owner's password is the program's business.

    fallen_back: the app was rolled out and the platform took it back.
    """

    estate: Estate = None  # type: ignore[assignment]
    owners: str = OLD
    fallen_back: bool = False
    used: Address = None  # type: ignore[assignment]

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        yield self.admin if admin else self.used

    @property
    def admin(self) -> Address:
        admin = self.estate.admin
        owner = self.estate.owner
        return admin.login(owner, self.owners) if admin.user == owner else admin

    def deployed(self, stack: Program) -> None:
        """What an update makes of the stack file."""
        owner = self.estate.owner
        login = stack.get("secrets.DATABASE_LOGIN") or f"{owner}:{self.owners}"
        count = int(stack.get(COUNT) or 0)
        counts = {"DATABASE_URL": count, "DATABASE_LOGIN": int(stack.get(TURNS) or 0)}
        if count != stack.outputs["rotations"].get("DATABASE_URL", 0):
            with self.admin.connect() as connection:
                self.owners = f"owners {count}"
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(owner), self.owners
                    )
                )
        stack.outputs |= {
            "database_user": login.partition(":")[0],
            "rotations": {name: found for name, found in counts.items() if found},
        }
        if not self.fallen_back:
            self.used = self.estate.app.login(*login.split(":", 1))
        if stack.load:
            stack.load.address = self.used

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        self.stack.moment("before the verdict")
        return super().verdict(before, finished=finished)


@pytest.fixture(params=["host", "rds"])
def estate(request: pytest.FixtureRequest) -> Estate:
    return request.getfixturevalue(request.param)


@pytest.fixture
def program(estate: Estate, tmp_path: Path, monkeypatch) -> Program:
    monkeypatch.setattr(login_rotation, "UNUSED_SECONDS", 20.0)
    monkeypatch.setattr(login_rotation, "POLL_SECONDS", 0.05)
    stack = Program(tmp_path, config={"platform": "docker"})
    stack.outputs = {
        "platform": "docker",
        "secrets": ["DATABASE_URL"],
        "database_user": estate.owner,
        "rotations": {},
    }
    platform = Place(stack, estate=estate, used=estate.app)
    stack.on_up = platform.deployed
    stack.platform = platform
    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    for where in ("ops.rotation", "ops.delivery", "ops.login_rotation"):
        monkeypatch.setattr(f"{where}.platform_of", lambda _: platform)
    return stack


def rotate(*options: str):
    arguments = ["secrets", "rotate", "DATABASE_URL", "--stack", "staging", "--yes"]
    return CliRunner().invoke(app, [*arguments, *options])


def enters(address: Address) -> bool:
    try:
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            dbname=address.database,
        ):
            return True
    except psycopg.OperationalError:
        return False


def logins(program: Program) -> set[str]:
    """Endings of those who may sign in, of the owner and who takes turns for it."""
    owner = program.platform.estate.owner
    with program.platform.admin.connect() as connection:
        found = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, "
            "%s)",
            [owner],
        )
        return {name.removeprefix(owner) for (name,) in found}


def test_under_load_no_request_notices_and_in_the_end_one_login_works(program, estate):
    first = estate.app
    with Load(first).running(4) as load:
        program.load = load
        load.until(estate.owner, 50)
        for turn in ("_a", "_b", "_a"):
            done = rotate()
            assert done.exit_code == 0, done.output
            load.until(estate.owner + turn, 50)

    assert load.errors == []
    assert logins(program) == {"", "_a"}
    assert not enters(first)
    assert enters(program.platform.used)
    # Once, when the app had stopped being the owner.
    assert program.get(COUNT) == "1"
    assert program.get(TURNS) == "3"


def test_the_password_is_in_no_output_and_no_record(program, estate):
    done = rotate()
    password = program.platform.used.password

    assert len(password) == login_rotation.PASSWORD_LENGTH
    assert password not in done.output
    for path in program.folder.rglob("*"):
        assert not path.is_file() or password not in path.read_text()


def test_a_dry_run_touches_nothing(program, estate):
    done = rotate("--dry-run")

    assert done.exit_code == 0
    assert "both are valid from now on" in done.stderr
    assert (program.ups, logins(program)) == ([], {""})


MOMENTS = [
    ("after the count", 1),
    ("before the setting", 1),
    ("after the setting", 1),
    ("before the update", 1),
    ("after the update", 1),
    ("before the verdict", 2),
    ("after the count", 2),
    ("before the update", 2),
    ("after the update", 2),
    ("before the verdict", 3),
]
"""The first verdict is on what serves before anything is done."""


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m[0]}, {m[1]}")
def test_killed_at_any_moment_the_app_goes_on_and_the_next_run_ends_it(
    program, estate, moment
):
    program.kill = moment
    with pytest.raises(Killed):
        rotate()
    assert enters(program.platform.used)

    done = rotate()
    assert done.exit_code == 0, done.output
    assert enters(program.platform.used)
    assert not enters(estate.app)
    assert len(logins(program) - {""}) == 1
    assert program.get(COUNT) == "1"


@pytest.mark.parametrize("moment", MOMENTS[:6])
def test_killed_in_a_later_rotation_it_ends_with_one_login_too(program, estate, moment):
    assert rotate().exit_code == 0
    used = program.platform.used
    program.calls.clear()
    program.kill = moment
    with pytest.raises(Killed):
        rotate()
    assert enters(program.platform.used)

    assert rotate().exit_code == 0
    assert enters(program.platform.used)
    assert not enters(used) or used == program.platform.used
    assert len(logins(program) - {""}) == 1


@pytest.mark.parametrize("killed", [False, True], ids=["at once", "killed before"])
@pytest.mark.parametrize(
    "turns", [0, 1, 2], ids=["no login", "a former login", "the login before"]
)
def test_from_an_older_file_no_former_password_becomes_valid_again(
    program, estate, turns, killed
):
    kept: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for turn in range(3):
        if turn == turns:
            kept = (dict(program.config), dict(program.secrets_set))
        assert rotate().exit_code == 0
    former = [estate.app, program.platform.used]
    if turns:
        login = kept[1]["secrets.DATABASE_LOGIN"]
        former.append(estate.app.login(*login.split(":", 1)))
    owners = program.platform.owners
    program.config, program.secrets_set = kept

    if killed:
        program.calls.clear()
        program.kill = ("before the setting", 1)
        with pytest.raises(Killed):
            rotate()
    assert rotate().exit_code == 0
    assert enters(program.platform.used)
    assert not any(enters(address) for address in former)
    assert len(logins(program) - {""}) == 1
    assert (program.get(COUNT), program.get(TURNS)) == ("1", "4")
    assert program.platform.owners == owners


def test_a_login_that_is_still_in_use_is_not_closed(program, estate, monkeypatch):
    monkeypatch.setattr(login_rotation, "UNUSED_SECONDS", 0.2)
    assert rotate().exit_code == 0
    with program.platform.used.connect():
        done = rotate()

    assert done.exit_code == 1
    assert f'"{estate.owner}_a" is still in use' in done.stderr
    assert logins(program) == {"", "_a", "_b"}


def test_an_app_that_fell_back_keeps_its_password(program, estate):
    assert rotate().exit_code == 0
    program.platform.fallen_back = True
    program.platform.verdicts = [
        Verdict(True, "2 of 2 tasks run it"),
        Verdict(False, "old tasks serve", rolled_back=True),
    ]
    first = rotate()
    assert first.exit_code == 1
    assert "old tasks serve" in first.stderr

    # Also in a quiet hour, when no session shows who needs it.
    program.platform.verdicts = [Verdict(False, "old tasks serve")]
    again = rotate()
    assert again.exit_code == 2
    assert "does not serve: old tasks serve. An older version may" in again.stderr
    assert enters(program.platform.used)
