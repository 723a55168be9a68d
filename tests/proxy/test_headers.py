"""Headers of whatever the proxy answers, and what it tells the app."""

from __future__ import annotations

import json

import httpx
import pytest

from components.docker.proxy_config import DEFAULT_CSP
from tests.proxy.surroundings import HOST, Site, Upstream

pytestmark = pytest.mark.slow

SECURITY = {
    "Content-Security-Policy": DEFAULT_CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/quiz/1", 200),
        ("GET", "SCRIPT", 200),
        ("GET", "/favicon.svg", 200),
        ("GET", "/assets/missing.js", 404),
        ("POST", "/", 405),
        ("GET", "/.published", 404),
        ("GET", "/%2e%2e/x", 400),
        ("GET", "/health", 200),
        ("GET", "/api/health/live", 200),
        ("GET", "/api/missing", 404),
        ("GET", "/api/auth/me", 401),
    ],
)
def test_each_security_header_comes_exactly_once(
    client: httpx.Client, script: str, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path.replace("SCRIPT", script))
    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in SECURITY} == {
        name: [value] for name, value in SECURITY.items()
    }


@pytest.mark.parametrize("status", [301, 404, 429, 500, 503])
def test_what_the_app_answers_badly_has_the_headers_too(
    stub_client: httpx.Client, upstreams: list[Upstream], status: int
) -> None:
    for upstream in upstreams:
        upstream.answer = status, dict.fromkeys(SECURITY, "the app's own")
    answer = stub_client.get("/api/x")
    assert answer.status_code == status
    for name, value in SECURITY.items():
        assert answer.headers.get_list(name) == [value]


@pytest.mark.parametrize("path", ["/", "/api/x", "/x.js"])
def test_nothing_tells_of_the_software_or_harms(
    stub_client: httpx.Client, upstreams: list[Upstream], path: str
) -> None:
    for upstream in upstreams:
        upstream.answer = 200, {"X-Powered-By": "Express", "X-XSS-Protection": "1"}
    answer = stub_client.get(path)
    assert answer.headers["Server"] == "nginx"
    assert "X-Powered-By" not in answer.headers
    assert "X-XSS-Protection" not in answer.headers


def test_the_app_is_told_one_address_whoever_claims_more(
    stub_site: Site, upstreams: list[Upstream]
) -> None:
    claims = {
        "X-Forwarded-For": "203.0.113.7, 198.51.100.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.7",
        "Forwarded": "for=203.0.113.7",
        "Upgrade": "h2c",
        "Connection": "Upgrade",
    }
    httpx.get(f"{stub_site.url}/api/x", headers=claims, verify=stub_site.tls())
    [request] = [each for upstream in upstreams for each in upstream.requests]
    told = {name.lower(): request.headers.get(name.lower()) for name in claims}
    assert told == {
        "x-forwarded-for": "198.51.100.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": HOST,
        "x-real-ip": "198.51.100.9",
        "forwarded": None,
        "upgrade": None,
        "connection": "close",
    }
    assert request.headers["host"] == HOST


def test_requests_are_logged_as_json_without_their_query(
    stub_site: Site, stub_client: httpx.Client, address: str
) -> None:
    stub_client.get("/api/x?token=secret", headers={"User-Agent": 'a "quoted" one'})
    stub_client.get("/health")
    log = stub_site.process
    log.until("the request is logged", lambda: address in log.output)
    [line] = [line for line in log.output.splitlines() if address in line]
    record = json.loads(line)
    assert record["client"] == address
    assert record["path"] == "/api/x"
    assert record["status"] == 200
    assert record["user_agent"] == 'a "quoted" one'
    assert "secret" not in line
