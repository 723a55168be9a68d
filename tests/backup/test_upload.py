"""upload.sh with real rclone against an S3 of moto's on loopback."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ops import archives
from ops.common import Steps
from ops.store import FolderStore
from tests.backup.conftest import PASSWORD, SCRIPTS, Script
from tools.servers import ServerMissingError, which

pytestmark = pytest.mark.slow

BUCKET = "backups"
PREFIX = "stromhaltig/production"


@dataclass(frozen=True)
class Elsewhere:
    """The bucket that backups are copied to, seen with its own API."""

    client: Any

    def objects(self) -> dict[str, bytes]:
        """Content of every object under the prefix, by key."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
        keys = [item["Key"] for item in listed.get("Contents", [])]
        return {key.removeprefix(f"{PREFIX}/"): self.get(key) for key in keys}

    def get(self, key: str) -> bytes:
        """Content of an object."""
        with self.client.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
            return bytes(body.read())

    def put(self, key: str, content: bytes) -> None:
        """Put an object under the prefix."""
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=content)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An S3 service."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield port
    server.stop()


@pytest.fixture
def elsewhere(port: int) -> Iterator[Elsewhere]:
    """An empty bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-central-1",
        aws_access_key_id="key",
        aws_secret_access_key=PASSWORD,
    )
    place = {"LocationConstraint": "eu-central-1"}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    bucket = Elsewhere(client)
    yield bucket
    for key in bucket.objects():
        client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}")
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture(params=["sh", "busybox"])
def upload(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    port: int,
) -> Script:
    """The upload script in Debian's shell, and in rclone's image's."""
    try:
        rclone = which("rclone")
    except ServerMissingError as reason:
        pytest.skip(str(reason))
    config = tmp_path / "rclone.conf"
    config.write_text(
        "[offsite]\ntype = s3\nprovider = Other\nregion = eu-central-1\n"
        f"endpoint = http://127.0.0.1:{port}\n"
        f"access_key_id = key\nsecret_access_key = {PASSWORD}\n"
    )
    config.chmod(0o400)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "rclone").symlink_to(rclone)
    path = f"{tools}:{os.defpath}"
    if request.param == "busybox":
        request.getfixturevalue("busybox")(tools)
        path = str(tools)
    return Script(
        command=(str(shutil.which("sh", path=path)), str(SCRIPTS / "upload.sh")),
        environment={
            "PATH": path,
            "BACKUP_DIR": str(tmp_path / "backups"),
            "REMOTE": f"offsite:{BUCKET}/{PREFIX}",
            "RCLONE_CONFIG": str(config),
            "INTERVAL_SECONDS": "1",
        },
    )


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """Two finished backups."""
    directory = tmp_path / "backups"
    _finish(directory / "database" / "stromhaltig_20261121_023000.sql.gz")
    _finish(directory / "files" / "uploads_20261121_023001.tar.gz")
    return directory


def _finish(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(100_000))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    _checksum(file).write_text(f"{digest}  {file.name}\n")
    return file


def _archived_from_outside(backups: Path, uploads: Path) -> tuple[FolderStore, Path]:
    """An archive that `stromhaltig files backup` made, and the store that it is in."""
    uploads.mkdir()
    (uploads / "report.pdf").write_bytes(os.urandom(100_000))
    store = FolderStore(backups)
    made = archives.back_up(archives.Directory(uploads), store, Steps())
    return store, backups / made.name


