"""The CLI is run, heard and ended; the last tests do so with the real one."""

from __future__ import annotations

import _thread
import json
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rehearsal.engine import Engine, ensure
from rehearsal.processes import identity
from rehearsal.pulumi_cli import PulumiError, Violation, create_stack, run_pulumi
from rehearsal.workspace import Workspace
from tests.rehearsal.programs import Heard, comes_true, ends, program

ROOT = Path(__file__).parents[2]
URN = "urn:pulumi:test::app::aws:s3/bucket:Bucket::uploads"

PROGRAM = """\
import pulumi
config = pulumi.Config()
pulumi.export("plain", config.require_object("plain"))
pulumi.export("secret", config.require_secret("token"))
pulumi.export("deep", config.require_secret_object("secrets")["KEY"])
"""


@pytest.fixture
def clone(tmp_path):
    root = tmp_path / "clone with spaces"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: app\nruntime: python\n")
    (root / "Pulumi.test.yaml").write_text("config:\n  app:plain: [12:30, on]\n")
    (root / "__main__.py").write_text(PROGRAM)
    return root


@pytest.fixture
def workspace(clone):
    with Workspace(clone, "test") as workspace:
        yield workspace


@pytest.fixture
def fake(tmp_path):
    """An engine whose `pulumi` is a script; $log is where it is told to log events."""

    def fake(body):
        find_log = (
            'for word in "$@"; do [ "$last" = --event-log ] && log=$word; '
            "last=$word; done"
        )
        pulumi = program(tmp_path / "engine" / "pulumi", f"{find_log}\n{body}")
        return Engine(pulumi, "3.250.0", "path", pulumi.parent)

    return fake


@pytest.fixture(scope="module")
def real():
    return ensure(progress=Heard())


def logs(*entries):
    """A command that logs these events."""
    lines = "".join(f"{json.dumps(entry)}\n" for entry in entries)
    return f"printf %s {shlex.quote(lines)} >> $log"


def step(kind, op, urn=URN, planning=False, **metadata):
    metadata = {"op": op, "urn": urn, "type": urn.split("::")[2], **metadata}
    return {kind: {"metadata": metadata, "planning": planning}}


def test_the_cli_runs_in_the_project_with_the_workspace_and_the_callers_variables(
    fake, workspace
):
    engine = fake('pwd; echo "$PULUMI_BACKEND_URL|$AWS_ENDPOINT_URL|$PATH"')
    result = run_pulumi(
        engine, workspace, ["about"], env={"AWS_ENDPOINT_URL": "http://x"}
    )
    folder, variables = result.stdout.splitlines()
    assert folder == str(workspace.project_dir)
    state, endpoint, path = variables.split("|")
    assert state == (workspace.project_dir / "state").as_uri()
    assert endpoint == "http://x"
    assert path.startswith(f"{engine.bin_dir}:{Path(sys.executable).parent}:")


def test_the_caller_s_variables_may_be_the_whole_environment(fake, workspace):
    engine = fake('echo "$PATH|$ONE"')
    env = workspace.environment() | {"ONE": "1"}
    result = run_pulumi(engine, workspace, ["about"], env=env)
    assert result.stdout.startswith(f"{engine.bin_dir}:")
    assert result.stdout.endswith("|1\n")


def test_a_failing_command_is_a_result(fake, workspace):
    result = run_pulumi(fake("echo out; echo err >&2; exit 255"), workspace, ["about"])
    assert (result.returncode, result.stdout, result.stderr) == (255, "out\n", "err\n")
    assert result.events == []
    assert result.summary == {}


def test_only_operations_are_asked_for_events(fake, workspace):
    engine = fake('echo "$*"')
    asked = run_pulumi(engine, workspace, ["up", "--yes"]).stdout
    assert asked.startswith("up --yes --non-interactive --color never --event-log /")
    asked = run_pulumi(engine, workspace, ["stack", "output"]).stdout
    assert asked == "stack output --non-interactive --color never\n"


def test_steps_are_read_with_what_changes_and_why(fake, workspace):
    old, new = {"id": "b-1", "inputs": {"acl": "a"}}, {"id": "b-2", "inputs": {}}
    engine = fake(
        logs(
            {"preludeEvent": {"config": {}}},
            step("resourcePreEvent", "replace", planning=True),
            step(
                "resOutputsEvent",
                "replace",
                planning=True,
                old=old,
                new=new,
                diffs=["acl", "tags"],
                keys=["acl"],
                detailedDiff={"acl": {"diffKind": "update-replace", "inputDiff": True}},
            ),
            {"summaryEvent": {"resourceChanges": {"replace": 1, "same": 4}}},
        )
    )
    result = run_pulumi(engine, workspace, ["preview"])
    [event] = result.events
    assert (event.phase, event.op, event.type) == (
        "done",
        "replace",
        URN.split("::")[2],
    )
    assert event.name == "uploads"
    assert event.diffs == ("acl", "tags")
    assert event.replace_keys == ("acl",)
    assert event.detailed_diff == {"acl": "update-replace"}
    assert (event.old, event.new) == (old, new)
    assert event.planned
    assert result.summary == {"replace": 1, "same": 4}


