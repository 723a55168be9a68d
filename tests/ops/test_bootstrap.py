"""`stromhaltig bootstrap` on moto: made once, adopted, gone on with, refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from components.state_backend import StateBackend, StateBackendArgs
from ops import foundation
from ops.cli import app
from tests.fakes import ACCOUNT
from tests.graph import Graph

REGION = "eu-central-1"
BUCKET = f"stromhaltig-state-123456789012-{REGION}"
CHANGING = ("Create", "Put", "Enable", "Add", "Delete", "Update", "Schedule")


class Calls(list[str]):
    """Operations that were called, and which of them fails.

    refuse: raise for the first call of this operation.
    """

    refuse: str | None = None

    @property
    def changing(self) -> list[str]:
        return [name for name in self if name.startswith(CHANGING)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def endpoint(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account with nothing in it."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{server}/moto-api/reset").raise_for_status()
    return server


@pytest.fixture
def calls(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the command asks of AWS."""
    seen = Calls()
    original: Callable[..., Any] = boto3.Session.client

    def client(self: boto3.Session, service: str, **options: Any) -> Any:
        made = original(self, service, **options)

        def note(model: Any, **_: Any) -> None:
            seen.append(model.name)
            if model.name == seen.refuse:
                seen.refuse = None
                raise ClientError(
                    {"Error": {"Code": "AccessDenied", "Message": "not you"}},
                    model.name,
                )

        made.meta.events.register("before-call", note)
        return made

    monkeypatch.setattr(boto3.Session, "client", client)
    return seen


def run(*options: str):
    return CliRunner().invoke(app, ["bootstrap", "--yes", *options])


def account_key() -> dict[str, Any]:
    kms = boto3.client("kms")
    return kms.describe_key(KeyId="alias/stromhaltig-state")["KeyMetadata"]


def test_it_makes_bucket_and_key_and_says_what_comes_next(calls):
    done = run()

    assert done.exit_code == 0, done.output
    assert done.stderr.endswith("Everything is there.\n")
    assert done.stdout.splitlines() == [
        f"pulumi login 's3://{BUCKET}?region={REGION}&awssdk=v2'",
        *(
            f"pulumi stack init {stack} --secrets-provider "
            f"'awskms://alias/stromhaltig-state?region={REGION}'"
            for stack in ("staging", "production")
        ),
    ]
    s3, kms = boto3.client("s3"), boto3.client("kms")
    key = account_key()
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket=BUCKET)[
        "ServerSideEncryptionConfiguration"
    ]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": key["Arn"],
    }
    assert set(
        s3.get_public_access_block(Bucket=BUCKET)[
            "PublicAccessBlockConfiguration"
        ].values()
    ) == {True}


def test_a_second_time_changes_nothing(calls):
    first = run("--github", "stromdao/stromhaltig")
    calls.clear()
    second = run("--github", "stromdao/stromhaltig")

    assert second.exit_code == 0
    assert second.stdout == first.stdout
    assert "Everything is there." in second.stderr
    assert calls.changing == []


def test_a_dry_run_says_everything_and_changes_nothing(calls):
    done = CliRunner().invoke(app, ["bootstrap", "--dry-run", "--github", "o/r"])

    assert done.exit_code == 0
    assert done.stdout == ""
    for what in (f"make the bucket {BUCKET}", "refuse calls without TLS", "trust tok"):
        assert what in done.stderr
    assert calls.changing == []


def test_without_a_word_nothing_is_made(calls):
    done = CliRunner().invoke(app, ["bootstrap"])

    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert calls.changing == []


MADE = (
    "CreateKey",
    "EnableKeyRotation",
    "CreateAlias",
    "CreateBucket",
    "PutPublicAccessBlock",
    "PutBucketEncryption",
    "PutBucketVersioning",
    "PutBucketLifecycleConfiguration",
    "PutBucketPolicy",
    "CreateOpenIDConnectProvider",
)


@pytest.mark.parametrize("refused", MADE)
def test_denied_at_any_step_it_says_which_and_the_next_run_goes_on(calls, refused):
    calls.refuse = refused
    done = run("--github", "o/r")
    assert done.exit_code == 1
    assert f"AWS, {refused}: AccessDenied: not you. The role lacks a" in done.stderr
    assert done.stdout == ""

    before = calls.changing[:-1]
    calls.clear()
    assert run("--github", "o/r").exit_code == 0
    # What was made is not made again: one key, one bucket.
    assert not {*before} & {*calls.changing} - {"PutBucketPolicy"}
    assert calls.changing[0] == refused
    keys = boto3.client("kms").list_keys()["Keys"]
    assert len(keys) == 1


