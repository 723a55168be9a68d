"""The functions (data sources) that the embedded AWS answers."""

from __future__ import annotations

import base64

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider import wire
from rehearsal.provider.aws import INVOKES
from rehearsal.provider.row import Aws
from rehearsal.provider.wire import Properties

ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"
IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
PARTITION = "aws:index/getPartition:getPartition"
PREFIXES = "aws:ec2/getManagedPrefixList:getManagedPrefixList"
REGION = "aws:index/getRegion:getRegion"
TOKEN = "aws:ecr/getAuthorizationToken:getAuthorizationToken"
PARAMETER = "aws:ssm/getParameter:getParameter"

AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"


def call(aws: Aws, token: str, **arguments: object) -> Properties:
    """The function's answer, having travelled."""
    return wire.decode(wire.encode(INVOKES[token](aws, arguments)))


def test_every_function_is_tried_here() -> None:
    tried = {ZONES, IDENTITY, PARTITION, PREFIXES, REGION, PARAMETER, TOKEN}
    assert set(INVOKES) == tried


def test_the_zones_are_those_of_the_region(aws: Aws) -> None:
    zones = call(aws, ZONES, state="available")
    assert zones["names"] == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    assert len(zones["zoneIds"]) == 3
    assert call(aws, ZONES, state="impaired")["names"] == []


def test_the_addresses_of_cloudfront_have_a_list(aws: Aws) -> None:
    name = "com.amazonaws.global.cloudfront.origin-facing"
    answer = call(aws, PREFIXES, name=name)
    assert answer["name"] == name
    assert str(answer["id"]).startswith("pl-")
    with pytest.raises(LookupError, match="no managed prefix list is called"):
        call(aws, PREFIXES, name="com.amazonaws.global.nothing")


def test_the_caller_is_the_emulators_account(aws: Aws) -> None:
    caller = call(aws, IDENTITY)
    assert caller["accountId"] == caller["id"] == aws.account_id
    assert aws.account_id in caller["arn"]


def test_the_region_is_the_providers_or_the_one_asked_for(aws: Aws) -> None:
    assert call(aws, REGION)["region"] == "eu-central-1"
    assert call(aws, REGION, region="us-east-1")["name"] == "us-east-1"


def test_the_partition_is_the_commercial_one(aws: Aws) -> None:
    answer = call(aws, PARTITION)
    assert (answer["partition"], answer["dnsSuffix"]) == ("aws", "amazonaws.com")


def test_the_registrys_token_is_a_user_and_a_password(aws: Aws) -> None:
    answer = call(aws, TOKEN)
    assert answer["userName"] == "AWS"
    assert answer["password"]
    token = base64.b64decode(answer["authorizationToken"]).decode()
    assert token == f"AWS:{answer['password']}"
    assert f"{aws.account_id}.dkr.ecr.{aws.region}" in answer["proxyEndpoint"]
    of_another = call(aws, TOKEN, registryId="210987654321")
    assert "210987654321" in of_another["proxyEndpoint"]


def test_the_public_parameter_names_an_image_that_runs(aws: Aws) -> None:
    answer = call(aws, PARAMETER, name=AL2023)
    assert answer["insecureValue"] == answer["value"]
    images = aws.client("ec2").describe_images(ImageIds=[answer["value"]])["Images"]
    assert images[0]["Architecture"] == "arm64"
    assert answer == call(aws, PARAMETER, name=AL2023)


def test_a_secret_parameter_is_not_given_away_as_insecure(aws: Aws) -> None:
    aws.client("ssm").put_parameter(
        Name="/conform/secret", Value="not a real one", Type="SecureString"
    )
    answer = call(aws, PARAMETER, name="/conform/secret")
    assert answer["value"] == "not a real one"
    assert "insecureValue" not in answer


def test_a_parameter_that_is_not_there_is_an_error(aws: Aws) -> None:
    with pytest.raises(ClientError, match="ParameterNotFound"):
        call(aws, PARAMETER, name="/conform/nowhere")
