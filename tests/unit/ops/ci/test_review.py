"""What an event of a pull request means for its environment."""

from __future__ import annotations

from typing import Any

import pytest

from ops.ci.github import PullRequest
from ops.ci.review import Action, decide, unwanted
from ops.errors import OpsError

OURS = "stromdao/stromhaltig-infra"


def event(
    action: str,
    *labels: str,
    label: str | None = None,
    head: str | None = OURS,
    state: str = "open",
) -> dict[str, Any]:
    return {
        "action": action,
        "repository": {"full_name": OURS},
        "pull_request": {
            "number": 7,
            "state": state,
            "labels": [{"name": name} for name in labels],
            "head": {"repo": head and {"full_name": head}},
        },
        **({"label": {"name": label}} if label else {}),
    }


def action(*given: Any, **more: Any) -> Action:
    return decide(event(*given, **more)).action


def test_the_label_brings_it_up_and_takes_it_down() -> None:
    assert action("labeled", "review", label="review") is Action.up
    assert action("unlabeled", label="review") is Action.down


def test_a_push_updates_what_is_labelled_and_nothing_else() -> None:
    assert action("synchronize", "review") is Action.up
    assert action("synchronize", "bug") is Action.none
    assert action("reopened", "review") is Action.up


def test_another_label_changes_nothing() -> None:
    assert action("labeled", "review", "bug", label="bug") is Action.none
    assert action("unlabeled", "review", label="bug") is Action.none


def test_closing_takes_it_down() -> None:
    assert action("closed", "review", state="closed") is Action.down


@pytest.mark.parametrize("head", ["somebody/stromhaltig-infra", None])
def test_a_label_on_a_fork_gives_nothing_and_says_why(head: str | None) -> None:
    """A fork that was deleted since has no repository at all."""
    decision = decide(event("labeled", "review", label="review", head=head))
    assert decision.action is Action.none
    assert "the branch is a fork's" in decision.reason
    assert "the rehearsal" in decision.reason


@pytest.mark.parametrize(
    "broken", [{}, {"action": "labeled"}, {"pull_request": None, "action": "x"}]
)
def test_another_event_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(OpsError, match="this is no event of a pull request"):
        decide(broken)


def now(*labels: str, head: str = "new", is_open: bool = True) -> PullRequest:
    return PullRequest(number=7, open=is_open, head=head, labels=frozenset(labels))


@pytest.mark.parametrize(
    ("pull", "reason"),
    [
        (now("review", "bug"), ""),
        (None, "the pull request is closed"),
        (now("review", is_open=False), "the pull request is closed"),
        (now("bug"), "the label `review` was taken off"),
        (now("review", head="newer"), "the pull request has a newer commit"),
    ],
)
def test_what_was_decided_may_not_hold_when_the_image_is_there(pull, reason) -> None:
    assert unwanted(pull, "new") == reason
