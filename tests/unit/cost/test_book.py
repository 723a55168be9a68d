"""Price books: the one that is committed, tiers, and what is said of a bad one."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from cost import book
from cost.book import BookError, Price, UnknownPriceError
from tests.unit.cost.pricing import FRANKFURT, TODAY, book_of

HEAD = """\
provider: aws
region: eu-central-1
currency: USD
usage_prefix: EUC1
date: 2026-11-29
prices:
"""


def write(folder: Path, text: str, region: str = "eu-central-1") -> None:
    (folder / f"aws-{region}.yaml").write_text(text, encoding="utf-8")


def refusal(region: str, folder: Path) -> str:
    with pytest.raises(BookError) as refused:
        book.load(region, folder)
    return str(refused.value)


def test_a_region_without_a_book_is_refused_with_those_that_have_one():
    with pytest.raises(BookError) as refused:
        book.load("ap-south-1")
    assert str(refused.value) == (
        "There is no price book for ap-south-1; there are: eu-central-1. "
        "Make one with: stromhaltig cost refresh --region ap-south-1"
    )


def test_a_region_that_is_misspelt_is_refused_with_the_nearest():
    with pytest.raises(BookError) as refused:
        book.load("eu-centrl-1")
    assert "Did you mean eu-central-1? Make one with:" in str(refused.value)


def test_all_regions_that_have_a_book_are_named(tmp_path):
    for region in ("eu-west-1", "eu-central-1"):
        write(tmp_path, HEAD, region)
    said = refusal("eu-west-2", tmp_path)
    assert "there are: eu-central-1, eu-west-1. Did you mean eu-west-1?" in said


def test_a_region_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "aws-x.yaml").write_text(HEAD)
    (tmp_path / "books").mkdir()
    said = refusal("x/../../aws-x", tmp_path / "books")
    assert said.startswith("There is no price book for x/../../aws-x")


def test_a_file_that_is_no_yaml_is_refused_with_the_line(tmp_path):
    write(tmp_path, HEAD + "  alb.hour: {usd: 1\n")
    said = refusal("eu-central-1", tmp_path)
    assert said.startswith(f"{tmp_path}/aws-eu-central-1.yaml is no YAML: ")
    assert "line 8" in said


@pytest.mark.parametrize("text", ["", "- 1\n", "prices\n"])
def test_a_file_that_holds_something_else_is_refused(tmp_path, text):
    write(tmp_path, text)
    first, second = refusal("eu-central-1", tmp_path).splitlines()
    assert first == f"{tmp_path}/aws-eu-central-1.yaml:"
    assert second.startswith("  all of it: Input should be a valid dictionary")


def test_every_entry_that_is_wrong_is_named_at_once(tmp_path):
    write(
        tmp_path,
        """\
provider: aws
region: eu-central-1
currency: EUR
date: 2026-11-29
prices:
  alb.hour: {usd: -1, per: hour, basis: quoted}
  alb.lcu: {usd: much, per: LCU-hour, basis: quoted}
  nat.hour: {usd: 0.05, basis: quoted}
  nat.gb: {usd: 0.05, per: GB, basis: guessed}
  ipv4.hour: {usd: .inf, per: hour, basis: quoted}
  s3.put: {usd: 1, per: 1000, basis: quoted, list_units: 0, unit: request}
