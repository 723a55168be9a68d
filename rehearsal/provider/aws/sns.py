"""Rows for SNS: topics, their policies and who reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, value_at
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}

_PROTOCOLS = (
    *("application", "email", "email-json", "firehose", "http", "https", "lambda"),
    *("sms", "sqs"),
)

_DEFAULT_POLICY = "__default_policy_ID"


class Topic(Row):
    """aws.sns.Topic, a standard one; its policy is a resource of its own."""

    token = "aws:sns/topic:Topic"
    service = "sns"
    tagged = True
    autoname = "name"
    name_limit = 256
    updates = frozenset(_ATTRIBUTES)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(
                inputs,
                "name",
                r"[A-Za-z0-9_-]{1,256}",
                "1 to 256 letters, digits, hyphens and underscores",
            ),
            *matching(inputs, "displayName", r"(?s).{0,100}", "at most 100 characters"),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("sns").create_topic(
            Name=inputs["name"],
            Tags=tag_list(inputs.get("tagsAll")),
            Attributes={
                field: inputs[key]
                for key, field in _ATTRIBUTES.items()
                if inputs.get(key)
            },
        )
        return str(made["TopicArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _topic(aws, id)
        if live is None:
            return None
        tags = aws.client("sns").list_tags_for_resource(ResourceArn=id)["Tags"]
        return {
            "arn": id,
            "name": id.rsplit(":", 1)[-1],
            "owner": live["Owner"],
            "policy": live["Policy"],
            "tagsAll": tag_map(tags),
            **{key: live.get(field) or None for key, field in _ATTRIBUTES.items()},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        sns = aws.client("sns")
        for key in sorted(changed & self.updates):
            sns.set_topic_attributes(
                TopicArn=id,
                AttributeName=_ATTRIBUTES[key],
                AttributeValue=new.get(key) or "",
            )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            sns.tag_resource(ResourceArn=id, Tags=tag_list(wanted))
        if unwanted:
            sns.untag_resource(ResourceArn=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("sns").delete_topic, TopicArn=id)


class TopicPolicy(Row):
    """aws.sns.TopicPolicy; its id is the topic's ARN.

    A topic is never without a policy: the deletion puts SNS's own in its place.
    """

    token = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    updates = frozenset({"policy"})
    replaces = frozenset({"arn"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*arn(inputs, "arn"), *document(inputs, "policy")]

    def create(self, aws: Aws, inputs: Properties) -> str:
        _set_policy(aws, inputs["arn"], inputs["policy"])
        return str(inputs["arn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _topic(aws, id)
        if live is None or json.loads(live["Policy"]).get("Id") == _DEFAULT_POLICY:
            return None
        return {"arn": id, "owner": live["Owner"], "policy": live["Policy"]}

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        _set_policy(aws, id, new["policy"])

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        live = _topic(aws, id)
        if live is not None:
            _set_policy(aws, id, _own_policy(id, live["Owner"]))


class TopicSubscription(Row):
    """aws.sns.TopicSubscription.

    moto confirms every subscription at once. Nobody opens the link that AWS would
    send to an address, so here it stays unconfirmed.
    """

    token = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    updates = frozenset({"rawMessageDelivery"})
    replaces = frozenset({"endpoint", "protocol", "topic"})
    defaults: ClassVar[Mapping[str, Any]] = {"rawMessageDelivery": False}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *arn(inputs, "topic"),
            *one_of(inputs, "protocol", _PROTOCOLS),
        ]
        if value_at(inputs, "protocol") in ("firehose", "lambda", "sqs"):
            problems += arn(inputs, "endpoint")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs["rawMessageDelivery"]:
            self._set_raw(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            live = aws.client("sns").get_subscription_attributes(SubscriptionArn=id)[
                "Attributes"
            ]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        by_hand = live["Protocol"] in ("email", "email-json")
        return {
            "arn": id,
            "confirmationWasAuthenticated": not by_hand,
            "endpoint": live["Endpoint"],
            "ownerId": live["Owner"],
            "pendingConfirmation": by_hand,
            "protocol": live["Protocol"],
            "rawMessageDelivery": live["RawMessageDelivery"].lower() == "true",
            "topic": live["TopicArn"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._set_raw(aws, id, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("sns").unsubscribe, SubscriptionArn=id)

    def _set_raw(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("sns").set_subscription_attributes(
            SubscriptionArn=id,
            AttributeName="RawMessageDelivery",
            AttributeValue=str(inputs["rawMessageDelivery"]).lower(),
        )


def _topic(aws: Aws, id: str) -> dict[str, str] | None:
    try:
        live = aws.client("sns").get_topic_attributes(TopicArn=id)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return dict(live["Attributes"])


def _set_policy(aws: Aws, topic_arn: str, policy: str) -> None:
    aws.client("sns").set_topic_attributes(
        TopicArn=topic_arn, AttributeName="Policy", AttributeValue=policy
    )


def _own_policy(topic_arn: str, account_id: str) -> str:
    """What SNS gives a new topic: its account may do everything with it."""
    actions = (
        *("AddPermission", "DeleteTopic", "GetTopicAttributes"),
        *("ListSubscriptionsByTopic", "Publish", "RemovePermission"),
        *("SetTopicAttributes", "Subscribe"),
    )
    return json.dumps(
        {
            "Version": "2008-10-17",
            "Id": _DEFAULT_POLICY,
            "Statement": [
                {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [f"SNS:{action}" for action in actions],
                    "Resource": topic_arn,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": account_id}},
                }
            ],
        }
    )


ROWS: tuple[type[Row], ...] = (Topic, TopicPolicy, TopicSubscription)
INVOKES: Mapping[str, Invoke] = {}
