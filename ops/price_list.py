"""Reads list prices from the AWS Price List API into a price book."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

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

    changed: price -> before and after. missing: prices that the API has not, or several
    of that differ. They stay as they were, but for a book that is new: it is without
    them, for they were those of another region.
    """

    file: Path
    is_new: bool = False
    confirmed: list[str] = field(default_factory=list)
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The report, a line each."""
        left = "left out" if self.is_new else "left as it was"
        if not self.is_new:
            for id_, (before, after) in self.changed.items():
                yield f"{id_}: {before} -> {after}"
        for id_, why in self.missing.items():
            yield f"{id_}: {left}, {why}"
        total = len(self.confirmed) + len(self.changed)
        yield f"{self.file}: {total} prices read, {len(self.missing)} {left}."


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
    is_new = region not in book.regions(folder)
    report = Refreshed(book.path(region, folder), is_new)
    prices = {}
    try:
        api = client or _client()
        for id_, price in old.prices.items():
            read = _read(api, old, id_, price, day, report)
            if id_ not in report.missing or not is_new:
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
    # Several that cost the same, such as backups of each engine, are as good as one.
    prices = {tuple(_tiers(product, price.list_units)) for product in found} - {()}
    if len(prices) != 1:
        many = f"{len(prices)} different prices" if prices else "no price"
        report.missing[id_] = f"the API has {many} of {price.usage}"
        return price
    (tiers,) = prices
    new = price.model_copy(
        update={
            "usd": tiers[0].usd,
            "tiers": tiers if price.tiers else (),
            "basis": "listed",
            "as_of": day,
            "note": "",
        }
    )
    if (new.usd, new.tiers) == (price.usd, price.tiers):
        report.confirmed.append(id_)
    else:
        report.changed[id_] = (_figures(price), _figures(new))
    return new


def _figures(price: Price) -> str:
    if not price.tiers:
        return f"{price.usd:g}"
    return ", ".join(
        f"{tier.usd:g}" + (f" to {tier.up_to:g}" if tier.up_to else "")
        for tier in price.tiers
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
    return [product for product in products if _region(product) in (region, "")]


def _region(product: Mapping[str, Any]) -> str:
    """Where a product is sold; empty when that is everywhere.

    Data transfer says where from.
    """
    attributes: Mapping[str, str] = product["product"]["attributes"]
    return attributes.get("regionCode") or attributes.get("fromRegionCode") or ""


def _tiers(product: Mapping[str, Any], units: int) -> list[book.Tier]:
    """The prices on demand of a product by amount.

    Free first tiers are left out, and with them a product that is only free: its price
    is that of something else.
    """
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    rows = [row for term in terms for row in term["priceDimensions"].values()]
    rows.sort(key=lambda row: float(row["beginRange"]))
    tiers = [
        book.Tier(
            up_to=None if row["endRange"] == "Inf" else float(row["endRange"]) / units,
            usd=round(float(row["pricePerUnit"]["USD"]) * units, 10),
        )
        for row in rows
    ]
    while tiers and tiers[0].usd == 0:
        del tiers[0]
    return tiers


class _Dumper(yaml.SafeDumper):
    """Writes a day out each time, where YAML would refer to the first of its kind."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's
        return True


def _write(new: PriceBook, file: Path) -> None:
    pattern = file if file.exists() else book.path(PATTERN, file.parent)
    lines = pattern.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    head[:1] = [f"# List prices of AWS in {new.region}, in USD, without tax, discounts"]
    content = _plain(new.model_dump(exclude_defaults=True))
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=88)
    beside = file.with_suffix(".new")
    beside.write_text("\n".join(head) + "\n" + text, encoding="utf-8")
    beside.replace(file)


def _plain(value: Any) -> Any:
    """The same in what YAML knows: no tuples, no whole numbers with a point."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
