"""`stromhaltig` on a Docker host with a real engine, as an operator runs it.

The tests follow one stack through its days, in this order. Where visitors must not
notice, the site is asked all the time, and every request has to be answered.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from contract import AppContract
from local.project import STACK
from ops.audit import acts
from ops.lock import Lock
from ops.records import records
from tests.docker.commands import Operator, monitored
from tests.docker.site import ADDRESS, FIRST, SECOND, UNHEALTHY, Site
from tests.servers import eventually

pytestmark = pytest.mark.slow

NAME = f"stromhaltig-{STACK}"
LIVE = "/api/health/live"
READY = "/api/health"  # asks the database
FLAG_SECONDS = 5  # nginx looks at files anew after two

EMAIL = "ada@stromhaltig.test"
PASSWORD = "correct horse battery staple"
API = "http://127.0.0.1:3001/api/auth"
SIGN_IN = f"""
    fetch("{API}/login", {{
      method: "POST",
      headers: {{ "content-type": "application/json" }},
      body: JSON.stringify({{ email: "{EMAIL}", password: "{PASSWORD}" }}),
    }}).then((answer) => answer.json()).then(({{ token }}) => console.log(token));
"""
WHO_AM_I = f"""
    fetch("{API}/me", {{ headers: {{ authorization: "Bearer " + process.argv[1] }} }})
      .then((answer) => answer.text()).then((said) => console.log(said));
"""


@pytest.fixture(scope="module")
def operator(site: Site) -> Iterator[Operator]:
    with monitored(site) as monitor:
        yield Operator(site, monitor)


def serving(site: Site) -> set[str]:
    """IDs of the images that the app's containers run."""
    return {str(shown["Image"]) for shown in site.app().values()}


def image(site: Site, reference: str) -> str:
    return site.engine.docker("image", "inspect", "--format={{.Id}}", reference)


def in_app(site: Site, script: str) -> str:
    container, *_ = site.app()
    return site.engine.docker("exec", container, "sh", "-c", script)


def states(facts: list[dict[str, str]]) -> dict[str, str]:
    return {fact["name"]: fact["state"] for fact in facts}


def answered(load: dict[str, object]) -> bool:
    """Whether every request was answered, and there were some."""
    assert load["lost"] == {}, load
    return int(str(load["answered"])) > 100


# Releases


def test_a_deployment_is_judged_and_recorded_and_loses_no_request(site, operator):
    first = operator.run("deploy", "--image", FIRST, "--yes")
    assert "rolled nothing out" in first.err
    with site.under_load(READY) as load:
        second = operator.run("deploy", "--image", SECOND, "--yes")
    assert answered(load)
    assert "serves in 2 containers, and is healthy" in second.err
    assert f"r2 serves {STACK}: {SECOND}" in second.err
    assert serving(site) == {image(site, SECOND)}
    known = [(each["number"], each["image"]) for each in operator.told("releases")]
    assert known == [(2, SECOND), (1, FIRST)]


# Looking


def test_status_shows_the_release_and_that_all_is_well(operator):
    facts = operator.told("status")["facts"]
    assert facts[0]["says"].startswith("r2 of ")
    known = states(facts)
    assert known.pop("backup") in {"ok", "unknown"}  # its first check is minutes away
    assert set(known.values()) == {"ok"}, facts


def test_health_asks_from_outside(operator):
    assert operator.told("health")["code"] == 200


def test_doctor_sees_a_stray_port_and_says_what_it_cannot_see(site, operator):
    look = ("doctor", "--only", "platform", "--only", "drift")
    known = states(operator.told(*look)["facts"])
    assert known["published ports"] == "ok"
    assert known["drift"] == "ok"
    assert known["firewall"] in {"ok", "unknown"}
    stray = ("--name=stray", "--publish=9000:9000", "--entrypoint=sleep", FIRST, "600")
    site.engine.docker("run", "--detach", *stray)
    try:
        facts = operator.told(*look)["facts"]
    finally:
        site.engine.docker("rm", "--force", "--volumes", "stray")
    (ports,) = [fact for fact in facts if fact["name"] == "published ports"]
    assert "stray 0.0.0.0:9000" in ports["says"]
    filtered = known["firewall"] == "ok"
    assert ports["state"] == ("ok" if filtered else "warning")


