"""DigitalOcean as a stage: what it supplies and checks, and a whole rehearsal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest

from rehearsal import stages
from rehearsal.cloud import EmbeddedCloud
from rehearsal.engine import ensure
from rehearsal.provider.digitalocean import APP, CLUSTER, DEPLOYMENT, FIREWALL, TYPES
from rehearsal.provider.ledger import Entry, Ledger
from rehearsal.provider.lifecycle import InitFailedError
from rehearsal.pulumi_cli import Event, Result, create_stack, run_pulumi
from rehearsal.stages import StageError
from rehearsal.stages.digitalocean import NOWHERE, DigitalOceanStage
from rehearsal.stages.stage import image_ref
from rehearsal.workspace import Workspace
from tests.everything import copy_program
from tests.rehearsal.programs import Heard

ROOT = Path(__file__).parents[2]
OLD, NEW = image_ref("old"), image_ref("new")
OUTPUTS = {"release": OLD}
CLUSTER_INPUTS = {
    "engine": "pg",
    "region": "fra1",
    "size": "db-s-1vcpu-2gb",
    "nodeCount": 1,
    "maintenanceWindows": [{"day": "sunday", "hour": "03:00"}],
}


class Recording:
    """An account that is only written down, in place of the embedded cloud."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def recorded(self) -> list[Entry]:
        return [Entry(**entry) for entry in self.ledger.as_list()]

    def spoil(self, entry: Entry, inputs: dict[str, Any]) -> None:
        self.ledger.spoil(entry.token, entry.id, inputs)

    def break_new(self, token: str, name: str, message: str) -> None:
        self.ledger.break_new(token, name, message)

    def heal(self) -> None:
        self.ledger.heal()

    def make(self, token: str, name: str, /, **inputs: Any) -> str:
        kind = TYPES[token](token, self.ledger)
        checked, problems = kind.check(name, {}, inputs, name.encode())
        assert problems == []
        return kind.create(name, checked)[0]

    def release(self, ref: str) -> None:
        """Update the app to another image."""
        (app,) = self.ledger.of_type(APP)
        new = {"spec": {**app.inputs["spec"], "services": [service(ref)]}}
        TYPES[APP](APP, self.ledger).update(app.id, app.outputs, app.inputs, new)


def service(ref: str) -> dict[str, Any]:
    place, _, digest = ref.partition("@")
    _, owner, name = place.split("/")
    image = {"registryType": "GHCR", "registry": owner, "repository": name}
    return {
        "name": "api",
        "instanceCount": 2,
        "image": {**image, "digest": digest},
    }


def spec(ref: str) -> dict[str, Any]:
    job = {"name": "migrate", "kind": "PRE_DEPLOY"}
    return {"name": "app", "services": [service(ref)], "jobs": [job]}


@pytest.fixture
def cloud() -> Recording:
    """An account with the app and a database that lets in nobody else."""
    cloud = Recording()
    cluster = cloud.make(CLUSTER, "database", **CLUSTER_INPUTS)
    app = cloud.make(APP, "app", spec=spec(OLD))
    rules = [{"type": "app", "value": app}]
    cloud.make(FIREWALL, "database", clusterId=cluster, rules=rules)
    return cloud


@pytest.fixture
def stage(cloud: Recording) -> DigitalOceanStage:
    return DigitalOceanStage(cast(EmbeddedCloud, cloud), {})


def updated(token: str = APP, op: str = "update") -> Event:
    return Event(phase="done", op=op, urn=f"urn::x::{token}::app", type=token)


