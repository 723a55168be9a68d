"""The App Platform spec as plain data: for the API, and for the file `.do/app.yaml`.

Fields have the names that DigitalOcean publishes:
https://docs.digitalocean.com/products/app-platform/reference/app-spec/
`build` makes the spec, `render` the file, `for_provider` what `digitalocean.App`
takes. Nothing here talks to anybody.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import yaml

SERVICE = "api"
"""Component that runs the app."""

CLIENT = "client"
"""Component that serves the client's files."""

MIGRATION = "migrate"
"""Job that runs before each deployment."""

DEV_DATABASE = "db"
"""Development database that is part of the app."""

DEV_DATABASE_URL = f"${{{DEV_DATABASE}.DATABASE_URL}}"
"""Stands for its address; the platform puts the address in."""

DEV_DATABASE_CA = f"${{{DEV_DATABASE}.CA_CERT}}"
"""Stands for the certificate of its authority."""

CA_FILE = "/tmp/database-ca.pem"  # noqa: S108 - the container's own
"""Where a container puts the certificate of the database's authority."""

Spec = dict[str, Any]
"""A spec, or a part of one, by published field names."""


@dataclass(frozen=True)
class Secret:
    """A value in a spec that the platform encrypts, and that no file may hold."""

    value: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """An image that a registry holds.

    registry_type: where it is: GitHub, Docker Hub, or DigitalOcean's own.
    repository: name without registry and owner, such as `stromhaltig`.
    registry: owner at GHCR or Docker Hub. None for DOCR, which is the account's own.
    digest: `sha256:` and 64 hexadecimal digits.
    tag: instead of a digest. What it points to is looked up when a deployment starts.
    credentials: `user:token` for a private image outside of DOCR; secret.
    """

    registry_type: Literal["GHCR", "DOCKER_HUB", "DOCR"]
    repository: pulumi.Input[str]
    registry: pulumi.Input[str] | None = None
    digest: pulumi.Input[str] | None = None
    tag: pulumi.Input[str] | None = None
    credentials: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class GitHubSource:
    """A repository that App Platform builds itself, with access that it was granted.

    repo: `owner/name`.
    branch: that is built.
    deploy_on_push: whether a push deploys, by the platform and without Pulumi.
    source_dir: directory to build in, and the context of a Dockerfile.
    dockerfile_path: from the repository's root. None leaves it to buildpacks.
    build_command: for buildpacks.
    environment_slug: the buildpack's language, such as `node-js`.
    """

    repo: str
    branch: str = "main"
    deploy_on_push: bool = True
    source_dir: str = "/"
    dockerfile_path: str | None = None
    build_command: str | None = None
    environment_slug: str | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """How the platform asks a container how it is.

    http_path: answers with 200 to 399.
    initial_delay_seconds: before the first question, 0-3600.
    period_seconds: between questions, 1-300.
    timeout_seconds: for an answer, 1-120.
    success_threshold: right answers in a row that make it healthy, 1-50; for liveness
        1.
    failure_threshold: wrong ones in a row that make it unhealthy, 1-50.
    """

    http_path: str
    initial_delay_seconds: int = 5
    period_seconds: int = 10
    timeout_seconds: int = 5
    success_threshold: int = 1
    failure_threshold: int = 6


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """How many containers run, by how busy they are. Needs a dedicated size.

    min_count, max_count: containers; the first is less than the second.
    cpu_percent: average use of CPU that is aimed at.
    """

    min_count: int
    max_count: int
    cpu_percent: int = 70


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What the account is told of by e-mail.

    Others can be told as well, but not through a spec: who is told is set in the
    console. The provider writes such destinations and never reads them back, so each
    preview would show them as missing, and each update deploy.

    cpu_percent, memory_percent: average use of the service's containers over five
        minutes that is too much.
    restarts: of a container within five minutes that are too many.
    """

    cpu_percent: int = 80
    memory_percent: int = 85
    restarts: int = 3


@dataclass(frozen=True, kw_only=True)
class Client:
    """The client as a static site: built by the platform, served by its CDN.

    source: the platform builds static sites itself, and takes no image for them.
    output_dir: where the build leaves the files, from the build's directory.
    catch_all: document for paths that are no file, which the client routes itself.
    """

    source: GitHubSource
    output_dir: str
    catch_all: str = "index.html"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Job that runs to its end before each deployment. When it fails, none happens.

    command: program and arguments, with the service's image and environment.
    size: instance size.
    secrets: what it reads beyond the service's.
    grace_seconds: between SIGTERM and SIGKILL, 1-600.
    """

    command: Sequence[str]
    size: str
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    grace_seconds: int = 120


