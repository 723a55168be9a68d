"""What exists at the Railway of a test or rehearsal, and how it changes.

A resolver for each query and mutation of `components/railway/schema.graphql`. What is
known of how the live API behaves is here; nothing is built, and nothing runs.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from graphql import GraphQLError

_REGION: Final = "us-west2"
_STEPS: Final = ("INITIALIZING", "BUILDING", "DEPLOYING")
_STAY: Final = frozenset({"SUCCESS", "REMOVED"})  # what can be gone back to
_ENDED: Final = frozenset({"SUCCESS", "FAILED", "CRASHED", "REMOVED"})
_INSTANCE: Final = "-instance"
_T = TypeVar("_T")


class RefusedError(GraphQLError):
    """What Railway answers to a request that it does not carry out."""

    def __init__(self, message: str, code: str = "INTERNAL_SERVER_ERROR") -> None:
        super().__init__(message, extensions={"code": code})


@dataclass
class Deployment:
    """A deployment: what was deployed, and the steps until its end.

    variables, settings: as they were when it began. lines, build: what it printed, and
    what its build did: time and text.
    """

    id: str
    settings: Mapping[str, Any]
    variables: Mapping[str, str]
    steps: list[str]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lines: list[tuple[str, str]] = field(default_factory=list)
    build: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The step that it is at."""
        return self.steps[0]

    def look(self) -> dict[str, Any]:
        """Return what a query says of it; each look takes it a step further."""
        said = {
            "id": self.id,
            "status": self.status,
            "createdAt": self.at.isoformat(),
            "canRollback": self.status in _STAY,
            "meta": {k: v for k, v in self.settings.get("source", {}).items() if v},
        }
        if len(self.steps) > 1:
            self.steps.pop(0)
        return said


@dataclass
class Service:
    """A service with its one instance.

    settings: by their API names. variables: those that were set. placement: region to
    replicas. outcome: how its next deployments end. metrics: measurement to its newest
    value. proxies: public TCP ports, as domain, port there and port here.
    """

    id: str
    name: str
    settings: dict[str, Any]
    placement: dict[str, int]
    variables: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] | None = None
    trigger: dict[str, str] | None = None
    deployments: list[Deployment] = field(default_factory=list)
    domains: list[dict[str, Any]] = field(default_factory=list)
    outcome: str = "SUCCESS"
    metrics: dict[str, float] = field(default_factory=dict)
    proxies: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def running(self) -> Deployment | None:
        """The deployment that serves."""
        served = (d for d in reversed(self.deployments) if d.status == "SUCCESS")
        return next(served, None)


@dataclass
class Volume:
    """A volume, where it is mounted and by whom, how full it is, and its backups."""

    id: str
    name: str
    mount_path: str
    service_id: str | None
    used: float = 120.0  # MB, as `size`
    size: int = 5000
    backups: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Project:
    """A project with environments (id to name), services and volumes."""

    id: str
    name: str
    description: str
    workspace_id: str | None
    environments: dict[str, str]
    services: list[Service] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)


