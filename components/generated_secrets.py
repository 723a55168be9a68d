"""Secrets that are made up once for a stack, and kept in its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pulumi
import pulumi_random as random

from contract import Generated


@dataclass(frozen=True, kw_only=True)
class GeneratedSecretsArgs:
    """Which secrets there are.

    wanted: variable to what is made up for it.
    """

    wanted: Mapping[str, Generated]


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
                variable: made_up(name, generated, parent=self)
                for variable, generated in args.wanted.items()
            }
        )
        self.register_outputs({})


def made_up(
    name: str, wanted: Generated, *, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Return a secret, the same for as long as its generation is.

    Letters and digits only: they need no escaping in a URL, a file or a shell. Each
    generation is a resource of its own, so that two can be there at once. Not
    protected: where the value is used keeps it, and a rotation lets the old one go.

    Args:
        name: what the resource's name begins with.
        wanted: what is made up.
        parent: whose child the resource is.
    """
    return random.RandomPassword(
        f"{name}-{wanted.label}",
        length=wanted.length,
        special=False,
        opts=pulumi.ResourceOptions(parent=parent, protect=False),
    ).result


def keepers(generation: int) -> dict[str, str] | None:
    """Return what replaces a password of a component once for each generation.

    None for the first one, so that stacks from before there were rotations stay as
    they are.
    """
    return {"generation": str(generation)} if generation else None
