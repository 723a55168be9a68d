"""How many requests a client may make, and how it is told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.proxy.conftest import Start
from tests.proxy.surroundings import Names, Site, Upstream

pytestmark = pytest.mark.slow

API_BURST = 20
LOGIN_BURST = 3


def statuses(
    client: httpx.Client, count: int, path: str, method: str = "GET"
) -> list[int]:
    return [client.request(method, path).status_code for _ in range(count)]


def test_requests_above_the_burst_are_refused_until_it_is_paid_back(
    stub_client: httpx.Client,
) -> None:
    began = time.monotonic()
    got = Counter(statuses(stub_client, 60, "/api/x"))
    allowed = 1 + API_BURST + 10 * (time.monotonic() - began)
    assert 1 + API_BURST <= got[200] <= allowed + 1
    assert got[429] == 60 - got[200]

    refused = stub_client.get("/api/x")
    while refused.status_code != 429:
        refused = stub_client.get("/api/x")
    assert refused.headers.get_list("Retry-After") == ["1"]
    assert refused.headers["Content-Type"] == "application/json"
    assert refused.json() == {"error": "Too many requests; see Retry-After"}
    time.sleep(int(refused.headers["Retry-After"]))
    assert stub_client.get("/api/x").status_code == 200


def test_each_client_has_a_limit_of_its_own(stub_site: Site) -> None:
    with stub_site.client("203.0.113.1") as one, stub_site.client("203.0.113.2") as two:
        assert 429 in statuses(one, 60, "/api/x")
        assert statuses(two, API_BURST, "/api/x") == [200] * API_BURST


def test_a_client_cannot_have_another_address_by_claiming_it(
    start: Start, upstreams: list[Upstream]
) -> None:
    with (
        Names(upstreams[0].host) as names,
        start(
            resolver=names.resolver,
            upstream_port=upstreams[0].port,
            trusted_proxies=(),
        ) as site,
    ):
        got = []
        for number in range(60):
            with site.client(f"203.0.113.{number}") as client:
                got.append(client.get("/api/x").status_code)
            if 429 in got:
                break
    assert 429 in got
    assert {each.headers["x-forwarded-for"] for each in upstreams[0].requests} == {
        "127.0.0.1"
    }


@pytest.mark.parametrize(
    "path",
    ["/api/auth/login", "/api/auth/login/", "/api/auth/LOGIN", "/api//auth/login"],
)
def test_logins_are_tried_a_few_times_however_they_are_spelt(
    stub_client: httpx.Client, path: str
) -> None:
    got = statuses(stub_client, LOGIN_BURST + 3, path, "POST")
    assert got == [200] * (1 + LOGIN_BURST) + [429] * 2
    refused = stub_client.post(path)
    assert refused.headers.get_list("Retry-After") == ["12"]
    assert refused.json() == {"error": "Too many requests; see Retry-After"}
    assert stub_client.get("/api/x").status_code == 200


def test_the_real_login_is_limited_too(client: httpx.Client) -> None:
    wrong = {"email": "nobody@stromhaltig.test", "password": "wrong"}
    got = [client.post("/api/auth/login", json=wrong).status_code for _ in range(5)]
    assert got == [401] * (1 + LOGIN_BURST) + [429]


def test_files_of_the_client_are_not_limited(client: httpx.Client, script: str) -> None:
    assert statuses(client, 60, script) == [200] * 60


def test_the_health_check_cannot_be_used_to_flood_the_app(
    stub_client: httpx.Client,
) -> None:
    assert 429 in statuses(stub_client, 60, "/health")


def test_what_the_app_says_of_waiting_is_left_alone(
    stub_client: httpx.Client, upstreams: list[Upstream]
) -> None:
    for upstream in upstreams:
        upstream.answer = 429, {"Retry-After": "77"}
    answer = stub_client.get("/api/x")
    assert answer.status_code == 429
    assert answer.headers.get_list("Retry-After") == ["77"]


@pytest.fixture
def generous(start: Start, upstreams: list[Upstream]) -> Iterator[Site]:
    """The proxy with other limits."""
    with (
        Names(upstreams[0].host) as names,
        start(
            resolver=names.resolver,
            upstream_port=upstreams[0].port,
            api_per_second=1000,
            api_burst=200,
            login_per_minute=60,
            login_burst=0,
        ) as site,
    ):
        yield site


def test_limits_are_those_of_the_settings(generous: Site, address: str) -> None:
    with generous.client(address) as client:
        assert statuses(client, 100, "/api/x") == [200] * 100
        assert statuses(client, 2, "/api/auth/login") == [200, 429]
        assert client.get("/api/auth/login").headers["Retry-After"] == "1"
