"""Estimates and differences as people, programs and pull requests get them."""

from __future__ import annotations

import dataclasses
import datetime
import io
import json

import pytest
from rich.console import Console

from cost import show
from cost.estimate import Unknown, estimate
from resource_graph import ResourceGraph
from tests.unit.cost.pricing import TODAY, book_of, database, priced, use
from tests.unit.policies.casework import resource

KEY = "aws:kms/key:Key"
NAT = "aws:ec2/natGateway:NatGateway"
STRANGE = resource("aws:redshift/cluster:Cluster", "warehouse")

PRICES = {
    "kms.key": {"usd": 1, "per": "key-month"},
    "kms.requests": {"usd": 0.03, "per": "10,000 requests", "free": 2},
    "nat.hour": {"usd": 0.052, "per": "hour"},
    "nat.gb": {"usd": 0.052, "per": "GB", "basis": "unconfirmed", "as_of": None},
    "rds.backup": 0.103,
    "rds.postgres.db.t4g.micro.single": {"usd": 0.019, "per": "hour"},
    "rds.postgres.db.t4g.small.single": {"usd": 0.037, "per": "hour"},
    "rds.storage.gp3.single": {"usd": 0.137, "per": "GB-month"},
}
WAY_OUT = resource(NAT, "stromhaltig-test-way-out")
OWN_KEY = resource(KEY, "stromhaltig-test")


