"""Write how the app's contract is met on each platform, from the stacks themselves.

`python -m tools.platform_reference --write` brings up to date docs/platforms.md and the
part between the markers of docs/railway.md; `--check` fails when one is stale. Each
committed stack file is deployed under mocks, and what the app would get is looked up in
its resources.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

import stacks
from components.railway import config_file
from contract import APP, VARIABLES, Kind, Variable
from resource_types import (
    DATABASE,
    PASSWORD,
    REPLICATION_GROUP,
    SECRET_VERSION,
    SERVICE,
    TARGET_GROUP,
    TASK_DEFINITION,
)
from settings import PLATFORMS, parse
from settings.railway import TOKEN, Github, Service
from tests.graph import Graph, Recorded
from tests.stacks import IMAGE, OPERATORS, ROTATED, deploy, review

ROOT: Final = Path(__file__).parent.parent
BEGIN: Final = "<!-- railway-file:begin -->"
END: Final = "<!-- railway-file:end -->"

FACTS: Final = (
    "port",
    "health",
    "migrations",
    "uploads",
    "jobs",
    "client",
)
"""What a platform does for the app besides giving it variables."""

NONE: Final = "-"

_CONTAINER: Final = "docker:index/container:Container"
_RAILWAY: Final = "pulumi-python:dynamic/railway:"
_RAILWAYS_NET: Final = ".railway.internal"


@dataclass(frozen=True)
class Column:
    """What a platform gives to the app.

    stack: whose committed file it is read from.
    plain, secret: variable to value, of those in clear and of those that are not.
    way: how a secret arrives.
    makers: what makes the addresses, by host.
    facts: of FACTS, each in a few words.
    """

    stack: str
    plain: Mapping[str, str]
    secret: Mapping[str, str]
    way: str
    makers: Mapping[str, str]
    facts: Mapping[str, str]
    generated: frozenset[str]

    def cell(self, variable: Variable) -> str:
        """Return how a variable reaches the app."""
        name = variable.name
        if name in self.plain:
            shown = variable.kind is Kind.PLATFORM
            return f"plain, `{self.plain[name]}`" if shown else "plain"
        if name not in self.secret:
            return NONE
        value = self.secret[name]
        if value in self.generated:
            return f"{self.way} (generated)"
        if value in OPERATORS.values():
            return f"{self.way} (yours)"
        return f"{self.way} (from {self.makers[str(urlsplit(value).hostname)]})"


def _aws() -> Column:
    """ECS, with a server of its own for each address."""
    graph = deploy("production", **ROTATED)
    name = "stromhaltig-production"
    schedules = graph.all("aws:scheduler/schedule:Schedule")
    jobs = {s.name.removeprefix(f"{name}-"): s["scheduleExpression"] for s in schedules}
    makers = {
        graph.one(DATABASE).outputs["address"]: "the RDS instance",
        graph.one(REPLICATION_GROUP).outputs["primaryEndpointAddress"]: "ElastiCache",
    }
    facts = {
        "jobs": f"{_listed(jobs)} (option `jobs`)",
        "client": "by the app; at the edge with the option `cdn`",
    }
    return _ecs(graph, "production", makers, facts)


def _aws_review() -> Column:
    """ECS, on what another stack has."""
    graph = review(**ROTATED)
    server = graph.exports["database_endpoint"].partition(":")[0]
    makers = {server: "a database in the base's RDS instance"}
    return _ecs(graph, "review", makers, {"jobs": NONE, "client": "by the app"})


def _ecs(
    graph: Graph, stack: str, makers: Mapping[str, str], facts: Mapping[str, str]
) -> Column:
    """The containers of the service's task definition."""
    definition = graph.one(TASK_DEFINITION, graph.one(SERVICE).name)
    containers = {c["name"]: c for c in json.loads(definition["containerDefinitions"])}
    app, migration = containers["app"], containers["migrate"]
    versions = graph.all(SECRET_VERSION)
    kept = {version["secretId"]: version["secretString"] for version in versions}
    arns = {s["name"]: s["valueFrom"] for s in app["secrets"]}
    target = graph.one(TARGET_GROUP)
    mounts = {m["containerPath"]: m["sourceVolume"] for m in app["mountPoints"]}
    volumes = {volume["name"]: volume for volume in definition["volumes"]}
    lasting = "efsVolumeConfiguration" in volumes[mounts[APP.upload_dir]]
    return Column(
        stack=stack,
        plain={each["name"]: each["value"] for each in app["environment"]},
        secret={
            variable: next(v for k, v in kept.items() if arn.startswith(k))
            for variable, arn in arns.items()
        },
        way="Secrets Manager, by reference",
        makers=makers,
        facts={
            **facts,
            "port": f"`{app['portMappings'][0]['containerPort']}`, behind the load "
            "balancer",
            "health": f"`{target['healthCheck']['path']}`, asked by the load balancer; "
            f"in the container too, where {app['healthCheck']['retries']} failures "
            "replace the task",
            "migrations": f"`{' '.join(migration['command'])}`, a container of each "
            "task that the app waits for",
            "uploads": f"`{APP.upload_dir}`, on EFS (option `uploads`)"
            if lasting
            else "go with the task",
        },
        generated=_generated(graph),
    )


