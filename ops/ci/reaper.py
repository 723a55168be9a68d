"""Which environments of pull requests have outlived them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ops.ci.github import PullRequest

REVIEW_LABEL = "review"
"""Label of a pull request that gets an environment of its own."""

PERSIST_LABEL = "persist"
"""Label of one whose environment stays for as long as it is open."""

MAX_AGE = timedelta(hours=72)
"""How long an environment stays that nobody updates and that has no last day."""

STACK_TAG = ("purpose", "review")
"""Tag, of Pulumi and not of AWS, by which environments are listed.

Without it every stack's state would have to be read, which whoever deploys reviews may
not.
"""

EXPIRES = "Expires"
"""Tag that says from when on an environment may be taken down."""

_NAME = re.compile(r"pr-([1-9]\d{0,8})")


@dataclass(frozen=True, kw_only=True)
class ReviewStack:
    """The stack of a pull request.

    updated: when it last was; None when no update ever came to an end.
    expires: from when on it may go, as it is tagged; None without the tag.
    busy: whether an update is under way.
    """

    name: str
    number: int
    updated: datetime | None
    expires: datetime | None = None
    busy: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to become of a stack, and why.

    pull: its pull request; None when GitHub knows none.
    """

    stack: ReviewStack
    destroy: bool
    reason: str
    pull: PullRequest | None = None


def review_stacks(listed: Iterable[Mapping[str, Any]]) -> list[ReviewStack]:
    """The stacks of pull requests among what `pulumi stack ls --json` lists.

    It lists those of this project only; what is not called `pr-NUMBER` is nobody's
    environment for review, and never touched.
    """
    found = []
    for entry in listed:
        name = str(entry["name"]).rpartition("/")[2]
        if number := _NAME.fullmatch(name):
            stack = ReviewStack(
                name=name,
                number=int(number[1]),
                updated=_time(entry.get("lastUpdate")),
            )
            found.append(stack)
    return sorted(found, key=lambda stack: stack.number)


def expiry(state: Any) -> datetime | None:
    """The tag in an exported state that says from when on its stack may go."""
    for resource in (state.get("deployment") or {}).get("resources") or ():
        tags = (resource.get("outputs") or {}).get("tagsAll") or {}
        if isinstance(tags, Mapping) and EXPIRES in tags:
            return _time(tags[EXPIRES])
    return None


def judge(
    stacks: Iterable[ReviewStack],
    pull_request: Callable[[int], PullRequest | None],
    now: datetime,
    max_age: timedelta = MAX_AGE,
) -> list[Verdict]:
    """Decide about each stack.

    pull_request: gives the one of a number, None for one that GitHub does not know.
    """
    verdicts = []
    for stack in stacks:
        pull = pull_request(stack.number)
        destroy, reason = _decision(stack, pull, now, max_age)
        verdicts.append(Verdict(stack=stack, destroy=destroy, reason=reason, pull=pull))
    return verdicts


def _decision(
    stack: ReviewStack, pull: PullRequest | None, now: datetime, max_age: timedelta
) -> tuple[bool, str]:
    """Whether it goes, and why it does or does not."""
    over, age = _age(stack, now, max_age)
    if stack.busy:
        return False, "an update is under way"
    if pull is None:
        # A token that may not see it gets the same answer as one of none.
        return over, f"GitHub knows no such pull request; {age}"
    if not pull.open:
        return True, "the pull request is closed"
    if REVIEW_LABEL not in pull.labels:
        return True, f"the label `{REVIEW_LABEL}` was taken off"
    if PERSIST_LABEL in pull.labels:
        return False, f"labelled `{PERSIST_LABEL}`"
    return over, age


def _age(stack: ReviewStack, now: datetime, max_age: timedelta) -> tuple[bool, str]:
    """Whether its time is over, in words too."""
    if stack.updated is None and stack.expires is None:
        return False, "never updated"
    end = stack.expires or (stack.updated or now) + max_age
    hours = (end - now).total_seconds() / 3600
    if hours <= 0:
        return True, f"its time is over since {-hours:.0f} hours"
    return False, f"it has {hours:.0f} hours left"


def _time(text: Any) -> datetime | None:
    """A time as Pulumi and the tags write it; None for what is none."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
