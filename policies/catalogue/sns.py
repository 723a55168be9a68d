"""Amazon SNS: topics that are encrypted, and not everybody's."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import is_public, statements_of
from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import TOPIC, TOPIC_POLICY


@policy(
    "SNS.1",
    TOPIC,
    title="Topics are encrypted with a key of KMS",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Set kms_master_key_id, and let the services that publish use that key.",
)
def encrypted(topic: Resource) -> Iterator[str]:
    """Notifications name what is broken, and sometimes for whom."""
    if not topic.has("kmsMasterKeyId"):
        yield "kmsMasterKeyId is not set"


@policy(
    "SNS.4",
    TOPIC,
    TOPIC_POLICY,
    title="Topics are not open to everybody",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Name principals in the policy, or add a condition on aws:SourceAccount.",
)
def not_public(resource: Resource) -> Iterator[str]:
    """Whoever may subscribe reads along; whoever may publish wakes you up."""
    for statement in statements_of(resource, "policy"):
        if is_public(statement):
            yield f"policy allows everybody {', '.join(statement.actions)}"
