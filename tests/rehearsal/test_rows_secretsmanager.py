"""The rows of Secrets Manager: each is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.wire import Properties
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

SECRET = "aws:secretsmanager/secret:Secret"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"


def make_secret(site: Site) -> str:
    return str(site.make(SECRET, name=site.name("conform/secret"))["arn"])


def resource_policy(action: str) -> str:
    """A policy that denies an action to everybody else."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def secret(site: Site) -> Case:
    client = site.client("secretsmanager")

    def give_the_name_up(state: Properties) -> None:
        client.delete_secret(SecretId=state["id"], ForceDeleteWithoutRecovery=True)

    return Case(
        inputs={
            "name": site.name("conform/jwt"),
            "description": "Signs sessions",
            "kmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/one",
        },
        listing=lambda: [one["ARN"] for one in client.list_secrets()["SecretList"]],
        updates={
            "description": "Signs something else",
            "kmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/two",
        },
        unverified={"recoveryWindowInDays": 0},
        drift=[
            Drift(
                act=lambda id: client.update_secret(
                    SecretId=id, Description="Mine now"
                ),
                seen="description",
            )
        ],
        refused=[
            ({"name": "n" * 513}, "512"),
            ({"name": "what?"}, "512"),
            ({"recoveryWindowInDays": 6}, "0 or 7 to 30"),
            ({"recoveryWindowInDays": 31}, "0 or 7 to 30"),
            ({"description": "d" * 2049}, "2048"),
        ],
        forget=give_the_name_up,
    )


def secret_version(site: Site) -> Case:
    client = site.client("secretsmanager")
    return Case(
        inputs={"secretId": make_secret(site), "secretString": "not a real one"},
        listing=lambda: [one["ARN"] for one in client.list_secrets()["SecretList"]],
        replaces={"secretId": make_secret(site), "secretString": "nor is this"},
        refused=[
            ({"secretString": ""}, "65536"),
            ({"secretString": "ä" * 32769}, "65536"),
        ],
        adopted=True,  # AWS never deletes a secret's only version
    )


def secret_policy(site: Site) -> Case:
    client = site.client("secretsmanager")
    secrets = [make_secret(site) for _ in range(2)]

    def listing() -> list[str]:
        answers = [client.get_resource_policy(SecretId=id) for id in secrets]
        return [one["ARN"] for one in answers if one.get("ResourcePolicy")]

    return Case(
        inputs={
            "secretArn": secrets[0],
            "policy": resource_policy("secretsmanager:GetSecretValue"),
        },
        listing=listing,
        updates={"policy": resource_policy("secretsmanager:*")},
        replaces={"secretArn": secrets[1]},
        unverified={"blockPublicPolicy": True},
        drift=[
            Drift(
                act=lambda id: client.put_resource_policy(
                    SecretId=id, ResourcePolicy=resource_policy("secretsmanager:Put*")
                ),
                seen="policy",
            )
        ],
        refused=[
            ({"policy": "nobody"}, "not JSON"),
            ({"secretArn": "conform/secret"}, "an ARN"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    SECRET: secret,
    SECRET_VERSION: secret_version,
    SECRET_POLICY: secret_policy,
}


class TestSecretsManagerRows(Conformance):
    cases = CASES


def test_a_secret_can_be_taken_back_within_its_window(site: Site) -> None:
    client = site.client("secretsmanager")
    resource = Resource(SECRET, site.aws)
    resource.up({"name": site.name("conform/back"), "recoveryWindowInDays": 7})
    resource.destroy()
    left = client.describe_secret(SecretId=resource.id)
    assert 6 <= (left["DeletedDate"] - left["CreatedDate"]).days <= 7
    client.restore_secret(SecretId=resource.id)
    assert resource.refresh()


def test_a_secret_without_a_window_is_gone_at_once(site: Site) -> None:
    program = {"name": site.name("conform/gone"), "recoveryWindowInDays": 0}
    resource = Resource(SECRET, site.aws)
    resource.up(program)
    resource.destroy()
    again = Resource(SECRET, site.aws)
    again.up(program)
    again.destroy()
    assert not again.refresh()


def test_a_name_scheduled_for_deletion_is_refused_with_the_way_out(site: Site) -> None:
    program = {"name": site.name("conform/scheduled")}
    first = Resource(SECRET, site.aws)
    first.up(program)
    first.destroy()
    with pytest.raises(ClientError, match="scheduled for deletion") as refused:
        Resource(SECRET, site.aws).up(program)
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"
    assert f"restore-secret --secret-id {program['name']}" in str(refused.value)


def test_a_new_value_is_current_and_the_old_one_stays_readable(site: Site) -> None:
    client = site.client("secretsmanager")
    arn = make_secret(site)
    resource = Resource(SECRET_VERSION, site.aws)
    resource.up({"secretId": arn, "secretString": "the first"})
    first = resource.outputs["versionId"]
    assert resource.id == f"{arn}|{first}"
    assert resource.outputs["arn"] == arn
    resource.up({"secretId": arn, "secretString": "the second"})
    assert resource.outputs["versionId"] != first
    assert client.get_secret_value(SecretId=arn)["SecretString"] == "the second"
    old = client.get_secret_value(SecretId=arn, VersionId=first)
    assert old["SecretString"] == "the first"


def test_a_value_that_somebody_else_put_does_not_pass_for_ours(site: Site) -> None:
    client = site.client("secretsmanager")
    arn = make_secret(site)
    resource = Resource(SECRET_VERSION, site.aws)
    program = {"secretId": arn, "secretString": "ours"}
    resource.up(program)
    client.put_secret_value(SecretId=arn, SecretString="theirs")
    assert resource.refresh()
    assert resource.outputs["secretString"] == "ours"
    assert resource.outputs["versionStages"] == ["AWSPREVIOUS"]
    assert not resource.preview(program).changed


def test_a_version_goes_with_its_secret(site: Site) -> None:
    secret = Resource(SECRET, site.aws)
    secret.up({"name": site.name("conform/both")})
    version = Resource(SECRET_VERSION, site.aws)
    version.up({"secretId": secret.id, "secretString": "value"})
    secret.destroy()
    assert not version.refresh()
    version.destroy()


def test_the_longest_name_is_taken(site: Site) -> None:
    name = site.name("conform/n").ljust(512, "n")
    assert site.make(SECRET, name=name)["name"] == name
