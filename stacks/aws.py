"""The AWS platform: the app on Fargate behind a load balancer, its data in RDS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

import names
from components.alias_records import AliasRecords, AliasRecordsArgs
from components.certificate import Certificate, CertificateArgs
from components.container_definitions import HealthCheck
from components.database import Database, DatabaseArgs
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from components.image import PLATFORMS, AppImage, AppImageArgs, Build, Login
from components.load_balancer import HttpsArgs, LoadBalancer, LoadBalancerArgs
from components.log_bucket import LogBucket, LogBucketArgs
from components.network import Network, NetworkArgs
from components.registry import BUILD_TAG_PREFIX, Registry, RegistryArgs
from components.secrets import Secrets, SecretsArgs
from components.security_groups import SecurityGroups, SecurityGroupsArgs
from components.service import Service, ServiceArgs
from components.task_definition import repository_arn
from contract import AppContract
from settings import AwsSettings, Domain
from stacks.outputs import Outputs

_ARCHITECTURES: Mapping[str, Literal["ARM64", "X86_64"]] = {
    "arm64": "ARM64",
    "x86_64": "X86_64",
}


@dataclass(frozen=True, kw_only=True)
class AwsOutputs(Outputs):
    """What is known of a stack on AWS."""

    platform: str
    """`aws`."""

    region: str
    """AWS region of everything."""

    account: pulumi.Output[str]
    """AWS account of everything."""

    url: pulumi.Output[str]
    """Where the app answers."""

    health_url: pulumi.Output[str]
    """Answers 200 when the app and its database work."""

    transport: str
    """`https`, or `http only` with the reason: then nothing is encrypted."""

    release: pulumi.Output[str]
    """Image reference that was asked for, by digest if it was built."""

    cluster: pulumi.Output[str]
    """Name of the ECS cluster."""

    service: pulumi.Output[str]
    """Name of the ECS service in the cluster."""

    task_definition: pulumi.Output[str]
    """ARN of the task definition that was asked for, with its revision."""

    task_subnets: Sequence[pulumi.Output[str]]
    """Subnets for one-off tasks."""

    task_security_group: pulumi.Output[str]
    """Security group for one-off tasks."""

    log_group: pulumi.Output[str]
    """CloudWatch log group of the containers."""

    repository: pulumi.Output[str]
    """Where to push images, without tag."""

    secrets: Mapping[str, str]
    """Variable to the name of its secret in Secrets Manager."""

    secret_arns: Mapping[str, pulumi.Output[str]]
    """Variable to the ARN of its secret."""

    database: pulumi.Output[str]
    """Identifier of the RDS instance."""

    database_endpoint: pulumi.Output[str]
    """`HOST:PORT` of the database, inside the network."""

    database_name: pulumi.Output[str]
    """Database inside the instance."""

    final_snapshot: pulumi.Output[str | None]
    """Snapshot that deleting the database leaves; null when it leaves none."""

    load_balancer: pulumi.Output[str]
    """DNS name of the load balancer."""

    load_balancer_metric: pulumi.Output[str]
    """The load balancer in CloudWatch metrics: `app/NAME/ID`."""

    target_group: pulumi.Output[str]
    """ARN of the target group, for the health of the tasks."""

    access_logs: pulumi.Output[str]
    """S3 bucket of the access logs."""

    vpc: pulumi.Output[str]
    """ID of the network."""

    outgoing_ips: Sequence[pulumi.Output[str]]
    """Addresses that the app's own requests come from."""

    key: pulumi.Output[str]
    """ARN of the key that encrypts what the stack stores."""

    protected: bool
    """Whether Pulumi refuses to delete what holds data."""