@dataclass(frozen=True, kw_only=True)
class LogForwarding:
    """Where the logs go besides the platform, which keeps few of them.

    kind: the service; `logtail` is Better Stack.
    name: of the destination, as the console shows it.
    endpoint: of Papertrail (`host:port`), of OpenSearch (`https://host:port`), or of
        Datadog where it is not the American one.
    token: source token of Logtail, API key of Datadog, `user:password` of OpenSearch;
        secret.
    """

    kind: Literal["papertrail", "logtail", "datadog", "opensearch"]
    name: str = "logs"
    endpoint: str | None = None
    token: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Where the app answers, besides `*.ondigitalocean.app`.

    name: the primary host name.
    aliases: other names, such as `www.` before it, which are redirected to it.
    zone: domain of the account in which the platform keeps the records. None means
        that DNS is elsewhere, and points at the app's default host name.
    """

    name: str
    aliases: Sequence[str] = ()
    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """What visitors see while nobody is served.

    archive: take the containers away too, so that they cost nothing.
    offline_page_url: page that is shown instead of the platform's.
    """

    archive: bool = False
    offline_page_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppSpecArgs:
    """All that the spec says.

    name: of the app, 2-32 lower-case letters, digits and hyphens.
    region: App Platform's own slug, such as `fra`.
    source: what the service and the migration run.
    port: TCP port that the service listens on.
    size: instance size of the service, such as `apps-s-1vcpu-1gb`.
    instances: containers of the service; not with `autoscaling`.
    autoscaling: instead of a fixed number.
    command: what starts the app; empty for what the image says. Needed with
        `ca_certificate`.
    environment: values that are not secret.
    secrets: values that the platform encrypts.
    ca_certificate: PEM of the authority that signs the database's certificate. Node
        takes it from a file only, so each container writes that file before it starts.
    readiness: which containers get requests, and when a deployment is done.
    liveness: which containers are restarted.
    grace_seconds: between SIGTERM and SIGKILL, 1-600.
    drain_seconds: between taking a container out and SIGTERM, 1-110.
    api_prefix: paths that go to the service, their prefix preserved, when there is a
        static client; else every path does.
    client: the static site; None when the service serves the client too.
    migration: what runs before each deployment.
    dev_database: version of the guide's database: PostgreSQL, 512 MB, no backups. Its
        address is DEV_DATABASE_URL.
    alerts, domain, logs, maintenance: options.
    dedicated_egress: send requests to others from addresses of the app's own, which
        cost 25 USD a month.
    vpc_id: network in which the app reaches databases by their private addresses.

    Raises:
        ValueError: every contradiction at once, a line each, with the remedy.
    """

    name: str
    region: str
    source: ImageSource | GitHubSource
    port: int
    size: str
    readiness: Check
    liveness: Check
    instances: int = 2
    autoscaling: Autoscaling | None = None
    command: Sequence[str] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    ca_certificate: pulumi.Input[str] | None = None
    grace_seconds: int = 120
    drain_seconds: int = 15
    api_prefix: str = "/api"
    client: Client | None = None
    migration: Migration | None = None
    dev_database: str | None = None
    alerts: Alerts | None = None
    domain: Domain | None = None
    logs: LogForwarding | None = None
    maintenance: Maintenance | None = None
    dedicated_egress: bool = False
    vpc_id: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError("\n".join(problems))


def build(args: AppSpecArgs) -> Spec:
    """Return the spec, by published field names, with each secret as `Secret`."""
    return _given(
        {
            "name": args.name,
            "region": args.region,
            "domains": _domains(args.domain),
            "ingress": {"rules": list(_rules(args))},
            "services": [_service(args)],
            "static_sites": [_client(args.client)] if args.client else None,
            "jobs": [_migration(args, args.migration)] if args.migration else None,
            "databases": _databases(args.dev_database),
            "alerts": list(_app_alerts(args)),
            "egress": {"type": "DEDICATED_IP"} if args.dedicated_egress else None,
            "vpc": {"id": args.vpc_id} if args.vpc_id is not None else None,
            "maintenance": _maintenance(args.maintenance),
        }
    )


def for_provider(spec: Spec) -> Spec:
    """Return the spec as `digitalocean.App` takes it.

    The provider's lists stand where the published spec has one object, and its
    `domains` are an older form.
    """
    changed = dict(spec)
    for ours, theirs in (("egress", "egresses"), ("vpc", "vpcs")):
        if ours in changed:
            changed[theirs] = [changed.pop(ours)]
    if "domains" in changed:
        changed["domain_names"] = [
            {"name": domain["domain"], **_without(domain, "domain")}
            for domain in changed.pop("domains")
        ]
    return changed


def render(args: AppSpecArgs) -> str:
    """Return the file `.do/app.yaml`, without the values of secrets.

    A secret environment variable keeps its name and type; other secrets are left out.
    The first lines say which there are.

    Raises:
        ValueError: for a value that is known only once something is deployed.
    """
    spec = build(args)
    missing = [
        path
        for path, value in leaves(spec)
        if isinstance(value, Secret) or (path.endswith("/value") and value == "")
    ]
    head = [
        "# App Platform's spec. Deploy it: doctl apps create --spec .do/app.yaml",
        "# Not in it, for they are secret, or known once there is a database. Fill in:",
        *(f"#   {path}" for path in missing),
    ]
    body = yaml.dump(
        _without_secrets(spec, ""), Dumper=_Dumper, sort_keys=False, width=88
    )
    return "\n".join(head if missing else head[:1]) + "\n" + body


def leaves(spec: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of each single value and the value.

    What is in a list is found by its name or key, for its place may change: such as
    `services/api/envs/JWT_SECRET/value`.
    """
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from leaves(value, f"{path}/{key}".lstrip("/"))
    elif isinstance(spec, (list, tuple)):
        for key, value in _keyed(spec):
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, spec


