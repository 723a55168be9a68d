"""Settings of a stack: read, typed, checked, or refused in one message.

Everything in `Pulumi.<stack>.yaml` passes through here and nowhere else. Problems
are collected, not raised one by one, and no message holds a secret.

`model` has what every platform shares, `aws` and `docker` what only these have,
`forms` the forms that values take, `parsing` the way from a stack file to settings or
a message.
"""

from __future__ import annotations

from settings.aws import (
    AwsSettings,
    Database,
    LoadBalancer,
    Logs,
    Network,
    Registry,
    Service,
)
from settings.docker import DockerSettings
from settings.model import NAMESPACE, Domain, Image, Settings
from settings.parsing import PLATFORMS, SettingsError, load, parse

__all__ = [
    "NAMESPACE",
    "PLATFORMS",
    "AwsSettings",
    "Database",
    "DockerSettings",
    "Domain",
    "Image",
    "LoadBalancer",
    "Logs",
    "Network",
    "Registry",
    "Service",
    "Settings",
    "SettingsError",
    "load",
    "parse",
]
