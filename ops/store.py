"""Where files are kept: a folder, or a bucket. Whole, or not at all."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, urlsplit

from ops.errors import FailedError, OpsError

CHUNK = 1024**2
"""Bytes that are read at a time."""

PART = 16 * 1024**2
"""Bytes of a part of an upload. S3 takes 10,000 of them: 156 GiB."""

CONNECT_SECONDS = 5
"""How long S3 may take to answer the telephone."""

READ_SECONDS = 30
"""How long it may then think."""

ATTEMPTS = 5
"""How often a call is tried that was throttled or got lost."""

_PARTIAL = ".partial"


@dataclass(frozen=True, order=True)
class Entry:
    """A file in a store.

    name: path in the store, with `/`. size: bytes.
    """

    name: str
    size: int
    modified: datetime


class Store(Protocol):
    """A flat list of named files."""

    def where(self, name: str = "") -> str:
        """Address of a file, for people."""

    def put(self, name: str, chunks: Iterable[bytes]) -> int:
        """Write a file and return its size; under its name it is whole, or not there.

        An error of `chunks` is raised as it is. Raises FailedError when what arrived
        is not what was sent.
        """

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless there is one of the name; whether it was written.

        Of several who do so at once, one does.
        """

    def read(self, name: str) -> Iterator[bytes]:
        """Yield a file in chunks.

        Raises FileNotFoundError when there is none.
        """

    def entries(self, prefix: str = "") -> list[Entry]:
        """Whole files whose names begin so, by name."""

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""


