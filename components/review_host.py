"""What a stack has for those of pull requests, which share what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components import iam
from components.alias_records import AliasRecords, AliasRecordsArgs
from components.certificate import Certificate, CertificateArgs
from components.function import make_function
from components.security_groups import HTTPS, connect, let_out
from names import FUNCTION_LIMIT, bounded

_MAKER = Path(__file__).parent / "database_maker"

_LAST_PRIORITY = 50_000
"""Of a listener's rules: asked when no review has the name."""


@dataclass(frozen=True, kw_only=True)
class ReviewHostArgs:
    """What the host of reviews needs to know.

    domain: name of the stack itself; reviews are at `pr-N.` of it.
    zone_id: hosted zone that answers for it.
    validation_fqdns: records that prove the stack's certificate for that domain.
    listener_arn: HTTPS listener of the load balancer that they share.
    load_balancer_dns_name, load_balancer_zone_id: AWS's name for it, and its zone.
    vpc_id, subnet_ids: network, and private subnets of tasks.
    load_balancer_group_id, database_group_id: security groups of what they share.
    app_port: where the containers listen.
    database_port: where the database listens.
    administrator_secret_arn: secret with the connection of the database's owner.
    secrets_prefix: what names of all reviews' secrets begin with, up to `pr-N`.
    kms_key_arn: customer key of these secrets and of the log group.
    connections: that each review may have to the database server.
    log_retention_days: a value that CloudWatch Logs offers.
    """

    domain: str
    zone_id: pulumi.Input[str]
    validation_fqdns: Sequence[pulumi.Input[str]]
    listener_arn: pulumi.Input[str]
    load_balancer_dns_name: pulumi.Input[str]
    load_balancer_zone_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    load_balancer_group_id: pulumi.Input[str]
    database_group_id: pulumi.Input[str]
    app_port: int
    database_port: int = 5432
    administrator_secret_arn: pulumi.Input[str]
    secrets_prefix: str
    kms_key_arn: pulumi.Input[str]
    connections: int
    log_retention_days: int = 30


