"""What breaks the policies about S3."""

from __future__ import annotations

import json
from typing import Any

from resource_graph import Resource
from resource_types import (
    ACCOUNT_PUBLIC_ACCESS_BLOCK,
    BUCKET,
    BUCKET_ACL,
    BUCKET_ENCRYPTION,
    BUCKET_LIFECYCLE,
    BUCKET_LOGGING,
    BUCKET_OWNERSHIP,
    BUCKET_POLICY,
    BUCKET_VERSIONING,
    LOAD_BALANCER,
    PUBLIC_ACCESS_BLOCK,
)
from tests.unit.policies.casework import Case, resource

IT = resource(BUCKET)
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


def of(type_: str, **inputs: Any) -> Resource:
    """Something that belongs to the bucket."""
    return resource(type_, comes_from={"bucket": [IT]}, **inputs)


def policy(**statement: Any) -> Resource:
    return of(BUCKET_POLICY, policy=document(**statement))


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def public(*actions: str) -> dict[str, Any]:
    return {
        "Sid": "All",
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions),
        "Resource": "arn:aws:s3:::it/*",
    }


def blocks(**different: bool) -> Resource:
    keys = (
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    )
    return of(PUBLIC_ACCESS_BLOCK, **{**dict.fromkeys(keys, True), **different})


def granted(permission: str, uri: str = EVERYBODY) -> Resource:
    return of(
        BUCKET_ACL,
        accessControlPolicy={
            "owner": {"id": "owner"},
            "grants": [
                {
                    "grantee": {"id": "owner", "type": "CanonicalUser"},
                    "permission": "FULL_CONTROL",
                },
                {"grantee": {"type": "Group", "uri": uri}, "permission": permission},
            ],
        },
    )


def versioning(status: str = "Enabled", **more: str) -> Resource:
    return of(BUCKET_VERSIONING, versioningConfiguration={"status": status, **more})


def encryption(algorithm: str) -> Resource:
    default = {"sseAlgorithm": algorithm}
    return of(
        BUCKET_ENCRYPTION, rules=[{"applyServerSideEncryptionByDefault": default}]
    )


def lifecycle(status: str) -> Resource:
    return of(BUCKET_LIFECYCLE, rules=[{"id": "expire", "status": status}])


TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::it", "arn:aws:s3:::it/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}