class Model:
    """What exists at the Railway of a test or rehearsal.

    taken: domains that somebody else has.
    """

    def __init__(self) -> None:
        self.projects: list[Project] = []
        self.taken: set[str] = set()
        self.resolvers: dict[str, Callable[..., Any]] = {
            "buildLogs": self._build_logs,
            "customDomainCreate": self._custom_domain_create,
            "customDomainDelete": self._domain_delete,
            "customDomainUpdate": self._custom_domain_update,
            "deployment": self._deployment,
            "deploymentLogs": self._logs,
            "deploymentRollback": self._rollback,
            "deployments": self._deployments,
            "deploymentTriggerCreate": self._trigger_create,
            "deploymentTriggerDelete": self._trigger_delete,
            "deploymentTriggers": self._triggers,
            "deploymentTriggerUpdate": self._trigger_update,
            "domains": self._domains,
            "environment": self._environment,
            "environmentCreate": self._environment_create,
            "metrics": self._metrics,
            "project": lambda _, id: self._project_node(self.project(id)),
            "projectCreate": self._project_create,
            "projectDelete": self._project_delete,
            "projects": self._projects,
            "projectToken": self._project_token,
            "projectUpdate": self._project_update,
            "service": lambda _, id: _service_node(*self._service(id)),
            "serviceCreate": self._service_create,
            "serviceDelete": self._service_delete,
            "serviceDomainCreate": self._service_domain_create,
            "serviceDomainDelete": self._domain_delete,
            "serviceDomainUpdate": self._service_domain_update,
            "serviceInstance": self._instance,
            "serviceInstanceDeployV2": self._deploy,
            "serviceInstanceUpdate": self._instance_update,
            "serviceUpdate": self._service_update,
            "tcpProxies": self._tcp_proxies,
            "variableCollectionUpsert": self._variables_set,
            "variables": self._variables,
            "volumeCreate": self._volume_create,
            "volumeDelete": self._volume_delete,
            "volumeInstanceBackupCreate": self._volume_back_up,
            "volumeInstanceBackupList": self._volume_backups,
            "volumeInstanceUpdate": self._volume_mount,
            "volumeUpdate": self._volume_update,
        }

    def project(self, id_: str) -> Project:
        """Return a project by its id, or refuse as Railway does."""
        return _first(self.projects, "Project", lambda project: project.id == id_)

    def service(self, name: str) -> Service:
        """Return the only service of a name, in any project."""
        services = [s for p in self.projects for s in p.services]
        return _first(services, "Service", lambda service: service.name == name)

    def things(self) -> set[tuple[str, str]]:
        """Return everything that exists, as kind and name."""
        found = set()
        for project in self.projects:
            found.add(("project", project.name))
            found |= {("volume", volume.name) for volume in project.volumes}
            for service in project.services:
                found.add(("service", service.name))
                found |= {("domain", domain["domain"]) for domain in service.domains}
        return found

    # Projects and environments

    def _projects(
        self,
        _: Any,
        first: int = 10,
        after: str | None = None,
        workspaceId: str | None = None,
        includeDeleted: bool = False,
    ) -> Any:
        mine = [p for p in self.projects if workspaceId in (None, p.workspace_id)]
        start = int(after or 0)
        page = mine[start : start + first]
        end = start + len(page)
        return {
            **_connection(self._project_node(project) for project in page),
            "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(mine)},
        }

    def _project_node(self, project: Project) -> Any:
        return {
            "id": project.id,
            "name": project.name,
            "description": project.description,
            "environments": _connection(
                {"id": id_, "name": name} for id_, name in project.environments.items()
            ),
            "services": _connection(
                _service_node(project, service) for service in project.services
            ),
        }

    def _project_token(self, _: Any) -> Any:
        """The only project's: tokens of projects are made by hand."""
        project = _first(self.projects, "Project", lambda _: True)
        environment = next(iter(project.environments))
        return {"projectId": project.id, "environmentId": environment}

    def _project_create(self, _: Any, input: Any) -> Any:
        name = input.get("defaultEnvironmentName") or "production"
        project = Project(
            _id(),
            input.get("name") or f"project-{secrets.token_hex(3)}",
            input.get("description") or "",
            input.get("workspaceId"),
            {_id(): name},
        )
        self.projects.append(project)
        return self._project_node(project)

    def _project_update(self, _: Any, id: str, input: Any) -> Any:
        project = self.project(id)
        project.name = input.get("name") or project.name
        project.description = input.get("description", project.description)
        return self._project_node(project)

    def _project_delete(self, _: Any, id: str) -> bool:
        self.projects.remove(self.project(id))
        return True

    def _environment_create(self, _: Any, input: Any) -> Any:
        project = self.project(input["projectId"])
        if input["name"] in project.environments.values():
            raise RefusedError("An environment with that name already exists")
        id_ = _id()
        project.environments[id_] = input["name"]
        return {"id": id_, "name": input["name"]}

    def _environment(self, _: Any, id: str, projectId: str | None = None) -> Any:
        project = self._project_of(id)
        if projectId not in (None, project.id):
            raise RefusedError("Environment not found")
        names = {service.id: service for service in project.services}
        config = {
            "services": {
                id_: {
                    "deploy": {
                        "multiRegionConfig": {
                            region: {"numReplicas": replicas}
                            for region, replicas in service.placement.items()
                        }
                    }
                }
                for id_, service in names.items()
            }
        }
        return {
            "id": id,
            "name": project.environments[id],
            "config": lambda _, decryptVariables: config,
            "volumeInstances": lambda _, first: _connection(
                map(_volume_node, project.volumes)
            ),
        }

    def _project_of(self, environment_id: str) -> Project:
        return _first(
            self.projects, "Environment", lambda p: environment_id in p.environments
        )

    # Services

    def _service(self, id_: str) -> tuple[Project, Service]:
        pairs = [(p, s) for p in self.projects for s in p.services]
        return _first(pairs, "Service", lambda pair: pair[1].id == id_)

    def _service_of(self, serviceId: str, environmentId: str) -> Service:
        project = self._project_of(environmentId)
        return _first(project.services, "ServiceInstance", lambda s: s.id == serviceId)

    def _service_create(self, _: Any, input: Any) -> Any:
        project = self.project(input["projectId"])
        name = input.get("name") or f"service-{secrets.token_hex(3)}"
        if any(service.name == name for service in project.services):
            raise RefusedError(f"A service named {name} already exists in this project")
        service = Service(_id(), name, _default_settings(), {_REGION: 1})
        project.services.append(service)
        return _service_node(project, service)

    def _service_update(self, _: Any, id: str, input: Any) -> Any:
        project, service = self._service(id)
        service.name = input.get("name") or service.name
        return _service_node(project, service)

    def _service_delete(
        self,
        _: Any,
        id: str,
        environmentId: str | None = None,
    ) -> bool:
        project, service = self._service(id)
        project.services.remove(service)
        for volume in project.volumes:
            if volume.service_id == service.id:
                volume.service_id = None
        return True

    def _instance(self, _: Any, **target: str) -> Any:
        service = self._service_of(**target)
        latest = service.deployments[-1] if service.deployments else None
        return {
            "id": f"{service.id}-instance",
            **service.settings,
            "latestDeployment": (lambda _: latest.look()) if latest else None,
        }

    def _instance_update(self, _: Any, input: Any, **target: str) -> bool:
        service = self._service_of(**target)
        changes = dict(input)
        if "registryCredentials" in changes:
            service.credentials = changes.pop("registryCredentials")
        if source := changes.pop("source", None):
            service.settings["source"] = {"image": None, "repo": None, **source}
        placement = changes.pop("multiRegionConfig", None)
        # Left out, it falls to one.
        changes["numReplicas"] = changes.get("numReplicas") or 1
        for key, value in changes.items():
            service.settings[key] = _DEFAULTS.get(key) if value is None else value
        if placement:
            for region, replicas in placement.items():
                if replicas is None:
                    service.placement.pop(region, None)
                else:
                    service.placement[region] = replicas["numReplicas"]
        else:
            region = next(iter(service.placement), _REGION)
            service.placement = {region: changes["numReplicas"]}
        return True

    def _triggers(
        self,
        _: Any,
        projectId: str,
        first: int = 10,
        **target: str,
    ) -> Any:
        trigger = self._service_of(**target).trigger
        return _connection([trigger] if trigger else [])

    def _trigger_create(self, _: Any, input: Any) -> Any:
        service = self._service_of(input["serviceId"], input["environmentId"])
        service.trigger = {
            "id": _id(),
            "branch": input["branch"],
            "repository": input["repository"],
        }
        return service.trigger

    def _trigger_update(self, _: Any, id: str, input: Any) -> Any:
        service = self._with_trigger(id)
        service.trigger = {**(service.trigger or {}), **input}
        return service.trigger

    def _trigger_delete(self, _: Any, id: str) -> bool:
        self._with_trigger(id).trigger = None
        return True

    def _with_trigger(self, id_: str) -> Service:
        services = [s for p in self.projects for s in p.services]
        return _first(
            services,
            "DeploymentTrigger",
            lambda s: s.trigger is not None and s.trigger["id"] == id_,
        )

    # Deployments

    def _deploy(
        self,
        _: Any,
        commitSha: str | None = None,
        **target: str,
    ) -> str:
        service = self._service_of(**target)
        source = service.settings["source"]
        if not any(source.values()):
            raise RefusedError("Service has no source to deploy", "BAD_USER_INPUT")
        deployment = Deployment(
            _id(),
            dict(service.settings),
            dict(service.variables),
            [*_STEPS, service.outcome],
        )
        service.deployments.append(deployment)
        return deployment.id

    def _deployment(self, _: Any, id: str) -> Any:
        service, deployment = self._deployed(id)
        return _seen(service, deployment)

    def _deployed(self, id_: str) -> tuple[Service, Deployment]:
        services = [s for p in self.projects for s in p.services]
        pairs = [(s, d) for s in services for d in s.deployments]
        return _first(pairs, "Deployment", lambda pair: pair[1].id == id_)

    def _deployments(self, _: Any, input: Any, first: int = 10) -> Any:
        service = self._service_of(input["serviceId"], input["environmentId"])
        newest = service.deployments[: -first - 1 : -1]
        return _connection([_seen(service, deployment) for deployment in newest])

    def _rollback(self, _: Any, id: str) -> bool:
        service, deployment = self._deployed(id)
        if deployment.status not in _STAY:
            raise RefusedError("Deployment cannot be rolled back to", "BAD_USER_INPUT")
        steps = ["DEPLOYING", service.outcome]
        again = Deployment(_id(), deployment.settings, deployment.variables, steps)
        service.deployments.append(again)
        return True

    def _logs(
        self,
        _: Any,
        deploymentId: str,
        startDate: str | None = None,
        limit: int | None = None,
        **_filters: Any,
    ) -> Any:
        lines = self._deployed(deploymentId)[1].lines
        return _log([x for x in lines if x[0] >= (startDate or "")], limit)

    def _build_logs(
        self, _: Any, deploymentId: str, limit: int | None = None, **_filters: Any
    ) -> Any:
        return _log(self._deployed(deploymentId)[1].build, limit)

    def _metrics(
        self,
        _: Any,
        environmentId: str,
        serviceId: str,
        measurements: list[str],
        **_span: Any,
    ) -> Any:
        values = self._service_of(serviceId, environmentId).metrics
        return [
            {"measurement": name, "values": [{"ts": 1, "value": 0.0}, newest]}
            for name in measurements
            if name in values
            for newest in [{"ts": 2, "value": values[name]}]
        ]

    def _tcp_proxies(self, _: Any, **target: str) -> Any:
        return [
            {"id": _id(), "domain": domain, "proxyPort": port, "applicationPort": own}
            for domain, port, own in self._service_of(**target).proxies
        ]

    # Variables

    def _variables(
        self,
        _: Any,
        projectId: str,
        unrendered: bool = False,
        **target: str,
    ) -> Any:
        service = self._service_of(**target)
        railways = {
            "RAILWAY_PRIVATE_DOMAIN": f"{service.name}.railway.internal",
            "RAILWAY_SERVICE_NAME": service.name,
        }
        return {**railways, **service.variables}

    def _variables_set(self, _: Any, input: Any) -> bool:
        service = self._service_of(input["serviceId"], input["environmentId"])
        if input["replace"]:
            service.variables.clear()
        service.variables |= input["variables"]
        if not input["skipDeploys"] and service.deployments:
            target = {k: input[k] for k in ("serviceId", "environmentId")}
            self._deploy(None, **target)
        return True

    # Volumes

    def _volume_create(self, _: Any, input: Any) -> Any:
        project = self.project(input["projectId"])
        service_id = input.get("serviceId")
        if service_id and any(v.service_id == service_id for v in project.volumes):
            raise RefusedError("Service can only have one volume", "BAD_USER_INPUT")
        volume = Volume(
            _id(), f"volume-{secrets.token_hex(3)}", input["mountPath"], service_id
        )
        project.volumes.append(volume)
        return {"id": volume.id, "name": volume.name}

    def _volume(self, id_: str) -> tuple[Project, Volume]:
        pairs = [(p, v) for p in self.projects for v in p.volumes]
        return _first(pairs, "Volume", lambda pair: pair[1].id == id_)

    def _volume_update(self, _: Any, volumeId: str, input: Any) -> Any:
        volume = self._volume(volumeId)[1]
        volume.name = input.get("name") or volume.name
        return {"id": volume.id, "name": volume.name}

    def _volume_mount(
        self,
        _: Any,
        volumeId: str,
        input: Any,
        environmentId: str | None = None,
    ) -> bool:
        volume = self._volume(volumeId)[1]
        volume.mount_path = input.get("mountPath") or volume.mount_path
        volume.service_id = input.get("serviceId")
        return True

    def _volume_backups(self, _: Any, volumeInstanceId: str) -> Any:
        return self._volume(volumeInstanceId.removesuffix(_INSTANCE))[1].backups

    def _volume_back_up(
        self, _: Any, volumeInstanceId: str, name: str | None = None
    ) -> Any:
        volume = self._volume(volumeInstanceId.removesuffix(_INSTANCE))[1]
        made = {
            "id": _id(),
            "name": name,
            "createdAt": datetime.now(UTC).isoformat(),
            "usedMB": round(volume.used),
        }
        volume.backups.append(made)
        return {"workflowId": _id()}

    def _volume_delete(self, _: Any, volumeId: str) -> bool:
        project, volume = self._volume(volumeId)
        project.volumes.remove(volume)
        return True

    # Domains

    def _domains(self, _: Any, projectId: str, **target: str) -> Any:
        domains = self._service_of(**target).domains
        return {
            "customDomains": [d for d in domains if "status" in d],
            "serviceDomains": [d for d in domains if "status" not in d],
        }

    def _custom_domain_create(self, _: Any, input: Any) -> Any:
        service = self._service_of(input["serviceId"], input["environmentId"])
        name = input["domain"]
        known = {
            d["domain"] for p in self.projects for s in p.services for d in s.domains
        }
        if name in self.taken | known:
            raise RefusedError(f"{name} is already in use")
        label = secrets.token_hex(4)
        record = {
            "fqdn": name,
            "hostlabel": name.split(".")[0],
            "zone": name.partition(".")[2],
            "recordType": "DNS_RECORD_TYPE_CNAME",
            "requiredValue": f"{label}.up.railway.app",
        }
        domain = {
            "id": _id(),
            "domain": name,
            "targetPort": input.get("targetPort"),
            "status": {
                "dnsRecords": [record],
                "verificationDnsHost": f"_railway-verify.{name}",
                "verificationToken": f"railway-verify={secrets.token_hex(8)}",
            },
        }
        service.domains.append(domain)
        return domain

    def _service_domain_create(self, _: Any, input: Any) -> Any:
        service = self._service_of(input["serviceId"], input["environmentId"])
        domain = {
            "id": _id(),
            "domain": f"{service.name}-{secrets.token_hex(2)}.up.railway.app",
            "targetPort": input.get("targetPort"),
        }
        service.domains.append(domain)
        return domain

    def _domain(self, id_: str) -> tuple[Service, dict[str, Any]]:
        pairs = [(s, d) for p in self.projects for s in p.services for d in s.domains]
        return _first(pairs, "Domain", lambda pair: pair[1]["id"] == id_)

    def _custom_domain_update(
        self,
        _: Any,
        id: str,
        environmentId: str,
        targetPort: int | None = None,
    ) -> bool:
        self._domain(id)[1]["targetPort"] = targetPort
        return True

    def _service_domain_update(self, _: Any, input: Any) -> bool:
        domain = self._domain(input["serviceDomainId"])[1]
        domain |= {"domain": input["domain"], "targetPort": input.get("targetPort")}
        return True

    def _domain_delete(self, _: Any, id: str) -> bool:
        service, domain = self._domain(id)
        service.domains.remove(domain)
        return True


