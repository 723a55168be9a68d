"""Rows for containers: cluster, its capacity, task definition, service.

moto never starts a task: that a service becomes steady cannot be rehearsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import (
    arn,
    matching,
    one_of,
    refusal,
    value_at,
    within,
)
from rehearsal.provider.aws.containers import canonical, container_problems
from rehearsal.provider.aws.elbv2 import balancers_of
from rehearsal.provider.row import Aws, Row, deleted, given, is_gone, tag_changes
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties

_NAME = r"[A-Za-z0-9_-]{1,255}"
_NAME_SAYS = "at most 255 letters, digits, hyphens and underscores"


class EcsRow(Row):
    """What ECS's resources share: tags by ARN, with small-lettered keys."""

    service: ClassVar[str] = "ecs"
    tagged: ClassVar[bool] = True

    def retag(self, aws: Aws, resource: str, old: Properties, new: Properties) -> None:
        """Bring the tags of an ARN in line."""
        wanted, unwanted = tag_changes(old, new)
        ecs = aws.client("ecs")
        if wanted:
            ecs.tag_resource(resourceArn=resource, tags=_tag_list(wanted))
        if unwanted:
            ecs.untag_resource(resourceArn=resource, tagKeys=unwanted)


def _tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted((tags or {}).items())]


def _tag_map(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags or []}


def _short(reference: str) -> str:
    """The name at the end of an ARN; a name itself."""
    return reference.rsplit("/", 1)[-1]


def _cluster(aws: Aws, reference: str) -> dict[str, Any] | None:
    """An active cluster by name or ARN; moto keeps those that are deleted."""
    found = aws.client("ecs").describe_clusters(
        clusters=[reference], include=["SETTINGS", "CONFIGURATIONS", "TAGS"]
    )["clusters"]
    active = [one for one in found if one["status"] == "ACTIVE"]
    return dict(active[0]) if active else None


