"""Public entry: an application load balancer, its target group and TLS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from names import LOAD_BALANCER_LIMIT, bounded


@dataclass(frozen=True, kw_only=True)
class HttpsArgs:
    """What HTTPS under a name of one's own needs.

    domain: main name; the URL's.
    certificate_arn: issued certificate for it and for every other name.
    tls_policy: which protocols and ciphers clients may use. The default is AWS's
        recommendation: TLS 1.3 and 1.2, forward secrecy, key exchange that a quantum
        computer does not break where the client knows it; among those ELB.17 accepts.
    """

    domain: str
    certificate_arn: pulumi.Input[str]
    tls_policy: str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What a load balancer needs to know.

    vpc_id, subnet_ids: network, and public subnets in two zones or more (ELB.13).
    security_group_ids: who may connect is decided there.
    target_port: port that the targets listen on.
    health_path: answers 200 when the target may get requests; not `/`.
    access_log_bucket: bucket that load balancers may deliver to (ELB.5).
    https: name and certificate; None serves plain HTTP under AWS's name.
    deletion_protection: AWS refuses to delete the load balancer (ELB.6).
    idle_timeout: seconds (1-4000) until a silent connection is closed. The app's own
        keep-alive must be longer (Node's default of 5 s is not), or requests that
        meet a connection while it closes are answered with 502.
    deregistration_delay: seconds (0-3600) a leaving target gets to finish requests.
    desync_mitigation_mode: what happens to requests that smuggle another (ELB.12).
    """

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    target_port: int
    health_path: str
    access_log_bucket: pulumi.Input[str]
    https: HttpsArgs | None
    deletion_protection: bool
    idle_timeout: int = 60
    deregistration_delay: int = 30
    desync_mitigation_mode: Literal["defensive", "strictest"] = "defensive"


class LoadBalancer(pulumi.ComponentResource):
    """An internet-facing ALB in front of targets that register by IP address.

    A target is taken in or out after two health checks, 5 s apart: AWS's own defaults
    take 150 s for that, and 300 s instead of 30 s to let go of one (AWS ECS guide,
    "Optimize load balancer health check parameters"). Invalid headers are dropped
    (ELB.4), plain HTTP is sent to HTTPS (ELB.1), every request is logged.
    """

    arn: pulumi.Output[str]
    """ARN of the load balancer, for a web ACL."""

    arn_suffix: pulumi.Output[str]
    """Its name in CloudWatch metrics: `app/NAME/ID`."""

    dns_name: pulumi.Output[str]
    """AWS's name for it."""

    zone_id: pulumi.Output[str]
    """Hosted zone of that name, for alias records."""

    target_group_arn: pulumi.Output[str]
    """ARN of the target group; known only once a listener forwards to it."""

    target_group_arn_suffix: pulumi.Output[str]
    """The target group's name in CloudWatch metrics: `targetgroup/NAME/ID`."""

    http_listener_arn: pulumi.Output[str]
    """ARN of the listener on port 80."""

    https_listener_arn: pulumi.Output[str | None]
    """ARN of the listener on port 443; None without a certificate."""

    url: pulumi.Output[str]
    """Where the app answers, without a slash at the end."""

    insecure: bool
    """Whether requests travel unencrypted, passwords included."""

    def __init__(
        self,
        name: str,
        args: LoadBalancerArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:LoadBalancer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        short = bounded(name, LOAD_BALANCER_LIMIT)

        balancer = aws.lb.LoadBalancer(
            short,
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=args.subnet_ids,
            security_groups=args.security_group_ids,
            idle_timeout=args.idle_timeout,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=args.desync_mitigation_mode,
            enable_deletion_protection=args.deletion_protection,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(
                bucket=args.access_log_bucket, enabled=True
            ),
            opts=child,
        )
        targets = aws.lb.TargetGroup(
            short,
            vpc_id=args.vpc_id,
            target_type="ip",
            port=args.target_port,
            protocol="HTTP",
            deregistration_delay=args.deregistration_delay,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                path=args.health_path,
                matcher="200",
                interval=5,
                timeout=4,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            opts=child,
        )
        forward = aws.lb.ListenerDefaultActionArgs(
            type="forward", target_group_arn=targets.arn
        )
        http = aws.lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[_redirect_to_https() if args.https else forward],
            opts=child,
        )
        serving = http
        if args.https:
            serving = aws.lb.Listener(
                f"{name}-https",
                load_balancer_arn=balancer.arn,
                port=443,
                protocol="HTTPS",
                ssl_policy=args.https.tls_policy,
                certificate_arn=args.https.certificate_arn,
                default_actions=[forward],
                opts=child,
            )

        self.arn = balancer.arn
        self.arn_suffix = balancer.arn_suffix
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        # ECS refuses a target group that no listener uses yet.
        self.target_group_arn = pulumi.Output.all(targets.arn, serving.arn).apply(
            lambda arns: str(arns[0])
        )
        self.target_group_arn_suffix = targets.arn_suffix
        self.http_listener_arn = http.arn
        self.https_listener_arn = (
            serving.arn if args.https else pulumi.Output.from_input(None)
        )
        self.url = (
            pulumi.Output.from_input(f"https://{args.https.domain}")
            if args.https
            else pulumi.Output.concat("http://", balancer.dns_name)
        )
        self.insecure = args.https is None
        self.register_outputs(
            {
                "arn": self.arn,
                "arn_suffix": self.arn_suffix,
                "dns_name": self.dns_name,
                "zone_id": self.zone_id,
                "target_group_arn": self.target_group_arn,
                "target_group_arn_suffix": self.target_group_arn_suffix,
                "http_listener_arn": self.http_listener_arn,
                "https_listener_arn": self.https_listener_arn,
                "url": self.url,
                "insecure": self.insecure,
            }
        )


def _redirect_to_https() -> aws.lb.ListenerDefaultActionArgs:
    return aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(
            protocol="HTTPS",
            port="443",
            host="#{host}",
            path="/#{path}",
            query="#{query}",
            status_code="HTTP_301",
        ),
    )