class TestSupplies:
    """What a stack file leaves to its operator."""

    def test_nothing_real_is_reached(self, stage: DigitalOceanStage) -> None:
        supplies = stage.supply({})
        assert supplies.config["digitalocean:apiEndpoint"] == NOWHERE
        assert "127.0.0.1" in NOWHERE
        keys = {"token", "spacesAccessId", "spacesSecretKey"}
        given = {k for k in supplies.secrets if k.startswith("digitalocean:")}
        assert given == {f"digitalocean:{key}" for key in keys}
        assert set(supplies.secrets.values()) <= set(stage.secret_values())

    def test_somebody_is_told_of_an_outage(self, stage: DigitalOceanStage) -> None:
        supplies = stage.supply({"stromhaltig:uptime": {"latency_ms": 100}})
        assert supplies.config["uptime"]["latency_ms"] == 100
        assert supplies.config["uptime"]["emails"]
        told = {"emails": ["ops@example.org"], "slack_channel": "#alerts"}
        supplies = stage.supply({"stromhaltig:uptime": told})
        assert "uptime" not in supplies.config
        assert "secrets.SLACK_WEBHOOK_URL" in supplies.secrets

    def test_logs_get_a_token_where_they_need_one(
        self, stage: DigitalOceanStage
    ) -> None:
        papertrail = stage.supply({"stromhaltig:logs": {"destination": "papertrail"}})
        assert "secrets.LOG_TOKEN" not in papertrail.secrets
        search = stage.supply({"stromhaltig:logs": {"destination": "opensearch"}})
        assert ":" in search.secrets["secrets.LOG_TOKEN"]

    @pytest.mark.parametrize("key", ["droplet", "github"])
    def test_a_stack_without_releases_is_not_rehearsed(self, key: str) -> None:
        config = {"stromhaltig:platform": "digitalocean", f"stromhaltig:{key}": {}}
        with pytest.raises(StageError, match=f"^stromhaltig:{key}: .* Rehearse the"):
            stages.choose(cast(EmbeddedCloud, Recording()), config)


class TestUp:
    """A stack that was just made."""

    def test_a_sound_one(self, stage: DigitalOceanStage) -> None:
        assert stage.check_up(OUTPUTS) == [
            "one deployment, with one migration before it",
            "App Platform has every secret encrypted",
            "1 databases let in the app and nobody else",
        ]

    def test_another_release_than_was_asked_for(self, stage: DigitalOceanStage) -> None:
        with pytest.raises(StageError, match="does not run the release, but ghcr"):
            stage.check_up({"release": NEW})

    def test_deployed_twice(self, stage: DigitalOceanStage, cloud: Recording) -> None:
        cloud.release(OLD)
        with pytest.raises(StageError, match="2 deployments after the first update"):
            stage.check_up(OUTPUTS)

    def test_a_secret_in_clear(
        self, stage: DigitalOceanStage, cloud: Recording
    ) -> None:
        (app,) = cloud.ledger.of_type(APP)
        stage.supply({})
        shown = deepcopy(app.inputs["spec"])
        value = stage.secret_values()[0]
        shown["services"][0]["envs"] = [{"key": "OPENAI_API_KEY", "value": value}]
        cloud.spoil(app, {"spec": shown})
        with pytest.raises(StageError, match="shows in clear: OPENAI_API_KEY"):
            stage.check_up(OUTPUTS)

    def test_a_database_that_is_open(
        self, stage: DigitalOceanStage, cloud: Recording
    ) -> None:
        (firewall,) = cloud.ledger.of_type(FIREWALL)
        cloud.ledger.strike(FIREWALL, firewall.id)
        with pytest.raises(StageError, match="database lets in others than the app"):
            stage.check_up(OUTPUTS)

    def test_deployments_are_not_things_that_stay(
        self, stage: DigitalOceanStage
    ) -> None:
        kinds = {thing.kind for thing in stage.inventory()}
        assert kinds == {"App", "DatabaseCluster", "DatabaseFirewall"}
        assert stage.kept(stage.inventory()) == set()


class TestChange:
    """A new release."""

    def test_one_deployment(self, stage: DigitalOceanStage, cloud: Recording) -> None:
        cloud.release(NEW)
        assert stage.deployed_image(OUTPUTS) == NEW
        assert "one deployment more" in stage.check_change([updated()])[0]

    def test_an_app_that_was_replaced(self, stage: DigitalOceanStage) -> None:
        with pytest.raises(StageError, match="was not updated in place"):
            stage.check_change([updated(op="create-replacement")])

    def test_an_unchanged_program_that_deployed(
        self, stage: DigitalOceanStage, cloud: Recording
    ) -> None:
        cloud.release(OLD)
        cloud.release(NEW)
        with pytest.raises(StageError, match="3 deployments after an unchanged pro"):
            stage.check_change([updated()])

    def test_one_that_fails_leaves_the_release_before(
        self, stage: DigitalOceanStage, cloud: Recording
    ) -> None:
        with stage.refusing("no"), pytest.raises(InitFailedError):
            cloud.release(NEW)
        assert stage.check_failed(OLD, OUTPUTS) == ["the deployment before serves on"]
        cloud.release(NEW)
        with pytest.raises(StageError, match="no longer runs"):
            stage.check_failed(OLD, OUTPUTS)

    def test_a_failure_that_was_no_deployment(self, stage: DigitalOceanStage) -> None:
        with stage.refusing("no"):
            pass
        with pytest.raises(StageError, match="was not one deployment that failed"):
            stage.check_failed(OLD, OUTPUTS)


