"""What cloud-init and systemd themselves say about the generated files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from host.cloud_init import HostArgs, render

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh/v1rFaQX7o0TQW2PBLGDm3Q4+qqMOv32Nst7NLVbh"
SCHEMA = "./usr/lib/python3/dist-packages/cloudinit/config/schemas/"


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Draft4Validator:
    """Cloud-init's own schema, as `cloud-init schema` uses it, out of its package."""
    directory = tmp_path_factory.mktemp("package")
    try:
        subprocess.run(
            ["apt-get", "download", "-qq", "cloud-init"],
            check=True,
            cwd=directory,
            capture_output=True,
            timeout=120,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"cannot download the package cloud-init: {problem}")
    (package,) = directory.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    schema = directory / SCHEMA / "schema-cloud-config-v1.json"
    return Draft4Validator(json.loads(schema.read_text()))


def _config(**changes: Any) -> dict[str, Any]:
    config = yaml.safe_load(render(HostArgs(ssh_keys=(KEY,), **changes)))
    assert isinstance(config, dict)
    return config


@pytest.mark.parametrize(
    "changes", [{"swap_gib": 0}, {"swap_gib": 4}, {"docker_disk": "/dev/sdb"}]
)
def test_cloud_init_finds_nothing_wrong(
    validator: Draft4Validator, changes: dict[str, Any]
) -> None:
    errors = validator.iter_errors(_config(**changes))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "mistake", [{"users": 5}, {"write_files": [{"content": "no path"}]}, {"swap": []}]
)
def test_cloud_init_would_find_a_mistake(
    validator: Draft4Validator, mistake: dict[str, Any]
) -> None:
    assert list(validator.iter_errors(_config() | mistake))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    files = {file["path"]: file["content"] for file in _config()["write_files"]}
    unit = tmp_path / "host-firewall.service"
    # The program is installed on the host only; any other serves here.
    unit.write_text(
        files["/etc/systemd/system/host-firewall.service"].replace(
            "/usr/local/sbin/host-firewall", "/bin/true"
        )
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
