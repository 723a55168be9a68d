"""The row of CloudFront: its case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.aws.cloudfront import TLS_POLICIES, distributions
from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

DISTRIBUTION = "aws:cloudfront/distribution:Distribution"

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1234"
FIREWALL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/app/1234"
EVERY_METHOD = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

ORIGIN = {
    "originId": "app",
    "domainName": "app-1.eu-central-1.elb.amazonaws.com",
    "customHeaders": [{"name": "X-Origin-Verify", "value": "secret"}],
    "customOriginConfig": {
        "httpPort": 80,
        "httpsPort": 443,
        "originProtocolPolicy": "https-only",
        "originSslProtocols": ["TLSv1.2"],
        "originReadTimeout": 60,
    },
}
EVERYTHING = {
    "targetOriginId": "app",
    "viewerProtocolPolicy": "redirect-to-https",
    "allowedMethods": EVERY_METHOD,
    "cachedMethods": ["GET", "HEAD"],
    "cachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "originRequestPolicyId": "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "responseHeadersPolicyId": "67f7725c-6f97-4210-82d7-5512b31e9d03",
}
STATIC = {
    **EVERYTHING,
    "pathPattern": "/assets/*",
    "allowedMethods": ["GET", "HEAD"],
    "cachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "compress": True,
}
TLS = {
    "acmCertificateArn": CERTIFICATE,
    "minimumProtocolVersion": "TLSv1.2_2021",
    "sslSupportMethod": "sni-only",
}
ANYWHERE = {"geoRestriction": {"restrictionType": "none"}}


def program(*names: str, **changes: Any) -> dict[str, Any]:
    return {
        "enabled": True,
        "aliases": list(names),
        "origins": [ORIGIN],
        "defaultCacheBehavior": EVERYTHING,
        "restrictions": ANYWHERE,
        "viewerCertificate": TLS,
    } | changes


def host(site: Site) -> str:
    return f"{site.name()}.example.org"


def distribution(site: Site) -> Case:
    cloudfront = site.client("cloudfront")

    def forget_the_firewall(id: str) -> None:
        found = cloudfront.get_distribution(Id=id)
        config = {**found["Distribution"]["DistributionConfig"], "WebACLId": ""}
        cloudfront.update_distribution(
            Id=id, IfMatch=found["ETag"], DistributionConfig=config
        )

    return Case(
        inputs=program(
            host(site),
            customErrorResponses=[{"errorCode": 404, "errorCachingMinTtl": 0}],
            defaultRootObject="index.html",
            httpVersion="http2and3",
            isIpv6Enabled=True,
            orderedCacheBehaviors=[STATIC],
            priceClass="PriceClass_100",
            webAclId=FIREWALL,
        ),
        listing=lambda: [one["Id"] for one in distributions(site.aws)],
        updates={
            "aliases": [host(site), host(site)],
            "comment": "The shop",
            "customErrorResponses": [
                {"errorCode": 404, "errorCachingMinTtl": 5},
                {"errorCode": 503, "errorCachingMinTtl": 0},
            ],
            "defaultCacheBehavior": {
                **EVERYTHING,
                "allowedMethods": ["GET", "HEAD", "OPTIONS"],
                "viewerProtocolPolicy": "https-only",
            },
            "defaultRootObject": "start.html",
            "enabled": False,
            "httpVersion": "http2",
            "isIpv6Enabled": False,
            "orderedCacheBehaviors": [
                {**STATIC, "pathPattern": "/fonts/*", "compress": False},
                STATIC,
            ],
            "origins": [
                {
                    **ORIGIN,
                    "customHeaders": [{"name": "X-Origin-Verify", "value": "other"}],
                }
            ],
            "priceClass": "PriceClass_All",
            "restrictions": {
                "geoRestriction": {"restrictionType": "whitelist", "locations": ["DE"]}
            },
            "viewerCertificate": {**TLS, "minimumProtocolVersion": "TLSv1.3_2025"},
            "webAclId": f"{FIREWALL}5",
        },
        unverified={"retainOnDelete": False, "waitForDeployment": False},
        drift=[Drift(act=forget_the_firewall, seen="webAclId")],
        refused=[
            ({"httpVersion": "http4"}, "http2and3"),
            ({"priceClass": "PriceClass_300"}, "PriceClass_100"),
            (
                {"viewerCertificate": {**TLS, "minimumProtocolVersion": "TLSv2"}},
                "TLSv1.2_2021",
            ),
            (
                {"viewerCertificate": {**TLS, "sslSupportMethod": "sni"}},
                "sni-only",
            ),
            (
                {
                    "viewerCertificate": {
                        **TLS,
                        "acmCertificateArn": CERTIFICATE.replace(
                            "us-east-1", "eu-central-1"
                        ),
                    }
                },
                "in us-east-1",
            ),
            (
                {"viewerCertificate": {"cloudfrontDefaultCertificate": True}},
                "not for them",
            ),
            (
                {"webAclId": FIREWALL.replace("global", "regional")},
                "scope CLOUDFRONT",
            ),
            (
                {"restrictions": {"geoRestriction": {"restrictionType": "some"}}},
                "whitelist",
            ),
            ({"origins": [with_config(originReadTimeout=121)]}, "between 1 and 120"),
            (
                {"origins": [with_config(originProtocolPolicy="tls")]},
                "https-only",
            ),
            ({"customErrorResponses": [{"errorCode": 418}]}, "404"),
            (
                {"defaultCacheBehavior": {**EVERYTHING, "targetOriginId": "apps"}},
                'Did you mean "app"',
            ),
            (
                {"orderedCacheBehaviors": [{**STATIC, "viewerProtocolPolicy": "tls"}]},
                "redirect-to-https",
            ),
            (
                {"orderedCacheBehaviors": [{**STATIC, "allowedMethods": ["GET"]}]},
                "GET and HEAD",
            ),
        ],
    )


def with_config(**changes: Any) -> dict[str, Any]:
    return {
        **ORIGIN,
        "customOriginConfig": {**ORIGIN["customOriginConfig"], **changes},
    }


CASES: Mapping[str, Callable[[Site], Case]] = {DISTRIBUTION: distribution}


class TestCloudFrontRows(Conformance):
    cases = CASES


@pytest.mark.parametrize("policy", TLS_POLICIES)
def test_every_tls_policy_that_goes_with_sni_is_taken(site: Site, policy: str) -> None:
    resource = Resource(DISTRIBUTION, site.aws)
    tls = {**TLS, "minimumProtocolVersion": policy}
    resource.up(program(host(site), viewerCertificate=tls))
    assert resource.live("viewerCertificate")["minimumProtocolVersion"] == policy
    resource.destroy()


def test_the_order_of_behaviours_is_a_change(site: Site) -> None:
    wide = {**STATIC, "pathPattern": "/*"}
    resource = Resource(DISTRIBUTION, site.aws)
    name = host(site)
    resource.up(program(name, orderedCacheBehaviors=[STATIC, wide]))
    turned = program(name, orderedCacheBehaviors=[wide, STATIC])
    assert resource.up(turned).changed == {"orderedCacheBehaviors"}
    found = resource.live("orderedCacheBehaviors")
    assert [one["pathPattern"] for one in found] == ["/*", "/assets/*"]
    resource.destroy()


def test_a_name_leads_to_one_distribution(site: Site) -> None:
    name = host(site)
    first, second = (Resource(DISTRIBUTION, site.aws) for _ in range(2))
    first.up(program(name))
    with pytest.raises(ClientError, match="CNAMEAlreadyExists"):
        second.up(program(name))
    second.up(program(host(site)))
    with pytest.raises(ClientError, match="CNAMEAlreadyExists"):
        second.up(program(name))
    first.destroy()
    second.destroy()


def test_it_may_outlive_its_resource(site: Site) -> None:
    resource = Resource(DISTRIBUTION, site.aws)
    name = host(site)
    resource.up(program(name, retainOnDelete=True))
    resource.destroy()
    assert resource.refresh()
    resource.up(program(name))
    resource.destroy()
    assert not resource.refresh()


def test_its_name_is_answered_from_cloudfronts_zone(site: Site) -> None:
    made = site.make(DISTRIBUTION, **program(host(site)))
    assert made["hostedZoneId"] == "Z2FDTNDATAQYW2"
    assert made["domainName"].endswith(".cloudfront.net")
    assert made["arn"] == (
        f"arn:aws:cloudfront::{site.aws.account_id}:distribution/{made['id']}"
    )
