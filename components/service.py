"""A web service on ECS Fargate: cluster, roles, task and rolling deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from components import iam
from components.container_definitions import (
    Container,
    HealthCheck,
    Logging,
    canonical,
)

APP = "app"
"""Name of the container that serves requests."""

MIGRATE = "migrate"
"""Name of the container that runs before it."""

_TASKS = "ecs-tasks.amazonaws.com"

# Where the agent of ECS Exec writes (containers-roadmap #1359).
_EXEC_PATHS = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<name>[^@:]+)[@:]"
)


def repository_arn(image: str) -> str | None:
    """Return the ARN of the ECR repository of an image; None outside of ECR.

    image: reference with tag or digest. The repository can be another account's or
    region's; that it lets this account pull is for its own policy to say.
    """
    found = _ECR_IMAGE.match(image)
    if found is None:
        return None
    return (
        f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['name']}"
    )


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What a service needs to know.

    image: reference by digest, so that a task is the same bytes wherever it starts.
    repository_arn: ECR repository of the image, as the function `repository_arn`
        finds it; None for a public image.
    port: where the app listens.
    environment: variables in plain text.
    secrets: variable to the versioned reference of a Secrets Manager secret:
        `SECRET-ARN:::VERSION-ID`. Pinned, so that a new value rolls out and an old
        task definition means the old value.
    health_check: liveness of the app, asked inside the container.
    migrate_command: run to the end before the app starts; empty for none.
    writable_paths: directories on empty volumes; the rest is read-only.
    uid, gid: whom the containers run as; not root (ECS.20).
    cpu, memory: units (1024 are one vCPU) and MiB, a pair that Fargate offers.
    architecture: of the image; ARM64 costs a fifth less.
    desired_count: tasks to keep running.
    spot: spare capacity, up to 70 % cheaper and taken away at two minutes' notice.
    subnet_ids, security_group_ids: private network of the tasks.
    target_group_arn: where tasks register; it must be in use by a listener.
    kms_key_arn: customer key of the secrets and of the log group.
    log_group_name: defaults to `/ecs/NAME`.
    log_retention_days: a value that CloudWatch Logs offers.
    keep_logs: protect the log group from deletion.
    stop_timeout: seconds to finish requests after SIGTERM (2-120); not shorter than
        the target group's deregistration delay.
    health_grace_period: seconds after the start of the app in which the load
        balancer's verdict does not count.
    deployment_maximum_percent: of the desired tasks that may run during a roll-out;
        more than 100, for no task stops before its successor serves.
    execute_command: allow shells in running containers (ECS Exec). AWS documents it
        for writable root file systems; here its agent gets volumes of its own.
    wait_for_steady_state: end an update when the new tasks serve, not before.
    starts_after: what tasks need and no other argument leads to, such as routes and
        the rules of security groups.
    """

    image: pulumi.Input[str]
    repository_arn: pulumi.Input[str] | None
    port: int
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    health_check: HealthCheck
    migrate_command: Sequence[str]
    writable_paths: Sequence[str]
    uid: int = 1001
    gid: int = 1001
    cpu: int
    memory: int
    architecture: Literal["ARM64", "X86_64"] = "ARM64"
    desired_count: int
    spot: bool = False
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    target_group_arn: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    log_group_name: str | None = None
    log_retention_days: int = 30
    keep_logs: bool = False
    stop_timeout: int = 60
    health_grace_period: int = 60
    deployment_maximum_percent: int = 200
    execute_command: bool = False
    wait_for_steady_state: bool = True
    starts_after: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        """Refuse what ECS would refuse late or, worse, accept.

        Raises:
            ValueError: for root, a relative path, two paths that would share a
                volume, a variable that is both plain and secret, and no room for a
                roll-out.
        """
        if self.uid == 0:
            raise ValueError("uid: 0 is root; give the image a user of its own")
        for path in self.writable_paths:
            if not path.startswith("/") or path == "/":
                raise ValueError(f'writable_paths: "{path}" is no absolute directory')
        volumes = [_volume(path) for path in self.writable_paths]
        if len(set(volumes)) < len(volumes):
            paths = ", ".join(self.writable_paths)
            raise ValueError(f"writable_paths: two of {paths} give one volume name")
        if self.deployment_maximum_percent <= 100:
            raise ValueError(
                f"deployment_maximum_percent: {self.deployment_maximum_percent} leaves "
                "no room for a new task beside the old ones; give it more than 100"
            )
        both = sorted(self.environment.keys() & self.secrets.keys())
        if both:
            raise ValueError(
                f"{', '.join(both)}: in environment and in secrets; keep the secret"
            )


