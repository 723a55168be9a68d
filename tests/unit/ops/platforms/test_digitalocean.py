"""App Platform and its clusters, by answers in the shape of the public reference.

Nothing here has met the real API.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms.digitalocean import DigitalOcean
from ops.platforms.digitalocean.api import Api
from ops.platforms.digitalocean.deployments import parsed
from ops.platforms.platform import LogQuery, Running, State
from ops.stack import Change

TOKEN = "dop_v1_never-to-be-seen"
APP = "4f6c71e2-1e90-4762-9fee-6cc4a0a9f2cf"
CLUSTER = "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30"
COPY = "11111111-e9ea-4176-9dbc-a4cee4c4ff30"
IMAGE = {
    "registry_type": "GHCR",
    "registry": "stromdao",
    "repository": "stromhaltig",
    "digest": "sha256:" + "a" * 64,
}
REFERENCE = f"ghcr.io/stromdao/stromhaltig@{IMAGE['digest']}"
HEALTHY = {
    "name": "app",
    "cpu_usage_percent": 91.5,
    "memory_usage_percent": 20.25,
    "replicas_desired": 2,
    "replicas_ready": 2,
    "state": "HEALTHY",
}


def deployment(id: str, phase: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    spec = {"name": "stromhaltig", "services": [{"name": "app", "image": IMAGE}]}
    return {"id": id, "phase": phase, "spec": spec, **more}


def app(active: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    spec = deployment("x")["spec"] | more.pop("spec", {})
    return {"app": {"id": APP, "active_deployment": active, "spec": spec, **more}}


@dataclass
class Cloud:
    """Answers: "METHOD /path" to a document, a status, or what makes one of either."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def on(self, what: str, *answers: Any) -> None:
        """Give these answers in turn; the last again and again."""
        left = list(answers)
        self.answers[what] = lambda: left.pop(0) if len(left) > 1 else left[0]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        what = f"{request.method} {request.url.path}"
        body = json.loads(request.content) if request.content else None
        self.asked.append((what, body))
        found = self.answers.get(what, lambda: (404, {"message": "not found"}))()
        if isinstance(found, Exception):
            raise found
        status, document = found if isinstance(found, tuple) else (200, found)
        return httpx.Response(status, json=document)

    def bodies(self, what: str) -> list[Any]:
        return [body for asked, body in self.asked if asked == what]


@dataclass
class Stack:
    """A stack, as far as a platform looks at it."""

    outputs: dict[str, Any]
    name: str = "digitalocean"
    settings: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def get(self, path: str, default: str | None = None) -> str | None:
        return self.settings.get(path, default)

    def set(self, path: str, value: str) -> None:
        self.done.append(f"set {path} {value}")

    def unset(self, path: str) -> None:
        self.done.append(f"unset {path}")

    planned: list[Change] = field(default_factory=list)

    def preview(self) -> list[Change]:
        return self.planned

    def up(self) -> None:
        self.done.append("up")


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def stack():
    return Stack(
        {
            "platform": "digitalocean",
            "app_id": APP,
            "url": "https://stromhaltig.test",
            "database": CLUSTER,
            "database_name": "stromhaltig",
            "cache": None,
            "bucket": "dumps",
            "bucket_endpoint": "https://fra1.digitaloceanspaces.com",
            "uptime_check": None,
            "registry": None,
        }
    )


@pytest.fixture
def platform(cloud, stack):
    api = Api(TOKEN, transport=httpx.MockTransport(cloud), sleep=cloud.slept.append)
    return DigitalOcean(stack, api, sleep=cloud.slept.append)


# Deployments


def test_what_was_begun_last_runs(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [deployment("new")]})
    assert platform.running() == Running("new", "new", REFERENCE)


def test_nothing_runs_before_the_first_deployment(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": None})
    assert platform.running() is None


@pytest.mark.parametrize(
    ("service", "reference"),
    [
        ({"github": {"repo": "stromdao/x", "branch": "main"}}, "stromdao/x@main"),
        (
            {"image": {"registry_type": "DOCR", "repository": "app", "tag": "1"}},
            "registry.digitalocean.com/own/app:1",
        ),
        (
            {
                "image": {
                    "registry_type": "DOCKER_HUB",
                    "registry": "stromdao",
                    "repository": "app",
                    "tag": "1",
                }
            },
            "docker.io/stromdao/app:1",
        ),
    ],
    ids=["source", "own registry", "Docker Hub"],
)
def test_an_image_is_named_by_its_reference(cloud, stack, platform, service, reference):
    stack.outputs["registry"] = "registry.digitalocean.com/own"
    found = deployment("d")
    found["spec"]["services"] = [{"name": "app", **service}]
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [found]})
    assert platform.running().image == reference


