"""The rows of CloudWatch Logs: put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.aws.logs import RETENTION_DAYS
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
METRIC_FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"

KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/7b9a0c3e"


def log_group(site: Site) -> Case:
    logs = site.client("logs")
    return Case(
        inputs={"retentionInDays": 30},
        listing=lambda: [
            one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]
        ],
        updates={"retentionInDays": 90},
        replaces={"logGroupClass": "INFREQUENT_ACCESS"},
        unverified={"kmsKeyId": KMS_KEY, "skipDestroy": False},
        drift=[
            Drift(
                act=lambda id: logs.delete_retention_policy(logGroupName=id),
                seen="retentionInDays",
            )
        ],
        refused=[
            ({"retentionInDays": 31}, "30"),
            ({"name": "n" * 513}, "512"),
            ({"name": "a b"}, "512"),
            ({"name": "aws/mine"}, "aws/"),
            ({"kmsKeyId": "7b9a0c3e"}, "an ARN"),
            ({"logGroupClass": "CHEAP"}, "STANDARD"),
        ],
    )


def metric_filter(site: Site) -> Case:
    logs = site.client("logs")
    home, other = (site.make(LOG_GROUP, retentionInDays=1)["name"] for _ in range(2))
    metric = {
        "namespace": "Stromhaltig/conform",
        "name": "Errors",
        "value": "1",
        "defaultValue": "0",
        "unit": "Count",
    }
    pattern = '{ $.level = "error" }'
    return Case(
        inputs={
            "logGroupName": home,
            "pattern": pattern,
            "metricTransformation": metric,
        },
        listing=lambda: [
            (one["logGroupName"], one["filterName"])
            for one in logs.describe_metric_filters()["metricFilters"]
        ],
        updates={
            "pattern": '{ $.level = "fatal" }',
            "metricTransformation": {
                "namespace": "Stromhaltig/other",
                "name": "Durations",
                "value": "$.duration",
                "dimensions": {"method": "$.method"},
                "unit": "Milliseconds",
            },
        },
        replaces={"logGroupName": other},
        unverified={"applyOnTransformedLogs": True},
        drift=[
            Drift(
                act=lambda id: (
                    logs.delete_metric_filter(logGroupName=home, filterName=id),
                    logs.put_metric_filter(
                        logGroupName=home,
                        filterName=id,
                        filterPattern="{ $.level = 50 }",
                        metricTransformations=[
                            {
                                "metricName": "Errors",
                                "metricNamespace": "Stromhaltig/conform",
                                "metricValue": "1",
                                "defaultValue": 0,
                                "unit": "Count",
                            }
                        ],
                    ),
                ),
                seen="pattern",
            )
        ],
        refused=[
            ({"name": "a:b"}, "512"),
            ({"pattern": "p" * 1025}, "1024"),
            ({"metricTransformation": {**metric, "name": "a$b"}}, "255"),
            ({"metricTransformation": {**metric, "namespace": "n" * 256}}, "255"),
            ({"metricTransformation": {**metric, "value": "1" * 101}}, "100"),
            ({"metricTransformation": {**metric, "unit": "Counts"}}, "Count"),
            ({"metricTransformation": {**metric, "defaultValue": "none"}}, "a number"),
            (
                {"metricTransformation": {**metric, "dimensions": {"a": "$.a"}}},
                "conflicts with dimensions",
            ),
        ],
        import_id=lambda state: f"{state['logGroupName']}:{state['name']}",
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    LOG_GROUP: log_group,
    METRIC_FILTER: metric_filter,
}


class TestLogsRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("days", RETENTION_DAYS)
def test_whatever_cloudwatch_offers_can_be_kept(site: Site, days: int) -> None:
    resource = Resource(LOG_GROUP, site.aws)
    resource.up({"retentionInDays": days})
    assert resource.live("retentionInDays") == days
    resource.destroy()


def test_the_arn_is_that_of_the_official_provider(site: Site) -> None:
    made = site.make(LOG_GROUP, name=site.name("/ecs/conform"))
    account = site.aws.account_id
    assert (
        made["arn"] == f"arn:aws:logs:eu-central-1:{account}:log-group:{made['name']}"
    )


def test_a_group_may_outlive_its_resource(site: Site) -> None:
    resource = Resource(LOG_GROUP, site.aws)
    resource.up({"skipDestroy": True})
    resource.destroy()
    assert resource.refresh()


def test_one_name_may_begin_like_another(site: Site) -> None:
    name = site.name("/ecs/conform")
    longer = site.make(LOG_GROUP, name=f"{name}-worker", retentionInDays=7)
    assert not Resource(LOG_GROUP, site.aws).adopt(name)
    shorter = Resource(LOG_GROUP, site.aws)
    shorter.up({"name": name, "retentionInDays": 14})
    assert shorter.live("retentionInDays") == 14
    shorter.destroy()
    assert longer["retentionInDays"] == 7


def test_the_longest_name_is_taken(site: Site) -> None:
    name = site.name("/ecs/n").ljust(512, "n")
    assert site.make(LOG_GROUP, name=name)["name"] == name


def test_a_filter_needs_its_log_group(site: Site) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        Resource(METRIC_FILTER, site.aws).up(
            {
                "logGroupName": site.name("/ecs/none"),
                "pattern": "error",
                "metricTransformation": {"namespace": "a", "name": "b", "value": "1"},
            }
        )
