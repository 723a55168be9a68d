"""What breaks the policies about CloudWatch."""

from __future__ import annotations

from resource_graph import UNKNOWN
from resource_types import ALARM, LOG_GROUP
from tests.unit.policies.casework import Case, resource

CASES = (
    Case(
        id="CloudWatch.15",
        good=[
            resource(ALARM, alarmActions=["arn:aws:sns:eu-central-1:1:topic"]),
            resource(ALARM, alarmActions=UNKNOWN),
        ],
        bad={
            "none": ([resource(ALARM, alarmActions=[])], "alarmActions is empty"),
            "left to its default": ([resource(ALARM)], "alarmActions is empty"),
            "only for another state": (
                [resource(ALARM, okActions=["arn:aws:sns:eu-central-1:1:topic"])],
                "alarmActions is empty",
            ),
        },
    ),
    Case(
        id="CloudWatch.16",
        good=[
            resource(LOG_GROUP, retentionInDays=365),
            resource(LOG_GROUP, retentionInDays=0),
            resource(LOG_GROUP, "for-ever-by-default"),
        ],
        bad={
            "a month": (
                [resource(LOG_GROUP, retentionInDays=30)],
                "retentionInDays is 30, less than 365",
            ),
            "on its way": (
                [resource(LOG_GROUP, logGroupClass="DELIVERY", retentionInDays=0)],
                "retentionInDays is 2",
            ),
        },
    ),
    Case(
        id="CloudWatch.17",
        good=[resource(ALARM, actionsEnabled=True), resource(ALARM, "by-default")],
        bad={
            "silenced": (
                [resource(ALARM, actionsEnabled=False)],
                "actionsEnabled is false",
            )
        },
    ),
    Case(
        id="log-retention-finite",
        good=[
            resource(LOG_GROUP, retentionInDays=3653),
            resource(LOG_GROUP, logGroupClass="DELIVERY"),
        ],
        bad={
            "left to its default": ([resource(LOG_GROUP)], "for ever"),
            "for ever": ([resource(LOG_GROUP, retentionInDays=0)], "is 0"),
        },
    ),
)
