"""Rows for CloudWatch Logs: log groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.provider.aws.checks import arn, matching, one_of
from rehearsal.provider.row import Aws, Row, deleted, given, tag_changes
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

RETENTION_DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch offers; 0 keeps for ever."""


class LogGroup(Row):
    """aws.cloudwatch.LogGroup."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    tagged = True
    autoname = "name"
    name_limit = 512
    replaces = frozenset({"logGroupClass"})
    updates = frozenset({"retentionInDays"})
    # moto has no classes, and takes a key at creation only; to skip the deletion is
    # up to the provider.
    unverified = frozenset({"kmsKeyId", "logGroupClass", "skipDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "logGroupClass": "STANDARD",
        "retentionInDays": 0,
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        classes = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")
        return [
            *one_of(inputs, "retentionInDays", RETENTION_DAYS),
            *one_of(inputs, "logGroupClass", classes),
            *arn(inputs, "kmsKeyId"),
            *matching(
                inputs,
                "name",
                r"(?!aws/)[A-Za-z0-9_./#-]{1,512}",
                "1 to 512 characters of a-z A-Z 0-9 _ . / # -, not aws/...",
            ),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("logs").create_log_group(
            logGroupName=inputs["name"],
            **given(inputs, kmsKeyId="kmsKeyId"),
            **({"tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {}),
        )
        return str(inputs["name"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs["retentionInDays"]:
            self._set_retention(aws, id, inputs["retentionInDays"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        logs = aws.client("logs")
        found = logs.describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        live = next((one for one in found if one["logGroupName"] == id), None)
        if live is None:
            return None
        arn = live["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "name": id,
            "retentionInDays": live.get("retentionInDays", 0),
            "tagsAll": logs.list_tags_for_resource(resourceArn=arn)["tags"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        logs = aws.client("logs")
        if "retentionInDays" in changed:
            self._set_retention(aws, id, new["retentionInDays"])
        group = f"arn:aws:logs:{aws.region}:{aws.account_id}:log-group:{id}"
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            logs.tag_resource(resourceArn=group, tags=wanted)
        if unwanted:
            logs.untag_resource(resourceArn=group, tagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            deleted(aws.client("logs").delete_log_group, logGroupName=id)

    def _set_retention(self, aws: Aws, id: str, days: int) -> None:
        logs = aws.client("logs")
        if days:
            logs.put_retention_policy(logGroupName=id, retentionInDays=days)
        else:
            logs.delete_retention_policy(logGroupName=id)


ROWS: tuple[type[Row], ...] = (LogGroup,)
INVOKES: Mapping[str, Invoke] = {}
