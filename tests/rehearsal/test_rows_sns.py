"""The rows of SNS: their cases are put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

TOPIC = "aws:sns/topic:Topic"
POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"

KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/7b9a0c3e"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:notify"


def _topics(site: Site) -> list[str]:
    return [one["TopicArn"] for one in site.client("sns").list_topics()["Topics"]]


def topic(site: Site) -> Case:
    sns = site.client("sns")
    return Case(
        inputs={"displayName": "app"},
        listing=lambda: _topics(site),
        updates={"displayName": "the app", "kmsMasterKeyId": KMS_KEY},
        drift=[
            Drift(
                act=lambda id: sns.set_topic_attributes(
                    TopicArn=id, AttributeName="DisplayName", AttributeValue="theirs"
                ),
                seen="displayName",
            )
        ],
        refused=[
            ({"name": "a.b"}, "hyphens"),
            ({"name": "n" * 257}, "256"),
            ({"displayName": "d" * 101}, "100"),
        ],
    )


def _allow(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}}
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{**statement, "Action": "sns:Publish", "Resource": "*"}],
        }
    )


def policy(site: Site) -> Case:
    sns = site.client("sns")

    def listing() -> list[str]:
        return [
            arn
            for arn in _topics(site)
            if "__default_policy_ID"
            not in sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
        ]

    def allow_another(id: str) -> Any:
        return sns.set_topic_attributes(
            TopicArn=id,
            AttributeName="Policy",
            AttributeValue=_allow("budgets.amazonaws.com"),
        )

    return Case(
        inputs={
            "arn": site.make(TOPIC)["arn"],
            "policy": _allow("events.amazonaws.com"),
        },
        listing=listing,
        updates={"policy": _allow("cloudwatch.amazonaws.com")},
        replaces={"arn": site.make(TOPIC)["arn"]},
        drift=[Drift(act=allow_another, seen="policy")],
        refused=[({"arn": "app"}, "an ARN"), ({"policy": "{"}, "not JSON")],
    )


def subscription(site: Site) -> Case:
    sns = site.client("sns")
    return Case(
        inputs={
            "topic": site.make(TOPIC)["arn"],
            "protocol": "email",
            "endpoint": "ops@example.org",
        },
        listing=lambda: [
            one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]
        ],
        updates={"rawMessageDelivery": True},
        replaces={
            "topic": site.make(TOPIC)["arn"],
            "protocol": To("lambda", endpoint=FUNCTION),
            "endpoint": "night@example.org",
        },
        drift=[
            Drift(
                act=lambda id: sns.set_subscription_attributes(
                    SubscriptionArn=id,
                    AttributeName="RawMessageDelivery",
                    AttributeValue="true",
                ),
                seen="rawMessageDelivery",
            )
        ],
        refused=[
            ({"topic": "app"}, "an ARN"),
            ({"protocol": "mail"}, 'Did you mean "email"?'),
            ({"protocol": "lambda"}, "an ARN"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    TOPIC: topic,
    POLICY: policy,
    SUBSCRIPTION: subscription,
}


class TestSnsRows(Conformance):
    cases = CASES


def test_a_topic_gives_up_its_key(site: Site) -> None:
    resource = Resource(TOPIC, site.aws)
    resource.up({"kmsMasterKeyId": KMS_KEY})
    resource.up({})
    assert resource.live("kmsMasterKeyId") is None
    resource.destroy()


def test_nobody_confirms_an_address_here(site: Site) -> None:
    arn = site.make(TOPIC)["arn"]
    address = site.make(
        SUBSCRIPTION, topic=arn, protocol="email", endpoint="a@example.org"
    )
    function = site.make(SUBSCRIPTION, topic=arn, protocol="lambda", endpoint=FUNCTION)
    assert address["pendingConfirmation"] is True
    assert function["pendingConfirmation"] is False


def test_a_topic_without_our_policy_is_its_accounts(site: Site) -> None:
    arn = site.make(TOPIC)["arn"]
    before = site.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    resource = Resource(POLICY, site.aws)
    resource.up({"arn": arn, "policy": _allow("events.amazonaws.com")})
    resource.destroy()
    after = site.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    [old], [new] = (json.loads(one["Policy"])["Statement"] for one in (before, after))
    assert sorted(old.pop("Action")) == sorted(new.pop("Action"))
    assert old == new
