"""Notifications: one SNS topic that AWS's services write to, and who reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import pulumi
import pulumi_aws as aws

from components import iam
from components.slack_notifier import SlackNotifier
from names import slug

ALARMS = "cloudwatch.amazonaws.com"
EVENTS = "events.amazonaws.com"
BUDGETS = "budgets.amazonaws.com"
DATABASES = "events.rds.amazonaws.com"
BACKUPS = "backup.amazonaws.com"

PUBLISHERS: Sequence[str] = (ALARMS, EVENTS, BUDGETS, DATABASES, BACKUPS)
"""Services that write to the topic, and so must be able to use its key."""


@dataclass(frozen=True, kw_only=True)
class NotificationsArgs:
    """What a topic needs to know.

    emails: who gets every message as it is.
    kms_key_arn: customer key of the topic's region that lets `PUBLISHERS` use it
        (SNS.1). None leaves the topic without one. AWS's own `alias/aws/sns` is no way
        out: its policy lets no service in, and alarms would be lost silently.
    slack: posts every message to Slack; may be of another region, as long as that is
        no opt-in region.
    """

    emails: Sequence[str] = ()
    kms_key_arn: pulumi.Input[str] | None
    slack: SlackNotifier | None = None

    def __post_init__(self) -> None:
        """Refuse addresses that SNS would refuse late.

        Raises:
            ValueError: for one that is no address, and for one given twice.
        """
        for email in self.emails:
            if "@" not in email.strip("@"):
                raise ValueError(f'emails: "{email}" is no address')
        if len(set(map(str.lower, self.emails))) < len(self.emails):
            raise ValueError("emails: one address is given twice")


class Notifications(pulumi.ComponentResource):
    """A topic that CloudWatch, EventBridge, Budgets, RDS and Backup may write to.

    AWS sends each new address a link; until it is opened, that address gets nothing,
    and nobody but its owner can open it. `unconfirmed` lists whom to remind.

    What a service may do is bound to this account by what it sends along, as its guide
    says. EventBridge is the exception: "You can't use Condition blocks in Amazon SNS
    topic policies for EventBridge" (EventBridge guide, "Using resource-based
    policies"), so any of its rules that names the topic gets through.

    An alarm writes to topics of its own region only. Alarms of us-east-1 (Route 53
    health checks, CloudFront) need a second instance there, with a provider for it:
    the same addresses, the same `slack`. What they say is no secret (a name, a value,
    a threshold), so that one does without a key, or with one of its own for 1 USD.
    """

    topic_arn: pulumi.Output[str]
    """ARN of the topic; known only once its policy is in place."""

    topic_name: pulumi.Output[str]
    """Name of the topic, by which CloudWatch counts failed deliveries."""

    unconfirmed: pulumi.Output[Sequence[str]]
    """Addresses that have not confirmed yet, as of the last update or refresh."""

    def __init__(
        self,
        name: str,
        args: NotificationsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:Notifications", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        topic = aws.sns.Topic(
            name, display_name=name, kms_master_key_id=args.kms_key_arn, opts=child
        )
        policy = aws.sns.TopicPolicy(
            name, arn=topic.arn, policy=topic.arn.apply(_policy), opts=child
        )
        subscriptions = [
            aws.sns.TopicSubscription(
                f"{name}-{slug(email)}",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                opts=child,
            )
            for email in args.emails
        ]
        if args.slack is not None:
            _subscribe(name, topic.arn, args.slack, parent=self)

        self.topic_arn = pulumi.Output.all(topic.arn, policy.id).apply(
            lambda known: str(known[0])
        )
        self.topic_name = topic.name
        self.unconfirmed = pulumi.Output.all(
            *(one.pending_confirmation for one in subscriptions)
        ).apply(lambda pending: list(compress(args.emails, pending)))
        self.register_outputs(
            {
                "topic_arn": self.topic_arn,
                "topic_name": self.topic_name,
                "unconfirmed": self.unconfirmed,
            }
        )


def _subscribe(
    name: str,
    topic_arn: pulumi.Output[str],
    slack: SlackNotifier,
    *,
    parent: pulumi.Resource,
) -> None:
    permission = aws.lambda_.Permission(
        name,
        function=slack.function_arn,
        action="lambda:InvokeFunction",
        principal="sns.amazonaws.com",
        source_arn=topic_arn,
        # Part of the function, and so of the function's region.
        opts=pulumi.ResourceOptions(parent=slack),
    )
    aws.sns.TopicSubscription(
        f"{name}-slack",
        topic=topic_arn,
        protocol="lambda",
        endpoint=slack.function_arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )


def _policy(topic_arn: str) -> str:
    """Who is of this account needs no statement here: IAM decides."""
    place = iam.place_of(topic_arn)
    account = {"aws:SourceAccount": place.account_id}

    def of(service: str, region: str, resource: str) -> dict[str, object]:
        arn = f"arn:{place.partition}:{service}:{region}:{place.account_id}:{resource}"
        return {"StringEquals": account, "ArnLike": {"aws:SourceArn": arn}}

    return iam.document(
        _publish(
            "Alarms", ALARMS, topic_arn, of("cloudwatch", place.region, "alarm:*")
        ),
        _publish("Events", EVENTS, topic_arn, None),
        _publish("Budgets", BUDGETS, topic_arn, of("budgets", "", "*")),
        _publish("Databases", DATABASES, topic_arn, of("rds", place.region, "*")),
        # Backup's guide names no condition: what it does not send cannot be wrong.
        _publish("Backups", BACKUPS, topic_arn, {"StringEqualsIfExists": account}),
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def _publish(
    sid: str, service: str, topic_arn: str, condition: Mapping[str, object] | None
) -> dict[str, object]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        **({"Condition": condition} if condition else {}),
    }
