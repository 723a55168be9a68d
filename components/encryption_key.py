"""Customer key: one KMS key that encrypts what a stack stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam


@dataclass(frozen=True, kw_only=True)
class EncryptionKeyArgs:
    """What a key needs to know.

    description: what it encrypts, for whoever finds it in the console.
    account_id: account whose IAM policies decide who may use the key.
    region: where the account's log groups are; of the partition `aws`.
    deletion_window_days: time to change one's mind after a deletion (7-30).
    keep: leave the key behind when the stack is destroyed, because something that it
        encrypts stays: a snapshot without its key is lost.
    publishers: services that write to SNS topics which the key encrypts, such as
        `cloudwatch.amazonaws.com`.
    """

    description: str
    account_id: pulumi.Input[str]
    region: str
    deletion_window_days: int = 30
    keep: bool = False
    publishers: Sequence[str] = ()


class EncryptionKey(pulumi.ComponentResource):
    """A symmetric KMS key, rotated every year (KMS.4), and its alias.

    The key policy does two things, or three. It leaves the rest to the account's IAM
    policies, as the default key policy does: RDS, Secrets Manager and ECR use the
    key with the rights of whoever calls them, through grants. It lets CloudWatch
    Logs, which has no caller, encrypt this account's log groups. And where it
    encrypts SNS topics, it lets those services in that publish to them.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """

    arn: pulumi.Output[str]
    """ARN of the key, for everything that encrypts with it."""

    key_id: pulumi.Output[str]
    """ID of the key: the last part of its ARN."""

    alias_name: pulumi.Output[str]
    """`alias/` and the component's name: how operators find the key."""

    def __init__(
        self,
        name: str,
        args: EncryptionKeyArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:EncryptionKey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        key = aws.kms.Key(
            name,
            description=args.description,
            policy=pulumi.Output.from_input(args.account_id).apply(
                lambda account_id: _policy(account_id, args.region, args.publishers)
            ),
            enable_key_rotation=True,
            deletion_window_in_days=args.deletion_window_days,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep),
        )
        alias = aws.kms.Alias(
            name, name=f"alias/{name}", target_key_id=key.key_id, opts=child
        )

        self.arn = key.arn
        self.key_id = key.key_id
        self.alias_name = alias.name
        self.register_outputs(
            {"arn": self.arn, "key_id": self.key_id, "alias_name": self.alias_name}
        )


def _policy(account_id: str, region: str, publishers: Sequence[str]) -> str:
    """In a key policy `"Resource": "*"` means the key that the policy belongs to."""
    return iam.document(
        {
            # Without it nobody could administer the key, the account's owner
            # included. It grants nothing by itself: an IAM policy must too.
            "Sid": "AccountDecidesThroughIam",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "LogGroupsAreEncrypted",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"arn:aws:logs:{region}:{account_id}:log-group:*"
                    )
                }
            },
        },
        *([_publish(account_id, region, publishers)] if publishers else []),
    )


def _publish(
    account_id: str, region: str, publishers: Sequence[str]
) -> dict[str, object]:
    """What encrypts a message is bound to this account's topics, by the context that
    SNS adds; who may write to a topic is for the topic's policy to say.

    A condition on `aws:SourceAccount` or `aws:SourceArn` would be silently fatal:
    "not supported for EventBridge-to-encrypted topics".
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    return {
        "Sid": "NotificationsAreEncrypted",
        "Effect": "Allow",
        "Principal": {"Service": list(publishers)},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:sns:topicArn": (
                    f"arn:aws:sns:{region}:{account_id}:*"
                )
            }
        },
    }
