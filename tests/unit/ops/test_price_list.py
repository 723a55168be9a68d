"""Price books, read again from a Price List API that answers as AWS's does."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.validate import validate_parameters

from cost import book
from cost.book import BookError
from ops import price_list
from ops.price_list import PriceListError, Refreshed, refresh

DAY = datetime.date(2027, 1, 15)

HEAD = """\
# List prices of AWS in eu-central-1, in USD, without tax, discounts
# and free tiers. Written by hand once.
#
#   per:   what one unit is
"""
BOOK = """\
provider: aws
region: eu-central-1
currency: USD
usage_prefix: EUC1
date: 2026-11-29
prices:
  rds.postgres.db.t4g.micro.single:
    usd: 0.019
    per: hour
    basis: quoted
    as_of: 2026-08-31
    service: AmazonRDS
    usage: InstanceUsage:db.t4g.micro
    where:
      databaseEngine: PostgreSQL
  kms.key:
    usd: 1
    per: key-month
    basis: unconfirmed
    note: From memory.
    service: awskms
    usage: KMS-Keys
  transfer.region:
    usd: 0.02
    per: GB to another region
    basis: derived
    note: Of another region.
"""

RDS = "rds.postgres.db.t4g.micro.single"
RDS_USAGE = "InstanceUsage:db.t4g.micro"

PRICE = {"per": "unit", "basis": "quoted", "as_of": "2026-08-31", "service": "S"}
OUT = {
    **PRICE,
    "usd": 0.09,
    "tiers": [{"up_to": 10240, "usd": 0.09}, {"usd": 0.085}],
    "usage": "Out-Bytes",
}
CALLS = {**PRICE, "usd": 0.6, "usage": "Calls", "list_units": 1000000}


@cache
def request_shape() -> Any:
    """What the real client takes."""
    client = boto3.client("pricing", region_name=price_list.SOURCE_REGION)
    return client.meta.service_model.operation_model("GetProducts").input_shape


class Api:
    """Answers from a list of products; fails at the call with the number `fails_at`."""

    def __init__(
        self,
        *products: Mapping[str, Any],
        error: Exception | None = None,
        fails_at: int = 0,
    ) -> None:
        self.products = products
        self.error = error
        self.fails_at = fails_at
        self.asked: list[dict[str, str]] = []

    def get_paginator(self, operation: str) -> Api:
        assert operation == "get_products"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        validate_parameters(request, request_shape())
        if self.error and len(self.asked) == self.fails_at:
            raise self.error
        wanted = {"servicecode": request["ServiceCode"]}
        for condition in request["Filters"]:
            assert condition["Type"] == "TERM_MATCH"
            wanted[condition["Field"]] = condition["Value"]
        self.asked.append(wanted)
        found = [
            json.dumps(product)
            for product in self.products
            if wanted.items() <= product["product"]["attributes"].items()
        ]
        # A page of each, and an empty one at the end.
        for page in [[text] for text in found] + [[]]:
            yield {"FormatVersion": "aws_v1", "PriceList": page}

    def usages(self) -> list[str]:
        return [wanted["usagetype"] for wanted in self.asked]


def product(
    service: str,
    usage: str,
    *prices: tuple[float, float | str, str],
    region: str = "eu-central-1",
    **attributes: str,
) -> dict[str, Any]:
    """An entry of a price list; prices: begin, end and USD of each tier."""
    sku, term, rate = "Q2VA4XH2YFYXPGX4", "JRTCKXETXF", "6YS6EN2CT7"
    return {
        "product": {
            "productFamily": "Whatever",
            "attributes": {
                "regionCode": region,
                "servicecode": service,
                "usagetype": usage,
                "locationType": "AWS Region",
                "operation": "",
                **attributes,
            },
            "sku": sku,
        },
        "serviceCode": service,
        "terms": {
            "OnDemand": {
                f"{sku}.{term}": {
                    "priceDimensions": {
                        f"{sku}.{term}.{rate}{number}": {
                            "unit": "Hrs",
                            "beginRange": str(begin),
                            "endRange": str(end),
                            "description": f"${usd} per unit",
                            "appliesTo": [],
                            "rateCode": f"{sku}.{term}.{rate}{number}",
                            "pricePerUnit": {"USD": usd},
                        }
                        for number, (begin, end, usd) in enumerate(prices)
                    },
                    "sku": sku,
                    "effectiveDate": "2027-01-01T00:00:00Z",
                    "offerTermCode": term,
                    "termAttributes": {},
                }
            },
            "Reserved": {
                f"{sku}.38NPMPTW36": {
                    "priceDimensions": {
                        f"{sku}.38NPMPTW36.{rate}": {
                            "unit": "Hrs",
                            "beginRange": "0",
                            "endRange": "Inf",
                            "pricePerUnit": {"USD": "0.0001000000"},
                        }
                    },
                    "termAttributes": {"LeaseContractLength": "3yr"},
                }
            },
        },
        "version": "20270110000000",
        "publicationDate": "2027-01-10T00:00:00Z",
    }


def flat(service: str, usage: str, usd: str, **attributes: str) -> dict[str, Any]:
    """An entry with one price for every unit."""
    return product(service, usage, (0, "Inf", usd), **attributes)


def micro(usd: str = "0.0190000000", **attributes: str) -> dict[str, Any]:
    return flat(
        "AmazonRDS",
        f"EUC1-{RDS_USAGE}",
        usd,
        **{"databaseEngine": "PostgreSQL", **attributes},
    )


def key(usd: str = "1.0000000000") -> dict[str, Any]:
    return flat("awskms", "eu-central-1-KMS-Keys", usd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the small book of Frankfurt."""
    file_of(tmp_path).write_text(HEAD + BOOK, encoding="utf-8")
    return tmp_path