def _docker() -> Column:
    """The Docker host: the first container of the app."""
    graph = _graph("docker")
    name = "stromhaltig-docker"
    app = graph.one(_CONTAINER, f"{name}-app-0")
    environment = dict(text.split("=", 1) for text in app["envs"])
    uploads = graph.one(_CONTAINER, f"{name}-secrets")["uploads"]
    files = {each["file"].rpartition("/")[2]: each["content"] for each in uploads}
    hidden = {
        k: v for k, v in environment.items() if v.startswith(f"{APP.secret_dir}/")
    }
    migration = graph.one(_CONTAINER, f"{name}-migration")
    mounts = {v["containerPath"]: v.get("volumeName", "") for v in app["volumes"]}
    open_ = [c for c in graph.all(_CONTAINER) if c.get("ports")]
    backup = graph.one(_CONTAINER, f"{name}-backup")
    client = graph.one(_CONTAINER, f"{name}-client")
    health = app["healthcheck"]
    paths = (APP.health_path, APP.liveness_path)
    asked = next(path for path in paths if f"{path}'" in health["tests"][-1])
    return Column(
        stack="docker",
        plain={k: v for k, v in environment.items() if k not in hidden},
        secret={
            key.removesuffix("_FILE"): files[path.rpartition("/")[2]]
            for key, path in hidden.items()
        },
        way=f"a file in `{APP.secret_dir}`",
        makers={
            alias: f"container {container.name.removeprefix(f'{name}-')}"
            for container in graph.all(_CONTAINER)
            for network in container.get("networksAdvanced") or []
            for alias in network.get("aliases") or []
        },
        facts={
            "port": f"`{APP.port}`, behind "
            f"{' and '.join(c.name.removeprefix(f'{name}-') for c in open_)}, the only "
            "one with published ports",
            "health": f"`{asked}` of a new version, before it takes over",
            "migrations": f"`{' '.join(migration['command'])}`, a container that must "
            "succeed before",
            "uploads": f"`{APP.upload_dir}`, in volume `{mounts[APP.upload_dir]}`",
            "jobs": "daily dump and archive by a container of its own"
            if APP.upload_dir in {v["containerPath"] for v in backup["volumes"]}
            else NONE,
            "client": f"by nginx, from a copy of `{client['command'][1]}`",
        },
        generated=_generated(graph),
    )


