"""What the policy pack adds to a preview, with the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from rehearsal import engine as engines
from rehearsal import stages
from rehearsal.cloud import EmbeddedCloud
from rehearsal.lifecycle import PACK
from rehearsal.progress import ConsoleProgress
from rehearsal.pulumi_cli import create_stack, run_pulumi
from rehearsal.workspace import Workspace

ROUNDS = 5
"""Previews with the pack, and as many without it, in turns."""


def previews(root: Path, stack: str) -> Iterator[tuple[float, float]]:
    """Seconds of a first preview without and with the pack, a pair each round.

    Raises RuntimeError when a preview fails.
    """
    progress = ConsoleProgress(Console(stderr=True))
    with Workspace(root, stack) as workspace:
        config = workspace.stack_config()
        engine = engines.ensure(progress=progress)
        with EmbeddedCloud(0, workspace.project_dir / "cloud.log") as cloud:
            workspace.record_process(cloud.pid)
            attachment = cloud.addresses.for_engine()
            packs = engine.running_packs(workspace.project_dir / "bin")
            create_stack(engine, workspace, env=attachment)
            supplies = stages.choose(cloud, config).supply(config)
            workspace.inject(supplies.config, supplies.secrets)

            def preview(able: engines.Engine, *arguments: str) -> float:
                command = ["preview", *arguments]
                result = run_pulumi(able, workspace, command, env=attachment)
                if result.returncode != 0:
                    raise RuntimeError("\n".join(result.errors) or result.stdout)
                return result.seconds

            for _ in range(ROUNDS):
                yield preview(engine), preview(packs, *PACK)
