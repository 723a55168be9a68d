"""A project: what the console and the bill show together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class ProjectArgs:
    """What the project is.

    name: as the console shows it; unique within the account.
    description: for whoever wonders.
    environment: `Production`, `Staging` or `Development`.
    """

    name: str
    description: str = ""
    environment: Literal["Production", "Staging", "Development"] = "Production"


class Project(pulumi.ComponentResource):
    """Groups the stack's resources in console and bill."""

    project_id: pulumi.Output[str]
    """UUID."""

    def __init__(
        self, name: str, args: ProjectArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:digitalocean:Project", name, None, opts)

        project = digitalocean.Project(
            name,
            name=args.name,
            description=args.description,
            purpose="Web Application",
            environment=args.environment,
            opts=pulumi.ResourceOptions(parent=self),
        )

        self._name = name
        self.project_id = project.id
        self.register_outputs({"project_id": self.project_id})

    def hold(self, urns: Mapping[str, pulumi.Input[str]]) -> None:
        """Move resources into the project, once they are known.

        Args:
            urns: name of each to its URN. The app is not among them: it is created in
                the project (`AppPlatformArgs.project_id`).
        """
        digitalocean.ProjectResources(
            self._name,
            project=self.project_id,
            resources=[urns[name] for name in sorted(urns)],
            opts=pulumi.ResourceOptions(parent=self),
        )
