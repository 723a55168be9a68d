"""What a stack that was just made is like: by the policies, and by the price book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cost import book, show
from cost.assumptions import assumptions, profile_for
from cost.estimate import Estimate, book_for, estimate
from policies import exceptions
from policies.catalogue import POLICIES
from policies.evaluate import Judgement, judge
from policies.report import summary
from resource_graph import GraphError, parse, region_of


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A judgement, and an estimate of what a month costs.

    estimate: none where nothing has a price, as on a Docker host.
    unpriced: why there is none where there could be one.
    """

    judgement: Judgement
    estimate: Estimate | None
    unpriced: str = ""

    @property
    def facts(self) -> list[str]:
        """Both in a sentence."""
        facts = []
        if any(outcome.applies for outcome in self.judgement.outcomes):
            facts.append(summary(self.judgement))
        if self.estimate:
            facts.append(show.headline(self.estimate))
        if self.unpriced:
            facts.append(self.unpriced)
        return facts

    @property
    def problems(self) -> list[str]:
        """What is open and stops an update, and which policies failed."""
        return [
            *(
                f"{found.policy.id} {found.resource.name}: {found.text}"
                for found in self.judgement.open
                if found.policy.severity.stops
            ),
            *(f"{o.policy.id}: {o.crashed}" for o in self.judgement.crashed),
        ]

    @property
    def accepted(self) -> dict[str, str]:
        """Control -> until when it is accepted, and why."""
        return {
            found.policy.id: f"until {found.accepted.expires}: {found.accepted.reason}"
            for found in self.judgement.accepted
            if found.accepted
        }


def inspect(state: Mapping[str, Any]) -> Inspection:
    """Judge and price an exported state.

    Raises GraphError for a state without resources, ExceptionsError and BookError for
    files of ours that cannot be used.
    """
    graph = parse(state)
    accepted = exceptions.load(controls=[policy.id for policy in POLICIES])
    judgement = judge(graph, POLICIES, accepted)
    try:
        prices = book_for(graph)
    except GraphError:
        return Inspection(judgement=judgement, estimate=None)
    except book.BookError:
        why = f"not priced: there is no price book for {region_of(graph)}"
        return Inspection(judgement=judgement, estimate=None, unpriced=why)
    assumed = assumptions(profile_for(graph.stack))
    priced = estimate(graph, prices, assumed)
    return Inspection(judgement=judgement, estimate=priced)
