"""Plugins that are kept, built, or said to be missing; downloads need the internet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rehearsal import plugins
from rehearsal.engine import TOOLS, Engine
from rehearsal.plugins import SOURCES, PluginError, install
from tests.rehearsal.programs import Heard, only_these_on_path, program

GO = """
case $1 in
  env) echo go1.26.8 ;;
  list) printf 'one\\ntwo\\n' ;;
  build)
    echo "$@" >> {builds}
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho plugin\\n' > "$2"
    chmod 755 "$2" ;;
esac
"""


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """A machine without internet, whose Go writes down what it is asked to build."""
    monkeypatch.setattr(plugins, "_online", lambda: False)
    monkeypatch.setenv("STROMHALTIG_CACHE", str(tmp_path / "cache"))
    bin_dir = only_these_on_path(monkeypatch, tmp_path / "bin", "sh", "chmod")
    log = tmp_path / "builds"
    program(bin_dir / "go", GO.format(builds=log))
    return log


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path / "pulumi", "3.250.0", "path", tmp_path)


def test_what_cannot_be_downloaded_is_built_where_the_engine_looks(
    builds, engine, heard, tmp_path
):
    missing = install(["docker", "random"], engine, tmp_path / "home", heard)
    assert missing == ["random"]
    (plugin,) = (tmp_path / "home" / "plugins").glob("resource-docker-v*/*")
    assert plugin.name == "pulumi-resource-docker"
    assert plugin.resolve().is_file()
    assert "-tags=no_compose" in builds.read_text()


def test_the_plugin_says_the_version_of_the_sdk(builds, engine, heard, tmp_path):
    install(["docker"], engine, tmp_path / "home", heard)
    (folder,) = (tmp_path / "home" / "plugins").iterdir()
    version = folder.name.removeprefix("resource-docker-v")
    assert f"-X main.version={version}" in builds.read_text()


def test_what_was_built_once_is_found_again(builds, engine, heard, tmp_path):
    install(["docker"], engine, tmp_path / "home", heard)
    install(["docker"], engine, tmp_path / "other", heard)
    assert len(builds.read_text().splitlines()) == 1


def test_a_plugin_that_is_there_is_taken(builds, engine, heard, tmp_path):
    install(["docker"], engine, tmp_path / "home", heard)
    shutil.rmtree(tmp_path / "cache" / "plugin")
    (link,) = (tmp_path / "home" / "plugins").glob("*/*")
    link.unlink()
    link.write_text("downloaded")
    install(["docker"], engine, tmp_path / "home", heard)
    assert link.read_text() == "downloaded"


def test_a_build_that_fails_names_plugin_and_reason(builds, engine, heard, tmp_path):
    program(tmp_path / "bin" / "go", "[ $1 = env ] && echo go1.26.8 || exit 3")
    with pytest.raises(PluginError, match=r"docker .* get\.pulumi\.com nor built"):
        install(["docker"], engine, tmp_path / "home", heard)
    assert not list((tmp_path / "home").rglob("pulumi-resource-*"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_pinned(name):
    module: Path = TOOLS / SOURCES[name].module
    assert (module / "go.mod").is_file()
    assert (module / "go.sum").is_file()