def replaced(spec: object, values: Mapping[str, Any], path: str = "") -> Any:
    """Return the spec with other values at some paths."""
    if isinstance(spec, Mapping):
        return {
            key: replaced(value, values, f"{path}/{key}".lstrip("/"))
            for key, value in spec.items()
        }
    if isinstance(spec, (list, tuple)):
        return [replaced(value, values, f"{path}/{key}") for key, value in _keyed(spec)]
    return values.get(path, spec)


def _problems(args: AppSpecArgs) -> Iterator[str]:
    source = args.source
    if isinstance(source, ImageSource) and bool(source.digest) == bool(source.tag):
        yield "source: an image has either a digest or a tag. Give one of them"
    if args.ca_certificate is not None and not args.command:
        yield (
            "command: is needed with ca_certificate, which a container writes into a "
            "file before it starts the app. Give what starts it, such as npm start"
        )
    if scaling := args.autoscaling:
        if not 1 <= scaling.min_count < scaling.max_count:
            yield (
                f"autoscaling: {scaling.min_count} to {scaling.max_count} containers "
                "is no range. Let the first be at least 1, and less than the second"
            )
        if not args.size.startswith("apps-d-"):
            yield (
                f'autoscaling: size "{args.size}" shares its CPU, and is not scaled. '
                "Take a dedicated one, such as apps-d-1vcpu-1gb"
            )
    if logs := args.logs:
        if logs.kind in ("papertrail", "opensearch") and not logs.endpoint:
            yield f"logs.endpoint: is needed for {logs.kind}"
        if logs.kind != "papertrail" and logs.token is None:
            yield f"logs.token: is needed for {logs.kind}"


