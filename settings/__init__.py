"""Settings of a stack: read, typed, checked, or refused in one message.

Everything in `Pulumi.<stack>.yaml` passes through here and nowhere else. Problems
are collected, not raised one by one, and no message holds a secret.

`model` has what every platform shares, a module or package of each platform's name what
only that one has, `forms` the forms that values take, `parsing` the way from a stack
file to settings or a message.
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
from settings.aws.review import ReviewSettings
from settings.digitalocean import DigitalOceanSettings
from settings.docker import DockerSettings
from settings.model import NAMESPACE, Domain, Image, Settings
from settings.parsing import PLATFORMS, SettingsError, load, parse
from settings.railway import RailwaySettings

__all__ = [
    "NAMESPACE",
    "PLATFORMS",
    "AwsSettings",
    "Database",
    "DigitalOceanSettings",
    "DockerSettings",
    "Domain",
    "Image",
    "LoadBalancer",
    "Logs",
    "Network",
    "RailwaySettings",
    "Registry",
    "ReviewSettings",
    "Service",
    "Settings",
    "SettingsError",
    "load",
    "parse",
]
