"""Secrets: named, encrypted, closed to the outside, and never shown."""

from __future__ import annotations

import json

import pulumi
import pytest

from components.secrets import Secrets, SecretsArgs
from contract import Generated
from tests.graph import UNKNOWN

SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
PASSWORD = "random:index/randomPassword:RandomPassword"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
TYPED_BY_OPERATOR = "typed-by-the-operator"


def secrets(opts=None, **args):
    defaults = {
        "prefix": "stromhaltig/test",
        "kms_key_arn": KEY,
        "account_id": "123456789012",
        "generated": {"JWT_SECRET": Generated(variable="JWT_SECRET")},
        "provided": {"SMTP_PASS": TYPED_BY_OPERATOR},
    }
    return Secrets("app", SecretsArgs(**(defaults | args)), opts)


def test_each_variable_has_an_entry_under_the_prefix_encrypted_with_the_key(graph):
    graph.build(lambda: secrets(recovery_window_days=7))
    assert [secret["name"] for secret in graph.all(SECRET)] == [
        "stromhaltig/test/JWT_SECRET",
        "stromhaltig/test/SMTP_PASS",
    ]
    for secret in graph.all(SECRET):
        assert secret["kmsKeyId"] == KEY
        assert secret["recoveryWindowInDays"] == 7


def test_a_generated_value_has_its_length_and_needs_no_escaping(graph):
    graph.build(secrets)
    password = graph.one(PASSWORD)
    assert password["length"] == 48
    assert password["special"] is False
    version = graph.one(VERSION, "app-jwt-secret")
    assert version["secretString"] == password.outputs["result"]


def test_a_provided_value_is_stored_as_it_is(graph):
    graph.build(secrets)
    version = graph.one(VERSION, "app-smtp-pass")
    assert version["secretString"] == TYPED_BY_OPERATOR


def test_values_are_secret_on_their_way_and_nowhere_else(graph):
    outputs = graph.build(secrets)
    for version in graph.all(VERSION):
        assert version.secrets == {"secretString"}
    values = {version["secretString"] for version in graph.all(VERSION)}
    assert len(values) == 2
    elsewhere = json.dumps(
        [dict(r.inputs) for r in graph if r.type != VERSION] + [outputs], default=str
    )
    assert not any(value in elsewhere for value in values)
    assert not graph.secret_outputs


def test_a_reference_pins_the_version_that_was_written(graph):
    outputs = graph.build(secrets)
    entry = outputs["entries"]["JWT_SECRET"]
    version = graph.one(VERSION, "app-jwt-secret").outputs["versionId"]
    assert entry["name"] == "stromhaltig/test/JWT_SECRET"
    assert entry["version_id"] == version
    assert entry["reference"] == (
        "arn:aws:secretsmanager:eu-central-1:123456789012:"
        f"secret:stromhaltig/test/JWT_SECRET-AbCdEf:::{version}"
    )


def test_a_reference_is_unknown_until_the_version_is_written(graph):
    outputs = graph.build(secrets, preview=True)
    assert outputs["entries"]["SMTP_PASS"]["reference"] is UNKNOWN


def test_other_accounts_and_unencrypted_calls_are_denied(graph):
    graph.build(secrets)
    assert len(graph.all(POLICY)) == 2
    for policy in graph.all(POLICY):
        assert policy["blockPublicPolicy"] is True
        statements = json.loads(policy["policy"])["Statement"]
        assert {s["Effect"] for s in statements} == {"Deny"}
        assert {s["Action"] for s in statements} == {"secretsmanager:*"}
        assert {s["Resource"] for s in statements} == {policy["secretArn"]}
        assert [s["Condition"] for s in statements] == [
            {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}},
            {"Bool": {"aws:SecureTransport": "false"}},
        ]


def test_protection_covers_the_secrets_but_leaves_their_values_rotatable(graph):
    graph.build(lambda: secrets(pulumi.ResourceOptions(protect=True)))
    protected = {r.type for r in graph.resources if r.protect}
    assert protected == {SECRET, POLICY}


def test_a_replaced_value_stays_readable_for_a_rollback(graph):
    graph.build(secrets)
    assert all(version.retain_on_delete for version in graph.all(VERSION))


def test_a_value_may_be_an_output_of_another_component(graph):
    def program():
        url = pulumi.Output.concat("postgresql://app@", "db/app")
        return secrets(generated={}, provided={"DATABASE_URL": url})

    graph.build(program)
    assert graph.one(VERSION)["secretString"] == "postgresql://app@db/app"


def test_no_variables_make_no_resources(graph):
    graph.build(lambda: secrets(generated={}, provided={}))
    assert graph.resources == []


def test_a_variable_that_is_generated_and_provided_is_refused():
    with pytest.raises(ValueError, match="SMTP_PASS: generated and provided"):
        secrets(generated={"SMTP_PASS": Generated(variable="SMTP_PASS")})


def test_a_rotation_makes_another_version_of_the_same_entry(graph):
    graph.build(secrets)
    before = graph.one(PASSWORD).name, graph.one(VERSION, "app-jwt-secret").name
    rotated = Generated(variable="JWT_SECRET", generation=2)
    graph.build(lambda: secrets(generated={"JWT_SECRET": rotated}))
    after = graph.one(PASSWORD).name, graph.one(VERSION, "app-jwt-secret").name

    assert before == ("app-jwt-secret", "app-jwt-secret")
    assert after == ("app-jwt-secret-2", "app-jwt-secret")
    assert not graph.one(PASSWORD).protect


def test_what_is_passing_can_go_and_come_back_at_once(graph):
    protected = pulumi.ResourceOptions(protect=True)
    graph.build(lambda: secrets(protected, passing=["SMTP_PASS"]))
    passing = graph.one(SECRET, "app-smtp-pass")
    assert (passing.protect, passing["recoveryWindowInDays"]) == (False, 0)
    assert not graph.one(POLICY, "app-smtp-pass").protect
    staying = graph.one(SECRET, "app-jwt-secret")
    assert (staying.protect, staying["recoveryWindowInDays"]) == (True, 30)


def test_only_what_is_there_can_be_passing():
    with pytest.raises(ValueError, match="passing: REDIS_URL is not there"):
        SecretsArgs(prefix="p", kms_key_arn=KEY, account_id="1", passing=["REDIS_URL"])
