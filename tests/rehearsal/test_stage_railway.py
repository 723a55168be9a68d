"""Railway as a stage: what it supplies, checks, spoils, refuses; a whole rehearsal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from components.railway import operations as ops
from components.railway.client import Client, Operation, RailwayError
from contract import APP as CONTRACT
from rehearsal import stages
from rehearsal.cloud import EmbeddedCloud
from rehearsal.control import FAULTS, RAILWAY, Control
from rehearsal.provider.ledger import Entry, Ledger
from rehearsal.railway import Railway
from rehearsal.stages import StageError, Thing
from rehearsal.stages.railway import DOMAIN, SERVICE, VARIABLES, RailwayStage
from rehearsal.stages.stage import image_ref
from settings.railway import TOKEN
from stacks.railway import APP
from tests.everything import copy_program

OLD, NEW = image_ref("old"), image_ref("new")
VARIABLES_OF_APP = {
    variable.name: variable.default or "postgresql://somewhere"
    for variable in CONTRACT.variables
}
PASSWORD = "random:index/randomPassword:RandomPassword"


class Cloud:
    """The embedded cloud, as far as the stage asks for it, in this process."""

    def __init__(self) -> None:
        self.server = Railway()
        self.entries: list[Entry] = []

    def start_railway(self, token: str) -> str:
        return self.server.start(token)

    def railway(self) -> dict[str, Any]:
        return json.loads(json.dumps(self.server.state()))

    def fail_railway(self, operation: str, message: str) -> None:
        self.server.fail(operation, message)

    def heal(self) -> None:
        self.server.heal()

    def recorded(self) -> list[Entry]:
        return self.entries


class Hand:
    """Somebody who makes things at that Railway, as the program does."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._client = Client(token, endpoint=endpoint)
        project = self(ops.PROJECT_CREATE, input={"name": "stromhaltig"})
        environment = project["environments"]["edges"][0]["node"]["id"]
        self.place = {"projectId": project["id"], "environmentId": environment}
        self.services: dict[str, str] = {}

    def __call__(self, operation: Operation, **variables: Any) -> Any:
        return self._client.call(operation, variables)

    def close(self) -> None:
        self._client.__exit__()

    def make(self, name: str, image: str, **variables: str) -> None:
        made = self(ops.SERVICE_CREATE, input={**self.place, "name": name})
        self.services[name] = made["id"]
        wanted = {"serviceId": made["id"], "variables": variables, "skipDeploys": True}
        self(ops.VARIABLES_SET, input={**self.place, **wanted})
        self.deploy(name, image)

    def deploy(self, name: str, image: str) -> None:
        service = {
            "serviceId": self.services[name],
            "environmentId": self.place["environmentId"],
        }
        settings = {"source": {"image": image}, "drainingSeconds": 70}
        self(ops.INSTANCE_UPDATE, **service, input=settings)
        id_ = self(ops.DEPLOY, **service)
        while self(ops.DEPLOYMENT, id=id_)["status"] != "SUCCESS":
            pass

    def name(self, service: str, domain: str) -> None:
        wanted = {"serviceId": self.services[service], "domain": domain}
        self(ops.CUSTOM_DOMAIN_CREATE, input={**self.place, **wanted})

    @property
    def outputs(self) -> dict[str, str]:
        return {
            "project": self.place["projectId"],
            "environment": self.place["environmentId"],
            "service": self.services[APP],
            "release": OLD,
        }


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.server.stop()


@pytest.fixture
def stage(cloud: Cloud) -> RailwayStage:
    return RailwayStage(cast(EmbeddedCloud, cloud), {})


@pytest.fixture
def hand(stage: RailwayStage) -> Iterator[Hand]:
    """A database, and the app with two domains."""
    supplies = stage.supply({})
    endpoint = supplies.config["project"]["api_url"]
    somebody = Hand(endpoint, supplies.secrets[f"secrets.{TOKEN}"])
    somebody.make("database", "postgres:15-bookworm")
    somebody.make(APP, OLD, **VARIABLES_OF_APP)
    for domain in ("a.example", "www.a.example"):
        somebody.name(APP, domain)
    yield somebody
    somebody.close()


def test_a_stack_file_of_railway_has_a_stage(cloud: Cloud) -> None:
    config = {"stromhaltig:platform": "railway"}

    assert isinstance(stages.choose(cast(EmbeddedCloud, cloud), config), RailwayStage)