def bucket(parts: SplitResult, *below: str) -> S3Store:
    """The store at `s3://BUCKET/PREFIX?region=REGION`, or in folders below it.

    Where nobody answers, it gives up within a minute: a lock is freed at the end of a
    command, which should not hang.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    region = parse_qs(parts.query).get("region", [None])[0]
    prefix = "/".join(filter(None, [parts.path.strip("/"), *below]))
    client = boto3.client("s3", region_name=region, config=config)
    return S3Store(client, parts.netloc, f"{prefix}/" if prefix else "")


def opened(place: str) -> Store:
    """The store at a place: a folder, or `s3://BUCKET/PREFIX?region=REGION`.

    Raises OpsError for a place of another kind.
    """
    parts = urlsplit(place)
    if parts.scheme == "s3" and parts.netloc:
        return bucket(parts)
    if "://" in place:
        raise OpsError(
            f'"{place}" is no place for files. Name a folder, or '
            "s3://BUCKET/PREFIX?region=REGION"
        )
    return FolderStore(Path(place).expanduser())


class FolderStore:
    """A folder of this machine.

    Files are readable by their owner only: dumps hold everybody's data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str = "") -> str:
        """Path of a file."""
        return str(self._folder / name)

    def put(self, name: str, chunks: Iterable[bytes]) -> int:
        """Write beside the place, then move there."""
        path = self._path(name)
        size = 0
        with (
            self._written(path) as (partial, descriptor),
            os.fdopen(descriptor, "wb") as file,
        ):
            for chunk in chunks:
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            # Still open, and so locked: it is nobody's to sweep up.
            partial.replace(path)
        return size

    def create(self, name: str, content: bytes) -> bool:
        """Write beside the place, then link: of several one succeeds."""
        path = self._path(name)
        with (
            self._written(path) as (partial, descriptor),
            os.fdopen(descriptor, "wb") as file,
        ):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            try:
                path.hardlink_to(partial)
            except FileExistsError:
                return False
        return True

    def read(self, name: str) -> Iterator[bytes]:
        """Yield chunks of a megabyte."""
        with self._path(name).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def entries(self, prefix: str = "") -> list[Entry]:
        """Every whole file below the folder."""
        if not self._folder.is_dir():
            return []
        found = []
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            if not name.startswith(prefix) or path.name.endswith(_PARTIAL):
                continue
            # It may go while we look.
            with suppress(FileNotFoundError):
                if path.is_file():
                    found.append(_entry(name, path.stat()))
        return sorted(found)

    def delete(self, name: str) -> None:
        """Unlink a file."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not name or not path.is_relative_to(self._folder.resolve()):
            raise OpsError(f'"{name}" is no name of a file in {self._folder}')
        return path

    def _written(self, path: Path) -> _Partial:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _Partial(path)


class _Partial:
    """A file beside another, gone after the block unless it was moved.

    Whoever writes it has it locked: what nobody has was left by one that was killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path

    def __enter__(self) -> tuple[Path, int]:
        self._sweep()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        while True:
            # Another name each time: who sweeps the one before must not meet this.
            name = f"{self._path.name}.{secrets.token_hex(4)}{_PARTIAL}"
            self._partial = self._path.with_name(name)
            descriptor = os.open(self._partial, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Somebody may have swept it up before it was locked.
            if os.fstat(descriptor).st_nlink:
                return self._partial, descriptor
            os.close(descriptor)

    def _sweep(self) -> None:
        for left in self._path.parent.glob(f"*{_PARTIAL}"):
            # Locked, gone meanwhile, or not ours: all of no account.
            with suppress(OSError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()

    def __exit__(self, *_: object) -> None:
        self._partial.unlink(missing_ok=True)


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


class S3Store:
    """A prefix of a bucket, of AWS or of a service that speaks its protocol.

    client: of boto3, for S3. prefix: ends with `/`, or is empty.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def where(self, name: str = "") -> str:
        """S3 URL of a file."""
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def put(self, name: str, chunks: Iterable[bytes]) -> int:
        """Upload in parts, each checked by S3, and compare the size of the whole.

        Nothing is there before the last part: parts of a failed upload are given back.
        """
        place = self._place(name)
        upload = self._client.create_multipart_upload(
            **place, ChecksumAlgorithm="CRC32"
        )["UploadId"]
        try:
            parts, size = self._upload(place, upload, chunks)
            self._client.complete_multipart_upload(
                **place, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell
                self._client.abort_multipart_upload(**place, UploadId=upload)
            raise
        arrived = self._client.head_object(**place)["ContentLength"]
        if arrived != size:
            raise FailedError(
                f"{self.where(name)} has {arrived} bytes instead of {size}. Do not "
                "rely on it; try again"
            )
        return size

    def _upload(
        self, place: dict[str, str], upload: str, chunks: Iterable[bytes]
    ) -> tuple[list[dict[str, Any]], int]:
        parts: list[dict[str, Any]] = []
        size = 0
        for number, part in enumerate(_in_parts(chunks), start=1):
            checksum = base64.b64encode(zlib.crc32(part).to_bytes(4, "big")).decode()
            done = self._client.upload_part(
                **place,
                UploadId=upload,
                PartNumber=number,
                Body=part,
                ChecksumCRC32=checksum,
            )
            parts.append(
                {"PartNumber": number, "ETag": done["ETag"], "ChecksumCRC32": checksum}
            )
            size += len(part)
        return parts, size

    def create(self, name: str, content: bytes) -> bool:
        """Write on condition that there is none yet."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(**self._place(name), Body=content, IfNoneMatch="*")
        except ClientError as error:
            # 409: another write of the name was under way, and won.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {409, 412}:
                return False
            raise
        return True

    def read(self, name: str) -> Iterator[bytes]:
        """Yield chunks of a megabyte.

        What breaks off is gone on with where it broke, as long as it is the same file:
        reading a big one takes longer than connections last.
        """
        from botocore.exceptions import (
            IncompleteReadError,
            ReadTimeoutError,
            ResponseStreamingError,
        )

        found = self._get(name)
        whole: int = found["ContentLength"]
        read = failures = 0
        while True:
            body = found["Body"]
            try:
                with body:
                    for chunk in body.iter_chunks(CHUNK):
                        read += len(chunk)
                        failures = 0
                        yield chunk
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                failures += 1
                if failures == ATTEMPTS:
                    raise
            if read >= whole:
                return
            found = self._get(name, Range=f"bytes={read}-", IfMatch=found["ETag"])

    def _get(self, name: str, **part: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.get_object(**self._place(name), **part)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                raise FileNotFoundError(self.where(name)) from None
            raise

    def entries(self, prefix: str = "") -> list[Entry]:
        """Every object below the prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        return sorted(
            Entry(
                found["Key"].removeprefix(self._prefix),
                found["Size"],
                found["LastModified"],
            )
            for page in pages
            for found in page.get("Contents", ())
        )

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._client.delete_object(**self._place(name))

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}


def _in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Gather chunks into parts; at least one, for S3 asks for one."""
    part = bytearray()
    sent = False
    for chunk in chunks:
        part += chunk
        while len(part) >= PART:
            yield bytes(part[:PART])
            del part[:PART]
            sent = True
    if part or not sent:
        yield bytes(part)
