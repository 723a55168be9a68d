"""Backups of uploads in a folder: identical, inside their place, and safe to repeat."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.archives import ArchiveManifest, Directory, archives, back_up, examine, restore
from ops.cli import app
from ops.common import Steps
from ops.errors import FailedError
from ops.shelf import DamagedError
from ops.store import FolderStore
from tests.servers import NOBODY

Described = dict[str, tuple[str, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "backups")


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """Files of every kind that can trip an archive."""
    folder = tmp_path / "uploads"
    (folder / "2026" / "empty").mkdir(parents=True)
    (folder / "2026" / "report.pdf").write_bytes(os.urandom(3_000_001))
    for name in ("-rf", "two\nlines", "a 'b' $d", "Größe ⚡.txt", ".hidden", "n" * 200):
        (folder / name).write_text(name)
    (folder / "none").write_bytes(b"")
    (folder / "link").symlink_to("2026/report.pdf")
    (folder / "being-uploaded.part").write_text("half")
    return folder


def described(folder: Path) -> Described:
    """All that is in a folder: how it may be used, and what is in it."""

    def content(path: Path) -> bytes:
        if path.is_symlink():
            return str(path.readlink()).encode()
        return path.read_bytes() if path.is_file() else b"folder"

    return {
        str(path.relative_to(folder)): (
            stat.filemode(path.lstat().st_mode),
            content(path),
        )
        for path in sorted(folder.rglob("*"))
    }


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["files", *map(str, arguments)])


def places(uploads: Path, store: FolderStore) -> tuple[str, str, str, str]:
    return ("--directory", str(uploads), "--store", store.where())


def test_what_was_uploaded_comes_back_identical(
    uploads: Path, store: FolderStore
) -> None:
    before = described(uploads)
    made = run("backup", *places(uploads, store))
    assert made.exit_code == 0, made.output
    name = made.stdout.strip()
    (uploads / "2026" / "report.pdf").write_text("overwritten")
    (uploads / "link").unlink()
    (uploads / "newer").write_text("newer")
    changed = described(uploads)
    restored = run(
        *("restore", name, "--replace", "--yes-replace", "uploads", "--no-safety"),
        *places(uploads, store),
    )
    assert restored.exit_code == 0, restored.output
    del before["being-uploaded.part"]
    assert described(uploads) == before
    (kept,) = uploads.parent.glob("uploads.before-*")
    assert described(kept) == changed


def test_without_replacing_other_files_stay(uploads: Path, store: FolderStore) -> None:
    made = back_up(Directory(uploads), store, Steps())
    (uploads / "2026" / "report.pdf").write_text("overwritten")
    (uploads / "newer").write_text("newer")
    (uploads / "none").unlink()
    restored = run("restore", made.name, "--yes", *places(uploads, store))
    assert restored.exit_code == 0, restored.output
    assert (uploads / "2026" / "report.pdf").stat().st_size == 3_000_001
    assert (uploads / "newer").read_text() == "newer"
    assert (uploads / "none").exists()
    (kept,) = uploads.parent.glob("uploads.before-*")
    assert (kept / "2026" / "report.pdf").read_text() == "overwritten"
    # And all of it was archived before.
    assert len(archives(store).all()) == 2
    assert not list(uploads.parent.glob("uploads.loading-*"))


def test_restores_within_a_second_keep_what_each_replaced(
    uploads: Path, store: FolderStore
) -> None:
    back_up(Directory(uploads), store, Steps())
    for content in ("first", "second", "third"):
        (uploads / "none").write_text(content)
        found = archives(store).find("latest")
        restore(store, found, Directory(uploads), Steps(), replace=True)
    kept = sorted(uploads.parent.glob("uploads.before-*"))
    assert [(path / "none").read_text() for path in kept] == [
        "first",
        "second",
        "third",
    ]


def test_tar_reads_it(uploads: Path, store: FolderStore, tmp_path: Path) -> None:
    made = back_up(Directory(uploads), store, Steps())
    (tmp_path / "out").mkdir()
    subprocess.run(
        ["tar", "-xzf", store.where(made.name), "-C", tmp_path / "out"], check=True
    )
    expected = described(uploads)
    del expected["being-uploaded.part"]
    assert described(tmp_path / "out") == expected


def test_an_archive_of_tar_is_read(
    uploads: Path, store: FolderStore, tmp_path: Path
) -> None:
    """As the app's own job and the Docker host's script make them."""
    packed = subprocess.run(
        ["tar", "-cz", "-C", uploads, "."], check=True, capture_output=True
    ).stdout
    store.put("files/uploads_20260301_020000.tar.gz", [packed])
    (found,) = archives(store).all()
    listed = run("list", *places(uploads, store))
    assert "not verified here" in listed.stdout
    assert run("list", "--verify", "all", *places(uploads, store)).exit_code == 0
    (proven,) = archives(store).all()
    assert isinstance(proven.manifest, ArchiveManifest)
    assert proven.manifest.files == 9
    assert proven.at == found.at
    before = described(uploads)
    restore(store, found, Directory(uploads), Steps(), replace=True)
    assert described(uploads) == before


def test_files_keep_the_owner_of_their_folder(
    uploads: Path, store: FolderStore
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    made = back_up(Directory(uploads), store, Steps())
    os.chown(uploads, NOBODY, NOBODY)
    restore(store, made, Directory(uploads), Steps(), replace=True)
    owners = {path.lstat().st_uid for path in (uploads, *uploads.rglob("*"))}
    assert owners == {NOBODY}


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("/etc/outside"),
        member("a/../../outside"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("a/link", tarfile.SYMTYPE, "../../outside"),
        member("hard", tarfile.LNKTYPE, "../outside"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_what_leads_out_of_the_folder_is_refused(
    uploads: Path, store: FolderStore, bad: tarfile.TarInfo
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.addfile(bad)
    store.put("uploads/20260301T020000Z-uploads.tar.gz", [file.getvalue()])
    before = described(uploads)
    ran = run("restore", "20260301", "--yes", "--no-safety", *places(uploads, store))
    assert ran.exit_code == 2
    assert f'"{bad.name}" in it' in ran.stderr
    assert described(uploads) == before


def without_end(content: bytes) -> bytes:
    """Cut off just between two files: what tar itself does not mind."""
    return gzip.compress(gzip.decompress(content).rstrip(b"\0") + bytes(512))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1000] + bytes(1000),
        lambda _: b"",
        lambda _: gzip.compress(b""),
        lambda content: gzip.compress(gzip.decompress(content)[:100_000]),
        without_end,
    ],
)
def test_a_damaged_archive_is_refused_before_anything_is_touched(
    uploads: Path, store: FolderStore, damage: Callable[[bytes], bytes]
) -> None:
    (uploads / "last").write_text("an end without zeros")
    made = back_up(Directory(uploads), store, Steps())
    damaged = damage(b"".join(store.read(made.name)))
    store.put("uploads/20200101T000000Z-damaged.tar.gz", [damaged])
    found = archives(store).find("damaged")
    before = described(uploads.parent)
    with pytest.raises(DamagedError, match="is damaged"):
        restore(store, found, Directory(uploads), Steps(), replace=True)
    assert described(uploads.parent) == before


def test_another_archive_than_the_manifests_is_refused(
    uploads: Path, store: FolderStore
) -> None:
    made = back_up(Directory(uploads), store, Steps())
    (uploads / "newer").write_text("newer")
    other = back_up(Directory(uploads), store, Steps())
    store.put(made.name, list(store.read(other.name)))
    with pytest.raises(DamagedError, match="SHA-256"):
        examine(store, made)


def test_one_that_changes_after_it_was_examined_replaces_nothing(
    uploads: Path, store: FolderStore
) -> None:
    made = back_up(Directory(uploads), store, Steps())

    class Changing(FolderStore):
        reads = 0

        def read(self, name: str) -> Iterator[bytes]:
            self.reads += name == made.name
            content = b"".join(super().read(name))
            # Still whole, and another: gzip takes a second, empty part.
            yield content + (gzip.compress(b"") if self.reads > 1 else b"")

    before = described(uploads)
    changing = Changing(Path(store.where()))
    with pytest.raises(DamagedError, match="changed while"):
        restore(changing, made, Directory(uploads), Steps(), replace=True)
    assert described(uploads) == before
    assert not list(uploads.parent.glob("uploads.*-*"))


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from ops.cli import app
app(sys.argv[1:])
"""
"""The command on a full disk: the limit of a file's size stands for it."""

