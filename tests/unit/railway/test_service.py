"""A service on Railway: everything in place first, then one deployment of it."""

from __future__ import annotations

import pytest

from components.railway.access import Access, Place
from components.railway.project import Project, ProjectArgs
from components.railway.provider.service import ServiceResource
from components.railway.service import (
    Build,
    Deploy,
    Image,
    Mount,
    Repository,
    Service,
    ServiceArgs,
)
from tests.graph import UNKNOWN

SERVICE = "pulumi-python:dynamic/railway:Service"
VARIABLES = "pulumi-python:dynamic/railway:Variables"
VOLUME = "pulumi-python:dynamic/railway:Volume"
DEPLOYMENT = "pulumi-python:dynamic/railway:Deployment"
PASSWORD = "random:index/randomPassword:RandomPassword"
PLACE = Place(
    access=Access(token="the-token", endpoint="http://127.0.0.1:1/graphql/v2"),
    project_id="the-project",
    environment_id="the-environment",
)


def service(**args):
    defaults = {
        "place": PLACE,
        "service_name": "app",
        "source": Image(ref="ghcr.io/o/app@sha256:1"),
    }
    return Service("name", ServiceArgs(**(defaults | args)))


def test_it_is_told_where_it_is_and_what_it_runs(graph):
    graph.build(service)
    made = graph.one(SERVICE)

    assert made["project_id"] == "the-project"
    assert made["environment_id"] == "the-environment"
    assert made["image"] == "ghcr.io/o/app@sha256:1"
    assert "repository" not in made.inputs


def test_the_token_is_a_secret_of_every_resource(graph):
    graph.build(lambda: service(volume=Mount(name="uploads", path="/uploads")))

    for type_ in (SERVICE, VARIABLES, VOLUME, DEPLOYMENT):
        assert "token" in graph.one(type_).secrets


def test_without_a_token_none_is_in_the_state(graph, monkeypatch):
    monkeypatch.setenv("RAILWAY_TOKEN", "of the environment")
    place = Place(access=Access(), project_id="p", environment_id="e")
    graph.build(lambda: service(place=place))

    assert "token" not in graph.one(SERVICE).inputs


def test_a_repository_is_built_as_it_is_said(graph):
    graph.build(
        lambda: service(
            source=Repository(repo="stromdao/stromhaltig", branch="next"),
            build=Build(
                dockerfile_path="Dockerfile",
                root_directory="app",
                watch_patterns=("/app/**",),
            ),
        )
    )
    made = graph.one(SERVICE)

    assert "image" not in made.inputs
    assert (made["repository"], made["branch"]) == ("stromdao/stromhaltig", "next")
    assert made["root_directory"] == "app"
    assert made["watch_patterns"] == ["/app/**"]


def test_every_setting_of_a_deployment_arrives(graph):
    deploy = Deploy(
        start_command="node server.js",
        pre_deploy_command="npm run migrate",
        healthcheck_path="/api/health",
        healthcheck_timeout=60,
        restart_policy="ALWAYS",
        restart_retries=5,
        region="us-west2",
        replicas=3,
        draining_seconds=70,
        overlap_seconds=20,
        sleep=True,
        timeout=300,
    )
    graph.build(lambda: service(deploy=deploy))
    made = graph.one(SERVICE).inputs | graph.one(DEPLOYMENT).inputs

    assert vars(deploy).items() <= made.items()


def test_no_time_is_said_where_no_health_is_asked_for(graph):
    graph.build(service)

    assert "healthcheck_timeout" not in graph.one(SERVICE).inputs


def test_a_private_registrys_password_is_a_secret(graph):
    image = Image(ref="ghcr.io/o/app:1", username="robot", password="s3cret")
    graph.build(lambda: service(source=image))

    assert graph.one(SERVICE)["registry_username"] == "robot"
    assert "registry_password" in graph.one(SERVICE).secrets


