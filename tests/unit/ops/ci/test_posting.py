"""One comment per pull request, one issue per stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.ci.changes import Change
from ops.ci.github import GitHub
from ops.ci.markdown import COMMENT_BYTES
from ops.ci.posting import (
    Outcome,
    comment_body,
    drift_body,
    marker,
    publish_comment,
    report_drift,
)
from tests.github import REPOSITORY, TOKEN, FakeGitHub, serving

RUN = "https://github.example/run/77"
HEAD = "c0ffee"
DATABASE = Change(
    op="update",
    type="aws:rds/instance:Instance",
    name="app-database",
    properties=("backupRetentionPeriod",),
)


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with serving() as server:
        server.pull(7, head=HEAD)
        yield server


@pytest.fixture
def github(server: FakeGitHub) -> GitHub:
    return GitHub(REPOSITORY, TOKEN, server.url)


class TestComments:
    def test_the_first_is_added_and_the_next_edits_it(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        server.comment(7, "looks good", author="User")
        first = publish_comment(github, 7, "preview", "one", foot=RUN, commit=HEAD)
        second = publish_comment(github, 7, "preview", "two", foot=RUN, commit=HEAD)
        assert (first, second) == (Outcome.added, Outcome.edited)
        bodies = [comment["body"] for comment in server.comments[7]]
        assert bodies == ["looks good", f"{marker('preview')}\ntwo\n\n{RUN}"]

    def test_the_same_again_is_left(self, github: GitHub, server: FakeGitHub) -> None:
        for expected in (Outcome.added, Outcome.unchanged):
            assert publish_comment(github, 7, "preview", "one") == expected
        assert not any(asked.startswith("PATCH") for asked in server.asked)

    def test_topics_do_not_meet(self, github: GitHub, server: FakeGitHub) -> None:
        publish_comment(github, 7, "preview", "one")
        publish_comment(github, 7, "review", "two")
        assert len(server.comments[7]) == 2

    def test_an_older_run_leaves_the_comment_to_the_newer(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        """Two pushes in a row: the run of the first may end last."""
        publish_comment(github, 7, "preview", "of the second push", commit=HEAD)
        late = publish_comment(github, 7, "preview", "of the first", commit="0ld")
        assert late is Outcome.outdated
        assert "of the second push" in server.comments[7][0]["body"]

    def test_where_none_is_needed_only_a_former_one_is_brought_up_to_date(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        none = publish_comment(github, 7, "preview", "no stack", only_edit=True)
        assert none is Outcome.none
        assert 7 not in server.comments
        publish_comment(github, 7, "preview", "three stacks")
        edited = publish_comment(github, 7, "preview", "no stack", only_edit=True)
        assert edited is Outcome.edited
        assert "no stack" in server.comments[7][0]["body"]

    def test_a_comment_that_is_too_long_is_cut_and_says_where_the_rest_is(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        long = "\n".join(f"| row {number} | ä |" for number in range(20_000))
        publish_comment(github, 7, "preview", long, foot=f"In full: {RUN}")
        body = server.comments[7][0]["body"]
        assert COMMENT_BYTES - 60 < len(body.encode()) <= COMMENT_BYTES
        assert body.startswith(f"{marker('preview')}\n| row 0 | ä |\n")
        assert body.endswith(f"… cut: this is all that GitHub takes.\n\nIn full: {RUN}")
        assert publish_comment(github, 7, "preview", long, foot=f"In full: {RUN}") is (
            Outcome.unchanged
        )

    def test_text_is_redacted_and_links_are_not(self) -> None:
        body = comment_body("review", "at https://10.0.0.1/x", "https://pr-7.example")
        assert "at [url]" in body
        assert body.endswith("\n\nhttps://pr-7.example")


class TestDrift:
    def test_an_issue_is_opened_edited_and_closed(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        assert report_drift(github, "staging", [DATABASE], RUN) is Outcome.added
        [issue] = server.issues
        assert issue["title"] == "Drift in staging"
        assert issue["labels"] == ["drift"]
        assert "`app-database`" in issue["body"]
        assert "`backupRetentionPeriod`" in issue["body"]
        assert RUN in issue["body"]

        assert report_drift(github, "staging", [DATABASE], "run 2") is Outcome.edited
        assert "run 2" in issue["body"]

        assert report_drift(github, "staging", [], RUN) is Outcome.closed
        assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
        [said] = server.comments[issue["number"]]
        assert said["body"] == "Nothing differs any more."

    def test_where_nothing_differs_there_is_no_issue(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        assert report_drift(github, "staging", [], RUN) is Outcome.none
        assert server.issues == []

    def test_stacks_have_issues_of_their_own(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        report_drift(github, "staging", [DATABASE], RUN)
        report_drift(github, "production", [DATABASE], RUN)
        assert report_drift(github, "staging", [], RUN) is Outcome.closed
        states = {issue["title"]: issue["state"] for issue in server.issues}
        assert states == {
            "Drift in staging": "closed",
            "Drift in production": "open",
        }

    def test_a_persons_issue_is_never_touched(
        self, github: GitHub, server: FakeGitHub
    ) -> None:
        theirs = server.issue(f"{marker('drift:staging')}", "drift", author="User")
        assert report_drift(github, "staging", [], RUN) is Outcome.none
        assert theirs["state"] == "open"

    def test_an_issue_of_thousands_of_resources_is_cut(self) -> None:
        body = drift_body("staging", [DATABASE] * 5_000, RUN)
        assert len(body.encode()) <= COMMENT_BYTES
        assert body.endswith(RUN)
