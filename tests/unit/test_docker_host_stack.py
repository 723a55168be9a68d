"""The committed stack file of the Docker host, deployed: questions to the graph."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import stacks
from contract import APP, VARIABLES, Kind
from settings import Settings, parse
from tests.graph import Graph

ROOT = Path(__file__).parents[2]
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"


def deploy(**changes: Any) -> Graph:
    """Graph of the committed stack file with what only its operator knows."""
    return _deploy(json.dumps(changes))


@cache
def _deploy(changes: str) -> Graph:
    text = (ROOT / "Pulumi.docker.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config |= {
        "stromhaltig:host": {"address": "ssh://deploy@host.example.org"},
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:app": {"SMTP_HOST": "smtp.example.org"},
        "stromhaltig:secrets": OPERATORS,
    }
    config |= {f"stromhaltig:{k}": v for k, v in json.loads(changes).items()}
    values = {k: v for k, v in config.items() if v is not None}
    settings: Settings = parse("docker", values, secret_keys=("stromhaltig:secrets",))
    graph = Graph()
    graph.build(lambda: stacks.deploy(settings, APP).export(), stack="docker")
    return graph


def test_it_builds():
    graph = deploy()
    for r in graph:
        print(r.type, r.name)
