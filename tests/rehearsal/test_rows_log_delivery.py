"""The rows of delivered logs: cases put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.aws.log_delivery import FORMATS
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
DESTINATION = "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination"
DELIVERY = "aws:cloudwatch/logDelivery:LogDelivery"
POLICY = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"

DISTRIBUTION = "arn:aws:cloudfront::123456789012:distribution/E1"
CHANNEL = "arn:aws:mediapackage:eu-central-1:123456789012:channels/1"
BY_YEAR = {"enableHiveCompatiblePath": False, "suffixPath": "{yyyy}"}
LOG_GROUP = "arn:aws:logs:eu-central-1:123456789012:log-group:app"


def to(arn: str) -> dict[str, str]:
    return {"destinationResourceArn": arn}


def source(site: Site) -> Case:
    logs = site.client("logs")
    return Case(
        inputs={"logType": "ACCESS_LOGS", "resourceArn": DISTRIBUTION},
        listing=lambda: [
            one["name"] for one in logs.describe_delivery_sources()["deliverySources"]
        ],
        replaces={
            "logType": To("EGRESS_ACCESS_LOGS", resourceArn=CHANNEL),
            "resourceArn": f"{DISTRIBUTION}2",
        },
        refused=[
            ({"name": "n" * 61}, "60"),
            ({"name": "app logs"}, "60"),
            ({"resourceArn": "E1"}, "an ARN"),
        ],
    )


def destination(site: Site) -> Case:
    logs = site.client("logs")
    return Case(
        inputs={
            "deliveryDestinationConfiguration": to("arn:aws:s3:::logs"),
            "outputFormat": "json",
        },
        listing=lambda: [
            one["name"]
            for one in logs.describe_delivery_destinations()["deliveryDestinations"]
        ],
        updates={"deliveryDestinationConfiguration": to("arn:aws:s3:::other-logs")},
        replaces={"outputFormat": "parquet"},
        drift=[
            Drift(
                act=lambda id: logs.put_delivery_destination(
                    name=id,
                    outputFormat="json",
                    deliveryDestinationConfiguration=to("arn:aws:s3:::stolen-logs"),
                ),
                seen="deliveryDestinationConfiguration",
            )
        ],
        refused=[
            ({"name": "n" * 61}, "60"),
            ({"outputFormat": "xml"}, "parquet"),
            ({"deliveryDestinationConfiguration": to("logs")}, "an ARN"),
        ],
    )


def delivery(site: Site) -> Case:
    logs = site.client("logs")
    sources = [
        site.make(SOURCE, logType="ACCESS_LOGS", resourceArn=f"{DISTRIBUTION}{n}")
        for n in range(2)
    ]
    destinations = [
        site.make(
            DESTINATION, deliveryDestinationConfiguration=to(f"arn:aws:s3:::logs-{n}")
        )
        for n in range(2)
    ]
    return Case(
        inputs={
            "deliverySourceName": sources[0]["name"],
            "deliveryDestinationArn": destinations[0]["arn"],
        },
        listing=lambda: [one["id"] for one in logs.describe_deliveries()["deliveries"]],
        replaces={
            "deliverySourceName": sources[1]["name"],
            "deliveryDestinationArn": destinations[1]["arn"],
        },
        unverified={
            "fieldDelimiter": ",",
            "recordFields": ["date", "time"],
            "s3DeliveryConfigurations": [BY_YEAR],
        },
        refused=[({"deliveryDestinationArn": "logs"}, "an ARN")],
    )


def policy(site: Site) -> Case:
    logs = site.client("logs")
    name = site.name()
    return Case(
        inputs={"policyName": name, "policyDocument": allowing("CreateLogStream")},
        listing=lambda: [
            one["policyName"]
            for one in logs.describe_resource_policies()["resourcePolicies"]
        ],
        updates={"policyDocument": allowing("PutLogEvents")},
        replaces={"policyName": site.name()},
        drift=[
            Drift(
                act=lambda id: logs.put_resource_policy(
                    policyName=id, policyDocument=allowing("DeleteLogGroup")
                ),
                seen="policyDocument",
            )
        ],
    )


def allowing(action: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": f"logs:{action}",
        "Resource": f"{LOG_GROUP}:*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


CASES: Mapping[str, Callable[[Site], Case]] = {
    SOURCE: source,
    DESTINATION: destination,
    DELIVERY: delivery,
    POLICY: policy,
}


class TestLogDeliveryRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_taken(site: Site, format_: str) -> None:
    made = site.make(
        DESTINATION,
        deliveryDestinationConfiguration=to("arn:aws:s3:::logs"),
        outputFormat=format_,
    )
    assert (made["outputFormat"], made["deliveryDestinationType"]) == (format_, "S3")


def test_a_destination_of_another_service_is_another_one(site: Site) -> None:
    resource = Resource(DESTINATION, site.aws)
    resource.up({"deliveryDestinationConfiguration": to("arn:aws:s3:::logs")})
    difference = resource.up({"deliveryDestinationConfiguration": to(LOG_GROUP)})
    assert difference.replaces == {"deliveryDestinationConfiguration"}
    assert resource.outputs["deliveryDestinationType"] == "CWL"
    resource.destroy()


def test_a_delivery_begins_as_it_was_asked_for(site: Site) -> None:
    made = site.make(
        DELIVERY,
        deliverySourceName=site.make(
            SOURCE, logType="ACCESS_LOGS", resourceArn=DISTRIBUTION
        )["name"],
        deliveryDestinationArn=site.make(
            DESTINATION, deliveryDestinationConfiguration=to("arn:aws:s3:::logs")
        )["arn"],
        recordFields=["date", "c-ip"],
        s3DeliveryConfigurations=[BY_YEAR],
    )
    live = site.client("logs").get_delivery(id=made["id"])["delivery"]
    assert live["recordFields"] == ["date", "c-ip"]
    assert live["s3DeliveryConfiguration"] == BY_YEAR


def test_a_source_has_one_delivery_to_a_bucket(site: Site) -> None:
    source = site.make(SOURCE, logType="ACCESS_LOGS", resourceArn=DISTRIBUTION)
    first, second = (
        site.make(DESTINATION, deliveryDestinationConfiguration=to(f"arn:aws:s3:::{n}"))
        for n in ("one", "two")
    )
    site.make(
        DELIVERY,
        deliverySourceName=source["name"],
        deliveryDestinationArn=first["arn"],
    )
    with pytest.raises(ClientError, match="already exists"):
        site.make(
            DELIVERY,
            deliverySourceName=source["name"],
            deliveryDestinationArn=second["arn"],
        )
