"""The Lambda function: what it posts to Slack, and what it does when Slack refuses.

It talks to a server on the loopback; the events are what AWS sends.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from moto import mock_aws

from components.notifier import handler
from tests.servers import free_port

TOKEN = "/services/T0000/B0000/a-token-that-nobody-may-see"

TOPIC = "arn:aws:sns:eu-central-1:123456789012:app"

ALARM = {
    "AlarmName": "app-balancer-errors-1a2b3c4",
    "AlarmDescription": "503 when no task is healthy. Look at the service's tasks.",
    "AWSAccountId": "123456789012",
    "AlarmConfigurationUpdatedTimestamp": "2026-11-22T10:00:00.000+0000",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed: 2 out of the last 3 datapoints [50.0 "
    "(22/11/26 15:38:00)] were greater than the threshold (5.0) & rising <fast>.",
    "StateChangeTime": "2026-11-22T15:43:51.730+0000",
    "Region": "EU (Frankfurt)",
    "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:"
    "app-balancer-errors-1a2b3c4",
    "OldStateValue": "OK",
    "OKActions": [TOPIC],
    "AlarmActions": [TOPIC],
    "InsufficientDataActions": [],
    "Trigger": {
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
        "Metrics": [{"Id": "result", "Expression": "100 * e / r", "ReturnData": True}],
    },
}

DEPLOYMENT = {
    "version": "0",
    "id": "342d35fb-19b8-9ef6-bbc0-9abd3ac4495f",
    "detail-type": "ECS Deployment State Change",
    "source": "aws.ecs",
    "account": "123456789012",
    "time": "2026-11-22T15:43:50Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:ecs:eu-central-1:123456789012:service/app/web"],
    "detail": {
        "eventType": "ERROR",
        "eventName": "SERVICE_DEPLOYMENT_FAILED",
        "clusterArn": "arn:aws:ecs:eu-central-1:123456789012:cluster/app",
        "deploymentId": "ecs-svc/6177963417134325488",
        "updatedAt": "2026-11-22T15:43:50Z",
        "reason": "ECS deployment circuit breaker: tasks failed to start.",
    },
}

RDS = {
    "Event Source": "db-instance",
    "Event Time": "2026-11-22 15:43:12.874",
    "Identifier Link": "https://console.aws.amazon.com/rds/home?region=eu-central-1"
    "#dbinstance:id=app-1",
    "Source ID": "app-1",
    "Source ARN": "arn:aws:rds:eu-central-1:123456789012:db:app-1",
    "Event ID": "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/"
    "USER_Events.Messages.html#RDS-EVENT-0049",
    "Event Message": "Multi-AZ instance failover completed",
    "Tags": {},
}

BUDGET = (
    "AWS Budget Notification November 22, 2026\nAWS Account 123456789012\n\n"
    "Dear AWS Customer,\n\nYou requested that we alert you when the ACTUAL Cost "
    "associated with your app budget is greater than $80.00 for the current month. "
    "You can find additional details below and by accessing the AWS Budgets "
    "dashboard [1].\n\nBudget Name: app\nBudget Type: Cost\nBudgeted Amount: $100.00\n"
    "Alert Type: ACTUAL\nAlert Threshold: > $80.00\nACTUAL Amount: $81.24\n\n"
    "[1] https://console.aws.amazon.com/billing/home#/budgets\n"
)

BACKUP = (
    "An AWS Backup job failed. Resource ARN : arn:aws:rds:eu-central-1:123456789012:"
    "db:app-1. BackupJob ID : 1b2345b2-f22c-4dab-5eb6-bbc7890ed123"
)


def delivered(message, subject=None):
    """What SNS hands to a function."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{TOPIC}:00faa396",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "0afa48ef-db9f-5b07-9359-149237adeae5",
                    "TopicArn": TOPIC,
                    "Subject": subject,
                    "Message": text,
                    "Timestamp": "2026-11-22T15:43:52.638Z",
                    "SignatureVersion": "1",
                    "MessageAttributes": {},
                },
            }
        ]
    }


