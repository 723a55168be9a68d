"""Settings of the Docker host, and the checks that Docker would make much later."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from contract import Kind, Variable, matching
from settings import forms
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import DATABASE_LOGIN, Check, Group, Problem, Settings

ACCESS_KEY: Final = "BACKUP_ACCESS_KEY_ID"
SECRET_KEY: Final = "BACKUP_SECRET_ACCESS_KEY"  # noqa: S105 - its name

_OTHER_CONNECTIONS: Final = 10
_CONNECTION_MIB: Final = 5
"""What a connection of PostgreSQL takes by itself, about, with some work to do."""

_KEY = matching("text without spaces", r"\S+")


class Host(Group):
    """The machine that runs everything."""

    address: forms.DockerHost = Field(
        "unix:///var/run/docker.sock",
        description="Docker Engine to deploy to: ssh://USER@HOST, with the keys of "
        "your SSH agent and a HOST that is in known_hosts, or this machine's socket.",
    )
    registries: Annotated[tuple[forms.RegistryHost, ...], Field(strict=False)] = Field(
        (),
        description="Registries with private images, like ghcr.io. `docker login` on "
        "the machine that runs Pulumi; the host pulls with that login.",
    )
    architecture: Literal["x86_64", "arm64"] | None = Field(
        None,
        description="Processor of the host, for an image that is built with "
        "`image.context`; by default that of the machine that builds.",
    )


class Proxy(Group):
    """nginx: the only container that is reached from outside."""

    bind: forms.ListenAddress = Field(
        "0.0.0.0",  # noqa: S104 - the site is public
        description="Address of the host on which the two ports are published.",
    )
    http_port: int = Field(
        80,
        ge=1,
        le=65535,
        description="Port that redirects to HTTPS. Let's Encrypt asks on 80.",
    )
    https_port: int = Field(443, ge=1, le=65535, description="Port of the site.")
    certificate: Literal["letsencrypt", "self-signed", "files"] = Field(
        "letsencrypt",
        description="Where the certificate comes from: Let's Encrypt, renewed by a "
        "certbot container; made by Pulumi, which browsers warn of; or two files.",
    )
    email: forms.Email | None = Field(
        None,
        description="Contact of the account at Let's Encrypt. It no longer writes when "
        "a certificate runs out: the health of the certbot container tells.",
    )
    certificate_file: str | None = Field(
        None,
        description="PEM file of the certificate and its chain, on the machine that "
        "runs Pulumi. With `certificate: files`.",
    )
    key_file: str | None = Field(
        None,
        description="PEM file of the certificate's key. It is encrypted in the state, "
        "and on the host it lies in a volume that only the proxy mounts.",
    )
    trusted_proxies: Annotated[tuple[forms.AddressRange, ...], Field(strict=False)] = (
        Field(
            (),
            description="Proxies in front of this one, whose X-Forwarded-For is "
            "believed. Nobody else's is.",
        )
    )
    api_per_second: int = Field(
        10, ge=1, le=10_000, description="Requests to /api that one client may make."
    )
    api_burst: int = Field(
        20, ge=0, le=10_000, description="How many more it may make at once."
    )
    login_per_minute: int = Field(
        5, ge=1, le=10_000, description="Logins that one client may try."
    )
    login_burst: int = Field(
        3, ge=0, le=10_000, description="How many more it may try at once."
    )
    hsts_preload: bool = Field(
        False,
        description="Ask browsers to ship the domain as HTTPS only. Hard to take back: "
        "it holds for every subdomain.",
    )
    ocsp_stapling: bool = Field(
        False,
        description="Attach the issuer's word that the certificate is not revoked. "
        "With `certificate: files`, of an issuer that still offers OCSP.",
    )
    content_security_policy: forms.SecurityPolicy | None = Field(
        None,
        description="What pages may load, instead of the default: the site's own "
        "files, and images in `data:`.",
    )
    image: forms.ImageRef = Field(
        "nginx:1.28-bookworm",
        description="Official nginx, 1.22 or newer. A tag is looked up once: name "
        "another one to update.",
    )
    certbot_image: forms.ImageRef = Field(
        "certbot/certbot:v5.1.0", description="Official certbot."
    )


class Service(Group):
    """The app's containers."""

    replicas: int = Field(
        2,
        ge=1,
        le=50,
        description="Containers that run. A new version starts beside the old one: "
        "leave memory for twice as many.",
    )
    cpu: int = Field(
        1024,
        ge=64,
        le=131_072,
        description="CPU units that a container may use; 1024 are one core.",
    )
    memory: int = Field(
        1024, ge=128, le=1_048_576, description="MiB that a container may use."
    )
    start_timeout: int = Field(
        120,
        ge=10,
        le=3600,
        description="Seconds that a new container may take to become healthy. After "
        "them the deployment fails, and the old version goes on.",
    )
    stop_timeout: int = Field(
        70,
        ge=1,
        le=600,
        description="Seconds between asking a container to stop and killing it. The "
        "reference app takes up to 62 to finish what it is at.",
    )


