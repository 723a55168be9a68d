"""What the app says of itself, asked from outside as a visitor or monitor would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import typer

from ops.errors import OpsError

TIMEOUT = 10.0
"""Seconds that an answer may take."""

INTERVAL = 3.0
"""Seconds between two questions."""

TOKEN = "HEALTH_CHECK_TOKEN"  # noqa: S105 - the name of a variable
"""Variable with the token that shows details; also a secret of the app."""

URL = "STROMHALTIG_HEALTH_URL"
"""Variable with another address than the stack's own, such as one before a CDN."""

HealthUrlOption = Annotated[
    str | None,
    typer.Option(
        "--health-url",
        envvar=URL,
        help="Ask here whether the app is well; default the stack's health_url.",
    ),
]


@dataclass(frozen=True)
class Health:
    """An answer, or the lack of one.

    status: as the app says it: ok, degraded, error, stopping; or `unreachable`.
    code: of HTTP; 0 without an answer. checks: part to how it is, with the token only.
    """

    url: str
    status: str
    code: int
    milliseconds: int
    version: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def well(self) -> bool:
        """Whether the app and its database work."""
        return self.code == 200

    def __str__(self) -> str:
        said = f"{self.status}, HTTP {self.code}, {self.milliseconds} ms"
        if self.reason:
            said = self.reason
        unwell = [f"{k}: {v}" for k, v in self.checks.items() if v != "ok"]
        return ", ".join([said, *unwell])


def ask(url: str, token: str | None = None) -> Health:
    """Ask once."""
    import httpx

    headers = {"X-Health-Check-Token": token} if token else {}
    began = time.monotonic()
    try:
        answer = httpx.get(url, headers=headers, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        took = _milliseconds(began)
        why = str(error) or type(error).__name__
        return Health(url, "unreachable", 0, took, reason=f"no answer: {why}")
    took = _milliseconds(began)
    try:
        data = answer.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        said = f"HTTP {answer.status_code}, and it is not the app that answers"
        return Health(url, "unreachable", answer.status_code, took, reason=said)
    checks = {
        str(name): str(found.get("status")) if isinstance(found, dict) else str(found)
        for name, found in (data.get("checks") or {}).items()
    }
    return Health(
        url,
        str(data.get("status", "unknown")),
        answer.status_code,
        took,
        version=str(data.get("version", "")),
        checks=checks,
    )


def until_well(
    url: str,
    *,
    token: str | None = None,
    patience: float = 60.0,
    times: int = 2,
    ask: Callable[[str, str | None], Health] = ask,
    sleep: Callable[[float], None] = time.sleep,
) -> Health:
    """Ask until the app is well `times` in a row, or patience (seconds) has run out.

    The last answer; it is not well when patience has run out.
    """
    deadline = time.monotonic() + patience
    in_a_row = 0
    while True:
        health = ask(url, token)
        in_a_row = in_a_row + 1 if health.well else 0
        if in_a_row >= times or time.monotonic() >= deadline:
            return health
        sleep(INTERVAL)


def url_of(outputs: Mapping[str, object], given: str | None = None) -> str:
    """Where the health of a stack is asked for.

    Raises OpsError when the stack has no such address.
    """
    url = given or outputs.get("health_url")
    if not url:
        raise OpsError(
            "The stack has no health_url: it runs no app, or was never deployed."
        )
    return str(url)


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
