"""Stores: whole files or none, one winner, nothing outside."""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from ops.errors import FailedError, OpsError
from ops.store import ATTEMPTS, PART, FolderStore, S3Store


def content(store: FolderStore | S3Store, name: str) -> bytes:
    return b"".join(store.read(name))


@pytest.fixture
def folder(tmp_path):
    return FolderStore(tmp_path / "store")


def test_a_file_is_read_as_it_was_written(folder):
    assert folder.put("dumps/one.gz", [b"abc", b"", b"def"]) == 6
    assert content(folder, "dumps/one.gz") == b"abcdef"


def test_a_failed_write_leaves_nothing_and_what_was_there(folder, tmp_path):
    folder.put("one", [b"before"])

    def broken():
        yield b"after"
        raise RuntimeError("the source ended")

    with pytest.raises(RuntimeError, match="the source ended"):
        folder.put("one", broken())
    assert content(folder, "one") == b"before"
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["one"]


def test_a_file_is_its_owners_only(folder, tmp_path):
    folder.put("dumps/one", [b"everybody's data"])
    folder.create("lock", b"")
    for path in ("dumps/one", "lock"):
        mode = (tmp_path / "store" / path).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600


def at_once(number: int, work: Callable[[int], object]) -> None:
    """Do something in several threads that start together; none may fail."""
    start = threading.Barrier(number)

    def begin(which: int) -> object:
        start.wait()
        return work(which)

    with ThreadPoolExecutor(number) as pool:
        for done in [pool.submit(begin, which) for which in range(number)]:
            done.result()


@pytest.mark.parametrize("turn", range(10))
def test_of_several_who_create_a_file_one_does(folder, turn):
    results: list[bool] = []
    at_once(8, lambda n: results.append(folder.create("lock", str(n).encode())))
    assert sorted(results) == [False] * 7 + [True]
    assert [entry.name for entry in folder.entries()] == ["lock"]


def test_several_who_write_at_once_do_not_sweep_each_other_up(folder):
    for _ in range(20):
        at_once(8, lambda n: folder.put("same", [str(n).encode()]))
    assert content(folder, "same") in {str(n).encode() for n in range(8)}
    assert [entry.name for entry in folder.entries()] == ["same"]


def test_entries_are_by_name_and_of_a_prefix(folder, tmp_path):
    for name in ("b/2", "a/1", "b/1"):
        folder.put(name, [b"xy"])
    (tmp_path / "store" / "b" / "3.1a2b.partial").write_bytes(b"half")
    assert [entry.name for entry in folder.entries()] == ["a/1", "b/1", "b/2"]
    assert [(e.name, e.size) for e in folder.entries("b/")] == [("b/1", 2), ("b/2", 2)]


def test_a_folder_that_is_not_there_is_empty(folder):
    assert folder.entries() == []
    folder.delete("nothing")
    with pytest.raises(FileNotFoundError):
        content(folder, "nothing")


@pytest.mark.parametrize("name", ["../outside", "a/../../b", "", "/etc/passwd"])
def test_no_name_leads_out_of_the_folder(folder, name):
    with pytest.raises(OpsError, match="is no name of a file"):
        folder.put(name, [b"x"])


