"""The database's password: two logins take turns, and none ends before one works.

1. The login whose turn it is gets a password (`ops.database.roles`), and is tried.
2. The setting `secrets.DATABASE_LOGIN` names it, user and password in one value;
   `rotations.DATABASE_LOGIN` counts, so that an older stack file can be told.
3. The program makes DATABASE_URL of it, and the app is rolled out. Both are valid.
4. The login before is closed, once nobody uses it. After the first rotation that is
   the owner, who cannot be closed: it administers the database, or its backups. The
   program gives it another password.

Whatever moment it is killed at, every login works that anybody was told of, and the
next run goes on: a login that the stack file names, and the outputs do not, is rolled
out; one that neither names is closed, or given another password.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.common import Steps
from ops.database import roles
from ops.errors import OpsError
from ops.platforms import platform_of
from ops.rotation import DATABASE, LOGIN, configured, count_up, deployed, roll_out

if TYPE_CHECKING:
    from ops.database.address import Address
    from ops.lock import Held
    from ops.stack import Stack

SETTING = f"secrets.{LOGIN}"

PASSWORD_LENGTH = 40
"""Letters and digits, as of the owner's: 238 bits."""

UNUSED_SECONDS = 180.0
"""How long the old version may take to let go of its connections: a load balancer
drains it for 30 s, and it has 70 s to stop."""

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class _Login:
    user: str
    password: str = field(repr=False)

    @property
    def setting(self) -> str:
        """As the stack file has it: a secret."""
        return f"{self.user}:{self.password}"


def rotate(stack: Stack, steps: Steps, held: Held) -> None:
    """Give the app the other login, and close the one that it had.

    Raises what roles and roll-out raise, and FailedError when the login before is still
    in use long after. Both are valid then; run it again.
    """
    with steps.step("login") as facts, _administration(stack) as (admin, owner):
        before = str(stack.outputs.get("database_user") or owner)
        login = _configured(stack)
        # A login that an older file names is closed, and its password may have leaked.
        older = configured(stack, LOGIN) < deployed(stack).get(LOGIN, 0)
        begun = login is not None and login.user != before and not older
        if login is None or not begun:
            _demand_serving(stack)
            login = _Login(roles.other(before, owner), _made_up())
            # Refuses while an old version still uses it: the password would change.
            roles.retire(admin, login.user)
        else:
            facts.append("going on with a rotation that was interrupted")
        roles.prepare(admin, owner, login.user, login.password)
        roles.check(admin.login(login.user, login.password), owner)
        facts.append(f"{login.user} may sign in, beside {before}")
    held.check()
    _keep_the_owners(stack)
    if older:
        # Broken off here, the next run would take it for the one that is under way.
        stack.unset(SETTING)
    # Before the login: one that is not counted would never be missed.
    count_up(stack, LOGIN)
    if not begun:
        stack.set_secret(SETTING, login.setting)
    roll_out(stack, steps)
    held.check()
    if before != owner:
        with steps.step("login before") as facts, _administration(stack) as (admin, _):
            _close(admin, before)
            facts.append(f"{before} may not sign in any more")
    if before == owner or configured(stack, DATABASE) == 0:
        _renew_owner(stack, steps)


def _demand_serving(stack: Stack) -> None:
    """Refuse while another version serves than was asked for: it has another login.

    Its sessions would show that, too, but not in a quiet hour.

    Raises OpsError with what serves.
    """
    verdict = platform_of(stack).verdict(None)
    if not verdict.serves:
        raise OpsError(
            f"What was rolled out last does not serve: {verdict.says}. An older "
            "version may need the login that would change. Deploy first: stromhaltig "
            f"deploy --stack {stack.name}"
        )


def _keep_the_owners(stack: Stack) -> None:
    """Leave the owner's password as it is deployed, where an older file knows less."""
    done = deployed(stack).get(DATABASE, 0)
    if configured(stack, DATABASE) < done:
        stack.set(f"rotations.{DATABASE}", str(done))


def _renew_owner(stack: Stack, steps: Steps) -> None:
    """Let the program make up another password of the owner: the app has it no more."""
    stack.set(f"rotations.{DATABASE}", str(configured(stack, DATABASE) + 1))
    roll_out(stack, steps)


@contextmanager
def _administration(stack: Stack) -> Iterator[tuple[Address, str]]:
    """The app's database as who may change logins, and who owns it."""
    with platform_of(stack).database(admin=True) as admin:
        with admin.connect() as connection:
            row = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database "
                "WHERE datname = current_database()"
            ).fetchone()
        yield admin, str(row[0]) if row else admin.user


def _configured(stack: Stack) -> _Login | None:
    value = stack.get(SETTING)
    if value is None:
        return None
    user, _, password = value.partition(":")
    return _Login(user, password)


def _made_up() -> str:
    """Letters and digits only: the password is part of a URL."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))


def _close(admin: Address, login: str) -> None:
    """Close a login as soon as nobody uses it any more.

    Raises FailedError, naming the sessions, when it is in use for too long.
    """
    deadline = time.monotonic() + UNUSED_SECONDS
    while roles.sessions(admin, login) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    roles.retire(admin, login)