_DEFAULTS: Final[Mapping[str, Any]] = {
    "restartPolicyType": "ON_FAILURE",
    "restartPolicyMaxRetries": 10,
    "watchPatterns": [],
}


def _default_settings() -> dict[str, Any]:
    return {
        **_DEFAULTS,
        "numReplicas": 1,
        "source": {"image": None, "repo": None},
    }


def _first(items: Iterable[_T], kind: str, matches: Callable[[_T], bool]) -> _T:
    for item in items:
        if matches(item):
            return item
    raise RefusedError(f"{kind} not found")


def _id() -> str:
    return str(uuid.uuid4())


def _connection(items: Iterable[Any]) -> dict[str, Any]:
    return {"edges": [{"node": item} for item in items]}


def _service_node(project: Project, service: Service) -> dict[str, Any]:
    return {"id": service.id, "name": service.name, "projectId": project.id}


def _volume_node(volume: Volume) -> dict[str, Any]:
    return {
        "id": f"{volume.id}{_INSTANCE}",
        "volumeId": volume.id,
        "serviceId": volume.service_id,
        "currentSizeMB": volume.used,
        "sizeMB": volume.size,
        "mountPath": volume.mount_path,
        "state": "READY",
        "isPendingDeletion": False,
        "volume": {"id": volume.id, "name": volume.name},
    }


def _seen(service: Service, deployment: Deployment) -> dict[str, Any]:
    """What a query says of a deployment, which may just have begun to serve."""
    said = deployment.look()
    _remove_older(service, deployment)
    return said


def _log(lines: list[tuple[str, str]], limit: int | None) -> list[dict[str, str]]:
    found = [{"timestamp": at, "message": text} for at, text in lines]
    return found[-limit:] if limit else found


def _remove_older(service: Service, deployment: Deployment) -> None:
    """Once a deployment serves, those before it do not."""
    if deployment.status != "SUCCESS":
        return
    for older in service.deployments:
        if older is deployment:
            return
        if older.status in _ENDED:
            older.steps = ["REMOVED"]
