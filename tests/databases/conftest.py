"""A real PostgreSQL that speaks TLS, with an administrator as RDS has them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from components.database_maker import handler
from components.database_maker.postgres import Address, Connection
from rehearsal.provider.tls import private_key, self_signed_cert
from tests.backup.postgres import Database, Postgres, postgres
from tools.servers import ServerMissingError, provide

ADMINISTRATOR = "administrator"
PASSWORD = "the-administrators-own-p4ssw0rd"
STAGING = "stromhaltig"
CONNECTIONS = 3


@dataclass(frozen=True)
class Maker:
    """The function, with what it is set up with in AWS."""

    server: Postgres
    secrets: Any

    @property
    def administrator(self) -> Address:
        """Whose server it is, in the database of staging."""
        return _administrator(self.server)

    def keep(self, stack: str, password: str, *, role: str = "") -> str:
        """Write a review's connection as Pulumi does; returns the version."""
        role = role or stack.replace("-", "_")
        port = self.server.port
        url = f"postgresql://{role}:{password}@127.0.0.1:{port}/{role}?sslmode=require"
        name = f"stromhaltig/{stack}/DATABASE_URL"
        known = {s["Name"] for s in self.secrets.list_secrets()["SecretList"]}
        if name in known:
            kept = self.secrets.put_secret_value(SecretId=name, SecretString=url)
        else:
            kept = self.secrets.create_secret(Name=name, SecretString=url)
        return str(kept["VersionId"])

    def __call__(self, action: str, stack: str, version: str = "") -> dict[str, str]:
        """Call the function as the resource does."""
        event = {"stack": stack, "version": version, "tf": {"action": action}}
        return handler.handle(json.loads(json.dumps(event)), None)

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements as the superuser, whom nobody at RDS is."""
        return Database(self.server, database).sql(statements)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """One server for all tests."""
    try:
        provide("postgres")
    except ServerMissingError as reason:
        pytest.skip(str(reason))
    with postgres("the-superusers-p4ssw0rd") as running:
        superuser = Database(running, "postgres")
        _turn_on_tls(superuser)
        superuser.sql(
            f"CREATE ROLE {ADMINISTRATOR} LOGIN CREATEDB CREATEROLE "
            f"PASSWORD '{PASSWORD}'"
        )
        # Theirs at RDS too, where the superuser is nobody's.
        superuser.sql(f"ALTER DATABASE postgres OWNER TO {ADMINISTRATOR}")
        superuser.sql(f"CREATE DATABASE {STAGING} OWNER {ADMINISTRATOR}")
        with Connection(_administrator(running)) as staging:
            staging.run("CREATE TABLE users (email text)")
            staging.run("INSERT INTO users VALUES ('somebody@example.org')")
            # Careless, and nothing that a review may gain from.
            staging.run("GRANT SELECT ON users TO PUBLIC")
        yield running


@pytest.fixture
def maker(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    """The function beside a database of staging, and no review."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        maker = Maker(server, boto3.client("secretsmanager"))
        own = f"postgresql://{ADMINISTRATOR}:{PASSWORD}@127.0.0.1:{server.port}"
        kept = maker.secrets.create_secret(
            Name="stromhaltig/staging/DATABASE_URL",
            SecretString=f"{own}/{STAGING}?sslmode=require",
        )
        monkeypatch.setenv(handler.ADMINISTRATOR, kept["ARN"])
        monkeypatch.setenv(handler.CONNECTIONS, str(CONNECTIONS))
        monkeypatch.setenv(handler.SECRETS, "stromhaltig/")
        yield maker
        _remove_reviews(maker)


@pytest.fixture
def made(maker: Maker) -> Callable[[str], Address]:
    """Makes a review's database; returns how its app gets there."""

    def make(stack: str) -> Address:
        password = f"{stack}-own-p4ssw0rd"
        maker("create", stack, maker.keep(stack, password))
        name = stack.replace("-", "_")
        return replace(maker.administrator, user=name, password=password, database=name)

    return make


def _administrator(server: Postgres) -> Address:
    return Address(
        host="127.0.0.1",
        port=server.port,
        user=ADMINISTRATOR,
        password=PASSWORD,
        database=STAGING,
    )


def _turn_on_tls(superuser: Database) -> None:
    _, key = private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    _, certificate = self_signed_cert(
        {
            "privateKeyPem": key["privateKeyPem"],
            "validityPeriodHours": 24,
            "allowedUses": [],
            "subject": {"commonName": "localhost"},
        }
    )
    data = Path(superuser.sql("SHOW data_directory"))
    owner = data.stat().st_uid
    for name, text in (
        ("server.key", key["privateKeyPem"]),
        ("server.crt", certificate["certPem"]),
    ):
        path = data / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, owner, -1)
    superuser.sql("ALTER SYSTEM SET ssl = on")
    superuser.sql("ALTER SYSTEM SET log_statement = 'all'")
    superuser.sql("SELECT pg_reload_conf()")


def _remove_reviews(maker: Maker) -> None:
    for name in maker.sql(_REVIEWS.format("database", "dat")).split():
        maker.sql(f"DROP DATABASE {name} WITH (FORCE)")
    for name in maker.sql(_REVIEWS.format("roles", "rol")).split():
        maker.sql(f"DROP ROLE {name}")


_REVIEWS = "SELECT {1}name FROM pg_{0} WHERE {1}name LIKE 'pr\\_%'"
