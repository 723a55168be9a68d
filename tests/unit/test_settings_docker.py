"""Settings of the Docker host: what is accepted, what is refused, in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settings import DockerSettings, SettingsError, parse
from settings.docker import ACCESS_KEY, SECRET_KEY

DIGEST = f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"
STAGING: dict[str, Any] = {
    "platform": "docker",
    "environment": "staging",
    "image": {"ref": DIGEST},
    "proxy": {"certificate": "self-signed"},
}
PRODUCTION: dict[str, Any] = {
    "platform": "docker",
    "domain": {"name": "stromhaltig.de"},
    "image": {"ref": DIGEST},
    "proxy": {"email": "ops@stromhaltig.de"},
    "app": {"SMTP_HOST": "smtp.example.org"},
    "secrets": {
        "GEMINI_API_KEY": "gemini",
        "OPENAI_API_KEY": "openai",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "SMTP_PASS": "mail",
    },
}
OFFSITE = {
    "offsite_endpoint": "https://s3.example.org",
    "offsite_bucket": "backups",
}
KEYS = {ACCESS_KEY: "id", SECRET_KEY: "key"}
PEM = "-----BEGIN {0}-----\nMAo=\n-----END {0}-----\n"


def read(config: dict[str, Any], **groups: Any) -> DockerSettings:
    values = {
        f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (config | groups).items()
    }
    settings = parse("host", values, secret_keys=("stromhaltig:secrets",))
    assert isinstance(settings, DockerSettings)
    return settings


def refusal(config: dict[str, Any], **groups: Any) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read(config, **groups)
    return list(refused.value.problems)


def only(config: dict[str, Any], **groups: Any) -> str:
    """The one problem there is, without the namespace."""
    (problem,) = refusal(config, **groups)
    return problem.removeprefix("stromhaltig:")


def test_the_least_that_each_environment_needs():
    assert read(PRODUCTION).protect
    assert read(STAGING).domain is None


def test_nothing_of_another_platform_is_accepted():
    assert "network: no such key" in only(STAGING, network={"nat": "none"})
    assert "domain.zone_id: is for AWS" in only(
        PRODUCTION, domain={"name": "a.de", "zone_id": "Z0123456789"}
    )


@pytest.mark.parametrize(
    "address",
    [
        "unix:///var/run/docker.sock",
        "ssh://deploy@203.0.113.7",
        "ssh://deploy@host.example.org:2222",
    ],
)
def test_a_host_is_a_socket_or_reached_over_ssh(address):
    assert read(STAGING, host={"address": address}).host.address == address


@pytest.mark.parametrize(
    "address",
    [
        "ssh://host.example.org",
        "ssh://deploy@",
        "ssh://deploy:password@host",
        "ssh://deploy@host:port",
        "ssh://deploy@host:0",
        "ssh://deploy@host/path",
        "deploy@host",
        "https://host",
        "unix://relative/docker.sock",
        "",
    ],
)
def test_another_host_is_refused_with_the_forms_there_are(address):
    assert only(STAGING, host={"address": address}) == (
        f'host.address: "{address}" is not a Docker host like ssh://USER@HOST or '
        "unix:///PATH"
    )


def test_an_open_docker_port_is_refused_with_the_reason():
    assert "would hand the host to whoever reaches that port" in only(
        STAGING, host={"address": "tcp://203.0.113.7:2375"}
    )


class TestCertificate:
    def test_lets_encrypt_needs_a_domain_an_address_and_port_80(self):
        proxy = {"http_port": 8080}
        problems = refusal(STAGING, proxy=proxy)

        assert [problem.split(": ")[0] for problem in problems] == [
            "stromhaltig:proxy.certificate",
            "stromhaltig:proxy.email",
            "stromhaltig:proxy.http_port",
        ]
        assert "letsencrypt needs a domain" in problems[0]

    def test_production_does_without_warnings_of_browsers(self):
        assert "self-signed is refused in production" in only(
            PRODUCTION, proxy={"certificate": "self-signed"}
        )

    def test_files_are_read_before_anything_is_created(self, tmp_path: Path):
        key = tmp_path / "key.pem"
        key.write_text(PEM.format("CERTIFICATE"))
        missing = tmp_path / "certificate.pem"
        proxy = {"certificate_file": str(missing), "key_file": str(key)}

        assert refusal(STAGING, proxy=proxy | {"certificate": "files"}) == [
            f'stromhaltig:proxy.certificate_file: "{missing}" cannot be read (No such '
            "file or directory). Give its path from Pulumi.yaml",
            f'stromhaltig:proxy.key_file: "{key}" holds no PEM block of a key',
        ]

    def test_files_must_be_named(self):
        problems = refusal(STAGING, proxy={"certificate": "files"})

        assert [problem.split(": ")[0] for problem in problems] == [
            "stromhaltig:proxy.certificate_file",
            "stromhaltig:proxy.key_file",
        ]

    @pytest.mark.parametrize("kind", ["PRIVATE KEY", "RSA PRIVATE KEY"])
    def test_a_certificate_and_its_key_are_accepted(self, tmp_path: Path, kind):
        certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
        certificate.write_text(f"issued by somebody\n{PEM.format('CERTIFICATE')}")
        key.write_text(PEM.format(kind))
        proxy = {
            "certificate": "files",
            "certificate_file": str(certificate),
            "key_file": str(key),
        }

        assert read(STAGING, proxy=proxy).proxy.key_file == str(key)

    def test_a_file_is_not_text(self, tmp_path: Path):
        key = tmp_path / "key.der"
        key.write_bytes(b"\x30\x82\xff")
        proxy = {"certificate": "files", "certificate_file": str(key)}

        assert "(not a text file)" in refusal(STAGING, proxy=proxy)[0]

    def test_files_beside_another_kind_are_refused(self):
        proxy = {"certificate": "self-signed", "key_file": "key.pem"}

        assert "with proxy.certificate: files only" in only(STAGING, proxy=proxy)


def test_the_two_ports_differ():
    proxy = {"certificate": "self-signed", "http_port": 8443, "https_port": 8443}

    assert "proxy.http_port: is the same as" in only(STAGING, proxy=proxy)


def test_the_ports_are_published_on_an_address():
    proxy = {"certificate": "self-signed", "bind": "localhost"}

    assert only(STAGING, proxy=proxy).startswith('proxy.bind: "localhost" is not')


class TestOffsiteBackups:
    def test_they_are_off_by_default(self):
        assert read(STAGING).backup.offsite_bucket is None

    def test_with_everything_they_are_on(self):
        settings = read(STAGING, backup=OFFSITE, secrets=KEYS)

        assert settings.backup.offsite_bucket == "backups"
        assert settings.secrets[SECRET_KEY].get_secret_value() == "key"

    def test_what_is_missing_is_listed(self):
        problems = refusal(STAGING, backup={"offsite_bucket": "backups"})

        assert [problem.split(": ")[0] for problem in problems] == [
            "stromhaltig:backup.offsite_endpoint",
            f"stromhaltig:secrets.{ACCESS_KEY}",
            f"stromhaltig:secrets.{SECRET_KEY}",
        ]
        assert "--secret" in problems[1]

    def test_an_endpoint_without_encryption_is_refused(self):
        backup = OFFSITE | {"offsite_endpoint": "http://s3.example.org"}

        assert "is not an address like https://s3.example.org" in only(
            STAGING, backup=backup, secrets=KEYS
        )

    def test_its_secrets_mean_nothing_to_other_platforms(self):
        values = {
            "aws:region": "eu-central-1",
            "stromhaltig:environment": "staging",
            "stromhaltig:image": json.dumps({"ref": DIGEST}),
            "stromhaltig:secrets": json.dumps(KEYS),
        }
        with pytest.raises(SettingsError) as refused:
            parse("test", values, secret_keys=("stromhaltig:secrets",))
        assert f"secrets.{ACCESS_KEY}: no such secret" in str(refused.value)
