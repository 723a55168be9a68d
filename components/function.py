"""What every Lambda function has: a log of its own, and a role that is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam


@dataclass(frozen=True, kw_only=True)
class FunctionParts:
    """What `make_function` made."""

    function: aws.lambda_.Function
    logs: aws.cloudwatch.LogGroup


def make_function(
    name: str,
    *,
    description: str,
    handler: str,
    code: Mapping[str, pulumi.FileAsset],
    environment: Mapping[str, pulumi.Input[str]],
    policy: Callable[[pulumi.Output[str]], pulumi.Output[str]],
    memory_size: int,
    timeout: int,
    log_retention_days: int,
    kms_key_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    physical_name: str | None = None,
    vpc_config: aws.lambda_.FunctionVpcConfigArgs | None = None,
    starts_after: Sequence[pulumi.Resource] = (),
) -> FunctionParts:
    """Make a Python function on ARM, which logs errors and not each start and end.

    policy: what its role may do, made of the ARN of its log group. memory_size: MiB.
    timeout: seconds. log_retention_days: a value that CloudWatch Logs offers.
    kms_key_arn: encrypts the log. physical_name: for one that others name; by default
        Pulumi's own. starts_after: what it needs, and no argument leads to.
    """
    child = pulumi.ResourceOptions(parent=parent)
    logs = aws.cloudwatch.LogGroup(
        name,
        name=f"/aws/lambda/{name}",
        retention_in_days=log_retention_days,
        kms_key_id=kms_key_arn,
        opts=child,
    )
    role = aws.iam.Role(
        name,
        description=description,
        assume_role_policy=iam.lambda_trust(),
        opts=child,
    )
    rights = aws.iam.RolePolicy(
        name, role=role.name, policy=policy(logs.arn), opts=child
    )
    function = aws.lambda_.Function(
        name,
        name=physical_name,
        description=description,
        runtime="python3.13",
        architectures=["arm64"],
        handler=handler,
        code=pulumi.AssetArchive(dict(code)),
        memory_size=memory_size,
        timeout=timeout,
        role=role.arn,
        vpc_config=vpc_config,
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=dict(environment)),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(
            log_format="JSON", log_group=logs.name, system_log_level="WARN"
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[rights, *starts_after]),
    )
    return FunctionParts(function=function, logs=logs)
