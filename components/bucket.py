"""What every bucket has: private, versioned, encrypted, by TLS only, emptied by age."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import iam


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket that can be used.

    name: known only once its policy is in place.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """What becomes of the objects of a bucket.

    id: name of the rule, unique in the bucket.
    prefix: which objects; all of them by default.
    days: until an object is deleted (1 or more); None for never.
    noncurrent_days: until a version that was replaced or deleted goes for good.
    """

    id: str
    prefix: str = ""
    days: int | None
    noncurrent_days: int


@dataclass(frozen=True, kw_only=True)
class AccessLogs:
    """Where S3 writes down each access to a bucket.

    bucket: in the same region, with S3's own keys; its policy lets S3 deliver.
    prefix: what the names of the logs begin with.
    """

    bucket: pulumi.Input[str]
    prefix: str


def make_bucket(
    name: str,
    *,
    expiries: Sequence[Expiry],
    statements: Callable[[str], pulumi.Input[Sequence[Mapping[str, object]]]],
    kms_key_arn: pulumi.Input[str] | None = None,
    access_logs: AccessLogs | None = None,
    force_destroy: bool,
    parent: pulumi.Resource,
) -> Bucket:
    """Make a bucket and its settings as children of `parent`, all called `name`.

    Public access blocked (S3.8), no ACLs (S3.12), TLS only (S3.5), versioned so that
    nothing can be overwritten unnoticed (S3.14), emptied by age (S3.13), and uploads
    that were never finished taken away after a day.

    expiries: at least one.
    statements: of the policy, made of the bucket's ARN; before the one about TLS.
    kms_key_arn: customer key (S3.17), used by way of a bucket key, which asks KMS
        once for many objects; None for S3's own keys.
    access_logs: where each access is logged (S3.9); None for nowhere.
    force_destroy: delete the bucket even when it holds objects.
    """
    child = pulumi.ResourceOptions(parent=parent)

    bucket = aws.s3.Bucket(name, force_destroy=force_destroy, opts=child)
    aws.s3.BucketOwnershipControls(
        name,
        bucket=bucket.bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(
            object_ownership="BucketOwnerEnforced"
        ),
        opts=child,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        name, bucket=bucket.bucket, rules=[_encryption(kms_key_arn)], opts=child
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
        rules=[_rule(expiry) for expiry in expiries],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[versioning]),
    )
    policy = aws.s3.BucketPolicy(
        name,
        bucket=bucket.bucket,
        policy=pulumi.Output.all(bucket.arn, bucket.arn.apply(statements)).apply(
            lambda known: iam.document(*known[1], _only_by_tls(known[0]))
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[private]),
    )
    if access_logs is not None:
        aws.s3.BucketLogging(
            name,
            bucket=bucket.bucket,
            target_bucket=access_logs.bucket,
            target_prefix=access_logs.prefix,
            opts=child,
        )
    return Bucket(name=policy.bucket, arn=bucket.arn)


def _encryption(
    kms_key_arn: pulumi.Input[str] | None,
) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgs:
    return aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if kms_key_arn else "AES256",
            kms_master_key_id=kms_key_arn,
        ),
        bucket_key_enabled=True if kms_key_arn else None,
    )


def _rule(expiry: Expiry) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=expiry.id,
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=expiry.prefix),
        expiration=(
            aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=expiry.days)
            if expiry.days is not None
            else None
        ),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=expiry.noncurrent_days
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=1
        ),
    )


def _only_by_tls(bucket_arn: str) -> dict[str, object]:
    return {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
