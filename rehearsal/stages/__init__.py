"""Where a rehearsal takes place, one module for each platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contract import nearest_hint
from rehearsal.cloud import EmbeddedCloud
from rehearsal.stages.aws import AwsStage
from rehearsal.stages.stage import Drift, Stage, StageError, Supplies, Thing

__all__ = ["Drift", "Stage", "StageError", "Supplies", "Thing", "choose", "platform"]


def _docker(cloud: EmbeddedCloud, config: Mapping[str, Any]) -> Stage:
    from rehearsal.stages.docker import DockerStage  # half a second, for its SDK

    return DockerStage(cloud, config)


def _digitalocean(cloud: EmbeddedCloud, config: Mapping[str, Any]) -> Stage:
    from rehearsal.stages.digitalocean import DigitalOceanStage

    return DigitalOceanStage(cloud, config)


def _railway(cloud: EmbeddedCloud, config: Mapping[str, Any]) -> Stage:
    from rehearsal.stages.railway import RailwayStage  # for its HTTP client

    return RailwayStage(cloud, config)


STAGES: Mapping[str, Callable[[EmbeddedCloud, Mapping[str, Any]], Stage]] = {
    "aws": AwsStage,
    "digitalocean": _digitalocean,
    "docker": _docker,
    "railway": _railway,
}
"""Platform, as the stack file names it, to its stage."""


def platform(config: Mapping[str, Any]) -> str:
    """The platform that a stack file's `config` section names.

    Raises StageError when there is no stage for it.
    """
    named = str(config.get("stromhaltig:platform", "aws"))
    if named not in STAGES:
        raise StageError(
            f'stromhaltig:platform: "{named}" cannot be rehearsed; platforms that can: '
            f"{', '.join(STAGES)}{nearest_hint(named, tuple(STAGES))}"
        )
    return named


def choose(cloud: EmbeddedCloud, config: Mapping[str, Any]) -> Stage:
    """The stage for a stack file's `config` section, on a running cloud.

    Raises StageError as `platform`.
    """
    return STAGES[platform(config)](cloud, config)
