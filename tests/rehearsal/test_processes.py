"""No process outlives what started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.processes import Guard, Tail, end_sessions, identity, run
from tests.rehearsal.programs import comes_true, ends, program

ROOT = Path(__file__).parents[2]

OWN_GROUP = (
    f"exec {sys.executable} -c 'import subprocess as s\n"
    'child = s.Popen(["sleep", "60"], process_group=0, stdout=s.DEVNULL)\n'
    "print(child.pid, flush=True)\nchild.wait()'"
)
"""A leader that starts its child in a group of its own, as the engine its plugins."""


@pytest.fixture
def start(tmp_path):
    """Start a shell script as the leader of a session; ended after the test."""
    started = []

    def start(body: str) -> subprocess.Popen[str]:
        number = len(started)
        process = subprocess.Popen(
            [program(tmp_path / f"program-{number}", body)],
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        started.append(process)
        return process

    yield start
    end_sessions([process.pid for process in started], grace=0)
    for process in started:
        process.communicate()


def test_an_identity_stays_while_the_process_runs_and_is_gone_afterwards(start):
    process = start("exec sleep 60")
    first = identity(process.pid)
    assert first is not None
    assert identity(process.pid) == first
    process.kill()
    assert comes_true(lambda: identity(process.pid) is None)  # not even as a zombie
    process.wait()
    assert identity(process.pid) is None


def test_two_processes_never_share_an_identity(start):
    processes = [start("exec sleep 60"), start("exec sleep 60")]
    assert identity(processes[0].pid) != identity(os.getpid())
    assert identity(os.getpid()) is not None


def test_what_a_leader_started_in_a_group_of_its_own_ends_with_it(start):
    leader = start(OWN_GROUP)
    child = int(leader.stdout.readline())
    assert os.getpgid(child) != os.getpgid(leader.pid)
    end_sessions([leader.pid], grace=5)
    assert ends(leader.pid, within=0)
    assert ends(child, within=0)


def test_a_leader_is_asked_before_it_is_killed(start, tmp_path):
    leader = start(
        f"trap 'echo asked > {tmp_path}/said; exit' INT; echo ready\n"
        "while :; do sleep 0.05; done"
    )
    leader.stdout.readline()
    end_sessions([leader.pid], grace=5)
    assert (tmp_path / "said").read_text() == "asked\n"


def test_a_leader_that_does_not_listen_is_killed(start):
    leader = start("trap '' INT; echo ready; while :; do sleep 0.05; done")
    leader.stdout.readline()
    end_sessions([leader.pid], grace=0.2)
    assert leader.wait() == -signal.SIGKILL


def test_other_sessions_are_left_alone(start):
    ours, theirs = start("exec sleep 60"), start("exec sleep 60")
    end_sessions([ours.pid])
    assert identity(ours.pid) is None
    assert identity(theirs.pid) is not None


def test_a_process_that_leads_no_session_is_never_signalled(start):
    leader = start("sleep 60 & echo $!; wait")
    child = int(leader.stdout.readline())
    end_sessions([child], grace=0)
    assert identity(child) is not None


def test_a_guarded_session_ends_when_its_owner_is_killed():
    owner = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import subprocess, time\n"
            "from rehearsal.processes import Guard\n"
            "held = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
            "freed = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
            "guard = Guard()\n"
            "guard.hold(held.pid), guard.hold(freed.pid), guard.let_go(freed.pid)\n"
            "print(held.pid, freed.pid, guard._process.pid, flush=True)\n"
            "time.sleep(60)\n",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    held, freed, guard = map(int, owner.stdout.readline().split())
    try:
        owner.kill()
        owner.wait()
        assert ends(held)
        assert ends(guard)
        assert identity(freed) is not None
    finally:
        owner.stdout.close()
        end_sessions([held, freed], grace=0)


def test_closing_a_guard_ends_what_it_holds(start):
    held = start("exec sleep 60")
    with Guard() as guard:
        guard.hold(held.pid)
    assert identity(held.pid) is None


def test_a_command_gives_back_what_it_wrote_and_how_it_ended(tmp_path):
    command = program(
        tmp_path / "command", "read -r word; echo $word; echo no >&2\nexit 3"
    )
    done = run([command], env=os.environ, stdin="hello\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello\n", "no\n")
    assert 0 < done.seconds < 5


def test_a_command_gets_only_the_given_variables(tmp_path):
    command = program(tmp_path / "command", 'echo "$GIVEN-$HOME"')
    assert run([command], env={"GIVEN": "yes"}).stdout == "yes-\n"


def test_lines_are_told_while_the_command_still_runs(tmp_path):
    answer = tmp_path / "answer"
    command = program(
        tmp_path / "command",
        f"echo ask >&2; while [ ! -e {answer} ]; do sleep 0.05; done; echo over >&2",
    )
    told = []

    def listen(line):
        told.append(line)
        answer.touch()

    assert run([command], env=os.environ, timeout=10, on_stderr=listen).returncode == 0
    assert told == ["ask", "over"]


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    command = program(tmp_path / "command", f"{OWN_GROUP} > {tmp_path}/child")
    with pytest.raises(subprocess.TimeoutExpired):
        run([command], env=os.environ, timeout=0.5, grace=1)
    assert ends(int((tmp_path / "child").read_text()), within=0)


def test_an_interrupted_command_is_ended_with_all_it_started(tmp_path):
    child = tmp_path / "child"
    command = program(tmp_path / "command", f"{OWN_GROUP} > {child}")

    def interrupt():
        if child.exists() and child.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([command], env=os.environ, on_poll=interrupt)
    assert ends(int(child.read_text()), within=0)


def test_what_a_command_leaves_running_is_ended(tmp_path):
    command = program(tmp_path / "command", "sleep 60 >/dev/null 2>&1 & echo $!")
    left = int(run([command], env=os.environ).stdout)
    assert ends(left, within=0)


def test_a_tail_gives_whole_lines_only(tmp_path):
    tail = Tail(tmp_path / "log")
    assert tail.lines() == []
    with (tmp_path / "log").open("w", buffering=1) as log:
        log.write("one\ntw")
        log.flush()
        assert tail.lines() == ["one"]
        log.write("o\n")
        assert tail.lines() == ["two"]
    assert tail.lines() == []
