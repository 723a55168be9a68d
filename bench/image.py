"""The app's image: what it adds to its base, and how long it takes to build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

APP_FOLDER = Path(__file__).parents[1] / "app"
NAME = "stromhaltig-bench"

_MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ImageFigures:
    """What was measured of one image.

    base_mb, image_mb: size of the unpacked layers, in megabytes.
    cold_s: seconds of a build that reuses no layer. Packages that the builder has
        downloaded before are taken from its cache.
    server_rebuild_s, client_rebuild_s: seconds of a build after a change of one
        source file of the server, or of the client.
    """

    base_mb: float
    image_mb: float
    cold_s: float
    server_rebuild_s: float
    client_rebuild_s: float

    @property
    def added_mb(self) -> float:
        """Megabytes that a machine downloads which has the base."""
        return self.image_mb - self.base_mb

    def __str__(self) -> str:
        return (
            f"image: {self.image_mb:.0f} MB, {self.added_mb:.0f} MB over its base\n"
            f"cold build: {self.cold_s:.1f} s\n"
            f"rebuild after a change of the server: {self.server_rebuild_s:.1f} s, "
            f"of the client: {self.client_rebuild_s:.1f} s"
        )


def pinned_base() -> str:
    """The base that the Dockerfile names.

    Raises:
        ValueError: when it names none.
    """
    text = (APP_FOLDER / "Dockerfile").read_text()
    found = re.search(r"^ARG NODE_IMAGE=(\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("the Dockerfile has no ARG NODE_IMAGE")
    return found[1]


def measure(node_image: str, environment: Mapping[str, str]) -> ImageFigures:
    """Build the image three times, from a copy of its source, and remove it.

    Args:
        node_image: the base; one that the engine can have.
        environment: variables for `docker`, such as DOCKER_HOST.

    Raises:
        subprocess.CalledProcessError: when a build fails; what it said is on
            standard error.
    """
    docker = _Docker(dict(environment))
    base = docker.megabytes_of_base(node_image)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "app")
        shutil.copytree(APP_FOLDER, source, ignore=_not_source)
        try:
            cold = docker.build(source, node_image, "--no-cache")
            image = docker.megabytes(NAME)
            _change(source / "src" / "main.ts")
            server = docker.build(source, node_image)
            _change(source / "client" / "src" / "main.tsx")
            client = docker.build(source, node_image)
        finally:
            docker.run("image", "rm", "--force", NAME)
        return ImageFigures(
            base_mb=base,
            image_mb=image,
            cold_s=cold,
            server_rebuild_s=server,
            client_rebuild_s=client,
        )


@dataclass(frozen=True)
class _Docker:
    environment: dict[str, str]

    def build(self, source: Path, node_image: str, *options: str) -> float:
        """Build the image; the seconds that it took."""
        began = time.perf_counter()
        base = f"NODE_IMAGE={node_image}"
        self.run(
            "build", "--quiet", "--build-arg", base, "--tag", NAME, *options, source
        )
        return time.perf_counter() - began

    def megabytes_of_base(self, image: str) -> float:
        if not self.run("image", "ls", "--quiet", image):
            self.run("pull", "--quiet", image)
        return self.megabytes(image)

    def megabytes(self, image: str) -> float:
        return int(self.run("image", "inspect", "--format={{.Size}}", image)) / _MEGA

    def run(self, *arguments: str | os.PathLike[str]) -> str:
        # Clients before Docker 23 need to be told to use BuildKit.
        environment = self.environment | {"DOCKER_BUILDKIT": "1"}
        done = subprocess.run(
            ["docker", *arguments],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout


def _not_source(_folder: str, names: list[str]) -> set[str]:
    return {"node_modules", "dist"} & set(names)


def _change(source: Path) -> None:
    """Change a file as no build has seen it before, without a change of meaning."""
    with source.open("a") as file:
        file.write(f"// {uuid4()}\n")
