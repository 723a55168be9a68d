"""A policy pack, asked as the engine asks it, without a wire between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policies.crossguard import policies_for_pulumi
from policies.exceptions import Accepted
from policies.model import Policy
from resource_graph import SECRET, UNKNOWN, Resource

HIDDEN = "geheim-5f2a"
"""What every secret is."""

_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"


def wire(value: Any) -> Any:
    """A value as the engine sends it."""
    if value is UNKNOWN:
        return _UNKNOWN_TEXT
    if value is SECRET:
        return {_SIGNATURE: _SECRET_SIGNATURE, "value": HIDDEN}
    if isinstance(value, Mapping):
        return {key: wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire(item) for item in value]
    return value


def sent(found: Resource) -> dict[str, Any]:
    """What is the same in both questions."""
    properties = struct_pb2.Struct()
    properties.update(wire({**found.inputs, **found.outputs}))
    return {
        "type": found.type,
        "urn": found.urn,
        "name": found.name,
        "properties": properties,
        "options": proto.AnalyzerResourceOptions(
            protect=found.protect, ignoreChanges=found.ignore_changes
        ),
    }


class Pack:
    """The SDK's servicer, asked without a wire between."""

    def __init__(self, *policies: Policy, accepted: Iterable[Accepted] = ()) -> None:
        self._servicer = _PolicyAnalyzerServicer(
            "pack",
            "0.0.1",
            policies_for_pulumi(policies, list(accepted)),
            EnforcementLevel.ADVISORY,
        )

    def info(self) -> list[Any]:
        return list(self._servicer.GetAnalyzerInfo(empty_pb2.Empty(), None).policies)

    def configure(self, name: str, **properties: Any) -> None:
        given = struct_pb2.Struct()
        given.update(properties)
        config = proto.PolicyConfig(enforcementLevel=proto.MANDATORY, properties=given)
        self._servicer.Configure(
            proto.ConfigureAnalyzerRequest(policyConfig={name: config}), None
        )

    def of_one(self, found: Resource) -> list[Any]:
        """Violations of policies that see one resource."""
        request = proto.AnalyzeRequest(**sent(found))
        return list(self._servicer.Analyze(request, None).diagnostics)

    def of_stack(self, *resources: Resource) -> list[Any]:
        """Violations of policies that see all of them."""
        request = proto.AnalyzeStackRequest(
            resources=[
                proto.AnalyzerResource(
                    **sent(found),
                    parent=found.parent,
                    dependencies=sorted(found.dependencies),
                    propertyDependencies={
                        key: proto.AnalyzerPropertyDependencies(urns=sorted(urns))
                        for key, urns in found.property_dependencies.items()
                    },
                )
                for found in resources
            ]
        )
        return list(self._servicer.AnalyzeStack(request, None).diagnostics)

    def of_all(self, *resources: Resource) -> list[Any]:
        each = [said for found in resources for said in self.of_one(found)]
        return each + self.of_stack(*resources)