def file_of(folder: Path, region: str = "eu-central-1") -> Path:
    return folder / f"aws-{region}.yaml"


def read(
    folder: Path, *products: Mapping[str, Any], region: str = "eu-central-1"
) -> Refreshed:
    return refresh(region, client=Api(*products), folder=folder, today=DAY)


def of_one(folder: Path, id_: str, entry: Mapping[str, Any], *products: Any) -> Any:
    """The one price of a book after a refresh, and the report."""
    content = yaml.safe_load(BOOK) | {"prices": {id_: entry}}
    file_of(folder).write_text(yaml.safe_dump(content), encoding="utf-8")
    report = read(folder, *products)
    return book.load("eu-central-1", folder).price(id_), report


def test_prices_are_confirmed_changed_or_left(folder):
    report = read(folder, micro("0.0210000000"), key())
    assert report.confirmed == ["kms.key"]
    assert report.changed == {RDS: ("0.019", "0.021")}
    assert report.missing == {"transfer.region": "the API does not have it"}
    assert list(report.lines()) == [
        f"{RDS}: 0.019 -> 0.021",
        "transfer.region: left as it was, the API does not have it",
        f"{file_of(folder)}: 2 prices read, 1 left as it was.",
    ]


def test_what_was_read_is_listed_as_of_today_and_the_rest_stays_as_it_was(folder):
    before = book.load("eu-central-1", folder)
    read(folder, micro("0.0210000000"), key())
    after = book.load("eu-central-1", folder)
    listed = {"basis": "listed", "as_of": DAY}
    assert after.date == DAY
    assert after.price(RDS) == before.price(RDS).model_copy(
        update={"usd": 0.021, **listed}
    )
    # Confirmed by the list, it rests on nobody's memory any more.
    assert after.price("kms.key") == before.price("kms.key").model_copy(
        update={"note": "", **listed}
    )
    assert after.price("transfer.region") == before.price("transfer.region")
    assert after.unconfirmed == frozenset()


def test_the_file_keeps_its_head_and_its_order(folder):
    read(folder, micro("0.0210000000"), key())
    text = file_of(folder).read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert "    usd: 0.021\n    per: hour\n    basis: listed\n" in text
    assert "    as_of: 2027-01-15\n" in text
    assert list(yaml.safe_load(text)["prices"]) == list(yaml.safe_load(BOOK)["prices"])
    assert [file.name for file in folder.iterdir()] == ["aws-eu-central-1.yaml"]


