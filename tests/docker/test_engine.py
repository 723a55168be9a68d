"""The engine of the tests itself: where it comes from, and that it leaves nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.docker.engine import CGROUPS, NoEngineError, engine


@pytest.fixture
def folder():
    # Short: the path of a socket may have 107 characters.
    made = Path(tempfile.mkdtemp(prefix="strom-docker-"))
    yield made
    shutil.rmtree(made)


def test_without_root_there_is_none_and_the_way_out_is_said(folder, monkeypatch):
    monkeypatch.delenv("STROMHALTIG_TEST_DOCKER", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NoEngineError, match="STROMHALTIG_TEST_DOCKER=host"):
        engine(folder).__enter__()


def test_the_engine_of_the_machine_is_taken_only_when_asked_for(folder, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_TEST_DOCKER", "host")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/nobody.sock")
    with pytest.raises(NoEngineError, match=r"nobody\.sock|no `docker` on PATH"):
        engine(folder).__enter__()


def test_another_choice_is_refused(folder, monkeypatch):
    monkeypatch.setenv("STROMHALTIG_TEST_DOCKER", "podman")
    with pytest.raises(NoEngineError, match="podman: use host or own"):
        engine(folder).__enter__()


@pytest.mark.slow
def test_an_engine_leaves_neither_process_nor_mount_nor_rule(folder, monkeypatch):
    monkeypatch.delenv("STROMHALTIG_TEST_DOCKER", raising=False)
    links, settings = Path("/sys/class/net"), Path("/etc/docker")
    before = sorted(links.iterdir()), settings.exists()
    try:
        with engine(folder) as own:
            own.docker("network", "create", "some")
            assert len(own.docker("network", "ls", "--quiet").split()) == 4
            assert str(folder) in _processes()
    except NoEngineError as reason:
        pytest.skip(str(reason))
    assert str(folder) not in _processes()
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert not list(CGROUPS.glob(f"**/stromhaltig-test-{folder.name}"))
    assert (sorted(links.iterdir()), settings.exists()) == before


def _processes() -> str:
    """The command lines of all processes."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_text(errors="replace"))
        except OSError:
            continue  # it has just ended
    return "\n".join(lines)
