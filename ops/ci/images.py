"""Which image a deployment is of."""

from __future__ import annotations

import re

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
