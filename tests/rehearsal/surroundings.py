"""What the cases build their resources in, made once per cloud and shared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from rehearsal.provider.row import Aws
from tests.rehearsal.conformance import Site

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")


@dataclass(frozen=True)
class Network:
    """A VPC with a subnet in each of three zones and two security groups."""

    vpc: str
    subnets: list[str]
    groups: list[str]


@cache
def network(aws: Aws, number: int = 0) -> Network:
    """The network of that number; two differ in everything."""
    site = Site(aws)
    vpc = site.make("aws:ec2/vpc:Vpc", cidrBlock=f"10.{number}.0.0/16")["id"]
    return Network(
        vpc=vpc,
        subnets=[
            site.make(
                "aws:ec2/subnet:Subnet",
                vpcId=vpc,
                cidrBlock=f"10.{number}.{third}.0/24",
                availabilityZone=zone,
            )["id"]
            for third, zone in enumerate(ZONES)
        ],
        groups=[
            site.make("aws:ec2/securityGroup:SecurityGroup", vpcId=vpc)["id"]
            for _ in range(2)
        ],
    )


@cache
def load_balancer(aws: Aws, number: int = 0) -> str:
    """ARN of the load balancer of that number, without listeners."""
    made = Site(aws).make(
        "aws:lb/loadBalancer:LoadBalancer", subnets=network(aws).subnets
    )
    return str(made["arn"])


@cache
def target_group(aws: Aws, number: int = 0) -> str:
    """ARN of the target group of that number, for IP addresses on port 80."""
    made = Site(aws).make(
        "aws:lb/targetGroup:TargetGroup",
        vpcId=network(aws).vpc,
        port=80,
        protocol="HTTP",
        targetType="ip",
    )
    return str(made["arn"])


def forwarding_to(group: str) -> list[dict[str, Any]]:
    """Default actions of a listener that sends everything to a target group."""
    return [{"type": "forward", "targetGroupArn": group}]


@cache
def issued_certificate(aws: Aws, number: int = 0) -> str:
    """ARN of the certificate of that number."""
    acm = aws.client("acm")
    arn = acm.request_certificate(DomainName="example.org", ValidationMethod="DNS")
    acm.get_waiter("certificate_validated").wait(
        CertificateArn=arn["CertificateArn"],
        WaiterConfig={"Delay": 1, "MaxAttempts": 10},
    )
    return str(arn["CertificateArn"])


@cache
def zone(aws: Aws, domain: str, number: int = 0) -> str:
    """Id of the hosted zone of that number for a domain."""
    made = aws.client("route53").create_hosted_zone(
        Name=domain, CallerReference=f"{domain}-{number}"
    )
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]


@cache
def key(aws: Aws, number: int = 0) -> str:
    """ARN of the customer key of that number."""
    made = aws.client("kms").create_key(Description=f"key {number}")
    return str(made["KeyMetadata"]["Arn"])


@cache
def balanced_target_group(aws: Aws, number: int = 0) -> str:
    """ARN of the target group of that number, with a listener in front."""
    group = target_group(aws, number)
    Site(aws).make(
        "aws:lb/listener:Listener",
        loadBalancerArn=load_balancer(aws),
        port=9000 + number,
        defaultActions=forwarding_to(group),
    )
    return group