def test_a_component_that_ends_twice_counts_once_with_its_outputs(fake, workspace):
    engine = fake(
        logs(
            step("resourcePreEvent", "create"),
            step("resOutputsEvent", "create", new={"outputs": {}}),
            step("resOutputsEvent", "create", new={"outputs": {"url": "u"}}),
        )
    )
    [event] = run_pulumi(engine, workspace, ["up"]).events
    assert event.new == {"outputs": {"url": "u"}}


def test_every_old_copy_that_is_deleted_counts(fake, workspace):
    deleted = [step("resOutputsEvent", "delete-replaced", old={"id": i}) for i in "ab"]
    assert len(run_pulumi(fake(logs(*deleted)), workspace, ["up"]).events) == 2


def test_a_failed_step_and_its_reasons_are_told_apart(fake, workspace):
    def says(severity, message, **more):
        said = {"severity": severity, "message": message, "urn": URN, **more}
        return {"diagnosticEvent": said}

    engine = fake(
        logs(
            step("resourcePreEvent", "update"),
            says("debug", "noise"),
            says("info", "passing", ephemeral=True),
            says("info#err", "the program's own words\n"),
            says("error", "the service refuses\n"),
            step("resOpFailedEvent", "update"),
        )
        + "; exit 255"
    )
    result = run_pulumi(engine, workspace, ["up"])
    assert [event.phase for event in result.events] == ["failed"]
    assert result.errors == ["the service refuses"]
    assert [said.severity for said in result.diagnostics] == ["info#err", "error"]
    assert result.diagnostics[0].message == "the program's own words"


def violates(policy, level, message, **more):
    said = {"policyName": policy, "enforcementLevel": level, "message": message, **more}
    return {"policyEvent": said}


def test_violations_of_policies_are_read_and_come_first_among_the_reasons(
    fake, workspace
):
    error = {"severity": "error", "message": "preview failed\n"}
    engine = fake(
        logs(
            violates("S3.9", "advisory", "Logged\nit is not\n", resourceUrn=URN),
            {"diagnosticEvent": error},
            violates("S3.1", "mandatory", "Private\nit is not\n", resourceUrn=URN),
            violates("tags", "mandatory", "Nobody owns the stack"),
        )
        + "; exit 1"
    )
    result = run_pulumi(engine, workspace, ["preview"])
    assert result.violations == [
        Violation(
            policy="S3.9", level="advisory", message="Logged\nit is not", urn=URN
        ),
        Violation(
            policy="S3.1", level="mandatory", message="Private\nit is not", urn=URN
        ),
        Violation(
            policy="tags", level="mandatory", message="Nobody owns the stack", urn=""
        ),
    ]
    assert result.errors == [
        "S3.1 (mandatory) uploads: Private\nit is not",
        "tags (mandatory): Nobody owns the stack",
        "preview failed",
    ]


def test_without_a_pack_there_are_no_violations(fake, workspace):
    assert run_pulumi(fake("true"), workspace, ["preview"]).violations == []


def test_steps_are_told_and_timed_while_the_command_runs(fake, workspace, tmp_path):
    seen = tmp_path / "seen"
    engine = fake(
        logs(step("resourcePreEvent", "create"))
        + f"; while [ ! -e {shlex.quote(str(seen))} ]; do sleep 0.02; done; sleep 0.3; "
        + logs(step("resOutputsEvent", "create"))
    )
    told = []

    def tell(event):
        told.append(event.phase)
        seen.touch()

    result = run_pulumi(engine, workspace, ["up"], timeout=20, on_event=tell)
    assert told == ["started", "done"]
    assert 0.2 < result.events[0].seconds < 5
    assert result.seconds > 0.3


