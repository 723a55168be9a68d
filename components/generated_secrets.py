"""Secrets that are made up once for a stack, and kept in its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pulumi
import pulumi_random as random


@dataclass(frozen=True, kw_only=True)
class GeneratedSecretsArgs:
    """Which secrets there are.

    lengths: variable to the number of letters and digits to make up.
    """

    lengths: Mapping[str, int]


class GeneratedSecrets(pulumi.ComponentResource):
    """Passwords that nobody has to think of, each with a resource of its own.

    For platforms that keep what they are given and have no place of their own where a
    secret could be made. A variable that is named later does not change the others.
    """

    values: Mapping[str, pulumi.Output[str]]
    """Variable to its value; secret."""

    def __init__(
        self,
        name: str,
        args: GeneratedSecretsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:index:GeneratedSecrets", name, None, opts)

        self.values = MappingProxyType(
            {
                variable: random.RandomPassword(
                    f"{name}-{variable.lower().replace('_', '-')}",
                    length=length,
                    special=False,
                    opts=pulumi.ResourceOptions(parent=self),
                ).result
                for variable, length in args.lengths.items()
            }
        )
        self.register_outputs({})