def test_a_bucket_that_is_there_is_adopted_with_all_that_is_in_it(calls):
    s3 = boto3.client("s3")
    s3.create_bucket(
        Bucket="our-state", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    s3.put_object(Bucket="our-state", Key=".pulumi/stacks/production.json", Body=b"{}")
    s3.put_bucket_lifecycle_configuration(
        Bucket="our-state",
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "theirs",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "logs/"},
                    "Expiration": {"Days": 3},
                }
            ]
        },
    )
    theirs = {
        "Sid": "Theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteBucket",
        "Resource": "arn:aws:s3:::our-state",
    }
    s3.put_bucket_policy(
        Bucket="our-state",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]}),
    )
    calls.clear()
    done = run("--bucket", "our-state", "--json")

    assert json.loads(done.stdout)["backend_url"].startswith("s3://our-state?")
    assert "CreateBucket" not in calls
    # Listed and not read: moto heeds the policy, and not that it is about TLS.
    assert s3.list_objects_v2(Bucket="our-state")["KeyCount"] == 1
    rules = s3.get_bucket_lifecycle_configuration(Bucket="our-state")["Rules"]
    assert [rule["ID"] for rule in rules] == ["theirs", "former"]
    policy = json.loads(s3.get_bucket_policy(Bucket="our-state")["Policy"])
    assert [each["Sid"] for each in policy["Statement"]] == ["Theirs", "OnlyByTls"]


def test_what_somebody_changed_is_put_right(calls):
    run()
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
    )
    s3.delete_public_access_block(Bucket=BUCKET)
    calls.clear()
    assert run().exit_code == 0

    assert calls.changing == ["PutPublicAccessBlock", "PutBucketVersioning"]


def test_a_key_that_is_about_to_be_deleted_is_not_used(calls):
    run()
    key = account_key()
    boto3.client("kms").schedule_key_deletion(KeyId=key["KeyId"])
    calls.clear()
    done = run()

    assert done.exit_code == 2
    assert f"aws kms cancel-key-deletion --key-id {key['KeyId']}" in done.stderr
    assert calls.changing == []


def test_a_bucket_of_another_region_is_refused(calls):
    run("--bucket", "our-state")
    calls.clear()
    done = run("--bucket", "our-state", "--region", "eu-west-1")

    assert done.exit_code == 2
    assert f"The bucket our-state is in {REGION}" in done.stderr
    assert "CreateBucket" not in calls


def test_github_is_trusted_once_and_the_settings_are_printed(calls):
    done = run("--github", "stromdao/stromhaltig")
    settings = dict(
        line.removeprefix("pulumi config set --path ").replace("'", "").split(" ")
        for line in done.stdout.splitlines()
        if "config set" in line
    )

    prefix = "stromhaltig:github."
    assert settings[f"{prefix}repository"] == "stromdao/stromhaltig"
    assert settings[f"{prefix}state_bucket"] == BUCKET
    assert settings[f"{prefix}state_key_arn"] == account_key()["Arn"]
    arn = settings[f"{prefix}provider_arn"]
    found = boto3.client("iam").get_open_id_connect_provider(
        OpenIDConnectProviderArn=arn
    )
    assert found["ClientIDList"] == ["sts.amazonaws.com"]


def test_a_provider_for_somebody_else_gets_our_audience(calls):
    """moto has no such call: what would be sent is what is looked at."""
    boto3.client("iam").create_open_id_connect_provider(
        Url=f"https://{foundation.GITHUB}", ClientIDList=["theirs"]
    )
    calls.refuse = "AddClientIDToOpenIDConnectProvider"
    done = run("--github", "o/r")

    assert "GitHub's identities: add the audience sts.amazonaws.com" in done.stderr
    assert done.exit_code == 1
    assert calls.changing[-1] == "AddClientIDToOpenIDConnectProvider"


def test_without_a_region_it_asks_for_one(endpoint, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    done = run()

    assert done.exit_code == 2
    assert "--region eu-central-1" in done.stderr


def test_the_state_is_kept_as_the_component_keeps_it(endpoint):
    """The same bucket, made by calls or by somebody's own program."""
    graph = Graph()
    graph.build(
        lambda: StateBackend(
            "stromhaltig-state", StateBackendArgs(account_id=ACCOUNT, region=REGION)
        )
    )
    run()
    s3 = boto3.client("s3")

    def one(kind: str) -> Any:
        return graph.one(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}")

    rule = one("BucketLifecycleConfiguration")["rules"][0]
    assert {
        "ID": rule["id"],
        "Status": rule["status"],
        "Filter": {"Prefix": rule["filter"]["prefix"]},
        "NoncurrentVersionExpiration": {
            "NoncurrentDays": rule["noncurrentVersionExpiration"]["noncurrentDays"]
        },
        "AbortIncompleteMultipartUpload": {
            "DaysAfterInitiation": rule["abortIncompleteMultipartUpload"][
                "daysAfterInitiation"
            ]
        },
    } == foundation._RULE
    private = one("BucketPublicAccessBlock")
    for name in foundation._PRIVATE:
        assert private[name[0].lower() + name[1:]] is True
    theirs = json.loads(one("BucketPolicy")["policy"])["Statement"]
    ours = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    arn = one("Bucket").outputs["arn"]
    assert json.loads(json.dumps(ours).replace(f"arn:aws:s3:::{BUCKET}", arn)) == theirs
    [encryption] = one("BucketServerSideEncryptionConfiguration")["rules"]
    assert encryption["bucketKeyEnabled"] is True
    assert one("BucketOwnershipControls")["rule"] == {
        "objectOwnership": foundation._OWNED[0]["ObjectOwnership"]
    }