CASES = (
    Case(
        id="S3.2",
        good=[
            IT,
            blocks(),
            policy(**public("s3:GetObject")),
            granted("READ"),
        ],
        bad={
            "by policy": (
                [IT, policy(**public("s3:Get*"))],
                "policy (All) lets everybody read",
            ),
            "by policy in the bucket": (
                [resource(BUCKET, policy=document(**public("s3:*")))],
                "lets everybody read",
            ),
            "by policy, ACLs blocked only": (
                [
                    IT,
                    blocks(restrictPublicBuckets=False),
                    policy(**public("s3:GetObject")),
                ],
                "lets everybody read",
            ),
            "by ready-made ACL": (
                [IT, of(BUCKET_ACL, acl="public-read")],
                "its ACL lets everybody read",
            ),
            "by ACL in the bucket": (
                [
                    resource(
                        BUCKET,
                        grants=[
                            {"type": "Group", "uri": EVERYBODY, "permissions": ["READ"]}
                        ],
                    )
                ],
                "its ACL lets everybody read",
            ),
            "by ACL": ([IT, granted("FULL_CONTROL")], "its ACL lets everybody read"),
        },
    ),
    Case(
        id="S3.3",
        good=[
            IT,
            resource(
                ACCOUNT_PUBLIC_ACCESS_BLOCK,
                ignorePublicAcls=True,
                restrictPublicBuckets=True,
            ),
            policy(**public("s3:PutObject")),
            of(BUCKET_ACL, acl="public-read-write"),
        ],
        bad={
            "by policy": (
                [IT, policy(**public("s3:PutObject"))],
                "policy (All) lets everybody write",
            ),
            "by ready-made ACL": (
                [IT, of(BUCKET_ACL, acl="public-read-write")],
                "its ACL lets everybody write",
            ),
            "by ACL": ([IT, granted("WRITE_ACP")], "its ACL lets everybody write"),
        },
    ),
    Case(
        id="S3.5",
        good=[IT, policy(**TLS_ONLY)],
        bad={
            "no policy": ([IT], "it has no policy"),
            "another policy": (
                [IT, policy(**public("s3:GetObject"))],
                "does not deny requests without TLS",
            ),
            "only of one principal": (
                [
                    IT,
                    policy(**{**TLS_ONLY, "Principal": {"AWS": "arn:aws:iam::1:root"}}),
                ],
                "does not deny requests without TLS",
            ),
            "in the bucket": (
                [resource(BUCKET, policy=document(**public("s3:GetObject")))],
                "does not deny requests without TLS",
            ),
        },
    ),
    Case(
        id="S3.8",
        good=[IT, blocks(), resource(BUCKET, "as AWS makes it")],
        bad={
            "one is off": (
                [IT, blocks(blockPublicPolicy=False)],
                "blockPublicPolicy is not true",
            ),
            "left to the provider's defaults": (
                [IT, of(PUBLIC_ACCESS_BLOCK, blockPublicAcls=True)],
                "blockPublicPolicy, ignorePublicAcls, restrictPublicBuckets are not",
            ),
        },
    ),
    Case(
        id="S3.9",
        good=[
            IT,
            (LOGS := resource(BUCKET, "logs")),
            of(BUCKET_LOGGING, targetBucket="logs-id"),
            resource(
                BUCKET,
                "inline",
                comes_from={"logging": [LOGS]},
                logging={"targetBucket": "logs-id"},
            ),
            (BY_POLICY := resource(BUCKET, "named by its policy")),
            (
                LETS_IN := resource(
                    BUCKET_POLICY, "lets in", comes_from={"bucket": [BY_POLICY]}
                )
            ),
            resource(LOAD_BALANCER, comes_from={"accessLogs": [LETS_IN]}),
        ],
        bad={"left to its default": ([IT], "no access logging")},
    ),
    Case(
        id="S3.12",
        good=[
            IT,
            of(BUCKET_OWNERSHIP, rule={"objectOwnership": "BucketOwnerEnforced"}),
            resource(BUCKET, "as AWS makes it"),
            resource(BUCKET, "own", acl="private"),
        ],
        bad={
            "ready-made": ([IT, of(BUCKET_ACL, acl="public-read")], "acl is public-r"),
            "ready-made in the bucket": (
                [resource(BUCKET, acl="log-delivery-write")],
                "acl is log-delivery-write",
            ),
            "by name": (
                [
                    IT,
                    of(
                        BUCKET_OWNERSHIP,
                        rule={"objectOwnership": "BucketOwnerPreferred"},
                    ),
                    granted(
                        "READ", uri="http://acs.amazonaws.com/groups/s3/LogDelivery"
                    ),
                ],
                "grants rights to others",
            ),
            "in the bucket": (
                [
                    resource(
                        BUCKET,
                        grants=[
                            {
                                "id": "1",
                                "type": "CanonicalUser",
                                "permissions": ["READ"],
                            }
                        ],
                    )
                ],
                "grants rights to others",
            ),
        },
    ),
    Case(
        id="S3.13",
        good=[
            IT,
            lifecycle("Enabled"),
            resource(BUCKET, "inline", lifecycleRules=[{"enabled": True}]),
        ],
        bad={
            "disabled": ([IT, lifecycle("Disabled")], "no lifecycle rule"),
            "left to its default": ([IT], "no lifecycle rule"),
        },
    ),
    Case(
        id="S3.14",
        good=[
            IT,
            versioning(),
            resource(BUCKET, "inline", versioning={"enabled": True}),
            resource(BUCKET, "locked", objectLockEnabled=True),
        ],
        bad={
            "suspended": ([IT, versioning("Suspended")], "versioning is not Enabled"),
            "left to its default": ([IT], "versioning is not Enabled"),
            "off in the bucket": (
                [resource(BUCKET, versioning={"enabled": False})],
                "versioning is not Enabled",
            ),
        },
    ),
    Case(
        id="S3.17",
        good=[
            IT,
            encryption("aws:kms"),
            resource(
                BUCKET,
                "inline",
                serverSideEncryptionConfiguration={
                    "rule": {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms:dsse"
                        }
                    }
                },
            ),
        ],
        bad={
            "S3's own key": ([IT, encryption("AES256")], "sseAlgorithm is AES256"),
            "left to its default": ([IT], "AES256, its default"),
        },
    ),
    Case(
        id="S3.20",
        good=[
            IT,
            versioning(mfaDelete="Enabled"),
            resource(BUCKET, "not versioned"),
            resource(
                BUCKET,
                "with a lifecycle",
                versioning={"enabled": True},
                lifecycleRules=[{"enabled": True}],
            ),
        ],
        bad={
            "left to its default": ([IT, versioning()], "mfaDelete is not Enabled"),
            "off in the bucket": (
                [resource(BUCKET, versioning={"enabled": True, "mfaDelete": False})],
                "mfaDelete is not Enabled",
            ),
        },
    ),
)
