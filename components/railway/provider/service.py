"""A service of Railway, with the settings that it has in one environment."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

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
    place_of,
    removed,
    split,
)

_ID = "PROJECT/ENVIRONMENT/SERVICE"
_APPEARS: Final = 20  # looks at a new service's instance before it is given up


def _path(value: Any) -> str | None:
    """A folder of the repository; its top has no name of its own."""
    return str(value).strip("/") or None if value else None


def _command(value: Any) -> str | None:
    """A command; Railway keeps some as a list of one."""
    if isinstance(value, list):
        return " && ".join(map(str, value)) or None
    return str(value) if value else None


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _number(value: Any) -> int:
    return int(value or 0)


SETTINGS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "root_directory": ("rootDirectory", _path),
    "dockerfile_path": ("dockerfilePath", _path),
    "watch_patterns": ("watchPatterns", lambda value: list(value or [])),
    "start_command": ("startCommand", _text),
    "pre_deploy_command": ("preDeployCommand", _command),
    "healthcheck_path": ("healthcheckPath", _text),
    "healthcheck_timeout": ("healthcheckTimeout", _number),
    "restart_policy": ("restartPolicyType", _text),
    "restart_retries": ("restartPolicyMaxRetries", _number),
    "replicas": ("numReplicas", _number),
    "draining_seconds": ("drainingSeconds", _number),
    "overlap_seconds": ("overlapSeconds", _number),
    "sleep": ("sleepApplication", bool),
}
"""Input to Railway's own name of it, and the form in which two values are compared."""

_SOURCES: Final = frozenset(
    {"image", "registry_username", "registry_password", "repository", "branch"}
)


class ServiceProvider(Provider):
    """Makes, adjusts and deletes a service; its id is PROJECT/ENVIRONMENT/SERVICE.

    It deploys nothing: a new service is made without a source, and settings wait for
    the next deployment. `revision` is another one after each change.
    """

    inputs: ClassVar[frozenset[str]] = (
        ACCESS_INPUTS
        | SETTINGS.keys()
        | _SOURCES
        | {"project_id", "environment_id", "service_name", "region"}
    )
    # Its private name stays when a service is renamed, and others rely on that.
    replacing: ClassVar[frozenset[str]] = frozenset(
        {"project_id", "environment_id", "service_name"}
    )

    def problems(self, news: Props) -> dict[str, str]:
        """Refuse a service with two sources or none."""
        problems = super().problems(news)
        if ("image" in news) == ("repository" in news):
            problems["image"] = "give either an image or a repository, not both or none"
        if "registry_username" in news and "registry_password" not in news:
            problems["registry_username"] = "a registry's user needs a password"
        return problems

    def differs(self, key: str, olds: Props, news: Props) -> bool:
        """Compare in the form that Railway keeps."""
        if key == "image":
            return _image(olds.get(key)) != _image(news.get(key))
        if key in SETTINGS:
            form = SETTINGS[key][1]
            return bool(form(olds.get(key)) != form(news.get(key)))
        return super().differs(key, olds, news)

    def create(self, props: Props) -> CreateResult:
        """Make the service, or go on with the one that a run before has made."""
        with connect(props) as client:
            service_id = ensure(
                lambda: _find(client, props), lambda: _create(client, props)
            )
            _await_instance(client, service_id, props)
            _apply(client, service_id, {}, props)
        outs = {**props, "service_id": service_id, "revision": _revision()}
        id_ = joined(props["project_id"], props["environment_id"], service_id)
        return CreateResult(id_, outs)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look at the settings that the program makes; at all, without a program."""
        project_id, environment_id, service_id = split(id_, _ID)
        where = {"project_id": project_id, "environment_id": environment_id}
        all_of_it = "service_id" not in props
        with connect(props) as client:
            instance = _instance(client, service_id, where)
            if instance is None:
                return gone()
            live = _settings(instance)
            if all_of_it or "region" in props:
                regions = _regions(client, service_id, where)
                live["region"] = next(iter(regions)) if len(regions) == 1 else None
            if all_of_it or "branch" in props:
                trigger = _trigger(client, service_id, where)
                live["branch"] = trigger["branch"] if trigger else None
            if all_of_it:
                service = client.call(ops.SERVICE, {"id": service_id})
                props = {**props, **where, "service_name": service["name"]}
        seen = {k: v for k, v in live.items() if all_of_it or k in props}
        outs = {
            "revision": _revision(),
            **props,
            **_kept_form(props, seen),
            "service_id": service_id,
        }
        return ReadResult(id_, {k: v for k, v in outs.items() if v is not None})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Make the settings that differ."""
        service_id = split(_id, _ID)[2]
        revision = _olds["revision"]
        if self.changed(_olds, _news) - ACCESS_INPUTS:
            with connect(_news) as client:
                _apply(client, service_id, _olds, _news)
            revision = _revision()
        return UpdateResult({**_news, "service_id": service_id, "revision": revision})

    def delete(self, _id: str, _props: Props) -> None:
        """Delete the service with its deployments."""
        with connect(_props) as client:
            removed(client, ops.SERVICE_DELETE, {"id": split(_id, _ID)[2]})


def _find(client: Client, props: Props) -> str | None:
    project = client.call(ops.PROJECT_SERVICES, {"id": props["project_id"]})
    services = nodes(project["services"])
    names = {service["name"]: str(service["id"]) for service in services}
    return names.get(props["service_name"])


