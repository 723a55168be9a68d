"""DigitalOcean: the app on App Platform, its data in managed clusters beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

import names
from components.digitalocean import app_spec
from components.digitalocean.app_platform import AppPlatform, AppPlatformArgs
from components.digitalocean.cache import ManagedCache, ManagedCacheArgs
from components.digitalocean.database import (
    ManagedDatabase,
    ManagedDatabaseArgs,
    granting,
)
from components.digitalocean.droplet import Droplet, DropletArgs
from components.digitalocean.kept_secrets import own_output
from components.digitalocean.project import Project, ProjectArgs
from components.digitalocean.registry import ContainerRegistry, ContainerRegistryArgs
from components.digitalocean.spaces import Spaces, SpacesArgs
from components.digitalocean.uptime import Uptime, UptimeArgs
from components.digitalocean.zone import owned_zone
from components.generated_secrets import GeneratedSecrets, GeneratedSecretsArgs
from contract import AppContract, Kind
from host.cloud_init import HostArgs
from settings.digitalocean import (
    LOG_TOKEN,
    REGISTRY_LOGIN,
    SLACK_WEBHOOK,
    DigitalOceanSettings,
    Github,
)
from stacks.outputs import Outputs

_PROXIES = 2
"""DigitalOcean's edge, and its load balancer in front of the instances."""

_S3_REGION = "us-east-1"
"""What S3 clients call any region of Spaces; the endpoint says which it is."""

_REGISTRIES: Mapping[str, Literal["GHCR", "DOCKER_HUB", "DOCR"]] = {
    "ghcr.io": "GHCR",
    "docker.io": "DOCKER_HUB",
    "registry.digitalocean.com": "DOCR",
}


@dataclass(frozen=True, kw_only=True)
class DigitalOceanOutputs(Outputs):
    """What is known of a stack on DigitalOcean; null where the stack makes no such."""

    platform: str
    """`digitalocean`."""

    region: str
    """Region, as App Platform calls it."""

    project: pulumi.Output[str]
    """ID of the project that console and bill show."""

    url: pulumi.Output[str] | None = None
    """Where the app answers."""

    health_url: pulumi.Output[str] | None = None
    """Answers 200 when the app, its database and its cache work."""

    transport: str | None = None
    """`https`, and where the certificate comes from."""

    release: str | None = None
    """Image reference that was asked for, or OWNER/NAME@BRANCH of a repository."""

    app_id: pulumi.Output[str] | None = None
    """ID of the app. The program itself reads it on its next run."""

    default_host: pulumi.Output[str] | None = None
    """Host name that a domain elsewhere points at (CNAME)."""

    database: pulumi.Output[str] | None = None
    """ID of the PostgreSQL cluster."""

    database_name: str | None = None
    """Database in the cluster, and the app's user."""

    cache: pulumi.Output[str] | None = None
    """ID of the Valkey cluster."""

    bucket: pulumi.Output[str] | None = None
    """Spaces bucket of dumps and files."""

    bucket_endpoint: str | None = None
    """Where its S3 API answers."""

    uptime_check: pulumi.Output[str] | None = None
    """ID of the check from outside."""

    registry: pulumi.Output[str] | None = None
    """Where to push images, without repository."""

    secrets: Sequence[str] = ()
    """Variables that App Platform keeps encrypted."""

    droplet: pulumi.Output[str] | None = None
    """ID of the droplet."""

    droplet_ip: pulumi.Output[str] | None = None
    """Its reserved address: where the domain points."""

    docker_host: pulumi.Output[str] | None = None
    """What `host.address` of the stack on it is: `ssh://ADMIN@ADDRESS:PORT`."""

    protected: bool
    """Whether Pulumi refuses to delete what holds data."""


def deploy(
    settings: DigitalOceanSettings, contract: AppContract
) -> DigitalOceanOutputs:
    """Deploy the app, or the machine for a stack of platform docker.

    Raises:
        RunError: when the domain is not managed by the account.
    """
    project = Project(
        settings.name,
        ProjectArgs(
            name=settings.project.name or settings.name,
            description=settings.project.description,
            environment="Production" if settings.production else "Staging",
        ),
    )
    if settings.droplet:
        return _machine(settings, project)
    return _app(settings, contract, project)


