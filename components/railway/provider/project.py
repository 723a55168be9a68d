"""A project of Railway with one environment."""

from __future__ import annotations

from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult

from components.railway import operations as ops
from components.railway.client import Client, RailwayError, ensure
from components.railway.provider.base import (
    ACCESS_INPUTS,
    Props,
    Provider,
    Resource,
    connect,
    found,
    gone,
    joined,
    nodes,
    removed,
    split,
)

_ID = "PROJECT/ENVIRONMENT"


class ProjectProvider(Provider):
    """Makes, finds, renames and deletes a project; its id is PROJECT/ENVIRONMENT."""

    inputs: ClassVar[frozenset[str]] = ACCESS_INPUTS | {
        "project_name",
        "environment",
        "description",
        "workspace_id",
    }
    replacing: ClassVar[frozenset[str]] = frozenset({"environment", "workspace_id"})

    def create(self, props: Props) -> CreateResult:
        """Make the project, or go on with the one that a run before has made.

        A project's own token can make none: the project is the token's, and stays
        when the resource goes.
        """
        with connect(props) as client:
            if props.get("owner") == "project":
                owned = False
                token = client.call(ops.PROJECT_TOKEN, {})
                project_id = token["projectId"]
                environment_id = token["environmentId"]
            else:
                owned = True
                project = ensure(
                    lambda: _find(client, props), lambda: _create(client, props)
                )
                project_id = project["id"]
                environment_id = _environment(client, project, props["environment"])
        outs = {
            **props,
            "project_id": project_id,
            "environment_id": environment_id,
            "owned": owned,
        }
        return CreateResult(joined(project_id, environment_id), outs)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look whether project and environment exist, and what they are called."""
        project_id, environment_id = split(id_, _ID)
        with connect(props) as client:
            project = found(client, ops.PROJECT, {"id": project_id})
        if project is None:
            return gone()
        environments = {e["id"]: e["name"] for e in nodes(project["environments"])}
        if environment_id not in environments:
            return gone()
        outs = {
            "owned": True,
            **props,
            "project_name": project["name"],
            "description": project["description"] or "",
            "environment": environments[environment_id],
            "project_id": project_id,
            "environment_id": environment_id,
        }
        return ReadResult(id_, outs)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Give the project its name and description again, or other ones."""
        kept = {k: _olds[k] for k in ("project_id", "environment_id", "owned")}
        changed = self.changed(_olds, _news)
        if kept["owned"] and changed & {"project_name", "description"}:
            described = {
                "name": _news["project_name"],
                "description": _news["description"],
            }
            with connect(_news) as client:
                client.call(
                    ops.PROJECT_UPDATE, {"id": kept["project_id"], "input": described}
                )
        return UpdateResult({**_news, **kept})

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the project with all that is in it, unless it is the token's own."""
        if not _props.get("owned", True):
            return
        with connect(_props) as client:
            removed(client, ops.PROJECT_DELETE, {"id": split(_id, _ID)[0]})


def _find(client: Client, props: Props) -> Any:
    """Return the project of this name and description, for names are not unique.

    Raises:
        RailwayError: when there are several.
    """
    matches: list[Any] = []
    after: str | None = None
    while True:
        page = client.call(
            ops.PROJECTS, {"workspaceId": props.get("workspace_id"), "after": after}
        )
        matches += [
            project
            for project in nodes(page)
            if project["name"] == props["project_name"]
            and (project["description"] or "") == props["description"]
        ]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    if len(matches) > 1:
        ids = ", ".join(project["id"] for project in matches)
        raise RailwayError(
            f'{len(matches)} projects are called "{props["project_name"]}" and '
            f"described alike ({ids}): delete or rename those that are not this "
            "stack's"
        )
    return matches[0] if matches else None


def _create(client: Client, props: Props) -> Any:
    wanted = {
        "name": props["project_name"],
        "description": props["description"],
        "defaultEnvironmentName": props["environment"],
        "isPublic": False,
        # Each pull request would get an environment, with costs of its own.
        "prDeploys": False,
    }
    if workspace := props.get("workspace_id"):
        wanted["workspaceId"] = workspace
    return client.call(ops.PROJECT_CREATE, {"input": wanted})


def _environment(client: Client, project: Any, name: str) -> str:
    """Return the id of the project's environment of a name; make it if need be."""

    def of(a_project: Any) -> Any:
        environments = nodes(a_project["environments"])
        return next((e for e in environments if e["name"] == name), None)

    if environment := of(project):
        return str(environment["id"])
    wanted = {"projectId": project["id"], "name": name, "skipInitialDeploys": True}
    environment = ensure(
        lambda: of(client.call(ops.PROJECT, {"id": project["id"]})),
        lambda: client.call(ops.ENVIRONMENT_CREATE, {"input": wanted}),
    )
    return str(environment["id"])


class ProjectResource(Resource, module="railway", name="Project"):
    """A project with its environment; inputs as `ProjectProvider.inputs`."""

    project_id: pulumi.Output[str]
    environment_id: pulumi.Output[str]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            ProjectProvider(),
            name,
            props,
            ("project_id", "environment_id", "owned"),
            opts,
        )
