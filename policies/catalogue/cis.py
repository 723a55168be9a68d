"""CIS AWS Foundations Benchmark 7.0, as far as Security Hub has no control for it."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import is_public, statements_of
from policies.log_delivery import delivers_access_logs
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import (
    BACKUP_VAULT_POLICY,
    BUCKET,
    BUCKET_POLICY,
    DISTRIBUTION,
    EVENT_BUS_POLICY,
    FILE_SYSTEM_POLICY,
    FUNCTION_POLICY,
    HTTP_API_STAGE,
    KEY,
    KEY_POLICY,
    LOAD_BALANCER,
    LOG_RESOURCE_POLICY,
    QUEUE,
    QUEUE_POLICY,
    REPOSITORY_POLICY,
    REST_API_STAGE,
    ROLE,
    SECRET,
    SECRET_POLICY,
    TOPIC,
    TOPIC_POLICY,
    VPC,
    VPC_ENDPOINT,
)

# Neither an endpoint's policy, which grants nothing by itself, nor a public API's.
_POLICIES = {
    BACKUP_VAULT_POLICY: "policy",
    BUCKET: "policy",
    BUCKET_POLICY: "policy",
    EVENT_BUS_POLICY: "policy",
    FILE_SYSTEM_POLICY: "policy",
    FUNCTION_POLICY: "policy",
    KEY: "policy",
    KEY_POLICY: "policy",
    LOG_RESOURCE_POLICY: "policyDocument",
    QUEUE: "policy",
    QUEUE_POLICY: "policy",
    REPOSITORY_POLICY: "policy",
    ROLE: "assumeRolePolicy",
    SECRET: "policy",
    SECRET_POLICY: "policy",
    TOPIC: "policy",
    TOPIC_POLICY: "policy",
}
"""The input with the policy, of each type that has one for others to use it."""

_LOG_SETTINGS = {
    DISTRIBUTION: "loggingConfig.bucket",
    HTTP_API_STAGE: "accessLogSettings.destinationArn",
    REST_API_STAGE: "accessLogSettings.destinationArn",
}
"""The input with where access logs go."""


@policy(
    "CIS-7.0.2.21",
    *_POLICIES,
    title="No policy of a resource lets everybody use it",
    severity=Severity.HIGH,
    source=Source.CIS,
    remedy="Name principals in the policy, or add a condition that says who, such as "
    "one on aws:SourceAccount.",
)
def not_everybodys(resource: Resource) -> Iterator[str]:
    """Principal * is everybody with an AWS account, and often without one."""
    path = _POLICIES[resource.type]
    for statement in statements_of(resource, path):
        if is_public(statement):
            name = f"{path} {statement.sid}".strip()
            actions = statement.actions or statement.not_actions
            yield f"{name} allows everybody {', '.join(actions)}"


@policy(
    "CIS-7.0.4.10",
    LOAD_BALANCER,
    DISTRIBUTION,
    REST_API_STAGE,
    HTTP_API_STAGE,
    title="Front ends log who asks them for what",
    severity=Severity.MEDIUM,
    source=Source.CIS,
    remedy="Set access_logs with enabled=True on a load balancer, logging_config or an "
    "aws.cloudwatch.LogDelivery on a distribution, access_log_settings on a stage.",
)
def front_end_logged(resource: Resource, graph: ResourceGraph) -> Iterator[str]:
    """An attack on the web begins there, and so does its trace."""
    if resource.type == LOAD_BALANCER:
        if resource.get("loadBalancerType") == "gateway":
            return
        path = "accessLogs.enabled"
        logged = resource.get(path) is True
    else:
        path = _LOG_SETTINGS[resource.type]
        logged = resource.has(path)
    if not logged and not delivers_access_logs(resource, graph):
        yield f"{path} is not set, and no access logs are delivered"


@policy(
    "CIS-7.0.6.8",
    VPC,
    title="A VPC reaches S3 by an endpoint",
    severity=Severity.MEDIUM,
    source=Source.CIS,
    remedy="Add aws.ec2.VpcEndpoint with the service com.amazonaws.REGION.s3 and the "
    "route_table_ids of the private subnets. A gateway costs nothing.",
)
def s3_by_endpoint(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Traffic to S3, layers of images too, then stays off the internet and the NAT."""
    for endpoint in graph.referring(vpc, VPC_ENDPOINT, "vpcId"):
        if str(endpoint.get("serviceName", "")).endswith(".s3"):
            return
    yield "it has no endpoint with a serviceName of s3"
