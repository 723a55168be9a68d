"""Rows for KMS: customer keys and their aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import matching, one_of, within
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_USAGES = ("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC")


class Key(Row):
    """aws.kms.Key; deleting it schedules its deletion."""

    token = "aws:kms/key:Key"
    service = "kms"
    tagged = True
    replaces = frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"})
    updates = frozenset({"description", "enableKeyRotation", "isEnabled", "policy"})
    # The window is for the deletion and the check for one call. moto rotates once a
    # year, whatever it is told.
    unverified = frozenset(
        {
            "bypassPolicyLockoutSafetyCheck",
            "deletionWindowInDays",
            "rotationPeriodInDays",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "deletionWindowInDays": 30,
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *document(inputs, "policy"),
            *one_of(inputs, "keyUsage", _USAGES),
            *within(inputs, "deletionWindowInDays", 7, 30),
            *within(inputs, "rotationPeriodInDays", 90, 2560),
            *matching(
                inputs, "description", r"(?s).{0,8192}", "at most 8192 characters"
            ),
        ]
        if inputs.get("rotationPeriodInDays") and not inputs.get("enableKeyRotation"):
            problems.append("rotationPeriodInDays: set enableKeyRotation with it")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("kms").create_key(
            Tags=_tag_list(inputs.get("tagsAll") or {}),
            **given(
                inputs,
                bypassPolicyLockoutSafetyCheck="BypassPolicyLockoutSafetyCheck",
                customerMasterKeySpec="KeySpec",
                description="Description",
                keyUsage="KeyUsage",
                multiRegion="MultiRegion",
                policy="Policy",
            ),
        )
        return str(created["KeyMetadata"]["KeyId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs["enableKeyRotation"]:
            self._set_rotation(aws, id, inputs)
        if not inputs["isEnabled"]:
            aws.client("kms").disable_key(KeyId=id)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        kms = aws.client("kms")
        try:
            live = kms.describe_key(KeyId=id)["KeyMetadata"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        if live["KeyState"] == "PendingDeletion":
            return None
        policy = kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"]
        rotation = kms.get_key_rotation_status(KeyId=id)
        tags = kms.list_resource_tags(KeyId=id).get("Tags", [])
        return {
            "arn": live["Arn"],
            "customerMasterKeySpec": live["KeySpec"],
            "description": live.get("Description"),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": live["Enabled"],
            "keyId": live["KeyId"],
            "keyUsage": live["KeyUsage"],
            "multiRegion": live.get("MultiRegion", False),
            "policy": policy,
            "tagsAll": {tag["TagKey"]: tag["TagValue"] for tag in tags},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        kms = aws.client("kms")
        # A disabled key cannot be changed otherwise.
        if "isEnabled" in changed and new["isEnabled"]:
            kms.enable_key(KeyId=id)
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            self._set_rotation(aws, id, new)
        if "description" in changed:
            kms.update_key_description(KeyId=id, Description=new.get("description", ""))
        if "policy" in changed and new.get("policy"):
            kms.put_key_policy(KeyId=id, PolicyName="default", Policy=new["policy"])
        if "isEnabled" in changed and not new["isEnabled"]:
            kms.disable_key(KeyId=id)
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            kms.tag_resource(KeyId=id, Tags=_tag_list(wanted))
        if unwanted:
            kms.untag_resource(KeyId=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if self.read(aws, id, state) is not None:
            aws.client("kms").schedule_key_deletion(
                KeyId=id,
                PendingWindowInDays=state.get(
                    "deletionWindowInDays", self.defaults["deletionWindowInDays"]
                ),
            )

    def _set_rotation(self, aws: Aws, id: str, inputs: Properties) -> None:
        kms = aws.client("kms")
        if inputs["enableKeyRotation"]:
            kms.enable_key_rotation(
                KeyId=id, **given(inputs, rotationPeriodInDays="RotationPeriodInDays")
            )
        else:
            kms.disable_key_rotation(KeyId=id)


class Alias(Row):
    """aws.kms.Alias."""

    token = "aws:kms/alias:Alias"
    service = "kms"
    replaces = frozenset({"name"})
    updates = frozenset({"targetKeyId"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        if inputs.get("name") is None:
            return ['name: must be given: a generated one would not begin "alias/"']
        return matching(
            inputs,
            "name",
            r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}",
            "alias/ and 1 to 250 characters of a-z A-Z 0-9 / _ -, not alias/aws/...",
        )

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("kms").create_alias(
            AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"]
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        pages = aws.client("kms").get_paginator("list_aliases").paginate()
        found = (
            alias
            for page in pages
            for alias in page["Aliases"]
            if alias["AliasName"] == id
        )
        live = next(found, None)
        if live is None:
            return None
        key = live["TargetKeyId"]
        target = f"arn:aws:kms:{aws.region}:{aws.account_id}:key/{key}"
        by_arn = str(known.get("targetKeyId")).startswith("arn:")
        return {
            "arn": live["AliasArn"],
            "name": id,
            "targetKeyArn": target,
            "targetKeyId": target if by_arn else key,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        aws.client("kms").update_alias(AliasName=id, TargetKeyId=new["targetKeyId"])

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("kms").delete_alias, AliasName=id)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": tags[key]} for key in sorted(tags)]


ROWS: tuple[type[Row], ...] = (Key, Alias)
INVOKES: Mapping[str, Invoke] = {}
