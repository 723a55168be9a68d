"""What every stack's outputs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import pulumi


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is known of a deployed stack: all that tools may rely on.

    Field names are the names of the stack's outputs; `docs/outputs.md` explains them.
    """

    rotations: Mapping[str, int] = field(default_factory=dict)
    """How often each secret that is made up was rotated; those that were."""

    def export(self) -> None:
        """Make each field an output of the Pulumi stack."""
        for output in fields(self):
            pulumi.export(output.name, getattr(self, output.name))
