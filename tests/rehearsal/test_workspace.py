"""The throw-away project: what is in it, who may work in it, what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rehearsal.processes import end_sessions, identity
from rehearsal.workspace import PASSPHRASE, Workspace, WorkspaceError, stop
from tests.rehearsal.programs import comes_true, ends

ROOT = Path(__file__).parents[2]

PROJECT = """\
name: app
runtime:
  name: python
  options:
    toolchain: uv
    virtualenv: .venv
backend:
  url: s3://the-real-state
config:
  domain: {type: object, default: {}}
"""

STACK = """\
secretsprovider: awskms://alias/pulumi
encryptedkey: abc
config:
  aws:region: eu-central-1
  app:image:
    context: ./app
  app:backup_window: 01:30
  app:secrets:
    KEY:
      secure: v1:aa
"""

HOLDER = """\
import sys, time
from pathlib import Path
from rehearsal.workspace import Workspace
with Workspace(Path(sys.argv[1]), "production") as workspace:
    {inside}
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def clone(tmp_path):
    """A clone with two stacks."""
    root = tmp_path / "clone with spaces"
    root.mkdir()
    (root / "Pulumi.yaml").write_text(PROJECT)
    for stack in ("production", "staging"):
        (root / f"Pulumi.{stack}.yaml").write_text(STACK)
    return root


@pytest.fixture
def said():
    return []


@pytest.fixture
def enter(clone, said):
    """Enter the workspace of a stack; left after the test."""
    entered = []

    def enter(stack="production"):
        workspace = Workspace(clone, stack, say=said.append)
        entered.append(workspace)
        return workspace.__enter__()

    yield enter
    for workspace in entered:
        workspace.release()


@pytest.fixture
def session():
    """Start a process that leads a session; ended after the test."""
    started = []

    def start():
        started.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
        return started[-1].pid

    yield start
    end_sessions([process.pid for process in started], grace=0)
    for process in started:
        process.wait()


@pytest.fixture
def hold(clone):
    """Let another process work in the clone; killed after the test."""
    started = []

    def hold(inside="pass"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(inside=inside), clone],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        said = []
        for line in process.stdout:
            if line == "ready\n":
                return process, said
            said.append(line.strip())
        raise AssertionError("the other process could not enter")

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def of(path):
    return yaml.safe_load(path.read_text())


def test_the_committed_program_runs_through_a_link_to_the_clone(enter, clone):
    workspace = enter()
    assert workspace.project_dir == clone / ".rehearsal" / "production"
    assert of(workspace.project_dir / "Pulumi.yaml")["main"] == "program"
    assert (workspace.project_dir / "program").resolve() == clone


def test_a_program_in_a_subfolder_is_found_there(enter, clone):
    (clone / "Pulumi.yaml").write_text("name: app\nruntime: python\nmain: infra\n")
    project = of(enter().project_dir / "Pulumi.yaml")
    assert project["main"] == "program/infra"
    assert project["runtime"]["name"] == "python"


def test_the_project_is_the_committed_one_in_this_environment(enter):
    project = of(enter().project_dir / "Pulumi.yaml")
    assert project["name"] == "app"
    assert project["config"] == {"domain": {"type": "object", "default": {}}}
    assert project["runtime"] == {
        "name": "python",
        "options": {"toolchain": "pip", "virtualenv": sys.prefix},
    }


def test_the_real_state_is_never_named(enter):
    assert "backend" not in of(enter().project_dir / "Pulumi.yaml")


def test_the_stack_file_is_the_committed_one_without_what_nobody_can_decrypt(enter):
    workspace = enter()
    assert of(workspace.project_dir / "Pulumi.production.yaml") == {
        "config": {
            "aws:region": "eu-central-1",
            "app:image": {"context": "./app"},
            "app:backup_window": "01:30",
            "app:secrets": {},
        }
    }
    assert workspace.sealed == ("app:secrets.KEY",)


def test_injected_values_replace_whole_keys_of_the_copy_only(enter, clone):
    workspace = enter()
    before = {path: path.read_text() for path in clone.glob("Pulumi*.yaml")}
    workspace.inject({"image": {"ref": "x@sha256:1"}, "aws:maxRetries": 1})
    workspace.inject({"domain": {"name": "example.org"}})
    config = workspace.stack_config()
    assert config["app:image"] == {"ref": "x@sha256:1"}
    assert config["app:domain"] == {"name": "example.org"}
    assert config["aws:maxRetries"] == 1
    assert config["app:backup_window"] == "01:30"
    assert {path: path.read_text() for path in clone.glob("Pulumi*.yaml")} == before


def test_injected_secrets_are_encrypted_and_stay_so(enter):
    workspace = enter()
    workspace.inject({}, {"secrets.KEY": "geheim", "token": "auch geheim"})
    workspace.inject({"image": {"ref": "later"}}, {"secrets.OTHER": "mehr"})
    stack = of(workspace.project_dir / "Pulumi.production.yaml")
    assert "geheim" not in json.dumps(stack)
    assert stack["encryptionsalt"].startswith("v1:")
    assert sorted(stack["config"]["app:secrets"]) == ["KEY", "OTHER"]
    assert stack["config"]["app:token"]["secure"].startswith("v1:")


