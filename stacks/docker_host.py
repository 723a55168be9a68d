"""The Docker host: the app behind nginx, with PostgreSQL and Redis, on one machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi
import pulumi_docker as docker

from components.docker import proxy as proxies
from components.docker.app import App, AppArgs
from components.docker.backup import Backup, BackupArgs, Offsite
from components.docker.cache import Cache, CacheArgs
from components.docker.client import Client, ClientArgs
from components.docker.confinement import LogRotation, mount
from components.docker.database import HOST as DATABASE_HOST
from components.docker.database import Database, DatabaseArgs
from components.docker.names import CLIENT
from components.docker.networks import Networks
from components.docker.proxy import Proxy, ProxyArgs
from components.docker.proxy_config import DEFAULT_CSP, ProxyConfig
from components.docker.secrets import Secrets, SecretsArgs
from components.docker.task import Task, TaskArgs
from components.image import PLATFORMS, AppImage, AppImageArgs, Build
from contract import AppContract
from settings.docker import ACCESS_KEY, SECRET_KEY, DockerSettings
from settings.docker import Proxy as ProxySettings
from stacks.login import login
from stacks.outputs import Outputs


@dataclass(frozen=True, kw_only=True)
class DockerOutputs(Outputs):
    """What is known of a stack on a Docker host."""

    platform: str
    """`docker`."""

    host: str
    """Docker Engine that everything runs on."""

    url: str
    """Where the app answers."""

    health_url: str
    """Answers 200 when the app, its database and its cache work."""

    transport: str
    """`https`, and where the certificate comes from."""

    release: pulumi.Output[str]
    """Image reference that was asked for."""

    app_containers: Sequence[pulumi.Output[str]]
    """Names of the app's containers."""

    proxy_container: pulumi.Output[str]
    """Name of the nginx container."""

    database_container: pulumi.Output[str]
    """Name of the PostgreSQL container."""

    database_name: str
    """Database, and the role that owns it."""

    database_user: str
    """Who the app is at the database: the owner, or one of two that take turns."""

    cache_container: pulumi.Output[str]
    """Name of the Redis container."""

    migration_container: pulumi.Output[str]
    """Name of the container that ran the last migration, ended."""

    edge_network: pulumi.Output[str]
    """Name of the network with a way out."""

    internal_network: pulumi.Output[str]
    """Name of the network of database and cache."""

    database_volume: pulumi.Output[str]
    """Name of the volume with the database."""

    uploads_volume: pulumi.Output[str]
    """Name of the volume with uploaded files."""

    client_volume: pulumi.Output[str]
    """Name of the volume with the client's files, which the proxy serves."""

    backup_container: pulumi.Output[str]
    """Name of the container that makes backups."""

    backups_volume: pulumi.Output[str]
    """Name of the volume with the backups."""

    secrets: Sequence[str]
    """Variables that the app reads from files."""

    protected: bool
    """Whether Pulumi refuses to delete what holds data."""


def deploy(settings: DockerSettings, contract: AppContract) -> DockerOutputs:
    """Deploy the app on a Docker host: what the contract asks for, wired together."""
    name = settings.name
    host = docker.Provider(
        name,
        host=settings.host.address,
        registry_auth=[
            docker.ProviderRegistryAuthArgs(address=registry)
            for registry in settings.host.registries
        ],
    )
    there = pulumi.ResourceOptions(providers=[host])
    logs = LogRotation(
        max_size=settings.logs.max_size, max_files=settings.logs.max_files
    )

    networks = Networks(name, opts=there)
    database = Database(
        name,
        DatabaseArgs(
            image=settings.database.image,
            network=networks.internal,
            memory=settings.database.memory,
            max_connections=settings.database.max_connections,
            slow_query_ms=settings.database.slow_query_ms,
            login=login(settings),
            generation=settings.rotations.get("DATABASE_URL", 0),
            protect=settings.protect,
            logs=logs,
        ),
        opts=there,
    )
    cache = Cache(
        name,
        CacheArgs(
            image=settings.cache.image,
            network=networks.internal,
            memory=settings.cache.memory,
            eviction=settings.cache.eviction,
            generation=settings.rotations.get("REDIS_URL", 0),
            logs=logs,
        ),
        opts=there,
    )
    release = AppImage(name, _image(settings), opts=there)
    image = docker.RemoteImage(
        f"{name}-app",
        name=release.ref,
        keep_locally=True,  # a rollback needs no registry
        opts=pulumi.ResourceOptions(provider=host),
    )
    secrets = Secrets(
        name,
        SecretsArgs(
            given={
                **settings.app_secrets(),
                "DATABASE_URL": database.url,
                "REDIS_URL": cache.url,
            },
            generated=contract.to_generate(
                settings.secrets, settings.rotations, previous=settings.accept_previous
            ),
            image=database.image,  # stays, where the app's changes with each release
            owner=contract.uid,
        ),
        opts=there,
    )
    environment = contract.docker_environment(settings.app, secrets.names)
    migration = Task(
        f"{name}-migration",
        TaskArgs(
            image=image.image_id,
            command=contract.migrate_command,
            environment=environment,
            networks=[networks.internal],
            volumes=[mount(secrets.volume, contract.secret_dir, read_only=True)],
            temp_dir=contract.temp_dir,
            starts_after=[database, cache],
            logs=logs,
        ),
        opts=there,
    )
    app = App(
        name,
        AppArgs(
            image=migration.gate(image.image_id),
            replicas=settings.service.replicas,
            environment=environment,
            secrets=secrets.volume,
            secret_dir=contract.secret_dir,
            edge=networks.edge,
            internal=networks.internal,
            health_command=contract.health_command(contract.health_path),
            cpu=settings.service.cpu,
            memory=settings.service.memory,
            upload_dir=contract.upload_dir,
            log_dir=contract.log_dir,
            temp_dir=contract.temp_dir,
            start_timeout=settings.service.start_timeout,
            stop_timeout=settings.service.stop_timeout,
            protect=settings.protect,
            logs=logs,
        ),
        opts=there,
    )

    proxy = Proxy(
        name,
        ProxyArgs(
            image=settings.proxy.image,
            network=networks.edge,
            upstream=app.host,
            config=_proxy_config(settings, contract),
            certificate=_certificate(settings.proxy),
            letsencrypt=_letsencrypt(settings.proxy),
            bind=settings.proxy.bind,
            http_port=settings.proxy.http_port,
            https_port=settings.proxy.https_port,
            logs=logs,
        ),
        opts=there,
    )
    Client(
        name,
        ClientArgs(
            image=image.image_id,
            volume=proxy.client,
            client_dir=contract.client_dir,
            starts_after=[proxy],
            logs=logs,
        ),
        opts=there,
    )
    backup = Backup(
        name,
        BackupArgs(
            image=settings.database.image,
            network=networks.internal,
            database_host=DATABASE_HOST,
            database_name=database.name,
            database_password=database.password,
            uploads=app.uploads,
            upload_dir=contract.upload_dir,
            time=settings.backup.time,
            database_days=settings.backup.database_days,
            uploads_days=settings.backup.uploads_days,
            offsite=_offsite(settings),
            edge=networks.edge,
            protect=settings.protect,
            keep=settings.production,
            starts_after=[migration],
            logs=logs,
        ),
        opts=there,
    )

    url = _url(settings)
    return DockerOutputs(
        platform=settings.platform,
        host=settings.host.address,
        url=url,
        health_url=f"{url}{contract.health_path}",
        transport=f"https, certificate: {settings.proxy.certificate}",
        release=release.ref,
        app_containers=app.containers,
        proxy_container=proxy.container,
        database_container=database.container,
        database_name=database.name,
        database_user=database.user,
        cache_container=cache.container,
        migration_container=migration.container,
        edge_network=networks.edge,
        internal_network=networks.internal,
        database_volume=database.volume,
        uploads_volume=app.uploads,
        client_volume=proxy.client,
        backup_container=backup.container,
        backups_volume=backup.volume,
        secrets=secrets.names,
        rotations=settings.rotations,
        protected=settings.protect,
    )


