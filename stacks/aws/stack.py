"""Everything that the contract asks for, on AWS, wired together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import pulumi
import pulumi_aws as aws

import names
from components.backup_bucket import access_log_statement
from components.cache import PORT as CACHE_PORT
from components.cache import Cache, CacheArgs
from components.cdn import log_delivery_statement
from components.certificate import Certificate
from components.container_definitions import HealthCheck
from components.database import Database, DatabaseArgs
from components.deploy_role import DeployRole
from components.deployment import BlueGreen, Canary, Deployment, Linear, Rolling
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from components.image import PLATFORMS, AppImage, AppImageArgs, Build, Login
from components.load_balancer import (
    HEALTH_INTERVAL,
    HEALTHY_THRESHOLD,
    HTTP_TEST_PORT,
    HTTPS_TEST_PORT,
    HttpsArgs,
    LoadBalancer,
    LoadBalancerArgs,
)
from components.log_bucket import LogBucket, LogBucketArgs
from components.network import Network, NetworkArgs
from components.notifications import PUBLISHERS
from components.registry import BUILD_TAG_PREFIX, Registry, RegistryArgs
from components.review_host import ReviewHost, ReviewHostArgs
from components.secrets import Secrets, SecretsArgs
from components.security_groups import SecurityGroups, SecurityGroupsArgs
from components.service import Service, ServiceArgs
from components.task_definition import repository_arn
from components.traffic import TrafficArgs
from components.uploads import Uploads, UploadsArgs
from contract import AppContract
from rollout import Rollout, design_time
from settings import AwsSettings
from settings.aws import SLACK_WEBHOOK
from settings.aws import Deployment as DeploymentSettings
from stacks.aws import edge, operations
from stacks.aws.deployers import deployers
from stacks.aws.outputs import AwsOutputs
from stacks.aws.regions import GLOBAL, is_abroad, provider
from stacks.login import login

ADMIN_URL = "DATABASE_ADMIN_URL"
"""Secret beside the app's: the database for who administers it."""

ARCHITECTURES: Mapping[str, Literal["ARM64", "X86_64"]] = {
    "arm64": "ARM64",
    "x86_64": "X86_64",
}
"""Processors, as the settings call them and as ECS does."""


