"""The proxy's nginx.conf, from typed and checked values.

The template is `nginx.conf.j2`. Values may come from an operator's settings, so each
is held to characters that cannot end an nginx directive.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from contract import Rule, integer, matching

DEFAULT_CSP: Final = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
        "object-src 'none'",
    )
)
"""What Vite's build of the client needs; WebSockets to the own host are `'self'`."""

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""TLS 1.2 of Mozilla's intermediate profile, guideline 6.0.

https://ssl-config.mozilla.org/guidelines/6.0.json
"""

CURVES: Final = ("X25519", "prime256v1", "secp384r1")
"""Of the same profile, without X25519MLKEM768: before OpenSSL 3.5 nginx would refuse
the whole list, and the official image has Debian's 3.0."""

ENVELOPE: Final = 64 * 1024
"""Bytes of a multipart body around its file; the app allows as many."""

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/json": "json map",
        "application/manifest+json": "webmanifest",
        "application/pdf": "pdf",
        "application/wasm": "wasm",
        "application/xml": "xml",
        "audio/mpeg": "mp3",
        "font/woff": "woff",
        "font/woff2": "woff2",
        "image/avif": "avif",
        "image/gif": "gif",
        "image/jpeg": "jpg jpeg",
        "image/png": "png",
        "image/svg+xml": "svg",
        "image/webp": "webp",
        "image/x-icon": "ico",
        "text/css": "css",
        "text/html": "html htm",
        "text/javascript": "js mjs",
        "text/plain": "txt",
        "video/mp4": "mp4",
        "video/webm": "webm",
    }
)
"""What a built client consists of; anything else is offered for download."""

ERRORS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        403: ("Not allowed", "Das ist nicht erlaubt."),
        404: ("There is nothing at this address", "Diese Seite gibt es nicht."),
        405: ("This method is not allowed here", "Das geht hier nicht."),
        413: ("The request is larger than is accepted", "Das ist zu groß."),
        429: (
            "Too many requests; see Retry-After",
            "Das waren zu viele Anfragen. Bitte warten Sie einen Augenblick.",
        ),
        500: ("The proxy failed", "Da ist etwas schiefgegangen."),
        502: (
            "The app does not answer; try again soon",
            "Stromhaltig ist gerade nicht erreichbar. Bitte gleich noch einmal.",
        ),
        503: (
            "The site is under maintenance; see Retry-After",
            "Stromhaltig wird gerade gewartet. Bitte versuchen Sie es in einigen "
            "Minuten noch einmal.",
        ),
        504: (
            "The app takes too long",
            "Das dauert zu lange. Bitte versuchen Sie es noch einmal.",
        ),
    }
)
"""What the proxy itself answers with: to programs, and to people.

Requests that nginx cannot read have no address yet, and get its own short page.
"""

MAINTENANCE_FLAG: Final = ".maintenance"
"""File in the client's directory; while it is there, visitors get a page with 503. It
is hidden, so it is neither served nor cleaned up by what publishes the client."""

_MAINTENANCE_RETRY: Final = 120  # seconds until visitors should try again

_HTTP2_DIRECTIVE: Final = (1, 25, 1)
_KEEPALIVE_MIN_TIMEOUT: Final = (1, 27, 4)
_CERTIFICATE_CACHE: Final = (1, 27, 4)

_VERSION_DIGITS: Final = 16

_PRELOAD_SECONDS: Final = 31_536_000
"""What browsers' preload lists ask for at least: a year. https://hstspreload.org"""


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """What the proxy's configuration depends on. A wrong value is a ValueError.

    hosts: names that the site answers to; the others are redirected to the first.
        Empty: every name and address, for a run on the own machine.
    upstream_host: name of the app. Every address that it has gets requests, and is
        looked up each second, so containers may come and go.
    upstream_port: port of the app.
    resolver: name server, ADDRESS or ADDRESS:PORT; Docker's own.
    certificate, certificate_key: PEM files.
    client_dir: the built client, with index.html.
    acme_dir: webroot that certbot puts its answers into; None without Let's Encrypt.
    trusted_proxies: address ranges whose X-Forwarded-For is believed.
    api_per_second, api_burst: requests to /api that a client may make.
    login_per_minute, login_burst: logins that a client may try.
    upload_limit: bytes of the largest file.
    listen_address: IPv4 address that both ports are bound to.
    http_port, https_port: ports that nginx listens on.
    public_https_port: port that clients see, for redirects.
    status_port: port on the loopback that answers 204, for a health check, and at
        /version with the version that was rendered.
    hsts_seconds: how long browsers remember to use HTTPS only (2 years, Mozilla and
        guide); 0 sends no such header.
    hsts_preload: let browsers ship the domain, subdomains included, as HTTPS only.
    ocsp_stapling: staple OCSP answers. Only for a certificate whose issuer offers
        OCSP: a self-signed one has none, and Let's Encrypt ended it in 2025.
    content_security_policy: what pages may load.
    nginx_version: of the nginx that reads this; 1.22 is Debian's.
    user: whom workers run as; None when nginx is not started by root.
    state_dir: writable directory for nginx's temporary files.
    pid_file: where nginx writes its process number.
    workers: processes; four serve thousands of clients, and each takes memory.
    worker_connections: connections for each worker, each client's counted twice.
    shutdown_seconds: how long a worker of a former version may finish what it is at.
    """

    hosts: tuple[str, ...] = ()
    upstream_host: str = "app"
    upstream_port: int = 3001
    resolver: str = "127.0.0.11"
    certificate: str = "/run/certificate/fullchain.pem"
    certificate_key: str = "/run/certificate/privkey.pem"
    client_dir: str = "/srv/client"
    acme_dir: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    api_per_second: int = 10
    api_burst: int = 20
    login_per_minute: int = 5
    login_burst: int = 3
    upload_limit: int = 100 * 1024**2
    listen_address: str = "0.0.0.0"  # noqa: S104 - in a container; the host publishes
    http_port: int = 80
    https_port: int = 443
    public_https_port: int = 443
    status_port: int = 8081
    hsts_seconds: int = 63_072_000
    hsts_preload: bool = False
    ocsp_stapling: bool = False
    content_security_policy: str = DEFAULT_CSP
    nginx_version: str = "1.28"
    user: str | None = "nginx"
    state_dir: str = "/var/cache/nginx"
    pid_file: str = "/run/nginx.pid"
    workers: int = 4
    worker_connections: int = 4096
    shutdown_seconds: int = 900

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for each in value if isinstance(value, tuple) else (value,):
                _check(field.name, each)
        ports = {self.http_port, self.https_port, self.status_port}
        if len(ports) != 3:
            raise ValueError("http_port, https_port and status_port must differ")
        if self.hsts_preload and self.hsts_seconds < _PRELOAD_SECONDS:
            raise ValueError(f"hsts_preload needs hsts_seconds of {_PRELOAD_SECONDS}")


