"""WebSockets through the proxy to the app."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.proxy.surroundings import Site
from tests.servers import PATIENCE

pytestmark = pytest.mark.slow


def opened(site: Site, token: str, address: str) -> connect:
    # The client with threads reads and writes one TLS connection at once, which
    # OpenSSL does not bear: one in 200 connections ended before its answer.
    return connect(
        f"wss://localhost:{site.config.https_port}/api/ws",
        ssl=site.tls(),
        subprotocols=["bearer", token],  # type: ignore[list-item]
        additional_headers={"X-Forwarded-For": address},
        open_timeout=PATIENCE,
    )


def test_messages_come_back(site: Site, token: str, address: str) -> None:
    async def session() -> None:
        async with opened(site, token, address) as socket:
            assert socket.subprotocol == "bearer"
            for message in ("Strom", b"\0\1", "x" * 60_000):
                await socket.send(message)
                assert await asyncio.wait_for(socket.recv(), PATIENCE) == message

    asyncio.run(session())


def test_who_is_not_signed_in_is_refused(site: Site, address: str) -> None:
    async def session() -> None:
        async with opened(site, "wrong", address):
            pass

    with pytest.raises(InvalidStatus) as refusal:
        asyncio.run(session())
    assert refusal.value.response.status_code == 401
