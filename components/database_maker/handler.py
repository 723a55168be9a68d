"""Lambda function: makes and drops the databases of pull requests.

It runs where the database server can be reached, and is called by the resource that
stands for a database: when that is made, changed and deleted. What it is told holds no
secret and decides little: a name that can only be one of a pull request's.

Each call may come again: what is there already is put right, what is gone is well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3

from .postgres import Address, Connection, verifier

ADMINISTRATOR = "ADMINISTRATOR_SECRET_ARN"
"""Environment variable: ARN of the secret with the administrator's connection."""

CONNECTIONS = "CONNECTIONS"
"""Environment variable: how many connections a pull request may have."""

SECRETS = "SECRETS_PREFIX"
"""Environment variable: what names of secrets begin with, a slash at the end."""

_STACK = re.compile(r"pr-[1-9][0-9]{0,4}")
_MAINTENANCE = "postgres"
"""Database that every server has, to be in while others are made and dropped."""


def handle(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Entry point: bring one database into being, or make it go.

    Args:
        event: `stack`, whose database it is; `version` of the secret with the
            connection that it is to have; and what is done, which Pulumi adds as
            `tf.action`: create, update or delete.
        context: of the call; not used.

    Raises:
        ValueError: for a stack that is not of a pull request.
        PostgresError: when the server is not there or refuses.
    """
    del context
    stack = str(event["stack"])
    if not _STACK.fullmatch(stack):
        raise ValueError(f'"{stack}" is no stack of a pull request: pr-N')
    name = stack.replace("-", "_")
    administrator = _address(_secret(os.environ[ADMINISTRATOR]))
    with Connection(replace(administrator, database=_MAINTENANCE)) as server:
        if event["tf"]["action"] == "delete":
            _drop(server, name)
            return {"dropped": name}
        secret = f"{os.environ[SECRETS]}{stack}/DATABASE_URL"
        wanted = _address(_secret(secret, VersionId=event["version"]))
        if (wanted.user, wanted.database) != (name, name):
            raise ValueError(f"{secret} is not of role and database {name}")
        _make(server, name, wanted.password, int(os.environ[CONNECTIONS]))
        return {"made": name}


def _make(server: Connection, name: str, password: str, connections: int) -> None:
    if not server.run(f"SELECT FROM pg_roles WHERE rolname = '{name}'"):
        server.run(f"CREATE ROLE {name}")
    server.run(
        f"ALTER ROLE {name} LOGIN NOCREATEDB NOCREATEROLE "
        f"CONNECTION LIMIT {connections} PASSWORD '{verifier(password)}'"
    )
    # Only a member of a role may give it a database, or end its connections.
    server.run(f"GRANT {name} TO CURRENT_USER")
    if not server.run(f"SELECT FROM pg_database WHERE datname = '{name}'"):
        server.run(f"CREATE DATABASE {name} OWNER {name}")
    _close_to_others(server)


def _close_to_others(server: Connection) -> None:
    """Let each database be entered by its owner only.

    A new database is open to every role, that of the app among them. What is in it is
    not, but for what a careless GRANT TO PUBLIC gives away.
    """
    owned = server.run(
        "SELECT quote_ident(datname) FROM pg_database "
        "WHERE NOT datistemplate AND pg_has_role(datdba, 'USAGE')"
    )
    for (database,) in owned:
        server.run(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")


def _drop(server: Connection, name: str) -> None:
    server.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    server.run(f"DROP ROLE IF EXISTS {name}")


def _secret(name: str, **version: str) -> str:
    client = boto3.client("secretsmanager")
    found: str = client.get_secret_value(SecretId=name, **version)["SecretString"]
    return found


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return Address(
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")),
    )
