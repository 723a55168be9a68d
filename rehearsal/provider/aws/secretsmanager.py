"""Rows for Secrets Manager: secrets, their versions and policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, refusal, value_at
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_CURRENT = "AWSCURRENT"


def live_secret(aws: Aws, id: str) -> dict[str, Any] | None:
    """The description of a secret that is neither gone nor going."""
    try:
        live = aws.client("secretsmanager").describe_secret(SecretId=id)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return None if live.get("DeletedDate") else dict(live)


class Secret(Row):
    """aws.secretsmanager.Secret; its values are resources of their own."""

    token = "aws:secretsmanager/secret:Secret"
    service = "secretsmanager"
    tagged = True
    autoname = "name"
    name_limit = 512
    updates = frozenset({"description", "kmsKeyId"})
    unverified = frozenset({"recoveryWindowInDays"})  # for the deletion
    defaults: ClassVar[Mapping[str, Any]] = {"recoveryWindowInDays": 30}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(
                inputs,
                "name",
                r"[A-Za-z0-9/_+=.@-]{1,512}",
                "1 to 512 characters of a-z A-Z 0-9 / _ + = . @ -",
            ),
            *matching(
                inputs, "description", r"(?s).{0,2048}", "at most 2048 characters"
            ),
        ]
        window = value_at(inputs, "recoveryWindowInDays")
        if window is not None and window != 0 and not 7 <= window <= 30:
            problems.append(f"recoveryWindowInDays: {window} must be 0 or 7 to 30")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        name = inputs["name"]
        self._refuse_a_name_that_is_going(aws, name)
        created = aws.client("secretsmanager").create_secret(
            Name=name,
            Tags=tag_list(inputs.get("tagsAll")),
            **given(inputs, description="Description", kmsKeyId="KmsKeyId"),
        )
        return str(created["ARN"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = live_secret(aws, id)
        if live is None:
            return None
        return {
            "id": live["ARN"],
            "arn": live["ARN"],
            "description": live.get("Description"),
            "kmsKeyId": live.get("KmsKeyId"),
            "name": live["Name"],
            "tagsAll": tag_map(live.get("Tags")),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        client = aws.client("secretsmanager")
        if changed & {"description", "kmsKeyId"}:
            client.update_secret(
                SecretId=id,
                Description=new.get("description", ""),
                KmsKeyId=new.get("kmsKeyId", ""),
            )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            client.tag_resource(SecretId=id, Tags=tag_list(wanted))
        if unwanted:
            client.untag_resource(SecretId=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if live_secret(aws, id) is None:
            return
        window = state.get(
            "recoveryWindowInDays", self.defaults["recoveryWindowInDays"]
        )
        aws.client("secretsmanager").delete_secret(
            SecretId=id,
            **(
                {"RecoveryWindowInDays": window}
                if window
                else {"ForceDeleteWithoutRecovery": True}
            ),
        )

    def _refuse_a_name_that_is_going(self, aws: Aws, name: str) -> None:
        """As AWS does; moto would say that the secret exists."""
        try:
            found = aws.client("secretsmanager").describe_secret(SecretId=name)
        except ClientError as error:
            if is_gone(error):
                return
            raise
        if found.get("DeletedDate"):
            raise refusal(
                "CreateSecret",
                "InvalidRequestException",
                f'a secret named "{name}" is scheduled for deletion and keeps its name '
                f"until {found['DeletedDate']:%Y-%m-%d}. Take it back with `aws "
                f"secretsmanager restore-secret --secret-id {name}` and `pulumi "
                f"import`, or give it up with `aws secretsmanager delete-secret "
                f"--force-delete-without-recovery --secret-id {name}`",
            )


class SecretVersion(Row):
    """aws.secretsmanager.SecretVersion: one value of a secret.

    AWS has no call that deletes a version: the current one stays until another one
    takes its place or the secret goes.
    """

    token = "aws:secretsmanager/secretVersion:SecretVersion"
    service = "secretsmanager"
    replaces = frozenset({"secretId", "secretString"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        value = value_at(inputs, "secretString")
        if value == "" or len(str(value or "").encode()) > 65536:
            return ["secretString: must have 1 to 65536 bytes"]
        return []

    def create(self, aws: Aws, inputs: Properties) -> str:
        put = aws.client("secretsmanager").put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"]
        )
        return f"{inputs['secretId']}|{put['VersionId']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        secret, _, version = id.rpartition("|")
        if live_secret(aws, secret) is None:
            return None
        try:
            live = aws.client("secretsmanager").get_secret_value(
                SecretId=secret, VersionId=version
            )
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {
            "arn": live["ARN"],
            "secretId": secret,
            "secretString": live["SecretString"],
            "versionId": live["VersionId"],
            "versionStages": live.get("VersionStages", []),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        """Nothing changes in place."""

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        secret, _, version = id.rpartition("|")
        for stage in state.get("versionStages", []):
            if stage != _CURRENT:
                deleted(
                    aws.client("secretsmanager").update_secret_version_stage,
                    also={"InvalidRequestException"},
                    SecretId=secret,
                    VersionStage=stage,
                    RemoveFromVersionId=version,
                )


class SecretPolicy(Row):
    """aws.secretsmanager.SecretPolicy."""

    token = "aws:secretsmanager/secretPolicy:SecretPolicy"
    service = "secretsmanager"
    replaces = frozenset({"secretArn"})
    updates = frozenset({"policy"})
    unverified = frozenset({"blockPublicPolicy"})  # a check within the call

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*arn(inputs, "secretArn"), *document(inputs, "policy")]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["secretArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        if live_secret(aws, id) is None:
            return None
        live = aws.client("secretsmanager").get_resource_policy(SecretId=id)
        policy = live.get("ResourcePolicy")
        return {"policy": policy, "secretArn": id} if policy else None

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("secretsmanager").delete_resource_policy,
            also={"InvalidRequestException"},
            SecretId=id,
        )

    def _put(self, aws: Aws, inputs: Properties) -> None:
        aws.client("secretsmanager").put_resource_policy(
            SecretId=inputs["secretArn"],
            ResourcePolicy=inputs["policy"],
            **given(inputs, blockPublicPolicy="BlockPublicPolicy"),
        )


ROWS: tuple[type[Row], ...] = (Secret, SecretVersion, SecretPolicy)
INVOKES: Mapping[str, Invoke] = {}
