"""A new source is a new release: the real engine, with the build recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.cloud import EmbeddedCloud
from rehearsal.engine import ensure
from rehearsal.provider.docker_build import IMAGE
from rehearsal.pulumi_cli import Result, create_stack, run_pulumi
from rehearsal.workspace import Workspace
from tests.rehearsal.programs import Heard

ROOT = Path(__file__).parents[2]
TASK = "aws:ecs/taskDefinition:TaskDefinition"
PROGRAM = """\
import json, sys
sys.path.insert(0, {root!r})
import pulumi
import pulumi_aws as aws
from components.image import AppImage, AppImageArgs, Build, Login

repository = aws.ecr.Repository("app", image_tag_mutability="IMMUTABLE")
token = aws.ecr.get_authorization_token_output()
image = AppImage("app", AppImageArgs(build=Build(
    context={context!r},
    repository=repository.repository_url,
    login=Login(
        address=repository.repository_url,
        username=token.user_name,
        password=token.password,
    ),
)))
container = {{"name": "app", "memory": 64}}
aws.ecs.TaskDefinition(
    "app",
    family="app",
    container_definitions=image.ref.apply(
        lambda ref: json.dumps([{{**container, "image": ref}}])
    ),
)
pulumi.export("ref", image.ref)
"""

Pulumi = Callable[..., Result]

pytestmark = pytest.mark.slow


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The one file that the image is built from."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY main /\n", encoding="utf-8")
    (folder / "main").write_text("1", encoding="utf-8")
    return folder / "main"


@pytest.fixture
def pulumi(tmp_path: Path, source: Path) -> Iterator[Pulumi]:
    """The engine with the embedded cloud, in a project that deploys the source."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "Pulumi.yaml").write_text("name: app\nruntime: python\n")
    config = "config:\n  aws:region: eu-central-1\n"
    (clone / "Pulumi.test.yaml").write_text(config, encoding="utf-8")
    program = PROGRAM.format(root=str(ROOT), context=str(source.parent))
    (clone / "__main__.py").write_text(program, encoding="utf-8")
    engine = ensure(progress=Heard())
    with (
        Workspace(clone, "test") as workspace,
        EmbeddedCloud(0, tmp_path / "cloud.log") as cloud,
    ):
        env = cloud.addresses.for_engine()
        create_stack(engine, workspace, env=env)

        def run(*arguments: str) -> Result:
            result = run_pulumi(engine, workspace, arguments, env=env)
            assert result.returncode == 0, result.stdout + result.stderr
            return result

        yield run


def happens(result: Result, token: str) -> str:
    """What a command does to the one resource of a type."""
    operations = [event.op for event in result.events if event.type == token]
    return operations[0]


def image(pulumi: Pulumi) -> dict[str, Any]:
    """The image in the state."""
    state = yaml.safe_load(pulumi("stack", "export").stdout)
    resources = state["deployment"]["resources"]
    [found] = [each["outputs"] for each in resources if each["type"] == IMAGE]
    return dict(found)


def test_a_changed_source_rolls_out_and_a_former_one_gets_a_new_tag(pulumi, source):
    pulumi("up", "--yes", "--skip-preview")
    first = image(pulumi)
    assert "ciphertext" in first["registries"], "the password is in clear in the state"
    assert happens(pulumi("preview"), IMAGE) == "same"

    source.write_text("2", encoding="utf-8")
    planned = pulumi("preview")
    assert happens(planned, IMAGE) == "update"
    assert happens(planned, TASK) == "create-replacement"
    pulumi("up", "--yes", "--skip-preview")
    second = image(pulumi)
    assert second["digest"] != first["digest"]
    shown = yaml.safe_load(pulumi("stack", "output", "--json").stdout)
    assert shown["ref"].endswith(f"@{second['digest']}")

    source.write_text("1", encoding="utf-8")
    pulumi("up", "--yes", "--skip-preview")
    third = image(pulumi)
    assert third["digest"] == first["digest"]
    assert not {*third["tags"]} & {*first["tags"], *second["tags"]}