def test_monitor_measures_containers_disks_and_connections(operator):
    # The disk is the machine's: it may be too full.
    measures = operator.told("monitor", code=None)["measures"]
    known = {measure["name"]: measure["value"] for measure in measures}
    assert {f"{NAME}-{part} memory" for part in ("proxy", "database", "cache")} <= (
        known.keys()
    )
    assert known["database connections"] > 0
    assert [name for name, value in known.items() if value is None] == []


def test_logs_of_all_containers_are_searched(site, operator):
    lines = operator.run("logs", "--since", "1h", "--grep", "Listening").out
    assert {line.split()[2] for line in lines.splitlines()} == site.app().keys()
    assert all("Listening" in line for line in lines.splitlines())
    nothing = operator.run("logs", "--since", "1h", "--grep", "nobody wrote this")
    assert nothing.out == ""


# Commands


def test_exec_passes_input_output_and_exit_code(operator):
    added = operator.run(
        *("exec", "--yes", "--", "npm", "run", "--silent", "user:add", EMAIL),
        given=PASSWORD,
    )
    assert added.out.strip() == f"Added {EMAIL}"
    operator.run("exec", "--yes", "--", "sh", "-c", "exit 5", code=5)


def sign_in(operator: Operator) -> str:
    return operator.run("exec", "--yes", "--", "node", "-e", SIGN_IN).out.strip()


def who(operator: Operator, token: str) -> str:
    """What the app says to somebody with a token."""
    return operator.run("exec", "--yes", "--", "node", "-e", WHO_AM_I, token).out


def test_maintenance_shows_visitors_its_page_until_it_is_over(site, operator):
    def status(path: str) -> int:
        return int(site.get(f"{ADDRESS}{path}")["status"])

    operator.run("maintenance", "on", "--yes")
    assert operator.told("maintenance", "show")["maintenance"] is True
    eventually("closed", lambda: status("/") == 503, FLAG_SECONDS)
    assert site.get(f"{ADDRESS}/")["headers"]["retry-after"] == "120"
    assert status(READY) == 200
    operator.run("maintenance", "off")
    eventually("open", lambda: status("/") == 200, FLAG_SECONDS)


# Database and files


def test_a_database_comes_back_from_its_backup(site, operator):
    mark = "SELECT count(*) FROM event_log WHERE kind = 'kept'"
    operator.run("db", "shell", given="INSERT INTO event_log (kind) VALUES ('kept');\n")
    made = operator.run("db", "backup").out.strip()
    operator.run("db", "shell", given="DELETE FROM event_log WHERE kind = 'kept';\n")
    assert site.query(mark) == "0"
    operator.run("db", "restore", made, "--yes-replace", STACK)
    assert site.query(mark) == "1"
    assert site.until_ready()
    operator.run("db", "restore", "--drop-kept", "--yes-replace", STACK)


def test_migrations_run_by_the_apps_own_image(operator):
    assert "nothing is pending" in operator.run("db", "migrate", "--yes").err
    assert "003_enhanced_logging" in operator.run("db", "status").out


def test_files_come_back_from_their_backup(site, operator):
    in_app(site, "mkdir /app/uploads/a && echo before > /app/uploads/a/one")
    made = operator.run("files", "backup").out.strip()
    in_app(site, "echo after > /app/uploads/a/one; echo new > /app/uploads/two")
    operator.run("files", "restore", made, "--yes")
    assert in_app(site, "cat /app/uploads/a/one /app/uploads/two") == "before\nnew"
    operator.run("files", "restore", made, "--replace", "--yes-replace", STACK)
    assert in_app(site, "ls -A /app/uploads") == "a"
    assert in_app(site, "stat --format=%u /app/uploads/a/one") == "1001"


