"""The rows of S3: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.row import Aws
from tests.rehearsal.conformance import (
    DEFAULT_TAGS,
    REGION,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
)
from tests.rehearsal.surroundings import key

BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:"
    "BucketServerSideEncryptionConfiguration"
)
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOGGING = "aws:s3/bucketLogging:BucketLogging"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"


def make_bucket(site: Site, **inputs: Any) -> str:
    return str(site.make(BUCKET, **inputs)["bucket"])


def statement(bucket: str, **changes: Any) -> dict[str, Any]:
    """Lets one role read a bucket, or as changed; None takes a field away."""
    whole = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:role/reader"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def buckets(site: Site) -> list[str]:
    return [one["Name"] for one in site.client("s3").list_buckets()["Buckets"]]


def with_setting(site: Site, get: str) -> list[str]:
    """The buckets that have a setting."""
    found = []
    for bucket in buckets(site):
        try:
            getattr(site.client("s3"), get)(Bucket=bucket)
        except ClientError:
            continue
        found.append(bucket)
    return found


def bucket(site: Site) -> Case:
    return Case(
        inputs={"forceDestroy": False},
        listing=lambda: buckets(site),
        unverified={"forceDestroy": True},
        refused=[
            ({"bucket": "ab"}, "3 to 63"),
            ({"bucket": "b" * 64}, "3 to 63"),
            ({"bucket": "Logs"}, "lower-case"),
            ({"bucket": "app_logs"}, "hyphens"),
            ({"bucket": "logs-"}, "end in a letter"),
            ({"bucket": "app..logs"}, "single dots"),
            ({"bucket": "192.168.5.4"}, "AWS reserves"),
            ({"bucket": "xn--logs"}, "AWS reserves"),
            ({"bucket": "logs--x-s3"}, "AWS reserves"),
        ],
    )


def bucket_policy(site: Site) -> Case:
    s3 = site.client("s3")
    first, second = make_bucket(site), make_bucket(site)
    of_first = policy(statement(first))
    return Case(
        inputs={"bucket": first, "policy": of_first},
        listing=lambda: with_setting(site, "get_bucket_policy"),
        updates={"policy": policy(statement(first, Action="s3:*"))},
        replaces={"bucket": To(second, policy=policy(statement(second)))},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_policy(
                    Bucket=id, Policy=policy(statement(first, Principal="*"))
                ),
                seen="policy",
            )
        ],
        refused=[({"policy": "{"}, "not JSON"), ({"policy": "[]"}, "JSON object")],
    )


def public_access_block(site: Site) -> Case:
    s3 = site.client("s3")
    return Case(
        inputs={"bucket": make_bucket(site), "blockPublicAcls": True},
        listing=lambda: with_setting(site, "get_public_access_block"),
        updates={
            "blockPublicAcls": False,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        replaces={"bucket": make_bucket(site)},
        unverified={"skipDestroy": True},
        unlock=lambda state: s3.delete_public_access_block(Bucket=state["bucket"]),
        drift=[
            Drift(
                act=lambda id: s3.put_public_access_block(
                    Bucket=id,
                    PublicAccessBlockConfiguration={"RestrictPublicBuckets": True},
                ),
                seen=seen,
            )
            for seen in ("blockPublicAcls", "restrictPublicBuckets")
        ],
    )


def encrypted(algorithm: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    by_default = {"sseAlgorithm": algorithm} | ({"kmsMasterKeyId": key} if key else {})
    return {"applyServerSideEncryptionByDefault": by_default, **more}


def encryption(site: Site) -> Case:
    s3 = site.client("s3")
    kms = key(site.aws)
    return Case(
        inputs={"bucket": make_bucket(site), "rules": [encrypted("AES256")]},
        listing=lambda: with_setting(site, "get_bucket_encryption"),
        updates={"rules": [encrypted("aws:kms", kms, bucketKeyEnabled=True)]},
        replaces={"bucket": make_bucket(site)},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_encryption(
                    Bucket=id,
                    ServerSideEncryptionConfiguration={
                        "Rules": [
                            {
                                "ApplyServerSideEncryptionByDefault": {
                                    "SSEAlgorithm": "aws:kms"
                                }
                            }
                        ]
                    },
                ),
                seen="rules",
            )
        ],
        refused=[
            ({"rules": []}, "exactly one"),
            ({"rules": [encrypted("AES256")] * 2}, "exactly one"),
            ({"rules": [encrypted("AES265")]}, 'Did you mean "AES256"?'),
            ({"rules": [{"bucketKeyEnabled": True}]}, "rules[0].applyServerSide"),
            ({"rules": [encrypted("AES256", kms)]}, "goes with aws:kms"),
            ({"rules": [encrypted("aws:kms", "key:x")]}, "an ARN"),
            (
                {"rules": [encrypted("AES256", blockedEncryptionTypes=["SSE-C"])]},
                "rules[0].blockedEncryptionTypes: the rehearsal does not carry this",
            ),
        ],
    )


EXPIRY = {
    "id": "expire",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "expiration": {"days": 30},
}
TIERS = {
    "id": "tiers",
    "status": "Disabled",
    "filter": {"and": {"prefix": "AWSLogs/", "tags": {"keep": "yes", "for": "long"}}},
    "expiration": {"expiredObjectDeleteMarker": True},
    "transitions": [
        {"days": 30, "storageClass": "STANDARD_IA"},
        {"days": 90, "storageClass": "GLACIER"},
    ],
    "noncurrentVersionTransitions": [
        {
            "noncurrentDays": 7,
            "newerNoncurrentVersions": 3,
            "storageClass": "GLACIER_IR",
        }
    ],
}
CLEARANCE = {
    "id": "clearance",
    "status": "Enabled",
    "filter": {"tag": {"key": "keep", "value": "no"}},
    "noncurrentVersionExpiration": {"noncurrentDays": 1},
}
UPLOADS = {
    "id": "uploads",
    "status": "Enabled",
    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
}
OLD_STYLE = {
    "id": "old-style",
    "status": "Enabled",
    "prefix": "tmp/",
    "expiration": {"days": 1},
}


def lifecycle(site: Site) -> Case:
    s3 = site.client("s3")

    def changed(**changes: Any) -> dict[str, Any]:
        return {"rules": [{**EXPIRY, **changes}]}

    return Case(
        inputs={"bucket": make_bucket(site), "rules": [EXPIRY]},
        listing=lambda: with_setting(site, "get_bucket_lifecycle_configuration"),
        updates={"rules": [EXPIRY, TIERS, CLEARANCE, UPLOADS, OLD_STYLE]},
        replaces={"bucket": make_bucket(site)},
        unverified={"transitionDefaultMinimumObjectSize": "varies_by_storage_class"},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_lifecycle_configuration(
                    Bucket=id,
                    LifecycleConfiguration={
                        "Rules": [
                            {
                                "ID": "expire",
                                "Status": "Disabled",
                                "Filter": {"Prefix": ""},
                                "Expiration": {"Days": 30},
                            }
                        ]
                    },
                ),
                seen="rules",
            )
        ],
        refused=[
            ({"rules": None}, "at least one"),
            ({"rules": [EXPIRY, EXPIRY]}, "an id of its own"),
            (changed(id="i" * 256), "rules[0].id"),
            (changed(status="On"), "not one of Enabled, Disabled"),
            (changed(expiration={"days": 0}), "must be between 1"),
            (changed(expiration=None), "a rule needs one of"),
            (changed(prefix="a"), "cannot be together with filter"),
            (
                changed(filter={"prefix": "a", "tag": {"key": "k", "value": "v"}}),
                "filter.and",
            ),
            (
                changed(expiration={"days": 1, "expiredObjectDeleteMarker": True}),
                "cannot be together",
            ),
            (
                changed(transitions=[{"days": 30, "storageClass": "ICE"}]),
                "transitions[0].storageClass",
            ),
            (
                changed(filter={"objectSizeGreaterThan": 5}),
                "rules[0].filter.objectSizeGreaterThan: the rehearsal does not carry",
            ),
            (
                changed(
                    transitions=[{"date": "2030-01-01", "storageClass": "GLACIER"}]
                ),
                "transitions[0].date: the rehearsal does not carry",
            ),
            (
                {"transitionDefaultMinimumObjectSize": "none"},
                "all_storage_classes_128K",
            ),
        ],
    )


def ownership(site: Site) -> Case:
    s3 = site.client("s3")
    return Case(
        inputs={
            "bucket": make_bucket(site),
            "rule": {"objectOwnership": "BucketOwnerEnforced"},
        },
        listing=lambda: with_setting(site, "get_bucket_ownership_controls"),
        updates={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        replaces={"bucket": make_bucket(site)},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_ownership_controls(
                    Bucket=id,
                    OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
                ),
                seen="rule",
            )
        ],
        refused=[({"rule": {"objectOwnership": "Mine"}}, "BucketOwnerEnforced")],
    )


def versioning(site: Site) -> Case:
    s3 = site.client("s3")
    return Case(
        inputs={
            "bucket": make_bucket(site),
            "versioningConfiguration": {"status": "Enabled"},
        },
        listing=lambda: with_setting(site, "get_bucket_versioning"),
        updates={
            "versioningConfiguration": {"status": "Suspended", "mfaDelete": "Disabled"}
        },
        replaces={"bucket": make_bucket(site)},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_versioning(
                    Bucket=id, VersioningConfiguration={"Status": "Suspended"}
                ),
                seen="versioningConfiguration",
            )
        ],
        refused=[
            ({"versioningConfiguration": {"status": "On"}}, "not one of Enabled"),
            (
                {
                    "versioningConfiguration": {
                        "status": "Enabled",
                        "mfaDelete": "Enabled",
                    }
                },
                "mfaDelete",
            ),
        ],
        adopted=True,
    )


def log_bucket(site: Site) -> str:
    """A bucket that takes logs below any prefix."""
    name = make_bucket(site)
    site.client("s3").put_bucket_policy(
        Bucket=name, Policy=policy(statement(name, **deliveries()))
    )
    return name


def deliveries() -> dict[str, Any]:
    """What makes a statement about S3's deliveries of logs."""
    return {
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
    }


