"""A copy of the program with a stack that has every option of AWS on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]

EVERYTHING = "everything"
"""The stack: as production, with all that production leaves off."""

DISPOSABLE = "disposable"
"""The same without protection and final snapshot: all of it may go."""


def copy_program(target: Path) -> None:
    """Copy the program and write both stack files into the copy."""
    shutil.copytree(
        ROOT,
        target,
        ignore=shutil.ignore_patterns(".*", "node_modules", "__pycache__"),
    )
    text = (ROOT / "Pulumi.production.yaml").read_text(encoding="utf-8")
    everything = _with_options(yaml.safe_load(text)["config"])
    for stack, config in (
        (EVERYTHING, everything),
        (DISPOSABLE, _disposable(everything)),
    ):
        text = yaml.safe_dump({"config": config}, sort_keys=False)
        (target / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")
    # They get by with what production and staging get by with.
    exceptions = target / "policies" / "exceptions.yaml"
    text = exceptions.read_text(encoding="utf-8")
    for committed, others in (
        ("production", f"{EVERYTHING}, {DISPOSABLE}"),
        ("staging", DISPOSABLE),
    ):
        text = text.replace(f"[{committed}]", f"[{committed}, {others}]")
    exceptions.write_text(text, encoding="utf-8")


def _with_options(config: dict[str, Any]) -> dict[str, Any]:
    schedules = {"night": {"cron": "cron(0 22 * * ? *)", "minimum": 2, "maximum": 4}}
    return _merged(
        config,
        {
            "cdn": {},
            "deployment": {"strategy": "canary"},
            "monitoring": {"slack": True},
            "backups": {"copy_region": "eu-west-1", "restore_testing": True},
            "github": {
                "repository": "stromdao/stromhaltig",
                "state_bucket": "stromhaltig-state",
                "state_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/"
                "0a1b2c3d-0000-0000-0000-000000000000",
            },
            "autoscaling": {"schedules": schedules},
            "service": {"execute_command": True},
        },
    )


def _disposable(config: dict[str, Any]) -> dict[str, Any]:
    return _merged(
        {
            **config,
            "stromhaltig:environment": "staging",
            "stromhaltig:secret_recovery_days": 0,
        },
        {
            "database": {"deletion_protection": False, "final_snapshot": False},
            "load_balancer": {"deletion_protection": False},
        },
    )


def _merged(
    config: dict[str, Any], groups: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    keys = {group: f"stromhaltig:{group}" for group in groups}
    return config | {
        keys[group]: {**config.get(keys[group], {}), **values}
        for group, values in groups.items()
    }
