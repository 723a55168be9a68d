"""Rows for buckets: the bucket itself and each of its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from botocore.exceptions import ClientError
from moto.s3.utils import bucket_policy_is_public

from rehearsal.provider.aws.checks import (
    arn,
    matching,
    one_of,
    refusal,
    value_at,
    within,
)
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import Aws, Row, deleted, is_gone, tag_list, tag_map
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = (
    r"(?!xn--|sthree-|amzn-s3-demo-|\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)"
    r"(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
_BUCKET_SAYS = (
    "3 to 63 lower-case letters, digits, hyphens and single dots, begin and end in a "
    "letter or digit, and none of the forms that AWS reserves"
)
_HOME = "us-east-1"
"""The region that a bucket is made in when no other is named."""

_WEBSITE_ZONES: Mapping[str, str] = {
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-central-2": "Z030506016YDQGETNASS",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "eu-south-1": "Z30OZKI7KPW7MI",
    "eu-south-2": "Z0081959F7139GRJC19J",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
}
"""https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints"""


class Bucket(Row):
    """aws.s3.Bucket; its settings are resources of their own."""

    token = "aws:s3/bucket:Bucket"
    service = "s3"
    tagged = True
    autoname = "bucket"
    name_limit = 63
    unverified = frozenset({"forceDestroy"})  # how to delete is up to the provider

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return matching(inputs, "bucket", _BUCKET, _BUCKET_SAYS)

    def create(self, aws: Aws, inputs: Properties) -> str:
        if problems := self.problems(inputs):  # of a generated name
            raise refusal("CreateBucket", "InvalidBucketName", problems[0])
        elsewhere = (
            {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
            if aws.region != _HOME
            else {}
        )
        aws.client("s3").create_bucket(Bucket=inputs["bucket"], **elsewhere)
        return str(inputs["bucket"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._tag(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        s3 = aws.client("s3")
        if _found(s3.head_bucket, id) is None:
            return None
        tags = _found(s3.get_bucket_tagging, id) or {"TagSet": []}
        return {
            "arn": f"arn:aws:s3:::{id}",
            "bucket": id,
            "bucketDomainName": f"{id}.s3.amazonaws.com",
            "bucketRegion": aws.region,
            "bucketRegionalDomainName": f"{id}.s3.{aws.region}.amazonaws.com",
            "hostedZoneId": _WEBSITE_ZONES.get(aws.region),
            "region": aws.region,
            "tagsAll": tag_map(tags["TagSet"]),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._tag(aws, id, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        s3 = aws.client("s3")
        if state.get("forceDestroy") and _found(s3.head_bucket, id) is not None:
            _empty(aws, id)
        deleted(s3.delete_bucket, Bucket=id)

    def _tag(self, aws: Aws, id: str, inputs: Properties) -> None:
        s3, tags = aws.client("s3"), tag_list(inputs.get("tagsAll"))
        if tags:
            s3.put_bucket_tagging(Bucket=id, Tagging={"TagSet": tags})
        else:
            s3.delete_bucket_tagging(Bucket=id)


def _empty(aws: Aws, bucket: str) -> None:
    """Delete every version of every object, and every delete marker."""
    s3 = aws.client("s3")
    while versions := _versions(s3.list_object_versions(Bucket=bucket)):
        answer = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": versions, "Quiet": True}
        )
        for error in answer.get("Errors", []):
            raise refusal("DeleteObjects", error["Code"], error["Message"])


def _versions(listing: Mapping[str, Any]) -> list[dict[str, str]]:
    found = [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]


class BucketSetting(Row):
    """What a bucket's settings share: each has its bucket's name for an id."""

    service: ClassVar[str] = "s3"
    replaces = frozenset({"bucket"})

    def put(self, aws: Aws, inputs: Properties) -> None:
        """Set it, whatever it was before."""
        raise NotImplementedError

    def create(self, aws: Aws, inputs: Properties) -> str:
        self.put(aws, inputs)
        return str(inputs["bucket"])

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.put(aws, new)


class BucketPolicy(BucketSetting):
    """aws.s3.BucketPolicy."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    updates = frozenset({"policy"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return document(inputs, "policy")

    def put(self, aws: Aws, inputs: Properties) -> None:
        bucket, policy = inputs["bucket"], inputs["policy"]
        if problem := _policy_problem(json.loads(policy), bucket):
            raise refusal("PutBucketPolicy", "MalformedPolicy", problem)
        blocked = _public_access(aws, bucket).get("BlockPublicPolicy")
        if blocked and bucket_policy_is_public(policy):
            raise refusal(
                "PutBucketPolicy",
                "AccessDenied",
                f"the policy of {bucket} lets everybody in, which its public access "
                f"block forbids; name the principals or add a condition",
            )
        aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("s3").get_bucket_policy, id)
        if live is None:
            return None
        return {"bucket": id, "policy": live["Policy"], "region": aws.region}

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("s3").delete_bucket_policy, Bucket=id)


