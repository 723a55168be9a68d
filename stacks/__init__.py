"""What a stack consists of, one module for each platform."""

from __future__ import annotations

from contract import AppContract
from settings import AwsSettings, Settings
from stacks import aws
from stacks.aws import AwsOutputs

__all__ = ["AwsOutputs", "deploy"]


def deploy(settings: Settings, contract: AppContract) -> AwsOutputs:
    """Deploy the app on the platform that the settings are for.

    Raises:
        TypeError: for settings of a platform without a stack.
    """
    if isinstance(settings, AwsSettings):
        return aws.deploy(settings, contract)
    raise TypeError(f"{type(settings).__name__} has no stack; write one in stacks/")