# Secrets


def test_another_jwt_secret_signs_nobody_out(site, operator):
    token = sign_in(operator)
    with site.under_load(READY) as load:
        rotated = operator.run("secrets", "rotate", "JWT_SECRET", "--yes")
    assert answered(load)
    assert not any(secret in rotated.out + rotated.err for secret in site.secrets())
    assert json.loads(who(operator, token))["email"] == EMAIL
    assert json.loads(who(operator, sign_in(operator)))["email"] == EMAIL
    outdated = ("secrets", "rotate", "JWT_SECRET", "--finish", "--yes")
    assert "Wait for that" in operator.run(*outdated, code=2).err


def test_another_password_of_the_cache_costs_no_request(site, operator):
    with site.under_load(READY) as load:
        operator.run("secrets", "rotate", "REDIS_URL", "--yes")
    assert answered(load)
    assert operator.told("health")["status"] == "ok"


def test_another_database_password_is_noticed_by_nobody(site, operator):
    before = database_url(site)
    with site.under_load(READY) as load:
        rotated = operator.run("secrets", "rotate", "DATABASE_URL", "--yes")
    assert answered(load)
    now = database_url(site)
    assert str(urlsplit(now).password) not in rotated.out + rotated.err
    assert opens(site, now)
    assert not opens(site, before)
    assert "0 pending" in operator.run("db", "status").out
    # The night's own backup signs in as the owner, who has another password now.
    backup = ("bash", "/run/backup/backup.sh", "once")
    site.engine.docker("exec", f"{NAME}-backup", *backup)


def database_url(site: Site) -> str:
    return in_app(site, f"cat {AppContract().secret_file('DATABASE_URL')}")


def opens(site: Site, url: str) -> bool:
    """Whether the server lets somebody in with an address."""
    script = 'read -r url; psql "$url" --command "SELECT 1" 2>&1 || true'
    shell = ("exec", "--interactive", f"{NAME}-database", "sh", "-c", script)
    said = site.engine.docker(*shell, stdin=f"{url}\n".encode())
    assert "1 row" in said or "password authentication failed" in said, said
    return "1 row" in said


# What goes wrong


def test_a_release_that_is_not_healthy_is_judged_so_and_nobody_sees_it(site, operator):
    before = site.app().keys()
    with site.under_load(LIVE) as load:
        failed = operator.run(
            *("deploy", "--image", UNHEALTHY, "--yes", "--on-failure", "keep"), code=1
        )
    assert answered(load)
    assert "unhealthy, its last check" in failed.err
    assert "Not deployed. The old version serves." in failed.err
    assert before <= site.app().keys()
    assert operator.told("releases")[0]["image"] == SECOND
    named = ("config", "get", "--path", "stromhaltig:image.ref")
    assert site.deployment.pulumi(*named).stdout.strip() == SECOND


def test_a_stack_is_freed_from_somebody_who_is_gone(site, operator):
    state = operator.environment["PULUMI_BACKEND_URL"]
    kept = records(STACK, state)
    with operator.started("deploy", "--yes") as deploying:
        eventually("it has begun", lambda: acts(kept, 1)[0].outcome == "begun", 60)
        os.killpg(deploying.pid, signal.SIGKILL)
    held = operator.run("maintenance", "on", "--yes", code=2)
    assert "stromhaltig unlock" in held.err
    operator.run("unlock", "--yes")
    assert Lock(kept).holder() is None
    told = operator.told("audit")
    assert [(act["command"], act["outcome"]) for act in told[:2]] == [
        ("unlock", "done"),
        ("deploy", "begun"),
    ]


def test_rollback_goes_back_to_a_release_and_mends_what_failed(site, operator):
    with site.under_load(READY) as load:
        operator.run("rollback", "r1", "--yes")
    assert answered(load)
    assert serving(site) == {image(site, FIRST)}
    newest = operator.told("releases")[0]
    assert (newest["number"], newest["image"], newest["back"]) == (3, FIRST, 1)
