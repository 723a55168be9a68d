"""Releases: numbered once, found by what people call them."""

from __future__ import annotations

import json

import pytest

from ops import releases
from ops.errors import OpsError
from ops.releases import Release, find, record
from ops.store import FolderStore
from tests.unit.ops.fakes import image


def release(number: int, letter: str, **more: object) -> Release:
    return Release(
        number=number,
        at="2026-11-29T20:00:00+00:00",
        who="ada",
        image=image(letter),
        revision=f"app:{number}",
        deployment=f"d{number}",
        **more,
    )


@pytest.fixture
def records(tmp_path):
    return FolderStore(tmp_path)


def test_a_release_is_read_as_it_was_recorded(records):
    recorded = record(records, release(1, "a", migrations=("001_users",), back=None))
    assert releases.releases(records) == [recorded]


def test_two_at_once_get_two_numbers(records):
    first, second = (record(records, release(1, letter)) for letter in "ab")
    assert (first.number, second.number) == (1, 2)
    assert [found.label for found in releases.releases(records)] == ["r2", "r1"]


def test_what_a_later_version_recorded_is_read_as_far_as_it_is_known(records):
    known = record(records, release(1, "a", migrations=("001_users",)))
    data = json.loads(b"".join(records.read("releases/000001.json")))
    records.put("releases/000001.json", [json.dumps(data | {"mood": "good"}).encode()])
    assert releases.releases(records) == [known]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"number": 1', '"r1"'])
def test_what_is_no_release_is_named(records, text):
    records.put("releases/000001.json", [text.encode()])
    with pytest.raises(OpsError, match=r"000001\.json is no record of a release"):
        releases.releases(records)


KNOWN = [release(3, "a", git="3333333"), release(2, "b"), release(1, "a")]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (None, 2),
        ("r2", 2),
        ("2", 2),
        (image("b"), 2),
        ("sha256:bbbbbb", 2),
        ("app:1", 1),
        ("3333333", 3),
    ],
)
def test_a_release_is_found_by_what_it_is_called(wanted, number):
    assert find(KNOWN, wanted).number == number


def test_the_one_before_runs_another_image():
    again = [release(4, "a"), *KNOWN]
    assert find(again, None).number == 2


def test_the_one_before_is_not_the_one_that_was_left():
    left = [release(4, "b", back=2), release(3, "c"), release(2, "b"), release(1, "a")]
    assert find(left, None).number == 1
    with pytest.raises(OpsError, match="no release before the one that runs"):
        find([release(3, "a", back=1), release(2, "b"), release(1, "a")], None)


def test_the_one_before_what_nobody_recorded_is_the_newest():
    known = [release(2, "b"), release(1, "a")]
    assert find(known, None, running=image("c")).number == 2
    assert find(known, None, running=image("b")).number == 1
    assert find([release(1, "a")], None, running=image("c")).number == 1


def test_an_unknown_release_names_the_nearest():
    with pytest.raises(OpsError, match=r'no release "r22"\. Did you mean "r2"'):
        find(KNOWN, "r22")


def test_an_image_that_ran_twice_is_no_choice():
    assert find(KNOWN, "sha256:aaaaaa").number == 3


def test_a_digest_of_several_images_is_a_choice():
    with pytest.raises(OpsError, match="may be one of r3, r2, r1"):
        find(KNOWN, "sha256:")


def test_without_a_release_before_there_is_no_way_back():
    with pytest.raises(OpsError, match="no release before the one that runs"):
        find([release(1, "a")], None)
