"""Who may deploy: roles for the workflows of a GitHub repository."""

from __future__ import annotations

import pulumi

import names
from components.deploy_role import (
    DeployRole,
    DeployRoleArgs,
    ReviewRoleArgs,
    bounded_roles,
)
from components.review_host import function_name
from components.state_backend import StateBackendFacts
from settings import AwsSettings
from stacks.aws.regions import regions


def deployers(
    settings: AwsSettings, account_id: pulumi.Output[str]
) -> DeployRole | None:
    """The roles, if the settings want them; every role made afterwards is bounded.

    To be called before anything that has roles: the one that deploys may only make
    such as have its boundary.
    """
    wanted = settings.github
    if wanted is None:
        return None
    domain = settings.domain
    roles = DeployRole(
        settings.name,
        DeployRoleArgs(
            repository=wanted.repository,
            environment=wanted.environment or settings.stack,
            preview_environment=wanted.preview_environment
            or f"{settings.stack}-preview",
            branch=wanted.branch,
            subject=wanted.subject,
            repository_id=wanted.repository_id,
            github_provider_arn=wanted.provider_arn,
            account_id=account_id,
            stack_name=settings.name,
            secrets=names.secrets(settings.stack),
            tags=settings.default_tags.tags,
            regions=regions(settings),
            zone_ids=[domain.zone_id] if domain and domain.zone_id else [],
            state=StateBackendFacts(
                bucket_arn=f"arn:aws:s3:::{wanted.state_bucket}",
                key_arn=wanted.state_key_arn,
            ),
            review=(
                _review(settings, wanted.review_environment)
                if settings.reviews
                else None
            ),
        ),
    )
    pulumi.runtime.register_stack_transformation(bounded_roles(roles.boundary_arn))
    return roles


def _review(settings: AwsSettings, environment: str) -> ReviewRoleArgs:
    """Stacks `pr-N` beside this one, as `settings.aws.review` names and tags them."""
    return ReviewRoleArgs(
        environment=environment,
        stack_name=f"{names.PROJECT}-pr-",
        secrets=names.secrets("pr-*"),
        tags={"Project": names.PROJECT, "Environment": "pr-*"},
        region=settings.region,
        function_name=function_name(settings.name),
        project=pulumi.get_project(),
        base=settings.stack,
        stacks="pr-*",
    )
