"""What a chat is told about how a job ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a job ended, in GitHub's words."""

    success = "success"
    failure = "failure"
    cancelled = "cancelled"
    skipped = "skipped"


_SAYS = {
    Status.success: ":white_check_mark: {what} of *{stack}* is done",
    Status.failure: ":x: {what} of *{stack}* failed",
    Status.cancelled: (
        ":warning: {what} of *{stack}* was cancelled; how far it came is said by "
        "`stromhaltig status --stack {stack}`"
    ),
    Status.skipped: ":fast_forward: {what} of *{stack}* was not begun",
}


@dataclass(frozen=True, kw_only=True)
class News:
    """How a job ended.

    what: the job, such as `deployment`. version: image or release. seconds: how long
    it took. run: address of the run.
    """

    what: str
    stack: str
    status: Status
    version: str = ""
    seconds: float | None = None
    run: str = ""

    @property
    def text(self) -> str:
        """What the channel reads."""
        told = [
            _SAYS[self.status].format(what=self.what.capitalize(), stack=self.stack)
        ]
        if self.version:
            told.append(f"version `{_short(self.version)}`")
        if self.seconds is not None:
            told.append(f"after {_duration(self.seconds)}")
        if self.run:
            told.append(f"<{self.run}|the run>")
        return ", ".join(told)


def _short(version: str) -> str:
    """An image without its registry, and as much of its digest as tells it apart."""
    name, _, digest = version.rpartition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:12]}" if digest else name


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