def deploy(settings: AwsSettings, contract: AppContract) -> AwsOutputs:
    """Everything the contract asks for, on AWS, wired together.

    Raises:
        RunError: when the region has fewer zones than the settings ask for.
    """
    name = settings.name
    account_id = aws.get_caller_identity_output().account_id
    environment = contract.environment(
        settings.app,
        cache=settings.cache is not None,
        proxies=2 if settings.cdn else 1,
    )
    holds_data = pulumi.ResourceOptions(protect=settings.protect)
    roles = deployers(settings, account_id)
    in_the_world = provider(settings, GLOBAL, wanted=is_abroad(settings))

    key = EncryptionKey(
        name,
        EncryptionKeyArgs(
            description=f"What {name} stores: database, secrets, images, logs",
            account_id=account_id,
            region=settings.region,
            keep=settings.database.final_snapshot,
            publishers=PUBLISHERS if settings.monitoring else (),
        ),
        holds_data,
    )
    network = Network(name, _network(settings, key))
    groups = SecurityGroups(
        name,
        SecurityGroupsArgs(
            vpc_id=network.vpc_id,
            app_port=contract.port,
            cache_port=CACHE_PORT if settings.cache else None,
            uploads=settings.uploads is not None,
            allowed_cidrs=settings.load_balancer.allowed_cidrs,
            allowed_prefix_list_id=edge.cloudfront_addresses(settings),
            https=settings.domain is not None,
            test_port=_test_port(settings),
            test_cidrs=settings.deployment.test_cidrs if settings.deployment else (),
            smtp_port=_smtp_port(environment),
        ),
    )
    registry = Registry(
        name,
        RegistryArgs(
            repository_name=names.repository(settings.stack),
            kms_key_arn=key.arn,
            keep_images=settings.registry.keep_images,
            force_delete=not settings.protect,
        ),
        holds_data,
    )
    image = AppImage(name, _image(settings, registry))
    database = Database(name, _database(settings, key, network, groups), holds_data)
    cache = _cache(settings, key, network, groups)
    uploads = _uploads(settings, contract, key, network, groups, holds_data)
    secrets = Secrets(
        name, _secrets(settings, contract, key, account_id, database, cache), holds_data
    )
    access_logs = LogBucket(
        name,
        LogBucketArgs(
            account_id=account_id,
            retention_days=settings.load_balancer.access_log_days,
            keep=settings.protect,
            more_statements=_log_deliveries(settings),
        ),
        holds_data,
    )
    certificate = edge.certificate(settings)
    origin_secret = edge.origin_secret(settings)
    balancer = LoadBalancer(
        name,
        _load_balancer(
            settings, contract, network, groups, access_logs, certificate, origin_secret
        ),
    )
    front = edge.protect(
        settings,
        contract,
        balancer=balancer,
        certificate=certificate,
        origin_secret=origin_secret,
        logs=access_logs,
        kms_key_arn=key.arn,
        global_provider=in_the_world,
    )
    letters = operations.dead_letters(settings)
    alerting = operations.alerting(
        settings,
        key=key,
        secrets=secrets,
        letters=letters,
        balancer=balancer,
        global_provider=in_the_world,
    )
    task = _task(
        settings,
        contract,
        environment,
        image=image,
        registry=registry,
        network=network,
        groups=groups,
        balancer=balancer,
        secrets=secrets,
        uploads=uploads,
        alerting=alerting,
        key=key,
    )
    service = Service(name, task)
    operations.autoscaling(settings, service=service, balancer=balancer)
    jobs = operations.jobs(
        settings,
        contract,
        account_id=account_id,
        key=key,
        task=task,
        service=service,
        letters=letters,
        alerting=alerting,
        logs=access_logs,
        opts=holds_data,
    )
    plan = operations.backups(
        settings,
        key=key,
        database=database,
        uploads=uploads,
        groups=groups,
        copy_provider=_copy_provider(settings, in_the_world),
        opts=holds_data,
    )
    reviews = _reviews(
        settings,
        contract,
        key=key,
        network=network,
        groups=groups,
        balancer=balancer,
        certificate=certificate,
        secrets=secrets,
    )
    budget = operations.budget(settings, alerting)
    watch = operations.watch(
        settings,
        contract,
        alerting=alerting,
        balancer=balancer,
        service=service,
        database=database,
        cache=cache,
        edge=front,
        letters=letters,
        plan=plan,
        certificate_arn=certificate.arn if certificate else None,
        budget=budget,
        global_provider=in_the_world,
    )
    rollout = _rollout(settings)

    return AwsOutputs(
        platform=settings.platform,
        region=settings.region,
        account=account_id,
        url=balancer.url,
        health_url=pulumi.Output.concat(balancer.url, contract.health_path),
        transport=(
            "http only: the stack has no domain" if balancer.insecure else "https"
        ),
        release=image.ref,
        cluster=service.cluster_name,
        service=service.service_name,
        task_definition=service.task_definition_arn,
        task_subnets=network.private_subnet_ids,
        task_security_group=groups.service_id,
        log_group=service.log_group_name,
        repository=registry.repository_url,
        secrets={v: entry.name for v, entry in secrets.entries.items()},
        secret_arns={v: entry.arn for v, entry in secrets.entries.items()},
        database=database.identifier,
        database_endpoint=database.endpoint,
        database_name=database.database_name,
        database_user=database.user,
        final_snapshot=database.final_snapshot_identifier,
        cache=cache.replication_group_id if cache else None,
        uploads=uploads.file_system_id if uploads else None,
        firewall=front.firewall.name if front.firewall else None,
        firewall_log_group=front.firewall.log_group_name if front.firewall else None,
        distribution=front.cdn.distribution_id if front.cdn else None,
        strategy=settings.strategy,
        rollout_seconds=rollout.serving,
        rollout=[
            {"what": part.what, "seconds": part.seconds} for part in rollout.parts
        ],
        scaling=(
            {
                "minimum": settings.autoscaling.minimum,
                "maximum": settings.autoscaling.maximum,
            }
            if settings.autoscaling
            else None
        ),
        jobs=jobs.task_definitions if jobs else {},
        schedules=(
            {n: t.schedule_name for n, t in jobs.scheduled.items()} if jobs else {}
        ),
        job_failures=letters.url if letters and jobs else None,
        backups=jobs.bucket.bucket_name if jobs else None,
        backup_vault=plan.vault_name if plan else None,
        topic=alerting.topic.topic_arn if alerting else None,
        alarms=watch.alarms,
        dashboard=watch.dashboard.name if watch.dashboard else None,
        health_check=watch.health_check.health_check_id if watch.health_check else None,
        reviews=_lent(settings, reviews, roles) if reviews else None,
        budget=budget.budget_name if budget else None,
        deploy_roles=(
            {
                "preview": roles.preview_role_arn,
                "apply": roles.apply_role_arn,
                **({"review": roles.review_role_arn} if roles.review_role_arn else {}),
            }
            if roles
            else {}
        ),
        load_balancer=balancer.dns_name,
        load_balancer_metric=balancer.arn_suffix,
        target_group=balancer.target_group_arn,
        access_logs=access_logs.bucket_name,
        vpc=network.vpc_id,
        outgoing_ips=network.nat_public_ips,
        key=key.arn,
        rotations=settings.rotations,
        protected=settings.protect,
    )