class Cluster(EcsRow):
    """aws.ecs.Cluster; its id is its ARN."""

    token = "aws:ecs/cluster:Cluster"
    autoname = "name"
    updates = frozenset({"configuration", "settings"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        at = "configuration.executeCommandConfiguration"
        problems = [
            *matching(inputs, "name", _NAME, _NAME_SAYS),
            *one_of(inputs, f"{at}.logging", ("NONE", "DEFAULT", "OVERRIDE")),
        ]
        exec_command = value_at(inputs, at) or {}
        if (
            exec_command.get("logging") == "OVERRIDE"
            and exec_command.get("logConfiguration") is None
        ):
            problems.append(f"{at}.logConfiguration: missing, and OVERRIDE needs it")
        settings = inputs.get("settings")
        for index, setting in enumerate(settings if isinstance(settings, list) else []):
            found = [
                *one_of(setting, "name", ("containerInsights",)),
                *one_of(setting, "value", ("enabled", "disabled", "enhanced")),
            ]
            problems += [f"settings[{index}].{problem}" for problem in found]
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("ecs").create_cluster(
            clusterName=inputs["name"],
            tags=_tag_list(inputs.get("tagsAll")),
            **given(inputs, settings="settings"),
            **self._configuration(inputs),
        )
        return str(made["cluster"]["clusterArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _cluster(aws, id)
        if live is None:
            return None
        return {
            "id": live["clusterArn"],
            "arn": live["clusterArn"],
            "configuration": _live_configuration(live.get("configuration") or {}),
            "name": live["clusterName"],
            "settings": live["settings"],
            "tagsAll": _tag_map(live.get("tags")),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed & self.updates:
            aws.client("ecs").update_cluster(
                cluster=id,
                settings=new.get("settings")
                or [{"name": "containerInsights", "value": "disabled"}],
                **{"configuration": {}, **self._configuration(new)},
            )
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _cluster(aws, id) is None:
            return
        ecs = aws.client("ecs")
        services = [
            name
            for name in ecs.list_services(cluster=id)["serviceArns"]
            if _service(aws, name) is not None
        ]
        if services:
            raise refusal(
                "DeleteCluster",
                "ClusterContainsServicesException",
                f"The Cluster cannot be deleted while Services are active: "
                f"{', '.join(services)}",
            )
        ecs.delete_cluster(cluster=id)

    def _configuration(self, inputs: Properties) -> dict[str, Any]:
        if not inputs.get("configuration"):
            return {}
        return {"configuration": _renamed(inputs["configuration"], _LOG_NAMES)}


_LOG_NAMES = {"s3BucketEncryptionEnabled": "s3EncryptionEnabled"}
"""The one name under a cluster's configuration that is not the API's."""


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with other names for some keys, however deep."""
    if isinstance(value, Mapping):
        return {names.get(k, k): _renamed(v, names) for k, v in value.items()}
    return value


def _live_configuration(live: Mapping[str, Any]) -> Properties | None:
    names = {api: ours for ours, api in _LOG_NAMES.items()}
    return dict(_renamed(live, names)) or None


class ClusterCapacityProviders(Row):
    """aws.ecs.ClusterCapacityProviders; its id is the cluster's name."""

    token = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    service = "ecs"
    replaces = frozenset({"clusterName"})
    updates = frozenset({"capacityProviders", "defaultCapacityProviderStrategies"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = matching(inputs, "clusterName", _NAME, _NAME_SAYS)
        providers = inputs.get("capacityProviders")
        strategies = inputs.get("defaultCapacityProviderStrategies")
        if not providers:
            problems.append("capacityProviders: missing; name one or more")
        if not isinstance(providers, list) or any(map(is_unknown, providers)):
            return problems
        for index, item in enumerate(
            strategies if isinstance(strategies, list) else []
        ):
            found = one_of(item, "capacityProvider", providers)
            at = f"defaultCapacityProviderStrategies[{index}]"
            problems += [f"{at}.{problem}" for problem in found]
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs["clusterName"], inputs)
        return str(inputs["clusterName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _cluster(aws, id)
        if live is None or not live.get("capacityProviders"):
            return None
        return {
            "clusterName": live["clusterName"],
            "capacityProviders": live["capacityProviders"],
            "defaultCapacityProviderStrategies": live.get(
                "defaultCapacityProviderStrategy", []
            ),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, id, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _cluster(aws, id) is not None:
            self._put(aws, id, {})

    def _put(self, aws: Aws, cluster: str, inputs: Properties) -> None:
        aws.client("ecs").put_cluster_capacity_providers(
            cluster=cluster,
            capacityProviders=inputs.get("capacityProviders") or [],
            defaultCapacityProviderStrategy=inputs.get(
                "defaultCapacityProviderStrategies"
            )
            or [],
        )


_PLAIN = (
    "cpu",
    "executionRoleArn",
    "family",
    "ipcMode",
    "memory",
    "networkMode",
    "pidMode",
    "placementConstraints",
    "requiresCompatibilities",
    "runtimePlatform",
    "taskRoleArn",
)
"""Inputs of a task definition that the API takes as they are."""


class TaskDefinition(EcsRow):
    """aws.ecs.TaskDefinition: one revision of a family; its id is the family."""

    token = "aws:ecs/taskDefinition:TaskDefinition"
    replaces = frozenset(
        {
            *_PLAIN,
            "containerDefinitions",
            "enableFaultInjection",
            "ephemeralStorage",
            "volumes",
        }
    )
    # The first is lost in moto; the others only tell the provider what to do.
    unverified = frozenset({"enableFaultInjection", "skipDestroy", "trackLatest"})

    def canonical(self, key: str, value: Any) -> Any:
        return canonical(value) if key == "containerDefinitions" else value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(inputs, "family", _NAME, _NAME_SAYS),
            *arn(inputs, "executionRoleArn"),
            *arn(inputs, "taskRoleArn"),
            *one_of(inputs, "networkMode", ("awsvpc", "bridge", "host", "none")),
            *one_of(inputs, "pidMode", ("host", "task")),
            *one_of(inputs, "ipcMode", ("host", "task", "none")),
            *one_of(inputs, "runtimePlatform.cpuArchitecture", ("X86_64", "ARM64")),
            *within(inputs, "ephemeralStorage.sizeInGib", 21, 200),
            *_volume_problems(inputs),
            *container_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        storage = inputs.get("ephemeralStorage")
        made = aws.client("ecs").register_task_definition(
            containerDefinitions=json.loads(inputs["containerDefinitions"]),
            volumes=[_volume(one) for one in inputs.get("volumes") or []],
            tags=_tag_list(inputs.get("tagsAll")),
            **(
                {"ephemeralStorage": {"sizeInGiB": storage["sizeInGib"]}}
                if storage
                else {}
            ),
            **given(inputs, enableFaultInjection="enableFaultInjection"),
            **given(inputs, **{key: key for key in _PLAIN}),
        )
        return str(made["taskDefinition"]["family"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        reference = known.get("arn") or id
        if known.get("trackLatest") or ":" not in reference:
            reference = _latest(aws, reference) or reference
        found = _task_definition(aws, reference)
        if found is None:
            return None
        live = found["taskDefinition"]
        made: str = live["taskDefinitionArn"]
        storage = live.get("ephemeralStorage")
        return {
            "id": live["family"],
            "arn": made,
            "arnWithoutRevision": made.rsplit(":", 1)[0],
            "containerDefinitions": json.dumps(
                live["containerDefinitions"], sort_keys=True
            ),
            "ephemeralStorage": {"sizeInGib": storage["sizeInGiB"]}
            if storage
            else None,
            "revision": live["revision"],
            "tagsAll": _tag_map(found.get("tags")),
            "volumes": [_live_volume(one) for one in live["volumes"]],
            **{key: live.get(key) for key in _PLAIN},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.retag(aws, old["arn"], old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if state.get("skipDestroy") or _task_definition(aws, state["arn"]) is None:
            return
        aws.client("ecs").deregister_task_definition(taskDefinition=state["arn"])


def _task_definition(aws: Aws, reference: str) -> dict[str, Any] | None:
    """An active revision with its tags, as the API gives them."""
    try:
        found = aws.client("ecs").describe_task_definition(
            taskDefinition=reference, include=["TAGS"]
        )
    except ClientError as error:
        if is_gone(error) or "Unable to describe" in str(error):
            return None
        raise
    active = found["taskDefinition"]["status"] == "ACTIVE"
    return dict(found) if active else None


def _latest(aws: Aws, reference: str) -> str | None:
    """ARN of the newest active revision of a family, by its name or any ARN of it."""
    family = _short(reference).split(":")[0]
    pages = aws.client("ecs").get_paginator("list_task_definitions")
    active = [
        one
        for page in pages.paginate(familyPrefix=family, status="ACTIVE")
        for one in page["taskDefinitionArns"]
    ]
    return max(active, key=lambda one: int(one.rsplit(":", 1)[1]), default=None)


def _volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    """A volume as the API takes it: the path on the host is an object there."""
    rest = {k: v for k, v in volume.items() if k != "hostPath" and v is not None}
    host = volume.get("hostPath")
    return {**rest, "host": {"sourcePath": host}} if host else rest


def _volume_problems(inputs: Mapping[str, Any]) -> list[str]:
    volumes = inputs.get("volumes")
    return [
        f"volumes[{index}].{key}: the rehearsal does not carry this kind of volume"
        for index, volume in enumerate(volumes if isinstance(volumes, list) else [])
        for key in (
            "fsxWindowsFileServerVolumeConfiguration",
            "s3filesVolumeConfiguration",
        )
        if value_at(volume, key) is not None
    ]


def _live_volume(live: Mapping[str, Any]) -> Properties:
    rest = {key: value for key, value in live.items() if key != "host"}
    path = live.get("host", {}).get("sourcePath")
    return {**rest, "hostPath": path} if path else rest


# What moto keeps of a change, but not of a creation.
_LATE = frozenset(
    {
        "availabilityZoneRebalancing",
        "capacityProviderStrategy",
        "deploymentConfiguration",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "healthCheckGracePeriodSeconds",
    }
)


class Service(EcsRow):
    """aws.ecs.Service, without lifecycle hooks; its id is its ARN."""

    token = "aws:ecs/service:Service"
    autoname = "name"
    replaces = frozenset(
        {"cluster", "deploymentController", "launchType", "schedulingStrategy"}
    )
    updates = frozenset(
        {
            "alarms",
            "availabilityZoneRebalancing",
            "capacityProviderStrategies",
            "deploymentCircuitBreaker",
            "deploymentConfiguration",
            "deploymentMaximumPercent",
            "deploymentMinimumHealthyPercent",
            "desiredCount",
            "enableEcsManagedTags",
            "enableExecuteCommand",
            "healthCheckGracePeriodSeconds",
            "loadBalancers",
            "networkConfiguration",
            "platformVersion",
            "propagateTags",
            "taskDefinition",
        }
    )
    # They tell the provider what to do at changes and at the end, and to wait for
    # tasks that moto never starts.
    unverified = frozenset(
        {
            "forceDelete",
            "forceNewDeployment",
            "sigintRollback",
            "triggers",
            "waitForSteadyState",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "deploymentController": {"type": "ECS"},
        "deploymentMaximumPercent": 200,
        "deploymentMinimumHealthyPercent": 100,
        "enableEcsManagedTags": False,
        "enableExecuteCommand": False,
        "schedulingStrategy": "REPLICA",
    }

    def canonical(self, key: str, value: Any) -> Any:
        return _short(value) if key in ("cluster", "taskDefinition") else value

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """Other capacity is a new service, unless a new deployment is forced."""
        forced = super().replacing(changed, old, new)
        key = "capacityProviderStrategies"
        kept = new.get("forceNewDeployment") and old.get(key) and new.get(key)
        return forced if kept else forced | (changed & {key})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(inputs, "name", _NAME, _NAME_SAYS),
            *one_of(inputs, "launchType", ("EC2", "FARGATE")),
            *one_of(inputs, "schedulingStrategy", ("REPLICA",)),
            *one_of(inputs, "deploymentController.type", ("ECS",)),
            *one_of(inputs, "availabilityZoneRebalancing", ("ENABLED", "DISABLED")),
            *one_of(inputs, "propagateTags", ("SERVICE", "TASK_DEFINITION", "NONE")),
            *within(inputs, "desiredCount", 0, 5000),
            *within(inputs, "deploymentMinimumHealthyPercent", 0, 200),
            *within(inputs, "deploymentMaximumPercent", 100, 200),
            *within(inputs, "healthCheckGracePeriodSeconds", 0, 2147483647),
        ]
        if inputs.get("taskDefinition") is None:
            problems.append("taskDefinition: missing, and rolling deployments need it")
        if inputs.get("launchType") is not None and inputs.get(
            "capacityProviderStrategies"
        ):
            problems.append("launchType: conflicts with capacityProviderStrategies")
        if inputs.get("healthCheckGracePeriodSeconds") and not inputs.get(
            "loadBalancers"
        ):
            problems.append(
                "healthCheckGracePeriodSeconds: only for services with loadBalancers"
            )
        return [*problems, *_deployment_problems(inputs)]

    def create(self, aws: Aws, inputs: Properties) -> str:
        _refuse_task(aws, "CreateService", inputs)
        cluster = inputs.get("cluster", "default")
        if _service(aws, f"{_short(cluster)}/{inputs['name']}"):
            raise refusal(
                "CreateService",
                "InvalidParameterException",
                "Creation of service was not idempotent.",
            )
        ecs, call = aws.client("ecs"), _call(inputs)
        made = ecs.create_service(
            serviceName=inputs["name"],
            tags=_tag_list(inputs.get("tagsAll")),
            **given(
                inputs,
                cluster="cluster",
                deploymentController="deploymentController",
                launchType="launchType",
                schedulingStrategy="schedulingStrategy",
            ),
            **call,
        )
        place = {"cluster": cluster, "service": inputs["name"]}
        try:
            ecs.update_service(**place, **{key: call[key] for key in _LATE & {*call}})
        except ClientError:
            # AWS would have refused, or made it whole.
            ecs.delete_service(**place, force=True)
            raise
        return str(made["service"]["serviceArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _service(aws, id)
        if live is None:
            return None
        deployment = live.get("deploymentConfiguration", {})
        strategies = live.get("capacityProviderStrategy") or []
        return {
            "id": live["serviceArn"],
            "arn": live["serviceArn"],
            "alarms": deployment.get("alarms"),
            "availabilityZoneRebalancing": live.get("availabilityZoneRebalancing"),
            "capacityProviderStrategies": strategies,
            "cluster": live["clusterArn"],
            "deploymentCircuitBreaker": deployment.get("deploymentCircuitBreaker"),
            "deploymentConfiguration": _live_strategy(deployment),
            "deploymentController": live["deploymentController"],
            "deploymentMaximumPercent": deployment.get("maximumPercent"),
            "deploymentMinimumHealthyPercent": deployment.get("minimumHealthyPercent"),
            "desiredCount": live["desiredCount"],
            "enableEcsManagedTags": live.get("enableECSManagedTags", False),
            "enableExecuteCommand": live.get("enableExecuteCommand", False),
            "healthCheckGracePeriodSeconds": live.get("healthCheckGracePeriodSeconds"),
            # moto says EC2 where capacity providers decide.
            "launchType": None if strategies else live.get("launchType"),
            "loadBalancers": live["loadBalancers"],
            "name": live["serviceName"],
            "networkConfiguration": _live_network(live.get("networkConfiguration")),
            "platformVersion": live.get("platformVersion"),
            "propagateTags": live.get("propagateTags"),
            "schedulingStrategy": live["schedulingStrategy"],
            "tagsAll": _tag_map(live.get("tags")),
            "taskDefinition": live["taskDefinition"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed - {"tags", "tagsAll"}:
            _refuse_task(aws, "UpdateService", new)
            cluster, name = _place(id)
            aws.client("ecs").update_service(
                cluster=cluster,
                service=name,
                forceNewDeployment=bool(new.get("forceNewDeployment")),
                **_call(new),
            )
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if _service(aws, id) is None:
            return
        cluster, name = _place(id)
        ecs = aws.client("ecs")
        force = bool(state.get("forceDelete"))
        if not force:
            ecs.update_service(cluster=cluster, service=name, desiredCount=0)
        deleted(ecs.delete_service, cluster=cluster, service=name, force=force)


def _place(id: str) -> tuple[str, str]:
    """Cluster and name, from an ARN or from what `pulumi import` takes."""
    cluster, name = id.rsplit("/", 2)[-2:]
    return cluster, name


def _service(aws: Aws, id: str) -> dict[str, Any] | None:
    """An active service; moto keeps those that are deleted."""
    cluster, name = _place(id)
    try:
        found = aws.client("ecs").describe_services(
            cluster=cluster, services=[name], include=["TAGS"]
        )["services"]
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    active = [one for one in found if one["status"] == "ACTIVE"]
    return dict(active[0]) if active else None


def _call(inputs: Properties) -> dict[str, Any]:
    """What create and update call alike; empty values undo earlier ones."""
    network = inputs.get("networkConfiguration")
    return {
        "capacityProviderStrategy": inputs.get("capacityProviderStrategies") or [],
        "deploymentConfiguration": _deployment(inputs),
        "desiredCount": inputs.get("desiredCount") or 0,
        "enableECSManagedTags": inputs["enableEcsManagedTags"],
        "enableExecuteCommand": inputs["enableExecuteCommand"],
        "healthCheckGracePeriodSeconds": inputs.get("healthCheckGracePeriodSeconds")
        or 0,
        "loadBalancers": inputs.get("loadBalancers") or [],
        "propagateTags": inputs.get("propagateTags") or "NONE",
        **given(
            inputs,
            availabilityZoneRebalancing="availabilityZoneRebalancing",
            platformVersion="platformVersion",
            taskDefinition="taskDefinition",
        ),
        **({"networkConfiguration": _network(network)} if network else {}),
    }


def _deployment(inputs: Properties) -> dict[str, Any]:
    return {
        "maximumPercent": inputs["deploymentMaximumPercent"],
        "minimumHealthyPercent": inputs["deploymentMinimumHealthyPercent"],
        "deploymentCircuitBreaker": inputs.get("deploymentCircuitBreaker")
        or {"enable": False, "rollback": False},
        **given(inputs, alarms="alarms"),
        **_strategy(inputs.get("deploymentConfiguration") or {}),
    }


_STRATEGIES: Mapping[str, str | None] = {
    "ROLLING": None,
    "BLUE_GREEN": None,
    "CANARY": "canaryConfiguration",
    "LINEAR": "linearConfiguration",
}
"""Deployment strategies, and what is for that one only."""


def _strategy(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """How a new version takes over, as the API takes it: times are numbers there."""
    call = given(wanted, strategy="strategy")
    if wanted.get("bakeTimeInMinutes") is not None:
        call["bakeTimeInMinutes"] = int(wanted["bakeTimeInMinutes"])
    for key in filter(None, _STRATEGIES.values()):
        if wanted.get(key):
            call[key] = {
                k: int(v) if k.endswith("Minutes") else float(v)
                for k, v in wanted[key].items()
                if v is not None
            }
    return call


def _live_strategy(live: Mapping[str, Any]) -> Properties:
    found = given(live, strategy="strategy")
    if "bakeTimeInMinutes" in live:
        found["bakeTimeInMinutes"] = str(live["bakeTimeInMinutes"])
    for key in filter(None, _STRATEGIES.values()):
        if live.get(key):
            found[key] = {
                k: str(v) if k.endswith("Minutes") else _whole(v)
                for k, v in live[key].items()
            }
    return found


def _whole(number: float) -> float:
    """10.0 as 10, which it becomes on the way to the engine anyway."""
    return int(number) if number == int(number) else number


def _network(network: Mapping[str, Any]) -> dict[str, Any]:
    public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
    return {
        "awsvpcConfiguration": {
            "subnets": network["subnets"],
            "securityGroups": network.get("securityGroups") or [],
            "assignPublicIp": public,
        }
    }


def _live_network(live: Mapping[str, Any] | None) -> Properties | None:
    if not live:
        return None
    found = live["awsvpcConfiguration"]
    return {
        "assignPublicIp": found.get("assignPublicIp") == "ENABLED",
        "securityGroups": found.get("securityGroups", []),
        "subnets": found["subnets"],
    }


def _deployment_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = _strategy_problems(inputs)
    balancers = inputs.get("loadBalancers")
    for index, one in enumerate(balancers if isinstance(balancers, list) else []):
        at = f"loadBalancers[{index}]"
        if value_at(one, "elbName") is not None:
            problems.append(f"{at}.elbName: the rehearsal carries target groups only")
        found = [
            *within(one, "containerPort", 1, 65535),
            *(
                problem
                for key in (
                    "alternateTargetGroupArn",
                    "productionListenerRule",
                    "roleArn",
                    "testListenerRule",
                )
                for problem in arn(one, f"advancedConfiguration.{key}")
            ),
        ]
        problems += [f"{at}.{problem}" for problem in found]
    if (
        value_at(inputs, "availabilityZoneRebalancing") == "ENABLED"
        and value_at(inputs, "deploymentMaximumPercent") == 100
    ):
        problems.append(
            "availabilityZoneRebalancing: needs a deploymentMaximumPercent over 100"
        )
    return problems


def _strategy_problems(inputs: Mapping[str, Any]) -> list[str]:
    at = "deploymentConfiguration"
    carried = {"strategy", "bakeTimeInMinutes", *_STRATEGIES.values()}
    return [
        *(
            f"{at}.{key}: the rehearsal does not carry this"
            for key, value in (value_at(inputs, at) or {}).items()
            if key not in carried and value is not None
        ),
        *one_of(inputs, f"{at}.strategy", tuple(_STRATEGIES)),
        *within(inputs, f"{at}.bakeTimeInMinutes", 0, 1440),
        *_percent(inputs, f"{at}.canaryConfiguration.canaryPercent", 0.1),
        *within(inputs, f"{at}.canaryConfiguration.canaryBakeTimeInMinutes", 0, 1440),
        *_percent(inputs, f"{at}.linearConfiguration.stepPercent", 3),
        *within(inputs, f"{at}.linearConfiguration.stepBakeTimeInMinutes", 0, 1440),
    ]


def _percent(inputs: Mapping[str, Any], path: str, low: float) -> list[str]:
    value = value_at(inputs, path)
    if value is None or low <= float(value) <= 100:
        return []
    return [f"{path}: {value} must be between {low} and 100"]


def _refuse_task(aws: Aws, operation: str, inputs: Properties) -> None:
    """What AWS finds out when it looks at service and task together."""
    found = _task_definition(aws, inputs["taskDefinition"])
    if found is None:
        raise refusal(
            operation,
            "ClientException",
            f"TaskDefinition not found or inactive: {inputs['taskDefinition']}",
        )
    task = found["taskDefinition"]
    wrong = [
        *_wrong_capacity(aws, inputs, task),
        *_wrong_network(inputs, task),
        *_wrong_strategy(inputs),
        *(
            problem
            for balancer in inputs.get("loadBalancers") or []
            for problem in _wrong_target(aws, balancer, task)
        ),
    ]
    if wrong:
        raise refusal(operation, "InvalidParameterException", " ".join(wrong))


def _wrong_capacity(aws: Aws, inputs: Properties, task: Mapping[str, Any]) -> list[str]:
    cluster = _cluster(aws, inputs.get("cluster", "default"))
    offered = (cluster or {}).get("capacityProviders") or []
    wanted = [
        one["capacityProvider"]
        for one in inputs.get("capacityProviderStrategies") or []
    ]
    wrong = [
        f"The capacity provider {one} is not associated with the cluster: let the "
        "service depend on the ClusterCapacityProviders."
        for one in wanted
        if one not in offered
    ]
    fargate = inputs.get("launchType") == "FARGATE" or any(
        one.startswith("FARGATE") for one in wanted
    )
    if fargate and "FARGATE" not in (task.get("requiresCompatibilities") or []):
        wrong.append("Task definition does not support launch_type FARGATE.")
    return wrong


def _wrong_strategy(inputs: Properties) -> list[str]:
    wanted = inputs.get("deploymentConfiguration") or {}
    strategy = wanted.get("strategy") or "ROLLING"
    wrong = [
        f"{block} is only valid with the deployment strategy {owner}."
        for owner, block in _STRATEGIES.items()
        if block and wanted.get(block) and owner != strategy
    ]
    unmoved = [
        one
        for one in inputs.get("loadBalancers") or []
        if not one.get("advancedConfiguration")
    ]
    if strategy != "ROLLING" and unmoved:
        wrong.append(
            f"The deployment strategy {strategy} needs an advancedConfiguration in "
            "each load balancer."
        )
    return wrong


def _wrong_network(inputs: Properties, task: Mapping[str, Any]) -> list[str]:
    awsvpc = task.get("networkMode") == "awsvpc"
    if awsvpc and not inputs.get("networkConfiguration"):
        return [
            "Network Configuration must be provided when networkMode 'awsvpc' is "
            "specified."
        ]
    if not awsvpc and inputs.get("networkConfiguration"):
        return [
            "Network Configuration is not valid for the given networkMode of this "
            "task definition."
        ]
    return []


def _wrong_target(
    aws: Aws, balancer: Mapping[str, Any], task: Mapping[str, Any]
) -> list[str]:
    name, port = balancer["containerName"], balancer["containerPort"]
    group = balancer["targetGroupArn"]
    ports = {
        container["name"]: [
            mapping["containerPort"] for mapping in container.get("portMappings", [])
        ]
        for container in task["containerDefinitions"]
    }
    if name not in ports:
        return [f"The container {name} does not exist in the task definition."]
    if port not in ports[name]:
        return [f"The container {name} did not have a container port {port} defined."]
    moved = balancer.get("advancedConfiguration") or {}
    groups = [group, *filter(None, [moved.get("alternateTargetGroupArn")])]
    return [
        *(problem for one in groups for problem in _wrong_group(aws, one, task)),
        *_wrong_rules(aws, moved),
    ]


def _wrong_group(aws: Aws, group: str, task: Mapping[str, Any]) -> list[str]:
    found = aws.client("elbv2").describe_target_groups(TargetGroupArns=[group])
    kind = found["TargetGroups"][0]["TargetType"]
    if task.get("networkMode") == "awsvpc" and kind != "ip":
        return [
            f"The provided target group {group} has target type {kind}, which is "
            "incompatible with the awsvpc network mode of the task definition."
        ]
    if not balancers_of(aws, group):
        return [
            f"The target group with targetGroupArn {group} does not have an associated "
            "load balancer."
        ]
    return []


def _wrong_rules(aws: Aws, moved: Mapping[str, Any]) -> list[str]:
    """The rules by which traffic moves are rules, two, and there.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html
    """
    keys = ("productionListenerRule", "testListenerRule")
    rules = {key: moved[key] for key in keys if moved.get(key)}
    if len(set(rules.values())) < len(rules):
        return [
            "The following rules cannot be used as both production and test listener "
            f"rules: {moved['testListenerRule']}"
        ]
    return [
        problem
        for key, rule in rules.items()
        for problem in _wrong_rule(aws, key, rule)
    ]


def _wrong_rule(aws: Aws, key: str, rule: str) -> list[str]:
    if ":listener-rule/" not in rule:
        return [
            f"{key} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn "
            f"for NLB. Got: {rule}"
        ]
    try:
        aws.client("elbv2").describe_rules(RuleArns=[rule])
    except ClientError as error:
        if not is_gone(error):
            raise
        return [f"The {key} {rule} does not exist."]
    return []


ROWS: tuple[type[Row], ...] = (
    Cluster,
    ClusterCapacityProviders,
    TaskDefinition,
    Service,
)
INVOKES: Mapping[str, Any] = {}
