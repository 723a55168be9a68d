"""The client's files, out of the app's image to where the proxy serves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.docker.confinement import (
    LogRotation,
    mount,
)
from components.docker.task import Task, TaskArgs

_PUBLISH = Path(__file__).with_name("publish_client.sh")
_PUBLIC = "/public"


@dataclass(frozen=True, kw_only=True)
class ClientArgs:
    """What is published.

    image: the app's image, with a shell in it.
    volume: name of the volume that the proxy serves.
    client_dir: where the image has the client's build.
    starts_after: what must be there before: the API that the client asks, and the
        proxy that leads to it.
    logs: how much of the output is kept.
    """

    image: pulumi.Input[str]
    volume: pulumi.Input[str]
    client_dir: str
    logs: LogRotation
    starts_after: Sequence[pulumi.Resource] = ()


class Client(pulumi.ComponentResource):
    """The client's build in the proxy's volume, brought up to date by each new image.

    The volume stays the same, so that the proxy need not be replaced for a release.
    Files of former releases stay a while: open pages still load them.
    """

    def __init__(
        self, name: str, args: ClientArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:docker:Client", name, None, opts)

        publication = Task(
            f"{name}-client",
            TaskArgs(
                image=args.image,
                entrypoint=["sh", "-c", _PUBLISH.read_text(encoding="utf-8")],
                command=["publish_client.sh", args.client_dir, _PUBLIC],
                # The volume is root's; without a network or a capability, root can do
                # no more in there than write to it.
                user="0:0",
                volumes=[mount(args.volume, _PUBLIC)],
                memory=64,
                starts_after=args.starts_after,
                logs=args.logs,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"published": publication.gate(args.volume)})
