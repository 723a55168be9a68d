"""The stack of the Docker host, deployed to a test's engine, and questions to it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.__main__ import LOOPBACK, configuration
from local.deployment import Deployment
from local.project import Project
from rehearsal.pulumi_cli import Result
from tests.docker.base_images import NGINX, NODE
from tests.docker.engine import Engine

CLONE = Path(__file__).parents[2]
HTTP_PORT = 8080
HTTPS_PORT = 8443
ADDRESS = f"https://{LOOPBACK}:{HTTPS_PORT}"
LOAD_SECONDS = 240.0
"""The longest that requests go on, whatever happens."""

FIRST = "stromhaltig-test/app:1"
SECOND = "stromhaltig-test/app:2"
UNHEALTHY = "stromhaltig-test/app:unhealthy"
BROKEN_MIGRATION = "stromhaltig-test/app:broken-migration"

# It listens, so that only its health keeps requests away from it.
_ERRING = "require('http').createServer((_, r) => r.writeHead(500).end()).listen(3001)"
_DERIVED = {
    UNHEALTHY: f'CMD ["node", "-e", "{_ERRING}"]',
    BROKEN_MIGRATION: "COPY 004_broken.sql /app/migrations/\n"
    "COPY 004_broken.sql /app/migrations/rollback/",
}

_CLIENT = Path(__file__).with_name("client.py")
_SECRETS = {
    "random:index/randomPassword:RandomPassword": "result",
    "tls:index/privateKey:PrivateKey": "privateKeyPem",
}
"""Types that make a secret, and the output that it is in."""

_NOT_OURS = (".git", ".local", ".rehearsal")


def link_clone(folder: Path) -> None:
    """Make a clone to deploy from, which has a state of its own."""
    for entry in CLONE.iterdir():
        if entry.name not in _NOT_OURS:
            (folder / entry.name).symlink_to(entry)


def build_releases(engine: Engine, folder: Path) -> None:
    """Build two releases of the app, and two that must not replace them.

    folder: empty, for what they are built from.
    """
    for version, image in enumerate((FIRST, SECOND), 1):
        arguments = (f"--build-arg=NODE_IMAGE={NODE}", f"--build-arg=VERSION={version}")
        engine.build("--tag", image, *arguments, CLONE / "app")
    (folder / "004_broken.sql").write_text("SELECT nothing FROM nowhere;\n")
    for image, instructions in _DERIVED.items():
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(f"FROM {FIRST}\n{instructions}\n")
        engine.build("--tag", image, folder)


def settings(project: Project, engine: Engine, image: str) -> dict[str, Any]:
    """What `make local` sets, for this engine, and without limits on our requests."""
    config = configuration(
        project.stack_config(), engine.host, image, HTTP_PORT, HTTPS_PORT
    )
    config["proxy"] |= {"image": NGINX, "api_per_second": 10_000, "api_burst": 10_000}
    # Fewer would make no roll-out; more only take longer.
    config["service"] = {"replicas": 2, "memory": 256, "start_timeout": 45}
    return config


@dataclass(frozen=True)
class Site:
    """What is deployed."""

    engine: Engine
    deployment: Deployment

    def up(self, image: str) -> Result:
        """Deploy an image."""
        project = self.deployment.project
        project.inject(settings(project, self.engine, image))
        return self.deployment.pulumi("up", "--yes", "--skip-preview")

    def get(self, url: str) -> dict[str, Any]:
        """Status, headers and body of an answer."""
        command = [*self.engine.inside, sys.executable, _CLIENT, "get", url]
        asked = subprocess.run(command, capture_output=True, check=True)
        told: dict[str, Any] = json.loads(asked.stdout)
        return told

    def until_ready(self, seconds: float = 60) -> bool:
        """Whether the app answers that it is ready, within some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.get(f"{ADDRESS}/api/health")["status"] == 200:
                return True
            time.sleep(1)
        return False

    @contextmanager
    def under_load(self, path: str) -> Iterator[dict[str, Any]]:
        """Ask for a path all the time; the results are there on leaving."""
        url = f"{ADDRESS}{path}"
        load = ["load", url, str(LOAD_SECONDS)]
        results: dict[str, Any] = {}
        with subprocess.Popen(
            [*self.engine.inside, sys.executable, _CLIENT, *load],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as asking:
            try:
                yield results
            finally:
                told, _ = asking.communicate(timeout=LOAD_SECONDS)
        results.update(json.loads(told))

    def containers(self, *, ended: bool = False) -> dict[str, Mapping[str, Any]]:
        """Name -> what `docker inspect` shows; with those that do not run."""
        ids = self.engine.docker("ps", "--quiet", *(["--all"] if ended else [])).split()
        shown = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {container["Name"].lstrip("/"): container for container in shown}

    def app(self) -> dict[str, Mapping[str, Any]]:
        """The containers that serve the app."""
        return {
            name: shown
            for name, shown in self.containers().items()
            if name.startswith("stromhaltig-local-app-")
        }

    def query(self, sql: str) -> str:
        """What the database answers to the app's role."""
        psql = ("psql", "--no-align", "--tuples-only", "--username=stromhaltig")
        command = ("exec", "stromhaltig-local-database", *psql, "--command", sql)
        return self.engine.docker(*command)

    def secrets(self) -> list[str]:
        """Every generated secret, from the state."""
        exported = self.deployment.pulumi("stack", "export", "--show-secrets")
        resources = json.loads(exported.stdout)["deployment"]["resources"]
        found = [
            resource["outputs"].get("result")
            or resource["outputs"].get("privateKeyPem")
            for resource in resources
            if resource["type"].endswith(("RandomPassword", ":PrivateKey"))
        ]
        return [_plain(secret) for secret in found]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return str(json.loads(value["plaintext"]))
    return str(value)
