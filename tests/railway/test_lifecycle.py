"""The dynamic providers in the real engine, against a loopback Railway."""

from __future__ import annotations

import json

import pytest

from rehearsal.railway_server import Fault
from tests.railway.conftest import FIRST_IMAGE, SECOND_IMAGE, TOKEN

pytestmark = pytest.mark.slow

ALL = {
    "Project project",
    "Service app",
    "Volume uploads",
    "Variables app",
    "Domain domain",
    "Deployment app",
}
SECRET = "the-secret-that-signs-sessions"


def test_a_stack_from_nothing_to_nothing(stack):
    model = stack.server.model

    preview = stack.preview()
    assert preview.code == 0, preview.text
    assert preview.of("create") == ALL
    assert stack.server.requests == []

    up = stack.up()
    assert up.code == 0, up.text
    assert up.of("create") == ALL
    assert model.things() == {
        ("project", "stromhaltig"),
        ("service", "app"),
        ("volume", "uploads"),
        ("domain", "stromhaltig.example"),
    }
    app = model.service("app")
    assert app.running.variables == {
        "JWT_SECRET": SECRET,
        "NODE_ENV": "production",
        "PORT": "3001",
    }
    assert app.running.settings["source"]["image"] == FIRST_IMAGE
    assert len(app.deployments) == 1
    outputs = stack.outputs()
    assert outputs["url"] == "https://stromhaltig.example"
    assert outputs["deployment_id"] == app.running.id
    assert len(outputs["dns_records"]) == 2

    again = stack.preview("--refresh", "--expect-no-changes")
    assert again.code == 0, again.text
    assert again.of("same") == ALL

    destroyed = stack.destroy()
    assert destroyed.code == 0, destroyed.text
    assert model.things() == set()


def test_nothing_secret_is_in_clear_in_state_output_or_words(stack):
    words = [stack.preview("--diff"), stack.up("--diff"), stack.refresh()]
    stack.server.model.service("app").variables["JWT_SECRET"] = "by-hand-somebody"
    words += [stack.refresh(), stack.preview("--diff"), stack.up("--diff")]

    for text in [stack.state(), *(run.text for run in words)]:
        for secret in (SECRET, TOKEN, "by-hand-somebody"):
            assert secret not in text


def test_one_changed_variable_is_one_request_and_one_deployment(running):
    running.spec["variables"]["LOG_LEVEL"] = "debug"
    up = running.up()

    assert up.code == 0, up.text
    assert up.of("update") == {"Variables app", "Deployment app"}
    assert up.of("same") == ALL - up.of("update")
    assert [request.operation for request in running.server.sent()] == [
        "variableCollectionUpsert",
        "serviceInstanceDeployV2",
    ]
    assert running.server.model.service("app").running.variables["LOG_LEVEL"] == "debug"


def test_a_changed_secret_and_image_are_one_deployment_too(running):
    running.spec["image"] = SECOND_IMAGE
    running.spec["secrets"]["JWT_SECRET"] = "another-secret-for-sessions"
    preview = running.preview()
    assert preview.of("update") == {"Service app", "Variables app", "Deployment app"}
    up = running.up()

    assert up.code == 0, up.text
    app = running.server.model.service("app")
    assert len(app.deployments) == 2
    assert app.running.settings["source"]["image"] == SECOND_IMAGE
    assert app.running.variables["JWT_SECRET"] == "another-secret-for-sessions"


def test_what_somebody_changed_is_found_by_a_refresh_and_mended_by_up(running):
    model = running.server.model
    app = model.service("app")
    app.variables["JWT_SECRET"] = "by-hand"
    app.variables["ADDED"] = "by-hand"
    app.settings["healthcheckPath"] = "/by-hand"
    model.projects[0].volumes[0].mount_path = "/by-hand"
    model.projects[0].services[0].domains.clear()

    refresh = running.refresh()
    assert refresh.code == 0, refresh.text
    mended = {"Service app", "Variables app", "Volume uploads"}
    assert refresh.of("update") >= mended
    assert refresh.of("delete") == {"Domain domain"}
    running.server.requests.clear()

    up = running.up()
    assert up.code == 0, up.text
    assert up.of("update") == mended | {"Deployment app"}
    assert up.of("create") == {"Domain domain"}
    assert app.variables == {
        "JWT_SECRET": SECRET,
        "NODE_ENV": "production",
        "PORT": "3001",
    }
    assert app.settings["healthcheckPath"] == "/api/health"
    assert model.projects[0].volumes[0].mount_path == "/app/uploads"
    assert len(app.deployments) == 2
    clean = running.preview("--refresh", "--expect-no-changes")
    assert clean.code == 0, clean.text