KILLED = """
import os, signal, sys
from ops.cli import app
folder, left = sys.argv[1], int(sys.argv[2])
changes = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "open"}
def audit(event, arguments):
    global left
    if event not in changes or not str(arguments[0]).startswith(folder):
        return
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(audit)
app(sys.argv[3:])
"""
"""The command, killed for good before its Nth change of what is in a folder."""


def in_a_process(
    script: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )


def killed(folder: Path, change: int, *arguments: str) -> bool:
    """Whether the command came to that change, and so was killed."""
    done = in_a_process(KILLED, folder, str(change), "files", *arguments)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def test_a_full_disk_leaves_the_files(uploads: Path, store: FolderStore) -> None:
    made = back_up(Directory(uploads), store, Steps())
    before = described(uploads)
    done = in_a_process(
        *(FULL, "files", "restore", made.name, "--yes", "--no-safety"),
        *places(uploads, store),
    )
    assert done.returncode == 1, done.stderr
    assert "File too large. The files are as they were" in done.stderr
    assert described(uploads) == before
    assert not list(uploads.parent.glob("uploads.*-*"))


def test_a_full_disk_leaves_the_archives(uploads: Path, store: FolderStore) -> None:
    back_up(Directory(uploads), store, Steps())
    before = described(Path(store.where()))
    for command in (("backup",), ("restore", "latest", "--yes")):
        done = in_a_process(FULL, "files", *command, *places(uploads, store))
        assert done.returncode == 1, done.stderr
        assert "File too large. There is no new backup" in done.stderr
        assert described(Path(store.where())) == before


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Uploads with little in them, to be killed among at each step."""
    folder = tmp_path / "uploads"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "report").write_text("old report")
    (folder / "gone").write_text("old gone")
    (folder / "link").symlink_to("gone")
    return folder


def test_a_backup_that_is_killed_at_any_moment_is_none_and_the_next_cleans_up(
    few: Path, store: FolderStore
) -> None:
    uploaded = described(few)
    for change in range(1, 100):
        if not killed(Path(store.where()), change, "backup", *places(few, store)):
            break
        for one in archives(store).all():
            examine(store, one)
        made = run("backup", *places(few, store))
        assert made.exit_code == 0, made.output
        verified = [one for one in archives(store).all() if one.manifest]
        assert made.stdout.strip() in {one.name for one in verified}
        left = [path.name for path in Path(store.where()).rglob("*")]
        assert not [name for name in left if name.endswith(".partial")]
        assert described(few) == uploaded
        shutil.rmtree(store.where())
    assert change > 4


@pytest.mark.parametrize("replace", [False, True])
def test_a_restore_that_is_killed_at_any_moment_loses_nothing_and_the_next_ends_it(
    few: Path, store: FolderStore, replace: bool
) -> None:
    made = back_up(Directory(few), store, Steps())
    archived = described(few)
    options = ("--replace", "--yes-replace", "uploads") if replace else ("--yes",)
    restore = ("restore", made.name, *options, *places(few, store))
    for change in range(1, 100):
        (few / "in" / "report").write_text("newer report")
        (few / "gone").unlink()
        (few / "newer").write_text("newer")
        ended = not killed(few.parent, change, *restore, "--no-safety")
        beside = [path for path in few.parent.glob("uploads*/**/*") if path.is_file()]
        contents = {path.read_text() for path in beside}
        assert contents >= {"newer report", "newer"}, f"lost before change {change}"
        again = run(*restore)
        assert again.exit_code == 0, again.output
        left = described(few)
        assert left.pop("newer", None) is None or not replace
        assert left == archived
        assert not list(few.parent.glob("uploads.loading-*"))
        for kept in few.parent.glob("uploads.before-*"):
            shutil.rmtree(kept)
        (few / "newer").unlink(missing_ok=True)
        if ended:
            break
    assert change > 6


def test_a_folder_where_the_archive_has_a_file_is_told_of(
    uploads: Path, store: FolderStore
) -> None:
    made = back_up(Directory(uploads), store, Steps())
    (uploads / "none").unlink()
    (uploads / "none").mkdir()
    before = described(uploads)
    with pytest.raises(FailedError, match="is a folder now"):
        restore(store, made, Directory(uploads), Steps(), replace=False)
    assert described(uploads) == before


def test_a_folder_that_is_lost_comes_back(uploads: Path, store: FolderStore) -> None:
    made = back_up(Directory(uploads), store, Steps())
    uploads.rename(uploads.with_name("lost"))
    restore(store, made, Directory(uploads), Steps(), replace=False)
    assert (uploads / "2026" / "report.pdf").stat().st_size == 3_000_001


def test_old_ones_go_and_the_others_stay(uploads: Path, store: FolderStore) -> None:
    store.put("uploads/20200101T000000Z-uploads.tar.gz", [b"old"])
    store.put("files/uploads_20200101_000000.tar.gz", [b"the Docker host's own"])
    ran = run("backup", *places(uploads, store))
    assert "Removed uploads/20200101T000000Z-uploads.tar.gz" in ran.stderr
    left = [entry.name for entry in store.entries("uploads/2020")]
    assert left == []
    assert len(archives(store).all()) == 2


def test_what_it_needs_to_know_is_asked_for(uploads: Path, store: FolderStore) -> None:
    assert "--store" in run("backup", "--directory", uploads).stderr
    assert "--directory" in run("backup").stderr
    nowhere = run("backup", *places(uploads / "nowhere", store))
    assert (nowhere.exit_code, "There is no folder" in nowhere.stderr) == (2, True)
    back_up(Directory(uploads), store, Steps())
    unasked = run("restore", "latest", *places(uploads, store))
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    replacing = run("restore", "latest", "--replace", *places(uploads, store))
    assert "--yes-replace uploads" in replacing.stderr
