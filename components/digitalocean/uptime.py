"""A check from outside, and who is told when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class UptimeArgs:
    """What is asked, from where, and who is told.

    url: the health check's address.
    regions: from where: `us_east`, `us_west`, `eu_west`, `se_asia`.
    latency_ms: answers slower than this for five minutes are told of.
    certificate_days: days before the certificate ends that are told of.
    emails: who is written to: verified addresses of the team's members.
    slack_channel, slack_url: channel, and its incoming webhook; the latter is secret.

    Raises:
        ValueError: when nobody is told, or when channel or webhook stand alone.
    """

    url: pulumi.Input[str]
    regions: Sequence[str] = ("eu_west", "us_east")
    latency_ms: int = 5000
    certificate_days: int = 14
    emails: Sequence[str] = ()
    slack_channel: str | None = None
    slack_url: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        if (self.slack_channel is None) != (self.slack_url is None):
            raise ValueError("slack_channel, slack_url: go together. Give both or none")
        if not self.emails and self.slack_channel is None:
            raise ValueError("emails: nobody would be told. Give one, or a channel")


class Uptime(pulumi.ComponentResource):
    """Asks from several continents: a check beside the app would fall with it."""

    check_id: pulumi.Output[str]
    """UUID."""

    def __init__(
        self, name: str, args: UptimeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:digitalocean:Uptime", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        check = digitalocean.UptimeCheck(
            name, target=args.url, type="https", regions=list(args.regions), opts=child
        )
        told: digitalocean.UptimeAlertNotificationArgsDict = {
            "emails": list(args.emails)
        }
        if args.slack_channel is not None and args.slack_url is not None:
            told["slacks"] = [
                {
                    "channel": args.slack_channel,
                    "url": pulumi.Output.secret(args.slack_url),
                }
            ]
        digitalocean.UptimeAlert(
            f"{name}-down",
            check_id=check.id,
            type="down_global",  # from everywhere: one region may have its own trouble
            period="2m",
            notifications=[told],
            opts=child,
        )
        digitalocean.UptimeAlert(
            f"{name}-latency",
            check_id=check.id,
            type="latency",
            comparison="greater_than",
            threshold=args.latency_ms,
            period="5m",
            notifications=[told],
            opts=child,
        )
        digitalocean.UptimeAlert(
            f"{name}-certificate",
            check_id=check.id,
            type="ssl_expiry",
            comparison="less_than",
            threshold=args.certificate_days,
            period="2m",
            notifications=[told],
            opts=child,
        )

        self.check_id = check.id
        self.register_outputs({"check_id": self.check_id})
