"""What a judgement says, for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from policies import exceptions
from policies.evaluate import Finding, Judgement, Outcome
from policies.exceptions import Accepted
from policies.model import Severity
from resource_graph import ResourceGraph

_ORDER = list(reversed(Severity))
_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "dim",
}


_HOLDS = "hold"
_EXCEPTED = "hold with exceptions"
_UNDECIDED = "undecided"
_BROKEN = "broken"
_FAILED = "failed themselves"
_VERDICTS = (_HOLDS, _EXCEPTED, _UNDECIDED, _BROKEN, _FAILED)


def show(graph: ResourceGraph, judgement: Judgement, console: Console) -> None:
    """Print what is open, what is accepted and why, and the count of what holds."""

    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style), soft_wrap=True)

    if not any(outcome.applies for outcome in judgement.outcomes):
        say(f"No policy is for anything in {graph.project}/{graph.stack}.", "yellow")
    elif graph.project != exceptions.PROJECT:
        say(
            f"This is {graph.project}/{graph.stack}: exceptions for "
            f"{exceptions.PROJECT} do not cover it.",
            "yellow",
        )
    for outcome in sorted(judgement.outcomes, key=_worst_first):
        policy = outcome.policy
        if outcome.open:
            say(
                f"✗ {policy.id} {policy.severity}: {policy.title}",
                _STYLES[policy.severity],
            )
            for finding in outcome.open:
                say(f"    {finding.resource}: {finding.text}")
            say(f"    → {policy.remedy}", "dim")
    for outcome in judgement.crashed:
        say(f"✗ {outcome.policy.id}: {outcome.crashed}", "bold red")
    for outcome in judgement.outcomes:
        for exception, names in _accepted(outcome).items():
            say(
                f"- {outcome.policy.id} on {_some(names)}: accepted until "
                f"{exception.expires}. {exception.reason}",
                "dim",
            )
    for outcome in judgement.undecided:
        resource, path = outcome.undecided[0]
        more = len(outcome.undecided) - 1
        say(
            f"? {outcome.policy.id}: {resource.name} {path} is not known yet"
            + (f", and {more} more" if more else ""),
            "dim",
        )
    for exception in judgement.unused:
        say(f"! {exception.control}: the exception is needed no more", "yellow")
    say(summary(judgement), "bold green" if judgement.passed else "bold red")


def summary(judgement: Judgement) -> str:
    """The count of policies by what they say."""
    applying = [outcome for outcome in judgement.outcomes if outcome.applies]
    counts = Counter(map(_verdict, applying))
    told = [f"{counts[what]} {what}" for what in _VERDICTS if counts[what]]
    return (
        f"{len(applying)} of {len(judgement.outcomes)} policies apply: "
        f"{', '.join(told) or 'none'}"
    )


def as_data(graph: ResourceGraph, judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain data."""
    return {
        "project": graph.project,
        "stack": graph.stack,
        "passed": judgement.passed,
        "summary": summary(judgement),
        "open": [_finding(finding) for finding in judgement.open],
        "accepted": [_finding(finding) for finding in judgement.accepted],
        "failed": {o.policy.id: o.crashed for o in judgement.crashed},
        "undecided": {
            o.policy.id: [f"{resource.name}: {path}" for resource, path in o.undecided]
            for o in judgement.undecided
        },
        "unused_exceptions": [e.model_dump(mode="json") for e in judgement.unused],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "control": finding.policy.id,
        "title": finding.policy.title,
        "severity": finding.policy.severity,
        "source": finding.policy.source,
        "urn": finding.resource.urn,
        "message": finding.text,
        "remedy": finding.policy.remedy,
        "url": finding.policy.url,
        "accepted": (
            finding.accepted.model_dump(mode="json") if finding.accepted else None
        ),
    }


def _verdict(outcome: Outcome) -> str:
    """The one word that counts: the worst of what a policy says."""
    if outcome.crashed:
        return _FAILED
    if outcome.open:
        return _BROKEN
    if outcome.undecided:
        return _UNDECIDED
    return _EXCEPTED if outcome.findings else _HOLDS


def _accepted(outcome: Outcome) -> dict[Accepted, list[str]]:
    """Exception -> names of the resources that it covers, each once."""
    covered: dict[Accepted, dict[str, str]] = {}
    for finding in outcome.findings:
        if finding.accepted:
            resource = finding.resource
            covered.setdefault(finding.accepted, {})[resource.urn] = resource.name
    return {exception: list(names.values()) for exception, names in covered.items()}


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} resources"


def _worst_first(outcome: Outcome) -> tuple[int, str]:
    return (_ORDER.index(outcome.policy.severity), outcome.policy.id)