def _policy_problem(policy: Mapping[str, Any], bucket: str) -> str | None:
    """What AWS refuses of a bucket's policy, and moto does not look at."""
    statements = _as_list(policy.get("Statement"))
    if not statements:
        return "Missing required field Statement"
    for statement in statements:
        if not {"Principal", "NotPrincipal"} & statement.keys():
            return "Missing required field Principal"
        for resource in _as_list(
            statement.get("Resource") or statement.get("NotResource")
        ):
            named = str(resource).rpartition(":::")[2].partition("/")[0]
            if not fnmatchcase(bucket, named):
                return f"Policy has invalid resource: {resource} is not of {bucket}"
    return None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


_BLOCKS: Mapping[str, str] = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


class BucketPublicAccessBlock(BucketSetting):
    """aws.s3.BucketPublicAccessBlock."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    updates = frozenset(_BLOCKS)
    unverified = frozenset({"skipDestroy"})  # how to delete is up to the provider
    defaults: ClassVar[Mapping[str, Any]] = dict.fromkeys(_BLOCKS, False)

    def put(self, aws: Aws, inputs: Properties) -> None:
        aws.client("s3").put_public_access_block(
            Bucket=inputs["bucket"],
            PublicAccessBlockConfiguration=_for_api(
                _BLOCKS, {key: inputs[key] for key in _BLOCKS}
            ),
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _public_access(aws, id)
        if not live:
            return None
        return {"bucket": id, "region": aws.region, **_from_api(_BLOCKS, live)}

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            deleted(aws.client("s3").delete_public_access_block, Bucket=id)


def _public_access(aws: Aws, bucket: str) -> dict[str, bool]:
    """The public access block of a bucket; nothing when it has none."""
    live = _found(aws.client("s3").get_public_access_block, bucket)
    return dict(live["PublicAccessBlockConfiguration"]) if live else {}


_ENCRYPTION: Mapping[str, Any] = {
    "applyServerSideEncryptionByDefault": (
        "ApplyServerSideEncryptionByDefault",
        {"kmsMasterKeyId": "KMSMasterKeyID", "sseAlgorithm": "SSEAlgorithm"},
    ),
    "bucketKeyEnabled": "BucketKeyEnabled",
}


class BucketServerSideEncryptionConfiguration(BucketSetting):
    """aws.s3.BucketServerSideEncryptionConfiguration."""

    token = (
        "aws:s3/bucketServerSideEncryptionConfiguration:"
        "BucketServerSideEncryptionConfiguration"
    )
    updates = frozenset({"rules"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        rules = inputs.get("rules")
        if not isinstance(rules, list):
            return []
        if len(rules) != 1:
            return [f"rules: exactly one is needed, got {len(rules)}"]
        return _at_each(rules, _encryption_problems)

    def put(self, aws: Aws, inputs: Properties) -> None:
        aws.client("s3").put_bucket_encryption(
            Bucket=inputs["bucket"],
            ServerSideEncryptionConfiguration={
                "Rules": _for_api(_ENCRYPTION, inputs["rules"])
            },
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("s3").get_bucket_encryption, id)
        if live is None:
            return None
        rules = live["ServerSideEncryptionConfiguration"]["Rules"]
        return {
            "bucket": id,
            "region": aws.region,
            "rules": _from_api(_ENCRYPTION, rules),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("s3").delete_bucket_encryption, Bucket=id)


def _encryption_problems(rule: Mapping[str, Any]) -> Iterator[str]:
    """What AWS or the rehearsal refuses of an encryption rule."""
    yield from _uncarried(_ENCRYPTION, rule)
    by_default = "applyServerSideEncryptionByDefault"
    algorithms = ("AES256", "aws:kms", "aws:kms:dsse")
    yield from one_of(rule, f"{by_default}.sseAlgorithm", algorithms)
    if rule.get(by_default) is None:
        yield f"{by_default}: missing, and AWS needs it"
    key = value_at(rule, f"{by_default}.kmsMasterKeyId")
    if key and value_at(rule, f"{by_default}.sseAlgorithm") == "AES256":
        yield f"{by_default}.kmsMasterKeyId: goes with aws:kms, not with AES256"
    if key and ":" in str(key):
        yield from arn(rule, f"{by_default}.kmsMasterKeyId")


_LIFECYCLE: Mapping[str, Any] = {
    "abortIncompleteMultipartUpload": (
        "AbortIncompleteMultipartUpload",
        {"daysAfterInitiation": "DaysAfterInitiation"},
    ),
    "expiration": (
        "Expiration",
        {"days": "Days", "expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"},
    ),
    "filter": (
        "Filter",
        {
            "and": ("And", {"prefix": "Prefix", "tags": "Tags"}),
            "prefix": "Prefix",
            "tag": ("Tag", {"key": "Key", "value": "Value"}),
        },
    ),
    "id": "ID",
    "noncurrentVersionExpiration": (
        "NoncurrentVersionExpiration",
        {"noncurrentDays": "NoncurrentDays"},
    ),
    "noncurrentVersionTransitions": (
        "NoncurrentVersionTransitions",
        {
            "newerNoncurrentVersions": "NewerNoncurrentVersions",
            "noncurrentDays": "NoncurrentDays",
            "storageClass": "StorageClass",
        },
    ),
    "prefix": "Prefix",
    "status": "Status",
    "transitions": ("Transitions", {"days": "Days", "storageClass": "StorageClass"}),
}
"""What moto keeps of a rule; dates, sizes and numbers of versions it does not."""

_LIFECYCLE_ACTIONS = (
    "abortIncompleteMultipartUpload",
    "expiration",
    "noncurrentVersionExpiration",
    "noncurrentVersionTransitions",
    "transitions",
)
_STORAGE_CLASSES = (
    "GLACIER",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
)
_LONGEST = 2**31 - 1


class BucketLifecycleConfiguration(BucketSetting):
    """aws.s3.BucketLifecycleConfiguration."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    updates = frozenset({"rules"})
    # moto always answers with the usual one.
    unverified = frozenset({"transitionDefaultMinimumObjectSize"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "transitionDefaultMinimumObjectSize": "all_storage_classes_128K"
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        sizes = ("all_storage_classes_128K", "varies_by_storage_class")
        problems = one_of(inputs, "transitionDefaultMinimumObjectSize", sizes)
        rules = inputs.get("rules")
        if not rules:
            return [*problems, "rules: missing, and AWS needs at least one"]
        if not isinstance(rules, list):
            return problems
        names = [rule["id"] for rule in rules if value_at(rule, "id")]
        if len(set(names)) < len(names):
            problems.append(f"rules: each needs an id of its own, got {names}")
        return problems + _at_each(rules, _lifecycle_problems)

    def put(self, aws: Aws, inputs: Properties) -> None:
        everything = {"filter": {"prefix": ""}}
        rules = [
            rule if {"filter", "prefix"} & rule.keys() else {**rule, **everything}
            for rule in inputs["rules"]
        ]
        aws.client("s3").put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"],
            LifecycleConfiguration={"Rules": _for_api(_LIFECYCLE, rules)},
            TransitionDefaultMinimumObjectSize=inputs[
                "transitionDefaultMinimumObjectSize"
            ],
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("s3").get_bucket_lifecycle_configuration, id)
        if live is None:
            return None
        size = "transitionDefaultMinimumObjectSize"
        return {
            "bucket": id,
            "region": aws.region,
            "rules": _from_api(_LIFECYCLE, live["Rules"]),
            size: known.get(size, self.defaults[size]),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("s3").delete_bucket_lifecycle, Bucket=id)


def _lifecycle_problems(rule: Mapping[str, Any]) -> Iterator[str]:
    """What AWS or the rehearsal refuses of a lifecycle rule."""
    yield from _uncarried(_LIFECYCLE, rule)
    yield from matching(rule, "id", r".{1,255}", "1 to 255 characters")
    yield from one_of(rule, "status", ("Enabled", "Disabled"))
    yield from within(rule, "expiration.days", 1, _LONGEST)
    for at in (
        "abortIncompleteMultipartUpload.daysAfterInitiation",
        "noncurrentVersionExpiration.noncurrentDays",
    ):
        yield from within(rule, at, 1, _LONGEST)
    if not any(rule.get(key) for key in _LIFECYCLE_ACTIONS):
        yield f"expiration: a rule needs one of {', '.join(_LIFECYCLE_ACTIONS)}"
    if rule.get("filter") is not None and rule.get("prefix") is not None:
        yield "prefix: cannot be together with filter"
    if len(value_at(rule, "filter") or {}) > 1:
        yield "filter: takes one condition; put several into filter.and"
    if value_at(rule, "expiration.days") and value_at(
        rule, "expiration.expiredObjectDeleteMarker"
    ):
        yield "expiration.days: cannot be together with expiredObjectDeleteMarker"
    for key in ("transitions", "noncurrentVersionTransitions"):
        transitions = value_at(rule, key) or []
        for index, one in enumerate(transitions):
            for problem in one_of(one, "storageClass", _STORAGE_CLASSES):
                yield f"{key}[{index}].{problem}"


class BucketOwnershipControls(BucketSetting):
    """aws.s3.BucketOwnershipControls."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    updates = frozenset({"rule"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        owners = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
        return one_of(inputs, "rule.objectOwnership", owners)

    def put(self, aws: Aws, inputs: Properties) -> None:
        owner = inputs["rule"]["objectOwnership"]
        aws.client("s3").put_bucket_ownership_controls(
            Bucket=inputs["bucket"],
            OwnershipControls={"Rules": [{"ObjectOwnership": owner}]},
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("s3").get_bucket_ownership_controls, id)
        if live is None:
            return None
        [rule] = live["OwnershipControls"]["Rules"]
        return {
            "bucket": id,
            "region": aws.region,
            "rule": {"objectOwnership": rule["ObjectOwnership"]},
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("s3").delete_bucket_ownership_controls, Bucket=id)


class BucketVersioning(BucketSetting):
    """aws.s3.BucketVersioning: every bucket has it, to begin with as Disabled."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    updates = frozenset({"versioningConfiguration"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        at = "versioningConfiguration"
        problems = one_of(inputs, f"{at}.status", ("Enabled", "Suspended", "Disabled"))
        if value_at(inputs, f"{at}.mfaDelete") not in (None, "Disabled"):
            problems.append(
                f"{at}.mfaDelete: the rehearsal has no device to switch it on with"
            )
        return problems

    def put(self, aws: Aws, inputs: Properties) -> None:
        status = inputs["versioningConfiguration"]["status"]
        if status != "Disabled":
            self._set(aws, inputs["bucket"], status)
        elif self._status(aws, inputs["bucket"]) != "Disabled":
            raise refusal(
                "PutBucketVersioning",
                "IllegalVersioningConfigurationException",
                f"{inputs['bucket']} has versions: versioning can be Suspended, but "
                f"not Disabled any more",
            )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        status = self._status(aws, id)
        if status is None:
            return None
        return {
            "bucket": id,
            "region": aws.region,
            "versioningConfiguration": {"mfaDelete": "Disabled", "status": status},
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if value_at(state, "versioningConfiguration.status") != "Disabled":
            deleted(self._set, aws=aws, bucket=id, status="Suspended")

    def _set(self, aws: Aws, bucket: str, status: str) -> None:
        aws.client("s3").put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": status}
        )

    def _status(self, aws: Aws, bucket: str) -> str | None:
        """None when there is no such bucket."""
        live = _found(aws.client("s3").get_bucket_versioning, bucket)
        return None if live is None else str(live.get("Status", "Disabled"))


_LOGGING: Mapping[str, str] = {
    "targetBucket": "TargetBucket",
    "targetPrefix": "TargetPrefix",
}
_LOGGING_SERVICE = "logging.s3.amazonaws.com"


class BucketLogging(BucketSetting):
    """aws.s3.BucketLogging."""

    token = "aws:s3/bucketLogging:BucketLogging"
    updates = frozenset(_LOGGING)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return matching(inputs, "targetBucket", _BUCKET, _BUCKET_SAYS)

    def put(self, aws: Aws, inputs: Properties) -> None:
        s3, target = aws.client("s3"), inputs["targetBucket"]
        policy = _found(s3.get_bucket_policy, target)
        # moto asks too, but fails at a statement about everybody that comes first.
        if policy and not _lets_logs_in(policy["Policy"], target, inputs):
            raise refusal(
                "PutBucketLogging",
                "InvalidTargetBucketForLogging",
                f"the policy of {target} does not let {_LOGGING_SERVICE} put objects "
                f"below {inputs['targetPrefix']!r}",
            )
        s3.put_bucket_logging(
            Bucket=inputs["bucket"],
            BucketLoggingStatus={
                "LoggingEnabled": _for_api(
                    _LOGGING, {key: inputs[key] for key in _LOGGING}
                )
            },
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("s3").get_bucket_logging, id) or {}
        if "LoggingEnabled" not in live:
            return None
        return {
            "bucket": id,
            "region": aws.region,
            **_from_api(_LOGGING, live["LoggingEnabled"]),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        nowhere: dict[str, Any] = {}
        deleted(
            aws.client("s3").put_bucket_logging, Bucket=id, BucketLoggingStatus=nowhere
        )


def _lets_logs_in(policy: str, bucket: str, inputs: Properties) -> bool:
    """Whether a bucket's policy allows deliveries below the prefix."""
    log = f"arn:aws:s3:::{bucket}/{inputs['targetPrefix']}log"
    for statement in _as_list(json.loads(policy).get("Statement")):
        principal = statement.get("Principal")
        services = principal.get("Service") if isinstance(principal, dict) else None
        if (
            statement.get("Effect") == "Allow"
            and _LOGGING_SERVICE in _as_list(services)
            and {"s3:PutObject", "s3:*", "*"} & {*_as_list(statement.get("Action"))}
            and any(
                fnmatchcase(log, resource)
                for resource in _as_list(statement.get("Resource"))
            )
        ):
            return True
    return False


def _found(call: Any, bucket: str) -> dict[str, Any] | None:
    """What AWS answers about a bucket, or None when there is no such thing."""
    try:
        return dict(call(Bucket=bucket))
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _field(field: Any) -> tuple[str, Mapping[str, Any]]:
    """A field's name in the API, and the fields inside it."""
    return field if isinstance(field, tuple) else (field, {})


def _for_api(fields: Mapping[str, Any], value: Any) -> Any:
    """The provider's nested properties as the API takes them."""
    if isinstance(value, list):
        return [_for_api(fields, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if not fields:
        return tag_list(value)
    given = ((*_field(fields[key]), one) for key, one in value.items())
    return {name: _for_api(inner, one) for name, inner, one in given if one is not None}


def _from_api(fields: Mapping[str, Any], live: Any) -> Any:
    """What the API answers as the provider's nested properties."""
    if isinstance(live, list):
        return [_from_api(fields, o) for o in live] if fields else tag_map(live)
    if not isinstance(live, Mapping):
        return live
    found = ((key, *_field(field)) for key, field in fields.items())
    return {
        key: _from_api(inner, live[name]) for key, name, inner in found if name in live
    }


def _uncarried(fields: Mapping[str, Any], value: Any, at: str = "") -> Iterator[str]:
    """Nested properties that moto would not keep."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _uncarried(fields, one, f"{at}[{index}]")
    elif isinstance(value, Mapping) and fields:
        for key, inner in value.items():
            where = f"{at}.{key}" if at else key
            if key in fields:
                yield from _uncarried(_field(fields[key])[1], inner, where)
            elif inner is not None:
                yield f"{where}: the rehearsal does not carry this"


def _at_each(rules: list[Any], problems: Any) -> list[str]:
    """The problems of each rule that is known, and where they are."""
    return [
        f"rules[{index}].{problem}"
        for index, rule in enumerate(rules)
        if not is_unknown(rule)
        for problem in problems(rule)
    ]


ROWS: tuple[type[Row], ...] = (
    Bucket,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketServerSideEncryptionConfiguration,
    BucketLifecycleConfiguration,
    BucketOwnershipControls,
    BucketVersioning,
    BucketLogging,
)
INVOKES: Mapping[str, Any] = {}
