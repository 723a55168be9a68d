"""Talking to GitHub, on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ops.ci import github as module
from ops.ci.github import GitHub, GitHubError, run_url
from tests.github import REPOSITORY, TOKEN, FakeGitHub, serving


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with serving() as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def github(server: FakeGitHub, waits: list[float]) -> GitHub:
    return GitHub(REPOSITORY, TOKEN, server.url, sleep=waits.append)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(GitHubError) as refused:
        call()
    assert TOKEN not in str(refused.value)
    return str(refused.value)


def test_a_pull_request_is_read(github: GitHub, server: FakeGitHub) -> None:
    server.pull(7, "review", "persist", head="abc")
    found = github.pull_request(7)
    assert found == module.PullRequest(
        number=7, open=True, head="abc", labels=frozenset({"review", "persist"})
    )
    server.pull(7, state="closed")
    closed = github.pull_request(7)
    assert closed is not None
    assert not closed.open


def test_one_that_there_is_not_is_none(github: GitHub) -> None:
    assert github.pull_request(404) is None


def test_a_comment_is_found_on_the_second_page(
    github: GitHub, server: FakeGitHub
) -> None:
    for number in range(130):
        server.comment(7, f"chatter {number}", author="User")
    ours = server.comment(7, "<!-- x -->\nours")
    found = github.comment_on(7, "<!-- x -->")
    assert found is not None
    assert (found.number, found.body) == (ours["id"], ours["body"])


def test_a_persons_comment_with_our_marker_is_not_ours(
    github: GitHub, server: FakeGitHub
) -> None:
    server.comment(7, "<!-- x -->\nedit me", author="User")
    assert github.comment_on(7, "<!-- x -->") is None


def test_what_github_is_too_busy_for_is_asked_again(
    github: GitHub, server: FakeGitHub, waits: list[float]
) -> None:
    server.pull(7)
    server.failures = [(502, "Bad Gateway"), (429, "slow down")]
    assert github.pull_request(7) is not None
    assert waits == [2, 4]


def test_but_not_for_ever(
    github: GitHub, server: FakeGitHub, waits: list[float]
) -> None:
    server.failures = [(503, "away")] * 10
    assert "503 away" in refusal(lambda: github.add_comment(7, "x"))
    assert len(server.asked) == module.ATTEMPTS
    assert len(waits) == module.ATTEMPTS - 1


def test_a_token_that_may_only_read_is_told_what_it_lacks(
    github: GitHub, server: FakeGitHub
) -> None:
    server.denied = True
    said = refusal(lambda: github.add_comment(7, "x"))
    assert said.startswith(
        f"GitHub, POST {REPOSITORY}/issues/7/comments: 403 Resource not accessible by "
        "integration. The job's `permissions` must have `pull-requests: write`"
    )


def test_a_wrong_token_is_told_without_it(server: FakeGitHub) -> None:
    wrong = GitHub(REPOSITORY, "ghs_wrong", server.url)
    assert "ghs_wrong" not in refusal(lambda: wrong.pull_request(1))


def test_a_connection_that_breaks_is_tried_again_but_adds_nothing_twice(
    waits: list[float],
) -> None:
    with serving() as server:
        url = server.url
    nobody = GitHub(REPOSITORY, TOKEN, url, sleep=waits.append)
    said = refusal(lambda: nobody.pull_request(1))
    assert "ConnectError" in said
    assert len(waits) == module.ATTEMPTS - 1
    waits.clear()
    refusal(lambda: nobody.add_comment(1, "x"))
    assert waits == []


def test_what_may_have_been_added_is_not_added_again(
    github: GitHub, server: FakeGitHub, waits: list[float]
) -> None:
    server.failures = [(502, "Bad Gateway")]
    assert "502 Bad Gateway" in refusal(lambda: github.add_comment(7, "x"))
    assert len(server.asked) == 1
    ours = server.comment(7, "<!-- x -->\nold")
    server.failures = [(502, "Bad Gateway")]
    github.edit_comment(module.Post(number=ours["id"], body=""), "new")
    assert ours["body"] == "new"
    assert waits == [2]


def test_the_job_says_which_repository(server: FakeGitHub) -> None:
    server.pull(3)
    assert GitHub.of_job(server.environment).pull_request(3) is not None


def test_without_a_token_the_remedy_is_named() -> None:
    said = refusal(lambda: GitHub.of_job({"GITHUB_REPOSITORY": REPOSITORY}))
    assert said.startswith("GITHUB_TOKEN not set.")


def test_the_run_has_an_address_on_github_only(server: FakeGitHub) -> None:
    expected = f"https://github.example/{REPOSITORY}/actions/runs/77"
    assert run_url(server.environment) == expected
    assert run_url({}) == ""
