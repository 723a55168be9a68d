"""A GitHub on loopback: as much of its REST API as pipelines use."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "stromdao/stromhaltig-infra"
TOKEN = "ghs_of_the_job"
LIMIT = 65_536


class FakeGitHub:
    """Pull requests, comments and issues of one repository, kept in memory.

    url: where its API answers. asked: method and path of each request, in order.
    failures: answers to give first, as status and message. denied: whether the token
    may only read, as in a fork's run.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.failures: list[tuple[int, str]] = []
        self.denied = False
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.issues: list[dict[str, Any]] = []
        self._ids = iter(range(1000, 100_000))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a job has."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": TOKEN,
        }

    def pull(self, number: int, *labels: str, head: str = "c0ffee", state="open"):
        """Let there be a pull request."""
        named = [{"name": label} for label in labels]
        self.pulls[number] = {
            "number": number,
            "state": state,
            "head": {"sha": head},
            "labels": named,
        }

    def comment(self, number: int, body: str, author: str = "Bot") -> dict[str, Any]:
        """Let there be a comment of a bot or, with `User`, of a person."""
        comment = {"id": next(self._ids), "body": body, "user": {"type": author}}
        self.comments.setdefault(number, []).append(comment)
        return comment

    def issue(self, body: str, *labels: str, author: str = "Bot") -> dict[str, Any]:
        """Let there be an open issue."""
        issue = {
            "number": next(self._ids),
            "title": "",
            "body": body,
            "state": "open",
            "labels": list(labels),
            "user": {"type": author},
        }
        self.issues.append(issue)
        return issue

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], content: Any
    ) -> tuple[int, Any]:
        """What GitHub says to a request."""
        self.asked.append(f"{method} {path}")
        if self.failures:
            status, message = self.failures.pop(0)
            return status, {"message": message}
        if self.denied and method != "GET":
            return 403, {"message": "Resource not accessible by integration"}
        if len((content or {}).get("body", "")) > LIMIT:
            return 422, {"message": "body is too long (maximum is 65536 characters)"}
        for verb, pattern, handler in self._routes():
            found = re.fullmatch(f"/repos/{REPOSITORY}/{pattern}", path)
            if verb == method and found:
                return handler(*map(int, found.groups()), query=query, content=content)
        return 404, {"message": "Not Found"}

    def _routes(self):
        return [
            ("GET", r"pulls/(\d+)", self._pull),
            ("GET", r"issues/(\d+)/comments", self._comments),
            ("POST", r"issues/(\d+)/comments", self._add_comment),
            ("PATCH", r"issues/comments/(\d+)", self._edit_comment),
            ("GET", r"issues", self._issues),
            ("POST", r"issues", self._add_issue),
            ("PATCH", r"issues/(\d+)", self._edit_issue),
        ]

    def _pull(self, number, **_):
        if number not in self.pulls:
            return 404, {"message": "Not Found"}
        return 200, self.pulls[number]

    def _comments(self, number, query, **_):
        return 200, _page(self.comments.get(number, []), query)

    def _add_comment(self, number, content, **_):
        return 201, self.comment(number, content["body"])

    def _edit_comment(self, id, content, **_):
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == id:
                    comment["body"] = content["body"]
                    return 200, comment
        return 404, {"message": "Not Found"}

    def _issues(self, query, **_):
        label = query.get("labels", [""])[0]
        found = [
            i for i in self.issues if i["state"] == "open" and label in i["labels"]
        ]
        return 200, _page(found, query)

    def _add_issue(self, content, **_):
        issue = self.issue(content["body"], *content["labels"])
        issue["title"] = content["title"]
        return 201, issue

    def _edit_issue(self, number, content, **_):
        for issue in self.issues:
            if issue["number"] == number:
                issue.update(content)
                return 200, issue
        return 404, {"message": "Not Found"}


def _page(entries: list[Any], query: Mapping[str, list[str]]) -> list[Any]:
    size, page = int(query["per_page"][0]), int(query["page"][0])
    return entries[(page - 1) * size : page * size]


@contextmanager
def serving() -> Iterator[FakeGitHub]:
    """A GitHub that answers for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else None
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, said = 401, {"message": "Bad credentials"}
            else:
                status, said = github.answer(
                    self.command, url.path, parse_qs(url.query), content
                )
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _respond  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github = FakeGitHub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
