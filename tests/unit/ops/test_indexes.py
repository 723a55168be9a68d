"""Which index does the work of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.database.indexes import Index, duplicates

PLAIN = Index(
    oid=1,
    table="t",
    name="plain",
    size=8192,
    method="btree",
    keys=["a"],
    included=[],
    predicate="",
    unique=False,
    constrained=False,
)


def needless(*indexes: Index) -> list[str]:
    return [finding.name for finding in duplicates(indexes)]


def other(**changes: object) -> Index:
    return replace(PLAIN, oid=2, name="other", **changes)


def test_of_two_that_are_the_same_the_newer_one_goes():
    assert needless(PLAIN, other()) == ["other"]
    assert needless(replace(PLAIN, oid=3), other()) == ["plain"]


def test_the_beginning_of_another_goes_and_its_sql_blocks_nobody():
    (finding,) = duplicates([PLAIN, other(keys=["a", "b"])])
    assert (finding.name, finding.why) == ("plain", "the beginning of other")
    assert finding.sql == "DROP INDEX CONCURRENTLY plain;"


def test_what_stands_for_a_constraint_stays_and_the_other_goes():
    key = other(unique=True, constrained=True)
    assert needless(PLAIN, key) == ["plain"]
    assert needless(key, PLAIN) == ["plain"]
    assert needless(key, replace(key, oid=5, name="twice")) == []


def test_of_a_unique_one_and_a_plain_one_the_plain_one_goes():
    assert needless(PLAIN, other(unique=True)) == ["plain"]


@pytest.mark.parametrize(
    "changes",
    [
        {"table": "u"},
        {"method": "hash"},
        {"predicate": "(a > 1)"},
        {"keys": ["b", "a"]},
        {"method": "gin", "keys": ["a", "b"]},
        {"keys": ["a DESC"]},
    ],
)
def test_what_differs_stays(changes):
    assert needless(PLAIN, other(**changes)) == []


def test_uniqueness_is_of_all_keys():
    assert needless(replace(PLAIN, unique=True), other(keys=["a", "b"])) == []


def test_what_is_carried_along_must_be_in_the_other():
    carries = replace(PLAIN, included=["c"])
    assert needless(carries, other()) == ["other"]
    assert needless(carries, other(keys=["a", "c"])) == ["plain"]
    assert needless(carries, other(included=["d"])) == []


def test_the_biggest_comes_first():
    small, big = replace(PLAIN, name="small"), replace(other(), name="big", size=2**20)
    assert needless(small, big, replace(PLAIN, oid=9, keys=["a", "b"])) == [
        "big",
        "small",
    ]
