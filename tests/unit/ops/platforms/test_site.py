"""A site's certificate and name, as a server on the loopback presents them."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops.platforms import site
from ops.platforms.platform import State

NOW = datetime.datetime.now(datetime.UTC)


@contextmanager
def presenting(folder: Path, *, days: int, name: str = "localhost") -> Iterator[str]:
    """A TLS server whose certificate, signed by itself, runs out in some days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=100))
        .not_valid_after(NOW + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet, args=(listener, context))
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


def test_a_certificate_that_browsers_do_not_trust_is_a_warning(tmp_path):
    with presenting(tmp_path, days=60) as url:
        found = site.certificate(url, NOW)
    assert found.state is State.WARNING
    assert "60 days; browsers do not trust it" in found.says


def test_a_certificate_that_runs_out_soon_is_a_warning(tmp_path):
    with presenting(tmp_path, days=5) as url:
        found = site.certificate(url, NOW)
    assert found.state is State.WARNING
    assert found.says.endswith("5 days")
    assert "renewed" in found.remedy


def test_a_certificate_that_has_run_out_is_an_error(tmp_path):
    with presenting(tmp_path, days=-3) as url:
        found = site.certificate(url, NOW)
    assert found.state is State.ERROR
    assert "it has run out" in found.says


def test_a_certificate_of_another_name_is_an_error(tmp_path):
    with presenting(tmp_path, days=60, name="other.test") as url:
        found = site.certificate(url, NOW)
    assert found.state is State.ERROR
    assert "localhost" in found.says


def test_a_site_that_does_not_answer_is_unknown():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert site.certificate(f"https://localhost:{port}").state is State.UNKNOWN


@pytest.mark.parametrize(
    ("expected", "state"),
    [((), State.OK), (("192.0.2.1",), State.OK), (("192.0.2.9",), State.WARNING)],
)
def test_a_name_leads_to_where_it_should(monkeypatch, expected, state):
    def answers(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    found = site.name("https://stromhaltig.test", expected)
    assert found.state is state
    assert "192.0.2.1" in found.says


def test_a_name_without_an_address_is_an_error(monkeypatch):
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = site.name("https://stromhaltig.test")
    assert found.state is State.ERROR
    assert "Make its record" in found.remedy
