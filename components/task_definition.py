"""What makes a Fargate task: its roles, volumes, containers and definition."""

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
from components.shared_directory import SharedDirectory

_TASKS = "ecs-tasks.amazonaws.com"

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
class TaskArgs:
    """What every task needs to know, whoever starts it.

    image: reference by digest, so that a task is the same bytes wherever it starts.
    repository_arn: ECR repository of the image, as the function `repository_arn`
        finds it; None for a public image.
    environment: variables in plain text.
    secrets: variable to the versioned reference of a Secrets Manager secret:
        `SECRET-ARN:::VERSION-ID`. Pinned, so that a new value rolls out and an old
        task definition means the old value.
    writable_paths: directories on empty volumes; the rest is read-only.
    shared: directories that outlive the task and that others see too.
    shared_writable: whether the task may change what is in them.
    uid, gid: whom the containers run as; not root (ECS.20).
    cpu, memory: units (1024 are one vCPU) and MiB, a pair that Fargate offers.
    architecture: of the image; ARM64 costs a fifth less.
    kms_key_arn: customer key of the secrets.
    stop_timeout: seconds to finish after SIGTERM (2-120).
    keep_revisions: leave former revisions of the definition to go back to, and the
        last one when all is destroyed.
    """

    image: pulumi.Input[str]
    repository_arn: pulumi.Input[str] | None
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    writable_paths: Sequence[str]
    shared: Sequence[SharedDirectory] = ()
    shared_writable: bool = True
    uid: int = 1001
    gid: int = 1001
    cpu: int
    memory: int
    architecture: Literal["ARM64", "X86_64"] = "ARM64"
    kms_key_arn: pulumi.Input[str]
    stop_timeout: int = 60
    keep_revisions: bool = True

    def __post_init__(self) -> None:
        """Refuse what ECS would refuse late or, worse, accept.

        Raises:
            ValueError: for root, a relative path, two paths that would share a
                volume, and a variable that is both plain and secret.
        """
        if self.uid == 0:
            raise ValueError("uid: 0 is root; give the image a user of its own")
        shared = [directory.path for directory in self.shared]
        for argument, paths in (
            ("writable_paths", self.writable_paths),
            ("shared", shared),
        ):
            for path in paths:
                if not path.startswith("/") or path == "/":
                    raise ValueError(f'{argument}: "{path}" is no absolute directory')
        all_paths = [*self.writable_paths, *shared]
        if len({_volume(path) for path in all_paths}) < len(all_paths):
            raise ValueError(
                f"writable_paths: two of {', '.join(all_paths)} give one volume name"
            )
        both = sorted(self.environment.keys() & self.secrets.keys())
        if both:
            raise ValueError(
                f"{', '.join(both)}: in environment and in secrets; keep the secret"
            )


