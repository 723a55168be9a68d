"""The app's image on a real engine: built, run as our stacks run it, looked into."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.image import measure
from contract import APP
from settings.docker import Database
from tests.docker.base_images import NODE
from tests.docker.engine import Engine

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "app"
IMAGE = "stromhaltig-test/app"
NETWORK = "image-test"
DATABASE = "image-test-db"
SERVER = "image-test-app"

LABELS = {"VERSION": "1.2.3", "REVISION": "0a1b2c3", "CREATED": "2026-01-02T03:04:05Z"}
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://postgres:only-here@{DATABASE}/postgres",
    "JWT_SECRET": "j" * 48,
    "HEALTH_CHECK_TOKEN": "h" * 48,
    "LOG_FILE": "/app/logs/app.log",
    # Nobody listens there: that the library for it loads is what counts.
    "SENTRY_DSN": "https://key@127.0.0.1/1",
}
START_SECONDS = 60


def options() -> list[str]:
    """How our stacks run the image: see components/docker and the task definition."""
    volumes = (
        f"--mount=type=volume,source={SERVER}-{Path(folder).name},target={folder}"
        for folder in (APP.upload_dir, APP.log_dir)
    )
    return [
        *LOCKED_DOWN,
        f"--network={NETWORK}",
        *volumes,
        f"--tmpfs={APP.temp_dir}",
        *(f"--env={name}={value}" for name, value in ENVIRONMENT.items()),
    ]


def ask(docker: Engine, path: str, **init: object) -> dict:
    """Status, headers and text that the app answers, asked inside its container."""
    script = f"""
        const r = await fetch("http://127.0.0.1:{APP.port}{path}", {json.dumps(init)});
        const headers = Object.fromEntries(r.headers);
        const text = await r.text();
        console.log(JSON.stringify({{ status: r.status, headers, text }}));
    """
    node = ("node", "--input-type=module", "--eval", script)
    return json.loads(docker.docker("exec", SERVER, *node))


def state(docker: Engine, container: str = SERVER) -> dict:
    return json.loads(docker.docker("inspect", "--format={{json .State}}", container))


def inside(
    docker: Engine, program: str, *arguments: str, options: tuple[str, ...] = ()
) -> str:
    """What a program in the image prints, run without the app."""
    apart = ("--rm", "--network=none", f"--entrypoint={program}", *options)
    return docker.docker("run", *apart, *LOCKED_DOWN, IMAGE, *arguments)


@pytest.fixture(scope="module")
def image(docker: Engine, base_images: None) -> str:
    values = {"NODE_IMAGE": NODE, **LABELS}
    arguments = [f"--build-arg={name}={value}" for name, value in values.items()]
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", IMAGE, *arguments, FOLDER],
        env=docker.environment | {"DOCKER_BUILDKIT": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return IMAGE


@pytest.fixture(scope="module")
def database(docker: Engine, base_images: None) -> Iterator[None]:
    docker.docker("network", "create", NETWORK)
    docker.docker(
        *("run", "--detach", "--name", DATABASE, "--network", NETWORK),
        *("--env=POSTGRES_PASSWORD=only-here", Database().image),
    )
    yield
    docker.docker("rm", "--force", "--volumes", DATABASE)
    docker.docker("network", "rm", NETWORK)


@pytest.fixture(scope="module")
def migrated(docker: Engine, image: str, database: None) -> str:
    """What the migration said."""
    return docker.docker("run", "--rm", *options(), image, *APP.migrate_command)


@pytest.fixture(scope="module")
def server(docker: Engine, image: str, migrated: str) -> Iterator[None]:
    """The app, running and healthy."""
    sooner = "--health-interval=1s"
    docker.docker("run", "--detach", "--name", SERVER, sooner, *options(), image)
    until = time.monotonic() + START_SECONDS
    while (health := state(docker)["Health"])["Status"] == "starting":
        assert time.monotonic() < until, health
        time.sleep(0.2)
    yield
    docker.docker("rm", "--force", "--volumes", SERVER)
    docker.docker("volume", "rm", f"{SERVER}-uploads", f"{SERVER}-logs")


def test_it_migrates_with_the_command_of_the_contract(docker, image, migrated):
    assert "The database is at version 003" in migrated
    again = docker.docker("run", "--rm", *options(), image, *APP.migrate_command)
    assert "Applied" not in again


def test_it_turns_healthy_on_a_read_only_root_without_privileges(docker, server):
    health = state(docker)["Health"]
    assert health["Status"] == "healthy", health
    assert docker.docker("exec", SERVER, "id", "-u") == str(APP.uid)
    assert docker.docker("exec", SERVER, "id", "-g") == str(APP.gid)


def test_its_health_check_fails_when_nothing_answers(docker, image):
    _, program, *arguments = APP.health_command()
    # It fails and says nothing: the answer is its exit code.
    with pytest.raises(AssertionError, match=r"^docker run: $"):
        inside(docker, program, *arguments)


def test_it_serves_the_api_and_the_client(docker, server):
    assert ask(docker, APP.health_path)["status"] == 200
    page = ask(docker, "/", headers={"Accept": "text/html"})
    assert page["status"] == 200
    route = ask(docker, "/dokumente", headers={"Accept": "text/html"})
    assert route["text"] == page["text"]
    script = page["text"].split('src="')[1].split('"')[0]
    asset = ask(docker, script)
    assert asset["status"] == 200
    assert "immutable" in asset["headers"]["cache-control"]


def test_it_keeps_what_an_unprivileged_user_uploads(docker, server):
    account = {"email": "a@example.org", "password": "correct horse"}
    add = ("npm", "run", "--silent", "user:add", "--", account["email"])
    password = account["password"].encode()
    docker.docker("exec", "--interactive", SERVER, *add, stdin=password)
    login = ask(
        docker,
        "/api/auth/login",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps(account),
    )
    token = json.loads(login["text"])["token"]
    part = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
    uploaded = ask(
        docker,
        "/api/documents/upload",
        method="POST",
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "multipart/form-data; boundary=b",
        },
        body=f"--b\r\n{part}\r\n\r\nkWh\r\n--b--\r\n",
    )
    assert uploaded["status"] == 201, uploaded["text"]
    name = json.loads(uploaded["text"])["id"]
    assert docker.docker("exec", SERVER, "cat", f"{APP.upload_dir}/{name}") == "kWh"


def test_it_writes_its_log_to_standard_output_and_to_the_volume(docker, server):
    assert "Listening" in docker.docker("logs", SERVER)
    assert "Listening" in docker.docker("exec", SERVER, "cat", "/app/logs/app.log")


def test_the_app_cannot_change_itself(docker, image):
    owned = inside(docker, "find", "/app", "-user", str(APP.uid)).splitlines()
    assert sorted(owned) == [APP.log_dir, APP.upload_dir]


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["alone", "under an init"])
def test_it_stops_in_seconds_when_asked(init, docker, image, migrated):
    name = "image-test-stop"
    docker.docker("run", "--detach", "--name", name, *init, *options(), image)
    try:
        until = time.monotonic() + START_SECONDS
        while "Listening" not in docker.docker("logs", name):
            assert time.monotonic() < until
            time.sleep(0.2)
        # Whoever does not go in time is killed, and then the code is 137.
        docker.docker("stop", "--time=15", name)
        assert state(docker, name)["ExitCode"] == 0, docker.docker("logs", name)
        assert "Stopped" in docker.docker("logs", name)
    finally:
        docker.docker("rm", "--force", "--volumes", name)


def test_it_has_the_packages_of_production_and_no_others(docker, image):
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    folders = inside(docker, "find", "node_modules", "-name", "package.json")
    installed = {str(Path(file).parent) for file in folders.splitlines()}
    for development in (path for path, entry in packages.items() if entry.get("dev")):
        assert development not in installed
    declared = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert {f"node_modules/{name}" for name in declared} <= installed


def test_it_has_what_runs_and_nothing_else(docker, image):
    top = inside(docker, "ls", "--almost-all", "/app").split()
    assert set(top) == {
        "authorities",
        "client",
        "dist",
        "logs",
        "migrations",
        "node_modules",
        "package.json",
        "uploads",
    }
    assert inside(docker, "ls", "--almost-all", "/app/client").split() == ["dist"]
    ours = ("/app/client", "/app/dist", "/app/migrations")
    assert inside(docker, "find", *ours, "-name", "*.ts", "-o", "-name", "*.tsx") == ""
    assert inside(docker, "find", "/app/node_modules", "-name", "*.map") == ""
    strays = ("-name", ".npm", "-o", "-name", ".env*")
    assert inside(docker, "find", APP.temp_dir, "/app", *strays) == ""


def test_it_trusts_the_authorities_of_rds(docker, image):
    script = """
        const { X509Certificate } = require('node:crypto');
        const { getCACertificates } = require('node:tls');
        for (const pem of getCACertificates('extra'))
          console.log(new X509Certificate(pem).subject);
    """
    subjects = inside(docker, "node", "--eval", script)
    assert "CN=Amazon RDS eu-central-1 Root CA RSA2048 G1" in subjects


def test_it_has_the_programs_of_its_jobs(docker, image):
    assert inside(docker, "pg_dump", "--version").startswith("pg_dump (PostgreSQL) 15.")
    assert inside(docker, "tar", "--version").startswith("tar (GNU tar)")


def test_each_job_asks_for_what_it_lacks(docker, image):
    """Which shows that its command is there, and starts on a read-only root."""
    temporary = f"--tmpfs={APP.temp_dir}"
    for job in APP.jobs:
        script = f"{' '.join(job.command)} 2>&1; echo $?"
        said = inside(docker, "sh", "-c", script, options=(temporary,))
        assert said.splitlines()[-1] == "78", said
        missing = {*APP.job_secrets(job)} | {"BACKUP_BUCKET"} & {
            *APP.job_environment(job, {}, bucket="b", region="r")
        }
        assert missing
        for name in missing:
            assert f"{name}: is missing" in said


def test_it_says_what_it_is(docker, image):
    described = docker.docker("inspect", "--format={{json .Config}}", image)
    config = json.loads(described)
    for name, value in LABELS.items():
        label = f"org.opencontainers.image.{name.lower()}"
        assert config["Labels"][label] == value
    assert config["User"] == f"{APP.uid}:{APP.gid}"
    assert set(config["Volumes"]) == set(APP.writable_dirs)


def test_it_adds_little_to_its_base_and_is_rebuilt_from_what_is_there(docker, image):
    figures = measure(NODE, docker.environment)
    print(figures)
    if "BENCH_OUT" in os.environ:
        values = {**vars(figures), "added_mb": figures.added_mb}
        Path(os.environ["BENCH_OUT"]).write_text(json.dumps(values, indent=2))
    assert figures.added_mb < 90
    # How long it takes is the machine's; that no package is installed again is ours.
    assert max(figures.server_rebuild_s, figures.client_rebuild_s) < figures.cold_s
