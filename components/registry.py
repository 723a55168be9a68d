"""Container registry: one ECR repository per app, made for deployment by digest."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

RELEASE_TAG_PREFIX = "release-"
"""Begins the tag of an image that was deployed: it is never expired."""

BUILD_TAG_PREFIX = "sha-"
"""Begins the tag of an image that was built but perhaps never deployed."""

_IMAGES_PER_REPOSITORY = 100_000
"""Default quota of a repository: a rule that keeps as many expires nothing.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
"""


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """What a registry needs to know.

    repository_name: physical name, under which images are pushed and pulled.
    kms_key_arn: customer key that encrypts the layers.
    keep_images: newest builds (tag `sha-…`) that are kept, besides every release.
    untagged_days: days an image without tag is kept (1 or more).
    force_delete: destroy the repository even when it still holds images.
    """

    repository_name: str
    kms_key_arn: pulumi.Input[str]
    keep_images: int = 30
    untagged_days: int = 14
    force_delete: bool = False


class Registry(pulumi.ComponentResource):
    """A private ECR repository: immutable tags, scanned on push, bounded in size.

    Immutable tags make a release mean the same bytes for ever (ECR.2); scanning
    tells of known vulnerabilities (ECR.1); the lifecycle rules bound cost (ECR.3).

    Lifecycle rules can only expire, not protect. Two facts make them protect
    releases all the same: an image that no rule matches is never expired, and an
    image that matches the tags of a rule is out of reach of every rule after it.
    So the first rule claims `release-…` and expires none of them; of the others,
    builds (`sha-…`) are kept by number and images without tag by age. An image
    with other tags only is kept. The parts of a multi-architecture image have no
    tag, and ECR keeps them for as long as the image that refers to them.
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html

    A deployment is therefore safe from expiry once its image has a release tag.
    Build caches belong elsewhere: immutable tags cannot be overwritten.
    """

    repository_url: pulumi.Output[str]
    """Where to push, without tag: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME."""

    repository_arn: pulumi.Output[str]
    """ARN of the repository, for the policies of those who push and pull."""

    repository_name: pulumi.Output[str]
    """Name of the repository, as `aws ecr` takes it."""

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Registry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        repository = aws.ecr.Repository(
            name,
            name=args.repository_name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=(
                aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True)
            ),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(
                    encryption_type="KMS", kms_key=args.kms_key_arn
                )
            ],
            force_delete=args.force_delete,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            name,
            repository=repository.name,
            policy=_lifecycle(args.keep_images, args.untagged_days),
            # It holds nothing, and each change of its rules replaces it.
            opts=pulumi.ResourceOptions(parent=self, protect=False),
        )

        self.repository_url = repository.repository_url
        self.repository_arn = repository.arn
        self.repository_name = repository.name
        self.register_outputs(
            {
                "repository_url": self.repository_url,
                "repository_arn": self.repository_arn,
                "repository_name": self.repository_name,
            }
        )


def _lifecycle(keep_images: int, untagged_days: int) -> str:
    """Rules in ascending priority: ECR sorts them, and other orders show as drift."""
    selections: list[tuple[str, dict[str, object]]] = [
        (
            "Keep every release",
            {
                "tagStatus": "tagged",
                "tagPrefixList": [RELEASE_TAG_PREFIX],
                "countType": "imageCountMoreThan",
                "countNumber": _IMAGES_PER_REPOSITORY,
            },
        ),
        (
            f"Keep the newest {keep_images} builds",
            {
                "tagStatus": "tagged",
                "tagPrefixList": [BUILD_TAG_PREFIX],
                "countType": "imageCountMoreThan",
                "countNumber": keep_images,
            },
        ),
        (
            f"Expire images without tag after {untagged_days} days",
            {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": untagged_days,
            },
        ),
    ]
    rules = [
        {
            "rulePriority": priority,
            "description": description,
            "selection": selection,
            "action": {"type": "expire"},
        }
        for priority, (description, selection) in enumerate(selections, start=1)
    ]
    return json.dumps({"rules": rules})
