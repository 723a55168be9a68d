"""The wait for nginx to run with other files: until it says so, and not for ever."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "components/docker/await_version.sh"

pytestmark = pytest.mark.slow


@contextmanager
def telling(*versions: str) -> Iterator[str]:
    """A server that tells one version after the other, and goes on with the last."""
    left = list(versions)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (left.pop(0) if len(left) > 1 else left[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/version"
        finally:
            server.shutdown()
            thread.join()


def waited(version: str, url: str, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", SCRIPT, version, url, str(seconds)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_ends_once_nginx_runs_with_the_version():
    with telling("old", "old", "new") as url:
        result = waited("new", url, 20)

    assert result.returncode == 0, result.stdout
    assert "nginx runs with version new" in result.stdout


def test_it_fails_and_says_where_the_reason_is_when_nginx_goes_on_as_it_was():
    with telling("old") as url:
        result = waited("new", url, 2)

    assert result.returncode == 1
    assert "goes on with the files of before" in result.stdout


def test_a_proxy_that_does_not_answer_is_no_success():
    assert waited("new", "http://127.0.0.1:1/version", 1).returncode == 1
