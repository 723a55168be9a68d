"""What breaks the policies about CloudFront."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resource_graph import UNKNOWN, Resource
from resource_types import BUCKET, DISTRIBUTION, LOG_DELIVERY, LOG_DELIVERY_SOURCE
from tests.unit.policies.casework import Case, resource

ASSETS = resource(BUCKET, "assets", bucket="assets")
DOMAIN = "assets.s3.eu-central-1.amazonaws.com"
OF_BUCKET = {"originId": "assets", "domainName": DOMAIN}
OWN = {"acmCertificateArn": "arn:aws:acm:us-east-1:1:certificate/x"}
DEFAULT = {"cloudfrontDefaultCertificate": True}


def custom(**config: Any) -> dict[str, Any]:
    """An origin that is no bucket, reached by HTTPS."""
    base = {"originProtocolPolicy": "https-only", "originSslProtocols": ["TLSv1.2"]}
    return {
        "originId": "app",
        "domainName": "app.example",
        "customOriginConfig": {**base, **config},
    }


def distribution(*origins: Any, **more: Any) -> Resource:
    """A distribution; of a custom origin unless told of which."""
    return resource(DISTRIBUTION, origins=[*origins] or [custom()], **more)


def viewers(policy: str, *others: str) -> dict[str, Any]:
    """What viewers may use, by default and elsewhere."""
    return {
        "defaultCacheBehavior": {"viewerProtocolPolicy": policy},
        "orderedCacheBehaviors": [{"viewerProtocolPolicy": other} for other in others],
    }


LOGGED = resource(DISTRIBUTION, "logged")
SOURCE = resource(
    LOG_DELIVERY_SOURCE,
    "source",
    comes_from={"resourceArn": [LOGGED]},
    logType="ACCESS_LOGS",
)
DELIVERY = resource(LOG_DELIVERY, comes_from={"deliverySourceName": [SOURCE]})
NAMED_SOURCE = replace(SOURCE, inputs={**SOURCE.inputs, "name": "by-name"})
FROM_BUCKET = resource(
    DISTRIBUTION,
    comes_from={"origins": [ASSETS]},
    origins=[{"originId": "assets", "domainName": UNKNOWN}],
)

CASES = (
    Case(
        id="CloudFront.1",
        good=[
            distribution(OF_BUCKET, defaultRootObject="index.html"),
            distribution(),
        ],
        bad={
            "left to its default": (
                [distribution(custom(), OF_BUCKET)],
                "defaultRootObject is not set",
            )
        },
    ),
    Case(
        id="CloudFront.3",
        good=[distribution(**viewers("redirect-to-https", "https-only"))],
        bad={
            "by default": (
                [distribution(**viewers("allow-all"))],
                "defaultCacheBehavior.viewerProtocolPolicy is allow-all",
            ),
            "elsewhere": (
                [distribution(**viewers("https-only", "https-only", "allow-all"))],
                "orderedCacheBehaviors.1.viewerProtocolPolicy is allow-all",
            ),
        },
    ),
    Case(
        id="CloudFront.5",
        good=[
            resource(DISTRIBUTION, loggingConfig={"bucket": UNKNOWN}),
            LOGGED,
            SOURCE,
            DELIVERY,
        ],
        bad={
            "left to its default": ([LOGGED], "neither loggingConfig nor"),
            "a source without a delivery": ([LOGGED, SOURCE], "nor a delivery"),
            "a source with the delivery of another": (
                [
                    LOGGED,
                    NAMED_SOURCE,
                    resource(LOG_DELIVERY, deliverySourceName="other"),
                ],
                "nor a delivery",
            ),
            "logs of another kind": (
                [
                    LOGGED,
                    resource(
                        LOG_DELIVERY_SOURCE,
                        "source",
                        comes_from={"resourceArn": [LOGGED]},
                        logType="CONNECTION_LOGS",
                    ),
                    DELIVERY,
                ],
                "nor a delivery",
            ),
            "logs of another": (
                [LOGGED, SOURCE, DELIVERY, resource(DISTRIBUTION, "other")],
                "nor a delivery",
            ),
            "no bucket": (
                [resource(DISTRIBUTION, loggingConfig={"prefix": "cdn"})],
                "neither loggingConfig",
            ),
        },
    ),
    Case(
        id="CloudFront.6",
        good=[resource(DISTRIBUTION, webAclId=UNKNOWN)],
        bad={"left to its default": ([distribution()], "webAclId is not set")},
    ),
    Case(
        id="CloudFront.7",
        good=[
            resource(DISTRIBUTION, viewerCertificate=OWN),
            resource(DISTRIBUTION, viewerCertificate={"iamCertificateId": "x"}),
        ],
        bad={
            "the default one": (
                [resource(DISTRIBUTION, viewerCertificate=DEFAULT)],
                "viewerCertificate is the default",
            ),
            "none": ([distribution()], "viewerCertificate is the default"),
        },
    ),
    Case(
        id="CloudFront.8",
        good=[
            resource(
                DISTRIBUTION, viewerCertificate={**OWN, "sslSupportMethod": "sni-only"}
            ),
            resource(DISTRIBUTION, viewerCertificate=DEFAULT),
        ],
        bad={
            "an address of its own": (
                [
                    resource(
                        DISTRIBUTION,
                        viewerCertificate={**OWN, "sslSupportMethod": "vip"},
                    )
                ],
                "sslSupportMethod is vip",
            ),
            "not said": (
                [resource(DISTRIBUTION, viewerCertificate=OWN)],
                "sslSupportMethod is not set",
            ),
        },
    ),
    Case(
        id="CloudFront.9",
        good=[
            distribution(),
            distribution(OF_BUCKET),
            distribution(
                custom(originProtocolPolicy="match-viewer"),
                **viewers("https-only", "redirect-to-https"),
            ),
        ],
        bad={
            "HTTP": (
                [distribution(OF_BUCKET, custom(originProtocolPolicy="http-only"))],
                "origins.1.customOriginConfig.originProtocolPolicy is http-only",
            ),
            "what viewers use, HTTP too": (
                [
                    distribution(
                        custom(originProtocolPolicy="match-viewer"),
                        **viewers("https-only", "allow-all"),
                    )
                ],
                "is match-viewer",
            ),
        },
    ),
    Case(
        id="CloudFront.10",
        good=[distribution(), distribution(OF_BUCKET)],
        bad={
            "SSL": (
                [distribution(custom(originSslProtocols=["SSLv3", "TLSv1.2"]))],
                "originSslProtocols has SSLv3",
            ),
            "old TLS": (
                [distribution(custom(originSslProtocols=["TLSv1", "TLSv1.1"]))],
                "originSslProtocols has TLSv1, TLSv1.1",
            ),
        },
    ),
    Case(
        id="CloudFront.12",
        good=[
            ASSETS,
            FROM_BUCKET,
            distribution(OF_BUCKET),
            distribution(),
            distribution({"originId": "media", "domainName": "media.example"}),
        ],
        bad={
            "a name": ([distribution(OF_BUCKET)], f"domainName is {DOMAIN}"),
            "a name without region": (
                [
                    ASSETS,
                    distribution(
                        {"originId": "x", "domainName": "gone.s3.amazonaws.com"}
                    ),
                ],
                "gone.s3.amazonaws.com",
            ),
        },
    ),
    Case(
        id="CloudFront.13",
        good=[
            distribution({**OF_BUCKET, "originAccessControlId": UNKNOWN}),
            distribution(),
        ],
        bad={
            "left to its default": (
                [distribution(OF_BUCKET)],
                "origins.0.originAccessControlId is not set",
            ),
            "the older identity": (
                [
                    distribution(
                        {
                            **OF_BUCKET,
                            "s3OriginConfig": {"originAccessIdentity": "E123"},
                        }
                    )
                ],
                "originAccessControlId is not set",
            ),
        },
    ),
)
