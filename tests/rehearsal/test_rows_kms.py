"""The rows of KMS: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"


def key_policy(sid: str) -> str:
    """A key policy that leaves the decision to IAM."""
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def key(site: Site) -> Case:
    kms = site.client("kms")

    def listing() -> list[str]:
        pages = kms.get_paginator("list_keys").paginate()
        ids = [one["KeyId"] for page in pages for one in page["Keys"]]
        states = {id: kms.describe_key(KeyId=id)["KeyMetadata"] for id in ids}
        return [i for i, one in states.items() if one["KeyState"] != "PendingDeletion"]

    return Case(
        inputs={
            "description": "Secrets of the app",
            "enableKeyRotation": True,
            "policy": key_policy("One"),
        },
        listing=listing,
        updates={
            "description": "Something else",
            "enableKeyRotation": False,
            "isEnabled": False,
            "policy": key_policy("Two"),
        },
        replaces={
            "customerMasterKeySpec": To(
                "RSA_2048", keyUsage="SIGN_VERIFY", enableKeyRotation=None
            ),
            "keyUsage": To(
                "SIGN_VERIFY", customerMasterKeySpec="RSA_2048", enableKeyRotation=None
            ),
            "multiRegion": True,
        },
        unverified={
            "bypassPolicyLockoutSafetyCheck": True,
            "deletionWindowInDays": 7,
            "rotationPeriodInDays": 180,
        },
        drift=[
            Drift(
                act=lambda id: kms.disable_key_rotation(KeyId=id),
                seen="enableKeyRotation",
            ),
            Drift(act=lambda id: kms.disable_key(KeyId=id), seen="isEnabled"),
            Drift(
                act=lambda id: kms.put_key_policy(
                    KeyId=id, PolicyName="default", Policy=key_policy("Three")
                ),
                seen="policy",
            ),
        ],
        refused=[
            ({"deletionWindowInDays": 6}, "between 7 and 30"),
            ({"rotationPeriodInDays": 89}, "between 90 and 2560"),
            (
                {"rotationPeriodInDays": 90, "enableKeyRotation": None},
                "enableKeyRotation",
            ),
            ({"keyUsage": "ENCRYPT"}, "ENCRYPT_DECRYPT"),
            ({"policy": "{"}, "not JSON"),
        ],
    )


def alias(site: Site) -> Case:
    kms = site.client("kms")
    first, second = (site.make(KEY)["keyId"] for _ in range(2))

    def listing() -> list[str]:
        pages = kms.get_paginator("list_aliases").paginate()
        return [one["AliasName"] for page in pages for one in page["Aliases"]]

    return Case(
        inputs={"name": site.name("alias/conform"), "targetKeyId": first},
        listing=listing,
        updates={"targetKeyId": second},
        replaces={"name": site.name("alias/other")},
        drift=[
            Drift(
                act=lambda id: kms.update_alias(AliasName=id, TargetKeyId=second),
                seen="targetKeyId",
            )
        ],
        refused=[
            ({"name": "conform"}, "alias/"),
            ({"name": "alias/aws/mine"}, "alias/aws/"),
            ({"name": None}, "must be given"),
            ({"name": "alias/" + "n" * 251}, "250"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {KEY: key, ALIAS: alias}


class TestKmsRows(Conformance):
    cases = CASES


def test_a_deleted_key_waits_for_its_window(site: Site) -> None:
    resource = Resource(KEY, site.aws)
    resource.up({"deletionWindowInDays": 7})
    resource.destroy()
    kms = site.client("kms")
    left = kms.describe_key(KeyId=resource.id)["KeyMetadata"]
    assert left["KeyState"] == "PendingDeletion"
    assert 6 <= (left["DeletionDate"] - left["CreationDate"]).days <= 7


def test_an_alias_may_name_its_key_by_arn(site: Site) -> None:
    made = site.make(KEY)
    resource = Resource(ALIAS, site.aws)
    program = {"name": site.name("alias/arn"), "targetKeyId": made["arn"]}
    resource.up(program)
    assert resource.outputs["targetKeyId"] == made["arn"]
    assert resource.outputs["targetKeyArn"] == made["arn"]
    assert resource.refresh()
    assert not resource.preview(program).changed
    resource.destroy()


def test_the_longest_alias_is_taken(site: Site) -> None:
    name = site.name("alias/n").ljust(256, "n")
    target = site.make(KEY)["keyId"]
    assert site.make(ALIAS, name=name, targetKeyId=target)["name"] == name
