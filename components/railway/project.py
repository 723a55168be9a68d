"""The project of a stack on Railway."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.railway.access import Access, Place
from components.railway.provider.base import part
from components.railway.provider.project import ProjectResource


@dataclass(frozen=True, kw_only=True)
class ProjectArgs:
    """What the project needs to know.

    access: how Railway's API is reached.
    project_name: as the dashboard shows it; others may have the same.
    description: tells this stack's project from others of its name. A project with both
        is taken for one that an interrupted run has made.
    environment: name of its one environment.
    workspace_id: who pays for it; None means the token's own.
    protect: whether Pulumi refuses to delete it, and everything in it.
    """

    access: Access
    project_name: str
    description: str
    environment: str = "production"
    workspace_id: str | None = None
    protect: bool = True


class Project(pulumi.ComponentResource):
    """A project with one environment, without environments for pull requests.

    One project per stack: services of one environment reach each other by name, and
    those of other stacks do not.
    """

    id: pulumi.Output[str]
    """Id of the project."""

    environment_id: pulumi.Output[str]
    """Id of the environment."""

    place: Place
    """Where services are made."""

    def __init__(
        self, name: str, args: ProjectArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:railway:Project", name, None, opts)

        project = ProjectResource(
            name,
            {
                **args.access.inputs(),
                "project_name": args.project_name,
                "description": args.description,
                "environment": args.environment,
                "workspace_id": args.workspace_id,
            },
            pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

        self.id = part(project, 0)
        self.environment_id = part(project, 1)
        self.place = Place(
            access=args.access,
            project_id=self.id,
            environment_id=self.environment_id,
        )
        self.register_outputs({"id": self.id, "environment_id": self.environment_id})
