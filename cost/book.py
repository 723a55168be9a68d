"""Price books: list prices of one region, each with its date and where it is from."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FOLDER = Path(__file__).with_name("prices")
"""The books of this repository, a file for each region."""

OLD = datetime.timedelta(days=365)
"""Prices are warned of when they are older than this."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A safe one; libyaml's reads a book six times as fast, where there is libyaml."""


class BookError(Exception):
    """There is no such book, or it cannot be used; the message says what would help."""


class UnknownPriceError(Exception):
    """A price that the book does not have: counted as unknown, never as nothing."""

    def __init__(self, id_: str, near: str) -> None:
        hint = f" (the nearest there is: {near})" if near else ""
        super().__init__(f"the price book has no {id_}{hint}")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tier(_Entry):
    """A price that holds up to an amount; the last one has no end."""

    up_to: float | None = Field(default=None, gt=0)
    usd: float = Field(ge=0)


class Price(_Entry):
    """What one unit costs.

    usd: for the unit that `per` names; tiers: by amount a month, when they differ.
    free: units a month that AWS gives an account for good, all of its stacks together.
    basis: how sure it is; the head of each book explains the words.
    as_of: day of the list that it was taken from; none when it was confirmed nowhere.
    service, usage, where: how the Price List API knows it. list_units: its units in one
    of ours.
    """

    usd: float = Field(ge=0)
    per: str
    basis: Literal["listed", "quoted", "derived", "unconfirmed"]
    as_of: datetime.date | None = None
    tiers: tuple[Tier, ...] = ()
    free: float = Field(default=0, ge=0)
    note: str = ""
    service: str = ""
    usage: str = ""
    where: Mapping[str, str] = Field(default_factory=dict)
    list_units: int = Field(default=1, gt=0)

    @field_validator("tiers")
    @classmethod
    def _rise_without_end(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        *ends, last = [tier.up_to for tier in tiers] or [None]
        known = [end for end in ends if end is not None]
        if last is not None or known != sorted(set(known)) or len(known) < len(ends):
            raise ValueError("each tier ends above the one before, the last one never")
        return tiers

    def total(self, quantity: float) -> float:
        """USD for a quantity, tier by tier."""
        if not self.tiers:
            return quantity * self.usd
        paid, below = 0.0, 0.0
        for tier in self.tiers:
            end = quantity if tier.up_to is None else min(quantity, tier.up_to)
            paid += max(end - below, 0) * tier.usd
            below = end
        return paid


class PriceBook(_Entry):
    """The prices of one region of AWS, or of another provider.

    usage_prefix: what usage types of the region begin with in AWS's Price List API.
    date: when the book was last gone through.
    """

    provider: str
    region: str
    currency: Literal["USD"]
    usage_prefix: str
    date: datetime.date
    prices: Mapping[str, Price]

    def price(self, id_: str) -> Price:
        """The price with an id such as `rds.postgres.db.t4g.micro.single`.

        Raises UnknownPriceError, which names the nearest one, when there is none.
        """
        if id_ not in self.prices:
            near = get_close_matches(id_, self.prices, n=1, cutoff=0.75)
            raise UnknownPriceError(id_, near[0] if near else "")
        return self.prices[id_]

    def warnings(self, today: datetime.date) -> list[str]:
        """What somebody who relies on the book has to know, a sentence each."""
        limit = today - OLD
        old = [p.as_of or self.date for p in self.prices.values()]
        old = [day for day in old if day < limit]
        if not old:
            return []
        return [
            f"{len(old)} of {len(self.prices)} prices of {self.region} are older than "
            f"a year (the oldest of {min(old)}): {self._remedy}"
        ]

    @property
    def _remedy(self) -> str:
        if self.provider == "aws":
            return f"stromhaltig cost refresh --region {self.region}"
        return f"look them up and change cost/prices/{self.provider}.yaml"

    @cached_property
    def unconfirmed(self) -> frozenset[str]:
        """Ids of prices that were confirmed nowhere."""
        return frozenset(
            id_ for id_, price in self.prices.items() if price.basis == "unconfirmed"
        )


def regions(folder: Path = FOLDER) -> list[str]:
    """Regions of AWS that there is a book for."""
    return sorted(file.stem.removeprefix("aws-") for file in folder.glob("aws-*.yaml"))


def path(region: str, folder: Path = FOLDER) -> Path:
    """Where the book of a region is, or would be."""
    return folder / f"aws-{region}.yaml"


def load(region: str, folder: Path = FOLDER) -> PriceBook:
    """The book of a region of AWS.

    Raises BookError, with the regions that there are, when there is none, and with
    every problem of a book that cannot be used.
    """
    there = regions(folder)
    if region not in there:
        near = get_close_matches(region, there, n=1)
        raise BookError(
            f"There is no price book for {region}; there are: {', '.join(there)}."
            + (f" Did you mean {near[0]}?" if near else "")
            + f" Make one with: stromhaltig cost refresh --region {region}"
        )
    return _read(path(region, folder))


def load_provider(provider: str, folder: Path = FOLDER) -> PriceBook:
    """The book of a provider whose prices are the same in every region.

    Raises BookError with every problem of a book that cannot be used.
    """
    return _read(folder / f"{provider}.yaml")


def _read(file: Path) -> PriceBook:
    try:
        content = yaml.load(file.read_text("utf-8"), Loader=_LOADER)  # noqa: S506 - safe
        return PriceBook.model_validate(content)
    except yaml.YAMLError as error:
        raise BookError(f"{file} is no YAML: {error}") from error
    except ValidationError as error:
        problems = [
            f"  {'.'.join(map(str, problem['loc'])) or 'all of it'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise BookError("\n".join([f"{file}:", *problems])) from error