@dataclass
class Context:
    """What Lambda says of the time that is left."""

    milliseconds: int = 10_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Slack:
    """A server that answers as told, then `ok`; keeps what it was sent."""

    port: int = 0
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    posts: list[tuple[str, dict]] = field(default_factory=list)

    @property
    def attachment(self) -> dict:
        [(_, message)] = self.posts
        [attachment] = message["attachments"]
        return attachment


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """Secrets Manager in memory."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        # Making a client takes longer than a test.
        secrets = boto3.client("secretsmanager")
        patch.setattr(handler.boto3, "client", lambda _: secrets)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Slack]:
    """Something that listens like Slack."""
    known = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.posts.append((self.path, json.loads(body)))
            status, headers = known.answers.pop(0) if known.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        known.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield known
        listening.shutdown()
        thread.join()


@pytest.fixture
def slack(aws, server, monkeypatch) -> Slack:
    """A channel without posts, whose webhook the function knows the secret of."""
    server.answers, server.posts = [], []
    monkeypatch.setattr(handler, "_PAUSE", 0.01)
    keep(monkeypatch, f"http://127.0.0.1:{server.port}{TOKEN}\n")
    return server


def keep(monkeypatch, webhook: str) -> None:
    """Put a webhook into a new secret and forget the one that is known."""
    secrets = boto3.client("secretsmanager")
    name = f"webhook-{len(secrets.list_secrets()['SecretList'])}"
    arn = secrets.create_secret(Name=name, SecretString=webhook)["ARN"]
    monkeypatch.setenv(handler.SECRET, arn)
    handler._webhook.cache_clear()


def test_an_alarm_says_what_why_and_what_to_do(slack):
    handler.handle(delivered(ALARM, "ALARM: app"), Context())
    assert slack.posts[0][0] == TOKEN
    assert slack.attachment == {
        "color": "#d40e0d",
        "fallback": "ALARM: app-balancer-errors-1a2b3c4",
        "title": ":red_circle: ALARM: app-balancer-errors-1a2b3c4",
        "title_link": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home"
        "?region=eu-central-1#alarmsV2:alarm/app-balancer-errors-1a2b3c4",
        "text": "503 when no task is healthy. Look at the service's tasks.\n"
        "Threshold Crossed: 2 out of the last 3 datapoints [50.0 (22/11/26 15:38:00)] "
        "were greater than the threshold (5.0) &amp; rising &lt;fast&gt;.",
        "footer": "app · 123456789012 · eu-central-1",
        "ts": 1795362232,
    }


@pytest.mark.parametrize(
    ("state", "emoji"),
    [("OK", ":large_green_circle:"), ("INSUFFICIENT_DATA", ":white_circle:")],
)
def test_an_alarm_that_is_over_needs_no_advice(slack, state, emoji):
    over = {**ALARM, "NewStateValue": state, "NewStateReason": "Back to normal."}
    handler.handle(delivered(over), Context())
    assert slack.attachment["title"].startswith(f"{emoji} {state}: ")
    assert slack.attachment["text"] == "Back to normal."


def test_an_alarm_without_description_is_told_all_the_same(slack):
    bare = {**ALARM, "AlarmDescription": None, "AlarmName": "a/b c"}
    handler.handle(delivered(bare), Context())
    assert slack.attachment["text"].startswith("Threshold Crossed")
    assert slack.attachment["title_link"].endswith("#alarmsV2:alarm/a%2Fb%20c")


def test_a_failed_deployment_is_red_and_says_why(slack):
    handler.handle(delivered(DEPLOYMENT), Context())
    sent = slack.attachment
    assert sent["title"] == ":red_circle: ECS Deployment State Change"
    assert sent["text"] == (
        "SERVICE_DEPLOYMENT_FAILED · ERROR\n"
        "ECS deployment circuit breaker: tasks failed to start.\nservice/app/web"
    )
    assert sent["title_link"] == (
        "https://eu-central-1.console.aws.amazon.com/ecs/home?region=eu-central-1"
    )


@pytest.mark.parametrize(
    ("detail", "emoji", "words"),
    [
        ({"eventType": "INFO"}, ":large_blue_circle:", "INFO"),
        ({"state": "EXPIRED", "statusMessage": "too late"}, ":red_circle:", "too late"),
        ({"unheard": "of"}, ":large_yellow_circle:", '{"unheard": "of"}'),
    ],
)
def test_an_event_looks_like_what_it_says(slack, detail, emoji, words):
    handler.handle(delivered({**DEPLOYMENT, "detail": detail}), Context())
    assert slack.attachment["title"].startswith(emoji)
    assert words in slack.attachment["text"]


def test_the_database_says_what_happened_to_it(slack):
    handler.handle(delivered(RDS, "RDS Notification Message"), Context())
    sent = slack.attachment
    assert sent["title"] == ":large_yellow_circle: db-instance: app-1"
    assert sent["text"] == "Multi-AZ instance failover completed"
    assert sent["title_link"].endswith("#dbinstance:id=app-1")


def test_a_budget_says_the_figures(slack):
    subject = "AWS Budgets: app has exceeded your alert threshold"
    handler.handle(delivered(BUDGET, subject), Context())
    sent = slack.attachment
    assert sent["title"] == f":large_yellow_circle: {subject}"
    assert sent["text"] == (
        "Budget Name: app\nBudget Type: Cost\nBudgeted Amount: $100.00\n"
        "Alert Type: ACTUAL\nAlert Threshold: &gt; $80.00\nACTUAL Amount: $81.24"
    )
    assert sent["title_link"].endswith("/billing/home#/budgets")


@pytest.mark.parametrize(
    ("message", "subject", "title", "text"),
    [
        (
            BACKUP,
            "Notification from AWS Backup",
            "Notification from AWS Backup",
            BACKUP,
        ),
        ('"It failed."\n"Look there."', None, "It failed.", "Look there."),
        ("[1, 2]", None, "[1, 2]", ""),
        ("", None, "Notification", ""),
    ],
)
def test_what_it_does_not_know_it_posts_as_it_is(slack, message, subject, title, text):
    handler.handle(delivered(message, subject), Context())
    assert slack.attachment["title"] == f":large_yellow_circle: {title}"
    assert slack.attachment["text"] == text


def test_a_very_long_message_is_cut(slack):
    handler.handle(delivered("x" * 5000, "Subject"), Context())
    assert slack.attachment["text"] == "x" * 2000 + " …"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_slack_cannot_take_now_is_tried_once_more(slack, status):
    slack.answers = [(status, {})]
    handler.handle(delivered(ALARM), Context())
    assert len(slack.posts) == 2


def test_it_waits_as_long_as_slack_says(slack, monkeypatch):
    waited = []
    monkeypatch.setattr(handler.time, "sleep", waited.append)
    slack.answers = [(429, {"Retry-After": "4"})]
    handler.handle(delivered(ALARM), Context())
    assert waited == [4]


@pytest.mark.parametrize(
    ("retry_after", "left"), [("60", 10_000), ("4", 6_500), ("1", 3_000)]
)
def test_a_pause_that_does_not_fit_is_left_to_lambda(slack, retry_after, left):
    slack.answers = [(429, {"Retry-After": retry_after})]
    with pytest.raises(handler.DeliveryError, match="answers 429"):
        handler.handle(delivered(ALARM), Context(left))
    assert len(slack.posts) == 1


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
def test_a_pause_that_is_no_number_is_a_short_one(slack, date):
    slack.answers = [(503, {"Retry-After": date})]
    handler.handle(delivered(ALARM), Context())
    assert len(slack.posts) == 2


def test_a_message_that_is_refused_twice_is_raised(slack):
    slack.answers = [(500, {}), (502, {})]
    with pytest.raises(handler.DeliveryError, match="Slack answers 502"):
        handler.handle(delivered(ALARM), Context())


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410])
def test_what_slack_will_never_take_is_raised_at_once(slack, status):
    slack.answers = [(status, {"Location": "/elsewhere"})]
    with pytest.raises(handler.DeliveryError, match=f"Slack answers {status}"):
        handler.handle(delivered(ALARM), Context())
    assert len(slack.posts) == 1


def test_a_webhook_is_read_once_and_anew_after_a_failure(slack, monkeypatch):
    handler.handle(delivered(ALARM), Context())
    secrets = boto3.client("secretsmanager")
    arn = handler.os.environ[handler.SECRET]
    webhook = f"http://127.0.0.1:{slack.port}/services/new"
    secrets.put_secret_value(SecretId=arn, SecretString=webhook)
    slack.answers = [(404, {})]
    with pytest.raises(handler.DeliveryError):
        handler.handle(delivered(ALARM), Context())
    handler.handle(delivered(ALARM), Context())
    assert [path for path, _ in slack.posts] == [TOKEN, TOKEN, "/services/new"]


@pytest.mark.parametrize(
    "webhook",
    [
        f"http://127.0.0.1:FREE{TOKEN}",
        f"http://127.0.0.1:nonsense{TOKEN}",
        f"http://127.0.0.1:80 {TOKEN} or so",
        TOKEN,
    ],
    ids=["nobody-listens", "no-port", "a-space", "no-host"],
)
def test_nothing_that_goes_wrong_tells_the_webhook(
    slack, webhook, monkeypatch, caplog, capfd
):
    keep(monkeypatch, webhook.replace("FREE", str(free_port())))
    caplog.set_level(logging.INFO)
    with pytest.raises(handler.DeliveryError, match="cannot be reached") as failure:
        handler.handle(delivered(ALARM), Context())
    told = [str(failure.getrepr(style="native")), caplog.text, *capfd.readouterr()]
    assert not any("a-token" in one for one in told)
