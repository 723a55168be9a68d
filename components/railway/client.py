"""A client of Railway's public GraphQL API.

Each query is written out in `operations.py`, and held against `schema.graphql` by a
test. A request that Railway refused because there were too many is sent again after the
time that it names. One that may or may not have been carried out (an error of the
server, a time-out, a lost connection) is sent again only where a second time does no
harm; else `Uncertain` is raised, and `ensure` looks whether the thing exists.
"""

from __future__ import annotations

import email.utils
import json
import re
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeVar

import httpx

ENDPOINT: Final = "https://backboard.railway.com/graphql/v2"
"""The public API."""

Owner = Literal["account", "project"]
"""Whose a token is: an account's (or a workspace's), or a project's."""

TIMEOUT: Final = 30.0
"""Seconds that an answer may take."""

ATTEMPTS: Final = 6
"""Times that a request is sent before it is given up."""

PATIENCE: Final = 300.0
"""Seconds that a request may wait between its attempts, all in all."""

_LONGEST_PAUSE: Final = 32.0  # seconds; projects can be made every 30
_T = TypeVar("_T")


class RailwayError(Exception):
    """Railway did not do what it was asked for; the message says what would help."""


class NotFoundError(RailwayError):
    """What was asked about does not exist, or no more."""


class UnauthorizedError(RailwayError):
    """The token is missing, wrong, or allowed too little."""


class RateLimitedError(RailwayError):
    """There were too many requests, for longer than is worth waiting."""


class UncertainError(RailwayError):
    """Nobody knows whether the request was carried out."""


class ExistsError(RailwayError):
    """Something of that name is there already."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A query or mutation.

    name: its only field, as Railway calls it.
    text: the GraphQL document.
    repeatable: sent twice it does what it does once: queries, upserts, deletions.
    """

    name: str
    text: str
    repeatable: bool = False


