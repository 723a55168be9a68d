"""The service: made empty, given its settings, and compared with what is there."""

from __future__ import annotations

import pytest

from components.railway.client import RailwayError
from components.railway.provider.service import SETTINGS
from rehearsal.railway_model import Service
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import IMAGE

EVERYTHING = {
    "start_command": "node server.js",
    "pre_deploy_command": "npm run migrate",
    "healthcheck_path": "/api/health",
    "healthcheck_timeout": 120,
    "restart_policy": "ON_FAILURE",
    "restart_retries": 3,
    "replicas": 2,
    "draining_seconds": 70,
    "overlap_seconds": 20,
    "sleep": False,
    "root_directory": "app",
    "dockerfile_path": "Dockerfile",
    "watch_patterns": ["/app/**"],
}
OTHERS = {
    "start_command": "node other.js",
    "pre_deploy_command": "npm run other",
    "healthcheck_path": "/other",
    "healthcheck_timeout": 60,
    "restart_policy": "ALWAYS",
    "restart_retries": 5,
    "replicas": 4,
    "draining_seconds": 10,
    "overlap_seconds": 5,
    "sleep": True,
    "root_directory": "other",
    "dockerfile_path": "Dockerfile.other",
    "watch_patterns": ["/other/**"],
}


@pytest.fixture
def settings(app, server):
    """The service with every setting; gives what Railway has of them."""
    app.up(**EVERYTHING)
    return server.model.service("app").settings


def test_the_cases_are_all_settings():
    assert EVERYTHING.keys() == OTHERS.keys() == SETTINGS.keys()


def test_a_service_is_made_without_a_source_and_deployed_by_nobody(app, server):
    app.up()

    [create] = server.sent("serviceCreate")
    assert create.variables["input"].keys() == {"projectId", "environmentId", "name"}
    made = server.model.service("app")
    assert made.settings["source"]["image"] == IMAGE
    assert made.settings["numReplicas"] == 2
    assert made.deployments == []


def test_all_settings_arrive_in_railways_own_form(settings):
    assert settings["preDeployCommand"] == ["npm run migrate"]
    assert settings["healthcheckTimeout"] == 120
    assert settings["restartPolicyMaxRetries"] == 3
    assert settings["watchPatterns"] == ["/app/**"]
    assert settings["rootDirectory"] == "app"


def test_an_unchanged_service_is_left_alone(app, settings):
    assert app.up() == "same"
    assert app.refresh() == set()
    assert app.up() == "same"


@pytest.mark.parametrize("key", EVERYTHING)
def test_another_value_of_a_setting_is_an_update(app, settings, server, key):
    before = app.outs["revision"]
    name = SETTINGS[key][0]
    old = settings[name]

    assert app.up(**{key: OTHERS[key]}) == "update"
    assert settings[name] != old
    assert app.outs["revision"] != before
    assert app.up() == "same"
    assert app.refresh() == set()


@pytest.mark.parametrize("key", EVERYTHING)
def test_a_setting_that_somebody_changed_is_found_and_made_again(
    app, settings, server, key
):
    name = SETTINGS[key][0]
    old = settings[name]
    settings[name] = [OTHERS[key]] if key == "pre_deploy_command" else OTHERS[key]

    assert app.refresh() == {key}
    assert app.up() == "update"
    assert settings[name] == old
    assert app.refresh() == set()


@pytest.mark.parametrize("key", EVERYTHING)
def test_a_setting_that_is_taken_back_has_railways_default_again(app, server, key):
    app.up()
    name = SETTINGS[key][0]
    default = server.model.service("app").settings.get(name)
    if key == "replicas":
        default = 1
    app.up(**OTHERS)
    del app.inputs[key]

    assert app.up() == "update"
    assert (server.model.service("app").settings[name] or None) == (default or None)
    assert app.up() == "same"


def test_a_setting_that_the_program_does_not_make_is_nobodys_drift(app, server):
    app.up()
    server.model.service("app").settings["startCommand"] = "by hand"

    assert app.refresh() == set()
    assert app.up() == "same"
    assert server.model.service("app").settings["startCommand"] == "by hand"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("redis", "redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("ghcr.io/o/app:1", "ghcr.io/o/app:1"),
    ],
)
def test_an_image_is_the_same_in_railways_words(app, server, said, kept):
    app.up(image=said)
    server.model.service("app").settings["source"]["image"] = kept

    assert app.refresh() == set()
    assert app.up() == "same"


def test_another_image_is_an_update(app, server):
    app.up()

    assert app.up(image=f"{IMAGE[:-1]}2") == "update"
    assert server.model.service("app").settings["source"]["image"] != IMAGE


def test_a_login_of_a_private_registry_is_given_and_never_read(app, server):
    app.up(registry_username="robot", registry_password="s3cret")

    assert server.model.service("app").credentials == {
        "username": "robot",
        "password": "s3cret",
    }
    assert app.refresh() == set()
    assert app.up(registry_password="another") == "update"
    assert server.model.service("app").credentials["password"] == "another"


def test_a_login_that_the_program_took_back_is_cleared(app, server):
    app.up(registry_username="robot", registry_password="s3cret")

    del app.inputs["registry_username"], app.inputs["registry_password"]

    assert app.up() == "update"
    assert server.model.service("app").credentials is None


