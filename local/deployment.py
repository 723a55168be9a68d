"""Deploys the stack of the Docker host to an engine, with Pulumi's own plugins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.project import Project
from rehearsal import engine as engines
from rehearsal import plugins
from rehearsal.cloud import EmbeddedCloud
from rehearsal.engine import Engine
from rehearsal.progress import Progress
from rehearsal.pulumi_cli import Event, PulumiError, Result, create_stack, run_pulumi

PACKAGES = ("docker", "docker-build", "random", "tls")
"""Packages of the program whose plugins are needed."""


@dataclass
class Deployment:
    """The stack, from one command of Pulumi to the next.

    notes: what somebody who relies on it should know.
    """

    engine: Engine
    project: Project
    notes: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def pulumi(
        self, *arguments: str, on_event: Callable[[Event], None] = lambda _: None
    ) -> Result:
        """Run `pulumi ARGUMENTS`; a failure is a result like any other."""
        return run_pulumi(
            self.engine,
            self.project,
            arguments,
            env=self.environment,
            on_event=on_event,
        )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        result = self.pulumi("stack", "output", "--json")
        if result.returncode != 0:
            raise PulumiError(f"The stack has no outputs: {result.stderr.strip()}")
        told: dict[str, Any] = json.loads(result.stdout)
        return told


@contextmanager
def deployment(
    project: Project, address: str, progress: Progress
) -> Iterator[Deployment]:
    """The stack of an entered project, ready for `pulumi up`.

    address: of the engine, which also builds.

    Raises EngineError, PluginError or CloudError when a part of Pulumi is missing, and
    PulumiError when the stack cannot be made.
    """
    engine = engines.ensure(progress=progress)
    home = project.project_dir / "home"
    missing = plugins.install(PACKAGES, engine, home, progress)
    with ExitStack() as started:
        environment = {"DOCKER_HOST": address}
        notes = []
        if missing:
            cloud = started.enter_context(EmbeddedCloud(0, home / "provider.log"))
            project.record_process(cloud.pid)
            port = cloud.addresses.provider
            attached = ",".join(f"{package}:{port}" for package in missing)
            environment["PULUMI_DEBUG_PROVIDERS"] = attached
            notes.append(
                f"{' and '.join(missing)}: by our own provider server, for the plugins "
                "cannot be downloaded here"
            )
        create_stack(engine, project, env=environment, unless_there=True)
        yield Deployment(engine, project, notes, environment)
