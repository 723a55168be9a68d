"""Alarm of a web ACL: somebody tries something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Metric, alarm

CLOUDFRONT = "CLOUDFRONT"
"""Place of a web ACL whose metrics are in us-east-1 and name no region."""


@dataclass(frozen=True, kw_only=True)
class FirewallAlarmsArgs:
    """What the alarm of a firewall needs to know.

    topic_arn: who is told; in the alarm's region.
    web_acl: name of the web ACL's metrics.
    region: where the web ACL is, or `CLOUDFRONT`. The latter's metrics are in
        us-east-1 only: give the component a provider for it.
    blocked_per_5_minutes: requests that are blocked on an ordinary day.
    """

    topic_arn: pulumi.Input[str]
    web_acl: pulumi.Input[str]
    region: str
    blocked_per_5_minutes: int = 500

    def __post_init__(self) -> None:
        """Refuse a threshold without sense.

        Raises:
            ValueError: for fewer than one blocked request.
        """
        if self.blocked_per_5_minutes < 1:
            raise ValueError("blocked_per_5_minutes: must be 1 or more")


class FirewallAlarms(pulumi.ComponentResource):
    """A spike of blocked requests: an attack, or a rule that blocks users."""

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: FirewallAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:FirewallAlarms", name, None, opts)

        place = {} if args.region == CLOUDFRONT else {"Region": args.region}
        blocked = alarm(
            f"{name}-blocked",
            parent=self,
            topic_arn=args.topic_arn,
            watches=Metric(
                namespace="AWS/WAFV2",
                name="BlockedRequests",
                dimensions={"WebACL": args.web_acl, "Rule": "ALL", **place},
                statistic="Sum",
                period=300,
            ),
            threshold=args.blocked_per_5_minutes,
            bad=1,
            of=1,
            missing="notBreaching",  # nothing blocked, nothing reported
            description=(
                f"The firewall has blocked more than {args.blocked_per_5_minutes} "
                "requests in 5 minutes. Look in its log which rule, which addresses "
                "and which paths. Users behind one address, or a release that sends "
                "more requests, look like an attack too: then set the rule to count."
            ),
        )

        self.names, self.arns = [blocked.name], [blocked.arn]
        self.register_outputs({"names": self.names, "arns": self.arns})
