"""The site from outside: where its name leads, and how long its certificate holds."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ops.platforms.platform import Fact, State

CONNECT_SECONDS = 10.0
"""How long the site may take to answer."""

RENEWAL_DAYS = 21
"""Days before the end from which a certificate should have been renewed. Let's Encrypt
renews 30 days before, and a commercial one takes somebody some days."""

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def certificate(url: str, now: datetime | None = None) -> Fact:
    """Look at the certificate of a site.

    url: `https://HOST[:PORT]`.
    """
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 443
    name = "certificate"
    try:
        found, trusted = _presented(host, port)
    except ssl.SSLCertVerificationError as error:
        expired = error.verify_code == _EXPIRED
        says = f"{host}: {'it has run out' if expired else error.verify_message}"
        return Fact(name, State.ERROR, says, _RENEW)
    except OSError as error:
        says = f"{host}:{port} does not answer: {error}"
        remedy = "Is the site up, and may this machine reach it?"
        return Fact(name, State.UNKNOWN, says, remedy)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    days = (ends - (now or datetime.now(UTC))).days
    says = f"{host}: holds until {ends:%Y-%m-%d}, {days} days"
    if days < RENEWAL_DAYS:
        return Fact(name, State.WARNING, says, _RENEW)
    if not trusted:
        says += "; browsers do not trust it: it is signed by itself"
        return Fact(name, State.WARNING, says, "Use one of Let's Encrypt or your own.")
    return Fact(name, State.OK, says)


_RENEW = (
    "See why it is not renewed: the log of whoever renews it, and whether the domain "
    "leads here."
)


def name(url: str, expected: Collection[str] = ()) -> Fact:
    """Look at where the name of a site leads.

    expected: addresses of which one is right; none when nobody knows.
    """
    host = str(urlsplit(url).hostname)
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Fact(
            "DNS",
            State.ERROR,
            f"{host} has no address: {error.strerror}",
            "Make its record where the domain is managed.",
        )
    found = sorted({str(answer[4][0]) for answer in answers})
    says = f"{host} leads to {', '.join(found)}"
    if expected and not set(found) & set(expected):
        wanted = " or ".join(sorted(expected))
        remedy = f"Let its record lead to {wanted}, unless a CDN stands before it."
        return Fact("DNS", State.WARNING, says, remedy)
    return Fact("DNS", State.OK, says)


def _presented(host: str, port: int) -> tuple[dict[str, Any], bool]:
    """The certificate that a site presents, and whether browsers trust it.

    Raises SSLCertVerificationError when it has run out, or is of another name.
    """
    try:
        return _checked(host, port, ssl.create_default_context()), True
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise
    # Python reads only certificates that it has checked: this one by itself.
    pem = ssl.get_server_certificate((host, port), timeout=CONNECT_SECONDS)
    trusting = ssl.create_default_context(cadata=pem)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return _checked(host, port, trusting), False


def _checked(host: str, port: int, context: ssl.SSLContext) -> dict[str, Any]:
    with (
        socket.create_connection((host, port), timeout=CONNECT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return dict(connection.getpeercert() or {})