def _service(args: AppSpecArgs) -> Spec:
    scaling = args.autoscaling
    return _given(
        {
            "name": SERVICE,
            **_source(args.source),
            "run_command": _run_command(args, args.command),
            "http_port": args.port,
            "instance_size_slug": args.size,
            "instance_count": None if scaling else args.instances,
            "autoscaling": scaling
            and {
                "min_instance_count": scaling.min_count,
                "max_instance_count": scaling.max_count,
                "metrics": {"cpu": {"percent": scaling.cpu_percent}},
            },
            "envs": _envs(args, args.secrets),
            "health_check": _check(args.readiness),
            "liveness_health_check": _check(args.liveness),
            "termination": {
                "drain_seconds": args.drain_seconds,
                "grace_period_seconds": args.grace_seconds,
            },
            "alerts": list(_service_alerts(args.alerts)),
            "log_destinations": _log_destinations(args.logs),
        }
    )


def _migration(args: AppSpecArgs, migration: Migration) -> Spec:
    return _given(
        {
            "name": MIGRATION,
            "kind": "PRE_DEPLOY",
            **_source(args.source),
            "run_command": _run_command(args, migration.command),
            "instance_size_slug": migration.size,
            "instance_count": 1,
            "envs": _envs(args, {**args.secrets, **migration.secrets}),
            "termination": {"grace_period_seconds": migration.grace_seconds},
            "log_destinations": _log_destinations(args.logs),
        }
    )


def _client(client: Client) -> Spec:
    return {
        "name": CLIENT,
        **_source(client.source),
        "output_dir": client.output_dir,
        "index_document": "index.html",
        "catchall_document": client.catch_all,
    }


def _source(source: ImageSource | GitHubSource) -> Spec:
    if isinstance(source, ImageSource):
        credentials = source.credentials
        return {
            "image": _given(
                {
                    "registry_type": source.registry_type,
                    "registry": source.registry,
                    "repository": source.repository,
                    "digest": source.digest,
                    "tag": source.tag,
                    "registry_credentials": None
                    if credentials is None
                    else Secret(credentials),
                }
            )
        }
    return _given(
        {
            "github": {
                "repo": source.repo,
                "branch": source.branch,
                "deploy_on_push": source.deploy_on_push,
            },
            "source_dir": source.source_dir,
            "dockerfile_path": source.dockerfile_path,
            "build_command": source.build_command,
            "environment_slug": source.environment_slug,
        }
    )


def _envs(args: AppSpecArgs, secrets: Mapping[str, pulumi.Input[str]]) -> list[Spec]:
    """Return the environment, sorted by name.

    Only a secret has a type: the platform does not always give GENERAL back, and an
    entry that comes back otherwise would be another one.
    """
    plain = dict(args.environment)
    envs: list[Spec]
    if args.ca_certificate is not None:
        plain |= {"DATABASE_CA": args.ca_certificate, "NODE_EXTRA_CA_CERTS": CA_FILE}
    envs = [{"key": k, "scope": "RUN_TIME", "value": v} for k, v in plain.items()]
    envs += [
        {"key": key, "scope": "RUN_TIME", "type": "SECRET", "value": Secret(value)}
        for key, value in secrets.items()
    ]
    return sorted(envs, key=lambda env: str(env["key"]))


def _run_command(args: AppSpecArgs, command: Sequence[str]) -> str | None:
    if not command:
        return None
    if args.ca_certificate is None:
        return shlex.join(command)
    script = (
        'printf "%s\\n" "$DATABASE_CA" > "$NODE_EXTRA_CA_CERTS" && '
        f"exec {shlex.join(command)}"
    )
    return shlex.join(("sh", "-c", script))


def _check(check: Check) -> Spec:
    return {
        "http_path": check.http_path,
        "initial_delay_seconds": check.initial_delay_seconds,
        "period_seconds": check.period_seconds,
        "timeout_seconds": check.timeout_seconds,
        "success_threshold": check.success_threshold,
        "failure_threshold": check.failure_threshold,
    }


def _rules(args: AppSpecArgs) -> Iterator[Spec]:
    """Yield the routes; the first that matches is taken."""
    domain = args.domain
    for alias in domain.aliases if domain else ():
        yield {
            "match": {"authority": {"exact": alias}, "path": {"prefix": "/"}},
            "redirect": {
                "authority": domain.name if domain else alias,
                "scheme": "https",
                "redirect_code": 308,
            },
        }
    if args.client:
        yield {
            "match": {"path": {"prefix": args.api_prefix}},
            "component": {"name": SERVICE, "preserve_path_prefix": True},
        }
    yield {
        "match": {"path": {"prefix": "/"}},
        "component": {"name": CLIENT if args.client else SERVICE},
    }


