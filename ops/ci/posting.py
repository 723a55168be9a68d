"""One comment per pull request and topic, one issue per stack: edited, not repeated."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ops.ci.changes import Change
from ops.ci.github import GitHub, Post
from ops.ci.markdown import COMMENT_BYTES, code, cut, table
from ops.ci.redaction import redact

DRIFT_LABEL = "drift"
"""Label of the issues that say that a stack differs from its program."""


class Outcome(StrEnum):
    """What became of a comment or an issue."""

    added = "added"
    edited = "edited"
    unchanged = "unchanged"
    closed = "closed"
    none = "not needed"
    outdated = "left to a newer run"


def marker(topic: str) -> str:
    """What a comment or an issue of ours begins with; nobody sees it."""
    return f"<!-- stromhaltig:{topic} -->"


def comment_body(topic: str, text: str, foot: str) -> str:
    """A comment as it is published: marked, redacted, as short as GitHub wants it.

    foot: what stays as it is, such as links that everybody may see.
    """
    head, end = f"{marker(topic)}\n", f"\n\n{foot}" if foot else ""
    room = COMMENT_BYTES - len((head + end).encode())
    return head + cut(redact(text), room, "… cut: this is all that GitHub takes.") + end


def foot(run: str, link: str = "") -> str:
    """What a comment ends with.

    run: address of the run, whose summary has more; link: another; either empty.
    """
    full = f"In full: [the summary of the run]({run})" if run else ""
    return "\n\n".join(filter(None, (link, full)))


def publish_comment(
    github: GitHub,
    number: int,
    topic: str,
    text: str,
    *,
    foot: str = "",
    commit: str = "",
    only_edit: bool = False,
) -> Outcome:
    """Write a comment, or edit the one of before.

    foot: as of `comment_body`. commit: what the text is about; when the pull request
    has a newer one, that one's run has written or will write. only_edit: whether to
    write none where none is.
    """
    if commit:
        pull_request = github.pull_request(number)
        if pull_request is None or pull_request.head != commit:
            return Outcome.outdated
    body = comment_body(topic, text, foot)
    there = github.comment_on(number, marker(topic))
    if there is None:
        if only_edit:
            return Outcome.none
        github.add_comment(number, body)
        return Outcome.added
    if there.body.strip() == body.strip():
        return Outcome.unchanged
    github.edit_comment(there, body)
    return Outcome.edited


def drift_body(stack: str, changes: Sequence[Change], run: str) -> str:
    """What an issue says about a stack that differs from its program."""
    rows = [
        (change.op, code(change.name), code(change.type), _which(change))
        for change in changes
    ]
    text = redact(
        f"Something changed resources of stack {code(stack)} without its program:\n\n"
        + table(("", "resource", "type", "what of it"), rows)
        + "\n\n`update`: another value than the program's. `delete`: not there any "
        f"more. Put it right with `stromhaltig deploy --stack {stack}`, which makes "
        "it as the program says, or change the program.\n\n"
        "This issue is edited each night, and closed when nothing differs."
    )
    seen = f"\n\nLast seen by {run}" if run else ""
    head = f"{marker(_drift(stack))}\n"
    room = COMMENT_BYTES - len((head + seen).encode())
    return head + cut(text, room, "… and more than GitHub takes.") + seen


def report_drift(
    github: GitHub, stack: str, changes: Sequence[Change], run: str
) -> Outcome:
    """Open, edit or close the issue about a stack's drift."""
    there = github.open_issue(DRIFT_LABEL, marker(_drift(stack)))
    if not changes:
        return _close(github, there)
    body = drift_body(stack, changes, run)
    if there is None:
        github.create_issue(f"Drift in {stack}", body, [DRIFT_LABEL])
        return Outcome.added
    github.edit_issue(there, body)
    return Outcome.edited


def _close(github: GitHub, there: Post | None) -> Outcome:
    if there is None:
        return Outcome.none
    github.add_comment(there.number, "Nothing differs any more.")
    github.close_issue(there)
    return Outcome.closed


def _drift(stack: str) -> str:
    return f"drift:{stack}"


def _which(change: Change) -> str:
    return ", ".join(map(code, change.properties))
