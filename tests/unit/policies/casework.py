"""Breaks policies on purpose: cases as data, and what each policy has to answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies.catalogue import find
from policies.evaluate import Outcome, judge
from resource_graph import UNKNOWN, Resource, ResourceGraph


@dataclass(frozen=True, kw_only=True)
class Case:
    """One policy with what passes and what breaks it.

    good: a graph, as a list of resources, in which the policy applies and passes.
    bad: what is wrong -> a graph, and words that the one finding in it has.
    """

    id: str
    good: Sequence[Resource]
    bad: Mapping[str, tuple[Sequence[Resource], str]] = field(default_factory=dict)


def resource(
    type_: str,
    name: str = "it",
    /,
    *,
    comes_from: Mapping[str, Iterable[Resource]] | None = None,
    protect: bool = False,
    ignore_changes: Sequence[str] = (),
    **inputs: Any,
) -> Resource:
    """A resource of the stack `test` of the project `stromhaltig`.

    comes_from: input -> resources that its value is made of. Such an input need not be
        given: it is then unknown, as in a first preview.
    inputs: by their wire (camelCase) names.
    """
    sources = {
        key: frozenset(other.urn for other in others)
        for key, others in (comes_from or {}).items()
    }
    return Resource(
        urn=f"urn:pulumi:test::stromhaltig::{type_}::{name}",
        type=type_,
        name=name,
        inputs={**dict.fromkeys(sources, UNKNOWN), **inputs},
        id=f"{name}-id",
        property_dependencies=sources,
        dependencies=frozenset().union(*sources.values()),
        protect=protect,
        ignore_changes=tuple(ignore_changes),
    )


def outcome(id_: str, resources: Iterable[Resource]) -> Outcome:
    """What one policy says about a graph of these."""
    return judge(ResourceGraph(resources), [find(id_)]).outcomes[0]


def check_good(case: Case) -> None:
    """The policy applies to the good graph, and passes."""
    found = outcome(case.id, case.good)
    assert found.applies, "the policy is not for any of these"
    assert not found.crashed
    assert not found.undecided
    assert [finding.message for finding in found.findings] == []


def check_bad(case: Case, what: str) -> None:
    """The policy has one finding, and it says what is wrong."""
    resources, words = case.bad[what]
    found = outcome(case.id, resources)
    assert not found.crashed
    messages = [finding.message for finding in found.findings]
    assert len(messages) == 1, messages
    assert words in messages[0]


def check_unknown(case: Case) -> None:
    """Where nothing is known, the policy neither fails nor finds anything."""
    resources = [
        replace(found, inputs=dict.fromkeys(found.inputs, UNKNOWN))
        for found in case.good
    ]
    found = outcome(case.id, resources)
    assert not found.crashed
    assert found.findings == []


def parameters(cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Each bad graph of each case."""
    return [(case, what) for case in cases for what in case.bad]
