"""Amazon S3: buckets that are closed, versioned, encrypted, and watched.

A bucket that is made today blocks public access, takes no ACLs and encrypts with S3's
own keys, unless told otherwise.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from policies.documents import (
    Statement,
    as_list,
    denies_plain_transport,
    is_public,
    statements_of,
)
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import (
    ACCOUNT_PUBLIC_ACCESS_BLOCK,
    BUCKET,
    BUCKET_ACL,
    BUCKET_ENCRYPTION,
    BUCKET_LIFECYCLE,
    BUCKET_LOGGING,
    BUCKET_OWNERSHIP,
    BUCKET_POLICY,
    BUCKET_VERSIONING,
    LOAD_BALANCER,
    PUBLIC_ACCESS_BLOCK,
)

_BLOCKS = (
    "blockPublicAcls",
    "blockPublicPolicy",
    "ignorePublicAcls",
    "restrictPublicBuckets",
)

_READING = ("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket")

_WRITING = ("s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl", "s3:PutBucketPolicy")

_STRANGERS = ("/AllUsers", "/AuthenticatedUsers")
"""Ends of the URIs of groups that anybody can be in."""

_CANNED: Mapping[str, frozenset[str]] = {
    "authenticated-read": frozenset({"READ"}),
    "public-read": frozenset({"READ"}),
    "public-read-write": frozenset({"READ", "WRITE"}),
}
"""What ready-made ACLs give to strangers."""

_OWN = frozenset({"bucket-owner-full-control", "bucket-owner-read", "private"})
"""Ready-made ACLs that give nothing away."""


@policy(
    "S3.2",
    BUCKET,
    title="Nobody from outside can read buckets",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Make an aws.s3.BucketPublicAccessBlock with all four settings True, and "
    "take public rights out of policy and ACL.",
)
def not_publicly_readable(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What is in a bucket is not for everybody."""
    yield from _public(bucket, graph, _READING, {"READ", "FULL_CONTROL"}, "read")


