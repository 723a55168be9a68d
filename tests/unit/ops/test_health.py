"""The app's health from outside: every answer, and none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops import health
from ops.errors import OpsError
from ops.health import Health, ask, until_well, url_of
from ops.notify import WEBHOOK, notify


@contextmanager
def answering(code: int, body: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server with one answer; yields its address and the headers it gets."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            seen.append({**self.headers, "body": self.rfile.read(length).decode()})
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/health", seen
        finally:
            server.shutdown()
            thread.join()


def test_an_app_that_is_well_says_so():
    body = {
        "status": "ok",
        "version": "2.1.0",
        "checks": {"database": {"status": "ok"}},
    }
    with answering(200, json.dumps(body)) as (url, seen):
        found = ask(url, "token-of-the-check")
    assert found.well
    assert (found.status, found.version) == ("ok", "2.1.0")
    assert found.checks == {"database": "ok"}
    assert seen[0]["X-Health-Check-Token"] == "token-of-the-check"


def test_what_is_not_well_is_named():
    body = {
        "status": "error",
        "checks": {"database": {"status": "error"}, "disk": "ok"},
    }
    with answering(503, json.dumps(body)) as (url, _):
        found = ask(url)
    assert not found.well
    assert str(found).startswith("error, HTTP 503, ")
    assert str(found).endswith("database: error")


@pytest.mark.parametrize("body", ["<html>", "[]", ""])
def test_a_page_of_somebody_else_is_not_the_app(body):
    with answering(502, body) as (url, _):
        found = ask(url)
    assert not found.well
    assert str(found) == "HTTP 502, and it is not the app that answers"


def test_no_answer_is_one_too():
    found = ask("http://127.0.0.1:1/api/health")
    assert (found.well, found.code) == (False, 0)
    assert str(found).startswith("no answer: ")


def answers(*codes: int):
    left = [Health("u", "ok" if code == 200 else "error", code, 1) for code in codes]
    return lambda _url, _token: left.pop(0)


def test_it_is_well_when_it_is_so_several_times_in_a_row():
    slept: list[float] = []
    found = until_well(
        "u", ask=answers(503, 200, 503, 200, 200), sleep=slept.append, patience=60
    )
    assert found.well
    assert slept == [health.INTERVAL] * 4


def test_patience_runs_out():
    assert not until_well("u", ask=answers(503), patience=0, sleep=print).well


def test_a_stack_without_an_app_has_no_health():
    with pytest.raises(OpsError, match="has no health_url"):
        url_of({"health_url": None})
    assert url_of({}, "http://given") == "http://given"


def test_a_chat_is_told():
    with answering(200, "ok") as (url, seen):
        assert notify("r1 serves staging", url) is None
    assert json.loads(seen[0]["body"]) == {"text": "r1 serves staging"}


def test_a_chat_that_refuses_is_no_failure_and_its_address_stays_secret(monkeypatch):
    with answering(404, "no_service") as (url, _):
        monkeypatch.setenv(WEBHOOK, f"{url}/T000/B000/secret")
        assert notify("hello") == "The chat was not told: HTTP 404"
    monkeypatch.setenv(WEBHOOK, "http://127.0.0.1:1/T000/B000/secret")
    assert "secret" not in str(notify("hello"))
    monkeypatch.delenv(WEBHOOK)
    assert notify("hello") is None
