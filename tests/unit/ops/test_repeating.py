"""Something that is done again and again while other work goes on."""

from __future__ import annotations

import threading

import pytest

from ops.repeating import repeating


def test_it_is_done_again_and_again_until_the_block_is_over():
    thrice = threading.Event()
    done = []

    def work() -> None:
        done.append(threading.current_thread().name)
        if len(done) == 3:
            thrice.set()

    with repeating(work, 0.001, "work"):
        assert thrice.wait(10)
    assert set(done) == {"work"}
    assert not any(thread.name == "work" for thread in threading.enumerate())


def test_it_waits_before_the_first_time():
    done = []
    with repeating(lambda: done.append(1), 60, "work"):
        pass
    assert done == []


def test_it_ends_with_a_block_that_fails():
    with pytest.raises(ZeroDivisionError), repeating(lambda: None, 60, "failing"):
        _ = 1 / 0
    assert not any(thread.name == "failing" for thread in threading.enumerate())
