"""Uploads through the proxy: how large they may be, and what they cost in memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import time

import httpx
import pytest

from tests.proxy.surroundings import Site, Upstream
from tests.proxy.uploading import MIB, PATH, Memory, headers, multipart, upload
from tests.servers import App

pytestmark = pytest.mark.slow

LIMIT = 100 * MIB

NGINX_MAY_GROW = 4 * MIB
APP_MAY_GROW = 64 * MIB
"""Node collects what was read now and then, not at once."""


@pytest.mark.parametrize("http2", [False, True])
def test_a_file_of_100_mb_arrives_without_being_held_in_memory(
    site: Site, apps: list[App], address: str, token: str, http2: bool
) -> None:
    one, two = (app.process.pid for app in apps)
    with site.client(address, http2=http2) as client:
        upload(client, token, MIB)
        with Memory(nginx=site.process.pid, one=one, two=two) as memory:
            answer = upload(client, token, LIMIT)
    assert answer.status_code == 201, answer.text
    assert answer.json()["size"] == LIMIT
    growth = memory.growth
    assert growth["nginx"] < NGINX_MAY_GROW, growth
    assert max(growth["one"], growth["two"]) < APP_MAY_GROW, growth


def test_an_upload_is_passed_on_while_it_arrives(
    stub_site: Site, upstreams: list[Upstream], address: str
) -> None:
    """The upstream has the request before its body is complete."""
    connection = http.client.HTTPSConnection(
        "localhost", stub_site.config.https_port, context=stub_site.tls(), timeout=30
    )
    with contextlib.closing(connection):
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", str(2 * MIB))
        connection.endheaders()
        connection.send(b"\0" * MIB)
        time.sleep(0.2)
        under_way = sum(upstream.arriving for upstream in upstreams)
        connection.send(b"\0" * MIB)
        assert connection.getresponse().status == 200
    assert under_way == 1


def test_a_file_above_the_limit_is_refused(client: httpx.Client, token: str) -> None:
    answer = upload(client, token, LIMIT + MIB)
    assert answer.status_code == 413
    assert answer.json() == {"error": "The request is larger than is accepted"}
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_length_above_the_limit_is_refused_before_the_file_is_sent(
    site: Site, address: str, token: str
) -> None:
    with site.client(address, http2=True) as client:
        values = headers(token, LIMIT + MIB)
        answer = client.post(PATH, content=iter([b"first"]), headers=values)
    assert answer.status_code == 413
    assert answer.json() == {"error": "The request is larger than is accepted"}


def test_a_file_just_above_the_limit_is_refused_by_the_app(
    client: httpx.Client, token: str
) -> None:
    answer = upload(client, token, LIMIT + 1)
    assert answer.status_code == 413
    assert "larger than" in json.loads(answer.text)["error"]


def test_who_announces_no_length_is_cut_off_at_the_limit(
    client: httpx.Client, token: str
) -> None:
    values = headers(token, LIMIT + MIB)
    del values["Content-Length"]
    answer = client.post(PATH, content=multipart(LIMIT + MIB), headers=values)
    assert answer.status_code == 413


def test_other_requests_may_be_a_hundred_times_smaller(
    client: httpx.Client, token: str
) -> None:
    answer = client.post("/api/auth/login", content=b"\0" * (MIB + 1))
    assert answer.status_code == 413
    assert answer.json() == {"error": "The request is larger than is accepted"}
