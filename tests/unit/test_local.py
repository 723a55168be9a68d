"""What `make local` makes of the committed stack file, and what it says is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local import host
from local.__main__ import configuration
from settings import parse

ROOT = Path(__file__).parents[2]
ADDRESS = "unix:///run/user/1000/docker.sock"


@pytest.fixture
def committed():
    text = (ROOT / "Pulumi.docker.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["config"]


def settings_of(committed, image=""):
    changes = configuration(committed, ADDRESS, image, 8080, 8443)
    changed = {f"stromhaltig:{key}": value for key, value in changes.items()}
    return parse("local", committed | changed, secret_keys=())


def test_the_committed_stack_file_fits_this_machine(committed, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = settings_of(committed)
    assert settings.host.address == ADDRESS
    assert settings.image.context == "app"
    assert settings.domain is None
    assert not settings.protect
    assert settings.proxy.certificate == "self-signed"
    assert settings.proxy.bind == "127.0.0.1"


def test_an_image_that_exists_is_deployed_as_it_is(committed):
    assert settings_of(committed, "stromhaltig:1.2").image.ref == "stromhaltig:1.2"


def test_what_the_stack_file_says_of_a_build_holds(committed, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = {"NODE_IMAGE": "node:24-alpine"}
    committed["stromhaltig:image"] = {"ref": "a:1", "build_args": arguments}
    image = settings_of(committed).image
    assert (image.ref, image.context, image.build_args) == (None, "app", arguments)


def test_what_the_stack_file_says_of_the_proxy_holds(committed):
    committed["stromhaltig:proxy"] |= {"login_per_minute": 7, "email": "a@example.org"}
    proxy = settings_of(committed, "stromhaltig:1.2").proxy
    assert proxy.login_per_minute == 7
    assert proxy.email is None


def test_the_engine_is_the_one_of_docker_host(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", ADDRESS)
    assert host.address() == ADDRESS


def test_without_docker_the_usual_socket_is_meant(monkeypatch, tmp_path):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.address() == "unix:///var/run/docker.sock"
    (reason,) = host.lacks(host.address(), builds=True)
    assert "There is no `docker` on PATH. Install Docker" in reason


def test_all_that_is_missing_is_said_at_once(monkeypatch, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Is the docker daemon running?' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    silent, no_buildx = host.lacks(ADDRESS, builds=True)
    assert f"No Docker engine answers at {ADDRESS}: Is the docker daemon" in silent
    assert "no buildx" in no_buildx
    assert "--image" in no_buildx


def test_an_image_that_exists_needs_no_buildx(monkeypatch, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" != buildx ]\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert list(host.lacks(ADDRESS, builds=False)) == []
    assert len(list(host.lacks(ADDRESS, builds=True))) == 1