def test_a_service_that_somebody_deleted_is_made_again(running):
    model = running.server.model
    model.projects[0].services.clear()

    up = running.up("--refresh")
    assert up.code == 0, up.text
    assert model.service("app").running
    assert model.projects[0].volumes[0].service_id == model.service("app").id


def test_a_stack_arrives_though_each_step_fails_once_after_it_was_carried_out(stack):
    server = stack.server
    steps = {
        "projectCreate",
        "serviceCreate",
        "serviceInstanceUpdate",
        "volumeCreate",
        "volumeUpdate",
        "variableCollectionUpsert",
        "customDomainCreate",
        "serviceInstanceDeployV2",
    }
    for step in steps:
        server.order(Fault(operation=step, message=f"{step} burns", done=True))
    words = ""
    for _ in steps:
        run = stack.up()
        words += run.text
        if run.code == 0:
            break

    assert run.code == 0, run.text
    for step in steps:
        assert f"Railway, {step}: {step} burns" in words
    for creation in ("projectCreate", "serviceCreate", "volumeCreate"):
        assert len(server.sent(creation)) == 1
    assert len(server.model.things()) == 4
    assert server.model.service("app").running
    clean = stack.preview("--refresh", "--expect-no-changes")
    assert clean.code == 0, clean.text


def test_a_server_that_gives_no_answer_fails_no_run_where_asking_again_is_safe(stack):
    server = stack.server
    for operation in ("projects", "variableCollectionUpsert", "deployment"):
        server.order(Fault(operation=operation, status=0, done=True))
    for creation in ("projectCreate", "volumeCreate", "serviceInstanceDeployV2"):
        server.order(Fault(operation=creation, status=502, done=True))
    server.order(Fault(operation="serviceCreate", status=429, retry_after="1"))
    up = stack.up()

    assert up.code == 0, up.text
    assert len(server.model.things()) == 4
    assert len(server.model.service("app").deployments) == 1


def test_a_deployment_that_fails_fails_the_run_and_leaves_the_old_version(running):
    app = running.server.model.service("app")
    app.outcome = "FAILED"
    running.spec["image"] = SECOND_IMAGE
    failed = running.up()
    assert failed.code != 0
    assert "the deployment ended as FAILED. Its logs say why: https://" in failed.text
    assert app.running.settings["source"]["image"] == FIRST_IMAGE

    app.outcome = "SUCCESS"
    up = running.up()
    assert up.code == 0, up.text
    assert up.of("update") == {"Deployment app"}
    assert app.running.settings["source"]["image"] == SECOND_IMAGE


def test_a_token_that_was_replaced_is_put_into_the_state_by_up(running):
    running.server.token = running.token = "the-new-token-of-the-test"
    refused = running.refresh()
    assert refused.code != 0
    assert "`pulumi up` first puts the new one into the state" in refused.text
    assert TOKEN not in refused.text

    up = running.up()
    assert up.code == 0, up.text
    assert running.server.sent() == []
    destroyed = running.destroy()
    assert destroyed.code == 0, destroyed.text
    assert running.server.model.things() == set()


def test_a_missing_token_is_said_before_anything_is_made(stack):
    stack.token = ""
    preview = stack.preview()

    assert preview.code != 0
    assert "there is no token for Railway" in preview.text
    assert stack.server.requests == []


def test_the_state_names_the_providers_and_holds_no_code(running):
    resources = json.loads(running.state())["deployment"]["resources"]
    ours = [r for r in resources if r["type"].startswith("pulumi-python:")]

    assert len(ours) == len(ALL)
    for resource in ours:
        assert len(resource["inputs"]["__provider"]) < 200