class TestDrift:
    """What somebody does in the console."""

    def test_each_is_found_and_undone(
        self, stage: DigitalOceanStage, cloud: Recording
    ) -> None:
        before = {entry.token: entry for entry in cloud.recorded()}
        drifts = stage.drifts(OUTPUTS)
        assert [drift.resource for drift in drifts] == [APP, FIREWALL, CLUSTER]
        for drift in drifts:
            assert drift.mended(), drift.says
            drift.spoil()
            assert not drift.mended(), drift.says
            entry = before[drift.resource]
            cloud.spoil(entry, entry.inputs)
            assert drift.mended(), drift.says


PROGRAM = """\
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import pulumi
from components.digitalocean.app_platform import AppPlatform, AppPlatformArgs
from components.digitalocean.app_spec import (
    AppSpecArgs, Check, ImageSource, Migration,
)
from components.digitalocean.kept_secrets import own_output

app = AppPlatform("app", AppPlatformArgs(
    spec=AppSpecArgs(
        name="app",
        region="fra",
        source=ImageSource(
            registry_type="GHCR", registry="a", repository="b", tag="c",
            credentials="user:token",
        ),
        port=3001,
        size="apps-s-1vcpu-1gb",
        readiness=Check(http_path="/"),
        liveness=Check(http_path="/"),
        secrets={{
            "JWT_SECRET": Path({secret!r}).read_text(),
            "OTHER": "that stays",
        }},
        migration=Migration(command=["npm", "run", "migrate"], size="x"),
    ),
    deployed_id=own_output("app_id"),
))
pulumi.export("app_id", app.app_id)
"""

Pulumi = Callable[..., Result]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The file that the program reads a secret from."""
    file = tmp_path / "secret"
    file.write_text("the first value", encoding="utf-8")
    return file


@pytest.fixture
def account(tmp_path: Path, secret: Path) -> Iterator[tuple[Pulumi, EmbeddedCloud]]:
    """The engine with the embedded cloud, in a project that deploys an app."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "Pulumi.yaml").write_text("name: app\nruntime: python\n")
    config = f"config:\n  digitalocean:apiEndpoint: {NOWHERE}\n"
    (clone / "Pulumi.test.yaml").write_text(config, encoding="utf-8")
    program = PROGRAM.format(root=str(ROOT), secret=str(secret))
    (clone / "__main__.py").write_text(program, encoding="utf-8")
    engine = ensure(progress=Heard())
    with (
        Workspace(clone, "test") as workspace,
        EmbeddedCloud(0, tmp_path / "cloud.log") as cloud,
    ):
        env = cloud.addresses.for_engine()
        create_stack(engine, workspace, env=env)

        def run(*arguments: str) -> Result:
            result = run_pulumi(engine, workspace, arguments, env=env)
            assert result.returncode == 0, result.stdout + result.stderr
            return result

        yield run, cloud


@pytest.mark.slow
def test_an_unchanged_program_never_deploys_and_a_changed_secret_does(account, secret):
    pulumi, cloud = account

    def deployments() -> int:
        found = [e for e in cloud.recorded() if e.token == DEPLOYMENT]
        assert all(e.inputs["jobs"] == ["migrate"] for e in found)
        return len(found)

    def up() -> dict[str, int]:
        return dict(pulumi("up", "--yes", "--skip-preview").summary)

    up()
    assert deployments() == 1
    assert "update" not in up()
    pulumi("refresh", "--yes", "--skip-preview")
    assert "update" not in up()
    assert deployments() == 1

    secret.write_text("the second value", encoding="utf-8")
    assert up()["update"] == 1
    assert deployments() == 2
    assert "update" not in up()
    assert deployments() == 2


@pytest.mark.slow
def test_the_committed_stack_passes_every_step_and_is_only_recorded(tmp_path):
    clone = tmp_path / "clone"
    copy_program(clone)
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal", "run", "--stack", "digitalocean", "--json"],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["emulated"] == {}
    assert report["recorded"][APP] == 1
    assert report["recorded"][CLUSTER] == 2
    facts = {step["name"]: " ".join(step["facts"]) for step in report["steps"]}
    assert "none was made in between by an unchanged program" in facts["change"]
    assert "the deployment before serves on" in facts["failing update"]
    assert (
        "refused while what holds data is protected, all still there"
        in facts["destroy"]
    )
    assert report["kept"] == []
