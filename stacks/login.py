"""Who the app is at its database, by the settings."""

from __future__ import annotations

import pulumi

from components.login import Login
from settings import Settings


def login(settings: Settings) -> Login | None:
    """The login that a rotation left in the stack file; None before the first one."""
    if settings.database_login is None:
        return None
    user, password = settings.database_login
    return Login(user=user, password=pulumi.Output.secret(password))
