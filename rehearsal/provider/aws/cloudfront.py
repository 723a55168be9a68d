"""Rows for CloudFront: distributions in front of origins other than buckets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import matching, one_of, refusal, value_at, within
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

HOSTED_ZONE = "Z2FDTNDATAQYW2"
"""Of every distribution's name (AWS General Reference, CloudFront)."""

TLS_POLICIES = (
    *("TLSv1", "TLSv1_2016", "TLSv1.1_2016", "TLSv1.2_2018", "TLSv1.2_2019"),
    *("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"),
)
ERRORS = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
"""Answers of an origin that CloudFront can be told what to do with."""

_READING = frozenset({"GET", "HEAD"})
_METHODS = (
    _READING,
    _READING | {"OPTIONS"},
    _READING | {"DELETE", "OPTIONS", "PATCH", "POST", "PUT"},
)
_NAMES: Mapping[str, str] = {
    "acmCertificateArn": "ACMCertificateArn",
    "cloudfrontDefaultCertificate": "CloudFrontDefaultCertificate",
    "errorCachingMinTtl": "ErrorCachingMinTTL",
    "httpPort": "HTTPPort",
    "httpsPort": "HTTPSPort",
    "iamCertificateId": "IAMCertificateId",
    "isIpv6Enabled": "IsIPV6Enabled",
    "name": "HeaderName",
    "orderedCacheBehaviors": "CacheBehaviors",
    "originId": "Id",
    "sslSupportMethod": "SSLSupportMethod",
    "value": "HeaderValue",
    "webAclId": "WebACLId",
}
"""Where the API does not just begin a word with a capital letter."""
_PROPERTIES = {name: key for key, name in _NAMES.items()}


