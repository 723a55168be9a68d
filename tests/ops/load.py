"""Somebody who uses the app's database while a test does something to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ops.database.address import Address
from ops.errors import OpsError
from tests.servers import eventually


@dataclass
class Load:
    """Readers and writers with a connection each, which they renew now and then.

    done: transactions by login. slowest: seconds of the longest one.
    """

    address: Address
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    counting: threading.Lock = field(default_factory=threading.Lock)
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def work(self) -> None:
        while not self.stop.is_set():
            address = self.address
            try:
                with address.connect() as connection:
                    for _ in range(25):
                        began = time.monotonic()
                        self._once(connection)
                        with self.counting:
                            self.done[address.user] += 1
                            self.slowest = max(self.slowest, time.monotonic() - began)
            except (OpsError, psycopg.Error) as error:
                self.errors.append(str(error))

    @staticmethod
    def _once(connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute("INSERT INTO event_log (kind) VALUES ('load')")
            connection.execute("UPDATE quizzes SET description = md5(random()::text)")
            connection.execute("SELECT count(*) FROM users").fetchone()

    @contextmanager
    def running(self, workers: int) -> Iterator[Load]:
        threads = [threading.Thread(target=self.work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def until(self, login: str, count: int) -> None:
        eventually(f"{login} works", lambda: self.done[login] >= count)