def test_a_second_refresh_changes_nothing(folder):
    read(folder, micro("0.0210000000"), key())
    once = file_of(folder).read_bytes()
    report = read(folder, micro("0.0210000000"), key())
    assert report.changed == {}
    assert file_of(folder).read_bytes() == once


def test_a_list_without_any_of_it_changes_the_day_of_the_book_only(tmp_path):
    # The committed book: what a refresh writes has to differ by what changed alone.
    shutil.copy(book.path("eu-central-1"), tmp_path)
    before = file_of(tmp_path).read_text(encoding="utf-8")
    report = read(tmp_path)
    assert (report.confirmed, report.changed) == ([], {})
    after = file_of(tmp_path).read_text(encoding="utf-8")
    day = book.load("eu-central-1").date
    assert after == before.replace(f"\ndate: {day}\n", f"\ndate: {DAY}\n", 1)


def test_it_is_asked_for_the_usage_type_of_the_region_and_what_else_tells(folder):
    api = Api(micro())
    refresh("eu-central-1", client=api, folder=folder, today=DAY)
    assert api.asked[0] == {
        "servicecode": "AmazonRDS",
        "usagetype": "EUC1-InstanceUsage:db.t4g.micro",
        "databaseEngine": "PostgreSQL",
    }
    # KMS writes the region in full; what has no usage type is not asked for.
    assert api.usages()[1:] == ["EUC1-KMS-Keys", "eu-central-1-KMS-Keys", "KMS-Keys"]


def test_other_engines_of_the_same_usage_type_are_not_it(folder):
    report = read(folder, micro("0.0170000000", databaseEngine="MySQL"))
    assert report.missing[RDS] == f"the API has no price of {RDS_USAGE}"
    assert book.load("eu-central-1", folder).price(RDS).usd == 0.019


def test_of_several_prices_none_is_taken(folder):
    report = read(folder, micro(), micro("0.0210000000"))
    assert report.missing[RDS] == f"the API has 2 different prices of {RDS_USAGE}"
    price = book.load("eu-central-1", folder).price(RDS)
    assert (price.usd, price.basis) == (0.019, "quoted")


def test_several_that_cost_the_same_are_as_good_as_one(folder):
    report = read(folder, micro(), micro())
    assert report.confirmed == [RDS]


def test_what_is_free_for_everybody_is_not_the_price(folder):
    free = micro("0.0000000000")
    assert read(folder, free).missing[RDS] == f"the API has no price of {RDS_USAGE}"
    assert read(folder, free, micro()).confirmed == [RDS]


def test_a_product_without_a_price_on_demand_is_none(folder):
    reserved = micro()
    del reserved["terms"]["OnDemand"]
    assert RDS in read(folder, reserved).missing
    without_terms = {**micro(), "terms": {}}
    assert RDS in read(folder, without_terms).missing


def test_a_price_of_another_region_is_not_taken(folder):
    # What has no prefix is of us-east-1, or the same everywhere.
    virginia = flat("awskms", "KMS-Keys", "2.0000000000", region="us-east-1")
    assert "kms.key" in read(folder, virginia).missing
    everywhere = flat("awskms", "KMS-Keys", "2.0000000000", region="")
    assert read(folder, everywhere).changed == {"kms.key": ("1", "2")}


@pytest.mark.parametrize(
    ("origin", "taken"), [("eu-central-1", True), ("us-east-1", False)]
)
def test_traffic_is_of_the_region_that_it_comes_from(folder, origin, taken):
    sent = flat("S", "Out-Bytes", "0.0500000000", fromRegionCode=origin)
    del sent["product"]["attributes"]["regionCode"]
    price, report = of_one(folder, "out", {**OUT, "tiers": []}, sent)
    assert price.usd == (0.05 if taken else 0.09)
    assert ("out" in report.missing) is not taken


