"""The topic: who may write to it, who reads it, and what it is encrypted with."""

from __future__ import annotations

import pulumi_aws as aws
import pytest

from components.encryption_key import EncryptionKey, EncryptionKeyArgs
from components.notifications import PUBLISHERS, Notifications, NotificationsArgs
from components.notifier import handler
from components.slack_notifier import SlackNotifier, SlackNotifierArgs
from tests import fakes

TOPIC = "aws:sns/topic:Topic"
POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
FUNCTION = "aws:lambda/function:Function"
PERMISSION = "aws:lambda/permission:Permission"
RETRIES = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b2c3d"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/SLACK-AbCdEf"
QUEUE = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:dead"


def notifier():
    return SlackNotifier(
        "app",
        SlackNotifierArgs(
            webhook_secret_arn=SECRET, kms_key_arn=KEY, dead_letter_queue_arn=QUEUE
        ),
    )


def notifications(name="app", **args):
    return Notifications(name, NotificationsArgs(**{"kms_key_arn": KEY, **args}))


def with_slack():
    return notifications(slack=notifier())


def statements(graph):
    return {one["Sid"]: one for one in graph.policy(POLICY)["Statement"]}


def test_messages_are_encrypted_with_the_customer_key(graph):
    graph.build(notifications)
    assert graph.one(TOPIC)["kmsMasterKeyId"] == KEY
    graph.build(lambda: notifications(kms_key_arn=None))
    assert "kmsMasterKeyId" not in graph.one(TOPIC).inputs


def test_only_services_may_write_and_all_that_have_the_key(graph):
    graph.build(notifications)
    topic = graph.one(TOPIC).outputs["arn"]
    allowed = [one for one in statements(graph).values() if one["Effect"] == "Allow"]
    assert [one["Principal"] for one in allowed] == [
        {"Service": publisher} for publisher in PUBLISHERS
    ]
    assert {(one["Action"], one["Resource"]) for one in allowed} == {
        ("sns:Publish", topic)
    }


def test_services_write_for_this_account_only(graph):
    graph.build(notifications)
    sources = {
        sid: one["Condition"]["ArnLike"]["aws:SourceArn"]
        for sid, one in statements(graph).items()
        if "ArnLike" in one.get("Condition", {})
    }
    assert sources == {
        "Alarms": f"arn:aws:cloudwatch:eu-central-1:{ACCOUNT}:alarm:*",
        "Budgets": f"arn:aws:budgets::{ACCOUNT}:*",
        "Databases": f"arn:aws:rds:eu-central-1:{ACCOUNT}:*",
    }
    for sid in sources:
        condition = statements(graph)[sid]["Condition"]
        assert condition["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert statements(graph)["Backups"]["Condition"] == {
        "StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}
    }


def test_eventbridge_is_not_kept_out_by_a_condition_that_it_cannot_meet(graph):
    graph.build(notifications)
    assert "Condition" not in statements(graph)["Events"]


