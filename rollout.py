"""How long a new version takes, by design: computed from the settings in use.

Plain numbers in, seconds out; nothing is measured and nobody is asked. What no setting
decides is an estimate, named below with where it comes from. Not in it: building and
pushing the image, the engine's own seconds, and a migration that has something to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from components.deployment import steps

Strategy = Literal["rolling", "blue_green", "canary", "linear"]

TASK_START = 30
"""Seconds from a changed service to running containers: estimate.

Network interface, image and all; what ECS on Fargate takes until the first of many
tasks runs: https://www.vladionescu.me/posts/scaling-containers-on-aws-in-2022/
Fargate keeps no image, so it pulls ours each time: 49 MB over Node's own
(docs/benchmarks.md).
"""

MIGRATION = 5
"""Seconds of a migration that finds nothing to do: estimate.

npm and Node start in 0.6 s of processor time; the smallest task has a quarter of one.
"""

APP_START = 5
"""Seconds until the app listens: estimate.

Its modules load in 0.75 s of processor time; the smallest task has a quarter of one.
"""

REACTION = 5
"""Seconds until ECS acts on what health checks say: estimate; AWS names no figure."""

TRAFFIC_SHIFT = 10
"""Seconds that ECS takes to move a share of the traffic: estimate; AWS names none."""


class Part(NamedTuple):
    """One wait.

    what: for whom the seconds pass.
    estimate: whether they are, or follow from a setting.
    """

    what: str
    seconds: int
    estimate: bool = False


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What passes between `pulumi up` and the end of the old version.

    until_serving: before the new version has all of the traffic.
    afterwards: until the old one is gone and its last request answered.
    """

    until_serving: tuple[Part, ...]
    afterwards: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every wait, in order."""
        return self.until_serving + self.afterwards

    @property
    def serving(self) -> int:
        """Seconds until the new version has all of the traffic."""
        return sum(part.seconds for part in self.until_serving)

    @property
    def total(self) -> int:
        """Seconds until nothing of the old version is left."""
        return sum(part.seconds for part in self.parts)


def design_time(
    *,
    container_check_interval: int,
    target_check_interval: int,
    healthy_threshold: int,
    deregistration_delay: int,
    migrates: bool = True,
    tasks: int = 2,
    maximum_percent: int = 200,
    strategy: Strategy = "rolling",
    bake_minutes: int = 0,
    canary_minutes: int = 0,
    step_percent: float = 100.0,
    step_minutes: int = 0,
) -> Rollout:
    """Return how long a new version takes when nothing goes wrong.

    container_check_interval: seconds between the container's health checks; the first
        comes that long after its start, and one success is enough. The start period
        is no wait: it only forgives failures.
    target_check_interval, healthy_threshold: of the target group. AWS speaks of one
        success for a new target; all of them are counted here, as ECS's guide does.
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-healthcheck.html
    deregistration_delay: seconds that old tasks get to finish requests; ECS stops them
        after it, even when they have none.
    migrates: whether a migration runs before the app.
    tasks, maximum_percent: of a rolling deployment: how many are replaced at a time.
    bake_minutes: for the strategies that run old and new version side by side.
    canary_minutes: between the first part of the traffic and the rest.
    step_percent, step_minutes: of a linear deployment; it does not wait after the last.

    Alarms add a time to rolling deployments that ECS computes from them and does not
    tell; the new version serves through all of it.

    Raises:
        ValueError: when no task fits beside the old ones.
    """
    start = _start(
        container_check_interval, target_check_interval, healthy_threshold, migrates
    )
    drain = Part("old tasks finish their requests", deregistration_delay)
    if strategy == "rolling":
        return Rollout(
            until_serving=(
                *_earlier_waves(tasks, maximum_percent, start, drain),
                *start,
            ),
            afterwards=(drain,),
        )
    shifts = {"canary": 2, "linear": steps(step_percent)}.get(strategy, 1)
    minutes = canary_minutes if strategy == "canary" else step_minutes
    return Rollout(
        until_serving=(*start, *_shifting(shifts, minutes * 60)),
        afterwards=(Part("old version stays to go back to", bake_minutes * 60), drain),
    )


def _start(
    container_check_interval: int,
    target_check_interval: int,
    healthy_threshold: int,
    migrates: bool,
) -> tuple[Part, ...]:
    """From the changed service to tasks that are known to be well."""
    by_container = _next(APP_START, container_check_interval)
    by_targets = APP_START + target_check_interval * healthy_threshold
    return (
        Part("task starts: network, image, containers", TASK_START, estimate=True),
        *([Part("migration with nothing to do", MIGRATION, True)] if migrates else []),
        Part(
            "app starts and passes health checks of container and load balancer",
            max(by_container, by_targets),
        ),
        Part("ECS sees it", REACTION, estimate=True),
    )


def _next(seconds: int, interval: int) -> int:
    """When the first check comes that is not before `seconds`."""
    return -(-seconds // interval) * interval


def _earlier_waves(
    tasks: int, maximum_percent: int, start: tuple[Part, ...], drain: Part
) -> tuple[Part, ...]:
    """Where not all tasks fit beside the old ones, they come one wave after another."""
    at_a_time = tasks * maximum_percent // 100 - tasks
    if at_a_time < 1:
        raise ValueError(
            f"maximum_percent: {maximum_percent} of {tasks} tasks leaves no room for a "
            "new one"
        )
    waves = -(-tasks // at_a_time) - 1
    if not waves:
        return ()
    each = sum(part.seconds for part in (*start, drain))
    return (Part(f"{waves} earlier waves of {at_a_time}", waves * each),)


def _shifting(shifts: int, between: int) -> tuple[Part, ...]:
    moved = Part("traffic moves", shifts * TRAFFIC_SHIFT, estimate=True)
    if shifts == 1:
        return (moved,)
    waits = shifts - 1
    return (moved, Part(f"{waits} waits before the rest moves", waits * between))
