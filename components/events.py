"""Messages about what AWS tells of by events and no metric shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components import iam
from names import AUTO_NAME_LENGTH, bounded

_RULE_LIMIT = 64 - AUTO_NAME_LENGTH
"""Logical name of a rule (EventBridge API, PutRule: 64)."""

INSTANCE_CATEGORIES = (
    "availability",
    "configuration change",
    "failover",
    "failure",
    "low storage",
    "maintenance",
    "notification",
    "recovery",
)
"""What is told of a database: the three of RDS.20, and what else needs a look."""


@dataclass(frozen=True, kw_only=True)
class EventNotificationsArgs:
    """What event notifications need to know.

    topic_arn: SNS topic of the messages. Its policy lets `events.amazonaws.com` and
        `events.rds.amazonaws.com` publish, and so does the policy of its key.
    cluster_arn, service_name: the ECS service that is watched.
    database_identifier: the RDS instance that is watched.
    parameter_group_name: its parameter group; None for every one of the region.
    backup_vault_name: AWS Backup vault whose jobs are watched; None for none.
    certificate_arns: ACM certificates of this region whose renewal is watched.
    """

    topic_arn: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    service_name: pulumi.Input[str]
    database_identifier: pulumi.Input[str]
    parameter_group_name: pulumi.Input[str] | None = None
    backup_vault_name: pulumi.Input[str] | None = None
    certificate_arns: Sequence[pulumi.Input[str]] = ()


class EventNotifications(pulumi.ComponentResource):
    """EventBridge rules and RDS subscriptions that write to one SNS topic.

    Told of: a deployment that failed; a task that ended by itself, did not start or
    was found unwell; a service that ECS cannot run as asked; a backup, copy or
    restore that came to nothing; a certificate that did not renew; what RDS says of
    the instance (RDS.20), of its parameters (RDS.21) and of DB security groups
    (RDS.22, which only EC2-Classic had: the control still asks).

    Not told of: tasks that a deployment or scaling stops, and those that AWS takes
    back, by a Spot interruption or to renew a host. Both are as agreed: the service
    starts another one, and is told of when it cannot.

    The messages hold identifiers only, and the command that shows the reason.
    EventBridge puts values into a message as they are, so that a quotation mark in
    one would break it, and a value that an event lacks leaves a hole.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """

    rule_names: Sequence[pulumi.Output[str]]
    """Names of the EventBridge rules."""

    subscription_names: Sequence[pulumi.Output[str]]
    """Names of the RDS event subscriptions."""

    def __init__(
        self,
        name: str,
        args: EventNotificationsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:EventNotifications", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        self.rule_names = [
            _rule(name, notice, args.topic_arn, child) for notice in _notices(args)
        ]
        self.subscription_names = [
            aws.rds.EventSubscription(
                f"{name}-{source}",
                sns_topic=args.topic_arn,
                source_type=source,
                source_ids=[one] if one is not None else None,
                event_categories=list(categories),
                opts=child,
            ).name
            for source, one, categories in (
                ("db-instance", args.database_identifier, INSTANCE_CATEGORIES),
                (
                    "db-parameter-group",
                    args.parameter_group_name,
                    ("configuration change",),
                ),
                ("db-security-group", None, ("configuration change", "failure")),
            )
        ]
        self.register_outputs(
            {
                "rule_names": self.rule_names,
                "subscription_names": self.subscription_names,
            }
        )


@dataclass(frozen=True, kw_only=True)
class _Notice:
    """A rule and what it writes.

    pattern: of the events; may hold outputs.
    paths: variable of the lines to its place in every event that matches.
    lines: of the message, with `<variable>` for a value.
    """

    name: str
    description: str
    pattern: Mapping[str, Any]
    paths: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[pulumi.Input[str]]


def _rule(
    name: str,
    notice: _Notice,
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    name = bounded(f"{name}-{notice.name}", _RULE_LIMIT)
    rule = aws.cloudwatch.EventRule(
        name,
        description=notice.description,
        event_pattern=pulumi.Output.json_dumps(notice.pattern),
        opts=opts,
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id="topic",
        arn=topic_arn,
        input_transformer=aws.cloudwatch.EventTargetInputTransformerArgs(
            input_paths={**notice.paths, "region": "$.region", "time": "$.time"},
            input_template=pulumi.Output.all(*notice.lines).apply(_template),
        ),
        opts=opts,
    )
    return rule.name


def _template(lines: Sequence[str]) -> str:
    """Text of several lines: EventBridge takes each as a string of its own."""
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)


def _notices(args: EventNotificationsArgs) -> list[_Notice]:
    notices = _service_notices(args.cluster_arn, args.service_name)
    if args.backup_vault_name is not None:
        notices += _backup_notices(args.backup_vault_name)
    if args.certificate_arns:
        notices.append(_certificate_notice(args.certificate_arns))
    return notices


def _service_notices(
    cluster_arn: pulumi.Input[str], service_name: pulumi.Input[str]
) -> list[_Notice]:
    """Events of the service itself bear its ARN; those of its tasks, its group."""
    arn = pulumi.Output.all(cluster_arn, service_name).apply(
        lambda known: _service_arn(*known)
    )
    show_service = pulumi.Output.concat(
        "What ECS says of it: aws ecs describe-services --region <region> --cluster ",
        cluster_arn,
        " --services ",
        service_name,
        " --query 'services[0].events[:10].message'",
    )
    show_task = pulumi.Output.concat(
        "Why: aws ecs describe-tasks --region <region> --cluster ",
        cluster_arn,
        " --tasks <task> --query 'tasks[0].[stoppedReason,containers[].[name,exitCode,"
        "reason]]'",
    )
    task = {
        "lastStatus": ["STOPPED"],
        "clusterArn": [cluster_arn],
        "group": [pulumi.Output.concat("service:", service_name)],
    }
    return [
        _Notice(
            name="deployment-failed",
            description="A deployment did not reach a steady state",
            pattern={
                "source": ["aws.ecs"],
                # The strategies tell of it in one way or in the other.
                "detail-type": ["ECS Deployment State Change", "ECS Service Action"],
                "resources": [arn],
                "detail": {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]},
            },
            lines=[
                pulumi.Output.concat(
                    "Deployment of ", service_name, " failed at <time>."
                ),
                show_service,
            ],
        ),
        _Notice(
            name="task-stopped",
            description="A task ended by itself or did not start",
            pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                # A container that runs out of memory exits: it has no code of its own.
                "detail": {
                    **task,
                    "stopCode": ["EssentialContainerExited", "TaskFailedToStart"],
                },
            },
            paths={"task": "$.detail.taskArn", "code": "$.detail.stopCode"},
            lines=[
                pulumi.Output.concat(
                    "A task of ", service_name, " stopped at <time>: <code>."
                ),
                show_task,
            ],
        ),
        _Notice(
            name="task-unhealthy",
            description="A task was stopped because its health checks failed",
            pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                # Deployments and scaling have the same code, and another reason. ECS
                # has written "Task failed" with a small letter too.
                "detail": {
                    **task,
                    "stopCode": ["ServiceSchedulerInitiated"],
                    "stoppedReason": [
                        {"prefix": {"equals-ignore-case": "Task failed "}}
                    ],
                },
            },
            paths={"task": "$.detail.taskArn"},
            lines=[
                pulumi.Output.concat(
                    "A task of ", service_name, " was unhealthy and stopped at <time>."
                ),
                show_task,
            ],
        ),
        _Notice(
            name="service-impaired",
            description="ECS cannot run the service as asked",
            pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Service Action"],
                "resources": [arn],
                "detail": {
                    "eventType": ["WARN", "ERROR"],
                    "eventName": [{"anything-but": ["SERVICE_DEPLOYMENT_FAILED"]}],
                },
            },
            paths={"event": "$.detail.eventName"},
            lines=[
                pulumi.Output.concat(
                    "ECS cannot run ", service_name, " as asked, at <time>: <event>."
                ),
                show_service,
            ],
        ),
    ]


def _service_arn(cluster_arn: str, service_name: str) -> str:
    place = iam.place_of(cluster_arn)
    cluster = cluster_arn.rsplit("/", 1)[1]
    return (
        f"arn:{place.partition}:ecs:{place.region}:{place.account_id}"
        f":service/{cluster}/{service_name}"
    )


def _backup_notices(vault: pulumi.Input[str]) -> list[_Notice]:
    """Failed restores are told of whatever vault they are from: their events may not
    say it. Restore tests are among them.
    """
    return [
        _job_notice(
            "backup",
            {
                "backupVaultName": [vault],
                "state": ["FAILED", "ABORTED", "EXPIRED"],
            },
            {"job": "$.detail.backupJobId", "state": "$.detail.state"},
        ),
        _job_notice(
            "copy",
            {
                "sourceBackupVaultArn": [
                    {"suffix": pulumi.Output.concat(":backup-vault:", vault)}
                ],
                "state": ["FAILED"],
            },
            {"job": "$.detail.copyJobId", "state": "$.detail.state"},
        ),
        _job_notice(
            "restore",
            {"status": ["FAILED", "ABORTED"]},
            {"job": "$.detail.restoreJobId", "state": "$.detail.status"},
        ),
    ]


def _job_notice(
    kind: str, detail: Mapping[str, Any], paths: Mapping[str, str]
) -> _Notice:
    return _Notice(
        name=f"{kind}-failed",
        description=f"AWS Backup: a {kind} failed",
        pattern={
            "source": ["aws.backup"],
            "detail-type": [f"{kind.capitalize()} Job State Change"],
            "detail": detail,
        },
        paths={**paths, "type": "$.detail.resourceType"},
        lines=[
            f"AWS Backup: a {kind} (<type>) ended as <state> at <time>.",
            f"Why: aws backup describe-{kind}-job --region <region> "
            f"--{kind}-job-id <job>",
        ],
    )


def _certificate_notice(arns: Sequence[pulumi.Input[str]]) -> _Notice:
    """ACM begins to renew before it begins to tell, 30 days before the end: who is
    told has a certificate that did not renew.
    https://docs.aws.amazon.com/acm/latest/userguide/supported-events.html
    """
    return _Notice(
        name="certificate-expiry",
        description="A certificate did not renew and is about to expire",
        pattern={
            "source": ["aws.acm"],
            "detail-type": [
                "ACM Certificate Approaching Expiration",
                "ACM Certificate Expired",
                "ACM Certificate Renewal Action Required",
            ],
            "resources": list(arns),
        },
        paths={
            "what": "$.detail-type",
            "certificate": "$.resources[0]",
            "domain": "$.detail.CommonName",
        },
        lines=[
            "<what>: <domain>, at <time>.",
            "Why: aws acm describe-certificate --region <region> "
            "--certificate-arn <certificate> --query Certificate.RenewalSummary",
        ],
    )
