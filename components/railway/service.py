"""A service on Railway, from its source to the verdict on its deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_random as random

from components.railway.access import Place
from components.railway.provider.base import part
from components.railway.provider.deployment import DeploymentResource
from components.railway.provider.service import ServiceResource
from components.railway.provider.variables import VariablesResource
from components.railway.provider.volume import VolumeResource


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that is run as it is.

    ref: reference, by digest where the same is to run for ever.
    username, password: login of a private registry; Railway's Pro plan takes one.
    """

    ref: pulumi.Input[str]
    username: str | None = None
    password: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository that Railway builds, and deploys at each push.

    repo: OWNER/NAME at GitHub, which Railway's GitHub app may read.
    branch: whose pushes are deployed.
    """

    repo: str
    branch: str = "main"


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a repository is built.

    dockerfile_path: Dockerfile to build with, by its path in `root_directory`; None
        leaves the choice to Railway, which takes a `Dockerfile` where there is one.
    root_directory: folder that holds the app; None means all of the repository.
    watch_patterns: gitignore-like patterns of files whose changes deploy; none means
        all.
    """

    dockerfile_path: str | None = None
    root_directory: str | None = None
    watch_patterns: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """How a new version starts, takes over, and is started again.

    start_command: instead of the image's entry point, without a shell.
    pre_deploy_command: must end well before a new version starts; sees no volume.
    healthcheck_path: asked on the port of the variable PORT until it answers 200, and
        never again.
    healthcheck_timeout: seconds in which it has to.
    restart_policy, restart_retries: when, and how often, what ended is started again.
    region: where it runs; None leaves it to the workspace.
    replicas: containers; one where there is a volume.
    draining_seconds: between asking the old version to stop and killing it.
    overlap_seconds: that the old version still serves beside the new one.
    sleep: whether it stops while nobody needs it.
    timeout: seconds that a deployment may take, with its build.
    """

    start_command: str | None = None
    pre_deploy_command: str | None = None
    healthcheck_path: str | None = None
    healthcheck_timeout: int = 120
    restart_policy: Literal["ON_FAILURE", "ALWAYS", "NEVER"] = "ON_FAILURE"
    restart_retries: int = 3
    region: str | None = None
    replicas: int = 1
    draining_seconds: int = 0
    overlap_seconds: int = 0
    sleep: bool = False
    timeout: int = 900


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume of a service.

    name: unique in the project.
    path: where the service finds it. It belongs to root: an image with another user
        needs the variable RAILWAY_RUN_UID=0.
    protect: whether Pulumi refuses to delete it.
    """

    name: str
    path: str
    protect: bool = True


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What a service needs to know.

    place: where it is made.
    service_name: unique in the project, and its name in the private network.
    source: what it runs.
    build: how that is built; for a repository.
    deploy: how it is deployed.
    variables: plain ones. A value may refer to others, as `${{NAME}}`.
    secrets: values that nobody may see.
    generated: secret variable to the number of letters and digits to make up.
    volume: its only one.
    starts_after: what must run before it is deployed, such as its database.
    """

    place: Place
    service_name: str
    source: Image | Repository
    build: Build = field(default_factory=Build)
    deploy: Deploy = field(default_factory=Deploy)
    variables: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    generated: Mapping[str, int] = field(default_factory=dict)
    volume: Mount | None = None
    starts_after: Sequence[pulumi.Resource] = ()


class Service(pulumi.ComponentResource):
    """A service with its settings, volume and variables, and one deployment of it all.

    The service is made empty, and deployed once everything is as it should be: Railway
    would start it without its variables otherwise, and again for each change. A change
    of several things is one deployment; `pulumi up` waits for it and fails with it.
    """

    id: pulumi.Output[str]
    """Id of the service."""

    host: pulumi.Output[str]
    """Its name in the private network; nobody outside of the environment reaches it."""

    deployment_id: pulumi.Output[str]
    """The deployment that serves, or did when the stack was deployed."""

    volume_id: pulumi.Output[str] | None
    """Id of the volume; None without one."""

    secrets: tuple[str, ...]
    """Secret variables that it has."""

    def __init__(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:railway:Service", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if twice := args.secrets.keys() & args.generated.keys():
            raise ValueError(f"given and generated: {', '.join(sorted(twice))}")

        service = ServiceResource(
            name,
            {
                **args.place.inputs(),
                "service_name": args.service_name,
                **_source(args),
                **_settings(args.deploy),
            },
            child,
        )
        self.id = part(service, 2)
        here = {**args.place.inputs(), "service_id": self.id}
        triggers: dict[str, pulumi.Output[str]] = {"service": service.revision}

        self.volume_id = None
        if args.volume is not None:
            volume = VolumeResource(
                args.volume.name,
                {
                    **here,
                    "volume_name": args.volume.name,
                    "mount_path": args.volume.path,
                    "region": args.deploy.region,
                },
                pulumi.ResourceOptions(parent=self, protect=args.volume.protect),
            )
            self.volume_id = triggers["volume"] = part(volume, 2)

        hidden: dict[str, pulumi.Input[str]] = dict(args.secrets)
        for variable, length in args.generated.items():
            hidden[variable] = random.RandomPassword(
                f"{name}-{variable.lower().replace('_', '-')}",
                length=length,
                special=False,
                opts=child,
            ).result
        variables = VariablesResource(
            name,
            {
                **here,
                "variables": dict(args.variables),
                "secrets": pulumi.Output.secret(hidden),
            },
            child,
        )
        triggers["variables"] = variables.revision

        deployment = DeploymentResource(
            name,
            {**here, "triggers": triggers, "timeout": args.deploy.timeout},
            pulumi.ResourceOptions(parent=self, depends_on=list(args.starts_after)),
        )

        self.host = self.id.apply(lambda _: f"{args.service_name}.railway.internal")
        self.deployment_id = deployment.deployment_id
        self.secrets = tuple(sorted(hidden))
        self.register_outputs(
            {"id": self.id, "host": self.host, "deployment_id": self.deployment_id}
        )


def _source(args: ServiceArgs) -> dict[str, Any]:
    if isinstance(args.source, Repository):
        return {
            "repository": args.source.repo,
            "branch": args.source.branch,
            "dockerfile_path": args.build.dockerfile_path,
            "root_directory": args.build.root_directory,
            "watch_patterns": list(args.build.watch_patterns),
        }
    password = args.source.password
    return {
        "image": args.source.ref,
        "registry_username": args.source.username,
        "registry_password": None
        if password is None
        else pulumi.Output.secret(password),
    }


def _settings(deploy: Deploy) -> dict[str, Any]:
    checked = deploy.healthcheck_path is not None
    return {
        "start_command": deploy.start_command,
        "pre_deploy_command": deploy.pre_deploy_command,
        "healthcheck_path": deploy.healthcheck_path,
        "healthcheck_timeout": deploy.healthcheck_timeout if checked else None,
        "restart_policy": deploy.restart_policy,
        "restart_retries": deploy.restart_retries,
        "region": deploy.region,
        "replicas": deploy.replicas,
        "draining_seconds": deploy.draining_seconds,
        "overlap_seconds": deploy.overlap_seconds,
        "sleep": deploy.sleep,
    }
