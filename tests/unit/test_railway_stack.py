"""The committed stack file of Railway, deployed: questions to the graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import stacks
from contract import APP, VARIABLES, Kind
from settings import Settings, parse
from settings.railway import REGISTRY_LOGIN, TOKEN
from stacks.railway import RailwayOutputs
from tests.graph import Graph, Recorded
from tests.stacks import ROTATED

ROOT = Path(__file__).parents[2]
NAME = "stromhaltig-railway"
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
OTHER_IMAGE = IMAGE.replace("1" * 64, "2" * 64)
THE_TOKEN = "the-token-of-railway"
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}
SECRETS = {**OPERATORS, TOKEN: THE_TOKEN}

_DYNAMIC = "pulumi-python:dynamic/railway:"
PROJECT = f"{_DYNAMIC}Project"
PASSWORD = "random:index/randomPassword:RandomPassword"
SERVICE = f"{_DYNAMIC}Service"
VARIABLES_OF = f"{_DYNAMIC}Variables"
VOLUME = f"{_DYNAMIC}Volume"
DEPLOYMENT = f"{_DYNAMIC}Deployment"
DOMAIN = f"{_DYNAMIC}Domain"


def deploy(*, preview: bool = False, **changes: Any) -> Graph:
    """Graph of the committed stack file with what only its operator knows.

    changes: top-level keys to replace; None removes one.
    """
    return _deploy(preview, json.dumps(changes))


@cache
def _deploy(preview: bool, changes: str) -> Graph:
    text = (ROOT / "Pulumi.railway.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config |= {
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:app": {"SMTP_HOST": "smtp.example.org"},
        "stromhaltig:secrets": SECRETS,
    }
    config |= {f"stromhaltig:{k}": v for k, v in json.loads(changes).items()}
    values = {k: v for k, v in config.items() if v is not None}
    settings: Settings = parse("railway", values, secret_keys=("stromhaltig:secrets",))
    graph = Graph()
    graph.build(
        lambda: stacks.deploy(settings, APP).export(), stack="railway", preview=preview
    )
    return graph


def staging(**changes: Any) -> Graph:
    return deploy(environment="staging", domain=None, **changes)


def app(graph: Graph) -> Recorded:
    return graph.one(SERVICE, NAME)


def variables(graph: Graph) -> Recorded:
    return graph.one(VARIABLES_OF, NAME)


def names(graph: Graph, type_: str) -> list[str]:
    found = graph.all(type_)
    return sorted(one.name.removeprefix(NAME).lstrip("-") or "app" for one in found)


def secret_values(graph: Graph) -> set[str]:
    generated = graph.all("random:index/randomPassword:RandomPassword")
    return {password.outputs["result"] for password in generated} | {*SECRETS.values()}


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


def test_the_project_is_the_stacks_own():
    project = deploy().one(PROJECT)

    assert project["project_name"] == NAME
    assert project["description"] == "Made by Pulumi, stack railway"
    assert project["environment"] == "production"
    assert staging().one(PROJECT)["environment"] == "staging"


def test_a_project_can_have_another_name_and_payer():
    workspace = "0a1b2c3d-0000-0000-0000-000000000000"
    project = {"name": "Stromhaltig", "workspace": workspace}
    made = deploy(project=project).one(PROJECT)

    assert (made["project_name"], made["workspace_id"]) == ("Stromhaltig", workspace)


def test_there_are_the_services_of_the_stack_file():
    assert names(deploy(), SERVICE) == ["app", "cache", "database"]
    assert names(deploy(cache=None), SERVICE) == ["app", "database"]


def test_all_of_it_runs_in_one_region():
    graph = deploy(service={"region": "us-west2"})

    regions = {each["region"] for t in (SERVICE, VOLUME) for each in graph.all(t)}
    assert regions == {graph.exports["region"]} == {"us-west2"}


def test_the_app_is_deployed_as_the_guide_has_it():
    service = app(deploy())

    assert service["image"] == IMAGE
    assert service["healthcheck_path"] == APP.health_path
    assert service["healthcheck_timeout"] == 300
    assert service["pre_deploy_command"] == "npm run migrate"
    assert (service["restart_policy"], service["restart_retries"]) == ("ON_FAILURE", 3)
    assert service["draining_seconds"] == 70


def test_a_repository_is_built_where_its_file_says():
    github = {"repository": "stromdao/stromhaltig", "source_dir": "app"}
    graph = deploy(image=None, github=github)
    service = app(graph)

    assert service["repository"] == "stromdao/stromhaltig"
    assert service["branch"] == "main"
    assert service["root_directory"] == "app"
    assert service["dockerfile_path"] == "Dockerfile"
    assert service["watch_patterns"] == ["/app/**"]
    assert graph.exports["release"] == "stromdao/stromhaltig@main"
    written = json.loads(graph.exports["config_file"])
    assert written["build"]["watchPatterns"] == service["watch_patterns"]
    assert written["deploy"]["preDeployCommand"] == [service["pre_deploy_command"]]
    assert written["deploy"]["healthcheckPath"] == service["healthcheck_path"]


def test_an_image_needs_no_file():
    assert deploy().exports["config_file"] is None


def test_a_private_image_is_pulled_with_the_operators_login():
    service = app(deploy(secrets={**SECRETS, REGISTRY_LOGIN: "stromdao:ghp_token"}))

    assert service["registry_username"] == "stromdao"
    assert service["registry_password"] == "ghp_token"
    assert "registry_password" in service.secrets


def test_a_context_is_built_here_for_railways_processors(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    repository = "ghcr.io/stromdao/stromhaltig"
    graph = deploy(image={"context": str(tmp_path), "repository": repository})
    build = graph.one("docker-build:index:Image")

    assert build["platforms"] == ["linux/amd64"]
    assert build["push"] is True
    assert app(graph)["image"].startswith(f"{repository}@sha256:")
    assert graph.exports["release"] == app(graph)["image"]


def test_the_app_gets_every_variable_of_the_contract():
    given = variables(deploy(**ROTATED))

    assert given["variables"]["NODE_ENV"] == "production"
    assert given["variables"]["PORT"] == str(APP.port)
    secret = {v.name for v in VARIABLES if v.secret}
    assert given["secrets"].keys() == secret
    plain = APP.environment({"SMTP_HOST": "smtp.example.org"}, cache=True, proxies=2)
    assert given["variables"] == {**plain, "RAILWAY_RUN_UID": "0"}


def test_without_a_cache_the_app_knows_of_none():
    given = variables(deploy(cache=None))

    assert given["variables"]["ENABLE_CACHE"] == "false"
    assert "REDIS_URL" not in given["secrets"]


def test_data_is_reached_in_the_private_network_only():
    graph = deploy()
    secrets = variables(graph)["secrets"]

    assert "@database.railway.internal:5432/" in secrets["DATABASE_URL"]
    assert "@cache.railway.internal:6379/" in secrets["REDIS_URL"]
    assert {domain["service_id"] for domain in graph.all(DOMAIN)} == {
        graph.exports["service"]
    }


def test_secrets_are_secrets_wherever_they_go():
    graph = deploy(secrets={**SECRETS, REGISTRY_LOGIN: "stromdao:ghp_token"})
    for resource in graph.resources:
        for path, text in leaves(resource.inputs):
            if any(value in text for value in secret_values(graph)):
                top = path.split(".")[0]
                assert {path, top} & resource.secrets, f"{resource}: {path}"
    assert not any(value in json.dumps(graph.exports) for value in secret_values(graph))


def test_the_token_is_the_one_of_the_stack_file():
    graph = deploy()

    dynamic = [r for r in graph.resources if r.type.startswith(_DYNAMIC)]
    assert {resource["token"] for resource in dynamic} == {THE_TOKEN}
    assert all("token" in resource.secrets for resource in dynamic)
    assert THE_TOKEN not in json.dumps(variables(graph)["secrets"])


def test_a_token_of_the_environment_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TOKEN, "the-token-of-the-environment")
    graph = deploy(secrets=OPERATORS)

    for resource in graph.resources:
        assert "token" not in resource.inputs, resource


def test_nothing_runs_before_its_database_does():
    graph = deploy()
    deployment = graph.one(DEPLOYMENT, NAME)

    for data in ("database", "cache"):
        assert graph.one(DEPLOYMENT, f"{NAME}-{data}") in graph.dependencies(deployment)
    assert variables(graph) in graph.dependencies(deployment)


def test_uploads_last_on_a_volume_that_the_app_may_write_to():
    graph = deploy()
    volume = graph.one(VOLUME, f"{NAME}-uploads")

    assert volume["mount_path"] == APP.upload_dir
    assert volume["service_id"] == graph.exports["service"]
    assert variables(graph)["variables"]["RAILWAY_RUN_UID"] == "0"


def test_without_uploads_the_app_runs_as_its_own_user():
    graph = deploy(uploads=None, service={"replicas": 2})

    assert names(graph, VOLUME) == ["database"]
    assert "RAILWAY_RUN_UID" not in variables(graph)["variables"]
    assert app(graph)["replicas"] == 2
    assert graph.exports["uploads_volume"] is None


def test_a_new_image_changes_the_apps_service_alone():
    before, after = deploy(), deploy(image={"ref": OTHER_IMAGE})

    changed = {
        f"{resource.type.removeprefix(_DYNAMIC)} {resource.name}"
        for resource in after.resources
        if resource.inputs != before._recorded[resource.urn].inputs
    }
    assert changed == {f"Service {NAME}", f"Deployment {NAME}"}


def test_what_holds_data_is_protected_until_the_stack_is_decommissioned():
    protected = {resource.name for resource in deploy().resources if resource.protect}
    assert protected == {NAME, f"{NAME}-database", f"{NAME}-uploads"}

    graph = deploy(decommission=True)
    assert not any(resource.protect for resource in graph)
    assert graph.exports["protected"] is False
    assert not any(resource.protect for resource in staging())


class TestDomain:
    def test_each_host_is_one_of_its_own_with_records_to_set(self):
        graph = deploy()

        hosts = ["stromhaltig.de", "www.stromhaltig.de"]
        assert [domain["domain_name"] for domain in graph.all(DOMAIN)] == hosts
        assert {domain["port"] for domain in graph.all(DOMAIN)} == {APP.port}
        assert graph.exports["url"] == "https://stromhaltig.de"
        named = [record["name"] for record in graph.exports["dns_records"]]
        assert [host for host in hosts if host in named] == hosts

    def test_without_one_railway_gives_its_own(self):
        graph = deploy(domain=None)

        assert "domain_name" not in graph.one(DOMAIN).inputs
        assert graph.exports["url"].endswith(".up.railway.app")
        assert graph.exports["health_url"] == graph.exports["url"] + APP.health_path
        assert graph.exports["dns_records"] == []


@pytest.mark.parametrize("preview", [False, True])
def test_it_is_the_same_graph_before_anything_exists(preview):
    assert deploy(preview=preview).count() == deploy().count()


def test_every_output_is_documented():
    text = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    section = text.split("## Railway")[1].split("\n## ")[0]
    for name in deploy().exports:
        assert f"`{name}`" in section, name
    assert {field.name for field in fields(RailwayOutputs)} == deploy().exports.keys()


def test_the_caches_password_is_made_up_anew_and_the_databases_is_not():
    graph = deploy(rotations={"REDIS_URL": 2})
    passwords = {p.name: p.get("keepers") for p in graph.all(PASSWORD)}

    assert passwords["stromhaltig-railway-cache"] == {"generation": "2"}
    assert passwords["stromhaltig-railway-database"] is None
