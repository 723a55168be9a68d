"""Variables: exactly the program's, and secret ones known by their digests only."""

from __future__ import annotations

import json

import pytest
from pulumi.runtime import rpc

from components.railway.client import RailwayError
from components.railway.provider.variables import VariablesProvider
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import Driven

SECRET = "the-secret-that-signs-sessions"


@pytest.fixture
def variables(here):
    return Driven(
        VariablesProvider(),
        {
            **here,
            "variables": {"NODE_ENV": "production", "PORT": "3001"},
            "secrets": {"JWT_SECRET": SECRET},
        },
    )


@pytest.fixture
def live(variables, server):
    """What the service has, once the program's variables are set."""
    variables.up()
    return server.model.service("app").variables


def test_all_variables_are_set_at_once_and_deploy_nothing(live, server):
    assert live == {"NODE_ENV": "production", "PORT": "3001", "JWT_SECRET": SECRET}
    [request] = server.sent("variableCollectionUpsert")
    assert request.variables["input"]["skipDeploys"] is True
    assert request.variables["input"]["replace"] is True


def test_a_secret_is_nowhere_in_what_is_kept_of_it(variables, live):
    kept = {key: value for key, value in variables.outs.items() if key != "token"}

    assert SECRET not in json.dumps(kept)
    assert variables.outs["digests"].keys() == {"JWT_SECRET"}


def test_unchanged_variables_are_left_alone(variables, live):
    assert variables.up() == "same"
    assert variables.refresh() == set()
    assert variables.up() == "same"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"variables": {"PORT": "3002"}}, {"PORT": "3002", "JWT_SECRET": SECRET}),
        ({"secrets": {"JWT_SECRET": "another"}}, {"JWT_SECRET": "another"}),
        ({"secrets": {}}, {}),
        ({"secrets": {"JWT_SECRET": SECRET, "SMTP_PASS": "p"}}, {"SMTP_PASS": "p"}),
    ],
    ids=["plain", "secret", "removed", "added"],
)
def test_a_change_is_one_request_that_also_removes(
    variables, live, server, changes, expected
):
    before = variables.outs["revision"]

    assert variables.up(**changes) == "update"
    assert len(server.sent("variableCollectionUpsert")) == 2
    wanted = variables.inputs["variables"] | variables.inputs["secrets"]
    assert live == wanted
    assert expected.items() <= live.items()
    assert variables.outs["revision"] != before
    assert variables.up() == "same"


def test_a_variable_may_become_a_secret(variables, live):
    changes = {"variables": {}, "secrets": {"PORT": "3001", "JWT_SECRET": SECRET}}

    assert variables.up(**changes) == "update"
    assert variables.up() == "same"
    assert variables.refresh() == set()


def test_a_plain_variable_that_somebody_changed_is_shown_and_set_again(variables, live):
    live["PORT"] = "by hand"

    assert variables.refresh() == {"variables"}
    assert variables.outs["variables"]["PORT"] == "by hand"
    assert variables.up() == "update"
    assert live["PORT"] == "3001"


def test_a_secret_that_somebody_changed_shows_by_its_digest_alone(variables, live):
    before = dict(variables.outs["digests"])
    live["JWT_SECRET"] = "a-value-of-somebodys"

    assert variables.refresh() == {"digests"}
    assert variables.outs["digests"]["JWT_SECRET"] != before["JWT_SECRET"]
    assert "a-value-of-somebodys" not in json.dumps(variables.outs)
    assert variables.up() == "update"
    assert live["JWT_SECRET"] == SECRET
    assert variables.outs["digests"] == before


@pytest.mark.parametrize("name", ["PORT", "JWT_SECRET"])
def test_a_variable_that_somebody_removed_is_set_again(variables, live, name):
    del live[name]

    assert len(variables.refresh()) == 1
    assert variables.up() == "update"
    assert name in live


def test_a_variable_that_somebody_added_is_removed_and_its_value_not_kept(
    variables, live
):
    live["DEBUG"] = "a-value-of-somebodys"

    assert variables.refresh() == {"digests"}
    assert "a-value-of-somebodys" not in json.dumps(variables.outs)
    assert variables.up() == "update"
    assert "DEBUG" not in live


def test_railways_own_variables_are_no_drift_but_the_programs_are(variables, live):
    variables.up(variables={"RAILWAY_RUN_UID": "0"})
    assert variables.refresh() == set()
    live["RAILWAY_RUN_UID"] = "1001"

    assert variables.refresh() == {"variables"}
    assert variables.up() == "update"
    assert live["RAILWAY_RUN_UID"] == "0"


def test_the_same_secret_has_another_digest_in_each_service(variables, here, live):
    other = Driven(VariablesProvider(), {**here, "secrets": {"JWT_SECRET": SECRET}})
    other.up()

    assert other.outs["digests"] != variables.outs["digests"]


def test_secrets_that_a_preview_does_not_know_are_a_change(variables, live):
    news = {**variables.inputs, "secrets": rpc.UNKNOWN}

    assert variables.provider.check({}, news).failures == []
    assert variables.provider.diff("", variables.outs, news).changes


def test_a_variable_that_is_plain_and_secret_is_refused(variables):
    news = {**variables.inputs, "secrets": {"PORT": "1", "NODE_ENV": "2"}}
    [failure] = variables.provider.check({}, news).failures

    assert failure.reason == "plain and secret at once: NODE_ENV, PORT"


def test_a_secret_that_railway_repeats_is_in_no_message(variables, server):
    told = f'got invalid value {{ "JWT_SECRET": "{SECRET}" }}'
    server.order(Fault(operation="variableCollectionUpsert", message=told))

    with pytest.raises(RailwayError) as raised:
        variables.up()
    assert SECRET not in str(raised.value)
    assert "[secret]" in str(raised.value)


def test_a_setting_of_variables_whose_answer_was_lost_is_repeated(
    variables, server, pauses
):
    server.order(Fault(operation="variableCollectionUpsert", done=True, times=2))

    assert variables.up() == "create"
    assert len(server.sent("variableCollectionUpsert")) == 3


@pytest.mark.parametrize("key", ["service_id", "project_id", "environment_id"])
def test_another_service_has_variables_of_its_own(variables, live, key):
    assert variables.up(**{key: "other"}) == f"replace: {key}"


def test_deleting_removes_them_all(variables, live):
    variables.down()

    assert live == {}


def test_a_service_that_is_gone_has_none(variables, live, server):
    server.model.projects[0].services.clear()

    assert variables.refresh() == {"gone"}


def test_deleting_those_of_a_service_that_is_gone_is_no_error(variables, live, server):
    server.model.projects[0].services.clear()
    variables.down()


def test_variables_are_known_by_its_id_alone(variables, here, server):
    server.model.service("app").variables |= {"PORT": "3001", "JWT_SECRET": SECRET}
    variables.take(
        f"{here['project_id']}/{here['environment_id']}/{here['service_id']}"
    )

    assert variables.outs["digests"].keys() == {"PORT", "JWT_SECRET"}
    assert variables.up() == "update"
    assert variables.up() == "same"
