"""A pull request's stack: a service, a database and secrets on what another has."""

from __future__ import annotations

import pulumi

import names
from components.container_definitions import HealthCheck
from components.deploy_role import bounded_roles
from components.host_route import HostRoute, HostRouteArgs
from components.review_database import (
    ReviewConnection,
    ReviewConnectionArgs,
    ReviewDatabase,
    ReviewDatabaseArgs,
)
from components.secrets import Secrets, SecretsArgs
from components.service import Service, ServiceArgs
from components.task_definition import repository_arn
from contract import AppContract
from settings import ReviewSettings
from stacks.aws.base import Base
from stacks.aws.outputs import ReviewOutputs
from stacks.aws.stack import ARCHITECTURES, references

_FIRST_PRIORITY = 100
"""Of the listener's rules; what is before belongs to the base."""

_DRAINING = 5
"""Seconds for requests to finish: a new release is waited for, and nobody else uses
the old one."""


def deploy(settings: ReviewSettings, contract: AppContract) -> ReviewOutputs:
    """Deploy the app beside its base, as small as it can be and all of it deletable.

    Raises:
        RunError: when the base is not up with reviews.
    """
    name = settings.name
    base = Base(settings)
    pulumi.runtime.register_stack_transformation(bounded_roles(base.boundary))
    connection = ReviewConnection(
        name,
        ReviewConnectionArgs(
            stack=settings.stack,
            endpoint=base.database_endpoint,
            ssl_mode=base.ssl_mode,
        ),
    )
    secrets = Secrets(
        name,
        SecretsArgs(
            prefix=names.secrets(settings.stack),
            kms_key_arn=base.key,
            account_id=base.account,
            recovery_window_days=0,
            generated=contract.to_generate(
                settings.secrets,
                settings.rotations,
                previous=settings.accept_previous,
            ),
            provided={"DATABASE_URL": connection.url, **settings.app_secrets()},
        ),
    )
    database = ReviewDatabase(
        name,
        ReviewDatabaseArgs(
            stack=settings.stack,
            function_name=base.database_function,
            version_id=secrets.entries["DATABASE_URL"].version_id,
        ),
    )
    route = HostRoute(
        name,
        HostRouteArgs(
            listener_arn=base.listener,
            host=base.domain.apply(lambda domain: f"{settings.stack}.{domain}"),
            priority=_FIRST_PRIORITY + settings.number,
            vpc_id=base.vpc,
            target_port=contract.port,
            health_path=contract.liveness_path,
            deregistration_delay=_DRAINING,
        ),
    )
    service = Service(
        name, _service(settings, contract, base, secrets, database, route)
    )
    entries = secrets.entries
    return ReviewOutputs(
        platform=settings.platform,
        base=settings.base,
        pull_request=settings.number,
        expires=settings.expires,
        region=settings.region,
        account=base.account,
        url=route.url,
        health_url=route.url.apply(lambda url: f"{url}{contract.health_path}"),
        transport="https",
        release=str(settings.image.ref),
        cluster=service.cluster_name,
        service=service.service_name,
        task_definition=service.task_definition_arn,
        task_subnets=base.task_subnets,
        task_security_group=base.security_group,
        log_group=service.log_group_name,
        secrets={variable: entry.name for variable, entry in entries.items()},
        rotations=settings.rotations,
        secret_arns={variable: entry.arn for variable, entry in entries.items()},
        database_endpoint=base.database_endpoint,
        database_name=connection.name,
        target_group=route.target_group_arn,
        protected=False,
    )


def _service(
    settings: ReviewSettings,
    contract: AppContract,
    base: Base,
    secrets: Secrets,
    database: ReviewDatabase,
    route: HostRoute,
) -> ServiceArgs:
    """One task without uploads that last, in a cluster of its own, which is free."""
    image, wanted = settings.image.ref, settings.service
    if image is None:
        raise ValueError("image.ref is missing; the settings see to it")
    return ServiceArgs(
        image=image,
        repository_arn=repository_arn(image),
        port=contract.port,
        environment=contract.environment(settings.app),
        secrets=references(secrets, contract),
        health_check=HealthCheck(command=contract.health_command()),
        migrate_command=contract.migrate_command,
        writable_paths=contract.writable_dirs,
        uid=contract.uid,
        gid=contract.gid,
        cpu=wanted.cpu,
        memory=wanted.memory,
        architecture=ARCHITECTURES[wanted.architecture],
        desired_count=1,
        spot_percent=0 if wanted.on_demand else 100,
        subnet_ids=base.task_subnets,
        security_group_ids=[base.security_group],
        target_group_arn=route.target_group_arn,
        container_insights=False,
        kms_key_arn=base.key,
        log_group_name=names.log_group(settings.stack),
        log_retention_days=settings.logs.retention_days,
        stop_timeout=2 * _DRAINING,
        keep_revisions=False,
        # The task begins by migrating the database.
        starts_after=[database],
    )