def _image(settings: AwsSettings, registry: Registry) -> AppImageArgs:
    wanted = settings.image
    if wanted.ref or wanted.context is None:
        return AppImageArgs(ref=wanted.ref)
    token = aws.ecr.get_authorization_token_output()
    return AppImageArgs(
        build=Build(
            context=wanted.context,
            dockerfile=wanted.dockerfile,
            build_args=wanted.build_args,
            platforms=[PLATFORMS[settings.service.architecture]],
            repository=registry.repository_url,
            login=Login(
                address=registry.repository_url,
                username=token.user_name,
                password=token.password,
            ),
            tag_prefix=BUILD_TAG_PREFIX,
            cache=wanted.cache,
            cache_ref=wanted.cache_ref,
            builder=wanted.builder,
        )
    )


def _network(settings: AwsSettings, key: EncryptionKey) -> NetworkArgs:
    return NetworkArgs(
        cidr=settings.network.cidr,
        availability_zones=_zones(settings),
        region=settings.region,
        nat=settings.network.nat,
        interface_endpoints=settings.network.interface_endpoints,
        flow_log_days=settings.network.flow_log_days,
        kms_key_arn=key.arn,
    )


def _database(
    settings: AwsSettings,
    key: EncryptionKey,
    network: Network,
    groups: SecurityGroups,
) -> DatabaseArgs:
    wanted = settings.database
    return DatabaseArgs(
        subnet_ids=network.isolated_subnet_ids,
        security_group_ids=[groups.database_id],
        kms_key_arn=key.arn,
        engine_version=wanted.engine_version,
        instance_class=wanted.instance_class,
        allocated_storage=wanted.allocated_storage,
        max_allocated_storage=wanted.max_allocated_storage,
        multi_az=wanted.multi_az,
        backup_retention_days=wanted.backup_retention_days,
        backup_window=wanted.backup_window,
        maintenance_window=wanted.maintenance_window,
        deletion_protection=wanted.deletion_protection,
        final_snapshot=wanted.final_snapshot,
        performance_insights=wanted.performance_insights,
        monitoring_interval=wanted.monitoring_interval,
        ssl_mode=wanted.ssl_mode,
        slow_query_ms=wanted.slow_query_ms,
        log_retention_days=wanted.log_retention_days,
        login=login(settings),
        generation=settings.rotations.get("DATABASE_URL", 0),
    )


