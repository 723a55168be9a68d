"""The Docker host, by what an engine answers; tests/docker asks a real one."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from ops.errors import OpsError
from ops.platforms.docker_host import DockerHost, facts, logs
from ops.platforms.docker_host.engine import Engine
from ops.platforms.docker_host.rollout import Names, Rollout, trouble
from ops.platforms.docker_host.volumes import VolumeStore
from ops.platforms.platform import Measure, Running, State

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
NAMES = Names(
    release="app:2",
    apps=("s-app-0-new", "s-app-1-new"),
    migration="s-migration-1a2b3c4",
    proxy="s-proxy",
    edge="s-edge",
)


@dataclass
class Container:
    """A container, as the SDK shows it. printed: its log, in the engine's pieces."""

    name: str
    attrs: dict[str, Any]
    printed: list[bytes] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        return str(self.attrs["State"]["Status"])

    def stats(self, *, stream: bool) -> dict[str, Any]:
        return self.figures

    def logs(self, **asked: Any) -> Any:
        self.asked.append(asked)
        return iter(self.printed) if asked.get("stream") else b"".join(self.printed)


def container(
    name: str,
    release: str | None,
    *,
    image: str = "sha256:2",
    health: str | None = "healthy",
    minute: int = 0,
    printed: tuple[bytes, ...] = (),
    stats: dict[str, Any] | None = None,
    **state: Any,
) -> Container:
    known = {
        "Status": "running",
        "ExitCode": 0,
        "OOMKilled": False,
        "Error": "",
        **state,
    }
    if health:
        known["Health"] = {"Status": health, "Log": []}
    aliases = ["app", release] if release else None
    return Container(
        name,
        {
            "Created": f"2026-11-29T22:{minute:02}:00Z",
            "Image": image,
            "State": known,
            "RestartCount": 0,
            "HostConfig": {"Memory": 256 * 1024**2, "NanoCpus": 0},
            "NetworkSettings": {"Networks": {"s-edge": {"Aliases": aliases}}},
        },
        list(printed),
        figures=stats or {},
    )


class Fake(Engine):
    """An engine with some containers.

    upstream: what nginx's file names. used: the version of it that nginx uses.
    """

    def __init__(
        self, *containers: Container, upstream: str = "app-new", used: str = "abc"
    ) -> None:
        super().__init__("unix:///nobody.sock")
        self.there = list(containers)
        self.upstream = upstream
        self.used = used

    @property
    def client(self) -> Any:
        return self

    @property
    def images(self) -> Any:
        return self

    def containers(self, **filters: str) -> Any:
        if name := filters.get("name", "").strip("^"):
            return [each for each in self.there if each.name.startswith(name)]
        return [each for each in self.there if "migration" not in each.name]

    def get(self, reference: str) -> Any:
        number = reference.rpartition(":")[2]
        return type("Image", (), {"id": f"sha256:{number}", "attrs": _image(number)})

    def file(self, container: str, path: str) -> bytes:
        text = (
            f"listen 127.0.0.1:8081; set $app {self.upstream}:3001; "
            'location = /version { return 200 "abc"; }'
        )
        return text.encode()

    def output(self, container: str, command: Any, *, user: str = "") -> str:
        return self.used


def _image(number: str) -> dict[str, Any]:
    return {"RepoDigests": [], "RepoTags": [f"app:{number}"]}


GOOD = [container(f"s-app-{n}-new", "app-new", minute=5) for n in (0, 1)]
OLD = [
    container(f"s-app-{n}-old", "app-old", image="sha256:1", minute=1) for n in (0, 1)
]
BEFORE = Running("app-old", "sha256:1", "app:1")


def verdict(engine: Fake, before: Running | None = BEFORE) -> Any:
    return Rollout(engine, NAMES).verdict(before, sleep=lambda _: None)


# The verdict


def test_healthy_containers_that_nginx_names_serve():
    found = verdict(Fake(*GOOD))
    assert found.serves
    assert found.says == "app-new serves in 2 containers, and is healthy"


def test_the_same_release_as_before_is_no_roll_out():
    found = verdict(Fake(*GOOD), Running("app-new", "sha256:2", "app:2"))
    assert found.serves
    assert "rolled nothing out" in found.says


def test_what_was_made_last_is_what_was_told_to_run():
    running = Rollout(Fake(*OLD, *GOOD, upstream="app-old"), NAMES).running()
    assert running == Running("app-new", "sha256:2", "app:2")
    assert Rollout(Fake(), NAMES).running() is None


def test_a_container_killed_for_its_memory_says_so_with_its_last_lines():
    killed = container(
        "s-app-0-new",
        "app-new",
        health=None,
        minute=5,
        printed=(b"one\n", b"two\n"),
        Status="exited",
        ExitCode=137,
        OOMKilled=True,
    )
    found = verdict(Fake(*OLD, killed, upstream="app-old"))
    assert not found.serves
    assert found.rolled_back
    assert found.says == "app-new does not serve; app-old serves on"
    assert found.reasons[0] == (
        "s-app-0-new: exited, exit code 137, killed for using more than its 256 MiB "
        "of memory"
    )
    assert found.log == ("one", "two")


