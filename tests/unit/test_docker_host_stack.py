"""The committed stack file of the Docker host, deployed: questions to the graph."""

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
from stacks import DockerOutputs
from tests.graph import Graph, Recorded
from tests.stacks import ROTATED

ROOT = Path(__file__).parents[2]
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}

PASSWORD = "random:index/randomPassword:RandomPassword"
CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
PROVIDER = "pulumi:providers:docker"
VOLUME = "docker:index/volume:Volume"


def deploy(**changes: Any) -> Graph:
    """Graph of the committed stack file with what only its operator knows."""
    return _deploy(json.dumps(changes))


@cache
def _deploy(changes: str) -> Graph:
    text = (ROOT / "Pulumi.docker.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config |= {
        "stromhaltig:host": {"address": "ssh://deploy@host.example.org"},
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:app": {"SMTP_HOST": "smtp.example.org"},
        "stromhaltig:secrets": OPERATORS,
    }
    config |= {f"stromhaltig:{k}": v for k, v in json.loads(changes).items()}
    values = {k: v for k, v in config.items() if v is not None}
    settings: Settings = parse("docker", values, secret_keys=("stromhaltig:secrets",))
    graph = Graph()
    graph.build(lambda: stacks.deploy(settings, APP).export(), stack="docker")
    return graph


def containers(graph: Graph) -> dict[str, Recorded]:
    """The containers that run, by name; those that only carry files do not."""
    return {
        name: container
        for name, container in every_container(graph).items()
        if container.get("start") is not False
    }


def every_container(graph: Graph) -> dict[str, Recorded]:
    return {
        container.name.removeprefix("stromhaltig-docker-"): container
        for container in graph.all(CONTAINER)
    }


def networks(container: Recorded) -> set[str]:
    attached = {n["name"] for n in container.get("networksAdvanced", ())}
    return {name.removeprefix("stromhaltig-docker-") for name in attached}


def secret_values(graph: Graph) -> set[str]:
    generated = graph.all("random:index/randomPassword:RandomPassword")
    keys = graph.all("tls:index/privateKey:PrivateKey")
    return (
        {password.outputs["result"] for password in generated}
        | {key.outputs["privateKeyPem"] for key in keys}
        | set(OPERATORS.values())
    )


def test_everything_is_made_on_the_host_that_was_named():
    graph = deploy()

    assert graph.one(PROVIDER)["host"] == "ssh://deploy@host.example.org"
    assert graph.exports["host"] == "ssh://deploy@host.example.org"


@pytest.mark.sweep
def test_private_images_are_pulled_with_the_login_of_the_machine_that_deploys():
    host = {"address": "ssh://deploy@host.example.org", "registries": ["ghcr.io"]}
    provider = deploy(host=host).one(PROVIDER)

    assert json.loads(provider["registryAuth"]) == [{"address": "ghcr.io"}]


def test_no_container_shows_a_secret():
    graph = deploy()
    for container in containers(graph).values():
        shown = json.dumps(container.inputs)
        for value in secret_values(graph):
            assert value not in shown, container.name
        assert container.secrets == frozenset(), container.name


def test_secrets_are_secrets_wherever_they_go():
    graph = deploy()
    for resource in graph.resources:
        for path, text in leaves(resource.inputs):
            if any(value in text for value in secret_values(graph)):
                assert path in resource.secrets, f"{resource}: {path}"


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


@pytest.mark.sweep
def test_the_app_gets_every_secret_there_is():
    graph = deploy(**ROTATED)
    carried = {
        upload["file"].rpartition("/")[2]: upload["content"]
        for upload in graph.one(CONTAINER, "stromhaltig-docker-secrets")["uploads"]
    }
    expected = {v.name for v in VARIABLES if v.secret}

    assert carried.keys() == expected
    assert graph.exports["secrets"] == sorted(expected)
    environment = containers(graph)["app-0"]["envs"]
    for name in expected:
        assert f"{name}_FILE=/run/secrets/{name}" in environment


def test_data_is_reached_from_the_internal_network_only():
    running = containers(deploy())

    assert networks(running["database"]) == {"internal"}
    assert networks(running["cache"]) == {"internal"}
    assert networks(running["app-0"]) == {"edge", "internal"}
    assert networks(running["migration"]) == {"internal"}


def test_the_internal_network_has_no_way_out():
    internal = {
        network.name: network.get("internal") for network in deploy().all(NETWORK)
    }

    assert internal == {
        "stromhaltig-docker-edge": None,
        "stromhaltig-docker-internal": True,
    }


def test_every_container_is_confined():
    for container in containers(deploy()).values():
        assert container["readOnly"] is True, container.name
        assert container["capabilities"]["drops"] == ["ALL"], container.name
        assert container["securityOpts"] == ["no-new-privileges:true"], container.name
        assert container["memory"] == container["memorySwap"], container.name
        assert container["logDriver"] == "local", container.name
        assert container["logOpts"] == {"max-size": "100m", "max-file": "10"}
        assert "privileged" not in container.inputs, container.name


