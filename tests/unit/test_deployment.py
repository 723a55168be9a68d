"""What ECS takes for a strategy, and what is refused before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.deployment import BlueGreen, Canary, Deployment, Linear, Rolling


@pytest.mark.parametrize(
    ("strategy", "given"),
    [
        (BlueGreen, {"bake_minutes": 0}),
        (BlueGreen, {"bake_minutes": 1440}),
        (Canary, {"percent": 0.1, "minutes": 0}),
        (Canary, {"percent": 99.9, "minutes": 1440}),
        (Canary, {"percent": 33.3}),
        (Linear, {"step_percent": 3.0, "step_minutes": 0}),
        (Linear, {"step_percent": 100.0, "step_minutes": 1440}),
    ],
)
def test_ends_of_ranges_are_inside(strategy: Callable[..., Any], given: dict[str, Any]):
    made = strategy(**given)
    assert {key: getattr(made, key) for key in given} == given


@pytest.mark.parametrize(
    ("strategy", "given", "message"),
    [
        (BlueGreen, {"bake_minutes": -1}, "bake_minutes: -1 must be between 0 and"),
        (BlueGreen, {"bake_minutes": 1441}, "1441 must be between 0 and 1440"),
        (Canary, {"percent": 0.0}, "percent: 0 must be between 0.1 and 99.9"),
        (Canary, {"percent": 100.0}, "100 must be between"),
        (Canary, {"percent": 12.34}, "12.34 must be a multiple of 0.1"),
        (Canary, {"minutes": 1441}, "^minutes: 1441"),
        (Canary, {"bake_minutes": 1441}, "bake_minutes: 1441"),
        (Linear, {"step_percent": 2.9}, "2.9 must be between 3 and 100"),
        (Linear, {"step_percent": 100.1}, "100.1 must be between"),
        (Linear, {"step_minutes": -1}, "step_minutes: -1"),
        (Linear, {"bake_minutes": 1441}, "bake_minutes: 1441"),
    ],
)
def test_what_ecs_refuses_is_refused_at_once(
    strategy: Callable[..., Any], given: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        strategy(**given)


@pytest.mark.parametrize(
    ("strategy", "minutes"),
    [
        (Rolling(), 0),
        (BlueGreen(bake_minutes=5), 5),
        (Canary(minutes=4, bake_minutes=5), 9),
        (Linear(step_percent=20.0, step_minutes=3, bake_minutes=5), 4 * 3 + 5),
        (Linear(step_percent=11.0, step_minutes=3, bake_minutes=0), 9 * 3),
        (Linear(step_percent=100.0, step_minutes=3, bake_minutes=0), 0),
    ],
)
def test_a_strategy_waits_between_its_steps_and_for_the_bake(
    strategy: Deployment, minutes: int
):
    assert strategy.waits == minutes