def test_variables_are_plain_given_or_made_up(graph):
    outputs = graph.build(
        lambda: service(
            variables={"NODE_ENV": "production"},
            secrets={"SMTP_PASS": "s3cret"},
            generated={"JWT_SECRET": 48},
        )
    )
    made = graph.one(VARIABLES)

    assert made["variables"] == {"NODE_ENV": "production"}
    password = graph.one(PASSWORD, "name-jwt-secret")
    assert password["length"] == 48
    assert made["secrets"] == {
        "JWT_SECRET": password.outputs["result"],
        "SMTP_PASS": "s3cret",
    }
    assert made.secrets >= {"secrets"} or made.secrets >= {
        "secrets.JWT_SECRET",
        "secrets.SMTP_PASS",
    }
    assert outputs["secrets"] == ["JWT_SECRET", "SMTP_PASS"]
    assert made.additional_secret_outputs == ("salt",)


def test_a_secret_is_given_or_generated_and_not_both(graph):
    with pytest.raises(ValueError, match="given and generated: JWT_SECRET"):
        graph.build(
            lambda: service(secrets={"JWT_SECRET": "x"}, generated={"JWT_SECRET": 48})
        )


def test_it_is_deployed_after_everything_and_by_any_change_of_it(graph):
    graph.build(lambda: service(volume=Mount(name="uploads", path="/uploads")))
    deployment = graph.one(DEPLOYMENT)

    assert deployment["triggers"] == {
        "service": graph.one(SERVICE).outputs["revision"],
        "variables": graph.one(VARIABLES).outputs["revision"],
        "volume": graph.one(VOLUME).outputs["volume_id"],
    }
    after = {found.type for found in graph.dependencies(deployment)}
    assert after >= {SERVICE, VARIABLES, VOLUME}


def test_a_volume_is_protected_unless_it_is_said(graph):
    graph.build(lambda: service(volume=Mount(name="uploads", path="/uploads")))
    volume = graph.one(VOLUME, "uploads")
    assert volume.protect
    assert volume["mount_path"] == "/uploads"

    mount = Mount(name="uploads", path="/uploads", protect=False)
    graph.build(lambda: service(volume=mount))
    assert not graph.one(VOLUME).protect


def test_without_a_volume_there_is_none(graph):
    outputs = graph.build(service)

    assert graph.all(VOLUME) == []
    assert outputs["volume_id"] is None


def test_its_name_in_the_private_network_is_known(graph):
    assert graph.build(service)["host"] == "app.railway.internal"


def test_it_can_start_after_others_though_it_is_made_before(graph):
    def program():
        other = service(service_name="database")
        return Service(
            "app",
            ServiceArgs(
                place=PLACE,
                service_name="app",
                source=Image(ref="ghcr.io/o/app:1"),
                starts_after=[other],
            ),
        )

    graph.build(program)
    database = graph.one(DEPLOYMENT, "name")

    assert database in graph.dependencies(graph.one(DEPLOYMENT, "app"))
    assert database not in graph.dependencies(graph.one(VARIABLES, "app"))


def test_an_input_that_a_provider_does_not_know_is_refused(graph):
    with pytest.raises(TypeError, match="ServiceProvider has no input imgae"):
        graph.build(lambda: ServiceResource("name", {"imgae": "x"}))


def test_a_preview_of_all_of_it_gets_along_with_what_is_unknown(graph):
    def program():
        project = Project(
            "project",
            ProjectArgs(
                access=PLACE.access, project_name="stromhaltig", description="ours"
            ),
        )
        return service(place=project.place, generated={"JWT_SECRET": 48})

    outputs = graph.build(program, preview=True)

    assert outputs["deployment_id"] == UNKNOWN
    assert graph.one(SERVICE)["project_id"] == UNKNOWN


def test_a_project_has_no_environments_for_pull_requests_and_is_protected(graph):
    outputs = graph.build(
        lambda: (
            Project(
                "project",
                ProjectArgs(
                    access=PLACE.access,
                    project_name="stromhaltig",
                    description="ours",
                    environment="live",
                    workspace_id="workspace",
                ),
            ).place
        )
    )
    made = graph.one("pulumi-python:dynamic/railway:Project")

    assert made.protect
    assert made["environment"] == "live"
    assert made["workspace_id"] == "workspace"
    assert outputs["project_id"] == made.outputs["project_id"]
    assert outputs["environment_id"] == made.outputs["environment_id"]