def _app(
    settings: DigitalOceanSettings, contract: AppContract, project: Project
) -> DigitalOceanOutputs:
    """Deploy the app: everything the contract asks for, wired together."""
    name = settings.name
    database = _database(settings)
    cache = _cache(settings)
    spaces = _spaces(settings)
    registry = _registry(settings)
    generated = GeneratedSecrets(
        name,
        GeneratedSecretsArgs(
            wanted=contract.to_generate(
                settings.secrets, settings.rotations, previous=settings.accept_previous
            )
        ),
    )
    secrets: dict[str, pulumi.Input[str]] = {
        **settings.app_secrets(),
        **generated.values,
    }
    environment: dict[str, pulumi.Input[str]] = {
        **contract.environment(settings.app, cache=cache is not None, proxies=_PROXIES)
    }
    if database:
        secrets["DATABASE_URL"] = database.url
    if cache:
        secrets["REDIS_URL"] = cache.url
    if spaces:
        # The names that the jobs and every S3 client read.
        secrets["AWS_ACCESS_KEY_ID"] = spaces.access_key
        secrets["AWS_SECRET_ACCESS_KEY"] = spaces.secret_key
        environment["AWS_ENDPOINT_URL_S3"] = spaces.endpoint
        environment["AWS_REGION"] = _S3_REGION
        environment["BACKUP_BUCKET"] = spaces.bucket

    app = AppPlatform(
        name,
        AppPlatformArgs(
            spec=_spec(
                settings,
                contract,
                environment=environment,
                secrets=secrets,
                ca_certificate=database.ca_certificate if database else None,
                migration=_migration(
                    settings, contract, database.admin_url if database else None
                ),
                zone=_zone(settings),
            ),
            deployed_id=own_output("app_id"),
            project_id=project.project_id,
            protect=settings.protect,
        ),
    )
    held: dict[str, pulumi.Output[str]] = {}
    for kind, cluster in (("database", database), ("cache", cache)):
        if cluster:
            cluster.admit(app.app_id)
            held[kind] = cluster.project_urn
    if spaces:
        held["bucket"] = spaces.project_urn
    if held:
        project.hold(held)
    health_url = pulumi.Output.concat(app.url, contract.health_path)
    uptime = _uptime(settings, health_url)

    return DigitalOceanOutputs(
        platform=settings.platform,
        region=settings.region,
        project=project.project_id,
        url=app.url,
        health_url=health_url,
        transport="https, certificate: DigitalOcean's",
        release=_release(settings),
        app_id=app.app_id,
        default_host=app.default_host,
        database=database.cluster_id if database else None,
        database_name=database.database if database else None,
        cache=cache.cluster_id if cache else None,
        bucket=spaces.bucket if spaces else None,
        bucket_endpoint=spaces.endpoint if spaces else None,
        uptime_check=uptime.check_id if uptime else None,
        registry=registry.endpoint if registry else None,
        secrets=sorted(secrets),
        rotations=settings.rotations,
        protected=settings.protect,
    )


def app_file(settings: DigitalOceanSettings, contract: AppContract) -> str:
    """Return `.do/app.yaml`: the same app, for who deploys it by hand.

    Values of secrets are left out, and so is what only a cluster of the stack knows.
    Nothing is asked of DigitalOcean.
    """
    managed = settings.database.kind == "managed"
    cached = settings.cache is not None
    connections = [*(["DATABASE_URL"] if managed else []), *(["REDIS_URL"] * cached)]
    own = {v.name for v in contract.of_kind(Kind.GENERATED, Kind.OPERATOR)}
    return app_spec.render(
        _spec(
            settings,
            contract,
            environment=contract.environment(
                settings.app, cache=cached, proxies=_PROXIES
            ),
            secrets=dict.fromkeys(sorted([*own, *connections]), ""),
            ca_certificate="" if managed else None,
            migration=_migration(settings, contract, "" if managed else None),
            zone=settings.dns.zone if settings.dns else None,
        )
    )


