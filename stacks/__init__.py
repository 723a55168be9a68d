"""What a stack consists of, one module for each platform."""

from __future__ import annotations

import pulumi

from contract import AppContract
from settings import (
    AwsSettings,
    DigitalOceanSettings,
    DockerSettings,
    RailwaySettings,
    ReviewSettings,
    Settings,
)
from stacks import aws, docker_host
from stacks.aws import AwsOutputs, ReviewOutputs, review
from stacks.docker_host import DockerOutputs
from stacks.outputs import Outputs

__all__ = ["AwsOutputs", "DockerOutputs", "Outputs", "ReviewOutputs", "deploy"]


def deploy(settings: Settings, contract: AppContract) -> Outputs:
    """Deploy the app on the platform that the settings are for.

    Raises:
        TypeError: for settings of a platform without a stack.
    """
    _tell_what_is_not_built(settings)
    if isinstance(settings, AwsSettings):
        return aws.deploy(settings, contract)
    if isinstance(settings, ReviewSettings):
        return review.deploy(settings, contract)
    if isinstance(settings, DockerSettings):
        return docker_host.deploy(settings, contract)
    if isinstance(settings, DigitalOceanSettings):
        from stacks import digitalocean  # two seconds, for its SDK

        return digitalocean.deploy(settings, contract)
    if isinstance(settings, RailwaySettings):
        from stacks import railway  # for its HTTP client

        return railway.deploy(settings, contract)
    raise TypeError(f"{type(settings).__name__} has no stack; write one in stacks/")


def _tell_what_is_not_built(settings: Settings) -> None:
    image = settings.image
    if image.ref and image.context:
        pulumi.log.warn(
            f'image.ref is deployed, and "{image.context}" is not built while it is '
            "set. To build again: pulumi config rm --path 'stromhaltig:image.ref' "
            f"--stack {settings.stack}"
        )
