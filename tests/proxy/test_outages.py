"""The app down, back, moved, or about to go."""

from __future__ import annotations

import signal
import time
from collections import Counter

import httpx
import pytest

from tests.proxy.conftest import Start
from tests.proxy.surroundings import Names, Upstream
from tests.servers import Backend, eventually, free_port

pytestmark = pytest.mark.slow

QUICKLY = 1.0  # seconds


def test_the_app_is_down_and_comes_back(
    start: Start, backend: Backend, address: str
) -> None:
    port = free_port()
    with (
        Names("127.0.0.4") as names,
        start(resolver=names.resolver, upstream_port=port) as site,
        site.client(address) as client,
    ):
        began = time.monotonic()
        refused = client.get("/api/health")
        assert time.monotonic() - began < QUICKLY
        assert refused.status_code == 502
        assert refused.headers["Content-Type"] == "application/json"
        assert refused.json() == {"error": "The app does not answer; try again soon"}

        page = client.get("/api/documents/1", headers={"Accept": "text/html"})
        assert page.status_code == 502
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Stromhaltig ist gerade nicht erreichbar" in page.text
        assert len(page.content) < 1024

        assert client.get("/").status_code == 200
        with backend.app("127.0.0.4", port):
            assert client.get("/api/health").status_code == 200


def test_no_copy_of_the_app_has_a_name(start: Start, address: str) -> None:
    with (
        Names() as names,
        start(resolver=names.resolver) as site,
        site.client(address) as client,
    ):
        began = time.monotonic()
        assert client.get("/api/x").status_code == 502
        assert time.monotonic() - began < QUICKLY


def test_requests_follow_the_app_to_another_address(
    start: Start, upstreams: list[Upstream], address: str
) -> None:
    old, new = upstreams
    with (
        Names(old.host) as names,
        start(resolver=names.resolver, upstream_port=old.port) as site,
        site.client(address) as client,
    ):
        client.get("/api/1")
        names.addresses[:] = [new.host]
        eventually(
            "the new address is asked",
            lambda: client.get("/api/2").is_success and bool(new.requests),
            patience=5,
        )
        asked = len(old.requests)
        client.get("/api/3")
    assert len(old.requests) == asked


@pytest.mark.parametrize("status", [502, 503, None])
def test_what_one_copy_cannot_answer_the_next_one_does(
    stub_client: httpx.Client, upstreams: list[Upstream], status: int | None
) -> None:
    upstreams[0].answer = status, {}
    assert [stub_client.get("/api/x").status_code for _ in range(8)] == [200] * 8
    assert upstreams[0].requests


@pytest.mark.parametrize("status", [503, None])
def test_what_may_have_had_an_effect_is_not_repeated(
    stub_client: httpx.Client, upstreams: list[Upstream], status: int | None
) -> None:
    for upstream in upstreams:
        upstream.answer = status, {}
    answer = stub_client.post("/api/x", json={"once": True})
    assert answer.status_code == (status or 502)
    assert sum(len(upstream.requests) for upstream in upstreams) == 1


def test_a_post_goes_on_where_no_connection_came_about(
    start: Start, upstreams: list[Upstream], address: str
) -> None:
    alive = upstreams[0]
    with (
        Names("127.0.0.9", alive.host) as names,
        start(resolver=names.resolver, upstream_port=alive.port) as site,
        site.client(address) as client,
    ):
        answers = [client.post("/api/x", json={"n": n}) for n in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(alive.requests) == 8


def test_a_copy_that_stops_loses_no_request(start: Start, backend: Backend) -> None:
    """As in a release: the new copy is there, the old one gets SIGTERM."""
    port = free_port()
    with (
        Names("127.0.0.5") as names,
        backend.app("127.0.0.5", port) as old,
        backend.app("127.0.0.6", port),
        start(
            resolver=names.resolver,
            upstream_port=port,
            api_per_second=10_000,
            api_burst=10_000,
        ) as site,
        site.client("192.0.2.9") as client,
    ):
        assert client.get("/api/health").status_code == 200
        names.addresses[:] = ["127.0.0.5", "127.0.0.6"]
        old.process.send(signal.SIGTERM)
        got = []
        while old.process.running:
            got.append(client.get("/api/quizzes").status_code)
        assert old.process.wait() == 0
        got += [client.get("/api/quizzes").status_code for _ in range(20)]
    assert len(got) > 50
    assert set(got) == {200}, Counter(got)


def test_the_container_is_healthy_whatever_the_app_is(start: Start) -> None:
    with Names() as names, start(resolver=names.resolver) as site:
        url = f"http://127.0.0.1:{site.config.status_port}/"
        assert httpx.get(url).status_code == 204
