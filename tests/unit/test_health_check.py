from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from components.health_check import REGIONS, HealthCheck, HealthCheckArgs
from tests.graph import Graph

CHECK = "aws:route53/healthCheck:HealthCheck"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = "arn:aws:sns:us-east-1:123456789012:app-alarms"


def health_check(**args: Any) -> HealthCheck:
    return HealthCheck(
        "app",
        HealthCheckArgs(**{"host": "app.example.org", "topic_arn": TOPIC} | args),
    )


def test_the_page_that_asks_the_database_is_asked_for_from_three_regions(graph):
    outputs = graph.build(health_check)
    check = graph.one(CHECK)
    assert check["type"] == "HTTPS"
    assert (check["fqdn"], check["port"]) == ("app.example.org", 443)
    assert check["resourcePath"] == "/api/health"
    assert check["enableSni"] is True
    assert check["requestInterval"] == 30
    assert check["failureThreshold"] == 3
    assert len(check["regions"]) == 3
    assert check["tags"] == {"Name": "app"}
    assert outputs["health_check_id"] == check.id


def test_what_costs_extra_is_off(graph):
    graph.build(health_check)
    check = graph.one(CHECK)
    assert not check.get("measureLatency")
    assert not check.get("searchString")


def test_no_answer_and_no_checkers_raise_the_alarm(graph):
    outputs = graph.build(health_check)
    alarm = graph.one(ALARM)
    assert (alarm["namespace"], alarm["metricName"]) == (
        "AWS/Route53",
        "HealthCheckStatus",
    )
    assert alarm["dimensions"] == {"HealthCheckId": graph.one(CHECK).id}
    assert alarm["statistic"] == "Minimum"
    assert (alarm["comparisonOperator"], alarm["threshold"]) == (
        "LessThanThreshold",
        1,
    )
    assert alarm["treatMissingData"] == "breaching"
    assert alarm["alarmActions"] == alarm["okActions"] == [TOPIC]
    assert outputs["names"] == [alarm.outputs["name"]]
    assert outputs["arns"] == [alarm.outputs["arn"]]
    assert "https://app.example.org/api/health" in alarm["alarmDescription"]


def test_the_regions_are_those_of_the_api():
    model: Any = botocore.session.get_session().get_service_model("route53")
    known = set(model.shape_for("HealthCheckRegion").enum)
    assert set(REGIONS) == known


def test_the_order_of_the_regions_is_no_difference(graph):
    regions = ("us-west-2", "eu-west-1", "eu-west-1", "sa-east-1")
    graph.build(lambda: health_check(regions=regions))
    assert graph.one(CHECK)["regions"] == ["eu-west-1", "sa-east-1", "us-west-2"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"host": "https://app.example.org"}, "no DNS name"),
        ({"host": "localhost"}, "no DNS name"),
        ({"host": "app.example.org."}, "no DNS name"),
        ({"path": "api/health"}, "no path"),
        ({"path": "/api health"}, "no path"),
        ({"path": "/" + "a" * 255}, "no path"),
        ({"regions": ("eu-west-1", "us-east-1")}, "3 or more"),
        ({"regions": ("eu-west-1", "us-east-1", "us-east-1")}, "3 or more"),
        ({"regions": ("eu-west-1", "us-east-1", "eu-central-1")}, "eu-central-1 not"),
        ({"request_interval": 20}, "10 or 30"),
        ({"failure_threshold": 0}, "between 1 and 10"),
        ({"failure_threshold": 11}, "between 1 and 10"),
    ],
)
def test_what_route_53_would_refuse_is_said_at_once(args, words):
    with pytest.raises(ValueError, match=words):
        HealthCheckArgs(**{"host": "app.example.org", "topic_arn": TOPIC} | args)


def test_a_preview_has_check_and_alarm(graph: Graph):
    graph.build(health_check, preview=True)
    assert graph.count() == {CHECK: 1, ALARM: 1}
