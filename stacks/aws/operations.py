"""After the first day: scaling, jobs, alarms, backups, budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_aws as aws

from components.alarms.cache_alarms import CacheAlarms, CacheAlarmsArgs
from components.alarms.database_alarms import DatabaseAlarms, DatabaseAlarmsArgs
from components.alarms.firewall_alarms import FirewallAlarms, FirewallAlarmsArgs
from components.alarms.load_balancer_alarms import (
    LoadBalancerAlarms,
    LoadBalancerAlarmsArgs,
)
from components.alarms.log_alarms import LogAlarms, LogAlarmsArgs
from components.alarms.queue_alarm import QueueAlarm, QueueAlarmArgs
from components.alarms.service_alarms import ServiceAlarms, ServiceAlarmsArgs
from components.autoscaling import Autoscaling, AutoscalingArgs, Schedule
from components.backup_bucket import BackupBucket, BackupBucketArgs
from components.backup_plan import (
    BackupCopy,
    BackupPlan,
    BackupPlanArgs,
    RestoreTest,
    VaultLock,
)
from components.budget import Budget, BudgetArgs
from components.cache import Cache
from components.dashboard import Dashboard, DashboardArgs
from components.database import Database
from components.dead_letter_queue import DeadLetterQueue, DeadLetterQueueArgs
from components.encryption_key import EncryptionKey
from components.events import EventNotifications, EventNotificationsArgs
from components.health_check import HealthCheck, HealthCheckArgs
from components.job_task import JobTask, JobTaskArgs
from components.load_balancer import LoadBalancer
from components.log_bucket import LogBucket
from components.log_metrics import LogMetrics, LogMetricsArgs
from components.notifications import Notifications, NotificationsArgs
from components.scheduled_task import ScheduledTask, ScheduledTaskArgs
from components.secrets import Secrets
from components.security_groups import SecurityGroups
from components.service import Service, ServiceArgs
from components.slack_notifier import SlackNotifier, SlackNotifierArgs
from components.uploads import Uploads
from contract import AppContract, Job
from settings import AwsSettings
from settings.aws import SLACK_WEBHOOK
from stacks.aws.edge import Edge, firewall_name


class _Alarms(Protocol):
    @property
    def names(self) -> Sequence[pulumi.Output[str]]: ...

    @property
    def arns(self) -> Sequence[pulumi.Output[str]]: ...


@dataclass(frozen=True, kw_only=True)
class Alerting:
    """Where alarms go; made before what they watch.

    topic: of the stack's region. abroad: of us-east-1; None when nothing is there.
    traffic: alarms of the load balancer, which turn a bad deployment back.
    """

    topic: Notifications
    abroad: Notifications | None
    traffic: LoadBalancerAlarms


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """What runs at set times or by hand, and where it leaves what it makes."""

    bucket: BackupBucket
    scheduled: Mapping[str, ScheduledTask]
    on_demand: Mapping[str, JobTask]

    @property
    def task_definitions(self) -> dict[str, pulumi.Output[str]]:
        """Name of a job to the ARN of its task definition."""
        return {
            **{name: task.task_definition_arn for name, task in self.scheduled.items()},
            **{name: task.task_definition_arn for name, task in self.on_demand.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What looks at a running stack."""

    alarms: Sequence[pulumi.Output[str]]
    dashboard: Dashboard | None
    health_check: HealthCheck | None


def dead_letters(settings: AwsSettings) -> DeadLetterQueue | None:
    """For starts of jobs, and messages to Slack, that were given up."""
    if settings.jobs is None and not settings.posts_to_slack:
        return None
    return DeadLetterQueue(settings.name, DeadLetterQueueArgs())


