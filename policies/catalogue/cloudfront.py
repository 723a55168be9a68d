"""Amazon CloudFront: distributions that are encrypted, guarded and logged."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.documents import as_list
from policies.log_delivery import delivers_access_logs
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from resource_types import BUCKET, DISTRIBUTION

_OLD_TLS = ("SSLv3", "TLSv1", "TLSv1.1")
"""Deprecated by RFC 7568 and RFC 8996."""

_S3_DOMAIN = re.compile(
    r"(?P<bucket>.+)\.s3([.-][a-z0-9-]+)*\.amazonaws\.com(\.cn)?", re.IGNORECASE
)


@policy(
    "CloudFront.1",
    DISTRIBUTION,
    title="Distributions of a bucket have a default root object",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set default_root_object='index.html'.",
)
def has_root_object(distribution: Resource) -> Iterator[str]:
    """Without one the root URL may list what is in the bucket."""
    if distribution.has("defaultRootObject"):
        return
    if any(_is_bucket(distribution, path) for path in _origins(distribution)):
        yield "defaultRootObject is not set, and an origin is a bucket"


@policy(
    "CloudFront.3",
    DISTRIBUTION,
    title="Viewers are served over HTTPS only",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set viewer_protocol_policy='redirect-to-https' in every cache behavior.",
)
def https_for_viewers(distribution: Resource) -> Iterator[str]:
    """Plain HTTP is read and changed on the way."""
    for path in _behaviors(distribution):
        if distribution.get(f"{path}.viewerProtocolPolicy") == "allow-all":
            yield f"{path}.viewerProtocolPolicy is allow-all"


@policy(
    "CloudFront.5",
    DISTRIBUTION,
    title="Requests to distributions are logged",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.cloudwatch.LogDeliverySource with the distribution's ARN and "
    "log_type='ACCESS_LOGS', and a LogDelivery, or set logging_config.",
)
def logged(distribution: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What the cache answers, the app never sees."""
    if distribution.has("loggingConfig.bucket"):
        return
    if not delivers_access_logs(distribution, graph):
        yield "it has neither loggingConfig nor a delivery of access logs"


@policy(
    "CloudFront.6",
    DISTRIBUTION,
    title="Distributions have a web ACL",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set web_acl_id to the ARN of an ACL of scope CLOUDFRONT.",
)
def guarded(distribution: Resource) -> Iterator[str]:
    """Attacks are cheapest to stop at the edge."""
    if not distribution.has("webAclId"):
        yield "webAclId is not set"


@policy(
    "CloudFront.7",
    DISTRIBUTION,
    title="Distributions have a certificate of their own",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set acm_certificate_arn in viewer_certificate, and aliases.",
)
def own_certificate(distribution: Resource) -> Iterator[str]:
    """With the default one, viewers may use TLS 1.0."""
    if not _has_certificate(distribution):
        yield "viewerCertificate is the default of CloudFront"


@policy(
    "CloudFront.8",
    DISTRIBUTION,
    title="Distributions serve HTTPS by SNI",
    severity=Severity.LOW,
    source=Source.FSBP,
    remedy="Set ssl_support_method='sni-only' in viewer_certificate.",
)
def by_server_name(distribution: Resource) -> Iterator[str]:
    """An address of its own costs 600 USD a month and helps nobody."""
    if not _has_certificate(distribution):
        return
    method = distribution.get("viewerCertificate.sslSupportMethod")
    if method != "sni-only":
        yield f"sslSupportMethod is {method or 'not set'}, not sni-only"


