"""What breaks the policies about ECR."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resource_graph import Resource
from resource_types import REGISTRY_SCANNING, REPOSITORY, REPOSITORY_LIFECYCLE
from tests.unit.policies.casework import Case, resource


def scanning(wanted: str, frequency: str = "CONTINUOUS_SCAN") -> Resource:
    filters = [{"filter": wanted, "filterType": "WILDCARD"}]
    rule: dict[str, Any] = {"scanFrequency": frequency, "repositoryFilters": filters}
    return resource(REGISTRY_SCANNING, scanType="ENHANCED", rules=[rule])


def named(name: str) -> Resource:
    return replace(resource(REPOSITORY, name), inputs={"name": name})


CASES = (
    Case(
        id="ECR.1",
        good=[
            resource(REPOSITORY, imageScanningConfiguration={"scanOnPush": True}),
            named("app"),
            scanning("ap*"),
        ],
        bad={
            "off": (
                [
                    resource(
                        REPOSITORY, imageScanningConfiguration={"scanOnPush": False}
                    )
                ],
                "scanOnPush is not true",
            ),
            "left to its default": ([resource(REPOSITORY)], "scanOnPush"),
            "the registry scans others": (
                [named("app"), scanning("tool")],
                "scanOnPush",
            ),
            "the registry scans when asked": (
                [named("app"), scanning("*", "MANUAL")],
                "scanOnPush",
            ),
        },
    ),
    Case(
        id="ECR.2",
        good=[resource(REPOSITORY, imageTagMutability="IMMUTABLE")],
        bad={
            "mutable": (
                [resource(REPOSITORY, imageTagMutability="MUTABLE")],
                "imageTagMutability is MUTABLE",
            ),
            "some are mutable": (
                [resource(REPOSITORY, imageTagMutability="IMMUTABLE_WITH_EXCLUSION")],
                "IMMUTABLE_WITH_EXCLUSION",
            ),
            "left to its default": ([resource(REPOSITORY)], "is MUTABLE"),
        },
    ),
    Case(
        id="ECR.3",
        good=[
            named("app"),
            resource(REPOSITORY_LIFECYCLE, comes_from={"repository": [named("app")]}),
        ],
        bad={
            "none": ([named("app")], "no aws.ecr.LifecyclePolicy"),
            "of another": (
                [
                    named("app"),
                    resource(
                        REPOSITORY_LIFECYCLE, comes_from={"repository": [named("tool")]}
                    ),
                ],
                "no aws.ecr.LifecyclePolicy",
            ),
        },
    ),
)
