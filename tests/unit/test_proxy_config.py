"""What the proxy's configuration is made of, and what it refuses."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from components.docker.proxy_config import ProxyConfig, render

BREAKOUTS = (
    "a; return 200",
    "a}",
    "a{",
    "$host",
    'a"',
    "a'b",
    "a\nb",
    "a\\b",
    "a#b",
    "a b",
    "é",
)

TEXT = (
    "hosts",
    "upstream_host",
    "resolver",
    "certificate",
    "certificate_key",
    "client_dir",
    "acme_dir",
    "trusted_proxies",
    "listen_address",
    "nginx_version",
    "user",
    "state_dir",
    "pid_file",
)


def configured(name: str, value: object) -> ProxyConfig:
    values: dict[str, Any] = {name: value}
    return ProxyConfig(**values)


def in_field(name: str, text: str) -> object:
    """The text as the field would hold it, after something that is right."""
    right = getattr(ProxyConfig(), name)
    return (text,) if isinstance(right, tuple) else f"{right or '/a'}{text}"


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_value_can_end_a_directive(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: "):
        configured(name, in_field(name, text))


@pytest.mark.parametrize("text", ['"; x', "$host", "a\nb", "a\\b", "{", "é", ""])
def test_a_content_security_policy_stays_within_its_quotes(text: str) -> None:
    with pytest.raises(ValueError, match=r"^content_security_policy: "):
        ProxyConfig(content_security_policy=text)


def test_every_text_is_held_to_its_characters() -> None:
    texts = {
        field.name
        for field in dataclasses.fields(ProxyConfig)
        if "str" in str(field.type)
    }
    assert texts == {*TEXT, "content_security_policy"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("hosts", ("Stromhaltig.de",), "a host name in lower case"),
        ("hosts", ("-a.de",), "a host name"),
        ("hosts", ("a" * 64 + ".de",), "a host name"),
        ("upstream_port", 0, "from 1 to 65535"),
        ("https_port", 65536, "from 1 to 65535"),
        ("resolver", "127.0.0.11:0", "ADDRESS:PORT"),
        ("resolver", "dns.example.org", "ADDRESS:PORT"),
        ("trusted_proxies", ("10.0.0.1/8",), "an address range"),
        ("api_per_second", 0, "from 1 to 1000000"),
        ("login_burst", -1, "from 0 to 1000000"),
        ("upload_limit", 0, "from 1024"),
        ("listen_address", "localhost", "an IPv4 address"),
        ("client_dir", "srv/client", "an absolute path"),
        ("certificate", "/a/../b c", "an absolute path"),
        ("hsts_seconds", -1, "from 0"),
        ("nginx_version", "stable", "a version"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(
    name: str, value: object, says: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: .* is not .*{re.escape(says)}"):
        configured(name, value)


def test_ports_must_differ() -> None:
    with pytest.raises(ValueError, match="must differ"):
        ProxyConfig(http_port=443)


def test_preloading_needs_a_year() -> None:
    with pytest.raises(ValueError, match="31536000"):
        ProxyConfig(hsts_preload=True, hsts_seconds=300)


def test_newer_nginx_has_directives_of_its_own() -> None:
    old = render(ProxyConfig(nginx_version="1.22"))
    new = render(ProxyConfig(nginx_version="1.28"))
    assert "443 ssl http2;" in old
    assert "443 ssl;" in new
    for directive in (
        "http2 on;",
        "keepalive_min_timeout 5s;",
        "ssl_object_cache_inheritable off;",
    ):
        assert directive in new
        assert directive not in old


def test_subdomains_are_bound_only_when_the_operator_asks() -> None:
    assert "includeSubDomains" not in render(ProxyConfig())
    assert "; includeSubDomains; preload" in render(ProxyConfig(hsts_preload=True))
    assert "Strict-Transport-Security" not in render(ProxyConfig(hsts_seconds=0))


def test_stapling_is_off_unless_asked_for() -> None:
    assert "ssl_stapling" not in render(ProxyConfig())
    assert "ssl_stapling on;" in render(ProxyConfig(ocsp_stapling=True))


def test_without_hosts_there_is_no_server_that_refuses() -> None:
    assert "ssl_reject_handshake" not in render(ProxyConfig())
    assert "ssl_reject_handshake" in render(ProxyConfig(hosts=("stromhaltig.de",)))


def test_a_login_is_worth_waiting_for_its_turn() -> None:
    assert "set $retry_after 12;" in render(ProxyConfig(login_per_minute=5))
    assert "set $retry_after 9;" in render(ProxyConfig(login_per_minute=7))


def test_headers_stand_where_nothing_can_drop_them() -> None:
    """One level has them all; nginx forgets them where a deeper one adds another."""
    text = render(ProxyConfig(hosts=("stromhaltig.de",)))
    lines = [
        line for line in text.splitlines() if line.lstrip().startswith("add_header")
    ]
    assert len({len(line) - len(line.lstrip()) for line in lines}) == 1
