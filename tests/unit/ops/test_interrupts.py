"""Interrupts: the child ends in order, and only then the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from ops.interrupts import child_first, left_to_the_child

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


def interrupted_child() -> tuple[int, str]:
    """A child's exit code and last words, when this process is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        os.kill(os.getpid(), signal.SIGTERM)
        said, _ = child.communicate(timeout=10)
        return child.returncode, said


def test_a_pipelines_end_reaches_the_child_first(capfd):
    ends = []
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        ends.append(interrupted_child())
    assert ends == [(0, "ended in order\n")]
    assert "waiting for Pulumi to end in order" in capfd.readouterr().err


def interrupted_failure() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    raise RuntimeError("the child ended with 255")


def test_an_interrupt_hides_how_the_child_ended():
    with pytest.raises(KeyboardInterrupt), child_first("Pulumi"):
        interrupted_failure()


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
