"""The app's secrets, as files that only its containers mount."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.docker.files import Files, FilesArgs
from components.generated_secrets import made_up
from contract import Generated


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Which secrets there are.

    given: variable to value, from the operator and from other components.
    generated: variable to what is made up for it.
    image: any image that is on the host.
    owner: numeric user that the app runs as; nobody else may read the files.
    """

    given: Mapping[str, pulumi.Input[str]]
    generated: Mapping[str, Generated]
    image: pulumi.Input[str]
    owner: int


class Secrets(pulumi.ComponentResource):
    """A volume with a file for each secret, named after its variable.

    An environment would be shown by `docker inspect`, and inherited by every process.
    Other values make another volume, so that containers are replaced, not surprised.
    """

    names: tuple[str, ...]
    """Variables that have a file."""

    volume: pulumi.Output[str]
    """Name of the volume; resolves once the files are in it."""

    def __init__(
        self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Secrets", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if twice := args.given.keys() & args.generated.keys():
            raise ValueError(f"given and generated: {', '.join(sorted(twice))}")

        values: dict[str, pulumi.Input[str]] = {
            variable: pulumi.Output.secret(value)
            for variable, value in args.given.items()
        }
        for variable, wanted in args.generated.items():
            values[variable] = made_up(name, wanted, parent=self)
        files = Files(
            f"{name}-secrets",
            FilesArgs(image=args.image, files=values, owner=args.owner),
            opts=child,
        )

        self.names = tuple(sorted(values))
        self.volume = files.volume
        self.register_outputs({"volume": self.volume})
