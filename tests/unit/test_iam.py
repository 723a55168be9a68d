from __future__ import annotations

import json

import pytest

from components import iam


def test_place_is_read_from_an_arn():
    place = iam.place_of(
        "arn:aws-eusc:logs:eusc-de-east-1:123456789012:log-group:/ecs/a:b"
    )
    assert place == iam.Place("aws-eusc", "eusc-de-east-1", "123456789012")


def test_global_resources_have_no_region():
    assert iam.place_of("arn:aws:s3:::bucket") == iam.Place("aws", "", "")


@pytest.mark.parametrize("text", ["", "bucket", "urn:aws:s3:::bucket", "arn:aws:s3"])
def test_what_is_no_arn_is_refused_by_name(text):
    with pytest.raises(ValueError, match=f'"{text}" is no ARN'):
        iam.place_of(text)


def test_a_service_may_only_act_for_the_account():
    trust = json.loads(iam.service_trust("ecs-tasks.amazonaws.com", "123456789012"))
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"}
    }
