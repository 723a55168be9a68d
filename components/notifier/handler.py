"""Lambda function: posts what SNS delivers to a Slack channel.

Runs on the standard library and the boto3 of AWS's Python runtime. Whatever it cannot
deliver it raises: Lambda tries twice more, then gives the message to the function's
on-failure destination. The webhook is a secret, so no error names it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import boto3

SECRET = "WEBHOOK_SECRET_ARN"  # noqa: S105 (the variable that names the secret)
"""Environment variable: ARN of the secret that holds the webhook's URL."""

_PATIENCE = 3.0
"""Seconds for one request: two and a pause fit into the function's ten."""

_PAUSE = 1.0
"""Seconds before the second try, where Slack names none."""

_LONGEST_TEXT = 2000


class Look(NamedTuple):
    """How urgent a message looks."""

    emoji: str
    color: str


RED = Look(":red_circle:", "#d40e0d")
YELLOW = Look(":large_yellow_circle:", "#daa038")
GREEN = Look(":large_green_circle:", "#2eb67d")
BLUE = Look(":large_blue_circle:", "#1264a3")
WHITE = Look(":white_circle:", "#868686")


class Note(NamedTuple):
    """A message, whatever kind it came as.

    link: page of the console, or empty.
    """

    look: Look
    title: str
    text: str
    link: str = ""


class DeliveryError(Exception):
    """Slack did not take a message."""


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Entry point: post each record of an SNS event."""
    for record in event["Records"]:
        _deliver(json.dumps(_slack_message(record["Sns"])).encode(), context)


def _deliver(body: bytes, context: Any) -> None:
    try:
        status, pause = _post(body)
        # A pause that does not fit is left to Lambda, which waits a minute.
        left = context.get_remaining_time_in_millis() / 1000
        if (status == 429 or status >= 500) and left > pause + _PATIENCE:
            time.sleep(pause)
            status, _ = _post(body)
    except (OSError, HTTPException, ValueError) as error:
        _webhook.cache_clear()
        reason = type(error).__name__
        raise DeliveryError(f"Slack cannot be reached: {reason}") from None
    if status != 200:
        _webhook.cache_clear()  # it may have been replaced
        raise DeliveryError(f"Slack answers {status}")


def _post(body: bytes) -> tuple[int, float]:
    """Status, and the seconds to wait before another try."""
    url = urlsplit(_webhook())
    connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = connect(url.netloc, timeout=_PATIENCE)
    try:
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, _seconds(answer.headers.get("Retry-After"))
    finally:
        connection.close()


def _seconds(retry_after: str | None) -> float:
    """Slack gives seconds; a date is as good as nothing."""
    try:
        return max(0.0, float(retry_after or _PAUSE))
    except ValueError:
        return _PAUSE


@cache
def _webhook() -> str:
    secrets = boto3.client("secretsmanager")
    value = secrets.get_secret_value(SecretId=os.environ[SECRET])
    return str(value["SecretString"]).strip()


def _slack_message(sns: Mapping[str, Any]) -> dict[str, Any]:
    note = _note(sns)
    title = _escaped(note.title)
    _, _, _, region, account, topic = sns["TopicArn"].split(":", 5)
    attachment = {
        "color": note.look.color,
        "fallback": title,
        "title": f"{note.look.emoji} {title}",
        "text": _escaped(_short(note.text)),
        "footer": _escaped(f"{topic} · {account} · {region}"),
        "ts": int(datetime.fromisoformat(sns["Timestamp"]).timestamp()),
    }
    if note.link:
        attachment["title_link"] = note.link
    return {"attachments": [attachment]}


def _note(sns: Mapping[str, Any]) -> Note:
    text = str(sns["Message"])
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if isinstance(message, dict):
        if "AlarmName" in message:
            return _of_alarm(message)
        if "detail-type" in message:
            return _of_event(message)
        if "Event Message" in message:
            return _of_database(message)
    if text.startswith("AWS Budget Notification"):
        return _of_budget(text, sns.get("Subject"))
    return _of_text(text, sns.get("Subject"))


def _of_alarm(alarm: Mapping[str, Any]) -> Note:
    """A CloudWatch alarm; its description says what to do, once it is bad."""
    state = alarm.get("NewStateValue", "")
    look = {"ALARM": RED, "OK": GREEN}.get(state, WHITE)
    name, reason = alarm["AlarmName"], alarm.get("NewStateReason") or ""
    description = alarm.get("AlarmDescription") or ""
    text = [description, reason] if state == "ALARM" else [reason]
    # `Region` is a name for people, such as "EU (Frankfurt)".
    region = str(alarm.get("AlarmArn", "")).split(":")[3:4]
    return Note(
        look,
        f"{state}: {name}",
        "\n".join(filter(None, text)),
        _console(region[0], "cloudwatch", f"#alarmsV2:alarm/{quote(name, safe='')}")
        if region
        else "",
    )


def _of_event(event: Mapping[str, Any]) -> Note:
    """An event of EventBridge as it is; each source has its own words in `detail`."""
    detail = event.get("detail") or {}
    outcome = [
        str(detail[key])
        for key in ("eventName", "eventType", "state", "status", "lastStatus")
        if detail.get(key)
    ]
    reason = next(
        (
            str(detail[key])
            for key in ("reason", "stoppedReason", "statusMessage", "message")
            if detail.get(key)
        ),
        json.dumps(detail) if not outcome else "",
    )
    resources = [str(arn).split(":", 5)[-1] for arn in event.get("resources") or []]
    service = str(event.get("source", "")).removeprefix("aws.")
    return Note(
        _look_of(outcome),
        str(event["detail-type"]),
        "\n".join(filter(None, [" · ".join(outcome), reason, *resources])),
        _console(str(event["region"]), service) if event.get("region") else "",
    )


def _look_of(outcome: list[str]) -> Look:
    words = " ".join(outcome).upper()
    if any(bad in words for bad in ("FAIL", "ERROR", "ABORT", "EXPIRED")):
        return RED
    return BLUE if "INFO" in words or "COMPLETED" in words else YELLOW


def _of_database(event: Mapping[str, Any]) -> Note:
    """An RDS event subscription."""
    return Note(
        YELLOW,
        f"{event.get('Event Source', 'RDS')}: {event.get('Source ID', '')}",
        str(event["Event Message"]),
        str(event.get("Identifier Link", "")).split("\n")[0],
    )


def _of_budget(text: str, subject: str | None) -> Note:
    """AWS Budgets writes a letter; the figures are lines like `Budget Name: x`."""
    figures = [
        line
        for line in text.splitlines()
        if line.startswith(("Budget", "Alert", "ACTUAL Amount", "FORECASTED Amount"))
    ]
    return Note(
        YELLOW,
        subject or "AWS Budgets",
        "\n".join(figures) or text,
        "https://console.aws.amazon.com/billing/home#/budgets",
    )


def _of_text(text: str, subject: str | None) -> Note:
    """Anything else, in full: EventBridge puts each line of its texts into quotes."""
    first, *rest = [line.strip('"') for line in text.splitlines()] or [""]
    if subject:
        return Note(YELLOW, subject, "\n".join([first, *rest]))
    return Note(YELLOW, first or "Notification", "\n".join(rest))


def _console(region: str, service: str, page: str = "") -> str:
    return (
        f"https://{region}.console.aws.amazon.com/{service}/home?region={region}{page}"
    )


def _escaped(text: str) -> str:
    """Slack reads these three as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