def test_the_engine_gets_no_way_to_an_account(enter, monkeypatch):
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "PULUMI_ACCESS_TOKEN",
        "DOCKER_HOST",
    ):
        monkeypatch.setenv(name, "real")
    monkeypatch.setenv("NO_PROXY", "intern.example.org")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    workspace = enter()
    env = workspace.environment()
    assert "real" not in env.values()
    assert env["LANG"] == "de_DE.UTF-8"
    assert env["NO_PROXY"] == "127.0.0.1,localhost,intern.example.org"
    assert {
        name: env[name] for name in env if name.startswith(("AWS_", "PULUMI_"))
    } == {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_BACKEND_URL": (workspace.project_dir / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_HOME": str(workspace.project_dir / "home"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def test_official_plugins_are_downloaded_to_where_they_can_stay(enter, tmp_path):
    env = enter().environment(plugin_cache=tmp_path)
    assert env["PULUMI_HOME"] == str(tmp_path)
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in env


def test_all_that_the_engine_wrote_can_be_searched(enter):
    workspace = enter()
    state = workspace.project_dir / "state" / ".pulumi"
    for name in ("stacks/app/production.json", "stacks/app/production.json.bak"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text(f'"{name}"')
    text = workspace.state_text()
    assert "stacks/app/production.json" in text
    assert "stacks/app/production.json.bak" in text


def test_nothing_is_left_afterwards(clone, said):
    with Workspace(clone, "production", say=said.append) as workspace:
        assert workspace.project_dir.is_dir()
    assert not workspace.project_dir.exists()
    assert (clone / "Pulumi.production.yaml").read_text() == STACK
    with Workspace(clone, "production", say=said.append):
        pass
    assert said == []


def test_nothing_is_left_after_a_failure_either(clone, session):
    pid = session()
    workspace = Workspace(clone, "production")

    def interrupted():
        with workspace:
            workspace.record_process(pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not workspace.project_dir.exists()
    assert identity(pid) is None


def test_a_stack_that_does_not_exist_is_refused_with_those_that_do(clone):
    with pytest.raises(WorkspaceError) as refusal, Workspace(clone, "prod"):
        pass
    assert str(refusal.value) == (
        f"There is no stack 'prod': no Pulumi.prod.yaml in {clone}. "
        "Stacks here: production, staging."
    )
    assert not (clone / ".rehearsal").exists()


@pytest.mark.parametrize("name", ["..", "../elsewhere", "", "a/b", ".hidden"])
def test_a_name_that_leads_elsewhere_is_no_stack(clone, name):
    (clone / "a").mkdir()
    with (
        pytest.raises(WorkspaceError, match="There is no stack"),
        Workspace(clone, name),
    ):
        pass


def test_a_clone_without_stacks_says_so(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    with (
        pytest.raises(WorkspaceError, match="Stacks here: none"),
        Workspace(tmp_path, "a"),
    ):
        pass


@pytest.mark.parametrize("name", ["Pulumi.yaml", "Pulumi.production.yaml"])
def test_an_unreadable_file_is_refused_with_the_line(clone, name):
    (clone / name).write_text("config:\n  a: 'b\n")
    with (
        pytest.raises(WorkspaceError, match=rf"{name}, line 3: not readable as YAML"),
        Workspace(clone, "production"),
    ):
        pass
    assert not (clone / ".rehearsal").exists()


def test_a_folder_that_cannot_be_written_is_refused(clone):
    (clone / ".rehearsal").write_text("a file")
    with (
        pytest.raises(WorkspaceError, match="cannot be written"),
        Workspace(clone, "production"),
    ):
        pass


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_a_second_rehearsal_is_refused_with_who_is_at_work(enter, hold, stack):
    process, _ = hold()
    with pytest.raises(WorkspaceError) as refusal:
        enter(stack)
    message = str(refusal.value)
    assert "Another rehearsal is running in this clone: production, " in message
    assert f"pid {process.pid}, since 20" in message
    assert f"Wait for it, or end it: kill {process.pid}" in message
    assert process.poll() is None


def test_a_refused_rehearsal_leaves_the_other_one_alone(enter, hold, clone):
    hold()
    with pytest.raises(WorkspaceError):
        enter()
    assert (clone / ".rehearsal" / "production" / "Pulumi.yaml").exists()


def test_the_next_rehearsal_cleans_up_after_a_killed_one(enter, hold, clone, said):
    process, _ = hold()
    state = clone / ".rehearsal" / "production" / "state" / "left"
    state.touch()
    process.kill()
    process.wait()
    enter("staging")
    assert not (clone / ".rehearsal" / "production").exists()
    [line] = said
    assert line.startswith(
        "Cleaned up after the rehearsal of production that was ended from outside "
        f"(pid {process.pid}, since 20"
    )
    assert line.endswith("): its state removed")


def test_a_killed_rehearsal_takes_its_processes_along(hold):
    process, [pid] = hold(
        "import subprocess\n"
        "    started = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    workspace.record_process(started.pid)\n"
        "    print(started.pid)"
    )
    assert identity(int(pid)) is not None
    process.kill()
    assert ends(int(pid))


def test_processes_that_lost_their_guard_are_ended_by_the_next_rehearsal(
    enter, clone, said, session
):
    pid = session()
    leave_behind(clone, processes={str(pid): identity(pid)})
    enter()
    assert identity(pid) is None
    assert said[0].endswith("its state removed, 1 processes ended")


def test_another_process_with_the_number_of_a_recorded_one_is_left_alone(
    enter, clone, said, session
):
    pid = session()
    leave_behind(clone, processes={str(pid): "an earlier one"})
    enter()
    assert identity(pid) is not None
    assert said[0].endswith("its state removed")


@pytest.mark.parametrize(
    ("file", "text", "condition"),
    [
        ("locks/organization/app/production/1.json", "{}", "a locked state"),
        ("stacks/app/production.json", '{"version": 3,', "a broken state"),
        ("stacks/app/production.json", '{"version": 3}', "its state"),
    ],
)
def test_a_state_that_was_left_is_removed_and_its_condition_said(
    enter, clone, said, file, text, condition
):
    left = clone / ".rehearsal" / "production" / "state" / ".pulumi" / file
    left.parent.mkdir(parents=True)
    left.write_text(text)
    workspace = enter()
    assert said == [f"Cleaned up {workspace.project_dir}: {condition} removed"]
    assert workspace.state_text() == ""


def test_a_record_that_is_not_readable_does_not_stop_the_next_rehearsal(enter, clone):
    leave_behind(clone)
    (clone / ".rehearsal" / ".lock").write_text('{"pid": 1')
    assert enter().project_dir.is_dir()


def test_a_record_never_makes_anybody_remove_another_folder(enter, clone):
    precious = clone / "precious"
    precious.mkdir()
    leave_behind(clone, stack="../precious")
    enter()
    assert precious.is_dir()


def test_a_process_that_has_ended_is_forgotten(enter, session, clone):
    workspace, pid = enter(), session()
    workspace.record_process(pid)
    assert str(pid) in record(clone)["processes"]
    workspace.forget_process(pid)
    assert record(clone)["processes"] == {}
    workspace.release()
    assert identity(pid) is not None


def test_a_kept_rehearsal_stays_with_its_cloud(enter, clone, session):
    workspace, pid = enter(), session()
    workspace.keep(pid)
    workspace.release()
    assert identity(pid) is not None
    assert (workspace.project_dir / "Pulumi.yaml").exists()
    assert stop(clone)


def test_the_next_rehearsal_is_refused_while_a_kept_one_runs(enter, clone, session):
    workspace, pid = enter(), session()
    workspace.keep(pid)
    workspace.release()
    for stack in ("staging", "production"):
        with pytest.raises(WorkspaceError) as refusal:
            enter(stack)
        message = str(refusal.value)
        assert "A rehearsal of production was kept and is still running" in message
        assert message.endswith("End it first: make rehearse-stop")
    assert identity(pid) is not None
    assert (workspace.project_dir / "Pulumi.yaml").exists()
    assert stop(clone)


def test_a_kept_rehearsal_whose_cloud_has_ended_is_cleaned_up(enter, said, session):
    workspace, pid = enter(), session()
    workspace.keep(pid)
    workspace.release()
    end_sessions([pid], grace=0)
    assert enter().project_dir.is_dir()
    assert len(said) == 1


def test_stopping_ends_a_kept_rehearsal_and_removes_it(enter, clone, session):
    workspace, pid = enter(), session()
    workspace.keep(pid)
    workspace.release()
    assert stop(clone)
    assert identity(pid) is None
    assert not workspace.project_dir.exists()
    assert not stop(clone)
    assert enter().project_dir.is_dir()


def test_stopping_nothing_says_so(clone):
    assert not stop(clone)
    assert not (clone / ".rehearsal").exists()


def test_a_rehearsal_at_work_is_not_stopped_behind_its_back(hold, clone):
    process, _ = hold()
    with pytest.raises(WorkspaceError, match=f"end it: kill {process.pid}"):
        stop(clone)


def test_an_interrupted_rehearsal_cleans_up_after_itself(hold, clone):
    process, _ = hold(
        "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(3))"
    )
    process.terminate()
    assert comes_true(lambda: process.poll() == 3)
    assert not (clone / ".rehearsal" / "production").exists()


def leave_behind(clone, **record):
    """What a killed rehearsal leaves."""
    folder = clone / ".rehearsal"
    (folder / "production" / "state").mkdir(parents=True)
    left = {"pid": os.getpid(), "stack": "production", "started": "2026-01-01 00:00:00"}
    (folder / ".lock").write_text(json.dumps(left | record))


def record(clone):
    return json.loads((clone / ".rehearsal" / ".lock").read_text())
