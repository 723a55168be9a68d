"""Public entry: an application load balancer, its target group and TLS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from components.origin import ORIGIN_HEADER
from names import LOAD_BALANCER_LIMIT, bounded

HTTPS_TEST_PORT = 8443
"""Where a new version is shown before it gets the traffic, with a certificate."""

HTTP_TEST_PORT = 8080
"""The same without one."""

HEALTH_INTERVAL = 5
"""Seconds between two health checks of a target: AWS's least."""

HEALTHY_THRESHOLD = 2
"""Health checks in a row that take a target in: AWS's least."""

_SHIFT_PRIORITY = 10
_ORIGIN_PRIORITY = 20
"""Two, so that one rule can take over from the other without a gap between them."""


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
    alternate: a second target group, and rules by which ECS moves the traffic between
        the two: what blue/green, canary and linear deployments need. Leave it on
        while a service is set up for it, even for rolling deployments: its tasks may
        be in either group.
    test_port: where a new version is shown before it gets the traffic, with
        `alternate`; None means 8443 with a certificate and 8080 without. Who may
        connect is for the security groups to say.
    origin_secret: value (1-128 characters, none of them `*`, `?`) of the header
        `X-Origin-Verify` without which requests are answered with 403; None admits
        all. It is a secret, and whoever may describe rules can read it.
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
    alternate: bool = False
    test_port: int | None = None
    origin_secret: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse late.

        Raises:
            ValueError: for a test port without anything to show, or one that is taken.
        """
        if self.test_port is None:
            return
        if not self.alternate:
            raise ValueError("test_port: shows nothing without alternate; set that too")
        if self.test_port in (80, 443) or not 1 <= self.test_port <= 65535:
            raise ValueError(
                f"test_port: {self.test_port} is not a free port; take one from 1 to "
                "65535 but 80 and 443"
            )


class LoadBalancer(pulumi.ComponentResource):
    """An internet-facing ALB in front of targets that register by IP address.

    A target is taken in or out after two health checks, 5 s apart: AWS's own defaults
    take 150 s for that, and 300 s instead of 30 s to let go of one (AWS ECS guide,
    "Optimize load balancer health check parameters"). Invalid headers are dropped
    (ELB.4), plain HTTP is sent to HTTPS (ELB.1), every request is logged.

    With an alternate target group, ECS rewrites the actions of the two rules at every
    deployment, so changes of theirs are ignored from their creation on: putting back
    what the program said would send the traffic to tasks that are gone.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html
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

    alternate_target_group_arn: pulumi.Output[str] | None
    """ARN of the second target group, once a rule uses it; None without."""

    alternate_target_group_arn_suffix: pulumi.Output[str] | None
    """Its name in CloudWatch metrics; None without."""

    production_rule_arn: pulumi.Output[str] | None
    """ARN of the rule by which ECS moves the traffic of the app; None without."""

    test_rule_arn: pulumi.Output[str] | None
    """ARN of the rule by which ECS shows a new version first; None without."""

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
        targets = _target_group(short, args, child)
        forward = aws.lb.ListenerDefaultActionArgs(
            type="forward", target_group_arn=targets.arn
        )
        default = _forbidden() if args.origin_secret is not None else forward
        http = aws.lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[_redirect_to_https() if args.https else default],
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
                default_actions=[default],
                opts=child,
            )

        users: list[pulumi.Resource] = [serving]
        self.alternate_target_group_arn = None
        self.alternate_target_group_arn_suffix = None
        self.production_rule_arn = None
        self.test_rule_arn = None
        if args.alternate:
            alternate = _target_group(
                bounded(f"{name}-alternate", LOAD_BALANCER_LIMIT), args, child
            )
            shift = _shift(targets, alternate)
            production = _shift_rule(f"{name}-production", args, serving, shift, self)
            test = _shift_rule(
                f"{name}-test",
                args,
                _test_listener(f"{name}-test", args, balancer, default, child),
                shift,
                self,
            )
            users.append(production)
            self.alternate_target_group_arn = once_used(alternate, users)
            self.alternate_target_group_arn_suffix = alternate.arn_suffix
            self.production_rule_arn = production.arn
            self.test_rule_arn = test.arn
        elif args.origin_secret is not None:
            users.append(_origin_rule(f"{name}-origin", args, serving, targets, child))

        self.arn = balancer.arn
        self.arn_suffix = balancer.arn_suffix
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        self.target_group_arn = once_used(targets, users)
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
                "alternate_target_group_arn": self.alternate_target_group_arn,
                "alternate_target_group_arn_suffix": (
                    self.alternate_target_group_arn_suffix
                ),
                "production_rule_arn": self.production_rule_arn,
                "test_rule_arn": self.test_rule_arn,
                "http_listener_arn": self.http_listener_arn,
                "https_listener_arn": self.https_listener_arn,
                "url": self.url,
                "insecure": self.insecure,
            }
        )


