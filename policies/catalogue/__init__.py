"""Every policy, one module for each service of AWS, and two for our own."""

from __future__ import annotations

from policies.catalogue import (
    acm,
    backup,
    cis,
    cloudfront,
    cloudwatch,
    data,
    deployment,
    ec2,
    ecr,
    ecs,
    efs,
    elasticache,
    elb,
    iam,
    kms,
    lambda_,
    rds,
    s3,
    secretsmanager,
    sns,
    sqs,
    waf,
)
from policies.model import Policy

_MODULES = (
    acm,
    backup,
    cloudfront,
    cloudwatch,
    ec2,
    ecr,
    ecs,
    efs,
    elasticache,
    elb,
    iam,
    kms,
    lambda_,
    rds,
    s3,
    secretsmanager,
    sns,
    sqs,
    waf,
    cis,
    data,
    deployment,
)

POLICIES: tuple[Policy, ...] = tuple(
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, Policy)
)
"""By service, in order of definition; ours last."""


def find(id_: str) -> Policy:
    """The policy with an id.

    Raises KeyError when there is none.
    """
    return {policy.id: policy for policy in POLICIES}[id_]