def test_a_deployment_is_waited_for(cloud, platform):
    phases = ("PENDING_DEPLOY", "DEPLOYING", "ACTIVE")
    cloud.on(
        f"GET /v2/apps/{APP}/deployments",
        *({"deployments": [deployment("new", phase)]} for phase in phases),
    )
    verdict = platform.verdict(Running("old", "old", REFERENCE))
    assert verdict.serves
    assert len(cloud.slept) == 2


def test_the_same_deployment_as_before_is_no_roll_out(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [deployment("old")]})
    verdict = platform.verdict(Running("old", "old", REFERENCE))
    assert verdict.serves
    assert "rolled nothing out" in verdict.says


def test_a_failed_deployment_is_told_with_the_step_that_failed(cloud, platform):
    steps = [
        {"name": "build", "status": "SUCCESS"},
        {
            "name": "deploy",
            "status": "ERROR",
            "steps": [
                {
                    "name": "wait",
                    "status": "ERROR",
                    "component_name": "app",
                    "reason": {
                        "code": "DeployContainerHealthChecksFailed",
                        "message": "Your deploy failed because of health checks",
                    },
                }
            ],
        },
    ]
    bad = deployment("bad", "ERROR", progress={"steps": steps})
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [bad]})
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("good")))
    with log_service("app 2026-11-29T22:00:00.5Z no database\n") as url:
        cloud.on(f"GET /v2/apps/{APP}/deployments/bad/logs", {"historic_urls": [url]})
        verdict = platform.verdict(Running("good", "good", REFERENCE))
    assert not verdict.serves
    assert verdict.rolled_back
    assert "deployment good serves on" in verdict.says
    assert verdict.reasons == (
        "app: Your deploy failed because of health checks "
        "(DeployContainerHealthChecksFailed)",
    )
    assert verdict.log == ("no database",)


def test_going_back_is_validated_and_not_pinned(cloud, platform):
    cloud.on(f"POST /v2/apps/{APP}/rollback/validate", {"valid": True})
    cloud.on(f"POST /v2/apps/{APP}/rollback", {"deployment": deployment("back")})
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [deployment("back")]})
    platform.switch(Running("old", "old", REFERENCE))
    assert cloud.bodies(f"POST /v2/apps/{APP}/rollback") == [
        {"deployment_id": "old", "skip_pin": True}
    ]


def test_a_way_back_that_is_no_more_is_refused_before_it_is_tried(cloud, platform):
    cloud.on(
        f"POST /v2/apps/{APP}/rollback/validate",
        {"valid": False, "error": {"code": "image_gone", "message": "image is gone"}},
    )
    with pytest.raises(OpsError, match=r"image is gone.*without --fast"):
        platform.switch(Running("old", "old", REFERENCE))
    assert not cloud.bodies(f"POST /v2/apps/{APP}/rollback")


# Status


@pytest.fixture
def well(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("d")))
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [deployment("d")]})
    cloud.on(f"GET /v2/apps/{APP}/health", {"app_health": {"components": [HEALTHY]}})
    cloud.on(f"GET /v2/databases/{CLUSTER}", cluster())
    made = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    backup = {"created_at": made, "size_gigabytes": 0.3}
    cloud.on(f"GET /v2/databases/{CLUSTER}/backups", {"backups": [backup]})
    return platform


def cluster(id: str = CLUSTER, status: str = "online", **more: Any) -> dict[str, Any]:
    connection = {
        "host": "127.0.0.1",
        "port": 25060,
        "user": "doadmin",
        "password": "p:w",
    }
    return {
        "database": {
            "id": id,
            "name": "stromhaltig-database",
            "engine": "pg",
            "version": "15",
            "status": status,
            "num_nodes": 2,
            "size": "db-s-1vcpu-2gb",
            "region": "fra1",
            "storage_size_mib": 30720,
            "private_network_uuid": "net",
            "connection": connection | more,
        }
    }


def test_status_tells_that_all_is_well(well):
    told = {fact.name: fact for fact in well.status()}
    assert {fact.state for fact in told.values()} == {State.OK}
    assert told["release"].says == f"{REFERENCE}, deployment d"
    assert told["app"].says == "healthy, 2 of 2 instances ready"
    assert told["database"].says == "online, pg 15, 2 nodes"
    assert "3.0 h old" in told["last backup"].says