def _target_group(
    name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions
) -> aws.lb.TargetGroup:
    return target_group(
        name,
        vpc_id=args.vpc_id,
        port=args.target_port,
        health_path=args.health_path,
        deregistration_delay=args.deregistration_delay,
        opts=opts,
    )


def target_group(
    name: str,
    *,
    vpc_id: pulumi.Input[str],
    port: int,
    health_path: str,
    deregistration_delay: int,
    opts: pulumi.ResourceOptions,
) -> aws.lb.TargetGroup:
    """Make a group of targets by IP address, as `LoadBalancerArgs` says."""
    return aws.lb.TargetGroup(
        name,
        vpc_id=vpc_id,
        target_type="ip",
        port=port,
        protocol="HTTP",
        deregistration_delay=deregistration_delay,
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            path=health_path,
            matcher="200",
            interval=HEALTH_INTERVAL,
            timeout=HEALTH_INTERVAL - 1,
            healthy_threshold=HEALTHY_THRESHOLD,
            unhealthy_threshold=2,
        ),
        opts=opts,
    )


def _test_listener(
    name: str,
    args: LoadBalancerArgs,
    balancer: aws.lb.LoadBalancer,
    default: aws.lb.ListenerDefaultActionArgs,
    opts: pulumi.ResourceOptions,
) -> aws.lb.Listener:
    if args.https is None:
        return aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=args.test_port or HTTP_TEST_PORT,
            protocol="HTTP",
            default_actions=[default],
            opts=opts,
        )
    return aws.lb.Listener(
        name,
        load_balancer_arn=balancer.arn,
        port=args.test_port or HTTPS_TEST_PORT,
        protocol="HTTPS",
        ssl_policy=args.https.tls_policy,
        certificate_arn=args.https.certificate_arn,
        default_actions=[default],
        opts=opts,
    )


def _shift(
    targets: aws.lb.TargetGroup, alternate: aws.lb.TargetGroup
) -> aws.lb.ListenerRuleActionArgs:
    """All traffic to the first group; ECS moves the weights from then on."""
    return aws.lb.ListenerRuleActionArgs(
        type="forward",
        forward=aws.lb.ListenerRuleActionForwardArgs(
            target_groups=[
                aws.lb.ListenerRuleActionForwardTargetGroupArgs(
                    arn=group.arn, weight=weight
                )
                for group, weight in ((targets, 100), (alternate, 0))
            ]
        ),
    )


def _shift_rule(
    name: str,
    args: LoadBalancerArgs,
    listener: aws.lb.Listener,
    action: aws.lb.ListenerRuleActionArgs,
    parent: pulumi.Resource,
) -> aws.lb.ListenerRule:
    return aws.lb.ListenerRule(
        name,
        listener_arn=listener.arn,
        priority=_SHIFT_PRIORITY,
        conditions=[_admitted(args)],
        actions=[action],
        opts=pulumi.ResourceOptions(parent=parent, ignore_changes=["actions"]),
    )


def _origin_rule(
    name: str,
    args: LoadBalancerArgs,
    listener: aws.lb.Listener,
    targets: aws.lb.TargetGroup,
    opts: pulumi.ResourceOptions,
) -> aws.lb.ListenerRule:
    return aws.lb.ListenerRule(
        name,
        listener_arn=listener.arn,
        priority=_ORIGIN_PRIORITY,
        conditions=[_admitted(args)],
        actions=[
            aws.lb.ListenerRuleActionArgs(type="forward", target_group_arn=targets.arn)
        ],
        opts=opts,
    )


def once_used(
    group: aws.lb.TargetGroup, users: Sequence[pulumi.Resource]
) -> pulumi.Output[str]:
    """ARN of the target group: ECS refuses one that no listener or rule uses yet.

    users: the listeners and rules.
    """
    return pulumi.Output.all(group.arn, *(user.urn for user in users)).apply(
        lambda known: str(known[0])
    )


def _admitted(args: LoadBalancerArgs) -> aws.lb.ListenerRuleConditionArgs:
    """Requests that are forwarded: all, or those with the secret."""
    if args.origin_secret is None:
        return aws.lb.ListenerRuleConditionArgs(
            path_pattern=aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
        )
    return aws.lb.ListenerRuleConditionArgs(
        http_header=aws.lb.ListenerRuleConditionHttpHeaderArgs(
            http_header_name=ORIGIN_HEADER,
            values=[pulumi.Output.secret(args.origin_secret)],
        )
    )


def _forbidden() -> aws.lb.ListenerDefaultActionArgs:
    return aws.lb.ListenerDefaultActionArgs(
        type="fixed-response",
        fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
            content_type="text/plain", message_body="Forbidden", status_code="403"
        ),
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
