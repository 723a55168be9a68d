"""Settings of the Docker host: what is accepted, what is refused, in which words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

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


def built(folder: Path, ref: str, **image: str) -> dict[str, str]:
    """An image named beside a folder to build from, as after a rollback."""
    (folder / "Dockerfile").touch()
    return {"context": str(folder), "ref": ref, **image}


def test_production_goes_back_to_what_its_own_engine_has_built(tmp_path):
    ref = "stromhaltig-host:0123456789ab"
    host = {"address": "unix:///var/run/docker.sock"}
    image = built(tmp_path, ref)
    assert read(PRODUCTION, image=image, host=host).image.ref == ref


@pytest.mark.parametrize(
    ("ref", "image"),
    [
        ("stromhaltig-host:latest", {}),
        ("other:0123456789ab", {}),
        ("stromhaltig-host:0123456789ab", {"repository": "ghcr.io/s/app"}),
    ],
)
def test_any_other_tag_is_refused_in_production(tmp_path, ref, image):
    wanted = built(tmp_path, ref, **image)
    assert "is a tag, and what it means can change" in only(PRODUCTION, image=wanted)


def files(certificate: Path, key: Path) -> dict[str, str]:
    return {
        "certificate": "files",
        "certificate_file": str(certificate),
        "key_file": str(key),
    }


def pair(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
    """Files of a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return paths


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


def test_a_host_with_a_password_is_refused_and_it_is_not_shown():
    assert only(STAGING, host={"address": "ssh://deploy:s3cret@host"}) == (
        'host.address: "ssh://[login]@host" is not a Docker host like ssh://USER@HOST '
        "or unix:///PATH"
    )


def test_an_open_docker_port_is_refused_with_the_reason():
    assert "would hand the host to whoever reaches that port" in only(
        STAGING, host={"address": "tcp://203.0.113.7:2375"}
    )


class TestCertificate:
    def test_lets_encrypt_needs_a_domain_and_port_80_of_the_world(self):
        problems = refusal(STAGING, proxy={"http_port": 8080, "bind": "127.0.0.1"})

        assert [problem.split(": ")[0] for problem in problems] == [
            "stromhaltig:proxy.certificate",
            "stromhaltig:proxy.bind",
            "stromhaltig:proxy.http_port",
        ]
        assert "letsencrypt needs a domain" in problems[0]

    def test_lets_encrypt_does_without_an_address(self):
        assert read(PRODUCTION, proxy={}).proxy.email is None

    def test_production_does_without_warnings_of_browsers(self):
        assert "self-signed is refused in production" in only(
            PRODUCTION, proxy={"certificate": "self-signed"}
        )

    def test_files_are_read_before_anything_is_created(self, tmp_path: Path):
        missing, folder = tmp_path / "certificate.pem", tmp_path
        assert refusal(STAGING, proxy=files(missing, folder)) == [
            f'stromhaltig:proxy.certificate_file: "{missing}" cannot be read (No such '
            "file or directory). Give its path from Pulumi.yaml",
            f'stromhaltig:proxy.key_file: "{folder}" cannot be read (Is a directory). '
            "Give its path from Pulumi.yaml",
        ]

    def test_files_must_be_named(self):
        problems = refusal(STAGING, proxy={"certificate": "files"})

        assert [problem.split(": ")[0] for problem in problems] == [
            "stromhaltig:proxy.certificate_file",
            "stromhaltig:proxy.key_file",
        ]

    def test_a_certificate_and_its_key_are_accepted(self, tmp_path: Path):
        certificate, key = pair(tmp_path, "site")

        assert read(STAGING, proxy=files(certificate, key)).proxy.key_file == str(key)

    def test_a_key_of_another_certificate_is_refused(self, tmp_path: Path):
        (certificate, _), (_, other) = pair(tmp_path, "site"), pair(tmp_path, "other")

        assert only(STAGING, proxy=files(certificate, other)) == (
            f'proxy.key_file: "{other}" is not the key of "{certificate}", or one of '
            "them is no PEM, or the key has a passphrase (KEY_VALUES_MISMATCH)"
        )

    def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(self, tmp_path):
        certificate, key = pair(tmp_path, "site", passphrase=b"swordfish")

        assert "the key has a passphrase" in only(
            STAGING, proxy=files(certificate, key)
        )

    def test_something_else_is_no_key(self, tmp_path: Path):
        certificate, _ = pair(tmp_path, "site")

        assert "is no PEM" in only(STAGING, proxy=files(certificate, certificate))

    def test_a_file_is_not_text(self, tmp_path: Path):
        certificate, _ = pair(tmp_path, "site")
        key = tmp_path / "key.der"
        key.write_bytes(b"\x30\x82\xff")

        assert "(not a text file)" in only(STAGING, proxy=files(certificate, key))

    def test_stapling_needs_an_issuer_that_answers(self):
        proxy = {"certificate": "self-signed", "ocsp_stapling": True}

        assert "with proxy.certificate: files only" in only(STAGING, proxy=proxy)

    def test_files_beside_another_kind_are_refused(self):
        proxy = {"certificate": "self-signed", "key_file": "key.pem"}

        assert "with proxy.certificate: files only" in only(STAGING, proxy=proxy)


