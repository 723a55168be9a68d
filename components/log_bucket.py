"""Bucket for access logs: written by AWS, bounded, private."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import iam
from components.bucket import Expiry, make_bucket
from names import BUCKET_LIMIT, bounded


@dataclass(frozen=True, kw_only=True)
class LogBucketArgs:
    """What a log bucket needs to know.

    account_id: account whose load balancers may deliver.
    retention_days: days until a log is deleted (1 or more).
    keep: whether a bucket with logs in it refuses to be deleted.
    more_statements: each makes a statement of the policy, of the bucket's ARN and the
        account, for others that deliver.
    """

    account_id: pulumi.Input[str]
    retention_days: int
    keep: bool
    more_statements: Sequence[Callable[[str, str], Mapping[str, object]]] = ()


class LogBucket(pulumi.ComponentResource):
    """A locked S3 bucket that only AWS's log deliveries of one account write to.

    Locked as `make_bucket` says, with S3's own keys: load balancers cannot deliver to
    a bucket with a customer key (AWS ELB guide, "Enable access logs"). A log of the
    access to logs is not kept.
    """

    bucket_name: pulumi.Output[str]
    """Name of the bucket; known only once deliveries are allowed."""

    bucket_arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(
        self, name: str, args: LogBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:LogBucket", name, None, opts)
        bucket = make_bucket(
            bounded(f"{name}-logs", BUCKET_LIMIT),
            expiries=[Expiry(id="expire", days=args.retention_days, noncurrent_days=1)],
            statements=lambda arn: pulumi.Output.from_input(args.account_id).apply(
                lambda account_id: [
                    make(arn, account_id)
                    for make in (_load_balancers_deliver, *args.more_statements)
                ]
            ),
            force_destroy=not args.keep,
            parent=self,
        )

        # Of the policy, not of the bucket: a load balancer tests the delivery when
        # it is made, and has to wait for the permission.
        self.bucket_name = bucket.name
        self.bucket_arn = bucket.arn
        self.register_outputs(
            {"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn}
        )


def _load_balancers_deliver(bucket_arn: str, account_id: str) -> dict[str, object]:
    partition = iam.place_of(bucket_arn).partition
    return {
        "Sid": "LoadBalancersDeliver",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/AWSLogs/{account_id}/*",
        # AWS guards deliveries by the account in the path, and does not say that these
        # keys are always sent: where they are, they must match.
        "Condition": {
            "StringEqualsIfExists": {"aws:SourceAccount": account_id},
            "ArnLikeIfExists": {
                "aws:SourceArn": (
                    f"arn:{partition}:elasticloadbalancing:*:{account_id}:loadbalancer/*"
                )
            },
        },
    }
