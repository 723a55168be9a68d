"""Who the app is at its database, where that is not who owns it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True, kw_only=True)
class Login:
    """A role that works as the owner, and whose password can change while both work.

    Somebody has made it on the server before, for the component does not:
    `stromhaltig secrets rotate DATABASE_URL`.

    user: name of the role.
    password: its password.
    """

    user: str
    password: pulumi.Input[str] = field(repr=False)
