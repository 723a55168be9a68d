"""A host name on a load balancer that is somebody else's, and targets of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.load_balancer import once_used, target_group
from names import LOAD_BALANCER_LIMIT, bounded


@dataclass(frozen=True, kw_only=True)
class HostRouteArgs:
    """What a route needs to know.

    listener_arn: HTTPS listener, with a certificate for the host.
    host: name that requests are for.
    priority: of the rule (1-50000); no other rule of the listener has it.
    vpc_id: network of the targets.
    target_port, health_path, deregistration_delay: as of a `LoadBalancer`.
    """

    listener_arn: pulumi.Input[str]
    host: pulumi.Input[str]
    priority: int
    vpc_id: pulumi.Input[str]
    target_port: int
    health_path: str
    deregistration_delay: int = 5


class HostRoute(pulumi.ComponentResource):
    """Sends what is asked of one host name to a target group.

    The listener stays as it is: a rule is a resource of its own.
    """

    target_group_arn: pulumi.Output[str]
    """ARN of the target group; known only once the rule forwards to it."""

    url: pulumi.Output[str]
    """Where the host answers, without a slash at the end."""

    def __init__(
        self, name: str, args: HostRouteArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:HostRoute", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        targets = target_group(
            bounded(name, LOAD_BALANCER_LIMIT),
            vpc_id=args.vpc_id,
            port=args.target_port,
            health_path=args.health_path,
            deregistration_delay=args.deregistration_delay,
            opts=child,
        )
        rule = aws.lb.ListenerRule(
            name,
            listener_arn=args.listener_arn,
            priority=args.priority,
            conditions=[
                aws.lb.ListenerRuleConditionArgs(
                    host_header=aws.lb.ListenerRuleConditionHostHeaderArgs(
                        values=[args.host]
                    )
                )
            ],
            actions=[
                aws.lb.ListenerRuleActionArgs(
                    type="forward", target_group_arn=targets.arn
                )
            ],
            opts=child,
        )

        self.target_group_arn = once_used(targets, [rule])
        self.url = pulumi.Output.concat("https://", args.host)
        self.register_outputs(
            {"target_group_arn": self.target_group_arn, "url": self.url}
        )
