"""Providers of regions beside the stack's own."""

from __future__ import annotations

import pulumi_aws as aws

from settings import AwsSettings

GLOBAL = "us-east-1"
"""Where AWS has what belongs to no region: CloudFront, metrics of Route 53."""


def is_abroad(settings: AwsSettings) -> bool:
    """Whether something of the stack is in us-east-1."""
    monitoring = settings.monitoring
    checked = monitoring and monitoring.health_check and settings.domain
    return settings.cdn is not None or bool(checked)


def regions(settings: AwsSettings) -> list[str]:
    """Every region that the stack has something in, its own first."""
    backups = settings.backups
    copies = [backups.copy_region] if backups and backups.copy_region else []
    abroad = [GLOBAL] if is_abroad(settings) else []
    return list(dict.fromkeys([settings.region, *copies, *abroad]))


def provider(
    settings: AwsSettings, region: str, *, wanted: bool
) -> aws.Provider | None:
    """A provider of another region; None when nothing of the stack is there.

    A provider that is made does not read the stack's `aws:` settings: those that say
    whose account it is, and how its things are tagged, are handed on.
    """
    if not wanted:
        return None
    tags = settings.default_tags.tags
    return aws.Provider(
        f"{settings.name}-{region}",
        region=region,
        profile=settings.profile or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=dict(tags)) if tags else None,
    )
