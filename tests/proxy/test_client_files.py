"""The client: its files, its views, and how long browsers keep them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.servers import eventually

pytestmark = pytest.mark.slow

FOR_EVER = "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/index.html", "/quiz/1", "/documents?page=2"])
def test_every_view_is_the_page_and_is_asked_for_again(
    client: httpx.Client, client_dir: Path, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("Cache-Control") == ["no-cache"]
    assert answer.content == (client_dir / "index.html").read_bytes()
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_what_is_named_after_its_content_is_kept_for_ever(
    client: httpx.Client, script: str
) -> None:
    answer = client.get(script)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers.get_list("Cache-Control") == [FOR_EVER]


def test_what_keeps_its_name_is_asked_for_again(client: httpx.Client) -> None:
    answer = client.get("/favicon.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers.get_list("Cache-Control") == ["no-cache"]


def test_what_the_app_says_of_caching_is_left_alone(client: httpx.Client) -> None:
    answer = client.get("/api/auth/me")
    assert answer.headers.get_list("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("path", ["/assets/missing.js", "/missing.png", "/assets/"])
def test_a_missing_file_is_no_page_and_not_kept(
    client: httpx.Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing at this address"}
    assert "Cache-Control" not in answer.headers


def test_text_is_compressed_for_those_who_can_read_it(
    client: httpx.Client, script: str, client_dir: Path
) -> None:
    packed = client.get(script, headers={"Accept-Encoding": "gzip"})
    plain = client.get(script, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    original = client_dir.joinpath(script.removeprefix("/")).read_bytes()
    assert packed.content == plain.content == original
    assert packed.num_bytes_downloaded < 0.5 * len(original)


@pytest.mark.parametrize(
    "path",
    ["/.published", "/assets/.hidden", "/.git/config", "/%2epublished", "/a/../.env"],
)
def test_hidden_files_are_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/assets/../../nginx.conf", "/assets/%2e%2e/%2e%2e/etc/passwd"]
)
def test_nothing_outside_the_client_is_reached(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (400, 404)


def test_a_release_shows_at_once(client: httpx.Client, client_dir: Path) -> None:
    page = client_dir / "index.html"
    old = page.read_bytes()
    client.get("/")
    fresh = client_dir / ".index.html"
    try:
        fresh.write_bytes(old + b"<!-- new -->")
        fresh.rename(page)
        eventually("the new page", lambda: client.get("/").content != old, patience=5)
    finally:
        fresh.write_bytes(old)
        fresh.rename(page)
