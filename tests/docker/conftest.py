"""Fixtures of the tests that need containers: one engine for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.commands import ToolError
from rehearsal.progress import ConsoleProgress
from tests.docker.base_images import load_base_images
from tests.docker.engine import Engine, NoEngineError, engine


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
