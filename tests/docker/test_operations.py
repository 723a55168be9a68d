"""Operations on the stack of the Docker host, against a real engine.

The tests share one deployment. A bad release comes last.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms.docker_host import DockerHost
from ops.platforms.platform import LogQuery, State
from tests.docker.engine import Engine
from tests.docker.site import ADDRESS, FIRST, SECOND, UNHEALTHY, Site
from tests.servers import eventually, executable

pytestmark = pytest.mark.slow

NAME = "stromhaltig-local"
FLAG_SECONDS = 5  # nginx looks at files anew after two

SHELL = """
import sys
from ops.platforms.docker_host.engine import Engine
from ops.platforms.docker_host.terminal import interact
sys.exit(interact(Engine(sys.argv[1]), sys.argv[2], sys.argv[3:]))
"""

FOLLOW = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from ops.platforms.docker_host import DockerHost
from ops.platforms.platform import LogQuery
host = DockerHost(SimpleNamespace(name="local", outputs=json.loads(sys.argv[1])))
for line in host.logs(LogQuery(datetime.now(UTC), follow=True)):
    print(json.dumps([line.source, line.at.isoformat(), line.text]), flush=True)
"""


@dataclass
class Stack:
    """A stack, as far as a platform looks at it."""

    site: Site
    name: str = "local"

    @property
    def outputs(self) -> dict[str, Any]:
        return self.site.deployment.outputs()


