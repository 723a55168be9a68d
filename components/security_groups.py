"""Who may talk to whom: the security groups of the app, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

HTTP = 80
HTTPS = 443

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    """What the groups need to know.

    vpc_id: network they belong to.
    app_port: where the app's containers listen.
    database_port: where the database listens.
    allowed_cidrs: IPv4 ranges that may reach the load balancer.
    https: whether the load balancer serves HTTPS; 80 is then for the redirect.
    smtp_port: where the mail provider listens; None when no mail is sent.
    """

    vpc_id: pulumi.Input[str]
    app_port: int
    database_port: int = 5432
    allowed_cidrs: Sequence[str] = (ANYWHERE,)
    https: bool
    smtp_port: int | None = None


class SecurityGroups(pulumi.ComponentResource):
    """One group per role, and every connection that is allowed between them.

        internet -> load balancer -> service -> database
                                     service -> internet: HTTPS, mail

    Nothing else passes; the database opens no connection at all. Only the web
    ports of the load balancer are open to the world (EC2.18). A rule is a resource
    of its own, so that groups may refer to each other and a diff shows one rule.
    """

    load_balancer_id: pulumi.Output[str]
    """Group of the load balancer."""

    service_id: pulumi.Output[str]
    """Group of the app's tasks."""

    database_id: pulumi.Output[str]
    """Group of the database."""

    def __init__(
        self,
        name: str,
        args: SecurityGroupsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:SecurityGroups", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def group(role: str, description: str) -> aws.ec2.SecurityGroup:
            return aws.ec2.SecurityGroup(
                f"{name}-{role}",
                description=description,
                vpc_id=args.vpc_id,
                tags={"Name": f"{name}-{role}"},
                opts=child,
            )

        load_balancer = group("load-balancer", "Load balancer: web traffic in")
        service = group("service", "Tasks of the app: behind the load balancer")
        database = group("database", "Database: reached by the tasks only")

        _admit_web(f"{name}-load-balancer", load_balancer, args, child)
        _connect(
            f"{name}-load-balancer-to-service",
            load_balancer,
            service,
            args.app_port,
            "Requests from the load balancer to the app",
            child,
        )
        _connect(
            f"{name}-service-to-database",
            service,
            database,
            args.database_port,
            "Queries from the app to the database",
            child,
        )
        _let_out(
            f"{name}-service-https",
            service,
            HTTPS,
            "AWS and external services over HTTPS",
            child,
        )
        # A second rule for the same port would be refused as a duplicate.
        if args.smtp_port not in (None, HTTPS):
            _let_out(
                f"{name}-service-smtp", service, args.smtp_port, "Outgoing mail", child
            )

        self.load_balancer_id = load_balancer.id
        self.service_id = service.id
        self.database_id = database.id
        self.register_outputs(
            {
                "load_balancer_id": self.load_balancer_id,
                "service_id": self.service_id,
                "database_id": self.database_id,
            }
        )


def _admit_web(
    name: str,
    group: aws.ec2.SecurityGroup,
    args: SecurityGroupsArgs,
    opts: pulumi.ResourceOptions,
) -> None:
    ports = {HTTP: ("http", "Web traffic over HTTP")}
    if args.https:
        ports = {
            HTTP: ("http", "HTTP, redirected to HTTPS"),
            HTTPS: ("https", "Web traffic over HTTPS"),
        }
    for port, (label, description) in ports.items():
        for cidr in args.allowed_cidrs:
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{label}-{cidr.replace('/', '-')}",
                security_group_id=group.id,
                description=description,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4=cidr,
                opts=opts,
            )


def _connect(
    name: str,
    source: aws.ec2.SecurityGroup,
    target: aws.ec2.SecurityGroup,
    port: int,
    description: str,
    opts: pulumi.ResourceOptions,
) -> None:
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=source.id,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=target.id,
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=target.id,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=source.id,
        opts=opts,
    )


def _let_out(
    name: str,
    group: aws.ec2.SecurityGroup,
    port: int | None,
    description: str,
    opts: pulumi.ResourceOptions,
) -> None:
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=group.id,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        cidr_ipv4=ANYWHERE,
        opts=opts,
    )
