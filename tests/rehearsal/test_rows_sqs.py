"""The rows of SQS: put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To

QUEUE = "aws:sqs/queue:Queue"
POLICY = "aws:sqs/queuePolicy:QueuePolicy"

KEY = "arn:aws:kms:eu-central-1:123456789012:key/7b9a0c3e"


def urls(site: Site) -> list[str]:
    return list(site.client("sqs").list_queues(MaxResults=1000).get("QueueUrls", []))


def policy(*actions: str) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(actions),
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue(site: Site) -> Case:
    sqs = site.client("sqs")
    return Case(
        inputs={"messageRetentionSeconds": 1_209_600, "sqsManagedSseEnabled": True},
        listing=lambda: urls(site),
        updates={
            "delaySeconds": 5,
            "kmsMasterKeyId": To(KEY, sqsManagedSseEnabled=None),
            "maxMessageSize": 1024,
            "messageRetentionSeconds": 60,
            "receiveWaitTimeSeconds": 20,
            "sqsManagedSseEnabled": False,
            "visibilityTimeoutSeconds": 0,
        },
        drift=[
            Drift(
                act=lambda id: sqs.set_queue_attributes(
                    QueueUrl=id, Attributes={"MessageRetentionPeriod": "120"}
                ),
                seen="messageRetentionSeconds",
            ),
            Drift(
                act=lambda id: sqs.set_queue_attributes(
                    QueueUrl=id, Attributes={"SqsManagedSseEnabled": "false"}
                ),
                seen="sqsManagedSseEnabled",
            ),
        ],
        refused=[
            ({"name": "n" * 81}, "1 to 80"),
            ({"name": "dead.letters"}, "1 to 80"),
            ({"delaySeconds": 901}, "between 0 and 900"),
            ({"maxMessageSize": 1023}, "between 1024 and"),
            ({"messageRetentionSeconds": 1_209_601}, "between 60 and 1209600"),
            ({"receiveWaitTimeSeconds": 21}, "between 0 and 20"),
            ({"visibilityTimeoutSeconds": 43_201}, "between 0 and 43200"),
            ({"kmsMasterKeyId": KEY}, "conflicts with sqsManagedSseEnabled"),
        ],
    )


def queue_policy(site: Site) -> Case:
    sqs = site.client("sqs")
    home, other = (site.make(QUEUE)["url"] for _ in range(2))

    def with_policy() -> list[str]:
        found = {
            url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
            for url in urls(site)
        }
        return [
            url for url, one in found.items() if one.get("Attributes", {}).get("Policy")
        ]

    return Case(
        inputs={"queueUrl": home, "policy": policy("sqs:*")},
        listing=with_policy,
        updates={"policy": policy("sqs:SendMessage")},
        replaces={"queueUrl": other},
        drift=[
            Drift(
                act=lambda id: sqs.set_queue_attributes(
                    QueueUrl=id, Attributes={"Policy": policy("sqs:PurgeQueue")}
                ),
                seen="policy",
            )
        ],
        refused=[({"policy": "{"}, "not JSON"), ({"policy": "[]"}, "a JSON object")],
    )


class TestSqsRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        QUEUE: queue,
        POLICY: queue_policy,
    }


def test_a_queue_has_the_arn_of_its_name(site: Site):
    made = site.make(QUEUE, name=site.name("letters"))
    account = site.aws.account_id
    assert made["arn"] == f"arn:aws:sqs:eu-central-1:{account}:{made['name']}"
    assert made["id"] == made["url"]
    assert made["url"].endswith(f"/{account}/{made['name']}")


@pytest.mark.parametrize(
    ("inputs", "managed"),
    [
        ({}, True),
        ({"kmsMasterKeyId": KEY}, False),
        ({"sqsManagedSseEnabled": False}, False),
    ],
)
def test_sqs_encrypts_by_itself_unless_told_otherwise(
    site: Site, inputs: dict[str, Any], managed: bool
):
    assert site.make(QUEUE, **inputs)["sqsManagedSseEnabled"] is managed


def test_a_change_of_the_queue_leaves_its_policy(site: Site):
    owner, resource = Resource(QUEUE, site.aws), Resource(POLICY, site.aws)
    owner.up({})
    resource.up({"queueUrl": owner.id, "policy": policy("sqs:*")})
    owner.up({"messageRetentionSeconds": 60})
    assert json.loads(resource.live("policy")) == json.loads(policy("sqs:*"))


def test_messages_of_a_queue_arrive_and_are_kept(site: Site):
    sqs, url = site.client("sqs"), site.make(QUEUE)["url"]
    sqs.send_message(QueueUrl=url, MessageBody="not started")
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "not started"


def test_a_policy_goes_with_its_queue(site: Site):
    owner, resource = Resource(QUEUE, site.aws), Resource(POLICY, site.aws)
    owner.up({})
    resource.up({"queueUrl": owner.id, "policy": policy("sqs:*")})
    owner.destroy()
    assert not resource.refresh()
    resource.destroy()
    with pytest.raises(ClientError, match=r"NonExistentQueue|does not exist"):
        resource.stranger().up({"queueUrl": owner.id, "policy": policy("sqs:*")})