@pytest.fixture
def host(site: Site) -> DockerHost:
    return DockerHost(Stack(site))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def over_ssh(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An address of the engine that goes through a stand-in for OpenSSH's client.

    What the real one does with its input and output is not in question: carry both.
    """
    folder = tmp_path_factory.mktemp("ssh")
    stand_in = folder / "ssh"
    stand_in.write_text(
        f'#!/bin/sh\nfor last in "$@"; do :; done\n[ "$last" = dial-stdio ] || exit 9\n'
        f"exec env DOCKER_HOST={docker.host} PATH={docker.path} "
        f"docker system dial-stdio\n"
    )
    stand_in.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield "ssh://ops@far.example:2222"


def far(host: DockerHost, address: str) -> DockerHost:
    """The same stack, reached over SSH."""
    stack = Stack(host._stack.site)  # type: ignore[attr-defined]
    found = DockerHost(stack)  # type: ignore[arg-type]
    found._outputs = {**stack.outputs, "host": address}
    return found


# Status and measures


def test_status_tells_that_all_is_well(host):
    told = {fact.name: fact for fact in host.status()}
    # Its first check is due minutes after its start.
    assert told.pop("backup").state in {State.OK, State.UNKNOWN}
    assert {fact.state for fact in told.values()} == {State.OK}, told
    assert told["release"].says == f"{FIRST}, 2 containers"
    assert told["migration"].says.startswith("succeeded")
    assert told["last backup"].says.startswith("database/stromhaltig_")


def test_a_stopped_container_is_told_with_its_exit_code(site, host):
    site.engine.docker("stop", f"{NAME}-cache")
    try:
        told = {fact.name: fact for fact in host.status()}
    finally:
        site.engine.docker("start", f"{NAME}-cache")
    assert told["cache"].state is State.ERROR
    assert "exit code" in told["cache"].says
    assert f"{NAME}-cache" in told["cache"].remedy


def test_checks_look_at_engine_clock_and_disk(host):
    told = {fact.name: fact for fact in host.checks()}
    assert told["engine"].state is State.OK
    assert "API 1." in told["engine"].says
    assert told["clock"].state is State.OK
    assert "% used" in told["disk of backups"].says
    # Ports are published in the engine's own network, where the tests are not.
    assert told["certificate"].state is State.UNKNOWN


def test_measures_are_of_what_each_container_may_use(host):
    told = {measure.name: measure for measure in host.measures()}
    for kind in ("proxy", "database", "cache"):
        for what in ("CPU", "memory"):
            value = told[f"{NAME}-{kind} {what}"].value
            assert value is not None
            assert 0 <= value <= 100
    connections = told["database connections"]
    assert connections.value is not None
    assert 0 < connections.value < connections.limit == 80


# Logs


def test_logs_of_both_containers_come_in_order(site, host):
    since = datetime.now(UTC) - timedelta(hours=1)
    lines = list(host.logs(LogQuery(since)))
    assert {line.source for line in lines} == set(site.app())
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_logs_are_held_to_level_and_pattern(site, host):
    since = datetime.now(UTC) - timedelta(hours=1)
    found = [line.text for line in host.logs(LogQuery(since, grep="Listening"))]
    assert len(found) >= 2
    assert all("Listening" in text for text in found)
    errors = list(host.logs(LogQuery(since, errors=True)))
    assert len(errors) < len(list(host.logs(LogQuery(since))))


@contextmanager
def following(site: Site) -> Iterator[list[tuple[str, str, str]]]:
    """Follow the logs from a process of its own: source, time and text of each line."""
    outputs = json.dumps(site.deployment.outputs())
    seen: list[tuple[str, str, str]] = []
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOW, outputs], stdout=subprocess.PIPE, text=True
    ) as running:
        reading = threading.Thread(
            target=lambda: seen.extend(tuple(json.loads(x)) for x in running.stdout)
        )
        reading.start()
        try:
            yield seen
        finally:
            running.terminate()
            reading.join()


def test_following_goes_on_with_a_container_that_comes_back(site):
    first, *_ = site.app()
    with following(site) as seen:
        time.sleep(2)
        began = datetime.now(UTC).isoformat()
        site.engine.docker("restart", "--time", "5", first)
        eventually(
            "lines of the container's second life",
            lambda: any(source == first and at > began for source, at, _ in seen),
            patience=30,
        )
        eventually("it is healthy again", lambda: healthy(site, first), patience=60)
    assert len(seen) == len(set(seen)), "a line came twice"


def healthy(site: Site, container: str) -> bool:
    shown = site.containers().get(container)
    return bool(shown) and shown["State"]["Health"]["Status"] == "healthy"


# Commands


def test_a_one_off_runs_like_the_app_and_is_gone(site, host):
    before = set(site.containers(ended=True))
    ended = host.one_off(("npm", "run", "migrate:status"))
    assert ended.code == 0, ended.lines
    assert any("001" in line for line in ended.lines)
    assert set(site.containers(ended=True)) == before


def test_a_one_off_is_confined_and_gets_no_requests(site, host):
    script = """
        const os = require("os"), fs = require("fs");
        let wrote = true;
        try { fs.writeFileSync("/app/x", ""); } catch { wrote = false; }
        require("dns").lookup("app", { all: true }, (_, found) => {
          const own = Object.values(os.networkInterfaces()).flat();
          const named = found.some((f) => own.some((o) => o.address === f.address));
          const secret = fs.readFileSync(process.env.DATABASE_URL_FILE).length > 0;
          const uid = process.getuid();
          console.log(JSON.stringify({ uid, wrote, named, secret }));
        });"""
    ended = host.one_off(("node", "-e", script), image=SECOND)
    assert ended.lines == ('{"uid":1001,"wrote":false,"named":false,"secret":true}',)


def test_the_exit_code_of_a_one_off_is_told(host):
    ended = host.one_off(("node", "-e", "console.log('no'); process.exit(7)"))
    assert (ended.code, ended.lines) == (7, ("no",))


def test_an_image_that_cannot_be_had_is_named(host):
    with pytest.raises(FailedError, match=r"nobody\.example/app"):
        host.one_off(("true",), image="nobody.example/app:1")


def test_a_program_that_is_not_there_is_told(host):
    ended = host.one_off(("nonsense",))
    assert ended.code == 127
    assert "nonsense" in ended.lines[-1]


def shell(site: Site, *command: str) -> list[str]:
    container, *_ = site.app()
    return [sys.executable, "-c", SHELL, site.engine.host, container, *command]


def test_a_shell_passes_pipes_and_the_exit_code(site):
    done = subprocess.run(
        shell(site, "sh", "-c", "cat; echo oops >&2; exit 3"),
        input=b"hello\n" * 50_000,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stdout == b"hello\n" * 50_000
    assert done.stderr == b"oops\n"


def test_a_shell_at_a_terminal_is_one(site):
    leader, follower = pty.openpty()
    with subprocess.Popen(
        shell(site, "sh"), stdin=follower, stdout=follower, stderr=follower
    ) as running:
        os.close(follower)
        os.write(leader, b"test -t 0 && echo ter''minal; exit 4\n")
        shown = b""
        while b"terminal" not in shown and select.select([leader], [], [], 30)[0]:
            shown += os.read(leader, 1000)
        assert b"terminal" in shown
        assert running.wait(30) == 4
    os.close(leader)


# Database


def test_the_database_is_reached_as_the_app_and_as_administrator(host):
    powers = "SELECT usesuper FROM pg_user WHERE usename = current_user"
    for admin, user in ((False, "stromhaltig"), (True, "postgres")):
        with host.database(admin=admin) as address, address.connect() as connection:
            assert connection.execute(powers).fetchone() == (admin,)
        assert (address.user, address.database) == (user, "stromhaltig")


def test_a_wrong_password_is_refused_by_the_server(host):
    with host.database() as address:
        wrong = address.login(address.user, "wrong")
        with (
            pytest.raises(OpsError, match="password authentication failed"),
            wrong.connect(),
        ):
            pass


@pytest.mark.parametrize("way", ["near", "far"])
def test_a_large_dump_comes_whole_through_the_tunnel(host, over_ssh, way):
    host = far(host, over_ssh) if way == "far" else host
    with host.database() as address:
        with address.connect() as connection:
            connection.execute(
                "CREATE TABLE large AS SELECT n, md5(n::text) AS text "
                "FROM generate_series(1, 500000) n"
            )
        try:
            dump = subprocess.run(
                [executable("pg_dump"), "--data-only", "--table=large"],
                env={**os.environ, **address.environment()},
                capture_output=True,
                check=True,
                timeout=120,
            ).stdout
        finally:
            with address.connect() as connection:
                connection.execute("DROP TABLE large")
    lines = dump.splitlines()
    assert sum(1 for line in lines if b"\t" in line) == 500_000
    assert b"-- PostgreSQL database dump complete" in lines


def test_many_connections_go_through_at_once(host):
    with host.database() as address:

        def ask(number: int) -> int:
            with address.connect() as connection:
                found = connection.execute("SELECT pg_sleep(0.2)::text || %s", [number])
                return int((found.fetchone() or [0])[0])

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(ask, range(40))) == list(range(40))


def test_a_client_that_vanishes_leaves_no_session(site, host):
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gone'"
    with (
        host.database() as address,
        address.connect(application_name="gone") as connection,
    ):
        assert site.query(count) == "1"
        # Without the goodbye that a client would say.
        with socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
        eventually("the session has ended", lambda: site.query(count) == "0")
    programs = ("sh", "-c", "cat /proc/[0-9]*/comm")
    left = site.engine.docker("exec", f"{NAME}-database", *programs).split()
    assert "bash" not in left


def test_a_session_that_the_server_ends_is_over_here(site, host):
    with host.database() as address, address.connect() as connection:
        pid = connection.info.backend_pid
        site.query(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(Exception, match=r"terminat|closed"):
            connection.execute("SELECT 1")


def test_a_connection_that_cannot_be_made_closes_and_says_why(site, host):
    with host.database() as address:
        site.engine.docker("stop", f"{NAME}-database")
        try:
            with pytest.raises(OpsError, match="closed"), address.connect():
                pass
        finally:
            site.engine.docker("start", f"{NAME}-database")
        eventually("it runs", lambda: healthy(site, f"{NAME}-database"), patience=60)
        with address.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_database_that_does_not_run_is_named(host):
    host._outputs = {**host._outputs, "database_container": f"{NAME}-migration"}
    with pytest.raises(OpsError, match=f"{NAME}-migration"), host.database():
        pass


# Backups and uploads


def test_a_backup_is_written_whole_and_read_back(host):
    store = host.backups()
    chunks = [os.urandom(1_000_000) for _ in range(64)]
    assert store.put("dumps/test.dump", chunks) == 64_000_000
    assert [e.size for e in store.entries("dumps/")] == [64_000_000]
    sums = (hashlib.sha256(), hashlib.sha256())
    for chunk in chunks:
        sums[0].update(chunk)
    for chunk in store.read("dumps/test.dump"):
        sums[1].update(chunk)
    assert sums[0].digest() == sums[1].digest()
    store.put("dumps/test.dump.uploaded", [b""])  # as the copying container marks it
    store.delete("dumps/test.dump")
    store.delete("dumps/test.dump")
    assert store.entries("dumps/") == []


def test_a_backup_whose_source_fails_is_not_there(site, host):
    def failing() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ValueError("pg_dump has died")

    with pytest.raises(ValueError, match="has died"):
        host.backups().put("dumps/half", failing())
    assert host.backups().entries("dumps/") == []
    left = site.engine.docker("exec", f"{NAME}-backup", "ls", "-A", "/backups/dumps")
    assert left == ""


def test_of_several_who_create_a_file_one_does(host):
    store = host.backups()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: store.create("dumps/lock", b"%d" % n), range(4)))
    assert sorted(made) == [False, False, False, True]
    assert b"".join(store.read("dumps/lock")) == b"%d" % made.index(True)
    store.delete("dumps/lock")


def test_the_hosts_own_backups_are_listed(host):
    names = [entry.name for entry in host.backups().entries()]
    assert any(name.startswith("database/stromhaltig_") for name in names)
    assert any(name.startswith("files/uploads_") for name in names)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../b", "-x", ".hidden"])
def test_what_is_no_name_of_a_backup_is_refused(host, name):
    with pytest.raises(OpsError):
        host.backups().delete(name)


def test_a_backup_that_is_not_there_is_missing(host):
    with pytest.raises(FileNotFoundError):
        list(host.backups().read("dumps/nothing"))


def in_app(site: Site, script: str) -> str:
    container, *_ = site.app()
    return site.engine.docker("exec", container, "sh", "-c", script)


def test_uploads_go_away_and_come_back_with_their_owner(site, host):
    in_app(site, "mkdir -p /app/uploads/a && echo one > /app/uploads/a/one")
    archive = b"".join(host.read_uploads())
    in_app(site, "rm -r /app/uploads/a && echo two > /app/uploads/two")
    host.write_uploads([archive], replace=False)
    assert in_app(site, "cat /app/uploads/a/one /app/uploads/two") == "one\ntwo"
    host.write_uploads([archive], replace=True)
    assert in_app(site, "ls -A /app/uploads").split() == ["a"]
    assert in_app(site, "stat -c %u /app/uploads/a/one") == "1001"
    in_app(site, "rm -r /app/uploads/a")


@pytest.mark.parametrize("left", [1_500_000, None], ids=["amid a file", "after it"])
def test_an_archive_that_breaks_off_changes_nothing(site, host, left):
    in_app(site, "head -c 3000000 /dev/urandom > /app/uploads/large")
    before = in_app(site, "sha256sum /app/uploads/*")
    archive = b"".join(host.read_uploads())
    cut = archive[:left] if left else archive[: -20 * 512]  # without its last record
    with pytest.raises(FailedError):
        host.write_uploads([cut], replace=True)
    assert in_app(site, "sha256sum /app/uploads/*") == before
    assert in_app(site, "ls -A /app/uploads") == "large"
    in_app(site, "rm /app/uploads/large")


def test_an_archive_whose_source_fails_changes_nothing(site, host):
    in_app(site, "echo one > /app/uploads/one")
    archive = b"".join(host.read_uploads())

    def failing() -> Iterator[bytes]:
        yield archive
        raise ValueError("another checksum than when it was made")

    in_app(site, "echo two > /app/uploads/one")
    with pytest.raises(ValueError, match="checksum"):
        host.write_uploads(failing(), replace=True)
    assert in_app(site, "cat /app/uploads/one") == "two"
    assert in_app(site, "ls -A /app/uploads") == "one"
    in_app(site, "rm /app/uploads/one")


# Maintenance


def status_of(site: Site, path: str) -> int:
    return int(site.get(f"{ADDRESS}{path}")["status"])


def test_maintenance_closes_the_site_and_opens_it_again(site, host):
    assert not host.maintenance()
    host.set_maintenance(True)
    try:
        assert host.maintenance()
        eventually("closed", lambda: status_of(site, "/") == 503, FLAG_SECONDS)
        page = site.get(f"{ADDRESS}/api/documents/upload")
        assert page["status"] == 503
        assert page["headers"]["retry-after"] == "120"
        assert page["headers"]["cache-control"] == "no-store"
        assert status_of(site, "/api/health") == 200
        site.engine.docker("restart", f"{NAME}-proxy")
        eventually("closed still", lambda: status_of(site, "/") == 503, 30)
        again = site.deployment.pulumi("preview", "--expect-no-changes")
        assert again.returncode == 0
    finally:
        host.set_maintenance(False)
    assert not host.maintenance()
    eventually("open", lambda: status_of(site, "/") == 200, FLAG_SECONDS)


# Over SSH


def test_all_of_it_goes_over_ssh(host, over_ssh):
    distant = far(host, over_ssh)
    assert distant.running() == host.running()
    with distant.database() as address, address.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    content = os.urandom(3_000_000)
    with (
        closing(distant.backups().read("x")) as nothing,
        pytest.raises(FileNotFoundError),
    ):
        next(nothing)
    assert distant.backups().put("dumps/far", [content]) == len(content)
    assert b"".join(distant.backups().read("dumps/far")) == content
    distant.backups().delete("dumps/far")


def test_a_host_that_lets_nobody_in_is_named(host, over_ssh, tmp_path, monkeypatch):
    refusing = tmp_path / "ssh"
    refusing.write_text(
        "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(OpsError, match=over_ssh):
        far(host, over_ssh).status()


# Releases


def test_an_update_that_changes_nothing_is_told(host):
    before = host.running()
    assert before is not None
    assert before.image == FIRST
    verdict = host.verdict(before)
    assert verdict.serves
    assert "rolled nothing out" in verdict.says


def test_a_good_release_serves(site, host):
    before = host.running()
    with following(site) as seen:
        result = site.up(SECOND)
        assert result.returncode == 0, result.errors
        eventually(
            "its lines are followed",
            lambda: {source for source, _, _ in seen} >= site.app().keys(),
        )
    verdict = DockerHost(Stack(site)).verdict(before)  # type: ignore[arg-type]
    assert verdict.serves, verdict
    assert "rolled nothing out" not in verdict.says
    now = DockerHost(Stack(site)).running()  # type: ignore[arg-type]
    assert now is not None
    assert now.image == SECOND


def test_the_fast_way_back_is_the_ordinary_one(host):
    running = host.running()
    assert running is not None
    with pytest.raises(NotOfferedError, match="stromhaltig rollback"):
        host.switch(running)


def test_snapshots_are_refused_with_what_does_it_instead(host):
    for refused in (
        host.snapshots,
        host.scratch,
        lambda: host.snapshot("x"),
        host.dump,
    ):
        with pytest.raises(NotOfferedError, match=r"[Dd]umps"):
            refused()


def test_a_bad_release_is_told_with_its_reasons(site, host):
    before = host.running()
    result = site.up(UNHEALTHY)
    assert result.returncode != 0
    now = DockerHost(Stack(site))  # type: ignore[arg-type]
    assert now.running() != before
    verdict = now.verdict(before)
    assert not verdict.serves
    assert verdict.rolled_back
    assert before is not None
    assert f"{before.deployment} serves on" in verdict.says
    assert any("unhealthy" in reason for reason in verdict.reasons), verdict
    told = {fact.name: fact for fact in now.status()}
    assert told["release"].state is State.WARNING
    assert UNHEALTHY in told["release"].says
