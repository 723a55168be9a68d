"""Railway's config as code: `railway.json` or `railway.toml`, from the app contract.

Railway reads one of the two in the repository that it builds from, and what it says
wins over the service's settings. The guide's `[env]` is no section of it: variables
belong to the service. Names and kinds are those of the published reference
(docs.railway.com/config-as-code/reference); a number in quotes, as some of its examples
have it, is refused by Railway (github.com/railwayapp/docs/issues/1243).
"""

from __future__ import annotations

import json
import shlex
from typing import Final, Literal

from components.railway.service import Build, Deploy
from contract import AppContract

SCHEMA: Final = "https://railway.com/railway.schema.json"
"""Where the schema is published, for editors."""

RESTART_POLICY: Final[Literal["ON_FAILURE"]] = "ON_FAILURE"
RESTARTS: Final = 3
"""When a container is started again, and how often (guide: railway.toml)."""

Value = str | int | list[str]
Config = dict[str, dict[str, Value]]
"""Sections with their fields, in the order in which they are written."""

_BUILD_SECONDS: Final = 900  # waiting, building or pulling, and migrating
_WHOLE_REPOSITORY: Final = ("**", "!/*.md", "!/docs/**")


def build(dockerfile: str = "Dockerfile", root: str | None = None) -> Build:
    """Return how the app is built from a repository.

    Patterns start at the top of the repository even where there is a root directory.
    Documents do not deploy.

    Args:
        dockerfile: path in `root`.
        root: folder of the repository that holds the app; None for all of it.
    """
    folder = (root or "").strip("/")
    return Build(
        dockerfile_path=dockerfile,
        root_directory=folder or None,
        watch_patterns=(f"/{folder}/**",) if folder else _WHOLE_REPOSITORY,
    )


def deploy(
    contract: AppContract,
    *,
    region: str | None = None,
    replicas: int = 1,
    health_timeout: int = 300,
    overlap: int = 0,
    draining: int = 0,
    sleep: bool = False,
) -> Deploy:
    """Return how Railway deploys the app of a contract.

    Railway asks for the app's health while it deploys and never again, so that is the
    path that looks at the database too: an outage of it restarts nothing.

    Args:
        contract: says what is asked, and what migrates the database.
        region: where it runs; None leaves it to the workspace.
        replicas: containers.
        health_timeout: seconds in which a new version must become healthy.
        overlap: seconds that the old version still serves beside the new one.
        draining: seconds between asking the old version to stop and killing it.
        sleep: whether it stops while nobody needs it.
    """
    return Deploy(
        pre_deploy_command=shlex.join(contract.migrate_command),
        healthcheck_path=contract.health_path,
        healthcheck_timeout=health_timeout,
        restart_policy=RESTART_POLICY,
        restart_retries=RESTARTS,
        region=region,
        replicas=replicas,
        draining_seconds=draining,
        overlap_seconds=overlap,
        sleep=sleep,
        timeout=_BUILD_SECONDS + health_timeout,
    )


def config(built: Build, deployed: Deploy) -> Config:
    """Return the sections of the file.

    Region, replicas and sleep are left to the service: they differ between stacks, and
    the file is one for all of them.
    """
    how: dict[str, Value] = {"builder": "DOCKERFILE"}
    how["dockerfilePath"] = built.dockerfile_path or "Dockerfile"
    if built.watch_patterns:
        how["watchPatterns"] = list(built.watch_patterns)
    then: dict[str, Value] = {}
    if deployed.start_command:
        then["startCommand"] = deployed.start_command
    if deployed.pre_deploy_command:
        then["preDeployCommand"] = [deployed.pre_deploy_command]
    if deployed.healthcheck_path:
        then["healthcheckPath"] = deployed.healthcheck_path
        then["healthcheckTimeout"] = deployed.healthcheck_timeout
    then["restartPolicyType"] = deployed.restart_policy
    then["restartPolicyMaxRetries"] = deployed.restart_retries
    then["overlapSeconds"] = deployed.overlap_seconds
    then["drainingSeconds"] = deployed.draining_seconds
    return {"build": how, "deploy": then}


def as_json(built: Build, deployed: Deploy) -> str:
    """Return the text of `railway.json`."""
    document = {"$schema": SCHEMA, **config(built, deployed)}
    return json.dumps(document, indent=2) + "\n"


def as_toml(built: Build, deployed: Deploy) -> str:
    """Return the text of `railway.toml`, which says the same."""
    sections = [
        "\n".join([f"[{name}]", *(_assignment(k, v) for k, v in fields.items())])
        for name, fields in config(built, deployed).items()
    ]
    return "\n\n".join(sections) + "\n"


def _assignment(key: str, value: Value) -> str:
    """JSON's strings, numbers and lists are TOML's too."""
    return f"{key} = {json.dumps(value)}"
