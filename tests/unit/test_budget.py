"""The budget: one environment's costs, and somebody who hears of them in time."""

from __future__ import annotations

import pytest

from components.budget import Budget, BudgetArgs

BUDGET = "aws:budgets/budget:Budget"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alerts"


def budget(**args):
    wanted = {
        "environment": "production",
        "monthly_usd": 420,
        "emails": ["ops@stromhaltig.de"],
    }
    return Budget("app", BudgetArgs(**{**wanted, **args}))


def test_one_environments_month_is_counted_in_dollars(graph):
    outputs = graph.build(budget)
    made = graph.one(BUDGET)
    assert made["budgetType"] == "COST"
    assert made["timeUnit"] == "MONTHLY"
    assert (made["limitAmount"], made["limitUnit"]) == ("420.00", "USD")
    assert made["costFilters"] == [
        {"name": "TagKeyValue", "values": ["user:Environment$production"]}
    ]
    assert outputs == {"budget_name": made.outputs["name"]}


def test_told_when_near_when_reached_and_when_foreseen(graph):
    graph.build(budget)
    assert [
        (told["notificationType"], told["threshold"], told["thresholdType"])
        for told in graph.one(BUDGET)["notifications"]
    ] == [
        ("ACTUAL", 80, "PERCENTAGE"),
        ("ACTUAL", 100, "PERCENTAGE"),
        ("FORECASTED", 100, "PERCENTAGE"),
    ]


@pytest.mark.parametrize(
    ("args", "emails", "topics"),
    [
        ({}, ["ops@stromhaltig.de"], None),
        ({"emails": (), "topic_arn": TOPIC}, None, [TOPIC]),
        ({"topic_arn": TOPIC}, ["ops@stromhaltig.de"], [TOPIC]),
    ],
)
def test_everybody_named_is_told_each_time(graph, args, emails, topics):
    graph.build(lambda: budget(**args))
    for told in graph.one(BUDGET)["notifications"]:
        assert told["comparisonOperator"] == "GREATER_THAN"
        assert told.get("subscriberEmailAddresses") == emails
        assert told.get("subscriberSnsTopicArns") == topics


def test_a_preview_knows_all_of_it(graph):
    graph.build(budget, preview=True)
    assert graph.one(BUDGET)["limitAmount"] == "420.00"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"emails": []}, "nobody would be told"),
        ({"monthly_usd": 0}, "more than 0"),
        ({"monthly_usd": -1}, "more than 0"),
        ({"monthly_usd": float("nan")}, "more than 0"),
        ({"monthly_usd": float("inf")}, "more than 0"),
        ({"emails": [f"{n}@x.de" for n in range(11)]}, "AWS takes 10"),
    ],
)
def test_what_would_never_alert_is_refused(args, words):
    with pytest.raises(ValueError, match=words):
        budget(**args)