def test_the_last_tiers_come_first_and_are_put_in_order(folder):
    sent = product(
        "S",
        "EUC1-Out-Bytes",
        (51200, "Inf", "0.0500000000"),
        (0, "10240", "0.0800000000"),
        (10240, "51200", "0.0700000000"),
    )
    price, report = of_one(folder, "out", OUT, sent)
    assert price.usd == 0.08
    assert [(tier.up_to, tier.usd) for tier in price.tiers] == [
        (10240, 0.08),
        (51200, 0.07),
        (None, 0.05),
    ]
    assert next(report.lines()) == (
        "out: 0.09 to 10240, 0.085 -> 0.08 to 10240, 0.07 to 51200, 0.05"
    )


def test_a_later_tier_that_changes_is_a_change(folder):
    sent = product(
        "S", "EUC1-Out-Bytes", (0, "10240", "0.09"), (10240, "Inf", "0.0840000000")
    )
    _, report = of_one(folder, "out", OUT, sent)
    assert report.confirmed == []
    assert report.changed == {"out": ("0.09 to 10240, 0.085", "0.09 to 10240, 0.084")}


def test_a_free_first_tier_is_left_out(folder):
    # Free allowances are counted by `free`, for all stacks of an account together.
    sent = product(
        "S",
        "EUC1-Out-Bytes",
        (0, "100", "0.0000000000"),
        (100, "10240", "0.0900000000"),
        (10240, "Inf", "0.0850000000"),
    )
    _, report = of_one(folder, "out", OUT, sent)
    assert report.confirmed == ["out"]
    calls = product(
        "S",
        "EUC1-Calls",
        (0, "1000000", "0.0000000000"),
        (1000000, "Inf", "0.0000006000"),
    )
    price, report = of_one(folder, "calls", CALLS, calls)
    assert report.confirmed == ["calls"]
    assert price.usd == 0.6


def test_a_price_that_has_no_tiers_here_is_the_one_of_the_first(folder):
    held = product(
        "S", "EUC1-Calls", (0, "9000000", "0.0000007000"), (9000000, "Inf", "0.0000001")
    )
    price, report = of_one(folder, "calls", CALLS, held)
    assert (price.usd, price.tiers) == (0.7, ())
    assert report.changed == {"calls": ("0.6", "0.7")}


def test_units_of_the_list_are_made_into_ours(folder):
    price, report = of_one(
        folder, "calls", CALLS, flat("S", "EUC1-Calls", "0.0000006000")
    )
    assert (price.usd, report.confirmed) == (0.6, ["calls"])


def test_tiers_end_after_units_of_ours(folder):
    # A tier of 50 million of the list's units is one of 50 of ours.
    tiers = [{"up_to": 10, "usd": 0.6}, {"usd": 0.5}]
    calls = product(
        "S",
        "EUC1-Calls",
        (0, "50000000", "0.0000006000"),
        (50000000, "Inf", "0.0000004000"),
    )
    price, _ = of_one(folder, "calls", {**CALLS, "tiers": tiers}, calls)
    assert [(tier.up_to, tier.usd) for tier in price.tiers] == [(50, 0.6), (None, 0.4)]
    assert price.total(60) == pytest.approx(50 * 0.6 + 10 * 0.4)


# A region that has no book yet.


def test_a_new_region_gets_a_book_of_its_own_prices_only(folder):
    before = file_of(folder).read_bytes()
    zurich = flat(
        "AmazonRDS",
        f"EUC2-{RDS_USAGE}",
        "0.0220000000",
        region="eu-central-2",
        databaseEngine="PostgreSQL",
    )
    report = read(folder, zurich, micro(), key(), region="eu-central-2")
    made = book.load("eu-central-2", folder)
    assert (made.region, made.usage_prefix, made.date) == ("eu-central-2", "EUC2", DAY)
    # Neither the key, which the API has in Frankfurt only, nor what it has nowhere.
    assert {id_: price.usd for id_, price in made.prices.items()} == {RDS: 0.022}
    assert list(report.lines()) == [
        "kms.key: left out, the API has no price of KMS-Keys",
        "transfer.region: left out, the API does not have it",
        f"{file_of(folder, 'eu-central-2')}: 1 prices read, 2 left out.",
    ]
    assert file_of(folder).read_bytes() == before


