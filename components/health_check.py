"""The view from outside: whether the app answers those who come over the internet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from components.alarms.alarm import Metric, alarm

REGIONS = (
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-west-1",
    "us-west-2",
)
"""From where Route 53 can check (Route 53 API, HealthCheckConfig)."""

_LEAST_REGIONS = 3


@dataclass(frozen=True, kw_only=True)
class HealthCheckArgs:
    """What a health check needs to know.

    host: public DNS name that is asked, and named in the TLS handshake.
    path: what is asked for, with its slash. Healthy is a connection within 4 s and a
        status of 2xx or 3xx within 2 s more.
    topic_arn: SNS topic of us-east-1 for the alarm.
    regions: of `REGIONS`, from where it is asked; three or more.
    request_interval: seconds between two questions from one checker: 30, or 10 for
        1 USD a month more. A change makes a new health check.
    failure_threshold: answers in a row that turn a checker's verdict (1-10).
    """

    host: str
    path: str = "/api/health"
    topic_arn: pulumi.Input[str]
    regions: Sequence[str] = ("eu-west-1", "us-east-1", "ap-southeast-1")
    request_interval: Literal[10, 30] = 30
    failure_threshold: int = 3

    def __post_init__(self) -> None:
        """Refuse what Route 53 would refuse late.

        Raises:
            ValueError: for a name or a path that is none, too few regions or unknown
                ones, and numbers out of range.
        """
        if not re.fullmatch(
            r"(?=.{4,253}$)([a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}", self.host
        ):
            raise ValueError(f'host: "{self.host}" is no DNS name')
        if not re.fullmatch(r"/[!-~]{0,254}", self.path):
            raise ValueError(
                f'path: "{self.path}" is no path of at most 255 characters'
            )
        unknown = [region for region in self.regions if region not in REGIONS]
        if unknown:
            raise ValueError(
                f"regions: {', '.join(unknown)} not among {', '.join(REGIONS)}"
            )
        if len(set(self.regions)) < _LEAST_REGIONS:
            raise ValueError(
                f"regions: {len(set(self.regions))} are not enough to tell a failure "
                f"from a bad line; name {_LEAST_REGIONS} or more"
            )
        if self.request_interval not in (10, 30):
            raise ValueError(
                f"request_interval: {self.request_interval} is not 10 or 30"
            )
        if not 1 <= self.failure_threshold <= 10:
            raise ValueError(
                f"failure_threshold: {self.failure_threshold} is not between 1 and 10"
            )


class HealthCheck(pulumi.ComponentResource):
    """Route 53 asks for a page over HTTPS, and an alarm tells when it gets no answer.

    It sees what nothing inside does: DNS, and the way through firewall and load
    balancer. The page asks the database, which liveness on purpose does not. Route 53
    takes the app for healthy while more than 18 % of the checkers do, so that a line
    that is down for some of them raises no alarm, and an outage of two minutes does.
    An expired certificate goes unseen: checkers do not verify it.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html

    Route 53 writes its metrics in us-east-1 only: `opts` has to bring a provider of
    that region, and the topic has to be there too.

    Cost: 0.50 USD a month for an endpoint in AWS (the first 50 of an account are
    free), 1 USD for HTTPS, 0.10 USD for the alarm. 0.75 and 2 USD outside of AWS.
    https://aws.amazon.com/route53/pricing/
    """

    health_check_id: pulumi.Output[str]
    """ID of the health check, for its metrics and for failover records."""

    names: Sequence[pulumi.Output[str]]
    """Names of the alarms, in us-east-1."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: HealthCheckArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:HealthCheck", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        check = aws.route53.HealthCheck(
            name,
            type="HTTPS",
            fqdn=args.host,
            port=443,
            resource_path=args.path,
            enable_sni=True,
            regions=sorted(set(args.regions)),
            request_interval=args.request_interval,
            failure_threshold=args.failure_threshold,
            # The only name that the console shows.
            tags={"Name": name},
            opts=child,
        )
        unreachable = alarm(
            f"{name}-unreachable",
            parent=self,
            topic_arn=args.topic_arn,
            watches=Metric(
                namespace="AWS/Route53",
                name="HealthCheckStatus",
                dimensions={"HealthCheckId": check.id},
                statistic="Minimum",
            ),
            threshold=1,
            comparison="LessThanThreshold",
            bad=1,
            of=1,
            missing="breaching",  # checkers that say nothing are no sign of health
            description=(
                f"https://{args.host}{args.path} does not answer from outside, or says "
                "that the database does not. With no other alarm look at DNS, the "
                "firewall and the load balancer; else begin with the other one."
            ),
        )

        self.health_check_id = check.id
        self.names = [unreachable.name]
        self.arns = [unreachable.arn]
        self.register_outputs(
            {
                "health_check_id": self.health_check_id,
                "names": self.names,
                "arns": self.arns,
            }
        )
