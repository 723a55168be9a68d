"""The committed production stack under mocks, with any number of services."""

from __future__ import annotations

from pathlib import Path

import yaml

import settings
from components.container_definitions import HealthCheck
from components.service import Service, ServiceArgs
from contract import APP
from rehearsal.stages.stage import image_ref
from stacks import aws
from tests.graph import Graph

ROOT = Path(__file__).parents[1]
STACK = "production"
STAND_INS = {
    "GEMINI_API_KEY": "measured",
    "OPENAI_API_KEY": "measured",
    "SENTRY_DSN": "https://measured@sentry.invalid/1",
    "SMTP_PASS": "measured",
}


def build(services: int) -> int:
    """Register the stack and services - 1 more like its own; returns the resources."""
    graph = Graph()
    graph.build(lambda: _program(services), stack=STACK)
    return len(graph.resources)


def _program(services: int) -> None:
    outputs = aws.deploy(_settings(), APP)
    for number in range(2, services + 1):
        Service(
            f"stromhaltig-{STACK}-{number}",
            ServiceArgs(
                image=image_ref("measured"),
                repository_arn=None,
                port=APP.port,
                environment={},
                secrets={},
                health_check=HealthCheck(command=APP.health_command()),
                migrate_command=APP.migrate_command,
                writable_paths=APP.writable_dirs,
                cpu=1024,
                memory=2048,
                desired_count=1,
                subnet_ids=outputs.task_subnets,
                security_group_ids=[outputs.task_security_group],
                target_group_arn=outputs.target_group,
                kms_key_arn=outputs.key,
                log_retention_days=30,
                keep_logs=False,
                stop_timeout=60,
            ),
        )


def _settings() -> settings.AwsSettings:
    file = yaml.safe_load((ROOT / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8"))
    config = dict(file["config"])
    domain = {**config["stromhaltig:domain"], "zone_id": "Z0123456789ABC"}
    config |= {
        "stromhaltig:domain": domain,
        "stromhaltig:image": {"ref": image_ref("measured")},
        "stromhaltig:secrets": STAND_INS,
    }
    parsed = settings.parse(STACK, config, secret_keys=["stromhaltig:secrets"])
    if not isinstance(parsed, settings.AwsSettings):
        raise TypeError(f"Pulumi.{STACK}.yaml is not for AWS")
    return parsed
