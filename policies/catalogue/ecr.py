"""Amazon ECR: images that are scanned, stay what they are, and do not pile up."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from policies.model import Severity, Source, policy
from policies.parts import parts
from resource_graph import Resource, ResourceGraph
from resource_types import REGISTRY_SCANNING, REPOSITORY, REPOSITORY_LIFECYCLE


@policy(
    "ECR.1",
    REPOSITORY,
    title="Images are scanned for vulnerabilities",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy='Set image_scanning_configuration={"scan_on_push": True}, or cover the '
    "repository with an aws.ecr.RegistryScanningConfiguration.",
)
def scanned(repository: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A known hole is found before somebody else uses it."""
    if repository.get("imageScanningConfiguration.scanOnPush") is True:
        return
    if not any(_scans(found, repository) for found in graph.of(REGISTRY_SCANNING)):
        yield "imageScanningConfiguration.scanOnPush is not true"


@policy(
    "ECR.2",
    REPOSITORY,
    title="Tags of images are immutable",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set image_tag_mutability="IMMUTABLE".',
)
def immutable(repository: Resource) -> Iterator[str]:
    """A release means the same bytes for ever."""
    mutability = repository.get("imageTagMutability", "MUTABLE")
    if mutability != "IMMUTABLE":
        yield f"imageTagMutability is {mutability}, not IMMUTABLE"


@policy(
    "ECR.3",
    REPOSITORY,
    title="Repositories have a lifecycle policy",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add an aws.ecr.LifecyclePolicy for the repository.",
)
def bounded(repository: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Old images cost money, and somebody may still start one."""
    if not graph.referring(repository, REPOSITORY_LIFECYCLE, "repository"):
        yield "no aws.ecr.LifecyclePolicy names the repository"


def _scans(registry: Resource, repository: Resource) -> bool:
    """Whether the registry scans a repository by itself, whatever that says."""
    return any(
        rule.get("scanFrequency") in ("SCAN_ON_PUSH", "CONTINUOUS_SCAN")
        and any(
            _matches(str(wanted.get("filter", "")), repository)
            for wanted in parts(rule, "repositoryFilters")
        )
        for rule in parts(registry, "rules")
    )


def _matches(pattern: str, repository: Resource) -> bool:
    if pattern == "*":
        return True
    # A name that is not given begins with the logical one.
    name = str(repository.get("name", repository.name))
    return fnmatchcase(name, pattern if "*" in pattern else f"*{pattern}*")