class Database(Group):
    """The PostgreSQL container."""

    memory: int = Field(
        1024,
        ge=256,
        le=1_048_576,
        description="MiB that it may use; a quarter is its buffer cache.",
    )
    max_connections: int = Field(
        100,
        ge=20,
        le=5000,
        description="Connections at once. Each replica may open DB_POOL_MAX, and a new "
        "version doubles the replicas for a moment.",
    )
    slow_query_ms: int = Field(
        1000,
        ge=10,
        le=600_000,
        description="Milliseconds from which a statement is logged.",
    )
    image: forms.ImageRef = Field(
        "postgres:15-bookworm",
        description="Official PostgreSQL 15. A tag is looked up once: name another "
        "one to update, such as 15.20-bookworm. Stay with the variant and with "
        "Debian's release: others sort text differently, and indexes would be wrong.",
    )


class Cache(Group):
    """The Redis container."""

    memory: int = Field(
        128, ge=16, le=1_048_576, description="MiB of data before keys are evicted."
    )
    eviction: Literal[
        "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "noeviction"
    ] = Field(
        "volatile-lru",
        description="What goes when the memory is full: by default the least recently "
        "used of the keys that expire, which all of the app's do.",
    )
    image: forms.ImageRef = Field(
        "redis:7-bookworm",
        description="Official Redis 7. A tag is looked up once: name another one to "
        "update.",
    )


class Backup(Group):
    """The daily backup of database and uploads."""

    time: forms.TimeOfDay = Field("02:30", description="When backups are made, in UTC.")
    database_days: int = Field(
        30, ge=1, le=3650, description="Days that dumps are kept (guide: 30)."
    )
    uploads_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days that archives of uploads are kept (guide: 7).",
    )
    offsite_endpoint: forms.Endpoint | None = Field(
        None,
        description="S3-compatible service that a copy of each backup goes to. "
        "Without one, a lost disk takes the backups along.",
    )
    offsite_bucket: forms.Bucket | None = Field(
        None, description="Bucket there. Its own lifecycle rule ends what is in it."
    )
    offsite_region: forms.BucketRegion = Field(
        "auto", description="Region, as the service calls it."
    )
    image: forms.ImageRef = Field(
        "rclone/rclone:1.71", description="Official rclone, which copies backups away."
    )


class Logs(Group):
    """What containers write to standard output, kept by Docker's local driver."""

    max_size: int = Field(
        100,
        ge=1,
        le=10_000,
        description="MB at which a container's log file is rotated (guide: 100).",
    )
    max_files: int = Field(
        10, ge=1, le=1000, description="Files kept for a container (guide: 10)."
    )