""",
    )
    path, *problems = refusal("eu-central-1", tmp_path).splitlines()
    assert path == f"{tmp_path}/aws-eu-central-1.yaml:"
    assert {problem.partition(": ")[0].strip() for problem in problems} == {
        "currency",
        "usage_prefix",
        "prices.alb.hour.usd",
        "prices.alb.lcu.usd",
        "prices.nat.hour.per",
        "prices.nat.gb.basis",
        "prices.ipv4.hour.usd",
        "prices.s3.put.per",
        "prices.s3.put.list_units",
        "prices.s3.put.unit",
    }
    assert "  prices.nat.hour.per: Field required" in problems


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param([100], id="the last tier ends"),
        pytest.param([100, 50, None], id="a tier ends below the one before"),
        pytest.param([100, 100, None], id="a tier is empty"),
        pytest.param([None, 100, None], id="a tier in the middle never ends"),
    ],
)
def test_tiers_that_leave_an_amount_without_a_price_are_refused(ends):
    tiers = [{"up_to": end, "usd": 1} for end in ends]
    with pytest.raises(ValueError, match="each tier ends above the one before, the"):
        book_of({"transfer.out": {"usd": 1, "tiers": tiers}})


def test_tiers_are_used_up_one_after_the_other():
    tiers = [{"up_to": 10, "usd": 3}, {"up_to": 30, "usd": 2}, {"usd": 1}]
    price = book_of({"x": {"usd": 3, "tiers": tiers}}).price("x")
    assert price.total(0) == 0
    assert price.total(4) == 4 * 3
    assert price.total(10) == 10 * 3
    assert price.total(25) == 10 * 3 + 15 * 2
    assert price.total(100) == 10 * 3 + 20 * 2 + 70 * 1


def test_without_tiers_every_unit_costs_the_same():
    assert book_of({"x": 0.25}).price("x").total(6) == 1.5


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("rds.postgres.db.t4g.medum.single", "rds.postgres.db.t4g.medium.single"),
        ("cache.valkey.cache.t4g.micr", "cache.valkey.cache.t4g.micro"),
        ("fargate.arm.vcpu", "fargate.arm64.vcpu"),
    ],
)
def test_a_price_that_is_not_there_is_refused_with_the_nearest(asked, near):
    with pytest.raises(UnknownPriceError) as refused:
        FRANKFURT.price(asked)
    assert str(refused.value) == (
        f"the price book has no {asked} (the nearest there is: {near})"
    )


def test_no_price_is_near_to_one_of_another_kind():
    with pytest.raises(UnknownPriceError) as refused:
        FRANKFURT.price("redshift.ra3.xlplus")
    assert str(refused.value) == "the price book has no redshift.ra3.xlplus"


def test_prices_older_than_a_year_are_warned_of_with_number_and_oldest_day():
    year = datetime.timedelta(days=365)
    prices = book_of(
        {
            "old": {"usd": 1, "as_of": TODAY - year - datetime.timedelta(days=1)},
            "older": {"usd": 1, "as_of": "2024-02-29"},
            "a year": {"usd": 1, "as_of": TODAY - year},
            "new": {"usd": 1, "as_of": TODAY},
        }
    )
    assert prices.warnings(TODAY) == [
        "2 of 4 prices of eu-central-1 are older than a year (the oldest of "
        "2024-02-29): stromhaltig cost refresh --region eu-central-1"
    ]


def test_a_price_that_was_confirmed_nowhere_is_as_old_as_its_book():
    prices = book_of({"x": {"usd": 1, "as_of": None, "basis": "unconfirmed"}})
    assert prices.warnings(TODAY) == []
    (warning,) = prices.warnings(TODAY + datetime.timedelta(days=366))
    assert warning.startswith("1 of 1 prices of eu-central-1 are older than a year")
    assert f"(the oldest of {TODAY})" in warning


def test_prices_of_today_are_warned_of_by_nobody():
    assert book_of({"x": 1, "y": 2}).warnings(TODAY) == []


# From here on: the book that is committed.


def test_the_books_are_those_of_their_regions():
    assert "eu-central-1" in book.regions()
    for region in book.regions():
        assert book.load(region).region == region


def test_no_entry_stands_twice_in_a_book():
    # YAML takes the last of two and says nothing.
    text = book.path("eu-central-1").read_text(encoding="utf-8")
    written = re.findall(r"^  (\S+):$", text, flags=re.MULTILINE)
    assert [id_ for id_, count in Counter(written).items() if count > 1] == []
    assert written == list(FRANKFURT.prices)


@pytest.mark.parametrize("id_", FRANKFURT.prices)
def test_every_price_has_a_unit_and_is_of_a_likely_size(id_):
    price = FRANKFURT.prices[id_]
    assert price.per
    # The dearest unit is a web ACL, the cheapest a GB-second of a function.
    assert 1e-5 <= price.usd <= 5
    assert price.free >= 0
    if price.tiers:
        paid = [tier.usd for tier in price.tiers]
        assert paid[0] == price.usd
        assert paid == sorted(paid, reverse=True)


def test_a_quoted_price_has_a_day_or_the_books_and_none_is_of_the_future():
    days = [price.as_of for price in FRANKFURT.prices.values() if price.as_of]
    assert len(days) > 50
    assert max(days) <= FRANKFURT.date
    assert not [
        id_
        for id_, price in FRANKFURT.prices.items()
        if price.basis == "listed" and price.as_of is None
    ]


def test_what_the_price_list_is_asked_for_is_asked_for_in_whole():
    for id_, price in FRANKFURT.prices.items():
        assert price.service or not price.usage, id_
        assert price.usage or not price.where, id_
        # `refresh` tries the region's prefix itself.
        assert not price.usage.startswith(FRANKFURT.usage_prefix), id_


def test_no_two_prices_are_asked_for_by_the_same_words():
    asked = Counter(
        (price.service, price.usage, tuple(price.where.items()))
        for price in FRANKFURT.prices.values()
        if price.usage
    )
    assert [words for words, count in asked.items() if count > 1] == []


def test_unconfirmed_prices_are_those_that_say_so():
    text = book.path("eu-central-1").read_text(encoding="utf-8")
    content = yaml.safe_load(text)["prices"]
    said = {id_ for id_, e in content.items() if e["basis"] == "unconfirmed"}
    assert FRANKFURT.unconfirmed == said
    assert "alb.hour" not in said


SIZES = ("micro", "small", "medium", "large")


def ratio(bigger: str, smaller: str) -> float:
    return FRANKFURT.price(bigger).usd / FRANKFURT.price(smaller).usd


@pytest.mark.parametrize("zones", ["single", "multi"])
def test_a_class_of_twice_the_size_costs_about_twice_as_much(zones):
    for small, big in pairwise(SIZES):
        prices = [f"rds.postgres.db.t4g.{size}.{zones}" for size in (big, small)]
        assert ratio(*prices) == pytest.approx(2, rel=0.06)


def test_two_zones_cost_about_twice_as_much_as_one():
    singles = [id_ for id_ in FRANKFURT.prices if id_.endswith(".single")]
    assert len(singles) > 10
    for single in singles:
        multi = single.replace(".single", ".multi")
        assert ratio(multi, single) == pytest.approx(2, rel=0.06), single


def test_spare_capacity_is_cheaper_and_so_is_arm():
    for size in ("vcpu", "gb"):
        for processor in ("arm64", "x86_64"):
            on_spot = f"fargate.spot.{processor}.{size}"
            assert 0.2 < ratio(on_spot, f"fargate.{processor}.{size}") < 0.7
        arm, x86 = f"fargate.arm64.{size}", f"fargate.x86_64.{size}"
        assert ratio(arm, x86) == pytest.approx(0.8, rel=0.01)


def test_valkey_costs_a_fifth_less_than_redis():
    nodes = [id_ for id_ in FRANKFURT.prices if id_.startswith("cache.redis.")]
    assert len(nodes) > 5
    for node in nodes:
        valkey = node.replace(".redis.", ".valkey.")
        assert ratio(valkey, node) == pytest.approx(0.8, rel=0.01)


def test_a_price_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        FRANKFURT.price("alb.hour").usd = 0
    assert isinstance(FRANKFURT.price("alb.hour"), Price)
