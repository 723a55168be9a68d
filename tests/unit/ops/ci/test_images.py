"""Only what is named by its digest is deployed."""

from __future__ import annotations

import pytest

from ops.ci.images import by_digest
from ops.errors import OpsError

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    "image",
    [
        f"ghcr.io/stromdao/stromhaltig@{DIGEST}",
        f"localhost:5000/app:v1@{DIGEST}",
        f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@{DIGEST}",
    ],
)
def test_a_digest_is_taken(image: str) -> None:
    assert by_digest(image, "staging") == image


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/stromdao/stromhaltig:latest",
        DIGEST,
        f"app@{DIGEST}0",
        "app@sha256:short",
        f"app@{DIGEST} --yes",
        f"app@{DIGEST}\n",
    ],
)
def test_a_tag_is_not(image: str) -> None:
    with pytest.raises(OpsError, match="is not REPOSITORY@sha256:DIGEST"):
        by_digest(image, "staging")


def test_a_stack_without_a_release_needs_one() -> None:
    with pytest.raises(OpsError, match="Stack staging runs no release yet"):
        by_digest("", "staging")