def printed(function, *estimates, width=120, **options):
    """Lines that are printed, without the spaces at their ends."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    function(*estimates, console, **options)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def made():
    """A gateway for 37.96 and 5.20, a key for 1.00 and its requests for 0.30."""
    return priced([WAY_OUT, OWN_KEY], PRICES, nat_gb=100, key_requests=100_000)


def test_the_sum_says_what_it_is_of(made):
    assert show.headline(made) == (
        "44.46 USD a month, list price in eu-central-1, without tax"
    )


def test_the_sum_says_how_much_is_not_in_it():
    made = priced([OWN_KEY, STRANGE, WAY_OUT], {"kms.key": 1, "kms.requests": 1})
    assert show.headline(made) == (
        "1.00 USD a month, list price in eu-central-1, without tax; "
        "3 of unknown price not counted"
    )


def test_an_estimate_is_printed_by_group_with_the_dearest_first(made):
    lines = [line.split() for line in printed(show.show, made)]
    assert lines[:7] == [
        ["what", "quantity", "USD"],
        ["Network", "43.16"],
        ["way-out", "hours", "730", "hour", "37.96"],
        ["way-out", "data", "~100", "GB", "5.20"],
        ["Keys", "and", "secrets", "1.30"],
        ["Key", "key", "1", "key-month", "1.00"],
        ["Key", "requests", "~10", "10,000", "requests", "0.30"],
    ]


def test_an_estimate_says_what_it_rests_on(made):
    assert printed(show.show, made)[-3:] == [
        "44.46 USD a month, list price in eu-central-1, without tax",
        "~ assumed: nat_gb=100, key_requests=100000",
        "prices confirmed nowhere: nat.gb",
    ]


def test_what_is_assumed_can_be_pasted_behind_assume(made):
    (said,) = [note for note in show.notes(made) if note.startswith("~ assumed: ")]
    for change in said.removeprefix("~ assumed: ").split(", "):
        name, value = change.split("=")
        assert getattr(made.assumptions, name) == float(value)


def test_allowances_that_are_assumed_are_said():
    made = priced([OWN_KEY], PRICES, key_requests=1e5, free_allowances_percent=50)
    # Of 10 x 10,000 requests one is free.
    assert made.usd == pytest.approx(1 + 9 * 0.03)
    (note,) = show.notes(made)
    assert note == "~ assumed: key_requests=100000, free_allowances_percent=50"


def test_what_goes_by_name_is_not_printed_in_whole():
    found = resource("aws:s3/bucket:Bucket")
    prices = {"s3.standard": 0.0245, "s3.put": 0.0054, "s3.get": 0.00043}
    made = priced([found], prices, bucket_gb={"*": 100})
    assert show.notes(made) == [
        "~ assumed: bucket_gb (by name), bucket_writes=0, bucket_reads=0"
    ]


def test_an_unconfirmed_price_of_what_costs_nothing_is_not_spoken_of():
    made = priced([WAY_OUT], PRICES, nat_gb=0)
    assert show.notes(made) == ["~ assumed: nat_gb=0"]


def test_what_costs_less_than_half_a_cent_is_counted_and_not_printed():
    made = priced([OWN_KEY], PRICES, key_requests=1_000)
    assert made.usd == pytest.approx(1.003)
    assert not [line for line in printed(show.show, made) if "requests  " in line]


def test_only_groups_are_printed_where_that_is_asked_for(made):
    lines = printed(show.show, made, detailed=False)
    assert [line.split() for line in lines[:2]] == [
        ["Network", "43.16"],
        ["Keys", "and", "secrets", "1.30"],
    ]


def old_book():
    return book_of({"kms.key": {"usd": 1, "as_of": "2020-01-01"}, "kms.requests": 1})


CAVEATS = [
    "unknown: aws:redshift/cluster:Cluster warehouse: no price is known for this type",
    "warning: 1 of 2 prices of eu-central-1 are older than a year "
    "(the oldest of 2020-01-01): stromhaltig cost refresh --region eu-central-1",
]


def test_unknowns_and_old_prices_are_printed_after_the_sum():
    made = priced([OWN_KEY, STRANGE], old_book())
    assert printed(show.show, made, width=40)[-2:] == CAVEATS


def test_unknowns_and_old_prices_are_printed_with_a_difference_too():
    before, after = priced([OWN_KEY], old_book()), priced([STRANGE], old_book())
    assert printed(show.show_changes, before, after)[-2:] == CAVEATS


def test_names_that_look_like_markup_are_printed_as_they_are():
    made = priced([resource(KEY, "stromhaltig-test-[red]")], PRICES)
    assert "[red]" in "\n".join(printed(show.show, made))
    assert "[red]" in "\n".join(printed(show.show_changes, priced([], PRICES), made))


def test_sentences_are_not_broken_where_there_is_little_room(made):
    lines = printed(show.show, made, width=40)
    assert {show.headline(made), *show.notes(made)} <= set(lines)
    lines = printed(show.show_changes, priced([], PRICES), made, width=40)
    assert f"+44.46 USD a month: from 0.00 to {show.headline(made)}" in lines


@pytest.mark.parametrize("width", [80, 60])
def test_names_are_whole_where_there_is_little_room(width):
    made = priced([resource(NAT, "a-name-" + 10 * "that-is-long-")], PRICES)
    nothing = priced([], PRICES)
    lines = printed(show.show, made, width=width)
    lines += printed(show.show_changes, nothing, made, width=width)
    assert "…" not in "".join(lines)


def databases(class_):
    return [database(instanceClass=class_, allocatedStorage=20), OWN_KEY]


@pytest.fixture
def before():
    return priced(databases("db.t4g.micro"), PRICES)


@pytest.fixture
def after():
    """The database is bigger, by 730 h x 0.018, and there is a gateway."""
    return priced([*databases("db.t4g.small"), WAY_OUT], PRICES)


def test_a_difference_is_printed_with_before_and_after(before, after):
    header, *rows, empty, sentence = printed(show.show_changes, before, after)
    assert header.split() == ["what", "before", "after", "difference"]
    assert [row.split() for row in rows] == [
        ["stromhaltig-test-way-out", "hours", "0.00", "37.96", "+37.96"],
        ["database", "hours,", "db.t4g.small", "13.87", "27.01", "+13.14"],
    ]
    assert empty == ""
    assert sentence.startswith("+51.10 USD a month: from 17.61 to 68.71 USD a month")


def test_what_is_saved_has_a_minus(before, after):
    text = "\n".join(printed(show.show_changes, after, before))
    assert "-37.96" in text
    assert "-51.10 USD a month: from 68.71 to 17.61 USD a month" in text


def test_no_difference_is_a_sentence(before):
    assert printed(show.show_changes, before, before) == [
        "",
        "The price stays as it is: 17.61 USD a month, list price in eu-central-1, "
        "without tax",
    ]


def test_what_was_unknown_before_is_told(before):
    gap = Unknown(urn="urn", name="app", type="a:b:C", why="secret")
    unsure = dataclasses.replace(before, unknown=[gap])
    *_, sentence = printed(show.show_changes, unsure, before)
    assert sentence.startswith("+0.00 USD a month: from 17.61 and 1 unknown to 17.61")


def test_an_estimate_for_a_pull_request(made):
    assert show.markdown(None, made).splitlines() == [
        "**44.46 USD a month, list price in eu-central-1, without tax**",
        "",
        "|  | USD |",
        "|---|---:|",
        "| Network | 43.16 |",
        "| Keys and secrets | 1.30 |",
    ]


def test_a_difference_for_a_pull_request(before, after):
    assert show.markdown(before, after).splitlines() == [
        "**+51.10 USD a month: from 17.61 to 68.71 USD a month, list price in "
        "eu-central-1, without tax**",
        "",
        "|  | before | after | difference |",
        "|---|---:|---:|---:|",
        "| stromhaltig-test-way-out: hours | 0.00 | 37.96 | +37.96 |",
        "| database: hours, db.t4g.small | 13.87 | 27.01 | +13.14 |",
    ]


def test_no_difference_for_a_pull_request(before):
    assert show.markdown(before, before) == (
        "**The price stays as it is: 17.61 USD a month, list price in eu-central-1, "
        "without tax**"
    )


def test_a_pull_request_is_told_what_is_unknown_and_which_prices_are_old():
    text = show.markdown(None, priced([OWN_KEY, STRANGE], old_book()))
    unknown, old = (caveat.partition(": ")[2] for caveat in CAVEATS)
    type_and_name, _, why = unknown.partition(": ")
    assert text.splitlines()[-5:] == [
        "",
        "Of unknown price, and not counted:",
        f"- {type_and_name.replace('warehouse', '`warehouse`')}: {why}",
        "",
        old,
    ]


def test_an_estimate_for_programs(made):
    data = json.loads(show.as_json(None, made))
    assert (data["project"], data["stack"]) == ("stromhaltig", "test")
    assert (data["region"], data["currency"]) == ("eu-central-1", "USD")
    assert data["prices_of"] == "2026-11-29"
    assert data["usd"] == 44.46
    assert data["groups"] == {"Network": 43.16, "Keys and secrets": 1.3}
    assert sum(item["usd"] for item in data["items"]) == pytest.approx(44.46)
    assert data["items"][0] == {
        "urn": WAY_OUT.urn,
        "name": "stromhaltig-test-way-out",
        "type": NAT,
        "group": "Network",
        "what": "hours",
        "quantity": 730,
        "per": "hour",
        "price": "nat.hour",
        "usd": pytest.approx(37.96),
        "assumed": [],
    }
    assert data["items"][1]["assumed"] == ["nat_gb"]
    assert data["assumptions"]["nat_gb"] == 100
    assert (data["unknown"], data["warnings"]) == ([], [])
    assert "changes" not in data


def test_a_difference_for_programs(before, after):
    data = json.loads(show.as_json(before, after))
    assert data["usd"] == 68.71
    assert [change["usd"] for change in data["changes"]] == pytest.approx(
        [37.96, 13.14]
    )
    assert data["changes"][1] == {
        "name": "database",
        "type": "aws:rds/instance:Instance",
        "what": "hours, db.t4g.small",
        "before": pytest.approx(13.87),
        "after": pytest.approx(27.01),
        "usd": pytest.approx(13.14),
    }


def test_no_difference_for_programs(before):
    assert json.loads(show.as_json(before, before))["changes"] == []


def test_programs_are_told_what_is_unknown_and_which_prices_are_old():
    graph = ResourceGraph([STRANGE])
    made = estimate(graph, old_book(), use(), today=TODAY + datetime.timedelta(1))
    data = json.loads(show.as_json(None, made))
    assert data["unknown"] == [
        {
            "urn": STRANGE.urn,
            "name": "warehouse",
            "type": "aws:redshift/cluster:Cluster",
            "why": "no price is known for this type",
        }
    ]
    (warning,) = data["warnings"]
    assert warning.startswith("1 of 2 prices")
