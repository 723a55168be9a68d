"""The row of CloudWatch Logs: its case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from rehearsal.provider.aws.logs import RETENTION_DAYS
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"

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


CASES: Mapping[str, Callable[[Site], Case]] = {LOG_GROUP: log_group}


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
