"""Databases of reviews on a real server: made, closed to others, and dropped."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from components.database_maker import handler
from components.database_maker.postgres import Connection, PostgresError, verifier
from rehearsal.provider.tls import private_key, self_signed_cert
from tests.databases.conftest import CONNECTIONS, STAGING
from tests.servers import free_port

pytestmark = pytest.mark.slow

TABLE = "CREATE TABLE migrated (text text); INSERT INTO migrated VALUES ('kept')"


def databases(maker):
    return set(maker.sql("SELECT datname FROM pg_database").split())


def roles(maker):
    return set(maker.sql("SELECT rolname FROM pg_roles").split())


def test_a_review_gets_a_database_that_its_app_can_migrate(made):
    with Connection(made("pr-7")) as app:
        app.run(TABLE)
        app.run("CREATE SCHEMA quiz")
        assert app.run("SELECT text, NULL, current_user FROM migrated") == [
            ("kept", "", "pr_7")
        ]


def test_the_function_says_what_it_did(maker):
    version = maker.keep("pr-7", "a-p4ssw0rd")
    assert maker("create", "pr-7", version) == {"made": "pr_7"}
    assert maker("delete", "pr-7") == {"dropped": "pr_7"}


@pytest.mark.parametrize("database", [STAGING, "pr_8", "postgres"])
def test_a_review_can_enter_nobody_elses_database(made, database):
    app, _ = made("pr-7"), made("pr-8")
    with (
        pytest.raises(PostgresError, match=f'denied for database "{database}"'),
        Connection(replace(app, database=database)),
    ):
        pass


def test_staging_goes_on_with_its_own(maker, made):
    made("pr-7")
    with Connection(maker.administrator) as staging:
        assert staging.run("SELECT email FROM users") == [("somebody@example.org",)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE pr_9",
        "CREATE ROLE pr_9",
        "ALTER ROLE pr_7 CONNECTION LIMIT 100",
        "SET ROLE administrator",
        "DROP DATABASE pr_8",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_a_review_has_no_rights_on_the_server(made, statement):
    address, _ = made("pr-7"), made("pr-8")
    with (
        Connection(address) as app,
        pytest.raises(PostgresError, match=r"permission denied|must be owner"),
    ):
        app.run(statement)


def test_a_review_has_so_many_connections_and_no_more(made):
    address = made("pr-7")
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            opened.enter_context(Connection(address))
        with pytest.raises(PostgresError, match="too many connections for role"):
            opened.enter_context(Connection(address))


def test_another_password_takes_the_place_of_the_first_and_nothing_is_lost(maker, made):
    address = made("pr-7")
    with Connection(address) as app:
        app.run(TABLE)
    maker("update", "pr-7", maker.keep("pr-7", "another-p4ssw0rd"))
    with pytest.raises(PostgresError, match="password authentication failed"):
        Connection(address).__enter__()
    with Connection(replace(address, password="another-p4ssw0rd")) as app:
        assert app.run("SELECT text FROM migrated") == [("kept",)]


def test_a_call_that_comes_twice_does_no_harm(maker, made):
    with Connection(made("pr-7")) as app:
        app.run(TABLE)
    with Connection(made("pr-7")) as app:
        assert app.run("SELECT text FROM migrated") == [("kept",)]
    for _ in "12":
        maker("delete", "pr-7")
    assert "pr_7" not in databases(maker) | roles(maker)


def test_a_review_goes_while_its_app_is_still_connected(maker, made):
    other = made("pr-8")
    with Connection(made("pr-7")) as app:
        app.run(TABLE)
        maker("delete", "pr-7")
        with pytest.raises((PostgresError, OSError)):
            app.run("SELECT 1")
    assert "pr_7" not in databases(maker) | roles(maker)
    with Connection(other) as left:
        assert left.run("SELECT 1") == [("1",)]


@pytest.mark.parametrize(
    "stack", ["staging", "stromhaltig", "pr-0", "pr-7; DROP ROLE x", "PR-7", "pr-7\n"]
)
@pytest.mark.parametrize("action", ["create", "delete"])
def test_only_reviews_can_be_asked_for(maker, action, stack):
    before = databases(maker) | roles(maker)
    with pytest.raises(ValueError, match="no stack of a pull request"):
        maker(action, stack, "version")
    assert databases(maker) | roles(maker) == before


def test_a_secret_of_another_role_is_refused(maker):
    version = maker.keep("pr-7", "a-p4ssw0rd", role="administrator")
    with pytest.raises(ValueError, match="is not of role and database pr_7"):
        maker("create", "pr-7", version)
    assert "pr_7" not in roles(maker)


def test_no_password_is_in_the_log_of_the_server(maker, made):
    made("pr-7")
    maker("update", "pr-7", maker.keep("pr-7", "another-p4ssw0rd"))
    log = Path(maker.sql("SHOW data_directory")).with_name("log").read_text()
    assert "ALTER ROLE pr_7 LOGIN" in log
    for password in ("pr-7-own-p4ssw0rd", "another-p4ssw0rd"):
        assert password not in log


def test_what_is_kept_of_a_password_is_another_text_each_time():
    assert verifier("p4ssw0rd") != verifier("p4ssw0rd")
    assert verifier("p4ssw0rd").startswith("SCRAM-SHA-256$4096:")


def test_a_wrong_password_is_told_in_the_servers_words(maker):
    wrong = replace(maker.administrator, password="wrong")
    with (
        pytest.raises(PostgresError, match=r"password authentication failed.*28P01"),
        Connection(wrong),
    ):
        pass


def test_a_refused_statement_leaves_the_connection_as_it_was(maker):
    with Connection(maker.administrator) as staging:
        with pytest.raises(PostgresError, match=r'"nothing" does not exist \(42P01\)'):
            staging.run("SELECT * FROM nothing")
        assert staging.run("SELECT 1") == [("1",)]


def test_a_server_that_is_away_is_named(maker):
    port = free_port()
    with (
        pytest.raises(PostgresError, match=f"127.0.0.1:{port}: .*refused"),
        Connection(replace(maker.administrator, port=port)),
    ):
        pass


@contextmanager
def impostor(answer: bytes, file: Path) -> Iterator[int]:
    """Somebody on a port who takes TLS if asked, and then says what he likes."""
    _, key = private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    _, made = self_signed_cert(
        {
            "privateKeyPem": key["privateKeyPem"],
            "validityPeriodHours": 1,
            "allowedUses": [],
        }
    )
    file.write_text(key["privateKeyPem"] + made["certPem"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(8)
            if answer == b"N":
                client.sendall(answer)
                return
            client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as secure:
                secure.recv(1024)
                secure.sendall(answer)
                secure.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


IN_WITHOUT_PASSWORD = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"
PASSWORD_IN_CLEAR = b"R\0\0\0\x08\0\0\0\x03"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"N", "has no TLS"),
        (IN_WITHOUT_PASSWORD, "did not prove that it knows the password"),
        (PASSWORD_IN_CLEAR, "wants no SCRAM-SHA-256, but 3"),
    ],
)
def test_who_does_not_know_the_password_is_told_nothing(maker, answer, says, tmp_path):
    with (
        impostor(answer, tmp_path / "impostor.pem") as port,
        pytest.raises(PostgresError, match=says),
        Connection(replace(maker.administrator, port=port)),
    ):
        pass


def test_the_function_is_set_up_by_variables_that_the_component_gives():
    text = Path("components/review_host.py").read_text(encoding="utf-8")
    for name in (handler.ADMINISTRATOR, handler.CONNECTIONS, handler.SECRETS):
        assert f'"{name}"' in text
