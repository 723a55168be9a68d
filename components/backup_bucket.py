"""Bucket for backups that the app makes itself: dumps and archives of its uploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components import iam
from components.bucket import AccessLogs, Expiry, make_bucket
from names import BUCKET_LIMIT, bounded

DUMPS = "dumps/"
"""Prefix of the dumps of the database."""

UPLOADS = "uploads/"
"""Prefix of the archives of uploaded files."""

ACCESS_LOGS = "s3/backups/"
"""Prefix of the logs of access to backups, in the log bucket."""

NONCURRENT_DAYS = 7
"""Time to get a backup back that was overwritten or deleted."""


@dataclass(frozen=True, kw_only=True)
class BackupBucketArgs:
    """What a backup bucket needs to know.

    account_id: account that the backups stay in.
    kms_key_arn: customer key that encrypts them.
    dump_days, archive_days: days until a dump, or an archive of uploads, is deleted
        (1 or more); as the deployment guide has it ("Backup & Recovery").
    access_log_bucket: log bucket that `access_log_statement` is in the policy of; to
        be known only once it is there, for S3 looks for it. None logs nothing.
    keep: whether a bucket with backups in it refuses to be deleted.
    """

    account_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    dump_days: int = 30
    archive_days: int = 7
    access_log_bucket: pulumi.Input[str] | None = None
    keep: bool

    def __post_init__(self) -> None:
        """Refuse what S3 would refuse late.

        Raises:
            ValueError: for less than a day.
        """
        for key in ("dump_days", "archive_days"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: {getattr(self, key)} must be 1 or more")


class BackupBucket(pulumi.ComponentResource):
    """A locked S3 bucket for backups of one account, encrypted with one key.

    Locked as `make_bucket` says. Whoever puts an object need not speak of encryption:
    the bucket has its key. Who names another way or another key is refused; `aws:kms`
    without a key would mean AWS's own.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html

    Nobody outside of the account is let in, whatever else the policy may say one day
    (S3.6). With a log bucket, each access is written down (S3.9). `may_write` is all
    that a job needs: it deletes no backup and reads only those of its kind, and what it
    overwrites can be got back. `may_read` is all that one needs which restores.
    """

    bucket_name: pulumi.Output[str]
    """Name of the bucket; known only once its policy is in place."""

    bucket_arn: pulumi.Output[str]
    """ARN of the bucket."""

    def __init__(
        self,
        name: str,
        args: BackupBucketArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:BackupBucket", name, None, opts)
        bucket = make_bucket(
            _bucket_name(name),
            expiries=[
                Expiry(
                    id=prefix.rstrip("/"),
                    prefix=prefix,
                    days=days,
                    noncurrent_days=NONCURRENT_DAYS,
                )
                for prefix, days in (
                    (DUMPS, args.dump_days),
                    (UPLOADS, args.archive_days),
                )
            ],
            statements=lambda arn: pulumi.Output.all(
                args.account_id, args.kms_key_arn
            ).apply(lambda known: _statements(arn, *known)),
            kms_key_arn=args.kms_key_arn,
            access_logs=(
                AccessLogs(bucket=args.access_log_bucket, prefix=ACCESS_LOGS)
                if args.access_log_bucket is not None
                else None
            ),
            force_destroy=not args.keep,
            parent=self,
        )

        self._kms_key_arn = args.kms_key_arn
        self.bucket_name = bucket.name
        self.bucket_arn = bucket.arn
        self.register_outputs(
            {"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn}
        )

    def may_write(self, prefix: str) -> pulumi.Output[Sequence[Mapping[str, object]]]:
        """Return the IAM statements of a job that puts backups under the prefix.

        Putting a large object in parts takes the right to decrypt, too. Asking for
        size and checksum of what is there (HeadObject) takes the right to read it.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        return pulumi.Output.all(self.bucket_arn, self._kms_key_arn).apply(
            lambda known: _write_statements(prefix, *known)
        )

    def may_read(self, prefix: str) -> pulumi.Output[Sequence[Mapping[str, object]]]:
        """Return the IAM statements of a job that reads backups under the prefix.

        It has to know their names: it may not list them.
        """
        return pulumi.Output.all(self.bucket_arn, self._kms_key_arn).apply(
            lambda known: _read_statements(prefix, *known)
        )


def access_log_statement(
    name: str, log_bucket_arn: str, account_id: str
) -> dict[str, object]:
    """Return what the policy of the log bucket has to allow.

    name: of the backup bucket, which is made later: only what its ARN begins with is
        known by now.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    partition = iam.place_of(log_bucket_arn).partition
    return {
        "Sid": "BackupsLogAccess",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{log_bucket_arn}/{ACCESS_LOGS}*",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account_id},
            "ArnLike": {"aws:SourceArn": f"arn:{partition}:s3:::{_bucket_name(name)}*"},
        },
    }


def _bucket_name(name: str) -> str:
    return bounded(f"{name}-backups", BUCKET_LIMIT)


def _statements(
    bucket_arn: str, account_id: str, kms_key_arn: str
) -> list[dict[str, object]]:
    put = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/*",
    }
    return [
        {
            "Sid": "OnlyOfTheAccount",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {
                "StringNotEquals": {"aws:PrincipalAccount": account_id},
                "Bool": {"aws:PrincipalIsAWSService": "false"},
            },
        },
        {
            "Sid": "OnlyWithTheKey",
            **put,
            "Condition": {
                "Null": {"s3:x-amz-server-side-encryption": "false"},
                "StringNotEquals": {
                    "s3:x-amz-server-side-encryption-aws-kms-key-id": kms_key_arn
                },
            },
        },
        {
            "Sid": "NoKeysOfCustomers",
            **put,
            "Condition": {
                "Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}
            },
        },
    ]


def _write_statements(
    prefix: str, bucket_arn: str, kms_key_arn: str
) -> list[dict[str, object]]:
    return [
        {
            "Sid": "WriteBackups",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            "Resource": f"{bucket_arn}/{prefix}*",
        },
        {
            "Sid": "EncryptBackups",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            **_key_through_s3(kms_key_arn),
        },
    ]


def _read_statements(
    prefix: str, bucket_arn: str, kms_key_arn: str
) -> list[dict[str, object]]:
    return [
        {
            "Sid": "ReadBackups",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{bucket_arn}/{prefix}*",
        },
        {
            "Sid": "DecryptBackups",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            **_key_through_s3(kms_key_arn),
        },
    ]


def _key_through_s3(kms_key_arn: str) -> dict[str, object]:
    region = iam.place_of(kms_key_arn).region
    return {
        "Resource": kms_key_arn,
        "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
    }