def test_the_two_ports_differ():
    proxy = {"certificate": "self-signed", "http_port": 8443, "https_port": 8443}

    assert "proxy.http_port: is the same as" in only(STAGING, proxy=proxy)


@pytest.mark.parametrize("bind", ["localhost", "::1", "0.0.0.0:80"])
def test_the_ports_are_published_on_an_ipv4_address(bind):
    proxy = {"certificate": "self-signed", "bind": bind}

    assert only(STAGING, proxy=proxy).startswith(f'proxy.bind: "{bind}" is not an IPv4')


@pytest.mark.parametrize("policy", ["default-src 'self'\n", 'x"; add_header y z', ""])
def test_a_policy_cannot_end_the_header(policy):
    proxy = {"certificate": "self-signed", "content_security_policy": policy}

    assert "is not a Content-Security-Policy" in only(STAGING, proxy=proxy)


class TestDatabase:
    def test_a_release_must_find_room_beside_the_former_one(self):
        assert only(STAGING, service={"replicas": 3}).startswith(
            "database.max_connections: 100 is less than 130: while a release replaces "
            "another, 2 x 3 replicas may open 20 each"
        )
        assert (
            read(
                STAGING, service={"replicas": 3}, app={"DB_POOL_MAX": 10}
            ).service.replicas
            == 3
        )

    def test_connections_take_memory(self):
        assert only(STAGING, database={"memory": 1024, "max_connections": 500}) == (
            "database.memory: 1024 MiB is not enough for 500 connections of 5 MiB and "
            "the buffers. Give it 3333, or lower database.max_connections"
        )


@pytest.mark.parametrize(
    ("group", "image"),
    [
        ("database", "postgres:16-bookworm"),
        ("database", "registry.example.org:5000/postgres:14"),
        ("cache", "redis:6"),
    ],
)
def test_an_image_of_another_major_version_is_refused(group, image):
    assert f'{group}.image: "{image}" is not' in only(
        STAGING, **{group: {"image": image}}
    )


@pytest.mark.parametrize(
    "image",
    [
        "postgres:15.20-bookworm",
        "postgres:15",
        f"mirror:5000/postgres@sha256:{'a' * 64}",
    ],
)
def test_an_image_of_the_version_is_accepted_however_it_is_named(image):
    assert read(STAGING, database={"image": image}).database.image == image


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

    def test_a_region_is_one_word(self):
        backup = OFFSITE | {"offsite_region": "x\nacl = public-read"}

        assert "is not a region like" in only(STAGING, backup=backup, secrets=KEYS)

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
