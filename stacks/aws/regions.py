"""Providers of regions beside the stack's own."""

from __future__ import annotations

import pulumi_aws as aws

from settings import AwsSettings

GLOBAL = "us-east-1"
"""Where AWS has what belongs to no region: CloudFront, metrics of Route 53."""


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
