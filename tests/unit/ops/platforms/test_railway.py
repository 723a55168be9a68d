"""Railway, by a server on the loopback that holds every query to Railway's schema.

Nothing here has met the real API.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms.platform import LogQuery, Running, State
from ops.platforms.railway import Railway
from rehearsal.railway_model import Deployment, Model, Project, Service, Volume
from rehearsal.railway_server import Fault, RailwayServer

TOKEN = "the-token-of-the-test"
IMAGE = "ghcr.io/stromdao/stromhaltig@sha256:" + "1" * 64
URL = "postgresql://stromhaltig:p%2Fw@database.railway.internal:5432/stromhaltig"
SINCE = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)


@dataclass
class Stack:
    """A stack, as far as a platform looks at it."""

    outputs: dict[str, Any]
    settings: dict[str, str]
    name: str = "railway"

    def get(self, path: str, default: str | None = None) -> str | None:
        return self.settings.get(path, default)


@dataclass
class World:
    """What exists at Railway."""

    server: RailwayServer
    app: Service
    database: Service
    volume: Volume
    slept: list[float] = field(default_factory=list)

    def deployed(self, id: str, *steps: str, image: str = IMAGE) -> Deployment:
        made = Deployment(id, {"source": {"image": image}}, {}, list(steps))
        self.app.deployments.append(made)
        return made


@pytest.fixture(scope="module")
def server() -> Iterator[RailwayServer]:
    with RailwayServer(TOKEN) as running:
        yield running


@pytest.fixture
def world(server: RailwayServer) -> World:
    server.model = Model()
    server.requests.clear()
    server.recover()
    app, database = (
        Service(name, name, {}, {"europe": 1}) for name in ("app", "database")
    )
    app.variables["DATABASE_URL"] = URL
    database.deployments.append(Deployment("db", {}, {}, ["SUCCESS"]))
    volume = Volume("vol", "stromhaltig-database", "/data", "database")
    project = Project("project", "stromhaltig", "", None, {"env": "production"})
    project.services += [app, database]
    project.volumes.append(volume)
    server.model.projects.append(project)
    return World(server, app, database, volume)


@pytest.fixture
def stack(world: World) -> Stack:
    settings = {
        "secrets.RAILWAY_TOKEN": TOKEN,
        "project.api_url": world.server.endpoint,
    }
    outputs = {
        "project": "project",
        "environment": "env",
        "service": "app",
        "database": "database",
        "database_volume": "vol",
        "uploads_volume": None,
        "cache": None,
        "release": IMAGE,
        "url": "https://stromhaltig.test",
        "dashboard": "https://railway.com/project/project",
    }
    return Stack(outputs, settings)


@pytest.fixture
def platform(world: World, stack: Stack) -> Railway:
    return Railway(stack, sleep=world.slept.append)  # type: ignore[arg-type]


# Deployments


def test_what_was_begun_last_runs(world, platform):
    world.deployed("old", "SUCCESS")
    world.deployed("new", "BUILDING")
    assert platform.running() == Running("new", "new", IMAGE)


def test_a_repository_is_named_with_its_commit_or_branch(world, platform, stack):
    made = world.deployed("d", "SUCCESS")
    made.settings = {"source": {"repo": "stromdao/x", "branch": "main"}}
    assert platform.running().image == "stromdao/x@main"
    made.settings = {}
    assert platform.running().image == stack.outputs["release"]


def test_nothing_runs_before_the_first_deployment(platform):
    assert platform.running() is None
    assert not platform.verdict(None).serves


def test_a_deployment_is_waited_for(world, platform):
    world.deployed("new", "BUILDING", "DEPLOYING", "SUCCESS")
    verdict = platform.verdict(Running("old", "old", IMAGE))
    assert verdict.serves
    assert len(world.slept) == 2


def test_the_same_deployment_as_before_is_no_roll_out(world, platform):
    world.deployed("old", "SUCCESS")
    verdict = platform.verdict(Running("old", "old", IMAGE))
    assert verdict.serves
    assert "rolled nothing out" in verdict.says


@pytest.mark.parametrize("status", ["FAILED", "CRASHED"])
def test_a_bad_deployment_is_told_with_its_last_lines(world, platform, status):
    world.deployed("good", "SUCCESS")
    bad = world.deployed("bad", "DEPLOYING", status)
    bad.lines = [(f"2026-11-29T22:00:{n:02}Z", f"line {n}") for n in range(30)]
    verdict = platform.verdict(Running("good", "good", IMAGE))
    assert not verdict.serves
    assert verdict.rolled_back
    assert (
        verdict.says == f"deployment bad is {status.lower()}; deployment good serves on"
    )
    assert verdict.reasons
    assert verdict.log[-1] == "line 29"
    assert len(verdict.log) == 20


def test_without_a_line_of_its_own_its_build_tells(world, platform):
    bad = world.deployed("bad", "FAILED")
    bad.build = [("2026-11-29T22:00:00Z", "npm ERR! missing script")]
    verdict = platform.verdict(None)
    assert not verdict.rolled_back
    assert verdict.log == ("npm ERR! missing script",)


def test_going_back_makes_a_deployment_and_waits_for_it(world, platform):
    world.deployed("old", "REMOVED")
    world.deployed("new", "SUCCESS")
    platform.switch(Running("old", "old", IMAGE))
    assert [r.variables for r in world.server.sent("deploymentRollback")] == [
        {"id": "old"}
    ]
    assert world.app.deployments[-1].status == "SUCCESS"


def test_what_railway_keeps_no_more_is_not_gone_back_to(world, platform):
    world.deployed("old", "FAILED")
    with pytest.raises(OpsError, match="without --fast"):
        platform.switch(Running("old", "old", IMAGE))
    assert not world.server.sent("deploymentRollback")


def test_a_way_back_that_crashes_is_told(world, platform):
    world.deployed("old", "REMOVED")
    world.app.outcome = "CRASHED"
    with pytest.raises(FailedError, match="ended by itself"):
        platform.switch(Running("old", "old", IMAGE))


# Status


def test_status_tells_that_all_is_well(world, platform):
    world.deployed("d", "SUCCESS")
    platform.snapshot("nightly")
    told = {fact.name: fact for fact in platform.status()}
    assert {fact.state for fact in told.values()} == {State.OK}
    assert told["app"].says == f"{IMAGE}, success"
    assert told["volume stromhaltig-database"].says == "ready, 2.4 % of 5000 MB used"
    assert told["last backup"].says.startswith("nightly, 0.0 h")


def test_status_tells_what_is_not(world, platform):
    world.deployed("d", "CRASHED")
    world.database.deployments[0].steps = ["DEPLOYING"]
    world.volume.used = 4900
    told = {fact.name: fact for fact in platform.status()}
    assert told["app"].state is State.ERROR
    assert told["database"].state is State.WARNING
    assert told["volume stromhaltig-database"].state is State.WARNING
    assert told["last backup"].state is State.WARNING
    assert all(fact.remedy for fact in told.values())


def test_measures_are_of_what_the_service_may_use(world, platform):
    world.app.metrics = {
        "CPU_USAGE": 1.8,
        "CPU_LIMIT": 2.0,
        "MEMORY_USAGE_GB": 0.5,
        "MEMORY_LIMIT_GB": 1.0,
    }
    told = {measure.name: measure for measure in platform.measures()}
    assert (told["app CPU"].value, told["app CPU"].state) == (90.0, State.WARNING)
    assert (told["app memory"].value, told["app memory"].state) == (50.0, State.OK)
    # Without a way to the database the reason is told, and what would help.
    assert told["database connections"].value is None
    assert "TCP proxy" in told["database connections"].note
    assert not told["database connections"].offered


def test_what_was_not_measured_is_unknown(platform):
    told = {measure.name: measure for measure in platform.measures()}
    assert told["app CPU"].state is State.UNKNOWN
    assert told["app CPU"].offered
    assert told["app CPU"].note == "Railway has no figure of the last 10 minutes"


# Logs


LINES = [
    ("2026-11-29T21:59:59Z", '{"level":"info","msg":"old"}'),
    ("2026-11-29T22:00:01.123456789Z", '{"level":"info","msg":"one"}'),
    ("2026-11-29T22:00:02Z", '{"level":"error","msg":"two"}'),
]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (LogQuery(SINCE), 2),
        (LogQuery(SINCE, errors=True), 1),
        (LogQuery(SINCE, grep="o.e"), 1),
    ],
    ids=["all", "errors", "pattern"],
)
def test_lines_are_held_to_what_is_asked_for(world, platform, query, count):
    world.deployed("d", "SUCCESS").lines = LINES
    assert len(list(platform.logs(query))) == count


def test_following_goes_on_with_the_next_deployment(world, platform):
    world.deployed("d", "SUCCESS").lines = LINES
    lines = platform.logs(LogQuery(SINCE, follow=True))
    assert len(list(islice(lines, 2))) == 2
    later = ("2026-11-29T22:00:03Z", "three")
    world.deployed("e", "SUCCESS").lines = [LINES[2], later]
    assert next(lines).text == "three"


# Database


def test_the_database_is_reached_by_a_proxy_and_encrypted(world, platform):
    world.database.proxies = [("other.proxy.rlwy.net", 1, 8080)]
    world.database.proxies += [("x.proxy.rlwy.net", 41234, 5432)]
    with platform.database() as address:
        assert str(address) == "stromhaltig@x.proxy.rlwy.net:41234/stromhaltig"
        assert address.password == "p/w"
        assert address.environment()["PGSSLMODE"] == "require"


def test_a_database_without_a_proxy_names_the_ways(platform):
    with pytest.raises(NotOfferedError, match="railway connect"), platform.database():
        pass


def test_a_snapshot_is_waited_for_and_listed(world, platform):
    assert platform.snapshot("before") == "before"
    [found] = platform.snapshots()
    assert (found.name, found.state) == ("before", "available")
    [asked] = world.server.sent("volumeInstanceBackupCreate")
    assert asked.variables == {"volumeInstanceId": "vol-instance", "name": "before"}


def test_a_volume_that_is_gone_is_named(world, platform):
    world.server.model.projects[0].volumes.clear()
    with pytest.raises(OpsError, match="pulumi up --refresh"):
        platform.snapshots()


# What is not offered


@pytest.mark.parametrize(
    ("refused", "instead"),
    [
        (lambda it: it.shell(["sh"]), "railway ssh --project project"),
        (lambda it: it.one_off(["npm"]), "pre-deploy command"),
        (lambda it: it.set_maintenance(True), "railway down"),
        (lambda it: it.backups(), "stromhaltig db backups"),
        (lambda it: it.scratch(), "dashboard: https://railway"),
        (lambda it: it.dump(), "TCP proxy"),
        (lambda it: it.archive(), "railway ssh"),
        (lambda it: it.read_uploads(), "railway ssh"),
        (lambda it: it.write_uploads([]), "railway ssh"),
    ],
    ids=[
        *("shell", "one-off", "maintenance", "backups", "scratch"),
        *("dump", "archive", "read", "write"),
    ],
)
def test_what_is_not_offered_names_what_does_it(platform, refused, instead):
    with pytest.raises(NotOfferedError, match=instead):
        refused(platform)


def test_maintenance_is_never_on(platform):
    assert not platform.maintenance()


# The API


def test_a_wrong_token_is_told_and_not_shown(stack, platform):
    stack.settings["secrets.RAILWAY_TOKEN"] = "another-token-of-somebody"
    with pytest.raises(OpsError, match="account/tokens") as refused:
        platform.running()
    assert "another-token" not in str(refused.value)


def test_without_a_token_it_is_said_where_one_comes_from(stack, platform, monkeypatch):
    for name in ("RAILWAY_API_TOKEN", "RAILWAY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    stack.settings.pop("secrets.RAILWAY_TOKEN")
    with pytest.raises(OpsError, match="account/tokens"):
        platform.running()


def test_a_rollback_that_may_have_happened_is_not_sent_twice(world, platform):
    world.deployed("old", "REMOVED")
    world.server.order(Fault(operation="deploymentRollback", done=True, status=502))
    with pytest.raises(FailedError, match="Perhaps it was carried out"):
        platform.switch(Running("old", "old", IMAGE))
    assert len(world.server.sent("deploymentRollback")) == 1
