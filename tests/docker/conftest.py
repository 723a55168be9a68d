"""Fixtures of the tests that need containers: one engine for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from local.deployment import deployment
from local.project import Project
from rehearsal.commands import ToolError
from rehearsal.plugins import PluginError
from rehearsal.progress import ConsoleProgress
from tests.docker.base_images import load_base_images
from tests.docker.engine import Engine, NoEngineError, engine
from tests.docker.site import FIRST, Site, build_releases, link_clone


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """A Docker engine with nothing in it, or a skip that says why there is none."""
    # Short: the path of a socket may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="strom-docker-"))
    try:
        with engine(folder) as started:
            yield started
    except NoEngineError as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base_images(docker: Engine) -> None:
    """What images are built from, and run with, on a machine without a registry."""
    try:
        load_base_images(docker, ConsoleProgress(Console(stderr=True)))
    except (NoEngineError, ToolError) as reason:
        pytest.skip(f"no base images: {reason}")


@pytest.fixture(scope="session")
def images(
    docker: Engine, base_images: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The releases of the app that tests deploy."""
    build_releases(docker, tmp_path_factory.mktemp("derived"))


@pytest.fixture(scope="module")
def site(
    docker: Engine, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The first release, deployed for the tests of a module."""
    clone = tmp_path_factory.mktemp("clone")
    link_clone(clone)
    progress = ConsoleProgress(Console(stderr=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", docker.path)
        project = Project(clone)
        try:
            with project, deployment(project, docker.host, progress) as ready:
                site = Site(docker, ready)
                first = site.up(FIRST)
                assert first.returncode == 0, first.errors
                yield site
                # The next module deploys to the same engine.
                ready.pulumi("destroy", "--yes", "--skip-preview")
        except PluginError as reason:
            pytest.skip(str(reason))
