"""Releases come and go back: real engine, program, app and PostgreSQL.

Tasks run as processes of this machine in place of Fargate. The emulator takes every
service for rolled out; where AWS goes back by itself, its answer is changed to that.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner, Result

from ops import delivery, health, releases
from ops.audit import acts
from ops.cli import app
from ops.database.address import Address
from ops.platforms.aws import tasks
from ops.stack import Stack
from tests.ops.conftest import rows
from tests.ops.fargate import Fargate
from tests.ops.recorded import Recorded
from tests.servers import APP, node
from tests.unit.ops.fakes import image

pytestmark = pytest.mark.slow


class Site:
    """Where visitors arrive: the app is well there, or it is not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.well = True


@pytest.fixture
def site(monkeypatch) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if found.well else 503)
            self.end_headers()
            status = "ok" if found.well else "error"
            self.wfile.write(json.dumps({"status": status}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Site(f"http://127.0.0.1:{server.server_port}/api/health")
        monkeypatch.setenv(health.URL, found.url)
        monkeypatch.setattr(health, "INTERVAL", 0.1)
        monkeypatch.setattr(delivery, "HEALTH_PATIENCE", 2.0)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def fargate(aws: Recorded, empty: Address, monkeypatch) -> Iterator[Fargate]:
    """Tasks that run the reference app, on an empty database."""
    # Last: beside Node there may be a Python, and the engine takes the first.
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{node().parent}")
    monkeypatch.setattr(tasks, "POLL_SECONDS", 0.2)
    monkeypatch.setenv("STROMHALTIG_TASK_SECONDS", "60")
    with Fargate(APP, {"DATABASE_URL": empty.url}).serving(aws) as fargate:
        yield fargate


@pytest.fixture
def deployable(stack: Stack, fargate: Fargate, site: Site) -> Iterator[Stack]:
    """The stack, whose file and resources are as before after the test."""
    file = stack.folder / f"Pulumi.{stack.name}.yaml"
    before = file.read_bytes()
    for entry in stack.records.entries(releases.PREFIX):
        stack.records.delete(entry.name)
    yield stack
    file.write_bytes(before)
    stack.up()


def run(stack: Stack, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [command, "--stack", stack.name, *arguments])


def deploy(stack: Stack, letter: str) -> str:
    """Deploy an image, which must succeed; what was said."""
    done = run(stack, "deploy", "--yes", "--image", image(letter))
    assert done.exit_code == 0, done.stderr
    return done.stderr


def newest(stack: Stack) -> releases.Release:
    return releases.releases(stack.records)[0]


def migrate(database: Address) -> None:
    """Apply what the reference app brings, as the roll-out of a task would."""
    from ops.database.migrations import LocalApp
    from ops.database.migrations import migrate as apply

    apply(LocalApp(database.url))


def test_a_release_comes_and_goes_back(deployable, empty):
    said = deploy(deployable, "a")
    assert "pending: 001_initial_schema, 002_quiz_system, 003_" in said
    release = newest(deployable)
    assert (release.label, release.image, release.schema) == ("r1", image("a"), "003")
    assert release.migrations[0] == "001_initial_schema"
    act = acts(deployable.records, 1)[0]
    assert (act.outcome, act.details["release"]) == ("done", "r1")
    assert act.details["backup"].startswith("stromhaltig-staging-database-")
    # The question changed nothing.
    assert rows(empty, "SELECT to_regclass('schema_migrations')") == [(None,)]

    migrate(empty)
    assert "pending: none" in deploy(deployable, "b")
    assert "backup" not in acts(deployable.records, 1)[0].details

    back = run(deployable, "rollback", "--yes")
    assert back.exit_code == 0, back.stderr
    release = newest(deployable)
    assert (release.label, release.back, release.image) == ("r3", 1, image("a"))
    assert deployable.get("image.ref") == image("a")
    assert Stack(deployable.name).preview() == []


def test_a_release_that_is_not_well_from_outside_goes_back(deployable, site):
    deploy(deployable, "a")
    site.well = False
    done = run(deployable, "deploy", "--yes", "--image", image("b"))
    assert done.exit_code == 1
    assert "is not well: error, HTTP 503" in done.stderr
    assert deployable.get("image.ref") == image("a")
    assert Stack(deployable.name).outputs["release"] == image("a")
    assert [found.label for found in releases.releases(deployable.records)] == ["r1"]
    assert acts(deployable.records, 1)[0].outcome == "failed"


def test_a_release_that_aws_takes_back_is_none(deployable, aws):
    deploy(deployable, "a")
    older = Stack(deployable.name).outputs["task_definition"]

    def go_back(answer: dict) -> None:
        service = answer["services"][0]
        told = "ecs-svc/old" if service["taskDefinition"] == older else "ecs-svc/back"
        service["deployments"][0].update(
            taskDefinition=older, id=told, rolloutState="COMPLETED"
        )

    aws.after("ecs.DescribeServices", go_back)
    done = run(deployable, "deploy", "--yes", "--image", image("b"))
    assert done.exit_code == 1
    assert "went back to stromhaltig-staging:" in done.stderr
    assert deployable.get("image.ref") == image("a")


def test_what_aws_refuses_half_way_is_told_and_leaves_the_old_release(
    deployable, rehearsed
):
    deploy(deployable, "a")
    rehearsed.cloud.fail("UpdateService", "capacity is not available")
    done = run(
        deployable, "deploy", "--yes", "--image", image("b"), "--on-failure", "keep"
    )
    assert done.exit_code == 1
    assert "capacity is not available" in done.stderr
    assert "was never told to run stromhaltig-staging:" in done.stderr
    assert deployable.get("image.ref") == image("a")
    rehearsed.cloud.heal()
    assert run(deployable, "deploy", "--yes").exit_code == 0
    assert Stack(deployable.name).outputs["release"] == image("a")


def test_a_stack_file_that_is_wrong_is_refused_before_anything_is_done(deployable):
    done = run(deployable, "deploy", "--yes", "--image", "stromhaltig latest")
    assert done.exit_code == 2
    assert "image.ref" in done.stderr
    assert "Nothing was done" in done.stderr
    assert deployable.get("image.ref") != "stromhaltig latest"


def test_status_and_releases_know_what_was_deployed(deployable):
    deploy(deployable, "a")
    facts = json.loads(run(deployable, "status", "--json").stdout)["facts"]
    found = {fact["name"]: fact for fact in facts}
    assert found["release"]["says"].startswith("r1 of ")
    assert found["health"]["state"] == "ok"
    assert found["cost"]["says"].endswith("USD a month, by list price")
    listed = json.loads(run(deployable, "releases", "--json").stdout)
    assert [found["image"] for found in listed] == [image("a")]
