"""Where the state is kept: never lost, never public, and readable with one key."""

from __future__ import annotations

import pytest

from components.state_backend import StateBackend, StateBackendArgs
from tests.fakes import ACCOUNT

ALIAS = "aws:kms/alias:Alias"
BUCKET = "aws:s3/bucket:Bucket"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:"
    "BucketServerSideEncryptionConfiguration"
)
KEY = "aws:kms/key:Key"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PRIVATE = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"


def backend(**args):
    return StateBackend(
        "stromhaltig-state",
        StateBackendArgs(account_id=ACCOUNT, region="eu-central-1", **args),
    )


def test_a_bootstrap_is_told_where_to_log_in_and_what_encrypts(graph):
    outputs = graph.build(backend)
    bucket = graph.one(BUCKET).outputs["bucket"]
    assert outputs["backend_url"] == f"s3://{bucket}?region=eu-central-1&awssdk=v2"
    alias = graph.one(ALIAS)["name"]
    assert alias == "alias/stromhaltig-state"
    assert outputs["secrets_provider"] == f"awskms://{alias}?region=eu-central-1"


def test_deploy_roles_are_told_the_arns(graph):
    outputs = graph.build(backend)
    assert outputs["facts"] == {
        "bucket_arn": graph.one(BUCKET).outputs["arn"],
        "key_arn": graph.one(KEY).outputs["arn"],
    }


def test_state_and_secrets_have_one_key(graph):
    graph.build(backend)
    (rule,) = graph.one(ENCRYPTION)["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {
        "sseAlgorithm": "aws:kms",
        "kmsMasterKeyId": graph.one(KEY).outputs["arn"],
    }
    assert graph.one(ALIAS)["targetKeyId"] == graph.one(KEY).outputs["keyId"]


def test_a_former_state_can_be_got_back_and_the_last_is_never_deleted(graph):
    graph.build(lambda: backend(version_days=30))
    assert graph.one(VERSIONING)["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = graph.one(LIFECYCLE)["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert "expiration" not in rule


def test_nobody_outside_gets_at_it_nor_anybody_in_the_clear(graph):
    graph.build(backend)
    assert graph.one(PRIVATE)["restrictPublicBuckets"] is True
    (statement,) = graph.policy(POLICY)["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_all_of_it_is_protected_and_outlives_the_program(graph):
    graph.build(backend)
    assert {(r.protect, r.retain_on_delete) for r in graph.resources} == {(True, True)}
    assert graph.one(BUCKET)["forceDestroy"] is False


def test_a_preview_knows_how_the_key_will_be_called(graph):
    graph.build(backend, preview=True)
    assert graph.one(ALIAS)["name"] == "alias/stromhaltig-state"


def test_versions_live_for_a_day_at_least():
    with pytest.raises(ValueError, match="version_days: 0"):
        backend(version_days=0)
