"""Rows for container registries: repositories and their two kinds of policy."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, refusal, value_at
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?=.{{2,256}}$){_PART}(/{_PART})*"
_MUTABILITIES = (
    "MUTABLE",
    "IMMUTABLE",
    "MUTABLE_WITH_EXCLUSION",
    "IMMUTABLE_WITH_EXCLUSION",
)
_MAX_FILTERS = 5


class Repository(Row):
    """aws.ecr.Repository."""

    token = "aws:ecr/repository:Repository"
    service = "ecr"
    tagged = True
    autoname = "name"
    name_limit = 256
    updates = frozenset(
        {
            "imageScanningConfiguration",
            "imageTagMutability",
            "imageTagMutabilityExclusionFilters",
        }
    )
    replaces = frozenset({"encryptionConfigurations"})
    unverified = frozenset({"forceDelete"})  # how to delete is up to the provider
    defaults: ClassVar[Mapping[str, Any]] = {
        "encryptionConfigurations": [{"encryptionType": "AES256"}],
        "imageScanningConfiguration": {"scanOnPush": False},
        "imageTagMutability": "MUTABLE",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(
                inputs,
                "name",
                _NAME,
                "2 to 256 lower-case letters and digits, parted by ., _, - or /",
            ),
            *one_of(inputs, "imageTagMutability", _MUTABILITIES),
            *_filter_problems(inputs),
            *_encryption_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("ecr").create_repository(
            repositoryName=inputs["name"],
            imageTagMutability=inputs["imageTagMutability"],
            imageScanningConfiguration=inputs["imageScanningConfiguration"],
            encryptionConfiguration={
                "encryptionType": "AES256",
                **inputs["encryptionConfigurations"][0],
            },
            tags=tag_list(inputs.get("tagsAll")),
            **_filters(inputs),
        )
        return str(made["repository"]["repositoryName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        ecr = aws.client("ecr")
        found = _found(ecr.describe_repositories, repositoryNames=[id])
        if found is None:
            return None
        live = found["repositories"][0]
        tags = ecr.list_tags_for_resource(resourceArn=live["repositoryArn"])["tags"]
        return {
            "arn": live["repositoryArn"],
            "name": live["repositoryName"],
            "registryId": live["registryId"],
            "repositoryUrl": live["repositoryUri"],
            "region": aws.region,
            "encryptionConfigurations": [live["encryptionConfiguration"]],
            "imageScanningConfiguration": live["imageScanningConfiguration"],
            "imageTagMutability": live["imageTagMutability"],
            "imageTagMutabilityExclusionFilters": live.get(
                "imageTagMutabilityExclusionFilters"
            ),
            "tagsAll": tag_map(tags),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        ecr = aws.client("ecr")
        if "imageScanningConfiguration" in changed:
            ecr.put_image_scanning_configuration(
                repositoryName=id,
                imageScanningConfiguration=new["imageScanningConfiguration"],
            )
        if changed & {"imageTagMutability", "imageTagMutabilityExclusionFilters"}:
            ecr.put_image_tag_mutability(
                repositoryName=id,
                imageTagMutability=new["imageTagMutability"],
                **_filters(new),
            )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            ecr.tag_resource(resourceArn=old["arn"], tags=tag_list(wanted))
        if unwanted:
            ecr.untag_resource(resourceArn=old["arn"], tagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("ecr").delete_repository,
            repositoryName=id,
            force=bool(state.get("forceDelete")),
        )


def _filters(inputs: Properties) -> dict[str, Any]:
    key = "imageTagMutabilityExclusionFilters"
    return given(inputs, **{key: key})


def _filter_problems(inputs: Mapping[str, Any]) -> list[str]:
    key = "imageTagMutabilityExclusionFilters"
    mutability = value_at(inputs, "imageTagMutability") or "MUTABLE"
    filters = inputs.get(key) or []
    if is_unknown(filters) or is_unknown(inputs.get("imageTagMutability")):
        return []
    if mutability.endswith("_WITH_EXCLUSION") != bool(filters):
        return [f"{key}: goes with an imageTagMutability of …_WITH_EXCLUSION only"]
    if len(filters) > _MAX_FILTERS:
        return [f"{key}: {len(filters)} filters, at most {_MAX_FILTERS} are allowed"]
    return [
        f"{key}[{index}].{problem}"
        for index, one in enumerate(filters)
        for problem in (
            *one_of(one, "filterType", ("WILDCARD",)),
            *matching(
                one,
                "filter",
                r"(?!(.*\*){3})[A-Za-z0-9._*-]{1,128}",
                "1 to 128 letters, digits and . _ - with at most two *",
            ),
        )
    ]


def _encryption_problems(inputs: Mapping[str, Any]) -> list[str]:
    key = "encryptionConfigurations"
    configurations = inputs.get(key)
    if configurations is None or is_unknown(configurations):
        return []
    if len(configurations) != 1:
        return [f"{key}: exactly one is needed, got {len(configurations)}"]
    [one] = configurations
    if is_unknown(one):
        return []
    problems = [
        *one_of(one, "encryptionType", ("AES256", "KMS")),
        *arn(one, "kmsKey"),
    ]
    kind = one.get("encryptionType", "AES256")
    if one.get("kmsKey") is not None and kind == "AES256":
        problems.append('kmsKey: needs an encryptionType of "KMS"')
    return [f"{key}[0].{problem}" for problem in problems]


class LifecyclePolicy(Row):
    """aws.ecr.LifecyclePolicy."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    service = "ecr"
    replaces = frozenset({"policy", "repository"})
    delete_first = True  # as the real provider: deleting the old would take the new

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return document(inputs, "policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        problem = _lifecycle_problem(json.loads(inputs["policy"]))
        if problem:
            raise refusal(
                "PutLifecyclePolicy",
                "InvalidParameterException",
                f"Lifecycle policy validation failure: {problem}",
            )
        made = aws.client("ecr").put_lifecycle_policy(
            repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"]
        )
        return str(made["repositoryName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("ecr").get_lifecycle_policy, repositoryName=id)
        if live is None:
            return None
        return {
            "policy": live["lifecyclePolicyText"],
            "registryId": live["registryId"],
            "repository": live["repositoryName"],
            "region": aws.region,
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ecr").delete_lifecycle_policy, repositoryName=id)


def _lifecycle_problem(policy: Mapping[str, Any]) -> str | None:
    """What AWS refuses of a lifecycle policy besides what moto does.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
    """
    rules = policy.get("rules") or []
    priorities = [rule.get("rulePriority") for rule in rules]
    if len(set(priorities)) < len(priorities):
        return f"rulePriority must differ from rule to rule, got {priorities}"
    for rule in rules:
        at, selection = f"rule {rule.get('rulePriority')}", rule.get("selection", {})
        tags = [key for key in ("tagPatternList", "tagPrefixList") if key in selection]
        status, counted = selection.get("tagStatus"), selection.get("countType")
        if status == "tagged" and len(tags) != 1:
            return f"{at} needs either tagPatternList or tagPrefixList"
        if status != "tagged" and tags:
            return f"{at} has {tags[0]} without a tagStatus of tagged"
        if status == "any" and rule["rulePriority"] != max(priorities):
            return f"{at} with a tagStatus of any must come last"
        if (counted == "sinceImagePushed") != ("countUnit" in selection):
            return f"{at}: countUnit goes with sinceImagePushed, and only so"
    return None


class RepositoryPolicy(Row):
    """aws.ecr.RepositoryPolicy."""

    token = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    service = "ecr"
    updates = frozenset({"policy"})
    replaces = frozenset({"repository"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return document(inputs, "policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        made = aws.client("ecr").set_repository_policy(
            repositoryName=inputs["repository"], policyText=inputs["policy"]
        )
        return str(made["repositoryName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _found(aws.client("ecr").get_repository_policy, repositoryName=id)
        if live is None:
            return None
        return {
            "policy": live["policyText"],
            "registryId": live["registryId"],
            "repository": live["repositoryName"],
            "region": aws.region,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.create(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ecr").delete_repository_policy, repositoryName=id)


def authorization_token(aws: Aws, arguments: Properties) -> Properties:
    """aws.ecr.get_authorization_token: what `docker login` takes, for some hours."""
    registry = arguments.get("registryId")
    asked = {"registryIds": [registry]} if registry else {}
    answer = aws.client("ecr").get_authorization_token(**asked)
    [found] = answer["authorizationData"]
    token = base64.b64decode(found["authorizationToken"]).decode()
    username, _, password = token.partition(":")
    return {
        "authorizationToken": found["authorizationToken"],
        "expiresAt": found["expiresAt"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "id": aws.region,
        "password": password,
        "proxyEndpoint": found["proxyEndpoint"],
        "region": aws.region,
        "registryId": registry,
        "userName": username,
    }


def _found(call: Any, **kwargs: Any) -> dict[str, Any] | None:
    """What AWS answers, or None when there is no such thing."""
    try:
        return dict(call(**kwargs))
    except ClientError as error:
        if is_gone(error):
            return None
        raise


ROWS: tuple[type[Row], ...] = (Repository, LifecyclePolicy, RepositoryPolicy)
INVOKES: Mapping[str, Any] = {
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": authorization_token,
}
