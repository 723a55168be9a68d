"""A job of the app that runs at set times: a Fargate task that a schedule starts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import times
from components import iam
from components.job_task import NAME_LIMIT, JobTaskArgs, define_job
from components.task_definition import Task
from names import bounded

START_ATTEMPTS = 185
"""How often a start is tried again within its time: the most that there is.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
"""

_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_FIELDS = ("minutes", "hours", "day of the month", "month", "day of the week", "year")


@dataclass(frozen=True, kw_only=True)
class ScheduledTaskArgs(JobTaskArgs):
    """What a scheduled task needs to know, besides what every job's does.

    schedule: `cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR)` with one of
        the days `?`, or `rate(NUMBER minutes|hours|days)`.
        https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    timezone: IANA name of the zone that the times are meant in; it knows about summer.
        A time that the clocks skip is skipped.
    start_within: seconds in which a start that failed is tried again (60-86400).
    cluster_arn: ECS cluster that it runs in.
    subnet_ids, security_group_ids: private network of the task.
    dead_letter_queue_arn: SQS queue for starts that were given up.
    topic_arn: SNS topic that is told of runs that failed; its policy lets
        `events.amazonaws.com` publish. None for nobody.
    enabled: whether the schedule starts it; without, it can be run by hand.
    """

    schedule: str
    timezone: str = "UTC"
    start_within: int = 3600
    cluster_arn: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    security_group_ids: Sequence[pulumi.Input[str]]
    dead_letter_queue_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str] | None
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse late or, worse, accept.

        Raises:
            ValueError: for what no job can have, a schedule or time zone that does not
                exist, and a time to start that is out of range.
        """
        super().__post_init__()
        _check_schedule(self.schedule)
        if self.timezone not in times.zones():
            raise ValueError(f'timezone: "{self.timezone}" is no IANA time zone')
        if not 60 <= self.start_within <= 86_400:
            raise ValueError(
                f"start_within: {self.start_within} must be between 60 and 86400"
            )


class ScheduledTask(pulumi.ComponentResource):
    """A Fargate task that EventBridge Scheduler starts.

    Delivery is at least once, and a run is not waited for by the next one: a job must
    do no harm when it runs twice, even at the same time. A start that fails is tried
    again, and written to the dead-letter queue in the end; a run that fails is told
    to the topic and not tried again, for its next time comes.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html

    The schedule is alone in its group. AWS lets the trust of an execution role name a
    group, but no schedule: so nothing else in the account can use this role, which
    runs this task definition in this cluster and passes the task its two roles.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html

    To run it now, start its task definition with `aws ecs run-task`.
    """

    task_definition_arn: pulumi.Output[str]
    """ARN of the revision that the schedule starts."""

    schedule_name: pulumi.Output[str]
    """Name of the schedule, in a group of its own."""

    def __init__(
        self,
        name: str,
        args: ScheduledTaskArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:ScheduledTask", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        name = bounded(name, NAME_LIMIT)

        task = define_job(name, args, parent=self)
        group = aws.scheduler.ScheduleGroup(name, opts=child)
        role = aws.iam.Role(
            f"{name}-scheduler",
            description="Lets EventBridge Scheduler start one task",
            assume_role_policy=group.arn.apply(_trust),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-scheduler",
            role=role.name,
            policy=_start_policy(name, args, task),
            opts=child,
        )
        schedule = aws.scheduler.Schedule(
            name,
            description=f"Runs {' '.join(args.command)}"[:512],
            group_name=group.name,
            schedule_expression=args.schedule,
            schedule_expression_timezone=args.timezone,
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(
                mode="OFF"
            ),
            state="ENABLED" if args.enabled else "DISABLED",
            target=_target(args, task, role),
            # A run before the roles may do anything would fail.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[policy, *task.policies]
            ),
        )
        if args.topic_arn is not None:
            _tell_of_failures(name, args, args.topic_arn, child)

        self.task_definition_arn = task.definition.arn
        self.schedule_name = schedule.name
        self.register_outputs(
            {
                "task_definition_arn": self.task_definition_arn,
                "schedule_name": self.schedule_name,
            }
        )


def _check_schedule(schedule: str) -> None:
    rate = _RATE.fullmatch(schedule)
    if rate and (rate[1] == "1") != bool(rate[3]):
        return
    cron = _CRON.fullmatch(schedule)
    if not cron:
        raise ValueError(
            f'schedule: "{schedule}" is neither cron(0 3 * * ? *) nor rate(12 hours)'
        )
    fields = cron[1].split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f'schedule: "{schedule}" must have six fields: {", ".join(_FIELDS)}'
        )
    wrong = times.wrong_cron_field(fields)
    if wrong is not None:
        raise ValueError(
            f'schedule: "{fields[wrong]}" is no {_FIELDS[wrong]} in "{schedule}"'
        )
    if not times.names_one_day(fields):
        raise ValueError(
            f'schedule: "{schedule}" must have ? for one of the days: of the month or '
            "of the week"
        )