def test_status_tells_what_is_not(cloud, stack, well):
    stack.outputs["uptime_check"] = "check"
    cloud.on(
        f"GET /v2/apps/{APP}",
        app(deployment("d"), spec={"maintenance": {"enabled": True}}),
    )
    newest = deployment("e", "ERROR")
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [newest]})
    sick = HEALTHY | {"state": "UNHEALTHY", "replicas_ready": 1}
    cloud.on(f"GET /v2/apps/{APP}/health", {"app_health": {"components": [sick]}})
    cloud.on(f"GET /v2/databases/{CLUSTER}", cluster(status="degraded"))
    cloud.on(f"GET /v2/databases/{CLUSTER}/backups", {"backups": []})
    regions = {"eu_west": {"status": "DOWN"}, "us_east": {"status": "UP"}}
    cloud.on("GET /v2/uptime/checks/check/state", {"state": {"regions": regions}})
    told = {fact.name: fact for fact in well.status()}
    assert "deployment e is error" in told["release"].says
    assert told["app"].state is State.ERROR
    assert told["maintenance"].state is State.WARNING
    assert told["database"].state is State.WARNING
    assert told["last backup"].state is State.WARNING
    assert told["from outside"].says == "down from eu_west"
    assert all(fact.remedy for fact in told.values() if fact.state is not State.OK)


def test_measures_are_held_to_the_guides_limits(cloud, well):
    cloud.on(f"GET /v2/databases/{CLUSTER}/users/stromhaltig", (403, {}))
    told = {measure.name: measure for measure in well.measures()}
    assert told["app CPU"].state is State.WARNING
    assert told["app memory"].state is State.OK
    # Whoever may not ask the database sees why.
    for name in ("database data", "database connections"):
        assert told[name].value is None
        assert told[name].offered
        assert "scope" in told[name].note


@pytest.mark.parametrize(
    ("parts", "name"), [([], "app"), ([{"name": "api", "state": "UNHEALTHY"}], "api")]
)
def test_an_app_without_figures_is_not_passed_over(cloud, well, parts, name):
    cloud.on(f"GET /v2/databases/{CLUSTER}/users/stromhaltig", (403, {}))
    cloud.on(f"GET /v2/apps/{APP}/health", {"app_health": {"components": parts}})
    told = {measure.name: measure for measure in well.measures()}
    for what in ("CPU", "memory"):
        assert told[f"{name} {what}"].state is State.UNKNOWN
        assert told[f"{name} {what}"].note == "App Platform has no figure of it"


