"""What a policy is, and what it finds.

A policy is a function with a name from the catalogue. It looks at one resource at a
time, of the types that it is for, and yields a sentence for each thing that is wrong:

    @policy(
        "RDS.3", INSTANCE,
        title="Databases are encrypted at rest",
        severity=Severity.HIGH, source=Source.FSBP,
        remedy="Set storage_encrypted=True; an existing database needs a copy.",
    )
    def encrypted(instance: Resource) -> Iterator[str]:
        if instance.get("storageEncrypted") is not True:
            yield "storageEncrypted is not true"

With a second parameter it sees the whole graph, and is then run after all resources
are registered. A value that a preview does not know ends the look at that resource:
the policy is then undecided, and neither passed nor failed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from resource_graph import Resource, ResourceGraph

Check = Callable[[Resource], Iterator[str]]
StackCheck = Callable[[Resource, ResourceGraph], Iterator[str]]


class Severity(StrEnum):
    """How bad a finding is, in the words of AWS Security Hub."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def stops(self) -> bool:
        """Whether a finding stops an update; what is low is only told."""
        return self is not Severity.LOW


class Source(StrEnum):
    """Who asks for it."""

    FSBP = "AWS Foundational Security Best Practices"
    SECURITY_HUB = "AWS Security Hub"
    CIS = "CIS AWS Foundations Benchmark 7.0"
    PROWLER = "Prowler"
    OWN = "Stromhaltig"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A control, as code.

    id: as its source has it, `RDS.3`, or our own, `app-image-by-digest`.
    title: what holds when it passes. remedy: what to do when it does not.
    types: what it looks at; without any in a stack it does not apply.
    """

    id: str
    title: str
    severity: Severity
    source: Source
    remedy: str
    types: tuple[str, ...]
    check: Check | StackCheck

    @property
    def needs_graph(self) -> bool:
        """Whether it looks at more than the one resource."""
        return len(inspect.signature(self.check).parameters) > 1

    @property
    def url(self) -> str:
        """Where its source explains it; empty where only this repository does."""
        if self.source not in (Source.FSBP, Source.SECURITY_HUB):
            return ""
        service, _, number = self.id.lower().partition(".")
        return (
            "https://docs.aws.amazon.com/securityhub/latest/userguide/"
            f"{service}-controls.html#{service}-{number}"
        )

    def findings(self, resource: Resource, graph: ResourceGraph) -> Iterator[str]:
        """What is wrong with a resource, a sentence each.

        Raises UndecidedError when it takes a value that is not known.
        """
        check: Any = self.check
        yield from check(resource, graph) if self.needs_graph else check(resource)


def policy(
    id_: str,
    *types: str,
    title: str,
    severity: Severity,
    source: Source,
    remedy: str,
) -> Callable[[Check | StackCheck], Policy]:
    """Make a policy of the decorated function, which is named after what must hold."""

    def of(check: Check | StackCheck) -> Policy:
        return Policy(
            id=id_,
            title=title,
            severity=severity,
            source=source,
            remedy=remedy,
            types=types,
            check=check,
        )

    return of
