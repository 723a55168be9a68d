"""JSON documents among the inputs: policies and the like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rehearsal.provider.aws.checks import value_at


def document(inputs: Mapping[str, Any], path: str) -> list[str]:
    """The text is a JSON object, as the real provider asks for at preview."""
    value = value_at(inputs, path)
    if value is None:
        return []
    try:
        parsed = json.loads(value)
    except ValueError as error:
        return [f"{path}: not JSON: {error}"]
    return [] if isinstance(parsed, dict) else [f"{path}: must be a JSON object"]
