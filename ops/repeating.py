"""Something that is done again and again while other work goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], object], every: float, name: str) -> Iterator[None]:
    """Do something in the background, until the block is over.

    every: seconds before each time. name: of the thread. It ends with the block, and
    not in the middle of its work.
    """
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            work()

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