class Service(pulumi.ComponentResource):
    """An ECS service that replaces its tasks without a gap and undoes a bad release.

    Rolling deployment: new tasks beside the old ones, never fewer, each taking
    requests only when the migration before it has succeeded and the load balancer
    has seen it well; a circuit breaker goes back to the last good release.

    Roles: the execution role reads the named secrets, their key, the one repository
    and the one log group, instead of everything AWS's managed policy allows. Two
    calls know no resource and stand on `*`: `ecr:GetAuthorizationToken`, and with
    ECS Exec the `ssmmessages` channels and `logs:DescribeLogGroups`. The task role,
    the app's own, can do nothing else.

    The image: directories in `writable_paths` are mounted empty and owned by root
    unless its Dockerfile creates them, owned by `uid`, and names them in `VOLUME`
    (AWS ECS guide, "Use bind mounts"). They go with the task.

    A change between Spot and regular capacity would replace the service; forcing a
    new deployment on every change of it, as is set here, makes it an update.
    """

    cluster_name: pulumi.Output[str]
    """Name of the cluster, for `aws ecs` commands."""

    cluster_arn: pulumi.Output[str]
    """ARN of the cluster."""

    service_name: pulumi.Output[str]
    """Name of the service in the cluster."""

    task_definition_arn: pulumi.Output[str]
    """ARN of the revision that was asked for."""

    log_group_name: pulumi.Output[str]
    """Where the containers' output goes."""

    log_group_arn: pulumi.Output[str]
    """ARN of the log group."""

    execution_role_arn: pulumi.Output[str]
    """Role that ECS starts tasks with."""

    task_role_arn: pulumi.Output[str]
    """Role of the app itself."""

    def __init__(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Service", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        log_group = aws.cloudwatch.LogGroup(
            name,
            name=args.log_group_name or f"/ecs/{name}",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.kms_key_arn,
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep_logs or None),
        )
        cluster = aws.ecs.Cluster(
            name,
            name=name,
            settings=[
                aws.ecs.ClusterSettingArgs(name="containerInsights", value="enabled")
            ],
            configuration=_exec_configuration(args, log_group),
            opts=child,
        )
        capacity = aws.ecs.ClusterCapacityProviders(
            name,
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            opts=child,
        )
        trust = log_group.arn.apply(
            lambda arn: iam.service_trust(_TASKS, iam.place_of(arn).account_id)
        )
        execution_role = aws.iam.Role(
            f"{name}-execution",
            description="Lets ECS start tasks: pull, read secrets, open logs",
            assume_role_policy=trust,
            opts=child,
        )
        execution_policy = aws.iam.RolePolicy(
            f"{name}-execution",
            role=execution_role.name,
            policy=_execution_policy(args, log_group),
            opts=child,
        )
        task_role = aws.iam.Role(
            f"{name}-task",
            description="What the app itself may do in the account",
            assume_role_policy=trust,
            opts=child,
        )
        policies = [execution_policy]
        if args.execute_command:
            policies.append(
                aws.iam.RolePolicy(
                    f"{name}-exec",
                    role=task_role.name,
                    policy=pulumi.Output.all(log_group.arn, args.kms_key_arn).apply(
                        lambda arns: _exec_policy(*arns)
                    ),
                    opts=child,
                )
            )
        task = aws.ecs.TaskDefinition(
            name,
            family=name,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(args.cpu),
            memory=str(args.memory),
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                operating_system_family="LINUX", cpu_architecture=args.architecture
            ),
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            volumes=[
                aws.ecs.TaskDefinitionVolumeArgs(name=volume)
                for volume in _volumes(*args.writable_paths, *_exec_paths(args))
            ],
            container_definitions=_containers(args, log_group),
            # The former revision is what a rollback goes back to.
            skip_destroy=True,
            opts=child,
        )
        service = aws.ecs.Service(
            name,
            name=name,
            cluster=cluster.arn,
            task_definition=task.arn,
            desired_count=args.desired_count,
            platform_version="LATEST",
            capacity_provider_strategies=[
                aws.ecs.ServiceCapacityProviderStrategyArgs(
                    capacity_provider="FARGATE_SPOT" if args.spot else "FARGATE",
                    weight=1,
                )
            ],
            force_new_deployment=True,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=args.subnet_ids,
                security_groups=args.security_group_ids,
                assign_public_ip=False,
            ),
            load_balancers=[
                aws.ecs.ServiceLoadBalancerArgs(
                    target_group_arn=args.target_group_arn,
                    container_name=APP,
                    container_port=args.port,
                )
            ],
            health_check_grace_period_seconds=args.health_grace_period,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=args.deployment_maximum_percent,
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=True
            ),
            availability_zone_rebalancing="ENABLED",
            enable_execute_command=args.execute_command,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=args.wait_for_steady_state,
            # Tasks fail to start before their role may read secrets, and the agent
            # of ECS Exec gives up before it may open its channels.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*policies, capacity, *args.starts_after],
            ),
        )

        self.cluster_name = cluster.name
        self.cluster_arn = cluster.arn
        self.service_name = service.name
        self.task_definition_arn = task.arn
        self.log_group_name = log_group.name
        self.log_group_arn = log_group.arn
        self.execution_role_arn = execution_role.arn
        self.task_role_arn = task_role.arn
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "cluster_arn": self.cluster_arn,
                "service_name": self.service_name,
                "task_definition_arn": self.task_definition_arn,
                "log_group_name": self.log_group_name,
                "log_group_arn": self.log_group_arn,
                "execution_role_arn": self.execution_role_arn,
                "task_role_arn": self.task_role_arn,
            }
        )