class DockerSettings(Settings):
    """A stack's settings on one Docker host."""

    platform_secrets: ClassVar[tuple[Variable, ...]] = (
        Variable(
            ACCESS_KEY,
            Kind.OPERATOR,
            None,
            "Access key for `backup.offsite_bucket`.",
            _KEY,
            optional=True,
        ),
        Variable(
            SECRET_KEY,
            Kind.OPERATOR,
            None,
            "Secret key for `backup.offsite_bucket`.",
            _KEY,
            optional=True,
        ),
        DATABASE_LOGIN,
    )

    rotated: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL")

    platform: Literal["docker"] = Field(
        "docker", description="Where the app runs. Its settings are below."
    )
    host: Host = Field(Host(), description="The machine that runs everything.")
    proxy: Proxy = Field(Proxy(), description="nginx, in front of the app.")
    service: Service = Field(Service(), description="The app's containers.")
    database: Database = Field(Database(), description="The PostgreSQL container.")
    cache: Cache = Field(Cache(), description="The Redis container.")
    backup: Backup = Field(
        Backup(), description="The daily backup of database and uploads."
    )
    logs: Logs = Field(Logs(), description="Logs of the containers.")

    @property
    def own_builds(self) -> str:
        """Without a registry, they stay in the host's engine."""
        if self.image.repository:
            return ""
        return rf"{re.escape(self.name)}:[0-9a-f]{{12}}"


def _domain_has_no_zone(settings: DockerSettings) -> Iterator[Problem]:
    if settings.domain and settings.domain.zone_id:
        yield (
            "domain.zone_id",
            "is for AWS. Remove it, and point the domain at the host yourself",
        )


def _host_gets_what_is_built(settings: DockerSettings) -> Iterator[Problem]:
    image, address = settings.image, settings.host.address
    if image.context and not image.repository and address.startswith("ssh://"):
        command = settings.command("image.repository", "REGISTRY/OWNER/NAME")
        yield (
            "image.repository",
            f'is missing: what is built here reaches "{address}" through a registry. '
            f"Set it: {command}",
        )


def _letsencrypt_can_ask(settings: DockerSettings) -> Iterator[Problem]:
    proxy = settings.proxy
    if proxy.certificate != "letsencrypt":
        return
    if settings.domain is None and not settings.production:
        command = settings.command("proxy.certificate", "self-signed")
        yield (
            "proxy.certificate",
            f"letsencrypt needs a domain. Set one, or do without: {command}",
        )
    if IPv4Address(proxy.bind).is_loopback:
        yield (
            "proxy.bind",
            f'"{proxy.bind}" is an address that Let\'s Encrypt never sees',
        )
    if proxy.http_port != 80:
        yield (
            "proxy.http_port",
            f"{proxy.http_port} is not 80, where Let's Encrypt looks for its answer",
        )


def _certificate_files_are_there(settings: DockerSettings) -> Iterator[Problem]:
    proxy = settings.proxy
    files = {
        "proxy.certificate_file": proxy.certificate_file,
        "proxy.key_file": proxy.key_file,
    }
    broken = False
    for path, file in files.items():
        problem = _file_problem(settings, path, file)
        broken |= problem is not None
        if problem:
            yield path, problem
    if proxy.certificate != "files":
        if proxy.ocsp_stapling:
            path = "proxy.ocsp_stapling"
            yield path, "goes with proxy.certificate: files only. Remove it"
    elif not broken and (problem := _pair_problem(proxy)):
        yield "proxy.key_file", problem


def _file_problem(settings: DockerSettings, path: str, file: str | None) -> str | None:
    if settings.proxy.certificate != "files":
        return "is used with proxy.certificate: files only. Remove it" if file else None
    if not file:
        return f"is missing. Set it: {settings.command(path, 'FILE.pem')}"
    try:
        Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        return f'"{file}" cannot be read ({reason}). Give its path from Pulumi.yaml'
    return None


