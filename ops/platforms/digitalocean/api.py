"""DigitalOcean's HTTP API, as far as operations use it.

Paths and fields are those of the public reference,
docs.digitalocean.com/reference/api, and of `digitalocean/godo`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ops.errors import FailedError, OpsError

if TYPE_CHECKING:
    import httpx

ENDPOINT: Final = "https://api.digitalocean.com"
"""The public API; the variable DIGITALOCEAN_API_URL names another, as for Pulumi."""

TOKENS: Final = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
"""Variables with the token, as the provider reads them."""

TIMEOUT: Final = 30.0
"""Seconds that an answer may take."""

ATTEMPTS: Final = 5
"""Times that a question is asked before it is given up."""

_LONGEST_PAUSE: Final = 30.0


class NotFoundError(OpsError):
    """What was asked about does not exist, or the token may not see it."""


class Api:
    """Asks with one token.

    token: with which scopes, the message of a refusal says.
    transport, sleep: others for tests.
    """

    def __init__(
        self,
        token: str,
        endpoint: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._sleep = sleep
        self._http = httpx.Client(
            base_url=endpoint or os.environ.get("DIGITALOCEAN_API_URL") or ENDPOINT,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def get(self, path: str, **query: str | int) -> Any:
        """Ask for something.

        Raises NotFoundError, and OpsError with what the API says.
        """
        return self._call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make or begin something; FailedError when that may have happened or not."""
        return self._call("POST", path, body=body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Set something."""
        return self._call("PUT", path, body=body)

    def delete(self, path: str) -> None:
        """Remove something; what is gone is no error."""
        try:
            self._call("DELETE", path)
        except NotFoundError:
            return

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        import httpx

        what = f"DigitalOcean, {method} {path}"
        # Asked twice, a POST could make two.
        attempts = 1 if method == "POST" else ATTEMPTS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._http.request(method, path, params=query, json=body)
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                if attempt >= attempts:
                    raise _unanswered(what, why, method) from None
            else:
                if answer.is_success:
                    return answer.json() if answer.content else {}
                limited = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
                patient = limited or answer.is_server_error
                if not patient or attempt >= (ATTEMPTS if limited else attempts):
                    raise _refusal(what, answer)
                pause = answer.headers.get("Retry-After", "")
                if pause.isdecimal():
                    self._sleep(min(float(pause), _LONGEST_PAUSE))
                    continue
            self._sleep(min(2.0**attempt, _LONGEST_PAUSE))
        raise AssertionError("the last attempt answers or raises")


def _unanswered(what: str, why: str, method: str) -> OpsError:
    if method == "GET":
        return OpsError(
            f"{what}: no answer ({why}). status.digitalocean.com tells more"
        )
    return FailedError(
        f"{what}: no answer ({why}). Perhaps it was carried out all the same: look at "
        "cloud.digitalocean.com before you try again"
    )


def _refusal(what: str, answer: httpx.Response) -> OpsError:
    try:
        said = str(answer.json()["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        said = f"HTTP {answer.status_code}"
    if answer.status_code == 404:
        return NotFoundError(f"{what}: {said}")
    remedies = {
        401: "The token is wrong or was revoked. Make one at "
        "cloud.digitalocean.com/account/api/tokens, and set it: pulumi config set "
        "--secret digitalocean:token",
        403: "The token lacks a scope for it: give it one, at "
        "cloud.digitalocean.com/account/api/tokens",
        429: "The token's limit of requests is used up: try again in an hour",
    }
    remedy = remedies.get(
        answer.status_code, "status.digitalocean.com tells of outages"
    )
    return OpsError(f"{what}: {said}. {remedy}")


def token(configured: str | None) -> str:
    """The token of the stack, or of the environment.

    Raises OpsError when there is none.
    """
    found = configured or next(filter(None, map(os.environ.get, TOKENS)), None)
    if not found:
        raise OpsError(
            f"There is no token for DigitalOcean: neither {TOKENS[0]} nor "
            "digitalocean:token in the stack. Make one at "
            "cloud.digitalocean.com/account/api/tokens"
        )
    return found
