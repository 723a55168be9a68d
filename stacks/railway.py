"""Railway: a project with the app, PostgreSQL, Redis and a volume for uploads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.generated_secrets import GeneratedSecrets, GeneratedSecretsArgs
from components.image import PLATFORMS, AppImage, AppImageArgs
from components.image import Build as ImageBuild
from components.railway import config_file
from components.railway.access import Access, Place
from components.railway.cache import Cache, CacheArgs
from components.railway.database import Database, DatabaseArgs
from components.railway.domain import Domain, DomainArgs
from components.railway.project import Project, ProjectArgs
from components.railway.service import (
    Build,
    Deploy,
    Image,
    Mount,
    Repository,
    Service,
    ServiceArgs,
)
from contract import AppContract
from settings.railway import TOKEN, RailwaySettings
from stacks.outputs import Outputs

APP = "app"
"""Name of the app's service, and of its host in the private network."""

_PROXIES = 2
"""Railway's edge near the client, and its proxy in the region: what stands in
X-Forwarded-For is the client's address, then the edge's."""

_ROOT = "0"
"""Railway mounts volumes as root's, which the image's own user cannot write to."""


@dataclass(frozen=True, kw_only=True)
class RailwayOutputs(Outputs):
    """What is known of a stack on Railway; null where the stack makes no such."""

    platform: str
    """`railway`."""

    region: str
    """Region of every service."""

    project: pulumi.Output[str]
    """ID of the project."""

    environment: pulumi.Output[str]
    """ID of its environment."""

    dashboard: pulumi.Output[str]
    """The project in Railway's dashboard."""

    url: pulumi.Output[str]
    """Where the app answers."""

    health_url: pulumi.Output[str]
    """Answers 200 when the app, its database and its cache work."""

    transport: str
    """`https`, and where the certificate comes from."""

    dns_records: pulumi.Output[list[dict[str, str]]]
    """Records that the domain's owner has to make: type, name and value."""

    release: pulumi.Input[str]
    """Image reference that was asked for, or OWNER/NAME@BRANCH of a repository."""

    service: pulumi.Output[str]
    """ID of the app's service."""

    deployment: pulumi.Output[str]
    """ID of the app's deployment that this program made last."""

    database: pulumi.Output[str]
    """ID of the PostgreSQL service."""

    database_name: str
    """Database, and the app's role in it."""

    database_volume: pulumi.Output[str]
    """ID of the volume with the database."""

    cache: pulumi.Output[str] | None
    """ID of the Redis service."""

    uploads_volume: pulumi.Output[str] | None
    """ID of the volume with uploaded files."""

    secrets: Sequence[str]
    """Secret variables of the app's service."""

    config_file: str | None
    """Text of `railway.json` for the repository that Railway builds."""

    protected: bool
    """Whether Pulumi refuses to delete what holds data."""


def deploy(settings: RailwaySettings, contract: AppContract) -> RailwayOutputs:
    """Deploy the app on Railway: what the contract asks for, wired together."""
    name = settings.name
    project = Project(
        name,
        ProjectArgs(
            access=_access(settings),
            project_name=settings.project_name,
            description=f"Made by Pulumi, stack {settings.stack}",
            environment=settings.environment,
            workspace_id=settings.project.workspace,
            protect=settings.protect,
        ),
    )
    place = project.place
    region = settings.service.region
    database = Database(
        name,
        DatabaseArgs(
            place=place,
            image=settings.database.image,
            region=region,
            protect=settings.protect,
        ),
    )
    cache = _cache(settings, place)
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
        "DATABASE_URL": database.url,
    }
    if cache:
        secrets["REDIS_URL"] = cache.url
    release, source = _source(settings)
    built = _build(settings)
    deployed = _deploy(settings, contract)
    variables = contract.environment(
        settings.app, cache=cache is not None, proxies=_PROXIES
    )
    if settings.uploads:
        variables["RAILWAY_RUN_UID"] = _ROOT
    app = Service(
        name,
        ServiceArgs(
            place=place,
            service_name=APP,
            source=source,
            build=built or Build(),
            deploy=deployed,
            variables=variables,
            secrets=secrets,
            volume=_uploads(settings, contract),
            # The migration is part of the deployment, and needs a database.
            starts_after=[database, *([cache] if cache else [])],
        ),
    )
    domains = _domains(settings, contract, place, app)

    url = domains[0].url
    return RailwayOutputs(
        platform=settings.platform,
        region=region,
        project=project.id,
        environment=project.environment_id,
        dashboard=pulumi.Output.format(
            "https://railway.com/project/{0}?environmentId={1}",
            project.id,
            project.environment_id,
        ),
        url=url,
        health_url=pulumi.Output.concat(url, contract.health_path),
        transport="https, certificate: Railway's",
        dns_records=pulumi.Output.all(*(d.dns_records for d in domains)).apply(
            lambda of_each: [record for records in of_each for record in records]
        ),
        release=release,
        service=app.id,
        deployment=app.deployment_id,
        database=database.service_id,
        database_name=database.name,
        database_volume=database.volume_id,
        cache=cache.service_id if cache else None,
        uploads_volume=app.volume_id,
        secrets=app.secrets,
        config_file=config_file.as_json(built, deployed) if built else None,
        rotations=settings.rotations,
        protected=settings.protect,
    )


