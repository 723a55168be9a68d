"""What breaks the policies of CIS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from resource_graph import UNKNOWN, Resource
from resource_types import (
    BUCKET_POLICY,
    DISTRIBUTION,
    FILE_SYSTEM_POLICY,
    HTTP_API_STAGE,
    KEY,
    LOAD_BALANCER,
    LOG_DELIVERY,
    LOG_DELIVERY_SOURCE,
    LOG_RESOURCE_POLICY,
    QUEUE,
    REST_API_STAGE,
    ROLE,
    TOPIC_POLICY,
    VPC,
    VPC_ENDPOINT,
)
from tests.unit.policies.casework import Case, resource

NETWORK = resource(VPC, "network")
DELIVERED = resource(LOAD_BALANCER, "delivered")
SOURCE = resource(
    LOG_DELIVERY_SOURCE,
    "source",
    comes_from={"resourceArn": [DELIVERED]},
    logType="ALB_ACCESS_LOGS",
)
NAMED_SOURCE = replace(SOURCE, inputs={**SOURCE.inputs, "name": "by-name"})


def document(**more: Any) -> str:
    """A policy that lets everybody do something."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "a:B"}
    return json.dumps({"Statement": [{**statement, **more}]})


def endpoint(service: str) -> Resource:
    """A gateway endpoint of the network."""
    return resource(
        VPC_ENDPOINT,
        comes_from={"vpcId": [NETWORK]},
        serviceName=f"com.amazonaws.eu-central-1.{service}",
    )


CASES = (
    Case(
        id="CIS-7.0.2.21",
        good=[
            resource(QUEUE),
            resource(BUCKET_POLICY, policy=document(Effect="Deny")),
            resource(
                TOPIC_POLICY,
                policy=document(
                    Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}
                ),
            ),
            resource(
                FILE_SYSTEM_POLICY,
                policy=document(
                    Condition={
                        "Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}
                    }
                ),
            ),
            resource(
                ROLE,
                assumeRolePolicy=document(Principal={"Service": "ec2.amazonaws.com"}),
            ),
        ],
        bad={
            "a bucket": (
                [resource(BUCKET_POLICY, policy=document(Sid="Open"))],
                "policy Open allows everybody a:B",
            ),
            "a key": (
                [resource(KEY, policy=document(Principal={"AWS": ["*"]}))],
                "policy allows everybody",
            ),
            "a role": (
                [resource(ROLE, assumeRolePolicy=document())],
                "assumeRolePolicy allows everybody",
            ),
            "logs": (
                [resource(LOG_RESOURCE_POLICY, policyDocument=document())],
                "policyDocument allows everybody",
            ),
            "all but one": (
                [
                    resource(
                        TOPIC_POLICY,
                        policy=document(Principal=None, NotPrincipal={"AWS": "1"}),
                    )
                ],
                "everybody",
            ),
        },
    ),
    Case(
        id="CIS-7.0.4.10",
        good=[
            resource(LOAD_BALANCER, accessLogs={"enabled": True, "bucket": UNKNOWN}),
            resource(LOAD_BALANCER, loadBalancerType="gateway"),
            DELIVERED,
            NAMED_SOURCE,
            resource(LOG_DELIVERY, deliverySourceName="by-name"),
            resource(DISTRIBUTION, loggingConfig={"bucket": UNKNOWN}),
            resource(HTTP_API_STAGE, accessLogSettings={"destinationArn": UNKNOWN}),
        ],
        bad={
            "a load balancer by default": (
                [resource(LOAD_BALANCER)],
                "accessLogs.enabled is not set",
            ),
            "a load balancer, not enabled": (
                [resource(LOAD_BALANCER, accessLogs={"bucket": "logs"})],
                "accessLogs.enabled is not set",
            ),
            "a distribution by default": (
                [resource(DISTRIBUTION)],
                "loggingConfig.bucket is not set",
            ),
            "a stage by default": (
                [resource(REST_API_STAGE)],
                "accessLogSettings.destinationArn is not set",
            ),
        },
    ),
    Case(
        id="CIS-7.0.6.8",
        good=[NETWORK, endpoint("dynamodb"), endpoint("s3")],
        bad={
            "no endpoint": ([NETWORK], "no endpoint"),
            "only for something else": ([NETWORK, endpoint("dynamodb")], "s3"),
        },
    ),
)
