"""An AWS that gives the answers of a test, and checks both sides against its models.

What is asked must be what the API takes, or botocore refuses it; what is answered must
be what the API can say, or this does. Answers have the shape of AWS's documentation.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.validate import ParamValidator

Answer = Mapping[str, Any] | BaseException | Callable[[dict[str, Any]], Any]
"""What is said, what is raised, or who is asked with the parameters of the call."""

_LOADER = Loader()
"""One for all sessions: it keeps what it read."""


class Recorded:
    """Answers to calls, by service and operation: `ecs.DescribeServices`.

    emulated: whether calls without an answer go on to the endpoint; else they fail.
    """

    def __init__(self, *, emulated: bool = False) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._emulated = emulated
        self._answers: dict[str, deque[Answer]] = {}
        self._changes: dict[str, Callable[[dict[str, Any]], None]] = {}

    def on(self, operation: str, *answers: Answer) -> None:
        """Give these answers one after the other; the last one again and again."""
        self._answers[operation] = deque(answers)

    def off(self, operation: str) -> None:
        """Answer this operation no longer."""
        self._answers.pop(operation, None)

    def after(self, operation: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what the endpoint answers."""
        self._changes[operation] = change

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Parameters of each call of an operation."""
        return [params for name, params in self.calls if name == operation]

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(name for name, _ in self.calls)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let every client of boto3 that is made from now on ask here."""
        core = botocore.session.Session()
        core.register_component("data_loader", _LOADER)
        session = boto3.Session(
            botocore_session=core,
            region_name="eu-central-1",
            **({} if self._emulated else _DUMMY),
        )
        session.events.register("provide-client-params", self._note)
        session.events.register("before-call", self._answer)
        session.events.register("after-call", self._change)
        patch.setattr(boto3, "DEFAULT_SESSION", session)

    def _note(
        self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        name = f"{model.service_model.service_name}.{model.name}"
        context["asked"] = params
        self.calls.append((name, params))

    def _answer(
        self, model: Any, context: dict[str, Any], **_: Any
    ) -> tuple[Any, Any] | None:
        name = f"{model.service_model.service_name}.{model.name}"
        waiting = self._answers.get(name)
        if waiting is None:
            assert self._emulated, f"{name} was called, and the test has no answer"
            return None
        answer = waiting[0] if len(waiting) == 1 else waiting.popleft()
        if callable(answer) and not isinstance(answer, BaseException):
            answer = answer(context["asked"])
        if answer is None:
            return None
        if isinstance(answer, ClientError):
            return SimpleNamespace(status_code=400), answer.response
        if isinstance(answer, BaseException):
            raise answer
        if model.output_shape:
            problems = ParamValidator().validate(answer, model.output_shape)
            assert not problems.has_errors(), f"{name}: {problems.generate_report()}"
        return SimpleNamespace(status_code=200), dict(answer)

    def _change(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        name = f"{model.service_model.service_name}.{model.name}"
        change = self._changes.get(name)
        if change and name not in self._answers and "Error" not in parsed:
            change(parsed)


_DUMMY = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def error(code: str, message: str = "as recorded", status: int = 400) -> ClientError:
    """What AWS answers instead."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Recorded")
