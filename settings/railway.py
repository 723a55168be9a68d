"""Settings of Railway, and the checks that Railway would make much later, or never."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from contract import Kind, Variable, matching, nearest_hint
from settings import forms
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import Check, Group, Problem, Settings

TOKEN: Final = "RAILWAY_TOKEN"  # noqa: S105 - its name
"""The secret with the token of Railway's API."""

REGISTRY_LOGIN: Final = "REGISTRY_LOGIN"
"""The secret with the login of a private registry."""

TOKEN_VARIABLES: Final = ("RAILWAY_API_TOKEN", TOKEN)
"""Environment variables that may hold it instead, as Railway's own tools call them."""

REGIONS: Final = (
    "europe-west4-drams3a",
    "us-east4-eqdc4a",
    "us-west2",
    "asia-southeast1-eqsg3a",
)
"""Where services run: Amsterdam, Virginia, California, Singapore.

docs.railway.com/deployments/regions, with the identifiers of config as code.
"""

_REPLICAS: Final[Mapping[str, int]] = MappingProxyType(
    {"hobby": 6, "pro": 42, "enterprise": 50}
)
"""Most replicas of a service (docs.railway.com/pricing/plans)."""

_CONNECTIONS: Final = 100
_OTHER_CONNECTIONS: Final = 10
"""What PostgreSQL takes by default, and what of it is not for the app."""


class _Regions:
    """Accept a region, and name the nearest one for what is not.

    Railway's former names are the beginnings of today's; other clouds' begin with the
    same continent.
    """

    says: Final = f"a region of Railway: {', '.join(REGIONS)}"

    def __call__(self, value: str) -> str:
        """Return the value; raise ValueError if there is no such region."""
        if value in REGIONS:
            return value
        longer = [r for r in REGIONS if r.startswith(value) and value]
        near = [r for r in REGIONS if r[:2] == value[:2].replace("ap", "as")]
        hint = f'. Did you mean "{longer[0]}"?' if longer else ""
        hint = hint or nearest_hint(value, REGIONS)
        if near and not hint:
            hint = f". The nearest is {near[0]}"
        raise ValueError(f'"{value}" is not {self.says}{hint}')


Region = Annotated[str, AfterValidator(_Regions())]
ProjectName = Annotated[
    str,
    AfterValidator(
        matching(
            "a name of letters, digits, spaces, dots, _ and -, up to 50",
            r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,48}[A-Za-z0-9])?",
        )
    ),
]
WorkspaceId = Annotated[
    str,
    AfterValidator(
        matching(
            "an id like 0a1b2c3d-0000-0000-0000-000000000000",
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        )
    ),
]
ApiUrl = Annotated[
    str,
    AfterValidator(
        matching(
            "an address like https://backboard.railway.com/graphql/v2, or one of this "
            "machine over http",
            r"(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost|\[::1\]))"
            r"(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?",
        )
    ),
]
RepositoryPath = Annotated[
    str,
    AfterValidator(
        matching(
            "a path inside the repository, without .. and a leading /",
            r"(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
        )
    ),
]


class Project(Group):
    """The project, which holds everything of the stack."""

    name: ProjectName | None = Field(
        None,
        description="Name of the project; by default that of the stack, "
        "stromhaltig-STACK.",
    )
    workspace: WorkspaceId | None = Field(
        None,
        description="Id of the workspace that pays for it; by default the token's "
        "own. In Railway's dashboard: Cmd or Ctrl K, Copy Workspace ID.",
    )
    plan: Literal["hobby", "pro", "enterprise"] = Field(
        "pro",
        description="Plan of the workspace. It is not changed here: what it does not "
        "allow is refused before Railway does. Hobby lets no SMTP out.",
    )
    api_url: ApiUrl = Field(
        "https://backboard.railway.com/graphql/v2",
        description="Railway's public GraphQL API. The rehearsal names a server on "
        "this machine instead.",
    )
    poll_seconds: int = Field(
        5,
        ge=1,
        le=60,
        description="Seconds between two looks at a deployment that is under way. Plan "
        "hobby allows 1000 requests an hour, all in all.",
    )


class Github(Group):
    """The repository that Railway builds the app from, instead of an image."""

    repository: forms.GithubRepository = Field(
        description="Repository, as OWNER/NAME. Give Railway's GitHub app access to it "
        "first: https://github.com/apps/railway-app."
    )
    branch: forms.GitBranch = Field(
        "main", description="Branch that is built, at each push."
    )
    source_dir: RepositoryPath | None = Field(
        None,
        description="Folder of the repository that holds the app, such as app; by "
        "default all of it.",
    )
    dockerfile: RepositoryPath = Field(
        "Dockerfile", description="Dockerfile, by its path in `source_dir`."
    )


