"""Prices quantities: what a rate, the function of one type, gives and takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from cost.assumptions import Assumptions
from cost.book import PriceBook, UnknownPriceError
from resource_graph import Resource, ResourceGraph
from resource_types import DISTRIBUTION


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of an estimate.

    urn, name, type: of the resource. group: what it belongs to, for sums.
    what: that is paid for; after a comma, of which kind. quantity, per: how much of
    it, a month. price: its id.
    usd: a month. assumed: assumptions that the quantity depends on.
    """

    urn: str
    name: str
    type: str
    group: str
    what: str
    quantity: float
    per: str
    price: str
    usd: float
    assumed: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same line in another estimate, be it of another kind."""
        return (self.urn, self.what.partition(",")[0])


@dataclass(frozen=True, kw_only=True)
class Gap:
    """In place of a line whose price the book does not have; why: in a sentence."""

    why: str


Line = Item | Gap
"""What a rate says of one of the things that its resource is paid for."""


@dataclass
class Meter:
    """Prices quantities, so that tiers and allowances are used up once by all items."""

    graph: ResourceGraph
    book: PriceBook
    assume: Assumptions
    _used: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def item(
        self,
        resource: Resource,
        group: str,
        what: str,
        price_id: str,
        quantity: float,
        *assumed: str,
    ) -> Line:
        """A line for a quantity a month; a gap when the book has no such price."""
        try:
            price = self.book.price(price_id)
        except UnknownPriceError as error:
            return Gap(why=str(error))
        allowance = price.free * self.assume.free_allowances_percent / 100
        before = self._used[price_id]
        self._used[price_id] = before + quantity
        usd = price.total(max(before + quantity - allowance, 0)) - price.total(
            max(before - allowance, 0)
        )
        return Item(
            urn=resource.urn,
            name=resource.name,
            type=resource.type,
            group=group,
            what=what,
            quantity=quantity,
            per=price.per,
            price=price_id,
            usd=usd,
            assumed=tuple(assumed),
        )

    def is_first(self, resource: Resource) -> bool:
        """Whether it is the first of its type: carries what is counted for them all."""
        return self.graph.of(resource.type)[0].urn == resource.urn

    @cached_property
    def has_cdn(self) -> bool:
        """Whether visitors are answered by CloudFront."""
        return bool(self.graph.of(DISTRIBUTION))


def elements(resource: Resource, key: str) -> list[str]:
    """The path of each element that an input lists, to get by it what is in there.

    Raises UndecidedError when it is not known how many there are.
    """
    return [f"{key}.{index}" for index in range(len(resource.get(key) or ()))]


class MissingError(Exception):
    """Something that a price depends on is not in the graph."""


Rate = Callable[[Resource, Meter], Iterator[Line]]
"""What a resource of one type costs."""
