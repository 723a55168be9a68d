"""Interrupts: the child ends in order, and only then the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from ops.interrupts import child_first, ended_as_interrupted, left_to_the_child

CHILD = """
import signal, sys, time
def end(*_):
    time.sleep(0.2)
    print("ended in order")
    sys.exit(0)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
time.sleep(30)
"""


@pytest.fixture(autouse=True)
def _hangups_are_heard() -> Iterator[None]:
    """Under nohup, and below some runners, they are not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def interrupted_child(
    number: int, program: str = CHILD, times: int = 1
) -> tuple[int, str]:
    """A child's exit code and last words, when this process is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for _ in range(times):
            os.kill(os.getpid(), number)
        said, _ = child.communicate(timeout=10)
        return child.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_others_reaches_the_child_first(capfd, number):
    ends = []
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        ends.append(interrupted_child(number))
    assert ends == [(0, "ended in order\n")]
    assert "waiting for Pulumi to end in order" in capfd.readouterr().err


def test_an_interrupt_without_a_terminal_reaches_the_child_first(monkeypatch, capfd):
    """A runner of pipelines interrupts the command that it started, and no other."""
    monkeypatch.setattr("ops.interrupts._at_terminal", lambda: False)
    ends = []
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        ends.append(interrupted_child(signal.SIGINT))
    assert ends == [(0, "ended in order\n")]


COUNTING = """
import signal, time
counted = []
signal.signal(signal.SIGINT, lambda *_: counted.append(1))
print("ready", flush=True)
end = time.monotonic() + 0.6
while time.monotonic() < end:
    time.sleep(0.05)
print(len(counted))
"""


@pytest.mark.parametrize(("terminal", "interrupts"), [(False, "1\n"), (True, "0\n")])
def test_the_child_is_interrupted_once_and_not_beside_a_terminal(
    monkeypatch, terminal, interrupts
):
    monkeypatch.setattr("ops.interrupts._at_terminal", lambda: terminal)
    said = []
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        said.append(interrupted_child(signal.SIGINT, COUNTING, times=2)[1])
    assert said == [interrupts]


def interrupted_failure() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    raise RuntimeError("the child ended with 255")


def test_an_interrupt_hides_how_the_child_ended():
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        interrupted_failure()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_others_is_an_interrupt(number):
    with pytest.raises(KeyboardInterrupt), ended_as_interrupted():
        os.kill(os.getpid(), number)


def test_nohup_keeps_a_command_alive_whose_terminal_is_closed():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_as_interrupted(), child_first("Pulumi"):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with child_first("Pulumi"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_leaves_signals_alone():
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with child_first("Pulumi"):
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


def test_an_interrupt_is_the_childs_affair_and_no_child_is_deaf():
    with left_to_the_child():
        os.kill(os.getpid(), signal.SIGINT)
        done = subprocess.run(
            [sys.executable, "-c", "import os; os.kill(os.getpid(), 2)"],
            capture_output=True,
        )
    assert done.returncode == -signal.SIGINT