class Service(Group):
    """The app's containers."""

    region: Region = Field(
        "europe-west4-drams3a",
        description="Where everything runs: Amsterdam, Virginia, California or "
        "Singapore. A stack with volumes cannot move without downtime.",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=50,
        description="Containers that run. One where `uploads` has a volume; a plan of "
        "hobby takes 6, one of pro 42.",
    )
    sleep: bool = Field(
        False,
        description="Stop the app after ten minutes without outgoing traffic; the next "
        "request waits for it to start. It pays where nobody looks at night.",
    )
    health_timeout: int = Field(
        300,
        ge=10,
        le=3600,
        description="Seconds that a new version may take to become healthy. After "
        "them the deployment fails, and the old version goes on.",
    )
    overlap: int = Field(
        20,
        ge=0,
        le=600,
        description="Seconds that the old version serves beside the new one. Without "
        "effect with `uploads`: a volume is never mounted twice.",
    )
    draining: int = Field(
        70,
        ge=0,
        le=600,
        description="Seconds between asking the old version to stop and killing it. "
        "The reference app takes up to 62 to finish what it is at.",
    )


class Database(Group):
    """The PostgreSQL service, with a volume."""

    image: forms.ImageRef = Field(
        "postgres:15-bookworm",
        description="Official PostgreSQL 15. Stay with the variant and with Debian's "
        "release: others sort text differently, and indexes would be wrong.",
    )


class Cache(Group):
    """The Redis service."""

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
    volume: bool = Field(
        False,
        description="Keep the data on a volume, so that a restart does not empty it. "
        "All of it can be made again.",
    )
    image: forms.ImageRef = Field("redis:7-bookworm", description="Official Redis 7.")


class RailwaySettings(Settings):
    """A stack's settings on Railway."""

    platform_secrets: ClassVar[tuple[Variable, ...]] = (
        Variable(
            TOKEN,
            Kind.OPERATOR,
            None,
            "Token of Railway's API, of an account or a workspace: a project's cannot "
            "make projects. The environment variable RAILWAY_API_TOKEN does, too.",
            matching("text without spaces", r"\S+"),
            optional=True,
        ),
        Variable(
            REGISTRY_LOGIN,
            Kind.OPERATOR,
            None,
            "USER:TOKEN with which Railway pulls a private image, on plan pro.",
            matching("USER:TOKEN without spaces", r"[^\s:]+:\S+"),
            optional=True,
        ),
    )

    rotated: ClassVar[tuple[str, ...]] = ("REDIS_URL",)

    own_domain: ClassVar[bool] = True

    platform: Literal["railway"] = Field(
        "railway", description="Where the app runs. Its settings are below."
    )
    project: Project = Field(
        Project(), description="The project, which holds everything of the stack."
    )
    github: Github | None = Field(
        None,
        description="The repository that Railway builds the app from, instead of "
        "`image`.",
    )
    service: Service = Field(Service(), description="The app's containers.")
    database: Database = Field(Database(), description="The PostgreSQL service.")
    cache: Cache | None = Field(
        None, description="A Redis service. Without it the app has no cache."
    )
    uploads: bool = Field(
        False,
        description="A volume for uploads, as large as the plan has it (hobby 5 GB, "
        "pro 50 GB). It allows one replica only and some seconds of downtime at each "
        "deployment, and the app runs as root: Railway mounts volumes as root's. "
        "Without it uploads go with the container.",
    )

    @property
    def built_from_source(self) -> bool:
        """Whether Railway builds what runs, from a repository."""
        return self.github is not None

    @property
    def registry_login(self) -> tuple[str, str] | None:
        """User and token of a private registry."""
        login = self.secrets.get(REGISTRY_LOGIN)
        if login is None:
            return None
        user, _, token = login.get_secret_value().partition(":")
        return user, token

    @property
    def project_name(self) -> str:
        """What the project is called."""
        return self.project.name or self.name


def _domain_has_no_zone(settings: RailwaySettings) -> Iterator[Problem]:
    if settings.domain and settings.domain.zone_id:
        yield (
            "domain.zone_id",
            "is for AWS. Remove it, and set the records of output dns_records yourself",
        )


def _image_or_repository(settings: RailwaySettings) -> Iterator[Problem]:
    given = [key for key in ("ref", "context") if getattr(settings.image, key)]
    if settings.github and given:
        yield (
            "github",
            f"is given, and so is image.{given[0]}. Keep one of them: Railway either "
            "builds a repository or pulls an image",
        )


def _railway_gets_what_is_built(settings: RailwaySettings) -> Iterator[Problem]:
    image = settings.image
    if image.context and not image.repository:
        command = settings.command("image.repository", "REGISTRY/OWNER/NAME")
        yield (
            "image.repository",
            "is missing: what is built here reaches Railway through a registry. "
            f"Set it: {command}",
        )


def _there_is_a_token(settings: RailwaySettings) -> Iterator[Problem]:
    if TOKEN in settings.secrets or any(map(os.environ.get, TOKEN_VARIABLES)):
        return
    command = settings.command(f"secrets.{TOKEN}", secret=True)
    yield (
        f"secrets.{TOKEN}",
        f"is missing, and so is the environment variable {TOKEN_VARIABLES[0]}. Make a "
        "token of your account or workspace at https://railway.com/account/tokens, and "
        f"set it: {command}",
    )


