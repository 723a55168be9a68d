"""What resources cost, by type: a function each, and the types that cost nothing."""

from __future__ import annotations

from collections.abc import Mapping

from cost.meter import Rate
from cost.rates import compute, data, digitalocean, network, operations, railway

RATES: Mapping[str, Rate] = {
    **compute.RATES,
    **data.RATES,
    **digitalocean.RATES,
    **network.RATES,
    **operations.RATES,
    **railway.RATES,
}
"""Type -> the function that prices it."""

_FREE: Mapping[str, str] = {
    "aws:acm/": "certificates for AWS's own services are free",
    "aws:appautoscaling/target": "scaling itself is free",
    "aws:backup/restoreTestingPlan": "the tests are paid for, not their plan",
    "aws:backup/selection": "what is kept is paid for",
    "aws:backup/vaultLockConfiguration": "what is kept is paid for",
    "aws:budgets/": "budgets without actions are free",
    "aws:cloudfront/": "comes with the distribution",
    "aws:cloudwatch/eventRule": "events of AWS's own services are free",
    "aws:cloudwatch/eventTarget": "events of AWS's own services are free",
    "aws:cloudwatch/logDelivery": "what is delivered is in the bucket",
    "aws:cloudwatch/logResourcePolicy": "a policy",
    "aws:ec2/defaultSecurityGroup": "comes with the network",
    "aws:ec2/flowLog": "paid for with its log group",
    "aws:ec2/internetGateway": "comes with the network",
    "aws:ec2/route": "comes with the network",
    "aws:ec2/securityGroup": "comes with the network",
    "aws:ec2/subnet": "comes with the network",
    "aws:ec2/vpc:": "a network itself is free",
    "aws:ecr/": "what images hold is paid for with the repository",
    "aws:ecs/clusterCapacityProviders": "tasks are paid for",
    "aws:ecs/taskDefinition": "tasks are paid for",
    "aws:efs/": "paid for with the file system",
    "aws:elasticache/parameterGroup": "comes with the cache",
    "aws:elasticache/subnetGroup": "comes with the cache",
    "aws:iam/": "identities and policies are free",
    "aws:kms/alias": "a name",
    "aws:lambda/": "comes with the function",
    "aws:lb/": "comes with the load balancer",
    "aws:rds/eventSubscription": "events are free",
    "aws:rds/parameterGroup": "comes with the database",
    "aws:rds/subnetGroup": "comes with the database",
    "aws:route53/record": "the zone is paid for, which is not in the stack",
    "aws:s3/": "comes with the bucket",
    "aws:scheduler/scheduleGroup": "schedules are paid for by the run",
    "aws:secretsmanager/": "comes with the secret",
    "aws:sns/": "comes with the topic",
    "aws:sqs/": "comes with the queue",
    "aws:vpc/securityGroup": "comes with the network",
    "aws:wafv2/": "comes with the web ACL",
    "digitalocean:index/databaseDb:": "comes with the cluster",
    "digitalocean:index/databaseFirewall:": "comes with the cluster",
    "digitalocean:index/databasePostgresqlConfig:": "comes with the cluster",
    "digitalocean:index/databaseUser:": "comes with the cluster",
    "digitalocean:index/databaseValkeyConfig:": "comes with the cluster",
    "digitalocean:index/firewall:": "firewalls are free",
    "digitalocean:index/project": "a way to sort what there is",
    "digitalocean:index/reservedIp": "free while a droplet has it",
    "digitalocean:index/spacesKey:": "a key",
    "digitalocean:index/sshKey:": "a key",
    "digitalocean:index/uptimeAlert:": "comes with the check",
    "digitalocean:index/volumeAttachment:": "the volume is paid for",
    "docker": "runs on the host, whose price is not in the program",
    "pulumi-python:dynamic/railway:": "what services use is paid for",
    "pulumi:": "Pulumi's own",
    "random:": "Pulumi's own",
    "tls:": "Pulumi's own",
}
"""Beginning of a type -> why what has no rate costs nothing."""

_NOT_FREE = (
    "aws:budgets/budgetAction",
    "aws:cloudfront/monitoringSubscription",
    "aws:cloudfront/realtimeLogConfig",
    "aws:efs/replicationConfiguration",
    "aws:lambda/provisionedConcurrencyConfig",
    "aws:lb/trustStore:",
    "aws:s3/bucketMetric",
    "aws:wafv2/ruleGroup",
)
"""Begin like what is free, and are paid for; none of them has a rate."""


def free(type_: str) -> str:
    """Why resources of a type cost nothing; empty when nobody says that they do."""
    if type_.startswith(_NOT_FREE):
        return ""
    return next((why for start, why in _FREE.items() if type_.startswith(start)), "")
