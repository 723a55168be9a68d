"""Rows for CloudWatch Logs: log groups and the metrics that filters make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.provider.aws.checks import arn, matching, one_of, refusal
from rehearsal.provider.row import Aws, Row, deleted, given, tag_changes
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

RETENTION_DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch offers; 0 keeps for ever."""

_BYTES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
METRIC_UNITS = (
    *("None", "Count", "Percent", "Seconds", "Milliseconds", "Microseconds"),
    *_BYTES,
    *_BITS,
    "Count/Second",
    *(f"{unit}/Second" for unit in (*_BYTES, *_BITS)),
)
"""Units of a metric (CloudWatch API, MetricDatum)."""


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


class MetricFilter(Row):
    """aws.cloudwatch.LogMetricFilter; its id is its name."""

    token = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    service = "logs"
    autoname = "name"
    name_limit = 512
    replaces = frozenset({"logGroupName"})
    updates = frozenset({"metricTransformation", "pattern"})
    # moto transforms no logs.
    unverified = frozenset({"applyOnTransformedLogs"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(
                inputs, "name", r"[^:*]{1,512}", "1 to 512 characters without : and *"
            ),
            *matching(inputs, "pattern", r"(?s).{0,1024}", "at most 1024 characters"),
            *matching(
                inputs,
                "metricTransformation.name",
                r"[^:*$]{1,255}",
                "1 to 255 characters without : * $",
            ),
            *matching(
                inputs,
                "metricTransformation.namespace",
                r"[^:*$]{1,255}",
                "1 to 255 characters without : * $",
            ),
            *matching(
                inputs,
                "metricTransformation.value",
                r".{1,100}",
                "1 to 100 characters",
            ),
            *one_of(inputs, "metricTransformation.unit", METRIC_UNITS),
            *_default_problems(inputs.get("metricTransformation")),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        group, name = _filter_key(id, known)
        found = aws.client("logs").describe_metric_filters(
            filterNamePrefix=name, **({"logGroupName": group} if group else {})
        )["metricFilters"]
        live = next((one for one in found if one["filterName"] == name), None)
        if live is None:
            return None
        [metric] = live["metricTransformations"]
        default = metric.get("defaultValue")
        return {
            "id": name,
            "logGroupName": live["logGroupName"],
            "metricTransformation": {
                "defaultValue": None if default is None else f"{default:g}",
                "dimensions": metric.get("dimensions"),
                "name": metric["metricName"],
                "namespace": metric["metricNamespace"],
                "unit": metric.get("unit"),
                "value": metric["metricValue"],
            },
            "name": name,
            "pattern": live["filterPattern"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed & self.updates:
            self.delete(aws, id, old)  # moto would keep both
            self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        group, name = _filter_key(id, state)
        deleted(
            aws.client("logs").delete_metric_filter,
            logGroupName=group,
            filterName=name,
        )

    def _put(self, aws: Aws, inputs: Properties) -> None:
        logs = aws.client("logs")
        group = str(inputs["logGroupName"])
        found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if group not in {one["logGroupName"] for one in found}:  # moto does not ask
            raise refusal(
                "PutMetricFilter",
                "ResourceNotFoundException",
                "The specified log group does not exist.",
            )
        transformation = inputs["metricTransformation"]
        metric = given(
            transformation,
            dimensions="dimensions",
            name="metricName",
            namespace="metricNamespace",
            unit="unit",
            value="metricValue",
        )
        if transformation.get("defaultValue") not in (None, ""):
            metric["defaultValue"] = float(transformation["defaultValue"])
        logs.put_metric_filter(
            filterName=inputs["name"],
            filterPattern=inputs["pattern"],
            logGroupName=group,
            metricTransformations=[metric],
        )


def _default_problems(transformation: Any) -> list[str]:
    """A default is a number, and not for a metric with dimensions."""
    if not isinstance(transformation, Mapping):
        return []
    default = transformation.get("defaultValue")
    if default is None or is_unknown(default):
        return []
    problems = []
    if not re.fullmatch(r"-?\d+(\.\d+)?", str(default)):
        problems.append(
            f'metricTransformation.defaultValue: "{default}" must be a number'
        )
    if transformation.get("dimensions"):
        problems.append("metricTransformation.defaultValue: conflicts with dimensions")
    return problems


def _filter_key(id: str, known: Properties) -> tuple[str, str]:
    """Log group and filter: from the state, or when imported from GROUP:NAME."""
    group, _, name = id.rpartition(":")
    return known.get("logGroupName", group), known.get("name", name)


ROWS: tuple[type[Row], ...] = (LogGroup, MetricFilter)
INVOKES: Mapping[str, Invoke] = {}
