"""Which login is next, and what is refused before a server is asked."""

from __future__ import annotations

import pytest

from ops.database import roles
from ops.database.address import Address
from ops.errors import OpsError


def test_logins_take_turns_after_the_owner_itself():
    turns = ["app"]
    for _ in range(3):
        turns.append(roles.other(turns[-1], "app"))
    assert turns == ["app", "app_a", "app_b", "app_a"]


@pytest.mark.parametrize("login", ["postgres", "app_c", "app_a_b", ""])
def test_a_login_that_takes_no_turns_is_refused_with_those_that_do(login):
    with pytest.raises(OpsError, match="app_a, app_b"):
        roles.other(login, "app")


def test_an_owner_whose_logins_would_be_cut_off_is_refused():
    assert roles.other("x" * 61, "x" * 61) == "x" * 61 + "_a"
    with pytest.raises(OpsError, match="61 bytes at most"):
        roles.other("ä" * 31, "ä" * 31)


def test_nobody_retires_the_login_that_manages_the_roles():
    # Nobody listens there: the refusal comes first.
    admin = Address(
        host="127.0.0.1", port=1, user="app", password="secret", database="app"
    )
    with pytest.raises(OpsError, match="another password instead"):
        roles.retire(admin, "app")
