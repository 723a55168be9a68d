"""How a new version of a service takes over from the old one.

Native strategies of ECS; numbers and ranges are those of its API:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_MINUTES = 1440
"""The longest time that ECS waits at any point: a day."""


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """New tasks beside the old ones, which go as soon as the new ones are well."""

    @property
    def waits(self) -> int:
        """Minutes that ECS waits by design."""
        return 0


@dataclass(frozen=True, kw_only=True)
class BlueGreen:
    """All of the traffic at once, when the new version is there in full.

    bake_minutes: how long the old version stays after that, to go back to (0-1440).
    """

    bake_minutes: int = 5

    def __post_init__(self) -> None:
        """Raise ValueError for a time that ECS refuses."""
        _check_minutes("bake_minutes", self.bake_minutes)

    @property
    def waits(self) -> int:
        """Minutes that ECS waits by design."""
        return self.bake_minutes


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A part of the traffic first, and the rest when that went well.

    percent: the part (0.1-99.9, in tenths).
    minutes: until the rest follows (0-1440).
    bake_minutes: how long the old version stays after that, to go back to (0-1440).
    """

    percent: float = 10.0
    minutes: int = 5
    bake_minutes: int = 5

    def __post_init__(self) -> None:
        """Raise ValueError for a part or a time that ECS refuses.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html
        """
        # ECS takes 100 too, and then has no second part.
        _check_percent("percent", self.percent, 0.1, 99.9)
        _check_minutes("minutes", self.minutes)
        _check_minutes("bake_minutes", self.bake_minutes)

    @property
    def waits(self) -> int:
        """Minutes that ECS waits by design."""
        return self.minutes + self.bake_minutes


@dataclass(frozen=True, kw_only=True)
class Linear:
    """The traffic in equal steps.

    step_percent: the part of each step (3-100, in tenths).
    step_minutes: between two steps (0-1440); there is no wait after the last.
    bake_minutes: how long the old version stays after that, to go back to (0-1440).
    """

    step_percent: float = 20.0
    step_minutes: int = 3
    bake_minutes: int = 5

    def __post_init__(self) -> None:
        """Raise ValueError for a part or a time that ECS refuses.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html
        """
        _check_percent("step_percent", self.step_percent, 3.0, 100.0)
        _check_minutes("step_minutes", self.step_minutes)
        _check_minutes("bake_minutes", self.bake_minutes)

    @property
    def waits(self) -> int:
        """Minutes that ECS waits by design."""
        return (steps(self.step_percent) - 1) * self.step_minutes + self.bake_minutes


Deployment = Rolling | BlueGreen | Canary | Linear
"""Any of them."""


def steps(percent: float) -> int:
    """Return how many steps of this size move all of the traffic."""
    tenths = round(percent * 10)
    return -(-1000 // tenths)


def _check_minutes(name: str, minutes: int) -> None:
    if not 0 <= minutes <= MOST_MINUTES:
        raise ValueError(f"{name}: {minutes} must be between 0 and {MOST_MINUTES}")


def _check_percent(name: str, percent: float, low: float, high: float) -> None:
    if not low <= percent <= high:
        raise ValueError(f"{name}: {percent:g} must be between {low:g} and {high:g}")
    if round(percent, 1) != percent:
        raise ValueError(f"{name}: {percent:g} must be a multiple of 0.1")
