"""Settings of the AWS platform.

`groups` has what every AWS stack has, `options` what a stack file turns on by naming
it, `offers` what AWS sells, `checks` the rules about several settings at once, `review`
the settings of a pull request's stack, which shares what another stack has.
"""

from __future__ import annotations

from settings.aws.checks import CHECKS
from settings.aws.groups import (
    Database,
    DefaultTags,
    Deployment,
    LoadBalancer,
    Logs,
    Network,
    Registry,
    Service,
)
from settings.aws.model import SLACK_WEBHOOK, AwsSettings
from settings.aws.offers import DATABASE_CLASSES, FARGATE_MEMORY, RETIRED_CLASSES
from settings.aws.options import (
    Autoscaling,
    Backups,
    Budget,
    Cache,
    Cdn,
    Firewall,
    Github,
    Jobs,
    Monitoring,
    Reviews,
    ScalingSchedule,
    Uploads,
)

__all__ = [
    "CHECKS",
    "DATABASE_CLASSES",
    "FARGATE_MEMORY",
    "RETIRED_CLASSES",
    "SLACK_WEBHOOK",
    "Autoscaling",
    "AwsSettings",
    "Backups",
    "Budget",
    "Cache",
    "Cdn",
    "Database",
    "DefaultTags",
    "Deployment",
    "Firewall",
    "Github",
    "Jobs",
    "LoadBalancer",
    "Logs",
    "Monitoring",
    "Network",
    "Registry",
    "Reviews",
    "ScalingSchedule",
    "Service",
    "Uploads",
]
