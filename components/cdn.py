"""Content delivery network: CloudFront in front of the load balancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components import iam
from components.origin import ORIGIN_HEADER

_ORIGIN: Final = "load-balancer"
_READ_ONLY: Final = ("GET", "HEAD")
_EVERY_METHOD: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_CACHING_OPTIMIZED: Final = "658327ea-f89d-4fab-a63d-7e88639e58f6"
_CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""Cache policies that AWS manages.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
"""

_ALL_VIEWER: Final = "216adef6-5c7f-47e4-b989-5492eafa07d3"
_HOST_HEADER_ONLY: Final = "bf0718e1-ba1e-49d1-88b1-f726733018ae"
"""Origin request policies that AWS manages.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
"""

_CACHED_ERRORS: Final = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
"""Answers that CloudFront keeps for 10 s unless told otherwise, cache or no cache.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
"""

_LOG_FIELDS: Final = (
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(User-Agent)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
)
"""Without cookies, query and referrer, which may hold tokens or personal data.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
"""


@dataclass(frozen=True, kw_only=True)
class CdnArgs:
    """What a content delivery network needs to know.

    hosts: names that it answers to, of which the certificate is.
    certificate_arn: issued certificate in us-east-1 (CloudFront takes no other).
    origin_dns_name: load balancer, with a certificate for the same names.
    origin_secret: value of the header by which the load balancer knows CloudFront.
    web_acl_arn: firewall of the scope `CLOUDFRONT`, or None.
    log_bucket_arn: bucket that `log_delivery_statement` is in the policy of; to be
        known only once it is, or AWS adds one of its own.
    content_security_policy: what pages may load, where the app does not say it.
    hsts_seconds: how long browsers remember to use HTTPS only (1 or more), likewise.
    static_paths: patterns of files whose name changes with their content.
    price_class: where it answers from: Europe and North America, most of the world,
        or everywhere.
    tls_policy: which protocols and ciphers clients may use; TLS 1.2 at least.
    """

    hosts: Sequence[str]
    certificate_arn: pulumi.Input[str]
    origin_dns_name: pulumi.Input[str]
    origin_secret: pulumi.Input[str]
    web_acl_arn: pulumi.Input[str] | None
    log_bucket_arn: pulumi.Input[str]
    content_security_policy: str
    hsts_seconds: int = 63_072_000
    static_paths: Sequence[str] = ("/assets/*",)
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = (
        "PriceClass_100"
    )
    tls_policy: Literal["TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"] = "TLSv1.2_2021"

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ValueError("hosts: at least one name is needed")
        if self.hsts_seconds < 1:
            raise ValueError("hsts_seconds: 1 or more")
        for path in self.static_paths:
            if not path.startswith("/"):
                raise ValueError(f'static_paths: "{path}" does not begin with /')


class Cdn(pulumi.ComponentResource):
    """A distribution that keeps static files and passes everything else on.

    Made with a provider of us-east-1, where CloudFront's certificates, firewalls and
    log deliveries are. Clients come by HTTPS (CloudFront.3) with TLS 1.2 or later
    and SNI (CloudFront.7, .8), over HTTP/2 and HTTP/3, by IPv4 and IPv6. `/` is a
    file (CloudFront.1), the firewall is named here (CloudFront.6), and every request
    is logged (CloudFront.5). There is no bucket that could be missing
    (CloudFront.12) or open to others (CloudFront.13).

    The load balancer is asked by HTTPS and TLS 1.2 only (CloudFront.9, .10), always
    with the client's `Host`: CloudFront takes a certificate for the name of the
    origin or for the `Host` that it sends, and nobody can get one for AWS's name of
    a load balancer. What is not static arrives there whole, with cookies,
    `Authorization` and WebSockets; of the addresses in `X-Forwarded-For`, the last
    is CloudFront's and the one before it the client's.
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-502-bad-gateway.html

    No error is kept: what is missing now may be there in a second, as the files of a
    new release are. Security headers are added where the app sent none of its own.
    """

    distribution_id: pulumi.Output[str]
    """ID of the distribution, for metrics and invalidations."""

    arn: pulumi.Output[str]
    """ARN of the distribution."""

    dns_name: pulumi.Output[str]
    """AWS's name for it."""

    zone_id: pulumi.Output[str]
    """Hosted zone of that name, for alias records."""

    def __init__(
        self, name: str, args: CdnArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Cdn", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        headers = aws.cloudfront.ResponseHeadersPolicy(
            name,
            security_headers_config=_security_headers(args),
            custom_headers_config=_further_headers(),
            remove_headers_config=aws.cloudfront.ResponseHeadersPolicyRemoveHeadersConfigArgs(
                items=[
                    aws.cloudfront.ResponseHeadersPolicyRemoveHeadersConfigItemArgs(
                        header="X-Powered-By"
                    )
                ]
            ),
            opts=child,
        )
        distribution = aws.cloudfront.Distribution(
            name,
            enabled=True,
            aliases=list(dict.fromkeys(args.hosts)),
            default_root_object="index.html",
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class=args.price_class,
            web_acl_id=args.web_acl_arn,
            origins=[_origin(args)],
            default_cache_behavior=aws.cloudfront.DistributionDefaultCacheBehaviorArgs(
                target_origin_id=_ORIGIN,
                viewer_protocol_policy="redirect-to-https",
                allowed_methods=_EVERY_METHOD,
                cached_methods=_READ_ONLY,
                cache_policy_id=_CACHING_DISABLED,
                origin_request_policy_id=_ALL_VIEWER,
                response_headers_policy_id=headers.id,
            ),
            ordered_cache_behaviors=[
                aws.cloudfront.DistributionOrderedCacheBehaviorArgs(
                    path_pattern=path,
                    target_origin_id=_ORIGIN,
                    viewer_protocol_policy="redirect-to-https",
                    allowed_methods=_READ_ONLY,
                    cached_methods=_READ_ONLY,
                    cache_policy_id=_CACHING_OPTIMIZED,
                    compress=True,
                    origin_request_policy_id=_HOST_HEADER_ONLY,
                    response_headers_policy_id=headers.id,
                )
                for path in args.static_paths
            ],
            custom_error_responses=[
                aws.cloudfront.DistributionCustomErrorResponseArgs(
                    error_code=status, error_caching_min_ttl=0
                )
                for status in _CACHED_ERRORS
            ],
            viewer_certificate=aws.cloudfront.DistributionViewerCertificateArgs(
                acm_certificate_arn=args.certificate_arn,
                minimum_protocol_version=args.tls_policy,
                ssl_support_method="sni-only",
            ),
            restrictions=aws.cloudfront.DistributionRestrictionsArgs(
                geo_restriction=aws.cloudfront.DistributionRestrictionsGeoRestrictionArgs(
                    restriction_type="none"
                )
            ),
            opts=child,
        )
        _log_requests(name, distribution, args.log_bucket_arn, child)

        self.distribution_id = distribution.id
        self.arn = distribution.arn
        self.dns_name = distribution.domain_name
        self.zone_id = distribution.hosted_zone_id
        self.register_outputs(
            {
                "distribution_id": self.distribution_id,
                "arn": self.arn,
                "dns_name": self.dns_name,
                "zone_id": self.zone_id,
            }
        )