def _pair_problem(proxy: Proxy) -> str | None:
    """What nginx would say of the pair, long after the deployment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(
            str(proxy.certificate_file), str(proxy.key_file), password=_no_password
        )
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return (
            f'"{proxy.key_file}" is not the key of "{proxy.certificate_file}", or one '
            f"of them is no PEM, or the key has a passphrase ({reason})"
        )
    return None


def _no_password() -> str:
    """Stand in for the question on the terminal that OpenSSL would ask."""
    return "none"


def _images_are_of_the_versions_that_are_configured(
    settings: DockerSettings,
) -> Iterator[Problem]:
    for path, image, fits, wanted in (
        ("database.image", settings.database.image, range(15, 16), "PostgreSQL 15"),
        ("cache.image", settings.cache.image, range(7, 8), "Redis 7"),
    ):
        tag = re.search(r":([0-9]+)[^/@]*$", image.partition("@")[0])
        if tag and int(tag[1]) not in fits:
            yield path, f'"{image}" is not {wanted}, and could not read the data'


def _the_database_takes_every_connection(
    settings: DockerSettings,
) -> Iterator[Problem]:
    database, replicas = settings.database, settings.service.replicas
    pool = int(settings.app_value("DB_POOL_MAX"))
    needed = 2 * replicas * pool + _OTHER_CONNECTIONS
    if database.max_connections < needed:
        yield (
            "database.max_connections",
            f"{database.max_connections} is less than {needed}: while a release "
            f"replaces another, 2 x {replicas} replicas may open {pool} each "
            f"(app.DB_POOL_MAX), and {_OTHER_CONNECTIONS} are for backups and people. "
            "Raise it, or lower one of the others",
        )
    least = database.max_connections * _CONNECTION_MIB * 4 // 3
    if database.memory < least:
        yield (
            "database.memory",
            f"{database.memory} MiB is not enough for {database.max_connections} "
            f"connections of {_CONNECTION_MIB} MiB and the buffers. Give it {least}, "
            "or lower database.max_connections",
        )


def _production_is_trusted_by_browsers(settings: DockerSettings) -> Iterator[Problem]:
    if settings.production and settings.proxy.certificate == "self-signed":
        yield (
            "proxy.certificate",
            "self-signed is refused in production: browsers warn of it. Use "
            "letsencrypt or files",
        )


def _ports_differ(settings: DockerSettings) -> Iterator[Problem]:
    if settings.proxy.http_port == settings.proxy.https_port:
        yield "proxy.http_port", "is the same as proxy.https_port. Change one of them"


def _offsite_is_complete(settings: DockerSettings) -> Iterator[Problem]:
    backup = settings.backup
    given = {
        "backup.offsite_endpoint": backup.offsite_endpoint,
        "backup.offsite_bucket": backup.offsite_bucket,
        f"secrets.{ACCESS_KEY}": settings.secrets.get(ACCESS_KEY),
        f"secrets.{SECRET_KEY}": settings.secrets.get(SECRET_KEY),
    }
    if not any(given.values()):
        return
    for path, value in given.items():
        if not value:
            secret = path.startswith("secrets.")
            name = "" if secret else "VALUE"
            command = settings.command(path, name, secret=secret)
            yield path, f"is missing for offsite backups. Set it: {command}"


CHECKS: Final = (
    *COMMON_CHECKS,
    Check(_domain_has_no_zone, ("domain",)),
    Check(_host_gets_what_is_built, ("host.address", "image")),
    Check(_letsencrypt_can_ask, ("environment", "domain", "proxy")),
    Check(_certificate_files_are_there, ("proxy",)),
    Check(
        _images_are_of_the_versions_that_are_configured,
        ("database.image", "cache.image"),
    ),
    Check(
        _the_database_takes_every_connection,
        ("app", "database", "service.replicas"),
    ),
    Check(_production_is_trusted_by_browsers, ("environment", "proxy.certificate")),
    Check(_ports_differ, ("proxy.http_port", "proxy.https_port")),
    Check(_offsite_is_complete, ("backup", "secrets")),
)
"""Rules of the Docker host, the common ones included."""
