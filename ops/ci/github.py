"""What pipelines write to GitHub and ask of it, over its REST API."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError

if TYPE_CHECKING:
    import httpx

PAGE = 100
"""Entries of a page, the most that GitHub gives."""

ATTEMPTS = 4
"""How often a request is made that GitHub is too busy for."""

TIMEOUT_SECONDS = 20.0

_TURNED_AWAY = frozenset({429, 503})
_BUSY = _TURNED_AWAY | {502, 504}


class GitHubError(OpsError):
    """GitHub did not do it; the message says what was asked and what would help."""


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """A pull request as decisions need it.

    number: of it. open: whether it is neither merged nor closed. head: its newest
    commit. labels: names of them.
    """

    number: int
    open: bool
    head: str
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Post:
    """A comment or an issue of ours."""

    number: int
    body: str


def run_url(environment: Mapping[str, str] = os.environ) -> str:
    """Where the run of this job is shown; empty outside of GitHub."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if run else ""


class GitHub:
    """One repository on GitHub.

    repository: `OWNER/NAME`. token: of the job. api: where the REST API is.
    sleep: waits some seconds before a request is made again.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        api: str = "https://api.github.com",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._repository = repository
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=f"{api.rstrip('/')}/repos/{repository}/",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=TIMEOUT_SECONDS,
        )

    @classmethod
    def of_job(cls, environment: Mapping[str, str] = os.environ) -> GitHub:
        """The repository whose workflow runs this job.

        Raises GitHubError when a variable is missing.
        """
        needed = ("GITHUB_REPOSITORY", "GITHUB_TOKEN")
        missing = [name for name in needed if not environment.get(name)]
        if missing:
            raise GitHubError(
                f"{' and '.join(missing)} not set. GitHub sets the repository; the "
                "token goes to a step by `env: GITHUB_TOKEN: ${{ github.token }}`"
            )
        api = environment.get("GITHUB_API_URL") or "https://api.github.com"
        repository, token = (environment[name] for name in needed)
        return cls(repository, token, api)

    def pull_request(self, number: int) -> PullRequest | None:
        """A pull request; None when there is none of that number."""
        answer = self._ask("GET", f"pulls/{number}", missing_is_fine=True)
        if answer is None:
            return None
        return PullRequest(
            number=number,
            open=answer["state"] == "open",
            head=answer["head"]["sha"],
            labels=frozenset(label["name"] for label in answer["labels"]),
        )

    def comment_on(self, number: int, marker: str) -> Post | None:
        """The comment that begins with a marker and that a workflow wrote."""
        for found in self._pages(f"issues/{number}/comments"):
            if _is_ours(found, marker):
                return Post(number=found["id"], body=found["body"])
        return None

    def add_comment(self, number: int, body: str) -> None:
        """Comment on an issue or a pull request."""
        self._ask("POST", f"issues/{number}/comments", {"body": body})

    def edit_comment(self, comment: Post, body: str) -> None:
        """Replace what a comment says."""
        self._ask("PATCH", f"issues/comments/{comment.number}", {"body": body})

    def open_issue(self, label: str, marker: str) -> Post | None:
        """The open issue with a label that begins with a marker."""
        for found in self._pages("issues", {"labels": label, "state": "open"}):
            if "pull_request" not in found and _is_ours(found, marker):
                return Post(number=found["number"], body=found["body"])
        return None

    def create_issue(self, title: str, body: str, labels: Sequence[str]) -> int:
        """Open an issue; returns its number."""
        content = {"title": title, "body": body, "labels": list(labels)}
        return int(self._ask("POST", "issues", content)["number"])

    def edit_issue(self, issue: Post, body: str) -> None:
        """Replace what an issue says."""
        self._ask("PATCH", f"issues/{issue.number}", {"body": body})

    def close_issue(self, issue: Post) -> None:
        """Close an issue as done."""
        content = {"state": "closed", "state_reason": "completed"}
        self._ask("PATCH", f"issues/{issue.number}", content)

    def _pages(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            asked = {**(query or {}), "per_page": str(PAGE), "page": str(page)}
            found = self._ask("GET", path, query=asked)
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _ask(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        missing_is_fine: bool = False,
    ) -> Any:
        asked = f"GitHub, {method} {self._repository}/{path}"
        answer = self._send(asked, method, path, content, query)
        if answer.status_code == 404 and missing_is_fine:
            return None
        if answer.is_error:
            raise GitHubError(f"{asked}: {_refusal(answer)}")
        return answer.json()

    def _send(
        self,
        asked: str,
        method: str,
        path: str,
        content: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> httpx.Response:
        import httpx

        # What was sent may have been carried out, and a second comment is none of ours.
        adds = method == "POST"
        busy = _TURNED_AWAY if adds else _BUSY
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, json=content, params=query)
            except httpx.HTTPError as error:
                if attempt == ATTEMPTS or adds:
                    raise GitHubError(
                        f"{asked}: {type(error).__name__}, {error}. Run the job again"
                    ) from error
            else:
                if answer.status_code not in busy or attempt == ATTEMPTS:
                    return answer
            self._sleep(2.0**attempt)
        raise AssertionError("the last attempt returns or raises")


def _is_ours(found: Mapping[str, Any], marker: str) -> bool:
    """Anybody can write a marker; what a person wrote is not ours to edit."""
    body, author = found.get("body") or "", found.get("user") or {}
    return body.startswith(marker) and author.get("type") == "Bot"


def _refusal(answer: httpx.Response) -> str:
    try:
        said = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = answer.reason_phrase
    text = f"{answer.status_code} {said}"
    if answer.status_code in {401, 403, 404}:
        text += (
            ". The job's `permissions` must have `pull-requests: write` for comments, "
            "`issues: write` for issues; in a fork's run the token may only read"
        )
    return text