class Client:
    """Sends operations to the API with one token.

    token: the token itself.
    owner: whose it is, which decides the header that carries it.
    endpoint: URL of the API.
    timeout: seconds that an answer may take.

    Raises UnauthorizedError for what cannot be a token.
    """

    def __init__(
        self,
        token: str,
        *,
        owner: Owner = "account",
        endpoint: str = ENDPOINT,
        timeout: float = TIMEOUT,
    ) -> None:
        if re.fullmatch(r"[!-~]+", token) is None:
            raise UnauthorizedError(
                "the token for Railway has spaces or other characters that no token "
                "has: copy it again"
            )
        self._token = token
        self._endpoint = endpoint
        header = (
            {"Project-Access-Token": token}
            if owner == "project"
            else {"Authorization": f"Bearer {token}"}
        )
        # What a proxy of the machine says is for the internet, not for a loopback.
        self._http = httpx.Client(
            headers={**header, "User-Agent": "stromhaltig-infra"},
            timeout=timeout,
            trust_env=not _is_loopback(endpoint),
            verify=_authorities(),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        operation: Operation,
        variables: Mapping[str, Any],
        secrets: Collection[str] = (),
    ) -> Any:
        """Return what the operation's field says.

        variables: of the GraphQL document.
        secrets: values among them that no message may show.

        Raises:
            RailwayError: with the operation, what Railway said, and what would help.
                The token and the secrets are never part of it.
        """
        said = _Said(operation.name, self._endpoint, (self._token, *secrets))
        waited = 0.0
        for attempt in range(ATTEMPTS):
            trouble = self._attempt(operation, variables, said)
            if isinstance(trouble, _Answer):
                return trouble.value
            pause = (
                min(2.0**attempt, _LONGEST_PAUSE)
                if trouble.retry_after is None
                else trouble.retry_after
            )
            waited += pause
            last = attempt == ATTEMPTS - 1
            if last or waited > PATIENCE or not trouble.may_repeat:
                raise trouble.error(pause)
            time.sleep(pause)
        raise AssertionError("the last attempt answers or raises")

    def _attempt(
        self, operation: Operation, variables: Mapping[str, Any], said: _Said
    ) -> _Answer | _Trouble:
        body = {
            "query": operation.text,
            "operationName": operation.name,
            "variables": variables,
        }
        try:
            response = self._http.post(self._endpoint, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return said.unreachable(_why(error), sent=False, may_repeat=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise said.error(
                RailwayError, f'"{self._endpoint}" is no address of an API ({error})'
            ) from None
        except httpx.TransportError as error:
            why = _why(error)
            return said.unreachable(why, sent=True, may_repeat=operation.repeatable)
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return said.limited("too many requests", _retry_after(response))
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            why = f"answered HTTP {status}"
            return said.unreachable(why, sent=True, may_repeat=operation.repeatable)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                raise said.unauthorized(f"HTTP {status}")
            raise said.error(
                RailwayError,
                f"answered HTTP {status} without JSON. Is {self._endpoint} the API?",
            )
        if errors := document.get("errors"):
            return said.refused(errors)
        data = document.get("data")
        if not isinstance(data, dict) or operation.name not in data:
            raise said.error(RailwayError, f"answered HTTP {status} without data")
        return _Answer(data[operation.name])


def ensure(
    find: Callable[[], _T | None], create: Callable[[], _T], attempts: int = 3
) -> _T:
    """Return what `find` finds; otherwise create it, once.

    A creation that may have happened although it failed is not repeated before `find`
    has looked again: a re-run goes on with what the run before left behind.

    Raises what `create` raises.
    """
    if (found := find()) is not None:
        return found
    for attempt in range(attempts):
        try:
            return create()
        except (UncertainError, ExistsError) as error:
            if (found := find()) is not None:
                return found
            if isinstance(error, ExistsError) or attempt == attempts - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True)
class _Answer:
    value: Any


@dataclass(frozen=True)
class _Trouble:
    """Why an attempt failed, and whether another one makes sense.

    retry_after: seconds that Railway wants us to wait; None when it does not say.
    error: what to raise when there is no other attempt; told the pause that was due.
    """

    may_repeat: bool
    error: Callable[[float], RailwayError]
    retry_after: float | None = None


class _Said:
    """Words for what went wrong with an operation, without its secrets."""

    def __init__(self, operation: str, endpoint: str, secrets: Collection[str]) -> None:
        self._operation = operation
        self._endpoint = endpoint
        # As they are, and as they are within JSON.
        forms = {f for s in secrets if s for f in (s, json.dumps(s)[1:-1])}
        # The longest first: one may be part of another.
        self._secrets = sorted(forms, key=len, reverse=True)

    def error(self, kind: type[RailwayError], text: str) -> RailwayError:
        text = f"Railway, {self._operation}: {text}"
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return kind(text)

    def unreachable(self, why: str, *, sent: bool, may_repeat: bool) -> _Trouble:
        def error(_: float) -> RailwayError:
            if not sent:
                return self.error(
                    RailwayError,
                    f"{self._endpoint} cannot be reached ({why}). Nothing was changed: "
                    "run it again once it can.",
                )
            return self.error(
                UncertainError,
                f"{why}. Perhaps it was carried out all the same: run it again, which "
                "goes on with what is there. status.railway.com tells of outages.",
            )

        return _Trouble(may_repeat, error)

    def limited(self, why: str, retry_after: float | None) -> _Trouble:
        def error(pause: float) -> RailwayError:
            return self.error(
                RateLimitedError,
                f"{why}. Run it again in {pause:.0f} s, which goes on with what is "
                "there; a larger plan allows more requests.",
            )

        return _Trouble(may_repeat=True, error=error, retry_after=retry_after)

    def unauthorized(self, why: str) -> RailwayError:
        return self.error(
            UnauthorizedError,
            f"{why}. The token is wrong, was revoked, or may not do this: make one at "
            "railway.com/account/tokens in the workspace of the project. A project's "
            "own token can make no project. After a change of the token, `pulumi up` "
            "first puts the new one into the state.",
        )

    def refused(self, errors: Any) -> _Trouble:
        """Say what GraphQL errors mean; only a rate limit is worth another attempt."""
        messages = [str(error.get("message", "")) for error in errors]
        codes = {
            str((error.get("extensions") or {}).get("code", "")) for error in errors
        }
        text = "; ".join(filter(None, messages)) or "an error without a message"
        if codes & _LIMIT_CODES or _TOO_QUICK.search(text):
            return self.limited(text, None)
        if codes & _AUTH_CODES or "not authorized" in text.lower():
            raise self.unauthorized(text)
        if codes & _MISSING_CODES or re.search(r"\bnot found\b", text, re.IGNORECASE):
            raise self.error(NotFoundError, text)
        if _EXISTS.search(text):
            raise self.error(ExistsError, f"{text}. Choose another, or delete it.")
        if codes & _PLAN_CODES:
            raise self.error(
                RailwayError, f"{text}. The workspace's plan does not allow it."
            )
        if _TRY_AGAIN.search(text):
            return self.unreachable(text, sent=True, may_repeat=False)
        raise self.error(RailwayError, f"{text}{_remedy(self._operation, text)}")


# Observed codes and messages: alchemy-run/distilled,
# packages/railway/patches/graphql/00-errors.json, and terraform-provider-railway,
# internal/provider/client.go.
_LIMIT_CODES: Final = {"RATE_LIMITED", "TOO_MANY_REQUESTS"}
_AUTH_CODES: Final = {"UNAUTHENTICATED", "UNAUTHORIZED", "FORBIDDEN"}
_PLAN_CODES: Final = {"PLAN_LIMIT", "SUBSCRIPTION_REQUIRED"}
_MISSING_CODES: Final = {
    "NOT_FOUND",
    "PROJECT_NOT_FOUND",
    "SERVICE_NOT_FOUND",
    "ENVIRONMENT_NOT_FOUND",
    "VOLUME_NOT_FOUND",
    "RESOURCE_NOT_FOUND",
}
_TOO_QUICK: Final = re.compile(
    r"too quickly|rate.?limit|throttl|whoa there|can be created per user every",
    re.IGNORECASE,
)
_EXISTS: Final = re.compile(r"already (exists|in use|taken)|is taken", re.IGNORECASE)
_TRY_AGAIN: Final = re.compile(
    r"please try again|already in progress|gateway time-?out|bad gateway"
    r"|service unavailable|Failed to create service domain",
    re.IGNORECASE,
)


def _remedy(operation: str, text: str) -> str:
    if "workspace" in text.lower():
        return ". Name the workspace: its id is in the dashboard, with Cmd or Ctrl K."
    if operation.startswith("customDomain"):
        return ". Check the name, and that no other project has it."
    if "Problem processing request" in text:
        return ". Railway says no more; status.railway.com tells of outages."
    return ""


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks us to wait, from either form of the header."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _why(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__


@cache
def _authorities() -> ssl.SSLContext:
    """Whom certificates are trusted of: to read them takes longer than a request."""
    return httpx.create_ssl_context()


def _is_loopback(endpoint: str) -> bool:
    host = re.match(r"https?://(\[[^]]*]|[^/:]+)", endpoint)
    return host is not None and host[1] in ("127.0.0.1", "localhost", "[::1]")