def test_a_password_that_railway_repeats_is_in_no_message(app, server):
    told = "invalid registry password s3cret"
    server.order(Fault(operation="serviceInstanceUpdate", message=told))

    with pytest.raises(RailwayError, match=r"password \[secret\]"):
        app.up(registry_username="robot", registry_password="s3cret")


def test_a_region_takes_the_place_of_the_one_that_railway_chose(app, server):
    app.up(region="europe-west4-drams3a")

    assert server.model.service("app").placement == {"europe-west4-drams3a": 2}
    assert app.up(region="us-east4-eqdc4a", replicas=3) == "update"
    assert server.model.service("app").placement == {"us-east4-eqdc4a": 3}
    assert app.refresh() == set()


def test_a_service_that_somebody_moved_is_moved_back(app, server):
    app.up(region="europe-west4-drams3a")
    server.model.service("app").placement = {"us-west2": 2}

    assert app.refresh() == {"region"}
    assert app.up() == "update"
    assert server.model.service("app").placement == {"europe-west4-drams3a": 2}


def from_repository(app):
    del app.inputs["image"]
    return app.up(repository="stromdao/stromhaltig", branch="main")


def test_pushes_deploy_what_comes_from_a_repository(app, server):
    from_repository(app)

    made = server.model.service("app")
    assert made.settings["source"]["repo"] == "stromdao/stromhaltig"
    assert made.trigger["branch"] == "main"
    assert app.up(branch="next") == "update"
    assert made.trigger["branch"] == "next"
    assert app.refresh() == set()


def test_a_branch_that_somebody_changed_is_changed_back(app, server):
    from_repository(app)
    server.model.service("app").trigger["branch"] = "by-hand"

    assert app.refresh() == {"branch"}
    assert app.up() == "update"
    assert server.model.service("app").trigger["branch"] == "main"


def test_pushes_no_longer_deploy_what_became_an_image(app, server):
    from_repository(app)
    del app.inputs["repository"], app.inputs["branch"]

    assert app.up(image=IMAGE) == "update"
    made = server.model.service("app")
    assert made.trigger is None
    assert made.settings["source"] == {"image": IMAGE, "repo": None}


@pytest.mark.parametrize(
    ("change", "drop", "said"),
    [
        ({"repository": "o/r", "branch": "main"}, (), "not both or none"),
        ({}, ("image",), "not both or none"),
        ({"registry_username": "robot"}, (), "needs a password"),
    ],
)
def test_bad_inputs_are_refused_before_anything_is_made(
    app, server, change, drop, said
):
    inputs = {k: v for k, v in (app.inputs | change).items() if k not in drop}
    [failure] = app.provider.check({}, inputs).failures

    assert said in failure.reason


@pytest.mark.parametrize("key", ["service_name", "project_id", "environment_id"])
def test_another_name_or_place_is_another_service(app, key):
    app.up()

    assert app.up(**{key: "other"}) == f"replace: {key}"


def test_a_deleted_service_is_forgotten_and_made_again(app, server):
    app.up()
    server.model.projects[0].services.clear()

    assert app.refresh() == {"gone"}
    assert app.up() == "create"


def test_a_service_that_an_interrupted_run_has_made_is_gone_on_with(app, server):
    server.order(Fault(operation="serviceInstanceUpdate", message="broken"))
    with pytest.raises(RailwayError, match="broken"):
        app.up()
    assert app.id is None

    assert app.up() == "create"
    assert len(server.sent("serviceCreate")) == 1
    assert server.model.service("app").settings["source"]["image"] == IMAGE


def test_an_update_that_failed_is_made_by_the_next_run(app, server):
    app.up()
    server.order(Fault(operation="serviceInstanceUpdate", message="broken"))
    with pytest.raises(RailwayError):
        app.up(replicas=3)

    assert app.up() == "update"
    assert server.model.service("app").settings["numReplicas"] == 3


def test_a_service_that_is_late_to_appear_is_waited_for(app, server, pauses):
    late = Fault(operation="serviceInstance", message="ServiceInstance not found")
    server.order(Fault(**{**vars(late), "times": 3}))

    assert app.up() == "create"
    assert pauses == [1, 1, 1]


def test_a_service_that_never_appears_is_said(app, server):
    server.order(
        Fault(
            operation="serviceInstance",
            message="ServiceInstance not found",
            times=99,
        )
    )

    with pytest.raises(RailwayError, match='service "app" does not appear'):
        app.up()


def test_a_service_is_deleted_once_and_for_all(app, server):
    app.up()
    app.down()

    assert server.model.things() == {("project", "stromhaltig")}


def test_a_service_is_known_by_its_id_alone(app, server, place):
    made = Service(
        "the-id", "app", {"source": {"image": IMAGE, "repo": None}}, {"us-west2": 2}
    )
    made.settings |= {
        "restartPolicyType": "ON_FAILURE",
        "restartPolicyMaxRetries": 10,
        "numReplicas": 2,
        "watchPatterns": [],
    }
    server.model.projects[0].services.append(made)
    app.take(f"{place['project_id']}/{place['environment_id']}/the-id")

    assert app.outs["service_name"] == "app"
    assert app.outs["region"] == "us-west2"
    assert app.outs["restart_retries"] == 10
