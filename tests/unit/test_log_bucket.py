from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pulumi
import pytest

from components.backup_bucket import (
    ACCESS_LOGS,
    BackupBucket,
    BackupBucketArgs,
    access_log_statement,
)
from components.log_bucket import LogBucket, LogBucketArgs
from tests.graph import Graph

ACCOUNT = "123456789012"
BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"


def build(graph: Graph, *, days: int = 90, keep: bool = True) -> Any:
    return graph.build(
        lambda: LogBucket(
            "app", LogBucketArgs(account_id=ACCOUNT, retention_days=days, keep=keep)
        )
    )


def test_nothing_in_it_can_be_public(graph):
    build(graph)
    block = graph.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert all(
        block[key]
        for key in (
            "blockPublicAcls",
            "blockPublicPolicy",
            "ignorePublicAcls",
            "restrictPublicBuckets",
        )
    )
    controls = graph.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls")
    assert controls["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


def test_only_load_balancers_of_the_account_deliver(graph):
    build(graph)
    arn = graph.one(BUCKET).outputs["arn"]
    deliver, _ = graph.policy(POLICY)["Statement"]
    assert deliver["Effect"] == "Allow"
    assert deliver["Action"] == "s3:PutObject"
    assert deliver["Principal"] == {
        "Service": "logdelivery.elasticloadbalancing.amazonaws.com"
    }
    assert deliver["Resource"] == f"{arn}/AWSLogs/{ACCOUNT}/*"
    assert deliver["Condition"] == {
        "StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT},
        "ArnLikeIfExists": {
            "aws:SourceArn": f"arn:aws:elasticloadbalancing:*:{ACCOUNT}:loadbalancer/*"
        },
    }


@pytest.mark.parametrize("name", ["app", "a" * 80])
def test_s3_delivers_logs_of_the_accounts_backups_below_their_prefix(graph, name):
    def program() -> None:
        LogBucket(
            "app",
            LogBucketArgs(
                account_id=ACCOUNT,
                retention_days=1,
                keep=True,
                more_statements=[partial(access_log_statement, name)],
            ),
        )
        key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"
        BackupBucket(
            name, BackupBucketArgs(account_id=ACCOUNT, kms_key_arn=key, keep=True)
        )

    graph.build(program)
    _, deliver, _ = graph.policy(POLICY, "app-logs")["Statement"]
    assert deliver["Effect"] == "Allow"
    assert deliver["Action"] == "s3:PutObject"
    assert deliver["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    arn = graph.one(BUCKET, "app-logs").outputs["arn"]
    assert deliver["Resource"] == f"{arn}/{ACCESS_LOGS}*"
    source = deliver["Condition"].pop("ArnLike")["aws:SourceArn"]
    assert deliver["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    (backups,) = [b for b in graph.all(BUCKET) if b.name != "app-logs"]
    assert source == f"arn:aws:s3:::{backups.name}*"
    assert fnmatchcase(backups.outputs["arn"], source)


def test_plain_http_is_refused_to_everybody(graph):
    build(graph)
    arn = graph.one(BUCKET).outputs["arn"]
    _, deny = graph.policy(POLICY)["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Resource"] == [arn, f"{arn}/*"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_encrypted_with_the_only_keys_that_deliveries_can_use(graph):
    build(graph)
    encryption = graph.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    (rule,) = encryption["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


def test_logs_are_versioned_and_expire(graph):
    build(graph, days=30)
    versioning = graph.one("aws:s3/bucketVersioning:BucketVersioning")
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    lifecycle = graph.one(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    )
    (rule,) = lifecycle["rules"]
    assert rule["status"] == "Enabled"
    assert rule["expiration"] == {"days": 30}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert versioning.urn in lifecycle.dependencies


@pytest.mark.parametrize("keep", [True, False])
def test_a_bucket_worth_keeping_is_not_emptied_by_a_destroy(graph, keep):
    build(graph, keep=keep)
    assert graph.one(BUCKET)["forceDestroy"] is not keep


def test_protection_reaches_the_bucket(graph):
    graph.build(
        lambda: LogBucket(
            "app",
            LogBucketArgs(account_id=ACCOUNT, retention_days=1, keep=True),
            pulumi.ResourceOptions(protect=True),
        )
    )
    assert graph.one(BUCKET).protect


def test_who_uses_the_name_waits_for_the_permission(graph):
    def program() -> dict[str, Any]:
        logs = LogBucket(
            "app", LogBucketArgs(account_id=ACCOUNT, retention_days=1, keep=False)
        )
        aws_user = pulumi.CustomResource(
            "aws:sns/topic:Topic", "user", {"displayName": logs.bucket_name}
        )
        return {"user": aws_user}

    graph.build(program)
    assert graph.one(POLICY).urn in graph.one("aws:sns/topic:Topic").dependencies


def test_physical_name_leaves_room_for_the_random_part(graph):
    graph.build(
        lambda: LogBucket(
            "a" * 80, LogBucketArgs(account_id=ACCOUNT, retention_days=1, keep=False)
        )
    )
    assert len(graph.one(BUCKET).name) <= 63 - 8