def _digitalocean() -> Column:
    """App Platform: the service of the spec."""
    graph = _graph(
        "digitalocean",
        {
            "digitalocean:token": "dop_v1_example",
            "digitalocean:spacesAccessId": "DO00EXAMPLE",
            "digitalocean:spacesSecretKey": "the-key-of-spaces",
            "stromhaltig:uptime": {"emails": ["ops@example.org"]},
        },
    )
    spec = graph.one("digitalocean:index/app:App")["spec"]
    service = spec["services"][0]
    envs = {each["key"]: each for each in service["envs"]}
    job = spec["jobs"][0]
    sites = spec.get("staticSites") or []
    clusters = graph.all("digitalocean:index/databaseCluster:DatabaseCluster")
    return Column(
        stack="digitalocean",
        plain={k: e["value"] for k, e in envs.items() if e.get("type") != "SECRET"},
        secret={k: e["value"] for k, e in envs.items() if e.get("type") == "SECRET"},
        way="encrypted in the app's spec",
        makers={
            cluster.outputs[host]: "managed PostgreSQL"
            if cluster["engine"] == "pg"
            else "managed Valkey"
            for cluster in clusters
            for host in ("host", "privateHost")
        },
        facts={
            "port": f"`{service['httpPort']}`, behind App Platform's load balancer",
            "health": f"`{service['healthCheck']['httpPath']}` for traffic, "
            f"`{service['livenessHealthCheck']['httpPath']}` for restarts",
            "migrations": f"`{' '.join(APP.migrate_command)}`, a job of kind "
            f"{job['kind']}"
            if " ".join(APP.migrate_command) in job["runCommand"]
            else NONE,
            "uploads": "go with the instance: App Platform has no disk that stays",
            "jobs": NONE
            if all(each["kind"] == "PRE_DEPLOY" for each in spec["jobs"])
            else "jobs of the app",
            "client": "a static site"
            if sites
            else "by the app; a static site with the option `client`",
        },
        generated=_generated(graph),
    )


def _railway() -> Column:
    """Railway: the variables of the app's service."""
    graph = _graph("railway", {"stromhaltig:secrets": {TOKEN: "token"}})
    name = "stromhaltig-railway"
    service = graph.one(f"{_RAILWAY}Service", name)
    variables = graph.one(f"{_RAILWAY}Variables", name)
    volumes = [
        volume["mount_path"]
        for volume in graph.all(f"{_RAILWAY}Volume")
        if volume["service_id"] == service.outputs["service_id"]
    ]
    ports = {domain["port"] for domain in graph.all(f"{_RAILWAY}Domain")}
    return Column(
        stack="railway",
        plain=variables["variables"],
        secret=variables["secrets"],
        way="a variable of the service",
        makers={
            f"{each['service_name']}{_RAILWAYS_NET}": f"service {each['service_name']}"
            for each in graph.all(f"{_RAILWAY}Service")
        },
        facts={
            "port": f"`{ports.pop()}`, behind Railway's edge",
            "health": f"`{service['healthcheck_path']}` of a new version, before it "
            "takes over; never again",
            "migrations": f"`{service['pre_deploy_command']}`, in a container that "
            "must succeed before",
            "uploads": f"`{volumes[0]}`, on a volume (setting `uploads`)"
            if volumes
            else "go with the container",
            "jobs": NONE,
            "client": "by the app",
        },
        generated=_generated(graph),
    )


COLUMNS: Final[Mapping[str, Callable[[], Column]]] = {
    "aws": _aws,
    "docker": _docker,
    "digitalocean": _digitalocean,
    "railway": _railway,
    "aws-review": _aws_review,
}
"""Platform to what it gives; a test holds it against the settings' platforms."""


