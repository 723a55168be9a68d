"""How AWS is asked: where, how often, how long."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.retries.bucket import TokenBucket

from ops.errors import OpsError
from ops.platforms.aws.account import ATTEMPTS, Account, chunks, seconds, short, tagged
from tests.ops.aws_stack import NEW, DeployedStack
from tests.ops.recorded import Recorded


@pytest.fixture
def slept(monkeypatch):
    """How long was slept between attempts, without sleeping."""
    times: list[float] = []
    # Adaptive clients wait before they send, too.
    monkeypatch.setattr(TokenBucket, "acquire", lambda self, *_, **__: True)
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=times.append))
    return times


@pytest.fixture
def account(monkeypatch, slept):
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    Recorded(emulated=True).install(monkeypatch)
    return Account(DeployedStack())


def answering(account: Account, *answers: Any) -> list[Any]:
    """Let the wire say this, attempt by attempt; the requests that were sent."""
    waiting, sent = list(answers), []

    def send(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        raw = SimpleNamespace(stream=lambda: [json.dumps(body).encode()])
        return AWSResponse(request.url, status, {}, raw)

    account.client("ecs").meta.events.register("before-send.ecs", send)
    return sent


THROTTLED = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})


def test_it_is_asked_in_the_region_of_the_stack(account, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert account.client("ecs").meta.region_name == "eu-central-1"


def test_one_client_serves_all_calls(account):
    assert account.client("ecs") is account.client("ecs")


def test_a_throttled_call_is_tried_again(account, slept):
    sent = answering(account, THROTTLED, THROTTLED, (200, {"services": []}))
    found = account.client("ecs").describe_services(services=["x"])
    assert found["services"] == []
    assert len(sent) == 3
    assert len(slept) == 2


def test_a_call_that_is_always_throttled_ends(account):
    sent = answering(account, THROTTLED)
    with pytest.raises(ClientError, match="Rate exceeded"):
        account.client("ecs").describe_services(services=["x"])
    assert len(sent) == ATTEMPTS


def test_a_connection_that_breaks_is_made_again(account):
    broken = EndpointConnectionError(endpoint_url="https://ecs")
    sent = answering(account, broken, (200, {"services": []}))
    account.client("ecs").describe_services(services=["x"])
    assert len(sent) == 2


def test_a_denied_call_is_not_tried_again(account):
    sent = answering(account, (400, {"__type": "AccessDeniedException"}))
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("ecs").describe_services(services=["x"])
    assert len(sent) == 1


def test_nobody_is_waited_for_for_ever(account):
    config = account.client("ecs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 30)


def test_outputs_are_those_of_now():
    stack = DeployedStack()
    account = Account(stack)
    stack.outputs["task_definition"] = "another"
    assert account["task_definition"] == "another"
    assert account["of a newer program"] is None


def test_tags_are_taken_over_but_for_those_of_aws():
    like = [
        {"Key": "Project", "Value": "stromhaltig"},
        {"Key": "aws:cloudformation:stack-id", "Value": "x"},
        {"Key": "stromhaltig:stack", "Value": "of the one it was copied from"},
    ]
    assert tagged(like, stack="test") == [
        {"Key": "Project", "Value": "stromhaltig"},
        {"Key": "stromhaltig:stack", "Value": "test"},
    ]


def test_names_are_split_and_shortened():
    assert list(chunks(map(str, range(5)), 2)) == [["0", "1"], ["2", "3"], ["4"]]
    assert list(chunks([], 2)) == []
    assert short(NEW) == "stromhaltig-test:7"


@pytest.mark.parametrize(("text", "value"), [(None, 7.0), ("60", 60.0), ("0.5", 0.5)])
def test_times_come_from_the_environment(monkeypatch, text, value):
    monkeypatch.delenv("PATIENCE", raising=False)
    if text:
        monkeypatch.setenv("PATIENCE", text)
    assert seconds("PATIENCE", 7) == value


@pytest.mark.parametrize("text", ["long", "", "0", "-1", "nan"])
def test_a_time_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("PATIENCE", text)
    with pytest.raises(OpsError, match=f'PATIENCE="{text}" is no number'):
        seconds("PATIENCE", 7)
