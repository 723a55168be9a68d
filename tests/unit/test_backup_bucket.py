"""What every bucket has, and what the one of backups has besides."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components.backup_bucket import DUMPS, UPLOADS, BackupBucket, BackupBucketArgs
from components.log_bucket import LogBucket, LogBucketArgs
from tests.graph import UNKNOWN, Graph

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"

BUCKET = "aws:s3/bucket:Bucket"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:"
    "BucketServerSideEncryptionConfiguration"
)
LOGGING = "aws:s3/bucketLogging:BucketLogging"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"


def args(**changes: Any) -> BackupBucketArgs:
    return BackupBucketArgs(
        **{"account_id": ACCOUNT, "kms_key_arn": KEY, "keep": True} | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: BackupBucket("app", args(**changes)))


def statements(graph: Graph) -> dict[str, Any]:
    return {one["Sid"]: one for one in graph.policy(POLICY)["Statement"]}


def rules(graph: Graph) -> dict[str, Any]:
    return {rule["id"]: rule for rule in graph.one(LIFECYCLE)["rules"]}


def test_nothing_in_it_can_be_public(graph):
    build(graph)
    block = graph.one(PUBLIC_ACCESS_BLOCK)
    assert [block[key] for key in sorted(block.inputs) if key != "bucket"] == [True] * 4
    assert graph.one(OWNERSHIP)["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert block.urn in graph.one(POLICY).dependencies


def test_backups_are_encrypted_with_the_key_by_way_of_a_bucket_key(graph):
    build(graph)
    (rule,) = graph.one(ENCRYPTION)["rules"]
    assert rule == {
        "applyServerSideEncryptionByDefault": {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": KEY,
        },
        "bucketKeyEnabled": True,
    }


def test_backups_are_versioned_and_expire_each_at_their_age(graph):
    build(graph, dump_days=20, archive_days=5)
    versioning = graph.one(VERSIONING)
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    assert versioning.urn in graph.one(LIFECYCLE).dependencies
    found = rules(graph)
    assert {
        name: (rule["filter"]["prefix"], rule["expiration"]["days"])
        for name, rule in found.items()
    } == {"dumps": ("dumps/", 20), "uploads": ("uploads/", 5)}
    for rule in found.values():
        assert rule["status"] == "Enabled"
        assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 7}
        assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}


def test_the_guide_says_how_long_backups_are_kept(graph):
    build(graph)
    found = rules(graph)
    assert found["dumps"]["expiration"] == {"days": 30}
    assert found["uploads"]["expiration"] == {"days": 7}


@pytest.mark.parametrize("key", ["dump_days", "archive_days"])
def test_less_than_a_day_is_refused(key):
    with pytest.raises(ValueError, match=f"{key}: 0 must be 1 or more"):
        args(**{key: 0})


def test_another_way_of_encryption_or_another_key_is_refused(graph):
    build(graph)
    arn = graph.one(BUCKET).outputs["arn"]
    found = statements(graph)
    for sid in ("OnlyWithTheKey", "NoKeysOfCustomers"):
        assert found[sid]["Effect"] == "Deny"
        assert found[sid]["Principal"] == "*"
        assert found[sid]["Action"] == "s3:PutObject"
        assert found[sid]["Resource"] == f"{arn}/*"
    # Nothing is said: the bucket's own key. Something is: it must be that key.
    assert found["OnlyWithTheKey"]["Condition"] == {
        "Null": {"s3:x-amz-server-side-encryption": "false"},
        "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY},
    }
    assert found["NoKeysOfCustomers"]["Condition"] == {
        "Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}
    }


def test_other_accounts_and_plain_http_are_refused(graph):
    build(graph)
    arn = graph.one(BUCKET).outputs["arn"]
    found = statements(graph)
    assert found["OnlyOfTheAccount"]["Condition"] == {
        "StringNotEquals": {"aws:PrincipalAccount": ACCOUNT},
        "Bool": {"aws:PrincipalIsAWSService": "false"},
    }
    assert found["OnlyByTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for sid in ("OnlyOfTheAccount", "OnlyByTls"):
        assert found[sid]["Effect"] == "Deny"
        assert found[sid]["Resource"] == [arn, f"{arn}/*"]


def test_the_policy_lets_nobody_in(graph):
    build(graph)
    assert {one["Effect"] for one in statements(graph).values()} == {"Deny"}


def test_a_job_may_write_and_look_under_its_prefix_and_delete_nothing(graph):
    may = graph.build(lambda: BackupBucket("app", args()).may_write(DUMPS))
    arn = graph.one(BUCKET).outputs["arn"]
    write, encrypt = may
    # HeadObject, by which a job compares what arrived, takes the right to get.
    assert write["Action"] == [
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:PutObject",
    ]
    assert write["Resource"] == f"{arn}/dumps/*"
    assert encrypt["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert encrypt["Resource"] == KEY
    assert encrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    }


def test_a_job_that_restores_may_read_under_its_prefix_and_nothing_else(graph):
    may = graph.build(lambda: BackupBucket("app", args()).may_read(UPLOADS))
    arn = graph.one(BUCKET).outputs["arn"]
    read, decrypt = may
    assert (read["Action"], read["Resource"]) == ("s3:GetObject", f"{arn}/uploads/*")
    assert (decrypt["Action"], decrypt["Resource"]) == ("kms:Decrypt", KEY)
    assert decrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    }


def test_access_is_logged_under_a_prefix_once_that_is_allowed(graph):
    def program() -> None:
        logs = LogBucket(
            "logs", LogBucketArgs(account_id=ACCOUNT, retention_days=1, keep=True)
        )
        BackupBucket("app", args(access_log_bucket=logs.bucket_name))

    graph.build(program)
    logging = graph.one(LOGGING)
    assert logging["bucket"] == graph.one(BUCKET, "app-backups").outputs["bucket"]
    assert logging["targetBucket"] == graph.one(BUCKET, "logs-logs").outputs["bucket"]
    assert logging["targetPrefix"] == "s3/backups/"
    assert graph.one(POLICY, "logs-logs").urn in logging.dependencies


def test_without_a_bucket_for_logs_no_access_is_logged(graph):
    build(graph)
    assert graph.all(LOGGING) == []


@pytest.mark.parametrize("keep", [True, False])
def test_a_bucket_worth_keeping_is_not_emptied_by_a_destroy(graph, keep):
    build(graph, keep=keep)
    assert graph.one(BUCKET)["forceDestroy"] is not keep


def test_protection_reaches_the_bucket(graph):
    protect = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: BackupBucket("app", args(), protect))
    assert graph.one(BUCKET).protect


def test_backups_and_logs_of_one_name_are_in_buckets_of_two(graph):
    def program() -> None:
        BackupBucket("app", args())
        LogBucket("app", LogBucketArgs(account_id=ACCOUNT, retention_days=1, keep=True))

    graph.build(program)
    assert {one.name for one in graph.all(BUCKET)} == {"app-backups", "app-logs"}


def test_others_can_deliver_logs_too(graph):
    def deliver(bucket_arn: str, account_id: str) -> dict[str, object]:
        return {
            "Sid": "Deliver",
            "Effect": "Allow",
            "Resource": f"{bucket_arn}/{account_id}",
        }

    graph.build(
        lambda: LogBucket(
            "app",
            LogBucketArgs(
                account_id=ACCOUNT,
                retention_days=1,
                keep=True,
                more_statements=[deliver],
            ),
        )
    )
    found = statements(graph)
    assert found.keys() == {"LoadBalancersDeliver", "Deliver", "OnlyByTls"}
    arn = graph.one(BUCKET).outputs["arn"]
    assert found["Deliver"]["Resource"] == f"{arn}/{ACCOUNT}"


def test_a_preview_without_a_known_key_is_complete(graph):
    def program() -> BackupBucket:
        key = pulumi.CustomResource("aws:sns/topic:Topic", "key", {"arn": None})
        return BackupBucket("app", args(kms_key_arn=key.id))

    outputs = graph.build(program, preview=True)
    assert outputs == {"bucket_name": UNKNOWN, "bucket_arn": UNKNOWN}
    assert graph.one(POLICY)["policy"] == UNKNOWN
    assert set(rules(graph)) == {"dumps", "uploads"}