def _checksum(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _marked(backups: Path) -> list[str]:
    return sorted(path.name for path in backups.glob("*/*.uploaded"))


def _eventually(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_finished_backups_are_copied_byte_for_byte_and_marked(
    upload: Script, backups: Path, elsewhere: Elsewhere
) -> None:
    unfinished = backups / "database" / ".partial.data"
    unfinished.write_bytes(b"half")
    nameless = backups / "files" / "uploads_20261122_023000.tar.gz"
    nameless.write_bytes(b"no checksum")
    done = upload("once")
    assert done.returncode == 0, done.stderr
    here = {
        str(path.relative_to(backups)): path.read_bytes()
        for path in backups.glob("*/*")
        if path not in (unfinished, nameless) and path.suffix != ".uploaded"
    }
    assert elsewhere.objects() == here
    assert len(here) == 4
    assert _marked(backups) == [
        "stromhaltig_20261121_023000.sql.gz.uploaded",
        "uploads_20261121_023001.tar.gz.uploaded",
    ]
    assert done.stdout.splitlines() == [
        f"upload: copied {file} to offsite:{BUCKET}/{PREFIX}/{kind}"
        for kind, file in (
            ("database", "stromhaltig_20261121_023000.sql.gz"),
            ("files", "uploads_20261121_023001.tar.gz"),
        )
    ]


def test_what_was_made_from_outside_is_copied_and_can_be_restored_from_there(
    upload: Script, backups: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    _, archive = _archived_from_outside(backups, tmp_path / "uploads")
    done = upload("once")
    assert done.returncode == 0, done.stderr
    assert f"{archive.name}.uploaded" in _marked(backups)
    there = FolderStore(tmp_path / "there")
    for key, content in elsewhere.objects().items():
        there.put(key, [content])
    restored = tmp_path / "restored"
    restored.mkdir()
    found = archives.archives(there).find("latest")
    archives.restore(there, found, archives.Directory(restored), Steps(), replace=False)
    report = Path("report.pdf")
    assert (restored / report).read_bytes() == (
        tmp_path / "uploads" / report
    ).read_bytes()


def test_what_was_made_from_outside_is_copied_once_it_was_read_back(
    upload: Script, backups: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    _, archive = _archived_from_outside(backups, tmp_path / "uploads")
    manifest = archive.with_name(f"{archive.name}.manifest.json")
    proven = manifest.read_bytes()
    manifest.unlink()
    assert upload("once").returncode == 0
    assert f"uploads/{archive.name}" not in elsewhere.objects()
    manifest.write_bytes(proven)
    assert upload("once").returncode == 0
    assert f"uploads/{archive.name}" in elsewhere.objects()


def test_a_manifest_that_was_written_anew_holds_up_no_copy(
    upload: Script, backups: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    store, archive = _archived_from_outside(backups, tmp_path / "uploads")
    assert upload("once").returncode == 0
    # Killed before it was marked, and verified once more.
    archive.with_name(f"{archive.name}.uploaded").unlink()
    known = archives.archives(store).find(archive.name)
    archives.verify(store, known, Steps())
    assert upload("once").returncode == 0
    manifest = f"uploads/{archive.name}.manifest.json"
    assert elsewhere.objects()[manifest] == (backups / manifest).read_bytes()


def test_what_was_made_from_outside_and_damaged_is_not_copied(
    upload: Script, backups: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    _, archive = _archived_from_outside(backups, tmp_path / "uploads")
    archive.write_bytes(b"damaged")
    done = upload("once")
    assert done.returncode == 1
    assert f"{archive.name} was damaged since it was made" in done.stderr
    assert not [key for key in elsewhere.objects() if key.startswith("uploads/")]


def test_what_is_marked_is_not_copied_again(
    upload: Script, backups: Path, elsewhere: Elsewhere
) -> None:
    assert upload("once").returncode == 0
    again = upload("once")
    assert (again.returncode, again.stdout) == (0, "")


def test_a_backup_that_was_damaged_here_is_not_copied_and_holds_up_nothing(
    upload: Script, backups: Path, elsewhere: Elsewhere
) -> None:
    (dump,) = backups.glob("database/*.gz")
    dump.write_bytes(b"damaged")
    done = upload("once")
    assert done.returncode == 1
    assert f"{dump.name} was damaged since it was made" in done.stderr
    assert _marked(backups) == ["uploads_20261121_023001.tar.gz.uploaded"]
    assert [key for key in elsewhere.objects() if key.startswith("database")] == []


def test_what_is_there_already_and_differs_is_never_overwritten(
    upload: Script, backups: Path, elsewhere: Elsewhere
) -> None:
    (dump,) = backups.glob("database/*.gz")
    key = f"database/{dump.name}"
    elsewhere.put(key, b"another backup of this name")
    done = upload("once")
    assert done.returncode == 1
    assert f"{dump.name} could not be copied" in done.stderr
    assert elsewhere.objects()[key] == b"another backup of this name"
    assert f"{dump.name}.uploaded" not in _marked(backups)


def test_a_copy_that_arrives_altered_is_not_marked(
    upload: Script, backups: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """An rclone that copies something else, and compares honestly."""
    rclone = tmp_path / "tools" / "rclone"
    real = rclone.readlink()
    rclone.unlink()
    rclone.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f'  copy*) echo altered | {real} rcat "$REMOTE/database/$(basename "$4")" ;;\n'
        f'  *) exec {real} "$@" ;;\n'
        "esac\n"
    )
    rclone.chmod(0o755)
    done = upload("once")
    assert done.returncode == 1
    assert "is not at offsite:" in done.stderr
    assert _marked(backups) == []


def test_without_the_bucket_nothing_is_marked(upload: Script, backups: Path) -> None:
    done = upload("once")
    assert done.returncode == 1
    assert "could not be copied" in done.stderr
    assert _marked(backups) == []


def test_it_waits_for_new_backups_and_for_the_service_and_ends_when_told(
    upload: Script, backups: Path, elsewhere: Elsewhere, port: int
) -> None:
    config = Path(upload.environment["RCLONE_CONFIG"])
    config.chmod(0o600)
    right = config.read_text()
    config.write_text(right.replace(f":{port}", ":1"))
    with upload.started("run") as running:
        _eventually(lambda: running.said().count("next try in 1 s") >= 2)
        assert _marked(backups) == []
        config.write_text(right)
        _eventually(lambda: len(_marked(backups)) == 2)
        _finish(backups / "database" / "stromhaltig_20261122_023000.sql.gz")
        _eventually(lambda: len(_marked(backups)) == 3)
        began = time.monotonic()
        assert running.stop() == 143
        assert time.monotonic() - began < 2
        assert PASSWORD not in running.said()


def test_health_tells_when_a_backup_waits_for_long(
    upload: Script, backups: Path, elsewhere: Elsewhere
) -> None:
    assert upload("status").returncode == 0
    (dump,) = backups.glob("database/*.gz")
    os.utime(dump, (time.time() - 7 * 3600,) * 2)
    late = upload("status")
    assert late.returncode == 1
    assert re.search(rf"{dump.name} waits for 7 hours to be copied", late.stderr)
    assert upload("once").returncode == 0
    assert upload("status").returncode == 0


def test_every_bad_setting_is_named_at_once(upload: Script, tmp_path: Path) -> None:
    done = upload(
        "run",
        REMOTE="bucket",
        RCLONE_CONFIG="/nowhere",
        INTERVAL_SECONDS="0",
        LATE_SECONDS="soon",
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "upload: cannot start:",
        'REMOTE: "bucket" is not like offsite:bucket/folder',
        "RCLONE_CONFIG: /nowhere cannot be read",
        f"BACKUP_DIR: there is no directory {tmp_path}/backups",
        '"0" is no number of seconds from 1',
        '"soon" is no number of seconds from 1',
    ]


def test_a_remote_that_the_configuration_lacks_is_named(
    upload: Script, backups: Path
) -> None:
    done = upload("once", REMOTE="other:bucket/folder")
    assert done.returncode == 1
    assert "rclone.conf has no section [other]" in done.stderr


def test_an_unknown_command_is_refused(upload: Script) -> None:
    done = upload("remove")
    assert done.returncode == 2
    assert done.stderr == "usage: upload.sh run | once | status\n"
