"""Asks a site, run as a program where its ports are published.

    client.py get URL           prints status, headers and body as JSON
    client.py load URL SECONDS  asks again and again until standard input closes

No certificate is checked: it is a self-signed one. Nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

CONNECTIONS = 4
CLOSED = ("RemoteDisconnected", "ConnectionResetError", "BrokenPipeError")
PAUSE = 0.005
"""Seconds between two requests of a connection: a load, not an attack."""


def main(command: str, url: str, seconds: str = "0") -> None:
    print(json.dumps(get(url) if command == "get" else load(url, float(seconds))))


def get(url: str) -> dict[str, object]:
    connection = connect(url)
    try:
        connection.request("GET", urlsplit(url).path or "/")
        reply = connection.getresponse()
        body = reply.read().decode(errors="replace")
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in reply.getheaders()}
    return {"status": reply.status, "headers": headers, "body": body}


def load(url: str, seconds: float) -> dict[str, object]:
    """How many requests there were, and what became of those that were not answered."""
    enough = threading.Event()
    results: Counter[str] = Counter()
    slowest = [0.0]
    asking = [
        threading.Thread(target=ask, args=(url, enough, results, slowest), daemon=True)
        for _ in range(CONNECTIONS)
    ]
    for thread in asking:
        thread.start()
    threading.Thread(target=wait, args=(enough,), daemon=True).start()
    enough.wait(seconds)
    enough.set()
    for thread in asking:
        thread.join(30)
    answered, again = results.pop("200", 0), results.pop("asked again", 0)
    return {
        "answered": answered,
        "asked_again": again,
        "lost": dict(results),
        "slowest": max(slowest),
    }


def wait(enough: threading.Event) -> None:
    sys.stdin.read()
    enough.set()


def ask(
    url: str, enough: threading.Event, results: Counter[str], slowest: list[float]
) -> None:
    connection = connect(url)
    path = urlsplit(url).path
    while not enough.is_set():
        began = time.monotonic()
        result = one(connection, path)
        if result in CLOSED:
            # On a kept connection, which a server may close while it is idle: as every
            # browser, a client asks once more on a new one (RFC 9112, 9.3.1). nginx
            # before 1.27.4 closes them all at a reload.
            results["asked again"] += 1
            result = one(connection, path)
        results[result] += 1
        slowest.append(time.monotonic() - began)
        time.sleep(PAUSE)
    connection.close()


def one(connection: http.client.HTTPConnection, path: str) -> str:
    """What became of a request: its status, or why there is none."""
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens it again
        return type(error).__name__
    return str(reply.status)


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port)
    if parts.scheme == "http":
        return http.client.HTTPConnection(*address, timeout=20)
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(*address, timeout=20, context=trusting)


if __name__ == "__main__":
    main(*sys.argv[1:])
