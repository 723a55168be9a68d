"""Who may talk to whom: the security groups of the app, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

HTTP = 80
HTTPS = 443
NFS = 2049

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    """What the groups need to know.

    vpc_id: network they belong to.
    app_port: where the app's containers listen.
    database_port: where the database listens.
    cache_port: where the cache listens; None without one.
    uploads: whether tasks mount a file system.
    allowed_cidrs: IPv4 ranges that may reach the load balancer.
    allowed_prefix_list_id: managed prefix list that alone may reach it instead, such
        as CloudFront's. It counts as many rules as it may have entries (CloudFront's:
        55 of the 60 that a group has by default), so it gets one port only.
    https: whether the load balancer serves HTTPS; 80 is then for the redirect.
    test_port: where it shows a new version before the traffic moves to that.
    test_cidrs: IPv4 ranges that may look there.
    smtp_port: where the mail provider listens; None when no mail is sent.

    Raises ValueError for a prefix list without HTTPS, and a test range without port.
    """

    vpc_id: pulumi.Input[str]
    app_port: int
    database_port: int = 5432
    cache_port: int | None = None
    uploads: bool = False
    allowed_cidrs: Sequence[str] = (ANYWHERE,)
    allowed_prefix_list_id: pulumi.Input[str] | None = None
    https: bool
    test_port: int | None = None
    test_cidrs: Sequence[str] = ()
    smtp_port: int | None = None

    def __post_init__(self) -> None:
        if self.allowed_prefix_list_id is not None and not self.https:
            raise ValueError("allowed_prefix_list_id: is for HTTPS only; turn on https")
        if self.test_cidrs and self.test_port is None:
            raise ValueError("test_cidrs: lead nowhere without a test_port")


class SecurityGroups(pulumi.ComponentResource):
    """One group per role, and every connection that is allowed between them.

        internet -> load balancer -> service -> database, cache, uploads
                                     service -> internet: HTTPS, mail

    Nothing else passes; what holds data opens no connection at all. Only the web
    ports of the load balancer are open to the world (EC2.18). A rule is a resource
    of its own, so that groups may refer to each other and a diff shows one rule.
    """

    load_balancer_id: pulumi.Output[str]
    """Group of the load balancer."""

    service_id: pulumi.Output[str]
    """Group of the app's tasks."""

    database_id: pulumi.Output[str]
    """Group of the database."""

    cache_id: pulumi.Output[str] | None
    """Group of the cache; None without one."""

    uploads_id: pulumi.Output[str] | None
    """Group of the file system's mount targets; None without one."""

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

        def reach(
            target: aws.ec2.SecurityGroup, role: str, port: int, description: str
        ) -> None:
            connect(
                f"{name}-service-to-{role}",
                service.id,
                target.id,
                port,
                description,
                child,
            )

        connect(
            f"{name}-load-balancer-to-service",
            load_balancer.id,
            service.id,
            args.app_port,
            "Requests from the load balancer to the app",
            child,
        )
        reach(
            database,
            "database",
            args.database_port,
            "Queries from the app to the database",
        )
        cache = uploads = None
        if args.cache_port is not None:
            cache = group("cache", "Cache: reached by the tasks only")
            reach(cache, "cache", args.cache_port, "Commands from the app to the cache")
        if args.uploads:
            uploads = group("uploads", "File system: mounted by the tasks only")
            reach(uploads, "uploads", NFS, "Files of the app, over NFS")
        let_out(
            f"{name}-service-https",
            service.id,
            HTTPS,
            "AWS and external services over HTTPS",
            child,
        )
        # A second rule for the same port would be refused as a duplicate.
        if args.smtp_port not in (None, HTTPS):
            let_out(
                f"{name}-service-smtp",
                service.id,
                args.smtp_port,
                "Outgoing mail",
                child,
            )

        self.load_balancer_id = load_balancer.id
        self.service_id = service.id
        self.database_id = database.id
        self.cache_id = cache.id if cache else None
        self.uploads_id = uploads.id if uploads else None
        self.register_outputs(
            {
                "load_balancer_id": self.load_balancer_id,
                "service_id": self.service_id,
                "database_id": self.database_id,
                "cache_id": self.cache_id,
                "uploads_id": self.uploads_id,
            }
        )


def _admit_web(
    name: str,
    group: aws.ec2.SecurityGroup,
    args: SecurityGroupsArgs,
    opts: pulumi.ResourceOptions,
) -> None:
    if args.test_port is not None:
        tested = "A new version, for those who test it"
        for cidr in args.test_cidrs:
            _admit(name, "test", args.test_port, tested, group, cidr, opts)
    if args.allowed_prefix_list_id is not None:
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-https-prefix-list",
            security_group_id=group.id,
            description="Web traffic over HTTPS, from the edge only",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            prefix_list_id=args.allowed_prefix_list_id,
            opts=opts,
        )
        return
    for port, label, description in _open_to_web(args):
        for cidr in args.allowed_cidrs:
            _admit(name, label, port, description, group, cidr, opts)


def _open_to_web(args: SecurityGroupsArgs) -> list[tuple[int, str, str]]:
    if not args.https:
        return [(HTTP, "http", "Web traffic over HTTP")]
    return [
        (HTTP, "http", "HTTP, redirected to HTTPS"),
        (HTTPS, "https", "Web traffic over HTTPS"),
    ]


def _admit(
    name: str,
    label: str,
    port: int,
    description: str,
    group: aws.ec2.SecurityGroup,
    cidr: str,
    opts: pulumi.ResourceOptions,
) -> None:
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


def connect(
    name: str,
    source: pulumi.Input[str],
    target: pulumi.Input[str],
    port: int,
    description: str,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.CustomResource]:
    """Let one group open connections to another: a rule of each.

    source, target: IDs of the groups. port: TCP port of the target.
    """
    egress = aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=source,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=target,
        opts=opts,
    )
    ingress = aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=target,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=source,
        opts=opts,
    )
    return [egress, ingress]


def let_out(
    name: str,
    group: pulumi.Input[str],
    port: int | None,
    description: str,
    opts: pulumi.ResourceOptions,
) -> pulumi.CustomResource:
    """Let a group open connections to anywhere, on one TCP port."""
    return aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=group,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        cidr_ipv4=ANYWHERE,
        opts=opts,
    )