@dataclass(frozen=True, kw_only=True)
class TaskContainer:
    """What one container has of its own; the rest it shares with the whole task.

    name: unique in the task.
    command: instead of the image's own; empty leaves that.
    essential: whether the task ends with it.
    after: containers that must have exited with 0 before this one starts.
    ports: TCP ports it listens on.
    health_check: liveness, asked inside the container.
    writable_paths: directories on empty volumes, besides those of the task.
    """

    name: str
    command: Sequence[str] = ()
    essential: bool = True
    after: Sequence[str] = ()
    ports: Sequence[int] = ()
    health_check: HealthCheck | None = None
    writable_paths: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task that can be started once the `policies` exist."""

    definition: aws.ecs.TaskDefinition
    execution_role: aws.iam.Role
    task_role: aws.iam.Role
    policies: Sequence[aws.iam.RolePolicy]


def define_task(
    name: str,
    args: TaskArgs,
    containers: Sequence[TaskContainer],
    *,
    log_group_name: pulumi.Input[str],
    log_group_arn: pulumi.Input[str],
    policies: Mapping[str, pulumi.Input[str]],
    parent: pulumi.Resource,
) -> Task:
    """Define a task as children of `parent`, which all begin with `name`.

    The execution role reads the named secrets, their key, the one repository and the
    one log group, instead of everything AWS's managed policy allows. The task role,
    the app's own, mounts the shared directories and does what `policies` say.

    log_group_name, log_group_arn: where the containers' output goes.
    policies: what the task role may do: last part of the policy's name to document.
    """
    child = pulumi.ResourceOptions(parent=parent)
    group_arn = pulumi.Output.from_input(log_group_arn)
    trust = group_arn.apply(
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
        policy=_execution_policy(args, group_arn),
        opts=child,
    )
    task_role = aws.iam.Role(
        f"{name}-task",
        description="What the app itself may do in the account",
        assume_role_policy=trust,
        opts=child,
    )
    if args.shared:
        policies = {"shared": _mount_policy(args), **policies}
    task_policies = [
        aws.iam.RolePolicy(
            f"{name}-{suffix}", role=task_role.name, policy=policy, opts=child
        )
        for suffix, policy in policies.items()
    ]
    definition = aws.ecs.TaskDefinition(
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
        volumes=_task_volumes(args, containers),
        container_definitions=_definitions(args, containers, log_group_name, group_arn),
        # The former revision is what a rollback goes back to.
        skip_destroy=args.keep_revisions,
        opts=child,
    )
    return Task(
        definition=definition,
        execution_role=execution_role,
        task_role=task_role,
        policies=[execution_policy, *task_policies],
    )


def _volume(path: str) -> str:
    return path.strip("/").replace("/", "-").replace(".", "_")


def _volumes(*paths: str) -> dict[str, str]:
    """Volume name to path."""
    return {_volume(path): path for path in paths}


def _task_volumes(
    args: TaskArgs, containers: Sequence[TaskContainer]
) -> list[aws.ecs.TaskDefinitionVolumeArgs]:
    own = [path for container in containers for path in container.writable_paths]
    return [
        *(
            aws.ecs.TaskDefinitionVolumeArgs(name=volume)
            for volume in _volumes(*args.writable_paths, *own)
        ),
        *map(_shared_volume, args.shared),
    ]


def _shared_volume(directory: SharedDirectory) -> aws.ecs.TaskDefinitionVolumeArgs:
    return aws.ecs.TaskDefinitionVolumeArgs(
        name=_volume(directory.path),
        efs_volume_configuration=aws.ecs.TaskDefinitionVolumeEfsVolumeConfigurationArgs(
            file_system_id=directory.file_system_id,
            # Both the access point and IAM need it (AWS ECS guide, "Amazon EFS
            # volumes").
            transit_encryption="ENABLED",
            authorization_config=aws.ecs.TaskDefinitionVolumeEfsVolumeConfigurationAuthorizationConfigArgs(
                access_point_id=directory.access_point_id, iam="ENABLED"
            ),
        ),
    )


def _definitions(
    args: TaskArgs,
    containers: Sequence[TaskContainer],
    log_group_name: pulumi.Input[str],
    log_group_arn: pulumi.Output[str],
) -> pulumi.Output[str]:
    paths = [*args.writable_paths, *(directory.path for directory in args.shared)]

    def render(known: Mapping[str, Any]) -> str:
        logging = Logging(
            group=known["log_group"], region=iam.place_of(known["arn"]).region
        )
        return canonical(
            Container(
                name=own.name,
                image=known["image"],
                logging=logging,
                user=f"{args.uid}:{args.gid}",
                command=own.command,
                essential=own.essential,
                after=own.after,
                ports=own.ports,
                environment=known["environment"],
                secrets=known["secrets"],
                volumes=_volumes(*paths, *own.writable_paths),
                health_check=own.health_check,
                stop_timeout=args.stop_timeout,
            )
            for own in containers
        )

    return pulumi.Output.all(
        image=args.image,
        environment=args.environment,
        secrets=args.secrets,
        log_group=log_group_name,
        arn=log_group_arn,
    ).apply(render)


def _execution_policy(
    args: TaskArgs, log_group_arn: pulumi.Output[str]
) -> pulumi.Output[str]:
    return pulumi.Output.all(
        secrets=args.secrets,
        key=args.kms_key_arn,
        repository=args.repository_arn,
        log_group=log_group_arn,
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


def _mount_policy(args: TaskArgs) -> pulumi.Output[str]:
    """Each file system by its access point only, and not as root.

    Without the right to write EFS refuses every change, whatever the mount says.
    https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
    """
    actions = ["elasticfilesystem:ClientMount"]
    if args.shared_writable:
        actions.append("elasticfilesystem:ClientWrite")
    arns = [
        pulumi.Output.all(directory.file_system_arn, directory.access_point_arn)
        for directory in args.shared
    ]
    return pulumi.Output.all(*arns).apply(
        lambda known: iam.document(
            *(_mount_statement(actions, *pair) for pair in known)
        )
    )


def _mount_statement(
    actions: Sequence[str], file_system_arn: str, access_point_arn: str
) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Action": actions,
        "Resource": file_system_arn,
        "Condition": {
            "StringEquals": {"elasticfilesystem:AccessPointArn": access_point_arn}
        },
    }