def test_containers_that_serve_come_back_after_a_reboot_and_tasks_do_not():
    for name, container in containers(deploy()).items():
        task = container.get("attach") is True
        assert container.get("restart") == (None if task else "unless-stopped"), name


def test_nothing_runs_before_its_migration_succeeded():
    graph = deploy()
    running = containers(graph)

    for name in ("app-0", "app-1"):
        assert running["migration"] in graph.dependencies(running[name])
    assert running["database"] in graph.dependencies(running["migration"])
    assert running["cache"] in graph.dependencies(running["migration"])


def test_the_client_is_published_once_the_proxy_leads_to_the_new_api():
    graph = deploy()
    running = every_container(graph)

    assert running["app-0"] in graph.dependencies(running["proxy-files"])
    assert running["proxy-reload"] in graph.dependencies(running["client"])


@pytest.mark.sweep
def test_a_new_image_replaces_the_app_and_nothing_that_holds_data():
    before, after = deploy(), deploy(image={"ref": IMAGE.replace("1" * 64, "2" * 64)})

    changed = {
        container.name.removeprefix("stromhaltig-docker-")
        for container in after.all(CONTAINER)
        if container.inputs != before.one(CONTAINER, container.name).inputs
    }
    assert changed == {
        "app-0",
        "app-1",
        "migration",
        "client",
        "proxy-files",
        "proxy-reload",
    }


@pytest.mark.sweep
def test_what_holds_data_is_protected_until_the_stack_is_decommissioned():
    data = {"stromhaltig-docker-database", "stromhaltig-docker-uploads"}
    protected = {v.name for v in deploy().all(VOLUME) if v.protect}
    assert data <= protected

    graph = deploy(decommission=True)
    assert not any(resource.protect for resource in graph)
    assert graph.exports["protected"] is False


@pytest.mark.sweep
def test_a_context_is_built_by_the_engine_that_runs_it(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    graph = deploy(
        host={"address": "unix:///var/run/docker.sock"},
        image={"context": str(tmp_path)},
    )
    build = graph.one("docker-build:index:Image")
    pulled = graph.one("docker:index/remoteImage:RemoteImage", "stromhaltig-docker-app")

    assert build["load"] is True
    assert pulled["name"] == build["tags"][0]
    assert pulled["keepLocally"] is True


@pytest.mark.sweep
def test_a_context_for_another_host_goes_through_a_registry(tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    graph = deploy(
        host={"address": "ssh://deploy@host.example.org", "architecture": "arm64"},
        image={"context": str(tmp_path), "repository": "ghcr.io/stromdao/stromhaltig"},
    )
    build = graph.one("docker-build:index:Image")
    pulled = graph.one("docker:index/remoteImage:RemoteImage", "stromhaltig-docker-app")

    assert build["push"] is True
    assert build["platforms"] == ["linux/arm64"]
    assert pulled["name"].startswith("ghcr.io/stromdao/stromhaltig@sha256:")


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://stromhaltig.de"),
        (
            {
                "environment": "staging",
                "domain": None,
                "proxy": {"certificate": "self-signed", "https_port": 8443},
            },
            "https://host.example.org:8443",
        ),
        (
            {
                "environment": "staging",
                "domain": None,
                "host": {"address": "unix:///var/run/docker.sock"},
                "proxy": {"certificate": "self-signed"},
            },
            "https://localhost",
        ),
    ],
)
def test_the_url_is_the_domain_or_else_the_host(changes, url):
    graph = deploy(**changes)

    assert graph.exports["url"] == url
    assert graph.exports["health_url"] == f"{url}/api/health"


def test_every_output_is_documented():
    text = (ROOT / "docs/outputs.md").read_text(encoding="utf-8")
    for name in deploy().exports:
        assert f"`{name}`" in text, name
    assert {field.name for field in fields(DockerOutputs)} == deploy().exports.keys()


@pytest.mark.sweep
def test_a_rotated_login_is_the_apps_and_backups_stay_the_owners():
    login = "stromhaltig_a:the-new-password"
    graph = deploy(
        secrets={**OPERATORS, "DATABASE_LOGIN": login}, rotations={"DATABASE_URL": 1}
    )
    uploads = {
        upload["file"].rpartition("/")[2]: upload["content"]
        for container in every_container(graph).values()
        for upload in container.get("uploads") or []
    }
    owners = graph.one(PASSWORD, "stromhaltig-docker-database")

    assert uploads["DATABASE_URL"].startswith(f"postgresql://{login}@database:5432/")
    assert owners["keepers"] == {"generation": "1"}
    assert uploads["role_password"] == owners.outputs["result"]
    assert owners.outputs["result"] in uploads["pgpass"]
    assert graph.exports["database_user"] == "stromhaltig_a"


@pytest.mark.sweep
def test_a_rotation_leaves_database_and_cache_alone():
    before, after = deploy(), deploy(**ROTATED)
    running = containers(before).keys() & containers(after).keys()

    for name in running:
        if "database" in name or "cache" in name:
            assert containers(before)[name].inputs == containers(after)[name].inputs
    assert "stromhaltig-docker-jwt-secret-2" in {r.name for r in after.all(PASSWORD)}
