"""What exists in the embedded AWS, for saying what a destroyed stack left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rehearsal.provider.row import Aws
from rehearsal.stages.stage import Thing

_AWS_MANAGED = "Default master key that protects my "
"""How AWS describes the keys that it makes by itself, such as the one for EBS."""


def take(aws: Aws, abroad: Iterable[Aws] = ()) -> set[Thing]:
    """Everything that a stack of ours can make, AWS's own things included.

    aws: of the stack's region. abroad: other regions that it may have something in,
    which is then named with the region.
    """
    found = {thing for look in (*_GLOBAL_LOOKS, *_LOOKS) for thing in look(aws)}
    for there in abroad:
        found |= {
            replace(thing, name=f"{thing.name} in {there.region}")
            for look in _LOOKS
            for thing in look(there)
        }
    return found


def _listed(
    kind: str, service: str, call: str, answer: str, name: str, **arguments: Any
) -> Callable[[Aws], Iterable[Thing]]:
    """A look that is one list call."""

    def look(aws: Aws) -> Iterable[Thing]:
        found = getattr(aws.client(service), call)(**arguments)[answer]
        return [Thing(kind, str(item[name])) for item in found]

    return look


def _instances(aws: Aws) -> Iterable[Thing]:
    running = [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]
    found = aws.client("ec2").describe_instances(Filters=running)
    for reservation in found["Reservations"]:
        for instance in reservation["Instances"]:
            yield Thing("instance", instance["InstanceId"])


def _nat_gateways(aws: Aws) -> Iterable[Thing]:
    for gateway in aws.client("ec2").describe_nat_gateways()["NatGateways"]:
        if gateway["State"] != "deleted":
            yield Thing("NAT gateway", gateway["NatGatewayId"])


def _endpoints(aws: Aws) -> Iterable[Thing]:
    for endpoint in aws.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]:
        if endpoint["State"].lower() != "deleted":
            yield Thing("VPC endpoint", endpoint["VpcEndpointId"])


def _keys(aws: Aws) -> Iterable[Thing]:
    kms = aws.client("kms")
    for key in kms.list_keys()["Keys"]:
        found = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if found["Description"].startswith(_AWS_MANAGED):
            continue
        pending = found["KeyState"] == "PendingDeletion"
        yield Thing("KMS key", key["KeyId"], "deletion scheduled" if pending else "")


def _secrets(aws: Aws) -> Iterable[Thing]:
    found = aws.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)
    for secret in found["SecretList"]:
        scheduled = "DeletedDate" in secret
        yield Thing("secret", secret["Name"], "can be restored" if scheduled else "")


def _task_definitions(aws: Aws) -> Iterable[Thing]:
    for arn in aws.client("ecs").list_task_definitions(status="ACTIVE")[
        "taskDefinitionArns"
    ]:
        yield Thing("task definition", arn.rsplit("/", 1)[-1])


def _clusters(aws: Aws) -> Iterable[Thing]:
    ecs = aws.client("ecs")
    arns = ecs.list_clusters()["clusterArns"]
    for cluster in ecs.describe_clusters(clusters=arns)["clusters"] if arns else []:
        if cluster["status"] == "ACTIVE":
            yield Thing("ECS cluster", cluster["clusterName"])


def _caches(aws: Aws) -> Iterable[Thing]:
    found = aws.client("elasticache").describe_replication_groups()
    for group in found["ReplicationGroups"]:
        if group["Status"] != "deleting":
            yield Thing("cache", group["ReplicationGroupId"])


def _records(aws: Aws) -> Iterable[Thing]:
    route53 = aws.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])
        for record in records["ResourceRecordSets"]:
            yield Thing("DNS record", f"{record['Name']} {record['Type']}")


def _queues(aws: Aws) -> Iterable[Thing]:
    for url in aws.client("sqs").list_queues().get("QueueUrls", []):
        yield Thing("queue", url.rsplit("/", 1)[-1])


def _distributions(aws: Aws) -> Iterable[Thing]:
    found = aws.client("cloudfront").list_distributions()["DistributionList"]
    for distribution in found.get("Items", []):
        yield Thing("distribution", distribution["Id"])


_Looks = tuple[Callable[[Aws], Iterable[Thing]], ...]

_GLOBAL_LOOKS: _Looks = (
    _records,
    _distributions,
    _listed("role", "iam", "list_roles", "Roles", "RoleName"),
    _listed("policy", "iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
    _listed(
        "instance profile",
        "iam",
        "list_instance_profiles",
        "InstanceProfiles",
        "InstanceProfileName",
    ),
    _listed("bucket", "s3", "list_buckets", "Buckets", "Name"),
    _listed("web ACL", "wafv2", "list_web_acls", "WebACLs", "Name", Scope="CLOUDFRONT"),
    _listed("health check", "route53", "list_health_checks", "HealthChecks", "Id"),
)
"""What an account has once, whatever the region."""

_LOOKS: _Looks = (
    _instances,
    _nat_gateways,
    _endpoints,
    _keys,
    _secrets,
    _task_definitions,
    _clusters,
    _caches,
    _queues,
    _listed("VPC", "ec2", "describe_vpcs", "Vpcs", "VpcId"),
    _listed("subnet", "ec2", "describe_subnets", "Subnets", "SubnetId"),
    _listed(
        "security group",
        "ec2",
        "describe_security_groups",
        "SecurityGroups",
        "GroupId",
    ),
    _listed(
        "route table", "ec2", "describe_route_tables", "RouteTables", "RouteTableId"
    ),
    _listed(
        "internet gateway",
        "ec2",
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
    ),
    _listed("address", "ec2", "describe_addresses", "Addresses", "PublicIp"),
    _listed("flow log", "ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    _listed(
        "repository", "ecr", "describe_repositories", "repositories", "repositoryName"
    ),
    _listed(
        "database",
        "rds",
        "describe_db_instances",
        "DBInstances",
        "DBInstanceIdentifier",
    ),
    _listed(
        "database snapshot",
        "rds",
        "describe_db_snapshots",
        "DBSnapshots",
        "DBSnapshotIdentifier",
        SnapshotType="manual",
    ),
    _listed(
        "database subnet group",
        "rds",
        "describe_db_subnet_groups",
        "DBSubnetGroups",
        "DBSubnetGroupName",
    ),
    _listed(
        "database parameter group",
        "rds",
        "describe_db_parameter_groups",
        "DBParameterGroups",
        "DBParameterGroupName",
    ),
    _listed(
        "cache snapshot",
        "elasticache",
        "describe_snapshots",
        "Snapshots",
        "SnapshotName",
    ),
    _listed(
        "file system",
        "efs",
        "describe_file_systems",
        "FileSystems",
        "FileSystemId",
        MaxItems=1000,
    ),
    _listed(
        "access point",
        "efs",
        "describe_access_points",
        "AccessPoints",
        "AccessPointId",
    ),
    _listed(
        "load balancer",
        "elbv2",
        "describe_load_balancers",
        "LoadBalancers",
        "LoadBalancerName",
    ),
    _listed(
        "target group",
        "elbv2",
        "describe_target_groups",
        "TargetGroups",
        "TargetGroupName",
    ),
    _listed("web ACL", "wafv2", "list_web_acls", "WebACLs", "Name", Scope="REGIONAL"),
    _listed(
        "scaling target",
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        "ResourceId",
        ServiceNamespace="ecs",
    ),
    _listed(
        "scaling policy",
        "application-autoscaling",
        "describe_scaling_policies",
        "ScalingPolicies",
        "PolicyName",
        ServiceNamespace="ecs",
    ),
    _listed(
        "scaling schedule",
        "application-autoscaling",
        "describe_scheduled_actions",
        "ScheduledActions",
        "ScheduledActionName",
        ServiceNamespace="ecs",
    ),
    _listed("log group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    _listed(
        "log delivery source",
        "logs",
        "describe_delivery_sources",
        "deliverySources",
        "name",
    ),
    _listed(
        "log delivery destination",
        "logs",
        "describe_delivery_destinations",
        "deliveryDestinations",
        "name",
    ),
    _listed("log delivery", "logs", "describe_deliveries", "deliveries", "id"),
    _listed(
        "log resource policy",
        "logs",
        "describe_resource_policies",
        "resourcePolicies",
        "policyName",
    ),
    _listed(
        "certificate",
        "acm",
        "list_certificates",
        "CertificateSummaryList",
        "DomainName",
    ),
    _listed("schedule", "scheduler", "list_schedules", "Schedules", "Name"),
    _listed(
        "schedule group", "scheduler", "list_schedule_groups", "ScheduleGroups", "Name"
    ),
    _listed("event rule", "events", "list_rules", "Rules", "Name"),
    _listed(
        "metric filter",
        "logs",
        "describe_metric_filters",
        "metricFilters",
        "filterName",
    ),
    _listed(
        "dashboard",
        "cloudwatch",
        "list_dashboards",
        "DashboardEntries",
        "DashboardName",
    ),
    _listed(
        "database event subscription",
        "rds",
        "describe_event_subscriptions",
        "EventSubscriptionsList",
        "CustSubscriptionId",
    ),
    _listed("topic", "sns", "list_topics", "Topics", "TopicArn"),
    _listed(
        "subscription", "sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"
    ),
    _listed("alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    _listed("function", "lambda", "list_functions", "Functions", "FunctionName"),
    _listed(
        "backup vault",
        "backup",
        "list_backup_vaults",
        "BackupVaultList",
        "BackupVaultName",
    ),
)
"""What is in one region each."""
