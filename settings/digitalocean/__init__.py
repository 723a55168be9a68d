"""Settings of DigitalOcean.

`groups` has the groups of a stack file, `offers` what DigitalOcean sells, `model` the
whole, `checks` the rules about several settings at once.
"""

from __future__ import annotations

from settings.digitalocean.checks import CHECKS, DOCR, TOKENS
from settings.digitalocean.groups import Database, Github, Service
from settings.digitalocean.model import (
    LOG_TOKEN,
    REGISTRY_LOGIN,
    SLACK_WEBHOOK,
    TOKEN_KEY,
    DigitalOceanSettings,
)
from settings.digitalocean.offers import (
    APP_SIZE,
    CACHE_SIZE,
    DATABASE_SIZE,
    DROPLET_SIZE,
    REGION,
)

__all__ = [
    "APP_SIZE",
    "CACHE_SIZE",
    "CHECKS",
    "DATABASE_SIZE",
    "DOCR",
    "DROPLET_SIZE",
    "LOG_TOKEN",
    "REGION",
    "REGISTRY_LOGIN",
    "SLACK_WEBHOOK",
    "TOKENS",
    "TOKEN_KEY",
    "Database",
    "DigitalOceanSettings",
    "Github",
    "Service",
]