def test_a_command_without_end_is_ended_and_said(fake, workspace, tmp_path):
    engine = fake(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(PulumiError, match=r"`pulumi up --yes` had no end after 0\.5 s"):
        run_pulumi(engine, workspace, ["up", "--yes"], timeout=0.5, grace=1)
    assert identity(int((tmp_path / "pid").read_text())) is None


def test_a_cli_that_cannot_be_run_is_said(workspace, tmp_path):
    engine = Engine(tmp_path / "gone", "3.250.0", "path", tmp_path)
    with pytest.raises(PulumiError, match=r"gone cannot be run: .*No such file"):
        run_pulumi(engine, workspace, ["up"])


def test_a_running_command_is_on_record_until_it_ends(fake, workspace, clone):
    record = clone / ".rehearsal" / ".lock"
    during = []
    engine = fake(logs(step("resourcePreEvent", "create")) + "; sleep 0.2")

    def look(_):
        during.extend(json.loads(record.read_text())["processes"])

    run_pulumi(engine, workspace, ["up"], on_event=look)
    assert len(during) == 1
    assert json.loads(record.read_text())["processes"] == {}


def test_a_killed_rehearsal_ends_the_command_it_was_running(fake, clone, tmp_path):
    engine = fake(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    rehearsal = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys\n"
            "from pathlib import Path\n"
            "from rehearsal.engine import Engine\n"
            "from rehearsal.pulumi_cli import run_pulumi\n"
            "from rehearsal.workspace import Workspace\n"
            "pulumi = Path(sys.argv[2])\n"
            "with Workspace(Path(sys.argv[1]), 'test') as workspace:\n"
            "    engine = Engine(pulumi, '3.250.0', 'path', pulumi.parent)\n"
            "    run_pulumi(engine, workspace, ['up'])\n",
            *(clone, engine.pulumi),
        ],
        cwd=ROOT,
    )
    record, pid = clone / ".rehearsal" / ".lock", tmp_path / "pid"
    assert comes_true(lambda: pid.exists() and pid.read_text(), within=20)
    assert comes_true(lambda: pid.read_text().strip() in record.read_text())
    rehearsal.kill()
    rehearsal.wait()
    assert ends(int(pid.read_text()))


def test_a_stack_that_cannot_be_made_is_said(fake, workspace):
    with pytest.raises(PulumiError, match=r"The stack cannot be made: error: broken$"):
        create_stack(fake("echo error: broken >&2; exit 255"), workspace)


@pytest.mark.slow
def test_the_real_engine_runs_the_program_through_the_workspace(real, workspace):
    workspace.inject({}, {"token": "geheim", "secrets.KEY": "tief\n"})
    create_stack(real, workspace)
    first = run_pulumi(real, workspace, ["preview"])
    assert first.returncode == 0, first.stdout + first.stderr
    assert [(event.op, event.type) for event in first.events] == [
        ("create", "pulumi:pulumi:Stack")
    ]
    assert first.events[0].planned
    assert first.summary == {"create": 1}

    assert (
        run_pulumi(real, workspace, ["up", "--yes", "--skip-preview"]).returncode == 0
    )
    shown = run_pulumi(real, workspace, ["stack", "output", "--json", "--show-secrets"])
    assert json.loads(shown.stdout) == {
        "plain": ["12:30", "on"],
        "secret": "geheim",
        "deep": "tief\n",
    }
    assert "geheim" not in workspace.state_text()
    assert "tief" not in workspace.state_text()
    assert run_pulumi(real, workspace, ["preview"]).summary == {"same": 1}
    gone = run_pulumi(real, workspace, ["destroy", "--yes", "--skip-preview"])
    assert gone.summary == {"delete": 1}


@pytest.mark.slow
def test_the_real_engine_reports_a_program_that_fails(real, workspace, clone):
    (clone / "__main__.py").write_text("raise ValueError('broken on purpose')")
    create_stack(real, workspace)
    result = run_pulumi(real, workspace, ["preview"])
    assert result.returncode != 0
    assert any("broken on purpose" in error for error in result.errors)


PACK = """\
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def check(args, report):
    report("it is there", args.urn)

PolicyPack("guard", policies=[
    ResourceValidationPolicy(
        level.value, "Nothing is there", check, enforcement_level=level
    )
    for level in (EnforcementLevel.ADVISORY, EnforcementLevel.MANDATORY)
])
"""


@pytest.mark.slow
def test_the_real_engine_runs_a_pack_and_tells_what_it_finds(real, workspace, clone):
    pack = clone / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("name: guard\nruntime: python\n")
    (pack / "__main__.py").write_text(PACK)
    (clone / "__main__.py").write_text("import pulumi\n")
    create_stack(real, workspace)
    able = real.running_packs(workspace.project_dir / "bin")
    asking = ["preview", "--policy-pack", "program/pack"]
    result = run_pulumi(able, workspace, asking)
    assert result.returncode != 0
    stack = "urn:pulumi:test::app::pulumi:pulumi:Stack::app-test"
    message = "Nothing is there\nit is there"
    assert result.violations == [
        Violation(policy=level, level=level, message=message, urn=stack)
        for level in ("advisory", "mandatory")
    ]
    assert result.errors[0] == f"mandatory (mandatory) app-test: {message}"

    advised = PACK.replace(", EnforcementLevel.MANDATORY)", ",)")
    (pack / "__main__.py").write_text(advised)
    result = run_pulumi(able, workspace, asking)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [found.level for found in result.violations] == ["advisory"]
    assert result.errors == []


@pytest.mark.slow
def test_the_real_engine_and_its_plugins_end_with_ctrl_c(real, workspace, clone):
    started = clone / "started"
    (clone / "__main__.py").write_text(
        f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(120)\n"
    )
    create_stack(real, workspace)

    def press_ctrl_c():
        comes_true(lambda: started.exists() and started.read_text(), within=60)
        _thread.interrupt_main()

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_pulumi(real, workspace, ["preview"], grace=2)
    assert ends(int(started.read_text()), within=0)
