"""Which image a deployment is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ops.errors import OpsError

_BY_DIGEST = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")


def by_digest(image: str, stack: str) -> str:
    """An image that is named by its digest, and is the same bytes for ever.

    stack: whose image it is, or is to be.

    Raises OpsError for none, and for a tag, which moves.
    """
    if not image:
        raise OpsError(
            f"Stack {stack} runs no release yet: say which image, "
            "REPOSITORY@sha256:DIGEST"
        )
    if not _BY_DIGEST.fullmatch(image):
        raise OpsError(
            f'"{image}" is not REPOSITORY@sha256:DIGEST. A tag is not deployed: what '
            "passed in staging would not surely be what production gets"
        )
    return image


@contextmanager
def as_deployed(name: str, state: Any, base: str) -> Iterator[str]:
    """Let a stack's file name, during the block, the image that the stack runs.

    For what is deployed by its digest the file may name none, or one of long ago. The
    file's own counts before the first release, where it is built, and where the change
    against `base` is what names it.

    state: the stack's, exported. base: commit that the change is for; empty: whatever
    the file names is taken for older than the release.

    Yields the image that the file names instead; empty when it names none, or counts.
    """
    from ops.ci.stacks import image_before
    from ops.stack import Stack

    release = _release(state)
    if not release:
        yield ""
        return
    stack = Stack(name)
    named = stack.get("image.ref") or ""
    asked = base and named and named != image_before(stack.folder, name, base)
    if stack.get("image.context") or asked or named == release:
        yield ""
        return
    with stack.unchanged():
        stack.set("image.ref", release)
        yield named


def _release(state: Any) -> str:
    """The image of what a stack runs; empty unless it is named by its digest."""
    for resource in (state.get("deployment") or {}).get("resources") or ():
        if resource.get("type") == "pulumi:pulumi:Stack":
            release = str((resource.get("outputs") or {}).get("release"))
            return release if _BY_DIGEST.fullmatch(release) else ""
    return ""
