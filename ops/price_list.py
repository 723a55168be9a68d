"""Reads list prices from the AWS Price List API into a price book."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cost import book
from cost.book import Price, PriceBook

SOURCE_REGION = "us-east-1"
"""Where the Price List API answers, for all regions."""

PATTERN = "eu-central-1"
"""The book whose entries a new one gets."""

PREFIXES: Mapping[str, str] = {
    "ap-northeast-1": "APN1",
    "ap-southeast-1": "APS1",
    "ap-southeast-2": "APS2",
    "ca-central-1": "CAN1",
    "eu-central-1": "EUC1",
    "eu-central-2": "EUC2",
    "eu-north-1": "EUN1",
    "eu-south-1": "EUS1",
    "eu-west-1": "EUW1",
    "eu-west-2": "EUW2",
    "eu-west-3": "EUW3",
    "us-east-1": "USE1",
    "us-east-2": "USE2",
    "us-west-2": "USW2",
}
"""Region -> what usage types of it begin with.

The oldest regions use another one, or none, for their oldest services; `_usage_types`
tries those too.
"""

_OLD_PREFIXES = {"eu-west-1": "EU"}


class PriceListError(Exception):
    """The Price List API cannot be asked; the message says why."""


@dataclass
class Refreshed:
    """What a refresh did.

    changed: price -> before and after. missing: prices that the API has not (or not
    exactly one of), which stay as they were.
    """

    file: Path
    confirmed: list[str] = field(default_factory=list)
    changed: dict[str, tuple[float, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The report, a line each."""
        for id_, (before, after) in self.changed.items():
            yield f"{id_}: {before:g} -> {after:g}"
        for id_, why in self.missing.items():
            yield f"{id_}: left as it was, {why}"
        total = len(self.confirmed) + len(self.changed)
        yield f"{self.file}: {total} prices read, {len(self.missing)} left."


def refresh(
    region: str,
    *,
    client: Any = None,
    folder: Path = book.FOLDER,
    today: datetime.date | None = None,
) -> Refreshed:
    """Read each price of a region's book that the API knows, and write the book.

    The file is replaced at the end, whole or not at all.

    Raises BookError for a region whose usage types are not known, PriceListError when
    the API refuses or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    day = today or datetime.date.today()
    old = _book(region, folder)
    report = Refreshed(book.path(region, folder))
    prices = {}
    api = client or _client()
    # What stays as it was in a book that is new was the price of another region.
    keep = region in book.regions(folder)
    try:
        for id_, price in old.prices.items():
            read = _read(api, old, id_, price, day, report)
            if keep or id_ not in report.missing:
                prices[id_] = read
    except (BotoCoreError, ClientError) as error:
        raise PriceListError(
            f"The AWS Price List API was asked in vain: {error}. It takes credentials "
            "that may call pricing:GetProducts; the book is as it was"
        ) from error
    new = old.model_copy(update={"date": day, "prices": prices})
    _write(new, report.file)
    return report


def _client() -> Any:
    import boto3

    return boto3.client("pricing", region_name=SOURCE_REGION)


def _book(region: str, folder: Path) -> PriceBook:
    if region in book.regions(folder):
        return book.load(region, folder)
    if region not in PREFIXES:
        raise book.BookError(
            f"{region} is no region whose prices can be read; those that can: "
            f"{', '.join(sorted(PREFIXES))}"
        )
    pattern = book.load(PATTERN, folder)
    return pattern.model_copy(
        update={"region": region, "usage_prefix": PREFIXES[region]}
    )


def _read(
    api: Any,
    old: PriceBook,
    id_: str,
    price: Price,
    day: datetime.date,
    report: Refreshed,
) -> Price:
    if not price.usage:
        report.missing[id_] = "the API does not have it"
        return price
    found: list[Mapping[str, Any]] = []
    for usage in _usage_types(old, price):
        found = _products(api, old.region, price, usage)
        if found:
            break
    tiers = [_tiers(product, price.list_units) for product in found]
    tiers = [product for product in tiers if product]
    if len(tiers) != 1:
        report.missing[id_] = f"the API has {len(tiers) or 'none'} of {price.usage}"
        return price
    usd = tiers[0][0].usd
    if usd == price.usd:
        report.confirmed.append(id_)
    else:
        report.changed[id_] = (price.usd, usd)
    return price.model_copy(
        update={
            "usd": usd,
            "tiers": tuple(tiers[0]) if price.tiers else (),
            "basis": "listed",
            "as_of": day,
            "note": "",
        }
    )


def _usage_types(old: PriceBook, price: Price) -> list[str]:
    older = _OLD_PREFIXES.get(old.region)
    return [
        f"{old.usage_prefix}-{price.usage}",
        *([f"{older}-{price.usage}"] if older else []),
        f"{old.region}-{price.usage}",
        # Without a region: what costs the same everywhere, and us-east-1.
        price.usage,
    ]


def _products(
    api: Any, region: str, price: Price, usage: str
) -> list[Mapping[str, Any]]:
    wanted = {"usagetype": usage, **price.where}
    pages = api.get_paginator("get_products").paginate(
        ServiceCode=price.service,
        Filters=[
            {"Type": "TERM_MATCH", "Field": key, "Value": value}
            for key, value in wanted.items()
        ],
    )
    products = [json.loads(text) for page in pages for text in page["PriceList"]]
    return [
        product
        for product in products
        if product["product"]["attributes"].get("regionCode") in (region, None, "")
    ]


def _tiers(product: Mapping[str, Any], units: int) -> list[book.Tier]:
    """The prices on demand of a product by amount; free first tiers are left out."""
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    rows = [row for term in terms for row in term["priceDimensions"].values()]
    rows.sort(key=lambda row: float(row["beginRange"]))
    tiers = [
        book.Tier(
            up_to=None if row["endRange"] == "Inf" else float(row["endRange"]),
            usd=round(float(row["pricePerUnit"]["USD"]) * units, 10),
        )
        for row in rows
    ]
    while len(tiers) > 1 and tiers[0].usd == 0:
        del tiers[0]
    return tiers


def _write(new: PriceBook, file: Path) -> None:
    import yaml

    pattern = file if file.exists() else book.path(PATTERN, file.parent)
    lines = pattern.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    head[:1] = [f"# List prices of AWS in {new.region}, in USD, without tax, discounts"]
    # Through JSON: YAML knows neither tuples nor our own mappings, but it knows dates.
    content = json.loads(new.model_dump_json(exclude_defaults=True))
    text = yaml.safe_dump(content, sort_keys=False, width=88)
    beside = file.with_suffix(".new")
    beside.write_text("\n".join(head) + "\n" + text, encoding="utf-8")
    beside.replace(file)
