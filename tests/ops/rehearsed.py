"""A stack like staging, brought up by the real engine on the embedded AWS.

It is made once for all tests of a run (of a worker, with pytest-xdist), in a copy of
the program: the developer's own rehearsal is not disturbed. Tests ask for `rehearsed`,
or for `stack`, which leads this process to it:

    def test_something(stack: Stack) -> None:
        assert Aws(stack).running() is not None

A test that changes what others look at puts it back. Faults are taken back for it.
Clients of AWS ask `aws` first, which a test can give answers to: for what the emulator
cannot show, and for errors. By itself it shows each roll-out as done, in place of the
emulator, which keeps a service's first deployment for ever.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from ops.stack import Stack
from rehearsal import engine as engines
from rehearsal.cloud import EmbeddedCloud
from rehearsal.engine import Engine
from rehearsal.progress import ConsoleProgress
from rehearsal.pulumi_cli import Result, create_stack, run_pulumi
from rehearsal.stack_file import YamlFile
from rehearsal.stages.aws import AwsStage
from rehearsal.workspace import Workspace
from tests.everything import copy_program
from tests.ops.recorded import Recorded

NAME = "staging"

DIFFERENT: Mapping[tuple[str, str], Any] = {
    ("service", "execute_command"): True,
}
"""What is set otherwise than in the committed stack file: section and key to value."""

FOREIGN = ("AWS_", "PULUMI_", "STROMHALTIG_")
"""Variables of this machine that tests must not see start like this."""


@dataclass(frozen=True)
class Rehearsed:
    """A stack that is up.

    folder: the project, to be the current folder. environment: everything that leads
    programs to the engine, the state and the emulator, and nowhere else.
    cloud: the emulator, whose `fail` injects failures.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]
    cloud: EmbeddedCloud
    workspace: Workspace
    engine: Engine

    @contextmanager
    def entered(self) -> Iterator[Recorded]:
        """Be in the project, with its environment, during the block.

        Yields what clients of AWS ask before the emulator.
        """
        aws = Recorded(emulated=True)
        aws.after("ecs.DescribeServices", _rolled_out)
        with pytest.MonkeyPatch.context() as patch:
            for variable in list(os.environ):
                if variable.startswith(FOREIGN):
                    patch.delenv(variable)
            for variable, value in self.environment.items():
                patch.setenv(variable, value)
            patch.chdir(self.folder)
            aws.install(patch)
            yield aws

    def pulumi(self, *arguments: str) -> Result:
        """Run the command-line tool, which must succeed."""
        result = run_pulumi(
            self.engine,
            self.workspace,
            arguments,
            env=self.cloud.addresses.for_engine(),
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result


@contextmanager
def rehearse(
    clone: Path, different: Mapping[tuple[str, str], Any] = DIFFERENT
) -> Iterator[Rehearsed]:
    """Have a stack during the block.

    clone: folder for the copy, not there yet. different: as DIFFERENT.
    """
    copy_program(clone)
    file = YamlFile.read(clone / f"Pulumi.{NAME}.yaml")
    for (section, key), value in different.items():
        file.put(("config", f"stromhaltig:{section}", key), value)
    file.write(clone / f"Pulumi.{NAME}.yaml")
    engine = engines.ensure(progress=ConsoleProgress(Console(stderr=True)))
    with (
        Workspace(clone, NAME) as workspace,
        EmbeddedCloud(0, workspace.project_dir / "cloud.log") as cloud,
    ):
        workspace.record_process(cloud.pid)
        stage = AwsStage(cloud, workspace.stack_config())
        supplies = stage.supply(workspace.stack_config())
        workspace.inject(supplies.config, supplies.secrets)
        attachment = cloud.addresses.for_engine()
        create_stack(engine, workspace, env=attachment)
        environment = engine.environment(
            workspace.environment() | attachment | dict(stage.client_environment)
        )
        stack = Rehearsed(
            NAME, workspace.project_dir, environment, cloud, workspace, engine
        )
        stack.pulumi("up", "--yes", "--skip-preview")
        yield stack


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """The stack of this run."""
    with rehearse(tmp_path_factory.mktemp("rehearsed") / "clone") as stack:
        yield stack


@pytest.fixture
def aws(rehearsed: Rehearsed) -> Iterator[Recorded]:
    """What clients of AWS ask, this process being in the project of the stack."""
    with rehearsed.entered() as aws:
        yield aws
    rehearsed.cloud.heal()


@pytest.fixture
def stack(rehearsed: Rehearsed, aws: Recorded) -> Stack:
    """The stack as commands see it."""
    return Stack(rehearsed.name)


@contextmanager
def opened(bucket: str) -> Iterator[None]:
    """Let a bucket take objects during the block.

    The emulator heeds no condition of a policy, and takes one that denies unencrypted
    calls for one that denies them all.
    """
    s3 = boto3.client("s3")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    try:
        yield
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def _rolled_out(answer: dict[str, Any]) -> None:
    """Say of each service what ECS says after a roll-out."""
    for service in answer["services"]:
        full = {"runningCount": service["desiredCount"], "pendingCount": 0}
        service.update(full)
        for deployment in service["deployments"]:
            deployment.update(
                full,
                desiredCount=service["desiredCount"],
                taskDefinition=service["taskDefinition"],
                rolloutState="COMPLETED",
                rolloutStateReason=f"ECS deployment {deployment['id']} completed.",
            )