def test_nobody_writes_without_tls(graph):
    graph.build(notifications)
    assert statements(graph)["OnlyByTls"] == {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": graph.one(TOPIC).outputs["arn"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_the_topic_is_given_away_with_its_policy_only(graph):
    def program():
        made = notifications()
        aws.cloudwatch.EventTarget("rule", rule="rule", arn=made.topic_arn)
        return made

    outputs = graph.build(program)
    assert outputs["topic_arn"] == graph.one(TOPIC).outputs["arn"]
    assert graph.one(POLICY) in graph.dependencies(graph.named("rule"))


def test_each_address_is_asked(graph):
    emails = ("ops@example.org", "night.shift@example.org")
    graph.build(lambda: notifications(emails=emails))
    subscriptions = graph.all(SUBSCRIPTION)
    assert {(one["protocol"], one["endpoint"]) for one in subscriptions} == {
        ("email", email) for email in emails
    }
    assert {one["topic"] for one in subscriptions} == {graph.one(TOPIC).outputs["arn"]}


def test_who_has_not_confirmed_is_told(graph, monkeypatch):
    pending = {"ops@example.org": True, "boss@example.org": False}

    def answer(new):
        return {"pendingConfirmation": pending[new.inputs["endpoint"]]}

    monkeypatch.setitem(fakes._COMPUTED, SUBSCRIPTION, answer)
    outputs = graph.build(lambda: notifications(emails=tuple(pending)))
    assert outputs["unconfirmed"] == ["ops@example.org"]
    assert graph.build(notifications)["unconfirmed"] == []


@pytest.mark.parametrize(
    ("emails", "words"),
    [
        (("ops",), '"ops" is no address'),
        (("@example.org",), "is no address"),
        (("a@example.org", "A@example.org"), "given twice"),
    ],
)
def test_addresses_that_get_nothing_are_refused(emails, words):
    with pytest.raises(ValueError, match=words):
        notifications(emails=emails)


def test_slack_is_an_option(graph):
    graph.build(notifications)
    assert graph.all(FUNCTION) == graph.all(SUBSCRIPTION) == []
    graph.build(with_slack)
    subscription = graph.one(SUBSCRIPTION)
    function = graph.one(FUNCTION).outputs["arn"]
    assert (subscription["protocol"], subscription["endpoint"]) == ("lambda", function)
    assert graph.one(PERMISSION) in graph.dependencies(subscription)


def test_only_the_topic_may_start_the_function(graph):
    graph.build(with_slack)
    permission = graph.one(PERMISSION)
    assert permission["principal"] == "sns.amazonaws.com"
    assert permission["action"] == "lambda:InvokeFunction"
    assert permission["sourceArn"] == graph.one(TOPIC).outputs["arn"]


def test_a_topic_of_another_region_uses_the_same_function(graph):
    def both():
        slack = notifier()
        notifications(slack=slack)
        notifications("app-global", kms_key_arn=None, slack=slack)

    graph.build(both)
    assert len(graph.all(FUNCTION)) == 1
    assert len(graph.all(SUBSCRIPTION)) == len(graph.all(TOPIC)) == 2
    owners = {graph.parent(one).type for one in graph.all(PERMISSION)}
    assert owners == {"stromhaltig:aws:SlackNotifier"}


def test_the_function_is_small_and_knows_no_secret(graph):
    graph.build(notifier)
    function = graph.one(FUNCTION)
    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert (function["memorySize"], function["timeout"]) == (128, 10)
    assert function["environment"] == {"variables": {handler.SECRET: SECRET}}
    assert function["handler"] == f"handler.{handler.handle.__name__}"


def test_the_function_may_do_what_it_does_and_no_more(graph):
    graph.build(notifier)
    granted = {
        one["Sid"]: (one["Action"], one["Resource"])
        for one in graph.policy(ROLE_POLICY)["Statement"]
    }
    logs = graph.one(LOG_GROUP).outputs["arn"]
    assert granted == {
        "WriteLog": (["logs:CreateLogStream", "logs:PutLogEvents"], f"{logs}:*"),
        "ReadWebhook": ("secretsmanager:GetSecretValue", SECRET),
        "DecryptWebhook": ("kms:Decrypt", KEY),
        "KeepUndelivered": ("sqs:SendMessage", QUEUE),
    }
    [decrypt] = [
        one
        for one in graph.policy(ROLE_POLICY)["Statement"]
        if one["Sid"] == "DecryptWebhook"
    ]
    assert decrypt["Condition"]["StringEquals"] == {
        "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": SECRET,
    }
    [trust] = graph.policy(ROLE, key="assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_what_slack_does_not_take_is_kept(graph):
    graph.build(notifier)
    retries = graph.one(RETRIES)
    assert retries["maximumRetryAttempts"] == 2
    assert retries["destinationConfig"] == {"onFailure": {"destination": QUEUE}}


def test_its_log_is_encrypted_and_forgotten(graph):
    outputs = graph.build(notifier)
    group = graph.one(LOG_GROUP)
    assert group["name"] == outputs["log_group_name"] == "/aws/lambda/app-slack"
    assert (group["kmsKeyId"], group["retentionInDays"]) == (KEY, 30)
    assert graph.one(FUNCTION)["loggingConfig"]["logGroup"] == group["name"]


def test_all_is_known_to_a_preview(graph):
    def program():
        return notifications(emails=("ops@example.org",), slack=notifier())

    graph.build(program)
    count = graph.count()
    graph.build(program, preview=True)
    assert graph.count() == count


def test_the_key_lets_publishers_encrypt_messages_of_this_account(graph):
    def key(**args):
        return EncryptionKey(
            "app",
            EncryptionKeyArgs(
                description="d", account_id=ACCOUNT, region="eu-central-1", **args
            ),
        )

    graph.build(key)
    before = graph.policy("aws:kms/key:Key")["Statement"]
    graph.build(lambda: key(publishers=PUBLISHERS))
    *others, publishers = graph.policy("aws:kms/key:Key")["Statement"]
    assert others == before
    assert publishers == {
        "Sid": "NotificationsAreEncrypted",
        "Effect": "Allow",
        "Principal": {"Service": list(PUBLISHERS)},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:sns:topicArn": (
                    f"arn:aws:sns:eu-central-1:{ACCOUNT}:*"
                )
            }
        },
    }