def deploy(settings: AwsSettings, contract: AppContract) -> AwsOutputs:
    """Everything the contract asks for, on AWS, wired together.

    Raises:
        RunError: when the region has fewer zones than the settings ask for.
    """
    name = settings.name
    account_id = aws.get_caller_identity_output().account_id
    environment = _environment(settings, contract)
    holds_data = pulumi.ResourceOptions(protect=settings.protect)

    key = EncryptionKey(
        name,
        EncryptionKeyArgs(
            description=f"What {name} stores: database, secrets, images, logs",
            account_id=account_id,
            region=settings.region,
            keep=settings.database.final_snapshot,
        ),
        holds_data,
    )
    network = Network(name, _network(settings, key))
    groups = SecurityGroups(
        name,
        SecurityGroupsArgs(
            vpc_id=network.vpc_id,
            app_port=contract.port,
            allowed_cidrs=settings.load_balancer.allowed_cidrs,
            https=settings.domain is not None,
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
    secrets = Secrets(
        name,
        SecretsArgs(
            prefix=names.secrets(settings.stack),
            kms_key_arn=key.arn,
            account_id=account_id,
            recovery_window_days=settings.secret_recovery_days,
            generated=contract.to_generate(settings.secrets),
            provided={"DATABASE_URL": database.url, **settings.app_secrets()},
        ),
        holds_data,
    )
    access_logs = LogBucket(
        name,
        LogBucketArgs(
            account_id=account_id,
            retention_days=settings.load_balancer.access_log_days,
            keep=settings.protect,
        ),
        holds_data,
    )
    balancer = LoadBalancer(
        name,
        LoadBalancerArgs(
            vpc_id=network.vpc_id,
            subnet_ids=network.public_subnet_ids,
            security_group_ids=[groups.load_balancer_id],
            target_port=contract.port,
            # ECS replaces tasks that the load balancer finds unwell. Readiness would
            # have it replace them all, again and again, when the database is away.
            health_path=contract.liveness_path,
            access_log_bucket=access_logs.bucket_name,
            https=_https(name, settings.domain) if settings.domain else None,
            deletion_protection=settings.load_balancer.deletion_protection,
            idle_timeout=settings.load_balancer.idle_timeout,
            deregistration_delay=settings.load_balancer.deregistration_delay,
        ),
    )
    if settings.domain:
        AliasRecords(name, _alias_records(settings.domain, balancer))
    service = Service(
        name,
        ServiceArgs(
            image=image.ref,
            # Not always the stack's own: a release can come from another one's.
            repository_arn=(
                repository_arn(settings.image.ref)
                if settings.image.ref
                else registry.repository_arn
            ),
            port=contract.port,
            environment=environment,
            secrets=_references(secrets, contract),
            health_check=HealthCheck(command=contract.health_command()),
            migrate_command=contract.migrate_command,
            writable_paths=contract.writable_dirs,
            uid=contract.uid,
            gid=contract.gid,
            cpu=settings.service.cpu,
            memory=settings.service.memory,
            architecture=_ARCHITECTURES[settings.service.architecture],
            desired_count=settings.service.desired_count,
            spot_percent=settings.service.spot_percent,
            on_demand_base=settings.service.on_demand_base,
            subnet_ids=network.private_subnet_ids,
            security_group_ids=[groups.service_id],
            target_group_arn=balancer.target_group_arn,
            kms_key_arn=key.arn,
            log_group_name=names.log_group(settings.stack),
            log_retention_days=settings.logs.retention_days,
            keep_logs=settings.protect,
            stop_timeout=settings.service.stop_timeout,
            execute_command=settings.service.execute_command,
            starts_after=[network, groups],
        ),
    )

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
        final_snapshot=database.final_snapshot_identifier,
        load_balancer=balancer.dns_name,
        load_balancer_metric=balancer.arn_suffix,
        target_group=balancer.target_group_arn,
        access_logs=access_logs.bucket_name,
        vpc=network.vpc_id,
        outgoing_ips=network.nat_public_ips,
        key=key.arn,
        protected=settings.protect,
    )


def _image(settings: AwsSettings, registry: Registry) -> AppImageArgs:
    wanted = settings.image
    if wanted.context is None:
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


def _environment(settings: AwsSettings, contract: AppContract) -> dict[str, str]:
    entries = contract.ecs_environment(settings.app)
    return {entry["name"]: entry["value"] for entry in entries}


def _references(
    secrets: Secrets, contract: AppContract
) -> dict[str, pulumi.Output[str]]:
    references = {v: entry.reference for v, entry in secrets.entries.items()}
    return {
        entry["name"]: entry["valueFrom"] for entry in contract.ecs_secrets(references)
    }


def _smtp_port(environment: Mapping[str, str]) -> int | None:
    """Port of the mail server; None when the app sends no mail."""
    return int(environment["SMTP_PORT"]) if "SMTP_HOST" in environment else None


def _https(name: str, domain: Domain) -> HttpsArgs:
    certificate = Certificate(
        name,
        CertificateArgs(
            domain=domain.name,
            alternative_names=domain.hosts[1:],
            zone_id=_zone(domain),
        ),
    )
    return HttpsArgs(domain=domain.name, certificate_arn=certificate.arn)


def _alias_records(domain: Domain, balancer: LoadBalancer) -> AliasRecordsArgs:
    return AliasRecordsArgs(
        hosts=domain.hosts,
        zone_id=_zone(domain),
        target_dns_name=balancer.dns_name,
        target_zone_id=balancer.zone_id,
        evaluate_target_health=True,
        moved_from=balancer,
    )


def _zone(domain: Domain) -> str:
    if domain.zone_id is None:
        raise ValueError("domain.zone_id is missing; the settings see to it on AWS")
    return domain.zone_id
