"""The rows of ECR: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.conformance import (
    REGION,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
)
from tests.rehearsal.surroundings import key

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE_POLICY = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"

FILTERS = "imageTagMutabilityExclusionFilters"
LATEST = {"filter": "latest*", "filterType": "WILDCARD"}


def repositories(site: Site) -> list[str]:
    found = site.client("ecr").describe_repositories()["repositories"]
    return [one["repositoryName"] for one in found]


def with_policy(site: Site, get: str) -> list[str]:
    """The repositories that have a policy of a kind."""
    found = []
    for name in repositories(site):
        try:
            getattr(site.client("ecr"), get)(repositoryName=name)
        except ClientError:
            continue
        found.append(name)
    return found


def make_repository(site: Site) -> str:
    return str(site.make(REPOSITORY)["name"])


def repository(site: Site) -> Case:
    ecr = site.client("ecr")
    kms = [{"encryptionType": "KMS", "kmsKey": key(site.aws)}]
    except_latest = {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}
    return Case(
        inputs={"imageTagMutability": "IMMUTABLE"},
        listing=lambda: repositories(site),
        updates={
            "imageScanningConfiguration": {"scanOnPush": True},
            "imageTagMutability": "MUTABLE",
            FILTERS: To([LATEST], imageTagMutability="IMMUTABLE_WITH_EXCLUSION"),
        },
        replaces={"encryptionConfigurations": kms},
        unverified={"forceDelete": True},
        drift=[
            Drift(
                act=lambda id: ecr.put_image_tag_mutability(
                    repositoryName=id, imageTagMutability="MUTABLE"
                ),
                seen="imageTagMutability",
            ),
            Drift(
                act=lambda id: ecr.put_image_scanning_configuration(
                    repositoryName=id, imageScanningConfiguration={"scanOnPush": True}
                ),
                seen="imageScanningConfiguration",
            ),
        ],
        refused=[
            ({"name": "a"}, "2 to 256"),
            ({"name": "Stromhaltig"}, "lower-case"),
            ({"name": "app//web"}, "parted by"),
            ({"name": "r" * 257}, "2 to 256"),
            ({"imageTagMutability": "FIXED"}, "IMMUTABLE"),
            ({FILTERS: [LATEST]}, "_WITH_EXCLUSION only"),
            (except_latest, "_WITH_EXCLUSION only"),
            ({FILTERS: [LATEST] * 6, **except_latest}, "at most 5"),
            (
                {FILTERS: [{**LATEST, "filter": "a*b*c*"}], **except_latest},
                f"{FILTERS}[0].filter",
            ),
            (
                {FILTERS: [{**LATEST, "filterType": "REGEX"}], **except_latest},
                "WILDCARD",
            ),
            ({"encryptionConfigurations": kms * 2}, "exactly one"),
            (
                {"encryptionConfigurations": [{"encryptionType": "ROT13"}]},
                "[0].encryptionType",
            ),
            (
                {"encryptionConfigurations": [{"kmsKey": key(site.aws)}]},
                'encryptionType of "KMS"',
            ),
            (
                {"encryptionConfigurations": [{**kms[0], "kmsKey": "alias/app"}]},
                "an ARN",
            ),
        ],
    )


def lifecycle(*rules: dict[str, Any]) -> str:
    return json.dumps(
        {
            "rules": [
                {"rulePriority": 1, "action": {"type": "expire"}, **rule}
                for rule in rules
            ]
        }
    )


def selecting(**changes: Any) -> dict[str, Any]:
    """A rule that bounds the number of all images, or as changed."""
    bound = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}
    return {"selection": {**bound, **changes}}


def lifecycle_policy(site: Site) -> Case:
    return Case(
        inputs={
            "repository": make_repository(site),
            "policy": lifecycle(selecting()),
        },
        listing=lambda: with_policy(site, "get_lifecycle_policy"),
        replaces={
            "repository": make_repository(site),
            "policy": lifecycle(
                selecting(tagStatus="tagged", tagPrefixList=["release-"]),
                {
                    "rulePriority": 2,
                    **selecting(
                        tagStatus="untagged",
                        countType="sinceImagePushed",
                        countUnit="days",
                    ),
                },
            ),
        },
        refused=[({"policy": "{"}, "not JSON"), ({"policy": "[]"}, "JSON object")],
    )


def pulling(account: str) -> str:
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def repository_policy(site: Site) -> Case:
    ecr = site.client("ecr")
    return Case(
        inputs={
            "repository": make_repository(site),
            "policy": pulling("111111111111"),
        },
        listing=lambda: with_policy(site, "get_repository_policy"),
        updates={"policy": pulling("222222222222")},
        replaces={"repository": make_repository(site)},
        drift=[
            Drift(
                act=lambda id: ecr.set_repository_policy(
                    repositoryName=id, policyText=pulling("333333333333")
                ),
                seen="policy",
            )
        ],
        refused=[({"policy": "{"}, "not JSON"), ({"policy": "[]"}, "JSON object")],
    )


class TestEcrRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        REPOSITORY: repository,
        LIFECYCLE_POLICY: lifecycle_policy,
        REPOSITORY_POLICY: repository_policy,
    }


def test_a_repository_says_where_images_are_pushed(site: Site):
    made = site.make(REPOSITORY)
    account, name = site.aws.account_id, made["name"]
    assert made["id"] == name
    assert made["registryId"] == account
    assert made["repositoryUrl"] == f"{account}.dkr.ecr.{REGION}.amazonaws.com/{name}"
    assert made["arn"] == f"arn:aws:ecr:{REGION}:{account}:repository/{name}"


def test_saying_the_usual_does_not_replace_a_repository(site: Site):
    resource = Resource(REPOSITORY, site.aws)
    resource.up({})
    aes = {"encryptionConfigurations": [{"encryptionType": "AES256"}]}
    assert not resource.preview(aes).changed


def test_a_repository_with_images_is_kept_unless_forced(site: Site):
    resource = Resource(REPOSITORY, site.aws)
    resource.up({})
    site.client("ecr").put_image(
        repositoryName=resource.id,
        imageManifest="{}",
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        imageTag="release-1",
    )
    with pytest.raises(ClientError, match="RepositoryNotEmpty"):
        resource.destroy()
    resource.up({"forceDelete": True})
    resource.destroy()
    assert not resource.refresh()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([selecting(tagStatus="tagged")], "tagPatternList or tagPrefixList"),
        ([selecting(tagPrefixList=["a"])], "without a tagStatus of tagged"),
        ([selecting(countUnit="days")], "countUnit goes with"),
        ([selecting(countType="sinceImagePushed")], "countUnit goes with"),
        ([selecting()] * 2, "must differ"),
        (
            [selecting(), {"rulePriority": 2, **selecting(tagStatus="untagged")}],
            "must come last",
        ),
    ],
)
def test_a_lifecycle_policy_that_ecr_cannot_follow_is_refused(
    site: Site, rules: list[dict[str, Any]], words: str
):
    program = {"repository": make_repository(site), "policy": lifecycle(*rules)}
    with pytest.raises(ClientError, match=words):
        Resource(LIFECYCLE_POLICY, site.aws).up(program)
