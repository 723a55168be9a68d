"""The image repository: immutable, scanned, and never without a release's image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from components.registry import Registry, RegistryArgs
from tests.graph import Graph

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"

Image = tuple[frozenset[str], int]
"""Tags, and age in days."""


def registry(**args):
    return Registry(
        "app", RegistryArgs(repository_name="stromhaltig", kms_key_arn=KEY, **args)
    )


def expired(rules: list[Mapping], images: list[Image]) -> set[int]:
    """Indices of the images that ECR would expire, by its documented rules.

    Each rule in order of priority claims the images whose tags match; what an
    earlier rule has claimed is out of its reach.
    """
    gone: set[int] = set()
    claimed: set[int] = set()
    for rule in sorted(rules, key=lambda rule: rule["rulePriority"]):
        selection = rule["selection"]
        matching = [
            index
            for index, (tags, _) in sorted(enumerate(images), key=lambda i: i[1][1])
            if _matches(selection, tags)
        ]
        if selection["countType"] == "imageCountMoreThan":
            out = matching[selection["countNumber"] :]
        else:
            out = [i for i in matching if images[i][1] > selection["countNumber"]]
        gone |= set(out) - claimed
        claimed |= set(matching)
    return gone


def _matches(selection: Mapping, tags: frozenset[str]) -> bool:
    if selection["tagStatus"] == "untagged":
        return not tags
    return all(
        any(tag.startswith(prefix) for tag in tags)
        for prefix in selection["tagPrefixList"]
    )


def rules_of(graph: Graph) -> list[Mapping]:
    return graph.policy(LIFECYCLE)["rules"]


def test_tags_are_immutable_and_images_are_scanned(graph):
    graph.build(registry)
    repository = graph.one(REPOSITORY)
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_layers_are_encrypted_with_the_customer_key(graph):
    graph.build(registry)
    assert graph.one(REPOSITORY)["encryptionConfigurations"] == [
        {"encryptionType": "KMS", "kmsKey": KEY}
    ]


def test_the_repository_is_where_the_outputs_say(graph):
    outputs = graph.build(registry)
    place = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    assert outputs == {
        "repository_url": f"{place}/stromhaltig",
        "repository_arn": graph.one(REPOSITORY).outputs["arn"],
        "repository_name": "stromhaltig",
    }


def test_images_survive_a_destroy_unless_told_otherwise(graph):
    graph.build(registry)
    assert graph.one(REPOSITORY)["forceDelete"] is False
    graph.build(lambda: registry(force_delete=True))
    assert graph.one(REPOSITORY)["forceDelete"] is True


def test_builds_are_kept_by_number_and_images_without_tag_by_age(graph):
    graph.build(lambda: registry(keep_images=2, untagged_days=7))
    builds = [(frozenset({f"sha-{age}"}), age) for age in range(4)]
    untagged = [(frozenset(), 7), (frozenset(), 8)]
    assert expired(rules_of(graph), builds + untagged) == {2, 3, 5}


def test_an_old_build_that_was_released_is_kept(graph):
    graph.build(lambda: registry(keep_images=1))
    images = [
        (frozenset({"sha-new"}), 0),
        (frozenset({"sha-old", "release-7"}), 400),
        (frozenset({"sha-old-too"}), 400),
    ]
    assert expired(rules_of(graph), images) == {2}


tags = st.sampled_from(["release-1", "release-2", "sha-a", "sha-b", "v1", "latest"])
some_images = st.lists(st.tuples(st.frozensets(tags), st.integers(0, 4000)), max_size=9)


@cache
def strictest_rules() -> list[Mapping]:
    graph = Graph()
    graph.build(lambda: registry(keep_images=1, untagged_days=1))
    return rules_of(graph)


@given(some_images)
def test_only_unreleased_builds_and_images_without_tag_ever_expire(images):
    for index in expired(strictest_rules(), images):
        held = images[index][0]
        assert not any(tag.startswith("release-") for tag in held)
        assert not held or any(tag.startswith("sha-") for tag in held)


def test_rules_come_in_the_order_that_the_service_reports_them(graph):
    graph.build(registry)
    priorities = [rule["rulePriority"] for rule in rules_of(graph)]
    assert priorities == sorted(priorities)