def test_a_repository_cannot_be_rehearsed(cloud: Cloud) -> None:
    config = {"stromhaltig:github": {"repository": "stromdao/stromhaltig"}}

    with pytest.raises(StageError, match=r"stromhaltig:github: only images can be"):
        RailwayStage(cast(EmbeddedCloud, cloud), config)


def test_the_program_is_pointed_at_a_server_of_ours(stage: RailwayStage) -> None:
    supplies = stage.supply({"stromhaltig:project": {"plan": "hobby"}})

    project = supplies.config["project"]
    assert project["plan"] == "hobby"
    assert project["api_url"].startswith("http://127.0.0.1:")
    assert supplies.said["project.api_url"].endswith("a server of ours")
    token = supplies.secrets[f"secrets.{TOKEN}"]
    assert token in stage.secret_values()
    with Client(token, endpoint=project["api_url"]) as client:
        assert client.call(ops.PROJECTS, {})["edges"] == []
    with (
        Client("somebody-else's", endpoint=project["api_url"]) as client,
        pytest.raises(RailwayError, match="Not Authorized"),
    ):
        client.call(ops.PROJECTS, {})


def test_what_exists_is_found(stage: RailwayStage, hand: Hand, cloud: Cloud) -> None:
    cloud.entries += [
        Entry("docker-build:index:Image", "app", "i", {}, {"ref": NEW}),
        Entry(PASSWORD, "jwt", "p", {}, {"result": "generated"}),
    ]

    assert stage.inventory() == {
        Thing("project", "stromhaltig"),
        Thing("service", APP),
        Thing("service", "database"),
        Thing("domain", "a.example"),
        Thing("domain", "www.a.example"),
        Thing("built image", NEW),
    }
    assert stage.kept(stage.inventory()) == {Thing("built image", NEW)}
    assert "generated" in stage.secret_values()


def test_the_release_is_what_was_deployed_with_success(
    stage: RailwayStage, hand: Hand
) -> None:
    hand(
        ops.INSTANCE_UPDATE,
        serviceId=hand.services[APP],
        environmentId=hand.place["environmentId"],
        input={"source": {"image": NEW}},
    )
    assert stage.deployed_image({}) == OLD

    hand.deploy(APP, NEW)
    assert stage.deployed_image({}) == NEW


def test_without_a_deployment_the_app_does_not_run(stage: RailwayStage) -> None:
    stage.supply({})

    with pytest.raises(StageError, match="the app does not run"):
        stage.deployed_image({})


def test_a_stack_as_it_must_be_passes(stage: RailwayStage, hand: Hand) -> None:
    assert stage.check_up(hand.outputs) == [
        f"2 services, each deployed once: database, {APP}",
        f"the app runs with {len(VARIABLES_OF_APP)} variables, its migration before it",
        "only the app is reached from outside: a.example, www.a.example",
    ]


class TestRefused:
    """A stack that is not as it must be."""

    def test_another_release(self, stage: RailwayStage, hand: Hand) -> None:
        with pytest.raises(StageError, match="does not run the release, but"):
            stage.check_up({**hand.outputs, "release": NEW})

    def test_deployments_for_nothing(self, stage: RailwayStage, hand: Hand) -> None:
        hand.deploy("database", "postgres:15-bookworm")
        with pytest.raises(StageError, match="not deployed once: database"):
            stage.check_up(hand.outputs)

    def test_an_open_database(self, stage: RailwayStage, hand: Hand) -> None:
        hand.name("database", "db.example")
        with pytest.raises(StageError, match=f"from outside: {APP}, database"):
            stage.check_up(hand.outputs)

    def test_a_variable_too_few(self, stage: RailwayStage) -> None:
        supplies = stage.supply({})
        endpoint = supplies.config["project"]["api_url"]
        somebody = Hand(endpoint, supplies.secrets[f"secrets.{TOKEN}"])
        somebody.make(APP, OLD, PORT="3001")
        somebody.close()
        with pytest.raises(StageError, match=r"lacks variables: .*DATABASE_URL"):
            stage.check_up(somebody.outputs)

    def test_a_secret_in_a_command(self, stage: RailwayStage, hand: Hand) -> None:
        given = stage.secret_values()[0]
        hand(
            ops.INSTANCE_UPDATE,
            serviceId=hand.services["database"],
            environmentId=hand.place["environmentId"],
            input={"startCommand": f"postgres --password {given}"},
        )
        with pytest.raises(StageError, match="settings of database show") as failure:
            stage.check_up(hand.outputs)
        assert given not in str(failure.value)


