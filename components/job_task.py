"""A job of the app as a Fargate task, which somebody starts when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import iam
from components.task_definition import Task, TaskArgs, TaskContainer, define_task
from names import AUTO_NAME_LENGTH, bounded

NAME_LIMIT = 64 - AUTO_NAME_LENGTH - len("-execution")
"""Logical name with the longest suffix: that of a role (AWS: 64)."""


@dataclass(frozen=True, kw_only=True)
class JobTaskArgs(TaskArgs):
    """What a job's task needs to know, besides what every task does.

    command: of the job, in the image (1 word or more).
    log_group_name, log_group_arn: existing CloudWatch log group of its output.
    statements: IAM statements: what the job may do in the account.
    """

    command: Sequence[str]
    log_group_name: pulumi.Input[str]
    log_group_arn: pulumi.Input[str]
    statements: pulumi.Input[Sequence[Mapping[str, object]]] = ()

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse late or, worse, accept.

        Raises:
            ValueError: for what no task can have, and for no command.
        """
        super().__post_init__()
        if not self.command:
            raise ValueError("command: empty; the image's own is the app's")


class JobTask(pulumi.ComponentResource):
    """A Fargate task that runs when an operator starts it, and at no other time."""

    task_definition_arn: pulumi.Output[str]
    """ARN of the revision to start."""

    def __init__(
        self,
        name: str,
        args: JobTaskArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:JobTask", name, None, opts)
        task = define_job(bounded(name, NAME_LIMIT), args, parent=self)
        self.task_definition_arn = task.definition.arn
        self.register_outputs({"task_definition_arn": self.task_definition_arn})


def define_job(name: str, args: JobTaskArgs, *, parent: pulumi.Resource) -> Task:
    """Define a task of one container, which runs the job, as children of `parent`.

    name: of the container as of the task, `NAME_LIMIT` long at most.
    """
    return define_task(
        name,
        args,
        [TaskContainer(name=name, command=args.command)],
        log_group_name=args.log_group_name,
        log_group_arn=args.log_group_arn,
        policies=_policies(args.statements),
        parent=parent,
    )


def _policies(
    statements: pulumi.Input[Sequence[Mapping[str, object]]],
) -> dict[str, pulumi.Input[str]]:
    if isinstance(statements, Sequence) and not statements:
        return {}
    known: pulumi.Output[Sequence[Mapping[str, object]]] = pulumi.Output.from_input(
        statements
    )
    return {"job": known.apply(lambda given: iam.document(*given))}