def alerting(
    settings: AwsSettings,
    *,
    key: EncryptionKey,
    secrets: Secrets,
    letters: DeadLetterQueue | None,
    balancer: LoadBalancer,
    global_provider: aws.Provider | None,
) -> Alerting | None:
    """Topics, and the alarms that a deployment has to know.

    global_provider: of us-east-1, whose alarms write to topics of that region only.
    """
    monitoring = settings.monitoring
    if monitoring is None:
        return None
    slack = None
    if settings.posts_to_slack and letters:
        slack = SlackNotifier(
            settings.name,
            SlackNotifierArgs(
                webhook_secret_arn=secrets.entries[SLACK_WEBHOOK.name].arn,
                kms_key_arn=key.arn,
                dead_letter_queue_arn=letters.arn,
                log_retention_days=settings.logs.retention_days,
            ),
        )
    topic = Notifications(
        settings.name,
        NotificationsArgs(emails=monitoring.emails, kms_key_arn=key.arn, slack=slack),
    )
    abroad = None
    if global_provider:
        abroad = Notifications(
            f"{settings.name}-global",
            NotificationsArgs(emails=monitoring.emails, kms_key_arn=None, slack=slack),
            pulumi.ResourceOptions(provider=global_provider),
        )
    traffic = LoadBalancerAlarms(
        settings.name,
        LoadBalancerAlarmsArgs(
            topic_arn=topic.topic_arn,
            load_balancer_arn_suffix=balancer.arn_suffix,
            target_group_arn_suffixes=_target_groups(balancer),
            slow_seconds=monitoring.slow_request_ms / 1000,
        ),
    )
    return Alerting(topic=topic, abroad=abroad, traffic=traffic)


def autoscaling(
    settings: AwsSettings, *, service: Service, balancer: LoadBalancer
) -> Autoscaling | None:
    """As many tasks as the load asks for, if the settings say so."""
    wanted = settings.autoscaling
    if wanted is None:
        return None
    by_requests = bool(wanted.requests_per_target)
    return Autoscaling(
        settings.name,
        AutoscalingArgs(
            cluster_name=service.cluster_name,
            service_name=service.service_name,
            minimum=wanted.minimum,
            maximum=wanted.maximum,
            cpu_percent=wanted.cpu_percent or None,
            memory_percent=wanted.memory_percent or None,
            requests_per_target=wanted.requests_per_target or None,
            load_balancer_arn_suffix=balancer.arn_suffix if by_requests else None,
            target_group_arn_suffix=(
                balancer.target_group_arn_suffix if by_requests else None
            ),
            schedules=[
                Schedule(
                    name=name,
                    cron=bounds.cron,
                    minimum=bounds.minimum,
                    maximum=bounds.maximum,
                    timezone=wanted.timezone,
                )
                for name, bounds in sorted(wanted.schedules.items())
            ],
        ),
    )


def jobs(
    settings: AwsSettings,
    contract: AppContract,
    *,
    account_id: pulumi.Output[str],
    key: EncryptionKey,
    task: ServiceArgs,
    service: Service,
    letters: DeadLetterQueue | None,
    alerting: Alerting | None,
    logs: LogBucket,
    opts: pulumi.ResourceOptions,
) -> Jobs | None:
    """The app's jobs, at the times of the settings, from the image of the service.

    task: what the service's tasks are made of. logs: where access to the bucket is
    logged. opts: of the bucket, which holds data.
    """
    wanted = settings.jobs
    if wanted is None or letters is None:
        return None
    bucket = BackupBucket(
        settings.name,
        BackupBucketArgs(
            account_id=account_id,
            kms_key_arn=key.arn,
            dump_days=wanted.dump_days,
            archive_days=wanted.archive_days,
            access_log_bucket=logs.bucket_name,
            keep=settings.protect,
        ),
        opts,
    )
    times = {
        "dump": wanted.dump,
        "archive": wanted.archive if settings.uploads else "off",
        "maintain": wanted.maintain,
    }

    def task_of(job: Job) -> JobTaskArgs:
        return JobTaskArgs(
            command=job.command,
            image=task.image,
            repository_arn=task.repository_arn,
            environment=contract.job_environment(
                job,
                settings.app,
                bucket=bucket.bucket_name,
                region=settings.region,
            ),
            secrets={n: task.secrets[n] for n in contract.job_secrets(job)},
            writable_paths=[contract.temp_dir],
            shared=task.shared if job.uploads else (),
            shared_writable=job.restores,
            uid=task.uid,
            gid=task.gid,
            cpu=_JOB_CPU,
            memory=_JOB_MEMORY,
            architecture=task.architecture,
            stop_timeout=task.stop_timeout,
            kms_key_arn=key.arn,
            log_group_name=service.log_group_name,
            log_group_arn=service.log_group_arn,
            statements=_statements(job, bucket),
        )

    scheduled = {
        job.name: ScheduledTask(
            f"{settings.name}-{job.name}",
            ScheduledTaskArgs(
                **vars(task_of(job)),
                schedule=times[job.name],
                timezone=wanted.timezone,
                cluster_arn=service.cluster_arn,
                subnet_ids=task.subnet_ids,
                security_group_ids=task.security_group_ids,
                dead_letter_queue_arn=letters.arn,
                topic_arn=alerting.topic.topic_arn if alerting else None,
            ),
        )
        for job in contract.jobs
        if not job.restores and times[job.name] != "off"
    }
    on_demand = {
        job.name: JobTask(f"{settings.name}-{job.name}", task_of(job))
        for job in contract.jobs
        if job.restores and settings.uploads
    }
    return Jobs(bucket=bucket, scheduled=scheduled, on_demand=on_demand)


