"""The policies as Pulumi's policy engine takes them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pulumi_policy
from pulumi_policy.proxy import UnknownValueError

from policies.evaluate import look, modernised
from policies.exceptions import Accepted, parse
from policies.model import Policy
from resource_graph import UNKNOWN, Resource, ResourceGraph, UndecidedError
from resource_types import current

_CONFIG = pulumi_policy.PolicyConfigSchema(
    properties={"exceptions": {"type": "array", "items": {"type": "object"}}}
)
"""Exceptions of those who use the pack for a program of their own."""

Report = Callable[..., None]


def policies_for_pulumi(
    policies: Iterable[Policy], exceptions: Sequence[Accepted]
) -> list[pulumi_policy.Policy]:
    """One policy of Pulumi's for each of ours, under the same id.

    exceptions: those of this repository; more can come by the policy's configuration.
    """
    return [
        _stack_policy(policy, exceptions)
        if policy.needs_graph
        else _resource_policy(policy, exceptions)
        for policy in policies
    ]


def _resource_policy(
    policy: Policy, exceptions: Sequence[Accepted]
) -> pulumi_policy.ResourceValidationPolicy:
    def validate(args: pulumi_policy.ResourceValidationArgs, report: Report) -> None:
        if current(args.resource_type) in policy.types:
            accepted = [*exceptions, *_configured(policy, args.get_config())]
            resource = modernised(_resource(args.resource_type, args))
            _tell(policy, resource, ResourceGraph([resource]), accepted, report)

    return pulumi_policy.ResourceValidationPolicy(
        validate=validate, **_description(policy)
    )


def _stack_policy(
    policy: Policy, exceptions: Sequence[Accepted]
) -> pulumi_policy.StackValidationPolicy:
    def validate(args: pulumi_policy.StackValidationArgs, report: Report) -> None:
        accepted = [*exceptions, *_configured(policy, args.get_config())]
        if not any(current(r.resource_type) in policy.types for r in args.resources):
            return
        graph = ResourceGraph(
            modernised(_with_relations(resource)) for resource in args.resources
        )
        for resource in graph.of(*policy.types):
            _tell(policy, resource, graph, accepted, report)

    return pulumi_policy.StackValidationPolicy(
        validate=validate, **_description(policy)
    )


def _tell(
    policy: Policy,
    resource: Resource,
    graph: ResourceGraph,
    exceptions: Sequence[Accepted],
    report: Report,
) -> None:
    try:
        for finding in look(policy, resource, graph, exceptions, date.today()):
            if finding.accepted is None:
                report(f"{finding.text}\n{policy.remedy}", resource.urn)
    except UndecidedError:
        # A preview cannot know; the update looks again, when it does.
        return
    except Exception as error:
        # One policy that fails is a finding of its own, and not the end of the others.
        report(_failure(resource, error), resource.urn)


def _failure(resource: Resource, error: Exception) -> str:
    """How a policy that raised is told.

    Without the error's own words: the engine hands over secrets in clear, and they may
    be in them.
    """
    *_, place = traceback.extract_tb(error.__traceback__)
    return (
        f"the policy failed on {resource}: {type(error).__name__} in "
        f"{Path(place.filename).name}:{place.lineno}"
    )


def _description(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.id,
        "description": policy.title,
        # Unless the policy's configuration says otherwise.
        "enforcement_level": (
            pulumi_policy.EnforcementLevel.MANDATORY
            if policy.severity.stops
            else pulumi_policy.EnforcementLevel.ADVISORY
        ),
        "severity": pulumi_policy.Severity(policy.severity.value),
        "framework": pulumi_policy.PolicyComplianceFramework(name=policy.source.value),
        "remediation_steps": policy.remedy,
        "url": policy.url or None,
        "config_schema": _CONFIG,
    }


def _configured(
    policy: Policy, config: Mapping[str, Any] | None
) -> tuple[Accepted, ...]:
    given = (config or {}).get("exceptions") or []
    return parse(
        [{"project": "*", **entry, "control": policy.id} for entry in given],
        f"exceptions in the configuration of {policy.id}",
    )


def _resource(
    type_: str,
    given: pulumi_policy.ResourceValidationArgs | pulumi_policy.PolicyResource,
) -> Resource:
    inputs = _plain(given.props)
    return Resource(
        urn=given.urn,
        type=type_,
        name=given.name,
        inputs=inputs,
        # An update shows a stack policy what the provider answered.
        outputs=inputs,
        id=str(inputs.get("id") or ""),
        protect=given.opts.protect,
        ignore_changes=tuple(given.opts.ignore_changes),
    )


def _with_relations(given: pulumi_policy.PolicyResource) -> Resource:
    resource = _resource(given.resource_type, given)
    return Resource(
        **{
            **vars(resource),
            "parent": given.parent.urn if given.parent else "",
            "dependencies": frozenset(other.urn for other in given.dependencies),
            "property_dependencies": {
                key: frozenset(other.urn for other in others)
                for key, others in given.property_dependencies.items()
            },
        }
    )


def _plain(value: Any) -> Any:
    """What a proxy of the policy SDK stands for, with marks where it is unknown."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN
