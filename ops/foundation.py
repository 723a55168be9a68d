"""What has to be in an AWS account before the first stack: where its state is kept.

A bucket for Pulumi's state, the key of the secrets in it, and GitHub's identity
provider. Each part is looked at first, and only what is not as it should be is made or
changed; so a run that broke off is gone on with, and what is there already is adopted.
By calls rather than by a Pulumi program: that would have to keep its own state
somewhere before. The parts are those of `components.state_backend`, which a test
compares them with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components import iam
from ops.errors import OpsError

NAME = "stromhaltig-state"
"""What the parts are called unless told otherwise."""

VERSION_DAYS = 90
"""Days that a former state can be got back."""

DESCRIPTION = "State of Pulumi, and the secrets in it"
GITHUB = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"

_RULE = {
    "ID": "former",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": VERSION_DAYS},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
_PRIVATE = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
_MISSING = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NotFoundException",
        "OwnershipControlsNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
"""Codes that say that something is not there."""

_REVIVALS = {
    "PendingDeletion": (
        "is about to be deleted, and every state that it encrypts with it",
        "aws kms cancel-key-deletion --key-id {id}; aws kms enable-key --key-id {id}",
    ),
    "Disabled": ("is off", "aws kms enable-key --key-id {id}"),
}
"""State of a key to what is wrong, and the command that ends it."""


@dataclass(frozen=True)
class Part:
    """One thing that has to be so.

    name: what it is. lacking: says what is to be done; None when it is as it should be.
    make: does it.
    """

    name: str
    lacking: Callable[[], str | None]
    make: Callable[[], object]


class Foundation:
    """The parts, in an account and a region.

    client: of boto3, by service. bucket: None for NAME-ACCOUNT-REGION.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        *,
        account: str,
        region: str,
        name: str = NAME,
        bucket: str | None = None,
    ) -> None:
        self._client = client
        self.account = account
        self.region = region
        self.alias = f"alias/{name}"
        self.bucket = bucket or f"{name}-{account}-{region}"
        self._description = f"{DESCRIPTION} ({name})"

    @property
    def backend_url(self) -> str:
        """For `pulumi login`."""
        return f"s3://{self.bucket}?region={self.region}&awssdk=v2"

    @property
    def secrets_provider(self) -> str:
        """For `pulumi stack init --secrets-provider`."""
        return f"awskms://{self.alias}?region={self.region}"

    @property
    def provider_arn(self) -> str:
        """GitHub's identity provider; an account has one at most."""
        return f"arn:aws:iam::{self.account}:oidc-provider/{GITHUB}"

    def parts(self, *, github: bool) -> list[Part]:
        """Everything, in the order in which it is made.

        github: GitHub's identity provider too.
        """
        s3, here = self._client("s3"), {"Bucket": self.bucket}
        mine = {**here, "ExpectedBucketOwner": self.account}
        return [
            Part("key", self._key_lacking, self._make_key),
            Part("rotation of the key", self._rotation_lacking, self._rotate_key),
            Part("name of the key", self._alias_lacking, self._name_key),
            Part("bucket", self._bucket_lacking, self._make_bucket),
            Part(
                "nothing public",
                lambda: self._differs(
                    lambda: s3.get_public_access_block(**mine)[
                        "PublicAccessBlockConfiguration"
                    ],
                    _PRIVATE,
                    "block public access",
                ),
                lambda: s3.put_public_access_block(
                    **mine, PublicAccessBlockConfiguration=_PRIVATE
                ),
            ),
            Part(
                "no ACLs",
                lambda: self._differs(
                    lambda: s3.get_bucket_ownership_controls(**mine)[
                        "OwnershipControls"
                    ]["Rules"],
                    _OWNED,
                    "turn ACLs off",
                ),
                lambda: s3.put_bucket_ownership_controls(
                    **mine, OwnershipControls={"Rules": _OWNED}
                ),
            ),
            Part("encryption", self._encryption_lacking, self._encrypt),
            Part(
                "versions",
                lambda: self._differs(
                    lambda: s3.get_bucket_versioning(**mine).get("Status"),
                    "Enabled",
                    "keep former states",
                ),
                lambda: s3.put_bucket_versioning(
                    **mine, VersioningConfiguration={"Status": "Enabled"}
                ),
            ),
            Part(
                "age of versions",
                lambda: (
                    None
                    if any(_covers(rule, _RULE) for rule in self._rules(mine))
                    else f"end former states after {VERSION_DAYS} days"
                ),
                lambda: s3.put_bucket_lifecycle_configuration(
                    **mine,
                    LifecycleConfiguration={
                        "Rules": _with(self._rules(mine), _RULE, "ID")
                    },
                ),
            ),
            Part(
                "only by TLS",
                lambda: (
                    None
                    if self._only_by_tls in self._statements(mine)
                    else "refuse calls without TLS"
                ),
                lambda: s3.put_bucket_policy(
                    **mine,
                    Policy=iam.document(
                        *_with(self._statements(mine), self._only_by_tls, "Sid")
                    ),
                ),
            ),
            *([self._github()] if github else []),
        ]

    # The key

    def _key(self) -> dict[str, Any] | None:
        """The key of the alias, or one that a run made which got no further.

        Raises OpsError for one that is about to be deleted, or off.
        """
        kms = self._client("kms")
        found = _there(lambda: kms.describe_key(KeyId=self.alias)["KeyMetadata"])
        key = found or self._nameless_key()
        if key and key["KeyState"] in _REVIVALS:
            says, command = _REVIVALS[key["KeyState"]]
            raise OpsError(
                f"The key of {self.alias}, {key['Arn']}, {says}. Keep it: "
                + command.format(id=key["KeyId"])
            )
        return key

    def _nameless_key(self) -> dict[str, Any] | None:
        kms = self._client("kms")
        for page in kms.get_paginator("list_keys").paginate():
            for listed in page["Keys"]:
                key: dict[str, Any] = kms.describe_key(KeyId=listed["KeyId"])[
                    "KeyMetadata"
                ]
                ours = key.get("Description") == self._description
                if ours and key["KeyState"] == "Enabled":
                    return key
        return None

    def _known_key(self) -> dict[str, Any]:
        key = self._key()
        if key is None:
            raise OpsError(f"There is no key {self.alias} in {self.region}")
        return key

    def _key_lacking(self) -> str | None:
        return None if self._key() else f"make a key: {self._description}"

    def _make_key(self) -> None:
        self._client("kms").create_key(
            Description=self._description,
            Policy=self.key_policy,
            Tags=[{"TagKey": "ManagedBy", "TagValue": "stromhaltig bootstrap"}],
        )

    @property
    def key_policy(self) -> str:
        """Leaves who may use the key to the account's IAM policies."""
        return iam.document(
            {
                "Sid": "AccountDecidesThroughIam",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        )

    def _rotation_lacking(self) -> str | None:
        key = self._key()
        on = key and self._client("kms").get_key_rotation_status(KeyId=key["KeyId"])
        return None if on and on["KeyRotationEnabled"] else "rotate it every year"

    def _rotate_key(self) -> None:
        self._client("kms").enable_key_rotation(KeyId=self._known_key()["KeyId"])

    def _alias_lacking(self) -> str | None:
        kms = self._client("kms")
        named = _there(lambda: kms.describe_key(KeyId=self.alias))
        return None if named else f"call it {self.alias}"

    def _name_key(self) -> None:
        self._client("kms").create_alias(
            AliasName=self.alias, TargetKeyId=self._known_key()["KeyId"]
        )

    # The bucket

    def _bucket_lacking(self) -> str | None:
        """Whether it is there, ours, and in the region.

        Raises OpsError for a name that somebody else has, and for another region.
        """
        from botocore.exceptions import ClientError

        s3 = self._client("s3")
        try:
            found = s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self.account)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING:
                return f"make the bucket {self.bucket}"
            if code in {"403", "AccessDenied"}:
                raise OpsError(
                    f"The bucket {self.bucket} is another account's, or you may not "
                    f"see it (account {self.account}). Take another name: --bucket NAME"
                ) from None
            if code in {"301", "PermanentRedirect"}:
                raise self._elsewhere("another region") from None
            raise
        region = found["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if region and region != self.region:
            raise self._elsewhere(region)
        return None

    def _elsewhere(self, region: str) -> OpsError:
        return OpsError(
            f"The bucket {self.bucket} is in {region}, and the key would be in "
            f"{self.region}. Say which region: --region; or another name: --bucket NAME"
        )

    def _make_bucket(self) -> None:
        place = {"LocationConstraint": self.region}
        default = self.region == "us-east-1"  # which S3 does not want to hear
        self._client("s3").create_bucket(
            Bucket=self.bucket,
            ObjectOwnership="BucketOwnerEnforced",
            **({} if default else {"CreateBucketConfiguration": place}),
        )

    def _encryption_lacking(self) -> str | None:
        s3, key = self._client("s3"), self._key()
        if key is None:
            return "encrypt it with the key"
        return self._differs(
            lambda: [
                {name: rule.get(name) for name in _encryption("")[0]}
                for rule in s3.get_bucket_encryption(
                    Bucket=self.bucket, ExpectedBucketOwner=self.account
                )["ServerSideEncryptionConfiguration"]["Rules"]
            ],
            _encryption(key["Arn"]),
            "encrypt it with the key",
        )

    def _encrypt(self) -> None:
        self._client("s3").put_bucket_encryption(
            Bucket=self.bucket,
            ExpectedBucketOwner=self.account,
            ServerSideEncryptionConfiguration={
                "Rules": _encryption(self._known_key()["Arn"])
            },
        )

    def _rules(self, mine: Mapping[str, str]) -> list[dict[str, Any]]:
        s3 = self._client("s3")
        found = _there(lambda: s3.get_bucket_lifecycle_configuration(**mine)["Rules"])
        return found or []

    @property
    def _only_by_tls(self) -> dict[str, Any]:
        arn = f"arn:aws:s3:::{self.bucket}"
        return {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }

    def _statements(self, mine: Mapping[str, str]) -> list[dict[str, Any]]:
        s3 = self._client("s3")
        text = _there(lambda: s3.get_bucket_policy(**mine)["Policy"])
        return list(json.loads(text)["Statement"]) if text else []

    @staticmethod
    def _differs(read: Callable[[], Any], wanted: Any, to_do: str) -> str | None:
        return None if _there(read) == wanted else to_do

    # GitHub

    def _github(self) -> Part:
        client = self._client("iam")

        def audiences() -> list[str] | None:
            """Who its tokens are for; None without a provider."""
            known = client.list_open_id_connect_providers()
            arns = {each["Arn"] for each in known["OpenIDConnectProviderList"]}
            if self.provider_arn not in arns:
                return None
            found = client.get_open_id_connect_provider(
                OpenIDConnectProviderArn=self.provider_arn
            )
            return list(found.get("ClientIDList", ()))

        def lacking() -> str | None:
            found = audiences()
            if found is None:
                return f"trust {GITHUB}"
            return None if AUDIENCE in found else f"add the audience {AUDIENCE}"

        def make() -> None:
            if audiences() is None:
                # Without thumbprints: AWS checks GitHub against its own authorities.
                client.create_open_id_connect_provider(
                    Url=f"https://{GITHUB}", ClientIDList=[AUDIENCE]
                )
            else:
                client.add_client_id_to_open_id_connect_provider(
                    OpenIDConnectProviderArn=self.provider_arn, ClientID=AUDIENCE
                )

        return Part("GitHub's identities", lacking, make)

    def key_arn(self) -> str:
        """ARN of the key, for `github.state_key_arn`.

        Raises OpsError when there is none yet.
        """
        return str(self._known_key()["Arn"])


_OWNED: Sequence[Mapping[str, str]] = [{"ObjectOwnership": "BucketOwnerEnforced"}]


def _encryption(key_arn: str) -> list[dict[str, Any]]:
    return [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": key_arn,
            },
            "BucketKeyEnabled": True,
        }
    ]


def _there(read: Callable[[], Any]) -> Any:
    """What AWS answers; None where it says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise


def _covers(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(found.get(key) == value for key, value in wanted.items())


def _with(
    found: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], name: str
) -> list[Mapping[str, Any]]:
    """Others as they are, and one of our own."""
    others = [each for each in found if each.get(name) != wanted[name]]
    return [*others, wanted]


def lacking(parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    """Each part that is not as it should be, and what is to be done."""
    for part in parts:
        to_do = part.lacking()
        if to_do:
            yield part, to_do