def _zones(settings: AwsSettings) -> list[str]:
    wanted = settings.network.availability_zones
    # In any state: a zone in trouble today must not move the subnets of tomorrow.
    offered = aws.get_availability_zones(
        # Neither Local Zones nor Wavelength: they lack services.
        filters=[
            aws.GetAvailabilityZonesFilterArgs(
                name="opt-in-status", values=["opt-in-not-required"]
            )
        ],
    ).names
    if len(offered) < wanted:
        raise pulumi.RunError(
            f"{settings.region} has {len(offered)} availability zones, and "
            f"stromhaltig:network.availability_zones asks for {wanted}. Lower it: "
            f"{settings.command('network.availability_zones', str(len(offered)))}"
        )
    return sorted(offered)[:wanted]


def references(
    secrets: Secrets, contract: AppContract
) -> dict[str, pulumi.Output[str]]:
    """Return those of the app's own secrets: some are for what runs beside it."""
    references = {
        variable: entry.reference
        for variable, entry in secrets.entries.items()
        if contract.variable(variable)
    }
    return {
        entry["name"]: entry["valueFrom"] for entry in contract.ecs_secrets(references)
    }


def _smtp_port(environment: Mapping[str, str]) -> int | None:
    """Port of the mail server; None when the app sends no mail."""
    return int(environment["SMTP_PORT"]) if "SMTP_HOST" in environment else None


def _secrets(
    settings: AwsSettings,
    contract: AppContract,
    key: EncryptionKey,
    account_id: pulumi.Output[str],
    database: Database,
    cache: Cache | None,
) -> SecretsArgs:
    generated = contract.to_generate(
        settings.secrets, settings.rotations, previous=settings.accept_previous
    )
    previous = [name for name, wanted in generated.items() if name != wanted.variable]
    of_options: dict[str, pulumi.Input[str]] = {
        **({"REDIS_URL": cache.url} if cache else {}),
        # Once the app is somebody else, DATABASE_URL tells nobody who owns it all.
        **({ADMIN_URL: database.admin_url} if settings.database_login else {}),
        **_webhook(settings),
    }
    return SecretsArgs(
        prefix=names.secrets(settings.stack),
        kms_key_arn=key.arn,
        account_id=account_id,
        recovery_window_days=settings.secret_recovery_days,
        generated=generated,
        provided={
            "DATABASE_URL": database.url,
            **of_options,
            **settings.app_secrets(),
        },
        passing=[*of_options, *previous],
    )


def _log_deliveries(
    settings: AwsSettings,
) -> Sequence[Callable[[str, str], Mapping[str, object]]]:
    """Who delivers access logs besides the load balancer."""
    return [
        *([log_delivery_statement] if settings.cdn else []),
        *([partial(access_log_statement, settings.name)] if settings.jobs else []),
    ]


def _load_balancer(
    settings: AwsSettings,
    contract: AppContract,
    network: Network,
    groups: SecurityGroups,
    access_logs: LogBucket,
    certificate: Certificate | None,
    origin_secret: pulumi.Output[str] | None,
) -> LoadBalancerArgs:
    wanted = settings.load_balancer
    return LoadBalancerArgs(
        vpc_id=network.vpc_id,
        subnet_ids=network.public_subnet_ids,
        security_group_ids=[groups.load_balancer_id],
        target_port=contract.port,
        # ECS replaces tasks that the load balancer finds unwell. Readiness would have
        # it replace them all, again and again, when the database is away.
        health_path=contract.liveness_path,
        access_log_bucket=access_logs.bucket_name,
        https=(
            HttpsArgs(domain=settings.domain.name, certificate_arn=certificate.arn)
            if settings.domain and certificate
            else None
        ),
        deletion_protection=wanted.deletion_protection,
        idle_timeout=wanted.idle_timeout,
        deregistration_delay=wanted.deregistration_delay,
        alternate=settings.deployment is not None,
        origin_secret=(
            origin_secret if settings.cdn and settings.cdn.exclusive else None
        ),
    )


