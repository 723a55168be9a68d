"""How the proxy speaks TLS, and with whom it does not."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from tests.proxy.conftest import Start
from tests.proxy.surroundings import HOST, Site

pytestmark = pytest.mark.slow


def handshake(
    site: Site, version: ssl.TLSVersion, name: str | None = HOST, ciphers: str = "ALL"
) -> str:
    """The version that is agreed on with a client that offers only this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # OpenSSL's own level would offer nothing below TLS 1.2.
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", site.config.https_port)) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return str(secure.version())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions_are_spoken(site: Site, version: ssl.TLSVersion) -> None:
    assert handshake(site, version) == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(site: Site, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(site, version)


@pytest.mark.parametrize(
    "cipher",
    ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"],
)
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    site: Site, cipher: str
) -> None:
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        handshake(site, ssl.TLSVersion.TLSv1_2, ciphers=cipher)


def test_http2_is_spoken(site: Site, address: str) -> None:
    with site.client(address, http2=True) as client:
        assert client.get("/").http_version == "HTTP/2"


@pytest.mark.parametrize("name", [None, "other.example"])
def test_an_unknown_host_gets_no_certificate(site: Site, name: str | None) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        handshake(site, ssl.TLSVersion.TLSv1_3, name)


def test_an_unknown_host_on_the_connection_of_a_known_one_is_misdirected(
    client: httpx.Client,
) -> None:
    assert client.get("/", headers={"Host": "other.example"}).status_code == 421


def test_without_hosts_a_certificate_is_shown_to_all(start: Start) -> None:
    with start(hosts=()) as site:
        assert handshake(site, ssl.TLSVersion.TLSv1_3, None) == "TLSv1.3"