def _image(settings: DockerSettings) -> AppImageArgs:
    wanted = settings.image
    if wanted.ref or wanted.context is None:
        return AppImageArgs(ref=wanted.ref)
    architecture = settings.host.architecture
    return AppImageArgs(
        build=Build(
            context=wanted.context,
            dockerfile=wanted.dockerfile,
            build_args=wanted.build_args,
            platforms=[PLATFORMS[architecture]] if architecture else [],
            repository=wanted.repository or settings.name,
            # Without a registry in between, the engine that builds is the one that
            # runs.
            load=not wanted.repository,
            cache=wanted.cache,
            cache_ref=wanted.cache_ref,
            builder=wanted.builder,
        )
    )


def _proxy_config(settings: DockerSettings, contract: AppContract) -> ProxyConfig:
    wanted = settings.proxy
    return ProxyConfig(
        hosts=settings.domain.hosts if settings.domain else (),
        upstream_port=contract.port,
        client_dir=CLIENT,
        acme_dir=proxies.ACME if wanted.certificate == "letsencrypt" else None,
        trusted_proxies=wanted.trusted_proxies,
        api_per_second=wanted.api_per_second,
        api_burst=wanted.api_burst,
        login_per_minute=wanted.login_per_minute,
        login_burst=wanted.login_burst,
        upload_limit=contract.upload_bytes(settings.app),
        public_https_port=wanted.https_port,
        hsts_preload=wanted.hsts_preload,
        ocsp_stapling=wanted.ocsp_stapling,
        content_security_policy=wanted.content_security_policy or DEFAULT_CSP,
        nginx_version=_version(wanted.image),
    )


def _version(image: str) -> str:
    """Return the version in an image's tag; a digest is taken for a current one."""
    tag = re.search(r":([0-9]+\.[0-9]+(\.[0-9]+)?)", image)
    return tag[1] if tag else ProxyConfig.nginx_version


def _certificate(proxy: ProxySettings) -> proxies.Certificate | None:
    """Return the operator's own certificate, if it comes from files."""
    if not (proxy.certificate_file and proxy.key_file):
        return None
    return proxies.Certificate(
        chain=Path(proxy.certificate_file).read_text(encoding="ascii"),
        key=pulumi.Output.secret(Path(proxy.key_file).read_text(encoding="ascii")),
    )


def _letsencrypt(proxy: ProxySettings) -> proxies.LetsEncrypt | None:
    if proxy.certificate != "letsencrypt":
        return None
    return proxies.LetsEncrypt(email=proxy.email, image=proxy.certbot_image)


def _offsite(settings: DockerSettings) -> Offsite | None:
    wanted = settings.backup
    if not (wanted.offsite_bucket and wanted.offsite_endpoint):
        return None
    return Offsite(
        endpoint=wanted.offsite_endpoint,
        bucket=wanted.offsite_bucket,
        region=wanted.offsite_region,
        prefix=settings.name,
        access_key=settings.secrets[ACCESS_KEY].get_secret_value(),
        secret_key=settings.secrets[SECRET_KEY].get_secret_value(),
        image=wanted.image,
    )


def _url(settings: DockerSettings) -> str:
    """Return where the site is: at its domain, or else at the host itself."""
    host = urlsplit(settings.host.address).hostname or "localhost"
    site = settings.domain.name if settings.domain else host
    port = settings.proxy.https_port
    return f"https://{site}" if port == 443 else f"https://{site}:{port}"
