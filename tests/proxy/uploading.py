"""Uploads as browsers make them, and the memory that they cost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

MIB = 1024**2
PATH = "/api/documents/upload"
BOUNDARY = "boundary"


def multipart(size: int) -> Iterator[bytes]:
    """A file of some bytes, in the form that browsers send it, piece by piece."""
    head = f'Content-Disposition: form-data; name="file"; filename="{size}.bin"'
    yield f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode()
    piece = b"\0" * 65536
    for start in range(0, size, len(piece)):
        yield piece[: size - start]
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def headers(token: str, size: int) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(sum(map(len, multipart(size)))),
    }


def upload(client: httpx.Client, token: str, size: int) -> httpx.Response:
    return client.post(PATH, content=multipart(size), headers=headers(token, size))


def processes(parent: int) -> list[int]:
    """A process with its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def resident(parent: int) -> int:
    """Bytes of memory that a process and its children hold of their own."""
    total = 0
    for pid in processes(parent):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon", "RssShmem")):
                total += int(line.split()[1]) * 1024
    return total


class Memory:
    """The most that processes hold while the block runs, above what they began with."""

    def __init__(self, **parents: int) -> None:
        self._parents = parents
        self._before = self._now()
        self._peaks = dict(self._before)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def growth(self) -> dict[str, int]:
        return {name: peak - self._before[name] for name, peak in self._peaks.items()}

    def _now(self) -> dict[str, int]:
        return {name: resident(pid) for name, pid in self._parents.items()}

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            for name, held in self._now().items():
                self._peaks[name] = max(self._peaks[name], held)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