@policy(
    "S3.3",
    BUCKET,
    title="Nobody from outside can write to buckets",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy="Make an aws.s3.BucketPublicAccessBlock with all four settings True, and "
    "take public rights out of policy and ACL.",
)
def not_publicly_writable(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Strangers neither change what is there nor store their own."""
    rights = {"WRITE", "WRITE_ACP", "FULL_CONTROL"}
    yield from _public(bucket, graph, _WRITING, rights, "write")


@policy(
    "S3.5",
    BUCKET,
    title="Buckets refuse requests without TLS",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Make an aws.s3.BucketPolicy that denies s3:* to everybody where "
    'aws:SecureTransport is "false".',
)
def tls_only(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Nobody on the way reads along."""
    holders = [h for h in _policies(bucket, graph) if h.has("policy")]
    if not holders:
        yield "it has no policy that denies requests without TLS"
    elif not any(
        denies_plain_transport(statement)
        for holder in holders
        for statement in statements_of(holder, "policy")
    ):
        yield "its policy does not deny requests without TLS"


@policy(
    "S3.8",
    BUCKET,
    title="Buckets block public access",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set all four settings of the aws.s3.BucketPublicAccessBlock to True.",
)
def public_access_blocked(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A policy or ACL that is too wide by mistake opens nothing."""
    for block in graph.referring(bucket, PUBLIC_ACCESS_BLOCK, "bucket"):
        missing = [key for key in _BLOCKS if block.get(key) is not True]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            yield f"{', '.join(missing)} {verb} not true"


@policy(
    "S3.9",
    BUCKET,
    title="Access to buckets is logged",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Make an aws.s3.BucketLogging that names another bucket as target_bucket.",
)
def access_logged(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Who took what can be told afterwards."""
    if bucket.has("logging") or graph.referring(bucket, BUCKET_LOGGING, "bucket"):
        return
    if _takes_access_logs(bucket, graph):
        # Logs of the access to logs would never end.
        return
    if not graph.referring(bucket, BUCKET, "logging"):
        yield "it has no access logging"


def _takes_access_logs(bucket: Resource, graph: ResourceGraph) -> bool:
    """Whether another bucket, or a load balancer, logs into it."""
    return any(
        graph.referring(name, BUCKET_LOGGING, "targetBucket")
        or graph.referring(name, LOAD_BALANCER, "accessLogs")
        for name in _policies(bucket, graph)
    )


@policy(
    "S3.12",
    BUCKET,
    title="Buckets give no rights by ACL",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Make an aws.s3.BucketOwnershipControls with "BucketOwnerEnforced", and say '
    "in the bucket policy who may do what.",
)
def no_acls(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Who may do what is said in one place."""
    ownership = graph.referring(bucket, BUCKET_OWNERSHIP, "bucket")
    if any(o.get("rule.objectOwnership") == "BucketOwnerEnforced" for o in ownership):
        return
    for holder in (bucket, *graph.referring(bucket, BUCKET_ACL, "bucket")):
        acl = str(holder.get("acl", "private"))
        if acl not in _OWN:
            yield f"acl is {acl}"
        owner = holder.get("accessControlPolicy.owner.id")
        if any(grant.get("id") != owner or owner is None for grant in _grants(holder)):
            yield "its ACL grants rights to others than its owner"


@policy(
    "S3.13",
    BUCKET,
    title="Buckets have a lifecycle",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Make an aws.s3.BucketLifecycleConfiguration with an enabled rule.",
)
def has_lifecycle(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What nobody needs any more goes by itself."""
    if not _has_lifecycle(bucket, graph):
        yield "it has no lifecycle rule that is enabled"


@policy(
    "S3.14",
    BUCKET,
    title="Buckets keep versions",
    severity=Severity.LOW,
    source=Source.SECURITY_HUB,
    remedy='Make an aws.s3.BucketVersioning with the status "Enabled".',
)
def versioned(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What was overwritten or deleted can be had back."""
    if not _is_versioned(bucket, graph):
        yield "versioning is not Enabled"


@policy(
    "S3.17",
    BUCKET,
    title="Buckets are encrypted with a KMS key",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Make an aws.s3.BucketServerSideEncryptionConfiguration with "
    'sse_algorithm "aws:kms".',
)
def encrypted_with_kms(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Reading takes a right to the key, too, and its use is logged."""
    algorithms = [
        *_algorithms(bucket, "serverSideEncryptionConfiguration.rule"),
        *(
            algorithm
            for found in graph.referring(bucket, BUCKET_ENCRYPTION, "bucket")
            for index, _ in enumerate(as_list(found.get("rules")))
            for algorithm in _algorithms(found, f"rules.{index}")
        ),
    ]
    if not any(algorithm.startswith("aws:kms") for algorithm in algorithms):
        used = algorithms[0] if algorithms else "AES256, its default"
        yield f"sseAlgorithm is {used}"


@policy(
    "S3.20",
    BUCKET,
    title="Versions of objects are deleted with a second factor only",
    severity=Severity.LOW,
    source=Source.SECURITY_HUB,
    remedy='Set mfa_delete="Enabled" in the aws.s3.BucketVersioning; only the owner of '
    "the account can, with the device at hand.",
)
def second_factor_to_delete(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Stolen keys do not delete what versioning keeps."""
    # S3 allows MFA delete or a lifecycle, not both.
    if _has_lifecycle(bucket, graph) or not _is_versioned(bucket, graph):
        return
    factors = [
        v.get("versioningConfiguration.mfaDelete") == "Enabled"
        for v in graph.referring(bucket, BUCKET_VERSIONING, "bucket")
    ]
    if bucket.get("versioning.mfaDelete") is not True and not any(factors):
        yield "mfaDelete is not Enabled"


def _public(
    bucket: Resource,
    graph: ResourceGraph,
    actions: Collection[str],
    rights: Collection[str],
    verb: str,
) -> Iterator[str]:
    """How strangers get in, by ACL and by policy."""
    if not _blocks(bucket, graph, "ignorePublicAcls") and _given_to_strangers(
        bucket, graph
    ).intersection(rights):
        yield f"its ACL lets everybody {verb}"
    if _blocks(bucket, graph, "restrictPublicBuckets"):
        return
    for holder in _policies(bucket, graph):
        for statement in statements_of(holder, "policy"):
            if is_public(statement) and any(map(statement.covers_action, actions)):
                yield f"policy{_which(statement)} lets everybody {verb}"


def _which(statement: Statement) -> str:
    return f" ({statement.sid})" if statement.sid else ""


def _policies(bucket: Resource, graph: ResourceGraph) -> list[Resource]:
    """The bucket with its policies: what has one, and what its name can come by."""
    return [bucket, *graph.referring(bucket, BUCKET_POLICY, "bucket")]


def _blocks(bucket: Resource, graph: ResourceGraph, key: str) -> bool:
    return any(
        block.get(key) is True
        for block in (
            *graph.referring(bucket, PUBLIC_ACCESS_BLOCK, "bucket"),
            *graph.of(ACCOUNT_PUBLIC_ACCESS_BLOCK),
        )
    )


def _given_to_strangers(bucket: Resource, graph: ResourceGraph) -> set[str]:
    given: set[str] = set()
    for holder in (bucket, *graph.referring(bucket, BUCKET_ACL, "bucket")):
        given.update(_CANNED.get(str(holder.get("acl")), ()))
        for grant in _grants(holder):
            if str(grant.get("uri")).endswith(_STRANGERS):
                given.update(map(str, as_list(grant.get("permissions"))))
    return given


def _grants(holder: Resource) -> Iterator[Mapping[str, Any]]:
    """To whom (`id`, `uri`) an ACL gives which `permissions`."""
    for grant in as_list(holder.get("grants")):
        if isinstance(grant, Mapping):
            yield grant
    for index, _ in enumerate(as_list(holder.get("accessControlPolicy.grants"))):
        path = f"accessControlPolicy.grants.{index}"
        yield {
            "id": holder.get(f"{path}.grantee.id"),
            "uri": holder.get(f"{path}.grantee.uri"),
            "permissions": holder.get(f"{path}.permission"),
        }


def _has_lifecycle(bucket: Resource, graph: ResourceGraph) -> bool:
    inline = as_list(bucket.get("lifecycleRules"))
    if any(bucket.get(f"lifecycleRules.{i}.enabled") for i, _ in enumerate(inline)):
        return True
    return any(
        found.get(f"rules.{index}.status") == "Enabled"
        for found in graph.referring(bucket, BUCKET_LIFECYCLE, "bucket")
        for index, _ in enumerate(as_list(found.get("rules")))
    )


def _is_versioned(bucket: Resource, graph: ResourceGraph) -> bool:
    """Whether versions are kept, as they always are where objects can be locked."""
    return (
        bucket.get("versioning.enabled") is True
        or bucket.get("objectLockEnabled") is True
        or any(
            found.get("versioningConfiguration.status") == "Enabled"
            for found in graph.referring(bucket, BUCKET_VERSIONING, "bucket")
        )
    )


def _algorithms(holder: Resource, rule: str) -> list[str]:
    found = holder.get(f"{rule}.applyServerSideEncryptionByDefault.sseAlgorithm")
    return [str(found)] if found else []