def test_a_new_book_has_the_head_of_the_old_one_with_its_own_region(folder):
    read(folder, region="eu-west-1")
    text = file_of(folder, "eu-west-1").read_text(encoding="utf-8")
    first, *rest = HEAD.splitlines()
    assert text.splitlines()[: len(rest) + 1] == [
        first.replace("eu-central-1", "eu-west-1"),
        *rest,
    ]


@pytest.mark.parametrize(
    ("region", "usage"),
    [
        ("eu-west-1", "EUW1-InstanceUsage:db.t4g.micro"),
        ("eu-west-1", "EU-InstanceUsage:db.t4g.micro"),
        ("us-east-1", "USE1-InstanceUsage:db.t4g.micro"),
        ("us-east-1", "InstanceUsage:db.t4g.micro"),
        ("us-west-2", "USW2-InstanceUsage:db.t4g.micro"),
        ("ap-southeast-2", "APS2-InstanceUsage:db.t4g.micro"),
    ],
)
def test_regions_are_found_by_each_of_their_prefixes(folder, region, usage):
    found = flat(
        "AmazonRDS", usage, "0.0160000000", region=region, databaseEngine="PostgreSQL"
    )
    read(folder, found, region=region)
    assert book.load(region, folder).price(RDS).usd == 0.016


def test_a_region_whose_prefix_is_not_known_is_refused(folder):
    api = Api()
    with pytest.raises(BookError) as refused:
        refresh("mars-1", client=api, folder=folder, today=DAY)
    assert str(refused.value) == (
        "mars-1 is no region whose prices can be read; those that can: "
        + ", ".join(sorted(price_list.PREFIXES))
    )
    assert api.asked == []
    assert not file_of(folder, "mars-1").exists()


# An API that does not answer.

ERRORS = [
    (
        ClientError(
            {
                "Error": {
                    "Code": "AccessDeniedException",
                    "Message": "User: arn:aws:iam::1:user/me is not authorized",
                }
            },
            "GetProducts",
        ),
        "An error occurred (AccessDeniedException) when calling the GetProducts "
        "operation: User: arn:aws:iam::1:user/me is not authorized",
    ),
    (NoCredentialsError(), "Unable to locate credentials"),
    (
        EndpointConnectionError(endpoint_url="https://api.pricing"),
        'Could not connect to the endpoint URL: "https://api.pricing"',
    ),
]


@pytest.mark.parametrize("fails_at", [0, 2])
@pytest.mark.parametrize(("error", "said"), ERRORS, ids=["denied", "nobody", "nowhere"])
def test_when_the_api_fails_the_book_is_as_it_was(folder, error, said, fails_at):
    before = file_of(folder).read_bytes()
    api = Api(micro("0.0210000000"), error=error, fails_at=fails_at)
    with pytest.raises(PriceListError) as refused:
        refresh("eu-central-1", client=api, folder=folder, today=DAY)
    assert str(refused.value) == (
        f"The AWS Price List API was asked in vain: {said}. It takes credentials that "
        "may call pricing:GetProducts; the book is as it was"
    )
    assert len(api.asked) == fails_at
    assert file_of(folder).read_bytes() == before
    assert len(list(folder.iterdir())) == 1


def test_when_the_api_fails_there_is_no_new_book(folder):
    api = Api(error=NoCredentialsError(), fails_at=1)
    with pytest.raises(PriceListError):
        refresh("eu-west-1", client=api, folder=folder, today=DAY)
    assert [file.name for file in folder.iterdir()] == ["aws-eu-central-1.yaml"]


def test_a_profile_that_is_not_there_is_a_failure_like_any_other(folder, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    before = file_of(folder).read_bytes()
    with pytest.raises(PriceListError, match=r"profile \(nobody\) could not be found"):
        refresh("eu-central-1", folder=folder, today=DAY)
    assert file_of(folder).read_bytes() == before


def test_a_book_that_cannot_be_used_is_not_written_over(folder):
    file_of(folder).write_text("prices: [", encoding="utf-8")
    with pytest.raises(BookError, match="is no YAML"):
        read(folder, micro())
    assert file_of(folder).read_text(encoding="utf-8") == "prices: ["


def test_the_api_of_all_regions_is_in_one_of_them():
    assert price_list._client().meta.region_name == "us-east-1"