def render(config: ProxyConfig, version_of: str = "") -> str:
    """Return the nginx.conf of a configuration; it tells its own `version`."""
    return _render(config, version(config, version_of))


def version(config: ProxyConfig, version_of: str = "") -> str:
    """Return a version of the configuration, and of what else belongs to it.

    version_of: text that nginx reads beside the configuration: the certificate.
    """
    text = f"{_render(config, '')}{version_of}"
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def _render(config: ProxyConfig, version: str) -> str:
    nginx = tuple(int(part) for part in config.nginx_version.split("."))
    return _template().render(
        c=config,
        version=version,
        tls="ssl" if nginx >= _HTTP2_DIRECTIVE else "ssl http2",
        public_port=_port_suffix(config.public_https_port),
        security_headers=_security_headers(config),
        ciphers=":".join(CIPHERS),
        curves=":".join(CURVES),
        envelope=ENVELOPE,
        media_types=MEDIA_TYPES,
        errors=ERRORS,
        maintenance_flag=MAINTENANCE_FLAG,
        maintenance_retry=_MAINTENANCE_RETRY,
        login_retry=-(-60 // config.login_per_minute),
        http2_directive=nginx >= _HTTP2_DIRECTIVE,
        keeps_connections=nginx >= _KEEPALIVE_MIN_TIMEOUT,
        caches_certificates=nginx >= _CERTIFICATE_CACHE,
    )


def _security_headers(config: ProxyConfig) -> Mapping[str, str]:
    headers = {
        "Content-Security-Policy": config.content_security_policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if config.hsts_seconds:
        preload = "; includeSubDomains; preload" if config.hsts_preload else ""
        headers["Strict-Transport-Security"] = f"max-age={config.hsts_seconds}{preload}"
    return headers


def _port_suffix(port: int) -> str:
    return "" if port == 443 else f":{port}"


@cache
def _template() -> Template:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # nginx.conf is no HTML, and every value is checked for what it may hold.
        autoescape=False,  # noqa: S701
    ).get_template("nginx.conf.j2")


def _check(name: str, value: str | int | None) -> None:
    """Raise ValueError for a value that the field of this name cannot have."""
    if isinstance(value, bool) or (value is None and name in _OPTIONAL):
        return
    try:
        _RULES[name](str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return True


def _is_ipv4(value: str) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def _is_resolver(value: str) -> bool:
    address, colon, port = value.partition(":")
    return _is_ipv4(address) and (not colon or _PORT.accepts(port))


_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PORT: Final = integer(1, 65535)
_LIMIT: Final = integer(1, 1_000_000)
_BURST: Final = integer(0, 1_000_000)
_HOST: Final = matching(
    "a host name in lower case", rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*"
)
_FILE: Final = matching(
    "an absolute path of letters, digits, and ._-", r"(/[A-Za-z0-9._-]+)+"
)
_OPTIONAL: Final = frozenset({"acme_dir", "user"})
_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "hosts": _HOST,
        "upstream_host": _HOST,
        "upstream_port": _PORT,
        "resolver": Rule(says="an IPv4 ADDRESS or ADDRESS:PORT", accepts=_is_resolver),
        "certificate": _FILE,
        "certificate_key": _FILE,
        "client_dir": _FILE,
        "acme_dir": _FILE,
        "trusted_proxies": Rule(
            says="an address range like 10.0.0.0/8", accepts=_is_network
        ),
        "api_per_second": _LIMIT,
        "api_burst": _BURST,
        "login_per_minute": _LIMIT,
        "login_burst": _BURST,
        "upload_limit": integer(1024, 1024**4),
        "listen_address": Rule(says="an IPv4 address", accepts=_is_ipv4),
        "http_port": _PORT,
        "https_port": _PORT,
        "public_https_port": _PORT,
        "status_port": _PORT,
        "hsts_seconds": integer(0, 10 * 31_536_000),
        "content_security_policy": matching(
            "a policy of letters, digits, spaces, and ;:/'.*_+=-",
            r"[A-Za-z0-9 ;:/'.*_+=-]+",
        ),
        "nginx_version": matching("a version like 1.28", r"\d{1,3}(\.\d{1,3}){1,2}"),
        "user": matching("a user's name", r"[a-z_][a-z0-9_-]{0,31}"),
        "state_dir": _FILE,
        "pid_file": _FILE,
        "workers": integer(1, 64),
        "worker_connections": integer(16, 65_535),
        "shutdown_seconds": integer(1, 86_400),
    }
)