def logging(site: Site) -> Case:
    s3 = site.client("s3")
    target = log_bucket(site)
    return Case(
        inputs={
            "bucket": make_bucket(site),
            "targetBucket": target,
            "targetPrefix": "s3/",
        },
        listing=lambda: [
            name
            for name in buckets(site)
            if "LoggingEnabled" in s3.get_bucket_logging(Bucket=name)
        ],
        updates={"targetBucket": log_bucket(site), "targetPrefix": ""},
        replaces={"bucket": make_bucket(site)},
        drift=[
            Drift(
                act=lambda id: s3.put_bucket_logging(
                    Bucket=id,
                    BucketLoggingStatus={
                        "LoggingEnabled": {
                            "TargetBucket": target,
                            "TargetPrefix": "elsewhere/",
                        }
                    },
                ),
                seen="targetPrefix",
            )
        ],
        refused=[({"targetBucket": "app_logs"}, "hyphens")],
    )


class TestS3Rows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        BUCKET: bucket,
        POLICY: bucket_policy,
        PUBLIC_ACCESS_BLOCK: public_access_block,
        ENCRYPTION: encryption,
        LIFECYCLE: lifecycle,
        OWNERSHIP: ownership,
        VERSIONING: versioning,
        LOGGING: logging,
    }


def test_a_bucket_says_where_it_is(site: Site):
    made = site.make(BUCKET)
    name = made["bucket"]
    assert made["id"] == name
    assert made["arn"] == f"arn:aws:s3:::{name}"
    assert made["bucketDomainName"] == f"{name}.s3.amazonaws.com"
    assert made["bucketRegionalDomainName"] == f"{name}.s3.{REGION}.amazonaws.com"
    assert made["region"] == made["bucketRegion"] == REGION
    assert made["hostedZoneId"] == "Z21DNDUVLTQW6Q"


