"""The committed stack file of DigitalOcean, deployed: questions to the graph."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
import yaml

import stacks
from components.digitalocean.app_spec import CA_FILE
from contract import APP, VARIABLES, Kind
from settings import Settings, parse
from stacks.digitalocean import DigitalOceanOutputs
from tests.graph import Graph
from tests.stacks import ROTATED

ROOT = Path(__file__).parents[2]
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}
SPACES = {
    "digitalocean:spacesAccessId": "DO00EXAMPLE",
    "digitalocean:spacesSecretKey": "the-key-of-spaces",
}
TOKEN = {"digitalocean:token": "dop_v1_example"}
_BLOB = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(32)
SSH_KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()} ops@example.org"

APP_TYPE = "digitalocean:index/app:App"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
DATABASE_FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
DOMAIN = "digitalocean:index/getDomain:getDomain"
DROPLET = "digitalocean:index/droplet:Droplet"
PROJECT = "digitalocean:index/project:Project"
HELD = "digitalocean:index/projectResources:ProjectResources"


class Refusal(grpc.RpcError):
    """What the engine says when a provider could not answer."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


def deploy(**changes: Any) -> Graph:
    """Graph of the committed stack file with what only its operator knows."""
    return _deploy(json.dumps(changes))


def config(**changes: Any) -> dict[str, Any]:
    """The committed stack file, filled in; None takes a key out."""
    text = (ROOT / "Pulumi.digitalocean.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)["config"]
    app, uptime = values["stromhaltig:app"], values["stromhaltig:uptime"]
    values |= {
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:app": {**app, "SMTP_HOST": "smtp.example.org"},
        "stromhaltig:uptime": {**uptime, "emails": ["ops@example.org"]},
        "stromhaltig:secrets": OPERATORS,
        **TOKEN,
        **SPACES,
    }
    values |= {f"stromhaltig:{k}": v for k, v in changes.items()}
    return {k: v for k, v in values.items() if v is not None}


def read(values: dict[str, Any]) -> Settings:
    keys = ("stromhaltig:secrets", *TOKEN, *SPACES)
    return parse("digitalocean", values, secret_keys=keys)


@cache
def _deploy(changes: str) -> Graph:
    graph = Graph()
    build(graph, **json.loads(changes))
    return graph


def build(graph: Graph, **changes: Any) -> None:
    settings = read(config(**changes))
    graph.build(lambda: stacks.deploy(settings, APP).export(), stack="digitalocean")


def machine(**changes: Any) -> Graph:
    """Graph of a stack that makes a droplet."""
    settings = read(
        {
            "stromhaltig:platform": "digitalocean",
            "stromhaltig:droplet": {"ssh_keys": [SSH_KEY]},
            **TOKEN,
            **{f"stromhaltig:{k}": v for k, v in changes.items()},
        }
    )
    graph = Graph()
    graph.build(lambda: stacks.deploy(settings, APP).export(), stack="host")
    return graph


def spec(graph: Graph) -> dict[str, Any]:
    found: dict[str, Any] = graph.one(APP_TYPE)["spec"]
    return found


def service(graph: Graph) -> dict[str, Any]:
    (found,) = spec(graph)["services"]
    return dict(found)


def envs(component: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {env["key"]: env for env in component["envs"]}


def secret_values(graph: Graph) -> set[str]:
    generated = graph.all("random:index/randomPassword:RandomPassword")
    made = graph.all(CLUSTER) + graph.all(
        "digitalocean:index/databaseUser:DatabaseUser"
    )
    (key,) = graph.all("digitalocean:index/spacesKey:SpacesKey")
    return (
        {password.outputs["result"] for password in generated}
        | {each.outputs["password"] for each in made}
        | {key.outputs["secretKey"]}
        | set(OPERATORS.values())
    )


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Each text in nested inputs, with its dotted path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, f"{at}.{number}")
    elif isinstance(value, str):
        yield at, value


def test_the_app_runs_the_image_by_its_digest():
    graph = deploy()

    assert service(graph)["image"] == {
        "registryType": "GHCR",
        "registry": "stromdao",
        "repository": "stromhaltig",
        "digest": f"sha256:{'1' * 64}",
    }
    assert graph.exports["release"] == IMAGE


@pytest.mark.parametrize(
    ("ref", "image"),
    [
        (
            f"registry.digitalocean.com/stromdao/stromhaltig@sha256:{'2' * 64}",
            {
                "registryType": "DOCR",
                "repository": "stromhaltig",
                "digest": f"sha256:{'2' * 64}",
            },
        ),
        (
            f"docker.io/stromdao/stromhaltig@sha256:{'2' * 64}",
            {
                "registryType": "DOCKER_HUB",
                "registry": "stromdao",
                "repository": "stromhaltig",
                "digest": f"sha256:{'2' * 64}",
            },
        ),
    ],
)
def test_other_registries_than_github_s(ref, image):
    assert service(deploy(image={"ref": ref}))["image"] == image


def test_a_tag_is_taken_in_staging():
    graph = deploy(
        environment="staging", image={"ref": "ghcr.io/stromdao/stromhaltig:main"}
    )
    assert service(graph)["image"]["tag"] == "main"
    assert "digest" not in service(graph)["image"]


def test_a_private_image_is_pulled_with_a_login_that_stays_secret():
    login = "stromdao:ghp_example"
    graph = deploy(secrets={**OPERATORS, "REGISTRY_LOGIN": login})

    assert service(graph)["image"]["registryCredentials"] == login
    paths = {path for path, text in leaves(graph.one(APP_TYPE).inputs) if text == login}
    assert paths
    assert paths <= graph.one(APP_TYPE).secrets


def test_a_repository_is_built_and_its_client_is_a_static_site():
    repository = {"repository": "stromdao/stromhaltig"}
    graph = deploy(image=None, github=repository, client={})
    (site,) = spec(graph)["staticSites"]
    source = {"repo": "stromdao/stromhaltig", "branch": "main", "deployOnPush": True}

    assert service(graph)["github"] == source
    assert service(graph)["dockerfilePath"] == "Dockerfile"
    assert site["github"] == source
    assert (site["sourceDir"], site["outputDir"]) == ("/client", "dist")
    assert site["catchallDocument"] == "index.html"
    routes = spec(graph)["ingress"]["rules"][-2:]
    assert [rule["match"]["path"]["prefix"] for rule in routes] == ["/api", "/"]
    assert routes[0]["component"] == {"name": "api", "preservePathPrefix": True}
    assert routes[1]["component"] == {"name": "client"}
    assert graph.exports["release"] == "stromdao/stromhaltig@main"


def test_the_api_serves_the_client_of_an_image():
    graph = deploy()
    (rule,) = [r for r in spec(graph)["ingress"]["rules"] if "component" in r]

    assert "staticSites" not in spec(graph)
    assert rule["component"] == {"name": "api"}


def test_secrets_are_secrets_wherever_they_go():
    graph = deploy()
    for resource in graph.resources:
        for path, text in leaves(resource.inputs):
            if any(value in text for value in secret_values(graph)):
                covered = any(
                    path == known or path.startswith(f"{known}.")
                    for known in resource.secrets
                )
                assert covered, f"{resource}: {path}"


def test_the_app_gets_every_secret_there_is_encrypted():
    graph = deploy(**ROTATED)
    variables = envs(service(graph))
    expected = {v.name for v in VARIABLES if v.secret}

    assert expected <= variables.keys()
    for name in expected:
        assert variables[name]["type"] == "SECRET", name
    of_spaces = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert graph.exports["secrets"] == sorted(expected | of_spaces)


def test_the_app_gets_every_value_that_is_not_secret():
    app = {"SMTP_HOST": "smtp.example.org", "DB_POOL_MAX": "9"}
    variables = envs(service(deploy()))

    for name, value in APP.environment(app, cache=True, proxies=2).items():
        assert variables[name]["value"] == value
        assert "type" not in variables[name], name


def test_the_app_trusts_the_authority_of_its_database():
    component = service(deploy())

    assert envs(component)["NODE_EXTRA_CA_CERTS"]["value"] == CA_FILE
    assert "CERTIFICATE" in envs(component)["DATABASE_CA"]["value"]
    assert "exec node dist/main.js" in component["runCommand"]


def test_migrations_run_before_each_deployment():
    (job,) = spec(deploy())["jobs"]

    assert job["kind"] == "PRE_DEPLOY"
    assert "npm run migrate" in job["runCommand"]
    assert job["image"] == service(deploy())["image"]
    assert envs(job)["ADMIN_DATABASE_URL"]["type"] == "SECRET"
    assert "ADMIN_DATABASE_URL" not in envs(service(deploy()))


def test_health_is_asked_where_the_contract_says():
    component = service(deploy())

    assert component["healthCheck"]["httpPath"] == "/api/health"
    assert component["livenessHealthCheck"]["httpPath"] == "/api/health/live"
    assert component["httpPort"] == 3001
    assert component["instanceCount"] == 2


def test_databases_let_nobody_in_but_the_app():
    graph = deploy()
    rules = {each.name: each["rules"] for each in graph.all(DATABASE_FIREWALL)}
    app = graph.one(APP_TYPE)

    assert rules.keys() == {
        "stromhaltig-digitalocean-database",
        "stromhaltig-digitalocean-cache",
    }
    assert all(r == [{"type": "app", "value": app.id}] for r in rules.values())


def test_the_database_is_of_the_guide_s_version_and_encrypted_on_its_way():
    graph = deploy()
    cluster = graph.one(CLUSTER, "stromhaltig-digitalocean-database")

    assert (cluster["engine"], cluster["version"]) == ("pg", "15")
    assert (cluster["region"], cluster["nodeCount"]) == ("fra1", 2)
    assert envs(service(graph))["DATABASE_URL"]["value"].endswith("?sslmode=require")
    assert envs(service(graph))["REDIS_URL"]["value"].startswith("rediss://")


def test_a_development_database_is_part_of_the_app():
    graph = deploy(environment="staging", database={"kind": "dev"}, cache=None)
    (database,) = spec(graph)["databases"]
    url = envs(service(graph))["DATABASE_URL"]
    (job,) = spec(graph)["jobs"]

    assert graph.all(CLUSTER) == []
    assert (database["engine"], database["version"]) == ("PG", "15")
    assert url["value"] == "${db.DATABASE_URL}"
    assert envs(job)["DATABASE_URL"] == url
    assert envs(service(graph))["DATABASE_CA"]["value"] == "${db.CA_CERT}"
    assert graph.exports["database"] is None


def test_without_a_cache_the_app_is_told_so():
    variables = envs(service(deploy(cache=None)))

    assert variables["ENABLE_CACHE"]["value"] == "false"
    assert "REDIS_URL" not in variables


def test_jobs_find_the_bucket_when_somebody_runs_them():
    graph = deploy()
    variables = envs(service(graph))

    assert variables["BACKUP_BUCKET"]["value"] == graph.exports["bucket"]
    endpoint = "https://fra1.digitaloceanspaces.com"
    assert variables["AWS_ENDPOINT_URL_S3"]["value"] == endpoint
    assert graph.exports["bucket_endpoint"] == endpoint
    assert "BACKUP_BUCKET" not in envs(service(deploy(spaces=None)))


def test_a_refused_destroy_leaves_the_app_its_data_and_who_may_reach_it():
    # The engine deletes what is not protected before it gives up.
    protected = {r.type for r in deploy().resources if r.protect}
    assert protected == {
        APP_TYPE,
        CLUSTER,
        DATABASE_FIREWALL,
        "digitalocean:index/databaseDb:DatabaseDb",
        "digitalocean:index/databaseUser:DatabaseUser",
        "digitalocean:index/spacesBucket:SpacesBucket",
    }

    graph = deploy(decommission=True)
    assert not any(resource.protect for resource in graph)
    assert graph.exports["protected"] is False


def test_everything_that_a_project_lists_is_in_the_stack_s():
    graph = deploy()
    project = graph.one(PROJECT)
    in_it = graph.one(HELD)["resources"]

    assert project["environment"] == "Production"
    assert graph.one(APP_TYPE)["projectId"] == project.id
    assert {urn.split(":")[1] for urn in in_it} == {"dbaas", "space"}
    assert len(in_it) == 3


def test_a_domain_elsewhere_is_pointed_at_the_default_host():
    graph = deploy()
    names = spec(graph)["domainNames"]

    assert [(n["name"], n["type"]) for n in names] == [
        ("stromhaltig.de", "PRIMARY"),
        ("www.stromhaltig.de", "ALIAS"),
    ]
    assert all("zone" not in n for n in names)
    assert graph.exports["default_host"].endswith(".ondigitalocean.app")
    assert graph.invokes.count((DOMAIN, {"name": "stromhaltig.de"})) == 0


def test_a_domain_of_the_account_is_looked_up_and_its_records_are_digitalocean_s():
    graph = deploy(dns={"zone": "stromhaltig.de"})

    assert all(n["zone"] == "stromhaltig.de" for n in spec(graph)["domainNames"])
    assert (DOMAIN, {"name": "stromhaltig.de"}) in graph.invokes


def test_a_domain_that_the_account_does_not_have_is_refused():
    def missing(args: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(f"domain not found: {args['name']}")

    graph = Graph()
    graph.answers[DOMAIN] = missing
    with pytest.raises(pulumi.RunError) as refused:
        build(graph, dns={"zone": "stromhaltig.de"})
    assert str(refused.value) == (
        'stromhaltig:dns.zone: "stromhaltig.de" is no domain of the account. Add it '
        "(doctl compute domain create stromhaltig.de) and delegate it to "
        "ns1.digitalocean.com, or remove dns and point the domain at output "
        "default_host yourself"
    )
    assert graph.all(APP_TYPE) == []


def test_a_cloud_that_does_not_answer_is_not_taken_for_a_missing_domain():
    def failing(_: dict[str, Any]) -> dict[str, Any]:
        raise Refusal("503: try again later")

    graph = Graph()
    graph.answers[DOMAIN] = failing
    with pytest.raises(Exception, match="503: try again later") as refused:
        build(graph, dns={"zone": "stromhaltig.de"})
    assert not isinstance(refused.value, pulumi.RunError)


def test_load_is_warned_of_at_the_guide_s_marks():
    marks = {a["rule"]: a["value"] for a in service(deploy())["alerts"]}

    assert marks == {"CPU_UTILIZATION": 80, "MEM_UTILIZATION": 85, "RESTART_COUNT": 3}
    assert {"rule": "DEPLOYMENT_FAILED"} in spec(deploy())["alerts"]


def test_the_health_check_is_asked_from_outside():
    graph = deploy()
    check = graph.one("digitalocean:index/uptimeCheck:UptimeCheck")

    assert check["target"] == "https://stromhaltig.de/api/health"
    assert graph.exports["health_url"] == check["target"]


def test_options_reach_the_spec():
    graph = deploy(
        service={"size": "apps-d-1vcpu-2gb"},
        autoscaling={"minimum": 1, "maximum": 2},
        network={
            "dedicated_egress": True,
            "vpc_id": "0a1b2c3d-0000-0000-0000-000000000000",
        },
        logs={"destination": "logtail"},
        secrets={**OPERATORS, "LOG_TOKEN": "token-of-logtail"},
        maintenance={"offline_page": "https://status.example.org"},
        registry={"name": "stromdao"},
    )
    component = service(graph)

    assert component["autoscaling"]["maxInstanceCount"] == 2
    assert "instanceCount" not in component
    assert spec(graph)["egresses"] == [{"type": "DEDICATED_IP"}]
    assert spec(graph)["vpcs"] == [{"id": "0a1b2c3d-0000-0000-0000-000000000000"}]
    assert component["logDestinations"][0]["logtail"] == {"token": "token-of-logtail"}
    assert spec(graph)["maintenance"] == {
        "enabled": True,
        "archive": False,
        "offlinePageUrl": "https://status.example.org",
    }
    assert graph.exports["registry"] == "registry.digitalocean.com/stromdao"


def test_a_long_name_of_a_stack_fits_an_app_s():
    settings = read(config(platform="digitalocean"))
    graph = Graph()
    long = settings.model_copy(update={"stack": "review-of-a-long-branch-name"})
    graph.build(lambda: stacks.deploy(long, APP).export(), stack="x")

    assert len(spec(graph)["name"]) <= 32


def test_a_droplet_stands_in_place_of_the_app():
    graph = machine()

    assert graph.all(APP_TYPE) == []
    assert graph.one(DROPLET)["size"] == "s-2vcpu-4gb"
    assert graph.exports["docker_host"].startswith("ssh://deploy@203.0.113.")
    assert graph.exports["url"] is None
    assert {urn.split(":")[1] for urn in graph.one(HELD)["resources"]} == {
        "droplet",
        "volume",
        "reservedip",
    }


def test_what_a_droplet_holds_is_protected_in_production():
    protected = {r.type.split(":")[-1] for r in machine().resources if r.protect}

    assert protected == {"Droplet", "ReservedIp", "Volume"}
    assert not any(r.protect for r in machine(environment="staging"))


def test_every_output_is_documented():
    text = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    _, _, ours = text.partition("## DigitalOcean")
    for name in deploy().exports:
        assert f"`{name}`" in ours, name
    assert {field.name for field in fields(DigitalOceanOutputs)} == (
        deploy().exports.keys()
    )
