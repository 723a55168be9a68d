"""Prices of quantities: allowances, tiers that are used up, and gaps."""

from __future__ import annotations

import pytest

from cost.meter import Gap, Item, Meter, elements
from resource_graph import UNKNOWN, ResourceGraph, UndecidedError
from tests.unit.cost.pricing import book_of, use
from tests.unit.policies.casework import resource

IT = resource("aws:sqs/queue:Queue")
ALARMS = {"alarm": {"usd": 0.1, "per": "alarm", "free": 10}}
OUT = {
    "out": {
        "usd": 0.09,
        "per": "GB",
        "free": 100,
        "tiers": [{"up_to": 1000, "usd": 0.09}, {"usd": 0.05}],
    }
}


def usd(prices, price, *quantities, percent=0.0):
    """What each of several items costs that come one after the other."""
    assumed = use(free_allowances_percent=percent)
    meter = Meter(ResourceGraph([IT]), book_of(prices), assumed)
    return [meter.item(IT, "Group", "thing", price, q).usd for q in quantities]


def test_a_line_says_what_it_is_of_and_what_of_it_is_assumed():
    meter = Meter(ResourceGraph([IT]), book_of(ALARMS), use())
    assert meter.item(IT, "Watch", "alarm", "alarm", 3, "events") == Item(
        urn=IT.urn,
        name="it",
        type="aws:sqs/queue:Queue",
        group="Watch",
        what="alarm",
        quantity=3,
        per="alarm",
        price="alarm",
        usd=pytest.approx(0.3),
        assumed=("events",),
    )


def test_a_price_that_is_not_in_the_book_leaves_a_gap_and_no_line():
    meter = Meter(ResourceGraph([IT]), book_of(ALARMS), use())
    gap = meter.item(IT, "Watch", "alarm", "alarms", 3)
    assert gap == Gap(why="the price book has no alarms (the nearest there is: alarm)")


def test_free_allowances_are_not_counted_unless_they_are_assumed():
    assert usd(ALARMS, "alarm", 12) == pytest.approx([1.2])


@pytest.mark.parametrize(
    ("percent", "paid"),
    [
        (100, [0, 0, 2, 4]),  # ten are free: 4, 4, and two of the next
        (50, [0, 3, 4, 4]),  # five: 4, and one of the next
        (25, [1.5, 4, 4, 4]),  # two and a half
    ],
)
def test_an_allowance_is_used_up_by_what_comes_first(percent, paid):
    found = usd(ALARMS, "alarm", 4, 4, 4, 4, percent=percent)
    assert found == pytest.approx([alarms * 0.1 for alarms in paid])


def test_an_allowance_does_not_make_anything_cheaper_than_free():
    assert usd(ALARMS, "alarm", 3, percent=100) == [0]


def test_what_has_no_allowance_is_paid_for_from_the_first_unit_on():
    assert usd({"key": 1}, "key", 3, percent=100) == [3]


def test_tiers_begin_after_the_allowance():
    # 100 of 1,300 GB are free; of the other 1,200 the first 1,000 cost 9 ct.
    assert usd(OUT, "out", 1300, percent=100) == pytest.approx(
        [1000 * 0.09 + 200 * 0.05]
    )


def test_tiers_are_used_up_over_several_lines():
    assert usd(OUT, "out", 800, 300, 100) == pytest.approx(
        [800 * 0.09, 200 * 0.09 + 100 * 0.05, 100 * 0.05]
    )


def test_the_order_of_lines_does_not_change_their_sum():
    there = sum(usd(OUT, "out", 800, 300, 100, percent=40))
    back = sum(usd(OUT, "out", 100, 300, 800, percent=40))
    # 40 of 1,200 GB are free: 1,000 at 9 ct, 160 at 5.
    assert there == pytest.approx(back) == pytest.approx(1000 * 0.09 + 160 * 0.05)


def test_different_prices_are_used_up_apart():
    meter = Meter(ResourceGraph([IT]), book_of({**OUT, "in": OUT["out"]}), use())
    first, second = (meter.item(IT, "", "", id_, 1000).usd for id_ in ("out", "in"))
    assert first == second == pytest.approx(90)


def test_the_first_of_a_type_carries_what_all_of_it_share():
    other = resource(IT.type, "other")
    meter = Meter(ResourceGraph([IT, other]), book_of({}), use())
    assert meter.is_first(IT)
    assert not meter.is_first(other)


def test_what_an_input_lists_is_found_by_its_path():
    found = resource(IT.type, rules=[{"a": 1}, UNKNOWN])
    assert elements(found, "rules") == ["rules.0", "rules.1"]
    assert found.get("rules.0.a") == 1
    assert elements(found, "others") == []


def test_a_list_that_nobody_knows_has_no_number_of_elements():
    with pytest.raises(UndecidedError, match="rules is unknown"):
        elements(resource(IT.type, rules=UNKNOWN), "rules")
