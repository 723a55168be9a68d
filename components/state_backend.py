"""Where Pulumi keeps its state: a bucket, and the key of the secrets in it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.bucket import Expiry, make_bucket
from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from names import BUCKET_LIMIT, bounded


@dataclass(frozen=True, kw_only=True)
class StateBackendFacts:
    """What deploy roles need to know of the state.

    bucket_arn: bucket with the state of the stack.
    key_arn: key that encrypts the bucket, and the secrets in the state.
    """

    bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class StateBackendArgs:
    """What a state backend needs to know.

    account_id: account of the bucket.
    region: of bucket and key; of the partition `aws`.
    version_days: how long a former state can be got back (1 or more).
    """

    account_id: pulumi.Input[str]
    region: str
    version_days: int = 90

    def __post_init__(self) -> None:
        """Refuse what S3 would refuse late.

        Raises:
            ValueError: for less than a day.
        """
        if self.version_days < 1:
            raise ValueError(f"version_days: {self.version_days} must be 1 or more")


class StateBackend(pulumi.ComponentResource):
    """A locked bucket for Pulumi's state, and a key for all that is secret in it.

    Each change leaves the former state behind as a version: a broken one can be taken
    back. Locked as `make_bucket` says. Bucket and key are protected, and stay when
    the program that made them is destroyed: without them nothing can be deployed, and
    nothing that was deployed can be found.
    """

    backend_url: pulumi.Output[str]
    """For `pulumi login`."""

    secrets_provider: pulumi.Output[str]
    """For `pulumi stack init --secrets-provider`."""

    facts: StateBackendFacts
    """For the deploy roles."""

    def __init__(
        self,
        name: str,
        args: StateBackendArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        kept = pulumi.ResourceOptions(protect=True, transformations=[_retained])
        super().__init__(
            "stromhaltig:aws:StateBackend",
            name,
            None,
            pulumi.ResourceOptions.merge(opts, kept),
        )

        key = EncryptionKey(
            name,
            EncryptionKeyArgs(
                description="State of Pulumi, and the secrets in it",
                account_id=args.account_id,
                region=args.region,
                keep=True,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        bucket = make_bucket(
            bounded(name, BUCKET_LIMIT),
            expiries=[
                Expiry(id="former", days=None, noncurrent_days=args.version_days)
            ],
            statements=lambda _: [],
            kms_key_arn=key.arn,
            force_destroy=False,
            parent=self,
        )

        self.backend_url = pulumi.Output.format(
            "s3://{0}?region={1}&awssdk=v2", bucket.name, args.region
        )
        self.secrets_provider = pulumi.Output.format(
            "awskms://{0}?region={1}", key.alias_name, args.region
        )
        self.facts = StateBackendFacts(bucket_arn=bucket.arn, key_arn=key.arn)
        self.register_outputs(
            {
                "backend_url": self.backend_url,
                "secrets_provider": self.secrets_provider,
                "bucket_arn": bucket.arn,
                "key_arn": key.arn,
            }
        )


def _retained(
    args: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult:
    """Everything stays: a bucket without its policy or a key would be no use."""
    stays = pulumi.ResourceOptions(retain_on_delete=True)
    return pulumi.ResourceTransformationResult(
        args.props, pulumi.ResourceOptions.merge(args.opts, stays)
    )