def _spec(
    settings: DigitalOceanSettings,
    contract: AppContract,
    *,
    environment: Mapping[str, pulumi.Input[str]],
    secrets: Mapping[str, pulumi.Input[str]],
    ca_certificate: pulumi.Input[str] | None,
    migration: app_spec.Migration,
    zone: str | None,
) -> app_spec.AppSpecArgs:
    """What App Platform runs.

    ca_certificate: of the managed cluster; None where the app has a development
        database, whose address and authority the platform fills in.
    """
    development = settings.database.kind == "dev"
    if development:
        environment = {**environment, "DATABASE_URL": app_spec.DEV_DATABASE_URL}
    return app_spec.AppSpecArgs(
        name=names.bounded(settings.name, names.APP_LIMIT),
        region=settings.region,
        source=_source(settings),
        port=contract.port,
        size=settings.service.size,
        instances=settings.service.instances,
        autoscaling=_autoscaling(settings),
        command=contract.start_command,
        environment=environment,
        secrets=secrets,
        ca_certificate=(
            app_spec.DEV_DATABASE_CA if ca_certificate is None else ca_certificate
        ),
        readiness=app_spec.Check(http_path=contract.health_path),
        liveness=app_spec.Check(http_path=contract.liveness_path),
        grace_seconds=settings.service.grace_seconds,
        drain_seconds=settings.service.drain_seconds,
        api_prefix=contract.api_path.rstrip("/"),
        client=_client(settings),
        migration=migration,
        dev_database=settings.database.version if development else None,
        alerts=app_spec.Alerts(
            cpu_percent=settings.alerts.cpu_percent,
            memory_percent=settings.alerts.memory_percent,
            restarts=settings.alerts.restarts,
        ),
        domain=_domain(settings, zone),
        logs=_logs(settings),
        maintenance=_maintenance(settings),
        dedicated_egress=settings.network.dedicated_egress,
        vpc_id=settings.network.vpc_id,
    )


def _machine(settings: DigitalOceanSettings, project: Project) -> DigitalOceanOutputs:
    """Make the machine that a stack of platform docker runs on, over ssh."""
    wanted = settings.droplet
    assert wanted is not None  # noqa: S101 - for the type checker: the caller has looked
    droplet = Droplet(
        settings.name,
        DropletArgs(
            region=settings.datacenter,
            size=wanted.size,
            host=HostArgs(
                ssh_keys=wanted.ssh_keys,
                admin=wanted.admin,
                ssh_port=wanted.ssh_port,
                ssh_sources=wanted.ssh_sources,
            ),
            image=wanted.image,
            volume_gib=wanted.volume_gib,
            backups=wanted.backups,
            vpc_id=settings.network.vpc_id,
            keys_registered=wanted.keys_registered,
            protect=settings.protect,
        ),
    )
    project.hold(droplet.urns)
    return DigitalOceanOutputs(
        platform=settings.platform,
        region=settings.region,
        project=project.project_id,
        droplet=droplet.droplet_id,
        droplet_ip=droplet.ip,
        docker_host=droplet.docker_host,
        protected=settings.protect,
    )


def _database(settings: DigitalOceanSettings) -> ManagedDatabase | None:
    wanted = settings.database
    if wanted.kind == "dev":
        return None
    return ManagedDatabase(
        settings.name,
        ManagedDatabaseArgs(
            region=settings.datacenter,
            size=wanted.size,
            nodes=wanted.nodes,
            version=wanted.version,
            storage_gib=wanted.storage_gib,
            maintenance_day=wanted.maintenance_day,
            maintenance_hour=wanted.maintenance_hour,
            vpc_id=settings.network.vpc_id,
            slow_query_ms=wanted.slow_query_ms,
            protect=settings.protect,
        ),
    )


def _cache(settings: DigitalOceanSettings) -> ManagedCache | None:
    wanted = settings.cache
    if wanted is None:
        return None
    return ManagedCache(
        settings.name,
        ManagedCacheArgs(
            region=settings.datacenter,
            size=wanted.size,
            nodes=wanted.nodes,
            eviction=wanted.eviction,
            maintenance_day=wanted.maintenance_day,
            maintenance_hour=wanted.maintenance_hour,
            vpc_id=settings.network.vpc_id,
        ),
    )


def _spaces(settings: DigitalOceanSettings) -> Spaces | None:
    wanted = settings.spaces
    if wanted is None:
        return None
    return Spaces(
        settings.name,
        SpacesArgs(
            region=settings.datacenter,
            dump_days=wanted.dump_days,
            noncurrent_days=wanted.restore_days,
            protect=settings.protect,
            force_destroy=not settings.production or settings.decommission,
        ),
    )


def _registry(settings: DigitalOceanSettings) -> ContainerRegistry | None:
    wanted = settings.registry
    if wanted is None:
        return None
    return ContainerRegistry(
        settings.name,
        ContainerRegistryArgs(
            name=wanted.name,
            tier=wanted.tier,
            region=settings.registry_region,
            protect=settings.protect,
        ),
    )


