"""The committed AWS stack files, deployed under mocks."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from contract import VARIABLES, Kind
from ops.review import prepared
from tests.graph import Graph

ROOT = Path(__file__).parents[1]
STACKS = ("production", "staging")
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
ZONE = "Z0123456789ABCDEFGHIJ"
ALERTED = {"emails": ["ops@stromhaltig.example"]}
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}

ROTATED: dict[str, Any] = {
    "rotations": {"JWT_SECRET": 2, "HEALTH_CHECK_TOKEN": 1},
    "accept_previous": True,
}
"""What `stromhaltig secrets rotate` leaves in a stack file."""

WEBHOOK = "https://hooks.slack.com/services/T0/B0/x"
EVERYTHING: dict[str, Any] = {
    "cdn": {},
    "deployment": {"strategy": "canary"},
    "backups": {"copy_region": "eu-west-1", "restore_testing": True},
    "monitoring": {**ALERTED, "slack": True},
    "secrets": {**OPERATORS, "SLACK_WEBHOOK_URL": WEBHOOK},
    "service": {"cpu": 1024, "memory": 2048, "execute_command": True},
}
"""What the file of production leaves out."""


def deploy(stack: str, *, preview: bool = False, **changes: Any) -> Graph:
    """Graph of a committed stack file with what only its operator knows.

    changes: top-level keys to replace; None removes one.
    """
    return _deploy(stack, preview, json.dumps(changes))


def review(
    number: int = 7,
    *,
    preview: bool = False,
    base: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Graph:
    """Graph of a pull request's stack, made of the committed template, with secrets.

    base: outputs of staging, when they are not those of the committed file.
    changes: as of `deploy`.
    """
    outputs = deploy("staging").exports if base is None else base
    return _review(number, preview, json.dumps(outputs), json.dumps(changes))


@cache
def _review(number: int, preview: bool, base: str, changes: str) -> Graph:
    config = prepared(
        (ROOT / "Pulumi.review.yaml").read_text(encoding="utf-8"),
        number,
        ref=IMAGE,
        expires=datetime(2026, 12, 6, 12, tzinfo=UTC),
    )["config"]
    config["stromhaltig:secrets"] = OPERATORS
    graph = Graph()
    graph.stacks["organization/stromhaltig/staging"] = json.loads(base)
    _build(graph, f"pr-{number}", config, changes, preview=preview)
    return graph


def deploy_again(stack: str, **changes: Any) -> Graph:
    """As `deploy`, but never one that was made before."""
    return _deploy.__wrapped__(stack, False, json.dumps(changes))


@cache
def _deploy(stack: str, preview: bool, changes: str) -> Graph:
    config = dict(_committed(stack))
    domain = config["stromhaltig:domain"]
    config |= {
        "stromhaltig:domain": {**domain, "zone_id": ZONE},
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:monitoring": {**config["stromhaltig:monitoring"], **ALERTED},
        "stromhaltig:secrets": OPERATORS,
    }
    graph = Graph()
    _build(graph, stack, config, changes, preview=preview)
    return graph


@cache
def _committed(stack: str) -> Mapping[str, Any]:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    return config


def _build(
    graph: Graph, stack: str, config: dict[str, Any], changes: str, *, preview: bool
) -> None:
    config |= {f"stromhaltig:{k}": v for k, v in json.loads(changes).items()}
    graph.build(
        _program,
        preview=preview,
        stack=stack,
        config={
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in config.items()
            if value is not None
        },
        secret_config=["stromhaltig:secrets"],
    )


def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))


def everything(*, preview: bool = False, **changes: Any) -> Graph:
    """Production with every option."""
    return deploy("production", preview=preview, **{**EVERYTHING, **changes})
