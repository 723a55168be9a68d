"""Backups into S3 (moto on loopback), and what happens when it says no.

What moto does not refuse by itself is answered in its place, on the wire's side of
botocore: its own retries and errors are at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from typer.testing import CliRunner

from ops.cli import app
from ops.common import Steps
from ops.database import backup as backups
from ops.database.address import Address
from ops.database.databases import Destination
from ops.database.restore import StoredDump, loaded, plan
from ops.store import S3Store, opened
from tests.ops.conftest import Server, contents

BUCKET = "backups"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a bucket that is empty; who opens a store gets the same."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    yield client
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.objects.all().delete()
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    bucket.delete()
    client.close()


@pytest.fixture
def store(client: Any) -> S3Store:
    store = opened(f"s3://{BUCKET}/app?region=eu-central-1")
    assert isinstance(store, S3Store)
    return store


def refusal(status: int, code: str) -> Callable[..., AWSResponse]:
    """S3's answer when it does not want to."""
    body = f"<Error><Code>{code}</Code><Message>injected {code}</Message></Error>"

    class Raw:
        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            yield body.encode()

    def answer(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, status, {}, Raw())

    return answer


def run(small: Address, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("DB", small.url)
    place = f"s3://{BUCKET}/app?region=eu-central-1"
    line = ["db", *arguments, "--address-env", "DB", "--store", place]
    return CliRunner().invoke(app, line)


def test_a_backup_goes_to_s3_and_comes_back(
    server: Server, filled: Address, store: S3Store
) -> None:
    made = backups.back_up(filled, store, Steps())
    assert made.where.startswith(f"s3://{BUCKET}/app/dumps/")
    assert backups.dumps(store).find("latest") == made
    to = Destination(filled, server.admin)
    with loaded(plan(StoredDump(store, made), to, Steps()), Steps()) as name:
        assert contents(filled.to(name)) == contents(filled)


def test_asked_to_slow_down_it_tries_again(
    small: Address, store: S3Store, client: Any
) -> None:
    refused = iter([refusal(503, "SlowDown")])
    asked = []

    def once(request: Any, **_: object) -> AWSResponse | None:
        asked.append(request.url)
        answer = next(refused, None)
        return answer(request) if answer else None

    client.meta.events.register("before-send.s3.UploadPart", once)
    made = backups.back_up(small, store, Steps())
    assert asked[0] == asked[1]
    assert backups.dumps(store).find("latest") == made


@pytest.mark.parametrize(
    ("operation", "status", "code", "remedy"),
    [
        ("CreateMultipartUpload", 403, "AccessDenied", "lacks a permission"),
        ("UploadPart", 400, "ExpiredToken", "aws sso login"),
        ("CompleteMultipartUpload", 503, "SlowDown", "SlowDown"),
    ],
)
def test_a_refusal_is_told_and_leaves_no_backup(
    small: Address,
    store: S3Store,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    status: int,
    code: str,
    remedy: str,
) -> None:
    client.meta.events.register(f"before-send.s3.{operation}", refusal(status, code))
    ran = run(small, monkeypatch, "backup")
    assert ran.exit_code == 1
    assert code in ran.stderr
    assert remedy in ran.stderr
    assert store.entries() == []
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("error", [ConnectTimeoutError, ReadTimeoutError])
def test_a_server_that_does_not_answer(
    small: Address,
    store: S3Store,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    def silent(request: Any, **_: object) -> None:
        raise error(endpoint_url=request.url)

    client.meta.events.register("before-send.s3.UploadPart", silent)
    ran = run(small, monkeypatch, "backup")
    assert ran.exit_code == 1
    assert "imeout" in ran.stderr or "timed out" in ran.stderr
    assert store.entries() == []


def test_a_dump_that_cannot_be_read_back_is_not_listed_as_verified(
    small: Address, store: S3Store, client: Any
) -> None:
    client.meta.events.register(
        "before-send.s3.GetObject", refusal(403, "AccessDenied")
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        backups.back_up(small, store, Steps())
    client.meta.events.unregister("before-send.s3.GetObject")
    assert [entry.name.endswith(".sql.gz") for entry in store.entries()] == [True]


def test_old_ones_that_may_not_be_removed_are_told_of(
    small: Address,
    store: S3Store,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.put("dumps/20250101T000000Z-app.sql.gz", [b"old"])
    client.meta.events.register(
        "before-send.s3.DeleteObject", refusal(403, "AccessDenied")
    )
    ran = run(small, monkeypatch, "backup")
    assert ran.exit_code == 1
    assert "made and verified, but old ones could not be removed" in ran.stderr
    assert len(backups.dumps(store).all()) == 2
