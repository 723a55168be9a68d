"""The renewal script with a stand-in for certbot: what it asks, and when."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

SCRIPT = Path(__file__).parents[2] / "components/docker/certbot.sh"

pytestmark = pytest.mark.slow


@contextmanager
def running(tmp_path: Path, exit_codes: str, **environment: str) -> Iterator[Path]:
    """Run the script until the block ends; yields the log of the stand-in's calls.

    exit_codes: of the stand-in's first calls, one digit each; the last one repeats.
    """
    calls = tmp_path / "calls"
    stand_in = tmp_path / "bin/certbot"
    stand_in.parent.mkdir()
    stand_in.write_text(
        "#!/bin/sh\n"
        f'echo "$(date +%s.%N) $*" >> {calls}\n'
        f"codes={exit_codes}\n"
        f"n=$(wc -l < {calls}); [ $n -gt ${{#codes}} ] && n=${{#codes}}\n"
        'exit "$(echo $codes | cut -c$n)"\n'
    )
    stand_in.chmod(0o755)
    process = subprocess.Popen(
        ["sh", str(SCRIPT), "run"],
        stdout=subprocess.PIPE,
        text=True,
        env={
            "PATH": f"{stand_in.parent}:/usr/bin:/bin",
            "DOMAINS": "stromhaltig.de,www.stromhaltig.de",
            "EMAIL": "ops@stromhaltig.de",
            "WEBROOT": "/var/www/acme",
            **environment,
        },
    )
    try:
        yield calls
    finally:
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        output, _ = process.communicate(timeout=10)
        (tmp_path / "output").write_text(output)
    assert process.returncode == 0
    assert time.monotonic() - began < 5


def wait_for_calls(calls: Path, count: int) -> list[str]:
    for _ in range(100):
        lines = calls.read_text().splitlines() if calls.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.1)
    raise AssertionError(f"only {len(lines)} calls")


def test_it_asks_for_every_name_by_the_challenge_that_the_proxy_serves(tmp_path):
    with running(tmp_path, "0") as calls:
        (call,) = wait_for_calls(calls, 1)

    assert "certonly --non-interactive --agree-tos --email ops@stromhaltig.de" in call
    assert "--webroot --webroot-path /var/www/acme" in call
    assert "--domains stromhaltig.de,www.stromhaltig.de" in call
    assert "--cert-name stromhaltig.de --keep-until-expiring" in call


def test_without_an_address_the_account_has_none(tmp_path):
    with running(tmp_path, "0", EMAIL="") as calls:
        (call,) = wait_for_calls(calls, 1)

    assert "--register-unsafely-without-email --webroot" in call


def status(live: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), "status"],
        check=False,
        capture_output=True,
        text=True,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "DOMAINS": "stromhaltig.de,www.stromhaltig.de",
            "LIVE": str(live),
        },
    )


@pytest.mark.parametrize(("days", "healthy"), [(90, True), (21, True), (19, False)])
def test_its_health_is_how_long_the_certificate_lasts(tmp_path, days, healthy):
    folder = tmp_path / "stromhaltig.de"
    folder.mkdir()
    (folder / "fullchain.pem").write_bytes(certificate(days))
    answer = status(tmp_path)

    assert (answer.returncode == 0) is healthy
    assert ("the certificate ends in" in answer.stderr) is not healthy


def test_without_a_certificate_it_is_not_healthy(tmp_path):
    answer = status(tmp_path)

    assert answer.returncode != 0
    assert "no certificate: " in answer.stderr


def test_another_word_is_refused():
    answer = subprocess.run(
        ["sh", str(SCRIPT), "renew"], check=False, capture_output=True, text=True
    )

    assert (answer.returncode, answer.stderr) == (2, "usage: certbot.sh run|status\n")


def certificate(days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stromhaltig.de")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM)


def test_it_looks_again_after_the_interval(tmp_path):
    with running(tmp_path, "0", INTERVAL="1") as calls:
        wait_for_calls(calls, 3)


def test_failures_are_tried_again_ever_more_rarely_with_a_hint(tmp_path):
    with running(tmp_path, "1110", RETRY="1", INTERVAL="2") as calls:
        times = [float(line.split()[0]) for line in wait_for_calls(calls, 4)]

    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits == [pytest.approx(wait, abs=0.7) for wait in (1, 2, 2)]
    output = (tmp_path / "output").read_text()
    assert "no certificate for stromhaltig.de" in output
    assert "Does each name lead to this host" in output
