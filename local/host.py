"""This machine's Docker engine: where it is, and what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

ASK_SECONDS = 20.0
"""How long the engine may take to answer."""

_USUAL = "unix:///var/run/docker.sock"
_INSTALL = "https://docs.docker.com/engine/install"
_BUILDX = "https://github.com/docker/buildx#installing"


def address() -> str:
    """Return the engine that `docker` talks to: of DOCKER_HOST, or of its context."""
    if host := os.environ.get("DOCKER_HOST"):
        return host
    if shutil.which("docker") is None:
        return _USUAL
    form = "{{.Endpoints.docker.Host}}"
    asked = _docker("context", "inspect", "--format", form)
    return asked.stdout.strip() or _USUAL


def lacks(host: str, *, builds: bool) -> Iterator[str]:
    """What is missing for a deployment to an engine, each with its remedy.

    builds: whether an image is to be built there.
    """
    if shutil.which("docker") is None:
        yield f"There is no `docker` on PATH. Install Docker: {_INSTALL}"
        return
    asked = _docker("--host", host, "version", "--format", "{{.Server.Version}}")
    if asked.returncode != 0:
        said = (asked.stderr.strip() or "no answer").splitlines()[-1]
        yield (
            f"No Docker engine answers at {host}: {said} Start it (Linux: sudo "
            "systemctl start docker; you need to be in the group docker), or name "
            "another one in DOCKER_HOST."
        )
    if builds and _docker("buildx", "version").returncode != 0:
        yield (
            f"`docker` has no buildx, which builds the image. Install it: {_BUILDX}; "
            "or deploy an image that exists: make local ARGS='--image NAME:TAG'"
        )


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {ASK_SECONDS:g} s."
        return subprocess.CompletedProcess(command, 1, "", reason)
