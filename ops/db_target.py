"""Which database a command works on: that of a stack, or any by its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import stack_option
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.database.address import Address
    from ops.platforms.platform import Platform
    from ops.stack import Stack

TargetStackOption = Annotated[
    str | None, stack_option("Whose database, by the name that Pulumi knows.")
]
AddressEnvOption = Annotated[
    str | None,
    typer.Option(
        "--address-env",
        metavar="VARIABLE",
        help="Instead: the environment variable that holds the database's address, "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
    ),
]


class Target:
    """A stack, or an address out of the environment, which goes first.

    Raises OpsError on creation when there is neither.
    """

    def __init__(self, stack: str | None, address_env: str | None) -> None:
        self.stack: Stack | None = None
        self.variable = address_env
        if address_env:
            return
        if not stack:
            raise OpsError(
                "Which database? Name a stack with --stack, or the environment "
                "variable that holds an address with --address-env"
            )
        from ops.stack import Stack

        self.stack = Stack(stack)

    def __str__(self) -> str:
        return f"stack {self.stack.name}" if self.stack else f"${self.variable}"

    @property
    def url(self) -> str:
        """The address as it stands in the environment: a secret.

        Raises OpsError when the variable is not set.
        """
        url = os.environ.get(self.variable or "")
        if not url:
            raise OpsError(
                f"There is no environment variable {self.variable}, or it is empty. "
                "Give it the database's address; nobody sees it there, as they would "
                "on the command line"
            )
        return url

    def platform(self) -> Platform | None:
        """Where the stack was deployed to; None for a mere address."""
        from ops.platforms import platform_of

        return platform_of(self.stack) if self.stack else None

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        """A way to the database, for as long as the block.

        admin: as somebody who may create databases and roles; an address is used with
        the login that it has.
        """
        from ops.database.address import Address

        platform = self.platform()
        if platform is None:
            yield Address.parse(self.url)
        else:
            with platform.database(admin=admin) as address:
                yield address

    def operation(
        self, command: str, details: Mapping[str, str] | None = None
    ) -> AbstractContextManager[object]:
        """Have the stack's lock, and be in its audit log, during the block.

        A mere address has neither: PostgreSQL's own locks keep others out.
        """
        if self.stack is None:
            return nullcontext()
        from ops.audit import operation

        return operation(self.stack, command, details)
