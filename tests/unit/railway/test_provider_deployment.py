"""The deployment: one for each change, with a verdict that is waited for."""

from __future__ import annotations

import pytest

from components.railway.client import RailwayError
from components.railway.provider.deployment import DeploymentProvider
from rehearsal.railway_model import Deployment
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import Driven


@pytest.fixture
def deployment(here):
    triggers = {"service": "one", "variables": "one"}
    return Driven(DeploymentProvider(), {**here, "triggers": triggers, "timeout": 900})


@pytest.fixture
def service(server, here):
    return server.model.service("app")


def other(deployment):
    return deployment.inputs["triggers"] | {"variables": "two"}


def test_a_deployment_is_waited_for_until_it_serves(deployment, service, pauses):
    deployment.up()

    assert service.running.id == deployment.outs["deployment_id"]
    assert deployment.outs["status"] == "SUCCESS"
    assert pauses == [5, 5, 5]


def test_an_unchanged_deployment_is_left_alone(deployment, service):
    deployment.up()

    assert deployment.up() == "same"
    assert deployment.refresh() == set()
    assert deployment.up(timeout=60) == "update"
    assert len(service.deployments) == 1


def test_a_trigger_deploys_once_and_the_old_one_goes(deployment, service):
    deployment.up()

    assert deployment.up(triggers=other(deployment)) == "update"
    assert [d.status for d in service.deployments] == ["REMOVED", "SUCCESS"]
    assert deployment.up() == "same"


@pytest.mark.parametrize("outcome", ["FAILED", "CRASHED"])
def test_a_deployment_that_fails_is_an_error_with_a_link(
    deployment, service, here, outcome
):
    service.outcome = outcome

    with pytest.raises(RailwayError) as raised:
        deployment.up()
    assert f"the deployment ended as {outcome}" in str(raised.value)
    assert (
        f"https://railway.com/project/{here['project_id']}/service/{service.id}"
        f"?environmentId={here['environment_id']}&id={service.deployments[-1].id} "
    ) in str(raised.value)


def test_after_a_failed_deployment_the_old_one_serves_and_the_next_run_tries_again(
    deployment, service
):
    deployment.up()
    good = service.running
    service.outcome = "FAILED"
    with pytest.raises(RailwayError):
        deployment.up(triggers=other(deployment))
    assert service.running is good
    service.outcome = "SUCCESS"

    assert deployment.up() == "update"
    assert service.running is service.deployments[-1]
    assert len(service.deployments) == 3


def test_a_deployment_that_does_not_end_is_given_up_in_time(
    deployment, service, server, pauses, monkeypatch
):
    monkeypatch.setattr(
        Deployment, "look", lambda d: {"id": d.id, "status": "BUILDING"}
    )

    with pytest.raises(RailwayError, match="still BUILDING after 900 s"):
        deployment.up()
    assert sum(pauses) == 905


def test_a_deployment_that_needs_an_approval_is_said(deployment, service, monkeypatch):
    monkeypatch.setattr(
        Deployment, "look", lambda d: {"id": d.id, "status": "NEEDS_APPROVAL"}
    )

    with pytest.raises(RailwayError, match="waits for an approval"):
        deployment.up()


def test_a_deployment_that_a_push_replaced_is_followed(
    deployment, service, server, monkeypatch
):
    look = Deployment.look

    def superseded(d):
        if len(service.deployments) == 1:
            service.deployments.append(Deployment("pushed", {}, {}, ["SUCCESS"]))
            d.steps = ["REMOVED"]
        return look(d)

    monkeypatch.setattr(Deployment, "look", superseded)
    deployment.up()

    assert deployment.outs["deployment_id"] == "pushed"


def test_a_deployment_that_somebody_ended_is_said(deployment, service, monkeypatch):
    monkeypatch.setattr(Deployment, "look", lambda d: {"id": d.id, "status": "REMOVED"})

    with pytest.raises(RailwayError, match=r"somebody ended the deployment \(REMOVED"):
        deployment.up()


def test_a_start_whose_answer_was_lost_is_not_repeated(deployment, service, server):
    server.order(Fault(operation="serviceInstanceDeployV2", status=0, done=True))
    deployment.up()

    assert len(service.deployments) == 1


def test_a_start_that_never_happened_is_repeated(deployment, service, server):
    server.order(Fault(operation="serviceInstanceDeployV2", status=0))
    deployment.up()

    assert len(service.deployments) == 1
    assert len(server.sent("serviceInstanceDeployV2")) == 2


@pytest.mark.parametrize(
    ("status", "then"),
    [("CRASHED", "update"), ("REMOVED", "update"), ("FAILED", "same")],
)
def test_what_does_not_run_any_more_is_deployed_again(
    deployment, service, status, then
):
    deployment.up()
    service.deployments[-1].steps = [status]

    assert deployment.refresh() == {"status"}
    assert deployment.up() == then
    if then == "update":
        assert service.running is service.deployments[-1]


def test_a_newer_deployment_of_a_push_is_taken_note_of(deployment, service):
    deployment.up()
    service.deployments.append(Deployment("pushed", {}, {}, ["SUCCESS"]))

    assert deployment.refresh() == {"deployment_id"}
    assert deployment.up() == "same"


def test_a_service_that_is_gone_has_no_deployment(deployment, service, server):
    deployment.up()
    server.model.projects[0].services.clear()

    assert deployment.refresh() == {"gone"}


def test_deleting_a_deployment_leaves_the_service_alone(deployment, service, server):
    deployment.up()
    before = len(server.requests)
    deployment.down()

    assert len(server.requests) == before
    assert service.running


@pytest.mark.parametrize("key", ["service_id", "project_id", "environment_id"])
def test_another_service_is_deployed_anew(deployment, service, key):
    deployment.up()

    assert deployment.up(**{key: "other"}) == f"replace: {key}"