class Distribution(Row):
    """aws.cloudfront.Distribution."""

    token = "aws:cloudfront/distribution:Distribution"
    service = "cloudfront"
    tagged = True
    updates = frozenset(
        {
            *("aliases", "comment", "customErrorResponses", "defaultCacheBehavior"),
            *("defaultRootObject", "enabled", "httpVersion", "isIpv6Enabled"),
            *("orderedCacheBehaviors", "origins", "priceClass", "restrictions"),
            *("viewerCertificate", "webAclId"),
        }
    )
    # How the provider waits and whether it deletes is not the cloud's business.
    unverified = frozenset({"retainOnDelete", "waitForDeployment"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "comment": "",
        "httpVersion": "http2",
        "isIpv6Enabled": False,
        "priceClass": "PriceClass_All",
        "waitForDeployment": True,
    }

    def canonical(self, key: str, value: Any) -> Any:
        """The first behaviour whose pattern matches is taken: their order counts."""
        if key == "orderedCacheBehaviors":
            return [{**one, "at": index} for index, one in enumerate(value)]
        return value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        certificate = "viewerCertificate.acmCertificateArn"
        problems = [
            *one_of(inputs, "httpVersion", ("http1.1", "http2", "http2and3", "http3")),
            *one_of(
                inputs,
                "priceClass",
                ("PriceClass_100", "PriceClass_200", "PriceClass_All"),
            ),
            *one_of(inputs, "viewerCertificate.minimumProtocolVersion", TLS_POLICIES),
            *one_of(
                inputs,
                "viewerCertificate.sslSupportMethod",
                ("sni-only", "vip", "static-ip"),
            ),
            *matching(
                inputs,
                certificate,
                r"arn:[^:]+:acm:us-east-1:\d+:certificate/.+",
                "the ARN of a certificate in us-east-1",
            ),
            *matching(
                inputs,
                "webAclId",
                r"(arn:[^:]+:wafv2:us-east-1:\d+:global/webacl/.+)?",
                "the ARN of a web ACL of the scope CLOUDFRONT",
            ),
            *one_of(
                inputs,
                "restrictions.geoRestriction.restrictionType",
                ("none", "blacklist", "whitelist"),
            ),
        ]
        if inputs.get("aliases") and value_at(
            inputs, "viewerCertificate.cloudfrontDefaultCertificate"
        ):
            problems.append("aliases: CloudFront's own certificate is not for them")
        for origin in _known(inputs.get("origins")):
            problems += _wrong_origin(origin)
        for error in _known(inputs.get("customErrorResponses")):
            problems += one_of(error, "errorCode", ERRORS)
        for behaviour in _behaviours(inputs):
            problems += _wrong_behaviour(behaviour, _origin_ids(inputs))
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._refuse_taken(aws, inputs)
        tags = {"Items": tag_list(inputs.get("tagsAll"))}
        made = aws.client("cloudfront").create_distribution_with_tags(
            DistributionConfigWithTags={
                "DistributionConfig": _config(inputs, str(uuid.uuid4())),
                "Tags": tags,
            }
        )
        return str(made["Distribution"]["Id"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        found = _live(aws, id)
        if found is None:
            return None
        live = found["Distribution"]
        config = live["DistributionConfig"]
        tags = aws.client("cloudfront").list_tags_for_resource(Resource=live["ARN"])
        nobody = [{"enabled": False, "items": []}]
        return {
            "arn": live["ARN"],
            "callerReference": config["CallerReference"],
            "domainName": live["DomainName"],
            "etag": found["ETag"],
            "hostedZoneId": HOSTED_ZONE,
            "inProgressValidationBatches": live["InProgressInvalidationBatches"],
            "lastModifiedTime": str(live["LastModifiedTime"]),
            "loggingV1Enabled": False,
            "status": live["Status"],
            "tagsAll": tag_map(tags["Tags"]["Items"]),
            "trustedKeyGroups": nobody,
            "trustedSigners": nobody,
            **{
                key: _to_properties(config[_NAMES.get(key, _capital(key))])
                for key in self.updates
            },
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._refuse_taken(aws, new, besides=id)
        cloudfront = aws.client("cloudfront")
        found = cloudfront.get_distribution(Id=id)
        live = found["Distribution"]
        reference = live["DistributionConfig"]["CallerReference"]
        cloudfront.update_distribution(
            Id=id,
            IfMatch=found["ETag"],
            DistributionConfig=_config(new, reference),
        )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            cloudfront.tag_resource(
                Resource=live["ARN"], Tags={"Items": tag_list(wanted)}
            )
        if unwanted:
            cloudfront.untag_resource(Resource=live["ARN"], TagKeys={"Items": unwanted})

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        found = _live(aws, id)
        if found is None or state.get("retainOnDelete"):
            return
        # CloudFront deletes what is switched off, and the provider sees to that.
        config = found["Distribution"]["DistributionConfig"]
        disabled = _config({**state, "enabled": False}, config["CallerReference"])
        cloudfront = aws.client("cloudfront")
        off = cloudfront.update_distribution(
            Id=id, IfMatch=found["ETag"], DistributionConfig=disabled
        )
        deleted(cloudfront.delete_distribution, Id=id, IfMatch=off["ETag"])

    def _refuse_taken(self, aws: Aws, inputs: Properties, besides: str = "") -> None:
        """A name leads to one distribution; moto gives it to several."""
        for other in distributions(aws):
            taken = {*other["Aliases"].get("Items", [])} & {*inputs.get("aliases", [])}
            if taken and other["Id"] != besides:
                raise refusal(
                    "UpdateDistribution" if besides else "CreateDistribution",
                    "CNAMEAlreadyExists",
                    f"{', '.join(sorted(taken))}: already of {other['Id']}",
                )


def distributions(aws: Aws) -> list[dict[str, Any]]:
    """Every distribution there is, as CloudFront lists them."""
    listed = aws.client("cloudfront").list_distributions()["DistributionList"]
    return list(listed.get("Items", []))


def _live(aws: Aws, id: str) -> dict[str, Any] | None:
    try:
        return dict(aws.client("cloudfront").get_distribution(Id=id))
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _config(inputs: Properties, reference: str) -> dict[str, Any]:
    """The whole configuration, as every call takes it."""
    given = {key: inputs[key] for key in Distribution.updates if key in inputs}
    return {"CallerReference": reference, "Comment": "", **_to_api(given)}


def _to_api(value: Any) -> Any:
    """Properties as the API takes them: lists have a length, methods are nested."""
    if isinstance(value, list):
        return {"Quantity": len(value), "Items": [_to_api(item) for item in value]}
    if not isinstance(value, Mapping):
        return value
    named = {_NAMES.get(key, _capital(key)): _to_api(v) for key, v in value.items()}
    if "CachedMethods" in named:
        named["AllowedMethods"]["CachedMethods"] = named.pop("CachedMethods")
    if "RestrictionType" in named:
        named |= named.pop("Locations", {"Quantity": 0})
    return named


def _to_properties(value: Any) -> Any:
    """The API's answer as properties."""
    if isinstance(value, list):
        return [_to_properties(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "RestrictionType" in value:
        return {
            "restrictionType": value["RestrictionType"],
            "locations": value.get("Items", []),
        }
    if "Quantity" in value:
        return _to_properties(value.get("Items", []))
    found = {
        _PROPERTIES.get(name, f"{name[0].lower()}{name[1:]}"): _to_properties(item)
        for name, item in value.items()
    }
    methods = value.get("AllowedMethods")
    if methods:
        found["cachedMethods"] = _to_properties(methods.get("CachedMethods"))
    return found


def _capital(key: str) -> str:
    return f"{key[0].upper()}{key[1:]}"


def _known(values: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, as far as they are known."""
    found = values if isinstance(values, list) else []
    return [one for one in found if isinstance(one, Mapping)]


def _behaviours(inputs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _known(
        [
            inputs.get("defaultCacheBehavior"),
            *_known(inputs.get("orderedCacheBehaviors")),
        ]
    )


def _origin_ids(inputs: Mapping[str, Any]) -> list[str] | None:
    """The origins that behaviours can name; None while that is not known."""
    origins = inputs.get("origins")
    if not isinstance(origins, list) or any(map(is_unknown, origins)):
        return None
    return [origin["originId"] for origin in origins]


def _wrong_origin(origin: Mapping[str, Any]) -> Iterator[str]:
    at = f'origins: "{origin.get("originId")}": '
    config = "customOriginConfig"
    for problem in (
        *one_of(
            origin,
            f"{config}.originProtocolPolicy",
            ("http-only", "https-only", "match-viewer"),
        ),
        *within(origin, f"{config}.originReadTimeout", 1, 120),
        *within(origin, f"{config}.originKeepaliveTimeout", 1, 120),
    ):
        yield f"{at}{problem}"


def _wrong_behaviour(
    behaviour: Mapping[str, Any], origins: list[str] | None
) -> Iterator[str]:
    at = f'"{behaviour.get("pathPattern", "*")}": '
    for problem in (
        *one_of(
            behaviour,
            "viewerProtocolPolicy",
            ("allow-all", "https-only", "redirect-to-https"),
        ),
        *(one_of(behaviour, "targetOriginId", origins) if origins is not None else ()),
    ):
        yield f"{at}{problem}"
    methods = behaviour.get("allowedMethods")
    if isinstance(methods, list) and frozenset(methods) not in _METHODS:
        yield (
            f"{at}allowedMethods: GET and HEAD, these and OPTIONS, or every method; "
            f"not {', '.join(methods)}"
        )


ROWS: tuple[type[Row], ...] = (Distribution,)
INVOKES: Mapping[str, Invoke] = {}
