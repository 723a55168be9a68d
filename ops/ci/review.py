"""What an event of a pull request means for its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ops.ci.github import PullRequest
from ops.ci.reaper import REVIEW_LABEL
from ops.errors import OpsError


class Action(StrEnum):
    """What is to be done."""

    up = "up"
    down = "down"
    none = "none"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done for a pull request, and why."""

    action: Action
    number: int
    reason: str


def decide(event: Mapping[str, Any]) -> Decision:
    """Decide by the event of a pull request, as GitHub hands it to a workflow.

    Raises OpsError for another event.
    """
    try:
        pull = event["pull_request"]
        number, action = int(pull["number"]), str(event["action"])
        ours = event["repository"]["full_name"]
        theirs = (pull["head"].get("repo") or {}).get("full_name")
        labels = {label["name"] for label in pull["labels"]}
        changed = (event.get("label") or {}).get("name")
        is_open = pull["state"] == "open"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OpsError(f"this is no event of a pull request: no {error}") from error

    def decision(action: Action, reason: str) -> Decision:
        return Decision(action=action, number=number, reason=reason)

    if theirs != ours:
        return decision(
            Action.none,
            "the branch is a fork's: its code gets no credentials, and the rehearsal "
            "instead of an environment",
        )
    if not is_open:
        return decision(Action.down, "the pull request is closed")
    if action == "unlabeled" and changed == REVIEW_LABEL:
        return decision(Action.down, f"the label `{REVIEW_LABEL}` was taken off")
    if REVIEW_LABEL not in labels:
        return decision(Action.none, f"it is not labelled `{REVIEW_LABEL}`")
    if action in {"labeled", "unlabeled"} and changed != REVIEW_LABEL:
        return decision(Action.none, f"`{changed}` changes nothing of it")
    return decision(Action.up, f"it is labelled `{REVIEW_LABEL}`")


def unwanted(pull: PullRequest | None, commit: str) -> str:
    """Why the environment of a commit is not to be made; empty when it is.

    An image takes its time: what was decided before may not hold any more.
    """
    if pull is None or not pull.open:
        return "the pull request is closed"
    if REVIEW_LABEL not in pull.labels:
        return f"the label `{REVIEW_LABEL}` was taken off"
    if pull.head != commit:
        return "the pull request has a newer commit"
    return ""
