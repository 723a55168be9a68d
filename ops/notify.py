"""Tells a chat what was done: Slack, or whatever takes the same JSON."""

from __future__ import annotations

import os

WEBHOOK = "SLACK_WEBHOOK_URL"
"""Variable with the webhook's address. The address is a secret: who has it may post."""

TIMEOUT = 10.0
"""Seconds that the chat may take."""


def notify(text: str, url: str | None = None) -> str | None:
    """Post a text; why it was not posted, or None.

    That nobody could be told is never a reason to fail. The address is not repeated.
    """
    address = url or os.environ.get(WEBHOOK)
    if not address:
        return None
    import httpx

    try:
        answer = httpx.post(address, json={"text": text}, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"The chat was not told: {type(error).__name__}"
    if answer.is_error:
        return f"The chat was not told: HTTP {answer.status_code}"
    return None
