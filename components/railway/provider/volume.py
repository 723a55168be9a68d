"""A volume of Railway, mounted by one service."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult

from components.railway import operations as ops
from components.railway.client import Client, ensure
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
    place_of,
    removed,
    split,
)

_ID = "PROJECT/ENVIRONMENT/VOLUME"
_GONE: Final = frozenset({"DELETED", "DELETING"})


class VolumeProvider(Provider):
    """Makes, mounts and deletes a volume; its id is PROJECT/ENVIRONMENT/VOLUME.

    A service has one volume at most, which follows it into its region.
    """

    inputs: ClassVar[frozenset[str]] = ACCESS_INPUTS | {
        "project_id",
        "environment_id",
        "service_id",
        "volume_name",
        "mount_path",
        "region",
    }
    replacing: ClassVar[frozenset[str]] = frozenset({"project_id", "environment_id"})
    created_with: ClassVar[frozenset[str]] = frozenset({"region"})

    def create(self, props: Props) -> CreateResult:
        """Make the volume, or go on with the one that a run before has made."""
        with connect(props) as client:
            volume = ensure(
                lambda: _find(client, props), lambda: _create(client, props)
            )
            _apply(client, volume, props)
        volume_id = volume["volumeId"]
        return CreateResult(
            joined(*place_of(props).values(), volume_id),
            {**props, "volume_id": volume_id},
        )

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look where the volume is mounted, and what it is called."""
        project_id, environment_id, volume_id = split(id_, _ID)
        where = {"project_id": project_id, "environment_id": environment_id}
        with connect(props) as client:
            volumes = {v["volumeId"]: v for v in _volumes(client, where)}
        volume = volumes.get(volume_id)
        if volume is None:
            return gone()
        return ReadResult(
            id_, {**props, **where, **_seen(volume), "volume_id": volume_id}
        )

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Rename the volume, or mount it elsewhere."""
        volume_id = split(_id, _ID)[2]
        if self.changed(_olds, _news) - ACCESS_INPUTS:
            with connect(_news) as client:
                _apply(client, {**_as_read(_olds), "volumeId": volume_id}, _news)
        return UpdateResult({**_news, "volume_id": volume_id})

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the volume with all that is on it."""
        with connect(_props) as client:
            removed(client, ops.VOLUME_DELETE, {"volumeId": split(_id, _ID)[2]})


def _volumes(client: Client, props: Props) -> list[Any]:
    environment = found(
        client,
        ops.VOLUMES,
        {"id": props["environment_id"], "projectId": props["project_id"]},
    )
    if environment is None:
        return []
    return [
        volume
        for volume in nodes(environment["volumeInstances"])
        if volume["state"] not in _GONE and not volume["isPendingDeletion"]
    ]


def _find(client: Client, props: Props) -> Any:
    """Return the volume of this name, or the service's, which has no name yet."""
    volumes = _volumes(client, props)
    named = [v for v in volumes if v["volume"]["name"] == props["volume_name"]]
    mounted = [v for v in volumes if v["serviceId"] == props["service_id"]]
    return next(iter(named + mounted), None)


def _create(client: Client, props: Props) -> Any:
    wanted = {
        **place_of(props),
        "serviceId": props["service_id"],
        "mountPath": props["mount_path"],
    }
    if region := props.get("region"):
        wanted["region"] = region
    volume = client.call(ops.VOLUME_CREATE, {"input": wanted})
    return {
        "volumeId": str(volume["id"]),
        "serviceId": props["service_id"],
        "mountPath": props["mount_path"],
        "volume": {"name": volume["name"]},
    }


def _apply(client: Client, volume: Any, props: Props) -> None:
    volume_id = volume["volumeId"]
    wanted = {"serviceId": props["service_id"], "mountPath": props["mount_path"]}
    if any(volume[key] != value for key, value in wanted.items()):
        client.call(
            ops.VOLUME_MOUNT,
            {
                "volumeId": volume_id,
                "environmentId": props["environment_id"],
                "input": wanted,
            },
        )
    if volume["volume"]["name"] != props["volume_name"]:
        client.call(
            ops.VOLUME_UPDATE,
            {"volumeId": volume_id, "input": {"name": props["volume_name"]}},
        )


def _seen(volume: Any) -> Props:
    return {
        "volume_name": volume["volume"]["name"],
        "mount_path": volume["mountPath"],
        # Empty where it was detached.
        "service_id": volume["serviceId"] or "",
    }


def _as_read(props: Props) -> dict[str, Any]:
    return {
        "serviceId": props["service_id"],
        "mountPath": props["mount_path"],
        "volume": {"name": props["volume_name"]},
    }


class VolumeResource(Resource, module="railway", name="Volume"):
    """A volume; inputs as `VolumeProvider.inputs`."""

    volume_id: pulumi.Output[str]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(VolumeProvider(), name, props, ("volume_id",), opts)