def test_the_last_health_check_is_told():
    sick = container("s-app-0-new", "app-new", health="unhealthy")
    output = "  HTTP 503\n  database: no route  "
    sick.attrs["State"]["Health"]["Log"] = [{"ExitCode": 1, "Output": output}]
    sick.attrs["RestartCount"] = 3
    assert trouble(sick) == (
        "unhealthy, restarted 3 times, its last check: HTTP 503 database: no route"
    )


def test_a_failed_migration_is_the_reason_and_the_old_release_serves_on():
    failed = container(
        "s-migration-99",
        None,
        health=None,
        minute=9,
        printed=(b"relation nowhere does not exist\n",),
        Status="exited",
        ExitCode=1,
    )
    found = verdict(Fake(*OLD, failed, upstream="app-old"))
    assert not found.serves
    assert found.rolled_back
    assert found.reasons == ("s-migration-99: exited, exit code 1",)
    assert found.log == ("relation nowhere does not exist",)


def test_a_migration_that_failed_before_a_release_came_is_history():
    failed = container(
        "s-migration-98", None, health=None, minute=2, Status="exited", ExitCode=1
    )
    assert verdict(Fake(*GOOD, failed)).serves


def test_nginx_that_has_not_taken_its_configuration_is_told():
    found = verdict(Fake(*GOOD, used="older"))
    assert not found.serves
    assert not found.rolled_back
    assert "has not taken its configuration" in found.reasons[0]


def test_another_image_than_was_asked_for_is_told():
    other = [
        container(f"s-app-{n}-new", "app-new", image="sha256:1", minute=5)
        for n in (0, 1)
    ]
    found = verdict(Fake(*other))
    assert found.reasons == (
        "s-app-0-new runs app:1, and not app:2",
        "s-app-1-new runs app:1, and not app:2",
    )


def test_a_container_that_is_gone_is_told():
    found = verdict(Fake(GOOD[0]))
    assert found.reasons == ("s-app-1-new is gone",)


def test_nothing_serves_where_nothing_is():
    found = verdict(Fake())
    assert not found.serves
    assert found.reasons[0] == "there is no container of the app"


# Measures


def test_cpu_is_of_what_the_container_may_use():
    stats = {
        "cpu_stats": {
            "cpu_usage": {"total_usage": 300},
            "system_cpu_usage": 2000,
            "online_cpus": 4,
        },
        "precpu_stats": {"cpu_usage": {"total_usage": 200}, "system_cpu_usage": 1000},
    }
    # A tenth of four cores' time is 0.4 of a core.
    assert facts.cpu_percent(stats, cores=0.5) == 80.0
    assert facts.cpu_percent(stats, cores=0) == 10.0


def test_cpu_of_a_container_that_has_just_started_is_unknown():
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 2000},
    }
    assert facts.cpu_percent(stats, cores=1) is None


@pytest.mark.parametrize("cached", ["inactive_file", "total_inactive_file"])
def test_memory_does_not_count_files_that_are_only_cached(cached):
    memory = {"usage": 600, "limit": 1000, "stats": {cached: 100}}
    assert facts.memory_percent({"memory_stats": memory}) == 50.0


STATS = {
    "cpu_stats": {
        "cpu_usage": {"total_usage": 300},
        "system_cpu_usage": 2000,
        "online_cpus": 1,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 200}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 600, "limit": 1000},
}


def test_a_container_that_does_not_run_has_no_figures_and_says_why():
    stopped = container("s-database", None, Status="exited", ExitCode=137, health=None)
    told = facts.usage([container("s-proxy", None, stats=STATS), stopped])
    assert [(one.name, one.value) for one in told] == [
        ("s-proxy CPU", 10.0),
        ("s-proxy memory", 60.0),
        ("s-database CPU", None),
        ("s-database memory", None),
    ]
    assert {one.note for one in told[2:]} == {"exited, exit code 137"}
    assert all(one.offered for one in told)


def test_a_kernel_that_does_not_count_memory_is_no_trouble():
    stats = {**STATS, "memory_stats": {}}
    cpu, memory = facts.usage([container("s-proxy", None, stats=stats)])
    assert cpu.state is State.OK
    assert (memory.value, memory.offered) == (None, False)


