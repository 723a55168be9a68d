"""A deployment of a service of Railway, with its verdict."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult

from components.railway import operations as ops
from components.railway.client import Client, RailwayError, UncertainError
from components.railway.provider.base import (
    ACCESS_INPUTS,
    Props,
    Provider,
    Resource,
    connect,
    found,
    gone,
    joined,
    place_of,
    split,
)

_ID = "PROJECT/ENVIRONMENT/SERVICE"
_RUNS: Final = frozenset({"SUCCESS", "SLEEPING"})
_FAILED: Final = frozenset({"FAILED", "CRASHED"})
_SUPERSEDED: Final = frozenset({"REMOVED", "REMOVING", "SKIPPED"})
_DOWN: Final = frozenset({"CRASHED", "REMOVED"})
"""With these nothing serves; after FAILED the version before does."""

POLL_SECONDS: Final = 5.0
"""Between two looks at a deployment."""


class DeploymentProvider(Provider):
    """Deploys a service when a trigger changes; its id is PROJECT/ENVIRONMENT/SERVICE.

    It waits for the verdict, so that `pulumi up` fails when the deployment does. What
    failed is tried again by the next run. Deleting it leaves the service alone.
    """

    inputs: ClassVar[frozenset[str]] = ACCESS_INPUTS | {
        "project_id",
        "environment_id",
        "service_id",
        "triggers",
        "timeout",
    }
    replacing: ClassVar[frozenset[str]] = frozenset(
        {"project_id", "environment_id", "service_id"}
    )

    def drifted(self, olds: Props, news: Props) -> bool:
        """Whether the service was down at the last look."""
        del news
        return olds.get("status") in _DOWN

    def create(self, props: Props) -> CreateResult:
        """Deploy, and wait for the verdict."""
        with connect(props) as client:
            deployment = _deploy(client, props)
        id_ = joined(*place_of(props).values(), props["service_id"])
        return CreateResult(id_, {**props, **deployment})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look at the newest deployment, whoever made it."""
        project_id, environment_id, service_id = split(id_, _ID)
        where = {
            "project_id": project_id,
            "environment_id": environment_id,
            "service_id": service_id,
        }
        with connect(props) as client:
            latest = _latest(client, where)
        if latest is None:
            return gone()
        return ReadResult(id_, {**props, **where, **_outs(latest)})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Deploy again when something did change, or does not run."""
        kept = {key: _olds[key] for key in ("deployment_id", "status")}
        changed = self.changed(_olds, _news) - ACCESS_INPUTS - {"timeout"}
        if changed or self.drifted(_olds, _news):
            with connect(_news) as client:
                kept = _deploy(client, _news)
        return UpdateResult({**_news, **kept})


def _latest(client: Client, props: Props) -> Any:
    instance = found(
        client,
        ops.LATEST_DEPLOYMENT,
        {
            "serviceId": props["service_id"],
            "environmentId": props["environment_id"],
        },
    )
    return instance["latestDeployment"] if instance else None


def _deploy(client: Client, props: Props) -> Props:
    before = _latest(client, props)
    try:
        deployment_id = _start(client, props)
    except UncertainError:
        latest = _latest(client, props)
        if latest == before or latest is None:
            deployment_id = _start(client, props)
        else:
            deployment_id = latest["id"]
    return _outs(_verdict(client, deployment_id, props))


def _start(client: Client, props: Props) -> str:
    target = {
        "serviceId": props["service_id"],
        "environmentId": props["environment_id"],
    }
    return str(client.call(ops.DEPLOY, target))


def _verdict(client: Client, deployment_id: str, props: Props) -> Any:
    """Wait until a deployment serves.

    Raises:
        RailwayError: when it does not, in time.
    """
    deadline = time.monotonic() + float(props["timeout"])
    while True:
        deployment = client.call(ops.DEPLOYMENT, {"id": deployment_id})
        status = deployment["status"]
        if status in _RUNS:
            return deployment
        if status in _FAILED:
            raise RailwayError(
                f"the deployment ended as {status}. Its logs say why: "
                f"{_page(deployment_id, props)} . Mend it and run it again"
            )
        if status == "NEEDS_APPROVAL":
            raise RailwayError(
                f"the deployment waits for an approval: {_page(deployment_id, props)} "
                ". Give it and run it again"
            )
        if status in _SUPERSEDED:
            latest = _latest(client, props)
            if latest is None or latest["id"] == deployment_id:
                raise RailwayError(
                    f"somebody ended the deployment ({status}): "
                    f"{_page(deployment_id, props)} . Run it again"
                )
            # A push, or a hand, was quicker.
            deployment_id = latest["id"]
        if time.monotonic() > deadline:
            raise RailwayError(
                f"the deployment is still {status} after {props['timeout']:.0f} s. It "
                f"goes on by itself: {_page(deployment_id, props)} . Run it again once "
                "that has ended, or allow more time"
            )
        time.sleep(float(props.get("poll_seconds") or POLL_SECONDS))


def _page(deployment_id: str, props: Props) -> str:
    return (
        f"https://railway.com/project/{props['project_id']}/service/"
        f"{props['service_id']}?environmentId={props['environment_id']}"
        f"&id={deployment_id}"
    )


def _outs(deployment: Any) -> Props:
    return {"deployment_id": str(deployment["id"]), "status": deployment["status"]}


class DeploymentResource(Resource, module="railway", name="Deployment"):
    """A deployment; inputs as `DeploymentProvider.inputs`."""

    deployment_id: pulumi.Output[str]
    status: pulumi.Output[str]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            DeploymentProvider(), name, props, ("deployment_id", "status"), opts
        )