def _domains(domain: Domain | None) -> list[Spec]:
    if domain is None:
        return []
    names = [(domain.name, "PRIMARY"), *((alias, "ALIAS") for alias in domain.aliases)]
    return [
        _given({"domain": name, "type": kind, "zone": domain.zone})
        for name, kind in names
    ]


def _databases(version: str | None) -> list[Spec]:
    if version is None:
        return []
    return [
        {"name": DEV_DATABASE, "engine": "PG", "version": version, "production": False}
    ]


def _app_alerts(args: AppSpecArgs) -> Iterator[Spec]:
    if args.alerts is None:
        return
    yield {"rule": "DEPLOYMENT_FAILED"}
    yield {"rule": "DOMAIN_FAILED"}
    if args.autoscaling:
        yield {"rule": "AUTOSCALE_FAILED"}


def _service_alerts(alerts: Alerts | None) -> Iterator[Spec]:
    if alerts is None:
        return
    for rule, value in (
        ("CPU_UTILIZATION", alerts.cpu_percent),
        ("MEM_UTILIZATION", alerts.memory_percent),
        ("RESTART_COUNT", alerts.restarts),
    ):
        yield {
            "rule": rule,
            "operator": "GREATER_THAN",
            "value": value,
            "window": "FIVE_MINUTES",
        }


def _log_destinations(logs: LogForwarding | None) -> list[Spec]:
    if logs is None:
        return []
    return [{"name": logs.name, **_log_service(logs)}]


def _log_service(logs: LogForwarding) -> Spec:
    if logs.kind == "papertrail":
        return {"papertrail": {"endpoint": logs.endpoint}}
    token = logs.token if logs.token is not None else ""
    if logs.kind == "logtail":
        return {"logtail": {"token": Secret(token)}}
    if logs.kind == "datadog":
        return {
            "datadog": _given({"endpoint": logs.endpoint, "api_key": Secret(token)})
        }
    return {
        "open_search": {
            "endpoint": logs.endpoint,
            "basic_auth": {
                "user": Secret(_part(token, 0)),
                "password": Secret(_part(token, 2)),
            },
        }
    }


def _part(pair: pulumi.Input[str], number: int) -> pulumi.Input[str]:
    """Return the user (0) or the password (2) of `user:password`."""
    if isinstance(pair, str):
        return pair.partition(":")[number]
    known: pulumi.Output[str] = pulumi.Output.from_input(pair)
    return known.apply(lambda text: text.partition(":")[number])


def _maintenance(maintenance: Maintenance | None) -> Spec | None:
    if maintenance is None:
        return None
    return _given(
        {
            "enabled": True,
            "archive": maintenance.archive,
            "offline_page_url": maintenance.offline_page_url,
        }
    )


def _given(fields: Mapping[str, Any]) -> Spec:
    """Leave out what was not said: nothing, and lists of nothing."""
    return {key: value for key, value in fields.items() if value not in (None, [])}


def _without(fields: Mapping[str, Any], *names: str) -> Spec:
    return {key: value for key, value in fields.items() if key not in names}


def _keyed(items: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(items):
        named = isinstance(item, Mapping) and (item.get("name") or item.get("key"))
        yield (str(named) if isinstance(named, str) else str(index)), item


def _without_secrets(spec: object, path: str) -> Any:
    if isinstance(spec, Mapping):
        return {
            key: _without_secrets(value, f"{path}/{key}".lstrip("/"))
            for key, value in spec.items()
            if not isinstance(value, Secret)
        }
    if isinstance(spec, list):
        return [_without_secrets(value, f"{path}/{key}") for key, value in _keyed(spec)]
    if isinstance(spec, (str, int, float)):
        return spec
    raise ValueError(
        f"{path}: is known only once it is deployed. Give text for the file"
    )


class _Dumper(yaml.SafeDumper):
    """Indents lists, and writes text of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