def backups(
    settings: AwsSettings,
    *,
    key: EncryptionKey,
    database: Database,
    uploads: Uploads | None,
    groups: SecurityGroups,
    copy_provider: aws.Provider | None,
    opts: pulumi.ResourceOptions,
) -> BackupPlan | None:
    """Backups by AWS Backup, if the settings say so."""
    wanted = settings.backups
    if wanted is None:
        return None
    copy = None
    if wanted.copy_region and copy_provider:
        copy = BackupCopy(region=wanted.copy_region, provider=copy_provider)
    return BackupPlan(
        settings.name,
        BackupPlanArgs(
            databases=[database.instance_arn],
            file_systems=[uploads.file_system_arn] if uploads else [],
            kms_key_arn=key.arn,
            database_days=wanted.database_days,
            file_days=wanted.uploads_days,
            start=wanted.start,
            database_windows=[
                settings.database.backup_window,
                settings.database.maintenance_window,
            ],
            lock=_lock(settings),
            copy=copy,
            restore_test=_restore_test(settings, database, groups),
            # Of a stack whose database leaves a snapshot, the uploads stay too.
            keep=settings.database.final_snapshot,
        ),
        opts,
    )


def watch(
    settings: AwsSettings,
    contract: AppContract,
    *,
    alerting: Alerting | None,
    balancer: LoadBalancer,
    service: Service,
    database: Database,
    cache: Cache | None,
    edge: Edge,
    letters: DeadLetterQueue | None,
    plan: BackupPlan | None,
    certificate_arn: pulumi.Output[str] | None,
    budget: Budget | None,
    global_provider: aws.Provider | None,
) -> Watch:
    """Alarms, events, a look from outside, and one screen for all of it."""
    monitoring = settings.monitoring
    if monitoring is None or alerting is None:
        return Watch(alarms=(), dashboard=None, health_check=None)
    name, topic = settings.name, alerting.topic.topic_arn
    metrics = LogMetrics(
        name,
        LogMetricsArgs(
            log_group_name=service.log_group_name,
            slow_milliseconds=monitoring.slow_request_ms,
        ),
    )
    here: list[_Alarms] = [
        alerting.traffic,
        ServiceAlarms(
            f"{name}-service",
            ServiceAlarmsArgs(
                topic_arn=topic,
                cluster_name=service.cluster_name,
                service_name=service.service_name,
                container_insights=settings.service.container_insights,
            ),
        ),
        DatabaseAlarms(
            f"{name}-database",
            DatabaseAlarmsArgs(
                topic_arn=topic,
                identifier=database.identifier,
                instance_class=settings.database.instance_class,
                allocated_storage=settings.database.allocated_storage,
            ),
        ),
        LogAlarms(
            name,
            LogAlarmsArgs(
                topic_arn=topic,
                namespace=metrics.namespace,
                errors_per_5_minutes=monitoring.errors_per_5_minutes,
                slow_per_5_minutes=monitoring.slow_per_5_minutes,
            ),
        ),
    ]
    if cache and settings.cache:
        here.append(
            CacheAlarms(
                f"{name}-cache",
                CacheAlarmsArgs(
                    topic_arn=topic,
                    member_ids=cache.member_ids,
                    nodes=settings.cache.nodes,
                ),
            )
        )
    if letters:
        here.append(
            QueueAlarm(name, QueueAlarmArgs(topic_arn=topic, queue_name=letters.name))
        )
    abroad = None
    if edge.firewall and edge.cdn:
        abroad = _firewall_alarms(settings, edge, alerting.abroad, global_provider)
    elif edge.firewall:
        here.append(_firewall_alarms(settings, edge, alerting.topic, None))
    EventNotifications(
        name,
        EventNotificationsArgs(
            topic_arn=topic,
            cluster_arn=service.cluster_arn,
            service_name=service.service_name,
            database_identifier=database.identifier,
            parameter_group_name=database.parameter_group_name,
            backup_vault_name=plan.vault_name if plan else None,
            certificate_arns=[certificate_arn] if certificate_arn is not None else [],
        ),
    )
    check = _health_check(settings, contract, alerting, global_provider)
    arns = [arn for alarms in here for arn in alarms.arns]
    arns += abroad.arns if abroad else ()
    arns += check.arns if check else ()
    dashboard = None
    if monitoring.dashboard:
        dashboard = Dashboard(
            name,
            DashboardArgs(
                region=settings.region,
                load_balancer_arn_suffix=balancer.arn_suffix,
                target_group_arn_suffixes=_target_groups(balancer),
                cluster_name=service.cluster_name,
                service_name=service.service_name,
                container_insights=settings.service.container_insights,
                database_identifier=database.identifier,
                cache_member_ids=cache.member_ids if cache else None,
                web_acl_name=edge.firewall.name if edge.firewall else None,
                web_acl_scope=edge.firewall_scope,
                log_group_name=service.log_group_name,
                log_namespace=metrics.namespace,
                health_check_id=check.health_check_id if check else None,
                alarm_arns=arns,
                budget_name=budget.budget_name if budget else None,
            ),
        )
    return Watch(
        alarms=[name for alarms in here for name in alarms.names],
        dashboard=dashboard,
        health_check=check,
    )