def _trust(group_arn: str) -> str:
    return iam.document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": iam.place_of(group_arn).account_id,
                    "aws:SourceArn": group_arn,
                }
            },
        }
    )


def _family_arn(name: str, args: ScheduledTaskArgs) -> pulumi.Output[str]:
    """ARN of the task definition's family, which is in the account of the cluster.

    Not the definition's own: a new image makes that unknown, and a preview would show
    permissions and rules as if they changed.
    """
    return pulumi.Output.from_input(args.cluster_arn).apply(
        lambda cluster: f"{cluster.partition(':cluster/')[0]}:task-definition/{name}"
    )


def _start_policy(name: str, args: ScheduledTaskArgs, task: Task) -> pulumi.Output[str]:
    return pulumi.Output.all(
        family=_family_arn(name, args),
        cluster=args.cluster_arn,
        roles=[task.execution_role.arn, task.task_role.arn],
        queue=args.dead_letter_queue_arn,
    ).apply(lambda known: iam.document(*_start_statements(**known)))


def _start_statements(
    family: str, cluster: str, roles: Sequence[str], queue: str
) -> list[dict[str, object]]:
    in_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
    return [
        {
            "Sid": "StartTask",
            "Effect": "Allow",
            "Action": "ecs:RunTask",
            "Resource": f"{family}:*",
            "Condition": in_cluster,
        },
        {
            # Tags of the definition are put on the task when it is started.
            "Sid": "TagTask",
            "Effect": "Allow",
            "Action": "ecs:TagResource",
            "Resource": cluster.replace(":cluster/", ":task/") + "/*",
            "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        },
        {
            "Sid": "PassRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": list(roles),
            "Condition": {
                "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
            },
        },
        {
            "Sid": "WriteDeadLetters",
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": queue,
        },
    ]


def _target(
    args: ScheduledTaskArgs, task: Task, role: aws.iam.Role
) -> aws.scheduler.ScheduleTargetArgs:
    network = aws.scheduler.ScheduleTargetEcsParametersNetworkConfigurationArgs(
        subnets=args.subnet_ids,
        security_groups=args.security_group_ids,
        assign_public_ip=False,
    )
    return aws.scheduler.ScheduleTargetArgs(
        arn=args.cluster_arn,
        role_arn=role.arn,
        ecs_parameters=aws.scheduler.ScheduleTargetEcsParametersArgs(
            task_definition_arn=task.definition.arn,
            task_count=1,
            launch_type="FARGATE",
            platform_version="LATEST",
            network_configuration=network,
            enable_ecs_managed_tags=True,
            propagate_tags="TASK_DEFINITION",
        ),
        retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
            maximum_event_age_in_seconds=args.start_within,
            maximum_retry_attempts=START_ATTEMPTS,
        ),
        dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(
            arn=args.dead_letter_queue_arn
        ),
    )


def _tell_of_failures(
    name: str,
    args: ScheduledTaskArgs,
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Write to the topic when a run has failed.

    The message holds identifiers and numbers only: EventBridge puts values into it as
    they are, and a quotation mark would break it. A task that did not start has no
    exit code; there is nothing behind the colon then.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    rule = aws.cloudwatch.EventRule(
        name,
        description=f"A run of {name} failed",
        event_pattern=_family_arn(name, args).apply(_failure_pattern),
        opts=opts,
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id="topic",
        arn=topic_arn,
        input_transformer=aws.cloudwatch.EventTargetInputTransformerArgs(
            input_paths={
                "cluster": "$.detail.clusterArn",
                "code": "$.detail.stopCode",
                "exit": "$.detail.containers[0].exitCode",
                "region": "$.region",
                "task": "$.detail.taskArn",
                "time": "$.time",
            },
            input_template=pulumi.Output.from_input(args.log_group_name).apply(
                lambda log_group: _message(name, log_group)
            ),
        ),
        opts=opts,
    )


def _failure_pattern(family_arn: str) -> str:
    """Runs that ended badly, or not by themselves: those may have no exit code.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    """
    return json.dumps(
        {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {
                "lastStatus": ["STOPPED"],
                "taskDefinitionArn": [{"prefix": f"{family_arn}:"}],
                "$or": [
                    {"containers": {"exitCode": [{"anything-but": [0]}]}},
                    {"stopCode": [{"anything-but": ["EssentialContainerExited"]}]},
                ],
            },
        }
    )


def _message(name: str, log_group: str) -> str:
    """Text of several lines: EventBridge takes each as a string of its own."""
    lines = (
        f"The job {name} failed at <time>: <code>. Exit code: <exit>",
        "Why: aws ecs describe-tasks --region <region> --cluster <cluster> "
        "--tasks <task> --query 'tasks[0].[stoppedReason,containers[].reason]'",
        f"Its log: aws logs tail {log_group} --region <region> --since 3h "
        f"--log-stream-name-prefix ecs/{name}/",
    )
    return "\n".join(json.dumps(line) for line in lines)
