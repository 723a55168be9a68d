"""Which environments of pull requests have outlived them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.ci.github import PullRequest
from ops.ci.reaper import ReviewStack, expiry, judge, review_stacks

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OPEN = PullRequest(number=7, open=True, head="c0ffee", labels=frozenset({"review"}))


def stack(hours: float | None = 1, **more: Any) -> ReviewStack:
    updated = None if hours is None else NOW - timedelta(hours=hours)
    return ReviewStack(name="pr-7", number=7, updated=updated, **more)


def decide(stack: ReviewStack, pull: PullRequest | None) -> tuple[bool, str]:
    [verdict] = judge([stack], lambda _: pull, NOW)
    return verdict.destroy, verdict.reason


def labelled(*labels: str, is_open: bool = True) -> PullRequest:
    return PullRequest(number=7, open=is_open, head="c0ffee", labels=frozenset(labels))


def test_a_closed_pull_request_has_none_for_long() -> None:
    closed = labelled("review", "persist", is_open=False)
    assert decide(stack(), closed) == (True, "the pull request is closed")


def test_an_open_one_keeps_it_for_its_time() -> None:
    assert decide(stack(hours=70), OPEN) == (False, "it has 2 hours left")
    assert decide(stack(hours=75), OPEN) == (True, "its time is over since 3 hours")


def test_a_tag_says_the_last_day() -> None:
    later, before = NOW + timedelta(hours=5), NOW - timedelta(hours=1)
    assert decide(stack(hours=900, expires=later), OPEN) == (
        False,
        "it has 5 hours left",
    )
    assert decide(stack(hours=2, expires=before), OPEN)[0]


def test_the_label_persist_keeps_it_for_as_long_as_it_is_open() -> None:
    assert decide(stack(hours=900), labelled("review", "persist")) == (
        False,
        "labelled `persist`",
    )


def test_without_the_label_review_it_goes() -> None:
    assert decide(stack(), labelled("persist")) == (
        True,
        "the label `review` was taken off",
    )


def test_what_is_being_updated_is_left_alone() -> None:
    busy = stack(hours=900, busy=True)
    assert decide(busy, labelled(is_open=False)) == (False, "an update is under way")


def test_a_pull_request_that_github_does_not_know_ends_with_its_time() -> None:
    """A token that may not see it gets the same answer as for none."""
    assert not decide(stack(hours=1), None)[0]
    assert decide(stack(hours=100), None) == (
        True,
        "GitHub knows no such pull request; its time is over since 28 hours",
    )


def test_one_that_never_came_up_is_left_to_its_pull_request() -> None:
    assert decide(stack(hours=None), OPEN) == (False, "never updated")
    assert decide(stack(hours=None), labelled(is_open=False))[0]


@pytest.mark.parametrize(
    "name",
    ["staging", "production", "pr-", "pr-0", "pr-07", "pr-7x", "my-pr-7", "PR-7"],
)
def test_no_other_stack_is_ever_a_candidate(name: str) -> None:
    assert review_stacks([{"name": name}]) == []


def test_stacks_are_read_as_pulumi_lists_them() -> None:
    found = review_stacks(
        [
            {"name": "staging", "current": True, "resourceCount": 215},
            {
                "name": "organization/stromhaltig/pr-12",
                "lastUpdate": "2026-11-29T11:00:00.995Z",
            },
            {"name": "pr-3"},
        ]
    )
    assert found == [
        ReviewStack(name="pr-3", number=3, updated=None),
        ReviewStack(
            name="pr-12",
            number=12,
            updated=datetime(2026, 11, 29, 11, 0, 0, 995_000, tzinfo=UTC),
        ),
    ]


def test_the_last_day_is_found_among_the_tags() -> None:
    def state(*outputs: Any) -> dict[str, Any]:
        return {"deployment": {"resources": [{"outputs": given} for given in outputs]}}

    tagged = {"tagsAll": {"Expires": "2026-12-01T00:00:00Z"}}
    assert expiry(state(None, {}, tagged)) == datetime(2026, 12, 1, tzinfo=UTC)
    assert expiry(state({"tagsAll": {"Expires": "soon"}})) is None
    assert expiry(state()) is None
    assert expiry({"deployment": None}) is None