def test_an_update_of_the_cluster_that_waits_is_told(cloud, well, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    cloud.on("GET /v2/account", {"account": {"status": "active", "email": "a@b.de"}})
    waiting = cluster()
    waiting["database"]["maintenance_window"] = {
        "day": "sunday",
        "hour": "03:00",
        "pending": True,
        "description": ["Update to 15.9"],
    }
    cloud.on(f"GET /v2/databases/{CLUSTER}", waiting)
    told = {fact.name: fact for fact in well.checks()}
    assert told["credentials"].says == "account a@b.de is active"
    assert told["database update"].says.endswith("15.9")
    assert told["DNS"].state is State.ERROR


def unresolved(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


def unreachable(*_: Any, **__: Any) -> Any:
    raise TimeoutError("timed out")


# Logs


@contextmanager
def log_service(text: str):
    """Serves the text, and refuses whoever sends a token along."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = "Authorization" not in self.headers
            body = text.encode() if allowed else b""
            self.send_response(200 if allowed else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/logs?signature=secret"
        finally:
            server.shutdown()
            thread.join()


LINES = (
    'app 2026-11-29T21:59:59Z {"level":"info","msg":"old"}\n'
    'app 2026-11-29T22:00:01.123456789Z {"level":"info","msg":"one"}\n'
    'app 2026-11-29T22:00:02Z {"level":"error","msg":"two"}\n'
)
SINCE = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        (LogQuery(SINCE), ["one", "two"]),
        (LogQuery(SINCE, errors=True), ["two"]),
        (LogQuery(SINCE, grep="o.e"), ["one"]),
    ],
    ids=["all", "errors", "pattern"],
)
def test_lines_are_held_to_what_is_asked_for(cloud, platform, query, texts):
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("d")))
    with log_service(LINES) as url:
        cloud.on(f"GET /v2/apps/{APP}/deployments/d/logs", {"live_url": url})
        lines = list(platform.logs(query))
    assert [json.loads(line.text)["msg"] for line in lines] == texts
    assert {line.source for line in lines} == {"app"}


def test_following_shows_no_line_twice_when_the_connection_breaks(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("d")), app(deployment("e")))
    more = LINES + 'app 2026-11-29T22:00:03Z {"level":"info","msg":"three"}\n'
    with log_service(LINES) as first, log_service(more) as second:
        cloud.on(f"GET /v2/apps/{APP}/deployments/d/logs", {"live_url": first})
        cloud.on(f"GET /v2/apps/{APP}/deployments/e/logs", {"live_url": second})
        found = islice(platform.logs(LogQuery(SINCE, follow=True)), 3)
        texts = [json.loads(line.text)["msg"] for line in found]
    assert texts == ["one", "two", "three"]


def test_the_address_of_logs_is_shown_to_nobody(cloud, platform):
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("d")))
    url = "http://127.0.0.1:1/logs?signature=secret"
    cloud.on(f"GET /v2/apps/{APP}/deployments/d/logs", {"live_url": url})
    with pytest.raises(OpsError) as refused:
        list(platform.logs(LogQuery(SINCE)))
    assert "secret" not in str(refused.value)


def test_a_line_without_a_time_is_shown_as_it_is():
    assert parsed("Error: something").text == "Error: something"


# Database


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def reachable(cloud, server):
    cloud.on(f"GET /v2/databases/{CLUSTER}", cluster(port=server))
    authority = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    for id in (CLUSTER, COPY):
        cloud.on(f"GET /v2/databases/{id}/ca", {"ca": {"certificate": authority}})
    cloud.on(
        f"GET /v2/databases/{CLUSTER}/users/stromhaltig",
        {"user": {"name": "stromhaltig", "role": "normal", "password": "a/b"}},
    )
    return server


def test_the_database_is_reached_as_app_or_administrator(platform, reachable):
    with platform.database() as address:
        assert (address.user, address.password) == ("stromhaltig", "a/b")
        options = dict(address.options)
        assert options["sslmode"] == "verify-full"
        assert "BEGIN CERTIFICATE" in Path(options["sslrootcert"]).read_text()
    assert not Path(options["sslrootcert"]).exists()
    with platform.database(admin=True) as address:
        assert (address.user, address.password) == ("doadmin", "p:w")


def test_a_machine_that_is_no_trusted_source_is_told_what_to_do(
    platform, reachable, monkeypatch
):
    monkeypatch.setattr(socket, "create_connection", unreachable)
    with (
        pytest.raises(OpsError, match=f"doctl databases firewalls append {CLUSTER}"),
        platform.database(admin=True),
    ):
        pass


def test_a_development_database_is_refused_with_the_alternative(stack, platform):
    stack.outputs["database"] = None
    with pytest.raises(NotOfferedError, match="managed"):
        platform.database()


def test_snapshots_are_the_daily_backups(cloud, platform):
    days = ("2026-11-28T02:00:00Z", "2026-11-29T02:00:00Z")
    backups = [{"created_at": day, "size_gigabytes": 1.6} for day in days]
    cloud.on(f"GET /v2/databases/{CLUSTER}/backups", {"backups": backups})
    assert [(s.name, s.gib) for s in platform.snapshots()] == [
        (days[1], 2),
        (days[0], 2),
    ]


@pytest.fixture
def copied(cloud, platform, reachable):
    backups = {"backups": [{"created_at": "2026-11-29T02:00:00Z", "size_gigabytes": 1}]}
    cloud.on(f"GET /v2/databases/{CLUSTER}/backups", backups)
    rule = {"uuid": "u", "cluster_uuid": CLUSTER, "type": "app", "value": APP}
    cloud.on(f"GET /v2/databases/{CLUSTER}/firewall", {"rules": [rule]})
    cloud.on("POST /v2/databases", {"database": {"id": COPY}})
    cloud.on(f"PUT /v2/databases/{COPY}/firewall", {})
    cloud.on(f"DELETE /v2/databases/{COPY}", {})
    cloud.on(
        f"GET /v2/databases/{COPY}",
        cluster(COPY, "creating", port=reachable),
        cluster(COPY, port=reachable),
    )
    return platform


def test_a_copy_is_closed_to_the_world_and_gone_afterwards(cloud, copied):
    with copied.scratch() as address:
        assert address.user == "doadmin"
        assert not cloud.bodies(f"DELETE /v2/databases/{COPY}")
    assert cloud.bodies(f"DELETE /v2/databases/{COPY}") == [None]
    [asked] = cloud.bodies("POST /v2/databases")
    assert asked["backup_restore"] == {
        "database_name": "stromhaltig-database",
        "backup_created_at": "2026-11-29T02:00:00Z",
    }
    assert cloud.bodies(f"PUT /v2/databases/{COPY}/firewall") == [
        {"rules": [{"type": "app", "value": APP}]}
    ]


def test_a_copy_is_gone_after_an_error(cloud, copied):
    with pytest.raises(ZeroDivisionError), copied.scratch(at=SINCE):
        raise ZeroDivisionError
    assert cloud.bodies(f"DELETE /v2/databases/{COPY}") == [None]
    [asked] = cloud.bodies("POST /v2/databases")
    assert asked["backup_restore"]["backup_created_at"] == "2026-11-29T22:00:00+00:00"


def test_a_backup_that_is_not_there_is_named_before_anything_is_made(cloud, copied):
    with pytest.raises(OpsError, match='Did you mean "2026-11-29T02:00:00Z"'):
        copied.scratch(snapshot="2026-11-28T02:00:00Z")
    assert not cloud.bodies("POST /v2/databases")


# Maintenance, and what is not offered


def test_maintenance_goes_through_the_program(cloud, stack, platform):
    cloud.on(f"GET /v2/apps/{APP}", app(deployment("d")))
    assert not platform.maintenance()
    platform.set_maintenance(True)
    platform.set_maintenance(False)
    assert stack.done == [
        "set maintenance.archive false",
        "up",
        "unset maintenance",
        "up",
    ]


def test_maintenance_takes_nothing_else_along_that_loses_data(stack, platform):
    database = "digitalocean:index/databaseCluster:DatabaseCluster"
    stack.planned = [Change("replace", database, "db", holds_data=True)]
    with pytest.raises(OpsError, match=f"holds data: {database} db"):
        platform.set_maintenance(True)
    assert "up" not in stack.done


@pytest.mark.parametrize(
    ("refused", "instead"),
    [
        (lambda it: it.shell(["sh"]), f"doctl apps console {APP} app"),
        (lambda it: it.one_off(["npm"]), "stromhaltig deploy"),
        (lambda it: it.snapshot("x"), "stromhaltig db backup"),
        (lambda it: it.read_uploads(), "spaces"),
        (lambda it: it.write_uploads([]), "spaces"),
        (lambda it: it.archive(), "spaces"),
        (lambda it: it.dump(), "from here"),
    ],
    ids=["shell", "one-off", "snapshot", "read", "write", "archive", "dump"],
)
def test_what_is_not_offered_names_what_does_it(cloud, platform, refused, instead):
    cloud.on(f"GET /v2/apps/{APP}/deployments", {"deployments": [deployment("d")]})
    with pytest.raises(NotOfferedError, match=instead):
        refused(platform)


def test_backups_need_a_bucket(stack, platform):
    stack.outputs["bucket"] = None
    with pytest.raises(NotOfferedError, match="spaces"):
        platform.backups()


def test_backups_are_in_the_bucket(stack, platform):
    stack.settings |= {
        "digitalocean:spacesAccessId": "id",
        "digitalocean:spacesSecretKey": "secret",
    }
    assert platform.backups().where("x") == "s3://dumps/x"


def test_a_stack_that_makes_a_machine_names_the_one_on_it(stack, platform):
    stack.outputs |= {"app_id": None, "docker_host": "ssh://ops@192.0.2.1:22"}
    with pytest.raises(OpsError, match="ssh://ops@192"):
        platform.running()


# The API


def test_a_limit_is_waited_for(cloud, platform):
    found = {"deployments": [deployment("d")]}
    cloud.on(f"GET /v2/apps/{APP}/deployments", (429, {"message": "slow"}), found)
    assert platform.running() is not None
    assert len(cloud.slept) == 1


def test_what_could_happen_twice_is_not_tried_twice(cloud, platform):
    cloud.on(f"POST /v2/apps/{APP}/rollback/validate", {"valid": True})
    cloud.on(f"POST /v2/apps/{APP}/rollback", httpx.ReadTimeout("late"))
    with pytest.raises(FailedError, match="Perhaps it was carried out"):
        platform.switch(Running("old", "old", REFERENCE))
    assert len(cloud.bodies(f"POST /v2/apps/{APP}/rollback")) == 1


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "pulumi config set"), (403, "scope"), (500, "outages")]
)
def test_a_refusal_names_the_remedy_and_no_token(cloud, platform, status, remedy):
    answer = (status, {"id": "x", "message": "Something."})
    cloud.on(f"GET /v2/apps/{APP}/deployments", answer)
    with pytest.raises(OpsError, match=remedy) as refused:
        platform.running()
    assert TOKEN not in str(refused.value)


def test_without_a_token_it_is_said_where_one_comes_from(stack, monkeypatch):
    for name in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OpsError, match="digitalocean:token"):
        DigitalOcean(stack).running()
