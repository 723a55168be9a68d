"""How long a release takes by design, and that the usual settings keep to 90 s."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import rollout
from components.container_definitions import HealthCheck
from components.load_balancer import (
    HEALTH_INTERVAL,
    HEALTHY_THRESHOLD,
    LoadBalancerArgs,
)
from components.service import ServiceArgs

START = rollout.TASK_START + rollout.MIGRATION + rollout.REACTION
CHECKED = rollout.APP_START + HEALTH_INTERVAL * HEALTHY_THRESHOLD


def usual(**changes: Any) -> rollout.Rollout:
    """As the components' own defaults have it."""
    given: dict[str, Any] = {
        "container_check_interval": HealthCheck(command=["CMD"]).interval,
        "target_check_interval": HEALTH_INTERVAL,
        "healthy_threshold": HEALTHY_THRESHOLD,
        "deregistration_delay": LoadBalancerArgs.deregistration_delay,
        "maximum_percent": ServiceArgs.deployment_maximum_percent,
    }
    return rollout.design_time(**given | changes)


def test_a_rolling_release_with_the_usual_settings_is_done_in_90_seconds():
    assert usual().total <= 90


def test_a_rolling_release_is_start_health_and_draining():
    release = usual()
    assert release.serving == START + CHECKED
    assert release.total == release.serving + LoadBalancerArgs.deregistration_delay


def test_the_parts_make_up_the_total():
    release = usual(strategy="canary", canary_minutes=5, bake_minutes=5)
    assert sum(part.seconds for part in release.parts) == release.total
    assert all(part.what for part in release.parts)


def test_what_no_setting_decides_is_called_an_estimate():
    release = usual(strategy="linear", step_percent=50.0)
    estimates = {part.seconds for part in release.parts if part.estimate}
    assert estimates == {
        rollout.TASK_START,
        rollout.MIGRATION,
        rollout.REACTION,
        2 * rollout.TRAFFIC_SHIFT,
    }


def test_draining_takes_as_long_as_the_load_balancer_is_told():
    assert usual(deregistration_delay=300).total == usual().total + 270
    assert usual(deregistration_delay=300).serving == usual().serving


def test_without_a_migration_it_is_faster():
    assert usual(migrates=False).total == usual().total - rollout.MIGRATION


@pytest.mark.parametrize(
    ("interval", "threshold", "container", "seconds"),
    [
        (5, 2, 10, rollout.APP_START + 10),  # the load balancer decides
        (5, 2, 30, 30),  # the container's first check does
        (30, 5, 10, rollout.APP_START + 150),  # AWS's defaults
        (5, 2, 3, rollout.APP_START + 10),
    ],
)
def test_the_slower_of_the_two_health_checks_decides(
    interval, threshold, container, seconds
):
    release = usual(
        target_check_interval=interval,
        healthy_threshold=threshold,
        container_check_interval=container,
    )
    assert release.serving == START + seconds


@pytest.mark.parametrize(
    ("tasks", "maximum_percent", "waves"),
    [(2, 200, 1), (4, 150, 2), (3, 150, 3), (4, 125, 4), (10, 200, 1), (1, 200, 1)],
)
def test_tasks_that_do_not_fit_beside_the_old_ones_come_in_waves(
    tasks, maximum_percent, waves
):
    release = usual(tasks=tasks, maximum_percent=maximum_percent)
    assert release.total == waves * usual().total


def test_no_room_for_a_new_task_is_refused():
    with pytest.raises(ValueError, match="120 of 2 tasks leaves no room"):
        usual(tasks=2, maximum_percent=120)


def test_blue_green_serves_at_once_and_keeps_the_old_version_for_a_while():
    release = usual(strategy="blue_green", bake_minutes=5)
    assert release.serving == usual().serving + rollout.TRAFFIC_SHIFT
    assert release.total == release.serving + 300 + 30


def test_a_canary_waits_once_between_two_shifts():
    release = usual(strategy="canary", canary_minutes=4, bake_minutes=0)
    assert release.serving == usual().serving + 2 * rollout.TRAFFIC_SHIFT + 240


@pytest.mark.parametrize(
    ("percent", "steps"), [(20.0, 5), (11.0, 10), (3.0, 34), (100.0, 1), (33.3, 4)]
)
def test_linear_waits_between_steps_and_not_after_the_last(percent, steps):
    release = usual(strategy="linear", step_percent=percent, step_minutes=3)
    moving = steps * rollout.TRAFFIC_SHIFT + (steps - 1) * 180
    assert release.serving == usual().serving + moving


def test_times_of_another_strategy_do_not_count():
    others = usual(bake_minutes=9, canary_minutes=9, step_percent=3, step_minutes=9)
    assert others == usual()


def test_it_needs_neither_engine_nor_cloud():
    program = "import sys, rollout; assert not {'pulumi', 'boto3'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", program], check=True)
