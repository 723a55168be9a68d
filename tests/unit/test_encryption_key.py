"""The customer key: rotated, and used by nobody but the account."""

from __future__ import annotations

import pulumi_aws as aws

from components.encryption_key import EncryptionKey, EncryptionKeyArgs

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"


def key(account_id="123456789012", **args):
    return EncryptionKey(
        "app",
        EncryptionKeyArgs(
            description="Everything the app stores",
            account_id=account_id,
            region="eu-central-1",
            **args,
        ),
    )


def test_the_key_rotates_and_can_be_restored_for_a_month(graph):
    graph.build(key)
    assert graph.one(KEY)["enableKeyRotation"] is True
    assert graph.one(KEY)["deletionWindowInDays"] == 30


def test_the_deletion_window_can_be_shortened(graph):
    graph.build(lambda: key(deletion_window_days=7))
    assert graph.one(KEY)["deletionWindowInDays"] == 7


def test_operators_find_the_key_by_the_name_of_the_stack(graph):
    outputs = graph.build(key)
    assert outputs["alias_name"] == graph.one(ALIAS)["name"] == "alias/app"
    assert graph.one(ALIAS)["targetKeyId"] == outputs["key_id"]
    assert outputs["arn"].endswith(f":key/{outputs['key_id']}")


def test_only_the_account_and_its_log_groups_may_use_the_key(graph):
    graph.build(key)
    account, logs = graph.policy(KEY)["Statement"]
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert logs["Principal"] == {"Service": "logs.eu-central-1.amazonaws.com"}
    assert logs["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": (
                "arn:aws:logs:eu-central-1:123456789012:log-group:*"
            )
        }
    }
    assert {statement["Effect"] for statement in (account, logs)} == {"Allow"}


def test_the_log_service_can_encrypt_but_not_administer(graph):
    graph.build(key)
    _, logs = graph.policy(KEY)["Statement"]
    verbs = {action.removeprefix("kms:").rstrip("*") for action in logs["Action"]}
    assert verbs == {
        "Encrypt",
        "Decrypt",
        "ReEncrypt",
        "GenerateDataKey",
        "DescribeKey",
    }


def test_the_account_may_be_an_output_of_something_else(graph):
    graph.build(lambda: key(account_id=aws.get_caller_identity_output().account_id))
    assert "arn:aws:iam::123456789012:root" in graph.one(KEY)["policy"]
