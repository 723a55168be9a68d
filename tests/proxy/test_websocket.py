"""WebSockets through the proxy to the app."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.proxy.surroundings import Site
from tests.servers import PATIENCE

pytestmark = pytest.mark.slow


def opened(site: Site, token: str, address: str) -> ClientConnection:
    return connect(
        f"wss://localhost:{site.config.https_port}/api/ws",
        ssl=site.tls(),
        subprotocols=["bearer", token],  # type: ignore[list-item]
        additional_headers={"X-Forwarded-For": address},
        open_timeout=PATIENCE,
    )


def test_messages_come_back(site: Site, token: str, address: str) -> None:
    with opened(site, token, address) as socket:
        assert socket.subprotocol == "bearer"
        for message in ("Strom", b"\0\1", "x" * 60_000):
            socket.send(message)
            assert socket.recv(timeout=10) == message


def test_who_is_not_signed_in_is_refused(site: Site, address: str) -> None:
    with pytest.raises(InvalidStatus) as refusal, opened(site, "wrong", address):
        pass
    assert refusal.value.response.status_code == 401
