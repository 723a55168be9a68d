"""Runs policies over a graph and says what holds, what does not, and what is open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from policies.exceptions import Accepted
from policies.model import Policy
from resource_graph import Resource, ResourceGraph, UndecidedError
from resource_types import current


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a policy found wrong with a resource.

    accepted: the exception that covers it; none when it is open.
    expired: an exception that did so until its last day.
    """

    policy: Policy
    resource: Resource
    message: str
    accepted: Accepted | None = None
    expired: Accepted | None = None

    @property
    def text(self) -> str:
        """The finding in full: what is wrong, and since when it is not accepted."""
        if self.expired is None:
            return self.message
        return (
            f"{self.message} (it was accepted until {self.expired.expires}: "
            f"{self.expired.reason} Mend it or decide anew)"
        )


@dataclass(kw_only=True)
class Outcome:
    """What one policy says about a graph.

    looked_at: number of resources it is for. undecided: resources of which it would
    have to know more, with the input. crashed: why the policy itself failed.
    """

    policy: Policy
    looked_at: int = 0
    findings: list[Finding] = field(default_factory=list)
    undecided: list[tuple[Resource, str]] = field(default_factory=list)
    crashed: str = ""

    @property
    def open(self) -> list[Finding]:
        """Findings that nobody has accepted."""
        return [finding for finding in self.findings if finding.accepted is None]

    @property
    def applies(self) -> bool:
        """Whether there is anything in the graph that it is for."""
        return self.looked_at > 0

    @property
    def passed(self) -> bool:
        """Whether it applies, came to an end, and nothing is open."""
        return self.applies and not (self.open or self.crashed or self.undecided)


@dataclass(frozen=True)
class Judgement:
    """What all policies say about a graph.

    unused: exceptions for this stack that no finding needs any more.
    """

    outcomes: Sequence[Outcome]
    unused: Sequence[Accepted]

    @property
    def open(self) -> list[Finding]:
        """Findings that nobody has accepted, or for too long."""
        return [found for outcome in self.outcomes for found in outcome.open]

    @property
    def accepted(self) -> list[Finding]:
        """Findings that are covered by an exception."""
        return [
            found
            for outcome in self.outcomes
            for found in outcome.findings
            if found.accepted
        ]

    @property
    def crashed(self) -> list[Outcome]:
        """Policies that failed themselves."""
        return [outcome for outcome in self.outcomes if outcome.crashed]

    @property
    def undecided(self) -> list[Outcome]:
        """Policies that would have to know more."""
        return [outcome for outcome in self.outcomes if outcome.undecided]

    @property
    def passed(self) -> bool:
        """Whether nothing is open and every policy came to an end."""
        return not self.open and not self.crashed


def judge(
    graph: ResourceGraph,
    policies: Iterable[Policy],
    exceptions: Sequence[Accepted] = (),
    *,
    today: date | None = None,
) -> Judgement:
    """Run policies over a graph.

    today: decides which exceptions have expired; default the day it is.

    A policy that raises is reported as failed, and the others go on.
    """
    day = today or date.today()
    modern = ResourceGraph(modernised(resource) for resource in graph)
    outcomes = [_outcome(policy, modern, exceptions, day) for policy in policies]
    used = {
        id(finding.accepted or finding.expired)
        for outcome in outcomes
        for finding in outcome.findings
    }
    answered = {
        o.policy.id for o in outcomes if o.applies and not (o.undecided or o.crashed)
    }
    unused = [
        exception
        for exception in exceptions
        if id(exception) not in used
        and exception.control in answered
        and _is_meant(exception, modern)
    ]
    return Judgement(outcomes, unused)


def modernised(resource: Resource) -> Resource:
    """A resource under the name that its type has today."""
    return replace(resource, type=current(resource.type))


def look(
    policy: Policy,
    resource: Resource,
    graph: ResourceGraph,
    exceptions: Sequence[Accepted],
    today: date,
) -> Iterator[Finding]:
    """What a policy finds wrong with one resource, exceptions applied.

    Raises what the policy raises, and UndecidedError when it would have to know more.
    """
    for message in policy.findings(resource, graph):
        covering = [e for e in exceptions if e.covers(policy.id, resource)]
        valid = [e for e in covering if not e.expired(today)]
        yield Finding(
            policy=policy,
            resource=resource,
            message=message,
            accepted=valid[0] if valid else None,
            expired=covering[0] if covering and not valid else None,
        )


def _outcome(
    policy: Policy, graph: ResourceGraph, exceptions: Sequence[Accepted], today: date
) -> Outcome:
    outcome = Outcome(policy=policy)
    for resource in graph.of(*policy.types):
        outcome.looked_at += 1
        try:
            # One by one: what was found before the unknown value stays found.
            for finding in look(policy, resource, graph, exceptions, today):
                outcome.findings.append(finding)
        except UndecidedError as error:
            outcome.undecided.append((resource, error.path))
        except Exception as error:
            outcome.crashed = (
                f"the policy failed on {resource}: {type(error).__name__}: {error}"
            )
    return outcome


def _is_meant(exception: Accepted, graph: ResourceGraph) -> bool:
    """Whether an exception is for this stack at all."""
    return any(exception.covers(exception.control, resource) for resource in graph)
