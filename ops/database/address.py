"""Where a database is, and who asks: the one thing that database work needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ops.errors import OpsError

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
"""How long the server may take to answer."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """A database on a server, with the login of somebody who may use it.

    host: as the server's certificate has it. reach: address to connect to instead, the
    near end of a tunnel; reach_port: the port there, if it is another. options: of
    libpq, such as `sslmode`.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    reach: str | None = None
    reach_port: int | None = None
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`.

        Raises OpsError for anything else; the message does not repeat the text, for it
        may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            parts, port = urlsplit(""), 0
        name = unquote(parts.path.removeprefix("/"))
        sound = parts.scheme in {"postgresql", "postgres"} and parts.hostname and port
        if not sound or not name:
            raise OpsError(
                "That is no address of a database. One looks like "
                "postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require, with "
                "%XX for what is no letter or digit in the password"
            )
        # node-postgres's word for what libpq calls `require`.
        options = tuple(
            (key, "require" if (key, value) == ("sslmode", "no-verify") else value)
            for key, value in parse_qsl(parts.query)
        )
        return cls(
            host=str(parts.hostname),
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=name,
            options=options,
        )

    def __str__(self) -> str:
        """Without the password."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def url(self) -> str:
        """With the password: a secret."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        query = f"?{urlencode(self.options)}" if self.options else ""
        name = quote(self.database, safe="")
        return f"postgresql://{login}@{self.host}:{self.port}/{name}{query}"

    def to(self, database: str) -> Address:
        """Another database of the same server."""
        return replace(self, database=database)

    def login(self, user: str, password: str) -> Address:
        """The same database for somebody else."""
        return replace(self, user=user, password=password)

    def environment(self) -> dict[str, str]:
        """Variables that lead PostgreSQL's own programs here, the password included.

        A secret: for the environment of a child process, and nothing else.
        """
        names = {
            "sslmode": "PGSSLMODE",
            "sslrootcert": "PGSSLROOTCERT",
            "options": "PGOPTIONS",
        }
        env = {
            "PGHOST": self.host,
            "PGPORT": str(self.reach_port or self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
            "PGAPPNAME": "stromhaltig",
        }
        if self.reach:
            env["PGHOSTADDR"] = self.reach
        env |= {names[key]: value for key, value in self.options if key in names}
        return env

    @contextmanager
    def connect(self, **options: Any) -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit mode, closed after the block.

        Raises OpsError when the server cannot be reached or lets nobody in.
        """
        import psycopg

        settings = {
            "host": self.host,
            "port": self.reach_port or self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "stromhaltig",
            # In a database without one (SQL_ASCII), text would come as bytes.
            "client_encoding": "UTF8",
            **({"hostaddr": self.reach} if self.reach else {}),
            **dict(self.options),
            **options,
        }
        try:
            connection = psycopg.connect(autocommit=True, **settings)
        except psycopg.OperationalError as error:
            raise OpsError(
                f"{self}: {_reason(error)}. Check address and login, and whether this "
                "machine may connect"
            ) from None
        with connection:
            yield connection


def _reason(error: Exception) -> str:
    """The last line of what libpq says: the others repeat the address, or explain."""
    lines = [x for x in str(error).strip().splitlines() if x and not x[0].isspace()]
    return lines[-1].rstrip(". ") if lines else "no connection"
