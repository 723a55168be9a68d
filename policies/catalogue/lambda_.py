"""AWS Lambda: functions that run on something supported, for whom they should."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import is_public, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import (
    FUNCTION,
    FUNCTION_PERMISSION,
    FUNCTION_POLICY,
    FUNCTION_URL,
)

_S3 = "s3.amazonaws.com"

_ENDED = frozenset(
    {
        *("nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10"),
        *("nodejs10.x", "nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x"),
        *("nodejs20.x", "python2.7", "python3.6", "python3.7", "python3.8"),
        *("python3.9", "python3.10", "java8", "go1.x", "ruby2.5", "ruby2.7"),
        *("ruby3.2", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1"),
        *("dotnetcore3.1", "dotnet5.0", "dotnet6", "dotnet7", "dotnet8"),
        *("provided", "provided.al2"),
    }
)
"""Runtimes whose support has ended by November 2026, by the table of AWS."""


@policy(
    "Lambda.1",
    FUNCTION_PERMISSION,
    FUNCTION_POLICY,
    FUNCTION_URL,
    title="Functions cannot be invoked by everybody",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Name a principal with source_arn or source_account; on a function's URL, "
    "set authorization_type='AWS_IAM'.",
)
def not_public(resource: Resource) -> Iterator[str]:
    """Whoever may invoke it runs your code with your rights, at your cost."""
    if resource.type == FUNCTION_URL:
        if resource.get("authorizationType") == "NONE":
            yield "authorizationType is NONE"
    elif resource.type == FUNCTION_POLICY:
        for statement in statements_of(resource, "policy"):
            if is_public(statement):
                yield f"policy allows everybody {', '.join(statement.actions)}"
    elif resource.get("principal") in ("*", _S3) and not any(
        _is_named(resource, key)
        for key in ("sourceAccount", "sourceArn", "principalOrgId")
    ):
        yield f"principal is {resource.get('principal')}, and no sourceAccount is set"


@policy(
    "Lambda.2",
    FUNCTION,
    title="Functions run on a supported runtime",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set runtime to a newer version of its language.",
)
def runtime_supported(function: Resource) -> Iterator[str]:
    """A runtime without support gets no patches, and cannot be deployed any more."""
    if function.get("packageType", "Zip") == "Image":
        return
    runtime = str(function.get("runtime"))
    if runtime in _ENDED:
        yield f"runtime is {runtime}, whose support has ended"


def _is_named(resource: Resource, key: str) -> bool:
    """Whether a condition is given, and is no mere wildcard."""
    return resource.has(key) and resource.inputs.get(key) != "*"