def app_file(settings: RailwaySettings, contract: AppContract) -> str:
    """Return `railway.json`, for a repository that Railway builds by itself.

    Nothing is asked of Railway.
    """
    built = _build(settings) or config_file.build()
    return config_file.as_json(built, _deploy(settings, contract))


def _deploy(settings: RailwaySettings, contract: AppContract) -> Deploy:
    wanted = settings.service
    return config_file.deploy(
        contract,
        region=wanted.region,
        replicas=wanted.replicas,
        health_timeout=wanted.health_timeout,
        overlap=wanted.overlap,
        draining=wanted.draining,
        sleep=wanted.sleep,
    )


def _access(settings: RailwaySettings) -> Access:
    """Return how the API is reached; without a token here, by the environment's."""
    token = settings.secrets.get(TOKEN)
    return Access(
        token=pulumi.Output.secret(token.get_secret_value()) if token else None,
        endpoint=settings.project.api_url,
        poll_seconds=settings.project.poll_seconds,
    )


def _cache(settings: RailwaySettings, place: Place) -> Cache | None:
    wanted = settings.cache
    if wanted is None:
        return None
    return Cache(
        settings.name,
        CacheArgs(
            place=place,
            image=wanted.image,
            region=settings.service.region,
            memory=wanted.memory,
            eviction=wanted.eviction,
            volume=wanted.volume,
            generation=settings.rotations.get("REDIS_URL", 0),
        ),
    )


def _source(
    settings: RailwaySettings,
) -> tuple[pulumi.Input[str], Image | Repository]:
    """Return what is released, in words and for the service."""
    github = settings.github
    if github:
        release = f"{github.repository}@{github.branch}"
        return release, Repository(repo=github.repository, branch=github.branch)
    user, token = settings.registry_login or (None, None)
    ref = AppImage(settings.name, _image(settings)).ref
    password = None if token is None else pulumi.Output.secret(token)
    return ref, Image(ref=ref, username=user, password=password)


def _image(settings: RailwaySettings) -> AppImageArgs:
    wanted = settings.image
    if wanted.ref or wanted.context is None:
        return AppImageArgs(ref=wanted.ref)
    return AppImageArgs(
        build=ImageBuild(
            context=wanted.context,
            dockerfile=wanted.dockerfile,
            build_args=wanted.build_args,
            platforms=[PLATFORMS["x86_64"]],
            repository=wanted.repository or settings.name,
            cache=wanted.cache,
            cache_ref=wanted.cache_ref,
            builder=wanted.builder,
        )
    )


def _build(settings: RailwaySettings) -> Build | None:
    """Return how Railway builds the repository, if it does."""
    github = settings.github
    if github is None:
        return None
    return config_file.build(github.dockerfile, github.source_dir)


def _uploads(settings: RailwaySettings, contract: AppContract) -> Mount | None:
    if not settings.uploads:
        return None
    return Mount(
        name=f"{settings.name}-uploads",
        path=contract.upload_dir,
        protect=settings.protect,
    )


def _domains(
    settings: RailwaySettings, contract: AppContract, place: Place, app: Service
) -> list[Domain]:
    """Return the domains of the app, the one that it is known by first."""
    hosts = settings.domain.hosts if settings.domain else (None,)
    return [
        Domain(
            f"{settings.name}-{host}" if host else settings.name,
            DomainArgs(place=place, service_id=app.id, port=contract.port, name=host),
        )
        for host in hosts
    ]