def _task(
    settings: AwsSettings,
    contract: AppContract,
    environment: Mapping[str, str],
    *,
    image: AppImage,
    registry: Registry,
    network: Network,
    groups: SecurityGroups,
    balancer: LoadBalancer,
    secrets: Secrets,
    uploads: Uploads | None,
    alerting: operations.Alerting | None,
    key: EncryptionKey,
) -> ServiceArgs:
    return ServiceArgs(
        image=image.ref,
        # Not always the stack's own: a release can come from another one's.
        repository_arn=(
            repository_arn(settings.image.ref)
            if settings.image.ref
            else registry.repository_arn
        ),
        port=contract.port,
        environment=environment,
        secrets=references(secrets, contract),
        health_check=HealthCheck(command=contract.health_command()),
        migrate_command=contract.migrate_command,
        writable_paths=[
            path
            for path in contract.writable_dirs
            if uploads is None or path != uploads.directory.path
        ],
        shared=[uploads.directory] if uploads else [],
        uid=contract.uid,
        gid=contract.gid,
        cpu=settings.service.cpu,
        memory=settings.service.memory,
        architecture=ARCHITECTURES[settings.service.architecture],
        desired_count=settings.tasks,
        autoscaled=settings.autoscaling is not None,
        spot_percent=settings.service.spot_percent,
        on_demand_base=settings.service.on_demand_base,
        subnet_ids=network.private_subnet_ids,
        security_group_ids=[groups.service_id],
        target_group_arn=balancer.target_group_arn,
        traffic=_traffic(balancer),
        deployment=_deployment(settings),
        alarm_names=alerting.traffic.names if alerting and settings.deployment else (),
        # A rolling deployment has the circuit breaker, and would wait for them.
        heed_alarms=settings.strategy != "rolling",
        container_insights=settings.service.container_insights,
        kms_key_arn=key.arn,
        log_group_name=names.log_group(settings.stack),
        log_retention_days=settings.logs.retention_days,
        keep_logs=settings.protect,
        stop_timeout=settings.service.stop_timeout,
        execute_command=settings.service.execute_command,
        starts_after=[network, groups],
    )


def _reviews(
    settings: AwsSettings,
    contract: AppContract,
    *,
    key: EncryptionKey,
    network: Network,
    groups: SecurityGroups,
    balancer: LoadBalancer,
    certificate: Certificate | None,
    secrets: Secrets,
) -> ReviewHost | None:
    wanted, domain = settings.reviews, settings.domain
    if wanted is None or domain is None or domain.zone_id is None or not certificate:
        return None
    # The app is the administrator, until its password was rotated.
    entries = secrets.entries
    administrator = entries.get(ADMIN_URL) or entries["DATABASE_URL"]
    return ReviewHost(
        settings.name,
        ReviewHostArgs(
            domain=domain.name,
            zone_id=domain.zone_id,
            validation_fqdns=certificate.validation_fqdns,
            listener_arn=balancer.https_listener_arn.apply(str),
            load_balancer_dns_name=balancer.dns_name,
            load_balancer_zone_id=balancer.zone_id,
            vpc_id=network.vpc_id,
            subnet_ids=network.private_subnet_ids,
            load_balancer_group_id=groups.load_balancer_id,
            database_group_id=groups.database_id,
            app_port=contract.port,
            administrator_secret_arn=administrator.arn,
            secrets_prefix=names.secrets(""),
            kms_key_arn=key.arn,
            connections=wanted.connections,
            log_retention_days=settings.logs.retention_days,
        ),
    )


def _lent(
    settings: AwsSettings, reviews: ReviewHost, roles: DeployRole | None
) -> dict[str, pulumi.Input[str] | None]:
    """What a review needs of the stack and no other output says."""
    return {
        "domain": reviews.domain,
        "listener": reviews.listener_arn,
        "security_group": reviews.security_group_id,
        "database_function": reviews.function_name,
        "ssl_mode": settings.database.ssl_mode,
        "boundary": roles.review_boundary_arn if roles else None,
    }


def _copy_provider(
    settings: AwsSettings, in_the_world: aws.Provider | None
) -> aws.Provider | None:
    region = settings.backups.copy_region if settings.backups else None
    # A second provider of one region would have the name of the first.
    if region is None or (region == GLOBAL and in_the_world):
        return in_the_world if region else None
    return provider(settings, region, wanted=True)