def _create(client: Client, props: Props) -> str:
    # Without a source: with one, Railway would deploy it before it has its variables.
    wanted = {**place_of(props), "name": props["service_name"]}
    return str(client.call(ops.SERVICE_CREATE, {"input": wanted})["id"])


def _instance(client: Client, service_id: str, props: Mapping[str, Any]) -> Any:
    return found(
        client,
        ops.INSTANCE,
        {"serviceId": service_id, "environmentId": props["environment_id"]},
    )


def _await_instance(client: Client, service_id: str, props: Props) -> None:
    """Wait until a new service has arrived in the environment, moments later."""
    for _ in range(_APPEARS):
        if _instance(client, service_id, props) is not None:
            return
        time.sleep(1)
    raise RailwayError(
        f'the service "{props["service_name"]}" does not appear in its environment. '
        "Run it again, which goes on with what is there"
    )


def _settings(instance: Mapping[str, Any]) -> Props:
    source = instance["source"] or {}
    return {
        "image": source.get("image"),
        "repository": source.get("repo"),
        **{key: form(instance[name]) for key, (name, form) in SETTINGS.items()},
    }


def _kept_form(props: Props, live: Props) -> Props:
    """Return what is live, in the program's words where it means the same."""
    same = ServiceProvider()
    return {
        key: props[key]
        if key in props and not same.differs(key, props, live)
        else value
        for key, value in live.items()
    }


def _apply(client: Client, service_id: str, olds: Props, news: Props) -> None:
    """Give the service its settings; those that the program took back are cleared."""
    changes: dict[str, Any] = {}
    for key, (name, form) in SETTINGS.items():
        if key in news:
            changes[name] = form(news[key])
        elif key in olds:
            changes[name] = [] if key == "watch_patterns" else None
    # A list, though Railway runs one command.
    if "preDeployCommand" in changes:
        command = changes["preDeployCommand"]
        changes["preDeployCommand"] = [command] if command else []
    if "image" in news:
        changes["source"] = {"image": news["image"]}
    else:
        changes["source"] = {"repo": news["repository"]}
    if "registry_username" in news:
        changes["registryCredentials"] = {
            "username": news["registry_username"],
            "password": news["registry_password"],
        }
    elif "registry_username" in olds:
        changes["registryCredentials"] = None
    if region := news.get("region"):
        others = _regions(client, service_id, news).keys() - {region}
        replicas = {"numReplicas": _number(news.get("replicas")) or 1}
        changes["multiRegionConfig"] = {**dict.fromkeys(others), region: replicas}
    client.call(
        ops.INSTANCE_UPDATE,
        {
            "serviceId": service_id,
            "environmentId": news["environment_id"],
            "input": changes,
        },
        secrets=[news["registry_password"]] if "registry_password" in news else (),
    )
    _push_to_deploy(client, service_id, olds, news)


def _push_to_deploy(client: Client, service_id: str, olds: Props, news: Props) -> None:
    """Let pushes to the branch deploy, where there is a repository."""
    if "repository" not in news and "repository" not in olds:
        return
    trigger = _trigger(client, service_id, news)
    if "repository" not in news:
        if trigger:
            removed(client, ops.TRIGGER_DELETE, {"id": trigger["id"]})
        return
    wanted = {"branch": news["branch"], "repository": news["repository"]}
    if trigger is None:
        whole = {
            **place_of(news),
            **wanted,
            "serviceId": service_id,
            "provider": "github",
        }
        ensure(
            lambda: _trigger(client, service_id, news),
            lambda: client.call(ops.TRIGGER_CREATE, {"input": whole}),
        )
    elif any(trigger[key] != value for key, value in wanted.items()):
        client.call(ops.TRIGGER_UPDATE, {"id": trigger["id"], "input": wanted})


def _trigger(client: Client, service_id: str, props: Mapping[str, Any]) -> Any:
    answer = client.call(ops.TRIGGERS, {**place_of(props), "serviceId": service_id})
    triggers = nodes(answer)
    return triggers[0] if triggers else None


def _regions(
    client: Client, service_id: str, props: Mapping[str, Any]
) -> dict[str, int]:
    """Return where the service runs, and how often."""
    environment = client.call(
        ops.ENVIRONMENT_CONFIG,
        {"id": props["environment_id"], "projectId": props["project_id"]},
    )
    services = environment["config"].get("services") or {}
    deploy = (services.get(service_id) or {}).get("deploy") or {}
    placement = deploy.get("multiRegionConfig") or {}
    return {
        region: settings["numReplicas"]
        for region, settings in placement.items()
        if settings and settings.get("numReplicas")
    }


def _image(reference: Any) -> str | None:
    """Return an image reference as an engine would complete it."""
    if not reference:
        return None
    name = str(reference).removeprefix("docker.io/").removeprefix("library/")
    has_tag = "@" in name or ":" in name.rpartition("/")[2]
    return name if has_tag else f"{name}:latest"


def _revision() -> str:
    return secrets.token_hex(8)


class ServiceResource(Resource, module="railway", name="Service"):
    """A service; inputs as `ServiceProvider.inputs`."""

    service_id: pulumi.Output[str]
    revision: pulumi.Output[str]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            ServiceProvider(), name, props, ("service_id", "revision"), opts
        )
