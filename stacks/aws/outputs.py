"""What is known of a stack on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from stacks.outputs import Outputs


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

    database_user: str
    """Who the app is at the database: the owner, or one of two that take turns."""

    final_snapshot: pulumi.Output[str | None]
    """Snapshot that deleting the database leaves; null when it leaves none."""

    cache: pulumi.Output[str] | None
    """Identifier of the cache's replication group; null without a cache."""

    uploads: pulumi.Output[str] | None
    """ID of the file system with the uploads; null when they go with the task."""

    firewall: pulumi.Output[str] | None
    """Name of the web ACL in metrics; null without a firewall."""

    firewall_log_group: pulumi.Output[str] | None
    """CloudWatch log group of what the firewall blocked or counted."""

    distribution: pulumi.Output[str] | None
    """ID of the CloudFront distribution; null without a CDN."""

    strategy: str
    """How a new version takes over: `rolling`, `blue_green`, `canary`, `linear`."""

    rollout_seconds: int
    """By design, from `up` until a healthy new version has all of the traffic."""

    rollout: Sequence[Mapping[str, str | int]]
    """Each wait in order: `what` for, how many `seconds`; on to the old one's end."""

    scaling: Mapping[str, int] | None
    """Fewest and most tasks; null when their number is fixed."""

    jobs: Mapping[str, pulumi.Output[str]]
    """Name of a job to the ARN of its task definition, to run it by hand."""

    schedules: Mapping[str, pulumi.Output[str]]
    """Name of a job to the name of its schedule, and of the schedule's group."""

    job_failures: pulumi.Output[str] | None
    """SQS queue of starts of jobs that were given up; null without jobs."""

    backups: pulumi.Output[str] | None
    """S3 bucket of dumps and archives; null without jobs."""

    backup_vault: pulumi.Output[str] | None
    """Vault of AWS Backup; null without backups."""

    topic: pulumi.Output[str] | None
    """ARN of the SNS topic of alarms; null without monitoring."""

    alarms: Sequence[pulumi.Output[str]]
    """Names of the alarms in the stack's region."""

    dashboard: pulumi.Output[str] | None
    """Name of the CloudWatch dashboard; null without one."""

    health_check: pulumi.Output[str] | None
    """ID of the check from outside; null without one."""

    reviews: Mapping[str, pulumi.Input[str] | None] | None
    """What stacks of pull requests use besides the rest, as `stacks.aws.base` reads it;
    null where there are none."""

    budget: pulumi.Output[str] | None
    """Name of the budget; null without one."""

    deploy_roles: Mapping[str, pulumi.Output[str]]
    """`preview`, `apply` and, with reviews, `review` to the roles of GitHub's
    workflows; empty without."""

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


@dataclass(frozen=True, kw_only=True)
class ReviewOutputs(Outputs):
    """What is known of a pull request's stack; names as of the stack that it shares."""

    platform: str
    """`aws-review`."""

    base: str
    """Stack whose network, load balancer and database server it uses."""

    pull_request: int
    """Number of the pull request."""

    expires: str
    """From when on it may be taken down, in UTC."""

    region: str
    """AWS region of everything."""

    account: pulumi.Output[str]
    """AWS account of everything."""

    url: pulumi.Output[str]
    """Where the app answers."""

    health_url: pulumi.Output[str]
    """Answers 200 when the app and its database work."""

    transport: str
    """`https`."""

    release: str
    """Image reference that was asked for."""

    cluster: pulumi.Output[str]
    """Name of the ECS cluster."""

    service: pulumi.Output[str]
    """Name of the ECS service in the cluster."""

    task_definition: pulumi.Output[str]
    """ARN of the task definition that was asked for, with its revision."""

    task_subnets: pulumi.Output[Sequence[str]]
    """Subnets for one-off tasks."""

    task_security_group: pulumi.Output[str]
    """Security group for one-off tasks."""

    log_group: pulumi.Output[str]
    """CloudWatch log group of the containers."""

    secrets: Mapping[str, str]
    """Variable to the name of its secret in Secrets Manager."""

    secret_arns: Mapping[str, pulumi.Output[str]]
    """Variable to the ARN of its secret."""

    database_endpoint: pulumi.Output[str]
    """`HOST:PORT` of the shared server, inside the network."""

    database_name: str
    """Database, and its owner."""

    target_group: pulumi.Output[str]
    """ARN of the target group, for the health of the tasks."""

    protected: bool
    """Whether Pulumi refuses to delete what holds data: never."""