def test_a_bucket_is_made_in_any_region(site: Site, endpoint: str):
    for region in ("us-east-1", "eu-north-1"):
        elsewhere = Site(Aws(endpoint, region, DEFAULT_TAGS))
        name = make_bucket(elsewhere)
        location = elsewhere.client("s3").get_bucket_location(Bucket=name)
        assert location["LocationConstraint"] == (
            None if region == "us-east-1" else region
        )


def test_a_generated_name_that_aws_refuses_is_not_made(site: Site):
    resource = Resource(BUCKET, site.aws, name="app_logs")
    with pytest.raises(ClientError, match=r"InvalidBucketName.*hyphens"):
        resource.up({})


def filled(site: Site, **inputs: Any) -> Resource:
    """A bucket with two versions of one object, and another that is deleted."""
    s3, resource = site.client("s3"), Resource(BUCKET, site.aws)
    resource.up(inputs)
    name = resource.id
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for path, body in (("log", b"1"), ("log", b"2"), ("gone", b"3")):
        s3.put_object(Bucket=name, Key=path, Body=body)
    s3.delete_object(Bucket=name, Key="gone")
    return resource


def test_a_bucket_with_objects_is_kept(site: Site):
    resource = filled(site)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        resource.destroy()
    assert resource.refresh()
    versions = site.client("s3").list_object_versions(Bucket=resource.id)
    assert len(versions["Versions"]) == 3
    resource.up({"forceDestroy": True})
    resource.destroy()


