"""The stack of the Docker host on a real engine, with Pulumi's own plugin.

The tests follow one deployment through its life, in this order.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from local.deployment import deployment
from local.project import Project
from rehearsal.progress import ConsoleProgress
from tests.docker.site import (
    ADDRESS,
    BROKEN_MIGRATION,
    CLONE,
    FIRST,
    HTTP_PORT,
    HTTPS_PORT,
    SECOND,
    UNHEALTHY,
    link_clone,
    settings,
)

pytestmark = pytest.mark.slow

BACKUP = "stromhaltig-local-backup"
SCRIPT = "/run/backup/backup.sh"
LIVE = "/api/health/live"
READY = "/api/health"
VERSIONS = (
    "SELECT string_agg(version::text, ' ' ORDER BY version) FROM schema_migrations"
)


def test_the_app_answers_through_nginx_over_tls(site):
    page = site.get(f"{ADDRESS}/")
    assert page["status"] == 200
    assert '<div id="root">' in page["body"]
    assert site.get(f"{ADDRESS}{READY}")["status"] == 200


def test_plain_http_is_sent_to_https(site):
    answer = site.get(f"http://127.0.0.1:{HTTP_PORT}/login")
    assert answer["status"] in (301, 308)
    assert answer["headers"]["location"].startswith("https://")


def test_only_the_proxy_is_published_and_only_on_the_loopback(site):
    published = {
        name: shown["HostConfig"]["PortBindings"]
        for name, shown in site.containers(ended=True).items()
        if shown["HostConfig"]["PortBindings"]
    }
    assert published.keys() == {"stromhaltig-local-proxy"}
    bindings = [each[0] for each in published["stromhaltig-local-proxy"].values()]
    assert {(b["HostIp"], int(b["HostPort"])) for b in bindings} == {
        ("127.0.0.1", HTTP_PORT),
        ("127.0.0.1", HTTPS_PORT),
    }


@pytest.mark.parametrize(
    ("service", "port"),
    [("database", 5432), ("cache", 6379)],
    ids=["database", "cache"],
)
def test_the_data_is_out_of_reach_from_the_edge(site, service, port):
    shown = site.containers()[f"stromhaltig-local-{service}"]
    (network,) = shown["NetworkSettings"]["Networks"].items()
    assert network[0] == "stromhaltig-local-internal"
    reached = f"""
        const tried = require("net").connect({port}, "{network[1]["IPAddress"]}");
        tried.setTimeout(3000, () => tried.destroy(new Error("ETIMEDOUT")));
        tried.on("connect", () => {{ console.log("reached"); tried.destroy(); }});
        tried.on("error", (error) => console.log(error.code || error.message));
    """
    ask = ("--entrypoint=node", FIRST, "-e", reached)
    edge = site.engine.docker("run", "--rm", "--network=stromhaltig-local-edge", *ask)
    internal = ("--network=stromhaltig-local-internal",)
    assert edge in ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")
    assert site.engine.docker("run", "--rm", *internal, *ask) == "reached"


def test_no_secret_is_shown_by_docker_inspect(site):
    secrets = site.secrets()
    assert len(secrets) >= 5
    shown = json.dumps(site.containers(ended=True))
    volumes = site.engine.docker("volume", "ls", "--quiet").split()
    shown += site.engine.docker("volume", "inspect", *volumes)
    lines = [max(secret.splitlines(), key=len) for secret in secrets]
    assert not [line[:4] for line in lines if line in shown]


def test_every_container_is_confined(site):
    for name, shown in site.containers().items():
        host = shown["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name
        assert host["Memory"] > 0, name
        assert host["LogConfig"] == {
            "Type": "local",
            "Config": {"max-file": "10", "max-size": "100m"},
        }, name


def test_the_app_is_nobody_and_can_change_nothing_of_itself(site):
    for name in site.app():
        assert site.engine.docker("exec", name, "id", "-u") == "1001"
        write = "touch /app/dist/x || touch /x || echo refused"
        assert site.engine.docker("exec", name, "sh", "-c", write) == "refused"


def test_a_second_preview_is_empty(site):
    again = site.deployment.pulumi("preview", "--expect-no-changes")
    assert again.returncode == 0, [event.name for event in again.events]


def test_a_release_loses_no_request(site):
    before = site.app().keys()
    with site.under_load(LIVE) as load:
        time.sleep(1)
        result = site.up(SECOND)
        time.sleep(1)
    assert result.returncode == 0, result.errors
    assert not before & site.app().keys()
    assert load["lost"] == {}, load
    assert load["answered"] > 100, load


def test_an_unhealthy_release_gets_no_request_and_the_old_one_serves_on(site):
    before = site.app().keys()
    with site.under_load(LIVE) as load:
        result = site.up(UNHEALTHY)
    assert result.returncode != 0
    assert "health" in " ".join(result.errors)
    assert before <= site.app().keys()
    assert load["lost"] == {}, load


def test_the_next_good_release_mends_it(site):
    with site.under_load(LIVE) as load:
        result = site.up(FIRST)
    assert result.returncode == 0, result.errors
    image = site.engine.docker("image", "inspect", "--format", "{{.Id}}", FIRST)
    serving = site.app().values()
    assert [shown["Image"] for shown in serving] == [image, image]
    assert {shown["State"]["Health"]["Status"] for shown in serving} == {"healthy"}
    assert load["lost"] == {}, load


def test_a_failing_migration_stops_the_release(site):
    before, versions = site.app().keys(), site.query(VERSIONS)
    result = site.up(BROKEN_MIGRATION)
    assert result.returncode != 0
    told = " ".join(result.errors)
    assert "migration failed" in told
    assert "nowhere" in told
    assert site.app().keys() == before
    assert site.query(VERSIONS) == versions
    assert site.get(f"{ADDRESS}{READY}")["status"] == 200


def test_after_it_the_good_release_is_deployed_again(site):
    before = site.app().keys()
    result = site.up(FIRST)
    assert result.returncode == 0, result.errors
    assert site.app().keys() == before


def test_the_documented_way_back_to_a_backup_works(site):
    site.query("CREATE TABLE seen AS SELECT 'before' AS word")
    uploads = "/app/uploads/seen"
    first, *_ = site.app()
    site.engine.docker("exec", first, "sh", "-c", f"echo before > {uploads}")
    site.engine.docker("exec", BACKUP, "bash", SCRIPT, "once")
    listed = site.engine.docker("exec", BACKUP, "bash", SCRIPT, "list")
    site.query("UPDATE seen SET word = 'after'")
    site.engine.docker("exec", first, "sh", "-c", f"echo after > {uploads}")

    for commands in documented_restore(listed):
        site.engine.shell(commands)

    assert site.query("SELECT word FROM seen") == "before"
    assert site.engine.docker("exec", first, "cat", uploads) == "before"
    owner = site.engine.docker("exec", first, "stat", "--format=%u", uploads)
    assert owner == "1001"
    assert site.until_ready()


def documented_restore(listed: str) -> Iterator[str]:
    """The commands of docs/docker-host.md, for the newest of the backups."""
    text = (CLONE / "docs/docker-host.md").read_text(encoding="utf-8")
    _, _, section = text.partition("To go back to a backup")
    for block in section.split("```")[1:4:2]:
        commands = block.replace("stromhaltig-docker", "stromhaltig-local")
        for kind, ending in (("database", ".sql.gz"), ("files", ".tar.gz")):
            names = re.findall(rf"{kind}/(\S+){re.escape(ending)}", listed)
            commands = commands.replace(
                f"{kind}/NAME{ending}", f"{kind}/{max(names)}{ending}"
            )
        yield commands


def test_destroy_leaves_nothing(site):
    result = site.deployment.pulumi("destroy", "--yes", "--skip-preview")
    assert result.returncode == 0, result.errors
    docker = site.engine.docker
    assert docker("ps", "--all", "--format", "{{.Names}} {{.Image}}") == ""
    assert docker("volume", "ls", "--format", "{{.Name}} {{.Labels}}") == ""
    networks = docker("network", "ls", "--format", "{{.Name}}").split()
    assert sorted(networks) == ["bridge", "host", "none"]


def test_an_engine_out_of_reach_is_named_and_nothing_is_made(docker, images, tmp_path):
    link_clone(tmp_path)
    nowhere = f"unix://{tmp_path}/nobody.sock"
    progress = ConsoleProgress(Console(stderr=True))
    project = Project(tmp_path)
    with project, deployment(project, nowhere, progress) as ready:
        config = settings(project, docker, FIRST)
        project.inject(config | {"host": {"address": nowhere}})
        result = ready.pulumi("up", "--yes", "--skip-preview")
        listed = json.loads(ready.pulumi("stack", "export").stdout)
    assert result.returncode != 0
    assert nowhere in " ".join(result.errors)
    made = [resource["type"] for resource in listed["deployment"]["resources"]]
    assert not [each for each in made if each.startswith("docker:index/")]