def _source(
    settings: DigitalOceanSettings,
) -> app_spec.ImageSource | app_spec.GitHubSource:
    if settings.github:
        return _repository(
            settings.github,
            source_dir=settings.github.source_dir,
            dockerfile_path=settings.github.dockerfile,
        )
    ref = str(settings.image.ref)
    place, _, digest = ref.partition("@")
    host, owner, rest = place.split("/", 2)
    repository, _, tag = rest.partition(":")
    kind = _REGISTRIES[host]
    return app_spec.ImageSource(
        registry_type=kind,
        registry=None if kind == "DOCR" else owner,
        repository=repository,
        digest=digest or None,
        tag=tag or None,
        credentials=settings.secret(REGISTRY_LOGIN),
    )


def _repository(
    github: Github,
    *,
    source_dir: str,
    dockerfile_path: str | None = None,
    build_command: str | None = None,
    environment_slug: str | None = None,
) -> app_spec.GitHubSource:
    return app_spec.GitHubSource(
        repo=github.repository,
        branch=github.branch,
        deploy_on_push=github.deploy_on_push,
        source_dir=source_dir,
        dockerfile_path=dockerfile_path,
        build_command=build_command,
        environment_slug=environment_slug,
    )


def _client(settings: DigitalOceanSettings) -> app_spec.Client | None:
    wanted = settings.client
    if wanted is None or settings.github is None:
        return None
    return app_spec.Client(
        source=_repository(
            settings.github,
            source_dir=wanted.source_dir,
            build_command=wanted.build_command,
            environment_slug="node-js",
        ),
        output_dir=wanted.output_dir,
        catch_all=wanted.catch_all,
    )


def _migration(
    settings: DigitalOceanSettings,
    contract: AppContract,
    admin_url: pulumi.Input[str] | None,
) -> app_spec.Migration:
    """Return the job; the user of a development database owns all that is in it."""
    size = settings.service.size
    if admin_url is None:
        return app_spec.Migration(command=contract.migrate_command, size=size)
    return app_spec.Migration(
        command=granting(contract.migrate_command),
        size=size,
        secrets={"ADMIN_DATABASE_URL": admin_url},
    )


def _autoscaling(settings: DigitalOceanSettings) -> app_spec.Autoscaling | None:
    wanted = settings.autoscaling
    if wanted is None:
        return None
    return app_spec.Autoscaling(
        min_count=wanted.minimum,
        max_count=wanted.maximum,
        cpu_percent=wanted.cpu_percent,
    )


def _domain(settings: DigitalOceanSettings, zone: str | None) -> app_spec.Domain | None:
    if settings.domain is None:
        return None
    name, *aliases = settings.domain.hosts
    return app_spec.Domain(name=name, aliases=aliases, zone=zone)


def _zone(settings: DigitalOceanSettings) -> str | None:
    if settings.dns is None:
        return None
    try:
        return owned_zone(settings.dns.zone)
    except LookupError as missing:
        raise pulumi.RunError(
            f"stromhaltig:dns.zone: {missing}. Add it (doctl compute domain create "
            f"{settings.dns.zone}) and delegate it to ns1.digitalocean.com, or remove "
            "dns and point the domain at output default_host yourself"
        ) from None


def _logs(settings: DigitalOceanSettings) -> app_spec.LogForwarding | None:
    wanted = settings.logs
    if wanted is None:
        return None
    return app_spec.LogForwarding(
        kind=wanted.destination,
        endpoint=wanted.endpoint,
        token=settings.secret(LOG_TOKEN),
    )


def _maintenance(settings: DigitalOceanSettings) -> app_spec.Maintenance | None:
    wanted = settings.maintenance
    if wanted is None:
        return None
    return app_spec.Maintenance(
        archive=wanted.archive, offline_page_url=wanted.offline_page
    )


def _uptime(
    settings: DigitalOceanSettings, health_url: pulumi.Output[str]
) -> Uptime | None:
    wanted = settings.uptime
    if wanted is None:
        return None
    return Uptime(
        settings.name,
        UptimeArgs(
            url=health_url,
            regions=wanted.regions,
            latency_ms=wanted.latency_ms,
            certificate_days=wanted.certificate_days,
            emails=wanted.emails,
            slack_channel=wanted.slack_channel,
            slack_url=settings.secret(SLACK_WEBHOOK),
        ),
    )


def _release(settings: DigitalOceanSettings) -> str:
    github = settings.github
    return f"{github.repository}@{github.branch}" if github else str(settings.image.ref)