def budget(settings: AwsSettings, alerting: Alerting | None) -> Budget | None:
    """A monthly limit, if the settings say so."""
    wanted = settings.budget
    if wanted is None:
        return None
    return Budget(
        settings.name,
        BudgetArgs(
            environment=settings.default_tags.tags["Environment"],
            monthly_usd=wanted.monthly_usd,
            emails=wanted.emails,
            topic_arn=alerting.topic.topic_arn if alerting else None,
        ),
    )


_JOB_CPU = 256
_JOB_MEMORY = 1024
"""A quarter of a vCPU, and room for a compressor and parts of 8 MB on their way."""


def _statements(
    job: Job, bucket: BackupBucket
) -> pulumi.Input[Sequence[Mapping[str, object]]]:
    if job.prefix is None:
        return []
    return (bucket.may_read if job.restores else bucket.may_write)(job.prefix)


def _lock(settings: AwsSettings) -> VaultLock | None:
    wanted = settings.backups
    if wanted is None or wanted.lock == "none":
        return None
    kept = [wanted.database_days, *([wanted.uploads_days] if settings.uploads else [])]
    return VaultLock(
        min_days=min(kept),
        max_days=max(kept),
        final_after_days=_TIME_TO_THINK if wanted.lock == "compliance" else None,
    )


_TIME_TO_THINK = 7
"""Days until a lock in compliance mode can no longer be taken off; AWS asks for 3."""


def _restore_test(
    settings: AwsSettings, database: Database, groups: SecurityGroups
) -> RestoreTest | None:
    if settings.backups is None or not settings.backups.restore_testing:
        return None
    return RestoreTest(
        database_metadata={
            "dbSubnetGroupName": database.subnet_group_name,
            "vpcSecurityGroupIds": pulumi.Output.json_dumps([groups.database_id]),
        }
    )


def _target_groups(balancer: LoadBalancer) -> list[pulumi.Output[str]]:
    suffixes = (
        balancer.target_group_arn_suffix,
        balancer.alternate_target_group_arn_suffix,
    )
    return [suffix for suffix in suffixes if suffix is not None]


def _firewall_alarms(
    settings: AwsSettings,
    edge: Edge,
    topic: Notifications | None,
    provider: aws.Provider | None,
) -> FirewallAlarms:
    if edge.firewall is None or topic is None:
        raise ValueError("there is no firewall to watch, or nobody to tell")
    return FirewallAlarms(
        firewall_name(settings),
        FirewallAlarmsArgs(
            topic_arn=topic.topic_arn,
            web_acl=edge.firewall.name,
            region="CLOUDFRONT" if provider else settings.region,
        ),
        pulumi.ResourceOptions(provider=provider),
    )


def _health_check(
    settings: AwsSettings,
    contract: AppContract,
    alerting: Alerting,
    provider: aws.Provider | None,
) -> HealthCheck | None:
    monitoring, domain = settings.monitoring, settings.domain
    if not (monitoring and monitoring.health_check and domain and alerting.abroad):
        return None
    return HealthCheck(
        settings.name,
        HealthCheckArgs(
            host=domain.name,
            path=contract.health_path,
            topic_arn=alerting.abroad.topic_arn,
        ),
        pulumi.ResourceOptions(provider=provider),
    )