def log_delivery_statement(bucket_arn: str, account_id: str) -> dict[str, object]:
    """Return what the policy of the log bucket has to allow.

    As AWS writes it: AWS adds such a statement wherever it misses it.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-S3.html
    """
    partition = iam.place_of(bucket_arn).partition
    return {
        "Sid": "AWSLogDeliveryWrite",
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/AWSLogs/{account_id}/*",
        "Condition": {
            "StringEquals": {
                "s3:x-amz-acl": "bucket-owner-full-control",
                "aws:SourceAccount": account_id,
            },
            "ArnLike": {
                "aws:SourceArn": (
                    f"arn:{partition}:logs:us-east-1:{account_id}:delivery-source:*"
                )
            },
        },
    }


def _origin(args: CdnArgs) -> aws.cloudfront.DistributionOriginArgs:
    return aws.cloudfront.DistributionOriginArgs(
        origin_id=_ORIGIN,
        domain_name=args.origin_dns_name,
        custom_headers=[
            aws.cloudfront.DistributionOriginCustomHeaderArgs(
                name=ORIGIN_HEADER, value=pulumi.Output.secret(args.origin_secret)
            )
        ],
        custom_origin_config=aws.cloudfront.DistributionOriginCustomOriginConfigArgs(
            http_port=80,
            https_port=443,
            origin_protocol_policy="https-only",
            origin_ssl_protocols=["TLSv1.2"],
            # As long as the load balancer itself waits for the app.
            origin_read_timeout=60,
        ),
    )


def _security_headers(
    args: CdnArgs,
) -> aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs:
    return aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs(
        content_security_policy=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentSecurityPolicyArgs(
            content_security_policy=args.content_security_policy, override=False
        ),
        content_type_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs(
            override=False
        ),
        frame_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigFrameOptionsArgs(
            frame_option="DENY", override=False
        ),
        referrer_policy=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigReferrerPolicyArgs(
            referrer_policy="strict-origin-when-cross-origin", override=False
        ),
        strict_transport_security=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs(
            access_control_max_age_sec=args.hsts_seconds, override=False
        ),
    )


def _further_headers() -> aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigArgs:
    """Those that CloudFront has no setting for."""
    headers = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    return aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigArgs(
        items=[
            aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigItemArgs(
                header=header, value=value, override=False
            )
            for header, value in headers.items()
        ]
    )


def _log_requests(
    name: str,
    distribution: aws.cloudfront.Distribution,
    bucket_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    source = aws.cloudwatch.LogDeliverySource(
        name, log_type="ACCESS_LOGS", resource_arn=distribution.arn, opts=opts
    )
    destination = aws.cloudwatch.LogDeliveryDestination(
        name,
        output_format="json",
        delivery_destination_configuration=aws.cloudwatch.LogDeliveryDestinationDeliveryDestinationConfigurationArgs(
            destination_resource_arn=bucket_arn
        ),
        opts=opts,
    )
    aws.cloudwatch.LogDelivery(
        name,
        delivery_source_name=source.name,
        delivery_destination_arn=destination.arn,
        record_fields=_LOG_FIELDS,
        s3_delivery_configurations=[
            aws.cloudwatch.LogDeliveryS3DeliveryConfigurationArgs(
                enable_hive_compatible_path=False,
                suffix_path="{DistributionId}/{yyyy}/{MM}/{dd}",
            )
        ],
        # A source has one delivery to a bucket: two cannot be there for a moment.
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(delete_before_replace=True)
        ),
    )
