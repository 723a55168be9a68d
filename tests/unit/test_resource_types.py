"""Type tokens, and what they were called before."""

from __future__ import annotations

import pytest

import resource_types as types
from rehearsal.provider import schema

TOKENS = {
    name: value
    for name, value in vars(types).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
}


@pytest.mark.parametrize(
    ("older", "current"),
    [
        ("aws:s3/bucketV2:BucketV2", types.BUCKET),
        ("aws:s3/bucketVersioningV2:BucketVersioningV2", types.BUCKET_VERSIONING),
        ("aws:alb/loadBalancer:LoadBalancer", types.LOAD_BALANCER),
        ("aws:applicationloadbalancing/listener:Listener", types.LISTENER),
        ("aws:elasticloadbalancingv2/targetGroup:TargetGroup", types.TARGET_GROUP),
        ("aws:alb/listenerRule:ListenerRule", types.LISTENER_RULE),
        (types.DATABASE, types.DATABASE),
        ("aws:alb/listenerCertificate:ListenerCertificate",) * 2,
        ("somebody:else:Thing", "somebody:else:Thing"),
    ],
)
def test_an_older_name_is_told_by_the_one_of_today(older: str, current: str):
    assert types.current(older) == current


def test_names_of_today_are_nobodys_older_ones():
    assert {name: types.current(name) for name in TOKENS.values()} == {
        name: name for name in TOKENS.values()
    }


def test_each_type_has_one_token():
    assert len(set(TOKENS.values())) == len(TOKENS)


@pytest.mark.parametrize("token", TOKENS.values())
def test_each_token_is_a_type_that_can_be_made(token: str):
    assert schema.resource(token).inputs


def test_what_holds_data_is_named_by_the_names_of_today():
    for held in types.DATA.values():
        assert {types.current(name) for name in held} == held


@pytest.mark.parametrize(
    ("within", "type_", "holds"),
    [
        ("", "aws:rds/instance:Instance", True),
        ("stromhaltig:aws:Uploads$", "aws:s3/bucketV2:BucketV2", True),
        ("stromhaltig:docker:Database$", "docker:index/volume:Volume", True),
        ("stromhaltig:docker:App$", "docker:index/container:Container", False),
        (
            "stromhaltig:docker:Secrets$stromhaltig:docker:Files$",
            "docker:index/volume:Volume",
            False,
        ),
    ],
)
def test_what_the_program_writes_anew_holds_no_data(within, type_, holds):
    urn = f"urn:pulumi:production::stromhaltig::{within}{type_}::it"
    assert types.holds_data(urn) is holds