def _cache(
    settings: AwsSettings, key: EncryptionKey, network: Network, groups: SecurityGroups
) -> Cache | None:
    wanted = settings.cache
    if wanted is None or groups.cache_id is None:
        return None
    return Cache(
        settings.name,
        CacheArgs(
            subnet_ids=network.isolated_subnet_ids,
            security_group_ids=[groups.cache_id],
            kms_key_arn=key.arn,
            engine_version=wanted.engine_version,
            node_type=wanted.node_type,
            nodes=wanted.nodes,
            snapshot_retention_days=wanted.snapshot_retention_days,
            snapshot_window=wanted.snapshot_window,
            maintenance_window=wanted.maintenance_window,
            final_snapshot=wanted.final_snapshot,
            max_memory_policy=wanted.max_memory_policy,
            log_retention_days=settings.logs.retention_days,
            generation=settings.rotations.get("REDIS_URL", 0),
        ),
    )


def _uploads(
    settings: AwsSettings,
    contract: AppContract,
    key: EncryptionKey,
    network: Network,
    groups: SecurityGroups,
    opts: pulumi.ResourceOptions,
) -> Uploads | None:
    wanted = settings.uploads
    if wanted is None or groups.uploads_id is None:
        return None
    return Uploads(
        settings.name,
        UploadsArgs(
            subnet_ids=network.private_subnet_ids,
            security_group_ids=[groups.uploads_id],
            kms_key_arn=key.arn,
            path=contract.upload_dir,
            uid=contract.uid,
            gid=contract.gid,
            infrequent_access_days=wanted.infrequent_access_days or None,
            # The plan backs up what it names; twice would be paid twice.
            automatic_backups=settings.backups is None,
        ),
        opts,
    )


def _webhook(settings: AwsSettings) -> dict[str, str]:
    value = settings.secrets.get(SLACK_WEBHOOK.name)
    return (
        {SLACK_WEBHOOK.name: value.get_secret_value()}
        if settings.posts_to_slack and value
        else {}
    )


def _test_port(settings: AwsSettings) -> int | None:
    if settings.deployment is None:
        return None
    return HTTPS_TEST_PORT if settings.domain else HTTP_TEST_PORT


def _traffic(balancer: LoadBalancer) -> TrafficArgs | None:
    if (
        balancer.alternate_target_group_arn is None
        or balancer.production_rule_arn is None
    ):
        return None
    return TrafficArgs(
        alternate_target_group_arn=balancer.alternate_target_group_arn,
        production_rule_arn=balancer.production_rule_arn,
        test_rule_arn=balancer.test_rule_arn,
    )


def _deployment(settings: AwsSettings) -> Deployment:
    wanted = settings.deployment
    if wanted is None:
        return Rolling()
    match wanted.strategy:
        case "rolling":
            return Rolling()
        case "blue_green":
            return BlueGreen(bake_minutes=wanted.bake_minutes)
        case "canary":
            return Canary(
                percent=wanted.canary_percent,
                minutes=wanted.canary_minutes,
                bake_minutes=wanted.bake_minutes,
            )
        case "linear":
            return Linear(
                step_percent=wanted.step_percent,
                step_minutes=wanted.step_minutes,
                bake_minutes=wanted.bake_minutes,
            )


def _rollout(settings: AwsSettings) -> Rollout:
    wanted = settings.deployment or DeploymentSettings()
    return design_time(
        container_check_interval=HealthCheck(command=()).interval,
        target_check_interval=HEALTH_INTERVAL,
        healthy_threshold=HEALTHY_THRESHOLD,
        deregistration_delay=settings.load_balancer.deregistration_delay,
        tasks=settings.tasks,
        strategy=settings.strategy,
        bake_minutes=wanted.bake_minutes,
        canary_minutes=wanted.canary_minutes,
        step_percent=wanted.step_percent,
        step_minutes=wanted.step_minutes,
    )
