"""Where the proxy sends those who come by another name, or without TLS."""

from __future__ import annotations

import contextlib
import socket

import httpx
import pytest

from tests.proxy.conftest import Start
from tests.proxy.surroundings import ALIAS, HOST, Site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("host", [HOST, ALIAS])
def test_http_is_redirected_with_path_and_query(site: Site, host: str) -> None:
    answer = httpx.get(
        f"{site.plain_url}/quiz/1?a=b%20c", headers={"Host": f"{host}:8080"}
    )
    assert answer.status_code == 301
    expected = f"https://{host}:{site.config.https_port}/quiz/1?a=b%20c"
    assert answer.headers["Location"] == expected


def test_the_usual_port_is_not_written_into_a_redirect(start: Start) -> None:
    with start(public_https_port=443) as site:
        answer = httpx.get(f"{site.plain_url}/quiz")
    assert answer.headers["Location"] == f"https://{HOST}/quiz"


def test_an_alias_is_redirected_to_the_first_host(site: Site) -> None:
    url = f"{site.url}/quiz?a=b"
    answer = httpx.get(url, headers={"Host": ALIAS}, verify=site.tls())
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{site.url}/quiz?a=b"
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"


def test_the_answer_to_lets_encrypt_is_served_without_tls(site: Site) -> None:
    folder = site.home / "acme/.well-known/acme-challenge"
    folder.mkdir(parents=True)
    folder.joinpath("token").write_text("token.thumbprint")
    base = f"{site.plain_url}/.well-known/acme-challenge"
    assert httpx.get(f"{base}/token").text == "token.thumbprint"
    assert httpx.get(f"{base}/other").status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "other.example"])
def test_an_unknown_host_gets_no_answer(site: Site, host: str) -> None:
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        httpx.get(site.plain_url, headers={"Host": host})


def test_who_names_no_host_gets_no_answer(site: Site) -> None:
    address = ("127.0.0.1", site.config.http_port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_without_hosts_any_name_is_served(start: Start) -> None:
    with start(hosts=()) as site:
        answer = httpx.get(site.plain_url, headers={"Host": "192.0.2.1"})
        expected = f"https://192.0.2.1:{site.config.https_port}/"
        assert answer.headers["Location"] == expected
        assert httpx.get(site.url, verify=site.tls()).status_code == 200
