"""The AWS types and functions that the embedded AWS carries out."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.provider.aws import (
    acm,
    autoscaling,
    backup,
    cloudfront,
    cloudwatch,
    dashboards,
    ec2,
    ecr,
    ecs,
    efs,
    elasticache,
    elbv2,
    events,
    iam,
    kms,
    lambda_,
    log_delivery,
    logs,
    rds,
    route53,
    s3,
    scheduler,
    secretsmanager,
    sns,
    sqs,
    ssm,
    sts,
    wafv2,
)
from rehearsal.provider.row import Row
from rehearsal.provider.server import Invoke

_SERVICES = (
    acm,
    autoscaling,
    backup,
    cloudfront,
    cloudwatch,
    dashboards,
    ec2,
    ecr,
    ecs,
    efs,
    elasticache,
    elbv2,
    events,
    iam,
    kms,
    lambda_,
    log_delivery,
    logs,
    rds,
    route53,
    s3,
    scheduler,
    secretsmanager,
    sns,
    sqs,
    ssm,
    sts,
    wafv2,
)

ROWS: Mapping[str, Row] = {
    row.token: row() for service in _SERVICES for row in service.ROWS
}
INVOKES: Mapping[str, Invoke] = {
    token: invoke for service in _SERVICES for token, invoke in service.INVOKES.items()
}
