"""Bucket for the access logs of load balancers: written by AWS, bounded, private."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam
from names import BUCKET_LIMIT, bounded


@dataclass(frozen=True, kw_only=True)
class LogBucketArgs:
    """What a log bucket needs to know.

    account_id: account whose load balancers may deliver.
    retention_days: days until a log is deleted (1 or more).
    keep: whether a bucket with logs in it refuses to be deleted.
    """

    account_id: pulumi.Input[str]
    retention_days: int
    keep: bool


class LogBucket(pulumi.ComponentResource):
    """A locked S3 bucket that only the load balancers of one account write to.

    Public access blocked (S3.8), no ACLs (S3.12), TLS only (S3.5), versioned so that
    a log cannot be overwritten unnoticed (S3.14), emptied by age (S3.13). Encrypted
    with S3's own keys: load balancers cannot deliver to a bucket with a customer key
    (AWS ELB guide, "Enable access logs"). A log of the access to logs is not kept.
    """

    bucket_name: pulumi.Output[str]
    """Name of the bucket; known only once deliveries are allowed."""

    bucket_arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(
        self, name: str, args: LogBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:LogBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        name = bounded(f"{name}-logs", BUCKET_LIMIT)

        bucket = aws.s3.Bucket(name, force_destroy=not args.keep, opts=child)
        aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(
                object_ownership="BucketOwnerEnforced"
            ),
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            ],
            opts=child,
        )
        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        versioning = aws.s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled"
            ),
            opts=child,
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[_expiry(args.retention_days)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, args.account_id).apply(
                lambda known: _delivery_policy(*known)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )

        # Of the policy, not of the bucket: a load balancer tests the delivery when
        # it is made, and has to wait for the permission.
        self.bucket_name = policy.bucket
        self.bucket_arn = bucket.arn
        self.register_outputs(
            {"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn}
        )


def _expiry(days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="expire",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=1
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=1
        ),
    )


def _delivery_policy(bucket_arn: str, account_id: str) -> str:
    partition = iam.place_of(bucket_arn).partition
    return iam.document(
        {
            "Sid": "LoadBalancersDeliver",
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn}/AWSLogs/{account_id}/*",
            # AWS guards deliveries by the account in the path, and does not say that
            # these keys are always sent: where they are, they must match.
            "Condition": {
                "StringEqualsIfExists": {"aws:SourceAccount": account_id},
                "ArnLikeIfExists": {
                    "aws:SourceArn": (
                        f"arn:{partition}:elasticloadbalancing:*:{account_id}"
                        ":loadbalancer/*"
                    )
                },
            },
        },
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
