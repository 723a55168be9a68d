"""What a content delivery network and the origin behind it agree upon."""

from __future__ import annotations

from typing import Final

ORIGIN_HEADER: Final = "X-Origin-Verify"
"""Request header with the secret by which the origin knows its network."""