def test_a_change_is_one_deployment_of_the_app(stage: RailwayStage, hand: Hand) -> None:
    stage.check_up(hand.outputs)
    hand.deploy(APP, NEW)

    assert stage.check_change([]) == [
        "one deployment of the app, none of anything else"
    ]


@pytest.mark.parametrize(
    ("deployed", "shown"),
    [
        ((), "nothing"),
        ((APP, APP), f"{APP} 2 times"),
        ((APP, "database"), f"database 1 times, {APP} 1 times"),
    ],
)
def test_another_number_of_deployments_is_not(
    stage: RailwayStage, hand: Hand, deployed: tuple[str, ...], shown: str
) -> None:
    stage.check_up(hand.outputs)
    for name in deployed:
        hand.deploy(name, NEW)

    with pytest.raises(StageError, match=f"was deployed, but: {shown}$"):
        stage.check_change([])


def test_each_drift_is_done_and_can_be_undone(stage: RailwayStage, hand: Hand) -> None:
    drifts = stage.drifts(hand.outputs)

    assert [(d.resource, d.seen_as) for d in drifts] == [
        (SERVICE, "update"),
        (VARIABLES, "update"),
        (DOMAIN, "delete"),
    ]
    for drift in drifts:
        assert drift.mended()
        drift.spoil()
        assert not drift.mended()
    wanted = {
        "serviceId": hand.services[APP],
        "variables": VARIABLES_OF_APP,
        "replace": True,
        "skipDeploys": True,
    }
    hand(ops.VARIABLES_SET, input={**hand.place, **wanted})
    hand.deploy(APP, OLD)
    hand.name(APP, "www.a.example")
    assert all(drift.mended() for drift in drifts)


def test_a_release_is_refused_and_the_one_before_serves(
    stage: RailwayStage, hand: Hand
) -> None:
    with stage.refusing("no room"), pytest.raises(RailwayError, match="no room"):
        hand.deploy(APP, NEW)

    assert stage.check_failed(OLD, {}) == ["the release before still serves"]
    hand.deploy(APP, NEW)
    with pytest.raises(StageError, match=f"runs {NEW}, and not the release before"):
        stage.check_failed(OLD, {})


def test_over_the_emulators_port_it_is_started_asked_broken_and_healed() -> None:
    control = Control(lambda environ, start: [b"the emulator"], Ledger())

    def call(method: str, path: str, body: object = None) -> Any:
        sent = json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
        }
        return json.loads(b"".join(control(environ, lambda *_: None)) or "null")

    assert call("GET", RAILWAY) == {"things": [], "services": {}}
    endpoint = call("PUT", RAILWAY, {"token": "first"})["endpoint"]
    assert call("PUT", RAILWAY, {"token": "second"})["endpoint"] == endpoint
    with Client("second", endpoint=endpoint) as client:
        client.call(ops.PROJECT_CREATE, {"input": {"name": "a"}})
        assert call("GET", RAILWAY)["things"] == [["project", "a"]]
        call("PUT", FAULTS, {"operation": "projects", "message": "not today"})
        with pytest.raises(RailwayError, match="not today"):
            client.call(ops.PROJECTS, {})
        call("DELETE", FAULTS)
        assert len(client.call(ops.PROJECTS, {})["edges"]) == 1


@pytest.mark.slow
def test_the_committed_stack_passes_every_step(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    copy_program(clone)
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal", "run", "--stack", "railway", "--json"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    assert report["recorded"].keys() == {PASSWORD}
    assert {name.rpartition(":")[2] for name in report["emulated"]} == {
        *("Deployment", "Domain", "Project", "Service", "Variables", "Volume")
    }
    assert report["kept"] == []
    facts = {step["name"]: " ".join(step["facts"]) for step in report["steps"]}
    assert "one deployment of the app" in facts["change"]
    assert "that Railway's API answers as our server does" in " ".join(
        report["unproven"]
    )
