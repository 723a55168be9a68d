"""Backups in a store: listed, found, expired."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.errors import FailedError, OpsError
from ops.shelf import DamagedError, Shelf, told
from ops.store import FolderStore, opened

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Known:
    at: datetime
    sha256: str = "abc"

    def written(self) -> bytes:
        return json.dumps([self.at.isoformat(), self.sha256]).encode()


def read(text: bytes) -> Known:
    at, sha256 = json.loads(text)
    return Known(datetime.fromisoformat(at), sha256)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf[Known]:
    return Shelf(
        store=FolderStore(tmp_path),
        places=("dumps/", "database/"),
        suffix=".sql.gz",
        read=read,
        kind="backups",
        made_by="make one",
        verified_by="verify",
    )


def add(shelf: Shelf[Known], age: timedelta, *, verified: bool = True) -> str:
    at = NOW - age
    name = shelf.new_name("app", at)
    shelf.store.put(name, [b"dump"])
    if verified:
        shelf.prove(name, Known(at))
    return name


def names(shelf: Shelf[Known]) -> list[str]:
    return [kept.name for kept in shelf.all()]


def days(number: float) -> timedelta:
    return timedelta(days=number)


def test_names_are_in_the_order_of_time_and_plain(shelf: Shelf[Known]) -> None:
    assert shelf.new_name("my app/x", NOW) == "dumps/20261129T120000Z-my_app_x.sql.gz"


def test_two_of_a_second_have_two_names(shelf: Shelf[Known]) -> None:
    add(shelf, days(0))
    assert shelf.new_name("app", NOW) == "dumps/20261129T120001Z-app.sql.gz"


def test_the_newest_comes_first_whoever_made_it(shelf: Shelf[Known]) -> None:
    old = add(shelf, days(2))
    new = add(shelf, days(1), verified=False)
    shelf.store.put("database/stromhaltig_20261129_023000.sql.gz", [b"the host's"])
    shelf.store.put("database/stromhaltig_20261129_023000.sql.gz.sha256", [b"def  x"])
    assert names(shelf) == ["database/stromhaltig_20261129_023000.sql.gz", new, old]
    host = shelf.all()[0]
    assert (host.at.hour, host.subject, host.manifest) == (2, "stromhaltig", None)
    assert shelf.checksum(host) == "def"
    assert shelf.checksum(shelf.find(old)) == "abc"
    assert shelf.checksum(shelf.find(new)) is None
    with pytest.raises(DamagedError, match="instead of def"):
        shelf.demand_checksum(host, "abc")


def test_latest_is_the_newest_that_is_verified(shelf: Shelf[Known]) -> None:
    good = add(shelf, days(2))
    add(shelf, days(1), verified=False)
    assert shelf.find("latest").name == good


def test_without_a_verified_one_latest_says_what_to_do(shelf: Shelf[Known]) -> None:
    with pytest.raises(OpsError, match="Make one: make one"):
        shelf.find("latest")
    name = add(shelf, days(1), verified=False)
    with pytest.raises(OpsError, match=f"verify {name}"):
        shelf.find("latest")


def test_part_of_a_name_is_enough_if_it_is_one(shelf: Shelf[Known]) -> None:
    old, new = add(shelf, days(2)), add(shelf, days(1))
    assert shelf.find("20261127").name == old
    assert shelf.find(new.removeprefix("dumps/")).name == new
    with pytest.raises(OpsError, match="may be one of"):
        shelf.find("2026")
    with pytest.raises(OpsError, match='There is no "2025"'):
        shelf.find("2025")


def test_old_ones_go_when_a_younger_one_is_verified(shelf: Shelf[Known]) -> None:
    gone = [add(shelf, days(40)), add(shelf, days(31), verified=False)]
    stay = [add(shelf, days(29)), add(shelf, days(0))]
    assert sorted(shelf.expire(MONTH, NOW)) == sorted(gone)
    assert names(shelf) == stay[::-1]
    assert not any("20261020" in entry.name for entry in shelf.store.entries())


@pytest.mark.parametrize("younger", [False, True])
def test_the_last_verified_one_stays_however_old(
    shelf: Shelf[Known], younger: bool
) -> None:
    old = add(shelf, days(400))
    if younger:
        add(shelf, days(1), verified=False)
    assert shelf.expire(MONTH, NOW) == []
    assert old in names(shelf)


def test_what_others_look_after_stays(shelf: Shelf[Known]) -> None:
    shelf.store.put("database/stromhaltig_20200101_023000.sql.gz", [b"the host's"])
    add(shelf, days(0))
    assert shelf.expire(MONTH, NOW) == []


def test_a_manifest_that_is_none_counts_for_nothing(shelf: Shelf[Known]) -> None:
    name = add(shelf, days(1))
    shelf.store.put(f"{name}.manifest.json", [b"{"])
    assert shelf.all()[0].manifest is None


def test_that_old_ones_cannot_go_is_told_after_the_success(
    shelf: Shelf[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: object, name: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(FolderStore, "delete", denied)
    shelf.store.put(shelf.new_name("app", NOW - days(4000)), [b"old"])
    name = shelf.new_name("app", datetime.now(UTC))
    shelf.store.put(name, [b"new"])
    shelf.prove(name, Known(datetime.now(UTC)))
    with pytest.raises(FailedError, match="made and verified, but old ones"):
        shelf.expire_after_backup(MONTH)


def test_errors_of_files_are_told_and_those_of_clients_left() -> None:
    with pytest.raises(FailedError, match=r"x could not be written: No space.*All is"):
        raise_in("x", OSError(28, "No space left on device"))
    with pytest.raises(ConnectionError, match="a client's"):
        raise_in("x", ConnectionError("a client's"))


def raise_in(where: str, error: Exception) -> None:
    with told(where, "All is well"):
        raise error


def test_a_place_is_a_folder_or_a_bucket(tmp_path: Path) -> None:
    assert opened(str(tmp_path)).where("a") == str(tmp_path / "a")
    bucket = opened("s3://bucket/some/where?region=eu-central-1")
    assert bucket.where("a") == "s3://bucket/some/where/a"
    with pytest.raises(OpsError, match="is no place for files"):
        opened("ftp://example.com/x")


def test_a_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    left = tmp_path / "a.0000.partial"
    left.write_bytes(b"half")
    FolderStore(tmp_path).put("b", [b"whole"])
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_writer_leaves_what_another_writes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    def chunks() -> object:
        yield b"one"
        store.put("b", [b"meanwhile"])
        yield b" two"

    store.put("a", chunks())  # type: ignore[arg-type]
    assert b"".join(store.read("a")) == b"one two"