def platforms(_: str = "") -> str:
    """Return docs/platforms.md."""
    columns = {platform: make() for platform, make in _known().items()}
    heads = [f"`{platform}`" for platform in columns]
    files = ", ".join(f"`Pulumi.{column.stack}.yaml`" for column in columns.values())
    lines = [
        "# The contract on each platform",
        "",
        "<!-- Written by: python -m tools.platform_reference --write -->",
        "",
        "`contract.py` says what the app needs, and each platform's stack renders it "
        f"into its own form. Read from the resources of {files}.",
        "",
        "## Variables",
        "",
        "How each reaches the app. Values that are not secret are told where the "
        "platform decides them; all others come from the stack file, or have the "
        "default of [configuration.md](configuration.md#variables-of-the-app).",
        "",
        *_table(
            ["variable", *heads],
            [
                [f"`{variable.name}`", *(c.cell(variable) for c in columns.values())]
                for variable in VARIABLES
            ],
        ),
        "",
        "## The rest",
        "",
        *_table(
            ["", *heads],
            [[fact, *(c.facts[fact] for c in columns.values())] for fact in FACTS],
        ),
    ]
    return "\n".join(lines) + "\n"


def railway(current: str) -> str:
    """Return docs/railway.md with the file of a repository between its markers.

    Raises:
        ValueError: when it has no markers.
    """
    before, begin, rest = current.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"has no {BEGIN} ... {END}")
    github = Github(repository="OWNER/NAME")
    service = Service()
    text = config_file.as_toml(
        config_file.build(github.dockerfile, github.source_dir),
        config_file.deploy(
            APP,
            health_timeout=service.health_timeout,
            overlap=service.overlap,
            draining=service.draining,
        ),
    )
    return f"{before}{BEGIN}\n```toml\n{text}```\n{END}{after}"


FILES: Final[Mapping[str, Callable[[str], str]]] = {
    "docs/platforms.md": platforms,
    "docs/railway.md": railway,
}
"""What is generated, and from which text."""


def _known() -> Mapping[str, Callable[[], Column]]:
    """Return the columns in the order of the settings' platforms."""
    return {platform: COLUMNS[platform] for platform in PLATFORMS}


@cache
def _built(stack: str, values: str) -> Graph:
    """The graph of a committed stack file with other values beside it."""
    config: dict[str, Any] = json.loads(values)
    keys = [key for key in config if key.startswith("digitalocean:")]
    settings = parse(stack, config, secret_keys=("stromhaltig:secrets", *keys))
    graph = Graph()
    graph.build(lambda: stacks.deploy(settings, APP).export(), stack=stack)
    return graph


def _graph(stack: str, told: Mapping[str, Any] | None = None) -> Graph:
    """The graph of a committed stack file with what only its operator knows.

    told: by full key, what else that is; groups are added to.
    """
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    every: dict[str, Any] = {
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:app": {"SMTP_HOST": "smtp.example.org"},
        "stromhaltig:secrets": OPERATORS,
        **{f"stromhaltig:{key}": value for key, value in ROTATED.items()},
    }
    for key, value in (*every.items(), *(told or {}).items()):
        group = isinstance(value, dict)
        config[key] = {**(config.get(key) or {}), **value} if group else value
    return _built(stack, json.dumps(config))


def _generated(graph: Graph) -> frozenset[str]:
    """Every password that the stack makes up."""
    passwords: list[Recorded] = graph.all(PASSWORD)
    return frozenset(str(password.outputs["result"]) for password in passwords)


def _listed(jobs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} `{when}`" for name, when in sorted(jobs.items()))


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _stale() -> Iterator[tuple[Path, str]]:
    for name, render in FILES.items():
        path = ROOT / name
        current = path.read_text(encoding="utf-8") if path.is_file() else ""
        wanted = render(current)
        if wanted != current:
            yield path, wanted


def main(arguments: list[str] | None = None) -> int:
    """Check or write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="fail when a file is stale")
    mode.add_argument("--write", action="store_true", help="bring the files up to date")
    options = parser.parse_args(arguments)
    stale = list(_stale())
    for path, wanted in stale:
        name = path.relative_to(ROOT)
        if options.write:
            path.write_text(wanted, encoding="utf-8")
            print(f"{name} written.")
        else:
            print(
                f"{name} is stale. Run: python -m tools.platform_reference --write",
                file=sys.stderr,
            )
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
