"""How Railway's API is reached, and the place in it that things are made in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components.railway.client import ENDPOINT, Owner


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who asks Railway's API, and where it is.

    token: of an account, a workspace or a project; it becomes a secret of the state.
        None leaves it to RAILWAY_API_TOKEN or RAILWAY_TOKEN of each run.
    owner: whose the token is: `account` stands for a workspace too; one of a `project`
        can make no project.
    endpoint: URL of the API.
    poll_seconds: between two looks at a deployment that is under way.
    """

    token: pulumi.Input[str] | None = None
    owner: Owner = "account"
    endpoint: str = ENDPOINT
    poll_seconds: float = 5.0

    def inputs(self) -> dict[str, Any]:
        """Return what every resource is told."""
        return {
            "token": None if self.token is None else pulumi.Output.secret(self.token),
            "owner": self.owner,
            "endpoint": self.endpoint,
            "poll_seconds": self.poll_seconds,
        }


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment of a project: its services reach each other, and nobody else.

    access: how the API is reached.
    project_id, environment_id: as Railway's dashboard copies them.
    """

    access: Access
    project_id: pulumi.Input[str]
    environment_id: pulumi.Input[str]

    def inputs(self) -> dict[str, Any]:
        """Return what every resource in an environment is told."""
        return {
            **self.access.inputs(),
            "project_id": self.project_id,
            "environment_id": self.environment_id,
        }