class Bucket:
    """S3's answers, and what it was sent.

    breaks: bytes after which the next readings break off. asked: where each began.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.objects: dict[str, bytes] = {}
        self.aborted = False
        self.loses = 0
        self.refuses_part = 0
        self.etag = '"first"'
        self.breaks: list[int] = []
        self.asked: list[int] = []

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        return {"UploadId": "u1"}

    def upload_part(self, **given: Any) -> dict[str, Any]:
        if given["PartNumber"] == self.refuses_part:
            raise _error("SlowDown", 503)
        self.parts.append(given["Body"])
        return {"ETag": str(given["PartNumber"])}

    def complete_multipart_upload(self, **given: Any) -> None:
        whole = b"".join(self.parts)
        self.objects[given["Key"]] = whole[: len(whole) - self.loses]

    def abort_multipart_upload(self, **_: Any) -> None:
        self.aborted = True

    def head_object(self, **given: Any) -> dict[str, Any]:
        return {"ContentLength": len(self.objects[given["Key"]])}

    def put_object(self, **given: Any) -> None:
        assert given["IfNoneMatch"] == "*"
        if given["Key"] in self.objects:
            raise _error("PreconditionFailed", 412)
        self.objects[given["Key"]] = given["Body"]

    def get_object(self, **given: Any) -> dict[str, Any]:
        if given["Key"] not in self.objects:
            raise _error("NoSuchKey", 404)
        whole = self.objects[given["Key"]]
        if given.get("IfMatch", self.etag) != self.etag:
            raise _error("PreconditionFailed", 412)
        first = int(given.get("Range", "bytes=0-")[len("bytes=") : -1])
        self.asked.append(first)
        breaks = self.breaks.pop(0) if self.breaks else None
        body = _Body(whole[first:], breaks)
        return {"Body": body, "ContentLength": len(whole) - first, "ETag": self.etag}


class _Body(io.BytesIO):
    """breaks: after so many bytes the connection is gone."""

    def __init__(self, content: bytes, breaks: int | None) -> None:
        super().__init__(content[:breaks])
        self._breaks = breaks is not None

    def __enter__(self) -> Any:
        """As botocore's: what is underneath."""
        return io.BytesIO()

    def iter_chunks(self, size: int) -> Any:
        while chunk := self.read(size):
            yield chunk
        if self._breaks:
            raise ResponseStreamingError(error="connection reset")


def _error(code: str, status: int) -> ClientError:
    said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "PutObject")  # type: ignore[arg-type]


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def s3(bucket):
    return S3Store(bucket, "backups", "stack/")


def test_an_upload_goes_in_parts_of_a_bounded_size(s3, bucket):
    chunk = b"x" * (PART // 2 + 1)
    assert s3.put("one", [chunk] * 5) == 5 * len(chunk)
    assert [len(part) for part in bucket.parts] == [
        PART,
        PART,
        5 * len(chunk) - 2 * PART,
    ]
    assert content(s3, "one") == chunk * 5


def test_an_empty_file_is_one_empty_part(s3, bucket):
    assert s3.put("empty", []) == 0
    assert bucket.parts == [b""]


def test_a_failed_upload_gives_its_parts_back(s3, bucket):
    bucket.refuses_part = 1
    with pytest.raises(ClientError, match="SlowDown"):
        s3.put("one", [b"x"])
    assert bucket.aborted
    assert bucket.objects == {}


def test_what_did_not_arrive_whole_is_an_error(s3, bucket):
    bucket.loses = 1
    with pytest.raises(FailedError, match="s3://backups/stack/one has 2 bytes instead"):
        s3.put("one", [b"abc"])


def test_an_object_is_created_once(s3):
    assert s3.create("lock", b"mine")
    assert not s3.create("lock", b"theirs")
    assert content(s3, "lock") == b"mine"


def test_an_object_that_is_not_there_is_no_file(s3):
    with pytest.raises(FileNotFoundError, match="s3://backups/stack/one"):
        content(s3, "one")


def test_a_reading_that_breaks_off_is_gone_on_with(s3, bucket):
    bucket.objects["stack/one"] = b"0123456789"
    bucket.breaks = [3, 0, 4]
    assert content(s3, "one") == b"0123456789"
    assert bucket.asked == [0, 3, 3, 7]


def test_a_connection_that_is_lost_after_the_last_byte_lost_nothing(s3, bucket):
    bucket.objects["stack/one"] = b"0123456789"
    bucket.breaks = [10]
    assert content(s3, "one") == b"0123456789"
    assert bucket.asked == [0]


def test_a_reading_that_comes_no_further_fails(s3, bucket):
    bucket.objects["stack/one"] = b"0123456789"
    bucket.breaks = [5] + [0] * ATTEMPTS
    with pytest.raises(ResponseStreamingError):
        content(s3, "one")


def test_another_file_is_not_gone_on_with(s3, bucket):
    bucket.objects["stack/one"] = b"0123456789"
    bucket.breaks = [5]
    chunks = s3.read("one")
    assert next(chunks) == b"01234"
    bucket.etag = '"second"'
    with pytest.raises(ClientError, match="PreconditionFailed"):
        next(chunks)
