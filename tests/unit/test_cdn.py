"""CloudFront in front of the load balancer: what it keeps, passes on, and says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from components.cdn import Cdn, CdnArgs, log_delivery_statement
from components.docker.proxy_config import DEFAULT_CSP, ProxyConfig, _security_headers
from components.origin import ORIGIN_HEADER
from tests.graph import UNKNOWN, Graph

DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"
DESTINATION = "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination"
DELIVERY = "aws:cloudwatch/logDelivery:LogDelivery"

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1234"
FIREWALL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/app/1234"
BUCKET = "arn:aws:s3:::app-logs"
ORIGIN = "app-1.eu-central-1.elb.amazonaws.com"
SECRET = "what-only-cloudfront-knows"


def args(**changes: Any) -> CdnArgs:
    return CdnArgs(
        **{
            "hosts": ["example.org", "www.example.org"],
            "certificate_arn": CERTIFICATE,
            "origin_dns_name": ORIGIN,
            "origin_secret": SECRET,
            "web_acl_arn": FIREWALL,
            "log_bucket_arn": BUCKET,
            "content_security_policy": DEFAULT_CSP,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Cdn("app", args(**changes)))


def behaviours(graph: Graph) -> dict[str, Mapping[str, Any]]:
    distribution = graph.one(DISTRIBUTION)
    return {
        "*": distribution["defaultCacheBehavior"],
        **{one["pathPattern"]: one for one in distribution["orderedCacheBehaviors"]},
    }


def added(graph: Graph) -> dict[str, str]:
    """The headers that CloudFront adds to an answer without any."""
    policy = graph.one(HEADERS)
    config = policy["securityHeadersConfig"]
    return {
        **{
            item["header"]: item["value"]
            for item in policy["customHeadersConfig"]["items"]
        },
        "Content-Security-Policy": config["contentSecurityPolicy"][
            "contentSecurityPolicy"
        ],
        "Referrer-Policy": config["referrerPolicy"]["referrerPolicy"],
        "Strict-Transport-Security": "max-age="
        f"{config['strictTransportSecurity']['accessControlMaxAgeSec']}",
        **(
            {"X-Content-Type-Options": "nosniff"}
            if "contentTypeOptions" in config
            else {}
        ),
        "X-Frame-Options": config["frameOptions"]["frameOption"],
    }


def test_clients_come_by_https_under_the_own_names(graph):
    build(graph, hosts=["example.org", "www.example.org", "example.org"])
    distribution = graph.one(DISTRIBUTION)
    assert distribution["aliases"] == ["example.org", "www.example.org"]
    assert distribution["viewerCertificate"] == {
        "acmCertificateArn": CERTIFICATE,
        "minimumProtocolVersion": "TLSv1.2_2021",
        "sslSupportMethod": "sni-only",
    }
    for behaviour in behaviours(graph).values():
        assert behaviour["viewerProtocolPolicy"] == "redirect-to-https"


def test_newer_protocols_are_spoken(graph):
    build(graph)
    distribution = graph.one(DISTRIBUTION)
    assert distribution["httpVersion"] == "http2and3"
    assert distribution["isIpv6Enabled"] is True


def test_the_origin_is_asked_by_tls_only_and_knows_who_asks(graph):
    build(graph)
    distribution = graph.one(DISTRIBUTION)
    (origin,) = distribution["origins"]
    assert origin["domainName"] == ORIGIN
    assert origin["customHeaders"] == [{"name": ORIGIN_HEADER, "value": SECRET}]
    config = origin["customOriginConfig"]
    assert config["originProtocolPolicy"] == "https-only"
    assert config["originSslProtocols"] == ["TLSv1.2"]
    assert config["originReadTimeout"] == 60


def test_what_the_origin_knows_it_by_is_a_secret(graph):
    build(graph)
    (path,) = graph.one(DISTRIBUTION).secrets
    assert path.startswith("origins")
    assert all(SECRET not in text for _, text in graph.messages)


def test_the_app_gets_whole_requests_and_nothing_of_it_is_kept(graph):
    build(graph)
    behaviour = behaviours(graph)["*"]
    assert set(behaviour["allowedMethods"]) == {
        *("GET", "HEAD", "OPTIONS"),
        *("PUT", "POST", "PATCH", "DELETE"),
    }
    # CachingDisabled and AllViewer.
    assert behaviour["cachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour["originRequestPolicyId"] == "216adef6-5c7f-47e4-b989-5492eafa07d3"


def test_static_files_are_kept_and_compressed(graph):
    build(graph)
    behaviour = behaviours(graph)["/assets/*"]
    assert set(behaviour["allowedMethods"]) == {"GET", "HEAD"}
    assert behaviour["compress"] is True
    # CachingOptimized.
    assert behaviour["cachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"


def test_every_request_to_the_origin_has_the_host_that_its_certificate_is_for(graph):
    build(graph)
    all_viewer = "216adef6-5c7f-47e4-b989-5492eafa07d3"
    host_header_only = "bf0718e1-ba1e-49d1-88b1-f726733018ae"
    for behaviour in behaviours(graph).values():
        assert behaviour["originRequestPolicyId"] in (all_viewer, host_header_only)


def test_static_paths_are_those_that_are_asked_for(graph):
    build(graph, static_paths=["/fonts/*", "/js/*"])
    assert list(behaviours(graph)) == ["*", "/fonts/*", "/js/*"]


def test_no_error_is_kept(graph):
    build(graph)
    kept = {
        one["errorCode"]: one["errorCachingMinTtl"]
        for one in graph.one(DISTRIBUTION)["customErrorResponses"]
    }
    assert {404, 500, 502, 503, 504} <= kept.keys()
    assert set(kept.values()) == {0}


def test_answers_get_the_headers_that_the_proxy_sends(graph):
    build(graph)
    assert added(graph) == dict(_security_headers(ProxyConfig()))
    headers = graph.one(HEADERS)
    for behaviour in behaviours(graph).values():
        assert behaviour["responseHeadersPolicyId"] == headers.id


def test_the_app_has_the_last_word_on_its_headers(graph):
    build(graph)
    policy = graph.one(HEADERS)
    overrides = [
        *policy["securityHeadersConfig"].values(),
        *policy["customHeadersConfig"]["items"],
    ]
    assert len(overrides) == 8
    assert not any(one["override"] for one in overrides)


def test_nothing_tells_what_the_app_is_made_with(graph):
    build(graph)
    assert graph.one(HEADERS)["removeHeadersConfig"]["items"] == [
        {"header": "X-Powered-By"}
    ]


def test_the_root_is_a_file_and_the_firewall_is_named(graph):
    build(graph)
    distribution = graph.one(DISTRIBUTION)
    assert distribution["defaultRootObject"] == "index.html"
    assert distribution["webAclId"] == FIREWALL


def test_it_may_do_without_a_firewall(graph):
    build(graph, web_acl_arn=None)
    assert graph.one(DISTRIBUTION).get("webAclId") is None


def test_it_answers_where_it_is_told_to(graph):
    build(graph)
    assert graph.one(DISTRIBUTION)["priceClass"] == "PriceClass_100"
    build(graph, price_class="PriceClass_All")
    assert graph.one(DISTRIBUTION)["priceClass"] == "PriceClass_All"
    assert graph.one(DISTRIBUTION)["restrictions"] == {
        "geoRestriction": {"restrictionType": "none"}
    }


def test_every_request_is_logged_to_the_bucket(graph):
    outputs = build(graph)
    source, destination = graph.one(SOURCE), graph.one(DESTINATION)
    assert (source["logType"], source["resourceArn"]) == ("ACCESS_LOGS", outputs["arn"])
    assert destination["deliveryDestinationConfiguration"] == {
        "destinationResourceArn": BUCKET
    }
    delivery = graph.one(DELIVERY)
    assert delivery["deliverySourceName"] == source.outputs["name"]
    assert delivery["deliveryDestinationArn"] == destination.outputs["arn"]
    assert delivery.delete_before_replace


def test_the_log_has_no_query_cookie_or_referrer(graph):
    build(graph)
    fields = set(graph.one(DELIVERY)["recordFields"])
    assert {"c-ip", "cs-uri-stem", "sc-status", "time-taken"} <= fields
    assert not fields & {"cs-uri-query", "cs(Cookie)", "cs(Referer)"}


def test_names_in_cloudwatch_fit_its_60_characters(graph):
    graph.build(lambda: Cdn("stromhaltig-" + 24 * "n", args()))
    for type_ in (SOURCE, DESTINATION):
        assert len(graph.one(type_).outputs["name"]) <= 60


def test_only_this_accounts_deliveries_may_write_to_the_bucket():
    statement = log_delivery_statement(BUCKET, "123456789012")
    assert statement["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    assert statement["Action"] == "s3:PutObject"
    assert statement["Resource"] == f"{BUCKET}/AWSLogs/123456789012/*"
    assert statement["Condition"] == {
        "StringEquals": {
            "s3:x-amz-acl": "bucket-owner-full-control",
            "aws:SourceAccount": "123456789012",
        },
        "ArnLike": {
            "aws:SourceArn": "arn:aws:logs:us-east-1:123456789012:delivery-source:*"
        },
    }


def test_names_can_be_pointed_at_it(graph):
    outputs = build(graph)
    distribution = graph.one(DISTRIBUTION)
    assert outputs == {
        "distribution_id": distribution.id,
        "arn": distribution.outputs["arn"],
        "dns_name": distribution.outputs["domainName"],
        "zone_id": "Z2FDTNDATAQYW2",
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hosts": []}, "hosts"),
        ({"hsts_seconds": 0}, "hsts_seconds"),
        ({"static_paths": ["assets/*"]}, "static_paths"),
    ],
)
def test_what_cloudfront_would_refuse_is_refused_at_once(wrong, words):
    with pytest.raises(ValueError, match=words):
        args(**wrong)


def test_a_preview_knows_everything_but_what_aws_names(graph):
    outputs = graph.build(lambda: Cdn("app", args()), preview=True)
    assert graph.one(DISTRIBUTION)["aliases"] == ["example.org", "www.example.org"]
    assert set(outputs.values()) == {UNKNOWN}