@policy(
    "CloudFront.9",
    DISTRIBUTION,
    title="Traffic to custom origins is encrypted",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set origin_protocol_policy='https-only' in custom_origin_config.",
)
def https_to_origins(distribution: Resource) -> Iterator[str]:
    """The padlock says that it is encrypted, and means as far as the origin."""
    for path in _custom_origins(distribution):
        name = f"{path}.originProtocolPolicy"
        protocol = distribution.get(name)
        if protocol == "http-only":
            yield f"{name} is http-only"
        elif protocol == "match-viewer" and any(
            distribution.get(f"{behavior}.viewerProtocolPolicy") == "allow-all"
            for behavior in _behaviors(distribution)
        ):
            yield f"{name} is match-viewer, and viewers may use HTTP"


@policy(
    "CloudFront.10",
    DISTRIBUTION,
    title="Custom origins are reached by TLS 1.2 or newer",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set origin_ssl_protocols=['TLSv1.2'] in custom_origin_config.",
)
def no_old_tls(distribution: Resource) -> Iterator[str]:
    """Older versions are broken, and deprecated."""
    for path in _custom_origins(distribution):
        name = f"{path}.originSslProtocols"
        given = range(len(as_list(distribution.get(name))))
        protocols = [distribution.get(f"{name}.{index}") for index in given]
        old = [protocol for protocol in protocols if protocol in _OLD_TLS]
        if old:
            yield f"{name} has {', '.join(old)}"


@policy(
    "CloudFront.12",
    DISTRIBUTION,
    title="Buckets that distributions point to are there",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set domain_name to bucket.bucket_regional_domain_name of the bucket's "
    "resource. One of another stack wants an exception that says whose it is.",
)
def bucket_exists(distribution: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Whoever makes a bucket of that name first serves your visitors."""
    buckets = graph.of(BUCKET)
    sources = distribution.comes_from("origins")
    for path in _origins(distribution):
        if not _is_bucket(distribution, path):
            continue
        if any(bucket.urn in sources for bucket in buckets):
            continue
        domain = str(distribution.get(f"{path}.domainName", ""))
        found = _S3_DOMAIN.fullmatch(domain)
        if found and found["bucket"] not in _names(buckets):
            yield f"{path}.domainName is {domain}, a bucket that is not of this stack"


@policy(
    "CloudFront.13",
    DISTRIBUTION,
    title="Buckets behind distributions are reached by origin access control",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set origin_access_control_id to an aws.cloudfront.OriginAccessControl, and "
    "let the bucket's policy name the distribution.",
)
def access_control(distribution: Resource) -> Iterator[str]:
    """The bucket need not be public then, and the ACL cannot be gone around."""
    for path in _origins(distribution):
        if _is_bucket(distribution, path) and not distribution.has(
            f"{path}.originAccessControlId"
        ):
            yield f"{path}.originAccessControlId is not set"


def _origins(distribution: Resource) -> Iterator[str]:
    """The path of each origin."""
    for index in range(len(as_list(distribution.get("origins")))):
        yield f"origins.{index}"


def _custom_origins(distribution: Resource) -> Iterator[str]:
    """The path of each configuration of an origin that is no bucket."""
    for path in _origins(distribution):
        if distribution.has(f"{path}.customOriginConfig"):
            yield f"{path}.customOriginConfig"


def _is_bucket(distribution: Resource, path: str) -> bool:
    """Whether an origin is a bucket; its website, which is a custom one, is not."""
    return not (
        distribution.has(f"{path}.customOriginConfig")
        or distribution.has(f"{path}.vpcOriginConfig")
    )


def _behaviors(distribution: Resource) -> Iterator[str]:
    """The path of each cache behavior."""
    yield "defaultCacheBehavior"
    for index in range(len(as_list(distribution.get("orderedCacheBehaviors")))):
        yield f"orderedCacheBehaviors.{index}"


def _has_certificate(distribution: Resource) -> bool:
    return any(
        distribution.has(f"viewerCertificate.{key}")
        for key in ("acmCertificateArn", "iamCertificateId")
    )


def _names(buckets: list[Resource]) -> set[str]:
    given = (bucket.inputs.get("bucket") for bucket in buckets)
    return {name for name in given if isinstance(name, str)} | {b.id for b in buckets}