def test_what_is_gone_is_measured_as_unknown(monkeypatch):
    outputs = {
        "release": "app:2",
        "app_containers": NAMES.apps,
        "migration_container": NAMES.migration,
        "proxy_container": "s-proxy",
        "edge_network": "s-edge",
        "database_container": "s-database",
        "cache_container": "s-cache",
    }
    engine = Fake(
        container("s-proxy", None, stats=STATS),
        container("s-database", None, stats=STATS),
    )
    monkeypatch.setattr(DockerHost, "_engine", engine)
    monkeypatch.setattr(DockerHost, "_disks", lambda _: [])
    monkeypatch.setattr(DockerHost, "_connections", lambda _: Measure("c", 1, "", 2))
    host = DockerHost(SimpleNamespace(outputs=outputs))  # type: ignore[arg-type]
    told = {one.name: one.note for one in host.measures() if one.value is None}
    assert told == {
        "app CPU": "nginx leads to no container",
        "app memory": "nginx leads to no container",
        "s-cache CPU": "there is no such container",
        "s-cache memory": "there is no such container",
    }


def test_memory_of_a_container_that_ends_is_unknown():
    assert facts.memory_percent({"memory_stats": {}}) is None


def test_clocks_that_are_apart_are_told():
    assert facts.clock(NOW, NOW + timedelta(seconds=4)).state is State.OK
    apart = facts.clock(NOW, NOW + timedelta(seconds=40))
    assert apart.state is State.WARNING
    assert "40 s" in apart.says


def test_only_public_addresses_are_where_a_domain_may_lead():
    assert facts.addresses("unix:///var/run/docker.sock") == set()
    assert facts.addresses("ssh://ops@10.0.0.1") == set()
    assert facts.addresses("ssh://ops@8.8.8.8:2222") == {"8.8.8.8"}


# Logs


def line(second: int, text: str) -> bytes:
    return f"2026-11-29T22:00:{second:02}.123456789Z {text}\n".encode()


def test_lines_of_several_containers_are_merged_by_time():
    one = container("one", "app-new", printed=(line(1, "a") + line(4, "d"),))
    # The engine cuts where it likes.
    two = container("two", "app-new", printed=(line(2, "b")[:9], line(2, "b")[9:]))
    found = list(logs.history([one, two], NOW, NOW + timedelta(minutes=1)))
    assert [(each.source, each.text) for each in found] == [
        ("one", "a"),
        ("two", "b"),
        ("one", "d"),
    ]


def test_following_goes_on_where_it_broke_and_with_who_comes(monkeypatch):
    monkeypatch.setattr(logs, "LOOK_SECONDS", 0.02)
    first = container("first", "app-new", printed=(line(1, "a"), line(2, "b")))
    there = [first]
    lines = logs.following(lambda: list(there), NOW)
    assert [each.text for each in islice(lines, 2)] == ["a", "b"]
    # The connection has ended; the engine sends the last line again, and another.
    first.printed = [line(2, "b"), line(3, "c")]
    assert next(lines).text == "c"
    there.append(container("second", "app-new", printed=(line(4, "d"),)))
    assert next(lines).source == "second"
    assert first.asked[0]["follow"]


def test_a_line_without_a_time_is_shown_as_it_is():
    assert logs.parsed("app", b"what is this").text == "what is this"


# Files


class Archives(Fake):
    """An engine whose containers have one file."""

    def file(self, container: str, path: str) -> bytes:
        return Engine.file(self, container, path)

    def container(self, name: str) -> Any:
        return self

    def get_archive(self, path: str) -> Any:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo("DATABASE_URL")
            entry.size = 6
            archive.addfile(entry, io.BytesIO(b"secret"))
        return iter([packed.getvalue()]), {}


def test_a_secret_is_read_from_its_file():
    assert Archives().file("s-app-0", "/run/secrets/DATABASE_URL") == b"secret"


@pytest.mark.parametrize(
    "name", ["", "/x", "../x", "a//b", "a/../b", "-rf", ".x", "a b"]
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(OpsError, match="no name of a file"):
        VolumeStore(Fake(), "s-backup", "/backups").delete(name)


@pytest.mark.parametrize("address", ["tcp://host:2375", "host", "ssh://"])
def test_an_address_of_no_engine_is_refused(address):
    with pytest.raises(OpsError, match="no address of a Docker engine"):
        Engine(address).container("x")


def test_an_engine_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(OpsError, match="does not answer"):
        Engine(f"unix://{tmp_path}/nobody.sock").container("x")


def test_a_disk_is_as_df_has_it_in_the_container():
    class Answering:
        def output(self, container: str, command: list[str]) -> str:
            assert (container, command) == ("database", ["df", "-Pk", "/data"])
            return (
                "Filesystem 1024-blocks     Used Available Capacity Mounted on\n"
                "/dev/sda1     20511312 15383484   4081332      80% /data\n"
            )

    engine: Any = Answering()
    total, used, free = facts.space(engine, "database", "/data")
    assert (total, used, free) == (20511312 * 1024, 15383484 * 1024, 4081332 * 1024)
    measure = facts.disk(engine, "disk", "database", "/data")
    assert (measure.value, measure.note) == (79.0, "3.9 GiB of 19.6 GiB left")