class ReviewHost(pulumi.ComponentResource):
    """Names, a certificate, a security group, and a maker of databases for reviews.

    A review then changes nothing that is the stack's: it has a rule of the listener
    and a target group of its own, and a role and a database by the name of `pr_N`. A
    name that no review has is answered with 404, or the stack itself would be there.

    Databases are made and dropped by a function in the private network, so that
    whoever deploys a review needs neither a way in nor the administrator's password:
    only the right to call the function, which makes nothing but databases of reviews.
    It costs nothing while nobody calls it. A review cannot read what is the stack's or
    another review's; see `components.database_maker.handler`.
    """

    domain: str
    """What reviews are at `pr-N.` of."""

    security_group_id: pulumi.Output[str]
    """Group of the reviews' tasks: behind the load balancer, next to the database."""

    function_name: pulumi.Output[str]
    """Function that makes and drops their databases."""

    listener_arn: pulumi.Output[str]
    """Listener for their rules; known only once it has the certificate."""

    def __init__(
        self,
        name: str,
        args: ReviewHostArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:ReviewHost", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        name = _own_name(name)

        group, rules = _security_group(name, args, child)
        certified = _certified(name, args, self)
        AliasRecords(
            name,
            AliasRecordsArgs(
                hosts=[f"*.{args.domain}"],
                zone_id=args.zone_id,
                target_dns_name=args.load_balancer_dns_name,
                target_zone_id=args.load_balancer_zone_id,
                evaluate_target_health=True,
            ),
            child,
        )
        aws.lb.ListenerRule(
            f"{name}-none",
            listener_arn=args.listener_arn,
            priority=_LAST_PRIORITY,
            conditions=[
                aws.lb.ListenerRuleConditionArgs(
                    host_header=aws.lb.ListenerRuleConditionHostHeaderArgs(
                        values=[f"pr-*.{args.domain}"]
                    )
                )
            ],
            actions=[
                aws.lb.ListenerRuleActionArgs(
                    type="fixed-response",
                    fixed_response=aws.lb.ListenerRuleActionFixedResponseArgs(
                        content_type="text/plain",
                        message_body="There is no review of this pull request.",
                        status_code="404",
                    ),
                )
            ],
            opts=child,
        )
        function = _function(name, args, group, rules, self)

        self.domain = args.domain
        self.security_group_id = pulumi.Output.all(
            group.id, *(rule.id for rule in rules)
        ).apply(lambda known: str(known[0]))
        self.function_name = function.name
        self.listener_arn = certified.listener_arn
        self.register_outputs(
            {
                "security_group_id": self.security_group_id,
                "function_name": self.function_name,
                "listener_arn": self.listener_arn,
            }
        )


def function_name(stack_name: str) -> str:
    """Name of the function of a stack that makes and drops databases of reviews."""
    return bounded(_own_name(stack_name), FUNCTION_LIMIT)


def _own_name(stack_name: str) -> str:
    return f"{stack_name}-reviews"


def _security_group(
    name: str, args: ReviewHostArgs, opts: pulumi.ResourceOptions
) -> tuple[aws.ec2.SecurityGroup, list[pulumi.CustomResource]]:
    """The group, and the rules without which nothing in it works."""
    group = aws.ec2.SecurityGroup(
        name,
        description="Reviews of pull requests: behind the load balancer",
        vpc_id=args.vpc_id,
        tags={"Name": name},
        opts=opts,
    )
    requests = "Requests from the load balancer to reviews"
    queries = "Queries from reviews to the database"
    return group, [
        *connect(
            f"{name}-from-load-balancer",
            args.load_balancer_group_id,
            group.id,
            args.app_port,
            requests,
            opts,
        ),
        *connect(
            f"{name}-to-database",
            group.id,
            args.database_group_id,
            args.database_port,
            queries,
            opts,
        ),
        let_out(
            f"{name}-https",
            group.id,
            HTTPS,
            "AWS and external services over HTTPS",
            opts,
        ),
    ]


def _certified(
    name: str, args: ReviewHostArgs, parent: pulumi.Resource
) -> aws.lb.ListenerCertificate:
    """The listener, with a certificate for the name of any review."""
    child = pulumi.ResourceOptions(parent=parent)
    certificate = Certificate(
        name,
        CertificateArgs(domain=f"*.{args.domain}", validated_by=args.validation_fqdns),
        child,
    )
    return aws.lb.ListenerCertificate(
        name,
        listener_arn=args.listener_arn,
        certificate_arn=certificate.arn,
        opts=child,
    )


def _function(
    name: str,
    args: ReviewHostArgs,
    group: aws.ec2.SecurityGroup,
    rules: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> aws.lambda_.Function:
    name = bounded(name, FUNCTION_LIMIT)
    files = ("__init__.py", "handler.py", "postgres.py")
    return make_function(
        name,
        # Not by Pulumi's own: its role names it.
        physical_name=name,
        description="Makes and drops databases of reviews",
        handler="database_maker.handler.handle",
        code={
            f"database_maker/{file}": pulumi.FileAsset(str(_MAKER / file))
            for file in files
        },
        environment={
            "ADMINISTRATOR_SECRET_ARN": args.administrator_secret_arn,
            "CONNECTIONS": str(args.connections),
            "SECRETS_PREFIX": args.secrets_prefix,
        },
        policy=lambda log_group_arn: pulumi.Output.all(
            log_group_arn=log_group_arn,
            administrator=args.administrator_secret_arn,
            key_arn=args.kms_key_arn,
        ).apply(
            lambda known: _policy(name, secrets_prefix=args.secrets_prefix, **known)
        ),
        memory_size=256,
        timeout=60,
        log_retention_days=args.log_retention_days,
        kms_key_arn=args.kms_key_arn,
        vpc_config=aws.lambda_.FunctionVpcConfigArgs(
            subnet_ids=args.subnet_ids, security_group_ids=[group.id]
        ),
        starts_after=rules,
        parent=parent,
    ).function


def _policy(
    name: str,
    *,
    secrets_prefix: str,
    log_group_arn: str,
    administrator: str,
    key_arn: str,
) -> str:
    """What the function may do; its network interfaces are made by Lambda itself.

    The calls for these know no resource, or none that is there yet. They are Lambda's
    to make with this role, and denied to the code.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    partition, region, account = iam.place_of(administrator)
    own = f"arn:{partition}:secretsmanager:{region}:{account}:secret:{secrets_prefix}"
    secrets = [administrator, f"{own}pr-*/DATABASE_URL-??????"]
    function = f"arn:{partition}:lambda:{region}:{account}:function:{name}"
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ]
    return iam.document(
        {
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {
            "Sid": "ReadConnections",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": secrets,
        },
        {
            "Sid": "DecryptConnections",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": f"secretsmanager.{region}.amazonaws.com"
                },
                "StringLike": {"kms:EncryptionContext:SecretARN": secrets},
            },
        },
        {
            "Sid": "JoinTheNetwork",
            "Effect": "Allow",
            "Action": interfaces,
            "Resource": "*",
        },
        {
            "Sid": "TheCodeDoesNot",
            "Effect": "Deny",
            "Action": interfaces,
            "Resource": "*",
            "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": function}},
        },
    )