def _a_volume_has_one_replica(settings: RailwaySettings) -> Iterator[Problem]:
    replicas = settings.service.replicas
    if settings.uploads and replicas > 1:
        yield (
            "service.replicas",
            f"{replicas} is more than 1, and Railway gives a service with a volume one "
            "replica only. Set it to 1, or remove uploads",
        )


def _the_plan_allows_the_replicas(settings: RailwaySettings) -> Iterator[Problem]:
    replicas, plan = settings.service.replicas, settings.project.plan
    if replicas > _REPLICAS[plan]:
        yield (
            "service.replicas",
            f"{replicas} is more than the {_REPLICAS[plan]} that plan {plan} allows. "
            "Lower it, or set project.plan to what the workspace has",
        )


def _a_login_is_of_use(settings: RailwaySettings) -> Iterator[Problem]:
    path = f"secrets.{REGISTRY_LOGIN}"
    if REGISTRY_LOGIN not in settings.secrets:
        return
    if settings.github:
        yield path, "is for an image, and github is built. Remove it"
    elif settings.project.plan == "hobby":
        yield (
            path,
            "is of no use: plan hobby takes public images only. Upgrade the workspace "
            "and set project.plan to pro, or remove it",
        )


def _the_plan_allows_mail(settings: RailwaySettings) -> Iterator[Problem]:
    host = settings.app.get("SMTP_HOST")
    if host and settings.project.plan == "hobby":
        yield (
            "app.SMTP_HOST",
            f'"{host}" is not reached: Railway lets no SMTP out on plan hobby. Upgrade '
            "the workspace and set project.plan to pro, or remove it",
        )


def _the_database_takes_every_connection(
    settings: RailwaySettings,
) -> Iterator[Problem]:
    replicas = settings.service.replicas
    pool = int(settings.app_value("DB_POOL_MAX"))
    # With a volume the old version is gone before the new one starts.
    versions = 1 if settings.uploads else 2
    needed = versions * replicas * pool + _OTHER_CONNECTIONS
    if needed > _CONNECTIONS:
        yield (
            "app.DB_POOL_MAX",
            f"{pool} is too many: while a release replaces another, {versions} x "
            f"{replicas} replicas may open {pool} each, and {_OTHER_CONNECTIONS} are "
            f"for people, {needed} of PostgreSQL's {_CONNECTIONS}. Lower it, or "
            "service.replicas",
        )


def _sleep_is_worth_it(settings: RailwaySettings) -> Iterator[Problem]:
    if not settings.service.sleep:
        return
    if settings.production:
        yield (
            "service.sleep",
            "true is refused in production: whoever comes first would wait for the app "
            "to start. Remove it",
        )
    least = settings.app_value("DB_POOL_MIN")
    if least != "0":
        command = settings.command("app.DB_POOL_MIN", "0")
        yield (
            "service.sleep",
            f"true has no effect while app.DB_POOL_MIN is {least}: an app with open "
            f"connections never sleeps. Set it: {command}",
        )


def _images_are_of_the_versions_that_are_meant(
    settings: RailwaySettings,
) -> Iterator[Problem]:
    images = [("database.image", settings.database.image, 15, "PostgreSQL 15")]
    if settings.cache:
        images.append(("cache.image", settings.cache.image, 7, "Redis 7"))
    for path, image, version, wanted in images:
        tag = re.search(r":([0-9]+)[^/@]*$", image.partition("@")[0])
        if tag and int(tag[1]) != version:
            yield path, f'"{image}" is not {wanted}, and could not read the data'


CHECKS: Final = (
    *(
        # A repository that is wrong does not mean that an image is missing.
        replace(check, needs=(*check.needs, "github"))
        if "image" in check.needs
        else check
        for check in COMMON_CHECKS
    ),
    Check(_domain_has_no_zone, ("domain",)),
    Check(_image_or_repository, ("image", "github")),
    Check(_railway_gets_what_is_built, ("image",)),
    Check(_there_is_a_token, (f"secrets.{TOKEN}",)),
    Check(_a_volume_has_one_replica, ("service.replicas", "uploads")),
    Check(_the_plan_allows_the_replicas, ("service.replicas", "project.plan")),
    Check(_a_login_is_of_use, ("secrets", "github", "project.plan")),
    Check(_the_plan_allows_mail, ("app", "project.plan")),
    Check(
        _the_database_takes_every_connection,
        ("app", "service.replicas", "uploads"),
    ),
    Check(_sleep_is_worth_it, ("environment", "app", "service.sleep")),
    Check(
        _images_are_of_the_versions_that_are_meant, ("database.image", "cache.image")
    ),
)
"""Rules of Railway, the common ones included."""