def _volume(path: str) -> str:
    return path.strip("/").replace("/", "-").replace(".", "_")


def _volumes(*paths: str) -> dict[str, str]:
    """Volume name to path."""
    return {_volume(path): path for path in paths}


def _exec_paths(args: ServiceArgs) -> Sequence[str]:
    """Where ECS Exec writes beside the app, if it is allowed."""
    return _EXEC_PATHS if args.execute_command else ()


def _containers(
    args: ServiceArgs, log_group: aws.cloudwatch.LogGroup
) -> pulumi.Output[str]:
    def render(known: Mapping[str, Any]) -> str:
        shared: dict[str, Any] = {
            "image": known["image"],
            "user": f"{args.uid}:{args.gid}",
            "environment": known["environment"],
            "secrets": known["secrets"],
            "stop_timeout": args.stop_timeout,
            "logging": Logging(
                group=known["log_group"], region=iam.place_of(known["arn"]).region
            ),
        }
        migrate = Container(
            name=MIGRATE,
            command=args.migrate_command,
            essential=False,
            volumes=_volumes(*args.writable_paths),
            **shared,
        )
        before = [migrate] if args.migrate_command else []
        app = Container(
            name=APP,
            after=[container.name for container in before],
            ports=[args.port],
            health_check=args.health_check,
            volumes=_volumes(*args.writable_paths, *_exec_paths(args)),
            **shared,
        )
        return canonical([app, *before])

    return pulumi.Output.all(
        image=args.image,
        environment=args.environment,
        secrets=args.secrets,
        log_group=log_group.name,
        arn=log_group.arn,
    ).apply(render)


def _execution_policy(
    args: ServiceArgs, log_group: aws.cloudwatch.LogGroup
) -> pulumi.Output[str]:
    return pulumi.Output.all(
        secrets=args.secrets,
        key=args.kms_key_arn,
        repository=args.repository_arn,
        log_group=log_group.arn,
    ).apply(lambda known: iam.document(*_execution_statements(**known)))


def _execution_statements(
    secrets: Mapping[str, str], key: str, repository: str | None, log_group: str
) -> list[dict[str, object]]:
    statements: list[dict[str, object]] = [
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group}:*",
        }
    ]
    if secrets:
        region = iam.place_of(key).region
        statements += [
            {
                "Sid": "ReadSecrets",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": sorted({_secret_arn(text) for text in secrets.values()}),
            },
            {
                "Sid": "DecryptSecrets",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": key,
                "Condition": {
                    "StringEquals": {
                        "kms:ViaService": f"secretsmanager.{region}.amazonaws.com"
                    }
                },
            },
        ]
    if repository:
        statements += [
            {
                "Sid": "PullImage",
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                "Resource": repository,
            },
            {
                "Sid": "LogInToRegistry",
                "Effect": "Allow",
                "Action": "ecr:GetAuthorizationToken",
                # The call names no repository (AWS service authorization reference).
                "Resource": "*",
            },
        ]
    return statements


def _secret_arn(reference: str) -> str:
    """ARN in a reference `ARN:JSON-KEY:STAGE:VERSION`; an ARN itself has 7 parts."""
    return ":".join(reference.split(":")[:7])


def _exec_configuration(
    args: ServiceArgs, log_group: aws.cloudwatch.LogGroup
) -> aws.ecs.ClusterConfigurationArgs | None:
    if not args.execute_command:
        return None
    return aws.ecs.ClusterConfigurationArgs(
        execute_command_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationArgs(
            kms_key_id=args.kms_key_arn,
            logging="OVERRIDE",
            log_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationLogConfigurationArgs(
                cloud_watch_encryption_enabled=True,
                cloud_watch_log_group_name=log_group.name,
            ),
        )
    )


def _exec_policy(log_group: str, key: str) -> str:
    return iam.document(
        {
            "Sid": "OpenShell",
            "Effect": "Allow",
            "Action": [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
                "logs:DescribeLogGroups",
            ],
            # None of them names a resource (AWS ECS guide, "ECS Exec").
            "Resource": "*",
        },
        {
            "Sid": "RecordSession",
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            "Resource": f"{log_group}:*",
        },
        {
            "Sid": "EncryptSession",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
        },
    )
