"""Rows for the logs that AWS's services deliver: from where, to where, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, value_at
from rehearsal.provider.row import Aws, Row, deleted, given, is_gone, tag_changes
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

FORMATS = ("json", "plain", "w3c", "raw", "parquet")


class DeliveryRow(Row):
    """What the three parts of a delivery share: how they are found, and tags."""

    service: ClassVar[str] = "logs"
    tagged: ClassVar[bool] = True
    get: ClassVar[tuple[str, str, str]]
    """The get call, its parameter, and the answer's key."""

    def live(self, aws: Aws, id: str) -> dict[str, Any] | None:
        """The part by its name or id, or None when there is none."""
        call, parameter, answer = self.get
        try:
            return dict(getattr(aws.client("logs"), call)(**{parameter: id})[answer])
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def tags(self, aws: Aws, live: Mapping[str, Any]) -> dict[str, str]:
        """The live tags."""
        found = aws.client("logs").list_tags_for_resource(resourceArn=live["arn"])
        return dict(found["tags"])

    def retag(self, aws: Aws, old: Properties, new: Properties) -> None:
        """Bring the tags in line."""
        logs = aws.client("logs")
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            logs.tag_resource(resourceArn=old["arn"], tags=wanted)
        if unwanted:
            logs.untag_resource(resourceArn=old["arn"], tagKeys=unwanted)

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.retag(aws, old, new)


class LogDeliverySource(DeliveryRow):
    """aws.cloudwatch.LogDeliverySource."""

    token = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
    get = ("get_delivery_source", "name", "deliverySource")
    autoname = "name"
    name_limit = 60
    replaces = frozenset({"logType", "resourceArn"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*_name(inputs), *arn(inputs, "resourceArn")]

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("logs").put_delivery_source(
            name=inputs["name"],
            logType=inputs["logType"],
            resourceArn=inputs["resourceArn"],
            **given(inputs, tagsAll="tags"),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            "arn": live["arn"],
            "logType": live["logType"],
            "name": id,
            "resourceArn": live["resourceArns"][0],
            "service": live["service"],
            "tagsAll": self.tags(aws, live),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("logs").delete_delivery_source, name=id)


class LogDeliveryDestination(DeliveryRow):
    """aws.cloudwatch.LogDeliveryDestination: a log group, a stream or a bucket."""

    token = "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination"
    get = ("get_delivery_destination", "name", "deliveryDestination")
    autoname = "name"
    name_limit = 60
    replaces = frozenset({"outputFormat"})
    updates = frozenset({"deliveryDestinationConfiguration"})

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """A destination of another service is another one."""
        services = {_service(old), _service(new)}
        moved = self.updates if len(services) > 1 else frozenset()
        return super().replacing(changed, old, new) | (changed & moved)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *_name(inputs),
            *one_of(inputs, "outputFormat", FORMATS),
            *arn(inputs, "deliveryDestinationConfiguration.destinationResourceArn"),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs, **given(inputs, tagsAll="tags"))
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            "arn": live["arn"],
            "deliveryDestinationConfiguration": live[
                "deliveryDestinationConfiguration"
            ],
            "deliveryDestinationType": live["deliveryDestinationType"],
            "name": id,
            "outputFormat": live.get("outputFormat"),
            "tagsAll": self.tags(aws, live),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)
        self.retag(aws, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("logs").delete_delivery_destination, name=id)

    def _put(self, aws: Aws, inputs: Properties, **tags: Any) -> None:
        aws.client("logs").put_delivery_destination(
            name=inputs["name"],
            deliveryDestinationConfiguration=inputs["deliveryDestinationConfiguration"],
            **given(inputs, outputFormat="outputFormat"),
            **tags,
        )


class LogDelivery(DeliveryRow):
    """aws.cloudwatch.LogDelivery: one for each source and kind of destination."""

    token = "aws:cloudwatch/logDelivery:LogDelivery"
    get = ("get_delivery", "id", "delivery")
    replaces = frozenset({"deliveryDestinationArn", "deliverySourceName"})
    # moto keeps them from the beginning, but lacks the call that changes them.
    unverified = frozenset(
        {"fieldDelimiter", "recordFields", "s3DeliveryConfigurations"}
    )
    delete_first = True

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return arn(inputs, "deliveryDestinationArn")

    def create(self, aws: Aws, inputs: Properties) -> str:
        s3 = (inputs.get("s3DeliveryConfigurations") or [None])[0]
        made = aws.client("logs").create_delivery(
            deliverySourceName=inputs["deliverySourceName"],
            deliveryDestinationArn=inputs["deliveryDestinationArn"],
            **given(
                {**inputs, "s3": s3},
                fieldDelimiter="fieldDelimiter",
                recordFields="recordFields",
                s3="s3DeliveryConfiguration",
                tagsAll="tags",
            ),
        )
        return str(made["delivery"]["id"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            "arn": live["arn"],
            "deliveryDestinationArn": live["deliveryDestinationArn"],
            "deliverySourceName": live["deliverySourceName"],
            "tagsAll": self.tags(aws, live),
            **{key: known[key] for key in sorted(self.unverified) if key in known},
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("logs").delete_delivery, id=id)


class LogResourcePolicy(Row):
    """aws.cloudwatch.LogResourcePolicy of the whole account: who may write logs."""

    token = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"
    service = "logs"
    replaces = frozenset({"policyName"})
    updates = frozenset({"policyDocument"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("logs").put_resource_policy(
            policyName=inputs["policyName"], policyDocument=inputs["policyDocument"]
        )
        return str(inputs["policyName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        found = aws.client("logs").describe_resource_policies()["resourcePolicies"]
        live = next((one for one in found if one["policyName"] == id), None)
        if live is None:
            return None
        return {
            "policyDocument": live["policyDocument"],
            "policyName": id,
            "policyScope": "ACCOUNT",
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.create(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("logs").delete_resource_policy, policyName=id)


def _name(inputs: Mapping[str, Any]) -> list[str]:
    says = "1 to 60 letters, digits, _ and -"
    return matching(inputs, "name", r"[\w-]{1,60}", says)


def _service(inputs: Properties) -> str:
    path = "deliveryDestinationConfiguration.destinationResourceArn"
    return ":".join(str(value_at(inputs, path)).split(":")[2:3])


ROWS: tuple[type[Row], ...] = (
    LogDeliverySource,
    LogDeliveryDestination,
    LogDelivery,
    LogResourcePolicy,
)
INVOKES: Mapping[str, Invoke] = {}
