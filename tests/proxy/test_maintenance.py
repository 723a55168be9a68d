"""The site closed for maintenance, and open again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.docker.proxy_config import MAINTENANCE_FLAG
from tests.proxy.surroundings import Site, Upstream
from tests.servers import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def closed(client_dir: Path) -> Iterator[Path]:
    """The site is closed; the file that says so."""
    flag = client_dir / MAINTENANCE_FLAG
    flag.touch()
    yield flag
    flag.unlink(missing_ok=True)


def test_visitors_get_a_page_that_nobody_keeps(
    closed: Path, stub_client: httpx.Client, upstreams: list[Upstream]
) -> None:
    for path in ("/", "/quiz/1", "/api/documents/1", "/assets/x.js"):
        answer = stub_client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 503
        assert "Stromhaltig wird gerade gewartet" in answer.text
        assert answer.headers["Retry-After"] == "120"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Security-Policy" in answer.headers
    assert not any(upstream.requests for upstream in upstreams)


def test_programs_get_json(closed: Path, stub_client: httpx.Client) -> None:
    answer = stub_client.post("/api/auth/login", json={"email": "a@example.org"})
    assert answer.status_code == 503
    assert answer.json() == {"error": "The site is under maintenance; see Retry-After"}


def test_an_upload_is_refused_before_it_reaches_the_app(
    closed: Path, stub_client: httpx.Client, upstreams: list[Upstream]
) -> None:
    file = {"file": ("a.pdf", b"x" * 5_000_000)}
    answer = stub_client.post("/api/documents/upload", files=file)
    assert answer.status_code == 503
    assert not any(upstream.requests for upstream in upstreams)


@pytest.mark.parametrize("path", ["/health", "/api/health", "/api/health/live"])
def test_whoever_watches_the_app_still_reaches_it(
    closed: Path, stub_client: httpx.Client, path: str
) -> None:
    assert stub_client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/healthy", "/api/health-insurance", "/x/health"])
def test_no_other_path_is_taken_for_a_health_check(
    closed: Path, stub_client: httpx.Client, path: str
) -> None:
    assert stub_client.get(path).status_code == 503


def test_it_is_open_again_within_seconds(closed: Path, client: httpx.Client) -> None:
    assert client.get("/").status_code == 503
    closed.unlink()
    eventually("the site is open", lambda: client.get("/").is_success, patience=5)


def test_a_503_of_the_app_is_its_own(
    stub_client: httpx.Client, upstreams: list[Upstream]
) -> None:
    for upstream in upstreams:
        upstream.answer = 503, {"Retry-After": "7"}
    answer = stub_client.get("/api/x")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "7"
    assert "Cache-Control" not in answer.headers


def test_nobody_can_ask_for_the_file(site: Site, client: httpx.Client) -> None:
    assert client.get(f"/{MAINTENANCE_FLAG}").status_code == 404
