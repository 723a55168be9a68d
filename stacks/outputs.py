"""What every stack's outputs have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pulumi


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is known of a deployed stack: all that tools may rely on.

    Field names are the names of the stack's outputs; `docs/outputs.md` explains them.
    """

    def export(self) -> None:
        """Make each field an output of the Pulumi stack."""
        for field in fields(self):
            pulumi.export(field.name, getattr(self, field.name))
