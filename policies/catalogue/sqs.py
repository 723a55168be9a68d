"""Amazon SQS: queues that are encrypted, and not everybody's."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import is_public, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import QUEUE, QUEUE_POLICY


@policy(
    "SQS.1",
    QUEUE,
    title="Queues are encrypted at rest",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set kms_master_key_id, or leave sqs_managed_sse_enabled at True.",
)
def encrypted(queue: Resource) -> Iterator[str]:
    """Messages wait on a disk until somebody fetches them."""
    if queue.has("kmsMasterKeyId"):
        return
    # AWS encrypts by itself unless it is told not to.
    if queue.get("sqsManagedSseEnabled", True) is not True:
        yield "sqsManagedSseEnabled is false, and kmsMasterKeyId is not set"


@policy(
    "SQS.3",
    QUEUE,
    QUEUE_POLICY,
    title="Queues are not open to everybody",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Name principals in the policy, or add a condition on aws:SourceAccount or "
    "aws:SourceArn.",
)
def not_public(resource: Resource) -> Iterator[str]:
    """Whoever may send makes the app work for them; whoever may receive, takes away."""
    for statement in statements_of(resource, "policy"):
        if is_public(statement):
            yield f"policy allows everybody {', '.join(statement.actions)}"
