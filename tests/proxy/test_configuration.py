"""The configuration before the judgement of nginx and of gixy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.docker.proxy_config import render
from tests import servers
from tests.proxy.conftest import Configure

pytestmark = pytest.mark.slow

PORTS = {"http_port": 8080, "https_port": 8443, "status_port": 8081}
VARIANTS: dict[str, dict[str, object]] = {
    "as deployed": {},
    "local": {"hosts": (), "acme_dir": None, "trusted_proxies": ()},
    "one host": {"hosts": ("localhost",)},
    "everything": {
        "hsts_preload": True,
        "ocsp_stapling": True,
        "trusted_proxies": ("10.0.0.0/8", "fd00::/8"),
        "hosts": ("localhost", *(f"{n}-{'long' * 12}.example" for n in range(30))),
    },
    "no HSTS": {"hsts_seconds": 0},
}


@pytest.fixture(params=VARIANTS)
def file(request: pytest.FixtureRequest, configure: Configure, tmp_path: Path) -> Path:
    """A rendered configuration."""
    config = configure(
        state_dir=str(tmp_path), pid_file=f"{tmp_path}/pid", **VARIANTS[request.param]
    )
    file = tmp_path / "nginx.conf"
    file.write_text(render(config))
    return file


def test_nginx_accepts_it_without_a_warning(file: Path) -> None:
    done = subprocess.run(
        [servers.executable("nginx"), "-t", "-q", "-e", "stderr", "-c", file],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    # The tests' certificate has no issuer whose OCSP answers could be stapled.
    expected = '"ssl_stapling" ignored'
    assert [line for line in done.stderr.splitlines() if expected not in line] == []


@pytest.mark.parametrize("version", ["1.22", "1.28"])
def test_gixy_finds_nothing(configure: Configure, tmp_path: Path, version: str) -> None:
    for name, values in VARIANTS.items():
        if name == "no HSTS":
            continue  # gixy is right to miss it: whoever leaves it out has a reason
        file = tmp_path / f"{name}.conf"
        # gixy takes every port with a 443 in it for TLS; free ports may have one.
        config = configure(nginx_version=version, **PORTS, **values)
        file.write_text(render(config))
        done = subprocess.run(
            [Path(sys.executable).with_name("gixy"), file],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout
        assert "No issues found" in done.stdout
