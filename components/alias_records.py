"""DNS names that lead to a load balancer or to a distribution of CloudFront."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class AliasRecordsArgs:
    """What the records need to know.

    hosts: names that get an address; one that is given twice gets one record.
    zone_id: hosted zone that answers for all of them.
    target_dns_name, target_zone_id: AWS's name of what the hosts lead to, and the
        hosted zone of that name.
    evaluate_target_health: whether Route 53 leaves out a target without a healthy
        server. It refuses True for a distribution.
    ipv6: whether the hosts get an AAAA record too; the target must speak IPv6.
    moved_from: component that the records belonged to before; they move without
        being made anew.
    """

    hosts: Sequence[str]
    zone_id: pulumi.Input[str]
    target_dns_name: pulumi.Input[str]
    target_zone_id: pulumi.Input[str]
    evaluate_target_health: bool
    ipv6: bool = False
    moved_from: pulumi.Resource | None = None

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ValueError("hosts: at least one name is needed")


class AliasRecords(pulumi.ComponentResource):
    """Alias records of Route 53: they follow the target's addresses, at no cost.

    The target changes in place: a name that moves from one target to another is
    answered all the while.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias.html
    """

    hosts: Sequence[str]
    """The names, each once."""

    def __init__(
        self,
        name: str,
        args: AliasRecordsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:AliasRecords", name, None, opts)
        target = aws.route53.RecordAliasArgs(
            name=args.target_dns_name,
            zone_id=args.target_zone_id,
            evaluate_target_health=args.evaluate_target_health,
        )
        former = [pulumi.Alias(parent=args.moved_from)] if args.moved_from else []

        self.hosts = tuple(dict.fromkeys(args.hosts))
        for host in self.hosts:
            aws.route53.Record(
                f"{name}-{host}",
                zone_id=args.zone_id,
                name=host,
                type="A",
                aliases=[target],
                opts=pulumi.ResourceOptions(parent=self, aliases=former),
            )
            if args.ipv6:
                aws.route53.Record(
                    f"{name}-{host}-ipv6",
                    zone_id=args.zone_id,
                    name=host,
                    type="AAAA",
                    aliases=[target],
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({"hosts": self.hosts})