def test_a_bucket_that_may_be_destroyed_goes_with_every_version(site: Site):
    resource = filled(site, forceDestroy=True)
    resource.destroy()
    assert not resource.refresh()
    assert resource.id not in buckets(site)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Resource": "arn:aws:s3:::another/*"}, "another/.* is not of conform"),
        ({"Resource": ["*"], "Principal": None}, "Missing required field Principal"),
        ({"Resource": "arn:aws:s3:::conformist/*"}, "invalid resource"),
    ],
)
def test_a_policy_that_does_not_fit_its_bucket_is_refused(
    site: Site, changes: dict[str, Any], words: str
):
    name = make_bucket(site)
    program = {"bucket": name, "policy": policy(statement(name, **changes))}
    with pytest.raises(ClientError, match=f"MalformedPolicy.*{words}"):
        Resource(POLICY, site.aws).up(program)
    with pytest.raises(ClientError, match=r"MalformedPolicy.*field Statement"):
        Resource(POLICY, site.aws).up({**program, "policy": "{}"})


def test_a_policy_for_everybody_is_refused_where_the_public_is_blocked(site: Site):
    name = make_bucket(site)
    program = {"bucket": name, "policy": policy(statement(name, Principal="*"))}
    block = Resource(PUBLIC_ACCESS_BLOCK, site.aws)
    block.up({"bucket": name, "blockPublicPolicy": True})
    resource = Resource(POLICY, site.aws)
    with pytest.raises(ClientError, match=r"AccessDenied.*lets everybody in"):
        resource.up(program)
    refusing = policy(statement(name, Principal="*", Effect="Deny"))
    resource.up({"bucket": name, "policy": refusing})
    block.up({"bucket": name, "blockPublicPolicy": False})
    resource.up(program)


def test_a_public_access_block_can_outlive_its_resource(site: Site):
    name = make_bucket(site)
    block = Resource(PUBLIC_ACCESS_BLOCK, site.aws)
    block.up({"bucket": name, "blockPublicAcls": True, "skipDestroy": True})
    block.destroy()
    assert block.refresh()


def test_versioning_that_was_on_can_only_be_suspended(site: Site):
    name = make_bucket(site)

    def program(status: str) -> dict[str, Any]:
        return {"bucket": name, "versioningConfiguration": {"status": status}}

    resource = Resource(VERSIONING, site.aws)
    resource.up(program("Disabled"))
    resource.destroy()
    assert resource.live("versioningConfiguration")["status"] == "Disabled"
    resource.up(program("Enabled"))
    with pytest.raises(ClientError, match="Suspended"):
        resource.up(program("Disabled"))
    resource.destroy()
    assert resource.live("versioningConfiguration")["status"] == "Suspended"


def test_versioning_goes_with_its_bucket(site: Site):
    owner, resource = Resource(BUCKET, site.aws), Resource(VERSIONING, site.aws)
    owner.up({})
    resource.up({"bucket": owner.id, "versioningConfiguration": {"status": "Enabled"}})
    owner.destroy()
    assert not resource.refresh()
    resource.destroy()


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": "arn:aws:s3:::{name}/other/*"},
        {"Principal": {"Service": "delivery.logs.amazonaws.com"}},
        {"Action": "s3:GetObject"},
        {"Effect": "Deny"},
    ],
)
def test_logs_that_may_not_be_delivered_are_refused(
    site: Site, changes: dict[str, Any]
):
    target = make_bucket(site)
    program = {
        "bucket": make_bucket(site),
        "targetBucket": target,
        "targetPrefix": "s3/",
    }
    resource = Resource(LOGGING, site.aws)
    with pytest.raises(ClientError, match="InvalidTargetBucketForLogging"):
        resource.up(program)
    for_everybody = statement(target, Principal="*", Effect="Deny")
    refusing = statement(target, **deliveries() | changes)
    refusing["Resource"] = refusing["Resource"].format(name=target)
    site.client("s3").put_bucket_policy(
        Bucket=target, Policy=policy(refusing, for_everybody)
    )
    with pytest.raises(ClientError, match=r"InvalidTargetBucketForLogging.*'s3/'"):
        resource.up(program)


def test_logging_goes_with_its_bucket(site: Site):
    owner, resource = Resource(BUCKET, site.aws), Resource(LOGGING, site.aws)
    owner.up({})
    resource.up(
        {"bucket": owner.id, "targetBucket": log_bucket(site), "targetPrefix": "s3/"}
    )
    owner.destroy()
    assert not resource.refresh()
    resource.destroy()
