"""The rehearsal as its user runs it: real engine, real program, real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal.provider.aws import ROWS
from rehearsal.stack_file import YamlFile
from rehearsal.stages.aws import AwsStage
from tests.everything import DISPOSABLE, EVERYTHING, copy_program

ROOT = Path(__file__).parents[2]
PATIENCE = 600
STEPS = [
    "preview",
    "up",
    "preview again",
    "operations",
    "change",
    "drift",
    "failing update",
    "options off",
    "destroy",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program: the developer's own rehearsal is not disturbed."""
    target = tmp_path_factory.mktemp("clone") / "clone"
    copy_program(target)
    return target


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rehearsal", *arguments]


def rehearse(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def under_way(clone: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal whose first step has passed, so that `up` is running."""
    with subprocess.Popen(
        command("run", *arguments),
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        passed = any("✓ preview" in line for line in process.stdout)
        assert passed, f"the rehearsal ended with {process.wait()}"
        time.sleep(3)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def processes_in(clone: Path) -> list[str]:
    """Command lines of what still runs in or for the clone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            where = str((folder / "cwd").readlink())
        except OSError:
            continue
        if str(clone) in line or where.startswith(str(clone)):
            found.append(line)
    return found


def gone(clone: Path, seconds: float = 20) -> bool:
    """Whether everything ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not processes_in(clone):
            return True
        time.sleep(0.2)
    return False


RANDOM = {
    "random:index/randomId:RandomId",
    "random:index/randomPassword:RandomPassword",
}
IN_STAGING = {
    "aws:budgets/budget:Budget",
    "aws:efs/backupPolicy:BackupPolicy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy",
}
FOR_REVIEWS = {
    "aws:lambda/invocation:Invocation",
    "aws:lb/listenerCertificate:ListenerCertificate",
}
IN_PRODUCTION = {
    *IN_STAGING,
    "aws:backup/plan:Plan",
    "aws:backup/selection:Selection",
    "aws:elasticache/parameterGroup:ParameterGroup",
    "aws:elasticache/subnetGroup:SubnetGroup",
}
WITH_EVERYTHING = {
    *IN_PRODUCTION,
    "aws:backup/restoreTestingPlan:RestoreTestingPlan",
    "aws:backup/restoreTestingSelection:RestoreTestingSelection",
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
}


@pytest.mark.parametrize(
    ("stack", "least", "recorded"),
    [
        ("production", 180, IN_PRODUCTION),
        (
            "staging",
            150,
            IN_STAGING | {"aws:lb/listenerCertificate:ListenerCertificate"},
        ),
        (EVERYTHING, 250, WITH_EVERYTHING),
        (DISPOSABLE, 250, WITH_EVERYTHING),
    ],
)
def test_each_stack_on_aws_passes_every_step(clone, stack, least, recorded):
    done = rehearse(clone, "run", "--stack", stack, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["passed"]
    assert [step["name"] for step in report["steps"]] == STEPS
    assert sum(report["emulated"].values()) >= least
    assert report["recorded"].keys() == RANDOM | recorded
    assert not report["recorded"].keys() & ROWS.keys()
    assert "domain.zone_id" in report["injected"]
    assert processes_in(clone) == []
    assert not (clone / ".rehearsal" / stack).exists()


def test_every_recorded_type_of_aws_is_explained():
    said = (ROOT / "docs/rehearsal.md").read_text()
    for token in WITH_EVERYTHING | FOR_REVIEWS:
        _, module, name = token.split(":")
        assert f"`{module.split('/')[0]}.{name}`" in said


def test_the_docker_host_passes_every_step_and_is_only_recorded(clone):
    done = rehearse(clone, "run", "--stack", "docker", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert [step["name"] for step in report["steps"]] == [
        step for step in STEPS if step != "operations"
    ]
    assert report["emulated"] == {}
    recorded = report["recorded"]
    assert recorded["docker:index/container:Container"] >= 10
    assert recorded["docker:index/volume:Volume"] >= 5
    assert "that containers start" in " ".join(report["unproven"])
    facts = {step["name"]: " ".join(step["facts"]) for step in report["steps"]}
    assert "stromhaltig-docker-app-0" in facts["change"]
    assert "made before the old one was deleted" in facts["change"]
    assert "2 containers of the release before" in facts["failing update"]
    volumes = [kept for kept in report["kept"] if not kept.startswith("image ")]
    assert volumes == ["volume stromhaltig-docker-backups"]
    assert processes_in(clone) == []


@pytest.fixture
def altered(clone, tmp_path):
    """A clone in which one text of one file is another."""

    def alter(file: str, old: str, new: str) -> Path:
        target = tmp_path / "clone"
        shutil.copytree(clone, target, ignore=shutil.ignore_patterns(".rehearsal"))
        text = (target / file).read_text()
        assert text.count(old) == 1
        (target / file).write_text(text.replace(old, new))
        return target

    return alter


def test_a_gap_between_two_releases_of_the_docker_host_fails(altered):
    confinement = "components/docker/confinement.py"
    gap = altered(confinement, "delete_before_replace=False", "protect=False")
    done = rehearse(gap, "run", "--stack", "docker", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["steps"][-1]["name"] == "change"
    assert "was deleted before the new one was there" in done.stdout


def test_taking_over_an_unhealthy_release_of_the_docker_host_fails(altered):
    confinement = "components/docker/confinement.py"
    careless = altered(confinement, '    "#initerror",\n', "")
    done = rehearse(careless, "run", "--stack", "docker", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["steps"][-1]["name"] == "failing update"
    assert "(never healthy)" in done.stdout


def test_only_aws_can_be_rehearsed_with_official_plugins(clone):
    done = rehearse(clone, "run", "--stack", "docker", "--plugins", "official")
    assert done.returncode == 2
    assert "--plugins official: only AWS is emulated" in done.stderr


def test_the_stack_files_are_used_but_not_written(clone):
    for file in ROOT.glob("Pulumi*.yaml"):
        assert (clone / file.name).read_bytes() == file.read_bytes()


def test_interrupting_leaves_no_process_and_no_state(clone):
    with under_way(clone, "--stack", "staging") as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert gone(clone), processes_in(clone)
    assert not (clone / ".rehearsal" / "staging").exists()


@pytest.fixture
def killed(clone: Path) -> Path:
    """A clone whose rehearsal was killed in the middle of `up`."""
    with under_way(clone, "--stack", "staging") as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return clone


def test_a_killed_rehearsal_leaves_no_process_and_the_next_one_cleans_up(killed):
    assert gone(killed), processes_in(killed)
    assert (killed / ".rehearsal" / "staging" / "state").exists()
    done = rehearse(killed, "run", "--stack", "staging")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Cleaned up after the rehearsal of staging" in done.stdout


def test_a_second_rehearsal_at_the_same_time_is_refused(clone):
    with under_way(clone, "--stack", "staging") as first:
        second = rehearse(clone, "run", "--stack", "production")
        assert second.returncode == 2
        assert f"pid {first.pid}" in second.stderr
        assert "Another rehearsal is running" in second.stderr


def test_a_port_in_use_is_named_and_nothing_is_left(clone):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = rehearse(clone, "run", "--port", str(port))
    assert done.returncode == 2
    assert f"--port {port}: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Choose another port" in done.stderr
    assert not (clone / ".rehearsal" / "production").exists()


def test_an_unknown_stack_names_those_that_exist(clone):
    done = rehearse(clone, "run", "--stack", "prodution")
    assert done.returncode == 2
    assert (
        "Stacks here: digitalocean, disposable, docker, everything, production, "
        "railway, review, staging" in done.stderr
    )


def test_bad_settings_fail_the_rehearsal_before_anything_is_made(altered):
    broken = altered("Pulumi.staging.yaml", "nat: instance", "nat: instnace")
    done = rehearse(broken, "run", "--stack", "staging", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert [step["name"] for step in report["steps"]] == ["preview"]
    assert 'stromhaltig:network.nat: "instnace" is not one of' in done.stdout.replace(
        '\\"', '"'
    )
    assert report["steps"][0]["changes"] == {}


@pytest.fixture
def kept(clone: Path) -> Iterator[Path]:
    """A staging stack that was left running."""
    done = rehearse(clone, "run", "--stack", "staging", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "make rehearse-stop" in done.stdout
    yield clone
    rehearse(clone, "stop")


def test_a_kept_stack_answers_to_boto3_and_pulumi_until_it_is_stopped(kept):
    project = kept / ".rehearsal" / "staging"
    script = f"cd {project} && . ./env.sh && "
    outputs = subprocess.run(
        ["sh", "-c", script + "pulumi stack output --json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    endpoint = subprocess.run(
        ["sh", "-c", script + 'printf %s "$AWS_ENDPOINT_URL"'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ecs = boto3.client(
        "ecs",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",
    )
    clusters = ecs.list_clusters()["clusterArns"]
    assert [arn.rsplit("/", 1)[-1] for arn in clusters] == [
        json.loads(outputs)["cluster"]
    ]

    refused = rehearse(kept, "run", "--stack", "staging")
    assert refused.returncode == 2
    assert "make rehearse-stop" in refused.stderr

    stopped = rehearse(kept, "stop")
    assert stopped.returncode == 0
    assert gone(kept), processes_in(kept)
    assert not project.exists()


SWITCHES: list[dict[str, Any]] = [
    {"cdn": {"exclusive": False}},
    {"cdn": {}},
    {"cdn": None},
    {"deployment": {"strategy": "canary"}},
    {"deployment": {"strategy": "rolling"}},
    {"deployment": None},
    {"uploads": {}},
]


@pytest.fixture
def without_uploads(clone: Path) -> Iterator[Path]:
    """A production stack that runs, and whose uploads are not kept."""
    stack = "switched"
    file = YamlFile.read(clone / "Pulumi.production.yaml")
    file.remove("config", "stromhaltig:uploads")
    file.write(clone / f"Pulumi.{stack}.yaml")
    done = rehearse(clone, "run", "--stack", stack, "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    yield clone / ".rehearsal" / stack
    rehearse(clone, "stop")
    (clone / f"Pulumi.{stack}.yaml").unlink()


def test_options_are_switched_on_a_running_stack_and_data_stays(without_uploads):
    project = without_uploads
    for switch in SWITCHES:
        file = YamlFile.read(project / f"Pulumi.{project.name}.yaml")
        for key, value in switch.items():
            if value is None:
                file.remove("config", f"stromhaltig:{key}")
            else:
                file.put(("config", f"stromhaltig:{key}"), value)
        file.write(project / f"Pulumi.{project.name}.yaml")
        lost = [
            step["urn"]
            for step in pulumi(project, "up", "--yes", "--skip-preview")
            if step["type"] in AwsStage.data_types
            and step["op"] not in ("create", "same", "update", "read")
        ]
        assert lost == [], switch
        wanted = [
            step["urn"]
            for step in pulumi(project, "preview")
            if step["op"] not in ("same", "read")
        ]
        assert wanted == [], switch


def pulumi(project: Path, *arguments: str) -> list[dict[str, Any]]:
    """Steps of a command on a kept stack, which must succeed."""
    log = project / "events.jsonl"
    log.unlink(missing_ok=True)
    command = f". ./env.sh && pulumi {' '.join(arguments)} --event-log {log}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=project,
        env={**os.environ, "PULUMI_DEBUG_COMMANDS": "true"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [entry.get("resourcePreEvent") for entry in entries]
    return [step["metadata"] for step in steps if step]
